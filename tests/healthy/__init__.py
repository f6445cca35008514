"""Fits that are well: settings that suit their data, and an end that is as good as an independent reference.

    case.py        what a case is, and what counts as well
    sources.py     rows by formula, rows of bundled tables, scores and references
    linear.py      the linear family: losses, penalties, rules, schedules, minibatches, streams
    everyday.py    the same at everyday work: few rows, many columns, categories, groups, series, rare classes
    tables.py      tables of scikit-learn, statsmodels and formulas: text, dates, weights, missing values, many rows alike
    networks.py    modules on numbers
    small_nets.py  the usual rules, rates, batches and schedules
    classifying.py modules on classes, pictures and sequences
    recipes.py     modules as courses build them: normalizations, starts, losses of one's own, patience, embeddings

Each finding on such a fit is a false alarm, but for those that a case names as true of its data.
`python benchmarks/healthy_fits.py` prints what was found.
"""

"""The columns: on different scales, far from zero, depending on one another, or of one value only.

Gradient descent takes as many steps as the condition number κ = λ_max/λ_min says. What of κ standardised
columns take away is a matter of scales; what stays is a matter of columns that depend on one another. Both are told of a
descent that did not arrive, and of a table before any fit. Exact dependence and constant columns are wrong whatever a
descent makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.column_scales import shape_of
from steepest.analysis.checks.measured_descent import MeasuredDescent
from steepest.analysis.finding import Finding, Fitted, Kind, Prepared
from steepest.analysis.needs import LINEAR, OPTIMUM, UNCOORDINATED, check
from steepest.model import preconditioners as frames
from steepest.model.linear import SAMPLED, LinearProblem, is_constant
from steepest.text.numbers import count, listed, number

FALLS = 30.0  # by how many times the condition number falls where scales are to blame
LONG = 100.0  # condition number of standardised columns from which they count as collinear
HARD = 1e4  # condition number of a table that is called hard before any fit
EXACT = 1e-10  # share of its spread that a column has apart from the others, at or below which it depends on them
SURE = 1e-4  # the same share, as far as the products of columns still tell it


@check("descent", finds=(Kind.SCALES,), needs=(LINEAR, OPTIMUM))
def scales(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """SCALES: no rate would have done it in these steps, and in standardised columns the same steps would."""
    if descent.precondition != "none" or descent.does(descent.best_of_rates):
        return
    shape = descent.shape
    if shape.raw < FALLS * shape.standardised:
        return
    remedy, gap = descent.elsewhere("standardize")
    if not gap <= max((1.0 - need) * descent.best_of_rates, descent.enough) or not descent.share(gap) >= 0.5:
        return
    name = shape.names[shape.worst]
    yield descent.finding(
        Kind.SCALES, f"The columns are on different scales, above all {name!r}: no one rate suits them all.",
        f"{shape.told()}. The condition number is {number(shape.raw)}, and {number(shape.standardised)} once columns are "
        "standardised: about so many steps make the gap 7.4 times smaller, whatever the rate.",
        remedy, gap, columns=(name,),
    )  # fmt: skip


@check("descent", finds=(Kind.COLLINEAR,), needs=(LINEAR, OPTIMUM))
def collinear(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """COLLINEAR: even in standardised columns no rate would have done it, and in an orthonormal basis these steps would."""
    if descent.precondition == "orthonormal" or descent.does(descent.best_of_rates):
        return
    shape = descent.shape
    if shape.standardised < LONG:
        return
    beside = [descent.best_of_rates]
    if descent.precondition == "none":
        standardised = descent.elsewhere("standardize")[1]
        if descent.does(standardised):
            return
        beside.append(standardised)
    remedy, gap = descent.elsewhere("orthonormal")
    if not gap <= max((1.0 - need) * float(np.nanmin(beside)), descent.enough) or not descent.share(gap) >= 0.5:
        return
    names, evidence = together(descent.problem, descent.terms)
    what = f"{listed(names)} are nearly a linear combination of one another"
    evidence += f" The condition number of the standardised columns is {number(shape.standardised)}"
    if descent.precondition == "none" and shape.raw > FALLS * shape.standardised:
        what += f", and the columns are on different scales, above all {shape.names[shape.worst]!r}"
        evidence += f", in their own units {number(shape.raw)}"
    yield descent.finding(Kind.COLLINEAR, f"{what}.", f"{evidence}.", remedy, gap, columns=names)


def together(problem: LinearProblem, names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The columns in the direction that the data determine least, and their largest variance inflation.

    That direction is the smallest eigenvalue's of the correlations R; VIFⱼ = (R⁻¹)ⱼⱼ = 1/(1 − R²ⱼ) (Marquardt 1970).
    """
    basis = frames.standardised(problem.sampled).basis[:, int(problem.intercept) :]
    own = names[int(problem.intercept) :]
    right = np.linalg.svd(np.linalg.qr(basis, mode="r"))[1:]
    sizes, vectors = right[0] / np.sqrt(len(basis)), right[1]
    weight = np.abs(vectors[-1])
    order = np.argsort(-weight, kind="stable")
    chosen = tuple(own[j] for j in order if weight[j] >= 0.2 * weight[order[0]])
    inflation = float(((vectors[:, order[0]] / np.maximum(sizes, 1e-12 * sizes[0])) ** 2).sum())
    left = 1.0 / max(inflation, 1.0)
    words = f"The others explain all but {number(left)} of the variance of {own[order[0]]!r}"
    return chosen, f"{words} (variance inflation {number(inflation)})."


@check("table", "fit", finds=(Kind.CONSTANT,), needs=(LINEAR,))
def constant(given: Prepared) -> Iterator[Finding]:
    """CONSTANT: columns with one value say nothing beside an intercept."""
    data = given.train
    if given.terms is None or not given.terms.intercept or len(data.x) < 2:
        return
    maybe = np.flatnonzero(np.isclose(data.x[:100], data.x[0], rtol=1e-12, atol=0.0).all(0))  # acquits nearly all
    names = [data.names[j] for j in maybe if is_constant(data.x[:, j])]
    sources = dropped(given, names)
    if not names or not sources:
        return
    column = data.x[:, data.names.index(names[0])]
    rounded = "" if (column == column[0]).all() else ", up to rounding"
    are = "is the same in every row" if len(names) == 1 else "have one value each in every row"
    yield Finding(
        Kind.CONSTANT, f"{listed(names)} {are}: beside the intercept that says nothing.",
        f"{names[0]!r} is {number(float(column[0]))} in all {len(data.x):,} rows{rounded}.",
        {"drop": sources}, "The same predictions with fewer coefficients.", of_model=True, columns=tuple(names),
    )  # fmt: skip


@check("table", "fit", finds=(Kind.COLLINEAR,), needs=(LINEAR,))
def dependent(given: Prepared) -> Iterator[Finding]:
    """COLLINEAR: columns that are exactly a linear combination of others, a duplicate in other units among them."""
    data = given.train
    if given.terms is None or not 1 < data.x.shape[1] <= len(data.x) - 2:
        return
    if data.x.shape[1] > 1_000 or given.spec.penalty != "none":  # which settles how columns share
        return
    found = combinations(data.x.astype(np.float64, copy=False), tuple(data.names), given.terms.intercept)
    gone = [name for name, _ in found if dropped(given, [name])]
    if not gone:
        return
    name, others = next((name, others) for name, others in found if name in gone)
    twin = f"{others[0]!r} over again, or in other units"
    what = f"{name!r} is {twin if len(others) == 1 else f'a linear combination of {listed(others)}'}."
    more = f" So are {listed(gone[1:])}." if len(gone) > 1 else ""
    yield Finding(
        Kind.COLLINEAR, what + more,
        f"A least-squares fit of {name!r} on {listed(others)} leaves nothing over: R² is 1 within rounding, and the "
        "coefficients of these columns can be traded for one another without any change in the loss.",
        {"drop": dropped(given, gone)}, "The same predictions, with coefficients that the data determine.",
        of_model=True, columns=(name, *others),
    )  # fmt: skip


def combinations(x: np.ndarray, names: tuple[str, ...], intercept: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Columns of x `[n, d]` that are exactly combinations of those before them, each with those it is made of.

    By Gram-Schmidt on standardised columns: what is left of a column is compared with what rounding leaves.

    >>> a, b = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.0, 1.0, 0.0, 3.0])
    >>> combinations(np.column_stack([a, b, a + b]), ("a", "b", "c"), True)
    [('c', ('a', 'b'))]
    """
    some = np.random.default_rng(0).permutation(len(x))[: max(SAMPLED // x.shape[1], 4 * x.shape[1])]
    found = []
    for j, others in _combined(x[some], intercept):
        rest, column = x[:, others], x[:, j]
        shift = rest.mean(0), column.mean()
        if not intercept:
            shift = 0.0 * shift[0], 0.0
        sizes = np.sqrt(((rest[some] - shift[0]) ** 2).mean(0))
        made_of = np.linalg.lstsq((rest[some] - shift[0]) / sizes, column[some] - shift[1], rcond=None)[0] / sizes
        left = np.abs(column - shift[1] - (rest - shift[0]) @ made_of)  # of all rows, not of some only
        if left.max() <= 1e-8 * np.abs(column - shift[1]).max() + 1e-13 * np.abs(column).max():
            parts = np.abs(made_of * sizes) > 1e-6 * np.abs(column - shift[1]).max()
            found.append((names[j], tuple(names[k] for k, part in zip(others, parts, strict=True) if part)))
    return [(name, parts) for name, parts in found if parts]


def _combined(rows: np.ndarray, intercept: bool) -> Iterator[tuple[int, list[int]]]:
    """Columns of these rows with nothing of their own beside those kept before them, each with all of those."""
    centred = rows - (rows.mean(0) if intercept else 0.0)
    sizes = np.sqrt((centred**2).mean(0))
    largest = np.abs(rows).max(0, initial=0.0)
    own = np.flatnonzero(sizes > 1e-13 * largest)
    columns = centred[:, own] / (sizes[own] * np.sqrt(len(rows)))
    # digits that a column loses by lying far from zero are not there to tell it from others
    least = np.maximum(EXACT, 100.0 * np.finfo(float).eps * largest[own] / sizes[own])
    if _apart(columns, least):
        return
    kept: list[int] = []
    basis = np.empty(columns.shape, order="F")
    for j, column, short in zip(own.tolist(), columns.T, least, strict=True):
        known = basis[:, : len(kept)]
        left = column - known @ (known.T @ column)
        left -= known @ (known.T @ left)
        length = float(np.linalg.norm(left))
        if length > short:
            basis[:, len(kept)] = left / length
            kept.append(j)
        elif kept:
            yield j, list(kept)


def _apart(columns: np.ndarray, least: np.ndarray) -> bool:
    """Whether each of these columns of length 1 surely has more of its own beside those before it than `least` `[d]`.

    What it has of its own stands on the diagonal of the Cholesky factor of their products, as far as rounding lets it.
    """
    try:
        lengths = np.diag(np.linalg.cholesky(columns.T @ columns))
    except np.linalg.LinAlgError:
        return False
    return bool((lengths > np.maximum(SURE, least)).all())


def dropped(given: Prepared, names: list[str]) -> tuple[str, ...]:
    """The setting `drop` that leaves these columns out as well; indicators of a category cannot go alone.

    Of a formula it holds the names of terms (`formula_remedy.py`).
    """
    design = given.schema.design
    sources = {column.name for column in given.schema.columns if column.kind != "category"}
    sources = sources if design is None else {names[0] for names in design.terms.values() if len(names) == 1}
    more = [name for name in names if name in sources]
    return (*given.spec.drop, *more) if more else ()


@check("table", finds=(Kind.SCALES,), needs=(LINEAR, UNCOORDINATED))
def hard_scales(given: Prepared) -> Iterator[Finding]:
    """SCALES: what columns of different sizes will do to a descent in their own units."""
    problem, terms = given.problem, given.terms
    if problem is None or terms is None or given.spec.precondition in ("standardize", "orthonormal"):
        return
    if problem.parameters > 2_000 or len(problem.design) < 2 or problem.design.shape[1] < 2:
        return
    shape = shape_of(problem, terms.names)
    if shape.raw < max(HARD, FALLS * shape.standardised):
        return
    name = shape.names[shape.worst]
    yield Finding(
        Kind.SCALES, f"The columns are on different scales, above all {name!r}: in their own units no one rate suits them all.",
        f"{shape.told()}. The condition number is {number(shape.raw)}, and {number(shape.standardised)} once columns are "
        "standardised.",
        {"precondition": "standardize", "lr": "auto"},
        f"About {count(shape.standardised)} steps in place of {count(shape.raw)} make the gap 7.4 times smaller.",
        1.0 - shape.standardised / shape.raw, columns=(name,),
    )  # fmt: skip


@check("table", finds=(Kind.COLLINEAR,), needs=(LINEAR,))
def hard_collinear(given: Prepared) -> Iterator[Finding]:
    """COLLINEAR: what columns that nearly depend on one another will do to a descent in standardised columns."""
    problem, terms = given.problem, given.terms
    if problem is None or terms is None or problem.penalty.kinked or given.spec.precondition == "orthonormal":
        return
    if problem.parameters > 2_000 or not 2 < problem.design.shape[1] < len(problem.design):
        return
    shape = shape_of(problem, terms.names)
    if shape.standardised < HARD:
        return
    names, evidence = together(problem, terms.names)
    yield Finding(
        Kind.COLLINEAR, f"{listed(names)} are nearly a linear combination of one another.",
        f"{evidence} The condition number of the standardised columns is {number(shape.standardised)}.",
        {"precondition": "orthonormal", "lr": "auto"},
        f"A few steps in place of about {count(shape.standardised)} make the gap 7.4 times smaller.",
        1.0 - 1.0 / shape.standardised, columns=names,
    )  # fmt: skip

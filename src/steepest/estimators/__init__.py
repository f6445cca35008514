"""scikit-learn's way in: `DescentRegressor` and `DescentClassifier`, thin over `fit()`, and `search()`.

parameters   the constructor's keywords, read off the table of settings
rows         arrays as scikit-learn has checked them → rows ready for a fit
model        what predicts: the parameters, and what they belong to
base         what both estimators do: fit, fitted attributes; regressor and classifier add the target
following    what goes along with a fit: callbacks, and the state that `warm_start` goes on with
stepping     one update after another: `partial_fit`
sparse       fits to a sparse matrix
search       a grid of candidates; together.py is what works those that differ in their penalty side by side
"""

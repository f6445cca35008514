"""scikit-learn's way in: `DescentRegressor` and `DescentClassifier`, thin over `fit()`, and `search()`.

parameters   the constructor's keywords, read off the table of settings
rows         arrays as scikit-learn has checked them → rows ready for a fit
model        what predicts: the parameters, and what they belong to
base         what both estimators do: fit, fitted attributes; regressor and classifier add the target
stepping     one update after another: `partial_fit`, and `warm_start` that goes on where a fit ended
"""

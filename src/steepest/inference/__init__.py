"""What the coefficients of a fit are worth: standard errors, intervals, tests, and the figures of a regression table.

sample.py         the rows, θ and orthonormal coordinates that all of it is computed in
covariance.py     the covariance of the coefficients, by theory and by the sandwich formulas
bootstrap.py      the same by resampling the rows: all resamples descend at once
regression.py     R², F, log-likelihood, deviance and their like
summary.py        `fit.summary()`, the table of them all
intervals.py      `fit.predict(x, interval=0.95)`
influence.py      leverage, Cook's distance, studentised residuals, variance inflation
"""

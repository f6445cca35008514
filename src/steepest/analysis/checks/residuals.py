"""What the residuals say about the model: OUTLIERS, CURVATURE, INTERCEPT and LOG_TARGET, told apart.

Each has a test of its own. Where several find something, the one that explains most is believed, the data are seen as its
remedy leaves them, and the others are asked again: what is still there stays, what is gone was its consequence. (One
outlier far out bends the residuals, a log target bends them and makes outliers too.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from steepest.analysis.checks.coded_target import are_codes
from steepest.analysis.checks.log_target import logarithm
from steepest.analysis.checks.misread_values import codes_of
from steepest.analysis.checks.missing_terms import curvature, intercept
from steepest.analysis.checks.outliers import outliers
from steepest.analysis.checks.regression import Cause, Regression
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Prepared

TESTS: tuple[Callable[[Regression], Cause | None], ...] = (outliers, curvature, intercept, logarithm)


@check("table", "fit")
def residuals(given: Prepared) -> Iterator[Finding]:
    """What is wrong with a regression of the linear family on one target, judged by its exact answers alone.

    >>> from steepest.fitting import fit
    >>> x = np.linspace(-1, 1, 50)
    >>> [finding.python for finding in residuals(fit(x, x**2 + 0.01 * np.sin(40 * x)))]
    ["model='poly:2'"]
    """
    regression = Regression.of(given)
    if regression is None or given.train is None or are_codes(given.train) or codes_of(given, given.train):
        return
    seen = regression
    if regression.robust:
        apart = outliers(replace(regression, robust=False))
        seen = regression if apart is None else apart.mended
    found = [(test, cause) for test in TESTS if (cause := test(seen)) is not None]
    believed = False
    for test, first in sorted(found, key=lambda pair: -pair[1].finding.share):
        again = test(seen) if believed else first
        if again is not None:
            yield first.finding
            seen, believed = again.mended, True

"""What the residuals say about the model: OUTLIERS, CURVATURE, INTERCEPT and LOG_TARGET, told apart; SPREAD or HEAVY_TAIL last.

Each has a test of its own. Where several find something, the one that explains most is believed, the data are seen as its
remedy leaves them, and the others are asked again: what is still there stays, what is gone was its consequence. (One
outlier far out bends the residuals, a log target bends them and makes outliers too.)

LOG_TARGET: the residuals are multiplicative, not additive.

Box and Cox (1964): the profile log-likelihood of the power λ of a positive target, on the residuals of its regression,

    ℓ(λ) = −(n/2)·log(RSS_λ/n) + (λ − 1)·Σ log y,    RSS_λ of (y^λ − 1)/λ, at λ = 0 of log y

so that λ = 1 is the target as it is and λ = 0 its logarithm. Found where ℓ(0) − ℓ(1) > 7.6 (half of the χ² of one degree
of freedom at 1e-4), ℓ(0) > ℓ(½) (so that no mere root will do), and the log explains at least 0.1 of the residual variance
in comparable units: share = 1 − exp(−2(ℓ(0) − ℓ(1))/n). Rows more than 3 scales out on the log scale are left out: the
power that tails want is not the power that the rows want. Of 5,400 additive tables around 20, with noises as in
`missing_terms.py`, none was found to want a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.classes import are_codes
from steepest.analysis.checks.column_codes import levels
from steepest.analysis.checks.misread_values import codes_of
from steepest.analysis.checks.missing_terms import curvature, intercept
from steepest.analysis.checks.outliers import outliers
from steepest.analysis.checks.regression import Cause, Regression, Sampled
from steepest.analysis.checks.residual_spread import heavy_tail, spread
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.fit_settings import another_loss
from steepest.analysis.needs import LINEAR, NUMBERS, OF_RESIDUALS_ALIKE, check
from steepest.lazy import torch

FOUND = (Kind.OUTLIERS, Kind.LEVELS, Kind.CURVATURE, Kind.INTERCEPT, Kind.LOG_TARGET, Kind.HEAVY_TAIL, Kind.SPREAD)

LEAST_GAIN = 7.57
LEAST_SHARE = 0.1
FAR = 3.0


def likelihoods(sampled: Sampled, y: np.ndarray) -> tuple[float, float, float]:
    """The profile log-likelihood of a sample's positive targets y `[m]` at the powers 0, ½ and 1.

    y is taken in units of its geometric mean, so that Σ log y is 0.
    """
    rows, found = len(y), []
    scaled = y / np.exp(np.average(np.log(y), weights=sampled.weights))
    for power in (0.0, 0.5, 1.0):
        moved = np.log(scaled) if power == 0 else (scaled**power - 1.0) / power
        centre = np.average(moved, weights=sampled.weights)
        spread = float(np.average((moved - centre) ** 2, weights=sampled.weights)) * rows
        # met exactly: the logarithm of nothing decides nothing
        rss = max(replace(sampled, y=moved).least_squares.rss, 1e-20 * spread)
        found.append(-0.5 * rows * np.log(rss / rows))
    return found[0], found[1], found[2]


def logarithm(regression: Regression) -> Cause | None:
    """Whether a positive target is better predicted on a log scale; None where it is not, or is already."""
    y, target = regression.y, regression.target
    if target.startswith("log(") or not (y > 0).all() or y.max() < 2 * y.min():
        return None
    logged = replace(regression, y=np.log(y), target=f"log({target})")
    whole = logged.thinned
    if len(whole.y) < whole.design.shape[1] + 10:
        return None
    near = whole.only(np.abs(whole.robust.residual) <= FAR * whole.robust.scale)
    rows = len(near.y)
    log, root, plain = likelihoods(near, y[near.rows])
    share = float(1.0 - np.exp(-2.0 * (log - plain) / rows))
    if not (log - plain > LEAST_GAIN and log > root and share >= LEAST_SHARE):
        return None
    sample = f", on an even sample of {rows:,} rows" if rows < regression.rows else ""
    found = Finding(
        Kind.LOG_TARGET,
        f"{target!r} runs from {y.min():.3g} to {y.max():.3g}, and its residuals grow with it: they are factors, not "
        "differences.",
        f"The Box–Cox log-likelihood is {log - plain:.3g} higher for log({target}) than for {target} itself, and "
        f"{log - root:.3g} higher than for its root{sample}.",
        {"target": f"log({target})"},
        f"R² at the optimum is {_r2(whole, whole.y):.3g} on the log scale, where it is {_r2(whole, y[whole.rows]):.3g} now; "
        f"predictions are off by a factor of {np.exp(np.exp(-log / rows)):.3g}, as a standard deviation.",
        share, of_model=True,
    )  # fmt: skip
    return Cause(found, logged)


def _in_settings(finding: Finding, given: Prepared) -> Finding:
    """A finding whose columns are levels, as the table or the formula has them."""
    if finding.kind is not Kind.LEVELS:
        return finding
    name = finding.columns[0]
    if given.schema.design is not None:
        return replace(finding, remedy={}, advice=f"Write C({name}) in the formula in the place of {name}.")
    return replace(finding, remedy={"categories": (*given.spec.categories, name)})


def better_in_logarithms(given: Prepared) -> bool:
    """Whether the exact quantiles of the logarithm are the better ones of the target; True for all other losses.

    A quantile of the logarithm is the logarithm of the quantile. So, other than of means, the loss tells which of the
    two scales is straight, whatever the spread does.
    """
    problem = given.problem
    if given.loss_function.pieces is None or problem is None or problem.outputs > 1 or not (problem.target > 0).all():
        return True
    logged = solve(replace(problem, target=np.log(problem.target)))
    plain = solve(problem) if getattr(given, "exact", None) is None else given.exact  # pyrefly: ignore
    if logged.theta is None or plain is None or plain.theta is None:
        return False
    losses = [
        float(np.average(given.loss_function.rows(torch.as_tensor(found), torch.as_tensor(problem.target)).numpy(),
              weights=problem.weights))
        for found in (problem.design @ plain.theta, np.exp(problem.design @ logged.theta))
    ]  # fmt: skip
    return losses[1] <= (1.0 - LEAST_SHARE) ** 0.5 * losses[0]  # of sizes, where the share is of squares


def _r2(sampled: Sampled, y: np.ndarray) -> float:
    """R² of these targets by least squares, on all rows of a sample: what the fit itself prints."""
    own = replace(sampled, y=y)
    centre = np.average(y, weights=own.weights)
    return 1.0 - own.least_squares.rss / float(np.sum((own.root * (y - centre)) ** 2))


TESTS: tuple[Callable[[Regression], Cause | None], ...] = (outliers, levels, curvature, intercept, logarithm)


@check("table", "fit", finds=FOUND, needs=(LINEAR, NUMBERS, OF_RESIDUALS_ALIKE))
def residuals(given: Prepared) -> Iterator[Finding]:
    """What is wrong with a regression of the linear family on one target, judged by its exact answers alone.

    >>> from steepest.fitting import fit
    >>> x = np.linspace(-1, 1, 50)
    >>> [finding.python for finding in residuals(fit(x, x**2 + 0.01 * np.sin(40 * x)))]
    ["model='poly:2'"]
    """
    regression = None if given.loss_function.family is not None else Regression.of(given)
    if regression is None or are_codes(given.train) or codes_of(given, given.train):
        return
    seen = regression
    if regression.robust:
        apart = outliers(replace(regression, robust=False))
        seen = regression if apart is None else apart.mended
    tests = [test for test in TESTS if test is not logarithm or better_in_logarithms(given)]
    found = [(test, cause) for test in tests if (cause := test(seen)) is not None]
    believed = False
    for test, first in sorted(found, key=lambda pair: -pair[1].finding.share):
        again = test(seen) if believed else first
        if again is not None:
            yield _in_settings(first.finding, given)
            seen, believed = again.mended, True
    last = spread(seen) or heavy_tail(seen)  # once the model is right; a spread that grows makes tails as well
    if last is not None:
        remedy = last.finding.remedy
        yield replace(last.finding, remedy=another_loss(remedy, given) if "loss" in remedy else remedy)

"""A target that wants a log: its residuals are multiplicative, not additive.

Box and Cox (1964): the profile log-likelihood of the power λ of a positive target, on the residuals of its regression,

    ℓ(λ) = −(n/2)·log(RSS_λ/n) + (λ − 1)·Σ log y,    RSS_λ of (y^λ − 1)/λ, at λ = 0 of log y

so that λ = 1 is the target as it is and λ = 0 its logarithm. Found where ℓ(0) − ℓ(1) > 7.6 (half of the χ² of one degree
of freedom at 1e-4), ℓ(0) > ℓ(½) (so that no mere root will do), and the log explains at least 0.1 of the residual variance
in comparable units: share = 1 − exp(−2(ℓ(0) − ℓ(1))/n). Rows more than 3 scales out on the log scale are left out: the
power that tails want is not the power that the rows want. Of 5,400 additive tables around 20, with noises as in
`missing_terms.py`, none was found to want a log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.checks.regression import Regression, Sampled
from steepest.analysis.finding import Finding, Kind

LEAST_GAIN = 7.57
LEAST_SHARE = 0.1
FAR = 3.0


@dataclass(frozen=True)
class Logarithm:
    """The log-likelihood at λ = 0, ½ and 1; r2 on either scale; the range of the target; the residual factor of the log."""

    regression: Regression
    likelihood: tuple[float, float, float]
    r2: tuple[float, float]
    range: tuple[float, float]
    factor: float
    share: float
    looked: int

    def explained(self) -> Regression:
        """The regression of the logarithm."""
        own = self.regression
        return replace(own, y=np.log(own.y), target=f"log({own.target})")

    def finding(self, numbers: np.ndarray) -> Finding:
        """In words."""
        del numbers
        target = self.regression.target
        gain = self.likelihood[0] - self.likelihood[2]
        sample = f", on an even sample of {self.looked:,} rows" if self.looked < self.regression.rows else ""
        low, high = self.range
        return Finding(
            Kind.LOG_TARGET,
            what=f"{target!r} runs from {low:.3g} to {high:.3g}, and its residuals grow with it: they are factors, not "
            "differences.",
            evidence=f"The Box–Cox log-likelihood is {gain:.3g} higher for log({target}) than for {target} itself, "
            f"and {self.likelihood[0] - self.likelihood[1]:.3g} higher than for its root{sample}.",
            remedy={"target": f"log({target})"},
            predicted=f"R² at the optimum is {self.r2[1]:.3g} on the log scale, where it is {self.r2[0]:.3g} now; predictions "
            f"are off by a factor of {self.factor:.3g}, as a standard deviation.",
            share=self.share,
            of_model=True,
        )


def logarithm(regression: Regression) -> Logarithm | None:
    """Whether a positive target is better predicted on a log scale; None where it is not, or is already."""
    y = regression.y
    if regression.target.startswith("log(") or not (y > 0).all() or y.max() < 2 * y.min():
        return None
    logged = replace(regression, y=np.log(y))
    sampled = logged.thinned
    if len(sampled.y) < sampled.design.shape[1] + 10:
        return None
    whole, robust = sampled, sampled.robust
    sampled = sampled.only(np.abs(robust.residual) <= FAR * robust.scale)
    values, rows = y[sampled.rows], len(sampled.y)
    scale = np.exp(np.average(sampled.y, weights=sampled.weights))  # in units of the geometric mean Σ log y is 0
    tried = []
    for power in (0.0, 0.5, 1.0):
        moved = np.log(values / scale) if power == 0 else ((values / scale) ** power - 1.0) / power
        rss = replace(sampled, y=moved).least_squares.rss
        centre = np.average(moved, weights=sampled.weights)
        spread = float(np.average((moved - centre) ** 2, weights=sampled.weights)) * rows
        if rss <= 1e-20 * spread:  # met exactly: the logarithm of nothing decides nothing
            rss = 1e-20 * spread
        tried.append(-0.5 * rows * np.log(rss / rows))
    gain = tried[0] - tried[2]
    share = float(1.0 - np.exp(-2.0 * gain / rows))
    if not (gain > LEAST_GAIN and tried[0] > tried[1] and share >= LEAST_SHARE):
        return None
    deviation = (-2.0 * tried[0] / rows) / 2.0
    factor = float(np.exp(np.exp(deviation)))
    return Logarithm(
        regression,
        (tried[0], tried[1], tried[2]),
        (_r2(whole, y[whole.rows]), _r2(whole, whole.y)),
        (float(y.min()), float(y.max())),
        factor,
        share,
        len(sampled.y),
    )


def _r2(sampled: Sampled, y: np.ndarray) -> float:
    """R² of these targets by least squares, on all rows of a sample: what the fit itself prints."""
    own = replace(sampled, y=y)
    centre = np.average(y, weights=own.weights)
    return 1.0 - own.least_squares.rss / float(np.sum((own.root * (y - centre)) ** 2))

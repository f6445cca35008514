"""How far the means of a family lie from its targets: their deviance, that of a constant mean, and Pearson's χ².

    deviance        Σ w·d(y, μ), twice the sum of the losses
    null deviance   the same of the best constant (with an offset: of the best intercept beside it)
    Pearson's χ²    Σ w·(y − μ)²/V(μ)
    D²              1 − deviance / null deviance
    dispersion φ    1 for counts, else χ²/(n − p)
    pseudo-R²       1 − exp((null log-likelihood − log-likelihood)·2/n), which is 1 − exp((deviance − null deviance)/(φ·n))

Weights are summed up as they were given. The numbers are those of statsmodels' GLM; D² is scikit-learn's d2_tweedie_score.
Sources: McCullagh and Nelder 1989, sections 2.3 and 9.2; Cox and Snell 1989 (pseudo-R²).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steepest.analysis.exact import families
from steepest.model.linear import LinearProblem
from steepest.model.loss import Loss

ROWS = 2**15
"""Rows of a block."""


@dataclass(frozen=True)
class Deviances:
    """Of some rows, summed over targets. n: how many rows there are, or that they stand for."""

    deviance: float
    null_deviance: float
    pearson_chi2: float
    n: float

    def figures(self, loss: Loss, parameters: int | None = None) -> dict[str, float]:
        """What metrics hold of them: also D², nan where all targets are alike.

        parameters: of the rows that a model of one prediction a row was fitted to, how many it has; then also the pseudo-R².
        """
        found = {
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "pearson_chi2": self.pearson_chi2,
            "d2": 1.0 - self.deviance / self.null_deviance if self.null_deviance > 0.0 else float("nan"),
        }
        if parameters is not None:
            found["pseudo_r2"] = self.pseudo_r2(self.dispersion(loss, self.n - parameters))
        return found

    def dispersion(self, loss: Loss, left: float) -> float:
        """φ; left: n − p."""
        assert loss.family is not None
        if not loss.family.dispersed:
            return 1.0
        return self.pearson_chi2 / left if left > 0 else float("nan")

    def pseudo_r2(self, dispersion: float) -> float:
        """Cox's and Snell's, with both likelihoods at the same dispersion."""
        return float(-np.expm1((self.deviance - self.null_deviance) / (dispersion * self.n)))


def null_means(loss: Loss, y: np.ndarray, weights: np.ndarray | None, offset: np.ndarray | None) -> np.ndarray:
    """The means `[n]` or `[n, m]` of the best constant; beside an offset `[n]` of the best intercept."""
    if offset is None:
        return np.broadcast_to(np.average(y, axis=0, weights=weights), y.shape)
    if y.ndim == 2:
        return np.stack([null_means(loss, each, weights, offset) for each in y.T], 1)
    share = None if weights is None else weights / weights.mean()
    problem = LinearProblem(np.ones((len(y), 1)), y, loss, weights=share, offset=offset)
    found = families.solve(problem).theta
    return np.zeros_like(y) if found is None else loss.mean_of(found[0] + offset)


def deviances(
    loss: Loss,
    y: np.ndarray,
    mean: np.ndarray,
    weights: np.ndarray | None,
    n: float | None = None,
    offset: np.ndarray | None = None,
) -> Deviances:
    """The deviances of rows y at these means, `[n]` or `[n, m]`; weights, offset: `[n]` as they were given."""
    family = loss.family
    assert family is not None
    each, pearson = np.ones(len(y)) if weights is None else weights, 0.0
    with np.errstate(all="ignore"):
        alone = null_means(loss, y, weights, offset)
        for rows in _blocks(y):
            square = (y[rows] - mean[rows]) ** 2 / family.variance(mean[rows], *loss.numbers)
            square = np.where(y[rows] == mean[rows], 0.0, square)
            pearson += float(each[rows] @ square.reshape(len(square), -1).sum(1))
        own, null = (deviance(loss, y, one, each) for one in (mean, alone))
    return Deviances(own, null, pearson, float(len(y)) if n is None else n)


def deviance(loss: Loss, y: np.ndarray, mean: np.ndarray, weights: np.ndarray) -> float:
    """Σ w·d(y, μ)."""
    assert loss.family is not None
    outputs, whole = y.shape[1] if y.ndim == 2 else 1, 0.0
    with np.errstate(all="ignore"):
        for rows in _blocks(y):
            whole += float(weights[rows] @ loss.rows(loss.family.link(mean[rows]), y[rows]))
    return 2.0 * outputs * whole


def _blocks(y: np.ndarray) -> Iterator[slice]:
    """Rows that are looked at together: what is made of them stays in the cache meanwhile."""
    return (slice(begin, begin + ROWS) for begin in range(0, len(y), ROWS))

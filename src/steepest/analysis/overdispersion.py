"""Whether counts or shares spread more than their family says: Pearson's χ² beside its degrees of freedom.

    φ = Σ w·(y − μ)²/V(μ) / (n − p)                         1 where the family holds, as of poisson and binomial
    t = mean e / (sd e / √n),  e = w·(y − μ)²/V(μ) − 1      Cameron's and Trivedi's (1990) regression test, one-sided

Standard errors by the likelihood are √φ times too small where φ is above 1 (McCullagh and Nelder 1989, sections 4.5 and 6.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.model.loss import Loss

LEAST_ROWS, LEAST_RATIO, SURE = 30, 1.5, 3.09


@dataclass(frozen=True)
class Overdispersion:
    """chi2: Pearson's. left: n − p. t: of the test that the family holds. found: whether rows spread more than it says."""

    chi2: float
    left: float
    t: float
    found: bool

    @property
    def ratio(self) -> float:
        """φ."""
        return self.chi2 / self.left


def overdispersion(
    loss: Loss, y: np.ndarray, mean: np.ndarray, weights: np.ndarray | None, left: float
) -> Overdispersion | None:
    """Of a family whose dispersion is 1, of targets y `[n]` with these means; None of another one, and where it cannot be seen.

    weights: `[n]` or None: trials, or the exposures of rates; of others nobody knows of how many observations they are.
    left: n − p. Of single trials, 0 or 1, it cannot be seen.
    """
    family = loss.family
    if family is None or family.dispersed or len(y) < LEAST_ROWS or left < 1.0:
        return None
    if family.trials and ((y == 0.0) | (y == 1.0)).all():
        return None
    if weights is not None and ((family.whole and _whole(y)) or not _whole(weights * y)):
        return None
    with np.errstate(all="ignore"):
        each = np.where(y == mean, 0.0, (y - mean) ** 2 / family.variance(mean, *loss.numbers))
    each = each if weights is None else weights * each
    spread = float(np.std(each, ddof=1))
    if not np.isfinite(spread) or spread == 0.0:
        return None
    chi2, t = float(each.sum()), float((each.mean() - 1.0) / spread * np.sqrt(len(each)))
    return Overdispersion(chi2, left, t, chi2 >= LEAST_RATIO * left and t >= SURE)


def _whole(numbers: np.ndarray) -> bool:
    return bool((np.abs(numbers - np.round(numbers)) <= 1e-6).all())

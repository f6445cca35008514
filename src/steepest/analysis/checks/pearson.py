"""Whether counts or shares spread more than their family says: Pearson's χ² beside its degrees of freedom.

    φ = χ²/(n − p),   χ² = Σ e,   e = m·(y − μ)²/V(μ)        1 where the family holds, as of poisson and binomial
    z = (χ² − (n − p))/√(Σ (2 + κ))                          beside its variance there, κ the fourth cumulant of a row over V²

κ is 1/μ of a count, and 1/(m·V) − 6/m of a share of m trials. One row far out is an outlier and no overdispersion: the hundredth
of the rows with the largest e is left out, and the rest must spread more as well.

Standard errors by the likelihood are √φ times too small. Sources: McCullagh and Nelder 1989, sections 4.5 and 6.2.3;
McCullagh 1985 (the moments of χ²).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.model.loss import Loss

LEAST_ROWS, LEAST_RATIO, SURE = 30, 1.5, 4.0
FAR, OF_THE_REST = 0.01, 1.25


@dataclass(frozen=True)
class Overdispersion:
    """chi2: Pearson's. left: n − p. z: how many standard deviations it lies above that.

    found: whether rows spread more than the family says.
    """

    chi2: float
    left: float
    z: float
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
    many = np.ones(len(y)) if weights is None else weights
    with np.errstate(all="ignore"):
        variance = family.variance(mean, *loss.numbers)
        each = np.where(y == mean, 0.0, many * (y - mean) ** 2 / variance)
        cumulant = 1.0 / (many * variance) - (6.0 / many if family.trials else 0.0)
    chi2, spread = float(each.sum()), float(np.sqrt(np.sum(2.0 + cumulant)))
    if not np.isfinite(chi2) or not np.isfinite(spread) or spread <= 0.0:
        return None
    rest = np.sort(each)[: -max(1, int(FAR * len(each)))]
    z = (chi2 - left) / spread
    found = chi2 >= LEAST_RATIO * left and z >= SURE and float(rest.mean()) >= OF_THE_REST
    return Overdispersion(chi2, left, z, found)


def _whole(numbers: np.ndarray) -> bool:
    return bool((np.abs(numbers - np.round(numbers)) <= 1e-6).all())

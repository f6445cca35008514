"""The interval of a share: the shares that a score test does not reject (Wilson 1927, JASA 22: 209–212)."""

from __future__ import annotations

import math

NORMAL_QUANTILE = 1.959963984540054
"""Of 97.5 %: the interval covers 95 %."""


def interval(met: int, of: int) -> tuple[float, float]:
    """The least and the largest share that `met` of `of` speaks for; all shares where there is nothing to go by.

    |p − met/of| = z·√(p(1 − p)/of), solved for p.
    """
    if not of:
        return 0.0, 1.0
    square, share = NORMAL_QUANTILE**2, met / of
    centre = share + square / (2 * of)
    half = NORMAL_QUANTILE * math.sqrt(share * (1 - share) / of + square / (4 * of**2))
    low, high = ((centre + sign * half) / (1 + square / of) for sign in (-1, 1))
    return max(low, 0.0) if met else 0.0, min(high, 1.0) if met < of else 1.0

"""Tail probabilities and quantiles: normal, Student's t, F and χ², as `scipy.stats` has them, whose import takes far longer."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from steepest.errors import SpecError


def check_level(name: str, level: Any) -> None:
    """Raise SpecError for what is no level of an interval; name: of the keyword.

    >>> check_level("level", 95)
    Traceback (most recent call last):
    steepest.errors.SpecError: level=95: it must be between 0 and 1, as 0.95.
    """
    if not isinstance(level, Real) or not 0.0 < float(level) < 1.0:
        raise SpecError(f"{name}={level!r}: it must be between 0 and 1, as 0.95.")


def two_sided(statistic: np.ndarray, df: float | None) -> np.ndarray:
    """P(|T| ≥ |statistic|) of Student's t with `df` degrees of freedom, of the normal distribution where df is None."""
    from scipy import special

    size = -np.abs(statistic)
    return 2.0 * (special.ndtr(size) if df is None else special.stdtr(df, size))


def quantile(level: float, df: float | None) -> float:
    """The number that |T| exceeds with probability 1 − level."""
    from scipy import special

    tail = 0.5 * (1.0 - level)
    return float(-special.ndtri(tail) if df is None else -special.stdtrit(df, tail))


def of_f(statistic: float, df: float, df_denominator: float | None) -> float:
    """P(F ≥ statistic); without a denominator df·statistic is χ² with df degrees of freedom."""
    from scipy import special

    if df_denominator is None:
        return of_chi2(df * statistic, df)
    return float(special.fdtrc(df, df_denominator, statistic)) if np.isfinite(statistic) else 0.0


def of_chi2(statistic: float, df: float) -> float:
    """P(χ² ≥ statistic)."""
    from scipy import special

    return float(special.chdtrc(df, statistic))

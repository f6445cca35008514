"""Tests of several coefficients at once, and of a fit against a smaller one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steepest.data.wording import counted, listed, number, quoted
from steepest.errors import SpecError
from steepest.inference import distributions

SINGULAR = 1e2 * np.finfo(float).eps
"""An eigenvalue beside the largest one, for each coefficient, up to which it is rounding."""

OUTSIDE = 1e-6
"""Part of the coefficients in directions that their covariance does not have, up to which it is rounding."""


@dataclass(frozen=True)
class HypothesisTest:
    """What came of a test.

    Attributes:
        hypothesis: what was tested, in words.
        distribution: that of the statistic where the hypothesis holds: "F" or "chi2".
        statistic: its value.
        df, df_denominator: degrees of freedom; those of the denominator of F, else None.
        p_value: the probability of as much or more.
    """

    hypothesis: str
    distribution: str
    statistic: float
    df: float
    df_denominator: float | None
    p_value: float

    def __str__(self) -> str:
        below = "" if self.df_denominator is None else f", {number(self.df_denominator)}"
        sign = "F" if self.distribution == "F" else "χ²"
        return f"{self.hypothesis}: {sign}({number(self.df)}{below}) = {number(self.statistic)}, p = {number(self.p_value, 3)}"


def places_of(
    names: str | Sequence[str], labels: Sequence[str], plain: Sequence[str], terms: Mapping[str, Sequence[str]]
) -> list[int]:
    """The places of coefficients: by their labels (`a: age`), by their names, or by the column or term that they are of.

    terms: the names of each column, or term of a formula, however blanks are set in it.
    """
    tight = {"".join(term.split()): members for term, members in terms.items()}
    wanted = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    if not wanted:
        raise SpecError("Which coefficients are to be tested? Name one at least.")
    found: list[int] = []
    for name in wanted:
        hits = [i for i, label in enumerate(labels) if label == name] or [
            i for i, one in enumerate(plain) if one == name
        ]
        if not hits:
            members = tight.get("".join(str(name).split()), ())
            hits = [i for i, one in enumerate(plain) if one in members]
        if not hits:
            several = [term for term, members in terms.items() if len(members) > 1]
            also = f" Together: {listed(several)}." if several else ""
            raise SpecError(f"There is no coefficient {quoted(name)}. There are {listed(labels)}.{also}")
        found += hits
    return list(dict.fromkeys(found))


def of_zero(
    theta: np.ndarray, covariance: np.ndarray, names: Sequence[str], df: float | None, units: np.ndarray | None = None
) -> HypothesisTest:
    """Wald's test that coefficients `[q]` with this covariance are 0: F with df in the denominator, χ² where that is None.

    units: in which each is measured, where it is told what is rounding; by default its standard error.

    Raises:
        SpecError: the covariance has no inverse.
    """
    if not np.isfinite(covariance).all():
        raise SpecError(f"The rows do not determine each of {listed(names)}, so they cannot be tested.")
    sizes = np.sqrt(np.diag(covariance)) if units is None else units
    with np.errstate(divide="ignore", invalid="ignore"):
        values, vectors = np.linalg.eigh(np.nan_to_num(covariance / np.outer(sizes, sizes)))
        along = np.nan_to_num(theta / sizes) @ vectors
    kept = values > len(values) * SINGULAR * values[-1]
    count = int(kept.sum())
    # those of all classes of a softmax sum to 0: their covariance has no inverse, and nothing stands out of it
    if np.abs(along[~kept]).max(initial=0.0) > OUTSIDE * np.abs(along).max():
        raise SpecError(
            f"{counted(len(values), 'coefficient')} cannot be tested together by a covariance of rank {count}, as of few groups "
            "or few resamples. Test fewer of them, or take another cov=."
        )
    value = float((along[kept] ** 2 / values[kept]).sum())
    what = f"{listed(names)} {'is' if len(names) == 1 else 'are'} 0"
    if df is None:
        return HypothesisTest(what, "chi2", value, count, None, distributions.of_chi2(value, count))
    return HypothesisTest(what, "F", value / count, count, df, distributions.of_f(value / count, count, df))


def of_squares(smaller: tuple[float, float], larger: tuple[float, float]) -> HypothesisTest:
    """The F test of nested least squares; each: the sum of squares left, and the degrees of freedom left."""
    df = smaller[1] - larger[1]
    value = (smaller[0] - larger[0]) / df / (larger[0] / larger[1])
    return HypothesisTest(
        "the smaller model holds", "F", value, df, larger[1], distributions.of_f(value, df, larger[1])
    )


def of_deviances(smaller: tuple[float, float], larger: tuple[float, float], dispersion: float) -> HypothesisTest:
    """The same of families, with the dispersion of the larger model, as R has it; each: the deviance, and the degrees of freedom
    left."""
    halves = ((-0.5 * deviance / dispersion, left) for deviance, left in (smaller, larger))
    return of_likelihoods(*halves)


def of_likelihoods(smaller: tuple[float, float], larger: tuple[float, float]) -> HypothesisTest:
    """The likelihood ratio test of nested models; each: the log-likelihood, and the degrees of freedom left."""
    value, df = max(0.0, 2.0 * (larger[0] - smaller[0])), smaller[1] - larger[1]
    return HypothesisTest("the smaller model holds", "chi2", value, df, None, distributions.of_chi2(value, df))

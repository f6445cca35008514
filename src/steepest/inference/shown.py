"""Which coefficients are shown, in which order and form, and the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from steepest.data.wording import listed
from steepest.errors import SpecError
from steepest.inference import distributions
from steepest.inference.bootstrap import Resampled
from steepest.result import Fit

FULL = 16
"""Digits of a coefficient at most."""

NOTHING = 1e-14
"""A coefficient beside its standard error, up to which it is 0 but for rounding."""


@dataclass(frozen=True)
class Shown:
    """Which coefficients are shown, in which order: of targets or classes one after the other, `names` of each.

    blocks: the targets or classes, None of a single one. centred: whether classes are taken less their mean, or less the one
    of number `reference`.
    """

    names: tuple[str, ...]
    blocks: tuple[str, ...] | None = None
    kind: Literal["target", "class", ""] = ""
    centred: bool = False
    reference: int | None = None

    def of(self, theta: np.ndarray) -> np.ndarray:
        """Those of θ `[…, k·p]`, `[…, q]`; also of whatever is linear in θ."""
        if not self.centred:
            return theta
        parts = theta.reshape(*theta.shape[:-1], -1, len(self.names))
        if self.reference is None:
            parts = parts - parts.mean(-2, keepdims=True)
        else:
            parts = np.delete(parts - parts[..., [self.reference], :], self.reference, axis=-2)
        return parts.reshape(*theta.shape[:-1], -1)

    @property
    def columns(self) -> dict[str, list[str]]:
        """The columns of the table that say which coefficient a row is."""
        if self.blocks is None:
            return {"name": list(self.names)}
        return {
            "name": list(self.names) * len(self.blocks),
            self.kind: [block for block in self.blocks for _ in self.names],
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """What each is called, as in `fit.names`."""
        if self.blocks is None:
            return self.names
        return tuple(f"{block}: {name}" for block in self.blocks for name in self.names)


def shown_of(fit: Fit, reference: Any) -> Shown:
    """What is shown of a fit. reference: the class that others are compared with, or None."""
    coupled = fit.terms is not None and fit.loss_function.coupled
    if reference is not None and not coupled:
        raise SpecError("reference= is for the classes of a softmax.")
    if fit.terms is None:
        return Shown(tuple(fit.names))
    names = fit.terms.names
    if coupled:
        classes = fit.schema.classes or ()
        if reference is None:
            return Shown(names, classes, "class", True)
        if str(reference) not in classes:
            raise SpecError(f"reference={reference!r} is no class. There are {listed(classes)}.")
        at = classes.index(str(reference))
        return Shown(names, classes[:at] + classes[at + 1 :], "class", True, at)
    return Shown(names, fit.schema.targets, "target") if len(fit.names) > len(names) else Shown(names)


@dataclass(frozen=True)
class Errors:
    """Of the coefficients shown `[q]`; nan where it is not known. df: of t, None for z."""

    std_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    df: float | None
    covariance: np.ndarray | None = None
    resamples: Resampled | None = None

    @classmethod
    def none(cls, count: int) -> Errors:
        """Those of a fit that has none."""
        nothing = np.full(count, np.nan)
        return cls(nothing, nothing, nothing, None)


def table(shown: Shown, values: np.ndarray, exact: np.ndarray | None, errors: Errors, tested: bool) -> pa.Table:
    """The coefficients with all that is known of each; tested: whether they may be tested against 0."""
    import pyarrow as pa

    nothing = np.full(len(values), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = values / errors.std_error if tested else nothing
        p_value = distributions.two_sided(statistic, errors.df)
    numbers = {
        "value": values,
        "exact": nothing if exact is None else exact,
        "digits": nothing if exact is None else digits(values, exact, NOTHING * errors.std_error),
        "std_error": errors.std_error,
        "statistic": statistic,
        "p_value": p_value,
        "low": errors.low,
        "high": errors.high,
    }
    return pa.table(
        shown.columns | {name: pa.array(one, pa.float64(), from_pandas=True) for name, one in numbers.items()}
    )


def digits(values: np.ndarray, exact: np.ndarray, nothing: np.ndarray | float = 0.0) -> np.ndarray:
    """How many decimal digits of each value are those of the exact one: −log₁₀ of the relative difference, 0 to 16.

    nothing: up to which a value is 0 but for rounding, and has all of its digits where the exact one is as small.

    >>> digits(np.array([1.0, 3.1416, 0.0]), np.array([1.0, 3.14159265, 0.0])).round(1).tolist()
    [16.0, 5.6, 16.0]
    """
    off = np.abs(values - exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.log10(off / np.abs(exact)) + 0.0  # no -0.0
    same = (off == 0.0) | (np.maximum(np.abs(values), np.abs(exact)) <= nothing)
    return np.where(same, FULL, np.clip(found, 0.0, FULL))


def of_resamples(shown: Shown, values: np.ndarray, errors: Errors, level: float) -> pa.Table | None:
    """Both kinds of intervals beside one another."""
    if errors.resamples is None:
        return None
    import pyarrow as pa

    low, high = errors.resamples.percentiles(level)
    return pa.table(
        shown.columns
        | {
            "std_error": errors.std_error,
            "bias": errors.resamples.theta.mean(0) - values,
            "percentile_low": low,
            "percentile_high": high,
            "bca_low": errors.low,
            "bca_high": errors.high,
        }
    )

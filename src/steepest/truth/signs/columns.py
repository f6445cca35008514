"""The columns of a descent that did not arrive: on different scales, far from zero, or depending on one another.

Gradient descent takes as many steps as the condition number κ = λ_max/λ_min of the valley says. What of κ standardised
columns take away is a matter of scales; what stays is a matter of columns that depend on one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from steepest.descent import coordinates as frames
from steepest.problem.linear import LinearProblem
from steepest.truth.finding import Finding, Fitted, Kind
from steepest.truth.signs.course import Course, sampled
from steepest.truth.signs.outcome import outcome
from steepest.truth.signs.wording import listed, number

FALLS = 30.0
"""By how many times the condition number falls where scales are to blame."""

LONG = 100.0
"""Condition number of standardised columns from which they count as collinear."""


@dataclass(frozen=True)
class Shape:
    """The valley's shape by columns alone: eigenvalues of AᵀWA/n, raw and standardised. names: of the columns."""

    names: tuple[str, ...]
    raw: float
    standardised: float
    sizes: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    @property
    def worst(self) -> int:
        """The column furthest from the others in size, or from zero in its own spread."""
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(np.log(self.sizes / np.median(self.sizes)))
            offset = np.log(np.abs(self.means) / self.spreads)
        hard = np.maximum(np.nan_to_num(apart, posinf=0.0), np.nan_to_num(offset, posinf=0.0, neginf=0.0))
        hard[[name == "intercept" for name in self.names]] = -1.0
        return int(np.argmax(hard))

    def told(self) -> str:
        """The worst column, with its mean and spread beside the others'."""
        j = self.worst
        others = [i for i in range(len(self.names)) if i != j and self.names[i] != "intercept"]
        words = f"{self.names[j]!r} has the mean {number(self.means[j])} and the standard deviation {number(self.spreads[j])}"
        if not others:
            return words
        low, high = min(self.spreads[i] for i in others), max(self.spreads[i] for i in others)
        span = number(low) if np.isclose(low, high, rtol=0.1) else f"{number(low)} to {number(high)}"
        return f"{words}; those of the others' deviate by {span}"


def shape_of(problem: LinearProblem, names: tuple[str, ...]) -> Shape:
    """The shape of a problem's valley by its columns, on some rows where there are many."""
    few = sampled(problem)
    weights = np.ones(len(few.design)) if few.weights is None else few.weights
    means = weights @ few.design / weights.sum()
    spreads = np.sqrt(weights @ (few.design - means) ** 2 / weights.sum())
    standard = frames.standardised(few).basis
    sizes = np.sqrt(weights @ few.design**2 / weights.sum())
    return Shape(names, _condition(few.design, weights), _condition(standard, weights), sizes, means, spreads)


def _condition(basis: np.ndarray, weights: np.ndarray) -> float:
    """λ_max/λ_min over the directions that the columns determine."""
    rows = basis * np.sqrt(weights / weights.sum())[:, None]
    if len(rows) > 4 * rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    sizes = np.linalg.svd(rows, compute_uv=False)
    sizes = sizes[sizes > max(basis.shape) * np.finfo(float).eps * sizes[0]]
    return float((sizes[0] / sizes[-1]) ** 2) if sizes.size else 1.0


# ---- of a descent ----------------------------------------------------------------------------------


def scales(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """SCALES: no rate would have done it in these steps, and in standardised columns the same steps would."""
    if course.coordinates != "none" or course.does(course.best_of_ladder):
        return
    shape = shape_of(course.problem, course.terms)
    if shape.raw < FALLS * shape.standardised:
        return
    remedy, gap = course.elsewhere("standardize")
    if not gap <= max((1.0 - need) * course.best_of_ladder, course.enough) or not course.share(gap) >= 0.5:
        return
    name = shape.names[shape.worst]
    evidence = (
        f"{shape.told()}. The condition number is {number(shape.raw)}, and {number(shape.standardised)} "
        "once columns are standardised: about so many steps make the gap e² times smaller, whatever the rate."
    )
    what = f"The columns are on different scales, above all {name!r}: no one rate suits them all."
    yield Finding(
        Kind.SCALES, what, evidence, remedy, outcome(replace(course, coordinates="standardize"), gap),
        course.share(gap), columns=(name,),
    )  # fmt: skip


def collinear(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """COLLINEAR: even in standardised columns no rate would have done it, and in an orthonormal basis these steps would."""
    if course.coordinates == "orthonormal" or course.does(course.best_of_ladder):
        return
    shape = shape_of(course.problem, course.terms)
    if shape.standardised < LONG:
        return
    beside = [course.best_of_ladder]
    if course.coordinates == "none":
        standardised = course.elsewhere("standardize")[1]
        if course.does(standardised):
            return
        beside.append(standardised)
    remedy, gap = course.elsewhere("orthonormal")
    if not gap <= max((1.0 - need) * float(np.nanmin(beside)), course.enough) or not course.share(gap) >= 0.5:
        return
    names, evidence = together(course.problem, course.terms)
    what = f"{listed(names)} are nearly a linear combination of one another"
    evidence += f" The condition number of the standardised columns is {number(shape.standardised)}"
    if course.coordinates == "none" and shape.raw > FALLS * shape.standardised:
        what += f", and the columns are on different scales, above all {shape.names[shape.worst]!r}"
        evidence += f", in their own units {number(shape.raw)}"
    yield Finding(
        Kind.COLLINEAR, f"{what}.", f"{evidence}.",
        remedy, outcome(replace(course, coordinates="orthonormal"), gap),
        course.share(gap), columns=names,
    )  # fmt: skip


def together(problem: LinearProblem, names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The columns in the direction that the data determine least, and their largest variance inflation.

    That direction is the smallest eigenvalue's of the correlations R; VIFⱼ = (R⁻¹)ⱼⱼ = 1/(1 − R²ⱼ) (Marquardt 1970).
    """
    basis = frames.standardised(sampled(problem)).basis[:, int(problem.intercept) :]
    own = names[int(problem.intercept) :]
    right = np.linalg.svd(np.linalg.qr(basis, mode="r"))[1:]
    sizes, vectors = right[0] / np.sqrt(len(basis)), right[1]
    weight = np.abs(vectors[-1])
    order = np.argsort(-weight, kind="stable")
    chosen = tuple(own[j] for j in order if weight[j] >= 0.2 * weight[order[0]])
    inflation = float(((vectors[:, order[0]] / np.maximum(sizes, 1e-12 * sizes[0])) ** 2).sum())
    left = 1.0 / max(inflation, 1.0)
    words = (
        f"The others explain all but {number(left)} of the variance of {own[order[0]]!r} "
        f"(variance inflation {number(inflation)})."
    )
    return chosen, words

"""The columns of a descent that did not arrive: on different scales, far from zero, or depending on one another.

Gradient descent takes as many steps as the condition number κ = λ_max/λ_min of the valley says. What of κ standardised
columns take away is a matter of scales; what stays is a matter of columns that depend on one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.course import Course
from steepest.analysis.checks.outcome import outcome
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.registry import check
from steepest.model import preconditioners as frames
from steepest.model.linear import LinearProblem
from steepest.text.numbers import listed, number

FALLS = 30.0
"""By how many times the condition number falls where scales are to blame."""

LONG = 100.0
"""Condition number of standardised columns from which they count as collinear."""


@check("descent")
def scales(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """SCALES: no rate would have done it in these steps, and in standardised columns the same steps would."""
    if course.precondition != "none" or course.does(course.best_of_ladder):
        return
    shape = course.shape
    if shape.raw < FALLS * shape.standardised:
        return
    remedy, gap = course.elsewhere("standardize")
    if not gap <= max((1.0 - need) * course.best_of_ladder, course.enough) or not course.share(gap) >= 0.5:
        return
    name = shape.names[shape.worst]
    evidence = (
        f"{shape.told()}. The condition number is {number(shape.raw)}, and {number(shape.standardised)} "
        "once columns are standardised: about so many steps make the gap 7.4 times smaller, whatever the rate."
    )
    what = f"The columns are on different scales, above all {name!r}: no one rate suits them all."
    yield Finding(
        Kind.SCALES, what, evidence, remedy, outcome(replace(course, precondition="standardize"), gap),
        course.share(gap), columns=(name,),
    )  # fmt: skip


@check("descent")
def collinear(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """COLLINEAR: even in standardised columns no rate would have done it, and in an orthonormal basis these steps would."""
    if course.precondition == "orthonormal" or course.does(course.best_of_ladder):
        return
    shape = course.shape
    if shape.standardised < LONG:
        return
    beside = [course.best_of_ladder]
    if course.precondition == "none":
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
    if course.precondition == "none" and shape.raw > FALLS * shape.standardised:
        what += f", and the columns are on different scales, above all {shape.names[shape.worst]!r}"
        evidence += f", in their own units {number(shape.raw)}"
    yield Finding(
        Kind.COLLINEAR, f"{what}.", f"{evidence}.",
        remedy, outcome(replace(course, precondition="orthonormal"), gap),
        course.share(gap), columns=names,
    )  # fmt: skip


def together(problem: LinearProblem, names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The columns in the direction that the data determine least, and their largest variance inflation.

    That direction is the smallest eigenvalue's of the correlations R; VIFⱼ = (R⁻¹)ⱼⱼ = 1/(1 − R²ⱼ) (Marquardt 1970).
    """
    basis = frames.standardised(problem.sampled).basis[:, int(problem.intercept) :]
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

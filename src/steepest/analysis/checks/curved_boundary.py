"""CURVATURE of classes: a boundary that is no straight line, as in exclusive or, or one class around another.

    χ² = 2n(L₀ − L₁)   of the mean losses of the model and of one with the terms of the next degree, q more parameters
    share = (χ² − 2q)/(2n·L₀)

It is found where chance is below 1e-4 and the share at least 0.1, on an even sample of at most 1,000 rows; both losses are
those of the exact answers, with a small penalty where those classes are separable. A module that is a single linear layer is
judged like the model `linear`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import Any

import numpy as np

from steepest.analysis.checks.classes import REMEDY, accuracy, with_penalty
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import CLASSES, COLUMNS, check
from steepest.data.thinning import sampled
from steepest.model.linear import LinearProblem, Terms
from steepest.text.numbers import number

CHANCE = 1e-4
LEAST_SHARE = 0.1
MOST_ROWS = 1_000
MOST_PARAMETERS = 200
ROWS_A_TERM = 4  # rows of the rarest class for each term, from which the statistic's distribution is nearly its limit
MOST_DEGREE = 4


@check("table", "fit", finds=(Kind.CURVATURE,), needs=(CLASSES, COLUMNS))
def boundary(given: Prepared) -> Iterator[Finding]:
    """Whether squares and products of the columns tell the classes apart that the columns alone do not."""
    rows, loss, terms = given.train, given.loss_function, given.terms
    if rows.classes is None or not loss.classes:
        return
    if (terms is None and not _is_linear(given)) or (given.problem is not None and given.problem.penalty.kinked):
        return
    degree, intercept = (1, True) if terms is None else (terms.degree, terms.intercept)
    base = _problem(given, Terms(rows.names, degree, intercept))
    first = None if base is None else solve(base)
    if base is None or first is None or first.theta is None:
        return
    for higher in range(degree + 1, min(degree + 2, MOST_DEGREE) + 1):
        found = _better(given, base, first, Terms(rows.names, higher, intercept))
        if found is not None:
            yield found
            return


def _is_linear(given: Prepared) -> bool:
    """Whether a module is one linear layer, by its parameters: a row of weights for each output, and a bias."""
    module = getattr(given, "network", None)
    if module is None:
        return False
    shapes = [tuple(p.shape) for p in module.parameters() if p.requires_grad]
    return len(shapes) == 2 and len(shapes[0]) == 2 and shapes[0][1] == given.train.x.shape[1] and len(shapes[1]) == 1


def _problem(given: Prepared, terms: Terms) -> LinearProblem | None:
    """The classes on standardised columns and their terms; None where there are too many of them to tell."""
    rows = sampled(given.train, MOST_ROWS)
    outputs = 1 if given.loss_function.binary else len(rows.classes or ())
    count = comb(rows.x.shape[1] + terms.degree, terms.degree)
    rarest = int(np.bincount(rows.y, minlength=len(rows.classes or ())).min())
    if count * outputs > MOST_PARAMETERS or rarest < ROWS_A_TERM * count:
        return None
    centred = rows.x - (rows.x.mean(0) if terms.intercept else 0.0)
    spread = np.sqrt((centred**2).mean(0))
    z = centred / np.where(spread > 0, spread, 1.0)
    target = rows.y.astype(np.float64) if outputs == 1 else rows.y.astype(np.int64)
    return LinearProblem(
        terms.design(z),
        target,
        given.loss_function,
        weights=rows.relative_weights,
        outputs=outputs,
        intercept=terms.intercept,
    )


def _better(given: Prepared, base: LinearProblem, first: Exact, terms: Terms) -> Finding | None:
    from scipy import special

    larger = _problem(given, terms)
    if larger is None or first.theta is None:
        return None
    remedy: dict[str, Any] = {"model": f"poly:{terms.degree}"}
    second, apart = solve(larger), ""
    best = second.loss
    if second.separable:
        if given.spec.penalty == "none":
            remedy["penalty"] = REMEDY
        apart = " The classes are linearly separable in them, so that a penalty is needed."
        second = with_penalty(larger)
    rows, known = base.design.shape
    added = (larger.design.shape[1] - known) * max(1, base.outputs - 1)
    chi = 2.0 * rows * (first.loss - best)
    p = float(special.chdtrc(added, max(chi, 0.0)))
    share = (chi - 2.0 * added) / (2.0 * rows * first.loss)
    if second.theta is None or not (p < CHANCE and share >= LEAST_SHARE):
        return None
    sizes = np.abs(second.theta.reshape(larger.outputs, -1)).max(0) * larger.design.std(0)
    along = terms.names[known + int(np.argmax(sizes[known:]))].partition("^")[0]
    chance = f"p = {p:.1e}" if p > 0 else "p < 1e-300"
    return Finding(
        Kind.CURVATURE,
        f"The boundary between the classes of {given.schema.targets[0]!r} bends, most along {along!r}: the model is too "
        "straight.",
        f"{added} added {'term' if added == 1 else 'terms'}: χ² = {number(chi)}, {chance}.{apart}",
        remedy,
        f"The accuracy rises from {accuracy(base, first.theta):.1%} to {accuracy(larger, second.theta):.1%}.",
        float(min(share, 1.0)), of_model=True,
        columns=tuple(name for name in terms.columns if name in (along, *along.split("*"))),
    )  # fmt: skip

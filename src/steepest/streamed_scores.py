"""How good a fit to a stream is, from a last pass over all its rows, and the best possible answer beside it.

- Least squares and ridge: the answer of a blockwise QR, a pass.
- The other smooth losses: Newton steps on from θ, a pass each, until they promise nothing more.
- All others: the answer of some rows, and the gap there.
- Where the descent was interrupted no pass is begun: the scores are those of its last one, or of some rows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.analysis.deviance import Deviances
from steepest.analysis.exact.answer import Exact, one_of_many
from steepest.analysis.exact.certificate import relative
from steepest.analysis.exact.separation import SEPARABLE
from steepest.data.streams import Block
from steepest.descent.stopping import Status
from steepest.errors import FitError
from steepest.lazy import torch
from steepest.metrics import of_confusion, of_means
from steepest.model.objective import Objective
from steepest.model.of_fit import objective_of, targets
from steepest.model.penalties import penalty
from steepest.model.prediction import decision
from steepest.model.row_parts import in_one_thread
from steepest.model.stream_basis import basis_of, least_squares
from steepest.model.stream_objective import StreamObjective, StreamPass
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tally import Tally, tallied
from steepest.scoring import Answer, StreamMeasured, answer, losses_of, metrics_of, objective_at, test_loss_of

if TYPE_CHECKING:
    from steepest.result import Fit

MOST = 1_000
"""Parameters up to which there is an exact answer of all rows."""

MOST_STEPS = 50
"""Newton steps to an exact answer at most."""


def measured(fit: Fit, objective: Objective) -> StreamMeasured:
    """The scores of a fit on all rows of its stream. objective: what it descended on."""
    assert fit.train is not None
    known = objective if isinstance(objective, StreamObjective) else _over_passes(fit)
    if fit.ending.status is Status.INTERRUPTED and (known is None or not known.is_scored):
        return _of_kept_rows(fit)
    if known is None:
        return _of_predictions(fit)
    try:
        end = known.scored()
        bound = None if known.penalty_given.l1 else known.gap_bound(end.theta)
    except IllConditioned:
        known = passes_of(fit, basis_of(known))
        end, bound = known.scored(), known.gap_bound(known.theta)
    loss, penalty = end.loss, float(known.penalty(end.theta))
    assert end.train is not None
    wanted = _no_answer if fit.ending.status is Status.INTERRUPTED else lambda: exact_answer(known, end)
    return StreamMeasured(loss, loss + penalty, *_both(fit, end.train, end.test), bound, wanted)


def _of_kept_rows(fit: Fit) -> StreamMeasured:
    """What some of the rows show, without a pass."""
    assert fit.train is not None
    fit.notes = (
        *fit.notes,
        f"Interrupted: losses and metrics are those of {fit.train.rows:,} of the {fit.rows:,} rows.",
    )
    return StreamMeasured(*losses_of(fit), test_loss_of(fit), metrics_of(fit), None, _no_answer)


def _no_answer() -> Answer:
    """In the place of the exact answer, which takes passes."""
    nothing = float("nan")
    return Answer(Exact(None, nothing, "", nothing, "Interrupted: no exact answer was looked for."), None, 0.0)


def _both(fit: Fit, train: Tally, test: Tally | None) -> tuple[float | None, dict[str, dict[str, Any]]]:
    """The loss of the rows held out, and the metrics of both parts."""
    assert fit.train is not None
    fitted = fit.terms is not None and len(fit.train.targets) == 1 and fit.spec.weights_kind == "precision"
    found = {"train": scores(train, fit.train.targets, len(fit.theta) if fitted else None)}
    return (None, found) if test is None else (test.mean(), found | {"test": scores(test, fit.train.targets)})


def _over_passes(fit: Fit) -> StreamObjective | None:
    """The objective whose exact answer Newton steps over passes find, at the fit's θ; None of all other fits."""
    loss = fit.loss_function
    smooth = loss.quadratic or bool(loss.choice and loss.choice.concordance)
    smooth = smooth and (loss.coupled or loss.quadratic or len(fit.schema.targets) == 1)
    if fit.terms is None or not smooth or penalty(fit.spec.penalty).l1 or len(fit.names) > MOST:
        return None
    return passes_of(fit)


def _of_predictions(fit: Fit) -> StreamMeasured:
    """From the predictions of all rows, a pass; the answer beside it is that of some rows."""
    data = fit.train
    assert data is not None
    assert data.stream is not None
    classes, y = data.schema.classes, data.y
    origin = np.zeros(0) if classes else np.atleast_1d(y.mean(0))
    unit = data.stream.mean_weight
    train, test = (Tally(fit.loss_function, len(classes or ()), origin, unit) for _ in range(2))

    def add(sums: list[np.ndarray], train: Tally, test: Tally, block: Block, held: Block | None) -> None:
        for part, tally in ((block, train), (held, test)):
            if part is not None and len(part.x):
                tally.add(part, decision(fit, np.ascontiguousarray(part.x)))

    tallied(data.stream, train, test, add)
    loss = train.mean()
    value = loss + float(objective_of(fit).penalty(torch.as_tensor(fit.theta)))
    tested = test if data.stream.test_rows else None
    return StreamMeasured(loss, value, *_both(fit, train, tested), None, lambda: on_some_rows(fit, value))


def scores(tally: Tally, targets: tuple[str, ...], parameters: int | None = None) -> dict[str, Any]:
    """What `Fit.metrics` holds of rows that were gone through."""
    if tally.classes:
        confusion = tally.confusion.reshape(tally.classes, tally.classes)
        aucs = tally.aucs()
        return of_confusion(confusion, aucs if np.isfinite(aucs).all() else [])
    if not tally.count or not np.isfinite(tally.high).all():
        return {}
    n, moved = tally.count, tally.total / tally.count
    spread = tally.spread / n - moved**2
    centre, size = tally.origin + moved, np.maximum(np.abs(tally.low), np.abs(tally.high))
    varies = (spread > (1e-8 * centre) ** 2) | (tally.high - tally.low > 4.0 * np.finfo(float).eps * size)
    square, absolute = tally.square / n, tally.absolute / n
    found = of_means(square, spread, absolute, varies)
    if len(targets) > 1:
        for i, name in enumerate(targets):
            found[f"r2 {name}"] = of_means(square[i], spread[i], absolute[i], varies[i : i + 1])["r2"]
    known = deviances(tally)
    return found if known is None else found | known.figures(tally.losses, parameters)


def deviances(tally: Tally) -> Deviances | None:
    """Those of a family; None of other losses. Losses of two means differ by a line in y, so that one Σ wℓ gives the other."""
    family, outputs = tally.losses.family, len(tally.origin)
    if family is None or not tally.count:
        return None
    centre, alone = tally.origin + tally.total / tally.count, tally.alone
    for best, other in zip(centre, tally.origin, strict=True):
        ends = np.array([0.5, 1.5]) * best
        there, here = (
            np.asarray(tally.losses.rows(np.full(2, family.link(np.array([mean]))[0]), ends)) / outputs
            for mean in (best, other)
        )
        slope = (there[1] - there[0] - here[1] + here[0]) / (ends[1] - ends[0])
        alone += tally.count * float(there[0] - here[0] + slope * (best - ends[0]))
    return Deviances(2.0 * outputs * tally.own, 2.0 * outputs * alone, tally.pearson, float(tally.number))


def exact_answer(objective: StreamObjective, end: StreamPass) -> Answer:
    """The best possible answer of all rows, from passes of its own."""
    began = time.perf_counter()
    with in_one_thread():
        found = _of_squares(objective, end) if objective.loss.quadratic else _by_newton(objective, end)
    exact = found.exact and replace(found.exact, seconds=time.perf_counter() - began)
    return replace(found, exact=exact)


def _of_squares(objective: StreamObjective, end: StreamPass) -> Answer:
    """Least squares by QR. F* is F at the end and what the step d from there to the answer changes, gᵀd + ½dᵀHd: no pass more."""
    theta, rank = least_squares(objective)
    there = objective.from_user(theta)
    move, grad = there - end.theta, objective.with_penalty(end.grad, end.theta)
    value = end.loss + float(objective.penalty(end.theta)) + float(grad @ move) + end.curvature.moved(move)
    left = grad + (move.reshape(-1, objective.size) @ end.curvature.hessian).ravel()
    certificate = relative(float(np.linalg.norm(left)), float(np.linalg.norm(grad)) + abs(value))
    note = "" if objective.penalty_given.l2 else one_of_many(objective.wide, rank)
    loss = value - float(objective.penalty(there))
    return Answer(Exact(theta, loss, "QR over the stream", certificate, note, objective=value), value, 0.0)


def _by_newton(objective: StreamObjective, end: StreamPass) -> Answer:
    """Newton steps from where the descent ended until they promise no more than rounding."""
    if _told_apart(objective, end):
        return Answer(
            Exact(None, 0.0, "Every row is on its own side", 0.0, SEPARABLE, separable=True, objective=0.0), 0.0, 0.0
        )
    theta, seen = end.theta.copy(), end
    value = end.loss + float(objective.penalty(theta))
    eps, decrement = np.finfo(float).eps, np.inf
    try:
        for _ in range(MOST_STEPS):
            step, decrement = seen.curvature.newton(objective.with_penalty(seen.grad, theta))
            if decrement <= eps**1.5 * abs(value):
                break
            while (there := objective.whole(theta + step)) > value - 1e-4 * decrement + 4 * eps * abs(value):
                step, decrement = step / 2, decrement / 2
                if decrement <= eps * abs(value):
                    break
            if there > value:
                break
            theta, value, seen = theta + step, there, objective.at(theta + step)
    except IllConditioned:
        nothing = float("nan")
        return Answer(Exact(None, nothing, "", nothing, "There is no exact answer: the curvature vanishes."), None, 0.0)
    finally:
        objective.seen = end
    certificate = relative(float(np.sqrt(max(decrement, 0.0))), float(np.sqrt(abs(value))))
    loss = value - float(objective.penalty(theta))
    method = "Newton's method over the stream"
    return Answer(Exact(objective.to_user(theta), loss, method, certificate, objective=value), value, 0.0)


def _told_apart(objective: StreamObjective, end: StreamPass) -> bool:
    """Whether every row of every class is on its own side, so that a loss without a penalty has no minimum."""
    if objective.penalty_given or end.train is None or not end.train.classes:
        return False
    confusion = end.train.confusion.reshape(end.train.classes, -1)
    return bool(confusion.sum() == confusion.trace())


def objective_over(fit: Fit, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """F(θ) and its gradient over all rows of a fit's stream, in user units; a pass."""
    objective = passes_of(fit)
    assert objective is not None
    c = objective.from_user(theta)
    value, grad = objective.value_and_grad(c)
    return value + float(objective.penalty(c)), objective.gradient_to_user(grad)


def passes_of(fit: Fit, basis: np.ndarray | None = None) -> StreamObjective:
    """The objective of a fit of the linear family over the passes of its stream, at its θ. basis: as of `StreamObjective`."""
    data, terms, loss = fit.train, fit.terms, fit.loss_function
    if (
        data is None
        or data.stream is None
        or terms is None
        or loss.custom
        or not ((loss.choice and loss.choice.curvature) or loss.coupled)
    ):
        raise FitError("Over a stream this is for the linear family and a loss with a curvature.")
    _, outputs = targets(data, loss)
    return StreamObjective(
        data.stream, data, terms, loss, penalty(fit.spec.penalty), tuple(fit.names), fit.theta, outputs, basis
    )


def on_some_rows(fit: Fit, objective: float) -> Answer:
    """The best answer of the rows that are kept, with F* such that the gap is the one there."""
    assert fit.train is not None
    found = answer(fit.problem)
    if fit.problem is None or found.exact is None or found.objective is None:
        return found
    gap = objective_at(fit.problem, fit.theta) - found.objective
    said = f"The exact answer and the gap are those of {fit.train.rows:,} of the {fit.rows:,} rows."
    return Answer(replace(found.exact, note=f"{found.exact.note} {said}".strip()), objective - gap, found.rounding)

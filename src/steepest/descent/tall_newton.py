"""Newton's method on a tall table: `optimizer="auto"` where a pass over the rows is what costs.

The same steepest descent in the norm of the curvature as `newton.py`, with as few passes as it takes. A smooth loss begins
at the minimum on some thousand rows, and from there goes on to that of all rows by passes in float32: passes in float64 have
the last digits left to find, and to prove. The Hessian of some rows stands for that of all, is corrected by what each step
does to the gradient (BFGS), and is measured on all rows where that does not do. (Boyd and Vandenberghe, Convex Optimization,
9.5; Nocedal and Wright, Numerical Optimization, 6.1; on some of the rows: Erdogdu and Montanari, Convergence rates of
sub-sampled Newton methods, 2015.)
"""

from __future__ import annotations

from contextlib import suppress
from math import inf, isfinite
from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.descent.rule import Again, Memory, Newton
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.model.torch_losses import loss

ROWS = 16_000
"""Rows on which the start is found, or so many for each parameter: `EACH`."""

EACH = 160

SLOW, SLOW_CLASSES = 0.1, 0.7
"""What a step must make of the decrement gᵀH⁻¹g at least, or the Hessian is measured on all rows. That of several classes costs
as much as a hundred passes."""

NARROW = 200
"""Parameters up to which the Hessian of all rows costs no more than the passes that it saves."""

ENOUGH, ENOUGH_IN_MEMORY, ENOUGH_SINGLE = 1e-4, 1e-3, 1e-14
"""The minimum on some rows is near enough where a step promises less than this part of F, since that of all rows is farther off;
that by passes in float32 where the next one would not, at the same rate."""

ROUGH = 1e-6
"""Part of F below which passes in float32 that promise hardly less than the one before see no more than what they round off."""

NOISE = 1e-6
"""Part of F by which rounding in float32 may let it rise."""

HALVINGS = 40


@final
class TallNewton(Newton):
    """d = −H⁻¹g, taken whole if F falls by 1e-4 of what g promises (Armijo), else halved until it does."""

    def __init__(self, objective: TallObjective | ExtendedSquares):
        self.objective = objective

    def start(self, theta: np.ndarray) -> Memory:
        """Memory: F at the start, the last decrement, and θ and the gradient before the last step."""
        return [self.objective.whole(theta), inf, None]

    def update(self, theta: np.ndarray, grad: np.ndarray, memory: Memory, lr: Any, again: Again) -> None:
        objective, here, g = self.objective, theta, grad
        value = self.objective.whole(here)
        if isinstance(objective, TallObjective) and objective.model is None and self._begin(objective, here, value):
            return
        before = memory[1]
        step, decrement = self._direction(here, g, memory)
        memory[1:] = decrement, (here.copy(), g.copy())
        floor = max(abs(value), 1e-12 * memory[0]) * np.finfo(np.float64).eps
        share = 1.0 if isinstance(objective, ExtendedSquares) or objective.proof is None else objective.proof.share
        if decrement <= 4 * floor * share:  # by which the gap is proven
            # with 32 digits steps go on until they grow no shorter: θ has its last digits then
            self.arrived = not objective.extended or decrement > before / 16 or np.array_equal(here + step, here)
            if (
                isinstance(objective, TallObjective)
                and not objective.loss.coupled
                and objective.gap_bound(here) is None
            ):
                with suppress(IllConditioned):
                    objective.curve(objective.at(here).prediction)  # the Hessian was measured too far from here
        slack = (
            0.0 if objective.extended else floor
        )  # F has 32 digits there: where it does not fall, θ can do no better
        for _ in range(HALVINGS):
            there = here + step
            if decrement <= 4 * floor or self.objective.whole(there) <= value - 1e-4 * decrement + slack:
                self.arrived = self.arrived or np.array_equal(there, here)
                here[:] = there
                return
            step, decrement = step / 2, decrement / 2
        self.arrived = True

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        found = super().unpacked(memory, packed)
        if found[2] is not None:
            like((self.objective.theta,) * 2, found[2], "memory.2")
        return found

    def _begin(self, objective: TallObjective, here: np.ndarray, value: float) -> bool:
        """Go to the minimum as passes in float32 see it, and take the Hessian from there; False where that is no better."""
        rows = some_rows(objective)
        found = None
        with suppress(IllConditioned):  # of all rows they may be fine
            found = None if rows is None else _in_single(objective, here, rows)
        if found is None or not objective.whole(found) < value:
            objective.model = None
            objective.curve(objective.at(here).prediction)
            return False
        here[:] = found
        return True

    def _direction(self, here: np.ndarray, g: np.ndarray, memory: Memory) -> tuple[np.ndarray, float]:
        """The step, and what it promises twice: gᵀH⁻¹g."""
        objective = self.objective
        assert objective.model is not None
        if isinstance(objective, ExtendedSquares) or objective.loss.quadratic:
            return objective.model.newton(g)
        if objective.proof is None:
            objective.curve(objective.at(here).prediction)
        elif memory[2] is not None:
            before, gradient = memory[2]
            objective.learn(here - before, g - gradient)
        step, decrement = objective.model.newton(g)
        if decrement > (SLOW_CLASSES if objective.loss.coupled else SLOW) * memory[1]:
            objective.curve(objective.at(here).prediction)
            step, decrement = objective.model.newton(g)
        return step, decrement


def some_rows(objective: TallObjective) -> np.ndarray | None:
    """Numbers of rows that stand for all, always the same ones and in no order; None where all are not many more."""
    count = max(ROWS, EACH * objective.size) // (2 if objective.loss.coupled else 1)
    if objective.rows < 2 * count:
        return None
    return np.random.default_rng(0).permutation(objective.rows)[:count]


def _in_single(objective: TallObjective, here: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """The minimum on some rows and from there on all rows, by passes in float32, whose Hessian the objective takes over; None
    where the passes do not get there."""
    single, found, known, of_classes = objective.in_single(), here, None, objective.loss.coupled
    for part in (rows,) if of_classes else (rows[: len(rows) // 8], rows):
        some = single.of_rows(part)
        some.model = None if of_classes else known  # a Hessian that costs as much as many passes
        start = _least_squares(some) if some.loss.of_residual and known is None else found
        found = minimum(some, start, ENOUGH_IN_MEMORY)
        if found is None:
            return None
        known = some.model
    single.model = known
    if of_classes or objective.size > NARROW:
        with suppress(IllConditioned):  # of all rows they may be fine
            single.curve(single.at(found).prediction, rows)
    nearer = minimum(single, found, ENOUGH_SINGLE, ROUGH)
    objective.model, objective.proof = single.model, single.proof
    change = ((found if nearer is None else nearer) - here).reshape(objective.outputs, -1)
    if of_classes:  # one vector added to all of them changes no probability: rounding must not
        change -= change.mean(0) * (objective.curvature_of_penalty == 0.0)
    return here + change.ravel()


def _least_squares(some: TallObjective) -> np.ndarray:
    """The minimum of squared residuals, near that of any loss of residuals."""
    given = some.penalty_given, bool(some.first), some.weights, some.names
    squares = TallObjective(some.x, some.y, loss("mse"), *given, near=True)
    assert squares.model is not None
    return squares.model.newton(squares.at(squares.theta).grad.ravel())[0]


def minimum(
    objective: TallObjective, theta: np.ndarray, enough: float = ENOUGH, rough: float = 0.0
) -> np.ndarray | None:
    """The minimum of F from θ on, near enough, by Newton steps; None where they do not get there.

    A Hessian that is given is that of fewer rows, for one step. rough: part of F below which steps need not promise ever less;
    with it what the next step would promise, at the same rate, must be less than enough.
    """
    found, value, before = theta.copy(), inf, 0.0
    last: tuple[np.ndarray, np.ndarray] | None = None
    slow, most = (SLOW_CLASSES, 60) if objective.loss.coupled else (SLOW, 20)
    for _ in range(most):
        found = found.astype(objective.kind).astype(np.float64)  # as a pass takes it
        seen = objective.at(found)
        higher, value = value, objective.whole(found)
        if not (isfinite(value) and value <= higher + NOISE * abs(value)):
            return None
        grad = objective.with_penalty(seen.grad.ravel(), found)
        if last is not None:
            objective.learn(found - last[0], grad - last[1])
        model = objective.model
        try:
            if model is None or (last and objective.proof is None):
                objective.curve(seen.prediction)
            elif last and model.newton(grad)[1] > slow * before:
                if before <= rough * value:
                    return found
                objective.curve(seen.prediction)
        except IllConditioned:
            return None
        assert objective.model is not None
        last = found, grad
        step, promised = objective.model.newton(grad)
        rate = min(promised / before, 1.0) if rough and before else 1.0
        found, before = found + step, promised
        if promised * rate <= enough * value:
            return found
    return None

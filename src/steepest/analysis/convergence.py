"""How fast a descent goes, in numbers: the theory of gradient descent, momentum and Nesterov's method on a quadratic.

Near its optimum a smooth objective is a quadratic, F(θ) = F* + ½(c − c*)ᵀH(c − c*). Along each eigenvector of H a descent
goes by itself, by the step of `stable_rate.py`, and the gap is Σᵢ gapsᵢ·zᵢ²: from that follow the gap after any number of
steps, and how many it takes. For `mse` (with or without `l2`) the quadratic is the objective itself and all of it is exact;
for other smooth losses it holds near the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from steepest.analysis.spectrum import spectrum
from steepest.analysis.stable_rate import contraction, linear_step, roots, turn
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates

SCANNED = 2_048
"""Steps that are looked at one by one, since momentum goes up and down; after them those between powers of two."""

FOREVER = 2.0**100  # steps from which on a descent never arrives


@dataclass(frozen=True)
class Quadratic:
    """F near its optimum, a quadratic in the descent's coordinates.

    values: `[r]` eigenvalues of the Hessian, falling. gaps: `[r]` how much of F(θ₀) − F* lies along each,
    ½·λᵢ·(vᵢ·(c₀ − c*))².
    """

    values: np.ndarray
    gaps: np.ndarray

    @property
    def condition(self) -> float:
        """The largest eigenvalue over the smallest that is not 0."""
        steep = self.values[self.values > 0.0]
        return float(steep[0] / steep[-1]) if steep.size else 1.0


def quadratic_at(
    problem: LinearProblem, frame: Coordinates | None, start: np.ndarray, optimum: np.ndarray
) -> Quadratic:
    """The quadratic of a problem in the coordinates of a descent, its Hessian taken at the optimum.

    Args:
        frame: the coordinates; None is user units.
        start, optimum: θ₀ and θ*, `[k·p]` in user units.

    Raises:
        SpecError: the loss or the penalty has a kink, and so no second derivative.

    >>> from steepest.model.torch_losses import loss
    >>> problem = LinearProblem(np.diag([1.0, 2.0]), np.zeros(2), loss("mse"), intercept=False)
    >>> quadratic_at(problem, None, np.ones(2), np.zeros(2))
    Quadratic(values=array([4., 1.]), gaps=array([2. , 0.5]))
    """
    return Quadratic(*spectrum(problem, frame, optimum, start))


def predicted_gaps(quadratic: Quadratic, rule: Any, rates: np.ndarray) -> np.ndarray:
    """F(θₜ) − F* before each step and after the last, for any rates: the recurrence itself, along each eigenvector.

    Args:
        rates: `[T]`, the learning rate of each step (its schedule's factor within it).

    Returns:
        `[T + 1]`; inf where it is too large for a number. nan for rules that have none.

    >>> from steepest.descent.torch_rules import rule
    >>> predicted_gaps(Quadratic(np.array([4.0, 1.0]), np.array([2.0, 0.5])), rule("sgd"), np.array([0.25, 0.5]))
    array([2.5      , 0.28125  , 0.0703125])
    """
    rates = np.asarray(rates, dtype=np.float64)
    if not rule.linear:
        return np.full(len(rates) + 1, np.nan)
    values, gaps = _travelled(quadratic)
    place, memory = np.ones(len(values)), [np.zeros(len(values)) for _ in rule.kind.memories]
    found = np.empty(len(rates) + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for t, rate in enumerate(rates):
            found[t] = gaps @ (place * place)
            step, *memory = rule.kind.formula(values * place, *memory, rate, t + 1, *rule.numbers)
            place = place - step
        found[-1] = gaps @ (place * place)
    return np.where(np.isnan(found), np.inf, found)


def gaps_after(quadratic: Quadratic, rule: Any, lr: float, steps: Any) -> np.ndarray:
    """F(θₜ) − F* after t steps at a constant rate, for any t, in closed form.

    zₜ = Uₜ·z₁ − δ·Uₜ₋₁ with Uₜ = (r₁ᵗ − r₂ᵗ)/(r₁ − r₂), r₁ and r₂ the roots of r² − τr + δ; a root near 1 is
    written as 1 − ε, so that 10¹² steps at a tiny rate keep their digits.

    Args:
        steps: t, `[...]`.

    Returns:
        `[...]`, inf where it is too large for a number; nan for rules that have none.

    >>> from steepest.descent.torch_rules import rule
    >>> gaps_after(Quadratic(np.array([4.0, 1.0]), np.array([2.0, 0.5])), rule("sgd"), 0.25, [0, 1, 10**9])
    array([2.5    , 0.28125, 0.     ])
    """
    t = np.asarray(steps, dtype=np.float64)
    if not rule.linear:
        return np.full(t.shape, np.nan)
    values, gaps = _travelled(quadratic)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        found = _place(lr * values, rule, t[..., None]) ** 2 @ gaps
    return np.where(np.isnan(found), np.inf, found)


def steps_to(quadratic: Quadratic, rule: Any, lr: float, gap: float) -> float:
    """The predicted number of steps at a constant rate until F − F* is at most `gap`; inf if never.

    The first 2,048 steps are looked at one by one; from there on the gap is taken to fall steadily. nan for rules that
    have none.

    >>> from steepest.descent.torch_rules import rule
    >>> steps_to(Quadratic(np.array([1.0]), np.array([1.0])), rule("sgd"), 1e-9, np.exp(-2))
    1000000000.0
    """
    if not rule.linear:
        return float("nan")
    count = min(SCANNED, max(16, 400_000 // max(len(quadratic.values), 1)))
    for begin, end in pairwise(sorted({0, *(min(64 * 4**i, count) for i in range(4))})):
        near = np.flatnonzero(gaps_after(quadratic, rule, lr, np.arange(begin, end)) <= gap)
        if near.size:
            return float(begin + near[0])
    if gap <= 0.0 or contraction(_travelled(quadratic)[0], rule, lr) > 1.0:
        return float("inf")
    low, high = float(count - 1), 2.0 * count
    while gaps_after(quadratic, rule, lr, high) > gap:
        low, high = high, 2.0 * high
        if high > FOREVER:
            return float("inf")
    while high - low > max(1.0, 1e-15 * high):
        middle = np.floor(0.5 * (low + high))
        low, high = (low, middle) if gaps_after(quadratic, rule, lr, middle) <= gap else (middle, high)
    return float(high)


def _travelled(quadratic: Quadratic) -> tuple[np.ndarray, np.ndarray]:
    """The directions along which there is anything to gain."""
    used = (quadratic.values > 0.0) & (quadratic.gaps > 0.0)
    return quadratic.values[used], quadratic.gaps[used]


def _place(mu: np.ndarray, rule: Any, t: np.ndarray) -> np.ndarray:
    """zₜ from z₀ = 1 at rest, `[..., r]` for t `[..., 1]`."""
    one, between = roots(mu, rule)
    if not rule.momentum:
        return np.exp(t * one).real
    first = 1.0 - mu * linear_step(rule).by_slope
    between = np.where(between == 0.0, np.finfo(float).tiny, between)

    def grown(steps: np.ndarray) -> np.ndarray:
        return np.exp((steps - 1.0) * one) * np.expm1(steps * between) / np.expm1(between)

    product = turn(mu, rule)[1]
    return np.where(t == 0.0, 1.0, (grown(t) * first - product * grown(t - 1.0)).real)

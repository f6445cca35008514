"""How fast a descent goes, in numbers: the theory of gradient descent, momentum and Nesterov's method on a quadratic.

Near its optimum a smooth objective is a quadratic, F(θ) = F* + ½(c − c*)ᵀH(c − c*). Along each eigenvector of H a descent
goes by itself, and all that counts is μ = lr·λ: one step multiplies (zₜ, zₜ₋₁) by a 2 × 2 matrix with the trace τ and the
determinant δ, which come of the rule's own formula,

    sgd       zₜ₊₁ = (1 − μ)·zₜ                                   τ = 1 − μ               δ = 0
    momentum  zₜ₊₁ = (1 + β − μ)·zₜ − β·zₜ₋₁                      τ = 1 + β − μ           δ = β
    nesterov  zₜ₊₁ = (1 + β)(1 − μ)·zₜ − β(1 − μ)·zₜ₋₁            τ = (1 + β)(1 − μ)      δ = β(1 − μ)

and the gap is Σᵢ gapsᵢ·zᵢ². From these two numbers follow the largest rate, the best rate, the contraction of a step, and
how many steps it takes. For `mse` (with or without `l2`) the quadratic is the objective itself and all of it is exact; for
other smooth losses it holds near the optimum.

Sources: Polyak 1964; Sutskever et al. 2013; Goh, Why momentum really works (2017); Recht, Lessard and Packard 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from steepest.analysis.spectrum import spectrum
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates

SCANNED = 2_048
"""Steps that are looked at one by one, since momentum goes up and down; after them those between powers of two."""

FOREVER = 2.0**100  # steps from which on a descent never arrives


class LinearStep(NamedTuple):
    """velocity = gathers·g + keeps·velocity, and θ −= lr·(by_slope·g + by_velocity·velocity), the velocity before it.

    Along an eigenvalue λ, with μ = lr·λ, (place, lr·velocity) is multiplied by the matrix of

        trace τ = 1 + keeps − by_slope·μ        determinant δ = keeps − (by_slope·keeps − gathers·by_velocity)·μ
    """

    by_slope: float
    by_velocity: float
    gathers: float
    keeps: float

    @property
    def determinant(self) -> float:
        """By how much δ falls with μ: 0 for momentum, β for Nesterov's, which looks ahead."""
        return self.by_slope * self.keeps - self.gathers * self.by_velocity


def linear_step(rule: Any) -> LinearStep:
    """The map of a rule that is `linear`; one without a memory keeps nothing.

    >>> from steepest.descent.rules import rule
    >>> linear_step(rule("momentum:0.5"))
    LinearStep(by_slope=1.0, by_velocity=0.5, gathers=1.0, keeps=0.5)
    """
    formula, numbers = rule.kind.formula, rule.numbers
    if not rule.kind.memories:
        return LinearStep(float(formula(1.0, 1.0, 1, *numbers)[0]), 0.0, 0.0, 0.0)
    by_slope, gathers = formula(1.0, 0.0, 1.0, 1, *numbers)
    by_velocity, keeps = formula(0.0, 1.0, 1.0, 1, *numbers)
    return LinearStep(float(by_slope), float(by_velocity), float(gathers), float(keeps))


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

    >>> from steepest.model.losses import loss
    >>> problem = LinearProblem(np.diag([1.0, 2.0]), np.zeros(2), loss("mse"), intercept=False)
    >>> quadratic_at(problem, None, np.ones(2), np.zeros(2))
    Quadratic(values=array([4., 1.]), gaps=array([2. , 0.5]))
    """
    return Quadratic(*spectrum(problem, frame, optimum, start))


def largest_rate(values: np.ndarray, rule: Any) -> float:
    """The rate below which a rule holds on a quadratic with these eigenvalues λ.

        sgd 2/λ      momentum 2(1 + β)/λ      nesterov 2(1 + β)/(λ(1 + 2β))      λ the largest

    Returns:
        inf where nothing is curved; nan for rules that have none.

    >>> from steepest.descent.rules import rule
    >>> largest_rate(np.array([4.0, 1.0]), rule("sgd"))
    0.5
    """
    if not rule.linear:
        return float("nan")
    steepest, one = float(np.max(values, initial=0.0)), linear_step(rule)
    return 2.0 * (1.0 + one.keeps) / ((one.determinant + one.by_slope) * steepest) if steepest > 0.0 else float("inf")


def best_rate(values: np.ndarray, rule: Any) -> float:
    """The rate with the fastest contraction over the eigenvalues that are not 0; nan for rules that have none.

    sgd 2/(L + m), momentum 2(1 + β)/(L + m) with L and m the largest and the smallest eigenvalue: there the two ends
    contract alike. At β = ((√κ − 1)/(√κ + 1))² the latter is Polyak's 4/(√L + √m)². Nesterov's is found by bisection.

    >>> from steepest.descent.rules import rule
    >>> best_rate(np.array([4.0, 1.0]), rule("sgd"))
    0.4
    """
    if not rule.linear:
        return float("nan")
    steep, one = _steep(values), linear_step(rule)
    if not steep.size:
        return float("inf")
    low, high = float(steep.min()), float(steep.max())
    if not one.determinant:
        return 2.0 * (1.0 + one.keeps) / (high + low)
    slow, fast = 1.0 / high, largest_rate(steep, rule)
    for _ in range(100):
        middle = 0.5 * (slow + fast)
        ends = _radii(middle * np.array([low, high]), rule)
        slow, fast = (middle, fast) if ends[0] > ends[1] else (slow, middle)
    return 0.5 * (slow + fast)


def contraction(values: np.ndarray, rule: Any, lr: float) -> float:
    """How much of the distance to the optimum a step leaves in the end: the spectral radius ρ of one step.

    The gap falls as ρ² a step, and grows where ρ > 1. Eigenvalues of 0 do not count: nothing moves along them.
    nan for rules that have none; 0 where nothing is curved.

    >>> from steepest.descent.rules import rule
    >>> round(contraction(np.array([4.0, 1.0]), rule("sgd"), 0.4), 12)
    0.6
    """
    if not rule.linear:
        return float("nan")
    return float(np.max(_radii(lr * _steep(values), rule), initial=0.0))


def predicted_gaps(quadratic: Quadratic, rule: Any, rates: np.ndarray) -> np.ndarray:
    """F(θₜ) − F* before each step and after the last, for any rates: the recurrence itself, along each eigenvector.

    Args:
        rates: `[T]`, the learning rate of each step (its schedule's factor within it).

    Returns:
        `[T + 1]`; inf where it is too large for a number. nan for rules that have none.

    >>> from steepest.descent.rules import rule
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

    >>> from steepest.descent.rules import rule
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

    >>> from steepest.descent.rules import rule
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


def _steep(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values[values > 0.0]


def _travelled(quadratic: Quadratic) -> tuple[np.ndarray, np.ndarray]:
    """The directions along which there is anything to gain."""
    used = (quadratic.values > 0.0) & (quadratic.gaps > 0.0)
    return quadratic.values[used], quadratic.gaps[used]


def _turn(mu: np.ndarray, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    """Trace and determinant of a step; 1 − τ + δ is μ for all rules."""
    one = linear_step(rule)
    return 1.0 + one.keeps - one.by_slope * mu, one.keeps - one.determinant * mu


def _roots(mu: np.ndarray, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    """log r₁ and log r₂/r₁, complex, r₁ the larger root.

    Where both are real and positive r₁ = 1 − ε, with ε the smaller root of ε² − (2 − τ)ε + μ = 0, where μ is 1 − τ + δ.
    """
    trace, product = _turn(mu, rule)
    apart = np.sqrt((trace * trace - 4.0 * product).astype(complex))
    real = (apart.imag == 0.0) & (trace > 0.0)
    near = 2.0 * mu / (2.0 - trace + apart.real)
    first = np.where(trace >= 0.0, trace + apart, trace - apart) / 2.0
    tiny = np.finfo(float).tiny
    first = np.where(first == 0.0, tiny, first)
    second = product / first
    one = np.where(real & (near < 0.5), np.log1p(-np.where(near < 0.5, near, 0.0)), np.log(first))
    ratio = second / first
    return one, np.log(np.where(ratio == 0.0, tiny, ratio))


def _radii(mu: np.ndarray, rule: Any) -> np.ndarray:
    one, between = _roots(np.asarray(mu, dtype=np.float64), rule)
    return np.exp(one.real + np.maximum(between.real, 0.0))


def _place(mu: np.ndarray, rule: Any, t: np.ndarray) -> np.ndarray:
    """zₜ from z₀ = 1 at rest, `[..., r]` for t `[..., 1]`."""
    one, between = _roots(mu, rule)
    if not rule.momentum:
        return np.exp(t * one).real
    first = 1.0 - mu * linear_step(rule).by_slope
    between = np.where(between == 0.0, np.finfo(float).tiny, between)

    def grown(steps: np.ndarray) -> np.ndarray:
        return np.exp((steps - 1.0) * one) * np.expm1(steps * between) / np.expm1(between)

    product = _turn(mu, rule)[1]
    return np.where(t == 0.0, 1.0, (grown(t) * first - product * grown(t - 1.0)).real)

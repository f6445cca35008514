"""The largest learning rate that is stable, the best one, and what a step contracts by: one step along each eigenvalue.

Along an eigenvector of a quadratic's Hessian a descent goes by itself, and all that counts is μ = lr·λ: one step multiplies
(zₜ, zₜ₋₁) by a 2 × 2 matrix with the trace τ and the determinant δ, which come of the rule's own formula,

    sgd       zₜ₊₁ = (1 − μ)·zₜ                                   τ = 1 − μ               δ = 0
    momentum  zₜ₊₁ = (1 + β − μ)·zₜ − β·zₜ₋₁                      τ = 1 + β − μ           δ = β
    nesterov  zₜ₊₁ = (1 + β)(1 − μ)·zₜ − β(1 − μ)·zₜ₋₁            τ = (1 + β)(1 − μ)      δ = β(1 − μ)

Sources: Polyak 1964; Sutskever et al. 2013; Goh, Why momentum really works (2017); Recht, Lessard and Packard 2016.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


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

    >>> from steepest.descent.torch_rules import rule
    >>> linear_step(rule("momentum:0.5"))
    LinearStep(by_slope=1.0, by_velocity=0.5, gathers=1.0, keeps=0.5)
    """
    formula, numbers = rule.kind.formula, rule.numbers
    if not rule.kind.memories:
        return LinearStep(float(formula(1.0, 1.0, 1, *numbers)[0]), 0.0, 0.0, 0.0)
    by_slope, gathers = formula(1.0, 0.0, 1.0, 1, *numbers)
    by_velocity, keeps = formula(0.0, 1.0, 1.0, 1, *numbers)
    return LinearStep(float(by_slope), float(by_velocity), float(gathers), float(keeps))


def largest_rate(values: np.ndarray, rule: Any) -> float:
    """The rate below which a rule holds on a quadratic with these eigenvalues λ.

        sgd 2/λ      momentum 2(1 + β)/λ      nesterov 2(1 + β)/(λ(1 + 2β))      λ the largest

    Returns:
        inf where nothing is curved; nan for rules that have none.

    >>> from steepest.descent.torch_rules import rule
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

    >>> from steepest.descent.torch_rules import rule
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

    >>> from steepest.descent.torch_rules import rule
    >>> round(contraction(np.array([4.0, 1.0]), rule("sgd"), 0.4), 12)
    0.6
    """
    if not rule.linear:
        return float("nan")
    return float(np.max(_radii(lr * _steep(values), rule), initial=0.0))


def _steep(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values[values > 0.0]


def turn(mu: np.ndarray, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    """Trace and determinant of a step; 1 − τ + δ is μ for all rules."""
    one = linear_step(rule)
    return 1.0 + one.keeps - one.by_slope * mu, one.keeps - one.determinant * mu


def roots(mu: np.ndarray, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    """log r₁ and log r₂/r₁, complex, r₁ the larger root.

    Where both are real and positive r₁ = 1 − ε, with ε the smaller root of ε² − (2 − τ)ε + μ = 0, where μ is 1 − τ + δ.
    """
    trace, product = turn(mu, rule)
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
    one, between = roots(np.asarray(mu, dtype=np.float64), rule)
    return np.exp(one.real + np.maximum(between.real, 0.0))

"""Piecewise linear losses with an l2 penalty: a quadratic programme, by an interior-point method and then exactly.

    min over c of   Σᵢ max(highᵢ·rᵢ, lowᵢ·rᵢ) + ½·Σⱼ dⱼ·cⱼ²        r = y − A·c, dⱼ = 2·l2 in scaled columns, 0 at intercepts
    its dual        max Σᵢ yᵢuᵢ − ½·Σⱼ gⱼ²/dⱼ                      g = Aᵀu, low ≤ u ≤ high, gⱼ = 0 where dⱼ = 0

At the optimum d·c = g, and u is at its bound on the side where r is, or between them where r = 0. A primal-dual method
(Mehrotra 1992) comes near, with one system of as many equations as there are parameters a step, however many the rows. Which
rows have r = 0 is then known: c and their u are the solution of linear equations, and exact. The certificate is the duality gap,

    Σᵢ max(highᵢ·rᵢ, lowᵢ·rᵢ) − uᵢ·rᵢ + ½·Σⱼ (dⱼ·cⱼ − gⱼ)²/dⱼ

a sum of terms none of which is below 0, for a u that is feasible by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact import linear_program
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.linear_program import Programme
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised

MOST_STEPS = 100
GOOD = 1e-12
"""The certificate up to which other coordinates are not tried."""

MOST_GUESSES = 30
MOST_IDLE = 8
MOST_EQUATIONS = 3_000
GOALS = (1e-8, 1e-10, 1e-12, 1e-15, 1e-18)
"""By how much its mean complementarity must have shrunk when the rows at a kink are looked at; an optimum there ends it."""

METHOD = "interior points, then the linear equations of the rows at a kink (quadratic programme)"


@dataclass(frozen=True)
class Ridged:
    """A programme with ½·Σ dⱼ·cⱼ² added. ridge: d `[p]`, 0 where there is no penalty."""

    programme: Programme
    ridge: np.ndarray

    def value(self, c: np.ndarray) -> float:
        """The objective at c."""
        return self.programme.value(c) + 0.5 * float(self.ridge @ c**2)


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a piecewise linear loss with an l2 or elastic penalty."""
    found = _best_in(*standard(problem))
    if found.certificate < GOOD or found.theta is None:
        return found
    other = _best_in(*turned(problem))
    if other.theta is None:
        return found
    # each has a number that no objective lies below: the higher of the two holds for both
    lower = max(each.loss - each.certificate * (each.loss or 1.0) for each in (found, other))
    first, second = certify.objective(problem, found.theta), certify.objective(problem, other.theta)
    value, best = (first, found) if first <= second else (second, other)
    return replace(best, certificate=min(best.certificate, max(value - lower, 0.0) / (value or 1.0)))


def _best_in(terms: Ridged, matrix: np.ndarray) -> Exact:
    """The best answer in some coordinates; matrix `[p, r]`: from there to θ."""
    found = Exact(None, np.nan, METHOD, np.inf)
    for near in _interior(terms):
        for c, u in (near, _exactly(terms, *near)):
            left, value = gap(terms, c, u), terms.value(c)
            if (certificate := left / (value or 1.0)) < found.certificate:
                found = replace(found, theta=matrix @ c, loss=value, certificate=certificate)
        if found.certificate == 0.0:
            break
    return found


def standard(problem: LinearProblem) -> tuple[Ridged, np.ndarray]:
    """The programme in standardised columns, and the matrix `[p, p]` from there to θ."""
    frame = standardised(problem)
    scales = frame.matrix.diagonal()
    programme = linear_program.with_penalty(problem, frame.basis, scales)
    return _of_live(programme, problem.penalty.curvature * problem.penalised * scales**2), frame.matrix


def turned(problem: LinearProblem) -> tuple[Ridged, np.ndarray]:
    """The same where these depend on one another: in an orthonormal basis, turned until the penalty is Σ dⱼ·cⱼ² there too."""
    programme, matrix = linear_program.programme(problem)
    ridge, turn = np.linalg.eigh(problem.penalty_in(matrix).hessian())
    return _of_live(replace(programme, rows=programme.rows @ turn), np.maximum(ridge, 0.0)), matrix @ turn


def _of_live(programme: Programme, ridge: np.ndarray) -> Ridged:
    """Without the rows of weight 0."""
    live = programme.high > programme.low
    parts = vars(programme).values()
    return Ridged(programme if live.all() else Programme(*(part[live] for part in parts)), ridge)


def _interior(terms: Ridged) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """c and u nearer and nearer to the optimum.

    p and q are the parts of r above and below 0: r = p − q, p·(high − u) = q·(u − low) = μ.
    """
    _, target, low, high = vars(terms.programme).values()
    unit = float(np.abs(target).mean()) or 1.0
    at = np.zeros(len(terms.ridge)), 0.5 * (low + high), np.maximum(target, 0.0) + unit, np.maximum(-target, 0.0) + unit
    first = least = np.inf
    goals, idle = list(GOALS), 0
    for _ in range(MOST_STEPS):
        c, u, p, q = at
        mu = float(p @ (high - u) + q @ (u - low)) / (2 * len(u))
        first = mu if first == np.inf else first
        idle, least = (0, mu) if mu < 0.9 * least else (idle + 1, least)
        if mu <= goals[0] * first:
            yield c, u
            goals.pop(0)
        if not goals or idle == MOST_IDLE:
            return
        with np.errstate(all="ignore"):  # beyond its last digits a size may be 0
            moved = _step(terms, at, mu)
        if moved is None:
            break
        at = moved
    yield at[0], at[1]


Point = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _step(terms: Ridged, at: Point, mu: float) -> Point | None:
    """Mehrotra's step from (c, u, p, q); None where float64 has no digits left for one."""
    rows, target, low, high = vars(terms.programme).values()
    c, u, p, q = at
    above, below, off = high - u, u - low, rows.T @ u - terms.ridge * c
    weights = 1.0 / (p / above + q / below)
    system = (rows.T * weights) @ rows + np.diag(terms.ridge)
    factor = _factor(system) if np.isfinite(system).all() and np.isfinite(off).all() else None
    if factor is None:
        return None

    def newton(up: Any, down: Any) -> tuple[np.ndarray, ...]:
        """The step to p·(high − u) = up and q·(u − low) = down."""
        right = (target - rows @ c - p + q) - (up / above - p) + (down / below - q)
        dc = factor(off + rows.T @ (weights * right)) if np.isfinite(right).all() else np.full_like(c, np.nan)
        du = weights * (right - rows @ dc)
        return dc, du, up / above - p + p * du / above, down / below - q - q * du / below

    def longest(du: np.ndarray, dp: np.ndarray, dq: np.ndarray) -> float:
        return min(_longest(p, dp), _longest(q, dq), _longest(above, -du), _longest(below, du))

    dc, du, dp, dq = newton(0.0, 0.0)
    if not np.isfinite(dc).all():
        return None
    length = longest(du, dp, dq)
    ahead = (p + length * dp) @ (above - length * du) + (q + length * dq) @ (below + length * du)
    goal = mu * (float(ahead) / (2 * len(u)) / mu) ** 3
    dc, du, dp, dq = newton(goal + dp * du, goal - dq * du)
    length = min(0.995 * longest(du, dp, dq), 1.0)
    if not np.isfinite(length * dc).all():
        return None
    return c + length * dc, u + length * du, p + length * dp, q + length * dq


def _longest(size: np.ndarray, step: np.ndarray) -> float:
    """The longest step, at most 1/0.995, that leaves all sizes at least 0."""
    down = step < 0.0
    return min(float((-size[down] / step[down]).min(initial=np.inf)), 1.0 / 0.995)


def _factor(system: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """The solver of a positive definite system; None where it is not."""
    from scipy.linalg import cho_factor, cho_solve

    size = np.sqrt(np.diag(system))
    size = np.where(size > 0.0, size, 1.0)
    for ridge in (0.0, 1e-15, 1e-13, 1e-11):
        try:
            factor = cho_factor(system / np.outer(size, size) + ridge * np.eye(len(size)))
        except np.linalg.LinAlgError:
            continue
        return lambda right: cho_solve(factor, right / size) / size
    return None


def _exactly(terms: Ridged, c: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c and u by linear equations, for the rows at a kink; which these are is corrected until it fits, or comes again."""
    rows, target, low, high = vars(terms.programme).values()
    residual, room = target - rows @ c, np.minimum(high - u, u - low) / (high - low)
    unit = float(np.abs(target).mean()) or 1.0
    kink = room > np.abs(residual) / unit
    side = np.where(residual > 0.0, high, low)
    seen: set[bytes] = set()
    for _ in range(MOST_GUESSES):
        if kink.tobytes() in seen or np.count_nonzero(kink) + len(c) > MOST_EQUATIONS:
            break
        seen.add(kink.tobytes())
        c, u = _equations(terms, kink, side)
        residual = target - rows @ c
        slack = 1e-11 * (np.abs(target) + np.abs(rows) @ np.abs(c))
        outside = kink & ((u < low - 1e-9 * (high - low)) | (u > high + 1e-9 * (high - low)))
        crossed = ~kink & (np.where(side == high, residual, -residual) < -slack)
        if not (outside.any() or crossed.any()):
            break
        side = np.where(outside, np.where(u > high, high, low), side)
        kink = (kink & ~outside) | crossed
    return c, u


def _equations(terms: Ridged, kink: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The c and u with r = 0 at the kinks, u at the side of all other rows, and d·c = Aᵀu."""
    rows, target = terms.programme.rows, terms.programme.target
    at, size = rows[kink], rows.shape[1]
    given = np.where(kink, 0.0, side)
    system = np.block([[np.diag(terms.ridge), -at.T], [at, np.zeros((len(at), len(at)))]])
    found = np.linalg.lstsq(system, np.concatenate([rows.T @ given, target[kink]]), rcond=1e-15)[0]
    given[kink] = found[size:]
    return found[:size], given


def gap(terms: Ridged, c: np.ndarray, u: np.ndarray) -> float:
    """A number that the objective at c does not exceed its minimum by, from a feasible u near the given one.

    A ridge that adds next to nothing is left out of the lower bound, or gⱼ²/dⱼ would be nothing but rounding.
    """
    rows, target, low, high = vars(terms.programme).values()
    heaviest, unit = np.maximum(high, -low), float(np.abs(target).mean())
    u, free = np.clip(u, low, high), terms.ridge * unit <= 1e-16 * float(heaviest.sum())
    if free.any():  # gⱼ = 0 there: the least change of u where it has room
        room = np.minimum(u - low, high - u) > 1e-9 * (high - low)
        for _ in range(2 if room.any() else 0):
            u[room] -= np.linalg.lstsq(rows[room][:, free].T, rows[:, free].T @ u, rcond=None)[0]
        u = np.clip(u, low, high)
    residual, g = target - rows @ c, rows.T @ u
    ridge = terms.ridge[~free]
    sides = np.maximum(high * residual, low * residual) - u * residual
    left = (
        float(sides.sum())
        + 0.5 * float(np.sum((ridge * c[~free] - g[~free]) ** 2 / ridge))
        + 0.5 * float(terms.ridge[free] @ c[free] ** 2)
    )
    left += float(np.abs(g[free] * c[free]).sum())
    size = np.abs(target) + np.abs(rows) @ np.abs(c)
    return max(left - 4.0 * np.finfo(float).eps * float(heaviest @ size), 0.0)

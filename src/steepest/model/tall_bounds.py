"""Upper bounds on F(θ) − min F over a tall table, from the gradient g at θ and a measured Hessian H; None where none is proven.

½gᵀH⁻¹g for `mse`, where it is the gap itself. Elsewhere the Hessian must be nearly H, or larger, in a ball about θ that the
minimum cannot have left: there F lies above a parabola. Some rows' Hessian will do, with their share of all weights, since the
others add to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.model.tall_classes import leverage_of_classes
from steepest.model.tall_curvature import Proof, add_squares

if TYPE_CHECKING:
    from steepest.model.tall_objective import Pass, TallObjective

MOST_BENT = 0.1
"""Part of the rows whose curvature may be another one than where H was measured."""


def gap_bound(objective: TallObjective, seen: Pass, proof: Proof) -> float | None:
    """The bound where the last pass was made."""
    grad = objective.with_penalty(seen.grad.ravel(), seen.theta)
    if proof.index is not None:
        return _in_columns(objective, proof, proof.index, seen.theta, grad)
    decrement = proof.curvature.newton(grad)[1] / proof.share
    if proof.prediction is None:
        return 0.5 * decrement
    there = seen.prediction if proof.rows is None else seen.prediction[proof.rows]
    bound = _of_pieces if objective.formula.choice.pieces else _of_concordance
    return bound(objective, proof, there, decrement)


def _of_concordance(objective: TallObjective, proof: Proof, there: np.ndarray, decrement: float) -> float | None:
    """A loss whose curvature ℓ'' changes by no more than a factor exp(R·t) along t (R = 1 for `logistic` and `cross_entropy`, 2
    for `logcosh`) has the Hessian H/(1.2·E) at least wherever ‖d‖_H ≤ ρ = 2.4·E·ν, with ν² = gᵀH⁻¹g and E = exp(R·max|fᵢ − fᵢ'|),
    f' the predictions where H was measured, as long as R·ρ·max‖aᵢ‖_H⁻¹ ≤ log 1.2; and ‖aᵢ‖²_H⁻¹ ≤ n/(wᵢℓᵢ''), since no leverage
    is larger than 1. Then the minimum lies within ρ, and the gap is at most 0.6·E·ν².

    Source: Bach, Self-concordant analysis for logistic regression (2010), with the Hessian of another θ.
    """
    away = objective.formula.away(there - proof.prediction)
    factor = objective.formula.choice.concordance
    rate = float(np.exp(min(factor * away, 50.0)))
    reach = 2.4 * rate * np.sqrt(decrement * _leverage(objective, proof))
    return 0.6 * rate * decrement if factor * reach <= np.log(1.2) else None


def _leverage(objective: TallObjective, proof: Proof) -> float:
    """A bound on ‖aᵢ‖²_H⁻¹ of every row; of several classes on ‖(e − e')⊗aᵢ‖²_H⁻¹ of two of them."""
    if not objective.loss.coupled:
        return proof.leverage
    some = objective if proof.rows is None else objective.of_rows(proof.rows)
    of_classes = leverage_of_classes(some.table, objective.first, objective.outputs, proof.curvature)
    return min(proof.leverage, of_classes / proof.share)


def _of_pieces(objective: TallObjective, proof: Proof, there: np.ndarray, decrement: float) -> float | None:
    """A loss of parabolas and lines, whose curvature is constant in pieces and largest in the middle one.

    Wherever ‖d‖_H ≤ ρ = 2.4·ν a row's prediction is within t = ρ·max‖aᵢ‖_H⁻¹ of f, and its curvature that of one end at least. So
    the Hessian is H − G at least, G = Σ (what a row's curvature may have lost)·aaᵀ, which is (1 − κ)·H at least, κ the largest
    eigenvalue of H⁻¹G. For κ ≤ ½ the minimum lies within ρ, and the gap is at most 0.6·ν²/(1 − κ).
    """
    from scipy import linalg  # not before a tall table is fitted

    assert proof.prediction is not None
    some = objective if proof.rows is None else objective.of_rows(proof.rows)
    reach = 2.4 * np.sqrt(decrement * proof.leverage)
    before = objective.formula.curvature(proof.prediction, some.y.astype(proof.prediction.dtype))  # as H was measured
    least = np.minimum(*(objective.formula.curvature(there + side * reach, some.y) for side in (-1.0, 1.0)))
    lost = np.flatnonzero(least < (1.0 - 1e-6) * before)  # which has the digits of float32
    if not len(lost):
        return 0.6 * decrement
    if len(lost) > MOST_BENT * len(there):
        return None
    shares = (before - least)[lost]
    if some.weights is not None:
        shares = shares * some.weights[lost]
    bent = some.of_rows(lost)
    squares = np.zeros((objective.size, objective.size))
    add_squares(squares, objective.first, bent.x, shares)
    if objective.first:
        squares[1:, 0] = squares[0, 1:]
    curvature = proof.curvature
    scaled = squares / np.outer(curvature.sizes, curvature.sizes) / len(there)
    half = np.asarray(linalg.solve_triangular(curvature.factor, scaled, lower=True, check_finite=False))
    whole = linalg.solve_triangular(curvature.factor, half.T, lower=True, check_finite=False)
    part = float(np.linalg.norm(whole, 2))
    return 0.6 * decrement / (1.0 - part) if part <= 0.5 else None


def _in_columns(
    objective: TallObjective, proof: Proof, index: np.ndarray, theta: np.ndarray, grad: np.ndarray
) -> float | None:
    """With an l1 penalty, d the Newton step in the coefficients that are not 0, their signs held: θ + d is the minimum, and
    the gap ½dᵀHd, where no sign changes and all others stay at 0. Their slopes change by √(Hⱼⱼ·dᵀHd) at most."""
    l1 = objective.penalty_given.l1
    thresholds = l1 * (np.arange(len(theta)) >= objective.first)
    active = index[(theta[index] != 0.0) | (thresholds[index] == 0.0)]
    left = grad[active] + thresholds[active] * np.sign(theta[active])
    hessian = proof.curvature.hessian[np.ix_(*[np.searchsorted(index, active)] * 2)]
    step = np.linalg.solve(hessian, -left)
    decrement = -float(left @ step)
    held = (thresholds[active] == 0.0) | (np.abs(step) < np.abs(theta[active]))
    others = np.delete(np.abs(grad), active).max(initial=0.0)
    sure = held.all() and others + np.sqrt(proof.largest * max(decrement, 0.0)) <= l1
    return 0.5 * max(decrement, 0.0) if sure else None

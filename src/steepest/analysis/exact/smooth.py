"""Newton's method in orthonormal coordinates, for the smooth losses, to machine precision.

Coordinates z: Θ = C·Mᵀ with A·M = Q orthonormal and C = unfold(V·z), so that prediction = Q·Cᵀ. V leaves out
the directions in which nothing changes (adding the same vector to every class of a softmax). The Hessian
there is that of the loss alone, whatever the units of the columns. The line search works on the directional
derivative, which keeps its digits near the optimum where differences of the objective have none left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import WITHOUT_LOSS, Exact, one_of_many
from steepest.model.feasible_start import feasible_start
from steepest.model.linear import LinearProblem
from steepest.model.penalties import PenaltyTerm
from steepest.model.preconditioners import orthonormal, row_space
from steepest.numerics.hessians import blocks

MOST_STEPS = 200
MOST_DENSE = 1500  # coordinates beyond which Newton's equations are solved by conjugate gradients
# Far out huber has no curvature and logcosh next to none: this share of a majoriser keeps every step defined.
SAFETY = 1e-6
INSIDE = 1e-8  # slope, beside that at the start, up to which a minimum lies inside of what predictions can be
REMEDY = "link='log' has one."


@dataclass(frozen=True)
class Smooth:
    """A smooth objective (l2 penalty included) as a function of orthonormal coordinates z `[q]`.

    basis: Q `[n, r]`. matrix: M `[p, r]`. directions: V `[k·r, q]`, or None for the identity.
    live: `[n, k]` (`[n]` for one output), False where a class (a row) takes no part in the loss, or None.
    """

    problem: LinearProblem
    basis: np.ndarray
    matrix: np.ndarray
    directions: np.ndarray | None = None
    live: np.ndarray | None = None

    @property
    def size(self) -> int:
        """q, the number of coordinates."""
        whole = self.problem.outputs * self.basis.shape[1]
        return whole if self.directions is None else self.directions.shape[1]

    def unfold(self, z: np.ndarray) -> np.ndarray:
        """C `[k, r]`."""
        flat = z if self.directions is None else self.directions @ z
        return flat.reshape(self.problem.outputs, -1)

    def fold(self, slopes: np.ndarray) -> np.ndarray:
        """The gradient in z of one in C `[k, r]`."""
        return slopes.ravel() if self.directions is None else self.directions.T @ slopes.ravel()

    def theta(self, z: np.ndarray) -> np.ndarray:
        """θ `[k·p]` in user units."""
        return (self.unfold(z) @ self.matrix.T).ravel()

    def prediction(self, z: np.ndarray) -> np.ndarray:
        """Q·Cᵀ + offset: `[n]` or `[n, k]`."""
        return certify.with_offset(self.problem, self.moved(z))

    def moved(self, z: np.ndarray) -> np.ndarray:
        """Q·Cᵀ alone: how predictions move along z."""
        found = self.basis @ self.unfold(z).T
        return found if certify.several(self.problem) else found[:, 0]

    def slope(self, predicted: np.ndarray) -> np.ndarray:
        """The weighted slope of each row, 0 where it is not live."""
        if self.live is None:
            return certify.slope(self.problem, predicted)
        if predicted.ndim == 1:
            return certify.slope(self.problem, predicted) * self.live
        return certify.slope(self.problem, np.where(self.live, predicted, -np.inf))

    def curvature(self, predicted: np.ndarray) -> np.ndarray:
        """The weighted curvature of each row; for losses that are linear far out a little more (see SAFETY)."""
        if self.live is not None and predicted.ndim == 2:
            return certify.curvature(self.problem, np.where(self.live, predicted, -np.inf))
        found = certify.curvature(self.problem, predicted)
        if self.problem.loss.reach is not None:
            found = found + SAFETY * majoriser(self.problem, predicted)
        return found if self.live is None else found * self.live

    def value(self, z: np.ndarray) -> float:
        """F, in these coordinates."""
        predicted = self.prediction(z)
        if self.live is None:
            return certify.mean_loss(self.problem, predicted) + float(self.penalty.value(self.unfold(z).ravel()))
        # a dead row of one output is as good as one that is predicted perfectly
        sure = np.where(self.problem.target > 0.5, np.inf, -np.inf) if predicted.ndim == 1 else -np.inf
        return certify.mean_loss(self.problem, np.where(self.live, predicted, sure))

    def gradient(self, z: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """∇F in z."""
        slopes = self.slope(predicted)
        plain = slopes.reshape(len(slopes), -1).T @ self.basis / len(slopes)
        return self.fold(plain) + self.fold(self.penalty.gradient(self.unfold(z).ravel()))

    def hessian(self, predicted: np.ndarray) -> np.ndarray:
        """∇²F in z, `[q, q]`."""
        whole = blocks(self.curvature(predicted) / len(predicted), self.basis)
        whole += np.kron(np.eye(self.problem.outputs), self.penalty.hessian())
        return whole if self.directions is None else self.directions.T @ whole @ self.directions

    def newton_step(self, predicted: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """−(∇²F)⁻¹∇F: by factorisation, or by conjugate gradients where there are very many coordinates."""
        if self.size > MOST_DENSE:
            return self._conjugate_gradients(predicted, slopes)
        hessian = self.hessian(predicted)
        try:
            factor = np.linalg.cholesky(hessian)
            return -np.linalg.solve(factor.T, np.linalg.solve(factor, slopes))
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(hessian)
            floor = max(values[-1] * 1e-14, np.finfo(float).tiny)
            return -vectors @ ((vectors.T @ slopes) / np.maximum(values, floor))

    def _conjugate_gradients(self, predicted: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import LinearOperator, cg

        rows = self.curvature(predicted)

        def product(v: np.ndarray) -> np.ndarray:
            c = self.unfold(v.ravel())
            moved = self.basis @ c.T
            bent = moved * rows[:, None] if rows.ndim == 1 else np.einsum("nij,nj->ni", rows, moved)
            return self.fold(bent.T @ self.basis / len(rows)) + self.fold(self.penalty.gradient(c.ravel()))

        shape = (self.size, self.size)
        operator = LinearOperator(shape, matvec=product, dtype=np.float64)  # pyrefly: ignore
        step = -cg(operator, slopes, rtol=1e-8, maxiter=1000)[0]
        if self.problem.outputs == 1 or self.directions is not None:
            return step
        return (self.unfold(step) - self.unfold(step).mean(0)).ravel()

    @cached_property
    def penalty(self) -> PenaltyTerm:
        """The penalty as a function of C `[k·r]`."""
        return self.problem.penalty_in(self.matrix)


def majoriser(problem: LinearProblem, predicted: np.ndarray) -> np.ndarray:
    """The curvature of the parabola that touches a loss of a residual r from above: w·ℓ'(r)/r, ℓ''(0) at r = 0."""
    residual = predicted - problem.target
    at_zero = np.abs(residual) < 1e-8 * (problem.loss.reach or 1.0)
    found = certify.slope(problem, predicted) / np.where(at_zero, 1.0, residual)
    return np.where(at_zero, certify.curvature(problem, predicted), found)


def smooth(problem: LinearProblem) -> Smooth:
    """The objective in orthonormal coordinates; for classes without the directions common to all."""
    coordinates = row_space(problem) or orthonormal(problem)
    if problem.outputs == 1:
        return Smooth(problem, coordinates.basis, coordinates.matrix)
    rank = coordinates.basis.shape[1]
    if problem.outputs * rank > MOST_DENSE:
        # too many to write the directions out: each step is made to sum to zero instead
        return Smooth(problem, coordinates.basis, coordinates.matrix)
    directions = np.kron(sum_to_zero(problem.outputs), np.eye(rank))
    return Smooth(problem, coordinates.basis, coordinates.matrix, directions)


def sum_to_zero(outputs: int) -> np.ndarray:
    """An orthonormal basis `[k, k−1]` of the vectors whose sum is 0 (Helmert's).

    >>> turn = sum_to_zero(3)
    >>> bool(abs(turn.sum(0)).max() < 1e-15), (turn.T @ turn).round(12).tolist()
    (True, [[1.0, 0.0], [0.0, 1.0]])
    """
    place = np.arange(1, outputs)
    columns = np.triu(np.ones((outputs, outputs - 1)))
    columns[place, place - 1] = -place
    return columns / np.sqrt(place * (place + 1.0))


def minimise(
    objective: Smooth, hopeless: Callable[[np.ndarray], bool] | None = None
) -> tuple[np.ndarray, float, float]:
    """Newton from 0: (z, ‖∇F(z)‖ / ‖∇F(0)‖, length of the next step / (1 + ‖z‖)).

    The last is small at a minimum; where there is none, because F falls for ever, it is not.
    `hopeless(prediction)` ends the search early.
    """
    z = begin(objective)
    predicted = objective.prediction(z)
    slopes = objective.gradient(z, predicted)
    start = float(np.linalg.norm(slopes))
    best, residual, idle = z, start, 0
    for _ in range(MOST_STEPS):
        if residual == 0.0 or (hopeless is not None and hopeless(predicted)):
            break
        step = objective.newton_step(predicted, slopes)
        length = line_search(objective, z, predicted, step)
        z = z + length * step
        predicted = objective.prediction(z)
        slopes = objective.gradient(z, predicted)
        norm = float(np.linalg.norm(slopes))
        idle = 0 if norm < 0.5 * residual else idle + 1
        if norm < residual:
            best, residual = z, norm
        if idle >= 3 and residual <= 1e-9 * start:
            break
    predicted = objective.prediction(best)
    ahead = objective.newton_step(predicted, objective.gradient(best, predicted))
    reach = float(np.linalg.norm(ahead) / (1.0 + np.linalg.norm(best)))
    return best, certify.relative(residual, start), reach


def begin(objective: Smooth) -> np.ndarray:
    """Where Newton starts: at 0, or where predictions can be."""
    first = feasible_start(objective.problem)
    if first is None:
        return np.zeros(objective.size)
    moved = objective.problem.design @ first.reshape(objective.problem.outputs, -1).T
    flat = np.linalg.lstsq(objective.basis, moved, rcond=None)[0].T.ravel()
    return flat if objective.directions is None else objective.directions.T @ flat


def line_search(objective: Smooth, z: np.ndarray, predicted: np.ndarray, step: np.ndarray) -> float:
    """How far to go: 1 where the slope along the step has halved, else nearly to the lowest point."""
    along = objective.moved(step)
    bend = objective.penalty.gradient(objective.unfold(step).ravel())
    constant = float(bend @ objective.unfold(z).ravel())
    square = float(bend @ objective.unfold(step).ravel())

    def slope(length: float) -> float:
        slopes = objective.slope(predicted + length * along)
        return float(np.vdot(slopes, along)) / len(along) + constant + length * square

    start = slope(0.0)
    if start >= 0.0:
        return 1.0  # nothing but rounding is left
    low, high = 0.0, 1.0
    here = slope(high)
    for _ in range(60):
        if here >= 0.5 * start:
            break
        low, high = high, 2.0 * high
        here = slope(high)
    for _ in range(80):
        if abs(here) <= 0.5 * abs(start):
            break
        middle = 0.5 * (low + high)
        here = slope(middle)
        if here > 0.0:
            high = middle
        else:
            low = middle
        if abs(here) <= 0.5 * abs(start):
            return middle
    return high


def penalised(
    objective: Smooth, c: np.ndarray, violation: Callable[..., float], moved: Callable[..., np.ndarray]
) -> tuple[np.ndarray, float]:
    """Newton from c under a penalty with kinks, or within bounds: the best point, and its violation beside the first slope.

    violation: of the conditions of optimality, of (slopes, c). moved: the next point, of (c, predicted, slopes).
    """
    predicted = objective.prediction(c)
    slopes = objective.gradient(c, predicted)
    at_start = float(np.abs(slopes).max())
    best, idle = (violation(slopes, c), c), 0
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or (idle >= 3 and best[0] <= 1e-9 * at_start):
            break
        c = moved(c, predicted, slopes)
        predicted = objective.prediction(c)
        slopes = objective.gradient(c, predicted)
        worst = violation(slopes, c)
        idle = 0 if worst < 0.5 * best[0] else idle + 1
        best = (worst, c) if worst < best[0] else best
    return best[1], certify.relative(best[0], at_start)


def fallen(objective: Smooth, c: np.ndarray, points: Iterable[tuple[float, np.ndarray]], promised: float) -> np.ndarray:
    """The first of points (how far along a step, and there) where F has fallen as the step promised; c where there is none."""
    here = objective.value(c)
    slack = 8.0 * np.finfo(float).eps * abs(here)
    enough = (at for length, at in points if objective.value(at) <= here + 1e-4 * length * promised + slack)
    return next(enough, c)


def shortened(objective: Smooth, c: np.ndarray, step: np.ndarray, promised: float) -> np.ndarray:
    """c after the step, or after a part of it where the objective would not fall as it should."""
    return fallen(objective, c, ((0.5**k, c + 0.5**k * step) for k in range(60)), promised)


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a smooth loss that has a minimum, without penalty or with l2."""
    objective = smooth(problem)
    z, residual, _ = minimise(objective)
    return at_the_edge(problem) if on_edge(problem, residual) else answer(objective, z, residual)


def on_edge(problem: LinearProblem, residual: float) -> bool:
    """Whether Newton ended where a prediction is at the end of what a mean belongs to."""
    return problem.loss.family is not None and problem.loss.family.positive and not residual <= INSIDE


def at_the_edge(problem: LinearProblem) -> Exact:
    """What there is to say where the lowest objective lies at a mean of 0."""
    text = "" if problem.loss.family is None else problem.loss.family.text
    note = (
        f"There is no exact answer: the loss falls towards a row whose prediction is 0, and {text} is above it. "
        + REMEDY
    )
    return Exact(None, float("nan"), "", float("nan"), note)


def answer(objective: Smooth, z: np.ndarray, residual: float) -> Exact:
    """What `solve` gives, for coordinates z that Newton ended at."""
    note, value = "" if objective.problem.penalty.l2 else one_of_many(*objective.matrix.shape), objective.value(z)
    if objective.problem.loss.classes and value == 0.0:
        note = WITHOUT_LOSS
    return Exact(objective.theta(z), value, "Newton in an orthonormal basis", residual, note)

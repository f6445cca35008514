"""Newton's method on a sparse design: `optimizer="auto"` where the Hessian is known by its products alone.

The step d = −H⁻¹g is found by conjugate gradients, as exactly as pays: roughly far from the minimum, to the last digits near it
(Dembo, Eisenstat and Steihaug, Inexact Newton methods, 1982; Nocedal and Wright, Numerical Optimization, 7.1).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, final

import numpy as np

from steepest.descent.newton import SEPARATED
from steepest.descent.rule import Again, Memory, Newton
from steepest.descent.tall_newton import HALVINGS
from steepest.lazy import Tensor, torch
from steepest.model.sparse_objective import SparseObjective
from steepest.numerics.cholesky import factor, solve

PRODUCTS = 10
"""Products with the Hessian for one step: so many times the number of parameters, and at least `LEAST`."""

LEAST = 1_000
FEW = 200
"""Parameters up to which the Hessian is written out: conjugate gradients would ask for as many of its products."""

RANK = 1e-14
"""Share of the largest square, for each parameter, from which on a direction is one that the rows span."""

Product = Callable[[np.ndarray], np.ndarray]


@final
class SparseNewton(Newton):
    """Taken whole if F falls by 1e-4 of what the gradient promises (Armijo), else halved until it does."""

    def __init__(self, objective: SparseObjective):
        self.objective = objective
        self.space: np.ndarray | None = None

    def start(self, theta: Tensor) -> Memory:
        """Memory: F at the start, the length of the gradient there, the last decrement."""
        return [self._whole(theta), 0.0, inf]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        objective, g = self.objective, grad.numpy()
        length = float(np.linalg.norm(g))
        memory[1] = memory[1] or length
        value = self._whole(theta)
        near = 1e-13 if objective.loss.quadratic else min(0.1, length / (memory[1] or 1.0))
        product, diagonal = objective.hessian_product(theta)
        step = (
            self._solved(product, diagonal, g)
            if len(g) <= FEW
            else conjugate_gradients(product, -g, diagonal, near, max(LEAST, PRODUCTS * len(g)))
        )
        decrement = -float(g @ step)
        floor = max(abs(value), 1e-12 * memory[0]) * np.finfo(np.float64).eps
        told_apart = objective.loss.classes and value <= SEPARATED * memory[0]
        self.arrived = decrement <= 4 * floor or (decrement > memory[2] / 2 and decrement <= 1e3 * floor) or told_apart
        memory[2] = decrement
        for _ in range(HALVINGS):
            moved = theta + torch.from_numpy(step)
            if self._whole(moved) <= value - 1e-4 * decrement + floor:
                theta.copy_(moved)
                return
            step, decrement = step / 2, decrement / 2
        self.arrived = True

    def _solved(self, product: Product, diagonal: np.ndarray, g: np.ndarray) -> np.ndarray:
        """−H⁻¹g of a few parameters: H is written out, in the space that the rows span."""
        k = self.objective.outputs
        space = np.kron(np.eye(k), self._row_space())
        hessian = space.T @ np.column_stack([product(column) for column in space.T])
        if (
            self.objective.loss.coupled
        ):  # adding one vector to all classes changes no probability: held at no cost elsewhere
            hessian += np.kron(np.ones((k, k)), np.eye(len(hessian) // k)) * diagonal.mean() / k**2
        symmetric = torch.from_numpy(0.5 * (hessian + hessian.T))
        return space @ -solve(factor(symmetric), torch.from_numpy(space.T @ g)).numpy()

    def _row_space(self) -> np.ndarray:
        """An orthonormal basis `[p, r]` of what one output's parameters can change, the penalty counted in."""
        if self.space is None:
            objective = self.objective.of_one_output()
            products = [objective.pulled(objective.predict(unit)) for unit in np.eye(objective.width)]
            squares, vectors = np.linalg.eigh(np.column_stack(products))
            kept = squares > RANK * len(squares) * squares[-1]
            self.space = np.eye(objective.width) if self.objective.penalty_given.l2 else vectors[:, kept]
        return self.space

    def _whole(self, theta: Tensor) -> float:
        return float(self.objective.value(theta) + self.objective.penalty(theta))


def conjugate_gradients(
    product: Product, right: np.ndarray, diagonal: np.ndarray, near: float, most: int
) -> np.ndarray:
    """H⁻¹·right of H ⪰ 0 by its products, until what is left of it is `near` times as long; its diagonal preconditions.

    Directions without curvature end it: where H has none, what was found so far is given, or at once right/diagonal.

    >>> conjugate_gradients(lambda v: np.array([2.0, 4.0]) * v, np.ones(2), np.ones(2), 1e-12, 10).tolist()
    [0.5, 0.25]
    """
    scale = 1.0 / np.maximum(diagonal, 1e-12 * diagonal.max(initial=1e-300))
    found, left = np.zeros_like(right), right.copy()
    turned = scale * left
    along, size = turned.copy(), float(left @ turned)
    enough = near * near * size
    for count in range(most):
        if size <= enough or size == 0.0:
            break
        bent = product(along)
        curved = float(along @ bent)
        if curved <= 1e-14 * float(along @ (along / scale)):
            return found if count else turned
        found += size / curved * along
        left -= size / curved * bent
        turned = scale * left
        size, before = float(left @ turned), size
        along = turned + size / before * along
    return found

"""The rule behind `optimizer="auto"`: steepest descent in the norm of the local curvature.

The direction in which a function falls fastest depends on how length is measured. In the norm ‖d‖² = dᵀHd of the
curvature H at θ it is −H⁻¹g, and a whole step of it lands at the minimum of the local quadratic model; so badly
scaled or collinear columns cost nothing, and ten steps reach the last digits where plain descent needs millions.
(Boyd and Vandenberghe, Convex Optimization, 9.4–9.5: Newton's method as steepest descent.)

Each step minimises   g·d + ½dᵀHd + l1·Σ|θ + d|   in well-conditioned coordinates, and is taken if the objective
falls enough; if not, H is damped towards a plain gradient step until it does (Levenberg, Marquardt). Only the model
differs:

- smooth losses: one linear system;
- an `l1` penalty: a proximal step in that norm, solved exactly by feature-sign search (Lee et al. 2007);
- a `group` penalty: the same by block coordinate descent and Newton's method (`numerics/group_set.py`);
- losses with a kink (`l1`, `quantile`): |r| is rounded off to √(r² + δ²), and δ shrinks whenever the rounded
  objective is nearly at its minimum, until the rounding is far below the tolerance. `huber:D` likewise begins
  with a width that reaches its residuals and ends at D.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from steepest.descent.rounding import RoundedKinks, Stretched, rounding_of
from steepest.descent.rule import Again, Memory, Newton
from steepest.lazy import Tensor, torch
from steepest.model import preconditioners
from steepest.model.linear import row_blocks
from steepest.model.linear_objective import ExtendedObjective, LinearObjective
from steepest.numerics import box, group_set
from steepest.numerics.active_set import feature_sign
from steepest.numerics.cholesky import factor, solve
from steepest.numerics.dual import row_system
from steepest.numerics.hessians import blocks
from steepest.numerics.working_set import working_set

SHRINK = 0.2
ROUNDING = 1e-10
"""A kinked loss is done when rounding it off changes the objective by less than this share of it."""

SEPARATED = 1e-12
"""Share of the first objective at which classes count as told apart: the loss only creeps towards 0 from there."""

FLAT = 3e-5
"""Part of the largest curvature of a row below which rows of a loss rounded off at its kinks are left out of the Hessian: those
more than thirty times δ away, which together have a thousandth of the curvature."""

LONGEST_STAGE = 60
"""Steps after which δ shrinks in any case: where the data's own rounding hides what is left to gain."""

IDLE_STEPS = 8
"""Steps without a gain beyond rounding after which a smooth loss is done."""


@final
class RegularizedNewton(Newton):
    """`optimizer="auto"` on the linear family. One instance serves one descent; `arrived` is set when it is done.

        d = argmin g·d + ½·dᵀ(H + λ·U)d + l1·Σ|θ + d|        U = diag(max(Hᵢᵢ, mean curvature of a row's loss))

    in coordinates of mean square 1. λ is 0 as long as whole steps lower F by 1e-4 of what g promises (Armijo); else it is
    raised tenfold until one does, and lowered again after a step that did at once. Source: Marquardt, An algorithm for
    least-squares estimation of nonlinear parameters (1963).

    With an `ExtendedObjective` of `mse` steps go on until θ no longer moves.
    """

    def __init__(self, objective: LinearObjective | ExtendedObjective):
        problem = objective.problem
        like = objective.theta
        self.objective, self.problem = objective, problem
        self.k, self.rows = problem.outputs, row_system(problem, torch.as_tensor(problem.design).to(like))
        plain = isinstance(objective, LinearObjective) and self.rows is None
        few = working_set(problem, objective.basis) if plain else None
        squares = preconditioners.by_squares(problem) if plain and few is None else None
        self.few = None if few is None else few[0]
        self.tall = squares is not None
        if few is not None and isinstance(objective, LinearObjective):
            self.basis, matrix = objective.basis, few[1]
        elif self.rows is not None:
            self.basis, matrix = torch.as_tensor(problem.design).to(like), None
        elif squares is None or not isinstance(objective, LinearObjective):
            inside = None if bool(like.any()) else preconditioners.row_space(problem)  # from 0 nothing leads out of it
            other = preconditioners.standardised if problem.penalty.kinked else preconditioners.orthonormal
            chosen = inside or other(problem)
            self.basis, matrix = torch.as_tensor(chosen.basis).to(like), chosen.matrix
        else:
            self.basis, matrix = objective.basis, squares[0]
        self.matrix = None if matrix is None else torch.as_tensor(matrix).to(like)
        self.rank = self.basis.shape[1] if matrix is None else matrix.shape[1]
        self.penalty = problem.penalty.at(torch.as_tensor(problem.penalised).to(like), self.matrix, None, self.k)
        self.thresholds = self.penalty.thresholds if problem.penalty.l1 else None
        self.walls = problem.penalty.at(torch.as_tensor(problem.penalised).to(like), None, None, self.k).box
        self.exact_gradient = isinstance(objective, ExtendedObjective) and problem.loss.quadratic
        self.rounding = rounding_of(problem.loss)
        self.steady = None  # the Hessian, once it is known to be the same at every θ
        self.factor: Tensor | None = None  # and what it is decomposed into
        if squares is not None and problem.loss.quadratic:
            block = torch.as_tensor(squares[1]).to(like) * (2.0 / self.k) + self.penalty.hessian()
            self.steady = torch.kron(torch.eye(self.k).to(like), block)
        self.seen: tuple[Tensor, Tensor] | None = None

    def start(self, theta: Tensor) -> Memory:
        """Memory: the rounding δ, F at the start, the last step's length, the damping,
        the steps at this δ or without a gain, and the lowest F."""
        first = self._value(theta, 0.0)
        delta = 0.0
        if self.rounding is not None:
            spread = self.rounding.spread(self._predict(theta), self.objective.target)
            # a start of one's own is a minimum's that is wanted: what is not convex is not stretched beyond it
            own = not self.problem.loss.convex and bool(theta.any())
            delta = self.rounding.least if own else max(spread, self.rounding.least)
            self.arrived = delta == 0.0
        return [delta, first, float("inf"), 0.0, 0, float("inf")]

    @property
    def products(self) -> int:
        """How many products the Hessian of one output takes."""
        return self.basis.shape[0] * self.rank**2

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        delta, first, before, damping = memory[:4]
        slope, curvature = self._model(self._predict(theta), delta)
        given = self.exact_gradient or self.few is not None
        g = self._to_basis(grad) if given else self._gradient(theta, slope)
        hessian = None if self.rows is not None or self.few is not None else self._hessian(curvature)
        if hessian is not None and not self.problem.penalty.soft and not self.problem.loss.convex:
            hessian = self._if_convex_here(theta, delta, hessian)
        value = self._value(theta, delta)
        floor = max(abs(value), 1e-12 * first) * torch.finfo(theta.dtype).eps

        # what each direction's curvature is without the data's shape; huber has none where all residuals lie outside
        flat = torch.full_like(g, float(curvature.abs().mean()) or self.problem.loss.bound or 1.0)
        unit = flat if hessian is None else torch.maximum(flat, hessian.diagonal())
        root = None if self.thresholds is None or hessian is None else self._root(hessian, curvature)
        system = curvature if hessian is None else hessian
        d, zeros = self._direction(theta, g, system, root)
        promised = self._fall(theta, g, d)
        negligible = -promised <= 4 * floor
        # where nothing but rounding is left to gain in F, the step still brings θ its last digits
        slack = 64 * floor if negligible and self.rounding is None else floor
        for attempt in range(60):
            if attempt > 0 or damping > 0.0:
                d, zeros = self._direction(theta, g, system, root, damping * unit)
            fall = self._fall(theta, g, d)
            moved = theta + (d if self.matrix is None else (d.view(self.k, -1) @ self.matrix.T).reshape(-1))
            if self.walls is not None:
                moved = torch.minimum(torch.maximum(moved, self.walls[0]), self.walls[1])
            if zeros is not None:
                moved.masked_fill_(zeros, 0.0)
            if self._value(moved, delta) <= value + 1e-4 * fall + slack:
                break
            if negligible and not self.exact_gradient:  # shorter steps would gain no more
                moved, d, damping = theta, torch.zeros_like(d), 0.0
                break
            damping = max(10 * damping, 1e-9)
        else:
            moved, d, damping, negligible = theta, torch.zeros_like(d), 0.0, True
        theta.copy_(moved)
        length = float(torch.linalg.vector_norm(d))
        memory[2:4] = length, (0.0 if damping < 1e-8 else damping / (10 if attempt == 0 else 2))
        if self.rounding is not None and delta > self.rounding.least:
            self._round_less(theta, memory, self.rounding, 0.0 if negligible else promised)
        elif self.problem.loss.classes and value <= SEPARATED * first:
            self.arrived = True
        elif negligible:
            self.arrived = not self.exact_gradient or length == 0.0 or length > 0.25 * before
        elif value < memory[5] * (1 - 1e-9):
            memory[4:6] = 0, value
        else:  # nothing but rounding is left to gain
            memory[4] += 1
            self.arrived = memory[4] >= IDLE_STEPS

    def _if_convex_here(self, theta: Tensor, delta: float, hessian: Tensor) -> Tensor:
        """The Hessian itself of a loss that is not convex, near a minimum; elsewhere the one that is given."""
        if self.rounding is None or delta > self.rounding.least:
            return hessian
        curvature = self.problem.loss.curvature(self._predict(theta), self.objective.target)
        found = self._hessian(self._weighted(curvature))
        return hessian if bool(torch.linalg.cholesky_ex(found).info) else found

    def _direction(
        self, theta: Tensor, g: Tensor, system: Tensor, root: Tensor | None, damping: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The minimum of the local model, and with an `l1` penalty where it lies at exactly 0.

        system: H, or the curvature of each row where these stand for it.
        """
        if self.rows is not None:
            more = 0.0 if damping is None else float(damping[0]) * self.rows.mean_square
            return -self.rows.solve(system / len(system), self.penalty.curvature, g, more), None
        if self.few is not None and self.thresholds is not None:
            c = self._coordinates(theta)
            z = self.few.minimum(g, self.thresholds, c, 0.0 if damping is None else damping)
            return z - c, (z == 0) & (self.thresholds > 0)
        if self.penalty.norms is not None:
            c, whole = self._coordinates(theta), system if damping is None else system + torch.diag(damping)
            hessian, slopes, at = (each.cpu().double().numpy() for each in (whole, g, c))
            d = torch.from_numpy(group_set.minimum(hessian, slopes, self.penalty.norms.plain, at)).to(g)
            return d, (c + d == 0) & self.penalty.norms.penalised
        if self.penalty.box is not None:
            c, whole = self._coordinates(theta), system if damping is None else system + torch.diag(damping)
            low, high = ((limit - c).numpy() for limit in self.penalty.box)
            given = whole.numpy(), g.numpy(), np.minimum(low, 0.0), np.maximum(high, 0.0)
            if self.thresholds is None:
                return torch.from_numpy(box.minimum(*given)).to(g), None
            d = torch.from_numpy(box.minimum(*given, self.thresholds.numpy(), c.numpy())).to(g)
            return d, (c + d == 0) & (self.thresholds > 0)
        if root is None or self.thresholds is None:
            if damping is not None:
                return -solve(factor(system + torch.diag(damping)), g), None
            found = self.factor if system is self.steady and self.factor is not None else factor(system)
            self.factor = found if system is self.steady else None
            return -solve(found, g), None
        if damping is not None:
            root = torch.linalg.qr(torch.vstack([root, torch.diag(damping.sqrt())]), mode="r").R
        c = self._coordinates(theta)
        z = torch.from_numpy(feature_sign(*(one.cpu().numpy() for one in (root, g, self.thresholds, c)))).to(g)
        return z - c, (z == 0) & (self.thresholds > 0)

    def _fall(self, theta: Tensor, g: Tensor, d: Tensor) -> float:
        """How far the objective falls along d to first order; below 0."""
        norms = self.penalty.norms
        if norms is not None:
            c = self._coordinates(theta)
            return float(g @ d + norms.value(norms.scales * (c + d)) - norms.value(norms.scales * c))
        if self.thresholds is None:
            return float(g @ d)
        c = self._coordinates(theta)
        return float(g @ d + (self.thresholds * ((c + d).abs() - c.abs())).sum())

    def _round_less(self, theta: Tensor, memory: Memory, rounding: RoundedKinks | Stretched, fall: float) -> None:
        """Shrink δ once the rounded objective is as good as minimised."""
        (delta, first), least = memory[:2], rounding.least
        spread = rounding.spread(self._predict(theta), self.objective.target)
        value = self._value(theta, least)
        bias = abs(self._value(theta, delta) - value)
        memory[4] += 1
        if value == 0.0:  # no loss is below 0
            self.arrived = True
            return
        if -fall > 0.1 * bias and memory[4] < LONGEST_STAGE:
            return
        if least == 0.0 and (bias <= ROUNDING * max(value, 1e-14 * first) or delta <= 1e-16 * first):
            self.arrived = True
        memory[0], memory[3:5] = max(min(delta * SHRINK, spread), least), [0.0, 0]

    def _model(self, prediction: Tensor, delta: float) -> tuple[Tensor, Tensor]:
        """Slope `[n]` (or `[n, k]`) and curvature `[n]` (or `[n, k, k]`) of each row's loss, weighted."""
        target, loss = self.objective.target, self.problem.loss
        if self.rounding is not None:
            slope, curvature = self.rounding.slope_and_curvature(prediction, target, delta)
        else:
            slope, curvature = loss.slope(prediction, target), loss.curvature(prediction, target)
        return self._weighted(slope), self._weighted(curvature)

    def _weighted(self, each: Tensor) -> Tensor:
        """What is of each row `[n, …]`, times its weight."""
        weights = self.objective.weights
        return each if weights is None else each * weights.view(-1, *[1] * (each.ndim - 1))

    def _value(self, theta: Tensor, delta: float) -> float:
        """F(θ), of the rounded loss where δ > 0."""
        penalty = float(self.objective.penalty(theta))
        if self.exact_gradient:
            return float(self.objective.value(theta)) + penalty
        prediction, target = self._predict(theta), self.objective.target
        if self.rounding is None or delta == 0.0:
            each = self.problem.loss.rows(prediction, target)
        else:
            each = self.rounding.rows(prediction, target, delta)
        return float((each if self.objective.weights is None else each * self.objective.weights).mean()) + penalty

    def _predict(self, theta: Tensor) -> Tensor:
        """The predictions at θ, kept until another θ is asked for: where a step ends the next one begins."""
        if self.seen is None or not torch.equal(self.seen[0], theta):
            self.seen = theta.clone(), self.objective.predict(theta)
        return self.seen[1]

    def _to_basis(self, grad: Tensor) -> Tensor:
        return grad if self.matrix is None else (grad.view(self.k, -1) @ self.matrix).reshape(-1)

    def _gradient(self, theta: Tensor, slope: Tensor) -> Tensor:
        slope = slope.view(slope.shape[0], -1)
        g = torch.zeros(self.k, self.rank, dtype=self.basis.dtype, device=self.basis.device)
        for rows, basis in self._blocks():
            g += slope[rows].T @ basis
        slope_of_penalty = self.objective.with_penalty(torch.zeros_like(theta), theta)
        return (g / slope.shape[0]).reshape(-1) + self._to_basis(slope_of_penalty)

    def _blocks(self, some: Tensor | None = None) -> Iterator[tuple[slice | Tensor, Tensor]]:
        """B, some rows at a time: of a tall design they are standardised here, in the cache. some: numbers of rows."""
        if not self.tall:
            yield slice(None), self.basis
            return
        assert self.matrix is not None
        scale = self.matrix.diagonal()
        shift = -self.matrix[0] / scale
        shift[0] = 0.0
        for part in row_blocks((self.basis.shape[0] if some is None else len(some), self.rank)):
            rows = part if some is None else some[part]
            yield rows, (self.basis[rows] - shift).mul_(scale)

    def _bent(self, curvature: Tensor) -> Tensor | None:
        """Numbers of the rows that bend the loss of a tall design, where the others are nearly straight; None for all."""
        if not self.tall or self.k > 1 or not isinstance(self.rounding, RoundedKinks):
            return None
        found = (curvature > FLAT * curvature.max()).nonzero()[:, 0]
        return found if len(found) < len(curvature) // 2 else None

    def _hessian(self, curvature: Tensor) -> Tensor:
        """Σ Bᵀ·curvature·B/n + 2·l2·MᵀDM, `[k·r, k·r]`."""
        if self.steady is not None:
            return self.steady
        each = torch.eye(self.k).to(self.basis)
        parts = self._blocks(self._bent(curvature))
        hessian = sum(blocks(curvature[rows], basis) for rows, basis in parts) / len(self.basis)
        hessian = hessian + torch.kron(each, self.penalty.hessian())
        if self.problem.loss.coupled:
            # adding one vector to all classes changes no probability: curvature there fixes it at no cost elsewhere
            same = torch.eye(self.rank).to(hessian) / self.k**2
            hessian += torch.kron(torch.ones_like(each), same) * (1e-9 if self.problem.penalty.soft else 1.0)
        if self.problem.loss.quadratic:
            self.steady = hessian
        return hessian

    def _root(self, hessian: Tensor, curvature: Tensor) -> Tensor:
        """R with RᵀR = H: from the rows themselves for one output, since squares lose half of the digits."""
        if self.k > 1 or (self.tall and self.steady is not None):
            size = hessian.diagonal().clamp(min=torch.finfo(hessian.dtype).tiny)
            return torch.linalg.cholesky_ex(hessian + torch.diag(1e-14 * size)).L.T
        root = self.penalty.root()
        share = (curvature / self.basis.shape[0]).sqrt()[:, None]
        for rows, basis in self._blocks():
            root = torch.linalg.qr(torch.vstack([basis * share[rows], root]), mode="r").R
        return root

    def _coordinates(self, theta: Tensor) -> Tensor:
        """c of θ in standardised columns, where the matrix is diagonal but for the intercept's row."""
        assert self.matrix is not None
        blocks, scale = theta.view(self.k, -1), self.matrix.diagonal()
        c = torch.where(scale > 0, blocks / torch.where(scale > 0, scale, 1.0), 0.0)
        if self.problem.intercept:
            c[:, 0] = blocks[:, 0] - c[:, 1:] @ self.matrix[0, 1:]
        return c.reshape(-1)

"""Ridge systems with more columns than rows, solved in the rows: n equations in the place of p.

    H = Σᵢ sᵢ·aᵢaᵢᵀ + ridge·I, without the ridge at an intercept
    (XᵀSX + ridge·I)⁻¹·v = (v − Xᵀ√S·(√S·XXᵀ·√S + ridge·I)⁻¹·√S·Xv) / ridge

X are the columns without the intercept, which is eliminated beside them. XXᵀ `[n, n]` is computed once, whatever s and the
ridge are.

Source: Saunders, Gammerman and Vovk, Ridge regression learning algorithm in dual variables (1998); the identity is Woodbury's.
"""

from __future__ import annotations

import numpy as np

from steepest.lazy import Tensor, torch
from steepest.model.linear import LinearProblem

MOST_LOST = 1e-6
"""Digits that v minus what its own rows explain may lose, as a share; steps after the first bring them back."""


class RowSystem:
    """H for a design `[n, p]` whose first column is that of the intercept, if it has one; kernel: XXᵀ `[n, n]`."""

    def __init__(self, design: Tensor, intercept: bool, kernel: Tensor):
        self.columns, self.intercept, self.kernel = design[:, 1:] if intercept else design, intercept, kernel
        self.known: tuple[Tensor, float, Tensor] | None = None
        self.mean_square = float(self.kernel.diagonal().mean()) / self.columns.shape[1]

    def solve(self, shares: Tensor, ridge: float, right: Tensor, damping: float = 0.0) -> Tensor:
        """(H + damping·I)⁻¹·right `[p]`, for the curvature of each row `[n]`.

        >>> design = torch.tensor([[1.0, 2.0, 0.0, 1.0], [1.0, 0.0, 3.0, 1.0]], dtype=torch.float64)
        >>> hessian = design.T @ design + torch.diag(torch.tensor([0.0, 0.5, 0.5, 0.5]))
        >>> system = RowSystem(design, True, design[:, 1:] @ design[:, 1:].T)
        >>> found = system.solve(torch.ones(2).double(), 0.5, torch.arange(4.0).double())
        >>> bool(torch.allclose(hessian @ found, torch.arange(4.0).double()))
        True
        """
        root, ridge = shares.sqrt(), ridge + damping
        factor = self._factor(root, ridge)

        def beside(v: Tensor) -> Tensor:
            """What is left of v in the columns, without the intercept."""
            part = torch.cholesky_solve((root * (self.columns @ v))[:, None], factor)[:, 0]
            return (v - self.columns.T @ (root * part)) / ridge

        if not self.intercept:
            return beside(right)
        # its column times √S, b = Xᵀ·s: then C⁻¹b = Xᵀ√S·T⁻¹√s and s − bᵀC⁻¹b = ridge·√sᵀ·T⁻¹·√s, with no cancellation
        held = torch.cholesky_solve(root[:, None], factor)[:, 0]
        bent = self.columns.T @ (root * held)
        found = beside(right[1:])
        first = (right[0] - (root * root) @ (self.columns @ found)) / (ridge * (root @ held) + damping)
        return torch.cat([first[None], found - first * bent])

    def _factor(self, root: Tensor, ridge: float) -> Tensor:
        """Cholesky's factor of √S·XXᵀ·√S + ridge·I, kept until another one is asked for."""
        if self.known is None or self.known[1] != ridge or not torch.equal(self.known[0], root):
            inner = root[:, None] * self.kernel * root
            inner.diagonal().add_(ridge)
            self.known = root, ridge, torch.linalg.cholesky(inner)
        return self.known[2]


def suits(problem: LinearProblem, eps: float = float(np.finfo(np.float64).eps)) -> bool:
    """Whether a problem has a smooth loss of one output, an l2 penalty, more columns than rows, and digits enough for this.

    eps: of the precision, by default float64.
    """
    (n, p), bound, l2 = problem.design.shape, problem.loss.bound, problem.penalty.l2
    if not (n < p and l2 and not problem.penalty.kinked and problem.outputs == 1 and bound is not None):
        return False
    columns = problem.design[:, int(problem.intercept) :]
    heaviest = 1.0 if problem.weights is None else float(problem.weights.max())
    largest = bound * heaviest * float(np.einsum("ij,ij->", columns, columns)) / n
    return largest / (2.0 * l2) * eps < MOST_LOST


def row_system(problem: LinearProblem, design: Tensor) -> RowSystem | None:
    """The system of a problem that it suits; design: the problem's, in the precision and on the device of a descent."""
    if not suits(problem, torch.finfo(design.dtype).eps):
        return None
    return RowSystem(design, problem.intercept, torch.from_numpy(problem.row_products).to(design))

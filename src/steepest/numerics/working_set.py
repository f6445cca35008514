"""Least squares with an l1 penalty and many columns: only those that are not 0, or would not stay there, take part in a step.

A step's gradient says which entries at 0 would move. Only their columns and those of entries that are not 0 are copied, and
only their Gram matrix is computed; it grows with them. The next gradient shows whether any was missed.

Source: Johnson and Guestrin, Blitz: a principled meta-algorithm for scaling sparse optimization (2015).
"""

from __future__ import annotations

from steepest.lazy import Tensor, torch
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import SAFE_SQUARES, standard_columns
from steepest.numerics.active_set import feature_sign

MOST_NEW = 100
"""Columns that enter at once, where fewer than so many are in it."""


class WorkingSet:
    """Standardised columns of a design `[n, p]`, those in the set alone, and how to minimise in them.

    mean, scale: of each column `[p]`, 0 and 1 of the intercept's.
    """

    def __init__(self, problem: LinearProblem, design: Tensor, mean: Tensor, scale: Tensor):
        n = len(design)
        self.design, self.mean, self.scale = design, mean, scale
        share = torch.full((n,), 2.0 / n).to(design)
        self.root = (share if problem.weights is None else share * torch.as_tensor(problem.weights).to(design)).sqrt()
        self.ridge = problem.penalty.curvature * torch.as_tensor(problem.penalised).to(design) / scale**2
        self.index = torch.zeros(0, dtype=torch.long, device=design.device)
        self.columns, self.squares = design.new_zeros(0, n), design.new_zeros(0, 0)

    def minimum(self, g: Tensor, thresholds: Tensor, start: Tensor, damping: Tensor | float = 0.0) -> Tensor:
        """argmin over z `[p]` of g·d + ½·dᵀ(H + damping)d + Σ thresholds·|z|, d = z − start, with z = 0 outside the set."""
        excess = torch.where(start == 0, g.abs() - thresholds, torch.full_like(g, torch.inf))
        excess[thresholds == 0] = torch.inf
        excess[self.index] = -torch.inf
        most = max(MOST_NEW, len(self.index), int((excess == torch.inf).sum()))
        new = torch.sort(excess, descending=True).indices[: min(most, int((excess > 0).sum()))]
        if len(new):
            self._grow(new)
        index = self.index
        more = (self.ridge + damping)[index]
        root, failed = torch.linalg.cholesky_ex(self.squares + torch.diag(more))
        pivots = root.diagonal() / (1.0 + more).sqrt()
        if failed or not bool(pivots.min() > SAFE_SQUARES):  # squares would lose too many digits
            root = torch.linalg.qr(torch.vstack([self.columns.T, torch.diag(more.sqrt())]), mode="r").R.T
        z = start.clone()
        given = root.T, g[index], thresholds[index], start[index]
        z[index] = torch.from_numpy(feature_sign(*(one.cpu().numpy() for one in given))).to(z)
        return z

    def _grow(self, new: Tensor) -> None:
        columns = self.design.index_select(1, new).T.contiguous()
        columns.sub_(self.mean[new, None]).div_(self.scale[new, None]).mul_(self.root)
        across = columns @ self.columns.T
        self.squares = torch.cat([torch.cat([self.squares, across.T], 1), torch.cat([across, columns @ columns.T], 1)])
        self.columns, self.index = torch.cat([self.columns, columns]), torch.cat([self.index, new])


def working_set(problem: LinearProblem, design: Tensor) -> tuple[WorkingSet, Tensor] | None:
    """The working set of a tall problem of squares with an l1 penalty, and the matrix M `[p, p]` of standardised columns.

    None for other problems, and where columns lie so far from 0 that their means must be taken off before any product.
    """
    plain = problem.loss.quadratic and problem.outputs == 1 and problem.penalty.bounds is None
    if not (plain and problem.penalty.l1):
        return None
    found = standard_columns(problem)
    if found is None:
        return None
    mean, scale, matrix = (torch.from_numpy(each).to(design) for each in found)
    return WorkingSet(problem, design, mean, scale), matrix

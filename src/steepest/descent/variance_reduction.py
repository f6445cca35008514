"""Gradients of less variance, of finite sums: a batch's at θ, less what it was before, more the mean of what all were before.

    svrg    before is a snapshot of θ, taken where an epoch begins, with the gradient of all rows there
    saga    before is each row's slope when it was last seen, all of them kept: for models that are linear in θ

so that a constant rate brings the descent to its optimum. With a full batch both are gradient descent. A penalty's gradient is
always that at θ. `formulas/updates.py` has the sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from steepest.data.batching import Batch
from steepest.descent.rule import Again, Memory, Rule
from steepest.errors import SpecError
from steepest.formulas import updates
from steepest.formulas.rule_formula import RuleFormula
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective, gradient_of, rows_at
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective


@final
@dataclass(frozen=True)
class Reduced(Rule):
    """svrg or saga. rows, outputs: of the objective, for a rule that keeps a slope for each of them; 0 where there is none."""

    kind: RuleFormula = field()  # without the base's default
    rows: int = 0
    outputs: int = 1
    numbers = ()
    elementwise = linear = plain = True

    @classmethod
    def of(cls, kind: RuleFormula, objective: Any) -> Reduced:
        """The rule for an objective. SpecError for one whose rows it cannot look at again."""
        if objective is None or not (kind.keeps_rows or isinstance(objective, ModuleObjective)):
            return cls(kind)
        if kind.keeps_rows and isinstance(objective, ModuleObjective):
            raise SpecError(
                f"optimizer={kind.name!r} keeps one slope for each row, and a row of a module has a gradient of "
                f"{objective.theta.numel():,} numbers: use 'svrg'."
            )
        if isinstance(objective, ModuleObjective):
            _check_module(kind, objective)
        one = getattr(objective, "one", objective)
        return cls(kind, *((one.rows, one.outputs) if isinstance(one, LinearObjective) else ()))

    def __str__(self) -> str:
        return self.kind.name

    def start(self, theta: Tensor) -> Memory:
        held = [torch.zeros_like(theta) for _ in self.kind.keeps]
        table = [theta.new_zeros((*theta.shape[:-1], self.rows, self.outputs))] if self.kind.keeps_rows else []
        return [*held, *table, 0]

    def estimate(self, objective: Objective, theta: Any, batch: Batch, memory: Memory) -> tuple[Any, Any]:
        if batch.data is not None:
            raise SpecError(
                f"optimizer={self} looks at all rows again, and these come with their batches: use 'sgd', whose rate decays."
            )
        if batch.rows is None:
            return objective.value_and_grad(theta, batch)
        if self.kind.keeps_rows:
            found = _by_table(objective, theta, batch.rows, memory)
        else:
            found = _by_snapshot(objective, theta, batch, memory)
        memory[-1] = 1
        return found

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        theta -= self.kind.formula(grad, lr, 0)[0]


def _check_module(kind: RuleFormula, objective: ModuleObjective) -> None:
    if objective.x is None:
        raise SpecError(f"optimizer={kind.name!r} looks at all rows again, and these come with batches=: use 'sgd'.")
    for name, part in objective.module.named_modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm | torch.nn.modules.dropout._DropoutNd):
            raise SpecError(
                f"optimizer={kind.name!r} takes the gradient of all rows as the model predicts, and "
                f"{name.removeprefix('module.')!r} ({type(part).__name__}) is another in training: use 'sgd' or 'adam'."
            )


def _by_snapshot(objective: Objective, theta: Tensor, batch: Batch, memory: Memory) -> tuple[Tensor, Tensor]:
    """Johnson and Zhang 2013."""
    snapshot, mean, taken = memory
    if batch.index == 0 or not taken:
        snapshot.copy_(theta)
        mean.copy_(objective.value_and_grad(theta)[1])
    loss, grad = objective.value_and_grad(theta, batch)
    loss, grad, here = loss.clone(), grad.clone(), theta.clone()
    theta.copy_(snapshot)  # a module's parameters are views into θ itself
    before = objective.value_and_grad(theta, batch)[1]
    theta.copy_(here)
    return loss, updates.less_varied(grad, before, mean)


def _by_table(objective: Any, theta: Tensor, rows: Any, memory: Memory) -> tuple[Tensor, Tensor]:
    """Defazio, Bach and Lacoste-Julien 2014; of a row that is twice in a batch the mean counts one."""
    mean, table, taken = memory
    if not taken:
        _, slope, basis = rows_at(objective, theta)
        table.copy_(slope)
        mean.copy_(gradient_of(slope, basis))
    loss, slope, basis = rows_at(objective, theta, rows)
    at = rows if theta.ndim == 1 else (torch.arange(len(theta))[:, None], rows)
    change = slope - table[at]
    grad = updates.less_varied(gradient_of(change, basis), 0.0, mean)
    share = basis.shape[-2] / table.shape[-2]
    mean += share * gradient_of(change * _first(rows)[..., None].to(change), basis)
    table[at] = slope
    return loss, objective.with_penalty(grad, theta)


def _first(rows: Tensor) -> Tensor:
    """1 where a row stands in a batch `[..., b]` for the first time, else 0."""
    ordered, places = rows.sort(dim=-1, stable=True)
    new = torch.ones_like(ordered, dtype=torch.float64)
    new[..., 1:] = (ordered[..., 1:] != ordered[..., :-1]).double()
    return torch.empty_like(new).scatter_(-1, places, new)

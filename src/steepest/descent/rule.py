"""What a rule is: a memory, and θ moved at each step by a gradient and a learning rate. All of them are in `torch_rules.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from steepest.checkpoints.tree import like
from steepest.formulas.rule_formula import RuleFormula
from steepest.lazy import Tensor

if TYPE_CHECKING:
    from steepest.data.batching import Batch
    from steepest.model.objective import Objective

Again = Callable[[], tuple[Tensor, Tensor]]
Memory = list[Any]


class Rule(ABC):
    """`memory = rule.start(theta)`, then `rule.update(theta, grad, memory, lr, again)` at each step.

    `again()` gives the objective (penalty included) and its gradient at θ as it now stands, on the same batch: for
    rules that look twice. A rule that changes the gradient for another one changes what `again` gives in the same way.
    """

    handles_penalty: bool = False
    """Whether the rule takes care of a penalty's kink itself."""

    arrived: bool | None = None
    """Whether the descent is at its end, for a rule that can tell; None for the others."""

    kind: RuleFormula | None = None
    """What `formulas/rules.py` knows of it; None for the others."""

    elementwise: bool = False
    """Whether it moves many runs `[runs, p]` at once, each as it would be moved alone."""

    plain: bool = False
    """Whether steps are in proportion to the gradient, so that the curvature limits the learning rate."""

    linear: bool = False
    """Whether it is plain and its numbers stay the same: the theory of `analysis/convergence.py` holds."""

    momentum: Any = 0.0
    """β: under a steady gradient θ moves by lr·g/(1 − β) a step in the end."""

    together: bool | None = None
    """Of steps that each rank takes by itself, whether all ranks have one θ now; None for all other rules."""

    is_torch: bool = False
    """Whether an optimiser of PyTorch's is behind it."""

    @property
    def innermost(self) -> Rule:
        """The rule without what is wrapped around it."""
        return self

    def own_rate(self, theta: Tensor) -> float | None:
        """The learning rate that it has by itself; None for a rule that has none."""
        return None if self.kind is None else self.kind.own_lr

    @abstractmethod
    def start(self, theta: Tensor) -> Memory:
        """The memory before the first step."""

    def estimate(self, objective: Objective, theta: Any, batch: Batch, memory: Memory) -> tuple[Any, Any]:
        """The batch's mean loss at θ, and the gradient that the step is to go by: the batch's own, but for a few rules."""
        return objective.value_and_grad(theta, batch)

    @abstractmethod
    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        """Move θ, in place."""

    def answer(self, theta: Any, memory: Memory) -> Any:
        """What the descent has found so far: θ, but for a rule that takes the gradient elsewhere."""
        return theta

    def end(self, theta: Any, memory: Memory) -> None:
        """θ becomes the answer, in place."""
        answer = self.answer(theta, memory)
        if answer is not theta:
            theta.copy_(answer)

    def packed(self, memory: Memory) -> Any:
        """The memory, and whatever else the rule keeps from step to step, as numbers, tensors and lists of them."""
        return memory

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        """The memory again, from that of `start`. Unlike for what another rule has packed."""
        return like(memory, packed, "memory")


class Newton(Rule):
    """A rule that moves by the curvature of one objective, whose penalty it sees whole, and knows when it has arrived."""

    handles_penalty = True
    arrived: bool = False

    def packed(self, memory: Memory) -> Any:
        """What else is kept is found again at θ, unless a rule says otherwise."""
        return [*memory, self.arrived]

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        *memory, self.arrived = like([*memory, False], packed, "memory")
        return memory

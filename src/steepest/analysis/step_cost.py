"""What a step of a descent costs, counted and not timed: so that a verdict never depends on how busy the machine is.

    cost = OPERATION·(operations) + FLOP·(floating-point operations) + ENTRY·(numbers written)

of one value and gradient of a batch. A cost of 1 is what a core of 2020 does in about a second.
"""

from __future__ import annotations

from typing import Any

from steepest.data.batching import Batching
from steepest.descent import torch_rules
from steepest.lazy import Tensor
from steepest.model.objective import Objective

OPERATION, FLOP, ENTRY = 4e-6, 5e-11, 1e-9
"""The cost of an operation of PyTorch, of a floating-point operation in a matrix product, and of a number written."""

STEP, OPTIMIZER = 60e-6, 250e-6
"""The cost of the loop around it, and of a step of an optimiser of PyTorch's."""


def _counted() -> Any:
    """What counts the operations within it."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counted(TorchDispatchMode):
        """How many operations ran within it, their floating-point operations, and how many numbers they wrote."""

        def __init__(self) -> None:
            super().__init__()
            self.operations, self.flops, self.entries = 0, 0, 0

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """Nothing is compiled here: the compiler, whose import takes a second, is not needed."""
            return False

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            self.operations += 1
            counts = flop_registry.get(func._overloadpacket)
            self.flops += counts(*args, **(kwargs or {}), out_val=out) if counts else 0
            for each in out if isinstance(out, tuple | list) else (out,):
                self.entries += each.numel() if isinstance(each, Tensor) else 0
            return out

    return Counted()


def cost_of_step(objective: Objective, size: int | None, rule: Any = None) -> float:
    """What a step costs. size: rows a batch, None for all. rule: that of the descent; None for one of ours."""
    whole = size is None or size >= objective.rows
    batch = next(iter(Batching(objective.rows, None if whole else size, "none")))
    with _counted() as counted:
        objective.value_and_grad(objective.theta, batch)
    own = rule is None or not torch_rules.rule(rule, objective).innermost.is_torch
    return (
        STEP
        + (0.0 if own else OPTIMIZER)
        + OPERATION * counted.operations
        + FLOP * counted.flops
        + ENTRY * counted.entries
    )

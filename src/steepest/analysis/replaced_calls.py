"""Functions of PyTorch that a module's `forward` calls, as layers or by themselves, replaced while it runs.

    with Instead("sigmoid", 2, lambda given: given): module(x)     the second sigmoid gives what it is given
    Without(module, "dropout")                                     the module with no dropout at all

So a module can be tried without a function however it is written: `nn.Sigmoid()`, `torch.sigmoid(x)`, `x.sigmoid()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from steepest.model.calling import evaluating

SAME = {
    "relu6": "hardtanh", "selu": "elu", "celu": "elu", "specialexpit": "sigmoid", "clip": "clamp", "clampmin": "clamp",
    "square": "pow", "absolute": "abs",
}  # fmt: skip
"""Functions that are one for autograd, or nearly so."""

DROPOUT = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alphadropout", "featurealphadropout", "featuredropout")


def plain(name: str) -> str:
    """One name for all spellings of a function: `logsoftmax` of log_softmax, LogSoftmax and log_softmax_."""
    bare = name.replace("_", "").lower()
    return "dropout" if bare in DROPOUT else SAME.get(bare, bare)


class Instead(TorchFunctionMode):
    """Within it the call of a function with that number (None: every call) gives something else.

    instead: what it gives, from the function's first argument. calls: how many there were.
    """

    def __init__(self, name: str, place: int | None, instead: Callable[[Tensor], Any]):
        super().__init__()
        self.name, self.place, self.instead, self.calls = name, place, instead, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if plain(getattr(func, "__name__", "")) == self.name and args:
            self.calls += 1
            if self.place in (None, self.calls):
                return self.instead(args[0])
        return func(*args, **(kwargs or {}))


class Without(nn.Module):
    """A module whose calls of a function, one or all, give back what they are given."""

    def __init__(self, module: nn.Module, name: str, place: int | None = None):
        super().__init__()
        self.module, self.name, self.place = module, name, place

    def forward(self, x: Tensor) -> Tensor:
        with Instead(self.name, self.place, lambda given: given):
            return self.module(x)


class Seen(TorchFunctionMode):
    """Within it what some functions give is kept, in the order of their calls. names: of these functions."""

    def __init__(self, names: frozenset[str]):
        super().__init__()
        self.names = names
        self.found: list[tuple[str, Any, Tensor]] = []
        """Name, arguments with the first left out, and what was given back."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name = plain(getattr(func, "__name__", ""))
        if name in self.names and isinstance(found, Tensor):
            self.found.append((name, (*args[1:], *(kwargs or {}).items()), found.detach()))
        return found


def calls(module: nn.Module, x: Tensor, name: str) -> int:
    """How often a module calls a function on rows x, in evaluation mode."""
    with evaluating(module), torch.no_grad(), Instead(name, 0, lambda given: given) as counted:
        module(x)
    return counted.calls


def with_last(module: nn.Module, x: Tensor, name: str, value: float) -> Tensor | None:
    """What a module gives for rows x if the last call of a function gave that value everywhere; None without such a call."""
    count = calls(module, x, name)
    if not count:
        return None
    with evaluating(module), torch.no_grad(), Instead(name, count, lambda given: torch.full_like(given, value)):
        return module(x)

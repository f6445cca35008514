"""The parameters of an `nn.Module` made one vector: they and their gradients become views into it, tied ones once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from steepest.errors import FitError, SpecError
from steepest.lazy import Tensor, nn, torch

NOTHING_TO_FIT = "The module has no parameter that requires a gradient: there is nothing to fit."


@final
class ParameterVector:
    """Its trainable parameters `theta` and their `gradient`, `[p]` each, contiguous, and `names` for the entries.

    Raises SpecError for modules without parameters or with mixed dtypes.

    >>> parameters = ParameterVector(nn.Linear(2, 1))
    >>> parameters.names
    ('weight[0,0]', 'weight[0,1]', 'bias')
    """

    def __init__(self, module: nn.Module):
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        if not named:
            raise SpecError(NOTHING_TO_FIT)
        kinds = {(p.dtype, p.device) for _, p in named}
        if len(kinds) > 1:
            kinds_text = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
            raise SpecError(
                f"The module's parameters are of several kinds ({kinds_text}). Bring them to one: module.double()."
            )
        self._named = named
        self._shapes = [p.shape for _, p in named]
        self._sizes = [p.numel() for _, p in named]
        self.theta = torch.cat([p.detach().reshape(-1) for _, p in named])
        self.gradient = torch.zeros_like(self.theta)
        for (_, parameter), data, grad in zip(named, self.views(self.theta), self.views(self.gradient), strict=True):
            parameter.data = data
            parameter.grad = grad
        self._pointers = [(p.data_ptr(), p.grad.data_ptr()) for _, p in named if p.grad is not None]
        self._owners = [module.get_submodule(name.rpartition(".")[0])._parameters for name, _ in named]
        self._places = _places(module, [p for _, p in named])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the entries; made when they are asked for, as there may be millions."""
        return entries(self._named)

    @property
    def penalised(self) -> Tensor:
        """1 for each entry that a penalty holds for and 0 for those of biases, `[p]`."""
        each = [torch.full((p.numel(),), float(not name.endswith("bias"))) for name, p in self._named]
        return torch.cat(each).to(self.theta)

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        """A vector `[p]` as the parameters' shapes."""
        return [part.view(shape) for part, shape in zip(flat.split(self._sizes), self._shapes, strict=True)]

    def by_name(self, flat: Tensor) -> dict[str, Tensor]:
        """The same under every name that the module has for them: what `torch.func.functional_call` is given."""
        views = self.views(flat)
        return {name: views[place] for name, place in self._places.items()}

    def check(self) -> None:
        """Raise FitError where a parameter is no longer a view into the vector."""
        for (name, known), owner, (data, grad) in zip(self._named, self._owners, self._pointers, strict=True):
            here = owner.get(name.rpartition(".")[2])
            if here is not known or here.data_ptr() != data or here.grad is None or here.grad.data_ptr() != grad:
                raise FitError(
                    f"The parameter {name!r} is no longer a view into the descent's vector: something replaced its memory "
                    "or its gradient (.double(), load_state_dict(assign=True), zero_grad()). Do that before the fit."
                )


def entries(named: Sequence[tuple[str, Tensor]]) -> tuple[str, ...]:
    """The names of all numbers in some parameters: `weight[0,1]`, `bias`.

    >>> entries([("weight", torch.zeros(1, 2)), ("bias", torch.zeros(1))])
    ('weight[0,0]', 'weight[0,1]', 'bias')
    """
    return tuple(
        name if p.numel() == 1 else f"{name}[{','.join(map(str, place))}]"
        for name, p in named
        for place in (np.ndindex(tuple(p.shape)) if p.numel() > 1 else [()])
    )


def _places(module: nn.Module, parameters: Sequence[nn.Parameter]) -> dict[str, int]:
    """Every name under which a module keeps its parameters → which of them it is.

    A parameter that two parts share has two names; a part that stands in two places is named once, since
    `functional_call` would put back the wrong thing the second time.
    """
    number, seen, found = {id(p): place for place, p in enumerate(parameters)}, set(), {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owner, _, own = name.rpartition(".")
        slot = (id(module.get_submodule(owner)), own)
        if id(parameter) in number and slot not in seen:
            seen.add(slot)
            found[name] = number[id(parameter)]
    return found

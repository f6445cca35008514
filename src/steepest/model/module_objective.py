"""A module's objective: its parameters and their gradients are views into one vector."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from steepest.data.batching import Batch
from steepest.data.randomness import seeded
from steepest.errors import FitError, SpecError
from steepest.model import modules
from steepest.model.calling import evaluating, output
from steepest.model.loss import Loss
from steepest.model.objective import Objective, matched
from steepest.model.penalties import Penalty

CHECKED = 1_000
"""Rows of a module's on which a loss of the user's is tried before the descent."""
NOTHING_TO_FIT = "The module has no parameter that requires a gradient: there is nothing to fit."

NO_GRADIENT = (
    "The loss has no gradient: it does not come from the model's parameters by operations that autograd knows. Look for "
    "detach(), .data, no_grad(), item(), numpy(), round or argmax in the model's forward and in the loss."
)


@final
class ModuleObjective(Objective):
    """Any `nn.Module`: its trainable parameters become views into one vector, tied ones once.

    Penalties hold for all parameters but biases. Raises SpecError for modules without parameters or with mixed dtypes.

    random: whether the module may draw random numbers in training, which then depend on (seed, epoch, index) alone.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        x: Tensor | None = None,
        y: Tensor | None = None,
        weights: Tensor | None = None,
        penalty: Penalty | None = None,
        seed: int = 0,
    ):
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        if not named:
            raise SpecError(NOTHING_TO_FIT)
        kinds = {(p.dtype, p.device) for _, p in named}
        if len(kinds) > 1:
            kinds_text = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
            raise SpecError(
                f"The module's parameters are of several kinds ({kinds_text}). Bring them to one: module.double()."
            )
        self.module, self.loss, self.x, self.y, self.weights = module, loss, x, y, weights
        self.balance = modules.balance_of(module)
        self.rows = 0 if x is None else x.shape[0]
        self.seed = seed
        self.names = tuple(
            name if p.numel() == 1 else f"{name}[{','.join(map(str, place))}]"
            for name, p in named
            for place in (np.ndindex(tuple(p.shape)) if p.numel() > 1 else [()])
        )
        self._parameters = named
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
        self.random = True
        if penalty:
            free = torch.cat([torch.full((p.numel(),), float(not name.endswith("bias"))) for name, p in named])
            self.penalty_term = penalty.at(free.to(self.theta))
            if penalty.l1:
                self.kinked, self.proximal = True, self.penalty_term.proximal

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        return [part.view(shape) for part, shape in zip(flat.split(self._sizes), self._shapes, strict=True)]

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if theta is not self.theta:
            self.theta.copy_(theta)
        if batch is None or batch.index == 0:
            self._check_views()
        self.gradient.zero_()
        if batch is None:
            with evaluating(self.module):
                value = self._mean(None)
        else:
            drawn = seeded(hash((self.seed, batch.epoch, batch.index)), self.theta.device)
            with drawn if self.random else nullcontext():
                value = self._mean(batch)
        if not value.requires_grad:
            raise SpecError(NO_GRADIENT)
        value.backward()
        return value.detach(), self.with_penalty(self.gradient, theta)

    def value(self, theta: Tensor) -> Tensor:
        with evaluating(self.module), torch.no_grad():
            return self.mean_at(theta)

    def mean_at(self, theta: Tensor) -> Tensor:
        """The same as a function of θ that autograd can go through, with the module in the mode that it is in."""
        if self.x is None or self.y is None:
            raise FitError("This objective holds no rows of its own: its data come with the batches.")
        return self._reduce(self.predict(theta, self.x), self.y, self.weights)

    def predict(self, theta: Tensor, x: Tensor) -> Tensor:
        """What the module gives at θ `[p]`, its own parameters left as they are."""
        views = self.views(theta)
        parameters = {name: views[place] for name, place in self._places.items()}

        def call(rows: Tensor) -> Any:
            return torch.func.functional_call(self.module, parameters, (rows,), tie_weights=False)

        return output(self.module, x, call)

    def on(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> ModuleObjective:
        """The same module and memory on other rows, to be valued there."""
        other = copy.copy(self)
        other.x, other.y, other.weights = x, y, weights
        return other

    def _mean(self, batch: Batch | None) -> Tensor:
        weights = self.weights
        if batch is not None and batch.data is not None:
            x, y = (part.to(self.theta if part.is_floating_point() else self.theta.device) for part in batch.data)
            weights = None
        elif self.x is None or self.y is None:
            raise FitError("This objective holds no rows of its own: give batches=, an iterable of (x, y).")
        else:
            x, y = self.x, self.y
            if batch is not None and batch.rows is not None:
                x, y = x[batch.rows], y[batch.rows]
                weights = None if weights is None else weights[batch.rows]
        return self._reduce(self.balanced(output(self.module, x)), y, weights)

    def balanced(self, prediction: Tensor) -> Tensor:
        """The same predictions, the slopes of each target's times its `balance`."""
        if self.balance is None:
            return prediction
        fixed = prediction.detach()
        return fixed + self.balance * (prediction - fixed)

    def _reduce(self, prediction: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        prediction = matched(prediction, target, self.loss)
        return self.loss.mean(prediction, target, weights)

    def trial(self) -> tuple[Tensor, Tensor, Tensor | None] | None:
        if self.x is None or self.y is None:
            return None
        y = self.y[:CHECKED]
        with evaluating(self.module), torch.no_grad():
            prediction = matched(self.predict(self.theta, self.x[:CHECKED]), y, self.loss)
        return prediction, y, None if self.weights is None else self.weights[:CHECKED]

    def _check_views(self) -> None:
        for (name, known), owner, (data, grad) in zip(self._parameters, self._owners, self._pointers, strict=True):
            here = owner.get(name.rpartition(".")[2])
            if here is not known or here.data_ptr() != data or here.grad is None or here.grad.data_ptr() != grad:
                raise FitError(
                    f"The parameter {name!r} is no longer a view into the descent's vector: something replaced its memory "
                    "or its gradient (.double(), load_state_dict(assign=True), zero_grad()). Do that before the fit."
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

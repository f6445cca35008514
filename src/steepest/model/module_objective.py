"""The objective of any `nn.Module`: its mean loss over rows and its penalty, a function of one vector of parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any, final

from steepest.checkpoints.tree import like
from steepest.data.batching import Batch
from steepest.data.randomness import seeded
from steepest.errors import FitError, SpecError
from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import evaluating, output
from steepest.model.loss import Loss
from steepest.model.objective import Objective, matched
from steepest.model.parameter_vector import ParameterVector
from steepest.model.penalties import Penalty
from steepest.ranks.group import current
from steepest.ranks.tree import tree

CHECKED = 1_000
"""Rows of a module's on which a loss of the user's is tried before the descent."""

NO_GRADIENT = (
    "The loss has no gradient: it does not come from the model's parameters by operations that autograd knows. Look for "
    "detach(), .data, no_grad(), item(), numpy(), round or argmax in the model's forward and in the loss."
)


@final
class ModuleObjective(Objective):
    """Any `nn.Module`: its trainable parameters become views into one vector (`parameter_vector.py`).

    Penalties hold for all parameters but biases. Raises SpecError for modules without parameters or with mixed dtypes.

    random: whether the module may draw random numbers in training, which then depend on (seed, epoch, index) alone. moves: the
    buffers that training moves, as the running means of BatchNorm.
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
        from steepest.model.wrapped_modules import balance_of  # which imports PyTorch

        self.parameters = ParameterVector(module)
        self.theta, self.gradient = self.parameters.theta, self.parameters.gradient
        self.module, self.loss, self.x, self.y, self.weights = module, loss, x, y, weights
        self.balance = balance_of(module)
        self.rows = 0 if x is None else x.shape[0]
        self.seed = seed
        self.random = True
        self.moves = tuple(dict(module.named_buffers()))
        if penalty:
            self.penalty_term = penalty.at(self.parameters.penalised)
            if penalty.l1:
                self.kinked, self.proximal = True, self.penalty_term.proximal

    @property
    def data(self) -> tuple[Tensor, Tensor]:
        """Its own rows and their targets. Raises FitError where its data come with the batches."""
        if self.x is None or self.y is None:
            raise FitError("This objective holds no rows of its own: give batches=, an iterable of (x, y).")
        return self.x, self.y

    @cached_property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the entries of θ."""
        return self.parameters.names

    def state(self) -> dict[str, Any]:
        """The module's buffers, as the running means of BatchNorm are."""
        return dict(self.module.named_buffers())

    def take_up(self, state: Any) -> None:
        self._put(like(self.state(), state, "buffers"))

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        return self.parameters.views(flat)

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if theta is not self.theta:
            self.theta.copy_(theta)
        if batch is None or batch.index == 0:
            self.parameters.check()
        if batch is not None and batch.parts:
            return self._of_parts(theta, batch)
        self.gradient.zero_()
        if batch is None:
            with evaluating(self.module):
                value = self._backward(self._mean(None))
        else:
            drawn = seeded(hash((self.seed, batch.epoch, batch.index)), self.theta.device)
            with drawn if self.random else nullcontext():
                each = [self._backward(self._mean(part) * share) for part, share in self._pieces(batch)]
            value = each[0] if len(each) == 1 else torch.stack(each).sum()
        return value, self.with_penalty(self.gradient, theta)

    @staticmethod
    def _backward(value: Tensor) -> Tensor:
        """Add the gradient of a loss to what there is; the loss."""
        if not value.requires_grad:
            raise SpecError(NO_GRADIENT)
        value.backward()
        return value.detach()

    def _of_parts(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of a batch that is added up in parts, each with random numbers, and a module's statistics of a batch, of its own."""
        group, before = current(), {name: self.module.get_buffer(name).clone() for name in self.moves}
        shapes = [value.shape for value in before.values()]

        def sums(number: int, part: tuple[Tensor, ...]) -> Tensor:
            rows = len(part[0]) if part else 0
            self.gradient.zero_()
            self._put(before)
            value = theta.new_zeros(1)
            if rows:
                drawn = seeded(hash((self.seed, batch.epoch, batch.index, number)), self.theta.device)
                with drawn if self.random else nullcontext():
                    value = self._backward(self._mean(Batch(batch.epoch, batch.index, data=part))).reshape(1)
            moved = [self.module.get_buffer(name).reshape(-1).to(theta) for name in before]
            return rows * torch.cat([value.to(theta), self.gradient, *moved])

        parts = (sums(number, part) for number, part in zip(group.own, batch.parts, strict=True))
        whole = group.total(tree(parts, torch.add)) / batch.count
        value, grad, *moved = whole.split([1, len(theta), *(shape.numel() for shape in shapes)])
        means = {name: mean.reshape(shape) for name, mean, shape in zip(before, moved, shapes, strict=True)}
        self._put({name: mean if before[name].is_floating_point() else mean.round() for name, mean in means.items()})
        self.gradient.copy_(grad)
        return value[0], self.with_penalty(self.gradient, theta)

    def _put(self, buffers: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in buffers.items():
                self.module.get_buffer(name).copy_(value)

    def _pieces(self, batch: Batch) -> Iterator[tuple[Batch, float]]:
        """The minibatches of a step, and each one's share of its rows."""
        whole = self.rows if batch.data is None else len(batch.data[0])
        rows = batch.rows if batch.data is None else None
        many = whole if rows is None else len(rows)  # pyrefly: ignore
        size = batch.pieces or many
        if size >= many:
            yield batch, 1.0
            return
        for first in range(0, many, size):
            cut = slice(first, first + size)
            share = min(size, many - first) / many
            if batch.data is not None:
                yield batch._replace(data=tuple(part[cut] for part in batch.data)), share
            else:
                yield batch._replace(rows=cut if rows is None else rows[cut]), share  # pyrefly: ignore

    def value(self, theta: Tensor) -> Tensor:
        with evaluating(self.module), torch.no_grad():
            return self.mean_at(theta)

    def mean_at(self, theta: Tensor) -> Tensor:
        """The same as a function of θ that autograd can go through, with the module in the mode that it is in."""
        x, y = self.data
        return self._reduce(self.predict(theta, x), y, self.weights)

    def predict(self, theta: Tensor, x: Tensor) -> Tensor:
        """What the module gives at θ `[p]`, its own parameters left as they are."""
        parameters = self.parameters.by_name(theta)

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
            x, y, *rest = (
                part.to(self.theta if part.is_floating_point() else self.theta.device) for part in batch.data
            )
            weights = rest[0] if rest else None
        else:
            x, y = self.data
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

"""What hooks see of a training loop between two updates: the loss of the batch, its rows, and the order of things.

Calls without a gradient, as those of a validation, are passed over. The hooks are left behind where a module is copied or
pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from steepest.errors import SpecError
from steepest.lazy import Tensor, nn, torch

TOO_LATE = (
    "recorder.step() came after optimizer.step(), where θ has moved already. It comes between loss.backward() and "
    "optimizer.step(); where optimizer.step(closure) calls the loop, within the closure, after loss.backward()."
)
TOO_SOON = (
    "recorder.step() came before loss.backward(): the gradient of this batch is not there. It comes between loss.backward() and "
    "optimizer.step()."
)
NO_LOSS = (
    "recorder.step() does not know the loss of the batch. Say recorder.step(loss), or give Recorder the criterion that the loop "
    "calls: Recorder(model, criterion), an object of torch.nn."
)
NOT_CALLED = (
    "recorder.step() has seen no call of {} since the last update. It comes between loss.backward() and optimizer.step(), where "
    "optimizer.step(closure) calls the loop within the closure. Say recorder.step(loss) where the loop calls another loss, or a "
    "compiled function calls it."
)
MANY_LOSSES = "{} gives a loss of each row. Say recorder.step(loss), with the number that backward() was called of."


def _nothing(*given: Any, **more: Any) -> None:
    """What a copy of a hook does."""


def _stands_in() -> Callable[..., None]:
    """What a pickled hook becomes."""
    return _nothing


class _Hook:
    """A hook that no copy of its module has."""

    def __init__(self, function: Callable[..., None]):
        self.function = function

    def __call__(self, *given: Any, **more: Any) -> None:
        self.function(*given, **more)

    def __deepcopy__(self, memory: Any) -> Callable[..., None]:
        return _nothing

    def __reduce__(self) -> Any:
        return _stands_in, ()


class Seen:
    """Watches the criterion, where that is a module, else the model; and the optimiser.

    Attributes:
        rows: of the first batch; None before it.
        logits: whether the model returns several things, `logits` among them.
        several: whether the optimiser has called the loop more than once in one of its steps, as those with a line search do.
    """

    def __init__(
        self, model: nn.Module, criterion: Any, optimizer: torch.optim.Optimizer | None, parameters: list[nn.Parameter]
    ):
        self._model, self._criterion, self._optimizer, self._parameters = model, criterion, optimizer, parameters
        self._handles: list[Any] = []
        self.rows: int | None = None
        self.logits = self.several = False
        self._within: int | None = None
        self._forget()
        self.watch()

    def watch(self) -> None:
        """Set the hooks."""
        called = self._model.register_forward_hook(_Hook(self._model_called), with_kwargs=True)
        self._handles = [called]
        if isinstance(self._criterion, nn.Module):
            self._handles.append(self._criterion.register_forward_hook(_Hook(self._criterion_called)))
        if isinstance(self._optimizer, torch.optim.Optimizer):
            self._handles.append(self._optimizer.register_step_pre_hook(_Hook(self._moving)))
            self._handles.append(self._optimizer.register_step_post_hook(_Hook(self._moved)))

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @contextmanager
    def away(self) -> Iterator[None]:
        """Within it there are no hooks."""
        watching = bool(self._handles)
        self.close()
        try:
            yield
        finally:
            if watching:
                self.watch()

    def taken(self, loss: Any) -> Any:
        """The loss since the last update: the one given, else what the criterion or the model's output has shown.

        Raises SpecError where θ has moved already, or the gradient is still to come, and for no loss or one that is no number.
        """
        late, soon, total, count, many = self._late, self._soon, self._loss, self._count, self._many
        late = late or (self._versions is not None and self._versions != [p._version for p in self._parameters])
        self.rows = self.rows or self._rows or None
        self._forget()
        if late or soon:
            raise SpecError(TOO_LATE if late else TOO_SOON)
        if self._within is not None:
            self._within += 1
            self.several |= self._within > 1
        if loss is None:
            if total is None:
                name = type(self._criterion).__name__
                known = isinstance(self._criterion, nn.Module)
                raise SpecError(MANY_LOSSES.format(name) if many else NOT_CALLED.format(name) if known else NO_LOSS)
            return total / count if count > 1 else total
        if isinstance(loss, Tensor):
            if loss.numel() != 1:
                raise SpecError(f"recorder.step(loss) takes one number, and this has the shape {list(loss.shape)}.")
            return loss.detach().reshape(())
        try:
            return float(loss)
        except (TypeError, ValueError):
            shown = f"a {type(loss).__name__} of {len(loss)}" if isinstance(loss, (tuple, list)) else repr(loss)
            raise SpecError(f"recorder.step(loss) takes one number, and this is {shown}.") from None

    def _forget(self) -> None:
        self._loss: Any = None
        self._count = self._rows = 0
        self._forward = self._late = self._soon = self._many = False
        self._versions: list[int] | None = None

    def _add(self, given: Iterable[Any], loss: Any, counts: int) -> None:
        """A batch, or a part of one: the first of the tensors given has its rows."""
        self._forward, self._late = True, False
        self._versions = [p._version for p in self._parameters]
        first = next((one for one in given if isinstance(one, Tensor) and one.ndim), None)
        self._rows += 0 if first is None else len(first)
        if isinstance(loss, Tensor) and loss.numel() == 1:
            loss = loss.detach().reshape(())
            self._loss = loss if self._loss is None else self._loss + loss
            self._count += counts

    def _model_called(self, module: nn.Module, given: Any, keywords: Any, output: Any) -> None:
        if not torch.is_grad_enabled():
            return
        self.logits = not isinstance(output, Tensor) and hasattr(output, "logits")
        if isinstance(self._criterion, nn.Module):
            self._handles.pop(0).remove()  # the criterion shows the rest
            return
        # the parts of a batch that was accumulated are shares of one mean where the model was told so
        summed = keywords.get("num_items_in_batch") is not None
        self._add([*given, *keywords.values()], getattr(output, "loss", None), 0 if summed else 1)

    def _criterion_called(self, module: nn.Module, given: Any, output: Any) -> None:
        if torch.is_grad_enabled():
            self._add(given, output, 1)
            self._many = self._many or (isinstance(output, Tensor) and output.numel() > 1)
            if isinstance(output, Tensor) and output.requires_grad and not torch.compiler.is_compiling():
                self._soon = True
                output.register_hook(_Hook(self._went_back))

    def _went_back(self, *given: Any) -> None:
        self._soon = False

    def _moving(self, *given: Any) -> None:
        self._within = 0

    def _moved(self, *given: Any) -> None:
        self._late, self._forward, self._within = self._forward, False, None

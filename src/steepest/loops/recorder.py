"""`Recorder`: any training loop recorded by one line in it, and made a `Fit` afterwards.

    recorder = st.Recorder(model, criterion, optimizer)
    for epoch in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            recorder.step()                       # the gradient is there, and nothing has moved yet
            optimizer.step()
    fit = recorder.fit(loader)                    # pictures, films, diagnosis, report

The loop stays as it is. Parameters and gradients are read where they lie, θ is copied into the trace, and the loss of the batch
is what a hook on the criterion has seen. Nothing is computed but the length of the gradient; the full objective at recorded
θ is computed when a `Fit` is asked for (`recorded_fit.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from math import nan, sqrt
from operator import index
from typing import Any

import numpy as np

from steepest.descent.loop import Step
from steepest.descent.trace import Recorder as Rows
from steepest.descent.trace import Trace
from steepest.errors import SpecError
from steepest.lazy import Tensor, nn, torch
from steepest.loops import callbacks, recorded_fit
from steepest.loops.seen import Seen
from steepest.model import torch_losses
from steepest.model.parameter_vector import NOTHING_TO_FIT, entries
from steepest.monitor import Progress
from steepest.recording import RECORD
from steepest.settings_table import SETTINGS

NO_GRADIENT = (
    "recorder.step() finds no gradient in the model's parameters. It comes between loss.backward() and optimizer.step(); "
    "zero_grad() comes before backward()."
)


class Recorder:
    """Any training loop of PyTorch's recorded, by one line in it: `recorder.step()`.

    It comes between `loss.backward()` and `optimizer.step()`, where the gradient is there and θ has not moved; the model, the
    optimiser and the loop are left as they are. Where gradients are accumulated it comes once an update; with a `GradScaler` it
    comes after `scaler.unscale_(optimizer)`, or the gradients have its scale.

    Attributes:
        model: the module that the loop trains.
        loss: its loss, as of `fit()`.
        optimizer: the loop's optimiser, of which the learning rate is read, or None.
        names: of the trained parameters, as a fit has them.
        steps: how many updates were seen.
        epoch: the last one told, counted on where a loop begins anew; None where none was.
        seconds: from the first step to the last.

    Example:
        >>> model, criterion = nn.Linear(1, 1), nn.MSELoss()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]])
        >>> recorder = Recorder(model, criterion, optimizer)
        >>> for _ in range(200):
        ...     optimizer.zero_grad()
        ...     criterion(model(x), y).backward()
        ...     recorder.step()
        ...     optimizer.step()
        >>> fit = recorder.fit(x, y)
        >>> len(fit.trace), fit.optimizer, fit.theta.round(2).tolist()
        (201, 'sgd', [2.0, 1.0])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Any = "auto",
        optimizer: Any = None,
        *,
        record: int | Iterable[str] = RECORD,
        progress: Progress | None = None,
    ):
        """Watch a model, from before its first step.

        Args:
            model: the module that the loop trains; of Lightning or Hugging Face the model itself.
            loss: the criterion that the loop calls, an object of `torch.nn`, from which the loss of each batch is read; or the
                name of a loss, or a function, and then the loop says `recorder.step(loss)`. A model that returns its own
                loss, as those of Hugging Face do, needs neither.
            optimizer: the loop's `torch.optim.Optimizer`, of which the learning rate is read; one of them, where there are more.
            record: steps that the trace keeps at most, or names of the parameters to keep in it, as of `fit()`.
            progress: called with every step, as by `fit()`: a tracker, for example.

        Raises:
            SpecError: no module, or one without parameters to train; no loss; no optimiser, or another model's; a name of no
                parameter.
        """
        if not isinstance(model, nn.Module):
            raise SpecError(f"Recorder(model=…) takes an nn.Module, and this is a {type(model).__name__}.")
        if optimizer is not None and not hasattr(optimizer, "param_groups"):
            shown = f"a {type(optimizer).__name__}" if isinstance(optimizer, (list, tuple, dict)) else repr(optimizer)
            raise SpecError(
                f"optimizer={shown}: it must be the optimizer object that the loop steps, one of them, or None."
            )
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
            raise SpecError(
                "The model has lazy layers, whose parameters come with the first batch: call model(x) once before."
            )
        named = [(name.replace("_orig_mod.", ""), p) for name, p in model.named_parameters() if p.requires_grad]
        if not named:
            raise SpecError(NOTHING_TO_FIT)
        if loss != SETTINGS["loss"].default:
            torch_losses.loss(loss)
        moved = None if optimizer is None else {id(p) for group in optimizer.param_groups for p in group["params"]}
        if moved is not None and moved.isdisjoint(id(p) for _, p in named):
            raise SpecError(
                f"The {type(optimizer).__name__} given moves none of the model's parameters: is it another model's? "
                "Give the model that it moves."
            )
        self.model, self.loss, self.optimizer, self.progress = model, loss, optimizer, progress
        self.names, self._parameters = entries(named), [p for _, p in named]
        self._most, self.recorded = _asked(record, self.names)
        self._lay_out()
        self.seen = Seen(model, loss, optimizer, self._parameters)
        self.steps, self.seconds = 0, 0.0
        self.epoch: int | None = None
        self._before = 0
        self._began: float | None = None

    def _lay_out(self) -> None:
        """Make room for θ and the trace, of the kind and on the device that the parameters now are."""
        kinds = {(p.dtype, p.device.type) for p in self._parameters}
        self._kind = self._parameters[0].dtype, self._parameters[0].device
        self._arrays = kinds <= {(torch.float32, "cpu"), (torch.float64, "cpu")}
        self._theta = torch.empty(len(self.names), dtype=_kept_as(self._parameters), device=self._kind[1])
        kept = [self.names.index(name) for name in self.recorded]
        self._rows = Rows(len(self.names), self._theta, self._most, kept)

    def step(self, loss: Any = None, *, epoch: int | None = None) -> None:
        """Record where the loop stands, between `loss.backward()` and `optimizer.step()`.

        Args:
            loss: the loss of the batch, a number or a tensor of one; by default what the criterion or the model has shown, of
                accumulated gradients the mean of its calls.
            epoch: counted from 0; a lower one than before, as of a trainer's second `fit()`, is the next one. By default it comes
                of the number of rows, when a `Fit` is made.

        Raises:
            SpecError: θ has moved already; there is no gradient, or no loss; the model was cast or moved since the first step; an
                epoch that is no whole number.

        Example:
            >>> model = nn.Linear(1, 1)
            >>> recorder = Recorder(model, "mse")
            >>> loss = model(torch.ones(4, 1)).square().mean()
            >>> loss.backward()
            >>> recorder.step(loss)
            >>> recorder.steps
            1
        """
        loss = self.seen.taken(loss)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if not gradients:
            raise SpecError(NO_GRADIENT)
        first = self._parameters[0]
        if (first.dtype, first.device) != self._kind:
            if self.steps:
                was, now = (f"{kind} on {place}" for kind, place in (self._kind, (first.dtype, first.device)))
                raise SpecError(
                    f"The model's parameters were {was} when the first step was recorded, and are {now} now: make a new Recorder "
                    "where a model is cast or moved."
                )
            self._lay_out()
        self._began = time.perf_counter() if self._began is None else self._began
        t, self.epoch = self.steps, self._counted(epoch)
        if self._rows.keeps(t) or self.progress is not None:
            theta = self.theta if self._rows.with_theta or self.progress is not None else self._theta
            shown = Step(t, self.epoch or 0, self.lr, theta, loss, self._length(gradients), None)
            if self._rows.keeps(t):
                self._rows.add(shown)
            if self.progress is not None:
                self.progress(shown, nan)
        self.steps += 1
        self.seconds = time.perf_counter() - self._began

    def _counted(self, told: Any) -> int | None:
        """The epoch that was told, after those before the loop began anew."""
        if told is None:
            return self.epoch
        try:
            number = index(told)
        except TypeError:
            number = -1
        if number < 0:
            raise SpecError(f"recorder.step(epoch={told!r}): it must be a whole number, counted from 0.")
        if self.epoch is not None and number + self._before < self.epoch:
            self._before = self.epoch + 1 - number
        return number + self._before

    @property
    def lr(self) -> float:
        """The learning rate of the update to come, of the first group of parameters; NaN without an optimiser."""
        return nan if self.optimizer is None else float(self.optimizer.param_groups[0].get("lr", nan))

    @property
    def theta(self) -> Tensor:
        """θ as it now is, `[p]`; the same memory each time."""
        if self._arrays:  # NumPy does it in two thirds of the time
            np.concatenate([p.detach().numpy().ravel() for p in self._parameters], out=self._theta.numpy())
            return self._theta
        with torch.no_grad():
            return torch.cat([p.reshape(-1) for p in self._parameters], out=self._theta)

    @property
    def trace(self) -> Trace:
        """The steps so far, and a last row for where the parameters are now, whose loss is not known (NaN).

        Example:
            >>> Recorder(nn.Linear(1, 1), "mse").trace.theta.shape
            (1, 2)
        """
        so_far = self._rows.trace(self.recorded or self.names)
        theta = self.theta.double().cpu().numpy()
        theta = theta[[self.names.index(name) for name in so_far.names]]
        last = {name: np.full(1, nan) for name in so_far.COLUMNS}
        last |= {"step": np.array([self.steps]), "epoch": np.array([0 if self.epoch is None else self.epoch + 1])}
        last |= {"lr": so_far.lr[-1:] if len(so_far) else np.array([self.lr]), "theta": theta[None]}
        return Trace(so_far.names, **{name: np.concatenate([getattr(so_far, name), last[name]]) for name in last})

    def watches(self, parameter: Any) -> bool:
        """Whether a parameter of the model is one of those that are recorded.

        Args:
            parameter: the tensor itself.

        Example:
            >>> model = nn.Linear(1, 1)
            >>> Recorder(model, "mse").watches(model.bias)
            True
        """
        return any(parameter is one for one in self._parameters)

    def _length(self, gradients: list[Tensor]) -> Any:
        """The norm of all of them together."""
        gradients = [one.coalesce().values() if one.is_sparse else one for one in gradients]
        if self._arrays:
            with np.errstate(over="ignore", invalid="ignore"):  # where the loop diverges
                flat = (one.numpy().ravel() for one in gradients)
                return sqrt(sum(float(one.dot(one)) for one in flat))
        return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients]))

    def takes_rates_of(self, optimizer: Any) -> bool:
        """Whether an optimiser of a trainer's is the recorder's, which takes the first one that it is shown.

        Args:
            optimizer: as a trainer hands it to its callbacks, which may be a wrapper of the one that was given.

        Example:
            >>> recorder = Recorder(nn.Linear(1, 1), "mse")
            >>> recorder.takes_rates_of(torch.optim.SGD(recorder.model.parameters())), recorder.lr
            (True, 0.001)
        """
        inner = getattr(optimizer, "optimizer", optimizer)
        if self.optimizer is None:
            self.optimizer = inner
        return inner is getattr(self.optimizer, "optimizer", self.optimizer)

    def close(self) -> None:
        """Take the hooks off the model; what was recorded stays.

        Example:
            >>> recorder = Recorder(nn.Linear(1, 1), "mse")
            >>> recorder.close()
            >>> recorder.steps
            0
        """
        self.seen.close()

    fit = recorded_fit.fit
    lightning_callback = callbacks.lightning_callback
    transformers_callback = callbacks.transformers_callback


def _kept_as(parameters: list[nn.Parameter]) -> torch.dtype:
    """The precision that holds all of them; half precision is kept in single."""
    kept = torch.float32
    for parameter in parameters:
        kept = torch.promote_types(kept, parameter.dtype)
    return kept


def _asked(record: int | Iterable[str], names: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How many steps are kept, and of which parameters; none named are all."""
    if isinstance(record, int):
        if record < 2:  # True among them
            raise SpecError(f"record={record!r}: it must be a whole number of at least 2, or names of parameters.")
        return record, ()
    chosen = (record,) if isinstance(record, str) else tuple(record)
    if unknown := [name for name in chosen if name not in names]:
        raise SpecError(f"record= names {unknown[0]!r}, which is no parameter here: {', '.join(names[:8])}.")
    return RECORD, chosen

"""A `Fit` of a recorded loop, and of rows: what was recorded stays as it is, the full objective is computed beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.data.loaders import DropLast, is_source, unpacked
from steepest.data.thinning import evenly
from steepest.defaults import Plan, plan
from steepest.descent import torch_optim
from steepest.descent.arrays import length_of
from steepest.descent.stopping import Ending, Status
from steepest.descent.trace import Trace
from steepest.errors import SpecError
from steepest.fit_data import described
from steepest.held_out import beside
from steepest.lazy import nn, torch
from steepest.model import modules
from steepest.model.of_fit import tensors
from steepest.model.prediction import with_parameters
from steepest.recording import last_finite
from steepest.result import Fit
from steepest.settings import Spec

if TYPE_CHECKING:
    from steepest.loops.recorder import Recorder

MOST_VALUED = 100
"""Recorded steps at which the full objective is computed at most, the first and the last among them."""

UNKNOWN, OWN = "unknown", "own loop"
"""An optimiser that the recorder was not shown; what took the steps."""


def fit(recorder: Recorder, x: Any, y: Any = None, *, test: Any = None) -> Fit:
    """A `Fit` of what was recorded: its trace, and the rows that the loop went over, at which the model is judged.

    The loss over all rows is computed at the first step of each epoch (of 100 at most), at the start and at the end, with the
    module in evaluation mode. Where the loop's optimiser is known, the diagnosis can make such a descent again.

    Args:
        x, y: the rows that the loop went over, as of `fit()`: arrays or tensors, or a `DataLoader` or dataset. Of a model that
            returns `logits` the rows of its first argument.
        test: rows held out, as a pair (x, y), a loader or a dataset: they are scored beside the others.

    Returns:
        A `Fit` of a copy of the model as it now is; the loop may go on.

    Raises:
        SpecError: no step was recorded; the model does not take these rows. DataError: the rows are at fault.

    Example:
        >>> from steepest.loops.recorder import Recorder
        >>> model, x = nn.Linear(1, 1), torch.tensor([[0.0], [1.0], [2.0]])
        >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        >>> recorder = Recorder(model, nn.MSELoss(), optimizer)
        >>> for _ in range(300):
        ...     optimizer.zero_grad()
        ...     recorder.loss(model(x), 2 * x + 1).backward()
        ...     recorder.step()
        ...     optimizer.step()
        >>> done = recorder.fit(x, 2 * x + 1)
        >>> done.optimizer, done.steps, done.loss < 0.01, done.predict([[3.0]]).round().tolist()
        ('adam:0.9,0.999', 300, True, [7.0])
    """
    if not recorder.steps:
        raise SpecError("Nothing was recorded: the loop must say recorder.step() at each update.")
    if y is None and not is_source(x):
        raise SpecError("recorder.fit() takes the rows and their targets: recorder.fit(x, y), or recorder.fit(loader).")
    freed = [name for name, p in recorder.model.named_parameters() if p.requires_grad and not recorder.watches(p)]
    if freed:
        raise SpecError(
            f"{freed[0]!r} was not trained when the Recorder was made, and is now: its way was not recorded. Make a new Recorder "
            "where layers are set free."
        )
    trace = recorder.trace
    given = _settings(recorder, trace)
    if not is_source(x) and recorder.seen.rows:
        given["batch_size"] = recorder.seen.rows
    rows, goals, given, batches, said = unpacked(x, y, given)
    spec, train, _, notes = described(rows, goals, given)
    batching = Batching.of(spec, train.rows, drop_last=isinstance(batches, DropLast))
    spec, trace = _in_epochs(recorder, spec, trace, batching)
    made = plan(spec, train)  # where the model now is; it began elsewhere
    if trace.theta.shape[1] == len(recorder.names):
        spec = spec.model_copy(update={"init": trace.theta[0]})
    held = None if test is None else beside(spec, train, test)
    trace = _valued(trace, made, held)
    done = Fit(
        spec=spec, schema=train.schema, names=list(recorder.names), theta=made.objective.theta.double().cpu().numpy().copy(),
        trace=trace, ending=_ending(trace, spec, batching, recorder.steps), steps=recorder.steps,
        epochs=int(trace.epoch[-1]), seconds=recorder.seconds, rows=train.rows, test_rows=0 if held is None else held.rows,
        loss_function=made.loss, optimizer=made.optimizer, precondition=made.precondition, schedule=made.schedule_name,
        lr=float(trace.lr[0]), engine=OWN, notes=(*notes, *said, *made.notes, *_notes(recorder, trace)), network=made.module,
        kind=modules.kind_of(recorder.model), train=train, test=held,
    )  # fmt: skip
    if not _is_one_rule(recorder):
        done.optimizer = UNKNOWN
    return done


def _is_one_rule(recorder: Recorder) -> bool:
    """Whether the loop's optimiser is known, and moves all that is trained by the same settings."""
    if recorder.optimizer is None or recorder.seen.several:
        return False
    first, *more = recorder.optimizer.param_groups
    moved = {id(p) for group in (first, *more) for p in group["params"]}
    said = {name: str(value) for name, value in first.items() if name != "params"}
    same = all({name: str(value) for name, value in group.items() if name != "params"} == said for group in more)
    return same and all(id(p) in moved for p in recorder.model.parameters() if recorder.watches(p))


class Logits(nn.Module):
    """A model that returns several things, of which a loss is to see the `logits`."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x).logits


@dataclass(frozen=True, eq=False)
class Recorded:
    """The factors on the learning rate that a loop had at some steps, as a schedule; between them they are interpolated."""

    steps: np.ndarray
    factors: np.ndarray
    __name__ = "recorded"

    def __call__(self, step: int, epoch: int) -> float:
        return float(np.interp(step, self.steps, self.factors))


def _settings(recorder: Recorder, trace: Trace) -> dict[str, Any]:
    """The loop as settings of a fit."""
    with recorder.seen.away():
        model = modules.copied(recorder.model)
    if not _finite(trace.theta[-1]) and trace.theta.shape[1] == len(recorder.names):
        model = with_parameters(model, last_finite(trace, trace.theta[-1])).train()
    dtype, device = modules.kind_of(model)
    given: dict[str, Any] = {
        "model": Logits(model) if recorder.seen.logits else model,
        "loss": recorder.loss,
        "max_steps": recorder.steps,
        "precondition": "none",
        "dtype": "float64" if dtype == torch.float64 else "float32",
        "device": str(device) if device.type == "cuda" else "cpu",
    }
    if recorder.optimizer is None or not _is_one_rule(recorder):
        return given
    given |= {"optimizer": torch_optim.named(getattr(recorder.optimizer, "optimizer", recorder.optimizer))}
    rate = float(trace.lr[0])
    if rate > 0:
        given["lr"] = rate
    if rate > 0 and np.ptp(trace.lr):
        given["schedule"] = Recorded(trace.step, trace.lr / rate)
    elif rate > 0:
        given["schedule"] = "constant"
    return given


def _in_epochs(recorder: Recorder, spec: Spec, trace: Trace, batching: Batching) -> tuple[Spec, Trace]:
    """Settings and trace with the number of epochs: as the loop said, else by the rows of a step."""
    if recorder.epoch is None:
        each = batching.steps_per_epoch
        epochs = -(-recorder.steps // each)
        trace = replace(trace, epoch=np.append(trace.step[:-1] // each, epochs))
    return spec.model_copy(update={"epochs": int(trace.epoch[-1])}), trace


def _valued(trace: Trace, made: Plan, held: Dataset | None) -> Trace:
    """The trace with the full objective, and the loss of rows held out, at the first step of epochs and at the end."""
    objective, theta = made.objective, made.objective.theta
    columns: dict[str, Any] = {name: np.full(len(trace), nan) for name in ("objective", "test_loss")}
    apart = None if held is None else objective.on(*tensors(held, made.loss, theta.dtype, theta.device))  # pyrefly: ignore
    first = np.flatnonzero(np.diff(trace.epoch, prepend=-1))
    whole = trace.theta.shape[1] == theta.shape[0]
    rows = [row for row in first[evenly(len(first), MOST_VALUED)] if whole and _finite(trace.theta[row])]
    for row in {*rows, len(trace) - 1} if _finite(trace.theta[-1]) else rows:
        at = torch.as_tensor(trace.theta[row]).to(theta) if row < len(trace) - 1 else theta
        columns["objective"][row] = float(objective.value(at))
        if apart is not None:
            columns["test_loss"][row] = float(apart.value(at))
    if not _finite(trace.theta[-1]):
        return replace(trace, **columns)
    loss, gradient = objective.value_and_grad(theta)
    for name, end in (("loss", loss), ("grad_norm", length_of(gradient))):
        columns[name] = np.append(getattr(trace, name)[:-1], float(end))
    return replace(trace, **columns)


def _finite(theta: np.ndarray) -> bool:
    return bool(np.isfinite(theta).all())


def _ending(trace: Trace, spec: Spec, batching: Batching, steps: int) -> Ending:
    if not np.isfinite(trace.loss[-1]):
        bad = int(np.argmax(~np.isfinite(trace.loss)))
        return Ending(Status.DIVERGED, f"It was first not finite at step {int(trace.step[bad])}.")
    whole = spec.epochs is not None and steps == spec.epochs * batching.steps_per_epoch
    return Ending(Status.EPOCHS if whole else Status.STEPS)


def _notes(recorder: Recorder, trace: Trace) -> tuple[str, ...]:
    known = int(np.isfinite(trace.objective).sum())
    steps = f"The steps are those of a loop of one's own; the loss over all rows was computed afterwards, at {known} of them."
    if recorder.optimizer is None or _is_one_rule(recorder):
        return (steps,)
    if recorder.seen.several:
        return steps, (
            "The optimizer calls the loop several times an update, each call is a step here: such a descent cannot be made again."
        )
    return steps, (
        "The optimizer has parameters with other settings, or not all of those that are trained: the rate shown is of its first "
        "ones, and such a descent cannot be made again."
    )

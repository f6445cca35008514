"""Schedulers of `torch.optim.lr_scheduler` as schedules: the rate that PyTorch would set, over the rate of the fit.

A class, a partial of it or a function of the optimiser that makes one is asked step by step on an optimiser of its own,
which moves nothing. Most change the rate once an epoch; `OneCycleLR` and `CyclicLR` once a step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from steepest.choices import required
from steepest.data.wording import called
from steepest.errors import SpecError, SteepestError
from steepest.lazy import imported, lr_scheduler, torch

EACH_STEP = frozenset({"OneCycleLR", "CyclicLR"})
"""Schedulers that change the rate once a step."""

STEPS = frozenset({"step", "steps", "t", "iteration", "iter", "batch"})
EPOCHS = frozenset({"epoch", "epochs", "e"})
TWO = "A schedule is a function of (step, epoch) that returns the factor on lr"
WAITS = (
    "ReduceLROnPlateau waits for a loss that it is given. Here it is schedule='plateau:0.1,10' (factor, patience), which looks "
    "at the training objective after each epoch. To stop where nothing improves give validation= and patience=."
)


class TorchSchedule:
    """A schedule (step, epoch) → factor by a scheduler of PyTorch's, at a rate of lr."""

    def __init__(self, make: Callable[[torch.optim.Optimizer], Any], lr: float = 1.0):
        self.make, self.lr = make, float(lr)
        self.optimizer = _still(self.lr)
        self.name = called(make)
        try:
            self.scheduler = make(self.optimizer)
        except Exception as error:  # it may be the user's own code
            partial = isinstance(make, functools.partial)
            advice = "" if partial else f" Give its arguments: functools.partial({self.name}, …)."
            raise SpecError(f"schedule={self.name} cannot be made: {type(error).__name__}: {error}.{advice}") from error
        _check(self.scheduler, self.name)
        self.each_step = any(base.__name__ in EACH_STEP for base in type(self.scheduler).__mro__)
        self.rates = [float(self.optimizer.param_groups[0]["lr"])]

    def __repr__(self) -> str:
        return self.name

    def __call__(self, step: int, epoch: int) -> float:
        place = int(step if self.each_step else epoch)
        while len(self.rates) <= place:
            try:
                self.optimizer.step()
                self.scheduler.step()
            except Exception as error:  # as OneCycleLR does after the last of its steps
                raise SpecError(f"schedule={self.name} ends before the fit: {error}.") from error
            self.rates.append(float(self.optimizer.param_groups[0]["lr"]))
        return self.rates[place] / self.lr


def _still(lr: float = 1.0) -> torch.optim.Optimizer:
    """An optimiser that moves nothing."""
    imported("torch._dynamo")
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def _check(scheduler: Any, name: str) -> None:
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        raise SpecError(WAITS)
    if not isinstance(scheduler, lr_scheduler.LRScheduler):
        raise SpecError(f"schedule={name} makes a {type(scheduler).__name__}, no scheduler of PyTorch. {TWO}.")
    if getattr(scheduler, "cycle_momentum", False):
        what = f"schedule={name} changes the momentum too, and a schedule here is a factor on lr"
        raise SpecError(f"{what}: add cycle_momentum=False.")


def of_callable(given: Callable[..., Any]) -> Callable[[int, int], float]:
    """The schedule (step, epoch) → factor that a callable stands for. Raises SpecError where that is not clear."""
    check_object(given)
    kind = given.func if isinstance(given, functools.partial) else given
    if isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler):
        if issubclass(kind, lr_scheduler.ReduceLROnPlateau):
            raise SpecError(WAITS)
        return TorchSchedule(given)
    takes = required(given)
    if takes is None or len(takes) == 2:
        return _checked(given, given)
    if len(takes) != 1:
        raise SpecError(f"schedule={called(given)} takes {len(takes)} arguments. {TWO}.")
    name = takes[0].lstrip("_").lower()
    if name in STEPS:
        return _checked(lambda step, epoch: given(step), given)
    if name in EPOCHS:
        return _checked(lambda step, epoch: given(epoch), given)
    try:
        found = given(_still())
    except Exception:  # it takes no optimiser
        found = None
    if isinstance(found, lr_scheduler.LRScheduler):
        return TorchSchedule(given)
    raise SpecError(
        f"schedule={called(given)} takes one argument, {takes[0]!r}, which may be the step or the epoch. {TWO}: "
        "lambda step, epoch: …; or call the argument `step` or `epoch`."
    )


def _checked(schedule: Callable[[int, int], Any], given: Any) -> Callable[[int, int], float]:
    """The same function, that says so in a line where it gives no number."""

    def factor(step: int, epoch: int) -> float:
        try:
            found = schedule(step, epoch)
            if isinstance(found, str):
                raise TypeError(f"it returned {found!r}")
            return float(found)
        except SteepestError:
            raise
        except Exception as error:  # it is the user's own code
            what = f"schedule={called(given)} gives no number at step {step} (epoch {epoch})"
            raise SpecError(f"{what}: {type(error).__name__}: {error}. {TWO}.") from error

    return factor


def check_object(given: Any) -> None:
    """SpecError for a scheduler that is already bound to an optimiser."""
    if isinstance(given, lr_scheduler.LRScheduler):
        name = type(given).__name__
        if isinstance(given, lr_scheduler.ReduceLROnPlateau):
            raise SpecError(WAITS)
        raise SpecError(
            f"schedule={name}(…) belongs to an optimizer of its own. Give what makes it: functools.partial({name}, …), or "
            f"lambda optimizer: {name}(optimizer, …)."
        )

"""Schedules: the factor on the learning rate, a plain function of (step, epoch), both counted from 0.

Those with a name have their formulas in `formulas/schedules.py`. Any callable of (step, epoch) that returns such a factor will
do as well, one of `step` or of `epoch` alone, and the schedulers of PyTorch (`torch_schedules.py`):
`partial(StepLR, step_size=10)`, or a function of the optimiser.

Ours also take arrays of both: `factors` asks for those of many steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.choices import parse
from steepest.descent.plateau import Plateau
from steepest.descent.torch_schedules import TorchSchedule, check_object, of_callable
from steepest.errors import SpecError
from steepest.formulas.schedules import FORMULAS, SCHEDULES, ScheduleFormula, Waiting

Schedule = Callable[[int, int], float]


@dataclass(frozen=True)
class Elementwise:
    """A schedule by its formula, as `step:10,0.5`: Elementwise(FORMULAS["step"], (10, 0.5)). It takes arrays too."""

    kind: ScheduleFormula
    numbers: tuple[float, ...] = ()
    steps: int | None = None
    elementwise = True

    def __call__(self, step: Any, epoch: Any) -> Any:
        return self.kind.factor(step, epoch, self.steps, self.numbers)


constant = Elementwise(FORMULAS["constant"])


def factors(schedule: Schedule, step: int, epoch: int, count: int, whole: bool) -> np.ndarray:
    """The factors `[count]` of the steps `step`, `step` + 1, …, all in one epoch, or with `whole` in one each."""
    return factors_at(schedule, step + np.arange(count), epoch + np.arange(count) * whole)


def factors_at(schedule: Schedule, steps: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """The factors of steps `[T]` in epochs `[T]`."""
    if getattr(schedule, "elementwise", False):
        found: Any = schedule(steps, epochs)  # pyrefly: ignore[bad-argument-type]
        return np.broadcast_to(np.asarray(found, dtype=np.float64), len(steps))
    return np.array([schedule(*pair) for pair in zip(steps.tolist(), epochs.tolist(), strict=True)], dtype=np.float64)


def at_rate(found: Schedule, lr: Any) -> Schedule:
    """A schedule for a fit at this rate, which those of PyTorch must know: some set rates of their own, whatever lr is."""
    if not isinstance(found, TorchSchedule) or np.ndim(lr) or float(lr) == found.lr:
        return found
    return TorchSchedule(found.make, float(lr))


def of_descent(found: Schedule, lr: Any, objective: Any, theta: Any) -> Schedule:
    """A schedule for a descent at this rate; one that waits looks at the objective of θ, where it moves."""
    return found.of(objective, theta) if isinstance(found, Plateau) else at_rate(found, lr)


def waits(schedules: Iterable[Any]) -> bool:
    """Whether one of some schedules is known on the way only."""
    return any(isinstance(one, Plateau) for one in schedules)


def of_fit(fit: Any) -> Any:
    """The schedule of a fit, to be gone through again: a function where it was given as one, else its name."""
    given = fit.spec.schedule
    return at_rate(schedule(given), fit.lr) if callable(given) else fit.schedule


def schedule(name: Any, steps: int | None = None) -> Schedule:
    """The schedule that a name stands for; `steps`, the number planned in all, is needed by some.

    >>> schedule("step:10,0.5")(0, 25)
    0.25
    """
    if callable(name):
        return (
            name
            if getattr(name, "elementwise", False) or isinstance(name, TorchSchedule | Plateau)
            else of_callable(name)
        )
    if name is None or name == "auto":
        return constant
    if not isinstance(name, str):
        check_object(name)
        raise SpecError(f"schedule={name!r} is neither a name nor a function of (step, epoch).")
    named = parse(name, SCHEDULES, "schedule")
    if isinstance(SCHEDULES[named.name], Waiting):
        return Plateau(*named.numbers)
    kind = FORMULAS[named.name]
    if kind.planned and steps is None:
        raise SpecError(f"schedule={name!r} needs to know how many steps there will be: give epochs or max_steps.")
    return Elementwise(kind, named.numbers, steps if kind.planned else None)

"""Schedules: the factor on the learning rate, a plain function of (step, epoch), both counted from 0.

    constant   1
    inverse    1 / (epoch + 1)                        (with a full batch an epoch is a step)
    step:N,F   F^⌊epoch / N⌋
    cosine     ½(1 + cos(π·step / steps))             Loshchilov and Hutter 2017
    warmup:N   min(1, (step + 1) / N)                 Goyal et al. 2017

Any callable of (step, epoch) that returns such a factor will do as well, one of `step` or of `epoch` alone, and the
schedulers of PyTorch (`torch_schedules.py`): `partial(StepLR, step_size=10)`, or a function of the optimiser.

Ours also take arrays of both: `factors` asks
for those of many steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.choices import parse
from steepest.descent.torch_schedules import TorchSchedule, check_object, of_callable
from steepest.errors import SpecError
from steepest.formulas.schedules import SCHEDULES

Schedule = Callable[[int, int], float]


def _elementwise(schedule: Schedule) -> Schedule:
    schedule.elementwise = True  # pyrefly: ignore[missing-attribute]
    return schedule


@_elementwise
def constant(step: int, epoch: int) -> float:
    """Always 1."""
    return 1.0


@_elementwise
def inverse(step: int, epoch: int) -> float:
    """1/(epoch + 1)."""
    return 1.0 / (epoch + 1)


def step_decay(every: int, factor: float) -> Schedule:
    """F to the power of the whole number of `every` epochs that have passed."""
    return _elementwise(lambda step, epoch: factor ** (epoch // every))


def cosine(steps: int) -> Schedule:
    """From 1 down to 0 along half a cosine over `steps` steps."""
    return _elementwise(lambda step, epoch: 0.5 * (1.0 + np.cos(np.pi * np.minimum(step, steps) / steps)))


def warmup(steps: int) -> Schedule:
    """Up to 1 in a straight line over the first `steps` steps."""
    return _elementwise(lambda step, epoch: np.minimum(1.0, (step + 1) / steps))


def factors(schedule: Schedule, step: int, epoch: int, count: int, whole: bool) -> np.ndarray:
    """The factors `[count]` of the steps `step`, `step` + 1, …, all in one epoch, or with `whole` in one each."""
    steps = step + np.arange(count)
    epochs = epoch + np.arange(count) if whole else np.full(count, epoch)
    if getattr(schedule, "elementwise", False):
        return np.broadcast_to(np.asarray(schedule(steps, epochs), dtype=np.float64), count)  # pyrefly: ignore
    pairs = zip(steps.tolist(), epochs.tolist(), strict=True)
    return np.array([schedule(*pair) for pair in pairs], dtype=np.float64)


def at_rate(found: Schedule, lr: Any) -> Schedule:
    """A schedule for a fit at this rate, which those of PyTorch must know."""
    return found.based_on(float(lr)) if isinstance(found, TorchSchedule) and np.ndim(lr) == 0 else found


def of_fit(fit: Any) -> Any:
    """The schedule of a fit, to be gone through again: a function where it was given as one, else its name."""
    given = fit.spec.schedule
    return at_rate(schedule(given), fit.lr) if callable(given) else fit.schedule


def schedule(name: Any, steps: int | None = None) -> Schedule:
    """The schedule that a name stands for; `steps`, the number planned in all, is needed by `cosine`.

    >>> schedule("step:10,0.5")(0, 25)
    0.25
    """
    check_object(name)
    if callable(name):
        return name if getattr(name, "elementwise", False) or isinstance(name, TorchSchedule) else of_callable(name)
    if name is None:
        return constant
    if not isinstance(name, str):
        raise SpecError(f"schedule={name!r} is neither a name nor a function of (step, epoch).")
    kind, numbers = parse(name, SCHEDULES, "schedule")
    if kind == "cosine" and steps is None:
        raise SpecError("schedule='cosine' needs to know how many steps there will be: give epochs or max_steps.")
    kinds: dict[str, Callable[[], Schedule]] = {
        "auto": lambda: constant,
        "constant": lambda: constant,
        "inverse": lambda: inverse,
        "step": lambda: step_decay(int(numbers[0]), numbers[1]),
        "cosine": lambda: cosine(steps or 1),
        "warmup": lambda: warmup(int(numbers[0])),
    }
    return kinds[kind]()

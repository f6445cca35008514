"""Schedules: the factor on the learning rate, a plain function of (step, epoch), both counted from 0.

    constant   1
    inverse    1 / (epoch + 1)                        (with a full batch an epoch is a step)
    step:N,F   F^⌊epoch / N⌋
    cosine     ½(1 + cos(π·step / steps))             Loshchilov and Hutter 2017
    warmup:N   min(1, (step + 1) / N)                 Goyal et al. 2017

Any callable of (step, epoch) that returns such a factor will do as well.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import Any

from steepest.errors import SpecError
from steepest.spec import SCHEDULES, call, whole

Schedule = Callable[[int, int], float]


def constant(step: int, epoch: int) -> float:
    """Always 1."""
    return 1.0


def inverse(step: int, epoch: int) -> float:
    """1/(epoch + 1)."""
    return 1.0 / (epoch + 1)


def step_decay(every: int, factor: float) -> Schedule:
    """F to the power of the whole number of `every` epochs that have passed."""
    return lambda step, epoch: factor ** (epoch // every)


def cosine(steps: int) -> Schedule:
    """From 1 down to 0 along half a cosine over `steps` steps."""
    return lambda step, epoch: 0.5 * (1.0 + cos(pi * min(step, steps) / steps))


def warmup(steps: int) -> Schedule:
    """Up to 1 in a straight line over the first `steps` steps."""
    return lambda step, epoch: min(1.0, (step + 1) / steps)


def schedule(name: Any, steps: int | None = None) -> Schedule:
    """The schedule that a name stands for; `steps`, the number planned in all, is needed by `cosine`.

    >>> schedule("step:10,0.5")(0, 25)
    0.25
    """
    if callable(name):
        return name
    if name is None:
        return constant
    kind, numbers = call(name, SCHEDULES, "schedule")
    if kind == "cosine":
        if steps is None:
            raise SpecError("schedule='cosine' needs to know how many steps there will be: give epochs or max_steps.")
        return cosine(steps)
    if kind == "step":
        return step_decay(whole(numbers[0], 1, f"schedule={name!r}"), numbers[1])
    if kind == "warmup":
        return warmup(whole(numbers[0], 1, f"schedule={name!r}"))
    return inverse if kind == "inverse" else constant

"""The schedules, each written once: the factor on the learning rate at a step. Here a schedule is added.

    constant   1
    inverse    1 / (epoch + 1)                        (with a full batch an epoch is a step)
    step:N,F   F^⌊epoch / N⌋
    cosine     ½(1 + cos(π·step / steps))
    warmup:N   min(1, (step + 1) / N)
    exponential:F  F^epoch
    polynomial:P   (1 − step / steps)^P
    restarts:N     ½(1 + cos(π·(step mod N) / N))
    plateau:F,N    times F after more than N epochs in which F(θ) has not fallen (`descent/plateau.py`)
    onecycle   up along half a cosine from 1/25 to 1 over three tenths of all steps, then down to 4e-6

A formula takes what it needs of `step` and `epoch` (counted from 0; numbers or arrays) and `steps` (planned in all; the last
factor stays after them), then its numbers. It serves the loop, the engines and, printed, the exported scripts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import pi
from typing import Any

from steepest.choices import Choice, Number
from steepest.formulas.words import numpy_word

cos, minimum, power = map(numpy_word, ("cos", "minimum", "power"))


def _constant():
    return 1.0


def _inverse(epoch):
    return 1.0 / (epoch + 1)


def _step(epoch, every, factor):
    return factor ** (epoch // every)


def _cosine(step, steps):
    return 0.5 * (1.0 + cos(pi * step / steps))


def _warmup(step, count):
    return minimum(1.0, (step + 1) / count)


def _exponential(epoch, factor):
    return power(factor, epoch)


def _polynomial(step, steps, exponent):
    return power(1.0 - step / steps, exponent)


def _restarts(step, every):
    return 0.5 * (1.0 + cos(pi * (step % every) / every))


def _onecycle(step, steps):
    return (step <= 0.3 * steps - 1) * (1.0 - 0.48 * (1.0 + cos(pi * step / (0.3 * steps - 1)))) + (
        step > 0.3 * steps - 1
    ) * (4e-6 + 0.499998 * (1.0 + cos(pi * (minimum(step + 1, steps) - 0.3 * steps) / (0.7 * steps))))


@dataclass(frozen=True)
class ScheduleFormula(Choice):
    """A schedule with a formula.

    torch_name, torch_settings: its class in `torch.optim.lr_scheduler`, and the arguments of that, of (steps, *numbers); "" for
    one that PyTorch has no class for.
    """

    formula: Callable[..., Any] = _constant
    torch_name: str = ""
    torch_settings: Callable[..., dict[str, float]] = lambda steps: {}

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names that its formula takes."""
        return tuple(inspect.signature(self.formula).parameters)

    @property
    def by_step(self) -> bool:
        """Whether it changes from step to step, not from epoch to epoch."""
        return "step" in self.arguments

    @property
    def planned(self) -> bool:
        """Whether it is shaped by how many steps there are in all."""
        return "steps" in self.arguments

    @property
    def constants(self) -> tuple[str, ...]:
        """The names of its numbers in the formula."""
        return self.arguments[len(self.arguments) - len(self.numbers) :]

    def factor(self, step: Any, epoch: Any, steps: int | None, numbers: tuple[float, ...]) -> Any:
        """The factor at a step, or at many."""
        known = dict(zip(self.constants, numbers, strict=True)) | {"step": step, "epoch": epoch, "steps": steps}
        if self.planned:
            known["step"] = minimum(step, steps)
        return self.formula(*(known[name] for name in self.arguments))


class Waiting(Choice):
    """A schedule that is known on the way only: it looks at what the descent has reached."""


def _count(of: str) -> Number:
    return Number(f"number of {of}", None, 1, whole=True, symbol="N")


SCHEDULES: dict[str, Choice] = {
    schedule.name: schedule
    for schedule in (
        Choice("auto", "Constant where that arrives, cosine where it does not."),
        ScheduleFormula(
            "constant", "The same rate at every step.",
            torch_name="ConstantLR", torch_settings=lambda steps: {"factor": 1.0},
        ),
        ScheduleFormula(
            "inverse", "lr / (epoch + 1), epoch counted from 0.",
            source="Robbins and Monro, A stochastic approximation method (1951)",
            formula=_inverse,
        ),
        ScheduleFormula(
            "step", "Times F every N epochs.",
            (_count("epochs"), Number("factor", None, 0.0, open_low=True, symbol="F")),
            formula=_step, torch_name="StepLR",
            torch_settings=lambda steps, every, factor: {"step_size": every, "gamma": factor},
        ),
        ScheduleFormula(
            "cosine", "From lr to 0 along half a cosine over all steps.",
            source="Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (2017)",
            formula=_cosine, torch_name="CosineAnnealingLR", torch_settings=lambda steps: {"T_max": steps},
        ),
        ScheduleFormula(
            "warmup", "Rising over the first N steps.",
            (_count("steps"),),
            source="Goyal et al., Accurate, large minibatch SGD: training ImageNet in 1 hour (2017)",
            formula=_warmup, torch_name="LinearLR",
            torch_settings=lambda steps, count: {"start_factor": 1.0 / count, "total_iters": count - 1},
        ),
        ScheduleFormula(
            "exponential", "Times F every epoch.",
            (Number("factor", None, 0.0, open_low=True, symbol="F"),),
            formula=_exponential, torch_name="ExponentialLR", torch_settings=lambda steps, factor: {"gamma": factor},
        ),
        ScheduleFormula(
            "polynomial", "From lr to 0 as the power P of what is left of all steps.",
            (Number("power", 1.0, 0.0, open_low=True, symbol="P"),),
            source="Liu, Rabinovich and Berg, ParseNet: looking wider to see better (2015)",
            formula=_polynomial, torch_name="PolynomialLR",
            torch_settings=lambda steps, power: {"total_iters": steps, "power": power},
        ),
        ScheduleFormula(
            "restarts", "From lr to 0 along half a cosine, again every N steps.",
            (_count("steps"),),
            source="Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (2017)",
            formula=_restarts, torch_name="CosineAnnealingWarmRestarts",
            torch_settings=lambda steps, every: {"T_0": every},
        ),
        ScheduleFormula(
            "onecycle",
            "From lr/25 up to lr over three tenths of all steps, then down to nearly 0, along half a cosine each.",
            source="Smith and Topin, Super-convergence: very fast training of neural networks using large learning rates (2019)",
            formula=_onecycle,
        ),
        Waiting(
            "plateau", "Times F where the training objective has not fallen for more than N epochs.",
            (
            Number("factor", 0.1, 0.0, 1.0, open_low=True, open_high=True, symbol="F"),
            Number("number of epochs", 10.0, 0.0, whole=True, symbol="N"),
            ),
        ),
    )
}  # fmt: skip

FORMULAS = {name: schedule for name, schedule in SCHEDULES.items() if isinstance(schedule, ScheduleFormula)}


def needs_steps(shown: str) -> bool:
    """Whether the schedule that is shown as `step:10,0.5` is shaped by how many steps there are in all."""
    formula = FORMULAS.get(shown.partition(":")[0])
    return formula is not None and formula.planned

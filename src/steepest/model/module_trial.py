"""A module tried once on a few rows, in evaluation and in training, before anything is descended.

Whatever it would raise in the middle of a descent is said here in a line. A copy is tried, so that no buffer of the
module moves.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from steepest.data.randomness import seeded
from steepest.errors import SpecError, SteepestError
from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import output
from steepest.model.loss import Loss
from steepest.model.module_objective import NO_GRADIENT
from steepest.model.objective import matched
from steepest.model.parameter_vector import NOTHING_TO_FIT
from steepest.ranks.tree import PARTS

ROWS = 4
"""Rows that a module is tried on."""


@dataclass(frozen=True)
class Trial:
    """What became of it.

    loss: as given, or told that predictions may be of another shape than the target. random: whether the module draws
    random numbers in training. two: whether it fails on a batch of one row in training, and not on a larger one. moves: the
    buffers that training moves.
    """

    loss: Loss
    random: bool
    two: bool
    moves: tuple[str, ...]


def tried(module: nn.Module, x: Tensor, y: Tensor, loss: Loss, outputs: int, classes: tuple[str, ...] = ()) -> Trial:
    """Look at a copy of the module on a few rows. Raises SpecError for whatever keeps it from being fitted.

    outputs: how many classes there are, or targets. classes: their labels.
    """
    _check_parameters(module)
    own, rows, target = copy.deepcopy(module), x[:ROWS], y[:ROWS]
    with seeded(0, x.device):
        with torch.no_grad():
            prediction = output(own.eval(), rows)
        _check_outputs(prediction, target, loss, outputs, classes)
        loss = _suited(loss, prediction, target)
        matched(prediction, target, loss)
        own.train(module.training)
        two = len(x) > 1 and _fails_on_one(own, rows[:1])
        before, buffers = torch.default_generator.get_state(), {name: one.clone() for name, one in own.named_buffers()}
        with torch.enable_grad():
            if len(x) > 1:
                prediction = output(own, rows)
                if not prediction.requires_grad:
                    raise SpecError(NO_GRADIENT)
        random = not torch.equal(before, torch.default_generator.get_state())
    moves = tuple(name for name, one in own.named_buffers() if name in buffers and not torch.equal(one, buffers[name]))
    draws = nn.modules.dropout._DropoutNd | nn.RReLU
    return Trial(loss, random or any(isinstance(part, draws) for part in own.modules()), two, moves)


def without_last(size: int, rows: int, streamed: bool) -> tuple[bool, tuple[str, ...]]:
    """Whether the last batch of an epoch is left out, as BatchNorm has no variance of one row, and what is said of it.

    streamed: whether batches are added up in parts, of which each has a variance of its own.

    Raises:
        SpecError: every batch is too small.
    """
    least = 2 * PARTS if streamed else 2
    if size < least and streamed:
        raise SpecError(
            f"A batch of a stream is added up in {PARTS} parts, and the model's BatchNorm needs at least 2 rows in each of them: "
            f"use a batch_size of at least {least}."
        )
    if size < least:
        raise SpecError(
            "The model's BatchNorm needs at least 2 rows in a batch, to have a variance: use a batch_size larger than 1."
        )
    if streamed and rows % size:
        said = f"The last batch of an epoch has fewer rows, and BatchNorm needs 2 in each of {PARTS} parts: it is left out."
        return True, (said,)
    if rows % size == 1:
        return True, ("The last batch of an epoch has one row, of which BatchNorm has no variance: it is left out.",)
    return False, ()


def _check_parameters(module: nn.Module) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise SpecError(NOTHING_TO_FIT)
    for name, parameter in module.named_parameters():
        if parameter.is_floating_point() and not torch.isfinite(parameter).all():
            value = parameter.detach()[~torch.isfinite(parameter.detach())][0]
            raise SpecError(
                f"The model's parameter {name!r} holds {float(value)} before the first step. Start it from finite numbers."
            )


def _fails_on_one(module: nn.Module, row: Tensor) -> bool:
    """Whether training on one row fails, as BatchNorm does, which has no variance then."""
    with torch.no_grad():
        try:
            output(copy.deepcopy(module), row)
        except SteepestError as error:
            return "has no variance of one row" in str(error)
    return False


def _check_outputs(prediction: Tensor, target: Tensor, loss: Loss, outputs: int, classes: tuple[str, ...]) -> None:
    codes = loss.coupled or (loss.takes == "codes")
    if codes and not target.is_floating_point() and prediction.ndim == 2 and prediction.shape[-1] < outputs:
        raise SpecError(
            f"The model gives {prediction.shape[-1]} outputs for {outputs} classes; its last layer needs {outputs}."
        )
    numbers = (loss.coupled or loss.custom) and not target.is_floating_point()
    if numbers and classes and prediction.ndim == 2 and prediction.shape[-1] > outputs:
        named = ", ".join(map(repr, classes[:6])) + (", …" if len(classes) > 6 else "")
        raise SpecError(
            f"The model gives {prediction.shape[-1]} outputs for {outputs} classes ({named}); its last layer needs {outputs}, "
            "or give y as numbers of outputs."
        )
    if loss.binary and prediction.ndim == 2 and prediction.shape[-1] == 2:
        said = "the score" if loss.margin else "the log-odds"
        raise SpecError(
            f"The model gives 2 outputs for two classes, and loss {loss} needs one, {said}. Use loss='cross_entropy', "
            "or a last layer with one output."
        )


def _suited(loss: Loss, prediction: Tensor, target: Tensor) -> Loss:
    """A loss of the user's own that takes predictions of another shape than the target is told so.

    It must do so for any number of rows: what only fits because there are as many rows as outputs would be broadcast.
    """
    if not loss.custom or loss.takes or prediction.ndim != 2 or not target.is_floating_point():
        return loss
    if target.ndim != 1 or prediction.shape[1] < 2 or len(prediction) != len(target):
        return loss
    for rows in {2, 3, prediction.shape[1] + 1} - {prediction.shape[1]}:
        place = torch.arange(rows, device=target.device) % len(target)
        try:
            loss.function(prediction[place], target[place])
        except SteepestError:
            raise
        except Exception:  # it does not take them: the message about shapes says more
            return loss
    return loss.of_any_shape()

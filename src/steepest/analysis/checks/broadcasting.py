"""BROADCAST: a loss of one's own that compares each prediction with every target.

Where predictions `[n, 1]` meet targets `[n]`, arithmetic broadcasts them to `[n, n]`, and the mean over all pairs is least at the
same prediction for every row. It is told by what it does: the mean loss stays the same when the targets are dealt to other
rows, though it changes when they are others. With each row given by itself, where nothing can be broadcast, the loss is what was
meant; a module fitted so is what is tried (`rerun.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks.rerun import placed, rerun
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import OWN_LOSS, check
from steepest.analysis.what_if import whole_objective
from steepest.data.thinning import sampled
from steepest.errors import SteepestError
from steepest.lazy import Tensor, torch
from steepest.model.custom_loss import Custom
from steepest.model.of_fit import tensors
from steepest.model.prediction import outputs
from steepest.model.torch_losses import loss as named
from steepest.text.numbers import number
from steepest.torch_criteria import is_criterion

MOST_ROWS = 50
SAME = 1e-9
PLAIN = ("mse", "l1", "huber:1")
"""Losses of ours that a loss, given row by row, may be."""


def broadcasts(loss: Any, prediction: Tensor, target: Tensor) -> bool:
    """Whether a mean loss does not see which target belongs to which prediction.

    >>> from steepest.model.torch_losses import loss
    >>> p, y = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 3.5])
    >>> broadcasts(loss("mse"), p, y), broadcasts(loss(lambda p, y: ((p[:, None] - y) ** 2).mean()), p, y)
    (False, True)
    """
    other = target.clone()
    other[::2] = target.max()
    goals = (target, target.roll(1), target.flip(0), other)
    here, *dealt, changed = (float(loss.mean(prediction, goal)) for goal in goals)
    near = SAME * max(abs(here), 1e-300)
    return all(abs(value - here) <= near for value in dealt) and abs(changed - here) > 10.0 * near


def row_by_row(loss: Any) -> Any:
    """The loss with each row given by itself: a function of (prediction, target) with a value for each row."""

    def each(prediction: Tensor, target: Tensor) -> Tensor:
        return torch.func.vmap(lambda p, y: loss.mean(p[None], y[None]))(prediction, target)

    return each


@check("fit", finds=(Kind.BROADCAST,), needs=(OWN_LOSS,), trials=True)
def all_pairs(fit: FittedModule) -> Iterator[Finding]:
    """A loss of one's own that is a mean over all pairs of a prediction and a target."""
    loss = fit.loss_function
    if not isinstance(loss, Custom) or fit.train.rows < 4 or is_criterion(fit.spec.loss):
        return
    few = sampled(fit.train, MOST_ROWS)
    _, y, _ = tensors(few, loss)
    given = torch.as_tensor(outputs(fit, few.x, np.where(np.isfinite(fit.theta), fit.theta, 0.0)))
    random = torch.Generator().manual_seed(0)
    given = y.double().mean() + y.double().std() * torch.randn(given.shape, dtype=given.dtype, generator=random)
    try:
        if not broadcasts(loss, given, y):
            return
    except (SteepestError, RuntimeError, IndexError):
        return
    meant, name = row_by_row(loss), _plain(loss, given, y)
    found = outputs(fit, sampled(fit.train, MOST_ROWS).x, fit.theta)
    spread = float(np.std(found.reshape(len(found), -1)[:, 0]))
    advice = (
        "Bring both to one shape inside the loss, as prediction = prediction.reshape(target.shape), and let it hold "
        "assert prediction.shape == target.shape. The fit gives it predictions and targets of one shape, [n]."
    )
    yield Finding(
        Kind.BROADCAST,
        f"The loss {loss} compares each prediction with every target, not with its own: it broadcasts [n, 1] against [n].",
        "With the targets dealt to other rows it stays the same to 9 digits. It is least where all predictions are one number; "
        f"they deviate by {number(spread)} here, and the targets by {number(float(np.std(fit.train.y)))}.",
        {"loss": name} if name else {}, _tried(fit, named(name or meant)), of_model=True, advice=advice,
    )  # fmt: skip


def _plain(loss: Any, prediction: Tensor, target: Tensor) -> str:
    """The loss of ours that it is row by row; "" where it is none."""
    if prediction.shape != target.shape or not target.is_floating_point():
        return ""
    try:
        each = row_by_row(loss)(prediction, target)
    except RuntimeError:
        return ""
    same = (name for name in PLAIN if torch.allclose(each, named(name).rows(prediction, target), rtol=1e-6, atol=0))
    return next(same, "")


def _tried(fit: FittedModule, meant: Any) -> str:
    """What the loss that was meant comes to, fitted so, and now; "" where that cannot be tried."""
    if fit.network is None or fit.trace.theta.shape[1] != len(fit.theta) or not np.isfinite(fit.theta).all():
        return ""
    other = replace(fit, loss_function=meant)
    try:
        now, run = whole_objective(placed(other, fit.theta)), rerun(other, placed(other))
    except (SteepestError, RuntimeError):
        return ""
    if run is None or not run.value < now:
        return ""
    reached = f"After {run.steps:,} steps the loss of each prediction with its own target is {number(run.value)}"
    return f"{reached}; it is {number(now)} now."

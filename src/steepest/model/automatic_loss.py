"""Which loss a fit has: "auto" decided by the model and the target, a criterion or function of the user's found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest import torch_criteria
from steepest.choices import is_path, locate
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import own_loss
from steepest.lazy import Tensor, torch
from steepest.model import torch_losses
from steepest.model.custom_loss import custom
from steepest.model.loss import Loss
from steepest.settings import Spec

UNLIKE = 30.0
"""How many times the spread of another a target's may be before its squares leave the other one out."""


def loss_of(spec: Spec, classes: tuple[str, ...] | None, several: bool = False) -> Loss:
    """The loss of a fit, "auto" decided by the model and the target. several: there is more than one target."""
    name = spec.loss
    if torch_criteria.is_criterion(name) and (
        (several and torch_criteria.name_of(name) != "mse")
        or (torch_criteria.has(name, torch_criteria.BINARY) and classes is None)
        or (torch_criteria.has(name, torch_criteria.CODES) and classes is None)
    ):
        return custom(name)  # of several targets, of shares between 0 and 1: no loss of ours does that
    if name == "auto":
        name = own_loss(spec.model) or (
            "mse" if classes is None else "logistic" if len(classes) == 2 else "cross_entropy"
        )
    if is_path(name, LOSSES):
        name = locate(name)
    return torch_losses.loss(name, spec.link)


def wants_classes(spec: Spec) -> bool | None:
    """Whether the target must be classes (True), numbers (False), or whatever it is (None)."""
    if spec.loss == "auto":
        return True if own_loss(spec.model) else None
    if isinstance(spec.loss, str) and getattr(LOSSES.get(spec.loss.partition(":")[0]), "classes", False):
        return True
    if not isinstance(spec.loss, str):
        return True if torch_criteria.has(spec.loss, torch_criteria.CODES | torch_criteria.BINARY) else None
    return False


def notes_on(loss: Loss, target: np.ndarray) -> tuple[str, ...]:
    """What should be said of the scores under a loss of the user's own, and of a target that is not quite its family's."""
    if loss.family is not None and loss.family.whole and (target != np.round(target)).any():
        return (
            f"The target is no counts: {target[target != np.round(target)][0]:g} is not whole. Its mean is fitted all the same.",
        )
    if not loss.custom or not loss.units or target.dtype.kind != "f":
        return ()
    if loss.least_at(torch.from_numpy(target)) is not False:
        return ()
    return (
        f"R², MAE and RMSE compare the prediction itself with the target; loss {loss} is not least where the two are "
        "equal, so judge this fit by its loss.",
    )


def unlike(y: Tensor, targets: Sequence[str]) -> tuple[str, ...]:
    """What is said where one target's squares leave nothing of another's in the loss."""
    if y.ndim != 2 or not y.is_floating_point():
        return ()
    spread = y.double().std(0, correction=0)
    small, large = int(spread.argmin()), int(spread.argmax())
    if not 0.0 < float(spread[small]) < float(spread[large]) / UNLIKE:
        return ()
    return (
        f"The loss is nearly that of {targets[large]!r} alone, which varies by {float(spread[large]):.2g} where "
        f"{targets[small]!r} does by {float(spread[small]):.2g}. Bring the targets to one size, or fit each alone.",
    )

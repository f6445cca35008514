"""What a fitted model says about rows that are columns already: numbers, or the log-odds of classes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from steepest.errors import FitError, SpecError
from steepest.lazy import nn, torch
from steepest.model.linear import row_blocks
from steepest.model.loss import Loss

if TYPE_CHECKING:
    from steepest.result import Fit


def outputs(fit: Fit, x: np.ndarray, theta: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
    """What the model itself gives, `[n]` or `[n, m]`, for columns x `[n, …]`, with θ as the fit was computed.

    offset: `[n]`, added to it.
    """
    if offset is not None:
        return (outputs(fit, x, theta).T + offset).T
    if fit.terms is not None:
        blocks = theta.reshape(-1, len(fit.terms.powers)).T
        coefficients = blocks[:, 0] if blocks.shape[1] == 1 else blocks
        design = fit.problem.design if fit.problem is not None and fit.train is not None and x is fit.train.x else None
        # a block of rows at a time: a design of all would be a second copy of a tall table
        parts = [
            (fit.terms.design(x[rows]) if design is None else design[rows]) @ coefficients
            for rows in row_blocks((len(x), len(blocks)))
        ]
        return np.concatenate(parts) if parts else np.empty((0, *coefficients.shape[1:]))
    if fit.network is None:
        raise FitError("Pass the model: st.load(folder, model=MyNet).")
    return _of_module(fit.network, x, theta)


def log_odds(fit: Fit, x: np.ndarray, theta: np.ndarray | None = None, offset: np.ndarray | None = None) -> np.ndarray:
    """Predictions in the units of the target, of a family the mean; of classes log-odds.

    theta: by default the fit's. offset: `[n]`, of these rows; nothing is added without one.
    """
    prediction = decision(fit, x, theta, offset)
    family = getattr(fit.loss_function, "family", None)
    if family is None:
        return prediction
    with np.errstate(over="ignore"):
        return family.mean(prediction)


def decision(fit: Fit, x: np.ndarray, theta: np.ndarray | None = None, offset: np.ndarray | None = None) -> np.ndarray:
    """The same, but of a family what its mean is a function of: the linear predictor."""
    prediction = outputs(fit, x, fit.theta if theta is None else theta, offset)
    if not getattr(fit.loss_function, "probabilities", False) or fit.schema.classes is None:
        return prediction
    with np.errstate(divide="ignore"):
        return np.log(prediction) - np.log1p(-prediction)


def has_probabilities(loss: Loss) -> bool:
    """Whether what a model with this loss says of classes can be read as probabilities."""
    return loss.coupled or loss.share is not None


def probabilities(decision: np.ndarray, loss: Loss) -> np.ndarray:
    """`[n, k]` from scores `[n]` (of the second of two classes) or log-odds `[n, k]`.

    Raises:
        SpecError: the loss has none, as `hinge`.
    """
    if decision.ndim == 1:
        if loss.share is None:
            raise SpecError(
                f"Loss {loss} gives classes and scores, fit.decision(), but no probabilities. loss='logistic' and "
                "'modified_huber' do."
            )
        return np.stack([loss.share(-decision), loss.share(decision)], -1)
    return softmax(decision)


def softmax(decision: np.ndarray) -> np.ndarray:
    """exp f/Σ exp f of each row, `[n, k]`."""
    odds = np.exp(decision - decision.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def shares(decision: np.ndarray, loss: Loss) -> np.ndarray:
    """What a picture shows of classes, `[n, k]`: probabilities, or without them scores, 0 and 1 being the margins −1 and 1."""
    if decision.ndim == 1 and loss.share is None:
        up = 0.5 * (np.clip(decision, -1.0, 1.0) + 1.0)
        return np.stack([1.0 - up, up], -1)
    return probabilities(decision, loss)


def codes_of(decision: np.ndarray) -> np.ndarray:
    """The class `[n]` that each row is predicted to be of, by log-odds `[n]` or scores `[n, k]`."""
    return decision.argmax(-1) if decision.ndim == 2 else (decision > 0).astype(int)


def confusion_of(y: np.ndarray, decision: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
    """How many rows of each class are predicted to be of which, `[k, k]`. y: codes `[n]`."""
    codes = y.astype(int) * count + codes_of(decision)
    return np.bincount(codes, weights, minlength=count * count).reshape(count, count)


def share_name(loss: Loss) -> str:
    """What `shares` are, in a word."""
    return "probability" if has_probabilities(loss) else "score"


def with_parameters(network: nn.Module, theta: np.ndarray) -> nn.Module:
    """A copy of a module in evaluation mode with these trainable parameters `[p]`."""
    module = copy.deepcopy(network).eval()
    parameters = [p for p in module.parameters() if p.requires_grad]
    values = torch.as_tensor(theta).to(parameters[0])
    with torch.no_grad():
        for parameter, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
            parameter.data, parameter.grad = part.view(parameter.shape).clone(), None
    return module


def _of_module(network: nn.Module, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    module = with_parameters(network, theta)
    like = next(p for p in module.parameters() if p.requires_grad)
    with torch.no_grad():
        output = module(torch.as_tensor(x).to(like)).cpu().double().numpy()
    return output[:, 0] if output.ndim == 2 and output.shape[1] == 1 else output

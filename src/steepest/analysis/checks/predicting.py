"""What a fit says about rows: its predictions at any θ, and the loss of each row."""

from __future__ import annotations

import copy

import numpy as np
import torch

from steepest.analysis.finding import Fitted
from steepest.data.dataset import Dataset


def predictions(fit: Fitted, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """`[n]` or `[n, k]` for rows x `[n, …]`: numbers, or log-odds of classes."""
    if fit.terms is not None:
        design = fit.terms.design(x)
        blocks = theta.reshape(-1, design.shape[1])
        return design @ blocks[0] if len(blocks) == 1 else design @ blocks.T
    assert fit.network is not None
    module = copy.deepcopy(fit.network).eval()
    own = [parameter for parameter in module.parameters() if parameter.requires_grad]
    with torch.no_grad():
        torch.nn.utils.vector_to_parameters(torch.as_tensor(theta).to(own[0]), own)
        found = module(torch.as_tensor(x).to(own[0])).cpu().double().numpy()
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


def losses(fit: Fitted, rows: Dataset, theta: np.ndarray) -> np.ndarray:
    """The loss of each row `[n]`, times its weight."""
    kind = torch.int64 if fit.loss_function.takes_codes(rows.classes) else torch.float64
    target = torch.as_tensor(rows.y).to(kind)
    each = fit.loss_function.rows(torch.as_tensor(predictions(fit, rows.x, theta)), target).numpy()
    return each if rows.weights is None else each * rows.weights / rows.weights.mean()


def sampled(rows: Dataset, most: int) -> Dataset:
    """At most so many rows, evenly spread."""
    from steepest.data.thinning import evenly

    return rows if rows.rows <= most else rows.take(evenly(rows.rows, most))

"""Residuals that are rounding: what floating-point numbers leave over of a perfect fit, in which there is nothing to read.

    level = 16·ε·(|y| + Σⱼ |xⱼ·θⱼ|)

of each row, with ε of float64, or of float32 where the rows are numbers of that. Every check of the residuals asks here
before it judges them; checks of a loss ask for the loss at that level.
"""

from __future__ import annotations

import numpy as np

from steepest.lazy import torch
from steepest.model.loss import Loss

ULPS = 16.0  # how many times the rounding of its parts a residual may be


def precision(target: np.ndarray, *others: np.ndarray) -> float:
    """ε of a target's numbers: float32's where all arrays hold such numbers and half of the target needs its last bits.

    >>> y = np.array([0.1, 0.2, 0.3])
    >>> [float(np.finfo(kind).eps) for kind in (np.float64, np.float32)]
    [2.220446049250313e-16, 1.1920928955078125e-07]
    >>> [precision(values) for values in (y, y.astype(np.float32), np.array([1.0, 2.0, 1e6]))]
    [2.220446049250313e-16, 1.1920928955078125e-07, 2.220446049250313e-16]
    """
    with np.errstate(over="ignore", under="ignore"):
        singles = [np.asarray(array).astype(np.float32) for array in (target, *others)]
    single = all(np.array_equal(own, array) for own, array in zip(singles, (target, *others), strict=True))
    single = single and 2 * np.count_nonzero(singles[0].view(np.int32) & 15) >= target.size
    return float(np.finfo(np.float32 if single else np.float64).eps)


def level(target: np.ndarray, parts: np.ndarray, epsilon: float) -> np.ndarray:
    """The size `[n]` up to which residuals are rounding. parts: Σⱼ |xⱼ·θⱼ| `[n]`."""
    return ULPS * epsilon * (np.abs(target) + parts)


def loss_level(loss: Loss, target: np.ndarray) -> float:
    """The mean loss up to which predictions of a target of numbers are off by rounding only; of classes 16·ε.

    For a loss of one's own, whose least value nobody knows, 0.
    """
    if loss.custom or not target.size:
        return 0.0
    if loss.classes:
        return ULPS * float(np.finfo(np.float64).eps)
    epsilon = precision(target)
    goal = torch.as_tensor(np.asarray(target, dtype=np.float64))
    off = torch.full_like(goal, ULPS * epsilon * float(goal.abs().max()))
    return float(loss.rows(goal + off, goal).mean())

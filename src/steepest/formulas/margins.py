"""Losses of the margin m by which two classes are told apart: m = f for the second class (target 1), −f for the first one (0)."""

from __future__ import annotations

from typing import Any

from steepest.formulas.words import numpy_word

abs, clip, full_like, sign, where = map(numpy_word, ("abs", "clip", "full_like", "sign", "where"))


def hinge(prediction: Any, target: Any) -> Any:
    """max(1 − m, 0)."""
    short = 1.0 - where(target > 0.5, prediction, -prediction)
    return 0.5 * (short + abs(short))


def hinge_slope(prediction: Any, target: Any) -> Any:
    """Its slope in the prediction, the middle at the kink."""
    part = 0.5 + 0.5 * sign(1.0 - where(target > 0.5, prediction, -prediction))
    return where(target > 0.5, -part, part)


def hinge_kinks(target: Any) -> Any:
    """Its kink: at f = 1 for the second class, at −1 for the first one."""
    return ((2.0 * target - 1.0, target - 1.0, target),)


def squared_hinge(prediction: Any, target: Any) -> Any:
    """max(1 − m, 0)², no ½."""
    ahead = where(target > 0.5, prediction, -prediction) - 1.0
    return where(ahead < 0.0, ahead, 0.0) ** 2


def squared_hinge_slope(prediction: Any, target: Any) -> Any:
    """Its slope in the prediction."""
    ahead = where(target > 0.5, prediction, -prediction) - 1.0
    short = where(ahead < 0.0, ahead, 0.0)
    return 2.0 * where(target > 0.5, short, -short)


def squared_hinge_curvature(prediction: Any, target: Any) -> Any:
    """Its curvature."""
    return full_like(prediction, 2.0) * (where(target > 0.5, prediction, -prediction) < 1.0)


def modified_huber(prediction: Any, target: Any) -> Any:
    """max(1 − m, 0)² down to m = −1, −4m below."""
    ahead = where(target > 0.5, prediction, -prediction) - 1.0
    short = clip(ahead, -2.0, 0.0)
    return short * (2.0 * where(ahead < 0.0, ahead, 0.0) - short)


def modified_huber_slope(prediction: Any, target: Any) -> Any:
    """Its slope in the prediction."""
    short = clip(where(target > 0.5, prediction, -prediction) - 1.0, -2.0, 0.0)
    return 2.0 * where(target > 0.5, short, -short)


def modified_huber_curvature(prediction: Any, target: Any) -> Any:
    """Its curvature."""
    return full_like(prediction, 2.0) * (abs(where(target > 0.5, prediction, -prediction)) < 1.0)


def modified_huber_share(prediction: Any) -> Any:
    """The probability of the second class (Zhang 2004)."""
    return 0.5 * (clip(prediction, -1.0, 1.0) + 1.0)

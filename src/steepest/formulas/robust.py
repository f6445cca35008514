"""Losses of a residual r = f − y that are ½r² near 0 and hardly grow, or not at all, far out. They are not convex."""

from __future__ import annotations

from typing import Any

from steepest.formulas.words import numpy_word

clip, log1p = map(numpy_word, ("clip", "log1p"))


def cauchy(prediction: Any, target: Any, width: Any) -> Any:
    """½C²·log(1 + (r/C)²)."""
    residual = (prediction - target) / width
    return 0.5 * width * width * log1p(residual * residual)


def cauchy_slope(prediction: Any, target: Any, width: Any) -> Any:
    """r/(1 + (r/C)²)."""
    residual = (prediction - target) / width
    return width * residual / (1.0 + residual * residual)


def cauchy_curvature(prediction: Any, target: Any, width: Any) -> Any:
    """(1 − (r/C)²)/(1 + (r/C)²)²."""
    residual = (prediction - target) / width
    inner = 1.0 / (1.0 + residual * residual)
    return inner * (2.0 * inner - 1.0)


def tukey(prediction: Any, target: Any, width: Any) -> Any:
    """C²/6·(1 − (1 − (r/C)²)³), C²/6 beyond C."""
    residual = (prediction - target) / width
    inner = clip(residual * residual, 0.0, 1.0)
    return width * width / 6.0 * inner * (3.0 - inner * (3.0 - inner))


def tukey_slope(prediction: Any, target: Any, width: Any) -> Any:
    """r·(1 − (r/C)²)², 0 beyond C."""
    residual = (prediction - target) / width
    inner = 1.0 - clip(residual * residual, 0.0, 1.0)
    return width * residual * inner * inner


def tukey_curvature(prediction: Any, target: Any, width: Any) -> Any:
    """(1 − (r/C)²)·(1 − 5(r/C)²), 0 beyond C."""
    residual = (prediction - target) / width
    inner = clip(residual * residual, 0.0, 1.0)
    return (1.0 - inner) * (1.0 - 5.0 * inner)

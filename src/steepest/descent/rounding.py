"""Losses rounded off for the first curvature steps: at their kinks, or stretched until the bend reaches the residuals.

`newton.py` takes its steps on the rounded loss, and rounds less and less until the loss itself is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from steepest.lazy import Tensor, torch
from steepest.model.loss import Loss


@final
@dataclass(frozen=True)
class RoundedKinks:
    """A piecewise linear loss Σ max(high·r, low·r), r = place − prediction: each ½(high − low)·|r| + ½(high + low)·r, with |r|
    rounded off to √(r² + δ²)."""

    loss: Loss
    least: float = 0.0

    def spread(self, prediction: Tensor, target: Tensor) -> float:
        kinks = self.loss.kinks(target)
        return sum(float((place - prediction).abs().mean()) for place, _, _ in kinks) / len(kinks)

    def rows(self, prediction: Tensor, target: Tensor, delta: float) -> Tensor:
        each = torch.zeros_like(prediction)
        for place, low, high in self.loss.kinks(target):
            residual = place - prediction
            size = (residual * residual + delta * delta).sqrt()
            each = each + 0.5 * ((high - low) * size + (high + low) * residual)
        return each.mean(-1) if target.ndim == 2 else each

    def slope_and_curvature(self, prediction: Tensor, target: Tensor, delta: float) -> tuple[Tensor, Tensor]:
        slope, curvature = torch.zeros_like(prediction), torch.zeros_like(prediction)
        for place, low, high in self.loss.kinks(target):
            residual, half = place - prediction, 0.5 * (high - low)
            root = (residual * residual + delta * delta).sqrt()
            slope = slope - (half * residual / root + 0.5 * (high + low))
            curvature = curvature + half * (delta / root) ** 2 / root
        share = 1.0 / target.shape[1] if target.ndim == 2 else 1.0
        return share * slope, share * curvature


@final
@dataclass(frozen=True)
class Stretched:
    """A loss that is linear or flat beyond `least`, stretched to reach the residuals there are: s·ℓ(r/s) (of one that is not
    convex s²·ℓ(r/s)), s = δ/least. Exact at s = 1.

    One that is not convex takes the curvature of the parabola that touches it from above, ℓ'(r)/r: no step goes up (iteratively
    reweighted least squares; Holland and Welsch 1977). That it is stretched at first, until it is nearly convex, leads past
    minima that a few rows make (graduated non-convexity; Blake and Zisserman 1987).
    """

    loss: Loss
    least: float

    def spread(self, prediction: Tensor, target: Tensor) -> float:
        return float((target - prediction).abs().mean())

    def rows(self, prediction: Tensor, target: Tensor, delta: float) -> Tensor:
        s = delta / self.least
        return (s if self.loss.convex else s * s) * self.loss.rows(
            (prediction - target) / s, torch.zeros_like(prediction)
        )

    def slope_and_curvature(self, prediction: Tensor, target: Tensor, delta: float) -> tuple[Tensor, Tensor]:
        s, zero = delta / self.least, torch.zeros_like(prediction)
        residual = (prediction - target) / s
        slope, curvature = self.loss.slope(residual, zero), self.loss.curvature(residual, zero)
        if self.loss.convex:
            return slope, curvature / s
        near = residual.abs() <= 1e-8 * self.least
        return s * slope, torch.where(near, curvature, slope / torch.where(near, 1.0, residual))


def rounding_of(loss: Loss) -> RoundedKinks | Stretched | None:
    """How curvature steps round a loss off at first; None for one that needs it not."""
    if loss.kinked:
        return RoundedKinks(loss)
    return Stretched(loss, loss.reach) if loss.reach is not None else None

"""What stands around a module, so that it sees standardised columns, or whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.errors import SpecError
from steepest.model.calling import evaluating, output


class Scaled(nn.Module):
    """A module between two changes of units: it sees (x − mean)/scale and its outputs are taken times `gain` plus `shift`.

    The four are buffers, not parameters: they belong to the model and are saved with it. shift and gain: numbers, or `[m]`
    for several targets.
    """

    mean: Tensor
    scale: Tensor
    shift: Tensor
    gain: Tensor

    def __init__(self, module: nn.Module, mean: Tensor, scale: Tensor, shift: Tensor, gain: Tensor):
        super().__init__()
        self.module = module
        for name, value in (("mean", mean), ("scale", scale), ("shift", shift), ("gain", gain)):
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.module((x - self.mean) / self.scale) * self.gain + self.shift


class WholeNumbers(nn.Module):
    """A module that takes whole numbers, as an Embedding does, given them as floats."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.long())


def balance_of(module: nn.Module) -> Tensor | None:
    """mean(gain²)/gain² `[m]` of outputs in several units, by which a descent takes their slopes; None for all others.

    With it the steps are those in standardised targets. By the slopes of F itself, where one target is 10,000 times as
    large as another, all but 1e-8 of every step is for the large one, and the other is never fitted.
    """
    if not isinstance(module, Scaled) or module.gain.ndim == 0:
        return None
    squares = module.gain**2
    return squares.mean() / squares


def embeds(module: nn.Module) -> bool:
    """Whether a part of the module looks numbers up in a table, so that its columns are no quantities."""
    return any(isinstance(part, (WholeNumbers, nn.Embedding, nn.EmbeddingBag)) for part in module.modules())


def taking(module: nn.Module, x: Tensor) -> nn.Module:
    """The module, made to take floats where it refuses them and takes the same rows as whole numbers."""
    if not embeds(module) or not bool((x == x.round()).all()):
        return module
    with evaluating(module), torch.no_grad():
        try:
            output(module, x[:2])
        except SpecError:
            return WholeNumbers(module)
    return module


def scaled(inner: nn.Module, x: Tensor, y: Tensor | None) -> Scaled:
    """A module that sees standardised columns of x `[n, d]`, and whose outputs are in the units of y (None: as they are)."""
    scale = _spread(x)
    one = torch.ones((), dtype=x.dtype, device=x.device)
    if y is None:
        return Scaled(inner, x.mean(0), scale, 0 * one, one)
    return Scaled(inner, x.mean(0), scale, y.mean(0), _spread(y))


def _spread(columns: Tensor) -> Tensor:
    """Standard deviations; 1 for a column that varies by rounding only."""
    spread = columns.std(0, correction=0)
    return torch.where(spread > 1e-12 * columns.abs().amax(0), spread, torch.ones_like(spread))

"""Models that are no linear combination: multilayer perceptrons, modules of the user's, and what stands around them.

The linear family is in `linear.py`. Here a module is made ready to be fitted: copied, so that the user's own stays
as it was; wrapped, so that it sees standardised columns where that was asked for; started as `init` says.
"""

from __future__ import annotations

import copy
import inspect
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.errors import SpecError
from steepest.spec import INITS, MODELS, call, locate


class Scaled(nn.Module):
    """A module between two changes of units: it sees (x − mean)/scale and its outputs are taken times `gain` plus `shift`.

    The four are buffers, not parameters: they belong to the model and are saved with it.
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


def mlp(inputs: int, widths: tuple[int, ...], outputs: int, seed: int = 0) -> nn.Module:
    """Linear layers with ReLU between them, started as PyTorch starts them, from a seed.

    >>> sum(p.numel() for p in mlp(3, (8,), 1).parameters())
    41
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *widths)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear((inputs, *widths)[-1], outputs))


def module(model: Any, inputs: int, outputs: int, seed: int) -> nn.Module | None:
    """The module that a model's name or object stands for; None for the linear family.

    A name `package.module:factory` is imported and called, with (inputs, outputs) if it takes two arguments.
    """
    if isinstance(model, nn.Module):
        return copy.deepcopy(model)
    if isinstance(model, str) and model.partition(":")[0] in MODELS:
        name, numbers = call(model, MODELS, "model")
        return mlp(inputs, tuple(int(width) for width in numbers), outputs, seed) if name == "mlp" else None
    factory = locate(model) if isinstance(model, str) else model
    if isinstance(factory, nn.Module):
        return copy.deepcopy(factory)
    if not callable(factory):
        raise SpecError(f"model={model!r} is no model's name, nn.Module or function that makes one.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        takes = [p for p in inspect.signature(factory).parameters.values() if p.default is p.empty]
        try:
            made = factory(inputs, outputs) if len(takes) == 2 else factory()
        except Exception as error:  # it is the user's own code: whatever it raises is told, not thrown
            raise SpecError(f"model={model!r} failed: {type(error).__name__}: {error}.") from error
    if not isinstance(made, nn.Module):
        raise SpecError(f"model={model!r} made a {type(made).__name__}, not an nn.Module.")
    return made


def scaled(inner: nn.Module, x: Tensor, y: Tensor | None) -> Scaled:
    """A module that sees standardised columns of x `[n, d]`, and whose outputs are in the units of y (None: as they are)."""
    spread = x.std(0, correction=0)
    size = x.abs().amax(0)
    scale = torch.where(spread > 1e-12 * size, spread, torch.ones_like(spread))
    one = torch.ones((), dtype=x.dtype, device=x.device)
    if y is None:
        return Scaled(inner, x.mean(0), scale, 0 * one, one)
    spread_y = y.std(0, correction=0)
    return Scaled(inner, x.mean(0), scale, y.mean(0), torch.where(spread_y > 0, spread_y, torch.ones_like(spread_y)))


def start(init: Any, names: tuple[str, ...], seed: int) -> np.ndarray | None:
    """θ₀ in user units: None for "zeros" (or a module's own start), else numbers drawn or given.

    Raises SpecError for a wrong count, a name of no parameter, or a fit with other parameters.
    """
    count = len(names)
    if isinstance(init, str):
        kind, numbers = call(init, INITS, "init")
        if kind == "zeros":
            return None
        random = np.random.default_rng([seed, 2])  # not the stream that synthetic data of the same seed come from
        if kind == "normal":
            return random.normal(0.0, *(numbers or (1.0,)), size=count)
        low, high = numbers
        if not low < high:
            raise SpecError(f"init={init!r}: the first number must be below the second.")
        return random.uniform(low, high, size=count)
    if hasattr(init, "theta") and hasattr(init, "names"):
        if tuple(init.names) != tuple(names):
            raise SpecError("init= is a fit with other parameters than this one: " + _differ(init.names, names))
        return np.array(init.theta, dtype=np.float64)
    if isinstance(init, dict):
        if unknown := [name for name in init if name not in names]:
            raise SpecError(f"init= names {unknown[0]!r}, which is no parameter here. Known: {', '.join(names[:12])}.")
        return np.array([float(init.get(name, 0.0)) for name in names])
    if isinstance(init, Tensor):
        init = init.detach().cpu().numpy()
    try:
        given = np.asarray(init, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise SpecError(f"init={init!r} is neither numbers, a name (zeros, normal, uniform:LO:HI) nor a Fit.") from None
    if not np.isfinite(given).all():
        raise SpecError(f"init= holds {given[~np.isfinite(given)][0]}; a start must be finite numbers.")
    if given.size != count:
        raise SpecError(f"init= has {given.size} numbers, and there are {count} parameters: {', '.join(names[:12])}.")
    return given


def _differ(theirs: Any, ours: tuple[str, ...]) -> str:
    return f"{', '.join(list(theirs)[:6])} there, {', '.join(ours[:6])} here."

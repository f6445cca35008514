"""A run's module: the shapes that its tensors must have, and the module built again around them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from steepest.choices import parse
from steepest.formulas.models import MODELS
from steepest.model import modules
from steepest.run_record import Shape

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_INPUTS = 10_000
"""Inputs that a module is built with though none of its tensors is as long."""


def check_own(model: str, shape: Shape, state: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError unless the tensors are those of an `mlp`, before it is built: its size is what the record says."""
    name, numbers = parse(model, MODELS, "model")
    if name != "mlp":
        raise ValueError(f"a run with model {model!r} has no module")
    prefix = "module." if shape.scaled else ""
    widths = (shape.inputs, *map(int, numbers), shape.outputs)
    expected: dict[str, set[tuple[int, ...]]] = {}
    for layer, (before, after) in enumerate(pairwise(widths)):
        expected |= {f"{prefix}{2 * layer}.weight": {(after, before)}, f"{prefix}{2 * layer}.bias": {(after,)}}
    if shape.scaled:
        per_output: set[tuple[int, ...]] = {(), (shape.outputs,)}
        expected |= {"mean": {(shape.inputs,)}, "scale": {(shape.inputs,)}, "shift": per_output, "gain": per_output}
    if set(state) != set(expected):
        raise ValueError(f"it has other tensors than a {model}")
    for name, shapes in expected.items():
        if tuple(state[name].shape) not in shapes or not state[name].is_floating_point():
            raise ValueError(f"{name} is {tuple(state[name].shape)} of {state[name].dtype}")


def rebuilt(
    model: Any, fit: Fit, shape: Shape, state: dict[str, torch.Tensor]
) -> tuple[nn.Module, tuple[torch.dtype, torch.device]]:
    """The module with its saved parameters and buffers, and the precision and device that it was given in.

    ValueError if `model` is another one.
    """
    known = (size for value in state.values() for size in value.shape)
    if shape.inputs > max(MOST_INPUTS, *known, 0):
        raise ValueError(f"none of its tensors has {shape.inputs:,} inputs.")
    inner = modules.module(model, shape.inputs, shape.outputs, fit.spec.seed)
    if inner is None:
        raise ValueError(f"{model!r} needs none.")
    kind = modules.kind_of(inner)
    inner = inner.to(getattr(torch, fit.spec.dtype))
    try:
        if shape.whole:
            inner = modules.WholeNumbers(inner)
        if shape.scaled:
            inner = modules.Scaled(inner, *(state[name].clone() for name in ("mean", "scale", "shift", "gain")))
        inner.load_state_dict(state)
    except (RuntimeError, KeyError) as error:
        raise ValueError(" ".join(str(error).split(":", 1)[-1].split())[:160]) from None
    count = sum(p.numel() for p in inner.parameters() if p.requires_grad)
    if count != len(fit.names):
        raise ValueError(f"it has {count:,} parameters, and the run {len(fit.names):,}.")
    return inner.eval(), kind

"""LARGE: weights that start far larger than those of layers which keep the size of what goes through them.

A layer of m inputs keeps it with weights of root mean square near 1/√m: PyTorch starts with 0.58 of that, Kaiming's rule
for ReLU with 1.41. Looked at are the weights of linear and convolutional layers at the start, of a module without functions
that flatten (units that these saturate are told in `saturated_units.py`), where they are 2.5 times as large or more and the
first loss is 3 times that of the best constant. Then three quarters of a sample of the rows are fitted again, from the same
start and from one with these layers scaled to PyTorch's size, and the others judge: it is found where the mean loss there
is at least a third lower, and not by chance. The loss in training may hide it: steps are small beside such weights, which
keep what they started with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks.regularization import surely_lower
from steepest.analysis.checks.rerun import MOST_ROWS, inner_of, losses_after, wrapped
from steepest.analysis.checks.saturated_units import flattened
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.data.thinning import sampled
from steepest.lazy import nn, torch
from steepest.text.numbers import listed, number

USUAL, KAIMING, LARGE = 3**-0.5, 2**0.5, 2.5
"""Root mean square of weights times √inputs: of PyTorch's layers, by Kaiming's rule, and from which they are large."""

FAR = 3.0  # loss at the start, in that of the constant model
LEAST_ROWS = 40
NAMED = 3


@check("fit", finds=(Kind.LARGE,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def large_start(fit: FittedModule) -> Iterator[Finding]:
    """Whether layers start too large, and what the same steps come to from smaller ones."""
    if fit.train.rows < LEAST_ROWS or not np.isfinite(fit.trace.theta[0]).all():
        return
    large = {name: size for name, size in sizes_of(inner_of(fit, fit.trace.theta[0])).items() if size >= LARGE}
    if not large:
        return
    start = wrapped(fit, inner_of(fit, fit.trace.theta[0]))
    first, constant = float(start.value(start.theta)), constant_loss(start)
    if not first >= FAR * constant or flattened(start):
        return
    rows = sampled(fit.train, MOST_ROWS)
    held = np.arange(rows.rows) % 4 == 3
    part, other = replace(fit, train=rows.take(np.flatnonzero(~held))), rows.take(np.flatnonzero(held))
    now = losses_after(part, wrapped(part, inner_of(fit, fit.trace.theta[0])), other)
    then = losses_after(part, wrapped(part, scaled_down(inner_of(fit, fit.trace.theta[0]), large)), other)
    if then is None or (now is not None and not surely_lower(then[0], now[0])):
        return
    value, steps = float(then[0].mean()), then[1]
    before = number(float(now[0].mean())) if now is not None else "no number"
    own = isinstance(fit.spec.init, str) and fit.spec.init != "zeros"
    names = sorted(large, key=lambda name: -large[name])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    yield Finding(
        Kind.LARGE,
        f"The weights of {listed(names[:NAMED])}{more} start far too large.",
        f"Their root mean square times √inputs is up to {number(large[names[0]])}; PyTorch starts a layer with {USUAL:.2f}, "
        f"Kaiming's rule with {KAIMING:.2f}. The loss at the start is {number(first)}; a constant answer for every row has "
        f"{number(constant)}.",
        {"init": "zeros"} if own else {},
        f"Tried on {part.train.rows:,} rows for {steps:,} steps, from layers of PyTorch's size: the loss on "
        f"{other.rows:,} other rows is {number(value)} instead of {before}.",
        1.0, of_model=True,
        advice="" if own else "Start these layers anew: layer.reset_parameters(), or nn.init.kaiming_uniform_(layer.weight).",
    )  # fmt: skip


def sizes_of(module: nn.Module) -> dict[str, float]:
    """The root mean square of the weights of each linear and convolutional layer, times √inputs.

    >>> layer = nn.Linear(16, 400)
    >>> round(sizes_of(nn.Sequential(layer))["0"], 1)
    0.6
    """
    found = {}
    for name, layer in module.named_modules():
        weight: Any = getattr(layer, "weight", None)
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and weight.requires_grad:
            root = float(weight.detach().double().square().mean().sqrt())
            found[name] = root * weight[0].numel() ** 0.5
    return found


def scaled_down(module: nn.Module, sizes: dict[str, float]) -> nn.Module:
    """The module, these layers of it brought to PyTorch's size with their biases."""
    with torch.no_grad():
        for name, size in sizes.items():
            for parameter in module.get_submodule(name).parameters(recurse=False):
                parameter *= USUAL / size
    return module

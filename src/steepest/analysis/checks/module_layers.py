"""UNACTIVATED: linear layers that follow each other without an activation are together one linear layer.

What helps is no setting of a fit but another module; it is said as lines of code, and tried (`rerun.py`) where the module can be
built with an activation after the first layer.
"""

from __future__ import annotations

from collections.abc import Iterator

from steepest.analysis.checks.module_code import called, shown
from steepest.analysis.checks.network_graph import Stacked, stacked
from steepest.analysis.checks.rerun import graph_at_end, inner_of, tried
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, check
from steepest.lazy import nn


@check("fit", finds=(Kind.UNACTIVATED,), needs=(NETWORK,), trials=True)
def unactivated(fit: FittedModule) -> Iterator[Finding]:
    """Whether linear layers follow each other."""
    pairs = stacked(graph_at_end(fit)[1])
    if not pairs:
        return
    pair = pairs[-1]  # the first on the way from the input
    more = f" So are {len(pairs) - 1} more pairs." if len(pairs) > 2 else " So is another pair." if pairs[1:] else ""
    widths = " → ".join(f"{width:,}" for width in pair.widths)
    yield Finding(
        Kind.UNACTIVATED,
        f"The linear layers {pair.first!r} and {pair.second!r} follow each other without an activation: "
        f"together they are one linear layer.{more}",
        f"{widths} units: a single layer {pair.widths[0]:,} → {pair.widths[2]:,} gives the same predictions.",
        {}, _activated(fit, pairs), of_model=True, advice=_advice(inner_of(fit), pair),
    )  # fmt: skip


def _advice(module: nn.Module, pair: Stacked) -> str:
    """The lines with an activation between the two layers."""
    first, second = (module.get_submodule(name) for name in (pair.first, pair.second))
    line = called(pair.second, f"torch.relu({called(pair.first, 'x')})")
    if pair.first.rpartition(".")[0] == pair.second.rpartition(".")[0] and "self[" in line.replace(".", "["):
        line = f"nn.Sequential(…, {shown(first)}, nn.ReLU(), {shown(second)}, …)"
    return f"Put an activation between them, such as nn.ReLU(): {line}."


def _activated(fit: FittedModule, pairs: list[Stacked]) -> str:
    """What the same steps lead to with a ReLU after the first layer of each pair."""
    module = inner_of(fit)
    for pair in pairs:
        name = pair.first
        if not name:
            return ""
        where, _, last = name.rpartition(".")
        # in its place, and not in a copy's: weights that are shared stay so
        setattr(module.get_submodule(where), last, nn.Sequential(module.get_submodule(name), nn.ReLU()))
    return tried(fit, module)

"""How a module is built, beside its loss and its targets.

OUTPUT        it ends in a function that the loss applies itself (a sigmoid before `logistic`, a softmax before
              `cross_entropy`), that bounds the scores which a loss of classes expects, or whose range the targets leave
UNACTIVATED   linear layers that follow each other without an activation are together one linear layer

What helps is no setting of a fit but another module; it is said in words, and tried (`rerun.py`) where the module can be
built without that layer, or with an activation after it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.network_graph import Graph, Last, Stacked, graph_of, last_of, stacked, without
from steepest.analysis.checks.rerun import MOST_ROWS, inner_of, placed, rerun, wrapped
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import NETWORK
from steepest.data.thinning import sampled
from steepest.lazy import nn
from steepest.text.numbers import number

BETTER = 0.9
OUTSIDE = 0.01  # share of the rows whose targets leave the range of the output from which that is said
OF_ODDS = ("bcewithlogitsloss", "binary_cross_entropy_with_logits")
OF_SCORES = ("crossentropyloss", "cross_entropy")  # PyTorch's losses of log-odds and of scores


@check("fit", finds=(Kind.OUTPUT,), needs=(NETWORK,))
def output_layer(fit: Fitted) -> Iterator[Finding]:
    """Whether what the module ends in suits the loss and the targets."""
    graph = _graph(fit)
    last = None if graph is None else last_of(graph)
    if graph is None or last is None or fit.train is None:
        return
    said = _of_classes(fit, graph, last) or _of_numbers(fit, last)
    if said is None:
        return
    what, evidence = said
    advice = f"End the module in its linear layer, without {last.words}."
    yield Finding(
        Kind.OUTPUT, what, evidence, {}, _tried(fit, without(inner_of(fit), graph, last.layer)),
        of_model=True, advice=advice,
    )  # fmt: skip


@check("fit", finds=(Kind.UNACTIVATED,), needs=(NETWORK,))
def unactivated(fit: Fitted) -> Iterator[Finding]:
    """Whether linear layers follow each other."""
    graph = _graph(fit)
    pairs = [] if graph is None else stacked(graph)
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
        {}, _activated(fit, pairs), of_model=True, advice="Put an activation between them, such as nn.ReLU().",
    )  # fmt: skip


def _graph(fit: Fitted) -> Graph | None:
    if fit.network is None or fit.train is None or fit.terms is not None:
        return None
    objective = wrapped(fit, inner_of(fit), fit.theta if np.isfinite(fit.theta).all() else None)
    return None if objective.x is None else graph_of(objective.module, objective.x)


def _of_classes(fit: Fitted, graph: Graph, last: Last) -> tuple[str, str] | None:
    """What is wrong with the output for a loss of classes, and the numbers that show it."""
    loss = fit.loss_function
    name = loss.name.lower() if loss.custom else ""
    odds = loss.binary or name in OF_ODDS
    if not (odds or loss.coupled or name in OF_SCORES):
        return None
    if not odds and last.name == "LogSoftmax":  # once more changes nothing
        return None
    own, expected = ("sigmoid", "log-odds") if odds else ("softmax", "scores of any size")
    found = graph.output.detach().cpu().numpy()
    low, high = float(found.min()), float(found.max())
    what = f"The module ends in {last.words}, but the {loss} loss expects {expected}"
    if last.name in ("Sigmoid", "Softmax"):
        what = f"The module ends in {last.words}, and the {loss} loss applies a {own} itself: it expects {expected}"
    if odds:
        share = [1.0 / (1.0 + np.exp(-edge)) for edge in (last.low, last.high)]
        reach = f"No probability can then be below {share[0]:.2f} or above {share[1]:.2f}"
    else:
        classes = found.shape[-1]
        ends = (1.0 if np.isinf(last.high) else float(1.0 / (1.0 + (classes - 1) * np.exp(last.low - last.high))),)
        reach = f"No class can then have a probability above {ends[0]:.2f}"
        if np.isinf(last.high):
            reach = f"No score can then be below {number(last.low)}"
    return f"{what}.", f"Its outputs lie between {number(low)} and {number(high)}. {reach}."


def _of_numbers(fit: Fitted, last: Last) -> tuple[str, str] | None:
    """What is wrong with the output for a target of numbers."""
    rows = fit.train
    if rows is None or rows.classes is not None:
        return None
    if last.only == 1:
        what = "The module ends in a softmax over a single number, which is always 1: its predictions never change."
        return what, "A softmax gives shares that sum to 1."
    y = rows.y
    outside = (y < last.low) | (y > last.high)
    share = float(np.mean(outside.reshape(len(y), -1).any(1)))
    reach = max(float(np.max(last.low - y)), float(np.max(y - last.high)))
    if share < OUTSIDE or not reach > 0.01 * float(np.std(y)):
        return None
    bounds = f"between {number(last.low)} and {number(last.high)}"
    if np.isinf(last.high):
        bounds = f"of {number(last.low)} or more"
    elif np.isinf(last.low):
        bounds = f"of {number(last.high)} or less"
    return (
        f"The module ends in {last.words}, so that it can only predict values {bounds}; the targets go beyond.",
        f"{share:.0%} of the rows have a target outside: the targets go from {number(float(y.min()))} to "
        f"{number(float(y.max()))}.",
    )


def _tried(fit: Fitted, module: nn.Module | None) -> str:
    """What the same steps lead to with another module in the place of the fit's, if that is better; else nothing."""
    if module is None or fit.trace.theta.shape[1] != len(fit.theta) or fit.train is None:
        return ""
    run, now = rerun(fit, wrapped(fit, module, fit.trace.theta[0])), rerun(fit, placed(fit))
    if run is None or (now is not None and not run.value <= BETTER * now.value):
        return ""
    rows = sampled(fit.train, MOST_ROWS).rows
    some = f" on {rows:,} rows" if rows < fit.train.rows else ""
    beside = "where it diverges now" if now is None else f"instead of {number(now.value)}"
    return f"After {run.steps:,} steps{some} the objective is {number(run.value)} {beside}."


def _activated(fit: Fitted, pairs: list[Stacked]) -> str:
    """What the same steps lead to with a ReLU after the first layer of each pair."""
    module = inner_of(fit)
    for pair in pairs:
        name = pair.first
        if not name:
            return ""
        where, _, last = name.rpartition(".")
        # in its place, and not in a copy's: weights that are shared stay so
        setattr(module.get_submodule(where), last, nn.Sequential(module.get_submodule(name), nn.ReLU()))
    return _tried(fit, module)

"""OUTPUT: what a module ends in does not suit its loss or its targets.

It ends in a function that the loss applies itself (a sigmoid before `logistic`, a softmax before `cross_entropy`), that bounds
the scores which a loss of classes expects, or whose range the targets leave; or it gives scores to a loss that expects
logarithms of probabilities (NLLLoss).

What the loss applies is told by its graph, so that functions of one's own are known as well (`applied_by_loss.py`). The range
of an output is what the module gives where its last function is put at its bounds: 100·sigmoid(z) goes to 100.

What helps is mostly no setting of a fit but another module; it is said as lines of code, and tried (`rerun.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest import torch_criteria
from steepest.analysis.checks.applied_by_loss import Applied, applied_by
from steepest.analysis.checks.module_code import before, shown
from steepest.analysis.checks.network_graph import Last, last_of
from steepest.analysis.checks.rerun import graph_at_end, inner_of, tried
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, check
from steepest.errors import SteepestError
from steepest.lazy import Tensor, nn, torch
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import matched
from steepest.text.numbers import number

OUTSIDE = 0.01  # share of the rows whose targets leave the range of the output from which that is said
FAR = 1e30  # what stands for an infinite bound
NLL = frozenset({"NLLLoss"})
SURE = 0.99  # a probability that bounded scores must reach


@dataclass(frozen=True)
class Output:
    """What a module ends in, and what its loss does with that.

    last: the function with bounds that it ends in, if any. low, high: the least and the largest value that it can give.
    inner: the module; objective: the fit's on some rows, at its end. given: the outputs for these rows.
    """

    last: Last | None
    low: float
    high: float
    applied: Applied
    inner: nn.Module
    objective: ModuleObjective
    given: Tensor

    @property
    def shares(self) -> bool:
        """Whether its outputs are shares of classes, which sum to 1."""
        found = self.given
        if found.ndim != 2 or found.shape[1] < 2 or not bool((found >= 0).all()):
            return False
        return torch.allclose(found.sum(1), torch.ones_like(found[:, 0]), rtol=0, atol=1e-4)

    @property
    def logarithms(self) -> bool:
        """Whether its outputs are logarithms of such shares."""
        found = self.given
        return found.ndim == 2 and bool(found.logsumexp(1).abs().max() < 1e-3)


@dataclass(frozen=True)
class Wrong:
    """What is wrong with an output: a sentence, the numbers, what to write instead, and the module that is tried."""

    what: str
    evidence: str
    advice: str
    module: nn.Module | None
    remedy: Mapping[str, Any] = field(default_factory=dict)
    harmless: bool = False
    """Whether it does no harm where another end is no better."""


@check("fit", finds=(Kind.OUTPUT,), needs=(NETWORK,), trials=True)
def output_layer(fit: FittedModule) -> Iterator[Finding]:
    """Whether what the module ends in suits the loss and the targets."""
    output = _output(fit)
    wrong = _of_classes(fit, output) or _of_numbers(fit, output)
    if wrong is None:
        return
    predicted = tried(fit, wrong.module, output.applied != "log-probabilities")
    if predicted or not wrong.harmless:
        yield Finding(
            Kind.OUTPUT, wrong.what, wrong.evidence, wrong.remedy, predicted, of_model=True, advice=wrong.advice
        )


def _output(fit: FittedModule) -> Output:
    objective, graph = graph_at_end(fit)
    y = objective.data[1]
    last = last_of(graph)
    low, high = (-np.inf, np.inf) if last is None else _range(objective, last)
    try:
        applied = applied_by(fit.loss_function, matched(graph.output, y, fit.loss_function), y)
    except (SteepestError, RuntimeError):
        applied = ""
    return Output(last, low, high, applied, inner_of(fit), objective, graph.output.detach())


def _range(objective: ModuleObjective, last: Last) -> tuple[float, float]:
    """The least and the largest value that a module can give, its last function at its bounds."""
    from steepest.analysis.replaced_calls import plain, with_last  # which imports PyTorch

    ends = [float(np.clip(end, -FAR, FAR)) for end in (last.low, last.high)]
    one, other = (with_last(objective.module, objective.data[0], plain(last.name), end) for end in ends)
    if one is None or other is None:  # it is called in a way that cannot be watched
        return last.low, last.high
    low, high = float(torch.minimum(one, other).min()), float(torch.maximum(one, other).max())
    return (-np.inf if low < -np.sqrt(FAR) else low), (np.inf if high > np.sqrt(FAR) else high)


def _of_classes(fit: FittedModule, output: Output) -> Wrong | None:
    """What is wrong with the output for a loss of classes."""
    last, applied, loss = output.last, output.applied, fit.loss_function
    if applied == "log-probabilities":
        return _of_logarithms(fit, output)
    if not applied:
        return None
    if last is None and output.shares:
        last = Last("Softmax", 0.0, 1.0, None)
    if last is None or (applied == "softmax" and (last.name == "LogSoftmax" or output.logarithms)):
        return None  # once more changes nothing
    expected = "log-odds" if applied == "sigmoid" else "scores of any size"
    what = f"The module ends in {last.words}, but the {loss} loss expects {expected}"
    twice = last.name in ("Sigmoid", "Softmax")
    if twice:
        what = f"The module ends in {last.words}, and the {loss} loss applies a {applied} itself: it expects {expected}"
    low, high = (output.low, output.high) if output.last is not None else (0.0, 1.0)
    if applied == "sigmoid":
        ends = [1.0 / (1.0 + np.exp(-edge)) for edge in (low, high)]
        reach = f"No probability can then be below {ends[0]:.2f} or above {ends[1]:.2f}"
        enough = ends[0] < 1.0 - SURE and ends[1] > SURE
    else:
        classes = output.given.shape[-1]
        most = 1.0 if np.isinf(high - low) else float(1.0 / (1.0 + (classes - 1) * np.exp(low - high)))
        enough = most > SURE
        reach = f"No class can then have a probability above {most:.2f}"
        if np.isinf(high):
            reach = f"No score can then be below {number(low)}"
    if enough and np.isfinite(high - low):
        return None
    least, largest = float(output.given.min()), float(output.given.max())
    evidence = f"Its outputs lie between {number(least)} and {number(largest)}. {reach}."
    return Wrong(f"{what}.", evidence, *_ended(output, last), harmless=enough)


def _of_logarithms(fit: FittedModule, output: Output) -> Wrong | None:
    """What is wrong with the output for a loss that expects logarithms of probabilities."""
    from steepest.analysis.replaced_calls import Without, calls  # which imports PyTorch

    if output.logarithms or output.given.ndim != 2:
        return None
    sums = output.given.exp().sum(1)
    ends = f"in {output.last.words}" if output.last is not None else "without a log-softmax"
    evidence = (
        f"The exponentials of a row's outputs sum to {number(float(sums.min()))} to {number(float(sums.max()))}, "
        "and those of logarithms of probabilities to 1: the loss falls without end as the outputs grow."
    )
    inner = output.inner
    softmax = output.last is not None and output.last.name == "Softmax"
    if softmax:
        inner = Without(inner, "softmax", calls(output.objective.module, output.objective.data[0], "softmax"))
    plain_loss = not getattr(getattr(fit.spec, "loss", None), "weight", None)
    remedy = {"loss": "cross_entropy"} if not softmax and plain_loss and torch_criteria.has(fit.spec.loss, NLL) else {}
    return Wrong(
        f"The module ends {ends}, and the {fit.loss_function} loss expects logarithms of probabilities.",
        evidence, "End the module in nn.LogSoftmax(dim=1), or leave it as it is and take nn.CrossEntropyLoss().",
        nn.Sequential(inner, nn.LogSoftmax(dim=1)), remedy,
    )  # fmt: skip


def _of_numbers(fit: FittedModule, output: Output) -> Wrong | None:
    """What is wrong with the output for a target of numbers, or for probabilities."""
    rows, last = fit.train, output.last
    if last is None:
        return None
    if last.only == 1:
        what = "The module ends in a softmax over a single number, which is always 1: its predictions never change."
        advice, module = _ended(output, last)
        if fit.loss_function.takes == "binary":
            advice = (
                "End the module in a sigmoid in the place of the softmax: nn.Sigmoid(), or torch.sigmoid in forward."
            )
            module = None if module is None else nn.Sequential(module, nn.Sigmoid())
        return Wrong(what, "A softmax gives shares that sum to 1.", advice, module)
    y = rows.y
    same = output.given.reshape(len(output.given), -1).shape[1] == y.reshape(len(y), -1).shape[1]
    if rows.classes is not None or not same or _has_link(fit, y):
        return None
    outside = (y < output.low) | (y > output.high)
    share = float(np.mean(outside.reshape(len(y), -1).any(1)))
    reach = max(float(np.max(output.low - y)), float(np.max(y - output.high)))
    if share < OUTSIDE or not reach > 0.01 * float(np.std(y)):
        return None
    bounds = f"between {number(output.low)} and {number(output.high)}"
    if np.isinf(output.high):
        bounds = f"of {number(output.low)} or more"
    elif np.isinf(output.low):
        bounds = f"of {number(output.high)} or less"
    return Wrong(
        f"The module ends in {last.words}, so that it can only predict values {bounds}; the targets go beyond.",
        f"{share:.0%} of the rows have a target outside: the targets go from {number(float(y.min()))} to "
        f"{number(float(y.max()))}.",
        *_ended(output, last),
    )  # fmt: skip


def _has_link(fit: FittedModule, y: np.ndarray) -> bool:
    """Whether a loss of one's own is least elsewhere than where the predictions are the targets."""
    loss = fit.loss_function
    return loss.custom and loss.least_at(torch.as_tensor(y, dtype=torch.float64)) is False


def _ended(output: Output, last: Last) -> tuple[str, nn.Module | None]:
    """How to write the module without its last function, and the module so."""
    from steepest.analysis.replaced_calls import Without, calls, plain  # which imports PyTorch

    module, (x, _) = output.inner, output.objective.data
    line = f"leave {last.words} out of the module's forward"
    layer = last.layer and before(module, last.layer)
    if layer:
        line = f"nn.Sequential(…, {shown(layer)})"
    name = plain(last.name)
    count = calls(output.objective.module, x, name)
    advice = f"End the module in its linear layer, without {last.words}: {line}."
    return advice, Without(copy.deepcopy(module), name, count) if count else None

"""LAGGING: batch normalisation whose running statistics are not those of the rows that it predicts for.

Predictions are made with means and variances that training averages over its steps, by `momentum`. Where that is tiny, or the
steps are few, they are still those of the start. They are taken anew, as plain means over the batches of one pass, and the
rest left as it is: where that alone brings the objective to 0.7 times what it is or less, and by a
twentieth of what the constant model has, the statistics lag behind.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from steepest.analysis.budget import MOST_ROWS
from steepest.analysis.checks.rerun import left_at_end
from steepest.analysis.checks.tiny_batches import BETTER, FEW
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.analysis.what_if import whole_objective
from steepest.data.batching import Batching
from steepest.data.thinning import sampled
from steepest.lazy import nn, torch
from steepest.model.calling import evaluating
from steepest.model.of_fit import module_objective
from steepest.text.numbers import number

LEAST = 0.05  # of the constant model's loss, what lagging behind costs at least
USUAL = 0.1  # PyTorch's own momentum
REACHED = 10.0  # times 1/momentum, the steps after which a running mean has forgotten its start


@check("fit", finds=(Kind.LAGGING,), needs=(NETWORK, WHOLE_TRACE))
def lagging(fit: FittedModule) -> Iterator[Finding]:
    """Whether running statistics lag behind, and what they would be worth."""
    named = [
        (name, part) for name, part in fit.network.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    named = [(name, part) for name, part in named if part.track_running_stats]
    size = Batching.of(fit.spec, fit.train.rows).size
    there = left_at_end(fit) if named and (size is None or size > FEW) else None
    if there is None:
        return
    objective, value = there
    x, _ = objective.data
    module = copy.deepcopy(objective.module)
    layers = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    rows = min(size or len(x), len(x))
    with evaluating(module), torch.no_grad():
        for part in layers:
            part.reset_running_stats()
            part.momentum = None  # the plain mean over batches
            part.train()
        for first in range(0, len(x) - rows + 1, rows):
            module(x[first : first + rows])
    again = whole_objective(module_objective(fit, sampled(fit.train, MOST_ROWS), module=module))
    if not again <= BETTER * value or value - again < LEAST * constant_loss(objective):
        return
    name, layer = named[0]
    momentum = USUAL if layer.momentum is None else float(layer.momentum)
    kind, shown = type(layer).__name__, name.removeprefix("module.")
    slow = momentum < USUAL and fit.steps < REACHED / momentum
    advice = (
        f"Let them follow: nn.{kind}({layer.num_features}, momentum={USUAL}), PyTorch's own." if slow
        else "Fit for more steps, or at a smaller rate or one that falls at the end, so that the averages come to rest."
    )  # fmt: skip
    yield Finding(
        Kind.LAGGING,
        f"The running statistics of {shown!r} lag behind: training saw other means and variances than predictions do.",
        f"momentum={momentum:g}, and {fit.steps:,} steps. With the means and variances of the training rows in their place, and "
        f"nothing else changed, the objective is {number(again)}; it is {number(value)} now.",
        {}, f"An objective near {number(again)}.", float(1.0 - again / value), of_model=True, advice=advice,
    )  # fmt: skip

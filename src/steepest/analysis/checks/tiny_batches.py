"""TINY_BATCHES: batch normalisation by batches of a few rows, whose means and variances are those of no other batch.

In training a layer of BatchNorm takes the mean and variance of its batch; predictions are made with running averages of
them. Of batches of at most 8 rows the two differ widely (Ioffe 2017). Tried are batches of 32 rows, as many epochs and then
four times as many (`rerun.py`); where the objective, as predictions are made, is at least three tenths lower, it is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.rerun import left_at_end, placed, rerun
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import BATCHES, NETWORK, WHOLE_TRACE, check
from steepest.lazy import nn
from steepest.text.numbers import number

FEW, ENOUGH = 8, 32
BETTER = 0.7
TIMES = (1, 4)


@check("fit", finds=(Kind.TINY_BATCHES,), needs=(NETWORK, BATCHES, WHOLE_TRACE), trials=True)
def tiny_batches(fit: FittedModule) -> Iterator[Finding]:
    """Batches too small for BatchNorm, and larger ones."""
    size = fit.spec.batch_size
    if int(size) > FEW or fit.train.rows < 2 * ENOUGH:
        return
    layers = [name for name, part in fit.network.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    there = left_at_end(fit) if layers else None
    if there is None:
        return
    _, value = there
    best = None
    for times in TIMES:
        per_epoch = -(-fit.train.rows // ENOUGH)
        remedy = {"batch_size": ENOUGH} | ({"epochs": times * fit.epochs} if times > 1 else {})
        spec = fit.spec.model_copy(update=remedy)
        run = rerun(replace(fit, spec=spec, steps=times * fit.epochs * per_epoch), placed(fit))
        if run is not None and run.value <= BETTER * (value if best is None else best[1].value):
            best = remedy, run
    if best is None:
        return
    remedy, run = best
    in_batches = float(np.mean(fit.trace.loss[:-1][-20:]))
    yield Finding(
        Kind.TINY_BATCHES,
        f"Batches of {size} rows are too few for {layers[0].removeprefix('module.')!r}: BatchNorm takes a batch's own mean and "
        "variance in training, and predicts with the averages of them.",
        f"As predictions are made the objective is {number(value)}; in the batches it was {number(in_batches)} at the end.",
        remedy, f"After {run.steps:,} steps the objective is {number(run.value)}; it is {number(value)} now.", run.gain(value),
    )  # fmt: skip

"""TARGET_SCALE: a target of numbers so far from what a network starts with that its steps do not get there.

A network starts with outputs of about the size of its inputs, 1 for standardised ones. Where the target's mean or its
deviation is 30 or more, or both a thirtieth or less, and the fit leaves at least a tenth of what the best constant does,
the same steps are made with the standardised target (`rerun.py`). It is found where that leaves at most seven tenths in the
target's own units. An mlp does
it by precondition='standardize'; for another module it is said as lines of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.rerun import MOST_ROWS, Rerun, as_asked, placed, rerun, widths_of
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import NETWORK, NUMBERS, WHOLE_TRACE, check
from steepest.data.thinning import sampled
from steepest.descent.stopping import Status
from steepest.lazy import torch
from steepest.model.calling import evaluating
from steepest.model.objective import matched
from steepest.text.numbers import number

LARGE = 30.0
LEFT, BETTER = 0.1, 0.7


@check("fit", finds=(Kind.TARGET_SCALE,), needs=(NETWORK, NUMBERS, WHOLE_TRACE), trials=True)
def target_scale(fit: FittedModule) -> Iterator[Finding]:
    """A target in other units than the module's outputs, and the fit to the standardised one."""
    data, fit = fit.train, as_asked(fit)
    if not fit.loss_function.units or data.rows < 4:
        return
    mean, spread = data.y.mean(0), data.y.std(0)
    own = bool(widths_of(fit))
    if (own and fit.precondition == "standardize") or not np.all(spread > 0):
        return
    if 1.0 / LARGE <= np.max(np.maximum(abs(mean), spread)) <= LARGE:
        return
    end = placed(fit, np.where(np.isfinite(fit.theta), fit.theta, 0.0))
    constant = constant_loss(end)
    now = float("inf") if fit.status is Status.DIVERGED else float(end.value(end.theta))
    if not now >= LEFT * constant:
        return
    remedy: dict[str, object] = {}
    if own:
        remedy = pinned({"precondition": "standardize"}, fit)
        run = rerun(fit, placed(fit, standardize=True))
        value = float("inf") if run is None else float(run.objective.value(run.objective.theta))
    else:
        run, value = _standardised(fit, mean, spread)
    if run is None or not value <= BETTER * min(now, constant):
        return
    of, by = (number(float(np.ravel(each)[0])) for each in (mean, spread))
    beside = f"it is {number(now)} now" if np.isfinite(now) else "it diverges now"
    yield Finding(
        Kind.TARGET_SCALE,
        f"The target {data.targets[0]!r} is far from what a network gives: its mean is {of} and its standard deviation {by}.",
        f"A network starts with outputs of about size 1, and a step moves them little. The loss that is left, {number(now)}, is "
        f"{now / constant:.0%} of the best constant's."
        if np.isfinite(now)
        else f"A network starts with outputs of about size 1; the best constant has a loss of {number(constant)}.",
        remedy,
        f"After {run.steps:,} steps with the standardised target the loss is {number(value)} in its own units; {beside}.",
        run.gain(1.0) if not np.isfinite(now) else float(np.clip(1.0 - value / now, 0.0, 1.0)),
        advice="" if own else "Fit the standardised target and turn the predictions back: "
        f"st.fit(x, (y {_signed(-_value(mean))}) / {_value(spread):.4g}, …), then "
        f"fit.predict(x) * {_value(spread):.4g} {_signed(_value(mean))}.",
    )  # fmt: skip


def _value(each: np.ndarray) -> float:
    return float(np.ravel(each)[0])


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.6g}"


def _standardised(fit: FittedModule, mean: np.ndarray, spread: np.ndarray) -> tuple[Rerun | None, float]:
    """A descent on the standardised target, and its mean loss in the target's own units."""
    rows = sampled(fit.train, MOST_ROWS)
    other = replace(fit, train=replace(rows, y=(rows.y - mean) / spread))
    run = rerun(other, placed(other))
    if run is None:
        return None, float("inf")
    there = run.objective
    x, y = there.data
    with evaluating(there.module), torch.no_grad():
        given = matched(there.predict(there.theta, x), y, there.loss)
        gain, shift = (torch.as_tensor(each).to(given) for each in (spread, mean))
        return run, float(there.loss.mean(given * gain + shift, y * gain + shift, there.weights))

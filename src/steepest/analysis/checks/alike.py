"""ALIKE: units that start with the same weights and get the same gradients, so that all of a layer do as one.

A start at zero or at one constant makes them so; the weights must differ from the first step on for the units to come to
differ (Goodfellow et al. 2016, §8.4). Looked at are the weight matrices at the start: the rows of one are alike, and so are
those of its gradient (where they are not, a constant start does no harm, as in a last layer that begins at zero). What
parts them is tried (`rerun.py`), and only what lowers the objective by at least a tenth is found: the module's own start in
the place of the numbers given as `init`, or normal draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.rerun import Rerun, left_at_end, placed, rerun
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.errors import SteepestError
from steepest.lazy import Tensor, nn, torch
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective

BETTER = 0.9
NEAR = 1e-9  # largest difference of rows that are alike, beside their largest number
PARTED = 0.05  # and of rows that have stayed so by the end of a descent, whose rounding parts them
GAINS = (1.0, 0.5, 2.0)
"""Standard deviations of the normal draws that are tried, in units of 1/√inputs."""


def rows_of(objective: ModuleObjective, flat: Tensor) -> dict[str, Tensor]:
    """The weight matrices `[units, inputs]` in a vector of parameters or gradients; of a recurrent layer one for each gate."""
    tables = {id(p) for part in objective.module.modules() if isinstance(part, nn.Embedding) for p in part.parameters()}
    gates = {
        id(p): 4 if isinstance(part, nn.LSTM) else 3 if isinstance(part, nn.GRU) else 1
        for part in objective.module.modules()
        if isinstance(part, nn.RNNBase)
        for p in part.parameters()
    }
    named = [(name, p) for name, p in objective.module.named_parameters() if p.requires_grad]
    found = {}
    for (name, parameter), part in zip(named, objective.views(flat), strict=True):
        if part.ndim < 2 or id(parameter) in tables:
            continue
        for place, rows in enumerate(part.flatten(1).chunk(gates.get(id(parameter), 1))):
            if len(rows) > 1:
                found[name.removeprefix("module.") + (f" ({place + 1})" if place else "")] = rows
    return found


def alike(rows: Tensor, near: float = NEAR, least: float = 0.0) -> bool:
    """Whether all rows `[units, inputs]` are the same. least: the difference up to which they are in any case.

    >>> import torch
    >>> alike(torch.ones(3, 2)), alike(torch.eye(2))
    (True, False)
    """
    return bool((rows - rows[0]).abs().max() <= max(near * float(rows.abs().max()), least))


@check("fit", finds=(Kind.ALIKE,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def start_alike(fit: FittedModule) -> Iterator[Finding]:
    """Layers whose units start alike and stay so, and a start that parts them."""
    start = placed(fit)
    weights = rows_of(start, start.theta)
    same = [name for name, rows in weights.items() if alike(rows)]
    if not same:
        return
    _, gradient = start.value_and_grad(start.theta)
    slopes = rows_of(start, gradient)
    least = NEAR * float(gradient.abs().max())  # less than that is rounding
    same = [name for name in same if alike(slopes[name], least=least)]
    there = left_at_end(fit) if same else None
    if there is None:
        return
    ended, value = there
    best = min(_tried(fit, weights), key=lambda one: one[1].value, default=None)
    if best is None or not best[1].value <= BETTER * value:
        return
    remedy, run = best
    name, units = same[0], len(weights[same[0]])
    first = weights[name].flatten()
    start_is = f"all {first[0]:.3g}" if bool((first == first[0]).all()) else "the same in each row"
    stayed = sum(alike(rows_of(ended, ended.theta)[name], PARTED) for name in same)
    yield Finding(
        Kind.ALIKE,
        f"The {units} units of {name!r} start alike and get the same gradients: together they do what one unit does.",
        f"At the start their weights are {start_is}, and so are the rows of its gradient; at the end the rows of {stayed} of "
        f"{len(same)} such layers are still the same.",
        remedy,
        f"After {run.steps:,} steps the objective is {run.value:.3g}; it is {value:.3g} now.", run.gain(value),
        advice="Weights that begin as PyTorch draws them differ from unit to unit: leave out nn.init.zeros_, ones_ and "
        "constant_ (biases may begin at 0), or draw them, as nn.init.xavier_uniform_(layer.weight) does.",
    )  # fmt: skip


def _tried(fit: FittedModule, weights: dict[str, Tensor]) -> Iterator[tuple[dict[str, Any], Rerun]]:
    """Starts whose units differ, and what each gave."""
    starts = {} if isinstance(fit.spec.init, str) else {"zeros": _own_start(fit)}
    inputs = float(np.median([rows.shape[1] for rows in weights.values()]))
    for gain in GAINS if starts.get("zeros") is None else ():
        init = f"normal:{gain / np.sqrt(inputs):.2g}"
        starts[init] = modules.start(init, tuple(fit.names), fit.spec.seed)
    for init, theta in starts.items():
        run = None if theta is None else rerun(fit, placed(fit, theta))
        if run is not None:
            yield {"init": init}, run


def _own_start(fit: FittedModule) -> np.ndarray | None:
    """Where the module starts by itself; None where its units are alike there, too, or it cannot be made again."""
    outputs = 1 if fit.train.y.ndim == 1 else fit.train.y.shape[1]
    outputs = len(fit.train.classes) if fit.train.classes is not None and fit.loss_function.coupled else outputs
    try:
        module = modules.module(fit.spec.model, fit.train.x.shape[1], outputs, fit.spec.seed)
    except SteepestError:
        return None
    own = [] if module is None else [p.detach().reshape(-1) for p in module.parameters() if p.requires_grad]
    theta = torch.cat(own).double().numpy() if own else np.zeros(0)
    if len(theta) != len(fit.theta):
        return None
    objective = placed(fit, theta)
    return None if any(alike(rows) for rows in rows_of(objective, objective.theta).values()) else theta

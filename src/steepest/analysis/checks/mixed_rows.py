"""MIXED: a module whose answer for a row depends on which other rows are in its batch.

It is told by what it does: eight rows are given behind eight others, and behind yet others, in evaluation mode. Where what it
says of the eight differs, something in `forward` is taken along the first axis, that of the rows: a softmax or a mean over
dim 0, a recurrent layer that takes the first axis for time (`batch_first=False`), a reshape that deals numbers to other rows. A
module that says something else at each call is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.network_graph import kind_of, nodes_of
from steepest.analysis.checks.rerun import inner_of, tried, wrapped
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, check
from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import evaluating
from steepest.text.numbers import number

FEW = 8
APART = 1e-3  # share of what answers differ by among one another that other rows may change them by


def change(module: nn.Module, x: Tensor) -> float:
    """By how much the answers for eight rows change with the rows before them, as a share of how they differ; 0 if it is random.

    >>> x = torch.linspace(-1.0, 1.0, 72).double().reshape(24, 3)
    >>> layers = [nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim)).double() for dim in (1, 0)]
    >>> [change(layer, x) > APART for layer in layers]
    [False, True]
    """
    mine, beside, others = x[:FEW], x[FEW : 2 * FEW], x[2 * FEW : 3 * FEW]
    with evaluating(module), torch.no_grad():
        here, again, there = (module(torch.cat([more, mine]))[FEW:] for more in (beside, beside, others))
    if here.shape != there.shape or not torch.equal(here, again) or not bool(torch.isfinite(here).all()):
        return 0.0
    size = max(float(here.double().std(0).mean()), 1e-6 * float(here.abs().max()))
    return float((here - there).double().abs().max()) / max(size, 1e-300)


@check("fit", finds=(Kind.MIXED,), needs=(NETWORK,), trials=True)
def mixed(fit: FittedModule) -> Iterator[Finding]:
    """Whether rows of a batch see one another, and what lets them."""
    objective = wrapped(fit, inner_of(fit), fit.theta if np.isfinite(fit.theta).all() else None)
    x, _ = objective.data
    if len(x) < 3 * FEW:
        return
    found = change(objective.module, x)
    if not found > APART:
        return
    why, advice, mended = cause(inner_of(fit), objective.module, x)
    yield Finding(
        Kind.MIXED, "What the module says of a row depends on the other rows of its batch.",
        f"With {FEW} other rows before them its answers for the same {FEW} rows change by up to {number(found)} times what these "
        f"answers differ by. {why}",
        {}, tried(fit, mended), 1.0, of_model=True, advice=advice,
    )  # fmt: skip


def cause(module: nn.Module, whole: nn.Module, x: Tensor) -> tuple[str, str, nn.Module | None]:
    """What takes rows together, what to write in its place, and the module so changed where that can be done to it."""
    turned = [(name, part) for name, part in module.named_modules() if getattr(part, "batch_first", None) is False]
    if turned:
        name, part = turned[0]
        kind = type(part).__name__
        for _, each in turned:
            each.batch_first = True  # pyrefly: ignore[bad-argument-type]
        why = f"Layer {name!r}, {kind}(…, batch_first=False), takes the first axis for time, and that is the one of the rows."
        return why, f"Give it batch_first=True: self.{name} = nn.{kind}(…, batch_first=True).", module
    with evaluating(whole), torch.enable_grad():
        nodes = [node for node in nodes_of(whole(x[: 3 * FEW])) if kind_of(node) in ("Softmax", "LogSoftmax")]
    if any(getattr(node, "_saved_dim", 1) == 0 for node in nodes):
        return "A softmax is over dim=0, that is over rows.", "Take it over the classes of a row, with dim=1.", None
    return "", (
        "Look in forward for what is taken along the first axis, that of the rows: mean(0), softmax(dim=0), view or reshape that "
        "do not keep x.shape[0] first. Take it along another one, as dim=1."
    ), None  # fmt: skip

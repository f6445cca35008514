"""What a module's descent was like before any trial of it: the order of its rows, and whether its rate is a usual one."""

from __future__ import annotations

import numpy as np

from steepest.analysis.trials import Trials
from steepest.data.wording import called
from steepest.descent import torch_rules

USUAL_SCALED, USUAL_PLAIN = 5e-4, 5e-3
"""Rates from which it is usual to fit a network: of rules whose steps are about lr long, and of all others by lr/(1 − β)."""


def order_of(trials: Trials) -> float:
    """How far the target of a row tells that of the row a batch later: a correlation; of classes by one that is told."""
    rows, lag = trials.fit.train, trials.descent.size or 1
    assert rows is not None
    target = np.asarray(rows.y, dtype=np.float64).reshape(rows.rows, -1)[:, 0]
    if rows.classes is not None:
        values, counts = np.unique(target, return_counts=True)
        target = (target == values[counts.argmax()]).astype(np.float64)
    if len(target) <= 2 * lag or not target.std() > 0.0:
        return 0.0
    before, after = target[:-lag], target[lag:]
    if not before.std() > 0.0 or not after.std() > 0.0:
        return 1.0
    return float(np.corrcoef(before, after)[0, 1])


def usual(trials: Trials) -> bool:
    """Whether networks are usually fitted at such a rate or a higher one."""
    rule = torch_rules.rule(trials.descent.rule).innermost
    if not isinstance(rule, torch_rules.Elementwise):
        plain = "SGD" in called(getattr(rule, "optimizer", rule))
        return trials.descent.lr >= (USUAL_PLAIN if plain else USUAL_SCALED)
    if rule.kind.moves_by_lr:
        return trials.descent.lr >= USUAL_SCALED
    return trials.descent.lr / (1.0 - rule.momentum) >= USUAL_PLAIN

"""Why a fit is not where it should be: every check is asked, and what they say is ranked.

    diagnose(fit)     checks of the data, of the descent and of the model
    foresee(problem)  checks of the data alone, before any fit

A check is a function in a file of `checks/` that says when it is asked.

    @check("table", "fit", finds=(Kind.MISSING_CODE,), needs=(COLUMNS,))
    def missing_code(given: Prepared) -> Iterator[Finding]: ...

    table      before any fit, of a `Prepared`
    fit        of a finished fit, a `Fitted`
    descent    of a descent that did not reach its known optimum: (descent, fit, need), need being the share of the gap that a
               remedy must win

It also says which kinds it finds and what it needs to see them, by which `Findings.looked_at` says what was looked at; and
with `trials=True` that it makes descents of its own. Such checks are asked last, causes before what they explain, where they
can find anything that is not explained already, and all of them spend one budget (`budget.py`).

What keeps the descent from its optimum comes first, by how much of the gap it explains; then what is wrong with the
model, by how much of the loss. Where two findings are one and the same trouble (a rate is too low *because* the columns
are on different scales), the cause stays and its consequence goes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from steepest.analysis import checks
from steepest.analysis.budget import shared
from steepest.analysis.checks.recorded_signs import with_recorded
from steepest.analysis.finding import Finding, Findings, Fitted, Kind, Prepared
from steepest.analysis.formula_remedy import in_formula
from steepest.analysis.needs import CHECKS, SIGNS, Check, Sign, When, told
from steepest.errors import SteepestWarning

FIRST = frozenset(
    (
        Kind.MISSING_CODE, Kind.SPELLINGS, Kind.CODED, Kind.OUTPUT, Kind.NUMBERS, Kind.CLASSES, Kind.MEDIAN, Kind.LABELS,
        Kind.ONE_HOT, Kind.SHARED_ROWS, Kind.LEAK, Kind.HEAVY_TAIL, Kind.OVERFLOW,
        Kind.BROADCAST, Kind.TARGET_SCALE, Kind.ALIKE, Kind.REGULARIZED, Kind.MIXED, Kind.STILL, Kind.LAGGING,
        Kind.INVERTED, Kind.EXPOSED, Kind.LARGE,
    )
)  # fmt: skip
"""What is said before anything else: other values, another loss or another output make it another problem."""

ANOTHER = (
    Kind.INVERTED,
    Kind.NUMBERS,
    Kind.CLASSES,
    Kind.ONE_HOT,
    Kind.LABELS,
    Kind.LEAK,
    Kind.HEAVY_TAIL,
    Kind.OVERFLOW,
    Kind.EXPOSED,
)
"""Those of them whose remedy is another target, loss, other columns or weights: with the problem its other findings go."""

OF_THE_PROBLEM = frozenset(
    (
        Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS, Kind.DECAY, Kind.NOISE, Kind.KINK, Kind.TOLERANCE,
        Kind.PATIENCE, Kind.FLOAT32, Kind.SEPARABLE, Kind.VANISHING, Kind.OUTLIERS, Kind.CURVATURE, Kind.INTERCEPT,
        Kind.LOG_TARGET, Kind.OVERFITTING, Kind.IMBALANCED, Kind.SPREAD, Kind.OVERDISPERSED, Kind.BOUND, Kind.AVERAGED,
        Kind.DECAYED, Kind.BASIN,
    )
)  # fmt: skip
"""What is found of one problem and may not be of another."""

ALONE = frozenset(
    (
        Kind.MISSING_CODE, Kind.SEPARABLE, Kind.OUTPUT, Kind.UNACTIVATED, Kind.BROADCAST, Kind.REGULARIZED, Kind.TARGET_SCALE,
        Kind.MIXED, Kind.STILL, Kind.LAGGING, Kind.LARGE, *ANOTHER,
    )
)  # fmt: skip
"""Findings of the model that have consequences for the descent."""

OF_A_MODULE = frozenset(
    (
        Kind.TOO_FEW_STEPS, Kind.RATE_TOO_LOW, Kind.RATE_TOO_HIGH, Kind.NOISE, Kind.KINK, Kind.VANISHING, Kind.DEAD_UNITS,
        Kind.SATURATED, Kind.SCALES, Kind.TINY_BATCHES, Kind.DECAY,
    )
)  # fmt: skip
"""What a module built or started wrongly brings with it."""

OF_A_DESCENT = frozenset(
    (
        Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS, Kind.SCALES, Kind.COLLINEAR, Kind.DECAY, Kind.NOISE,
        Kind.KINK, Kind.MOMENTUM, Kind.TOLERANCE, Kind.CLIPPED,
    )
)  # fmt: skip
"""What a descent seems to be at fault for that arrived somewhere else."""

CONSEQUENCES: Mapping[Kind, frozenset[Kind]] = {
    **dict.fromkeys(ANOTHER, OF_THE_PROBLEM),
    Kind.INVERTED: OF_THE_PROBLEM | {Kind.HEAVY_TAIL, Kind.HEAVY_ROWS},
    Kind.MISSING_CODE: frozenset({Kind.SCALES, Kind.COLLINEAR}),
    Kind.BROADCAST: OF_A_MODULE | {Kind.ALIKE, Kind.TARGET_SCALE},
    Kind.MIXED: OF_A_MODULE | {Kind.TARGET_SCALE, Kind.ALIKE, Kind.REGULARIZED},
    Kind.STILL: OF_A_MODULE | {Kind.ALIKE, Kind.REGULARIZED},
    Kind.LAGGING: OF_A_MODULE | {Kind.REGULARIZED},
    Kind.LARGE: OF_A_MODULE | {Kind.OVERFITTING, Kind.REGULARIZED},
    Kind.OUTPUT: OF_A_MODULE | {Kind.TARGET_SCALE, Kind.ALIKE},
    Kind.TARGET_SCALE: OF_A_MODULE,
    Kind.ALIKE: OF_A_MODULE,
    Kind.UNACTIVATED: OF_A_MODULE - {Kind.RATE_TOO_HIGH},
    Kind.REGULARIZED: OF_A_MODULE | {Kind.OVERFITTING},
    Kind.VANISHING: frozenset({Kind.SATURATED, Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS, Kind.NOISE}),
    Kind.SATURATED: frozenset({Kind.RATE_TOO_LOW, Kind.RATE_TOO_HIGH, Kind.TOO_FEW_STEPS, Kind.NOISE}),
    Kind.TINY_BATCHES: frozenset({Kind.RATE_TOO_LOW, Kind.RATE_TOO_HIGH, Kind.NOISE, Kind.TOO_FEW_STEPS}),
    Kind.SEPARABLE: frozenset({Kind.TOO_FEW_STEPS, Kind.RATE_TOO_LOW, Kind.DECAY, Kind.SCALES, Kind.COLLINEAR}),
    Kind.FLOAT32: frozenset({Kind.RATE_TOO_LOW, Kind.SCALES, Kind.COLLINEAR, Kind.DECAY}),
    Kind.AVERAGED: OF_A_DESCENT,
    Kind.DECAYED: OF_A_DESCENT,
    Kind.BASIN: OF_A_DESCENT,
    Kind.CLIPPED: frozenset({Kind.RATE_TOO_LOW, Kind.SCALES, Kind.COLLINEAR, Kind.KINK, Kind.NOISE}),
    Kind.SORTED: frozenset({Kind.NOISE, Kind.RATE_TOO_HIGH, Kind.MOMENTUM}),
    Kind.MOMENTUM: frozenset(
        {
            Kind.RATE_TOO_HIGH,
            Kind.RATE_TOO_LOW,
            Kind.SCALES,
            Kind.COLLINEAR,
            Kind.DECAY,
            Kind.NOISE,
            Kind.KINK,
            Kind.DEAD_UNITS,
        }
    ),
    Kind.TOLERANCE: frozenset({Kind.SCALES, Kind.COLLINEAR, Kind.RATE_TOO_LOW}),
    Kind.COLLINEAR: frozenset({Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.SCALES, Kind.DECAY}),
    Kind.SCALES: frozenset(
        {Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS, Kind.DECAY, Kind.NOISE, Kind.KINK}
    ),
    Kind.DECAY: frozenset({Kind.RATE_TOO_LOW}),
    Kind.RATE_TOO_HIGH: frozenset({Kind.NOISE, Kind.KINK}),
    Kind.NOISE: frozenset({Kind.DEAD_UNITS}),
}
"""Cause → what it brings with it, so that it is not said as well; first those that are nobody's consequence. Findings of
the model are neither, except beside another problem."""


@cache
def checks_of(when: When) -> tuple[Check, ...]:
    """All checks that are asked then, those of every file of `checks/`."""
    for module in iter_modules(checks.__path__):
        import_module(f"{checks.__name__}.{module.name}")
    return tuple(sorted(CHECKS[when], key=_place))


def _place(check: Check) -> tuple[bool, int]:
    """Checks without trials come first, then causes before what they explain."""
    sign, causes = SIGNS[check], list(CONSEQUENCES)
    last = max(causes.index(kind) if kind in causes else len(causes) for kind in sign.finds)
    return sign.trials, last if sign.trials else 0


def diagnose(fit: Fitted) -> Findings:
    """What is wrong with a finished fit, the most important first; nothing where it is healthy."""
    found: list[Finding] = []
    with shared() as budget:
        for each in checks_of("fit"):
            sign = SIGNS.get(each, Sign(tuple(Kind)))
            budget.asked = frozenset(sign.finds) - (explained(found) if sign.trials else frozenset())
            if budget.asked:
                found += _said(each, fit)
    missed = budget.missed - {finding.kind for finding in found}
    kept = ranked(found)
    told = tuple(with_recorded(finding, fit) for finding in kept.found)
    return replace(kept, found=told, looked_at=looked_at(fit, "fit", "descent", missed=missed))


def foresee(given: Prepared) -> Findings:
    """What will be hard about a table, before any fit."""
    found = ranked([finding for each in checks_of("table") for finding in _said(each, given)])
    return replace(found, looked_at=looked_at(given, "table"))


def looked_at(given: Any, *when: When, missed: Set[Kind] = frozenset()) -> str:
    """Which signs the checks that are asked then can see, and which they cannot or have missed, in words."""
    return told(given, [SIGNS[each] for one in when for each in checks_of(one) if each in SIGNS], missed)


def _said(check: Check, given: Any) -> list[Finding]:
    """What a check says. One that fails costs its own finding only: hours of descent may wait to be shown."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # where a descent ended far out
            return [in_formula(finding, given) for finding in check(given)]
    except Exception as error:  # whatever it is, it is shown as a warning
        name = getattr(check, "__name__", "?")
        what = f"A part of the diagnosis ({name}) failed: {type(error).__name__}: {error}"
        warnings.warn(what, SteepestWarning, stacklevel=3)
        return []


def explained(found: list[Finding]) -> frozenset[Kind]:
    """The kinds that would go as consequences of what is found."""
    kept = ranked(found)
    return frozenset(kind for cause, gone in CONSEQUENCES.items() if _is_found(cause, kept) for kind in gone)


def _is_found(cause: Kind, found: Iterable[Finding]) -> bool:
    return any(finding.kind is cause and (not finding.of_model or cause in ALONE) for finding in found)


def ranked(found: list[Finding]) -> Findings:
    """Findings in order: the descent's before the model's, each by its share, ties as in `Kind`; without consequences.

    First of all stands what makes it another problem.
    """
    order, kept = list(Kind), list(found)
    for cause, gone in CONSEQUENCES.items():  # one that is gone already takes nothing away
        if _is_found(cause, kept):
            stays = cause not in (*ANOTHER, Kind.REGULARIZED)  # what fits too little does not fit too much
            kept = [finding for finding in kept if (finding.of_model and stays) or finding.kind not in gone]
    kept.sort(key=lambda one: (one.kind not in FIRST, one.of_model, -round(one.share, 2), order.index(one.kind)))
    return Findings(tuple(kept))

"""A remedy is tried before it is shown: the fit is made again with it, where that costs no more than the fit did.

    diagnosed(fit)    its diagnosis, with what came of the remedies that were tried

A cost is counted in rows that the steps go over, so that the same fit is always told the same. It is tried what no theory
tells: the remedies of a module's findings, and any whose prediction is left empty. Of more than 2,000 rows an even sample is
taken, on which the fit as it was is made again as well.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Finding, Findings
from steepest.analysis.fit_settings import rule_of
from steepest.analysis.what_if import is_ours
from steepest.data.batching import Batching
from steepest.data.thinning import sampled
from steepest.descent.stopping import Status
from steepest.errors import SteepestError
from steepest.fitting import run
from steepest.result import Fit
from steepest.settings import Spec
from steepest.settings_table import those
from steepest.text.numbers import number

MOST_ROWS = 2_000
TRACE = 1_000_000  # bytes of the trace of a trial

SAME_OBJECTIVE = frozenset(those(lambda setting: not setting.fitted)) - {"loss", "validation"} | {"model"}
"""Settings that leave the objective the same function of the predictions, so that its value before and after can be compared."""

HELD_OUT = SAME_OBJECTIVE | {"penalty", "validation"}
"""Settings under which the loss on held-out rows can still be compared."""


def diagnosed(fit: Fit) -> Findings:
    """What is wrong with a finished fit, its remedies tried as long as all trials together cost no more than the fit did."""
    found = diagnose(fit)
    if fit.train is None or fit.spec.validation is not None or not is_ours(fit, rule_of(fit), fit.train.rows):
        return found
    left, kept = cost_of(fit.spec, fit.train.rows, fit.steps), []
    for finding in found:
        again = Spec.read({**given(fit.spec), **finding.remedy}) if _is_wanted(fit, finding) else None
        rows = min(fit.train.rows, MOST_ROWS)
        needed = np.inf if again is None else cost_of(again, rows) + (rows < fit.train.rows) * cost_of(fit.spec, rows)
        if again is not None and needed <= left:
            left -= needed
            finding = replace(finding, tried=_tried(fit, again, finding.of_model))
        kept.append(finding)
    return replace(found, found=tuple(kept))


def given(spec: Spec) -> dict[str, Any]:
    """The settings of a fit that are not left at their defaults."""
    return {name: getattr(spec, name) for name in spec.model_fields_set}


def cost_of(spec: Spec, rows: int, steps: int | None = None) -> float:
    """How many rows the steps of a fit go over. steps: those that were made; None: all that may be."""
    batching = Batching.of(spec, rows)
    made = batching.steps if steps is None else steps
    return np.inf if made is None else float(made * (batching.size or rows))


def _is_wanted(fit: Fit, finding: Finding) -> bool:
    """Whether a remedy is settings whose outcome no theory tells, and can be compared with what is."""
    if not finding.remedy or (fit.network is None and finding.predicted):
        return False
    return set(finding.remedy) <= (HELD_OUT if finding.of_model and fit.test is not None else SAME_OBJECTIVE)


def _tried(fit: Fit, again: Spec, of_model: bool) -> str:
    """What came of a remedy, beside the fit as it was, in words; "" where it is refused."""
    assert fit.train is not None
    train, test = sampled(fit.train, MOST_ROWS), None if fit.test is None else sampled(fit.test, MOST_ROWS)
    held_out = of_model and test is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before = fit if train is fit.train else run(fit.spec, train, test, budget=TRACE)
            after = run(again, train, test, budget=TRACE)
            values = [_value(one, held_out) for one in (before, after)]
    except SteepestError:
        return ""
    what = "held-out loss" if held_out else "objective"
    words = " → ".join("diverged" if np.isinf(value) else number(value) for value in values)
    better = "" if values[1] < values[0] else ", no better"
    return f"on {train.rows:,} rows: {what} {words}{better}"


def _value(fit: Fit, held_out: bool) -> float:
    """What a fit is compared by; infinite where it diverged."""
    value = fit.test_loss if held_out else fit.objective_value
    return (
        float(value) if fit.status is not Status.DIVERGED and value is not None and np.isfinite(value) else float("inf")
    )

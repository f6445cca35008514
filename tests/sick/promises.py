"""What a finding predicts, held against the fit that was treated: every number that it states, where it can be measured.

    The gap is closed after about N steps.            it is, after at most 2·N + 5 steps
    The relative gap is about X after …               at most 3·X
    … an objective of X; a held-out loss of X         at most a tenth above X, or a tenth of the way short of it
    R² at the optimum rises from A to B, or is B      at most 0.02 below B
    the residual standard deviation falls from A to B at most a tenth above B, over the rows that are not in the finding
    … a finite minimum with a loss of X               at most a tenth above X
    the accuracy is A%                                at most 2 percentage points below A

A fit that is better than predicted keeps the promise too.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from steepest.analysis.finding import Finding
from steepest.model.prediction import outputs

NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"


def _stated(pattern: str, text: str) -> list[float]:
    found = re.search(pattern.replace("#", NUMBER), text)
    return [] if found is None else [float(number.replace(",", "")) for number in found.groups()]


def broken(finding: Finding, sick: Any, again: Any, closed: float) -> str:
    """Which of the numbers that a finding predicts the treated fit does not keep, in words; "" if it keeps them all."""
    text = finding.predicted
    if steps := _stated(r"closed after about # step", text):
        took = _steps_to_close(again, closed)
        return "" if took <= 2 * steps[0] + 5 else f"closed after {took} steps; {steps[0]:.0f} were predicted"
    if gap := _stated(r"relative gap is about # after", text):
        return (
            "" if again.relative_gap <= 3 * gap[0] else f"relative gap {again.relative_gap:.1e}; predicted {gap[0]:.1e}"
        )
    if "gap is closed" in text:
        return (
            ""
            if again.relative_gap <= closed
            else f"predicted to be closed, the relative gap is {again.relative_gap:.1e}"
        )
    if stated := _stated(r"[Oo]bjective (?:of about|is) #", text.replace("the objective", "objective")):
        return _no_more("objective", again.objective_value, stated[0], sick.objective_value)
    if stated := _stated(r"held-out loss of # instead", text):
        return _no_more("held-out loss", again.test_loss, stated[0], sick.test_loss)
    if stated := _stated(r"loss of #, no coefficient", text):
        return _no_more("loss", again.loss, stated[0], stated[0])
    if stated := _stated(r"R² at the optimum (?:rises from [-\d.]+ to|is) #", text):
        r2 = again.metrics["train"]["r2"]
        return "" if r2 >= stated[0] - 0.02 else f"R² {r2:.3f}; predicted {stated[0]:.3f}"
    if stated := _stated(r"accuracy (?:is|rises from [\d.]+% to) #%", text):
        accuracy = 100 * again.metrics["train"]["accuracy"]
        return "" if accuracy >= stated[0] - 2 else f"accuracy {accuracy:.1f}%; predicted {stated[0]:.1f}%"
    if stated := _stated(r"falls from # to #", text):
        spread = _spread(again, finding.rows)
        return "" if spread <= 1.1 * stated[1] else f"standard deviation {spread:.4g}; predicted {stated[1]:.4g}"
    return ""


def _no_more(what: str, value: float, predicted: float, before: float) -> str:
    most = predicted + 0.1 * max(abs(predicted), before - predicted)
    return "" if value <= most else f"{what} {value:.4g}; predicted {predicted:.4g}"


def _steps_to_close(fit: Any, closed: float) -> int:
    """The first recorded step at which the relative gap is closed; as many as there are and one more if none."""
    best = fit.objective_value - fit.gap
    gaps = (fit.trace.objective - best) / max(best, 1e-12 * float(fit.trace.objective[0]))
    at = np.flatnonzero(gaps <= closed)
    return int(fit.trace.step[at[0]]) if len(at) else fit.steps + 1


def _spread(fit: Any, apart: tuple[int, ...]) -> float:
    """Residual standard deviation, with n − p degrees of freedom, over the rows that are not `apart`."""
    others = np.setdiff1d(np.arange(fit.train.rows), apart)
    residual = (fit.train.y - outputs(fit, fit.train.x, fit.theta))[others]
    return float(np.sqrt((residual**2).sum() / max(len(others) - len(fit.theta), 1)))

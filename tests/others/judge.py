"""A case is fitted, diagnosed, treated as printed and judged; its twin is fitted, diagnosed and held against a constant.

    first    the first finding has one of the case's codes
    named    some finding has
    cured    that finding's remedy, as its text says it, brings the score four fifths of the way to the twin's; where it
             has no remedy in settings, its advice says what the case asks for
    true     how many of the sick fit's findings have one of the case's codes, or one of those that are true of it too
    quiet    the twin has no finding
    trains   the twin's score is at most nine tenths of that of a constant answer, and of that of the sick fit
    soon     the diagnosis took at most twice the fit, or a second

The way goes from the sick fit's score, or from that of the constant answer where the sick fit is worse. Seconds are those
of the processor, so that other people's work on the machine is not counted.
"""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

import steepest as st
from others.case import Case
from sick.case import Given
from sick.examine import treated
from steepest.analysis.finding import Finding, Findings
from steepest.errors import SteepestError

FAR_ENOUGH = 0.8
CLEARLY = 0.9

Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome:
    """What became of a case with one seed. why: how a cure was judged, in words and numbers.

    found, twin: the findings of each as (code, what) pairs. remedy: the text of the named finding's remedy or advice.
    scores: of the sick fit, of the twin and of a constant answer. seconds: of the sick fit, and of its diagnosis.
    failed: what the diagnosis warned of. error: why there is no outcome.
    """

    name: str
    kind: str
    seed: int
    found: tuple[tuple[str, str], ...] = ()
    twin: tuple[tuple[str, str], ...] = ()
    first: bool = False
    named: bool = False
    cured: bool = False
    why: str = ""
    remedy: str = ""
    true: int = 0
    trains: bool = False
    scores: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    seconds: tuple[float, float] = (0.0, 0.0)
    failed: tuple[str, ...] = ()
    error: str = ""

    @property
    def quiet(self) -> bool:
        """Whether the twin was looked at and has no finding."""
        return not self.error and not self.twin

    @property
    def soon(self) -> bool:
        """Whether the diagnosis took at most twice the fit, or a second."""
        fit, diagnosis = self.seconds
        return not self.error and diagnosis <= max(2 * fit, 1.0)


class Averaged:
    """A fit whose answers are all the same: the mean of its answers, or the most frequent label."""

    def __init__(self, fit: Any):
        self._fit = fit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fit, name)

    def predict(self, x: Any) -> np.ndarray:
        return self._same(self._fit.predict(x))

    def predict_proba(self, x: Any) -> np.ndarray:
        return self._same(self._fit.predict_proba(x))

    def decision(self, x: Any) -> np.ndarray:
        return self._same(self._fit.decision(x))

    @staticmethod
    def _same(answers: Any) -> np.ndarray:
        answers = np.asarray(answers)
        if answers.dtype.kind == "f":
            return np.broadcast_to(answers.mean(0), answers.shape).copy()
        values, counts = np.unique(answers, return_counts=True)
        return np.full_like(answers, values[counts.argmax()])


def examined(case: Case, seed: int) -> Outcome:
    """Fit, diagnose, treat, judge. A fit that is refused is an error of the case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _examined(case, seed)
        except SteepestError as error:
            return Outcome(case.name, case.kind, seed, error=f"{type(error).__name__}: {error}")


def _examined(case: Case, seed: int) -> Outcome:
    pair = case.make(seed)
    sick, fit_seconds = _timed(lambda: fitted(pair.sick))
    (found, failed), seconds = _timed(lambda: diagnosed(sick))
    twin = fitted(pair.twin)
    twin_found, twin_failed = diagnosed(twin)
    constant = pair.constant if pair.constant is not None else pair.scored(Averaged(twin))
    scores = pair.scored(sick), pair.scored(twin), constant
    named = next((finding for finding in found if finding.code in case.codes), None)
    cured, why = (False, "the cause was not found") if named is None else _cured(case, seed, named, scores)
    return Outcome(
        name=case.name,
        kind=case.kind,
        seed=seed,
        found=tuple((finding.code, finding.what) for finding in found),
        twin=tuple((finding.code, finding.what) for finding in twin_found),
        first=bool(found) and found[0].code in case.codes,
        named=named is not None,
        cured=cured,
        why=why,
        remedy="" if named is None else named.python or named.advice,
        true=sum(finding.code in {*case.codes, *case.also} for finding in found),
        trains=scores[1] <= CLEARLY * min(scores[0], constant),
        scores=scores,
        seconds=(fit_seconds, seconds),
        failed=(*failed, *twin_failed),
    )


def fitted(given: Given) -> Any:
    """The fit of what is given."""
    return st.fit(**given.data, **given.settings)


def diagnosed(fit: Any) -> tuple[Findings, list[str]]:
    """The findings, and the parts of the diagnosis that failed, in the words of their warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fit.diagnose()
    return found, [str(one.message) for one in caught if "part of the diagnosis" in str(one.message)]


def _cured(case: Case, seed: int, finding: Finding, scores: tuple[float, float, float]) -> tuple[bool, str]:
    """Whether the remedy as printed cures, and how that was seen."""
    if not finding.remedy:
        said = bool(case.advice) and re.search(case.advice, finding.advice) is not None
        return said, f"the advice {'says' if said else 'does not say'} {case.advice!r}" if case.advice else "no remedy"
    pair = case.make(seed)
    try:
        again = fitted(treated(pair.sick, finding))
    except SteepestError as error:
        return False, f"the remedy is refused: {error}"
    return far_enough(pair.scored(again), scores)


def far_enough(again: float, scores: tuple[float, float, float]) -> tuple[bool, str]:
    """Whether a score came far enough from the sick fit's (or the constant answer's, if that is better) to the twin's."""
    sick, twin, constant = scores
    most = twin + (1 - FAR_ENOUGH) * max(min(sick, constant) - twin, 0.0)
    return again <= most, f"score {again:.4g}, before {sick:.4g}, the twin's {twin:.4g}, a constant's {constant:.4g}"


def _timed(work: Callable[[], Value]) -> tuple[Value, float]:
    """What comes of it, and the seconds of the processor that it took."""
    began = time.process_time()
    return work(), time.process_time() - began

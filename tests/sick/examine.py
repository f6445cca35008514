"""Every sick fit is fitted, diagnosed, treated as printed and judged; its twin is fitted and diagnosed.

    first   the planted cause is the first finding
    cured   the fit again, with the remedy as its text says it: the finding is gone, and what it promised is there
    quiet   the healthy twin has no finding

Cured, by what there is to go by (*before* is the smaller of the gaps at the sick fit's start and at its end):

    a gap, full batch, smooth loss     it is closed, or at most a thousandth of before
    a gap, minibatches or a kink       it is closed, or at most a tenth of before
    a module without a gap             its objective comes nine tenths of the way down to the twin's, or below it
    a column to drop                   the objective is no larger
    outliers, heavy rows               its predictions are at most half as far from the twin's
    a bend, a missing intercept, an exposure    its loss comes nine tenths of the way down to the twin's
    classes written as numbers, codes for missing values, levels in two spellings
                                       its predictions are the twin's, whose table is written well
    a target that wants a log          its parameters are those of a fit to the log of the target
    overfitting                        its held-out loss is at least a tenth smaller
    too few rows                       its loss on the twin's rows, none of which it has seen, is smaller; at most a
                                       quarter larger where the finding predicts one answer and no smaller loss
    separable classes                  the optimum is finite, and the gap closed
    imbalanced classes                 at least half of the rarest class is recognised

and every number that the finding predicts must be kept (see promises.py).

Where no setting mends a module, the twin stands for the module as the finding's advice has it.

The text is `Finding.python`, read keyword by keyword by `ast.literal_eval`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import steepest as st
from sick.case import Case, Given
from sick.promises import broken
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Finding, Findings, Kind
from steepest.descent.stopping import CLOSED, CLOSED_KINKED, Status
from steepest.errors import SteepestError, SteepestWarning
from steepest.model.prediction import outputs

SAME = {Kind.CODED, Kind.MISSING_CODE, Kind.SPELLINGS, Kind.LEVELS}
COLUMNS = {Kind.CONSTANT, Kind.COLLINEAR}
AWAY = {Kind.OUTLIERS, Kind.HEAVY_ROWS}
DOWN = {Kind.CURVATURE, Kind.INTERCEPT, Kind.BOUND, Kind.EXPOSED}


@dataclass(frozen=True)
class Outcome:
    """What became of one variant. why: what a treated fit is like, in words and numbers.

    gaps: relative, of the sick fit and of its twin; None for a module.
    """

    case: Case
    variant: int
    found: Findings
    planted: Finding | None
    cured: bool
    why: str
    twin: Findings
    gaps: tuple[float | None, float | None]

    @property
    def name(self) -> str:
        """The case's name and the variant's number."""
        return f"{self.case.name} [{self.variant}]"

    @property
    def first(self) -> bool:
        """Whether the planted cause is the first finding."""
        return bool(self.found) and self.found[0].kind is self.case.kind

    @property
    def as_claimed(self) -> bool:
        """Whether the sick descent is open and its twin closed, by the exact answers alone; True where there are none."""
        sick, twin = self.gaps
        if not self.case.of_descent or sick is None or twin is None:
            return True
        closed = 1e-5 if self.case.kind is Kind.KINK else 1e-9
        if "batch_size" in self.case.pair(self.variant).sick.settings:
            closed = min(1e-3, 0.1 * sick)  # noise is left, far below what the rows can tell
        return twin <= closed and (sick > closed or self.case.kind in (Kind.CONSTANT, Kind.COLLINEAR))

    @property
    def quiet(self) -> bool:
        """Whether the healthy twin has no finding."""
        return not self.twin


def fitted(given: Given) -> Any:
    """The fit; that there are fewer rows than parameters is meant where it is so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return st.fit(**given.data, **given.settings)


def printed(text: str) -> dict[str, Any]:
    """The settings that a remedy's text stands for.

    >>> printed("lr=0.168, precondition='standardize', drop=('a', 'b')")
    {'lr': 0.168, 'precondition': 'standardize', 'drop': ('a', 'b')}
    """
    call = ast.parse(f"fit({text})", mode="eval").body
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError(f"{text!r} is no list of keywords")
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def treated(given: Given, finding: Finding) -> Given:
    """The same data, with the remedy as its text says it."""
    return given.but(**printed(finding.python))


def examined(case: Case, variant: int) -> Outcome:
    """Fit, diagnose, treat, judge."""
    pair = case.pair(variant)
    sick, twin = fitted(pair.sick), fitted(pair.twin)
    found = diagnose(sick)
    planted = next((finding for finding in found if finding.kind is case.kind), None)
    cured, why = False, "the planted cause was not found"
    if planted is not None:
        try:
            # what no setting does, a module built as the words say, is the twin
            again = fitted(treated(pair.sick, planted)) if planted.remedy else twin
        except SteepestError as error:
            why = f"the remedy is refused: {error}"
        else:
            cured, why = judged(planted, sick, again, twin)
    gaps = (sick.relative_gap, twin.relative_gap)
    return Outcome(case, variant, found, planted, cured, why, diagnose(twin), gaps)


def examination(chosen: Iterable[tuple[Case, int]]) -> Iterator[Outcome]:
    """The outcomes of chosen variants of cases."""
    return (examined(case, variant) for case, variant in chosen)


def judged(finding: Finding, sick: Any, again: Any, twin: Any) -> tuple[bool, str]:
    """Whether a treated fit is cured, and what it is like. See the module's text."""
    left = [other for other in diagnose(again) if other.kind is finding.kind]
    if left:
        return False, f"found again: {left[0].what}"
    cured, why = _judge_model(finding, sick, again, twin) or _judge_descent(sick, again, twin)
    missed = broken(finding, sick, again, closed(again)) if cured else ""
    return cured and not missed, missed or why


def closed(fit: Any) -> float:
    """The relative gap at or below which a fit has arrived."""
    return CLOSED_KINKED if fit.loss_function.bound is None else CLOSED


def _judge_model(finding: Finding, sick: Any, again: Any, twin: Any) -> tuple[bool, str] | None:
    """None where the descent is what is to be judged."""
    kind = finding.kind
    dropped = set(again.spec.drop) - set(sick.spec.drop)
    if dropped and kind in COLUMNS:
        grown = again.objective_value / sick.objective_value - 1
        return grown <= 1e-9, f"without {', '.join(sorted(dropped))} the objective grew by {grown:.1e}"
    if kind in AWAY:
        before, after = _apart(sick, twin), _apart(again, twin)
        return after <= before / 2, f"its predictions are {after:.3g} from the twin's, before {before:.3g}"
    if kind in DOWN:
        return _come_down(sick.loss, again.loss, twin.loss, "loss")
    if kind in SAME:
        ours, theirs = (outputs(fit, fit.train.x, fit.theta) for fit in (again, twin))
        off = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
        return off <= 1e-6, f"its predictions are {off:.1e} from those of its twin"
    if kind is Kind.LOG_TARGET:
        off = float(np.abs(again.theta - twin.theta).max()) if len(again.theta) == len(twin.theta) else np.inf
        return off <= 1e-6, f"its parameters are {off:.1e} from those of a fit to the log"
    if kind is Kind.OVERFITTING:
        return (
            again.test_loss <= 0.9 * sick.test_loss,
            f"held-out loss {again.test_loss:.4g}, before {sick.test_loss:.4g}",
        )
    if kind is Kind.FEW_ROWS:
        before, after = _unseen(sick, twin), _unseen(again, twin)
        most = before if "instead of" in finding.predicted else 1.25 * before
        return after < most, f"loss on unseen rows {after:.4g}, before {before:.4g}"
    if kind is Kind.IMBALANCED:
        rare = int(np.bincount(sick.train.y).argmin())
        rows = again.train.y == rare
        decision = again.decision(again.train.x[rows])
        share = float(np.mean((decision.argmax(-1) if decision.ndim == 2 else decision > 0) == rare))
        return share >= 0.5, f"{share:.0%} of the rarest class are recognised"
    return None


def _judge_descent(sick: Any, again: Any, twin: Any) -> tuple[bool, str]:
    """By the gap; a module by its objective beside the twin's."""
    if again.status is Status.DIVERGED:
        return False, "it diverged"
    if again.status is Status.SEPARABLE:
        return False, "the classes are still separable"
    start = float(sick.trace.objective[0])
    if again.relative_gap is None:
        return _come_down(min(start, sick.objective_value), again.objective_value, twin.objective_value, "objective")
    if again.relative_gap <= closed(again):
        return True, f"closed: the relative gap is {again.relative_gap:.1e}"
    if sick.gap is None:
        return False, f"the relative gap is {again.relative_gap:.1e}"
    rough = again.loss_function.bound is None or again.spec.batch_size != "full"
    before = min(sick.gap, start - (sick.objective_value - sick.gap))
    shrunk = again.gap / before
    return shrunk <= (0.1 if rough else 1e-3), f"the relative gap is {again.relative_gap:.1e}, {shrunk:.1e} of before"


def _come_down(before: float, after: float, twin: float, what: str) -> tuple[bool, str]:
    """Whether a value came nine tenths of the way to the twin's."""
    words = f"{what} {after:.4g}, before {before:.4g}, the twin's {twin:.4g}"
    return after <= twin + 0.1 * max(before - twin, 0.0), words


def _apart(fit: Any, twin: Any) -> float:
    """Root mean square difference of predictions on the twin's rows."""
    x = twin.train.x
    return float(np.sqrt(np.mean((fit.decision(x) - twin.decision(x)) ** 2)))


def _unseen(fit: Any, twin: Any) -> float:
    """Mean squared residual on those of the twin's rows that the fit was not made from."""
    fresh = slice(fit.train.rows, None)
    return float(np.mean((fit.decision(twin.train.x[fresh]) - twin.train.y[fresh]) ** 2))

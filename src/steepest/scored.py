"""What a fit is asked about its rows: losses, metrics, the best possible answer beside it, and how far off it is.

Each is found when it is first asked for: of a loaded run in its record, of one with centred powers in the fit that it was
computed with, else from the rows (`scoring.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from sys import float_info
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from steepest.analysis import duality
from steepest.analysis.exact.answer import Exact
from steepest.data.dataset import Dataset
from steepest.data.schema import Schema
from steepest.descent.stopping import Ending
from steepest.descent.trace import Trace
from steepest.formulas.rules import Automatic
from steepest.lazy import nn, torch
from steepest.model.linear import TALL, LinearProblem, Terms
from steepest.model.loss import Loss
from steepest.model.of_fit import linear_problem
from steepest.run_record import RunRecord, RunSummary
from steepest.scoring import (
    Answer,
    Measured,
    Scores,
    StreamMeasured,
    answer,
    answer_in,
    exact_to_user,
    judge,
    losses_of,
    metrics_of,
    proven,
    test_loss_of,
)
from steepest.settings import Spec

if TYPE_CHECKING:
    from steepest.result import Fit


@dataclass(repr=False, kw_only=True)
class Scored(RunSummary):
    """What came of a descent, and the part of a `Fit` that judges it."""

    spec: Spec
    schema: Schema
    names: list[str]
    theta: np.ndarray
    trace: Trace
    ending: Ending
    loss_function: Loss
    terms: Terms | None = None
    network: nn.Module | None = None
    kind: tuple[torch.dtype, torch.device] | None = None
    train: Dataset | None = field(default=None, repr=False)
    test: Dataset | None = field(default=None, repr=False)
    validation: Dataset | None = field(default=None, init=False, repr=False)
    record: RunRecord | None = field(default=None, repr=False)
    centred: Fit | None = field(default=None, repr=False)
    measured: Measured | StreamMeasured | None = field(default=None, init=False, repr=False)
    source: str | None = None
    table: Any = field(default=None, init=False, repr=False)
    swept: bool = False

    @cached_property
    def problem(self) -> LinearProblem | None:
        """The training problem of the linear family; None for modules, and where the data are gone (a loaded fit)."""
        if self.terms is None or self.train is None:
            return None
        return linear_problem(self.spec, self.train, self.terms, self.loss_function)

    @cached_property
    def answer(self) -> Answer:
        """The exact answer of the fit's problem, as `exact` without regard to where the descent went."""
        if self.centred is not None:
            return self.centred.answer
        if self.terms is None or self.train is None:
            return answer(self.problem)
        if isinstance(self.measured, StreamMeasured):
            return self.measured.answer()
        found = answer_in(self.spec, self.train, self.terms, self.loss_function, self.problem)
        return found if self.measured is None else self.measured.beside(found)

    @cached_property
    def scores(self) -> Scores:
        """Losses, metrics and the exact answer, computed when first asked for."""
        if self.record is not None:
            return self.record.scores
        best = self.beside
        losses = self.loss, self.objective_value, self.test_loss
        return Scores(*losses, self.metrics, best.exact, best.objective, best.rounding)

    @cached_property
    def _losses(self) -> tuple[float, float]:
        if self.record is not None:
            return self.record.scores.loss, self.record.scores.objective
        return losses_of(cast("Fit", self)) if self.centred is None else self.centred._losses

    @property
    def loss(self) -> float:
        """Mean loss on the training rows, without penalty."""
        return self._losses[0]

    @cached_property
    def test_loss(self) -> float | None:
        """Mean loss on the held-out rows; None without any."""
        if self.record is not None:
            return self.record.scores.test_loss
        return test_loss_of(cast("Fit", self)) if self.centred is None else self.centred.test_loss

    @property
    def objective_value(self) -> float:
        """F(θ): the training loss with penalty."""
        return self._losses[1]

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """`train` and, with held-out rows, `test`; see `steepest.scoring`.

        Of numbers r2, mae, rmse, of a family also deviance, null_deviance, pearson_chi2, d2 and, of the rows fitted,
        pseudo_r2; of classes accuracy, error_rate, balanced_accuracy, base_rate, precision, recall, auc and the counts
        `confusion` (row: the true class, column: the predicted one, in the order of `schema.classes`).
        """
        if self.record is not None:
            return self.record.scores.metrics
        return metrics_of(cast("Fit", self)) if self.centred is None else self.centred.metrics

    @property
    def exact(self) -> Exact | None:
        """The best possible answer (`theta`, `loss`, `objective`, `method`, `certificate`), or None: an independent solver's,
        which is asked when this is."""
        found = self.beside.exact
        return None if found is None or (found.theta is None and not found.separable) else found

    @property
    def exact_note(self) -> str:
        """What should be known about the exact answer, or why there is none; "" if nothing."""
        found = self.beside.exact
        return "A module has no exact answer to compare with." if found is None else found.note

    @property
    def gap(self) -> float | None:
        """F(θ) − F*; None where no exact answer exists. A difference within rounding is 0.

        Until `exact` has been asked for it is an upper bound where θ itself proves one below `PROVEN`·F; see `gap_kind`.
        """
        return self.beside.gap(self.objective_value) if self.proven is None else self.proven

    @property
    def relative_gap(self) -> float | None:
        """gap / max(F*, 1e-12·F(start))."""
        start = float(self.trace.objective[0])
        if self.proven is not None:
            return self.proven / max(self.objective_value - self.proven, 1e-12 * start, float_info.min)
        return self.beside.relative_gap(self.objective_value, start)

    @property
    def gap_kind(self) -> Literal["exact", "bound"] | None:
        """Whether `gap` is the difference to the exact answer, or an upper bound on it from the data; None without a gap."""
        return "bound" if self.proven is not None else None if self.gap is None else "exact"

    @property
    def proven(self) -> float | None:
        """The upper bound on the gap, 0 within rounding, where it is as good as exact and the exact answer is not known yet."""
        if "answer" in self.__dict__ or self.centred is not None:
            return None
        return proven(self._bound, self.objective_value, getattr(self.loss_function, "kinked", False))

    @cached_property
    def _bound(self) -> float | None:
        """An upper bound on the gap, where one is had for much less than the exact answer."""
        if self.measured is not None:
            return self.measured.bound
        problem = None if self.record is not None else self.problem
        if problem is None or problem.design.size <= TALL or problem.loss.custom or problem.penalty.kinked:
            return None  # rounding leaves more of an l1 penalty's dual than of its gap
        # from afar a bound of a kinked loss is a programme of many rows
        near = problem.loss.kinked and self.optimizer == Automatic.CURVATURE.value
        return duality.bound(problem, self.theta) if near or problem.penalty.l2 else None

    @cached_property
    def beside(self) -> Answer:
        """The exact answer beside this descent: without numbers where rounding is larger than those."""
        if self.record is not None:
            kept = self.record.scores
            return Answer(kept.exact, kept.exact_objective, kept.rounding)
        if self.centred is not None:
            found = self.centred.beside
            return replace(found, exact=exact_to_user(found.exact, self.centred.terms))
        return self.answer.beside(self.objective_value, float(self.trace.objective[0]))

    @cached_property
    def judged(self) -> Ending:
        """How the descent ended, judged by the gap: stopped is not arrived."""
        if self.centred is not None:
            return self.centred.judged
        return judge(cast("Fit", self)) if self.record is None or self.record.judged is None else self.record.judged

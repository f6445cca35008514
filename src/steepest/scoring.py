"""How good a fit is: its losses and metrics, and the gap to the best possible answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact import solve
from steepest.analysis.exact.answer import Exact
from steepest.data.dataset import Dataset
from steepest.descent.stopping import CLOSED, CLOSED_KINKED, Ending, Status
from steepest.errors import FitError
from steepest.formulas.rules import formula_of
from steepest.metrics import metrics
from steepest.model import centring, double_double, penalties
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.linear import LinearProblem, Terms, row_blocks
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.of_fit import linear_problem, mean_loss
from steepest.model.prediction import log_odds
from steepest.model.tall_objective import TallObjective
from steepest.settings import Spec

if TYPE_CHECKING:
    from steepest.result import Fit

NO_COEFFICIENTS = (
    "There is no exact answer to compare with: the columns are so nearly collinear that rounding its coefficients to "
    "float64 already moves the loss by more than the loss itself. Use a lower degree or fewer columns."
)


@dataclass(frozen=True)
class Scores:
    """What is known about a fit from its data. exact is None where no exact answer exists for its model and loss.

    rounding: how much F* changes where the exact coefficients are rounded to float64.
    """

    loss: float
    objective: float
    test_loss: float | None
    metrics: dict[str, dict[str, Any]]
    exact: Exact | None
    exact_objective: float | None
    rounding: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The exact answer of a problem, F* at it (None if there is no number to compare with), and how much rounding moves F*.

    It belongs to the problem and not to a descent: fits of the same problem share it.
    """

    exact: Exact | None
    objective: float | None
    rounding: float

    def beside(self, objective: float, start: float) -> Answer:
        """What is left of it beside a descent from F = start to objective: nothing where rounding is larger than those."""
        if self.exact is None or self.exact.theta is None or self.objective is None:
            return self
        if self.rounding > max(self.objective, objective, 1e-9 * start) or self.objective > start * (1 + 1e-6):
            return Answer(replace(self.exact, theta=None, loss=float("nan"), note=NO_COEFFICIENTS), None, 0.0)
        return self

    def gap(self, objective: float) -> float | None:
        """F − F*; a difference within rounding is 0."""
        if self.objective is None:
            return None
        gap = objective - self.objective
        return 0.0 if abs(gap) <= 4 * sys.float_info.epsilon * abs(self.objective) + self.rounding else gap

    def relative_gap(self, objective: float, start: float) -> float | None:
        """gap / max(F*, 1e-12·F(start))."""
        gap = self.gap(objective)
        if gap is None or self.objective is None:
            return None
        return gap / max(self.objective, 1e-12 * start, sys.float_info.min)


def answer(problem: LinearProblem | None) -> Answer:
    """The best possible answer of a problem; of None, a module's, none."""
    if problem is None:
        return Answer(None, None, 0.0)
    try:
        exact = solve.solve(problem)
    except FitError as error:
        nothing = float("nan")
        return Answer(Exact(None, nothing, "", nothing, f"There is no exact answer: {error}"), None, 0.0)
    if exact.theta is not None:
        return Answer(exact, objective_at(problem, exact.theta), _rounding(problem, exact.theta))
    return Answer(exact, exact.objective if np.isfinite(exact.objective) else None, 0.0)


def answer_in(spec: Spec, data: Dataset, terms: Terms, loss: Loss, problem: LinearProblem | None) -> Answer:
    """The best possible answer of a problem in user units, found with powers of centred columns where these are needed."""
    own = terms if penalties.penalty(spec.penalty) or spec.bounds else centring.centred(terms, data.x)
    if own == terms:
        return answer(problem)
    found = answer(linear_problem(spec, data, own, loss))
    return replace(found, exact=exact_to_user(found.exact, own))


def exact_to_user(exact: Exact | None, terms: Terms | None) -> Exact | None:
    """An exact answer in powers of the columns as they are."""
    if exact is None or exact.theta is None or terms is None:
        return exact
    return replace(exact, theta=centring.to_user(terms, exact.theta))


@dataclass(frozen=True)
class Measured:
    """What the last pass of a descent over a tall table gave: the mean loss without and with the penalty, the predictions, and
    a bound on the gap or None. rows: what makes such passes."""

    rows: TallObjective | ExtendedSquares
    loss: float
    objective: float
    prediction: np.ndarray
    bound: float | None

    @classmethod
    def of(cls, rows: TallObjective | ExtendedSquares, offset: np.ndarray | None = None) -> Measured:
        """Where the descent ended. offset: `[n]`, what was taken off the target."""
        end = rows.at(rows.theta)
        if isinstance(rows, TallObjective):
            rows.copied = None  # its memory is for the descent alone
        penalty = float(rows.penalty(rows.theta))
        prediction = end.prediction if offset is None else (end.prediction.T + offset).T
        return cls(rows, end.loss, end.loss + penalty, prediction, rows.gap_bound(end.theta))

    def beside(self, found: Answer) -> Answer:
        """An exact answer with its objective measured as the fit's is."""
        if found.exact is None or found.exact.theta is None:
            return found
        theta = self.rows.from_user(found.exact.theta)
        return replace(found, objective=float(self.rows.value(theta) + self.rows.penalty(theta)))


@dataclass(frozen=True)
class StreamMeasured:
    """What the last pass over a stream gave at θ: the mean loss without and with the penalty, that of the rows held out, the
    metrics, and a bound on the gap or None. answer: what gives the best possible answer beside it."""

    loss: float
    objective: float
    test_loss: float | None
    metrics: dict[str, dict[str, Any]]
    bound: float | None
    answer: Callable[[], Answer]


FAR_OUT = np.errstate(over="ignore", invalid="ignore")
"""Losses and metrics of a descent that diverged overflow."""

PROVEN, PROVEN_KINKED = 1e-12, 1e-10
"""A bound on the gap is as good as the gap up to this part of F; of a loss with kinks a descent ends this near."""


def proven(bound: float | None, objective: float, kinked: bool = False) -> float | None:
    """A bound on the gap, 0 within rounding; None where it proves too little. kinked: of such a loss."""
    if bound is None or not bound <= (PROVEN_KINKED if kinked else PROVEN) * abs(objective):
        return None
    return 0.0 if bound <= 4 * sys.float_info.epsilon * abs(objective) else bound


@FAR_OUT
def losses_of(fit: Fit) -> tuple[float, float]:
    """The mean loss on the training rows without and with the penalty."""
    if fit.train is None:
        raise FitError("This fit has no data to be scored on.")
    if fit.measured is not None:
        return fit.measured.loss, fit.measured.objective
    if fit.problem is not None:
        without = replace(fit.problem, penalty=penalties.Penalty())
        return objective_at(without, fit.theta), objective_at(fit.problem, fit.theta)
    loss, objective = float(fit.trace.loss[-1]), float(fit.trace.objective[-1])
    return loss, objective if objective == objective else loss


@FAR_OUT
def test_loss_of(fit: Fit) -> float | None:
    """The mean loss on the held-out rows; None without any."""
    if isinstance(fit.measured, StreamMeasured):
        return fit.measured.test_loss
    return None if fit.test is None else mean_loss(fit, fit.test, fit.theta)


@FAR_OUT
def metrics_of(fit: Fit) -> dict[str, dict[str, Any]]:
    """The metrics of the training rows and of those held out."""
    if fit.train is None:
        raise FitError("This fit has no data to be scored on.")
    if isinstance(fit.measured, StreamMeasured):
        return fit.measured.metrics
    known = None if fit.measured is None else fit.measured.prediction
    found = {"train": _metrics(fit, fit.train, known)}
    return found if fit.test is None else found | {"test": _metrics(fit, fit.test)}


def _rounding(problem: LinearProblem, theta: np.ndarray) -> float:
    """How much F changes at most where the coefficients of its minimum are rounded to float64, as they must be.

    Predictions are off by up to 2·eps·|A|·|θ|. That is nothing to first order at a smooth minimum, but all at a kink.
    """
    exact, theta = theta, np.abs(theta.reshape(problem.outputs, -1)).T
    size = np.concatenate([np.abs(problem.design[rows]) @ theta for rows in row_blocks(problem.design.shape)])
    off = 2 * np.finfo(float).eps * size
    bound = problem.loss.bound
    if bound is None and problem.loss.smooth:
        bends = certify.curvature(problem, certify.prediction(problem, exact)).reshape(len(off), -1)
        return float(0.5 * (bends * off**2).sum(1).mean())
    return float(off.mean() if bound is None else 0.5 * bound * (off**2).sum(1).mean())


def objective_at(problem: LinearProblem, theta: np.ndarray) -> float:
    """F(θ), in double-double where that pays."""
    if problem.loss.custom:
        plain = LinearObjective(problem, start=theta)
        return float(plain.value(plain.theta) + plain.penalty(plain.theta))
    penalty = float(problem.penalty_in().value(theta))
    with suppress(OverflowError):  # where a descent ended far out; plain float64 says inf
        if double_double.pays(problem):
            return double_double.mean_loss(problem, theta) + penalty
    return certify.mean_loss(problem, certify.prediction(problem, theta)) + penalty


def _metrics(fit: Fit, rows: Dataset, known: np.ndarray | None = None) -> dict[str, Any]:
    """The metrics of some rows; none where predictions of numbers are not in the units of the target.

    Of a mean and a variance for one target, or of a logarithm, only the loss knows how far off they are.
    """
    loss = fit.loss_function
    prediction = (
        log_odds(fit, rows.x, offset=rows.offset)
        if known is None
        else known
        if rows.classes is not None
        else loss.mean_of(known)
    )
    units = prediction.shape == rows.y.shape and getattr(loss, "units", True)
    fitted = rows is fit.train and fit.terms is not None and rows.y.ndim == 1 and fit.spec.weights_kind == "precision"
    parameters = len(fit.theta) if fitted else None
    return metrics(prediction, rows, loss, parameters) if units or rows.classes is not None else {}


Case = Literal["as it is", "separable", "unknown", "adamw", "collinear", "below", "arrived", "left"]


def verdict(
    status: Status, found: Answer, objective: float, start: float, loss: Loss, optimizer: str
) -> tuple[Status, Case]:
    """Whether a descent that stopped has also arrived: its status beside the exact answer, and which case it is."""
    if status in (Status.DIVERGED, Status.INTERRUPTED):
        return status, "as it is"
    if found.exact is not None and found.exact.separable:
        return Status.SEPARABLE, "separable"
    gap = found.relative_gap(objective, start)
    if gap is None or found.objective is None:
        return Status.TOLERANCE if status in (Status.STALLED, Status.CONVERGED) else status, "unknown"
    if (rule := formula_of(optimizer)) is not None and rule.decays:
        return status, "adamw"
    closed = CLOSED_KINKED if loss.kinked else CLOSED
    stopped = Status.STALLED if status is Status.CONVERGED else status
    if objective == 0.0 and gap <= 0.0:  # no loss is below 0, whatever the rounding
        return Status.CONVERGED, "arrived"
    if found.rounding > max(closed * found.objective, 1e-12 * start):
        return stopped, "collinear"
    if gap < -closed:
        return stopped, "below"
    return (Status.CONVERGED, "arrived") if gap <= closed else (stopped, "left")


def judge(fit: Fit) -> Ending:
    """The verdict in words."""
    ended, start = fit.ending, float(fit.trace.objective[0])
    if fit.proven is not None and ended.status not in (Status.DIVERGED, Status.INTERRUPTED):
        return Ending(Status.CONVERGED, _arrived(fit.proven and fit.relative_gap))
    status, case = verdict(ended.status, fit.beside, fit.objective_value, start, fit.loss_function, fit.optimizer)
    gap = fit.relative_gap or 0.0
    if case == "as it is":
        return ended
    if case == "unknown" and ended.status in (Status.STALLED, Status.CONVERGED):
        return Ending(status, fit.exact_note)
    if case == "unknown":
        return Ending(status, f"{ended.detail} {fit.exact_note}".strip())
    if case == "left" and status is not Status.STALLED:
        advice = {
            Status.EPOCHS: "Give more epochs (epochs=) or another learning rate (lr=).",
            Status.STEPS: "Give more steps (max_steps=) or another learning rate (lr=).",
            Status.SECONDS: "Give more seconds (max_seconds=) or another learning rate (lr=).",
            Status.TOLERANCE: "Lower tol= to continue.",
        }.get(status, "")
        left = f"The optimum is not reached: the relative gap is {gap:.1e}."
        return Ending(status, f"{ended.detail} {left}".strip(), advice)
    if case == "separable":
        return Ending(status, "", "Add a penalty: penalty='l2:0.001'.")
    words = {
        "adamw": "AdamW's decay minimises no objective; the gap is to the objective without it.",
        "collinear": "Columns are collinear within rounding: float64 coefficients cannot say where the optimum is.",
        "below": f"It lies below the exact answer, which is off by {-gap:.1e} of its own value.",
        "arrived": _arrived(gap),
    }
    return Ending(status, words[case] if case in words else _left_over(fit))


def _arrived(gap: float | None) -> str:
    return f"The relative gap is {gap:.1e}." if gap else ""


def _left_over(fit: Fit) -> str:
    """Which coefficient is furthest from its exact value, in units of its own size."""
    gap = f"The relative gap is {fit.relative_gap:.1e}"
    if fit.exact is None or fit.exact.theta is None:
        return gap + "."
    off = np.abs(fit.theta - fit.exact.theta)
    worst = int(np.argmax(off / (np.abs(fit.exact.theta) + 1e-6 * np.abs(fit.exact.theta).max() + 1e-300)))
    if fit.spec.dtype == "float32":
        left = f"{off[worst]:.1g} left in {fit.names[worst]!r}"
        return f"{gap}: float32 sees no further change; {left}; float64 would go on."
    return f"{gap}: {off[worst]:.1g} left in {fit.names[worst]!r}."

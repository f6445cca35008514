"""OVERFITTING: what the descent learned last does not hold on rows it has not seen.

Two ways to see it, both on the held-out rows (`test_fraction`):

- the held-out loss had a minimum on the way and rose from there by at least 10% and 3 standard errors of the rows'
  differences. Where few rows are held out, one of them may do most of it: a rise by half is enough with 1½ standard
  errors, 1 for a model with more parameters than rows; for such a model a rise by a fifth, too, if the held-out loss is
  five times the training loss. Of 1,728 fits of perceptrons to 42 or 70 rows 269 are found, and the best epoch is the
  better one on 3,000 new rows for 231 of them (44 of the 50 that the last clause adds);
- it is at least half as large again as the training loss, for a model of the linear family with more than one parameter
  for every five rows and no penalty, and a penalty takes at least a fifth of the error of each training row predicted from
  the others away.

What helps is tried: the end at the best epoch (where no schedule depends on the number of epochs), and for a model of the
linear family a penalty chosen without the held-out rows (`penalties.py`), its exact answer scored on them. The better of
the two is the remedy; if neither lowers the held-out loss by a tenth, there is nothing to find. Nor is there in a module
that has hardly learned more than the constant model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.checks.penalties import chosen
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, FittedRows, Kind
from steepest.analysis.needs import HELD_OUT, KNOWN_LOSS, check
from steepest.data.thinning import sampled
from steepest.formulas.schedules import needs_steps
from steepest.model.of_fit import module_objective, row_losses
from steepest.model.penalties import penalty

LEAST_RISE = 0.1
SOME_RISE = 0.2
LARGE_RISE = 0.5
LEAST_RATIO = 1.5
WIDE_RATIO = 5.0
LEAST_SHARE = 0.2
ROWS_A_PARAMETER = 5.0
NOTHING = 0.9  # training loss, in that of the constant model, from which a module has learned nothing
MOST_ROWS = 10_000  # rows on which that is asked
MOST_ENTRIES = 4_000_000  # entries of a design beyond which no penalty is tried


@dataclass(frozen=True)
class Turn:
    """Where the held-out loss was least: its row in the trace, the epoch, the loss there and at the end."""

    row: int
    epoch: int
    least: float
    end: float

    @property
    def rise(self) -> float:
        """As a share of the least."""
        return self.end / self.least - 1.0 if self.least > 0 else 0.0


def turn(fit: FittedRows) -> Turn | None:
    """The minimum of the held-out loss, where it rose from there by more than chance has it."""
    if fit.test is None:
        return None
    seen = np.flatnonzero(np.isfinite(fit.trace.test_loss))
    if len(seen) < 2:
        return None
    held = fit.trace.test_loss[seen]
    row = int(seen[np.argmin(held)])
    found = Turn(row, int(fit.trace.epoch[row]), float(held.min()), float(held[-1]))
    if row == seen[-1] or found.rise < LEAST_RISE or not np.isfinite(found.end):
        return None
    end = row_losses(fit, fit.test, fit.theta)
    there = fit.trace.theta[row]
    difference = end - (row_losses(fit, fit.test, there) if len(there) == len(fit.theta) else found.least)
    if len(difference) < 3 or not np.isfinite(difference).all():
        return None
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    many = len(fit.theta) > fit.train.rows
    wide = many and found.rise >= SOME_RISE and found.end > WIDE_RATIO * fit.loss
    needed = 3.0 if found.rise < LARGE_RISE and not wide else 1.0 if many else 1.5
    return found if difference.mean() > needed * error else None


@check("fit", finds=(Kind.OVERFITTING,), needs=(HELD_OUT, KNOWN_LOSS))
def overfitting(fit: FittedRows) -> Iterator[Finding]:
    """A held-out loss that is higher than it need be."""
    if fit.test is None or fit.test_loss is None or fit.loss_function.custom:
        return
    finite = np.isfinite(fit.theta).all() and np.isfinite(fit.test_loss)
    if not finite or fit.test_loss <= loss_level(fit.loss_function, fit.test.y):
        return
    turned = turn(fit)
    if (turned is None and not _far_above(fit)) or _learned_nothing(fit):
        return
    tried = _penalised(fit, LEAST_RISE if turned is not None else LEAST_SHARE)
    at_best = turned is not None and turned.epoch >= 1 and not needs_steps(fit.schedule)
    early = turned.least if turned is not None else np.inf
    if tried is not None and (tried[1] <= early or not at_best):
        remedy, after = {"penalty": tried[0]}, tried[1]
        predicted = f"A held-out loss of {after:.3g} instead of {fit.test_loss:.3g} at the optimum, its penalty chosen "
        predicted += "without the held-out rows."
    elif at_best and turned is not None:
        remedy, after = {"epochs": turned.epoch}, turned.least
        predicted = f"A held-out loss of {after:.3g} instead of {fit.test_loss:.3g}."
    elif turned is not None and turned.epoch >= 1 and fit.spec.validation is None:
        remedy, after = {"validation": 0.2}, turned.least
        predicted = "It ends where a fifth of the training rows, held out to stop by, tell it to: a held-out loss near "
        predicted += f"{after:.3g} instead of {fit.test_loss:.3g}."
    else:
        return
    if after > (1.0 - LEAST_RISE) * fit.test_loss:
        return
    what, evidence = _told(fit, turned)
    share = float(1.0 - after / fit.test_loss)
    yield Finding(Kind.OVERFITTING, what, evidence, remedy, predicted, share, of_model=True)


def _learned_nothing(fit: FittedRows) -> bool:
    """Whether a module does hardly better on its training rows than the constant model: it has not fitted noise either."""
    if fit.network is None or fit.problem is not None:
        return False
    objective = module_objective(fit, sampled(fit.train, MOST_ROWS), theta=fit.theta)
    return float(objective.value(objective.theta)) >= NOTHING * constant_loss(objective)


def _told(fit: FittedRows, turned: Turn | None) -> tuple[str, str]:
    """What is wrong, and the numbers that show it."""
    ends = f"{fit.test_loss:.3g} on {fit.test.rows if fit.test else 0:,} rows held out, {fit.loss:.3g} in training"
    ends += f"; {len(fit.theta):,} parameters for {fit.train.rows:,} rows."
    if turned is None:
        what = "The model fits the noise of its training rows: it does far worse on rows held out."
        return what, f"The loss is {ends}"
    when = f"after epoch {turned.epoch:,}" if turned.epoch else "at the start"
    what = f"The held-out loss was least {when} and has risen since: the descent went on to fit noise."
    return what, f"It was {turned.least:.3g} there and is {turned.rise:.0%} higher at the end: {ends}"


def _far_above(fit: FittedRows) -> bool:
    """Whether the held-out loss is far above the training loss, for a model that has many parameters."""
    problem = fit.problem
    if problem is None or problem.penalty or len(problem.design) > ROWS_A_PARAMETER * problem.design.shape[1]:
        return False
    return fit.test_loss is not None and fit.test_loss > LEAST_RATIO * fit.loss


def _penalised(fit: FittedRows, share: float) -> tuple[str, float] | None:
    """A penalty that suits the training rows, and the held-out loss of its exact answer.

    None where it takes less than `share` of the error on unseen rows away, or where none can be tried.
    """
    problem = fit.problem
    if fit.test is None or problem is None or problem.penalty or problem.design.size > MOST_ENTRIES:
        return None
    choice = chosen(problem)
    if choice.share < share:
        return None
    theta = solve(replace(problem, penalty=penalty(choice.penalty))).theta
    if theta is None:
        return None
    loss = float(np.mean(row_losses(fit, fit.test, theta)))
    return (choice.penalty, loss) if np.isfinite(loss) else None

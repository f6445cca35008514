"""How a module's descent went: what kept it from what the same module learns under other settings.

The other settings are tried (`trials.py`), and judged on rows that they have not seen. A fit is well where none of them
learns much more than it did: where it lacks little of what the best of them learned beyond the constant model,
which says the same of every row. Else the first of these is said that goes far to the best (of rates and steps: most of the way):

    SORTED          batches of rows that lie in order, not shuffled       the rows shuffled
    CLIPPED         most gradients are cut                                longer ones
    TOLERANCE, PATIENCE     what ended the descent                        all of its steps
    DECAY           a schedule that falls fast                            a constant rate
    MOMENTUM        a momentum over 0.9 that swings                       0.9
    AVERAGED        a mean of the steps that takes in the way down        that of the last half of them
    NOISE           batches of a few rows at a constant rate              larger ones, or a rate that falls
    RATE_TOO_HIGH                                                         a rate 10 or more times lower
    RATE_TOO_LOW    a rate far under the usual, or steps enough           a rate 10 or more times higher
    TOO_FEW_STEPS   a usual rate and few steps                            up to 30 times as many
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from steepest.analysis.checks.early_average import EARLY, LATER
from steepest.analysis.checks.module_steps import order_of, usual
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import less_momentum_than, pinned
from steepest.analysis.needs import AGAIN, NETWORK, WHOLE_TRACE
from steepest.analysis.trials import Trial, Trials, trials_of
from steepest.descent.averaging import begins
from steepest.descent.stopping import Status
from steepest.text.numbers import number, rounded_down, rounded_up

WELL = 0.02  # loss, in that of the constant model, at or below which a fit is well whatever else there is
LACKS = 0.15  # share of what the best trial learned that a fit lacks which has something to be said
LACKS_BY_SETTING = 0.08  # the same where one unusual setting is taken away
BY_SETTING = frozenset(
    {Kind.SORTED, Kind.CLIPPED, Kind.TOLERANCE, Kind.PATIENCE, Kind.DECAY, Kind.MOMENTUM, Kind.AVERAGED}
)
LITTLE = 0.04  # the same where the loss of the trial is less than half of the fit's, too
MOST_OF, SOME_OF = 0.8, 0.4
"""Share of the way to the best trial that the remedy goes: of a rate or more steps, which make up for many things; of others."""
NEARLY = 0.05  # how much less of it the nearest of several remedies may go
IN_ORDER = 0.3  # correlation of targets a batch apart from which rows lie in order
SMALL_BATCH, LARGER_BATCH = 8, 32
AHEAD = (3, 10, 30)
FEW_STEPS, MANY_STEPS = 400, 1_000


@dataclass
class Tried:
    """All that was tried, and what is found of it. best: the least loss of any trial."""

    trials: Trials
    found: list[tuple[Kind, Trial]] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min([trial.loss for _, trial in self.found], default=float("inf"))

    def add(self, kind: Kind, remedy: Mapping[str, Any], share: float = 1.0, **changed: Any) -> Trial | None:
        """A trial of what a kind would be mended by, kept; None where it is explained already, or too dear."""
        budget = self.trials.budget
        trial = self.trials.run(remedy, share=share, **changed) if kind in budget.asked else None
        if trial is not None:
            self.found.append((kind, trial))
        elif kind in budget.asked and not any(each is kind for each, _ in self.found):
            budget.missed.add(kind)
        return trial

    def helps(self, kind: Kind) -> Trial | None:
        """Of the trials for a kind the nearest one that goes most of the way to the best."""
        slow = kind in (Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS)
        mine = [trial for each, trial in self.found if each is kind and self._better(trial, kind, slow)]
        gains = [self.trials.gained(trial, self.best) for trial in mine]
        least = MOST_OF if slow or kind is Kind.RATE_TOO_HIGH else SOME_OF
        enough = max(least, max(gains, default=0.0) - NEARLY)
        return next((trial for trial, gain in zip(mine, gains, strict=True) if gain >= enough), None)

    def _better(self, trial: Trial, kind: Kind, slow: bool) -> bool:
        """Whether a trial learned enough more; a fit that was not slow but went wrong is held to twice its loss, too."""
        missing = self.trials.missing(trial)
        if missing >= (LACKS_BY_SETTING if kind in BY_SETTING else LACKS):
            return True
        return not slow and missing >= LITTLE and self.trials.halved(trial)


@check(
    "fit",
    finds=(
        Kind.SORTED, Kind.CLIPPED, Kind.TOLERANCE, Kind.PATIENCE, Kind.DECAY, Kind.MOMENTUM, Kind.NOISE, Kind.RATE_TOO_HIGH,
        Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS, Kind.AVERAGED,
    ),
    needs=(NETWORK, WHOLE_TRACE, AGAIN),
    trials=True,
)  # fmt: skip
def module_descent(fit: Fitted) -> Iterator[Finding]:
    """At most one of the kinds above: the first that goes most of the way to what the module learns."""
    if fit.status is Status.INTERRUPTED or fit.train is None or fit.network is None:
        return
    trials = trials_of(fit)
    if trials is None:
        return
    level = loss_level(fit.loss_function, fit.train.y)
    if not trials.diverged and (trials.now <= max(WELL * trials.constant, level)):
        return
    tried, kinds = Tried(trials), order_for(trials)
    for look in LOOKS if kinds[-1] is Kind.TOO_FEW_STEPS else (*LOOKS[:-2], *LOOKS[:-3:-1]):
        look(tried)
    for kind in kinds:
        trial = tried.helps(kind)
        if trial is not None:
            finding = SAYS[kind](trials, trial)
            yield replace(finding, remedy=pinned(finding.remedy, fit))
            return


# ---- what is tried ---------------------------------------------------------------------------------


def shuffled(tried: Tried) -> None:
    """Rows that lie in order, in another order."""
    trials = tried.trials
    size, batching = trials.descent.size, trials.descent.batching
    if size is None or batching.shuffle not in ("none", "blocks") or not order_of(trials) >= IN_ORDER:
        return
    tried.add(Kind.SORTED, {"shuffle": "rows"}, 0.4, shuffle="rows")


def unclipped(tried: Tried) -> None:
    """Gradients as long as they are."""
    trials = tried.trials
    clip, sizes = trials.descent.clip, trials.fit.trace.grad_norm
    sizes = sizes[np.isfinite(sizes)]
    if clip is None or not sizes.size or np.mean(sizes > clip) < 0.5:
        return
    for times in (2.0, 20.0):
        longest = rounded_up(times * float(sizes.max()))
        tried.add(Kind.CLIPPED, {"clip": longest}, 0.4, clip=longest)


def not_stopped(tried: Tried) -> None:
    """All the steps that were asked for."""
    trials = tried.trials
    status, batching = trials.fit.status, trials.batching
    if status not in (Status.TOLERANCE, Status.PATIENCE):
        return
    kind, remedy = Kind.TOLERANCE, {"tol": 0.0}
    if status is Status.PATIENCE:
        kind, remedy = Kind.PATIENCE, {"patience": max(1, (batching.steps or 1) // batching.steps_per_epoch)}
    tried.add(kind, remedy, 0.5)


def not_decayed(tried: Tried) -> None:
    """The same rate to the end."""
    trials = tried.trials
    descent = trials.descent
    if descent.schedule in ("constant", "cosine"):
        return
    factors = descent.factors_of(descent.schedule, descent.steps)
    if factors.mean() > 0.5 or factors[-1] > 0.2 * factors.max():
        return
    for other in ("cosine", "constant"):
        tried.add(Kind.DECAY, {"schedule": other}, 0.3, schedule=other)


def slowed(tried: Tried) -> None:
    """The usual momentum in the place of a larger one."""
    trials = tried.trials
    other = less_momentum_than(trials.descent.rule)[1]
    if other:
        tried.add(Kind.MOMENTUM, {"optimizer": other}, 0.3, rule=other)


def later(tried: Tried) -> None:
    """The mean of the last half of the steps in the place of one that begins before."""
    trials = tried.trials
    averaging, steps = str(trials.fit.spec.averaging), trials.descent.steps
    if averaging == "none" or trials.diverged or begins(averaging, steps) >= EARLY * steps:
        return
    tried.add(Kind.AVERAGED, {"averaging": LATER[0]}, 0.4, averaging=LATER[0])


def quieter(tried: Tried) -> None:
    """Larger batches for as many epochs, or a rate that falls, where batches are of a few rows."""
    trials = tried.trials
    size, descent = trials.descent.size, trials.descent
    if size is None or size > SMALL_BATCH or trials.kept.rows < 2 * LARGER_BATCH:
        return
    per_epoch = -(-trials.kept.rows // LARGER_BATCH)
    epochs = max(trials.fit.epochs, min(MANY_STEPS, trials.descent.steps) // per_epoch)
    remedy = {"batch_size": LARGER_BATCH, **({"epochs": epochs} if epochs > trials.fit.epochs else {})}
    tried.add(Kind.NOISE, remedy, 0.3, size=LARGER_BATCH, steps=epochs * per_epoch)
    if descent.schedule == "constant":
        tried.add(Kind.NOISE, {"schedule": "cosine"}, 0.4, schedule="cosine")


def other_rates(tried: Tried) -> None:
    """Rates 10, 100, … times lower and higher, on as long as the last one is the best."""
    trials, lr = tried.trials, tried.trials.descent.lr
    for kind, factor in ((Kind.RATE_TOO_HIGH, 0.1), (Kind.RATE_TOO_LOW, 10.0)):
        if (trials.diverged or trials.arrived) if kind is Kind.RATE_TOO_LOW else trials.calm:
            continue
        before, times = trials.here, factor
        while 1e-13 < times < 1e13:
            rate = rounded_down(times * lr)
            trial = tried.add(kind, {"lr": rate}, 0.5, lr=rate)
            lowers = trials.diverged and trial is not None and not np.isfinite(trial.loss)
            if trial is None or not (trial.loss < before or lowers):
                break
            before, times = trial.loss, times * factor


def further(tried: Tried) -> None:
    """The same, 3, 10 and 30 times as far."""
    trials = tried.trials
    if trials.fit.status not in (Status.EPOCHS, Status.STEPS) or trials.diverged or trials.arrived:
        return
    if Kind.TOO_FEW_STEPS not in trials.budget.asked:
        return
    unit = 1 if trials.fit.status is Status.STEPS else trials.descent.batching.steps_per_epoch
    setting = "max_steps" if trials.fit.status is Status.STEPS else "epochs"
    ahead = trials.ahead(AHEAD)
    for times, trial in ahead:
        remedy = {setting: max(1, times * trials.descent.steps // unit)}
        tried.found.append((Kind.TOO_FEW_STEPS, replace(trial, remedy=remedy)))
    if not ahead:
        trials.budget.missed.add(Kind.TOO_FEW_STEPS)


LOOKS = (shuffled, unclipped, not_stopped, not_decayed, slowed, later, quieter, other_rates, further)
"""In this order, the last two the other way round where few steps are said to be too few first."""


# ---- what is said ----------------------------------------------------------------------------------


def beside(trials: Trials) -> str:
    """The loss now and that of the constant model."""
    now = "The descent diverged" if trials.diverged else f"The loss is {number(trials.now)}"
    return f"{now}; a constant answer for every row has {number(trials.constant)}."


def outcome(trials: Trials, trial: Trial) -> str:
    """What a trial came to."""
    steps = f"{trial.steps:,} steps" if trial.whole else f"the first {trial.steps:,} of {trial.planned:,} steps"
    rows = "rows that it has not seen" if trials.kept is not trials.unseen else "the same rows"
    return f"Tried: a loss of {number(trial.loss)} on {rows} after {steps}."


def share(trials: Trials, trial: Trial) -> float:
    """Which share of the loss a trial takes away."""
    if np.isinf(trials.now):
        return 1.0
    return float(np.clip(1.0 - trial.loss / trials.now, 0.0, 1.0)) if trials.now > 0.0 else 0.0


def _finding(trials: Trials, trial: Trial, kind: Kind, what: str, evidence: str = "") -> Finding:
    told = " ".join(part for part in (evidence, beside(trials)) if part)
    return Finding(kind, what, told, trial.remedy, outcome(trials, trial), share(trials, trial))


def said_sorted(trials: Trials, trial: Trial) -> Finding:
    """Of rows in order."""
    size, shuffle = trials.descent.size or 0, trials.descent.batching.shuffle
    return _finding(
        trials, trial, Kind.SORTED,
        f"The rows lie in order and shuffle={shuffle!r} keeps them so: each batch pulls its own way.",
        f"The target of a row correlates by {order_of(trials):.2f} with that of the row {size:,} further on, one batch later.",
    )  # fmt: skip


def said_clipped(trials: Trials, trial: Trial) -> Finding:
    """Of gradients that are cut."""
    sizes = trials.fit.trace.grad_norm
    sizes = sizes[np.isfinite(sizes)]
    clip = trials.descent.clip or 0.0
    cut = f"clip={clip:g} cuts {np.mean(sizes > clip):.0%} of the steps: their gradients are up to {number(sizes.max())} long."
    return _finding(trials, trial, Kind.CLIPPED, cut)


def said_tolerance(trials: Trials, trial: Trial) -> Finding:
    """Of a tolerance that ended the descent."""
    fit, asked = trials.fit, trials.descent.steps
    what = f"tol={fit.spec.tol:g} ended the descent after {fit.steps:,} of {asked:,} steps."
    return _finding(trials, trial, Kind.TOLERANCE, what)


def said_patience(trials: Trials, trial: Trial) -> Finding:
    """Of a patience that did."""
    fit, batching = trials.fit, trials.descent.batching
    epochs = trials.descent.steps // batching.steps_per_epoch
    what = f"patience={fit.spec.patience or 10} ended the descent after {fit.epochs:,} of {epochs:,} epochs."
    return _finding(trials, trial, Kind.PATIENCE, what)


def said_decay(trials: Trials, trial: Trial) -> Finding:
    """Of a schedule that falls fast."""
    descent = trials.descent
    factors = descent.factors_of(descent.schedule, descent.steps)
    what = f"schedule={str(descent.schedule)!r} takes the rate away before the descent has arrived."
    few = int(np.sum(factors >= 0.1 * factors.max()))
    told = f"After {few:,} of {descent.steps:,} steps the rate is less than a tenth of what it was."
    return _finding(trials, trial, Kind.DECAY, what, told)


def said_momentum(trials: Trials, trial: Trial) -> Finding:
    """Of a momentum that is too high."""
    beta = less_momentum_than(trials.descent.rule)[0]
    what = f"A momentum of {beta:g} sums up {number(1.0 / (1.0 - beta))} steps: the descent swings past where it should end."
    return _finding(trials, trial, Kind.MOMENTUM, what, swinging(trials))


def said_averaged(trials: Trials, trial: Trial) -> Finding:
    """Of an average that begins early."""
    averaging, steps = str(trials.fit.spec.averaging), trials.descent.steps
    what = (
        f"averaging={averaging!r} keeps the way down in the answer: the mean begins after {begins(averaging, steps):,} of "
        f"{steps:,} steps."
    )
    return _finding(trials, trial, Kind.AVERAGED, what)


def swinging(trials: Trials) -> str:
    """How the objective went over the last half of the descent."""
    known = trials.fit.trace.objective
    known = known[np.isfinite(known)]
    late = known[len(known) // 2 :]
    if len(late) < 2 or trials.diverged:
        return ""
    return f"Over the last half of the descent the objective lay between {number(late.min())} and {number(late.max())}."


def said_noise(trials: Trials, trial: Trial) -> Finding:
    """Of small batches."""
    size = trials.descent.size or 1
    rows = "one row" if size == 1 else f"{size:,} rows"
    what = f"At a constant rate batches of {rows} keep the objective up: what one step gains the next undoes."
    return _finding(trials, trial, Kind.NOISE, what, swinging(trials))


def said_high(trials: Trials, trial: Trial) -> Finding:
    """Of a rate that is too high."""
    found = _finding(trials, trial, Kind.RATE_TOO_HIGH, f"lr={trials.descent.lr:g} is too high.", swinging(trials))
    constant = abs(trials.here / trials.constant - 1.0) < 0.1
    # where the module gives one answer for all rows, units that died say more of it
    return replace(found, share=0.8 * found.share) if constant else found


def said_low(trials: Trials, trial: Trial) -> Finding:
    """Of a rate that is too low."""
    return _finding(trials, trial, Kind.RATE_TOO_LOW, f"lr={trials.descent.lr:g} is far too low.", fell(trials))


def fell(trials: Trials) -> str:
    """From where to where the objective went."""
    fit = trials.fit
    first, last = float(fit.trace.objective[0]), fit.objective_value
    return f"In {fit.steps:,} steps the objective went from {number(first)} to {number(last)}."


def said_few(trials: Trials, trial: Trial) -> Finding:
    """Of too few steps."""
    what = f"{trials.fit.steps:,} steps are too few: the module would go on learning."
    return _finding(trials, trial, Kind.TOO_FEW_STEPS, what, fell(trials))


SAYS: Mapping[Kind, Callable[[Trials, Trial], Finding]] = {
    Kind.SORTED: said_sorted,
    Kind.CLIPPED: said_clipped,
    Kind.TOLERANCE: said_tolerance,
    Kind.PATIENCE: said_patience,
    Kind.DECAY: said_decay,
    Kind.MOMENTUM: said_momentum,
    Kind.AVERAGED: said_averaged,
    Kind.NOISE: said_noise,
    Kind.RATE_TOO_HIGH: said_high,
    Kind.RATE_TOO_LOW: said_low,
    Kind.TOO_FEW_STEPS: said_few,
}
"""In this order, but for `order_for`."""


def order_for(trials: Trials) -> list[Kind]:
    """The kinds in order: few steps at a usual rate are said to be too few before that rate is said to be low."""
    kinds = list(SAYS)
    if trials.fit.steps < FEW_STEPS and usual(trials):
        kinds[-2:] = Kind.TOO_FEW_STEPS, Kind.RATE_TOO_LOW
    return kinds

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
from steepest.analysis.checks.recorded_descent import IN_ORDER, kept_in_order, late_objective, lay_between, order_of
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.fit_settings import less_momentum_than, pinned
from steepest.analysis.needs import AGAIN, NETWORK, WHOLE_TRACE, check
from steepest.analysis.trials import Trial, Trials, trials_of
from steepest.data.wording import called
from steepest.descent import torch_rules
from steepest.descent.averaging import begins
from steepest.descent.stopping import Status
from steepest.text.numbers import number, rounded_down, rounded_up

KINDS = (
    Kind.SORTED, Kind.CLIPPED, Kind.TOLERANCE, Kind.PATIENCE, Kind.DECAY, Kind.MOMENTUM, Kind.AVERAGED, Kind.NOISE,
    Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS,
)  # fmt: skip
"""In this order, but for `order_for`."""

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
SMALL_BATCH, LARGER_BATCH = 8, 32
AHEAD = (3, 10, 30)
FEW_STEPS, MANY_STEPS = 400, 1_000
USUAL_SCALED, USUAL_PLAIN = 5e-4, 5e-3
"""Rates from which it is usual to fit a network: of rules whose steps are about lr long, and of all others by lr/(1 − β)."""


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
        return self.keep(kind, lambda: self.trials.run(remedy, share=share, **changed))

    def keep(self, kind: Kind, made: Callable[[], Trial | None]) -> Trial | None:
        """A trial of what a kind would be mended by, made if it is asked for and kept if it is not too dear."""
        budget = self.trials.budget
        trial = made() if kind in budget.asked else None
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


@check("fit", finds=KINDS, needs=(NETWORK, WHOLE_TRACE, AGAIN), trials=True)
def module_descent(fit: FittedModule) -> Iterator[Finding]:
    """At most one of the kinds above: the first that goes most of the way to what the module learns."""
    trials = None if fit.status is Status.INTERRUPTED else trials_of(fit)
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
            found = finding(trials, trial, kind)
            yield replace(found, remedy=pinned(found.remedy, fit))
            return


# ---- what is tried ---------------------------------------------------------------------------------


def shuffled(tried: Tried) -> None:
    """Rows that lie in order, in another order."""
    trials = tried.trials
    size, batching = trials.descent.size, trials.descent.batching
    if size is None or batching.shuffle not in ("none", "blocks") or not batch_order(trials) >= IN_ORDER:
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
    """All the steps that were asked for; after patience those that are left, since the fit itself made few."""
    trials = tried.trials
    if trials.fit.status is Status.TOLERANCE:
        tried.add(Kind.TOLERANCE, {"tol": 0.0}, 0.5)
    if trials.fit.status is Status.PATIENCE:
        batching = trials.batching
        remedy = {"patience": max(1, (batching.steps or 1) // batching.steps_per_epoch)}
        if trials.kept is trials.unseen:  # going on would fit the very rows that judge it
            tried.add(Kind.PATIENCE, remedy, 0.5)
        else:
            tried.keep(Kind.PATIENCE, lambda: trials.onward(remedy, 0.6))


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


def batch_order(trials: Trials) -> float:
    """How far the target of a row tells that of the row a batch later; of classes by the most frequent one."""
    rows = trials.fit.train
    assert rows is not None
    target = np.asarray(rows.y, dtype=np.float64).reshape(rows.rows, -1)[:, 0]
    if rows.classes is not None:
        values, counts = np.unique(target, return_counts=True)
        target = (target == values[counts.argmax()]).astype(np.float64)
    return order_of(target, trials.descent.size or 1)


# ---- what is said ----------------------------------------------------------------------------------


def finding(trials: Trials, trial: Trial, kind: Kind) -> Finding:
    """The finding of a kind that this trial mends."""
    what, told = said(trials, kind)
    now = "The descent diverged" if trials.diverged else f"The loss is {number(trials.now)}"
    beside = f"{now}; a constant answer for every row has {number(trials.constant)}."
    steps = f"{trial.steps:,} steps" if trial.whole else f"the first {trial.steps:,} of {trial.planned:,} steps"
    whose = "these further steps have" if trial.onward else "it has"
    rows = f"rows that {whose} not seen" if trials.kept is not trials.unseen else "the same rows"
    share = 1.0
    if np.isfinite(trials.now):
        share = float(np.clip(1.0 - trial.loss / trials.now, 0.0, 1.0)) if trials.now > 0.0 else 0.0
    # where the module gives one answer for all rows, units that died say more of it
    share *= 0.8 if kind is Kind.RATE_TOO_HIGH and abs(trials.here / trials.constant - 1.0) < 0.1 else 1.0
    return Finding(
        kind, what, f"{told} {beside}".strip(), trial.remedy,
        f"Tried: a loss of {number(trial.loss)} on {rows} after {steps}.", share,
    )  # fmt: skip


def said(trials: Trials, kind: Kind) -> tuple[str, str]:
    """What is wrong, and the numbers that show it; "" where the losses do alone."""
    fit, descent = trials.fit, trials.descent
    batching, steps = descent.batching, descent.steps
    first, last = float(fit.trace.objective[0]), fit.objective_value
    fell = f"In {fit.steps:,} steps the objective went from {number(first)} to {number(last)}."
    match kind:
        case Kind.SORTED:
            return kept_in_order(batching.shuffle, descent.size or 0, batch_order(trials))
        case Kind.CLIPPED:
            sizes, clip = fit.trace.grad_norm[np.isfinite(fit.trace.grad_norm)], descent.clip or 0.0
            cut = f"clip={clip:g} cuts {np.mean(sizes > clip):.0%} of the steps"
            return f"{cut}: their gradients are up to {number(sizes.max())} long.", ""
        case Kind.TOLERANCE:
            return f"tol={fit.spec.tol:g} ended the descent after {fit.steps:,} of {steps:,} steps.", ""
        case Kind.PATIENCE:
            epochs, waited = steps // batching.steps_per_epoch, fit.spec.patience or 10
            return f"patience={waited} ended the descent after {fit.epochs:,} of {epochs:,} epochs.", ""
        case Kind.DECAY:
            factors = descent.factors_of(descent.schedule, steps)
            few = int(np.sum(factors >= 0.1 * factors.max()))
            told = f"After {few:,} of {steps:,} steps the rate is less than a tenth of what it was."
            return f"schedule={str(descent.schedule)!r} takes the rate away before the descent has arrived.", told
        case Kind.MOMENTUM:
            beta = less_momentum_than(descent.rule)[0]
            sums = f"A momentum of {beta:g} sums up {number(1.0 / (1.0 - beta))} steps"
            return f"{sums}: the descent swings past where it should end.", swinging(trials)
        case Kind.AVERAGED:
            averaging = str(fit.spec.averaging)
            after = f"the mean begins after {begins(averaging, steps):,} of {steps:,} steps"
            return f"averaging={averaging!r} keeps the way down in the answer: {after}.", ""
        case Kind.NOISE:
            rows = "one row" if descent.size in (None, 1) else f"{descent.size:,} rows"
            keep = f"At a constant rate batches of {rows} keep the objective up"
            return f"{keep}: what one step gains the next undoes.", swinging(trials)
        case Kind.RATE_TOO_HIGH:
            return f"lr={descent.lr:g} is too high.", swinging(trials)
        case Kind.RATE_TOO_LOW:
            return f"lr={descent.lr:g} is far too low.", fell
    return f"{fit.steps:,} steps are too few: the module would go on learning.", fell


def swinging(trials: Trials) -> str:
    """How the objective went over the last half of the descent."""
    late = late_objective(trials.fit)
    return f"{lay_between(late)}." if len(late) >= 2 and not trials.diverged else ""


def order_for(trials: Trials) -> list[Kind]:
    """The kinds in order: few steps at a usual rate are said to be too few before that rate is said to be low."""
    kinds = list(KINDS)
    if trials.fit.steps < FEW_STEPS and usual(trials):
        kinds[-2:] = Kind.TOO_FEW_STEPS, Kind.RATE_TOO_LOW
    return kinds


def usual(trials: Trials) -> bool:
    """Whether networks are usually fitted at such a rate or a higher one."""
    rule = torch_rules.rule(trials.descent.rule).innermost
    if not isinstance(rule, torch_rules.Elementwise):
        plain = "SGD" in called(getattr(rule, "optimizer", rule))
        return trials.descent.lr >= (USUAL_PLAIN if plain else USUAL_SCALED)
    if rule.kind.moves_by_lr:
        return trials.descent.lr >= USUAL_SCALED
    return trials.descent.lr / (1.0 - rule.momentum) >= USUAL_PLAIN

"""The learning rate: over what the curvature allows, far under it, wrong in its schedule, or right with too few steps.

    too high   lr over 2/λ (in momentum's measure 2(1 + β)/λ): the largest eigenvalue's direction swings, or grows
    momentum   over 0.9, so that it swings to and fro, where 0.9 would have done
    too low    at a tenth of the best rate or less, and with the best these steps would have done
    decay      the rates that are left sum up to too little: Σ lrₜ·λ_min is the logarithm of what is left of the error
    noise      minibatches at a constant rate come to rest at a floor, where the noise of a step undoes what it gains
    kink       so do full batches where slopes do not shrink: a loss with a kink, a rule that scales each parameter by itself
    too few    rate, coordinates and schedule are fine; the gap needs more steps

What each would have led to is asked of the descent: foretold where F is a quadratic, else made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis import convergence
from steepest.analysis.checks.measured_descent import MeasuredDescent
from steepest.analysis.checks.recorded_descent import late_objective, lay_between
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import coordinates_of, less_momentum_than
from steepest.analysis.needs import OPTIMUM, check
from steepest.analysis.noise import RowNoise
from steepest.descent import torch_rules
from steepest.descent.stopping import Status
from steepest.text.numbers import count, number, rounded_down, rounded_up

JUST_UNDER = 0.9  # share of the largest rate from which a rate swings to the end
FAR = 9.0  # how many times larger the best rate is where a rate is far too low
MANY = (3, 10, 30, 100)  # how many times as many steps are tried where no theory tells
MUCH = 0.5  # mean of a schedule's factors up to which it counts as falling fast
FEW = 100  # columns up to which all eigenvectors are computed where one is wanted


@check("descent", finds=(Kind.RATE_TOO_HIGH,), needs=(OPTIMUM,))
def too_high(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """RATE_TOO_HIGH: the descent diverged or swings, and a lower rate would have got down."""
    rates, gaps = descent.other_rates
    lower = rates < 0.97 * descent.lr
    rate, gap = descent.chosen(rates[lower], gaps[lower])
    if not swings(descent) or not descent.share(gap) >= (0.5 if np.isinf(descent.gap) else need):
        return
    rate = rounded_down(rate)
    what = f"lr={descent.lr:g} is over the largest rate that holds."
    evidence = [began(fit)]
    times = descent.lr * descent.factors.max() / descent.limit
    if times >= JUST_UNDER:
        over = f"{number(times)} times" if times >= 1.0 else "just under"
        what = f"lr={descent.lr:g} is {over} the largest rate that holds, {number(descent.limit)}."
        assert descent.quadratic is not None
        evidence.insert(0, f"The largest curvature is {number(descent.quadratic.values[0])}{steepest_column(descent)}.")
    elif descent.size is not None:
        what = f"lr={descent.lr:g} is too high for batches of {descent.size:,} rows."
        if np.isfinite(descent.limit):
            evidence.append(f"All rows at once hold rates up to {number(descent.limit)}.")
    if not times >= JUST_UNDER and np.isfinite(descent.gap):
        evidence.insert(0, f"The gap at the end is {number(descent.gap)}, at the start it was {number(descent.first)}.")
    told = " ".join(part for part in evidence if part)
    yield descent.finding(Kind.RATE_TOO_HIGH, what, told, {"lr": rate}, gap, rate)


@check("descent", finds=(Kind.MOMENTUM,), needs=(OPTIMUM,))
def too_much_momentum(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """MOMENTUM: with the usual momentum the same steps at the same rate would have done."""
    beta, other = less_momentum_than(descent.rule)
    if not other:
        return
    there = replace(descent, rule=torch_rules.rule(other))
    gap = there.gap_at()
    if not descent.share(gap) >= need:
        return
    yield there.finding(
        Kind.MOMENTUM,
        f"A momentum of {beta:g} sums up {number(1.0 / (1.0 - beta))} steps: the descent swings past its optimum and back.",
        f"{lay_between(late_objective(fit))}; the optimum is {number(descent.best)}.",
        {"optimizer": other}, gap,
    )  # fmt: skip


def swings(descent: MeasuredDescent) -> bool:
    """Whether the rate is over what holds: diverged, no better than half the start, over the limit to the end, or, where
    each parameter moves by about lr, further in one step than the whole way."""
    if np.isinf(descent.gap) or descent.gap >= 0.5 * descent.first:
        return True
    if descent.rule.kind is not None and descent.rule.kind.moves_by_lr and descent.away is not None:
        return descent.lr * descent.factors.max() > 3.0 * descent.away
    last = descent.lr * descent.factors[-max(1, descent.steps // 4) :].max()
    return descent.settles and last >= JUST_UNDER * descent.limit


def began(fit: Fitted) -> str:
    """When the objective was at its least, if it is far higher now."""
    known = np.flatnonzero(~np.isnan(fit.trace.objective))
    values = np.where(np.isfinite(fit.trace.objective[known]), fit.trace.objective[known], np.inf)
    least = int(np.argmin(values))
    if least == len(values) - 1 or not values[-1] > values[least]:
        return ""
    return f"The loss was lowest at step {int(fit.trace.step[known[least]]):,} and grew from there."


@check("descent", finds=(Kind.RATE_TOO_LOW,), needs=(OPTIMUM,))
def too_low(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """RATE_TOO_LOW: a tenth of the best rate or less, and with that these steps would have done."""
    rates, gaps = descent.other_rates
    higher = rates > 1.03 * descent.lr
    rate, gap = descent.chosen(rates[higher], gaps[higher])
    best = descent.best_rate if descent.settles and np.isfinite(descent.best_rate) else rate
    if np.isinf(descent.gap) or best < FAR * descent.lr or not descent.share(gap) >= need:
        return
    rate = rounded_down(rate)
    evidence = f"The gap fell from {number(descent.first)} to {number(descent.gap)} only."
    if descent.predictable and descent.quadratic is not None:
        mean = descent.lr * descent.factors.mean()
        needed = convergence.steps_to(descent.quadratic, descent.rule, mean, descent.enough)
        evidence = f"At this rate it takes about {count(needed)} steps; {descent.steps:,} were asked for."
        evidence += f" The largest curvature is {number(descent.quadratic.values[0])}{steepest_column(descent)}."
        evidence += f" Rates hold below {number(descent.limit)}."
    elif descent.away is not None and not descent.rule.plain and descent.rule.own_rate(descent.at_start.theta) is None:
        reach = descent.lr * descent.factors.sum()
        evidence = (
            f"{descent.steps:,} steps of lr={descent.lr:g} move a parameter by about {number(reach)} at most; "
            f"the optimum is {number(descent.away)} away."
        )
    yield descent.finding(
        Kind.RATE_TOO_LOW,
        f"lr={descent.lr:g} is {number(rate / descent.lr)} times smaller than a rate that does it in these steps.",
        evidence, {"lr": rate}, gap, rate,
    )  # fmt: skip


def too_few(descent: MeasuredDescent, fit: Fitted) -> Iterator[Finding]:
    """TOO_FEW_STEPS: as it goes, it arrives later."""
    if np.isinf(descent.gap) or fit.status not in (Status.EPOCHS, Status.STEPS):
        return
    needed, gap = steps_needed(descent, fit)
    if not np.isfinite(needed) or descent.share(gap) < 0.5:
        return
    yield descent.finding(
        Kind.TOO_FEW_STEPS,
        f"{descent.steps:,} steps are too few: at this rate it takes about {count(needed)}.",
        f"The gap fell from {number(descent.first)} to {number(descent.gap)} and is still falling.",
        more_steps(descent, needed), gap,
    )  # fmt: skip


def steps_needed(descent: MeasuredDescent, fit: Fitted) -> tuple[float, float]:
    """How many steps in all close the gap at the present rate, and the gap that they leave; inf if nobody can tell."""
    if descent.predictable and descent.schedule in ("constant", "cosine"):
        here = descent.quadratic_from(fit.theta)
        aim = 0.5 * descent.enough
        more = float("inf") if here is None else convergence.steps_to(here, descent.rule, descent.lr, aim)
        needed = fit.steps + more if descent.schedule == "constant" else 2.5 * (fit.steps + more)
        for _ in range(6 if needed < 1e12 else 0):
            # the quadratic is not the whole way, and momentum does not begin at rest in its middle
            if not descent.gap_at(steps=int(needed)) > aim:
                break
            needed *= 1.15
        if needed < 1e12:
            return needed, 0.0
    found: list[tuple[float, float]] = []
    for times in MANY:
        gap = descent.gap_at(steps=times * descent.steps)
        if np.isnan(gap):
            break
        found.append((gap, float(times * descent.steps)))
        if gap <= max(descent.worth_saying, 0.1 * descent.gap):
            break
    least = min(found, default=(float("nan"), 0.0))[0]
    near = [(steps, gap) for gap, steps in found if gap <= 1.5 * least]
    return near[0] if near else (float("inf"), float("nan"))


def more_steps(descent: MeasuredDescent, needed: float) -> dict[str, int]:
    """The setting that gives so many steps: epochs, or max_steps where that was the limit."""
    spec, found = descent.fit.spec, {}
    epochs = int(rounded_up(np.ceil(needed / descent.batching.steps_per_epoch)))
    if spec.max_steps is not None and spec.max_steps < needed:
        found["max_steps"] = int(rounded_up(needed))
    if (spec.epochs or np.inf) < epochs or (spec.epochs is None and spec.max_steps is None):
        found["epochs"] = epochs
    return found


def steepest_column(descent: MeasuredDescent) -> str:
    """` along 'income'`: the column in which the direction of the largest curvature mostly lies; empty if in none."""
    names = descent.terms
    if descent.precondition == "orthonormal" or len(names) != descent.few.design.shape[1]:
        return ""
    frame = coordinates_of(descent.precondition, descent.few)
    basis = descent.few.design if frame is None else frame.basis
    weights = descent.few.weights
    rows = basis if weights is None else basis * np.sqrt(weights)[:, None]
    vector = _leading(rows.T @ rows)
    place = int(np.argmax(np.abs(vector)))
    return f" along {names[place]!r}" if vector[place] ** 2 >= 0.5 else ""


def _leading(squares: np.ndarray) -> np.ndarray:
    """The eigenvector of the largest eigenvalue."""
    if len(squares) <= FEW:
        return np.linalg.eigh(squares)[1][:, -1]
    from scipy.linalg import eigh

    last = len(squares) - 1
    return np.asarray(eigh(squares, subset_by_index=[last, last])[1])[:, 0]


# ---- its schedule ----------------------------------------------------------------------------------


@check("descent", finds=(Kind.DECAY,), needs=(OPTIMUM,))
def decay(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """DECAY: under a constant rate (or a cosine, where a descent must come to rest) the same steps would have done."""
    if descent.schedule in ("constant", "cosine") or descent.factors.mean() > MUCH or not descent.falls:
        return
    other = "constant" if descent.settles else "cosine"
    remedy: dict[str, Any] = {"schedule": other}
    gap = descent.gap_at(schedule=other)
    if not descent.share(gap) >= need:
        rates = descent.other_rates[0]
        rate, gap = descent.chosen(rates, descent.gaps(rates, other))
        remedy["lr"] = rounded_down(rate)
    # a schedule is not to blame where another rate under it does as well
    if not descent.share(gap) >= need or ("lr" in remedy and descent.does(descent.best_of_rates)):
        return
    total, constant = descent.lr * float(descent.factors.sum()), descent.lr * descent.steps
    evidence = (
        f"The rates of all {descent.steps:,} steps sum to {number(total)}; at a constant lr to {number(constant)}."
    )
    if descent.quadratic is not None:
        steep = descent.quadratic.values[descent.quadratic.values > 0.0]
        needed = np.log(max(descent.first / max(descent.enough, 1e-300), 1.0)) / (2.0 * steep[-1])
        flattest = f"the flattest direction, of curvature {number(steep[-1])}"
        evidence += f" Along {flattest}, they need to be about {number(needed)}."
    what = f"schedule={str(descent.schedule)!r} takes the rate away before the descent has arrived."
    there = replace(descent, schedule=other)
    yield there.finding(Kind.DECAY, what, evidence, remedy, gap, remedy.get("lr", descent.lr))


@check("descent", finds=(Kind.NOISE, Kind.KINK), needs=(OPTIMUM,))
def bouncing(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """NOISE or KINK: a rate that does not fall keeps the descent above its optimum, one that falls would not."""
    if descent.settles or descent.falls or np.isinf(descent.gap):
        return
    remedy: dict[str, Any] = {"schedule": "cosine"}
    gap = descent.gap_at(schedule="cosine")
    if not descent.share(gap) >= min(need, 0.8):
        rates, gaps = descent.other_rates
        near = (rates >= 0.03 * descent.lr) & (rates <= 1.01 * descent.lr)
        if not np.any(gaps[near] < descent.gap):  # a lower rate ends higher already before it falls
            return
        rates = rates[near]
        rate, gap = descent.chosen(rates, descent.gaps(rates, "cosine"))
        remedy["lr"] = rounded_down(rate)
    if not descent.share(gap) >= min(need, 0.8):
        return
    evidence = f"{lay_between(late_objective(fit))}; the optimum is {number(descent.best)}."
    if descent.size is None:
        why = "the slopes of this loss do not shrink near its optimum"
        if descent.problem.loss.smooth:
            why = "this rule's steps do not shrink with the gradient"
        what = f"At a constant rate the descent bounces around the optimum: {why}."
        yield descent.finding(Kind.KINK, what, evidence, remedy, gap)
        return
    floor = None
    if descent.quadratic is not None and descent.optimum is not None and descent.few is descent.problem:
        noise = RowNoise(descent.problem, descent.coordinates, descent.optimum)
        floor = noise.floor_and_halves(descent.rule, descent.lr, descent.size, descent.batching.shuffle)
    if floor is not None:
        evidence += (
            f" At this rate a gap of {number(floor.gap)} is expected to stay; it is {number(descent.gap)}. "
            f"lr={number(floor.half_lr)} or batches of {floor.half_batch_size:,} rows would halve it."
        )
    what = f"At a constant rate batches of {descent.size:,} rows keep the descent above the optimum."
    yield descent.finding(Kind.NOISE, what, evidence, remedy, gap)

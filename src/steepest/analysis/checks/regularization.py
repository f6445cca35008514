"""REGULARIZED: dropout, a penalty or a decay of the weights so strong that a model stays near the best constant.

Looked at are modules that leave a fifth or more of what a constant does (`constant_model.py`), and that have dropout
of 0.3 or more, a penalty, or a rule that decays the weights. Without it, or with a hundredth, they are fitted again to three
quarters of a sample of the rows and scored on the others, beside the fit's own settings: it is found where the mean loss on
these rows, which neither has seen, is at least a third lower and by more than two standard errors. A module whose dropout
or penalty keeps it from learning noise does no better on such rows without.

Of the linear family the same is asked of exact answers: each fifth of a sample of the rows is judged by the answers for the
others, with the penalty, with a hundredth of it and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from steepest.analysis.checks.penalties import left_out, tried
from steepest.analysis.checks.rerun import MOST_ROWS, inner_of, losses_after, wrapped
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind, Prepared
from steepest.analysis.needs import KNOWN_LOSS, LINEAR, NETWORK, PENALISED, WHOLE_TRACE, check
from steepest.choices import parse
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.formulas.penalties import PENALTIES
from steepest.formulas.rules import RULES, formula_of
from steepest.lazy import torch
from steepest.model.calling import evaluating
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty, penalty
from steepest.text.numbers import number

STRONG = 0.3
NEAR = 0.5  # of the constant's loss on rows left out, from which a penalty keeps a linear model near it
LEFT = 0.2  # of the constant's loss, from which a module counts as near it
BETTER = 2.0 / 3.0
ERRORS = 2.0
LESS = 0.01
APART = 30.0  # times one column spreads as far as another, from which a penalty hardly weighs on it
ARRIVED = 0.1  # relative gap up to which a descent has come far enough for its penalty to be judged


@dataclass(frozen=True)
class Weaker:
    """The fit with less of something. what: what it is; less: the settings or words that take it away."""

    what: str
    fit: FittedModule
    remedy: Mapping[str, Any]
    advice: str
    without: bool = False
    rule: Any = None


@check("fit", finds=(Kind.REGULARIZED,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def too_strong(fit: FittedModule) -> Iterator[Finding]:
    """What keeps a module at the mean, and how much better it does on unseen rows without."""
    if not np.isfinite(fit.theta).all() or fit.train.rows < 8:
        return
    weaker = list(_weaker(fit))
    if not weaker:
        return
    objective = wrapped(fit, inner_of(fit), fit.theta)
    constant, now = constant_loss(objective), float(objective.value(objective.theta))
    if not now >= LEFT * constant:
        return
    rows = sampled(fit.train, MOST_ROWS)
    held = np.arange(rows.rows) % 4 == 3
    part, other = replace(fit, train=rows.take(np.flatnonzero(~held))), rows.take(np.flatnonzero(held))
    as_it_is = _losses(part, Weaker("", part, {}, ""), other)
    found = []
    for one in weaker:
        there = _losses(replace(one.fit, train=part.train), one, other)
        if there is not None and as_it_is is not None and surely_lower(there[0], as_it_is[0]):
            found.append((float(there[0].mean()), there[1], one))
    if not found or as_it_is is None:
        return
    value, steps, one = min(found, key=lambda each: each[0])
    before = float(as_it_is[0].mean())
    yield Finding(
        Kind.REGULARIZED,
        f"{one.what} is so strong that it keeps the module near its mean prediction.",
        f"Its loss is {number(now)}; the best constant has {number(constant)}.",
        one.remedy,
        f"Tried on {part.train.rows:,} rows for {steps:,} steps: the loss on {other.rows:,} other rows is "
        f"{number(value)} instead of {number(before)}.",
        float(np.clip(1.0 - value / before, 0.0, 1.0)), advice=one.advice, of_model=True,
    )  # fmt: skip


@check("table", "fit", finds=(Kind.REGULARIZED,), needs=(LINEAR, PENALISED, KNOWN_LOSS))
def penalty_too_strong(given: Prepared) -> Iterator[Finding]:
    """Whether the penalty of a linear model keeps it at the mean, and how much better a weaker one does on unseen rows."""
    problem, spec = given.problem, given.spec
    if problem is None or not replace(problem.penalty, bounds=None) or problem.loss.custom or not tried(problem):
        return
    if not (getattr(given, "relative_gap", None) or 0.0) <= ARRIVED:
        return  # what keeps the descent from its optimum comes first
    as_it_is = left_out(problem, problem.penalty)
    if not np.isfinite(as_it_is).all():
        return
    found = []
    for less in weaker_penalties(spec.penalty):
        each = left_out(problem, replace(penalty(less), groups=problem.penalty.groups, bounds=problem.penalty.bounds))
        if np.isfinite(each).all() and surely_lower(each, as_it_is):
            found.append((float(each.mean()), less))
    if not found:
        return
    value, less = min(found)
    before = float(as_it_is.mean())
    ones = np.ones((len(problem.design), 1))
    alone = LinearProblem(ones, problem.target, problem.loss, weights=problem.weights, outputs=problem.outputs)
    constant = left_out(alone, Penalty()).mean()
    near = before >= NEAR * constant
    if not near and (problem.loss.classes or before < LEFT * constant):
        return
    scales = _unlike(given)
    yield Finding(
        Kind.REGULARIZED,
        f"penalty={spec.penalty!r} is so strong that it keeps the predictions near their mean."
        if near
        else f"penalty={spec.penalty!r} is stronger than the rows ask for.",
        f"The loss on fifths of the rows that are not fitted is {number(before)}; with penalty={less!r} it is {number(value)}."
        + scales,
        {"penalty": less, **({"penalty_groups": None} if spec.penalty_groups and less == "none" else {})},
        f"The loss on rows that the fit has not seen is about {number(value)} instead of {number(before)}.",
        float(np.clip(1.0 - value / before, 0.0, 1.0)), of_model=True,
        advice="Or divide the columns by their standard deviations, so that it weighs on all alike." if scales else "",
    )  # fmt: skip


def _unlike(given: Prepared) -> str:
    """Which column a penalty weighs on hardest, where the columns are of very unlike sizes; else ""."""
    problem, terms = given.problem, given.terms
    assert problem is not None
    assert terms is not None
    first = int(problem.intercept)
    spread = problem.design[:, first:].std(0)
    if len(spread) < 2 or not 0.0 < APART * spread.min() <= spread.max():
        return ""
    small, large = (terms.names[first + int(place)] for place in (spread.argmin(), spread.argmax()))
    return (
        f" It counts coefficients in the units of their columns, and so weighs hardest on {small!r}, which spreads "
        f"{number(float(spread.max() / spread.min()))} times less than {large!r}."
    )


def surely_lower(each: np.ndarray, before: np.ndarray) -> bool:
    """Whether the losses of rows are at least a third lower on average, and not by chance."""
    difference = before - each
    surely = difference.mean() > ERRORS * difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(each.mean() <= BETTER * before.mean() and surely)


def weaker_penalties(given: str) -> tuple[str, str]:
    """No penalty, and a hundredth of one.

    >>> weaker_penalties("elastic:1,20")
    ('none', 'elastic:0.01,0.2')
    """
    name, numbers = parse(given, PENALTIES, "penalty")
    return "none", f"{name}:{','.join(f'{LESS * float(weight):g}' for weight in numbers)}"


def _losses(fit: FittedModule, one: Weaker, other: Dataset) -> tuple[np.ndarray, int] | None:
    """The loss of each of some other rows after a descent on the fit's, and its steps; None where it fails."""
    from steepest.analysis.replaced_calls import Without  # which imports PyTorch

    inner = inner_of(fit)
    objective = wrapped(fit, Without(inner, "dropout") if one.without else inner, fit.trace.theta[0])
    return losses_after(fit, objective, other, rule=one.rule)


def _weaker(fit: FittedModule) -> Iterator[Weaker]:
    """What there is to weaken, each by itself."""
    from steepest.analysis.replaced_calls import Seen  # which imports PyTorch

    spec = fit.spec
    if spec.penalty != "none":
        for less in weaker_penalties(spec.penalty):
            weaker = replace(fit, spec=spec.model_copy(update={"penalty": less}))
            yield Weaker(f"penalty={spec.penalty!r}", weaker, {"penalty": less}, "")
    yield from _less_decay(fit)
    objective = wrapped(fit, inner_of(fit), fit.theta)
    with Seen(frozenset({"dropout"})) as seen, evaluating(objective.module), torch.no_grad():
        objective.module(objective.x)
    strong = max((share for _, given, _ in seen.found if (share := _share(given)) is not None), default=0.0)
    if strong >= STRONG:
        advice = f"Leave dropout out, or take a small share: nn.Dropout(p=0.1) in place of nn.Dropout(p={strong:g})."
        yield Weaker(f"Dropout of {strong:g}", fit, {}, advice, without=True)


def _share(given: tuple[Any, ...]) -> float | None:
    """The share of units that a call of dropout leaves out."""
    named = dict(one for one in given if isinstance(one, tuple) and len(one) == 2)
    found = named.get("p", next((one for one in given if isinstance(one, int | float)), 0.5))
    return float(found)


def _less_decay(fit: FittedModule) -> Iterator[Weaker]:
    """The rule with no decay of the weights, or as little as it has by itself."""
    given, lr = fit.spec.optimizer, {"lr": fit.lr} if fit.spec.lr == "auto" else {}
    formula = formula_of(given) if isinstance(given, str) else None
    if formula is not None and formula.decays:
        _, numbers = parse(given, RULES, "optimizer")
        usual = formula.numbers[-1].default
        if usual is not None and float(numbers[-1]) > usual:
            yield Weaker(
                f"A weight decay of {float(numbers[-1]):g}", fit, {"optimizer": formula.name}, "", rule=formula.name
            )
    if isinstance(given, partial) and isinstance(given.func, type) and given.keywords.get("weight_decay", 0.0) > 0.0:
        decay, momentum = given.keywords["weight_decay"], given.keywords.get("momentum", 0.0)
        name = {"SGD": f"momentum:{momentum:g}" if momentum else "sgd", "RMSprop": "rmsprop"}.get(
            given.func.__name__, "adam"
        )
        yield Weaker(f"A weight decay of {decay:g}", fit, {"optimizer": name, **lr}, "", rule=name)

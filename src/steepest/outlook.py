"""Before any fit: what will be hard about a table, and which settings will work.

    ahead = st.diagnose(x, y)            or  st.diagnose("houses.csv", target="price", model="poly:2")
    print(ahead)                         what ails the columns; a table of settings; calls to copy

The table goes over the coordinates of the descent and its rule. In each coordinates the valley of the objective is taken
at its optimum (`truth/theory.py`): its condition number, the largest rate that holds, the rate that takes the fewest steps
to a relative gap of 1e-6, and how many those are follow from its eigenvalues. For `mse` (also with `l2`) these numbers are
exact. Other smooth losses curve less at the optimum than elsewhere: their rates are held to what holds everywhere, and
their steps are an estimate. A loss with a kink has no valley, and a module no known optimum: there it is only said what
the defaults do.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, floor, isfinite, log10
from typing import Any

import numpy as np

from steepest.descent import coordinates as frames
from steepest.descent import rules
from steepest.descent.coordinates import Coordinates
from steepest.descent.schedules import factors
from steepest.fitting import described
from steepest.planning import Plan, innermost, largest_rate, plan
from steepest.problem import models
from steepest.problem.linear import LinearProblem, Terms
from steepest.problem.losses import MSE, CrossEntropy, Loss
from steepest.problem.schema import Schema
from steepest.problem.tables import Dataset
from steepest.result import Answer, answer
from steepest.spec import Spec, options
from steepest.truth import diagnosis, theory
from steepest.truth.finding import Findings
from steepest.truth.theory import Valley
from steepest.watching import held_out

AIM = 1e-6
"""The relative gap to which steps are counted."""

SHOWN_AIM = "1e-6"

RULES = ("sgd", "momentum:0.9", "nesterov:0.9")
FRAMES: dict[str, Callable[[LinearProblem], Coordinates]] = {
    "none": frames.identity,
    "standardize": frames.standardised,
    "orthonormal": frames.orthonormal,
}
SHARES = (1.0, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25)
"""Rates that are tried, as shares of the one with the fastest contraction: steps are few in number, not for ever."""

SWINGS = 600
"""Steps in which the swings of momentum 0.9 die away: a gap falls at least as 0.9 to the power of the steps."""

MOST_STEPS = 100_000
"""Steps from which on a setting is not recommended."""

PLANNED = 100_000
"""Steps up to which a descent as it was asked for is foreseen."""

OF_THE_DESCENT = frozenset((
    "optimizer", "lr", "schedule", "clip", "batch_size", "shuffle", "epochs", "max_steps", "tol", "patience",
    "precondition", "record",
))  # fmt: skip
"""Settings that say how it goes down, not what is fitted."""

LOOKED_AT = "Looked at: the columns (their scales, how they depend on one another, whether they vary) and the rows."


@dataclass(frozen=True)
class Prospect:
    """One line of the table: coordinates and rule, and what is predicted there.

    condition: λ_max/λ_min of the Hessian at the optimum. largest: the rate from which on it diverges. lr: the rate to take.
    steps: after which the relative gap stays below 1e-6; inf if never. exact: whether that is no estimate.
    """

    precondition: str
    optimizer: str
    condition: float
    largest: float
    lr: float
    steps: float
    exact: bool

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of `fit()` that do it, with some steps more than predicted."""
        room = 1.1 if self.exact else 2.0
        most = {} if not isfinite(self.steps) else {"epochs": ceil(room * self.steps) + (5 if self.exact else 50)}
        return {"optimizer": self.optimizer, "lr": self.lr, "precondition": self.precondition, **most}


@dataclass(frozen=True)
class Outlook:
    """What is known before any fit.

    findings: what will be hard about the data. prospects: the table, a line for each coordinates and rule; empty where no
    valley is known. sentences: where no rate will do, where the settings given lead, and what there is no number for.
    defaults: what the defaults do.
    data: how the data are written in Python, and source, on the command line ("" where they are no path).
    settings: those given that say what is fitted.
    """

    findings: Findings
    prospects: tuple[Prospect, ...]
    sentences: tuple[str, ...]
    defaults: str
    settings: Mapping[str, Any]
    data: str
    source: str

    @property
    def recommended(self) -> list[Prospect]:
        """The rule with the fewest steps in each coordinates where some number of steps will do, the fewest first."""
        fine = sorted((one for one in self.prospects if one.steps <= MOST_STEPS), key=lambda one: one.steps)
        first: dict[str, Prospect] = {}
        for one in fine:
            first.setdefault(one.precondition, one)
        return list(first.values())

    def python(self, one: Prospect | None = None) -> str:
        """The call of `st.fit` for a line of the table, or with the defaults."""
        given = dict(self.settings) | ({} if one is None else one.settings)
        # what has no literal (an array, a module) stands by its name
        words = [f"{name}={value!r}" if _is_literal(value) else f"{name}={name}" for name, value in given.items()]
        return f"st.fit({', '.join([self.data, *words])})"

    def command(self, one: Prospect | None = None) -> str:
        """The same as a command; "" where the data are no path."""
        given = dict(self.settings) | ({} if one is None else one.settings)
        told = self.source and all(map(_is_literal, given.values()))
        return shlex.join(["steepest", "fit", self.source, *options(given)]) if told else ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as one plain object: what `--json` prints."""
        return {
            "findings": self.findings.to_dicts(),
            "prospects": [
                {name: getattr(one, name) for name in Prospect.__dataclass_fields__} for one in self.prospects
            ],
            "recommended": [
                {"settings": one.settings, "python": self.python(one), "command": self.command(one)}
                for one in self.recommended
            ],
            "sentences": list(self.sentences),
            "defaults": {"what": self.defaults, "python": self.python(), "command": self.command()},
        }

    def _repr_html_(self) -> str:
        from steepest.views import outlooks

        return outlooks.html_of(self)

    def __str__(self) -> str:
        from steepest.views import outlooks

        return outlooks.text_of(self)


@dataclass(frozen=True)
class Ahead:
    """A problem as signs of the data look at it, before any fit."""

    spec: Spec
    schema: Schema
    names: Sequence[str]
    train: Dataset
    problem: LinearProblem | None
    terms: Terms | None
    loss_function: Loss


def diagnose(x: Any = None, y: Any = None, **settings: Any) -> Outlook:
    """What will be hard about a table, and which settings will work, without a step of descent.

    Args:
        x, y: as `st.fit` takes them: arrays, or x any table (a path, `sample:NAME`, a dataframe) and `target=` a column.
        settings: those of `st.fit`. The ones that say what is fitted (target, columns, model, loss, penalty, weights, …)
            are kept; for those that say how (optimizer, lr, …) it is predicted where they would lead.

    Returns:
        An `Outlook`: print it, or take `findings`, `prospects` and `recommended` from it.

    Raises:
        DataError, SpecError: as `st.fit` does.

    Example:
        >>> ahead = diagnose([[1.0, 1000.0], [2.0, 3000.0], [3.0, 2000.0], [5.0, 4000.0]], [1.0, 2.0, 2.5, 4.0])
        >>> best = ahead.recommended[0]
        >>> best.precondition, best.optimizer, best.lr, best.steps
        ('orthonormal', 'sgd', 0.5, 1.0)
    """
    spec, train, _, _ = described(x, y, settings)
    if spec.validation is not None:
        train, _ = held_out(train, spec.validation, spec.seed)
    asked = {name: settings[name] for name in Spec.model_fields if name in settings and _is_given(name, settings[name])}
    kept = {name: value for name, value in asked.items() if name not in OF_THE_DESCENT}
    if isinstance(kept.get("target"), list | tuple) and len(kept["target"]) == 1:
        kept["target"] = kept["target"][0]
    plain = Spec.read({name: getattr(spec, name) for name in spec.model_fields_set - OF_THE_DESCENT})
    usual = plan(plain, train)
    own = usual if spec == plain else plan(spec, train)
    problem = usual.problem
    best = answer(problem) if problem is not None else Answer(None, None, 0.0)
    ahead = Ahead(plain, train.schema, usual.names, train, problem, usual.terms, usual.loss)
    prospects: tuple[Prospect, ...] = ()
    sentences: list[str] = []
    if problem is not None and best.exact is not None and best.exact.theta is not None and _is_smooth(problem):
        start = models.start(spec.init, usual.names, spec.seed)
        first = np.zeros(problem.parameters) if start is None else start
        valleys = {
            name: theory.valley(problem, make(problem), first, best.exact.theta) for name, make in FRAMES.items()
        }
        gap = _gap(problem, first, best)
        prospects = tuple(_prospects(plain, problem, valleys, gap))
        sentences += _hopeless(prospects)
        if own is not usual:
            sentences.append(_asked(own, valleys, gap, spec))
    elif own is not usual:
        sentences.append("What the settings given lead to cannot be told before the fit.")
    sentences += _unknown(problem, best)
    source = os.fspath(x) if isinstance(x, str | os.PathLike) else ""
    data = repr(source) if source else "x, y" if y is not None else "table"
    found = replace(diagnosis.foresee(ahead), looked_at=LOOKED_AT)
    return Outlook(found, prospects, tuple(sentences), _usual(usual), kept, data, source)


def _is_given(name: str, value: Any) -> bool:
    default = Spec.model_fields[name].default
    return not (value is None or (isinstance(value, type(default)) and value == default))


def _is_literal(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_literal, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return isinstance(value, str | int | float)


def _is_smooth(problem: LinearProblem) -> bool:
    return problem.loss.bound is not None and not problem.penalty.l1


def _is_quadratic(problem: LinearProblem) -> bool:
    return isinstance(problem.loss, MSE)


def _gap(problem: LinearProblem, start: np.ndarray, best: Answer) -> float:
    """The gap that a relative gap of 1e-6 stands for."""
    from steepest.result import _objective_at

    lowest = best.objective or 0.0
    return AIM * max(lowest, 1e-12 * _objective_at(problem, start))


# ---- the table -------------------------------------------------------------------------------------


def _prospects(spec: Spec, problem: LinearProblem, valleys: Mapping[str, Valley], gap: float) -> Iterator[Prospect]:
    for (frame, valley), name in product(valleys.items(), RULES):
        rule = rules.rule(name)
        largest = theory.largest_rate(valley.values, rule)
        fastest = theory.best_rate(valley.values, rule)
        if not isfinite(fastest):  # nothing is curved: there is nothing to fit
            continue
        if not _is_quadratic(problem):
            largest = largest_rate(spec.model_copy(update={"optimizer": name, "precondition": frame}), problem)
            # beyond the optimum it may be as steep as the bound, where only half of the limit is safe for momentum
            fastest = min(fastest, largest * (0.95 if name == "sgd" else 0.5))
        rates = [_rounded(share * fastest) for share in SHARES]
        steps = [_settled(valley, rule, rate, gap) for rate in rates]
        place = int(np.argmin(steps))
        exact = _is_quadratic(problem)
        yield Prospect(frame, name, _condition(problem, valley), largest, rates[place], steps[place], exact)


def _settled(valley: Valley, rule: Any, rate: float, gap: float) -> float:
    """Steps after which the gap stays below `gap`: momentum swings through the optimum, and back."""
    first = theory.steps_to(valley, rule, rate, gap)
    if isinstance(rule, rules.SGD) or not isfinite(first):
        return first
    above = np.flatnonzero(theory.gaps_after(valley, rule, rate, first + np.arange(SWINGS)) > gap)
    return first if not above.size else float("inf") if above[-1] == SWINGS - 1 else first + float(above[-1]) + 1.0


def _condition(problem: LinearProblem, valley: Valley) -> float:
    """λ_max/λ_min over the directions that are curved."""
    if not isinstance(problem.loss, CrossEntropy):
        return valley.condition
    # what is added to all classes alike changes nothing: those directions have rounding for a curvature
    curved = valley.values[valley.values > len(valley.values) * np.finfo(float).eps * valley.values[0]]
    return float(curved[0] / curved[-1])


def _rounded(rate: float) -> float:
    """A rate to four digits, downwards.

    >>> _rounded(0.123456), _rounded(0.5)
    (0.1234, 0.5)
    """
    if rate == 0.0:
        return rate
    digits = 3 - floor(log10(rate))
    down = float(f"{floor(rate * 10.0**digits * (1 + 1e-12))}e{-digits}")
    return down if down > 0.0 else rate


# ---- in words --------------------------------------------------------------------------------------


def _usual(made: Plan) -> str:
    """What the defaults do."""
    how = f"The defaults: {made.optimizer}, coordinates {made.precondition}"
    if made.problem is None:
        return (
            f"{how}, lr {made.lr:.4g}, schedule {made.schedule_name}, {made.epochs:,} epochs. A module has no known optimum, "
            "so how many steps it needs cannot be told before the fit."
        )
    bound = made.loss.bound
    if made.optimizer.startswith("curvature"):
        reach = "1e-10" if bound is not None else "1e-5"
        return f"{how}: these arrive in a few steps whatever the columns' units, at a relative gap of at most {reach}."
    return f"{how}, lr {made.lr:.4g}, schedule {made.schedule_name}, at most {made.epochs:,} epochs."


def _hopeless(prospects: Sequence[Prospect]) -> Iterator[str]:
    """In which coordinates no rate will do."""
    for frame in FRAMES:
        fewest = min((one for one in prospects if one.precondition == frame), key=lambda one: one.steps, default=None)
        if fewest is not None and fewest.steps > MOST_STEPS:
            yield (
                f"With precondition={frame!r} no rate of these rules will do: the fewest steps to a relative gap of "
                f"{SHOWN_AIM} are {number(fewest.steps)} ({fewest.optimizer}): the condition number is "
                f"{fewest.condition:.2g}."
            )


def _asked(made: Plan, valleys: Mapping[str, Valley], gap: float, spec: Spec) -> str:
    """Where the settings given lead."""
    rule = innermost(made.rule)
    valley = valleys.get(made.precondition)
    how = f"{made.optimizer}, lr {made.lr:.4g}, schedule {made.schedule_name}, coordinates {made.precondition}"
    named = f"The settings given ({how})"
    if (
        valley is None
        or made.rule is not rule
        or not made.full_batch
        or not isinstance(rule, rules.SGD | rules.Momentum)
    ):
        return f"{named}: where they lead cannot be told before the fit."
    largest = theory.largest_rate(valley.values, rule)
    steps = min(value for value in (made.epochs, spec.max_steps, PLANNED) if value is not None)
    rates = made.lr * factors(made.schedule, 0, 0, steps, whole=True)
    gaps = theory.predicted_gaps(valley, rule, rates)
    if not gaps[-1] <= gaps[0]:
        return f"{named} will diverge: the largest rate that holds there is {largest:.4g}."
    words = f"{named} come to a relative gap of about {AIM * gaps[-1] / gap:.1e} in {steps:,} steps"
    if gaps[-1] <= gap or made.schedule_name != "constant":
        return f"{words}."
    needed = theory.steps_to(valley, rule, made.lr, gap)
    return f"{words}; to {SHOWN_AIM} it takes {number(needed)}."


def _unknown(problem: LinearProblem | None, best: Answer) -> list[str]:
    """What there are no numbers for, and what holds there."""
    if problem is None:
        return []
    if best.exact is not None and best.exact.separable:
        return ["The classes can be separated: without a penalty there is no optimum to count steps to."]
    if problem.loss.bound is None:
        return [
            f"The loss {problem.loss} has a kink: no constant rate arrives, it bounces. A rate that falls to 0 does, "
            "as with lr='auto', which takes schedule='cosine'."
        ]
    if problem.penalty.l1:
        return ["An l1 penalty has a kink at 0, where there is no curvature: its steps are not predicted."]
    if best.exact is None or best.exact.theta is None:
        return [] if best.exact is None else [f"Steps are not predicted: {best.exact.note}"]
    return [
        "adam, adagrad and rmsprop have no largest rate: with lr='auto' the best of a short trial is taken, and a cosine "
        "schedule lets it settle."
    ]


def number(steps: float) -> str:
    """A number of steps: `1,234`, `4.2e+12`, `never`.

    >>> number(1234.0), number(4.2e12), number(float("inf"))
    ('1,234', '4.2e+12', 'never')
    """
    if not isfinite(steps):
        return "never"
    return f"{steps:,.0f}" if steps < 1e7 else f"{steps:.2g}"

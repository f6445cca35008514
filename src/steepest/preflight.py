"""Before any fit: what will be hard about a table, and which settings will work.

    ahead = st.diagnose(x, y)            or  st.diagnose("houses.csv", target="price", model="poly:2")
    print(ahead)                         what ails the columns; a table of settings; calls to copy

The table goes over the coordinates of the descent and its rule; the eigenvalues of the quadratic at the optimum say it
(`analysis/rate_table.py`), exactly for `mse`, also with `l2`. A loss with a kink has no quadratic, and a
module no known optimum: there it is only said what the defaults do.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import ceil, isfinite
from typing import Any, Unpack

import numpy as np

from steepest.analysis import convergence, diagnosis, stable_rate
from steepest.analysis.convergence import Quadratic
from steepest.analysis.finding import BeforeFit, Findings
from steepest.analysis.fit_settings import PRECONDITIONERS, coordinates_of
from steepest.analysis.rate_table import CLOSE, RULES, arrival
from steepest.command_words import options
from steepest.data.wording import step_count
from steepest.defaults import plan
from steepest.descent.schedule_factors import factors
from steepest.fit_data import described, formula_first
from steepest.formulas.rules import FORMULAS, Automatic
from steepest.held_out import held_out, rows_apart
from steepest.model.linear import LinearProblem
from steepest.planned import Plan
from steepest.scoring import Answer, answer, objective_at
from steepest.settings import Spec
from steepest.settings_table import SETTINGS, Settings, takes_settings, those
from steepest.text import preflight
from steepest.text.displayed import Displayed
from steepest.text.document import Document
from steepest.text.preflight import SHOWN_AIM

MOST_STEPS = 100_000  # steps from which on a setting is not recommended
PLANNED = 100_000  # steps up to which a descent as it was asked for is foreseen
OF_THE_DESCENT = frozenset(those(lambda setting: setting.steers))
"""Settings that say how it goes down, not what is fitted."""


@dataclass(frozen=True)
class Prospect:
    """One line of the table: coordinates and rule, and what is predicted there.

    precondition and optimizer: what it is about. condition: λ_max/λ_min of the Hessian at the optimum. largest: the rate
    from which on it diverges. lr: the rate to take. steps: after which the relative gap stays below 1e-6; inf if never.
    exact: whether that is no estimate.
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


def prospects_of(
    problem: LinearProblem, quadratics: Mapping[str, Quadratic], whole: float, gap: float
) -> Iterator[Prospect]:
    """The table of a smooth problem without an `l1` penalty, a line for each coordinates and rule.

    Args:
        quadratics: coordinates → the quadratic from the start to the optimum.
        whole, gap: F − F* at the start, and the gap to which steps are counted.
    """
    for (frame, quadratic), (name, rule) in product(quadratics.items(), RULES.items()):
        found = arrival(problem, coordinates_of(frame, problem), quadratic, rule, whole, gap)
        if found is not None:
            exact = problem.loss.quadratic
            yield Prospect(frame, name, found.condition, found.largest, found.lr, found.steps, exact)


@dataclass(frozen=True)
class Preflight(Displayed):
    """What is known before any fit.

    findings: what will be hard about the data. prospects: the table, a line for each coordinates and rule; empty where no
    quadratic is known. sentences: where no rate will do, where the settings given lead, and what there is no number for.
    defaults: what the defaults do.
    data: how the data are written in Python. source: how they are on the command line; "" where they are no path.
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
        """The call of `st.fit` for a line of the table, or with the defaults.

        Args:
            one: the line, one of `prospects`; None is the defaults.

        Example:
            >>> diagnose("sample:line").python()
            "st.fit('sample:line')"
        """
        given = dict(self.settings) | ({} if one is None else one.settings)
        # what has no literal (an array, a module) stands by its name
        words = [f"{name}={value!r}" if _is_literal(value) else f"{name}={name}" for name, value in given.items()]
        return f"st.fit({', '.join([self.data, *words])})"

    def command(self, one: Prospect | None = None) -> str:
        """The same as a command; "" where the data are no path.

        Args:
            one: the line, one of `prospects`; None is the defaults.

        Example:
            >>> diagnose("sample:line").command()
            'steepest fit sample:line'
        """
        given = dict(self.settings) | ({} if one is None else one.settings)
        told = self.source and all(map(_is_literal, given.values()))
        return shlex.join(["steepest", "fit", self.source, *options(given)]) if told else ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as one plain object: what `--json` prints.

        Example:
            >>> list(diagnose("sample:line").to_dict())
            ['findings', 'looked_at', 'muted', 'prospects', 'recommended', 'sentences', 'defaults']
        """
        return {
            **self.findings.to_dict(),
            "prospects": [asdict(one) for one in self.prospects],
            "recommended": [
                {"settings": one.settings, "python": self.python(one), "command": self.command(one)}
                for one in self.recommended
            ],
            "sentences": list(self.sentences),
            "defaults": {"what": self.defaults, "python": self.python(), "command": self.command()},
        }

    def _document(self, width: float) -> Document:
        return preflight.document(self)


@takes_settings()
def diagnose(
    x: Any = None, y: Any = None, *, mute: str | Sequence[str] = (), **settings: Unpack[Settings]
) -> Preflight:
    """What will be hard about a table, and which settings will work, without a step of descent.

    Args:
        x, y: as `st.fit` takes them: arrays, or x any table (a path, `sample:NAME`, a dataframe) and `target=` a column.
        {settings}
        mute: codes of findings that are not to be shown, as `["ST004"]`.

    The settings that say what is fitted (target, columns, model, loss, penalty, weights, …) are kept; for those that say
    how (optimizer, lr, …) it is predicted where they would lead.

    Returns:
        A `Preflight`: print it, or take `findings`, `prospects` and `recommended` from it.

    Raises:
        DataError, SpecError: as `st.fit` does; SpecError for a code that no finding has.

    Example:
        >>> ahead = diagnose([[1.0, 1000.0], [2.0, 3000.0], [3.0, 2000.0], [5.0, 4000.0]], [1.0, 2.0, 2.5, 4.0])
        >>> best = ahead.recommended[0]
        >>> best.precondition, best.optimizer, best.lr, best.steps
        ('orthonormal', 'sgd', 0.5, 1.0)
    """
    x, y, asked = formula_first(x, y, settings)
    _, given = rows_apart(asked)
    spec, train, _, _ = described(x, y, given)
    train = replace(train, stream=None)  # of a stream some rows, in memory
    if spec.validation_share is not None:
        train, _ = held_out(train, spec.validation_share, spec.seed)
    asked = {name: given[name] for name in SETTINGS if name in given and _is_given(name, given[name])}
    kept = {name: value for name, value in asked.items() if name not in OF_THE_DESCENT}
    if isinstance(kept.get("target"), list | tuple) and len(kept["target"]) == 1:
        kept["target"] = kept["target"][0]
    plain = Spec.read({name: getattr(spec, name) for name in spec.model_fields_set - OF_THE_DESCENT})
    usual = plan(plain, train)
    own = usual if spec == plain else plan(spec, train)
    problem = usual.problem
    best = answer(problem) if problem is not None else Answer(None, None, 0.0)
    ahead = BeforeFit(plain, train.schema, usual.names, train, problem, usual.terms, usual.loss)
    prospects: tuple[Prospect, ...] = ()
    sentences: list[str] = []
    if problem is not None and best.exact is not None and best.exact.theta is not None and _is_smooth(problem):
        start = usual.start(spec.init, spec.seed)
        first = np.zeros(problem.parameters) if start is None else start
        quadratics = {
            name: convergence.quadratic_at(problem, coordinates_of(name, problem), first, best.exact.theta)
            for name in PRECONDITIONERS
            if not _centred(usual) or name == "orthonormal"
        }
        highest, lowest = objective_at(problem, first), best.objective or 0.0
        gap = CLOSE * max(lowest, 1e-12 * highest)
        prospects = tuple(prospects_of(problem, quadratics, highest - lowest, gap))
        sentences += _hopeless(prospects)
        if _centred(usual):
            sentences.append(
                "Columns are far from zero beside their spread: their powers are taken of centred columns, and in other "
                "coordinates than orthonormal float64 leaves too few digits to descend in."
            )
        if own is not usual:
            sentences.append(_asked(own, quadratics, gap, spec))
    elif own is not usual:
        sentences.append("What the settings given lead to cannot be told before the fit.")
    sentences += _unknown(problem, best)
    source = os.fspath(x) if isinstance(x, str | os.PathLike) else ""
    data = repr(source) if source else "x, y" if y is not None else "table"
    # there is no gap yet of which they could explain a share
    foreseen = diagnosis.foresee(ahead)
    hard = tuple(one if one.of_model else replace(one, share=0.0) for one in foreseen)
    found = replace(foreseen, found=hard).without(mute)
    return Preflight(found, prospects, tuple(sentences), _usual(usual), kept, data, source)


def _centred(made: Plan) -> bool:
    return made.terms is not None and bool(made.terms.centre)


def _is_given(name: str, value: Any) -> bool:
    default = SETTINGS[name].default
    return not (value is None or (isinstance(value, type(default)) and value == default))


def _is_literal(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_literal, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return isinstance(value, str | int | float)


def _is_smooth(problem: LinearProblem) -> bool:
    return problem.loss.smooth and not problem.penalty.kinked


# ---- in words --------------------------------------------------------------------------------------


def _usual(made: Plan) -> str:
    """What the defaults do."""
    how = f"The defaults: {made.optimizer}, coordinates {made.precondition}"
    if made.problem is None:
        return (
            f"{how}, lr {made.lr:.4g}, schedule {made.schedule_name}, {made.batching.epochs:,} epochs. A module has no "
            "known optimum, so how many steps it needs cannot be told before the fit."
        )
    if made.optimizer == Automatic.CURVATURE:
        if not made.loss.convex:
            return f"{how}: these come to a minimum whatever the columns' units, which may not be the least."
        reach = "1e-5" if made.loss.kinked else "1e-10"
        return f"{how}: these arrive in a few steps whatever the columns' units, at a relative gap of at most {reach}."
    return f"{how}, lr {made.lr:.4g}, schedule {made.schedule_name}, at most {made.batching.epochs:,} epochs."


def _hopeless(prospects: Sequence[Prospect]) -> Iterator[str]:
    """In which coordinates no rate will do."""
    for frame in PRECONDITIONERS:
        fewest = min((one for one in prospects if one.precondition == frame), key=lambda one: one.steps, default=None)
        if fewest is None or fewest.steps <= MOST_STEPS:
            continue
        words = f"With precondition={frame!r} no rate of these rules will do:"
        if np.isfinite(fewest.steps):
            yield (
                f"{words} the fewest steps to a relative gap of {SHOWN_AIM} are {step_count(fewest.steps)} "
                f"({fewest.optimizer}); the condition number is {fewest.condition:.2g}."
            )
        else:
            yield f"{words} along some directions the objective is too flat for float64."


def _asked(made: Plan, quadratics: Mapping[str, Quadratic], gap: float, spec: Spec) -> str:
    """Where the settings given lead."""
    rule = made.rule.innermost
    quadratic = quadratics.get(made.precondition)
    how = f"{made.optimizer}, lr {made.lr:.4g}, schedule {made.schedule_name}, coordinates {made.precondition}"
    named = f"The settings given ({how})"
    if quadratic is None or made.rule is not rule or not made.full_batch or not rule.linear:
        return f"{named}: where they lead cannot be told before the fit."
    largest = stable_rate.largest_rate(quadratic.values, rule)
    steps = min(made.batching.steps or PLANNED, PLANNED)
    rates = made.lr * factors(made.schedule, 0, 0, steps, whole=True)
    gaps = convergence.predicted_gaps(quadratic, rule, rates)
    if not gaps[-1] <= gaps[0]:
        return f"{named} will diverge: the largest rate that holds there is {largest:.4g}."
    words = f"{named} come to a relative gap of about {CLOSE * gaps[-1] / gap:.1e} in {steps:,} steps"
    if gaps[-1] <= gap or made.schedule_name != "constant":
        return f"{words}."
    needed = convergence.steps_to(quadratic, rule, made.lr, gap)
    return f"{words}; to {SHOWN_AIM} it takes {step_count(needed)}."


def _unknown(problem: LinearProblem | None, best: Answer) -> list[str]:
    """What there are no numbers for, and what holds there."""
    if problem is None:
        return []
    if best.exact is not None and best.exact.separable:
        why = (
            "The classes are linearly separable"
            if problem.loss.classes
            else "Rows at the end of what targets can be leave no minimum"
        )
        return [f"{why}: without a penalty there is no optimum to count steps to."]
    if problem.loss.custom:
        return ["The curvature of this loss is not known beforehand: no rates and steps are predicted."]
    if problem.loss.kinked:
        return [
            f"The loss {problem.loss} has a kink: no constant rate arrives, it bounces. A rate that falls to 0 does, "
            "as with lr='auto', which takes schedule='cosine'."
        ]
    if problem.penalty.bounds is not None:
        return ["Steps to an optimum within bounds are not predicted."]
    if problem.penalty.soft:
        return [
            f"{problem.penalty.article.capitalize()} penalty has a kink at 0, where there is no curvature: its steps are not "
            "predicted."
        ]
    if best.exact is None or best.exact.theta is None:
        return [] if best.exact is None else [f"Steps are not predicted: {best.exact.note}"]
    scaled = [name for name, rule in FORMULAS.items() if not rule.linear]
    return [
        f"{', '.join(scaled[:-1])} and {scaled[-1]} have no largest rate: with lr='auto' the best of a short trial is "
        "taken, and a cosine schedule lets it settle."
    ]

"""Lots: what came of a sweep's runs, as many at a time as were worked together.

Some that went side by side (`Cohort`), one that ran alone (`Alone`), one of which there is only something to be said
(`Unfit`). A lot knows the numbers of all its runs at once, and makes a `Fit` of one when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from steepest.data.dataset import Dataset
from steepest.descent.method import Method
from steepest.descent.stopping import Ending, Status
from steepest.descent.trace import Trace
from steepest.errors import FitError
from steepest.fitting import end_of, finished
from steepest.lazy import torch
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.prediction import with_parameters
from steepest.monitor import Ended
from steepest.planned import Plan
from steepest.recording import last_finite, trace_of
from steepest.result import Fit
from steepest.scoring import Answer, answer, answer_in, verdict
from steepest.settings import Spec

NUMBERS = ("loss", "objective", "start", "gap", "relative_gap", "test_loss")
COUNTS = ("steps", "epochs")
WORDS = ("status", "engine", "message")
COLUMNS = (*NUMBERS, *COUNTS, *WORDS)
"""What is known of each run beside its settings. start: F at the start. message: why a run has no fit."""

FAILED = "failed"
"""The status of a run that could not begin; all others are names of a `Status`, in small letters."""

ENTRIES = 2**22
"""Predictions that are held at a time where many runs are scored."""


class Lot(Protocol):
    """Some of a sweep's runs, by their places in it."""

    def rows(self) -> list[dict[str, Any]]:
        """`COLUMNS` of each run; None where there is nothing to say."""
        ...

    def fit(self, place: int) -> Fit:
        """One of the runs."""
        ...


@dataclass(frozen=True)
class Alone:
    """A run that has a `Fit` already."""

    done: Fit

    def rows(self) -> list[dict[str, Any]]:
        fit = self.done
        row = {
            "objective": fit.objective_value,
            "start": float(fit.trace.objective[0]),
            "status": fit.status.name.lower(),
            "message": None,
        }
        return [{name: row[name] if name in row else getattr(fit, name) for name in COLUMNS}]

    def fit(self, place: int) -> Fit:
        return self.done


@dataclass(frozen=True)
class Unfit:
    """Runs that did not begin, and why."""

    status: str
    message: str
    runs: int = 1

    def rows(self) -> list[dict[str, Any]]:
        return [{name: getattr(self, name, None) for name in COLUMNS}] * self.runs

    def fit(self, place: int) -> Fit:
        raise FitError(f"This run has no fit: {self.message}")


@dataclass(frozen=True)
class Problem:
    """What runs of the same data, model, loss and penalty share: the rows, and the exact answer once it is asked for."""

    spec: Spec
    train: Dataset
    test: Dataset | None
    notes: tuple[str, ...]
    made: Plan

    @property
    def linear(self) -> LinearProblem | None:
        """The linear family's problem."""
        return self.made.problem

    @cached_property
    def answer(self) -> Answer:
        """The exact answer."""
        if self.made.terms is None:
            return answer(None)
        return answer_in(self.spec, self.train, self.made.terms, self.made.loss, self.linear)


@dataclass(frozen=True)
class Cohort:
    """Runs that were worked together. Each has a spec, a method, a rate, and its place among those it ended with.

    seconds: of all together; each run is given its share.
    """

    problem: Problem
    specs: Callable[[int], Spec]
    methods: Sequence[Method]
    lr: np.ndarray
    ended: Sequence[tuple[Ended, int]]
    engine: str
    seconds: float

    def rows(self) -> list[dict[str, Any]]:
        made = self.problem.made
        starts, last = self._recorded(0)[:, 1].tolist(), self._recorded(-1)
        theta = np.stack([group.theta[place] for group, place in self.ended])
        theta = theta if made.to_user is None else made.to_user(theta)
        for place in np.flatnonzero(~np.isfinite(theta).all(1)).tolist():
            group, row = self.ended[place]
            trace = trace_of(self.specs(place), made, group.recorder.only(row))
            theta[place] = last_finite(trace, theta[place]) if trace.theta.shape[1] == theta.shape[1] else np.nan
        rows = []
        numbers = zip(*self._valued(theta, last), starts, last[:, 3].tolist(), self.methods, self.ended, strict=True)
        for loss, objective, start, tested, method, (group, place) in numbers:
            ending, known = group.endings[place], self.problem.answer.beside(objective, start)
            status, _ = verdict(ending.status, known, objective, start, made.loss, method.optimizer)
            rows.append({
                "loss": loss,
                "objective": objective,
                "start": start,
                "gap": known.gap(objective),
                "relative_gap": known.relative_gap(objective, start),
                "test_loss": None if self.problem.test is None else tested,
                "steps": group.steps,
                "epochs": group.epochs,
                "status": status.name.lower(),
                "engine": self.engine,
                "message": None,
            })  # fmt: skip
        return rows

    def _recorded(self, row: int) -> np.ndarray:
        """The numbers of each run's first or last row, `[runs, 4]`."""
        groups = {id(group): group for group, _ in self.ended}
        known = {key: group.recorder.row(row) for key, group in groups.items()}
        return np.stack([known[id(group)][place] for group, place in self.ended])

    def _valued(self, theta: np.ndarray, last: np.ndarray) -> tuple[list[float], list[float]]:
        """Loss and objective at the end: of the linear family in float64 and user units, of a module as recorded."""
        problem = self.problem.linear
        if problem is None:
            return last[:, 0].tolist(), np.where(np.isnan(last[:, 1]), last[:, 0], last[:, 1]).tolist()
        whole = LinearObjective(problem)
        each = max(1, ENTRIES // (len(problem.design) * problem.outputs))
        parts = torch.from_numpy(theta).split(each)
        loss = torch.cat([whole.value(part) for part in parts])
        penalty = torch.cat([loss.new_zeros(len(part)) + whole.penalty(part) for part in parts])
        return loss.tolist(), (loss + penalty).tolist()

    def ends(self, places: Sequence[int]) -> tuple[np.ndarray, list[Ending], dict[str, np.ndarray]]:
        """θ `[m, p]`, endings and the columns of the trace `[m, …]` of runs that ended together, each as its `Fit` has it."""
        spec, made, group = self.problem.spec, self.problem.made, self.ended[places[0]][0]
        rows = [self.ended[place][1] for place in places]
        theta, endings = list(group.theta[rows]), [group.endings[row] for row in rows]
        as_it_is = not isinstance(spec.record, tuple) and made.precondition == "none"
        trace: dict[str, Any] = (
            group.recorder.columns(rows) if as_it_is else {name: [] for name in (*Trace.COLUMNS, "theta")}
        )
        for i, (place, row) in enumerate(zip(places, rows, strict=True)):
            if as_it_is and endings[i].status is not Status.DIVERGED:
                continue
            theta[i], path, endings[i] = end_of(spec, self._made(place), group, row)
            for name, columns in trace.items() if not as_it_is else ():
                columns.append(getattr(path, name))
        return np.stack(theta), endings, {name: np.asarray(columns) for name, columns in trace.items()}

    def _made(self, place: int) -> Plan:
        method = self.methods[place]
        return replace(
            self.problem.made,
            rule=method.rule,
            lr=float(self.lr[place]),
            schedule=method.schedule,
            schedule_name=method.schedule_name,
            optimizer=method.optimizer,
            batching=method.batching,
        )

    def fit(self, place: int) -> Fit:
        group, row = self.ended[place]
        made, shared = self._made(place), self.problem
        seconds = self.seconds / len(self.ended)
        fit = finished(
            self.specs(place), made, group, row, self.engine, seconds, shared.train, shared.test, shared.notes
        )
        if fit.network is not None:
            fit.network = with_parameters(fit.network, fit.theta)
        fit.inner.problem = shared.linear
        if shared.linear is not None:
            fit.inner.answer = shared.answer
        fit.swept = True
        return fit

"""`sweep()`: settings with several values in, their product worked in as few batched descents as possible, a `Sweep` out.

    axes      the settings that were given as a list, every value checked once
    groups    runs that share all but lr, the rule's numbers, schedule, seed, start, clipping and when to end
    slices    as many runs of a group as memory allows, descending side by side     descent/sweep.py
    lots      what came of them                                                     sweeps.py

What cannot go side by side (`torch.optim` classes, the curvature steps of "auto", a module with dropout) goes alone, by
the same code as `fit()`. A run's numbers do not depend on the others: it is the fit that its settings describe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.descent import codes, fused_runs
from steepest.descent import sweep as many
from steepest.descent.objective import LinearObjective, ModuleObjective, Objective
from steepest.descent.stopping import Status
from steepest.descent.trace import BUDGET
from steepest.errors import FitError, SpecError, SteepestError
from steepest.fitting import batch_size, data_of, held_out_note, is_names, run
from steepest.planning import Way, plan, targets, way
from steepest.problem import models
from steepest.problem.tables import Dataset
from steepest.result import Fit
from steepest.spec import Spec
from steepest.sweeps import FAILED, Alone, Cohort, Lot, Problem, Sweep, Unfit
from steepest.watching import held_out
from steepest.watching_blocks import BlockWatcher, Limits, by_run

__all__ = ["Sweep", "compare", "sweep"]

Progress = Callable[[float, int], None]
"""Called with the runs that are done (a part of those under way counted in) and all runs."""

FREE = ("lr", "optimizer", "clip", "schedule", "epochs", "max_steps", "tol", "patience", "init", "seed")
"""Settings in which runs that descend side by side may differ."""

PREPARED_BY = (
    "target",
    "columns",
    "drop",
    "model",
    "loss",
    "intercept",
    "weights",
    "class_weight",
    "missing",
    "test_fraction",
)
"""Settings that decide which rows there are; with rows held out the seed does too."""

ENTRIES = 2**19
"""Numbers of one layer that a slice computes at a time: they should stay in the cache."""

GENEROUS = 8 * BUDGET
"""Bytes for all traces of a sweep where `record` was given."""

BEFORE_IT_BEGAN = "The sweep was interrupted before this run began."


def sweep(
    x: Any = None,
    y: Any = None,
    *,
    target: Any = None,
    columns: Any = None,
    drop: Any = (),
    model: Any = "linear",
    loss: Any = "auto",
    penalty: Any = None,
    optimizer: Any = "auto",
    lr: Any = "auto",
    schedule: Any = "auto",
    clip: Any = None,
    batch_size: Any = "full",
    shuffle: Any = "rows",
    epochs: Any = None,
    max_steps: Any = None,
    tol: Any = None,
    patience: Any = None,
    validation: Any = None,
    init: Any = "zeros",
    seed: Any = 0,
    precondition: Any = "auto",
    intercept: Any = True,
    weights: Any = None,
    class_weight: Any = None,
    missing: Any = "error",
    test_fraction: Any = 0.0,
    record: Any = None,
    dtype: Any = "float64",
    device: Any = "cpu",
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Fit with every combination of several settings, as many descents at once as possible.

    The settings are those of `fit()`, and mean the same. Any of them may be given as a list, a range or an array of
    values; the runs are their product, in the order of `itertools.product` over the settings as they stand above. Each
    run is what `fit()` makes of its settings alone. Where a single value is a list itself, several are a list of such:

    - `target`, `columns`, `drop`, names for `record`: a list of texts is one value, `[["a"], ["a", "b"]]` two.
    - `init`, `weights`: a list of numbers is one value, `[[0, 0], [1, 1]]` or `["zeros", "normal"]` two.
    - `class_weight`: a dict is one value, a list of them several.

    Runs share the memory for traces (256 MiB; 2 GiB if `record` is given), so that many runs have fewer rows each. A run
    whose settings do not go together, or do not fit the data, is a row with the status `failed`; Ctrl-C keeps what is done.

    Args:
        x, y: the data, as for `fit()`.
        batches: as for `fit()`; runs go one by one then.
        progress: called after each block of steps with the number of runs done and of all runs.

    Returns:
        A `Sweep`.

    Raises:
        SpecError: a value is impossible by itself. SpecError or DataError: all runs failed; the first one's.

    Example:
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=[0.01, 0.1], optimizer=["sgd", "adam"], epochs=50)
        >>> len(runs), runs.settings["lr"]
        (4, [0.01, 0.1, 0.01, 0.1])
        >>> runs.best.spec.lr, runs.best.spec.optimizer
        (0.1, 'sgd')
    """
    given = {name: value for name, value in locals().items() if name in Spec.model_fields}
    if record is None:
        del given["record"]
    runs = _Runs(given)
    work = _Work(runs, x, y, batches, GENEROUS if record is not None else BUDGET, progress)
    return work.done()


def compare(fits: Iterable[Fit]) -> Sweep:
    """Fits that were made one by one as a `Sweep`: one table, the settings that differ as its columns.

    Example:
        >>> from steepest.fitting import fit
        >>> x, y = [0.0, 1.0, 2.0], [1.0, 3.0, 5.5]
        >>> compare([fit(x, y, lr=0.1), fit(x, y, lr=0.2)]).settings
        {'lr': [0.1, 0.2]}
    """
    fits = list(fits)
    if not fits or not all(isinstance(fit, Fit) for fit in fits):
        raise SpecError("compare() takes a list of fits, as st.fit() and st.load() give them.")
    settings = {}
    for name in Spec.model_fields:
        values = [getattr(fit.spec, name) for fit in fits]
        if not all(_same(value, values[0]) for value in values):
            settings[name] = values
    return Sweep(settings, [Alone(fit) for fit in fits], [(lot, 0) for lot in range(len(fits))])


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, (np.ndarray, Tensor, list)) or isinstance(b, (np.ndarray, Tensor, list)):
        return type(a) is type(b) and np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
    return bool(a == b)


# ---- which runs there are --------------------------------------------------------------------------


def axis(name: str, value: Any) -> list[Any] | None:
    """The values that a setting is swept over, or None where it has a single one (see `sweep`).

    >>> axis("lr", [0.1, 1.0]), axis("columns", ["a", "b"]), axis("columns", [["a"], ["a", "b"]])
    ([0.1, 1.0], None, [['a'], ['a', 'b']])
    """
    if isinstance(value, (np.ndarray, Tensor)) and name != "device":
        if value.ndim == 0:
            return None
        if name in ("init", "weights"):
            return list(value) if value.ndim == 2 else None
        value = value.tolist()
    if not isinstance(value, (list, range)) and not (isinstance(value, tuple) and not is_names(name, ())):
        return None
    values = [entry.item() if isinstance(entry, np.generic) else entry for entry in value]
    if name in ("target", "columns", "drop", "record") and values and all(isinstance(v, str) for v in values):
        return None
    if name in ("init", "weights") and values and all(isinstance(v, Real) for v in values):
        return None
    if not values and name == "drop":
        return None
    if not values:
        raise SpecError(f"{name}={value!r} sweeps over nothing; give at least one value.")
    return values


class _Runs:
    """The product of all axes: run i has `values[name][places[name][i]]`, validated, of each setting that is swept."""

    def __init__(self, given: Mapping[str, Any]):
        swept = {name: found for name, value in given.items() if (found := axis(name, value)) is not None}
        single = {name: value for name, value in given.items() if name not in swept}
        self.raw = {name: [value] for name, value in single.items()} | swept
        self.base = Spec.read({name: _read(name, value) for name, value in single.items()})
        self.values = {name: [_validated(name, value) for value in values] for name, values in swept.items()}
        self.shape = tuple(len(values) for values in self.values.values())
        self.count = prod(self.shape)
        grid = np.unravel_index(np.arange(self.count), self.shape) if self.shape else ()
        self.places: dict[str, np.ndarray] = dict(zip(self.values, grid, strict=True))

    def of(self, name: str, run: int) -> Any:
        """A setting of a run."""
        return self.values[name][self.places[name][run]] if name in self.values else getattr(self.base, name)

    def spec(self, run: int) -> Spec:
        """All settings of a run."""
        return self.base.model_copy(update={name: self.of(name, run) for name in self.values})

    def settings(self) -> dict[str, list[Any]]:
        """The swept settings, as they were given, one value a run."""
        return {name: [self.raw[name][place] for place in self.places[name].tolist()] for name in self.values}

    def distinct(self, names: Iterable[str], runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One run for each combination of some settings, and for each of `runs` which of them is its own."""
        columns = [self.places[name][runs] for name in names if name in self.values]
        if not columns:
            return runs[:1], np.zeros(len(runs), dtype=np.intp)
        _, first, which = np.unique(np.stack(columns, 1), axis=0, return_index=True, return_inverse=True)
        return runs[first], which.ravel()

    def groups(self) -> list[np.ndarray]:
        """Runs that may go side by side, each group in rising order."""
        columns = [self.places[name] for name in self.values if name not in FREE]
        kinds = {
            "lr": lambda value: value == "auto",
            "clip": lambda value: value is None,
            "optimizer": lambda value: value.partition(":")[0] if isinstance(value, str) else id(value),
        }
        for name, kind in kinds.items():
            if name in self.values:
                codes = {key: code for code, key in enumerate(dict.fromkeys(map(kind, self.values[name])))}
                columns.append(np.array([codes[kind(value)] for value in self.values[name]])[self.places[name]])
        if "seed" in self.values:
            held = self._each("test_fraction", lambda v: v > 0) | self._each("validation", lambda v: v is not None)
            columns.append(np.where(held, 1 + self.places["seed"], 0))
        if not columns:
            return [np.arange(self.count)]
        _, which = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
        which = which.ravel()
        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
        return sorted(groups, key=lambda group: group[0])

    def _each(self, name: str, test: Callable[[Any], bool]) -> np.ndarray:
        if name not in self.values:
            return np.full(self.count, test(getattr(self.base, name)))
        return np.array([test(value) for value in self.values[name]])[self.places[name]]


def _read(name: str, value: Any) -> Any:
    """A setting as `Spec` takes it."""
    if name == "weights" and not isinstance(value, str):
        return None
    return tuple(value) if is_names(name, value) else value


def _validated(name: str, value: Any) -> Any:
    return getattr(Spec.read({name: _read(name, value)}), name)


# ---- how they are worked ---------------------------------------------------------------------------


class _Work:
    """All runs, worked group by group; what is done is kept whatever happens to the rest."""

    def __init__(
        self, runs: _Runs, x: Any, y: Any, batches: Iterable[Any] | None, budget: int, progress: Progress | None
    ):
        self.runs, self.x, self.y, self.batches = runs, x, y, batches
        self.budget, self.progress = budget, progress
        self.lots: list[Lot] = []
        self.places: list[Any] = [None] * runs.count
        self.finished = 0
        self.prepared: dict[Any, Any] = {}
        self.interrupted = False
        self.first_error: SteepestError | None = None

    def done(self) -> Sweep:
        """Work everything."""
        try:
            for group in self.runs.groups():
                self._group(group)
                if self.interrupted:
                    break
        except KeyboardInterrupt:
            pass
        if self.first_error is not None and all(isinstance(lot, Unfit) for lot in self.lots) and not self.interrupted:
            raise self.first_error
        left = np.array([run for run, place in enumerate(self.places) if place is None], dtype=np.intp)
        if left.size:
            self._keep(left, Unfit(Status.INTERRUPTED.name.lower(), BEFORE_IT_BEGAN, len(left)))
        return Sweep(self.runs.settings(), self.lots, self.places)

    def _keep(self, runs: np.ndarray, lot: Lot) -> None:
        for place, one in enumerate(runs.tolist()):
            self.places[one] = (len(self.lots), place)
        self.lots.append(lot)
        self.finished += len(runs)
        if self.progress is not None:
            self.progress(self.finished, self.runs.count)

    def _data(self, run: int) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
        """The rows of a run, made once for all runs that have the same."""
        names = (*PREPARED_BY, "seed") if self.runs.of("test_fraction", run) else PREPARED_BY
        key = tuple(int(self.runs.places[name][run]) for name in names if name in self.runs.values)
        if key not in self.prepared:
            place = int(self.runs.places["weights"][run]) if "weights" in self.runs.values else 0
            try:
                self.prepared[key] = data_of(self.runs.spec(run), self.x, self.y, self.runs.raw["weights"][place])
            except SteepestError as error:
                self.prepared[key] = error
        if isinstance(self.prepared[key], SteepestError):
            raise self.prepared[key]
        return self.prepared[key]

    def _group(self, group: np.ndarray) -> None:
        if len(group) > 1 and self.batches is None:
            try:
                pack = _Pack(self.runs, group, *self._data(int(group[0])))
            except SteepestError:  # one by one, each says what is wrong with it
                pack = None
            if pack is not None and pack.fits:
                apart = pack.apart()
                for part in apart or pack.slices():
                    if apart:
                        self._group(part)
                    else:
                        self._slice(pack, part)
                    if self.interrupted:
                        return
                return
        for one in group.tolist():
            self._alone(one)
            if self.interrupted:
                return

    def _slice(self, pack: _Pack, runs: np.ndarray) -> None:
        steps = pack.steps(runs)

        def after(block: many.Blocks, alive: np.ndarray) -> None:
            if self.progress is not None:
                share = (block.t + block.steps) / steps
                going = int(alive.sum())
                self.progress(self.finished + len(runs) - going * (1.0 - min(share, 1.0)), self.runs.count)

        lot = pack.descend(runs, self.budget * len(runs) // self.runs.count, after)
        self._keep(runs, lot)
        self.interrupted = any(group.endings[place].status is Status.INTERRUPTED for group, place in lot.ended)

    def _alone(self, one: int) -> None:
        try:
            # what was checked value by value must go together too
            spec = Spec.read(dict(self.runs.spec(one)))
            done = run(spec, *self._data(one), self.batches, budget=self.budget // self.runs.count)
        except SteepestError as error:
            self.first_error = self.first_error or error
            self._keep(np.array([one]), Unfit(FAILED, " ".join(str(error).split())))
            return
        self._keep(np.array([one]), Alone(done))
        self.interrupted = done.ending.status is Status.INTERRUPTED


class _Pack:
    """Runs of one group, planned: the problem that they share, and for each its rule, rate, schedule, start and end."""

    def __init__(self, runs: _Runs, group: np.ndarray, train: Dataset, test: Dataset | None, notes: tuple[str, ...]):
        self.runs, self.group = runs, group
        self.spec = Spec.read(dict(runs.spec(int(group[0]))))
        whole, self.validation = train, None
        if self.spec.validation is not None:
            train, self.validation = held_out(train, self.spec.validation, self.spec.seed)
            notes = (*notes, held_out_note(whole.rows - train.rows))
        self.made = plan(self.spec, train)
        self.problem = Problem(self.spec, train, test, tuple(notes), self.made)
        self.size = batch_size(self.spec, self.made)
        self.fits = self.made.optimizer in (self.spec.optimizer, "sgd", "adam") or not isinstance(
            self.spec.optimizer, str
        )
        self.fits = self.fits and many.can_run(self.made.objective, self.made.rule)
        if not self.fits:
            return
        self.objective: Objective = self.made.objective
        self.together = many.Together(self.made.objective)  # pyrefly: ignore (can_run has looked)
        if isinstance(self.objective, ModuleObjective):
            self.objective = self.together
        self.ways, self.lr = self._ways()
        self.starts = self._starts()

    def _ways(self) -> tuple[list[Way], np.ndarray]:
        """For each run how it goes down, and at which rate."""
        automatic = self.spec.lr == "auto"
        names = (
            [*FREE] if automatic else [name for name in FREE if name not in ("lr", "seed", "init", "tol", "patience")]
        )
        first, which = self.runs.distinct(names, self.group)
        found, rates = [], []
        for one in first.tolist():
            spec = self.runs.spec(one)
            name = self.made.optimizer if spec.optimizer == "auto" else spec.optimizer
            found.append(way(spec, self.made.objective, name, self.made.full_batch))
            rates.append(plan(spec, self.problem.train).lr if automatic else np.nan)
        each = which.tolist()
        if automatic:
            return [found[i] for i in each], np.array(rates)[which]
        if "lr" in self.runs.values:
            values = [np.nan if value == "auto" else value for value in self.runs.values["lr"]]
            lr = np.array(values, dtype=np.float64)[self.runs.places["lr"][self.group]]
        else:
            lr = np.full(len(self.group), float(self.spec.lr))
        return [found[i] for i in each], lr

    def _starts(self) -> np.ndarray:
        """Where each run starts, in user units: `[distinct, p]`; `which_start` says which is a run's own."""
        first, self.which_start = self.runs.distinct(("init", "seed"), self.group)
        found = []
        for one in first.tolist():
            init, seed = self.runs.of("init", one), self.runs.of("seed", one)
            given = models.start(init, self.made.names, seed)
            if given is None:
                given = self._default_start(seed)
            found.append(given)
        return np.array(found)

    def _default_start(self, seed: int) -> np.ndarray:
        objective = self.made.objective
        if isinstance(objective, LinearObjective):
            return np.zeros(len(self.made.names))
        if seed == self.spec.seed and self.spec.init == "zeros":
            return objective.theta.double().cpu().numpy().copy()
        outputs = targets(self.problem.train, self.made.loss)[1]
        fresh = models.module(self.spec.model, self.problem.train.x.shape[1], outputs, seed)
        if fresh is None:
            raise FitError("There is no module to start.")
        return torch.cat([p.detach().reshape(-1) for p in fresh.parameters() if p.requires_grad]).double().numpy()

    def apart(self) -> list[np.ndarray]:
        """The group in parts that cannot go side by side after all; none if it can stay together.

        In other coordinates a start is their origin. Shuffled blocks of different lengths come at different steps.
        """
        keys, objective = [], self.made.objective
        if isinstance(objective, LinearObjective) and objective.coordinates is not None:
            keys.append(np.unique(self.starts, axis=0, return_inverse=True)[1].ravel()[self.which_start])
        if not many.alike(objective.rows, self.size, self.spec.shuffle) and "seed" in self.runs.values:
            keys.append(self.runs.places["seed"][self.group])
        if not keys:
            return []
        which = np.unique(np.stack(keys, 1), axis=0, return_inverse=True)[1].ravel()
        return [self.group[which == key] for key in range(which.max() + 1)] if which.max() else []

    def slices(self) -> Iterator[np.ndarray]:
        """The group in pieces, as many runs as memory allows, as runs' numbers."""
        most = self._most()
        for begin in range(0, len(self.group), most):
            yield self.group[begin : begin + most]

    def _most(self) -> int:
        """How many runs go side by side: as many as compute ENTRIES numbers of a layer at a time."""
        rows = self.size or self.made.objective.rows
        width = 1 if self.made.module is None else max(p.shape[0] for p in self.made.module.parameters() if p.ndim)
        return max(1, ENTRIES // (rows * max(width, 1)))

    def steps(self, runs: np.ndarray) -> float:
        """The most updates that any of some runs may take."""
        return float(self._limits(np.searchsorted(self.group, runs)).steps.max())

    def _limits(self, places: np.ndarray) -> Limits:
        first, which = self.runs.distinct(("tol", "patience", "epochs", "max_steps"), self.group)
        each = []
        for one in first.tolist():
            spec = self.runs.spec(one)
            place = int(np.searchsorted(self.group, one))
            each.append((spec.tol, spec.patience, self.ways[place].epochs, spec.max_steps))
        return Limits.of(each, self.made.objective.rows, self.size).take(which[places])

    def descend(self, runs: np.ndarray, budget: int, after: Callable[[many.Blocks, np.ndarray], None]) -> Cohort:
        """Some of the runs, side by side, from their starts to their ends."""
        places = np.searchsorted(self.group, runs)
        limits = self._limits(places)
        watcher = BlockWatcher(self.spec, self.made, limits, self.objective, self.problem.test, self.validation, budget)
        ways, lr = [self.ways[place] for place in places.tolist()], self.lr[places]
        began = time.perf_counter()
        engine, blocks = self._blocks(runs, places, ways, lr, limits, watcher.alive)
        ended = watcher.drain(blocks, lambda block: after(block, watcher.alive))
        seconds = time.perf_counter() - began
        numbers = runs.tolist()
        return Cohort(
            self.problem,
            lambda place: self.runs.spec(numbers[place]),
            ways,
            lr,
            by_run(ended, len(runs)),
            engine,
            seconds,
        )

    def _blocks(
        self,
        runs: np.ndarray,
        places: np.ndarray,
        ways: Sequence[Way],
        lr: np.ndarray,
        limits: Limits,
        alive: np.ndarray,
    ) -> tuple[str, Iterator[Any]]:
        """The name of the engine that pays, and its blocks: compiled, or the loop's with a leading axis."""
        made, like = self.made, self.made.objective.theta
        linear = made.objective
        if isinstance(linear, LinearObjective) and linear.coordinates is not None:
            theta = like.repeat(len(runs), 1)
        else:
            theta = torch.as_tensor(self.starts[self.which_start[places]]).to(like).contiguous()
        seeds = [self.runs.of("seed", one) for one in runs.tolist()]
        schedules, rules = [way.schedule for way in ways], [way.rule for way in ways]
        last = int(limits.steps.max())
        compiled = isinstance(linear, LinearObjective) and all(codes.can_run(linear, rule) for rule in set(rules))
        if compiled and fused_runs.pays(linear, self.size, float(limits.steps.sum())):
            engine = fused_runs.FusedRuns(linear, rules, theta)
            engine.alive = alive
            dealt = self.size, self.spec.shuffle, seeds, None, last
            return "fused", engine.descend(*dealt, lr=lr, schedules=schedules)
        dealt = many.deal(linear.rows, self.size, self.spec.shuffle, seeds, None, str(like.device))
        rule = many.stacked(rules, like)
        return "batched", many.walk(self.together, rule, theta, islice(dealt, last), lr, schedules)

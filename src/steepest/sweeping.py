"""`sweep()`: settings with several values in, their product worked in as few batched descents as possible, a `Sweep` out.

    axes      the settings that were given as a list, every value checked once             sweeps/axes.py
    groups    runs that share all but lr, the rule's numbers, schedule, average, seed, start, clipping and when to end
    packs     a group planned; as many of it as memory allows descend side by side   sweeps/batched_runs.py, engines/batched.py
    lots      what came of them, and the Sweep that holds them                              sweeps/run_results.py, sweep_result.py

What cannot go side by side (`torch.optim` classes, the curvature steps of "auto", a module with dropout) goes alone, by
the same code as `fit()`. A run's numbers do not depend on the others: it is the fit that its settings describe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.loaders import unpacked
from steepest.descent.chunk import Chunk
from steepest.descent.stopping import Status
from steepest.descent.trace import BUDGET
from steepest.errors import SpecError, SteepestError
from steepest.fit_data import data_of, formula_first, source_of
from steepest.fitting import run
from steepest.formulas.quantities import QUANTITIES
from steepest.held_out import rows_apart
from steepest.lazy import Tensor
from steepest.monitor import Monitor
from steepest.ranks.lost import RankLost
from steepest.result import Fit
from steepest.settings import Spec
from steepest.settings_table import EACH_ROW, SETTINGS, takes_settings, those
from steepest.sweep_result import Sweep
from steepest.sweeps.axes import Runs
from steepest.sweeps.batched_runs import Pack
from steepest.sweeps.run_results import FAILED, Alone, Lot, Unfit

__all__ = ["Sweep", "compare", "sweep"]

Progress = Callable[[float, int], None]
"""Called with the runs that are done (a part of those under way counted in) and all runs."""

PREPARED_BY = those(lambda setting: setting.prepares)
"""Settings that decide which rows there are; with rows held out the seed does too."""

GENEROUS = 8 * BUDGET
"""Bytes for all traces of a sweep where `record` was given."""

BEFORE_IT_BEGAN = "The sweep was interrupted before this run began."


@takes_settings(record=None)
def sweep(
    x: Any = None,
    y: Any = None,
    *,
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Sweep:
    """Fit with every combination of several settings, as many descents at once as possible.

    The settings are those of `fit()`, and mean the same. Any of them may be given as a list, a range or an array of
    values; the runs are their product, in the order of `itertools.product` over the settings as `fit()` has them. Each
    run is what `fit()` makes of its settings alone. Where a single value is a list itself, several are a list of such:

    - `target`, `columns`, `drop`, `categories`, `missing_values`, names for `record`: a list of texts is one value,
      `[["a"], ["a", "b"]]` two.
    - `init`, `weights`: a list of numbers is one value, `[[0, 0], [1, 1]]` or `["zeros", "normal"]` two.
    - `class_weight`, `missing`, `date`: a dict is one value, a list of them several.

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
    work, source = prepared(x, y, batches, progress, settings)
    done = work.done()
    done.source = source
    return done


def prepared(
    x: Any, y: Any, batches: Iterable[Any] | None, progress: Progress | None, settings: Mapping[str, Any]
) -> tuple[Work, str | None]:
    """The work of a sweep, not begun; and where its rows can be read again."""
    generous = settings.get("record") is not None
    given = {name: one.default for name, one in SETTINGS.items() if name != "record" or generous} | dict(settings)
    if not generous:
        given.pop("record", None)
    x, y, given = formula_first(x, y, given)
    apart, given = rows_apart(given)
    x, y, given, batches, _ = unpacked(x, y, given, batches)
    runs = Runs(given)
    if any(every is not None for every in runs.raw.get("sync_every", [])):
        raise SpecError(
            "sync_every= is for one fit that ranks share; of a sweep they have whole runs each. Leave it out."
        )
    _check_record(runs)
    work = Work(runs, x, y, batches, apart, GENEROUS if generous else BUDGET, progress)
    again = (
        y is None
        and batches is None
        and all(isinstance(one, str | None) for name in EACH_ROW for one in runs.raw[name])
    )
    return work, source_of(x) if again else None


def swept(specs: Sequence[Spec], train: Dataset) -> Sweep:
    """The runs that several descriptions make of the same rows, as many side by side as can be.

    Raises:
        SpecError or DataError: all of them failed; the first one's.
    """
    work = Work(Runs.listed(specs), None, None, None, None, BUDGET, None)
    work.rows = train, None, ()
    return work.done()


def _check_record(runs: Runs) -> None:
    """SpecError where the trace is to have quantities of each step."""
    for record in runs.raw.get("record", []):
        names = () if record is None or isinstance(record, int | str) else record
        if asked := [name for name in names if name in QUANTITIES]:
            raise SpecError(f"record={asked[0]!r} is of the steps of one fit: fit the run of interest by itself.")


def compare(fits: Iterable[Fit]) -> Sweep:
    """Fits that were made one by one as a `Sweep`: one table, the settings that differ as its columns.

    Args:
        fits: those of `st.fit` and `st.load`.

    Raises:
        SpecError: something in it is no fit.

    Example:
        >>> from steepest.fitting import fit
        >>> x, y = [0.0, 1.0, 2.0], [1.0, 3.0, 5.5]
        >>> compare([fit(x, y, lr=0.1), fit(x, y, lr=0.2)]).settings
        {'lr': [0.1, 0.2]}
    """
    fits = [] if isinstance(fits, Fit) else list(fits)
    if not fits or not all(isinstance(fit, Fit) for fit in fits):
        raise SpecError("compare() takes a list of fits, as st.fit() and st.load() give them.")
    settings = {}
    for name in SETTINGS:
        values = [getattr(fit.spec, name) for fit in fits]
        if not all(_same(value, values[0]) for value in values):
            settings[name] = _models(fits) if name == "model" else values
    made = Sweep(settings, [Alone(fit) for fit in fits], [(lot, 0) for lot in range(len(fits))])
    made.compared = True
    return made


def _models(fits: Sequence[Fit]) -> list[Any]:
    """What each model is called; modules of one name by how many parameters they have."""
    names, counts = [fit.model_name for fit in fits], [f"{len(fit.names):,} parameters" for fit in fits]
    alike = [{count for other, count in zip(names, counts, strict=True) if other == name} for name in names]
    return [
        fit.spec.model if isinstance(fit.spec.model, str) else f"{name}, {count}" if len(those) > 1 else name
        for fit, name, count, those in zip(fits, names, counts, alike, strict=True)
    ]


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, (np.ndarray, Tensor, list)) or isinstance(b, (np.ndarray, Tensor, list)):
        return type(a) is type(b) and np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
    return bool(a == b)


class Work:
    """All runs, worked group by group; what is done is kept whatever happens to the rest.

    It comes in units, runs that go side by side or one that goes alone, which are the same ones wherever they are worked.
    mine: whether a unit is worked here; units: the number of each lot's. beat: called when runs side by side have progressed;
    shown: with every step of a run alone.
    """

    def __init__(
        self,
        runs: Runs,
        x: Any,
        y: Any,
        batches: Iterable[Any] | None,
        apart: Any,
        budget: int,
        progress: Progress | None,
    ):
        self.runs, self.x, self.y, self.batches, self.apart = runs, x, y, batches, apart
        self.budget, self.progress = budget, progress
        self.mine: Callable[[int], bool] = lambda unit: True
        self.beat: Callable[[], None] = lambda: None
        self.shown: Callable[..., None] | None = None
        self.unit, self.units = -1, list[int]()
        self.lots: list[Lot] = []
        self.places = np.full((runs.count, 2), -1)  # of each run its lot, and its place there
        self.finished = 0
        self.prepared: dict[Any, Any] = {}
        self.rows: tuple[Dataset, Dataset | None, tuple[str, ...]] | None = None
        self.first_error: SteepestError | None = None

    def done(self) -> Sweep:
        """Work everything."""
        if self.go_through() and self.first_error is not None and all(isinstance(lot, Unfit) for lot in self.lots):
            raise self.first_error
        left = np.flatnonzero(self.places[:, 0] < 0)
        if left.size:
            self._keep(left, Unfit(Status.INTERRUPTED.name.lower(), BEFORE_IT_BEGAN, len(left)))
        return Sweep(self.runs.settings(), self.lots, self.places.tolist())

    def go_through(self) -> bool:
        """Work all units that are worked here; False where that was interrupted."""
        try:
            for group in self.runs.groups():
                self._group(group)
        except KeyboardInterrupt:
            return False
        return True

    def _next(self, runs: int) -> bool:
        """Whether the next unit, of so many runs, is worked here."""
        self.unit += 1
        here = self.mine(self.unit)
        self.finished += 0 if here else runs
        return here

    def _keep(self, runs: np.ndarray, lot: Lot) -> None:
        self.places[runs] = np.column_stack([np.full(len(runs), len(self.lots)), np.arange(len(runs))])
        self.lots.append(lot)
        self.units.append(self.unit)
        self.finished += len(runs)
        if self.progress is not None:
            self.progress(self.finished, self.runs.count)

    def _data(self, run: int) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
        """The rows of a run, made once for all runs that have the same."""
        if self.rows is not None:
            return self.rows
        names = (*PREPARED_BY, "seed") if self.runs.of("test_fraction", run) else PREPARED_BY
        key = tuple(int(self.runs.places[name][run]) for name in names if name in self.runs.values)
        if key not in self.prepared:
            runs = self.runs
            beside = [runs.raw[name][int(runs.places[name][run]) if name in runs.values else 0] for name in EACH_ROW]
            try:
                self.prepared[key] = data_of(runs.spec(run), self.x, self.y, *beside)
                self.prepared[key][0].check_in_memory("A sweep")
            except SteepestError as error:
                self.prepared[key] = error
        if isinstance(self.prepared[key], SteepestError):
            raise self.prepared[key]
        return self.prepared[key]

    def _group(self, group: np.ndarray) -> None:
        if len(group) > 1 and self.batches is None:
            try:
                pack = Pack(self.runs, group, *self._data(int(group[0])), self.apart)
            except SteepestError:  # one by one, each says what is wrong with it
                pack = None
            if pack is not None and pack.fits:
                apart = pack.apart()
                for part in apart or pack.slices():
                    if apart:
                        self._group(part)
                    elif self._next(len(part)):
                        self._slice(pack, part)
                return
        for one in group.tolist():
            if self._next(1):
                self._alone(one)

    def _slice(self, pack: Pack, runs: np.ndarray) -> None:
        steps = pack.steps(runs)

        def after(monitor: Monitor, chunk: Chunk) -> None:
            self.beat()
            if self.progress is not None:
                share = (chunk.t + chunk.steps) / steps
                going = int(monitor.work.alive.sum())
                self.progress(self.finished + len(runs) - going * (1.0 - min(share, 1.0)), self.runs.count)

        lot = pack.descend(runs, self.budget * len(runs) // self.runs.count, after)
        self._keep(runs, lot)
        if any(group.endings[place].status is Status.INTERRUPTED for group, place in lot.ended):
            raise KeyboardInterrupt

    def _alone(self, one: int) -> None:
        try:
            # what was checked value by value must go together too
            spec = Spec.read(dict(self.runs.spec(one)))
            budget = self.budget // self.runs.count
            done = run(spec, *self._data(one), self.batches, self.shown, budget=budget, validation=self.apart)
            done.swept = True
        except RankLost:  # which is no fault of this run's
            raise
        except SteepestError as error:
            self.first_error = self.first_error or error
            self._keep(np.array([one]), Unfit(FAILED, " ".join(str(error).split())))
            return
        self._keep(np.array([one]), Alone(done))
        if done.ending.status is Status.INTERRUPTED:
            raise KeyboardInterrupt

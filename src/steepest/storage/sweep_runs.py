"""A sweep's runs on disk: runs that went side by side share all but a few numbers, and only these are kept of each.

    a row a run of `fits.parquet`, in any order:

    run           its number
    like          the run whose files hold what this one shares with others; itself, or null where the files are its own
    FILES         the files of a run's folder, of the runs that others are like and of those that went alone
    settings      the swept settings of the run, as JSON
    scores        its scores as JSON, where they cannot be computed again from the rows that are kept
    theta, …      what `OWN` names, and the columns of the trace as lists

So a sweep is written and read in the time that its numbers take, and any run of it is a `Fit` when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from steepest import run_record
from steepest.atomic_folder import digest_of
from steepest.data.dataset import Dataset
from steepest.descent.stopping import Ending, Status
from steepest.descent.trace import Trace
from steepest.errors import FitError
from steepest.model.prediction import with_parameters
from steepest.result import Fit
from steepest.run_record import KeptScores
from steepest.scoring import Answer, Scores
from steepest.settings import Spec
from steepest.storage import run_files, run_folder, run_loading
from steepest.storage.run_folder import FILES, FITS, REST
from steepest.sweep_result import Sweep
from steepest.sweeps.axes import FREE
from steepest.sweeps.run_results import Cohort, Unfit
from steepest.user_units import in_user_units

OWN = ("seconds", "lr", "optimizer", "schedule")
"""Numbers and words in which runs that went side by side differ, beside steps, epochs, θ, trace, ending and settings."""

ENDING = ("ended", "detail", "advice")

WORDS = ("settings", "scores", *ENDING, *OWN)

LISTS = ("theta", *(f"trace.{name}" for name in (*Trace.COLUMNS, "theta")))

COLUMNS = ("run", "like", *FILES, *WORDS, *LISTS)


# ---- saving ----------------------------------------------------------------------------------------


def fits_of(sweep: Sweep) -> pa.Table:
    """All runs of a sweep as a table; its rows are not in the order of the runs."""
    if isinstance(sweep._lots[0], StoredRuns):  # a loaded sweep that is saved again
        return sweep._lots[0].fits
    of_lot: dict[int, list[tuple[int, int]]] = {}
    for run, (lot, place) in enumerate(sweep._places):
        of_lot.setdefault(lot, []).append((run, place))
    return pa.concat_tables([fits_of_lot(sweep, lot, runs) for lot, runs in of_lot.items()])


def fits_of_lot(sweep: Sweep, lot: int, runs: Sequence[tuple[int, int]]) -> pa.Table:
    """Those of one lot alone: for each its number in the sweep, and its place in the lot."""
    held = sweep._lots[lot]
    if isinstance(held, Cohort):
        return pa.concat_tables(_side_by_side(sweep, held, runs))
    files = {} if isinstance(held, Unfit) else {run: _files(held.fit(place), sweep.source) for run, place in runs}
    return pa.concat_tables([_rows([run], files) for run, _ in runs])


def _side_by_side(sweep: Sweep, lot: Cohort, runs: Sequence[tuple[int, int]]) -> Iterator[pa.Table]:
    """The runs of a cohort: the first whole, of all of them what is their own, those together that ended together."""
    like, first = runs[0]
    files = {like: _files(_shared(lot.fit(first)), sweep.source)}
    again = lot.problem.linear is not None and _keeps_all(lot.problem.train, lot.problem.test)
    swept = [name for name in sweep.settings if name in FREE]
    together: dict[int, list[tuple[int, int]]] = {}
    for run, place in runs:
        together.setdefault(id(lot.ended[place][0]), []).append((run, place))
    for members in together.values():
        numbers, places = [run for run, _ in members], [place for _, place in members]
        theta, endings, trace = lot.ends(places)
        lists = {"theta": theta} | {f"trace.{name}": column for name, column in trace.items()}
        yield _rows(numbers, files, like, lists, {
            "settings": [_settings({name: sweep.settings[name][run] for name in swept}) for run in numbers],
            "scores": [None if again else _scores(lot.fit(place)) for place in places],
            "ended": [ending.status.name for ending in endings],
            "detail": [ending.detail for ending in endings],
            "advice": [ending.advice for ending in endings],
            "seconds": [lot.seconds / len(lot.ended)] * len(places),
            "lr": lot.lr[places].tolist(),
            "optimizer": [lot.methods[place].optimizer for place in places],
            "schedule": [lot.methods[place].schedule_name for place in places],
        })  # fmt: skip


def _rows(
    runs: list[int],
    files: Mapping[int, dict[str, bytes]],
    like: int | None = None,
    lists: Mapping[str, np.ndarray] | None = None,
    words: Mapping[str, list[Any]] | None = None,
) -> pa.Table:
    """Some runs as rows: the files of those that have their own, and what is a run's own where it is like another.

    lists: `[runs, …]`; each run's part is flattened. words: one a run.
    """
    count = len(runs)
    given: dict[str, list[Any]] = {"run": list(runs), "like": [like] * count} | dict(words or {})
    given |= {name: [files.get(run, {}).get(name) for run in runs] for name in FILES}
    kinds = {name: kind for name, kind in _types().items() if name not in LISTS}
    columns: dict[str, Any] = {name: pa.array(given.get(name, [None] * count), kind) for name, kind in kinds.items()}
    for name in LISTS:
        values = np.empty(0) if lists is None else np.asarray(lists[name], dtype=np.float64).ravel()
        offsets = pa.array(np.arange(count + 1) * (values.size // count))
        columns[name] = pa.LargeListArray.from_arrays(offsets, pa.array(values))
    return pa.table(columns)


def _types() -> dict[str, Any]:
    types = dict.fromkeys(("run", "like"), pa.int64()) | dict.fromkeys(FILES, pa.large_binary())
    types |= dict.fromkeys(WORDS, pa.string()) | dict.fromkeys(("seconds", "lr"), pa.float64())
    return types | dict.fromkeys(LISTS, pa.large_list(pa.float64()))


def _files(fit: Fit, source: str | None) -> dict[str, bytes]:
    """The files of a run's folder; nobody looks for what is wrong with each of thousands."""
    fit.source = fit.source or source
    return run_folder.contents_of(fit, run_record.figures(fit))


def _shared(fit: Fit) -> Fit:
    """The fit with the exact answer of its problem, whatever is left of it beside its own descent."""
    known = fit.answer
    inner = fit.inner
    inner.scores = replace(inner.scores, exact=known.exact, exact_objective=known.objective, rounding=known.rounding)
    return fit


def _scores(fit: Fit) -> str:
    return json.dumps(run_record.as_json(asdict(replace(fit.scores, exact=None))))


def _settings(given: Mapping[str, Any]) -> str:
    """Settings as JSON, without those that have no name to be found by."""
    kept = {}
    for name, value in given.items():
        value = run_folder.plain(value)
        if value is None or isinstance(value, (str, int, float, list, tuple)):
            kept[name] = value
    return json.dumps(kept)


def _keeps_all(*parts: Dataset | None) -> bool:
    """Whether a run's folder holds all these rows, so that scores can be computed again."""
    return all(data is None or (data.x.ndim == 2 and data.rows <= run_files.MOST_ROWS) for data in parts)


# ---- loading ---------------------------------------------------------------------------------------


def check_fits(fits: pa.Table, count: int) -> None:
    """Raise ValueError unless a table can be the runs of a sweep: a row a run, and each like one that has files."""
    names = set(fits.column_names)
    whole = names == set(FILES)  # of format 1: every run has files of its own
    if fits.num_rows != count or len(names) < fits.num_columns or not (whole or names == set(COLUMNS)):
        raise ValueError(f"it does not hold {count:,} runs")
    for name, right in _types().items():
        found = fits.schema.field(name).type if name in names else right
        kind = found.value_type if pa.types.is_dictionary(found) else found
        if kind != right and not (name in FILES and pa.types.is_binary(kind)):
            raise ValueError(f"its column {name!r} is {found}")
    if whole:
        return
    runs, like = fits["run"].to_numpy(), fits["like"].to_pylist()
    if fits["run"].null_count or not np.array_equal(np.sort(runs), np.arange(count)):
        raise ValueError("it does not number the runs from 0")
    with_files = {runs[row] for row, content in enumerate(fits[REST].is_valid().to_pylist()) if content}
    if not {run for run in like if run is not None} <= with_files:
        raise ValueError("a run is like one that has no files")


@dataclass(frozen=True)
class StoredRuns:
    """The runs of a sweep that was loaded. known: the columns of its table. model: the module of its runs, if that was given."""

    fits: pa.Table
    known: dict[str, list[Any]]
    shown: str
    model: Any = None
    shared: dict[int, Fit] = field(default_factory=dict)

    @cached_property
    def row(self) -> np.ndarray:
        """The row of each run."""
        own = "run" in self.fits.column_names
        return np.argsort(self.fits["run"].to_numpy()) if own else np.arange(self.fits.num_rows)

    def rows(self) -> list[dict[str, Any]]:
        return [dict(zip(self.known, row, strict=True)) for row in zip(*self.known.values(), strict=True)]

    def fit(self, place: int) -> Fit:
        like = self._cell("like", place) if "like" in self.fits.column_names else None
        if like is None:
            fit = self._whole(place)
        else:
            if like not in self.shared:
                self.shared[like] = self._whole(like)
            with run_loading.checked(self.shown, FITS):
                fit = self._differing(place, self.shared[like])
        fit.swept = True
        return fit

    def _whole(self, place: int) -> Fit:
        """A run that has files of its own."""
        contents = {name: self._cell(name, place) for name in FILES}
        if contents[REST] is None:
            raise FitError(f"This run has no fit: {self.known['message'][place]}")
        named = f"{self.shown}, run {place}"
        with run_loading.checked(named, REST):
            record = json.loads(contents[REST])
            if any(digest_of(contents[name]) != record["sha256"][name] for name in FILES if name != REST):
                raise ValueError("the digest of a file is another one")
        return run_loading.fit_of(record, contents, named, self.model)

    def _differing(self, place: int, shared: Fit) -> Fit:
        """A run that is like another one but for its own numbers."""
        own = {name: self._cell(name, place) for name in WORDS}
        status, *words = (own[name] for name in ENDING)
        settings = {
            name: getattr(Spec.read({name: value}), name) for name, value in json.loads(own["settings"]).items()
        }
        names, centred, spec, shared = shared.names, shared.centred, shared.spec, shared.inner
        fit = replace(
            shared,
            spec=spec.model_copy(update=settings),
            theta=self._list("theta", place).reshape(shared.theta.shape),
            trace=self._trace(place, shared.trace),
            ending=Ending(Status[status], *words),
            steps=self.known["steps"][place],
            epochs=self.known["epochs"][place],
            **{name: own[name] for name in OWN},
        )
        if shared.network is not None:
            fit.network = with_parameters(shared.network, fit.theta)
        assert shared.record is not None
        fit.record = replace(shared.record, scores=_scored(fit, shared, own["scores"]), judged=None, findings=None)
        return fit if centred is None else in_user_units(fit, names, fit.spec)

    def _trace(self, place: int, shared: Trace) -> Trace:
        columns = {name: self._list(f"trace.{name}", place) for name in (*Trace.COLUMNS, "theta")}
        columns |= {name: columns[name].astype(np.int64) for name in ("step", "epoch")}
        rows = len(columns["step"])
        columns["theta"] = columns["theta"].reshape(rows, shared.theta.shape[1])
        if not rows or any(len(column) != rows for column in columns.values()):
            raise ValueError("the columns of its trace are not as long as one another")
        return Trace(names=shared.names, **columns)

    def _list(self, name: str, place: int) -> np.ndarray:
        if self.fits[name][int(self.row[place])].values.null_count:
            raise ValueError(f"{name} lacks a number")
        return np.array(self.fits[name][int(self.row[place])].values.to_numpy())

    def _cell(self, name: str, place: int) -> Any:
        return self.fits[name][int(self.row[place])].as_py()


def _scored(fit: Fit, shared: Fit, kept: str | None) -> Scores:
    """The scores of a run: those that were kept, or computed from the rows; beside the exact answer that it shares."""
    known = Answer(shared.scores.exact, shared.scores.exact_objective, shared.scores.rounding)
    if kept is None:
        train, test = fit.kept_rows
        whole = replace(fit, train=train, test=test, record=None)
        whole.answer = known
        with np.errstate(over="ignore", invalid="ignore"):
            return whole.scores
    scores = run_record.read(KeptScores, {"scores": json.loads(kept)}).scores
    left = known.beside(scores.objective, float(fit.trace.objective[0]))
    return replace(scores, exact=left.exact, exact_objective=left.objective, rounding=left.rounding)

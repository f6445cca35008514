"""A sweep's runs on disk: runs that went side by side share all but a few numbers, and only these are kept of each.

    a row a run of `fits.parquet`:

    like          the run whose files hold what this one shares with others; itself, or null where the files are its own
    FILES         the files of a run's folder, of the runs that others are like and of those that went alone
    settings      the swept settings of the run, as JSON
    scores        its scores as JSON, where they cannot be computed again from the rows that are kept
    theta, …      what `OWN` names, and the columns of the trace as lists

So a sweep is written and read in the time that its numbers take, and any run of it is a `Fit` when it is asked for.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from steepest import store
from steepest.descent.stopping import Status
from steepest.descent.trace import Trace
from steepest.errors import FitError, SteepestError
from steepest.many.axes import FREE
from steepest.many.lots import Cohort
from steepest.many.result import Sweep
from steepest.result import Answer, Fit, Scores, _scores
from steepest.spec import Spec
from steepest.watching import Ending

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("seconds", "lr", "optimizer", "schedule")
"""Numbers and words in which runs that went side by side differ, beside steps, epochs, θ, trace, ending and settings."""

ENDING = ("ended", "detail", "advice")

COLUMNS = (*Trace.COLUMNS, "theta")

NOTHING = np.empty(0)


# ---- saving ----------------------------------------------------------------------------------------


def fits_of(sweep: Sweep) -> pa.Table:
    """All runs of a sweep as a table."""
    import pyarrow as pa

    if isinstance(sweep._lots[0], StoredRuns):  # a loaded sweep that is saved again
        return sweep._lots[0].fits
    rows = _Rows([name for name in sweep.settings if name in FREE])
    first: dict[int, int] = {}
    for run, engine in enumerate(sweep.columns["engine"]):
        lot = sweep._places[run][0]
        if engine is None:
            rows.add(None, None, {})
        elif isinstance(sweep._lots[lot], Cohort):
            fit = sweep.fit(run)
            like = first.setdefault(lot, run)
            rows.add(like, fit, _files(_shared(fit)) if like == run else {})
        else:
            rows.add(None, None, _files(sweep.fit(run)))
    return pa.table(rows.columns())


def _files(fit: Fit) -> dict[str, bytes]:
    """The files of a run's folder; nobody looks for what is wrong with each of thousands."""
    return store._contents(fit, store._rows(fit), fit._figures())


def _shared(fit: Fit) -> Fit:
    """The fit with the exact answer of its problem, whatever is left of it beside its own descent."""
    known = fit.answer
    shared = copy.copy(fit)
    shared.__dict__["scores"] = replace(
        fit.scores, exact=known.exact, exact_objective=known.objective, rounding=known.rounding
    )
    return shared


class _Rows:
    """The columns of the table, filled run by run."""

    def __init__(self, swept: list[str]):
        self.swept = swept
        self.like: list[int | None] = []
        self.files: dict[str, list[bytes | None]] = {name: [] for name in store.FILES}
        self.words: dict[str, list[Any]] = {name: [] for name in ("settings", "scores", *ENDING, *OWN)}
        self.lists: dict[str, list[np.ndarray]] = {name: [] for name in ("theta", *map(_traced, COLUMNS))}
        self.again: dict[int | None, bool] = {}

    def add(self, like: int | None, fit: Fit | None, files: Mapping[str, bytes]) -> None:
        """A run, with what is its own where it is like another."""
        if fit is not None and like not in self.again:
            self.again[like] = fit.module is None and _keeps_all(fit)
        self.like.append(like)
        for name, kept in self.files.items():
            kept.append(files.get(name))
        for name, values in self.words.items():
            values.append(None if fit is None else self._word(name, fit, self.again[like]))
        self.lists["theta"].append(NOTHING if fit is None else fit.theta)
        for name in COLUMNS:
            self.lists[_traced(name)].append(NOTHING if fit is None else getattr(fit.trace, name).ravel())

    def _word(self, name: str, fit: Fit, again: bool) -> Any:
        if name == "settings":
            return json.dumps(_settings(fit.spec, self.swept))
        if name == "scores":
            return None if again else json.dumps(store._as_text(asdict(replace(fit.scores, exact=None))))
        if name in ENDING:
            return store._pair(fit.ending)[ENDING.index(name)]
        return getattr(fit, name)

    def columns(self) -> dict[str, Any]:
        """Name → Arrow array."""
        import pyarrow as pa

        files = {name: pa.array(kept, pa.large_binary()) for name, kept in self.files.items()}
        numbers = {"seconds": pa.float64(), "lr": pa.float64()}
        words = {name: pa.array(values, numbers.get(name, pa.string())) for name, values in self.words.items()}
        return {"like": pa.array(self.like, pa.int64())} | files | words | dict(map(_listed, self.lists.items()))


def _traced(column: str) -> str:
    return f"trace.{column}"


def _listed(column: tuple[str, list[np.ndarray]]) -> tuple[str, Any]:
    """A column of lists, from one array a run."""
    import pyarrow as pa

    name, arrays = column
    offsets = np.concatenate([[0], np.cumsum([array.size for array in arrays])])
    values = np.concatenate(arrays).astype(np.float64)
    return name, pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))


def _settings(spec: Spec, names: Iterable[str]) -> dict[str, Any]:
    """Settings as JSON holds them, without those that have no name to be found by."""
    kept = {}
    for name in names:
        value = getattr(spec, name)
        value = value.theta if isinstance(value, Fit) else value
        value = value.tolist() if isinstance(value, (np.ndarray, torch.Tensor)) else value
        if value is None or isinstance(value, (str, int, float, list, tuple)):
            kept[name] = value
    return kept


def _keeps_all(fit: Fit) -> bool:
    """Whether a run's folder holds all rows of a fit, so that its scores can be computed again."""
    parts = [data for data in (fit.train, fit.test) if data is not None]
    return all(data.x.ndim == 2 and data.rows <= store.MOST_ROWS for data in parts)


# ---- loading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredRuns:
    """The runs of a sweep that was loaded. known: the columns of its table."""

    fits: pa.Table
    known: dict[str, list[Any]]
    shown: str
    shared: dict[int, Fit] = field(default_factory=dict)

    def columns(self) -> dict[str, list[Any]]:
        return self.known

    def fit(self, place: int) -> Fit:
        like = self.fits["like"][place].as_py() if "like" in self.fits.column_names else None
        if like is None:
            return self._whole(place)
        if like not in self.shared:
            self.shared[like] = self._whole(like)
        try:
            return self._differing(place, self.shared[like])
        except (SteepestError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise store._damaged(self.shown, store.FITS, f"{type(error).__name__}: {error}") from None

    def _whole(self, place: int) -> Fit:
        """A run that has files of its own."""
        contents = {name: self.fits[name][place].as_py() for name in store.FILES}
        if contents[store.REST] is None:
            raise FitError(f"This run has no fit: {self.known['message'][place]}")
        rest = store._rest(contents[store.REST], store.REST, self.shown)
        return store._whole(rest, contents, self.shown, None)

    def _differing(self, place: int, shared: Fit) -> Fit:
        """A run that is like another one but for its own numbers."""
        own = {name: self.fits[name][place].as_py() for name in ("settings", "scores", *ENDING, *OWN)}
        status, *words = (own[name] for name in ENDING)
        settings = {
            name: getattr(Spec.read({name: value}), name) for name, value in json.loads(own["settings"]).items()
        }
        fit = replace(
            shared,
            spec=shared.spec.model_copy(update=settings),
            theta=self._list("theta", place).reshape(shared.theta.shape),
            trace=self._trace(place, shared.trace),
            ending=Ending(Status[status], *words),
            steps=self.known["steps"][place],
            epochs=self.known["epochs"][place],
            **{name: own[name] for name in OWN},
        )
        for name in ("_digest", "_rows", "_shape"):
            if name in shared.__dict__:
                fit.__dict__[name] = shared.__dict__[name]
        if shared.module is not None:
            fit.module = copy.deepcopy(shared.module)
            trained = [p for p in fit.module.parameters() if p.requires_grad]
            torch.nn.utils.vector_to_parameters(torch.as_tensor(fit.theta).to(trained[0]), trained)
        fit.__dict__["scores"] = _scored(fit, shared, own["scores"])
        return fit

    def _trace(self, place: int, shared: Trace) -> Trace:
        columns = {name: self._list(_traced(name), place) for name in COLUMNS}
        columns |= {name: columns[name].astype(np.int64) for name in ("step", "epoch")}
        columns["theta"] = columns["theta"].reshape(len(columns["step"]), shared.theta.shape[1])
        return Trace(names=shared.names, **columns)

    def _list(self, name: str, place: int) -> np.ndarray:
        return np.array(self.fits[name][place].values.to_numpy())


def _scored(fit: Fit, shared: Fit, kept: str | None) -> Scores:
    """The scores of a run: those that were kept, or computed from the rows; beside the exact answer that it shares."""
    known = Answer(shared.scores.exact, shared.scores.exact_objective, shared.scores.rounding)
    if kept is None:
        train, test = fit.__dict__["_rows"]
        whole = replace(fit, train=train, test=test)
        whole.__dict__["answer"] = known
        with np.errstate(over="ignore", invalid="ignore"):
            return _scores(whole)
    scores = Scores(**store._from_text(json.loads(kept)))
    left = known.beside(scores.objective, float(fit.trace.objective[0]))
    return replace(scores, exact=left.exact, exact_objective=left.objective, rounding=left.rounding)

"""`Sweep`: many finished descents, one row of a table for each, any of them as a full `Fit` when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from steepest.data.wording import in_short
from steepest.defaults import largest_lr
from steepest.descent.stopping import counted
from steepest.errors import FitError, SpecError
from steepest.lazy import delegated
from steepest.result import Fit
from steepest.settings_table import those
from steepest.sweeps.run_results import COLUMNS, COUNTS, FAILED, NUMBERS, Lot
from steepest.text import sweep as sweep_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document

WHAT_IS_FITTED = frozenset(those(lambda setting: setting.fitted))
"""Settings that change F itself: where they differ, the held-out loss judges and not the objective."""

SHOWN = 20
"""Rows of the table of runs that are printed."""


@dataclass(frozen=True, repr=False)
class WorkingLr:
    """The learning rates that work, over several seeds.

    low, high: the ends of the interval around the best rate, medians over the seeds; low_spread and high_spread: their
    least and largest. best: the rate with the least median objective. stable_limit: where a constant rate stops holding
    with a full batch, 2/λ (with momentum 2(1 + β)/λ); None where the curvature is not known. seeds: how many.
    """

    low: float
    high: float
    low_spread: tuple[float, float]
    high_spread: tuple[float, float]
    best: float
    stable_limit: float | None
    seeds: int

    def __repr__(self) -> str:
        spread = ""
        if self.seeds > 1:
            low, high = (f"{a:.3g} to {b:.3g}" for a, b in (self.low_spread, self.high_spread))
            spread = f" (over {self.seeds} seeds the first is from {low}, the last from {high})"
        limit = "" if self.stable_limit is None else f" The curvature allows rates below {self.stable_limit:.3g}."
        return (
            f"Rates from {self.low:.3g} to {self.high:.3g} work{spread}: they end with nearly all that the best, "
            f"{self.best:.3g}, wins from the start.{limit}"
        )


class RunTable(Displayed):
    """One row a run. `table["loss"]` is a column, `table.to_pandas()` a pandas frame, `table.to_arrow()` an Arrow table.

    Everything else that an Arrow table has it has too (`column_names`, `num_rows`, `to_pylist()`, `sort_by(…)`, …), and
    whatever reads Arrow (polars, DuckDB) takes it as it is.
    """

    def __init__(self, table: pa.Table):
        self._table = table

    def to_arrow(self) -> pa.Table:
        """The Arrow table.

        Example:
            >>> import pyarrow as pa
            >>> RunTable(pa.table({"lr": [0.1, 0.2]})).to_arrow().num_rows
            2
        """
        return self._table

    def equals(self, other: Any, **options: Any) -> bool:
        """Whether another table has the same columns and values.

        Args:
            other: a `RunTable`, or an Arrow table.
            options: of Arrow's `Table.equals`.

        Example:
            >>> import pyarrow as pa
            >>> table = pa.table({"lr": [0.1, 0.2]})
            >>> RunTable(table).equals(table)
            True
        """
        return self._table.equals(other.to_arrow() if isinstance(other, RunTable) else other, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while it is unpickled, before it has a table
            raise AttributeError(name)
        return getattr(self._table, name)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def __getitem__(self, key: Any) -> Any:
        return self._table[key]

    def __len__(self) -> int:
        return self._table.num_rows

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, (RunTable, type(self._table))) else NotImplemented

    __hash__ = None  # pyrefly: ignore

    def __repr__(self) -> str:
        return str(self)

    def _document(self, width: float) -> Document:
        return sweep_text.table_document(self._table, SHOWN, width)


class Sweep(Displayed):
    """Many descents: `len(sweep)`, `sweep.table()`, `sweep.best`, `sweep.fit(i)`, in the order of `itertools.product`.

    settings: name → the value of each run, of the settings that differ. Made by `st.sweep`, `st.compare` and `st.load`.
    """

    def __init__(self, settings: Mapping[str, Sequence[Any]], lots: Sequence[Lot], places: Sequence[Sequence[int]]):
        self.settings = {name: list(values) for name, values in settings.items()}
        self._lots, self._places = lots, places
        self.compared = False
        self.source: str | None = None
        """The path or `sample:NAME` that the rows of all runs came from; None for rows from memory."""

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        ends = counted(self.columns["status"])
        swept = ", ".join(self.settings) or "nothing"
        return f"Sweep({len(self):,} runs over {swept}: {ends})"

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """What is known of each run beside its settings: the columns of `table()` as lists."""
        known = [lot.rows() for lot in self._lots]
        return {name: [known[lot][place][name] for lot, place in self._places] for name in COLUMNS}

    def table(self) -> RunTable:
        """One row a run, as a table that prints itself; `.to_pandas()` makes it a pandas frame, `.to_arrow()` Arrow's.

        The settings that differ, then loss and objective (with penalty) at the end, `start` (F at the start), gap and
        relative_gap to the exact answer, test_loss if rows were held out, steps, epochs, status (as in `Fit.status`, or
        `failed`), engine, and where a run has no fit the message why.

        Example:
            >>> from steepest.sweeping import sweep
            >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
            >>> runs.table().column_names[:4], runs.table().num_rows
            (['lr', 'loss', 'objective', 'start'], 3)
        """
        columns = {name: _column(values) for name, values in self.settings.items()}
        for name in COLUMNS:
            values, kind = self.columns[name], pa.float64() if name in NUMBERS else None
            if name in ("test_loss", "message") and all(value is None for value in values):
                continue
            if name in COUNTS:
                kind = pa.int64()
            # a setting may have the name of a number, as `loss` has
            columns[name if name not in columns else f"final_{name}"] = pa.array(values, kind or pa.string())
        return RunTable(pa.table(columns))

    def fit(self, run: int) -> Fit:
        """A run as a full `Fit`.

        Args:
            run: its number, the row of the table.

        Raises:
            FitError: it could not begin.

        Example:
            >>> from steepest.sweeping import sweep
            >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
            >>> runs.fit(1).spec.lr
            0.1
        """
        lot, place = self._places[range(len(self))[run]]
        fit = self._lots[lot].fit(place)
        fit.source = fit.source or self.source
        return fit

    @cached_property
    def best(self) -> Fit:
        """The best of the runs that ended well: neither failed nor diverged nor interrupted, with finite numbers.

        Runs that differ in how they go down have the same F: the least objective is best. Where they differ in what is
        fitted (model, penalty, columns, …) the least held-out loss is, if there is one, else the least objective.
        FitError if no run ended well, or if they have different losses or targets, whose numbers cannot be compared.
        """
        if not self.comparable:
            raise FitError(
                "The runs have different losses or targets, whose numbers cannot be compared. Take one: sweep.fit(i)."
            )
        ranked = self.ranked()
        if not ranked:
            raise FitError("No run ended well: all of them failed, diverged or were interrupted. See sweep.table().")
        return self.fit(ranked[0])

    @property
    def comparable(self) -> bool:
        """Whether all runs have the same loss and target, so that one may be called better than another."""
        return all(len({in_short(value) for value in self.settings.get(name, [])}) <= 1 for name in ("loss", "target"))

    @property
    def judged_by(self) -> str:
        """The column that says which run is best: `objective` or `test_loss` (see `best`)."""
        tested = [value for value, fine in zip(self.columns["test_loss"], self._ended_well(), strict=True) if fine]
        held_out = bool(tested) and all(value is not None for value in tested)
        return "test_loss" if held_out and WHAT_IS_FITTED & set(self.settings) else "objective"

    def ranked(self) -> list[int]:
        """The numbers of the runs that ended well, the best first.

        Example:
            >>> from steepest.sweeping import sweep
            >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
            >>> runs.ranked()
            [2, 1, 0]
        """
        values = self.columns[self.judged_by]
        return sorted(np.flatnonzero(self._ended_well()).tolist(), key=values.__getitem__)

    def _ended_well(self) -> np.ndarray:
        bad = {FAILED, "diverged", "interrupted"}
        fine = [status not in bad for status in self.columns["status"]]
        finite = np.isfinite(np.array(self.columns["objective"], dtype=np.float64))
        return np.array(fine, dtype=bool) & finite

    def working_lr(self, within: float = 0.01, where: Mapping[str, Any] | None = None) -> WorkingLr:
        """The interval of learning rates that work, with its spread over seeds.

        A rate works if its run ends well and wins all but a share `within` of what the best rate of the same seed wins:
        F(end) ≤ F(best) + within·(F(start) − F(best)). The interval of a seed reaches from its best rate as far as each
        rate in between works too; so it is as fine as the rates that were swept.

        Args:
            within: that share, more than 0 and less than 1.
            where: which runs to look at, where more is swept than lr and seed: `{"optimizer": "adam"}`.

        Raises:
            SpecError: lr was not swept over numbers, something else was as well, or nothing works.

        Example:
            >>> from steepest.sweeping import sweep
            >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
            >>> found = runs.working_lr()
            >>> found.low, found.high, found.best, round(found.stable_limit, 4)
            (0.1, 0.3, 0.3, 0.4189)
        """
        if not 0 < within < 1:
            raise SpecError(f"within={within!r}: it must be more than 0 and less than 1.")
        chosen = self._where(where or {})
        rates = self.settings.get("lr", [])
        if not chosen or len({rates[run] for run in chosen if rates and rates[run] != "auto"}) < 2:
            raise SpecError("working_lr() needs runs of several rates: sweep(…, lr=[…]).")
        chosen = [run for run in chosen if rates[run] != "auto"]
        for name, values in self.settings.items():
            if name not in ("lr", "seed") and len({in_short(values[run]) for run in chosen}) > 1:
                raise SpecError(
                    f"{name} was swept as well, and each has rates of its own. Choose one: where={{{name!r}: …}}."
                )
        seeds: dict[Any, list[int]] = {}
        for run in sorted(chosen, key=lambda run: rates[run]):
            seeds.setdefault(self.settings["seed"][run] if "seed" in self.settings else None, []).append(run)
        ends = np.where(self._ended_well(), np.array(self.columns["objective"], dtype=np.float64), np.inf)
        starts = np.array(self.columns["start"], dtype=np.float64)
        found = [_interval(ends[runs], starts[runs], within) for runs in seeds.values()]
        fine = [
            (rates[runs[low]], rates[runs[high]])
            for runs, (low, high) in zip(seeds.values(), found, strict=True)
            if np.isfinite(ends[runs[low]])
        ]
        if not fine:
            raise SpecError("No rate works: every run diverged or failed. Sweep over smaller ones.")
        lows, highs = np.array(fine, dtype=np.float64).T
        by_rate: dict[float, list[float]] = {}
        for run in chosen:
            by_rate.setdefault(rates[run], []).append(ends[run])
        best = min(by_rate, key=lambda rate: float(np.median(by_rate[rate])))
        return WorkingLr(
            low=float(np.median(lows)),
            high=float(np.median(highs)),
            low_spread=(float(lows.min()), float(lows.max())),
            high_spread=(float(highs.min()), float(highs.max())),
            best=float(best),
            stable_limit=self._stable_limit(chosen[0]),
            seeds=len(seeds),
        )

    def _where(self, where: Mapping[str, Any]) -> list[int]:
        for name, value in where.items():
            if name not in self.settings:
                raise SpecError(
                    f"where={{{name!r}: …}}: it does not differ between runs. Swept: {list(self.settings)}."
                )
            if in_short(value) not in {in_short(entry) for entry in self.settings[name]}:
                raise SpecError(f"where={{{name!r}: {value!r}}}: no run has it.")
        wanted = [(self.settings[name], in_short(value)) for name, value in where.items()]
        return [run for run in range(len(self)) if all(in_short(values[run]) == word for values, word in wanted)]

    def _stable_limit(self, run: int) -> float | None:
        fit = self.fit(run).inner
        if fit.problem is None:
            return None
        limit = largest_lr(fit.spec, fit.problem)
        return limit if np.isfinite(limit) else None

    def _document(self, width: float) -> Document:
        return sweep_text.document(self, width)

    def to_dict(self) -> dict[str, Any]:
        """Everything worth knowing as one plain object: what `--json` prints.

        Example:
            >>> from steepest.sweeping import sweep
            >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
            >>> list(runs.to_dict())
            ['runs', 'best', 'judged_by', 'working_lr']
        """
        try:
            rates = asdict(self.working_lr())
        except SpecError:
            rates = None
        ranked = self.ranked() if self.comparable else []
        return {
            "runs": self.table().to_pylist(),
            "best": ranked[0] if ranked else None,
            "judged_by": self.judged_by,
            "working_lr": rates,
        }

    if TYPE_CHECKING:
        from steepest.inference.nested import nested_tests
        from steepest.plots.sweep import compare_residuals as residuals
        from steepest.plots.sweep import loss_curve, plot, surface
        from steepest.storage.sweep_folder import save_sweep as save
    else:
        nested_tests = delegated("steepest.inference.nested:nested_tests")
        plot = delegated("steepest.plots.sweep:plot")
        loss_curve = delegated("steepest.plots.sweep:loss_curve")
        surface = delegated("steepest.plots.sweep:surface")
        residuals = delegated("steepest.plots.sweep:compare_residuals")
        save = delegated("steepest.storage.sweep_folder:save_sweep")


def _interval(ends: np.ndarray, starts: np.ndarray, within: float) -> tuple[int, int]:
    """The first and the last of the rates around the best one that work; F at the ends and starts of runs of one seed,
    their rates rising. A run that did not end well ends at infinity."""
    low = high = int(ends.argmin())
    works = np.isfinite(ends) & (ends <= ends[low] + within * np.maximum(starts - ends[low], 0.0))
    while low > 0 and works[low - 1]:
        low -= 1
    while high < len(ends) - 1 and works[high + 1]:
        high += 1
    return low, high


def _column(values: Sequence[Any]) -> Any:
    """A column of settings: numbers, truth values or texts as they are, anything else as text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or kinds <= {str} or kinds <= {bool}:
        return pa.array(values, pa.float64() if kinds == {int, float} else None)
    return pa.array([None if value is None else in_short(value) for value in values])

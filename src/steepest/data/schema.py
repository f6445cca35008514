"""How source columns become features: learned once, kept with the fit, applied again at prediction.

    numbers                 themselves
    booleans                0 and 1
    text, categories        an indicator a level, `city=Oslo`; none for the first where there is an intercept
    dates                   days, or year, month, weekday and hour, as `date=` says
    anything else           a DataError that names the column and the option that leaves it out

New rows are read as the fit's were, whatever they look like: a level `02134` stays text where the new file holds such
numbers only, `1.234,5` is read in the notation of the fit, and another unit is refused. A Schema is plain data, and
a part of a run's record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import first, on_all_cores, to_numbers
from steepest.data.columns import SourceColumn
from steepest.data.design import Design, Row, learned
from steepest.data.expressions import Source
from steepest.data.features import Column, as_it_is, checked_values, encode, filled, place
from steepest.data.files import Origin, open_table
from steepest.data.formula import Formula
from steepest.data.parquet_columns import view_of
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import capitalized, counted, listed, number, quoted, suggestion
from steepest.errors import DataError


@dataclass(frozen=True)
class Schema:
    """The columns of a fit in order, and how each becomes one or several features.

    `ones` are the positions (from 0, among all feature columns) of columns of ones that were taken out: an
    array given for prediction may hold them still. `label_kind`: what the classes were in the table, "text",
    "boolean", "integer" or "number"; `labels` gives them back as that. `intercept`: each category leaves its first level out.
    `logarithms`: those of the targets that are logarithms taken of columns. `design`: of a formula, how the columns become
    features; without one each becomes its own (`features.py`). `added`: which of `offset` and `exposure` the fit was given.
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    intercept: bool = True
    ones: tuple[int, ...] = ()
    label_kind: str = "text"
    logarithms: tuple[str, ...] = ()
    design: Design | None = None
    added: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of `encode`."""
        if self.design is not None:
            return (
                *self.design.names,
                *(f"{column.name} is missing" for column in self.columns if tells_missing(column)),
            )
        return tuple(feature for column in self.columns for feature in column.features(self.intercept))

    @property
    def reference_levels(self) -> dict[str, str]:
        """The level of each category that the others are compared with."""
        if self.design is not None:
            return self.design.references
        return {column.name: column.levels[0] for column in self.columns if self.intercept and column.levels}

    @property
    def terms(self) -> dict[str, list[str]]:
        """The features of each column, or of each term of a formula."""
        if self.design is not None:
            return self.design.terms
        return {column.name: column.features(self.intercept) for column in self.columns}

    @cached_property
    def feature_places(self) -> dict[str, slice]:
        """Which features `[d]` each column has become, where no formula makes them."""
        return _places(self.columns, lambda column: len(column.features(self.intercept)))

    @cached_property
    def value_places(self) -> dict[str, slice]:
        """Which of what `values` gives `[w]` are each column's."""
        return _places(self.columns, lambda column: len(column.parts) or 1)

    @property
    def labels(self) -> np.ndarray:
        """The classes `[k]` as they were in the table: text (dtype object), bool, int64 or float64."""
        names = self.classes or ()
        if self.label_kind == "boolean":
            return np.array([name == "True" for name in names])
        if self.label_kind in ("integer", "number"):
            numbers = np.array([float(name) for name in names])
            return numbers.astype(np.int64) if self.label_kind == "integer" else numbers
        return np.array(names, dtype=object)

    def encode(self, table: object, reading: Reading = AS_IT_IS, gaps: Counter[str] | None = None) -> np.ndarray:
        """The features of new rows.

        Args:
            table: anything `read` takes; columns are found by name, those of an array by position.
            reading: how its columns are read: as those of the fit were.
            gaps: where given, how many missing values of each column were filled in are added to it; `said_of` them.

        Returns:
            x: [n, d] float64.

        Raises:
            DataError: a missing column, a level not seen before, a missing or infinite value.

        Example:
            >>> Schema((Column("city", "category", ("Oslo", "Rome")),), ("price",)).encode({"city": ["Rome"]})
            array([[1.]])
        """
        return self.encoded(table, reading, gaps)[0]

    def encoded(
        self, table: object, reading: Reading = AS_IT_IS, gaps: Counter[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The features of new rows, and of a formula the values that they were made of."""
        names = [column.name for column in self.columns]
        text = [column.name for column in self.columns if column.as_text]
        source, origin = open_table(self._one_row(table), reading=reading, text_columns=text, requested=names)
        rows = source.num_rows
        if not origin.named:
            every = list(origin.found.values())
            source, positions = self._by_position(source)
            found = dict(zip(source.column_names, (every[position] for position in positions), strict=True))
            origin = replace(origin, found=found)
        # an Arrow table that has no columns left no longer knows its rows
        columns = self._sources(source, origin)
        if self.design is None:
            return self.matrix(columns, rows, gaps), None
        values = self.values(columns, rows, gaps)
        return self.of_values(values, lambda mask: origin.row(first(mask))), values

    def values(self, sources: Iterable[SourceColumn], rows: int, gaps: Counter[str] | None = None) -> np.ndarray:
        """The values of the columns `[n, w]`: numbers, codes of levels, parts of dates; NaN where missing; see `of_values`."""
        parts = []
        for column, source in zip(self.columns, sources, strict=True):
            parts.append(checked_values(column, source))
            if (missing := int(np.isnan(parts[-1][:, 0]).sum())) and column.fill is not None and gaps is not None:
                gaps[column.name] += missing
        return np.column_stack(parts) if parts else np.empty((rows, 0))

    def of_values(self, values: np.ndarray, row: Row) -> np.ndarray:
        """The features `[n, d]` of what `values` gave. row: how the first row that a mask holds of is called."""
        x, of_values = np.empty((len(values), len(self.names))), self.value_places
        if self.design is None:
            for column in self.columns:
                given, made = values[:, of_values[column.name]], x[:, self.feature_places[column.name]]
                place(column, *filled(column, given), made, self.intercept)
            return x
        x[:, : len(self.design.names)] = self.design.matrix(self.by_name(values), len(values), row)
        told = [of_values[column.name].start for column in self.columns if tells_missing(column)]
        x[:, len(self.design.names) :] = np.isnan(values[:, told])
        return x

    def designed(self, formula: Formula, values: np.ndarray, row: Row, train: np.ndarray | None = None) -> Schema:
        """The schema with the features of a formula, learned of what `values` gave. train: of these rows, `[m]`."""
        return replace(self, design=learned(formula, self.by_name(values), row, train))

    def by_name(self, values: np.ndarray) -> dict[str, Source]:
        """What `values` gave, as a formula's terms take it, nothing missing."""
        places = self.value_places
        return {one.name: source_of(one, filled(one, values[:, places[one.name]])[0]) for one in self.columns}

    def _sources(self, table: pa.Table, origin: Origin) -> Iterator[SourceColumn]:
        """The columns as they are in a table."""
        sources = dict(zip(table.column_names, table.columns, strict=True))
        for column in self.columns:
            if column.name not in sources:
                raise DataError(
                    f"{origin.table} lacks the column {quoted(column.name)} that the fit was made with. "
                    f"{capitalized(suggestion(column.name, table.column_names))}Its columns are {listed(table.column_names)}"
                )
            yield origin.column(column.name, sources[column.name])

    def matrix(
        self, sources: Iterable[SourceColumn], rows: int, gaps: Counter[str] | None = None, in_columns: bool = False
    ) -> np.ndarray:
        """The features x [n, d] of the columns, without a formula. in_columns: whether those of x are contiguous; where the
        columns lie so already, x is a view of them."""
        sources = list(sources)
        view = view_of([source.values for source in sources]) if in_columns else None
        if view is not None and all(map(as_it_is, self.columns, sources)):
            return view
        x = np.empty((rows, len(self.names)), order="F" if in_columns else "C")
        parts = [x[:, at] for at in self.feature_places.values()]

        def encoded(given: tuple[Column, SourceColumn, np.ndarray]) -> int:
            return encode(*given, self.intercept)

        each = on_all_cores if in_columns else map
        counts = each(encoded, zip(self.columns, sources, parts, strict=True))
        for column, missing in zip(self.columns, counts, strict=True):
            if missing and column.fill is not None and gaps is not None:
                gaps[column.name] += missing
        return x

    def in_columns(self, sources: Sequence[SourceColumn], rows: int) -> np.ndarray | tuple[np.ndarray, ...]:
        """The same with contiguous columns; where each of them is the numbers of a column, these where they lie."""
        if sources and all(map(as_it_is, self.columns, sources)):
            return tuple(to_numbers(source.values) for source in sources)
        return self.matrix(sources, rows, in_columns=True)

    def said_of(self, gaps: Mapping[str, int]) -> list[str]:
        """Sentences on what was filled in for missing values of new rows."""
        return [_filled(column, gaps[column.name]) for column in self.columns if gaps.get(column.name)]

    def _by_position(self, table: pa.Table) -> tuple[pa.Table, list[int]]:
        """The columns of an array under the schema's names, columns of ones taken out as before, and their positions."""
        names = [column.name for column in self.columns]
        wide = len(names) + len(self.ones)
        columns, positions = table.columns, list(range(table.num_columns))
        if self.ones and len(columns) == wide:
            for position in self.ones:
                if not np.all(to_numbers(columns[position]) == 1):
                    raise DataError(
                        f"column {position + 1} of x was 1 in every row when the fit was made and is not here"
                    )
            positions = [position for position in positions if position not in self.ones]
            columns = [columns[position] for position in positions]
        if len(columns) != len(names):
            one_row = len(columns) == 1 and table.num_rows == len(names)
            raise DataError(
                f"x has {counted(len(columns), 'column')} and the fit was made with {len(names)} ({listed(names)}). "
                + ("For a single row give x as [[...]]" if one_row else "Give them in that order, or as a named table")
            )
        return pa.table(columns, names=names), positions

    def _one_row(self, table: Any) -> Any:
        """A row of a pandas frame, `frame.iloc[0]`, as a table of one row; anything else as it is."""
        labels = getattr(table, "index", None)
        if labels is None or not hasattr(table, "iloc") or getattr(table, "ndim", 0) != 1 or not self.columns:
            return table
        names = [str(label) for label in labels]
        if not {column.name for column in self.columns} <= set(names):
            return table
        return dict(zip(names, ([value] for value in table.tolist()), strict=True))


def _places(columns: Sequence[Column], wide: Callable[[Column], int]) -> dict[str, slice]:
    """Where each column stands among all, which are so wide."""
    ends = np.cumsum([0, *map(wide, columns)]).tolist()
    return {column.name: slice(*ends) for column, ends in zip(columns, pairwise(ends), strict=True)}


def tells_missing(column: Column) -> bool:
    """Whether, beside a formula's terms, a feature says where a column of numbers is missing."""
    return column.own_missing and column.kind != "category"


def source_of(column: Column, values: np.ndarray) -> Source:
    """The values `[n, k]` of a column, as a formula's terms take them."""
    if column.kind == "category":
        return Source(values[:, 0], (*column.levels, "missing") if column.own_missing else column.levels)
    if column.way == "parts":
        return Source(values, parts=column.parts)
    return Source(values[:, 0] != 0 if column.kind == "boolean" else values[:, 0])


def _filled(column: Column, missing: int) -> str:
    """What stood in for missing values of new rows."""
    values = f"Filled {counted(missing, 'missing value')} of column {quoted(column.name)} with"
    if column.kind == "category":
        return f"{values} {quoted(column.fill)}, the most frequent level of the training rows."
    mean = f" {number(column.fill)}," if isinstance(column.fill, float) else ""
    return f"{values}{mean} the mean of the training rows."

"""What a table holds, before any fit: each column with its type, range or levels, what is missing, and how it was read.

`Description.of(source)` reads the table as a fit would and asks of each column what a fit would make of it; a column that
a fit would refuse is described all the same, with the reason and the option that answers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import counts_of, is_number, is_words, null_or_nan, text_of
from steepest.data.column_notes import STAYS, how_decided, how_read, what_became
from steepest.data.column_types import learn
from steepest.data.columns import SourceColumn, cleaned
from steepest.data.features import Column
from steepest.data.files import Origin, check_known, open_table
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.row_groups import RowGroups
from steepest.data.streams import wanted
from steepest.data.table_pass import ColumnPass, looked_through
from steepest.errors import DataError, SpecError
from steepest.settings import Spec
from steepest.settings_table import READING, SETTINGS, Settings, takes_settings
from steepest.text import description as described
from steepest.text.displayed import Displayed
from steepest.text.document import Document

BINS = 12
"""Bars of a column's picture."""
LEVELS_SHOWN = 6


@dataclass(frozen=True)
class Quantiles:
    """Minimum, quartiles and maximum of a column of numbers (linear interpolation), mean and standard deviation (n − 1)."""

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class ColumnDescription:
    """One column.

    Attributes:
        name, kind: "number", "boolean", "category", "date", or the type of what a fit cannot use.
        unit: that every value carries, such as "km".
        missing, distinct: how many values are missing, and how many different ones there are.
        quantiles: of numbers.
        levels: (level, rows), most frequent first, of categories and booleans; at most six.
        counts: heights of the column's picture: a histogram of numbers, or the rows of each of `levels`.
        decided: how its type was decided.
        otherwise: the setting that has it read otherwise.
        read: sentences that say what was decided beyond the type.
        fault: why a fit refuses the column as it is, with the option that answers.
    """

    name: str
    kind: str
    unit: str | None
    missing: int
    distinct: int
    quantiles: Quantiles | None
    levels: tuple[tuple[str, int], ...]
    counts: tuple[int, ...]
    decided: str
    otherwise: str
    read: tuple[str, ...]
    fault: str | None


@dataclass(frozen=True)
class Rows:
    """How the values of a column are spread: those fields of its description."""

    distinct: int
    quantiles: Quantiles | None = None
    levels: tuple[tuple[str, int], ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, repr=False)
class Description(Displayed):
    """What a table holds, and how it is read; `print()` shows it.

    table: where it comes from. rows: how many. notes: what was decided when it was read. columns: each, in order.
    """

    table: str
    rows: int
    notes: tuple[str, ...]
    columns: tuple[ColumnDescription, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Example:
            >>> describe({"size": [1.0, 2.5]}).to_dict()["rows"]
            2
        """
        return asdict(self)

    @property
    def faults(self) -> tuple[str, ...]:
        """What a fit would refuse, a sentence each."""
        return tuple(column.fault for column in self.columns if column.fault)

    def page(self, path: str | PathLike[str]) -> Path:
        """Write it as one page that needs nothing else, a picture of each column in it; a file that is there is replaced.

        Args:
            path: the file, `.html`.

        Returns:
            The file.

        Raises:
            RunError: the file cannot be written.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     describe({"size": [1.0, 2.5]}).page(f"{folder}/sizes.html").name
            'sizes.html'
        """
        return described.page(self).write(path)

    def __repr__(self) -> str:
        return str(self)

    def _document(self, width: float) -> Document:
        return described.document(self, width)


@takes_settings(READING)
def describe(source: object, **settings: Unpack[Settings]) -> Description:
    """Say what a table holds and how it is read, column by column, before any fit.

    Args:
        source: anything that `fit` takes as a table: a path, a glob, a dataframe, a dict of columns, `sample:NAME`.
        {settings}

    Returns:
        A `Description`: print it, show it in a notebook, or write it as a page by `.page("table.html")`.

    Raises:
        DataError: the table cannot be read at all. A column that a fit would refuse is described, with the reason.
        SpecError: a setting is at fault.

    Example:
        >>> found = describe({"size": [1.0, 2.0, 4.0], "city": ["Oslo", "Rome", "Oslo"]})
        >>> [(column.name, column.kind, column.distinct) for column in found.columns]
        [('size', 'number', 3), ('city', 'category', 2)]
    """
    if other := next((name for name in settings if name in SETTINGS and name not in READING), None):
        raise SpecError(f"{other}= does not say how a table is read; describe() takes {', '.join(READING)}.")
    return description(source, Reading.of(Spec.read(settings)))


def description(source: object, reading: Reading = AS_IT_IS) -> Description:
    """`describe` with the settings in one object."""
    if (files := wanted(source, None, reading)) is not None:
        return _of_files(files, reading)
    table, origin = open_table(source, reading=reading)
    for name in (*reading.categories, *(reading.date or {})):
        check_known(name, table.column_names, origin)
    columns = tuple(_column(name, table[name], origin, reading) for name in table.column_names)
    return Description(origin.table, table.num_rows, tuple(origin.all_notes), columns)


def _column(name: str, column: pa.ChunkedArray, origin: Origin, reading: Reading) -> ColumnDescription:
    missing = int(null_or_nan(column).sum())
    return _described(origin.column(name, column), column, missing, _spread(column), reading)


def _described(
    decides: SourceColumn, column: pa.ChunkedArray, missing: int, rows: Rows, reading: Reading, fault: str | None = None
) -> ColumnDescription:
    """decides: what the type is decided by. column: values, which are counted. fault: where one is known already."""
    learned, name, found = None, decides.name, decides.found
    if fault is None:
        try:
            learned = learn(decides, reading, chosen=False)
        except DataError as error:
            fault = str(error)
    known = learned or Column(name, "")
    decided, otherwise = how_decided(known, found, reading)
    read = how_read([(name, found)], [name] if decided == STAYS else [])
    read += what_became(known, column, True, missing=missing)
    return ColumnDescription(
        name, known.kind or "unusable", known.notation.unit or None, missing, rows.distinct, rows.quantiles, rows.levels,
        rows.counts, decided, otherwise, tuple(read), fault,
    )  # fmt: skip


def _spread(column: pa.ChunkedArray) -> Rows:
    """How the values of a column are spread."""
    try:
        distinct = int(pc.count_distinct(column).as_py())
    except pa.ArrowException:  # lists and records cannot be compared
        distinct = 0
    if is_number(column.type):
        values = np.asarray(column.drop_null().cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        values = values[np.isfinite(values)]
        if len(values):
            return Rows(distinct, quantiles_of(values), (), histogram(values))
    elif is_words(column.type) or pa.types.is_boolean(column.type):
        levels = frequent(column)
        return Rows(distinct, None, levels, tuple(rows for _, rows in levels))
    return Rows(distinct)


def _of_files(files: RowGroups, reading: Reading) -> Description:
    """Of a table that memory does not hold, from one pass."""
    passed, origin = looked_through(files, reading)
    for name in (*reading.categories, *(reading.date or {})):
        check_known(name, list(passed), origin)
    columns = tuple(_passed(one, reading) for one in passed.values())
    some = max((len(one.sample) for one in passed.values()), default=0)
    note = (
        f"Quartiles, pictures and how many different numbers there are come from {some:,} of the {files.rows:,} rows, all else "
        "from all."
    )
    notes = origin.all_notes if some == files.rows else [*origin.all_notes, note]
    return Description(origin.table, files.rows, tuple(notes), columns)


def _passed(column: ColumnPass, reading: Reading) -> ColumnDescription:
    seen, sample, witness = column.seen, column.sample, column.seen.witness(reading)
    if is_number(witness.kind) and is_words(sample.type):  # numbers in text
        return _described(witness, sample, seen.missing, _spread(cleaned(sample, reading, None)[0]), reading)
    rows = _spread(sample)
    if rows.quantiles is not None and seen.rows and column.fault is None:
        exact = {"minimum": seen.low, "maximum": seen.high, "mean": seen.mean, "deviation": column.deviation}
        rows = replace(rows, quantiles=replace(rows.quantiles, **exact))
    found = {str(one): counted for one, (counted, _) in seen.values.items()}
    if pa.types.is_boolean(sample.type):
        found = {"True": round(seen.total), "False": seen.rows - round(seen.total)}
    if found and not is_number(sample.type):
        ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        levels = tuple(pair for pair in ordered if pair[1])[:LEVELS_SHOWN] if rows.levels else ()
        rows = Rows(len([one for one in ordered if one[1]]), None, levels, tuple(count for _, count in levels))
    return _described(witness, witness.values, seen.missing, rows, reading, column.fault)


def quantiles_of(values: np.ndarray) -> Quantiles:
    """Of finite numbers `[n]`, n ≥ 1."""
    least, lower, median, upper, most = map(float, np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Quantiles(least, lower, median, upper, most, float(values.mean()), deviation)


def histogram(values: np.ndarray, bins: int = BINS) -> tuple[int, ...]:
    """Rows in bins of equal width from the least to the greatest; one bin where all are equal."""
    low, high = float(values.min()), float(values.max())
    if not low < high:
        return (len(values),)
    # scaled first: a width of 1e-300 or of 1e300 has no usable edges
    place = np.minimum(((values - low) / (high - low) * bins).astype(int), bins - 1)
    return tuple(int(count) for count in np.bincount(place, minlength=bins))


def frequent(column: pa.ChunkedArray, most: int = LEVELS_SHOWN) -> tuple[tuple[str, int], ...]:
    """The most frequent levels with their rows, of equals the first in alphabetical order."""
    values = column if pa.types.is_boolean(column.type) else text_of(column)
    counts = ((str(level), rows) for level, rows in counts_of(values).items())
    return tuple(sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:most])

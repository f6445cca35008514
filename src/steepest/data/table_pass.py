"""One pass over a table in files, of which memory holds some rows only: what each of its columns is, and some of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import is_text
from steepest.data.columns import SourceColumn
from steepest.data.files import Origin, Part, open_table
from steepest.data.progress import tell
from steepest.data.reading import Reading
from steepest.data.row_groups import RowGroups, random_of
from steepest.data.seen import Seen
from steepest.data.streams import SAMPLE, SAMPLED, origin_of
from steepest.errors import DataError


@dataclass
class ColumnPass:
    """A column: what was seen of all its rows, those of some rows, and why a fit would refuse it, as far as that was seen.

    squares: Σ (z − origin)² of its numbers, origin being their mean in the first rows.
    """

    seen: Seen
    parts: list[pa.ChunkedArray] = field(default_factory=list)
    fault: str | None = None
    origin: float | None = None
    moved: float = 0.0
    squares: float = 0.0

    def look(self, column: SourceColumn, some: np.ndarray) -> None:
        """The next rows. some: numbers of those to keep."""
        self.seen.look(column)
        self.parts.append(column.values.take(pa.array(some)))
        if self.fault is not None:
            return
        try:
            numbers = self.seen.add(column, np.ones(len(column.values), bool))
        except DataError as error:
            self.fault = str(error)
            return
        if numbers is not None and len(numbers := numbers[~np.isnan(numbers)]):
            self.origin = float(numbers.mean()) if self.origin is None else self.origin
            moved = numbers - self.origin
            self.moved, self.squares = self.moved + float(moved.sum()), self.squares + float(moved @ moved)

    @property
    def deviation(self) -> float:
        """The standard deviation (n − 1) of its numbers; NaN of fewer than two."""
        rows = self.seen.rows
        spread = max(self.squares - self.moved**2 / rows, 0.0) if rows else 0.0
        return float(np.sqrt(spread / (rows - 1))) if rows > 1 else float("nan")

    @property
    def sample(self) -> pa.ChunkedArray:
        """Its values in some rows."""
        kinds = {part.type for part in self.parts if not pa.types.is_null(part.type)}
        kind = next(iter(kinds)) if len(kinds) == 1 else pa.float64() if kinds else pa.null()
        return pa.chunked_array([chunk for part in self.parts for chunk in part.cast(kind).chunks], kind)


def looked_through(files: RowGroups, reading: Reading) -> tuple[dict[str, ColumnPass], Origin]:
    """Every column, and where the table comes from."""
    text = [one.name for one in files.schema if is_text(one.type)]
    found = {} if files.copy is None else files.copy.found
    columns: dict[str, ColumnPass] = {}
    origin, share = origin_of(files), SAMPLE / max(files.rows, 1)
    for _, first, table in files.pieces():
        tell("Reading", first / files.rows)
        rows = range(first, first + table.num_rows)
        piece, origin = open_table(Part(table, origin_of(files, rows), text, found), reading=reading)
        some = np.arange(table.num_rows)
        if share < 1.0:
            drawn = random_of(0, first, SAMPLED).random(table.num_rows)
            some = np.flatnonzero(drawn < max(share, 1.0 / table.num_rows))
        for name in piece.column_names:
            if name not in columns:
                columns[name] = ColumnPass(Seen(name, origin, words=files.words(name)))
            columns[name].look(origin.column(name, piece[name]), some)
    return columns, origin

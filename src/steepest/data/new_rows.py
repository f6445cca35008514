"""New rows for a fit, of a table that memory does not hold: a piece after another, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steepest.data.files import Part
from steepest.data.progress import tell
from steepest.data.reading import Reading
from steepest.data.schema import Schema
from steepest.data.streams import origin_of, wanted
from steepest.ranks.alike import alike
from steepest.ranks.group import current


def pieces_of(
    source: object,
    schema: Schema,
    reading: Reading,
    numbers: Sequence[str] = (),
    kept: Sequence[str] = (),
    parquet: bool = False,
) -> tuple[int, Iterator[tuple[int, Part]]] | None:
    """How many row groups there are, and pieces of the columns of a fit, each of which is a table of its own, with the number
    of their row group; None of a source that is read at once. Ranks that share it have every row group in turn.

    numbers, kept: columns that are wanted too, the latter as they stand there. parquet: files of Parquet are never read at once.
    """
    beside, names = [*numbers, *kept], [column.name for column in schema.columns]
    text = [*(column.name for column in schema.columns if column.as_text), *kept]
    files = wanted(source, None, reading, text, [*names, *beside], parquet)
    if files is None:
        return None
    group = current()
    alike(group, files.told)
    needed = {*names, *beside}
    if needed <= set(files.schema.names):  # or the first piece says which is missing
        files.chosen(name for name in files.schema.names if name in needed)
    found = {} if files.copy is None else files.copy.found

    def pieces() -> Iterator[tuple[int, Part]]:
        for number, first, table in files.pieces(range(group.rank, len(files.groups), group.size)):
            tell("Predicting", first / files.rows)
            yield number, Part(table, origin_of(files, range(first, first + table.num_rows)), text, found)

    return len(files.groups), pieces()

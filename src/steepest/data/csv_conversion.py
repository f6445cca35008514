"""A table of text larger than memory, written once as Parquet and read pass by pass from then on.

    files ──csv_blocks.py──▶ blocks of rows ──csv_files.py, columns.py──▶ columns ──▶ CACHE/tables/KEY/part-00000.parquet, …

What a column is shows in all of its rows: each block is read as a file of its own would be, and written. Where a later block
shows something else (a fraction among whole numbers, a word, another decimal mark), all is gone through once more with what is
known then. Numbers that were found in text (`$1,234`) are written as numbers; all other text is written as it stands.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from steepest.data import table_copies
from steepest.data.addresses import ADDRESS, Listing
from steepest.data.arrow_columns import is_number
from steepest.data.column_names import check_names, named
from steepest.data.columns import Found
from steepest.data.csv_blocks import NOT_TEXT, TextFile, blocks
from steepest.data.csv_files import (
    Decimals,
    Otherwise,
    Rows,
    above_rows,
    empty_rows,
    laid_out,
    read_as,
    said_of_encoding,
)
from steepest.data.csv_kinds import Kind, RowNumbers
from steepest.data.csv_layout import Layout
from steepest.data.encodings import opener_of
from steepest.data.files import differing, paths_of
from steepest.data.formats import JSON_ENDINGS, NOT_TABLES, UNPACKED_ENDINGS, File
from steepest.data.numbers import Notation
from steepest.data.progress import tell
from steepest.data.reading import Reading
from steepest.data.wording import listed, quoted_path
from steepest.errors import DataError

FORMAT = 1
GROUP = 2**16
"""Rows of a row group."""

TEXT_ENDINGS = (".csv", ".tsv", ".txt", *(f".{kind}{end}" for kind in ("csv", "tsv") for end in UNPACKED_ENDINGS))
"""What the names of text tables at an address end in."""

UNPACKED = 6
"""Times its size that packed text may take."""

PASSES = 6
"""How often all is gone through at most; two are usual."""


@dataclass(frozen=True)
class Converted:
    """A copy: its files of Parquet, what they are of, how columns were read from text, and those that only number the rows."""

    paths: tuple[str, ...]
    files: tuple[File, ...]
    found: Mapping[str, Found]
    left_out: tuple[str, ...]
    key: str
    size: int


def converted(
    texts: Sequence[TextFile], reading: Reading, text_columns: Collection[str] = (), requested: Collection[str] = ()
) -> Converted:
    """The Parquet copy of some files of text that are one table, made if it is not there yet.

    Args: as of `read_delimited`.

    Raises:
        DataError: what reading them in memory would say; no room for the copy.
    """
    texts = [replace(text, encoding=reading.encoding) for text in texts]
    stamps = [(text.path, text.size, text.written) for text in texts]
    named_so = sorted(name for name in requested if _may_number_rows(name))
    layouts = [_begun(text, reading, requested) for text in texts]
    read_so = repr(replace(reading, date=None, labels=None)), repr([layout for _, layout in layouts])
    asked = [FORMAT, stamps, read_so, sorted(text_columns), named_so]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]
    if (known := table_copies.about(key)) is None:
        sizes = sum(text.size * (UNPACKED if text.packed() else 1) for text in texts)
        with table_copies.writing(key, sizes) as place:
            if place is not None:
                _Conversion(texts, layouts, reading, {*text_columns, *reading.categories}, requested).write(
                    place, stamps
                )
        known = table_copies.about(key)
    with suppress(FileNotFoundError):
        if known is not None:
            return _read(key, known, [text.label for text in texts])
    raise DataError(f"the Parquet copy of {texts[0].label} was removed while it was read. Fit again")


def text_tables(source: str, listing: Listing | None = None) -> list[TextFile]:
    """The files that a path, folder, pattern or address names, where all are text tables; else none. listing: of an address."""
    if source == "-" or source.startswith("sample:"):
        return []
    if ADDRESS.match(source):
        listing = listing or Listing.of(source)
        made = [_at(listing, one) for one in listing.files if one.path.lower().endswith(TEXT_ENDINGS)]
    else:
        paths = paths_of(source)
        made = [_of(path) for path in paths] if all(path.is_file() for path in paths) else []
    return made if all(map(_is_text, made)) else []


def _of(path: Path) -> TextFile:
    def stamp() -> tuple[int, int]:
        there = path.stat()
        return there.st_size, there.st_mtime_ns

    size, written = stamp()
    where = str(path.resolve())
    return TextFile(lambda: pa.OSFile(str(path)), quoted_path(path), size, where, written, stamp=stamp)


def _at(listing: Listing, info: Any) -> TextFile:
    path = f"{listing.address.split('://')[0]}://{info.path}"

    def stamp() -> tuple[int, int]:
        there = listing.filesystem.get_file_info(info.path)
        return there.size, there.mtime_ns or 0

    return TextFile(
        lambda: listing.filesystem.open_input_file(info.path),
        listing.label(info.path),
        info.size,
        path,
        info.mtime_ns or 0,
        stamp=stamp,
    )


def _is_text(text: TextFile) -> bool:
    name = text.path.lower()
    plain = next((name.removesuffix(end) for end in UNPACKED_ENDINGS if name.endswith(end)), name)
    if plain.endswith((*JSON_ENDINGS, ".parquet", ".arrow", ".feather", ".ipc")):
        return False
    with text.opened() as file:
        magic = file.read(8)
    return not magic.startswith((*NOT_TABLES, *NOT_TEXT, b'{"', b"{\n", b"[{", b"[\n"))


def _may_number_rows(name: str) -> bool:
    return name.startswith(("column ", "Unnamed: 0", "__index_level_"))


def _begun(text: TextFile, reading: Reading, requested: Collection[str]) -> tuple[str, Layout]:
    text.packed()
    head, layout = laid_out(text.utf8, text.label, reading, requested)  # pyrefly: ignore[bad-argument-type]
    check_names(layout.names, text.label)
    return head, layout


def _read(key: str, known: Mapping[str, Any], labels: Sequence[str]) -> Converted:
    """What `about.json` says."""
    place = table_copies.folder() / key
    files = tuple(
        File(label, one["rows"], _layout(one["layout"]), tuple(known["left_out"]), tuple(one["notes"]))
        for label, one in zip(labels, known["sources"], strict=True)
    )
    found = {
        name: Found(
            Notation(**one["notation"]), one["example"] and (one["example"][0], one["example"][1]), one["words"]
        )
        for name, one in known["columns"].items()
    }
    paths = tuple(str(place / name) for name in known["files"])
    return Converted(paths, files, found, tuple(known["left_out"]), key, sum(map(os.path.getsize, paths)))


def _layout(given: Mapping[str, Any]) -> Layout:
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Layout(**made)


@dataclass
class _Text:
    """A file under way."""

    text: TextFile
    head: str
    layout: Layout
    file_decimal: str
    names: list[str]
    decimals: Decimals
    numbering: dict[int, RowNumbers] = field(default_factory=dict)
    rows: int = 0
    comments: int = 0
    empty: int = 0
    decided: bool = False

    def settle(self, from_text: bool) -> bool:
        """Whether the mark that numbers in text were read by is the one that all rows show; it is taken from now on."""
        mark = self.file_decimal if self.decided else self.decimals.decided()
        if mark is None:
            return False
        same, self.file_decimal, self.decided = mark == self.file_decimal, mark, True
        return same or not from_text

    @property
    def known(self) -> Layout:
        """The layout with what all rows showed."""
        return read_as(self.layout, self.file_decimal, self.comments, self.empty)


class _Conversion:
    """All files of a table, gone through until nothing that was taken for granted turned out otherwise."""

    def __init__(
        self, texts: Sequence[TextFile], begun: Sequence[tuple[str, Layout]], reading: Reading, as_text: Collection[str],
        requested: Collection[str],
    ) -> None:  # fmt: skip
        self.reading, self.requested = reading, requested
        self.files = [self._of(text, head, layout) for text, (head, layout) in zip(texts, begun, strict=True)]
        first = self.files[0]
        self.names = first.names
        for other in self.files[1:]:
            differing(first.names, first.text.label, other.names, other.text.label)
        self.kinds = {name: Kind(name in as_text) for name in self.names}
        self.whole = sum(text.size for text in texts)

    def _of(self, text: TextFile, head: str, layout: Layout) -> _Text:
        bare = pa.table([pa.array([0.5, 0.5])] * len(layout.names), names=list(layout.names))
        names = named(bare, layout.names)[0].column_names
        # where nothing is known yet, a file parted by commas has points, and one that shows commas has these
        mark = "," if layout.comma else "." if layout.delimiter == "," else "?"
        made = _Text(text, head, layout, mark, names, Decimals(layout, self.reading, layout.delimiter))
        made.numbering = {
            at: RowNumbers() for at, name in enumerate(layout.names) if not name.strip() or _may_number_rows(name)
        }
        return made

    def write(self, place: Path, stamps: Sequence[tuple[str, int, int]]) -> None:
        """Write the copy into an empty folder."""
        for number in range(PASSES):
            for old in place.iterdir():
                old.unlink()
            self.writing, done, self.schema = True, 0, self._schema(number)
            for at, file in enumerate(self.files):
                try:
                    self._go_through(file, place / f"part-{at:05d}.parquet", number, done)
                except DataError:
                    file.text.check_unchanged()  # or it is no fault of the file's as it is
                    raise
                done += file.text.size
            if not all([file.settle(any(kind.from_text for kind in self.kinds.values())) for file in self.files]):
                for kind in self.kinds.values():
                    kind.begin_anew()
            elif all([kind.settle() for kind in self.kinds.values()]) and self.writing:
                break
        else:
            raise DataError(
                f"the columns of {self.files[0].text.label} cannot be read alike in all rows. Write it as Parquet"
            )
        for file in self.files:
            file.text.check_unchanged()
        if not sum(file.rows for file in self.files):
            raise DataError(f"{self.files[0].text.label} has a header ({listed(self.names)}) but no rows")
        (place / table_copies.ABOUT).write_text(json.dumps(self._about(stamps)), encoding="utf-8")

    def _about(self, stamps: Sequence[tuple[str, int, int]]) -> dict[str, Any]:
        left, sources = list[str](), []
        for file, (path, size, written) in zip(self.files, stamps, strict=True):
            witness = pa.table(
                [
                    file.numbering[at].witness() if at in file.numbering else pa.array([0.5, 0.5])
                    for at in range(len(file.names))
                ],
                names=list(file.layout.names),
            )
            _, out, notes = named(witness, self.requested, file.layout.row_names)
            left += [name for name in out if name not in left]
            said = [*file.known.notes, *said_of_encoding(file.text.marked()), *notes]
            sources.append(
                {
                    "path": path,
                    "size": size,
                    "written": written,
                    "rows": file.rows,
                    "notes": said,
                    "layout": asdict(file.known),
                }
            )
        columns = {
            name: {"notation": asdict(kind.found.notation), "example": kind.found.example, "words": dict(kind.words)}
            for name, kind in self.kinds.items()
            if is_number(kind.type)
        }
        files = [f"part-{at:05d}.parquet" for at in range(len(self.files))]
        made = datetime.now(UTC).isoformat(timespec="seconds")
        return {"made": made, "sources": sources, "columns": columns, "left_out": left, "files": files}

    # ---- a file ------------------------------------------------------------------------------------

    def _go_through(self, file: _Text, path: Path, number: int, before: int) -> None:
        file.rows = file.comments = file.empty = 0
        file.numbering = {at: RowNumbers() for at in file.numbering}
        quotes = '"' in file.head
        writer, tail = None, None
        what = f"Converting {file.text.label} to Parquet" + (f", pass {number + 1}" if number else "")
        try:
            for block, done, last in blocks(file.text, above_rows(file.head, file.layout), quotes):
                tell(what, min((before + done) / max(self.whole, 1), 1.0))
                table = self._block(file, block, file.rows + (0 if tail is None else tail.num_rows))
                table = table if tail is None else pa.concat_tables([_of_types(tail, table.schema), table])
                file.empty = empty_rows(table, least=int(file.rows == 0))
                tail = table.slice(table.num_rows - file.empty)
                table = table.slice(0, table.num_rows - file.empty)
                file.rows += table.num_rows
                if last:
                    tail = None
                if self.writing and (made := self._made(table)) is not None:
                    if writer is None:
                        import pyarrow.parquet as pq

                        words = [one.name for one in made.schema if pa.types.is_large_string(one.type)]
                        writer = pq.ParquetWriter(path, made.schema, compression="lz4", use_dictionary=words)
                    writer.write_table(made, row_group_size=GROUP)
        finally:
            if writer is not None:
                writer.close()

    def _schema(self, number: int) -> pa.Schema | None:
        """Types that are known; None while they show in the first block."""
        known = number and all(kind.forced for kind in self.kinds.values())
        return pa.schema([(name, kind.type) for name, kind in self.kinds.items()]) if known else None

    def _made(self, table: pa.Table) -> pa.Table | None:
        """The rows as they are written; None, and nothing more is written, where a column is of another type than before."""
        table = table.select(self.names)
        if self.schema is None:
            self.schema = table.schema
        columns = []
        for want, column in zip(self.schema, table.columns, strict=True):
            if column.type != want.type and not pa.types.is_null(column.type):
                self.writing = False
                return None
            columns.append(column.cast(want.type))
        return pa.table(columns, schema=self.schema)

    def _block(self, file: _Text, block: bytes, before: int) -> pa.Table:
        """The rows of a block, each column as it is read."""
        rows = Rows(opener_of(block), file.text.utf8, file.text.label, file.layout, self.reading, file.head, before)  # pyrefly: ignore[bad-argument-type]
        while True:
            kinds = [self.kinds[name] for name in file.names]
            as_text = {at for at, kind in enumerate(kinds) if kind.as_text} | {
                *file.layout.as_text,
                *file.decimals.as_text,
            }
            known = {at for at, kind in enumerate(kinds) if kind.forced and not pa.types.is_null(kind.type)}
            types = {at: kinds[at].type for at in known - as_text}
            try:
                table = rows.parsed(file.decimals.mark, as_text, types)
                break
            except Otherwise as error:  # in this pass it is not written any more
                kinds[error.place].contradicted()
                self.writing = False
        rows.check(table)
        file.comments += rows.comments + rows.skipped
        if not file.decided:
            file.decimals.look(table)
        for at, numbering in file.numbering.items():
            numbering.look(table.column(at))
        columns = [
            kind.read(column, self.reading, file.file_decimal)
            for kind, column in zip(kinds, table.columns, strict=True)
        ]
        self.writing &= not any(kind.other for kind in kinds)
        return pa.table(columns, names=file.names)


def _of_types(empty: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows without any value in the types of others."""
    columns = [
        column if column.type == one.type else pa.nulls(len(column), one.type)
        for column, one in zip(empty.columns, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)

"""A text table larger than memory, a block of whole rows after another, as UTF-8 with lines ended by \\n.

    bytes, packed or not ──unpacked──▶ ──encoding, line ends──▶ UTF-8 ──cut behind a row──▶ blocks

A row that holds line ends within quotation marks stays in one piece: a block ends where the marks so far are even in number.
"""

from __future__ import annotations

import codecs
import lzma
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from steepest.data.addresses import reason
from steepest.data.encodings import BOMS, HEAD
from steepest.data.formats import NOT_TABLES, PACKED
from steepest.data.wording import quoted
from steepest.errors import DataError

BLOCK = 1 << 25
"""Bytes of a block."""

LONGEST_ROW = 1 << 29
"""Bytes after which a row that has not ended is a quotation mark that never closes."""

NOT_TEXT = {b"PAR1": "Parquet", b"ARROW1": "an Arrow file", b"FEA1": "a Feather file", b"PK\x03\x04": "a zip archive"}


@dataclass(frozen=True)
class TextFile:
    """A text table. open: its bytes from their beginning, each time that it is called. label: quoted. size: in bytes.

    path: where it is. written: when, in nanoseconds. stamp: gives its size, and when it was written, as they are now.
    """

    open: Callable[[], Any]
    label: str
    size: int
    path: str = ""
    written: int = 0
    encoding: str | None = None
    stamp: Callable[[], tuple[int, int]] | None = None

    def opened(self) -> Any:
        """Its bytes from their beginning.

        Raises:
            DataError: it cannot be opened.
        """
        with self._there():
            return self.open()

    def check_unchanged(self) -> None:
        """DataError where it is another file than it was when it was found."""
        with self._there():
            if self.stamp is not None and self.stamp() != (self.size, self.written):
                raise DataError(f"{self.label} was changed while it was read. Leave it as it is until it has been read")

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise DataError(f"{self.label} disappeared while it was read. Put it back, and fit again") from None
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.label} cannot be read: {reason(error)}") from None

    def packed(self) -> str | None:
        """How it is packed; None where it is not.

        Raises:
            DataError: it is no text.
        """
        with self.opened() as stream:
            magic = stream.read(8)
        for start, kind in {**NOT_TABLES, **NOT_TEXT}.items():
            if magic.startswith(start):
                raise DataError(f"{self.label} is {kind}, and no text table that could be read block by block")
        return next((way for start, way in PACKED.items() if magic.startswith(start)), None)

    def marked(self) -> str:
        """The encoding that its first bytes name; "" where they name none."""
        with self.opened() as source:
            way = self.packed()
            stream: Any = source if way is None else _unpacked(source, way)
            head = stream.read(8)
        return next((name for mark, name in BOMS.items() if head.startswith(mark)), "")

    def text(self) -> Generator[tuple[bytes, int]]:
        """Its text as UTF-8, a piece after another, and how many bytes of the file were read so far."""
        way = self.packed()
        with self.opened() as source:
            stream: Any = source if way is None else _unpacked(source, way)
            head = self._read(stream, HEAD)
            marked = next((name for mark, name in BOMS.items() if head.startswith(mark)), None)
            if marked == "utf-8-sig":
                head, marked = head[3:], "utf-8"
            encoding = codecs.lookup(marked or self.encoding or "utf-8").name
            decoder = codecs.getincrementaldecoder(encoding)() if encoding not in ("utf-8", "ascii") else None
            ends, place = _LineEnds(), 0
            while head:
                yield ends.plain(self._decoded(decoder, head, place, encoding)), source.tell()
                place += len(head)
                head = self._read(stream, BLOCK)
            yield ends.plain(self._decoded(decoder, b"", place, encoding), last=True), source.tell()

    def _read(self, stream: Any, size: int) -> bytes:
        try:
            return stream.read(size)
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            raise DataError(f"{self.label} cannot be read: {' '.join(str(error).split())[:160]}") from None

    def _decoded(self, decoder: Any, data: bytes, place: int, encoding: str) -> bytes:
        if decoder is None:
            return data
        try:
            return decoder.decode(data, final=not data).encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.label} is not {encoding}: byte {place + error.start + 1:,} or one near it is none of its characters"
            ) from None

    def utf8(self) -> _Opened:
        """The text as a file."""
        return _Opened(piece for piece, _ in self.text())


def _unpacked(source: Any, way: str) -> Any:
    return lzma.LZMAFile(source) if way == "xz" else pa.CompressedInputStream(source, way)


class _LineEnds:
    """Line ends of other systems made \\n."""

    def __init__(self) -> None:
        self.held = b""

    def plain(self, data: bytes, last: bool = False) -> bytes:
        """The next bytes so; a \\r at their end waits for what follows."""
        data = self.held + data
        if b"\r" not in data:
            self.held = b""
            return data
        self.held = b"\r" if data.endswith(b"\r") and not last else b""
        data = data[: len(data) - len(self.held)]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class _Opened:
    """Pieces of bytes as a file that is read from its beginning on."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.held = pieces, b""

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        while len(self.held) < size and (piece := next(self.pieces, None)) is not None:
            self.held += piece
        given, self.held = self.held[:size], self.held[size:]
        return given

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *error: object) -> None:
        close = getattr(self.pieces, "close", None)
        if close is not None:
            close()


def blocks(file: TextFile, above: int, quotes: bool) -> Generator[tuple[bytes, int, bool]]:
    """Whole rows, how many bytes of the file were read so far, and whether they are the last ones.

    above: bytes before the first row. quotes: whether line ends may stand within quotation marks.
    """
    held, marks, looked, done = b"", 0, 0, 0
    for piece, done in file.text():
        skipped = min(above, len(piece))
        above, piece = above - skipped, piece[skipped:]
        held += piece
        if len(held) < BLOCK:
            continue
        cut, marks, looked = _cut(held, marks, looked, quotes)
        if cut:
            yield held[:cut], done, False
            held, marks, looked = held[cut:], 0, 0
        elif len(held) > LONGEST_ROW:
            raise DataError(
                f"{file.label} has a row of more than {LONGEST_ROW >> 20} MB, beginning with "
                f"{quoted(held[:60].decode(errors='replace'))}: a quotation mark there is never closed"
            )
    yield held, done, True


def _cut(held: bytes, marks: int, looked: int, quotes: bool) -> tuple[int, int, int]:
    """Behind the last whole row, 0 where none has ended; the quotation marks up to where it was looked at."""
    if not quotes:
        return held.rfind(b"\n") + 1, 0, 0
    marks, looked = marks + held.count(b'"', looked), len(held)
    end, odd = len(held), marks % 2
    while (at := held.rfind(b"\n", 0, end)) >= 0:
        odd = (odd + held.count(b'"', at, end)) % 2
        if not odd:
            return at + 1, marks, looked
        end = at
    return 0, marks, looked

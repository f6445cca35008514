"""The bytes of a text file as UTF-8: its encoding, the mark of its byte order, its line ends."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable

import pyarrow as pa

from steepest.errors import DataError

HEAD = 1 << 18  # bytes that the layout is inferred from, more where the first line is longer
LONGEST = 1 << 24  # bytes of a first line: no table has more in the names of its columns
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

Opener = Callable[[], pa.NativeFile]


def all_bytes(opener: Opener) -> bytes:
    """All bytes of a file."""
    with opener() as stream:
        return stream.read()


def opener_of(data: bytes) -> Opener:
    """Bytes as a file. They are Arrow's own: a thread of Arrow that let go of Python's at exit would end the process."""
    sink = pa.BufferOutputStream()
    sink.write(data)
    buffer = sink.getvalue()
    return lambda: pa.BufferReader(buffer)


def as_utf8(opener: Opener, label: str, given: str | None) -> tuple[Opener, str]:
    """The bytes as UTF-8 without a mark of their order, lines ended by \\n or \\r\\n; and the encoding they had."""
    with opener() as stream:
        head = stream.read(HEAD)
    marked = next((name for mark, name in BOMS.items() if head.startswith(mark)), None)
    encoding = marked or given or "utf-8"  # a mark of UTF is no text in any other encoding
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "ascii"):
        data = _decoded(opener, label, encoding, given).encode()
        opener, head = opener_of(data), data[:HEAD]
    elif marked == "utf-8-sig":
        opener, head = from_offset(opener, 3), head[3:]
    if re.search(rb"\r(?!\n|\Z)", head) is not None:
        opener = opener_of(all_bytes(opener).replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return opener, encoding


def _decoded(opener: Opener, label: str, encoding: str, given: str | None) -> str:
    try:
        return all_bytes(opener).decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        start, name = error.start + 1, encoding.upper()
    if given is None:
        raise DataError(f"{label} starts as {name} text but byte {start:,} is not {name}")
    raise DataError(f"{label} is not {encoding}, as encoding says: byte {start:,} is none of its characters")


def from_offset(opener: Opener, offset: int) -> Opener:
    """The same bytes from an offset on."""

    def opened() -> pa.NativeFile:
        stream = opener()
        stream.seek(offset, io.SEEK_CUR)
        return stream

    return opened


def head_of(opener: Opener, label: str) -> tuple[bytes, bool]:
    """The beginning of the text, at least its first line, and whether that is all of it."""
    with opener() as stream:
        head = stream.read(HEAD)
        while (more := stream.read(len(head))) and b"\n" not in head:
            if len(head) >= LONGEST:
                raise DataError(
                    f"{label} is no table: its first line, which would hold the names of the columns, has more than "
                    f"{LONGEST >> 20} MB"
                )
            head += more
    return head, not more


def text_of(head: bytes, complete: bool, opener: Opener, label: str) -> str:
    """The head as text, cut after its last whole line; bytes that are no UTF-8 are an error."""
    zero = head.find(0)
    if zero >= 0:
        halves = sum(not byte for byte in head[1:2000:2]), sum(not byte for byte in head[:2000:2])
        wide = 4 * max(halves) > min(len(head), 2000)
        name = "utf-16-le" if halves[0] >= halves[1] else "utf-16-be"
        way = f'If it is UTF-16, use encoding="{name}"' if wide else "Save it as UTF-8 text or as Parquet"
        raise DataError(f"{label} is not a text table: byte {zero + 1:,} is zero. {way}")
    if not complete:
        head = head[: head.rfind(b"\n") + 1] or head
    try:
        return head.decode()
    except UnicodeDecodeError:
        raise not_utf8(opener, label) from None


def not_utf8(opener: Opener, label: str) -> DataError:
    """The error for bytes that are no UTF-8, with the place of the first one; they are gone through a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    place, line, wrong, windows = 0, 1, None, False
    with opener() as stream:
        while piece := stream.read(1 << 22):
            windows = windows or re.search(rb"[\x80-\x9f]", piece) is not None
            if wrong is None:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError as error:  # its object begins with what was held back of the piece before
                    held = len(error.object) - len(piece)
                    byte = error.object[error.start]
                    wrong = place + error.start - held + 1, line + error.object.count(b"\n", 0, error.start), byte
                line += piece.count(b"\n")
            place += len(piece)
    if wrong is None:
        return DataError(f"{label} holds bytes that cannot be read as text")
    name = "cp1252" if windows else "latin-1"
    return DataError(
        f"{label} is not UTF-8: byte {wrong[0]:,}, in line {wrong[1]:,}, is 0x{wrong[2]:02x}. Say its encoding, "
        f'most likely encoding="{name}"'
    )

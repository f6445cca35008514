"""Event files of TensorBoard's, written without it: records of a length, its checksum, an `Event` and its checksum.

The bytes of many events are computed side by side, as rows of an array; a step's number takes five bytes whatever it is, so that
all events of a name are of one length.
Sources: TensorFlow, `event.proto`, `summary.proto` and `record_writer.h`; RFC 3720, B.4, for CRC-32C.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from steepest.errors import RunError
from steepest.trackers.sending import Row, Tracker

VERSION = b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2"
"""The first event of a file: no time, and the version of what follows."""

STEP_BYTES = 5


class TensorBoard(Tracker):
    """Steps as an event file, which `tensorboard --logdir` shows; the package tensorboard is not needed to write it.

    Given as `progress=` to `fit()` or a `Recorder` it is written as the fit goes; `log(fit)` writes a trace afterwards.

    Attributes:
        folder: where the file is; one run each.

    Example:
        >>> import tempfile
        >>> from steepest.fitting import fit
        >>> with tempfile.TemporaryDirectory() as folder, TensorBoard(folder) as tracker:
        ...     done = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], optimizer="sgd", lr=0.1, epochs=5, progress=tracker)
        ...     tracker.log(done)
        ...     tracker.close()
        ...     len(list(Path(folder).glob("events.out.tfevents.*")))
        0
        1
    """

    def __init__(self, folder: str | os.PathLike[str]):
        """Begin a file in a folder, which is made if it is missing.

        Args:
            folder: of one run.

        Raises:
            RunError: it cannot be made.
        """
        super().__init__()
        self.folder = Path(folder)
        self._file: IO[bytes] | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{str(folder)!r} cannot be made: {error.strerror}.") from None

    def __str__(self) -> str:
        return str(self.folder)

    def _send(self, rows: Sequence[Row]) -> None:
        names = {name: None for _, _, values in rows for name in values}
        content = b"".join(_of_name(name, [row for row in rows if name in row[2]]) for name in names)
        try:
            if self._file is None:
                self._file = self._opened()
            self._file.write(content)
            self._file.flush()
        except OSError:
            if self._file is not None:  # what is half written stays in a file of its own
                self._file.close()
            self._file = None
            raise

    def _opened(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns():020d}.{socket.gethostname()}.{os.getpid()}"
        file = open(self.folder / name, "xb")  # noqa: SIM115 (it stays open)
        file.write(records(np.frombuffer(VERSION, np.uint8)[None]))
        return file

    def _finish(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


def _of_name(name: str, rows: Sequence[Row]) -> bytes:
    """The events of one metric."""
    tag = name.encode()
    value = b"\x0a" + bytes([len(tag)]) + tag + b"\x15"  # a Value: its tag, a float to come
    summary = b"\x0a" + bytes([len(value) + 4]) + value
    head = b"\x2a" + bytes([len(summary) + 4]) + summary
    event = np.empty((len(rows), 9 + 1 + STEP_BYTES + len(head) + 4), np.uint8)
    event[:, 0] = 0x09
    event[:, 1:9] = np.array([when for when, _, _ in rows], "<f8").view(np.uint8).reshape(-1, 8)
    event[:, 9] = 0x10
    steps = np.array([step for _, step, _ in rows], np.int64)
    for place in range(STEP_BYTES):
        more = 0x80 if place < STEP_BYTES - 1 else 0
        event[:, 10 + place] = (steps >> (7 * place)) & 0x7F | more
    event[:, 15 : 15 + len(head)] = np.frombuffer(head, np.uint8)
    with np.errstate(over="ignore"):
        values = np.array([known[name] for _, _, known in rows]).astype("<f4")
    event[:, -4:] = values.view(np.uint8).reshape(-1, 4)
    return records(event)


def records(events: np.ndarray) -> bytes:
    """Events of one length, bytes `[n, L]`, as records."""
    count, size = events.shape
    length = np.tile(np.frombuffer(np.array(size, "<u8").tobytes(), np.uint8), (count, 1))
    parts = [length, _masked(length), events, _masked(events)]
    return np.concatenate(parts, 1).tobytes()


def _masked(data: np.ndarray) -> np.ndarray:
    """TensorFlow's form of a checksum, as bytes `[n, 4]`."""
    crc = crc32c(data).astype(np.uint64)
    turned = ((crc >> np.uint64(15)) | (crc << np.uint64(17))) & np.uint64(0xFFFFFFFF)
    return ((turned + np.uint64(0xA282EAD8)) & np.uint64(0xFFFFFFFF)).astype("<u4").view(np.uint8).reshape(-1, 4)


def _table() -> np.ndarray:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(0x82F63B78), crc >> 1).astype(np.uint32)
    return crc


TABLE: Any = _table()


def crc32c(data: np.ndarray) -> np.ndarray:
    """CRC-32C of each row of bytes `[n, L]`.

    >>> hex(crc32c(np.frombuffer(b"123456789", np.uint8)[None])[0])
    '0xe3069283'
    """
    crc = np.full(len(data), 0xFFFFFFFF, np.uint32)
    for column in data.T:
        crc = TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return ~crc

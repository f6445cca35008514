"""The command as a process: signals that end it, and streams that may be closed or full.

Ctrl-C, SIGTERM and the end of the terminal stop a descent after its step, and what was done is kept. Nothing here is done
where steepest is used from Python: the signal handlers of a program are its own.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = "interrupted before there was anything to keep"


def leave_at_once() -> None:
    """Until `stopped_by_signals` has taken over: Ctrl-C ends the process in a line, whatever is being imported."""

    def leave(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):
            os.write(2, f"error: {INTERRUPTED}\n".encode())
        os._exit(128 + number)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def leave(code: int) -> NoReturn:
    """End the process without the destructors of native libraries: threads of theirs that are still starting abort it then."""
    atexit._run_exitfuncs()
    os._exit(code)


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """Within it SIGTERM and SIGHUP do what Ctrl-C does, KeyboardInterrupt; yields the signals that came, in order.

    Where a descent has its own way with Ctrl-C (`interruptible`), theirs is the same. Who sends SIGTERM sends it twice at
    times, and has SIGKILL for what does not end: the second one does nothing. An ignored signal (`nohup`) stays ignored.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def as_ctrl_c(number: int, frame: FrameType | None) -> None:
        if number not in received:
            received.append(number)
            current = signal.getsignal(signal.SIGINT)
            if not callable(current):  # a shell lets what runs in the background ignore Ctrl-C
                raise KeyboardInterrupt
            current(number, frame)

    before = {}
    for name, handler in (("SIGINT", interrupt), ("SIGTERM", as_ctrl_c), ("SIGHUP", as_ctrl_c)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Closed(io.TextIOBase):
    """Standard output that was closed before the command began."""

    def write(self, text: Any) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    @property
    def buffer(self) -> _Closed:
        return self


class _Lenient:
    """Standard error: where it cannot be written, there is nobody to tell."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def streams() -> Iterator[None]:
    """Standard streams that can be used: none is missing, and none stops the process when it ends."""
    kept = sys.stdin, sys.stdout, sys.stderr
    for descriptor in range(3):  # else the next file that is opened would take its place
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    nowhere = open(os.devnull, "r+")  # noqa: SIM115 (closed below)
    if sys.stdin is None:
        sys.stdin = nowhere
    if sys.stdout is None:
        sys.stdout = _Closed()
    sys.stderr = _Lenient(nowhere if sys.stderr is None else sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to fail
    try:
        yield
    finally:
        for stream in kept[1:]:
            _emptied(stream)
        sys.stdin, sys.stdout, sys.stderr = kept
        nowhere.close()


def _emptied(stream: Any) -> None:
    """Flush a stream; what it cannot write goes nowhere, so that Python does not stumble over it at the end."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()


def why_unwritten(error: OSError) -> str:
    """What is to be said of an error in writing a result."""
    place = "standard output" if error.filename is None else repr(str(error.filename))
    return f"{place} cannot be written: {error.strerror or error}."

"""`replay()`: a run gone through again from its stored settings, and every recorded step compared, bit for bit."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from steepest.checkpoints.run_settings import digest
from steepest.data.wording import counted
from steepest.descent.stopping import Status
from steepest.descent.trace import Trace
from steepest.engines.choice import ENGINES
from steepest.errors import RunError
from steepest.fit_data import data_of
from steepest.fitting import run
from steepest.held_out import parted
from steepest.result import Fit
from steepest.settings_table import EACH_ROW
from steepest.storage import load


@dataclass(frozen=True)
class Replay:
    """What came of a run that was gone through again.

    Attributes:
        steps: how many steps were recorded.
        step, quantity, stored, found: where the first difference lies, what differs, and both values; None without one.
        written: whether the files of a stream were written again since the run was made, or are others.
    """

    steps: int
    step: int | None = None
    quantity: str | None = None
    stored: float | None = None
    found: float | None = None
    written: bool = False

    @property
    def same(self) -> bool:
        """Whether every recorded step is the same, bit for bit."""
        return self.quantity is None

    def __str__(self) -> str:
        if self.same:
            return f"All {counted(self.steps, 'recorded step')} are the same, bit for bit."
        why = " The files are others than those of the run, or were written again since." if self.written else ""
        return (
            f"The first difference lies at step {self.step:,}: {self.quantity} is {self.stored!r} in the run, and "
            f"{self.found!r} now.{why}"
        )


def replay(folder: str | os.PathLike[str], x: Any = None, y: Any = None, model: Any = None) -> Replay:
    """Go through a run again: its stored settings, by the engine that it had, on data with the stored digest.

    Args:
        folder: the run's.
        x, y: the data, as for `fit()`; by default they are read again from where they came.
        model: the module, or `package.module:factory`, of a run that was made with one.

    Returns:
        A `Replay`: `same`, or where the first difference lies.

    Raises:
        RunError: it is no run, its data are in memory or others now, or a setting is code that is not in it.

    Example:
        >>> import tempfile
        >>> from steepest import fit
        >>> x, y = [0.0, 1.0, 2.0], [1.0, 3.0, 5.5]
        >>> with tempfile.TemporaryDirectory() as place:
        ...     fit(x, y, lr=0.1, epochs=20).save(f"{place}/line")
        ...     print(replay(f"{place}/line", x, y))
        All 21 recorded steps are the same, bit for bit.
    """
    stored = load(folder)
    if not isinstance(stored, Fit) or stored.record is None:
        raise RunError(f"{str(folder)!r} is a sweep; one run at a time is replayed.")
    missing = [name for name in stored.record.nameless if name != "model" or model is None]
    if missing:
        raise RunError(f"The {missing[0]} of {str(folder)!r} was an object of Python, which a run does not hold.")
    spec = stored.spec if model is None else stored.spec.model_copy(update={"model": model})
    if spec.sync_every is not None:
        raise RunError(
            f"The steps of {str(folder)!r} were those of several ranks, each its own (sync_every): none can be replayed."
        )
    source = stored.source if x is None else x
    if source is None:
        raise RunError(f"The rows of {str(folder)!r} came from memory: give them, replay(folder, x, y).")
    train, test, notes = data_of(spec, source, y, *(getattr(spec, name) for name in EACH_ROW))
    if digest(parted(spec, train, notes)[0], test) != stored.record.rows_sha256:
        raise RunError(f"These are not the rows of {str(folder)!r}: their digest (SHA-256) is another one.")
    engine = ENGINES.get(stored.engine)
    if engine is None:
        raise RunError(f"The run {str(folder)!r} names an engine that is not known: {stored.engine!r}.")
    outside = stored.ending.status in (Status.INTERRUPTED, Status.SECONDS)
    spec = spec.model_copy(update={"max_seconds": None})
    again = run(spec, train, test, notes, again=(engine, float(stored.steps) if outside else inf))
    found = compared(stored.inner.trace, again.inner.trace)
    files = None if train.stream is None else train.stream.files.fingerprint
    return replace(found, written=stored.record.files_sha256 not in (None, files))


def compared(stored: Trace, found: Trace) -> Replay:
    """Where two traces first differ, in the order of their steps."""
    count, names = min(len(stored), len(found)), stored.COLUMNS
    differ = {name: _bits(getattr(stored, name)[:count]) != _bits(getattr(found, name)[:count]) for name in names}
    theta = _bits(stored.theta[:count]) != _bits(found.theta[:count])
    wrong = np.logical_or.reduce([*differ.values(), theta.any(axis=1)])
    if not wrong.any():
        if len(stored) == len(found):
            return Replay(len(stored))
        longer = stored if len(stored) > len(found) else found
        return Replay(len(stored), int(longer.step[count]), "the number of recorded steps", len(stored), len(found))
    i = int(np.argmax(wrong))
    for name in names:
        if differ[name][i]:
            return Replay(
                len(stored), int(stored.step[i]), name, getattr(stored, name)[i].item(), getattr(found, name)[i].item()
            )
    j = int(np.argmax(theta[i]))
    values = float(stored.theta[i, j]), float(found.theta[i, j])
    return Replay(len(stored), int(stored.step[i]), f"θ of {stored.names[j]!r}", *values)


def _bits(column: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(column).view(np.int64)

"""When to stop, and how to say why.

A descent that stopped has not always arrived. Every way it can end is a `Status`, a full sentence: what
happened and what to try. `Stopper` watches the steps and names the first reason to end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from math import inf, isfinite


class Status(Enum):
    """How a descent ended. `str(status)` is its name and its sentence."""

    CONVERGED = "The descent arrived: the gap to the optimum is closed."
    STALLED = "Nothing changes any more at this precision, but the optimum is not reached."
    TOLERANCE = "Stopped because the objective changed by no more than tol."
    PATIENCE = "Stopped because the validation loss no longer improved."
    EPOCHS = "All epochs asked for are done."
    STEPS = "All steps asked for are done."
    DIVERGED = "The descent diverged: the loss grew out of bounds. Lower the learning rate."
    INTERRUPTED = "Interrupted; everything up to here is kept."
    SEPARABLE = (
        "The classes can be separated, so the loss has no finite minimum and the coefficients would grow for ever. "
        "Add a penalty: --penalty l2:0.001 (in Python: penalty='l2:0.001')."
    )

    def __str__(self) -> str:
        return f"{self.name.lower()}: {self.value}"


class Stopper:
    """Watches a descent: `look(t, objective)` where F is known, `glance(losses)` every few steps in between.

    tol: the relative change of F at or below which to stop (0: no change at all); None never stops so.
    patience: how many such looks in a row; with a validation loss, how many epochs without improvement.
    scale: the loss of predicting nothing, where that is known.
    """

    GROWTH = 1e6
    FIRST = 3
    """A loss GROWTH times the larger of the start's and `scale` counts as divergence (the start may be nearly perfect);
    without a scale, GROWTH times the largest of the first ones."""

    def __init__(self, tol: float | None = None, patience: int | None = None, scale: float | None = None):
        self.tol, self.patience = tol, patience
        self.first = self.FIRST if scale is None else 1
        self.before: float | None = None
        self.largest, self.looks = scale or 0.0, 0
        self.still = 0
        self.best, self.since_best, self.best_epoch = inf, 0, 0

    def look(self, value: float) -> Status | None:
        """One value of the full objective, in order."""
        if self.looks < self.first and isfinite(value):
            self.largest = max(self.largest, abs(value))
        self.looks += 1
        if self.out_of_bounds(value):
            return Status.DIVERGED
        before, self.before = self.before, value
        if self.tol is None or before is None:
            return None
        self.still = self.still + 1 if abs(before - value) <= self.tol * abs(before) else 0
        return Status.TOLERANCE if self.still >= (self.patience or 1) else None

    def out_of_bounds(self, value: float) -> bool:
        """Whether a loss is not finite, or far above where the descent began."""
        return not isfinite(value) or (self.looks > 0 and abs(value) > self.GROWTH * (self.largest + 1e-300))

    def validate(self, value: float, epoch: int) -> Status | None:
        """One value of the validation loss an epoch."""
        if value < self.best:
            self.best, self.since_best, self.best_epoch = value, 0, epoch
            return None
        self.since_best += 1
        return Status.PATIENCE if self.since_best >= (self.patience or 10) else None


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl-C only sets a mark, so that a step is never cut in two; the second interrupts as usual."""
    pressed = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def mark(number: int, frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, mark)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)

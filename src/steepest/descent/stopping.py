"""When to stop, and how to say why.

A descent that stopped has not always arrived. Every way it can end is a `Status`, a full sentence: what
happened and what to try. `Stopper` watches the steps and sees when there is a reason to end; it is elementwise, like the
rules, and serves one run and many.
"""

from __future__ import annotations

import copy
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import Enum
from math import inf, nan
from typing import Any, Literal

import numpy as np

from steepest.checkpoints.tree import Unlike
from steepest.data.batching import Batching
from steepest.descent.rule import Rule

LARGEST = float(np.finfo(np.float64).max)

CLOSED = 1e-9
"""Relative gap at or below which a descent has arrived (smooth losses)."""

CLOSED_KINKED = 1e-5
"""The same for losses with a kink."""

IDLE_LOOKS = 5
"""Looks in a row without any change at which nothing is taken to change any more (`enough_looks`)."""

TEST_LOOKS = 200
"""How often at most the held-out loss is taken in one descent (where epochs are steps)."""


class Status(Enum):
    """How a descent ended. `str(status)` is its name and its sentence."""

    CONVERGED = "The loss equals the exact optimum."
    STALLED = "The loss no longer changes at this precision, but the optimum is not reached."
    TOLERANCE = "Stopped because the objective changed by no more than tol."
    PATIENCE = "Stopped because the validation loss no longer improved."
    EPOCHS = "Stopped after the requested epochs."
    STEPS = "Stopped after the requested steps."
    SECONDS = "Stopped after the requested seconds; everything up to here is kept."
    DIVERGED = "The loss grew without bound."
    INTERRUPTED = "Stopped by Ctrl-C; everything up to here is kept."
    CALLBACK = "Stopped by a callback; everything up to here is kept."
    SEPARABLE = (
        "The loss has no finite minimum and the coefficients grow without bound: classes are linearly separable, or targets lie "
        "at the end of what they can be."
    )

    def __str__(self) -> str:
        return self.told(self.value)

    @property
    def state(self) -> Literal["good", "wrong", "open"]:
        """Whether the descent arrived, went wrong, or neither."""
        if self in (Status.DIVERGED, Status.SEPARABLE):
            return "wrong"
        return "good" if self.arrived else "open"

    @property
    def arrived(self) -> bool:
        """Whether the optimum is reached."""
        return self is Status.CONVERGED

    def told(self, sentence: str) -> str:
        """Its name and a sentence: `epochs: stopped after the requested 20 epochs.`"""
        return f"{self.name.lower()}: {sentence[:1].lower()}{sentence[1:]}"


IN_SHORT = {
    "tolerance": "stopped by tol", "patience": "stopped by patience", "epochs": "stopped at the epoch limit",
    "steps": "stopped at the step limit", "seconds": "stopped at the time limit", "separable": "with separable classes",
}  # fmt: skip
"""How runs ended, where they are counted; other statuses are said by their names."""


def counted(statuses: Sequence[str]) -> str:
    """How many runs ended how.

    >>> counted(["epochs", "epochs"]), counted(["converged", "diverged", "converged"])
    ('all stopped at the epoch limit', '2 converged, 1 diverged')
    """
    counts = Counter(statuses)
    words = {status: IN_SHORT.get(status, status) for status in counts}
    if len(counts) == 1 and len(statuses) > 1:
        return f"all {words[statuses[0]]}"
    return ", ".join(f"{count:,} {words[status]}" for status, count in counts.items())


@dataclass(frozen=True)
class Ending:
    """How a descent ended: the status, what is to be said beyond its sentence, and what would help."""

    status: Status
    detail: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Limits:
    """When each run ends: arrays `[runs]`. epochs and steps may be inf; a tol of NaN never stops.

    every: how many epochs lie between two looks at the held-out loss.
    """

    tol: np.ndarray
    looks: np.ndarray
    patience: np.ndarray
    epochs: np.ndarray
    steps: np.ndarray
    every: np.ndarray

    @classmethod
    def of(cls, each: Iterable[tuple[float | None, int | None, Batching, Rule]], whole: bool) -> Limits:
        """From (tol, patience, batches, rule) of each run. whole: whether every step sees all rows; then a run that has no tol
        ends where nothing changes at all."""
        lines = []
        for tol, patience, batching, rule in each:
            rest = whole and tol is None and rule.arrived is None
            lines.append((
                0.0 if rest else np.nan if tol is None else tol,
                enough_looks(tol, patience, rule, whole),
                patience or 0,
                np.inf if batching.epochs is None else batching.epochs,
                np.inf if batching.steps is None else batching.steps,
                max(1, (batching.epochs or batching.max_steps or TEST_LOOKS) // TEST_LOOKS),
            ))  # fmt: skip
        return cls(*np.array(lines, dtype=np.float64).T)

    def __len__(self) -> int:
        return len(self.tol)

    def take(self, which: np.ndarray) -> Limits:
        """The same for other runs, by their places here."""
        return Limits(*(getattr(self, entry.name)[which] for entry in fields(self)))


def enough_looks(tol: float | None, patience: int | None, rule: Rule, full_batch: bool) -> int:
    """How many looks in a row without a change end a descent.

    Without a tolerance of the user's only a full batch that changes no longer at all ends early. Where F must not change
    at all, plain steps on all rows that leave it as it is will do so again. Others may pass two values that are the same
    on their way: momentum at lr·λ = 1 + β walks θ, −βθ, −βθ, β²θ, β²θ, …

    >>> from steepest.descent.torch_rules import rule
    >>> [enough_looks(0.0, None, rule(name), True) for name in ("sgd", "momentum")]
    [1, 5]
    """
    if tol is None:
        return IDLE_LOOKS
    at_once = tol > 0.0 or (full_batch and rule.innermost.linear and not rule.innermost.momentum)
    return patience or (1 if at_once else IDLE_LOOKS)


class Stopper:
    """Watches one descent, or many at once: every value is a number, or an array with one entry a run.

    `look(F)` where F is known, in order; `within(loss)` every few steps in between.

    tol: the relative change of F at or below which to stop (0: no change at all); None, or NaN for a run, never stops so.
    looks: how many such looks in a row (None or 0: one).
    patience: with a validation loss, how many epochs without improvement (None or 0: ten).
    scale: the loss of predicting nothing, where that is known.
    """

    GROWTH = 1e6
    FIRST = 3
    """A loss GROWTH times the larger of the start's and `scale` counts as divergence (the start may be nearly perfect);
    without a scale, GROWTH times the largest of the first ones."""

    def __init__(self, tol: Any = None, looks: Any = None, patience: Any = None, scale: float | None = None):
        self.tol: Any = nan if tol is None else tol
        self.enough_looks: Any = _or_else(looks, 1)
        self.enough_epochs: Any = _or_else(patience, 10)
        self.first = self.FIRST if scale is None else 1
        self.largest: Any = scale or 0.0
        self.limit: Any = LARGEST
        self.looks = 0
        self.before: Any = nan
        self.still: Any = 0
        self.best: Any = inf
        self.since_best: Any = 0
        self.best_epoch: Any = 0

    def look(self, value: Any) -> tuple[Any, Any]:
        """One value of the full objective: whether it is out of bounds, and whether it has changed too little for long."""
        if self.looks < self.first:
            size = np.abs(value)
            self.largest = np.where(np.isfinite(size), np.maximum(self.largest, size), self.largest)[()]
            self.limit = np.minimum(self.GROWTH * (self.largest + 1e-300), LARGEST)
        self.looks += 1
        before, self.before = self.before, value
        self.still = (self.still + 1) * (abs(before - value) <= self.tol * abs(before))
        return self.within(value) ^ True, self.still >= self.enough_looks

    def within(self, value: Any) -> Any:
        """Whether a loss is finite, and not far above where the descent began; losses may be `[T, runs]` too."""
        return abs(value) <= self.limit

    @property
    def untold(self) -> int:
        """How many looks it still takes until it is known what is out of bounds."""
        return max(0, self.first - self.looks)

    def eventful(self, values: np.ndarray) -> np.ndarray:
        """For values `[runs, T]` still to be looked at: `[runs, T]`, which looks may find something.

        It may be asked once nothing is `untold`; the others may be passed over by `skip`.
        """
        tol = np.broadcast_to(self.tol, len(values))[:, None]
        first = np.broadcast_to(self.before, len(values))[:, None]
        before = np.concatenate([first, values[:, :-1]], axis=1)
        return ~self.within(values.T).T | (np.abs(before - values) <= tol * np.abs(before))

    def skip(self, value: Any, looks: int) -> None:
        """As if `look` had seen that many values, none of them eventful and this the last."""
        self.looks, self.before, self.still = self.looks + looks, value, 0 * self.still

    def validate(self, value: Any, epoch: int) -> Any:
        """One value of the validation loss an epoch: whether it has not improved for long."""
        better = value < self.best
        self.best = np.where(better, value, self.best)[()]
        self.since_best = np.where(better, 0, np.add(self.since_best, 1))[()]
        self.best_epoch = np.where(better, epoch, self.best_epoch)[()]
        return self.since_best >= self.enough_epochs

    SEEN = ("largest", "limit", "before", "still", "best", "since_best", "best_epoch")

    def state(self) -> dict[str, Any]:
        """What was seen so far: numbers, or arrays with one entry a run."""
        return {name: getattr(self, name) for name in (*self.SEEN, "looks")}

    def take_up(self, state: Any) -> None:
        """Go on from what another one of as many runs has seen. Unlike where that is something else."""
        if not isinstance(state, dict) or set(state) != {*self.SEEN, "looks"} or type(state["looks"]) is not int:
            raise Unlike("stopper is none")
        for name, value in state.items():
            if np.asarray(value).dtype.kind not in "fiub" or np.shape(value) not in ((), np.shape(self.tol)):
                raise Unlike(f"stopper.{name} is no number")
            setattr(self, name, value)

    def only(self, runs: Any) -> Stopper:
        """The same for some of its runs."""
        chosen = copy.copy(self)
        for name in ("tol", "enough_looks", "enough_epochs", *self.SEEN):
            value = getattr(self, name)
            setattr(chosen, name, value[runs] if np.ndim(value) else value)
        return chosen


def _or_else(given: Any, default: int) -> Any:
    wanted = np.asarray(0 if given is None else given)
    return np.where(wanted > 0, wanted, default)[()]


@contextmanager
def interruptible(seconds: float | None = None) -> Iterator[Callable[[], Status | None]]:
    """Within it the first Ctrl-C only sets a mark, so that a step is never cut in two; the second interrupts as usual.

    It gives a function that says why to end, if there is a reason: Ctrl-C, or that so many seconds have gone by.
    """
    pressed = []
    until = inf if seconds is None else time.monotonic() + seconds

    def reason() -> Status | None:
        if pressed:
            return Status.INTERRUPTED
        return Status.SECONDS if seconds is not None and time.monotonic() >= until else None

    if threading.current_thread() is not threading.main_thread():
        yield reason
        return

    def mark(number: int, frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, mark)
    try:
        yield reason
    finally:
        signal.signal(signal.SIGINT, before)

"""Rows sent on by a thread: the fit only appends to a list, and never waits.

Once a second the thread takes what is there and hands it on in batches. Where that fails, the rows stay and it tries again, a
little later each time: a tracker that is down costs the fit nothing, and has every row once it is back.
"""

from __future__ import annotations

import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.errors import SteepestWarning
from steepest.lazy import Tensor

if TYPE_CHECKING:
    from steepest.descent.loop import Step

EVERY, LONGEST = 1.0, 30.0
"""Seconds between two batches, and between two tries at most."""

MOST = 330
"""Rows of a batch."""

METRICS = ("lr", "loss", "objective")
"""What is sent of a step; a trace has its other columns too."""

Row = tuple[float, int, dict[str, float]]
"""When it was, the step, and name → value, without those that are not known."""


class Tracker(ABC):
    """What is given as `progress=` to `fit()` or a `Recorder`; `with` closes it in the end."""

    def __init__(self) -> None:
        self._shown: list[Any] = []
        self._described: Any = None
        self._objective = nan
        self._waiting: list[Row] = []
        self._seen: set[int] = set()
        self._wake, self._idle, self._closing = threading.Event(), threading.Event(), False
        self._thread: threading.Thread | None = None
        self.trouble = ""
        """Why the last batch did not arrive; "" where it did."""

    def __call__(self, step: Step, objective: float = nan) -> None:
        """Note a step; the thread sends it on.

        Args:
            step: as `fit()` shows it, at each step of the loop; a compiled engine shows the last one of each chunk.
            objective: the full objective, NaN where it is not known.
        """
        loss = step.loss
        if isinstance(loss, Tensor):
            loss = loss.item() if loss.device.type == "cpu" else loss.detach().clone()
        self._seen.add(step.t)
        self._shown.append((time.time(), step.t, (step.lr, loss, objective)))
        if self._thread is None:
            self._begin()

    def log(self, fit: Any) -> None:
        """Send the settings of a fit, and what its trace has that was not shown on the way, as the loss of rows held out.

        Args:
            fit: a `Fit`, also one that was loaded.

        Example:
            >>> import tempfile
            >>> from steepest.fitting import fit
            >>> from steepest.trackers.tensorboard import TensorBoard
            >>> done = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])
            >>> with tempfile.TemporaryDirectory() as folder, TensorBoard(folder) as tracker:
            ...     tracker.log(done)
            ...     tracker.close()
            0
        """
        trace, now = fit.trace, time.time()
        names = [name for name in trace.COLUMNS if name != "step"]
        for row, step in enumerate(trace.step.tolist()):
            new = [name for name in names if step not in self._seen or name not in METRICS]
            self._shown.append((now, step, {name: float(getattr(trace, name)[row]) for name in new}))
        self._described = fit
        self._begin()

    def close(self, wait: float = 60.0) -> int:
        """Send what is left, and end; a warning says how much did not arrive. Then it can be closed again later.

        Args:
            wait: seconds to try for.

        Returns:
            How many rows did not arrive.

        Example:
            >>> import tempfile
            >>> from steepest.fitting import fit
            >>> from steepest.trackers.tensorboard import TensorBoard
            >>> done = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])
            >>> with tempfile.TemporaryDirectory() as folder, TensorBoard(folder) as tracker:
            ...     tracker.log(done)
            ...     tracker.close()
            0
        """
        if self._thread is None and not self.unsent:
            return 0
        self._closing = True
        self._begin()
        self._idle.clear()
        self._wake.set()
        self._idle.wait(wait)
        if left := self.unsent:
            why = f" ({self.trouble})" if self.trouble else ""
            warnings.warn(
                f"{left:,} steps have not reached {self}{why}. When it is back, close() again sends them.",
                SteepestWarning,
                stacklevel=2,
            )
        else:
            self._finish()
        return left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def unsent(self) -> int:
        """How many rows have not arrived yet.

        Example:
            >>> import tempfile
            >>> from steepest.trackers.tensorboard import TensorBoard
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     TensorBoard(folder).unsent
            0
        """
        return len(self._shown) + len(self._waiting) + (self._described is not None)

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name=f"steepest {self}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        pause = EVERY
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                self._send_all()
                self.trouble, pause = "", EVERY
            except Exception as error:  # whatever a tracker raises, the fit goes on
                self.trouble = (str(error).splitlines() or [""])[0] or type(error).__name__
                pause = EVERY if self._closing else min(2.0 * pause, LONGEST)
            if not self.unsent:
                self._idle.set()
                if self._closing:
                    return

    def _send_all(self) -> None:
        if self._described is not None:
            self._describe(self._described)
            self._described = None
        count = len(self._shown)  # more may come meanwhile
        for when, step, values in self._shown[:count]:
            if isinstance(values, dict):
                known = {name: value for name, value in values.items() if value == value}
            else:
                lr, loss, objective = map(_number, values)
                known = {"lr": lr, "loss": loss}
                if objective == objective and objective != self._objective:  # the last known one, until it is new
                    known["objective"] = self._objective = objective
                if lr != lr or loss != loss:
                    known = {name: value for name, value in known.items() if value == value}
            self._waiting.append((when, step, known))
        del self._shown[:count]
        while self._waiting:
            self._send(self._waiting[:MOST])
            del self._waiting[:MOST]

    @abstractmethod
    def _send(self, rows: Sequence[Row]) -> None:
        """Hand a batch on; an exception where it did not arrive."""

    def _describe(self, fit: Any) -> None:  # noqa: B027 (a tracker may have nothing to say)
        """What a fit is, beside its steps."""

    def _finish(self) -> None:  # noqa: B027
        """Say that there is no more."""


def _number(value: Any) -> float:
    if isinstance(value, float):
        return value
    return float(value.detach().cpu() if isinstance(value, Tensor) else np.ravel(value)[0])

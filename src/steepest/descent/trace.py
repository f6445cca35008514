"""The trace: one row for each step of a descent, as columns.

N updates give N + 1 rows: row t is at θ_t, before update t, and the last row is the end. A long descent is thinned
evenly: when the room is full every other row goes and from then on every other step is kept. The first row and
the last stay, and so do the rows of minibatches where the full objective was evaluated; where these alone fill more
than half of the room, they are thinned in the same way.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow

from steepest.data import table_files
from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.descent.arrays import assign, chosen_rows, float64_of, length_of, room, slice_of
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step, copied
from steepest.formulas.quantities import QUANTITIES
from steepest.lazy import Tensor
from steepest.text.displayed import Displayed
from steepest.text.document import Document, Table, Words

if TYPE_CHECKING:
    import pandas


BUDGET = 256 * 2**20
"""Bytes that a trace may take in memory; θ of very large models is left out where it would take more."""

LEAST_ROWS = 64

ROWS_SHOWN, PARAMETERS_SHOWN = 12, 8
"""Steps and parameters that are printed at most."""

OTHERS = 48
"""Bytes of a row beside θ."""


@dataclass(frozen=True)
class Trace(Displayed):
    """The columns of all recorded steps, as NumPy arrays with T entries: row t is at θ_t, before update t.

    Attributes:
        names: of the parameters in `theta`.
        step: the updates so far.
        epoch: counted from 0.
        lr: the learning rate of the update to come, in the coordinates of the descent.
        loss: the batch's mean loss (of all rows in the last row, and with a full batch).
        objective: the full F(θ), penalty included; NaN where it was not evaluated.
        grad_norm: length of the batch's gradient in the coordinates of the descent.
        test_loss: the mean loss of the rows held out, else of those for validation; NaN where it was not evaluated.
        theta: `[T, p]`, in user units.
        gradient_noise, snr, norm_test, update_ratio: what `record` may ask for (`formulas/quantities.py`), in the coordinates of
            the descent; None unless it does.

    With `averaging` θ is the mean so far, and so are F and the held-out loss of it; the batch's loss and gradient are of the θ
    that the rule moves.
    """

    names: tuple[str, ...]
    step: np.ndarray
    epoch: np.ndarray
    lr: np.ndarray
    loss: np.ndarray
    objective: np.ndarray
    grad_norm: np.ndarray
    test_loss: np.ndarray
    theta: np.ndarray
    gradient_noise: np.ndarray | None = None
    snr: np.ndarray | None = None
    norm_test: np.ndarray | None = None
    update_ratio: np.ndarray | None = None

    COLUMNS = ("step", "epoch", "lr", "loss", "objective", "grad_norm", "test_loss")

    def __len__(self) -> int:
        return len(self.step)

    @property
    def _asked(self) -> tuple[str, ...]:
        """Which of the quantities that `record` may ask for it has."""
        return tuple(name for name in QUANTITIES if getattr(self, name) is not None)

    def to_arrow(self) -> pyarrow.Table:
        """An Arrow table: the columns above, then one a parameter, named `theta.NAME`.

        Example:
            >>> from steepest.fitting import fit
            >>> fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.1, epochs=3).trace.to_arrow().column_names[-2:]
            ['theta.intercept', 'theta.x']
        """
        columns = {name: getattr(self, name) for name in (*self.COLUMNS, *self._asked)}
        if self.theta.shape[1]:
            columns |= {f"theta.{name}": self.theta[:, i] for i, name in enumerate(self.names)}
        return pyarrow.table(columns)

    @classmethod
    def from_arrow(cls, table: pyarrow.Table) -> Trace:
        """What `to_arrow` made.

        Args:
            table: an Arrow table.

        Example:
            >>> from steepest.fitting import fit
            >>> trace = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.1, epochs=3).trace
            >>> len(Trace.from_arrow(trace.to_arrow()))
            4
        """
        names = tuple(name.removeprefix("theta.") for name in table.column_names if name.startswith("theta."))
        theta = [table[f"theta.{name}"].to_numpy() for name in names]
        asked = [name for name in QUANTITIES if name in table.column_names]
        columns = {name: table[name].to_numpy() for name in (*cls.COLUMNS, *asked)}
        return cls(names=names, theta=np.stack(theta, 1) if theta else np.empty((table.num_rows, 0)), **columns)

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas frame (pandas must be installed).

        Example:
            >>> from steepest.fitting import fit
            >>> fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.1, epochs=3).trace.to_pandas().step.tolist()
            [0, 1, 2, 3]
        """
        return self.to_arrow().to_pandas()

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns of `to_arrow` as a file of CSV: numbers to their last digit, nothing where one is not known (NaN).

        Args:
            path: a file; one of that name is replaced, once the new one is whole.

        Returns:
            The path.

        Raises:
            RunError: it is a folder, or cannot be written.

        Example:
            >>> import tempfile
            >>> from steepest.fitting import fit
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     trace = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], optimizer="sgd", lr=0.1, epochs=3).trace
            ...     print(trace.to_csv(Path(folder, "trace.csv")).read_text().splitlines()[1])
            0,0,0.1,11.666666666666666,11.666666666666666,10.540925533894598,,0,0
        """
        return table_files.write_file(self.to_arrow(), path, ".csv")

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns of `to_arrow` as a file of Parquet; `Trace.from_arrow` of what is read from it is the trace again.

        Args:
            path: a file; one of that name is replaced, once the new one is whole.

        Returns:
            The path.

        Raises:
            RunError: it is a folder, or cannot be written.

        Example:
            >>> import tempfile, pyarrow.parquet
            >>> from steepest.fitting import fit
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     trace = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], optimizer="sgd", lr=0.1, epochs=3).trace
            ...     len(Trace.from_arrow(pyarrow.parquet.read_table(trace.to_parquet(Path(folder, "trace.parquet")))))
            4
        """
        return table_files.write_file(self.to_arrow(), path, ".parquet")

    def _document(self, width: float) -> Document:
        heads = [*self.COLUMNS, *map(plain, self.names[:PARAMETERS_SHOWN])]
        rows = []
        for i in evenly(len(self), ROWS_SHOWN).tolist():
            values = ((name, getattr(self, name)[i]) for name in self.COLUMNS)
            cells = [f"{value:,}" if name in ("step", "epoch") else number(float(value)) for name, value in values]
            rows.append(cells + [number(float(value)) for value in self.theta[i, :PARAMETERS_SHOWN]])
        return Document([Words(f"{len(self):,} recorded steps"), Table(heads, rows)])


class Recorder:
    """Keeps steps without synchronising: values stay on a GPU until `trace()` is called, in tensors; others are kept in arrays.

    One run is recorded step by step (`add`), many in chunks (`add_chunk`); these all keep the same steps, since what is
    kept depends on the step's number alone.

    keep: which entries of θ to record; none named means all of them, if they fit into the budget.
    runs: how many runs there are; None is one, without an axis for it. budget: bytes for all of these
    together, where that is less than each might take alone; they are then thinned from the start as `steps` updates
    will need it in the end.
    """

    def __init__(
        self,
        parameters: int,
        like: Tensor | np.ndarray,
        rows: int = 10_000,
        keep: Sequence[int] = (),
        runs: int | None = None,
        budget: int | None = None,
        steps: float = inf,
    ):
        self._on_gpu = isinstance(like, Tensor) and like.device.type != "cpu"
        like = like.detach().numpy() if isinstance(like, Tensor) and not self._on_gpu else like
        size = like.itemsize
        with_theta = BUDGET // (max(parameters, 1) * size) >= LEAST_ROWS
        width = len(keep) or (parameters if with_theta else 0)
        self._keep = list(keep)
        self.capacity = int(max(2, min(rows, BUDGET // (max(width, 1) * size))))
        self.stride = self.marked_stride = 1
        share = self.capacity if budget is None else budget // (runs or 1) // (width * size + OTHERS)
        if share < self.capacity:
            self.capacity = int(max(2, share))
            while isfinite(steps) and steps // self.stride + 2 > self.capacity and self.stride < steps:
                self.stride *= 2
        self._marked = self._rows = 0
        lead = () if runs is None else (runs,)
        rows = int(min(self.capacity, steps // self.stride + 2, 256 if runs is None else max(512, 2**20 // runs)))
        self._steps = np.zeros((rows, 3), dtype=np.int64)  # step, epoch, number of the full objective (0: without)
        self._numbers, self._theta = room(like, (*lead, rows, 4)), room(like, (*lead, rows, width))
        self._lr = np.empty((*lead, rows))

    def add(self, step: Step, objective: Any = None, test_loss: Any = None, last: bool = False) -> None:
        """Keep a step of one run, if its turn has come or it carries the full objective; the last one in any case."""
        mark = 0
        if (
            objective is not None
            and step.batch is not None
            and not (step.batch.rows is None and step.batch.data is None)
        ):
            self._marked = mark = self._marked + 1
        if not (last or self._due(step.t, mark)):
            return
        if self._rows == self.capacity:
            self._thin()
            if not (last or self._due(step.t, mark)):
                return
        row = self._rows
        self._grow(row + 1)
        numbers = self._numbers[row]
        for place, value in enumerate((step.loss, objective, length_of(step.grad), test_loss)):
            if value is not None:
                numbers[place] = value if self._on_gpu else float(value)
        if self._theta.shape[1]:
            theta = step.theta.detach().numpy() if isinstance(step.theta, Tensor) and not self._on_gpu else step.theta
            self._theta[row] = theta[self._keep] if self._keep else theta
        self._lr[row] = step.lr
        self._steps[row] = step.t, step.epoch, mark
        self._rows += 1

    def add_chunk(self, chunk: Chunk, objective: np.ndarray, test_loss: np.ndarray, count: int) -> None:
        """The first `count` steps of many runs, as `add` keeps them; objective and test_loss `[runs, T]` are NaN if unknown."""
        steps = np.zeros((count, 3), dtype=np.int64)
        steps[:, 0], steps[:, 1] = np.arange(chunk.t, chunk.t + count), chunk.epochs[:count]
        if not chunk.whole and chunk.batch.index == 0 and count:
            self._marked = steps[0, 2] = self._marked + 1
        start = 0
        while start < count:
            due = start + np.flatnonzero(self._due(steps[start:, 0], steps[start:, 2]))
            if not due.size:
                return
            if self._rows == self.capacity:
                self._thin()
                start = int(due[0])
                continue
            due = due[: self.capacity - self._rows]
            every = slice_of(due)
            columns = (chunk.loss, objective, chunk.grad_norm, test_loss)
            self._put(steps[due], chunk.lr[:, every], [column[:, every] for column in columns], chunk.theta[:, every])
            start = int(due[-1]) + 1

    def end(self, t: int, epoch: int, lr: np.ndarray, numbers: Sequence[np.ndarray], theta: np.ndarray) -> None:
        """The last row of many runs: loss, objective, length of the gradient and held-out loss, each `[runs]`."""
        if self._rows == self.capacity:
            self._thin()
        steps = np.array([[t, epoch, 0]])
        self._put(steps, lr[:, None], [column[:, None] for column in numbers], theta[:, None])

    def _put(self, steps: np.ndarray, lr: np.ndarray, numbers: Sequence[np.ndarray], theta: np.ndarray) -> None:
        row, end = self._rows, self._rows + len(steps)
        self._grow(end)
        for place, column in enumerate(numbers):
            assign(self._numbers[..., row:end, place], column)
        if self._theta.shape[-1]:
            assign(self._theta[..., row:end, :], theta[..., self._keep] if self._keep else theta)
        self._lr[..., row:end] = lr
        self._steps[row:end] = steps
        self._rows = end

    def only(self, runs: Any) -> Recorder:
        """The same for some of many runs, with rows of its own; for a number the one run alone."""
        if self._numbers.ndim == 2:  # there is no other
            return self
        chosen, used = copy.copy(self), self._rows
        chosen._steps = self._steps[:used].copy()
        chosen._lr = self._lr[:, :used][runs].copy()
        chosen._numbers, chosen._theta = (copied(part[:, :used][runs]) for part in (self._numbers, self._theta))
        return chosen

    @property
    def with_theta(self) -> bool:
        """Whether θ, or a part of it, is recorded."""
        return self._theta.shape[-1] > 0

    def keeps(self, t: int) -> bool:
        """Whether a step without the full objective is among those kept."""
        return bool(self._due(t, 0))

    def _due(self, t: Any, mark: Any) -> Any:
        """Whether step t is among those kept, elementwise; `mark` counts the evaluations of the full objective."""
        return (t % self.stride == 0) | ((mark > 0) & (mark % self.marked_stride == 0))

    def _grow(self, least: int) -> None:
        """Room for `least` rows: twice as many as before, or more."""
        before = self._numbers.shape[-2]
        if least <= before:
            return
        used, rows = self._rows, min(max(2 * before, least), self.capacity)
        steps, numbers, theta, lr = self._steps, self._numbers, self._theta, self._lr
        self._steps = np.zeros((rows, 3), dtype=np.int64)
        self._numbers = room(numbers, (*numbers.shape[:-2], rows, 4))
        self._theta = room(theta, (*theta.shape[:-2], rows, theta.shape[-1]))
        self._lr = np.empty((*lr.shape[:-1], rows))
        self._steps[:used] = steps[:used]
        self._numbers[..., :used, :] = numbers[..., :used, :]
        self._theta[..., :used, :] = theta[..., :used, :]
        self._lr[..., :used] = lr[..., :used]

    def _thin(self) -> None:
        """Drop every other row; rows with the full objective go only once they fill more than half of the room."""
        keep = np.arange(self._rows)
        while len(keep) == self.capacity:
            self.stride *= 2
            if 2 * np.count_nonzero(self._steps[keep, 2]) > self.capacity:
                self.marked_stride *= 2
            keep = keep[self._due(self._steps[keep, 0], self._steps[keep, 2])]
        numbers, theta = chosen_rows(self._numbers, keep), chosen_rows(self._theta, keep)
        self._numbers[...] = nan
        self._rows = len(keep)
        self._numbers[..., : self._rows, :], self._theta[..., : self._rows, :] = numbers, theta
        self._lr[..., : self._rows] = self._lr[..., keep]
        self._steps[: self._rows] = self._steps[keep]

    def row(self, place: int) -> np.ndarray:
        """Loss, objective, length of the gradient and held-out loss in one row: `[..., 4]`."""
        return float64_of(self._numbers[..., range(self._rows)[place], :])

    def __len__(self) -> int:
        return self._rows

    def columns(self, runs: Sequence[int]) -> dict[str, np.ndarray]:
        """The columns of some of many runs `[m, T]`, and θ as it was recorded `[m, T, p]`."""
        used, index = self._rows, np.asarray(runs)
        numbers = float64_of(self._numbers[:, :used][index])
        found = {
            name: np.broadcast_to(self._steps[:used, i], (len(runs), used)) for i, name in enumerate(("step", "epoch"))
        }
        found |= {name: numbers[..., i] for i, name in enumerate(("loss", "objective", "grad_norm", "test_loss"))}
        theta = float64_of(self._theta[:, :used][index])
        return found | {"lr": self._lr[runs, :used], "theta": theta}

    def trace(self, names: Sequence[str], to_user: Callable[[np.ndarray], np.ndarray] | None = None) -> Trace:
        """Everything kept of one run, θ turned into user units."""
        rows = self._rows
        numbers, theta = float64_of(self._numbers[:rows]), float64_of(self._theta[:rows])
        if theta.shape[1] and to_user is not None:
            theta = to_user(theta)
        return Trace(
            names=tuple(names) if theta.shape[1] else (),
            step=self._steps[:rows, 0].copy(),
            epoch=self._steps[:rows, 1].copy(),
            lr=self._lr[:rows].copy(),
            loss=numbers[:, 0],
            objective=numbers[:, 1],
            grad_norm=numbers[:, 2],
            test_loss=numbers[:, 3],
            theta=theta,
        )

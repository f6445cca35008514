"""The trace: one row for each step of a descent, as columns.

N updates give N + 1 rows: row t is at θ_t, before update t, and the last row is the end. A long descent is thinned
evenly: when the room is full every other row goes and from then on every other step is kept. The first row and
the last stay, and so do the rows of minibatches where the full objective was evaluated; where these alone fill more
than half of the room, they are thinned in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from steepest.descent.loop import Step

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from steepest.descent.fused import Block

BUDGET = 256 * 2**20
"""Bytes that a trace may take in memory; θ of very large models is left out where it would take more."""

LEAST_ROWS = 64


@dataclass(frozen=True)
class Trace:
    """The columns of all recorded steps, as NumPy arrays with T entries; `theta` is `[T, p]` in user units.

    loss: the batch's mean loss (of all rows in the last row, and with a full batch).
    objective: the full F(θ), penalty included; NaN where it was not evaluated. test_loss: likewise, on held-out rows.
    grad_norm: length of the batch's gradient in the coordinates of the descent.
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

    COLUMNS = ("step", "epoch", "lr", "loss", "objective", "grad_norm", "test_loss")

    def __len__(self) -> int:
        return len(self.step)

    def to_arrow(self) -> pyarrow.Table:
        """An Arrow table: the columns above, then one a parameter, named `theta.NAME`."""
        import pyarrow

        columns = {name: getattr(self, name) for name in self.COLUMNS}
        if self.theta.shape[1]:
            columns |= {f"theta.{name}": self.theta[:, i] for i, name in enumerate(self.names)}
        return pyarrow.table(columns)

    @classmethod
    def from_arrow(cls, table: pyarrow.Table) -> Trace:
        """What `to_arrow` made."""
        names = tuple(name.removeprefix("theta.") for name in table.column_names if name.startswith("theta."))
        theta = [table[f"theta.{name}"].to_numpy() for name in names]
        columns = {name: table[name].to_numpy() for name in cls.COLUMNS}
        return cls(names=names, theta=np.stack(theta, 1) if theta else np.empty((table.num_rows, 0)), **columns)

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas frame (pandas must be installed)."""
        return self.to_arrow().to_pandas()


class Recorder:
    """Keeps steps without synchronising: values stay on their device until `trace()` is called.

    keep: which entries of θ to record; none named means all of them, if they fit into the budget.
    """

    def __init__(self, parameters: int, like: Tensor, rows: int = 10_000, keep: Sequence[int] = ()):
        with_theta = BUDGET // (max(parameters, 1) * like.element_size()) >= LEAST_ROWS
        width = len(keep) or (parameters if with_theta else 0)
        self._keep = torch.tensor(keep, device=like.device) if keep else None
        self.capacity = int(max(2, min(rows, BUDGET // (max(width, 1) * like.element_size()))))
        self.stride = self.marked_stride = 1
        self._marked = self._rows = 0
        self._room(like, min(self.capacity, 256), width)

    def _room(self, like: Tensor, rows: int, width: int) -> None:
        self._steps = np.zeros((rows, 3), dtype=np.int64)  # step, epoch, number of the full objective (0: without)
        self._rates = np.zeros(rows)
        self._numbers = torch.full((rows, 4), nan, dtype=like.dtype, device=like.device)
        self._theta = torch.empty((rows, width), dtype=like.dtype, device=like.device)

    def add(self, step: Step, objective: Any = None, test_loss: Any = None, last: bool = False) -> None:
        """Keep a step, if its turn has come or it carries the full objective; the last one in any case."""
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
        self._grow(self._rows + 1)
        row = self._rows
        numbers = self._numbers[row]
        numbers[0] = step.loss
        if objective is not None:
            numbers[1] = objective
        torch.linalg.vector_norm(step.grad, out=numbers[2])
        if test_loss is not None:
            numbers[3] = test_loss
        if self._theta.shape[1]:
            self._theta[row] = step.theta if self._keep is None else step.theta[self._keep]
        self._steps[row] = step.t, step.epoch, mark
        self._rates[row] = step.lr
        self._rows += 1

    def add_block(
        self, block: Block, objective: np.ndarray, test_loss: np.ndarray, count: int, last: bool = False
    ) -> None:
        """The first `count` steps of a block, as `add` keeps them; objective and test_loss `[T]` are NaN if unknown."""
        marks = np.zeros(count, dtype=np.int64)
        if not block.whole:
            for i in dict.fromkeys(([0] if block.batch.index == 0 else []) + ([count - 1] if last else [])):
                self._marked = marks[i] = self._marked + 1
        steps, epochs = np.arange(block.t, block.t + count), block.epochs
        start = 0
        while start < count:
            kept = self._due(steps, marks)
            kept[-1] |= last
            due = start + np.flatnonzero(kept[start:])
            if not due.size:
                return
            if self._rows == self.capacity:
                self._thin()
                start = int(due[0])
                continue
            due = due[: self.capacity - self._rows]
            row, end = self._rows, self._rows + len(due)
            self._grow(end)
            for place, column in enumerate((block.loss, objective, block.grad_norm, test_loss)):
                self._numbers.numpy()[row:end, place] = column[due]
            if self._theta.shape[1]:
                theta = block.theta[due]
                self._theta.numpy()[row:end] = theta if self._keep is None else theta[:, self._keep.numpy()]
            self._steps[row:end] = np.stack([steps[due], epochs[due], marks[due]], 1)
            self._rates[row:end] = block.lr[due]
            self._rows, start = end, int(due[-1]) + 1

    def _due(self, t: Any, mark: Any) -> Any:
        """Whether step t is among those kept, elementwise; `mark` counts the evaluations of the full objective."""
        return (t % self.stride == 0) | ((mark > 0) & (mark % self.marked_stride == 0))

    def _grow(self, rows: int) -> None:
        """Room for `rows` rows."""
        if rows <= len(self._rates):
            return
        steps, rates, numbers, theta = self._steps, self._rates, self._numbers, self._theta
        self._room(theta, min(max(rows, 2 * len(rates)), self.capacity), theta.shape[1])
        known = len(rates)
        self._steps[:known], self._rates[:known] = steps, rates
        self._numbers[:known], self._theta[:known] = numbers, theta

    def _thin(self) -> None:
        """Drop every other row; rows with the full objective go only once they fill more than half of the room."""
        keep = np.arange(self._rows)
        while len(keep) == self.capacity:
            self.stride *= 2
            if 2 * np.count_nonzero(self._steps[keep, 2]) > self.capacity:
                self.marked_stride *= 2
            keep = keep[self._due(self._steps[keep, 0], self._steps[keep, 2])]
        numbers, theta = _chosen(self._numbers, keep), _chosen(self._theta, keep)
        self._numbers.fill_(nan)
        self._rows = len(keep)
        self._numbers[: self._rows], self._theta[: self._rows] = numbers, theta
        self._steps[: self._rows], self._rates[: self._rows] = self._steps[keep], self._rates[keep]

    def __len__(self) -> int:
        return self._rows

    def trace(self, names: Sequence[str], to_user: Callable[[np.ndarray], np.ndarray] | None = None) -> Trace:
        """Everything kept, θ turned into user units."""
        rows = self._rows
        numbers = self._numbers[:rows].to("cpu", torch.float64).numpy().copy()
        theta = self._theta[:rows].to("cpu", torch.float64).numpy().copy()
        if theta.shape[1] and to_user is not None:
            theta = to_user(theta)
        return Trace(
            names=tuple(names) if theta.shape[1] else (),
            step=self._steps[:rows, 0].copy(),
            epoch=self._steps[:rows, 1].copy(),
            lr=self._rates[:rows].copy(),
            loss=numbers[:, 0],
            objective=numbers[:, 1],
            grad_norm=numbers[:, 2],
            test_loss=numbers[:, 3],
            theta=theta,
        )


def _chosen(tensor: Tensor, rows: np.ndarray) -> Tensor:
    """Some rows of a tensor; by NumPy where it can be, since PyTorch would wake all its threads for them."""
    if tensor.device.type == "cpu":
        return torch.from_numpy(tensor.numpy()[rows])
    return tensor[torch.from_numpy(rows).to(tensor.device)]

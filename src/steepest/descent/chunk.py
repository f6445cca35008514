"""Many steps at once, as engines that do not stop at each of them show what they did.

Block     T steps of one run: columns `[T]`, θ `[T, k·r]`
Blocks    T steps of many runs: columns `[runs, T]`, θ `[runs, T, k·r]`
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from steepest.data.batching import Batch
from steepest.descent.loop import Step


class _Columns(NamedTuple):
    """θ before each update, and what was seen there; steps lie along the last axis of a column.

    batch: the first step's. whole: whether each step saw all rows (then an epoch is a step). penalty: of θ.
    """

    t: int
    batch: Batch
    whole: bool
    lr: np.ndarray
    theta: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    penalty: np.ndarray

    @property
    def steps(self) -> int:
        """T."""
        return self.loss.shape[-1]

    def epoch(self, i: int) -> int:
        """The epoch of the i-th step."""
        return self.batch.epoch + i if self.whole else self.batch.epoch

    @property
    def epochs(self) -> np.ndarray:
        """The epoch of each step."""
        return self.batch.epoch + (np.arange(self.steps) if self.whole else np.zeros(self.steps, dtype=np.int64))


class Block(_Columns):
    """T steps in a row of one run; `len(block)` is T."""

    def __len__(self) -> int:
        return self.steps

    def step(self, i: int) -> Step:
        """The i-th step as the loop would show it, but without its gradient."""
        return Blocks.one(self).step(0, i)


class Blocks(_Columns):
    """T steps in a row of many runs."""

    def only(self, runs: np.ndarray, steps: int) -> Blocks:
        """The first steps of some of the runs."""
        return self._replace(**{name: getattr(self, name)[runs, :steps] for name in self._fields[3:]})

    def step(self, run: int, i: int) -> Step:
        """The i-th step of a run as the loop would show it, but without its gradient."""
        batch = Batch(self.epoch(i), 0 if self.whole else self.batch.index + i)
        theta, loss = torch.from_numpy(self.theta[run, i]), torch.tensor(self.loss[run, i])
        return Step(self.t + i, batch.epoch, float(self.lr[run, i]), theta, loss, torch.empty(0), batch)

    @classmethod
    def one(cls, block: Block) -> Blocks:
        """The steps of a single run."""
        return cls(*block[:3], *(column[None] for column in block[3:]))

"""Many steps at once, as engines that do not stop at each of them show what they did."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.data.batching import Batch
from steepest.descent.loop import Step
from steepest.lazy import torch


class Chunk(NamedTuple):
    """T steps in a row of one or many runs: columns `[runs, T]`, θ before each update `[runs, T, k·r]`.

    batch: the first step's. whole: whether each step saw all rows (then an epoch is a step). penalty: of θ. state: of the
    engine before the first step, where that is asked for (`Descents.kept`).
    """

    t: int
    batch: Batch
    whole: bool
    lr: np.ndarray
    theta: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    penalty: np.ndarray
    state: Any = None

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
        return self.batch.epoch + np.arange(self.steps) * self.whole

    def only(self, runs: np.ndarray, steps: int) -> Chunk:
        """The first steps of some of the runs."""
        return self._replace(**{name: getattr(self, name)[runs, :steps] for name in self._fields[3:-1]})

    def step(self, run: int, i: int) -> Step:
        """The i-th step of a run as the loop would show it, but without its gradient."""
        batch = Batch(self.epoch(i), 0 if self.whole else self.batch.index + i)
        theta, loss = torch.from_numpy(self.theta[run, i]), torch.tensor(self.loss[run, i])
        return Step(self.t + i, batch.epoch, float(self.lr[run, i]), theta, loss, torch.empty(0), batch)

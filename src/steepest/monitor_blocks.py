"""Descents watched in blocks, one or many at once: what `monitor.py` sees step for step, seen for all runs together.

A block holds T steps of every run. Most of them tell nothing, and are passed over in one stroke; the others are looked
at in their order. A run that ends in the middle of a block takes its own rows along, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.defaults import Plan
from steepest.descent.chunk import Blocks
from steepest.descent.loop import Step
from steepest.descent.rules import Rule
from steepest.descent.stopping import Status, Stopper, interruptible
from steepest.descent.trace import Recorder
from steepest.engines.batched import HELD
from steepest.model.objective import Objective
from steepest.monitor import GLANCE, Ending, enough_looks, every_so_often, recorder_of, scale_of, scorer
from steepest.settings import Spec

GOES_ON, DIVERGED, SETTLED, PATIENCE, INTERRUPTED, SECONDS, LIMIT = range(7)


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
    def of(cls, each: Iterable[tuple[float | None, int | None, Batching, Rule]]) -> Limits:
        """From (tol, patience, batches, rule) of each run. With the full batch a run that has no tol ends where nothing changes
        at all."""
        lines = []
        for tol, patience, batching, rule in each:
            whole = batching.size is None
            lines.append((
                0.0 if whole and tol is None else np.nan if tol is None else tol,
                enough_looks(tol, patience, rule, whole),
                patience or 0,
                np.inf if batching.epochs is None else batching.epochs,
                np.inf if batching.steps is None else batching.steps,
                every_so_often(batching),
            ))  # fmt: skip
        columns = np.array(lines, dtype=np.float64).T
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.tol)

    def take(self, which: np.ndarray) -> Limits:
        """The same for other runs, by their places here."""
        return Limits(*(getattr(self, entry.name)[which] for entry in fields(self)))


@dataclass(frozen=True)
class Ended:
    """Runs that ended at the same step, by their numbers; θ `[m, p]` in the coordinates of the descent."""

    runs: np.ndarray
    endings: list[Ending]
    theta: np.ndarray
    steps: int
    epochs: int
    recorder: Recorder


class BlockWatcher:
    """Consumes blocks: records them, and says for each run when to stop and why. `alive` `[runs]` says which go on."""

    def __init__(
        self,
        spec: Spec,
        made: Plan,
        limits: Limits,
        objective: Objective,
        test: Dataset | None,
        validation: Dataset | None,
        budget: int | None,
    ):
        self.limits, self.objective, self.seconds = limits, objective, spec.max_seconds
        self.alive = np.ones(len(limits), dtype=bool)
        self.recorder = recorder_of(spec, made, len(limits), budget, float(limits.steps.max()))
        self.stopper = Stopper(limits.tol, limits.looks, limits.patience, scale_of(made))
        self.test = None if test is None else self._numbers(scorer(spec, made, test, objective))
        self.validation = None if validation is None else self._numbers(scorer(spec, made, validation, objective))
        self.ended: list[Ended] = []
        self.known = np.full(len(limits), np.nan)
        self.seen = self.epoch = 0
        self.lr = np.zeros(len(limits))

    def drain(self, blocks: Iterator[Blocks | Step], after: Callable[[Blocks], None] | None = None) -> list[Ended]:
        """Look at block after block until every run has ended; `after` is called after each."""
        with interruptible(self.seconds) as reason, np.errstate(all="ignore"):  # what diverges overflows
            for shown in blocks:
                if isinstance(shown, Step):
                    self._last(shown)
                    break
                self._through(shown, reason)
                if after is not None:
                    after(shown)
                if not self.alive.any():
                    break
        return self.ended

    def _through(self, block: Blocks, reason: Callable[[], Status | None]) -> None:
        """A block's steps: those that tell something, then all of them recorded."""
        objective, test_loss = np.full((2, len(self.alive), block.steps), np.nan)
        if block.whole:
            np.add(block.loss, block.penalty, out=objective)
            self._whole(block, objective, test_loss)
        else:
            self._minibatches(block, objective, test_loss)
        if self.alive.any() and (why := reason()):
            code = INTERRUPTED if why is Status.INTERRUPTED else SECONDS
            self._end(block, objective, test_loss, np.flatnonzero(self.alive), block.steps - 1, code)
        if self.alive.any():
            self.recorder.add_block(block, objective, test_loss, block.steps)
        self.lr, self.epoch = block.lr[:, -1].copy(), block.epoch(block.steps - 1)

    def _whole(self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray) -> None:
        """Full batches: F is known at every step."""
        left = self.limits.steps - block.t
        looked = -1
        for i in self._eventful(block, objective, left):
            if i > looked + 1:
                self.stopper.skip(objective[:, i - 1], i - 1 - looked)
            self._at_limit(block, objective, test_loss, left, i)
            if not self.alive.any():
                return
            self._look(block, objective, test_loss, i)
            looked = i
        if looked < block.steps - 1:
            self.stopper.skip(objective[:, -1], block.steps - 1 - looked)
        self.known = objective[:, -1]

    def _eventful(self, block: Blocks, objective: np.ndarray, left: np.ndarray) -> Iterator[int]:
        """Which steps may tell something: a look that finds something, a run's last step, held-out rows to be scored."""
        first = block.steps if self.validation is not None else min(self.stopper.untold, block.steps)
        yield from range(first)
        found: np.ndarray = np.any(self.stopper.eventful(objective) & self.alive[:, None], axis=0)
        found[left[self.alive & (left < block.steps)].astype(int)] = True
        if self.test is not None:
            epochs = block.batch.epoch + np.arange(block.steps)
            for every in np.unique(self.limits.every[self.alive]):
                found |= epochs % every == 0
        yield from (first + np.flatnonzero(found[first:])).tolist()

    def _minibatches(self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray) -> None:
        """Minibatches: F at the first step of an epoch, and in between a glance at the loss every `GLANCE` steps."""
        left = self.limits.steps - block.t
        if block.batch.index == 0:
            objective[:, 0] = self.known = self._whole_objective(block.theta[:, 0])
            self._at_limit(block, objective, test_loss, left, 0)
            self._look(block, objective, test_loss, 0)
        places = self._glances(block)
        if places.size:
            outside = ~self.stopper.within(block.loss[:, places].T).T & self.alive[:, None]
            first = np.where(outside.any(1), places[outside.argmax(1)], block.steps)
            for i in np.unique(first[first < np.minimum(left, block.steps)]).tolist():
                runs = np.flatnonzero((first == i) & (i < left))
                self._end(block, objective, test_loss, runs, i, DIVERGED)
        for i in np.unique(left[self.alive & (left < block.steps)]).astype(int).tolist():
            self._at_limit(block, objective, test_loss, left, i)

    def _glances(self, block: Blocks) -> np.ndarray:
        """Which steps of a block of minibatches are glanced at."""
        first = max(self.seen + GLANCE - block.t, int(block.batch.index == 0))
        places = np.arange(first, block.steps, GLANCE)
        if places.size:
            self.seen = block.t + int(places[-1])
        return places

    def _look(self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray, i: int) -> None:
        """One step of all runs where F is known."""
        epoch = block.epoch(i)
        if self.test is not None:
            due = np.flatnonzero(self.alive & (epoch % self.limits.every == 0))
            if due.size:
                test_loss[due, i] = self.test(block.theta[due, i])
        found = self._verdict(self.stopper, objective[:, i], block.theta[:, i], block.t + i, epoch)
        runs = np.flatnonzero(self.alive & (found != GOES_ON))
        if runs.size:
            self._end(block, objective, test_loss, runs, i, found[runs])

    def _verdict(self, stopper: Stopper, value: np.ndarray, theta: np.ndarray, t: int, epoch: int) -> np.ndarray:
        diverged, settled = stopper.look(value)
        ends = np.where(settled, SETTLED, GOES_ON)
        if self.validation is not None and t > 0:
            ends = np.where(stopper.validate(self.validation(theta), epoch), PATIENCE, GOES_ON)
        return np.where(diverged, DIVERGED, ends)

    def _end(
        self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray, runs: np.ndarray, i: int, found: Any
    ) -> None:
        """Some runs end before their i-th update."""
        theta = block.theta[runs, i]
        value = objective[runs, i]
        if np.isnan(value).any() and not block.whole:
            value = self._whole_objective(theta)
        scored = test_loss[runs, i]
        if self.test is not None and np.isnan(scored).any():
            scored = self.test(theta)
        numbers = [block.loss[runs, i], value, block.grad_norm[runs, i], scored]
        recorder = self._recorded(block, objective, test_loss, runs, i)
        recorder.end(block.t + i, block.epoch(i), block.lr[runs, i], numbers, theta)
        endings = self._endings(self.stopper.only(runs), np.broadcast_to(found, runs.shape), block.t + i)
        self._close(runs, endings, theta, block.t + i, block.epoch(i), recorder)

    def _at_limit(self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray, left: np.ndarray, i: int) -> None:
        """The runs for which update i is one too many: their last row has the loss of all rows, and the rate before."""
        runs = np.flatnonzero(self.alive & (left == i))
        if not runs.size:
            return
        theta = block.theta[runs, i]
        if block.whole:
            loss, grad_norm, value = block.loss[runs, i], block.grad_norm[runs, i], objective[runs, i]
        else:
            loss, grad_norm, penalty = self._in_pieces(theta, self._at_all_rows)
            value = loss + penalty
        lr = block.lr[runs, i - 1] if i else self.lr[runs]
        epoch = (block.epoch(i - 1) if i else self.epoch) + 1
        recorder = self._recorded(block, objective, test_loss, runs, i)
        self._arrive(runs, block.t + i, epoch, lr, [loss, value, grad_norm], theta, recorder)

    def _last(self, step: Step) -> None:
        """The loop's last step, which has the loss and gradient of all rows."""
        runs = np.flatnonzero(self.alive)
        theta = step.theta.reshape(len(self.alive), -1)
        loss, grad_norm = step.loss.reshape(-1), torch.linalg.vector_norm(step.grad.reshape(len(theta), -1), dim=-1)
        value = loss + self.objective.penalty(theta)
        numbers = [_array(column)[runs] for column in (loss, value, grad_norm)]
        recorder = self.recorder if len(runs) == len(self.alive) else self.recorder.only(runs)
        self._arrive(runs, step.t, step.epoch, self.lr[runs], numbers, _array(theta)[runs], recorder)

    def _arrive(
        self,
        runs: np.ndarray,
        t: int,
        epoch: int,
        lr: np.ndarray,
        numbers: list[np.ndarray],
        theta: np.ndarray,
        recorder: Recorder,
    ) -> None:
        """Runs at their last step, which may still show that they had ended before."""
        stopper = self.stopper.only(runs)
        found = self._verdict(stopper, numbers[1], theta, t, epoch)
        scored = np.full(len(runs), np.nan) if self.test is None else self.test(theta)
        recorder.end(t, epoch, lr, [*numbers, scored], theta)
        reached = epoch >= self.limits.epochs[runs]
        endings = self._endings(stopper, np.where(found == GOES_ON, LIMIT, found), t)
        for k, ending in enumerate(endings):
            if ending is None:
                endings[k] = Ending(Status.EPOCHS if reached[k] else Status.STEPS)
        self._close(runs, endings, theta, t, epoch, recorder)

    def _endings(self, stopper: Stopper, found: np.ndarray, t: int) -> list[Any]:
        """Codes as endings; None for a limit. stopper: of these runs."""
        stalled = np.broadcast_to(stopper.tol == 0.0, found.shape)
        best = np.broadcast_to(stopper.best_epoch, found.shape)
        return [
            None
            if code == LIMIT
            else Ending(Status.DIVERGED)
            if code == DIVERGED
            else Ending(Status.INTERRUPTED if code == INTERRUPTED else Status.SECONDS, f"{t:,} steps are done.")
            if code in (INTERRUPTED, SECONDS)
            else Ending(Status.PATIENCE, f"It was best after epoch {best[k]}.")
            if code == PATIENCE
            else Ending(Status.STALLED if stalled[k] else Status.TOLERANCE)
            for k, code in enumerate(found.tolist())
        ]

    def _recorded(
        self, block: Blocks, objective: np.ndarray, test_loss: np.ndarray, runs: np.ndarray, count: int
    ) -> Recorder:
        """The rows of some runs alone, the first `count` steps of a block with them."""
        recorder = self.recorder.only(runs)
        recorder.add_block(block.only(runs, count), objective[runs, :count], test_loss[runs, :count], count)
        return recorder

    def _close(
        self, runs: np.ndarray, endings: list[Ending], theta: np.ndarray, steps: int, epochs: int, recorder: Recorder
    ) -> None:
        self.alive[runs] = False
        self.ended.append(Ended(runs, endings, np.array(theta, dtype=np.float64), steps, epochs, recorder))

    def _whole_objective(self, theta: np.ndarray) -> np.ndarray:
        return self._in_pieces(theta, lambda at: (self.objective.value(at) + self.objective.penalty(at),))[0]

    def _at_all_rows(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss, grad = self.objective.value_and_grad(theta)
        return loss, torch.linalg.vector_norm(grad, dim=-1), loss.new_zeros(len(loss)) + self.objective.penalty(theta)

    def _numbers(self, score: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda theta: self._in_pieces(theta, lambda at: (score(at),))[0]

    def _in_pieces(self, theta: np.ndarray, function: Callable[[Tensor], tuple[Tensor, ...]]) -> list[np.ndarray]:
        """A function of some runs' θ, for as many of them at a time as memory allows: their predictions are held."""
        at = torch.from_numpy(np.ascontiguousarray(theta)).to(self.objective.theta)
        parts = [function(part) for part in at.split(max(1, HELD // max(1, self.objective.rows)))]
        return [_array(torch.cat(column)) for column in zip(*parts, strict=True)]


def _array(value: Tensor | float) -> np.ndarray:
    return np.asarray(value) if isinstance(value, float) else value.detach().cpu().double().numpy().copy()


def by_run(ended: Sequence[Ended], runs: int) -> list[tuple[Ended, int]]:
    """For each run where it is: with which others it ended, and its place among them."""
    found: list[Any] = [None] * runs
    for group in ended:
        for place, run in enumerate(group.runs.tolist()):
            found[run] = (group, place)
    return found

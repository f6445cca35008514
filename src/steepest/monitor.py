"""A descent watched: every step recorded, the full objective known where it is due, and a reason found to end.

What an engine shows comes in two forms. Steps of the loop come one by one, and everything about them is a number. Chunks
hold T steps of every run (`descent/chunk.py`), and the same is an array with an entry a run: most steps tell nothing and are
passed over in one stroke; the others are looked at in their order. A run that ends in the middle of a chunk takes its own
rows along, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from steepest import resuming
from steepest.checkpoints.folder import Checkpoints
from steepest.data.dataset import Dataset
from steepest.descent.arrays import float64_of
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step
from steepest.descent.newton import RegularizedNewton
from steepest.descent.stopping import Ending, Limits, Status, Stopper
from steepest.descent.trace import Recorder
from steepest.engines.batched import HELD
from steepest.engines.choice import LOOP, Engine, choose, shown_of
from steepest.engines.descents import Descents
from steepest.engines.threads import in_one_thread
from steepest.held_out import scorer
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective
from steepest.model.row_parts import FEW
from steepest.planned import Plan
from steepest.recording import recorder_of
from steepest.settings import Spec

GLANCE = 16  # steps between two looks at the recorded losses for signs of divergence
GOES_ON, DIVERGED, CONVERGED, SETTLED, PATIENCE, LIMIT, INTERRUPTED, SECONDS, CALLBACK = range(9)
STATUS = {
    DIVERGED: Status.DIVERGED, CONVERGED: Status.CONVERGED, PATIENCE: Status.PATIENCE,
    INTERRUPTED: Status.INTERRUPTED, SECONDS: Status.SECONDS, CALLBACK: Status.CALLBACK,
}  # fmt: skip

Progress = Callable[[Step, float], None]
Ask = Callable[[Step], bool]
After = Callable[["Monitor", Step | Chunk], None]


@dataclass(frozen=True)
class Ended:
    """Runs that ended at the same step, by their numbers; θ `[m, p]` in the coordinates of the descent."""

    runs: np.ndarray
    endings: list[Ending]
    theta: np.ndarray
    steps: int
    epochs: int
    recorder: Recorder


@dataclass(frozen=True)
class _Seen:
    """A chunk, and what is known of its steps: the full objective and the held-out loss, `[runs, T]`, NaN where it is not."""

    chunk: Chunk
    objective: np.ndarray
    test_loss: np.ndarray


def watched(
    spec: Spec, made: Plan, work: Descents, limits: Limits, test: Dataset | None, validation: Dataset | None,
    budget: int | None = None, after: After | None = None, ask: Ask | None = None, kept: Checkpoints | None = None,
    engine: Engine | None = None, until: float = inf,
) -> tuple[list[tuple[Ended, int]], str]:  # fmt: skip
    """Descents from their starts to their ends: for each the runs that it ended with and its place among them; the engine.

    budget: bytes for all traces. after: called with every step or chunk once it has been looked at. ask: of a single run that
    goes step by step then, called with every step that does not end it: whether it is to end there. kept: where a single run is
    kept on its way, and gone on with. engine, until: of a replay the one that takes the steps, and a step to end at.
    """
    engine = LOOP if ask is not None else resuming.engine(kept) or engine or choose(work, float(limits.steps.sum()))
    monitor = Monitor(spec, made, work, limits, test, validation, budget, stepwise=engine is LOOP)
    if kept is not None:
        resuming.join(monitor, kept, engine)
    shown = shown_of(work, engine)
    monitor.ask, monitor.until = ask, until
    alone = work.together is not None or (isinstance(made.rule, RegularizedNewton) and made.rule.products <= FEW)
    with in_one_thread() if alone else nullcontext():
        monitor.drain(shown, after)
    found: list[Any] = [None] * len(work)
    for group in monitor.ended:
        for place, run in enumerate(group.runs.tolist()):
            found[run] = (group, place)
    return found, engine.name


class Monitor:
    """Consumes what an engine shows: records it, and says for each run when to stop and why.

    stepwise: whether it is the loop's steps, of a single run. known: the full objective last known.
    """

    def __init__(
        self, spec: Spec, made: Plan, work: Descents, limits: Limits, test: Dataset | None, validation: Dataset | None,
        budget: int | None, stepwise: bool,
    ):  # fmt: skip
        self.work, self.limits, self.seconds, self.stepwise = work, limits, spec.max_seconds, stepwise
        linear = isinstance(work.objective, LinearObjective)
        together = None if work.together is None or (linear and not work.together.own) else work.together
        self.objective = work.objective if together is None else together
        runs, steps = (None, inf) if stepwise else (len(work), float(limits.steps.max()))
        self.recorder = recorder_of(spec, made, budget, runs, steps)
        stopper = Stopper(limits.tol, limits.looks, limits.patience, made.scale)
        self.stopper = stopper.only(0) if stepwise else stopper
        scores = [None if rows is None else scorer(spec, made, rows, self.objective) for rows in (test, validation)]
        self.test, self.validation = (None if score is None else self._numbers(score) for score in scores)
        self.validated: Any = np.nan
        self.ended: list[Ended] = []
        self.known: Any = np.nan if stepwise else np.full(len(work), np.nan)
        self.glanced = self.t = self.epoch = 0
        self.lr = np.zeros(len(work))
        self.ask: Ask | None = None
        self.kept: Checkpoints | None = None
        self.shown: Step | None = None
        self.until = inf

    def drain(self, shown: Iterator[Step | Chunk], after: After | None = None) -> None:
        """Look at everything until every run has ended."""
        look: Any = self._step if self.stepwise else self._chunk
        # what diverges overflows
        with resuming.asked_to_end(self) as reason, np.errstate(all="ignore"), closing(shown):  # pyrefly: ignore
            for one in shown:
                look(one, resuming.before(self, one, reason()))
                if after is not None:
                    after(self, one)
                if self.ended and not self.work.alive.any():
                    return
            runs = np.flatnonzero(self.work.alive)
            theta = float64_of(self.work.theta)[runs]
            self._arrive(runs, self.t, self.epoch, self.lr[runs], theta, self.recorder.only(runs))

    def end_at(self, step: Step) -> None:
        """End a single run at a step that was looked at already, before its update."""
        run = np.zeros(1, dtype=np.int64)
        endings = self._endings(self.stopper, INTERRUPTED, run, step.t, step.epoch)
        self._close(run, endings, float64_of(step.theta)[None], step.t, step.epoch, self.recorder)

    def _verdict(self, stopper: Stopper, value: Any, theta: Any, t: int, epoch: int) -> Any:
        """What one value of F says: a code, or one for each run."""
        diverged, settled = stopper.look(value)
        if self.stepwise and self.validation is None and not (diverged or settled):
            return GOES_ON
        if self.validation is not None and t > 0:
            self.validated = self.validation(theta)
            ends = stopper.validate(self.validated, epoch) * PATIENCE
        else:
            ends = (settled * SETTLED) if self.validation is None else 0 * settled
        return diverged * DIVERGED + (diverged ^ True) * ends

    def _endings(self, stopper: Stopper, found: Any, runs: np.ndarray, t: int, epoch: int) -> list[Ending]:
        """Codes of some runs as endings. stopper: of these."""
        parts = stopper.tol, stopper.best_epoch, found
        tol, best, codes = (np.broadcast_to(part, len(runs)).tolist() for part in parts)
        reached = epoch >= self.limits.epochs[runs]
        endings = []
        for k, code in enumerate(codes):
            if code == SETTLED:
                endings.append(Ending(Status.STALLED if tol[k] == 0.0 else Status.TOLERANCE))
            elif code == LIMIT:
                endings.append(Ending(Status.EPOCHS if reached[k] else Status.STEPS))
            else:
                done = f"{t:,} steps are done."
                said = {PATIENCE: f"It was best after epoch {best[k]}."} | dict.fromkeys(
                    (INTERRUPTED, SECONDS, CALLBACK), done
                )
                endings.append(Ending(STATUS[code], said.get(code, "")))
        return endings

    def _close(
        self, runs: np.ndarray, endings: list[Ending], theta: np.ndarray, t: int, epoch: int, recorder: Recorder
    ) -> None:
        self.work.alive[runs] = False
        self.ended.append(Ended(runs, endings, np.array(theta, dtype=np.float64), t, epoch, recorder))

    # ---- step by step ------------------------------------------------------------------------------

    def _step(self, step: Step, why: Status | None) -> None:
        """One step of the loop."""
        batch, theta = step.batch, step.theta
        value = test_loss = None
        if batch is None or (batch.rows is None and batch.data is None):
            value = self._full(theta) if self.work.apart else step.loss + self.objective.penalty(theta)
        elif batch.index == 0:
            value = self._full(theta)
        found = GOES_ON
        if value is not None:
            self.known = float(value)
            if self.test is not None and (batch is None or step.epoch % self.limits.every[0] == 0):
                test_loss = self.test(theta)
            found = self._look_at(step)
            test_loss = self.validated if self.test is None else test_loss
        elif (
            step.t - self.glanced >= GLANCE and self.work.rules[0].together is None
        ):  # or each rank has a loss of its own
            self.glanced = step.t
            found = GOES_ON if self.stopper.within(float(step.loss)) else DIVERGED
        if not found:
            found = _code(why) if why else LIMIT if batch is None else GOES_ON
        if not found and self.ask is not None and self.ask(step):
            found = CALLBACK
        if found:
            value = self._full(theta) if value is None else value
            test_loss = self.test(theta) if self.test is not None and test_loss is None else test_loss
        self.recorder.add(step, value, test_loss, last=bool(found))
        if found:
            run = np.zeros(1, dtype=np.int64)
            endings = self._endings(self.stopper, found, run, step.t, step.epoch)
            self._close(run, endings, float64_of(theta)[None], step.t, step.epoch, self.recorder)

    def _look_at(self, step: Step) -> int:
        """A step where F is known. A rule that can tell that it has arrived is asked before all but divergence."""
        if self.work.rules[0].arrived:
            return CONVERGED if self.stopper.within(self.known) else DIVERGED
        return self._verdict(self.stopper, self.known, step.theta, step.t, step.epoch)

    def _full(self, theta: Tensor, runs: Any = None) -> Tensor:
        """F at θ. runs: the numbers of the runs that it is of, where they are not all."""
        objective = self.objective if runs is None else self.objective.only(runs)
        return objective.value(theta) + objective.penalty(theta)

    # ---- chunk by chunk ----------------------------------------------------------------------------

    def _chunk(self, chunk: Chunk, why: Status | None) -> None:
        """A chunk's steps: those that tell something, then all of them recorded."""
        seen = _Seen(chunk, *np.full((2, len(self.work), chunk.steps), np.nan))
        alive = self.work.alive
        if chunk.whole:
            if self.work.apart:
                seen.objective[:] = self._everywhere(chunk.theta)
            else:
                np.add(chunk.loss, chunk.penalty, out=seen.objective)
            self._whole(seen)
        else:
            self._minibatches(seen)
        if alive.any() and why:
            self._end(seen, np.flatnonzero(alive), chunk.steps - 1, _code(why))
        if alive.any():
            self.recorder.add_chunk(chunk, seen.objective, seen.test_loss, chunk.steps)
        self.lr, self.t = chunk.lr[:, -1].copy(), chunk.t + chunk.steps
        self.epoch = chunk.epoch(chunk.steps - 1) + 1

    def _whole(self, seen: _Seen) -> None:
        """Full batches: F is known at every step."""
        objective, steps = seen.objective, seen.chunk.steps
        looked = -1
        for i in self._eventful(seen):
            if i > looked + 1:
                self.stopper.skip(objective[:, i - 1], i - 1 - looked)
            self._at_limit(seen, i)
            if not self.work.alive.any():
                return
            self._look(seen, i)
            looked = i
        if looked < steps - 1:
            self.stopper.skip(objective[:, -1], steps - 1 - looked)
        self.known = objective[:, -1]

    def _eventful(self, seen: _Seen) -> Iterator[int]:
        """Which steps may tell something: a look that finds something, a run's last step, held-out rows to be scored."""
        chunk, alive = seen.chunk, self.work.alive
        first = chunk.steps if self.validation is not None else min(self.stopper.untold, chunk.steps)
        yield from range(first)
        found: np.ndarray = np.any(self.stopper.eventful(seen.objective) & alive[:, None], axis=0)
        found[self._limits_within(chunk)] = True
        if self.test is not None:
            for every in np.unique(self.limits.every[alive]):
                found |= chunk.epochs % every == 0
        yield from (first + np.flatnonzero(found[first:])).tolist()

    def _minibatches(self, seen: _Seen) -> None:
        """Minibatches: F at the first step of an epoch, and in between a glance at the loss every `GLANCE` steps."""
        chunk, alive = seen.chunk, self.work.alive
        if chunk.batch.index == 0:
            (self.known,) = self._in_pieces(chunk.theta[:, 0], lambda at, runs: (self._full(at, runs),))
            seen.objective[:, 0] = self.known
            self._at_limit(seen, 0)
            self._look(seen, 0)
        places = np.arange(max(self.glanced + GLANCE - chunk.t, int(chunk.batch.index == 0)), chunk.steps, GLANCE)
        if places.size:
            self.glanced = chunk.t + int(places[-1])
            left = np.minimum(self.limits.steps - chunk.t, chunk.steps)
            outside = ~self.stopper.within(chunk.loss[:, places].T).T & alive[:, None]
            first = np.where(outside.any(1), places[outside.argmax(1)], chunk.steps)
            for i in np.unique(first[first < left]).tolist():
                self._end(seen, np.flatnonzero((first == i) & (i < left)), i, DIVERGED)
        for i in self._limits_within(chunk).tolist():
            self._at_limit(seen, i)

    def _limits_within(self, chunk: Chunk) -> np.ndarray:
        """The places in a chunk at which a run has made its last update."""
        left = self.limits.steps - chunk.t
        return np.unique(left[self.work.alive & (left < chunk.steps)]).astype(int)

    def _look(self, seen: _Seen, i: int) -> None:
        """One step of all runs where F is known."""
        chunk, alive, epoch = seen.chunk, self.work.alive, seen.chunk.epoch(i)
        if self.test is not None:
            due = np.flatnonzero(alive & (epoch % self.limits.every == 0))
            if due.size:
                seen.test_loss[due, i] = self.test(chunk.theta[due, i])
        found = self._verdict(self.stopper, seen.objective[:, i], chunk.theta[:, i], chunk.t + i, epoch)
        if self.test is None:
            seen.test_loss[:, i] = self.validated
        runs = np.flatnonzero(alive & (found != GOES_ON))
        if runs.size:
            self._end(seen, runs, i, found[runs])

    def _end(self, seen: _Seen, runs: np.ndarray, i: int, found: Any) -> None:
        """Some runs end before their i-th update."""
        chunk, t, epoch = seen.chunk, seen.chunk.t + i, seen.chunk.epoch(i)
        theta, value, scored = chunk.theta[runs, i], seen.objective[runs, i], seen.test_loss[runs, i]
        if np.isnan(value).any() and not chunk.whole:
            (value,) = self._in_pieces(theta, lambda at, runs: (self._full(at, runs),), runs)
        if self.test is not None and np.isnan(scored).any():
            scored = self.test(theta)
        recorder = self._recorded(seen, runs, i)
        recorder.end(t, epoch, chunk.lr[runs, i], [chunk.loss[runs, i], value, chunk.grad_norm[runs, i], scored], theta)
        self._close(runs, self._endings(self.stopper.only(runs), found, runs, t, epoch), theta, t, epoch, recorder)

    def _at_limit(self, seen: _Seen, i: int) -> None:
        """The runs for which update i is one too many: their last row has the rate before."""
        chunk = seen.chunk
        runs = np.flatnonzero(self.work.alive & (self.limits.steps - chunk.t == i))
        if runs.size:
            lr, epoch = (chunk.lr[runs, i - 1], chunk.epoch(i - 1) + 1) if i else (self.lr[runs], self.epoch)
            self._arrive(runs, chunk.t + i, epoch, lr, chunk.theta[runs, i], self._recorded(seen, runs, i))

    def _arrive(
        self, runs: np.ndarray, t: int, epoch: int, lr: np.ndarray, theta: np.ndarray, recorder: Recorder
    ) -> None:
        """Runs at their last step, which has the loss of all rows. It may still show that they had ended before."""
        stopper = self.stopper.only(runs)
        loss, grad_norm, value = self._in_pieces(theta, self._at_all_rows, runs)
        found = self._verdict(stopper, value, theta, t, epoch)
        scored = np.broadcast_to(self.validated, len(runs)) if self.test is None else self.test(theta)
        recorder.end(t, epoch, lr, [loss, value, grad_norm, scored], theta)
        found = np.where(found == GOES_ON, LIMIT, found)
        self._close(runs, self._endings(stopper, found, runs, t, epoch), theta, t, epoch, recorder)

    def _recorded(self, seen: _Seen, runs: np.ndarray, count: int) -> Recorder:
        """The rows of some runs alone, the first `count` steps of a chunk with them."""
        recorder = self.recorder.only(runs)
        columns = seen.objective[runs, :count], seen.test_loss[runs, :count]
        recorder.add_chunk(seen.chunk.only(runs, count), *columns, count)
        return recorder

    # ---- values at θ -------------------------------------------------------------------------------

    def _at_all_rows(self, theta: Tensor, runs: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        objective = self.objective.only(runs)
        loss, grad = objective.value_and_grad(theta)
        return loss, torch.linalg.vector_norm(grad, dim=-1), loss + objective.penalty(theta)

    def _everywhere(self, theta: np.ndarray) -> np.ndarray:
        """F `[runs, T]` at the θ `[runs, T, p]` of a chunk."""
        runs = np.repeat(np.arange(len(theta)), theta.shape[1])
        flat = theta.reshape(len(runs), -1)
        return self._in_pieces(flat, lambda at, which: (self._full(at, which),), runs)[0].reshape(theta.shape[:2])

    def _numbers(self, score: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
        """A held-out loss at θ, as a number or one for each run."""
        if self.stepwise:
            return lambda theta: float(score(theta))
        return lambda theta: self._in_pieces(theta, lambda at, _: (score(at),))[0]

    def _in_pieces(
        self,
        theta: np.ndarray,
        function: Callable[[Tensor, np.ndarray], tuple[Tensor, ...]],
        runs: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """A function of some runs' θ and numbers, for as many of them at a time as memory allows: their predictions are held.

        runs: their numbers, where they are not all.
        """
        at = torch.from_numpy(np.ascontiguousarray(theta)).to(self.objective.theta)
        most = max(1, HELD // max(1, self.objective.rows))
        numbers = np.split(np.arange(len(theta)) if runs is None else runs, range(most, len(theta), most))
        parts = [function(*part) for part in zip(at.split(most), numbers, strict=True)]
        return [float64_of(torch.cat(column)) for column in zip(*parts, strict=True)]


def _code(why: Status) -> int:
    return INTERRUPTED if why is Status.INTERRUPTED else SECONDS

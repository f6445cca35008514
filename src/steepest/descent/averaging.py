"""Averages along the way: the steps of any engine, θ in each replaced by the mean of those so far.

    for step in averaged(descend(objective, "sgd", batches, lr=0.1), objective):
        step.theta             the mean of θ_1 … θ_t; loss, gradient and rate are of θ_t, where the descent is

A descent does not know of it, so every rule, schedule and engine goes its own way. Sources: `formulas/averages.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.choices import parse
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step, copied
from steepest.errors import SpecError
from steepest.formulas.averages import AVERAGES, Average

NEVER = 2**62
"""The place of a θ that never comes: a descent whose answer is its last θ."""


def begins(shown: str, steps: int | None) -> int:
    """After how many updates the first θ is one of the mean's, of so many steps planned; `NEVER` for none.

    >>> begins("polyak", 100), begins("tail:0.25", 100), begins("none", 100) == NEVER
    (1, 76, True)
    """
    named = parse(shown, AVERAGES, "averaging")
    average = AVERAGES[named.name]
    if not isinstance(average, Average):
        return NEVER
    if named.numbers and steps is None:
        raise SpecError(f"averaging={shown!r} needs to know how many steps there will be: give epochs or max_steps.")
    return average.begins(steps, *named.numbers)


def averaged(shown: Iterable[Step], objective: Any, first: int = 1, mean: Any = None) -> Iterator[Step]:
    """The steps of one descent, θ the mean of those after `first` updates and more; before that θ itself.

    The mean is live, as θ is. Of the last step, which has no update, loss and gradient are those of all rows at the mean.

    mean: that of the first step shown, of a descent that goes on.

    Example:
        >>> from steepest.descent.loop import descend
        >>> from steepest.model.objective_factory import objective
        >>> f = objective(lambda theta: (theta**2).sum(), [1.0])
        >>> [float(step.theta[0]) for step in averaged(descend(f, lr=0.25, max_steps=3), f)]
        [1.0, 0.5, 0.375, 0.2916666666666667]
    """
    known = mean is not None
    for step in shown:
        count = step.t - first + 1
        if count == 1:
            mean = copied(step.theta)
        elif count > 1 and not known:
            mean += (step.theta - mean) / count
        known = False
        if count < 1:
            yield step
            continue
        step = replace(step, theta=mean)
        if step.batch is None and objective.rows:
            step.loss, step.grad = objective.value_and_grad(mean, None)
        yield step


def averaged_chunks(shown: Iterable[Chunk], first: Sequence[int], end: Any, begun: Any = 0.0) -> Iterator[Chunk]:
    """The same of many descents in chunks. first: for each its own. end: where θ_N lies, `[runs, p]`, and its mean in the end.

    begun: the sums before the first chunk, of descents that go on.
    """
    before, begun = np.asarray(first)[:, None], np.asarray(begun, dtype=np.float64)
    t = 0
    for chunk in shown:
        theta = np.asarray(chunk.theta, dtype=np.float64)
        steps = chunk.t + np.arange(chunk.steps)
        counts = np.maximum(steps - before + 1, 0)[..., None]
        sums = begun[..., None, :] if begun.ndim else begun
        state = None if chunk.state is None else {"inner": chunk.state, "average": begun}
        total = sums + np.cumsum(np.where(counts > 0, theta, 0.0), axis=1)
        begun, t = total[:, -1].copy(), chunk.t + chunk.steps
        mean = np.where(counts > 0, total / np.maximum(counts, 1), theta)
        yield chunk._replace(theta=mean.astype(chunk.theta.dtype), state=state)
    count = np.maximum(t - before + 1, 0)
    last = end.detach().cpu().numpy().astype(np.float64)
    mean = np.where(count > 0, (begun + last) / np.maximum(count, 1), last)
    end.copy_(end.new_tensor(mean))

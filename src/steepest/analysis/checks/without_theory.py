"""A descent of the linear family that no theory and no optimum speaks of, walked again as it is: `progress.py` says how.

So it is for a loss and penalty without an exact answer, a loss or rule of one's own, AdamW, and more parameters than a
course is foretold for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from steepest.analysis.checks.column_scales import sampled
from steepest.analysis.checks.course import NEAR_NOISY, NEAR_SCALED, frame_of
from steepest.analysis.checks.progress import Walks, likeliest, off_rate, restless, unfinished
from steepest.analysis.checks.reading import rule_of
from steepest.analysis.finding import Finding, Fitted
from steepest.data.batching import Batching
from steepest.descent import schedules
from steepest.descent.stopping import Status
from steepest.model import modules
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective


@dataclass(frozen=True)
class Start:
    """A problem, the coordinates of its descent, and where that began; called, its objective there."""

    problem: LinearProblem
    coordinates: str
    theta: np.ndarray
    dtype: torch.dtype

    def __call__(self) -> LinearObjective:
        frame = frame_of(self.coordinates, self.problem)
        return LinearObjective(self.problem, (), frame, self.theta, self.dtype)


def walks_of(fit: Fitted) -> Walks | None:
    """The descent, ready to be walked again; None where its rule, rate, coordinates or batches are not known."""
    spec, problem = fit.spec, fit.problem
    if problem is None or fit.precondition not in ("none", "standardize", "orthonormal") or spec.device != "cpu":
        return None
    rule = rule_of(fit)
    batching = Batching.of(spec, len(problem.design))
    per_epoch = batching.steps_per_epoch
    if rule is None or abs(fit.steps - fit.epochs * per_epoch) > per_epoch:
        return None
    start = modules.start(spec.init, tuple(fit.names), spec.seed)
    theta = np.zeros(problem.parameters) if start is None else start
    make = Start(problem if batching.size else sampled(problem), fit.precondition, theta, getattr(torch, spec.dtype))
    walks = Walks(spec, make, rule, fit.lr, schedules.of_fit(fit), batching)
    walks.measure()
    return walks


def without_theory(fit: Fitted) -> Iterator[Finding]:
    """RATE_TOO_HIGH, RATE_TOO_LOW, NOISE, KINK or TOO_FEW_STEPS: at most one, the likeliest."""
    if fit.status in (Status.CONVERGED, Status.PATIENCE, Status.INTERRUPTED):
        return
    near = NEAR_SCALED if fit.spec.batch_size == "full" else NEAR_NOISY
    if fit.relative_gap is not None and fit.relative_gap <= near:
        return
    walks = walks_of(fit)
    if walks is not None:
        yield from likeliest(fit, walks, (off_rate, restless, unfinished))

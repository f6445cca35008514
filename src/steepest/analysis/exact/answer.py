"""What every solver gives: the best possible answer of a problem, with its certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WITHOUT_LOSS = (
    "The classes are separable, so many answers have no loss: penalty='l2:0.001' takes the one with a wide margin."
)


@dataclass(frozen=True)
class Exact:
    """The best possible answer of a problem.

    theta: `[k·p]` in user units, in the order of the problem's θ; None where no finite optimum is known (see
        `note`).
        Softmax parameters sum to zero over the classes.
    loss: F*, the objective with penalty; the infimum where the classes are separable; nan where no solver
        answers.
    method: the solver, in words.
    certificate: relative stationarity residual or duality gap, computed from the data; 0 is perfect.
    note: a full sentence where something should be known about the answer, else empty.
    seconds: what it took.
    separable: whether the classes are separable or quasi-separable, so that the loss has no minimum.
    objective: F*, the loss with penalty.
    """

    theta: np.ndarray | None
    loss: float
    method: str
    certificate: float
    note: str = ""
    seconds: float = 0.0
    separable: bool = False
    objective: float = float("nan")


def one_of_many(columns: int, rank: int, which: str = "has the smallest norm in") -> str:
    """The note on an answer of columns that depend on one another; "" where they do not."""
    if rank == columns:
        return ""
    return f"The {columns} columns have rank {rank}, so many answers are equally good: this one {which} standardised columns."

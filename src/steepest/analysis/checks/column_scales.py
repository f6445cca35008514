"""The condition of a design by its columns: which are of another size, or far from zero, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.model import preconditioners as frames
from steepest.model.linear import LinearProblem, gram, is_constant
from steepest.text.numbers import number

MANY, PLAIN = 100, 1e8
"""Columns from which AᵀA is tried in place of A, and the condition number that it then still tells to 8 digits."""


@dataclass(frozen=True)
class Shape:
    """The condition number by columns alone, of the eigenvalues of AᵀWA/n, raw and standardised. names: of the columns."""

    names: tuple[str, ...]
    raw: float
    standardised: float
    sizes: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    @property
    def worst(self) -> int:
        """The column furthest from the others in size, or from zero in its own spread."""
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(np.log(self.sizes / np.median(self.sizes)))
            offset = np.log(np.abs(self.means) / self.spreads)
        hard = np.maximum(np.nan_to_num(apart, posinf=0.0), np.nan_to_num(offset, posinf=0.0, neginf=0.0))
        hard[[name == "intercept" for name in self.names]] = -1.0
        return int(np.argmax(hard))

    def told(self) -> str:
        """The worst column, with its mean and spread beside the others'."""
        j = self.worst
        others = [i for i in range(len(self.names)) if i != j and self.names[i] != "intercept"]
        words = f"{self.names[j]!r} has the mean {number(self.means[j])} and the standard deviation {number(self.spreads[j])}"
        if not others:
            return words
        low, high = min(self.spreads[i] for i in others), max(self.spreads[i] for i in others)
        span = number(low) if np.isclose(low, high, rtol=0.1) else f"{number(low)} to {number(high)}"
        return f"{words}; those of the others' deviate by {span}"


def shape_of(problem: LinearProblem, names: tuple[str, ...]) -> Shape:
    """The condition of a problem by its columns, on some rows where there are many."""
    few = problem.sampled
    first = int(problem.intercept)
    varied = np.array([True] * first + [not is_constant(column) for column in few.design.T[first:]])
    if not varied.all():  # what varies by rounding only has no scale
        few = replace(few, design=few.design[:, varied], low=None)
        names = tuple(name for name, kept in zip(names, varied, strict=True) if kept)
    weights = np.ones(len(few.design)) if few.weights is None else few.weights
    means = weights @ few.design / weights.sum()
    spreads = np.sqrt(weights @ (few.design - means) ** 2 / weights.sum())
    standard = frames.standardised(few).basis
    sizes = np.sqrt(weights @ few.design**2 / weights.sum())
    return Shape(names, _condition(few.design, weights), _condition(standard, weights), sizes, means, spreads)


def _condition(basis: np.ndarray, weights: np.ndarray) -> float:
    """λ_max/λ_min over the directions that the columns determine: of AᵀA where its digits suffice, else of A."""
    rows = basis * np.sqrt(weights / weights.sum())[:, None]
    if len(rows) >= rows.shape[1] > MANY:
        values = np.linalg.eigvalsh(gram(rows))
        if values[0] > values[-1] / PLAIN:
            return float(values[-1] / values[0])
    if len(rows) > rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    sizes = np.linalg.svd(rows, compute_uv=False)
    sizes = sizes[sizes > max(basis.shape) * np.finfo(float).eps * sizes[0]]
    return float((sizes[0] / sizes[-1]) ** 2) if sizes.size else 1.0

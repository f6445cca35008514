"""The Hessian of a tall table's loss, as sums of squares of its rows, and its Cholesky factor.

Squares lose half of the digits. So they are trusted only where columns are far from depending on one another, and what a step
leaves over is measured on the rows themselves.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.checkpoints.tree import Unlike, like
from steepest.model.row_parts import in_one_thread

SINGLE = 1e20
"""Mean square of a column up to which, and down to one over which, float32 has room for products of it."""

SAFE_SQUARES = 0.03
"""Smallest over largest pivot from which a Gram matrix is trusted: of 16 digits its squares lose three."""


class IllConditioned(Exception):
    """The columns depend on one another so nearly that squares of them lose too many digits."""


class Curvature:
    """A Hessian H `[p, p]` of one output, and its Cholesky factor once columns have one size.

    Raises:
        IllConditioned: the pivots of the columns lie too far apart.
    """

    def __init__(self, hessian: np.ndarray, first: int):
        sizes = np.sqrt(np.diag(hessian))
        if not (np.isfinite(hessian).all() and (sizes > 0.0).all()):
            raise IllConditioned
        try:
            with in_one_thread(len(hessian) ** 3 / 3.0):
                factor = np.linalg.cholesky(hessian / np.outer(sizes, sizes))
        except np.linalg.LinAlgError:
            raise IllConditioned from None
        pivots = np.diag(factor)[first:]
        if first:  # beside what the intercept leaves of a column
            pivots = pivots / np.sqrt(1.0 - factor[1:, 0] ** 2)
        if pivots.min(initial=1.0) <= SAFE_SQUARES:
            raise IllConditioned
        self.hessian, self.sizes, self.factor = hessian, sizes, factor
        self.pairs: tuple[tuple[np.ndarray, np.ndarray, float], ...] = ()

    def state(self) -> dict[str, Any]:
        """All of it."""
        return {"hessian": self.hessian, "sizes": self.sizes, "factor": self.factor, "pairs": list(self.pairs)}

    @classmethod
    def of_state(cls, state: Any, size: int, width: int) -> Curvature:
        """The one whose state it is, of `size` coefficients in directions of `width`. Unlike for something else."""
        found, square = cls.__new__(cls), np.zeros((size, size))
        template = {"hessian": square, "sizes": np.zeros(size), "factor": square, "pairs": None}
        kept = like(template, state, "curvature")
        line = np.zeros(width)
        pairs = like([(line, line, 0.0)] * len(kept["pairs"] or ()), kept["pairs"], "curvature.pairs")
        found.hessian, found.sizes, found.factor, found.pairs = (
            *map(kept.get, ("hessian", "sizes", "factor")),
            tuple(pairs),
        )
        return found

    def corrected(self, step: np.ndarray, change: np.ndarray) -> Curvature:
        """The same corrected by how a step has changed the gradient, beside what is known so already (BFGS)."""
        other = copy(self)
        other.pairs = (*self.pairs, (step, change, float(change @ step)))
        return other

    def newton(self, grad: np.ndarray) -> tuple[np.ndarray, float]:
        """The Newton step −H⁻¹g `[k·p]` from a gradient `[k·p]`, and g·H⁻¹g; algorithm 7.4 of Nocedal and Wright."""
        from scipy import linalg  # not before a tall table is fitted

        left, shares = grad.copy(), []
        for step, change, along in reversed(self.pairs):
            shares.append(step @ left / along)
            left -= shares[-1] * change
        scaled = (left.reshape(-1, len(self.sizes)) / self.sizes).T
        half = np.asarray(linalg.solve_triangular(self.factor, scaled, lower=True, check_finite=False))
        found = np.asarray(linalg.solve_triangular(self.factor, half, lower=True, trans="T", check_finite=False))
        found = (found.T / self.sizes).ravel()
        if not self.pairs:
            return -found, float(np.vdot(half, half))
        for (step, change, along), share in zip(self.pairs, reversed(shares), strict=True):
            found += (share - change @ found / along) * step
        return -found, float(grad @ found)

    def inverse_trace(self) -> float:
        """The trace of H⁻¹ once columns have one size."""
        inverse = self._inverse_of_factor()
        return float(np.vdot(inverse, inverse))

    def inverse_norm(self) -> float:
        """A bound on the largest eigenvalue of H⁻¹ once columns have one size: its largest sum over a row."""
        inverse = self._inverse_of_factor()
        return float(np.abs(inverse.T @ inverse).sum(1).max())

    def _inverse_of_factor(self) -> np.ndarray:
        from scipy import linalg

        with in_one_thread(len(self.factor) ** 3 / 3.0):
            inverse = linalg.solve_triangular(self.factor, np.eye(len(self.factor)), lower=True, check_finite=False)
        return np.asarray(inverse)

    def moved(self, step: np.ndarray) -> float:
        """½d·Hd of a step d `[k·p]`."""
        parts = step.reshape(-1, len(self.sizes))
        return 0.5 * float(np.vdot(parts, parts @ self.hessian))


@dataclass(frozen=True)
class Proof:
    """A Hessian as it was measured, by which the gap is proven: of which rows, where, and how much of all weights they have.

    leverage: a bound on ‖aᵢ‖²_H⁻¹ of these rows. prediction: where it was measured, of these rows. index: of which coefficients
    alone; largest: a bound on the curvature in each of the others.
    """

    curvature: Curvature
    rows: np.ndarray | None = None
    share: float = 1.0
    leverage: float = 0.0
    prediction: np.ndarray | None = None
    index: np.ndarray | None = None
    largest: float = np.inf

    def state(self) -> dict[str, Any]:
        """All of it."""
        return vars(self) | {"curvature": self.curvature.state()}

    @classmethod
    def of_state(cls, state: Any, size: int, width: int, rows: int) -> Proof:
        """The one whose state it is, as `Curvature.of_state`, of a table of so many rows. Unlike for something else."""
        free = dict.fromkeys(("curvature", "rows", "prediction", "index"))
        kept = like(free | {"share": 1.0, "leverage": 0.0, "largest": 0.0}, state, "proof")
        for name, most in (("rows", rows), ("index", width)):
            numbers_of(kept[name], most, f"proof.{name}")
        some = rows if kept["rows"] is None else len(kept["rows"])
        if kept["prediction"] is not None and len(kept["prediction"]) != some:
            raise Unlike("proof.prediction is of other rows")
        size = size if kept["index"] is None else len(kept["index"])
        return cls(**kept | {"curvature": Curvature.of_state(kept["curvature"], size, width)})


def numbers_of(given: Any, most: int, where: str) -> None:
    """Unlike unless it is None, or numbers from 0 to just below `most`."""
    if given is None:
        return
    whole = isinstance(given, np.ndarray) and given.dtype == np.int64 and given.ndim == 1
    if not whole or (len(given) and not (given.min() >= 0 and given.max() < most)):
        raise Unlike(f"{where} are no numbers below {most}")


def add_squares(
    squares: np.ndarray,
    first: int,
    block: np.ndarray,
    shares: np.ndarray,
    weighted: bool = True,
    sums: np.ndarray | None = None,
) -> None:
    """Add Σ share·aaᵀ of a block of rows; of the intercept's line the row alone. sums: Σ share·a, where that is known."""
    if first:
        squares[0, 0] += shares.sum()
        squares[0, 1:] += shares @ block if sums is None else sums
    block = block * np.sqrt(shares)[:, None] if weighted else block
    squares[first:, first:] += block.T @ block


def has_room(squares: np.ndarray, count: float) -> bool:
    """Whether sums of so many squares, made in float32, have neither overflowed nor lost digits to numbers near zero."""
    sizes = np.diag(squares) / count
    return bool(((sizes > 1.0 / SINGLE) & (sizes < SINGLE)).all())

"""Blockwise QR: the triangle R of all rows of a stream in one pass, a basis in which columns are orthonormal, and least squares.

The R of many rows is that of the R of some of them with the others below, so a block of rows is in memory at a time; nothing
is squared, and no digits are lost that a QR of all rows would keep.

Source: Demmel, Grigori, Hoemmen and Langou, Communication-optimal parallel and sequential QR and LU factorizations (2012).
"""

from __future__ import annotations

import numpy as np

from steepest.data.passes import over_parts
from steepest.data.streams import Block
from steepest.model.row_parts import blocks, in_one_thread
from steepest.model.stream_objective import StreamObjective

DETERMINED = 1e-13
"""Singular value of columns of one size, beside the largest one, up to which a direction is rounding."""

PANEL = 2**16
"""Entries that are factorised at a time."""


def triangle(objective: StreamObjective, targets: bool = False) -> np.ndarray:
    """R of √W·[1, z − s] over all training rows, beside it the targets of `mse`, a penalty's rows below; one pass."""
    stream, first = objective.stream, objective.first
    wide, beside = objective.wide, objective.outputs * targets
    whole = wide + beside
    step = max(2 * whole, PANEL // whole)

    def add(triangle: np.ndarray, block: Block, held: Block | None) -> None:
        rows = np.ones((len(block.x), whole))
        for part in blocks(len(block.x), wide):
            rows[part, first:wide] = objective.plain(block.x[part])
        if targets:
            rows[:, wide:] = block.y.reshape(len(rows), -1)
        if block.weights is not None:
            rows *= np.sqrt(block.weights / stream.mean_weight)[:, None]
        for begin in range(0, len(rows), step):
            triangle[:] = _below(triangle, rows[begin : begin + step])

    (found,) = over_parts(
        stream, lambda: np.zeros((whole, whole)), add, lambda part: [part], lambda one, two: [_below(one[0], two[0])]
    )
    objective.passes += 1
    if not objective.penalty_given.l2:
        return found
    ridge = np.sqrt(objective.entries * objective.penalty_given.l2) * np.eye(wide)[first:]
    return _below(found, np.hstack([ridge, np.zeros((len(ridge), beside))]))


def _below(triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """R of a triangle with rows below it."""
    with in_one_thread():
        return np.asarray(np.linalg.qr(np.vstack([triangle, rows]), mode="r"))


def basis_of(objective: StreamObjective) -> np.ndarray:
    """T `[d, r]`: the columns (z − s)·T are orthonormal but for √n, and leave out directions that the rows do not determine."""
    first = objective.first
    inner = triangle(objective)[first:, first:]
    sizes = np.linalg.norm(inner, axis=0)
    there = sizes > 0.0
    safe = np.where(there, sizes, 1.0)
    _, values, right = np.linalg.svd(inner / safe, full_matrices=False)
    known = values > DETERMINED * max(values.max(initial=0.0), 1e-300) * max(1.0, len(sizes))
    return (right[known] / safe).T / values[known] * np.sqrt(objective.rows)


def least_squares(objective: StreamObjective) -> tuple[np.ndarray, int]:
    """The least squares answer of all rows from one pass, θ `[k·p]` in user units, and the rank of the columns."""
    wide, first = objective.wide, objective.first
    whole = triangle(objective, targets=True)
    design, goals = whole[:wide, :wide], whole[:wide, wide:]
    sizes = np.linalg.norm(design, axis=0)
    safe = np.where(sizes > 0.0, sizes, 1.0)
    left, values, right = np.linalg.svd(design / safe, full_matrices=False)
    known = values > DETERMINED * max(values.max(initial=0.0), 1e-300) * max(1.0, wide)
    answer = (right[known].T / values[known]) @ (left[:, known].T @ goals) / safe[:, None]
    found = answer.T
    found[:, :first] -= (found[:, first:] @ objective.shift)[:, None] * first
    return found.ravel(), int(known.sum())

"""Rows ready for a fit: features, target, weights, and how each column was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steepest.data.schema import Schema
from steepest.errors import SpecError


@dataclass(frozen=True)
class Dataset:
    """Rows ready for a fit.

    Attributes:
        x: [n, d] float64, contiguous; a column of ones is not among them. A large array of float32 stays what it is. Of an
            estimator it may be a sparse matrix.
        y: [n] or [n, m] float64; [n] int64 codes into `classes` where the target is classes.
        names: of x's columns.
        targets: names of the target columns.
        classes: labels of the codes: numbers numerically, text alphabetically, False before True.
        weights: [n] float64, nonnegative; None where all rows weigh the same.
        schema: how source columns became features.
        ones: a column of ones was found and taken out: it is the intercept.
        notes: full sentences on what was dropped, filled and encoded.
        row_weights: [n], the weights without the factors of `class_weight`; None where all rows weigh the same.
        places: [n], the numbers (from 0) that the rows have in the table; None where they are all of its rows in order.
        offset: [n], what is added to each prediction (`offsets.py`); None where nothing is.
        sources: [n, w], the values of the columns (`Schema.values`), where features were learned of them: a mean that stands in
            for missing ones, the terms of a formula. None where x says all.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] | None
    weights: np.ndarray | None
    schema: Schema
    ones: bool
    notes: tuple[str, ...]
    row_weights: np.ndarray | None = None
    places: np.ndarray | None = None
    sources: np.ndarray | None = None
    stream: Any = None
    offset: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """n."""
        return self.x.shape[0]

    @property
    def of_rows(self) -> int:
        """How many rows there are to fit: n, or those of the stream."""
        return self.rows if self.stream is None else self.stream.rows

    @property
    def relative_weights(self) -> np.ndarray | None:
        """[n], the weights with a mean of 1; None where all rows weigh the same."""
        return None if self.weights is None else self.weights / self.weights.mean()

    def check_in_memory(self, what: str) -> None:
        """Raise SpecError where these are some rows of a stream. what: it needs all of them."""
        if self.stream is not None:
            raise SpecError(
                f"{what} takes all rows in memory, and these are read pass by pass. Give fewer rows, or stream=False where "
                "they fit."
            )

    def joined(self, other: Dataset) -> Dataset:
        """These rows and others of the same table, in the order of the table."""

        def both(one: np.ndarray | None, two: np.ndarray | None) -> np.ndarray | None:
            return None if one is None or two is None else np.concatenate([one, two])

        arrays = {
            name: both(getattr(self, name), getattr(other, name))
            for name in ("x", "y", "weights", "row_weights", "places", "sources", "offset")
        }
        whole: Dataset = replace(self, **arrays)
        return whole if whole.places is None else whole.take(np.argsort(whole.places))

    def take(self, index: np.ndarray | Sequence[int]) -> Dataset:
        """The rows with these numbers (from 0), in that order."""
        weights, given = (None if part is None else part[index] for part in (self.weights, self.row_weights))
        places = np.arange(self.rows)[index] if self.places is None else self.places[index]
        return replace(
            self,
            x=np.ascontiguousarray(self.x[index]) if isinstance(self.x, np.ndarray) else self.x[index],
            y=self.y[index],
            weights=weights,
            row_weights=given,
            places=places,
            sources=None if self.sources is None else self.sources[index],
            stream=None,
            offset=None if self.offset is None else self.offset[index],
        )

"""Arrays as scikit-learn has checked them → rows ready for a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.data.column_names import array_names
from steepest.data.dataset import Dataset
from steepest.data.features import Column
from steepest.data.schema import Schema
from steepest.data.tables import check_small


def rows_of(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    names: Sequence[str],
    classes: np.ndarray | None,
    intercept: bool,
    given: np.ndarray | None = None,
) -> Dataset:
    """The rows of a fit.

    x `[n, d]`; y `[n]` or `[n, m]` numbers, or codes of `classes`. names: of the columns, or () for x1, x2, …. weights: with
    the factors of the classes; given: without them. A row of weight 0 is left out: it says nothing, in any batch.
    """
    names = tuple(map(str, names))
    if not names or len({*names, "intercept"}) <= len(names):  # scikit-learn lets two columns have one name
        names = tuple(array_names(x.shape[1]))
    targets = ("y",) if y.ndim == 1 else tuple(f"y{i + 1}" for i in range(y.shape[1]))
    labels = None if classes is None else labelled(classes)
    schema = Schema(tuple(Column(name, "number") for name in names), targets, labels, intercept)
    if isinstance(x, np.ndarray):
        check_small(x, names, "column")
    if classes is None:
        check_small(y, targets, "the target")
    return Dataset(x, y, names, targets, labels, weights, schema, False, (), given)


def counted(x: Any, y: np.ndarray, weights: np.ndarray | None) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """The rows that have a weight.

    Raises:
        ValueError: there are none.
    """
    if weights is None:
        return x, y, None
    kept = weights > 0
    if not kept.any():
        raise ValueError("sample_weight is 0 in every row: there is nothing to fit. Give at least one row a weight.")
    return (x, y, weights) if kept.all() else (x[kept], y[kept], weights[kept])


def labelled(classes: np.ndarray) -> tuple[str, ...]:
    """Labels as text; numbered where two of them read the same.

    >>> labelled(np.array([0, 1])), labelled(np.array(["a", "b"]))
    (('0', '1'), ('a', 'b'))
    """
    texts = tuple(map(str, classes.tolist()))
    return texts if len(set(texts)) == len(texts) else tuple(f"{i}: {text}" for i, text in enumerate(texts))

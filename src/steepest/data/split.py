"""Which rows are fitted, which are held out, and how much each weighs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import first, is_number
from steepest.data.features import finite_numbers, not_numbers
from steepest.data.files import Origin, check_known, open_table
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import counted, quoted
from steepest.errors import DataError
from steepest.lazy import unnoticed


def weights_of(weights: object, table: pa.Table, origin: Origin, reading: Reading = AS_IT_IS) -> np.ndarray | None:
    """[n] float64, NaN where missing; None where all rows weigh the same."""
    if weights is None:
        return None
    if isinstance(weights, str):
        check_known(weights, table.column_names, origin)
        name, column = weights, table[weights]
    else:
        name, weight_table = "weights", open_table(weights, reading=reading)[0]
        if weight_table.num_columns != 1 or weight_table.num_rows != table.num_rows:
            shape = f"{weight_table.num_rows:,} × {weight_table.num_columns:,}"
            raise DataError(f"weights are {shape} for {counted(table.num_rows, 'row')}; give one weight for each row")
        column = weight_table.column(0)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not is_number(column.type):
        raise not_numbers(name, column, origin, remedy="Weights are numbers ≥ 0")
    values = finite_numbers(name, column, origin)
    if (values < 0).any():
        index = first(values < 0)
        raise DataError(f"the weight {values[index]:g} in {origin.row(index)} (column {quoted(name)}) is negative")
    if not (values > 0).any():
        raise DataError(f"all weights (column {quoted(name)}) are zero or missing")
    return np.array(values)  # writable, as tensors made of it must be


def split_rows(
    y: np.ndarray, classes: tuple[str, ...] | None, test_fraction: float, seed: int, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Row numbers for training and for the held-out score; every class keeps a row in training."""
    rows = len(y)
    everything = np.arange(rows)
    if test_fraction == 0:
        return everything, None
    held_out = int(np.ceil(test_fraction * rows))
    if held_out >= rows:
        raise DataError(f"holding out {test_fraction:g} of {counted(rows, 'row')} leaves none to fit on")
    with unnoticed():
        from sklearn.model_selection import train_test_split

    stratify = None
    if classes is not None:
        rarest = int(np.bincount(y, minlength=len(classes)).min())
        if rarest >= 2 and min(held_out, rows - held_out) >= len(classes):
            stratify = y
        else:
            notes.append("The split is not stratified: a class has one row only, or there are fewer rows than classes.")
    # scikit-learn takes no whole number of more than 32 bits
    state = seed if seed < 2**32 else np.random.RandomState(np.random.MT19937(seed))
    train, test = train_test_split(everything, test_size=held_out, random_state=state, stratify=stratify)
    if classes is not None:
        lost = np.isin(y[test], y[train], invert=True)
        if lost.any():
            notes.append(f"Moved {counted(int(lost.sum()), 'row')} of rare classes from the held-out rows to training.")
            train, test = np.concatenate([train, test[lost]]), test[~lost]
    return train, test if len(test) else None

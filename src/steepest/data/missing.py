"""What is done with missing values: `missing=` for the whole table or for each column.

    error    a fault that names the column, the rows and the ways out (the default)
    drop     rows that lack the value are left out
    mean     the mean of the training rows stands in; for a category its most frequent level
    level    missing is something of its own: a level `Alley=missing`; for a number the feature `Lot is missing`, beside the mean

A target is never filled. `{"Alley": "level", "*": "drop"}` says it for each column, `*` for all that are not named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.data.arrow_columns import is_number
from steepest.data.columns import SourceColumn
from steepest.data.features import Column, column_values, missing_error
from steepest.data.selection import Selection
from steepest.data.wording import counted, option, quoted
from steepest.errors import DataError


def policy_of(missing: str | Mapping[str, str], name: str) -> str:
    """What is done with missing values of a column.

    >>> policy_of({"Alley": "level", "*": "drop"}, "Alley"), policy_of({"Alley": "level"}, "Street")
    ('level', 'error')
    """
    return missing if isinstance(missing, str) else missing.get(name, missing.get("*", "error"))


def complete_rows(
    parts: Selection, weight_name: str, missing: str | Mapping[str, str], faults: list[str]
) -> np.ndarray:
    """The rows to keep, [n] bool; a missing value that may be neither dropped nor filled is one more of the faults."""
    drop, goals = remedy_of("drop"), parts.goals
    needed = [(parts.goal(name), f"{drop} (a target is never filled)") for name in goals.column_names]
    for column in map(parts.column, parts.features.column_names):
        if policy_of(missing, column.name) not in ("mean", "level"):
            needed.append((column, remedies_of(column)))
    if parts.weights is not None:
        needed.append((parts.weight_column(weight_name), drop))
    if parts.offset is not None or parts.trials is not None:
        needed.append((parts.offset_column(), drop))
    keep = np.ones(max(parts.features.num_rows, goals.num_rows), bool)
    for column, remedy in needed:
        if column.sound or not column.missing.any():
            continue
        if policy_of(missing, column.name) != "drop":
            faults.append(str(missing_error(column, column.missing, remedy=remedy)))
        keep &= ~column.missing
    return keep


def remedies_of(column: SourceColumn) -> str:
    """The options for missing values of a column, and what they do."""
    level = "" if is_number(column.kind) else f", or {option('missing', 'level', column.name)} to make them a level"
    return f"{remedy_of('drop')}, {remedy_of('mean').removeprefix('Use ')}{level}"


def remedy_of(policy: str) -> str:
    """The option for missing values, and what it does: for "drop" or for "mean"."""
    return f"Use {option('missing', policy)} to " + (
        "leave such rows out" if policy == "drop" else "fill them with the column's mean"
    )


def present_levels(column: Column, parts: Selection) -> Column:
    """The column without levels that stood in dropped rows only."""
    if column.kind != "category":
        return column
    codes = column_values(column, parts.column(column.name))[:, 0]
    present = np.unique(codes[~np.isnan(codes)]).astype(int)
    return replace(column, levels=tuple(column.levels[code] for code in present))


def with_fill(column: Column, parts: Selection, fitted: np.ndarray | slice, missing: str | Mapping[str, str]) -> Column:
    """The column with what stands in for a missing value: the training mean, the most frequent level, or a level of its own."""
    policy = policy_of(missing, column.name)
    if policy not in ("mean", "level"):
        return column
    values = column_values(column, parts.column(column.name))
    gone = np.isnan(values[:, 0])
    own = policy == "level" and bool(gone.any())
    if own and column.kind == "category":
        return replace(column, own_missing=True)
    fill = fill_of(column, values[fitted][~gone[fitted]])
    return filled_with(column, fill, int(gone.sum()), own, parts.notes)


def filled_with(column: Column, fill: Any, gone: int, own: bool, notes: list[str]) -> Column:
    """The column with a fill, which is told where so many values are gone. own: whether a feature says where."""
    shown = f"its training mean {fill:.6g}" if isinstance(fill, float) else "its training means"
    shown = f"its most frequent level {quoted(fill)}" if isinstance(fill, str) else shown
    if gone:
        beside = f", beside the feature {quoted(f'{column.name} is missing')}" if own else ""
        notes.append(f"Filled {counted(gone, 'missing value')} of column {quoted(column.name)} with {shown}{beside}.")
    return replace(column, fill=fill, own_missing=own)


def fill_of(column: Column, known: np.ndarray) -> float | str | tuple[float, ...]:
    """What stands in for a missing value, of the values `[m, k]` that are known: the mean, or the most frequent level."""
    if len(known) == 0:
        raise DataError(
            f"column {quoted(column.name)} has no value in the training rows, so there is no mean to fill it with. "
            f"Leave it out: {option('drop', column.name)}"
        )
    if column.kind == "category":
        return column.levels[int(np.bincount(known[:, 0].astype(int)).argmax())]
    means = tuple(float(mean) for mean in known.mean(axis=0))
    return means if column.way == "parts" else means[0]

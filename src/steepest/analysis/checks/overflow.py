"""OVERFLOW: numbers of which float32 makes infinities, or too few digits.

infinite   beyond 3.4e38; or a sum of n squares is: of targets under mse, of columns as a descent in their own units sees
           them. After a fit it is said where the descent did not end in finite numbers
digits     rounding to 24 bits moves a column that a module sees, or a target, by more than a twentieth of its standard
           deviation: numbers far from zero beside their spread, as seconds since 1970
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.module_end import of_own_module
from steepest.analysis.checks.rows import flat
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import SINGLE, check
from steepest.descent.stopping import Status
from steepest.text.numbers import number

LARGEST = float(np.finfo(np.float32).max)
LOST = 0.05


@check("table", "fit", finds=(Kind.OVERFLOW,), needs=(SINGLE,))
def overflow(given: Prepared) -> Iterator[Finding]:
    """Whether float32 holds the columns and targets, and their squares."""
    rows = given.train
    if not rows.rows:
        return
    numbers = [(name, column, False) for name, column in zip(rows.names, flat(rows.x).T, strict=False)]
    if rows.classes is None:
        numbers += [(name, y, True) for name, y in zip(rows.targets, rows.y.reshape(rows.rows, -1).T, strict=True)]
    found = [(name, told) for name, values, goal in numbers if (told := _told(given, values, goal))]
    if not found:
        return
    name, (what, evidence) = found[0]
    more = f" So it is with {len(found) - 1:,} more." if found[1:] else ""
    remedy: dict[str, Any] = {"dtype": "float64"}
    targets = {name for name, _ in found} & set(rows.targets)
    if not targets and getattr(given, "precondition", "") == "none":
        remedy |= {"precondition": "standardize", "lr": "auto"}
    advice = ""
    if targets and of_own_module(given):
        advice = f"Bring {name!r} to a size near 1 as well, as by (y - y.mean()) / y.std(), and predictions back."
    columns = tuple(name for name, _ in found if name not in targets)
    yield Finding(
        Kind.OVERFLOW, f"{what.format(repr(name))}{more}", evidence, remedy,
        "float64 holds numbers up to 1.8e308, with 15 digits.", of_model=True, columns=columns, advice=advice,
    )  # fmt: skip


def _told(given: Prepared, values: np.ndarray, goal: bool) -> tuple[str, str] | None:
    """What float32 does to a column or target, and the numbers that show it."""
    size = float(np.abs(values).max())
    squared = given.loss_function.quadratic
    own_units = getattr(given, "precondition", "standardize") == "none"
    counts = squared if goal else own_units
    squares = float(np.square(values / np.sqrt(LARGEST)).sum()) if counts else 0.0
    if (size > LARGEST or squares > 1.0) and not _ended_well(given):
        what = "{} goes up to " + number(size) + ", too large for float32."
        which = "The numbers themselves" if size > LARGEST else f"Their squares, summed over {len(values):,} rows,"
        return what, f"{which} go beyond the largest number of float32, 3.4e+38, and are infinite there."
    if size > LARGEST or (given.terms is not None and not goal):
        return None
    spread = float(np.std(values))
    with np.errstate(over="ignore", under="ignore"):
        off = float(np.sqrt(np.mean((values.astype(np.float32).astype(np.float64) - values) ** 2)))
    if not off > LOST * spread > 0.0:
        return None
    what = "float32 has too few digits for {}, which is near " + number(float(np.mean(values))) + "."
    return what, f"Rounded to its 24 bits it is off by {number(off)}, and its standard deviation is {number(spread)}."


def _ended_well(given: Prepared) -> bool:
    """Whether this is a fit, and it ended in finite numbers."""
    status = getattr(given, "status", None)
    value = getattr(given, "objective_value", np.nan)
    return status not in (None, Status.DIVERGED) and bool(np.isfinite(value))

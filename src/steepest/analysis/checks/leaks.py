"""LEAK: a column that gives the target away, as an id given in its order, or something known only once the target is.

On an even sample of at most 2,000 rows, column by column, each against all others together:

    a number    ranks that follow the target's, with Spearman's ρ² of 0.99 at least, where the other columns explain between
                a tenth and nine tenths of it (99% where ρ² is 0.9999); of columns that are independent none could
    an id       whole numbers, each once and close together, in the order of the target: ρ² of 0.9999, or sorted by
                them each class stands together; half of that is enough where the column is called an id
    a code      each of its values, five rows on average, belongs to one class; where there are more values than classes,
                the other columns must tell fewer than 95% of the rows right

A penalty does not help against such a column, since it is the best there is in these rows: it is to be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from steepest.analysis.checks.class_codes import discriminated
from steepest.analysis.checks.classes import MOST_CLASSES
from steepest.analysis.checks.module_end import of_own_module
from steepest.analysis.checks.rows import components
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import COLUMNS, VALUES, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.text.numbers import listed

MOST_ROWS, MOST_COLUMNS = 2_000, 1_000
LEAST_ROWS = 30
FOLLOWS, ORDERED, NAMED = 0.99, 0.9999, 0.5
SOME, MOST, NEARLY_ALL = 0.1, 0.9, 0.99
DENSE = 3.0  # times as many numbers as rows from their least to their largest, up to which they count as given in a row
ROWS_A_VALUE, PURE, RIGHT = 5, 0.99, 0.95
IDS = frozenset(("id", "ids", "index", "idx", "row", "rowid", "key", "no", "nr", "number", "record", "uid", "rank"))
"""What a column of ids is called."""


class Source(NamedTuple):
    """A column of the table as one number a row, and the places of its features."""

    name: str
    values: np.ndarray
    places: list[int]
    category: bool


class Leak(NamedTuple):
    """A column that gives the target away, the numbers that show it, and how good the other columns may be.

    least, most: the share of the target that these explain, or of the rows that they tell right.
    """

    source: Source
    evidence: str
    least: float = 0.0
    most: float = 1.0


@check("table", "fit", finds=(Kind.LEAK,), needs=(COLUMNS, VALUES))
def leaks(given: Prepared) -> Iterator[Finding]:
    """Whether a column gives the target away."""
    rows = given.train
    if rows.rows < LEAST_ROWS or not 2 <= rows.x.shape[1] <= MOST_COLUMNS:
        return
    some = sampled(rows, MOST_ROWS)
    found = list(giving_away(some, sources(given, some)))
    if not found:
        return
    names = tuple(leak.source.name for leak in found)
    remedy: dict[str, Any] = {"drop": (*given.spec.drop, *names)}
    advice = ""
    if of_own_module(given):
        places = [place for leak in found for place in leak.source.places]
        remedy = {}
        advice = f"Drop {listed(names)}: fit np.delete(x, {places}, axis=1), with a module of so many fewer inputs."
    gives = "gives" if len(names) == 1 else "give"
    yield Finding(
        Kind.LEAK, f"{listed(names)} {gives} {given.schema.targets[0]!r} away.",
        f"{found[0].evidence} Rows whose target is not yet known will not have that.",
        remedy, "What is left is what the other columns say, as it will be of new rows.", of_model=True,
        columns=names, advice=advice,
    )  # fmt: skip


def sources(given: Prepared, rows: Dataset) -> list[Source]:
    """The columns of the table as one number a row: of a category, which of its levels; of a formula its features."""
    found = []
    if given.schema.design is not None:
        return [Source(name, rows.x[:, place], [place], False) for place, name in enumerate(rows.names)]
    for column in given.schema.columns:
        at = given.schema.feature_places[column.name]
        places, part = [*range(at.start, at.stop)], rows.x[:, at]
        if column.kind == "category" and places:
            found.append(Source(column.name, (part @ np.arange(1.0, len(places) + 1.0)), places, True))
        elif column.kind != "date" and places:
            found.append(Source(column.name, part[:, 0], places, False))
    return found if len(given.schema.names) == rows.x.shape[1] else []


def giving_away(rows: Dataset, columns: list[Source]) -> Iterator[Leak]:
    """The columns that give the target away, where others are left that do not."""
    values, codes = np.unique(rows.y, return_inverse=True)
    if rows.classes is None and len(values) > MOST_CLASSES:  # fewer numbers may as well be classes
        codes = None
    found = list(_following(rows, columns)) if codes is None else list(_of_classes(codes, columns))
    left = np.setdiff1d(np.arange(rows.x.shape[1]), [place for leak in found for place in leak.source.places])
    if not found or not len(left):
        return
    z = components(rows.x[:, left], rows.rows // 10)
    if not z.shape[1]:
        return
    if codes is not None:
        others = discriminated(z, codes)
        told = f"The other columns tell {others:.0%} of the rows right."
    else:
        y = rows.y - rows.y.mean()
        share = float(((z.T @ y) ** 2).sum() / len(y) / (y @ y))
        others = max(0.0, 1.0 - (1.0 - share) * (len(y) - 1) / (len(y) - z.shape[1] - 1))
        told = f"The other columns together explain {others:.0%} of it."
    for leak in found:
        if leak.least <= others <= leak.most:
            yield leak._replace(evidence=f"{leak.evidence} {told}")


def is_id(column: Source) -> bool:
    """Whether its values are whole numbers close together, each in one row only."""
    values = column.values
    if column.category or not (values == np.round(values)).all():
        return False
    close = column_named_id(column.name) or np.ptp(values) <= DENSE * len(values)
    return bool(close and len(np.unique(values)) == len(values))


def column_named_id(name: str) -> bool:
    """Whether a column is called an id.

    >>> column_named_id("patient_id"), column_named_id("PassengerId"), column_named_id("humid")
    (True, True, False)
    """
    words = name.replace("Id", "_id").replace("ID", "_id").lower().replace("-", "_").replace(" ", "_").split("_")
    return bool(IDS & {words[0], words[-1]})


def _following(rows: Dataset, columns: list[Source]) -> Iterator[Leak]:
    """Columns whose order is that of a target of numbers."""
    goal = _unit(ranks(rows.y))
    for column in columns:
        if column.category or not np.ptp(column.values) > 0:
            continue
        follows = min(float(_unit(ranks(column.values)) @ goal) ** 2, 1.0)
        how = f"{follows:.5f}" if follows < 1.0 else "1"
        if is_id(column):
            if follows >= (NAMED if column_named_id(column.name) else ORDERED):
                told = f"{column.name!r} is an id, and was given in the order of the target (Spearman's ρ² = {how})."
                yield Leak(column, told)
        elif follows >= FOLLOWS:
            told = f"{column.name!r} alone puts the rows in the order of the target (Spearman's ρ² = {how})."
            yield Leak(column, told, SOME, NEARLY_ALL if follows >= ORDERED else MOST)


def ranks(values: np.ndarray) -> np.ndarray:
    """The ranks `[n]` of values, the mean rank for those that are the same.

    >>> ranks(np.array([3.0, 1.0, 3.0, 2.0]))
    array([2.5, 0. , 2.5, 1. ])
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[places]


def _unit(values: np.ndarray) -> np.ndarray:
    """Values with mean 0 and length 1."""
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)


def _of_classes(codes: np.ndarray, columns: list[Source]) -> Iterator[Leak]:
    """Columns that give classes away, by their codes `[n]`."""
    n = len(codes)
    shares = np.bincount(codes) / n
    chance = float(shares @ shares)
    for column in columns:
        if is_id(column):
            inline = codes[np.argsort(column.values, kind="stable")]
            alike = float(np.mean(inline[1:] == inline[:-1]))
            runs = 1 + int(np.count_nonzero(inline[1:] != inline[:-1]))
            named = column_named_id(column.name) and n >= 2 * LEAST_ROWS and alike - chance >= NAMED * (1.0 - chance)
            if runs == len(shares) or named:
                told = f"{column.name!r} is an id: sorted by it, the classes stand in {runs:,} runs of {n:,} rows."
                yield Leak(column, told)
            continue
        values, places = np.unique(column.values, return_inverse=True)
        if not 2 <= len(values) <= n / ROWS_A_VALUE:
            continue
        table = np.zeros((len(values), len(shares)))
        np.add.at(table, (places, codes), 1.0)
        pure = float(table.max(1).sum()) / n
        if pure >= PURE and len(np.unique(table.argmax(1))) == len(shares):
            told = f"{pure:.0%} of the rows have the class that belongs to their value of {column.name!r}"
            best = 1.0 if len(values) == len(shares) else RIGHT
            yield Leak(column, f"{told}, which has {len(values):,} values.", most=best)

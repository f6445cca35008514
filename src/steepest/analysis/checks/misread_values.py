"""What a table's values say of how they were written: numbers that stand for a missing value, levels spelled in two ways.

MISSING_CODE  one value, repeated, at an end of a column and far from all others: −999 among ages. Values of nines or eights
              must be as far away as the others spread, any other value three times as far, and −1 or 0 half as far below
              numbers that are all positive
SPELLINGS     levels of a column, or classes, that differ in case, blanks or punctuation only: `Yes` and `yes`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import COLUMNS, check
from steepest.data.dataset import Dataset
from steepest.text.numbers import listed, number

NINES = frozenset(
    sign * digit * (10**places - 1) // 9 for sign in (-1, 1) for digit in (8, 9) for places in range(2, 8)
)
"""±88, ±99, ±888, ±999, … up to seven digits."""

LEAST_OTHERS, LEAST_TIMES, MOST_SHARE = 5, 3, 0.5
NAMED = 3
DOTS: dict[int, None] = dict.fromkeys(map(ord, " ._-'"))
LEAST_LETTERS = 4
SINGLE = frozenset("yntfmw")
"""Letters that stand for yes, no, true, false, male, female, woman: others in two cases may be two levels, as alleles are."""


@check("table", "fit", finds=(Kind.MISSING_CODE,), needs=(COLUMNS,))
def missing_code(given: Prepared) -> Iterator[Finding]:
    """Numbers that look like codes for missing values, in any column of numbers or target."""
    found = codes_of(given, given.train)
    if not found:
        return
    codes = sorted({value for _, value, _ in found})
    told = [f"{name!r} is {number(value)} in {count:,} rows" for name, value, count in found[:NAMED]]
    more = f" (and {len(found) - NAMED:,} more columns)" if len(found) > NAMED else ""
    remedy: dict[str, Any] = {"missing_values": (*given.spec.missing_values, *(f"{value:.15g}" for value in codes))}
    rest = "filled in as the others"
    if given.spec.missing == "error":
        remedy["missing"], rest = "drop", "left out"
    words = "looks like a code for a missing value, and is fitted as a number"
    if len(codes) > 1:
        words = "look like codes for a missing value, and are fitted as numbers"
    yield Finding(
        Kind.MISSING_CODE, f"{' and '.join(map(number, codes))} {words}.",
        f"{'; '.join(told)}{more}, far from all other values.",
        remedy, f"These values count as missing, and are {rest}.", of_model=True,
        columns=tuple(dict.fromkeys(name for name, _, _ in found)),
    )  # fmt: skip


def codes_of(given: Prepared, rows: Dataset) -> list[tuple[str, float, int]]:
    """Column, value and count of every number that looks like a code; the target is a column too."""
    numbers = {column.name for column in given.schema.columns if column.kind == "number"}
    columns = [(name, rows.x[:, place]) for place, name in enumerate(rows.names) if name in numbers]
    if rows.classes is None:
        targets = rows.y.reshape(len(rows.y), -1).T
        known = given.schema.logarithms
        columns += [(name, y) for name, y in zip(rows.targets, targets, strict=True) if name not in known]
    return [(name, value, count) for name, column in columns for value, count in _codes(column)]


def _codes(column: np.ndarray) -> Iterator[tuple[float, int]]:
    """The values at either end of a column that look like codes, and how often they occur."""
    for edge in (column.min(), column.max()):
        mine = column == edge
        count = int(np.count_nonzero(mine))
        if count < 2 or count > MOST_SHARE * len(column) or edge != np.round(edge):
            continue
        others = column[~mine]
        low, high = float(others.min()), float(others.max())
        if len(others) == 0 or len(np.unique(others[:1_000])) < LEAST_OTHERS:
            continue
        away, spread = max(low - edge, edge - high), high - low
        far = 3.0 * spread if count >= LEAST_TIMES else np.inf
        if edge in NINES:
            far = spread
        elif edge in (0.0, -1.0) and low > 0 and count >= LEAST_TIMES:
            far = 0.5 * spread
        if away >= far:
            yield float(edge), count


@check("table", "fit", finds=(Kind.SPELLINGS,))
def spellings(given: Prepared) -> Iterator[Finding]:
    """Levels of a category, or classes, that differ only in how they are spelled."""
    schema = given.schema
    categories = [column for column in schema.columns if column.kind == "category" and not column.casefold]
    levels = {column.name: column.levels for column in categories}
    if schema.classes is not None and schema.label_kind == "text" and given.spec.labels is None:
        levels[schema.targets[0]] = schema.classes
    same = {name: groups for name, words in levels.items() if (groups := twins(words))}
    if not same:
        return
    alike = [group for groups in same.values() for group in groups]
    pairs = [" and ".join(map(repr, group)) for group in alike]
    more = f", and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else ""
    name = next(iter(same))
    fewer = sum(len(group) - len({_plain(word) for word in group}) for group in alike)  # by case and blanks alone
    yield Finding(
        Kind.SPELLINGS,
        f"{listed(list(same))} {'has' if len(same) == 1 else 'have'} levels that differ in case, blanks or punctuation only: "
        f"{'; '.join(pairs[:NAMED])}{more}.",
        f"{name!r} has {len(levels[name]):,} levels, {len(levels[name]) - sum(len(group) - 1 for group in same[name]):,} "
        "without these.",
        {"labels": "casefold"} if fewer else {},
        f"{fewer:,} {'level is' if fewer == 1 else 'levels are'} one with another." if fewer else "",
        of_model=True, columns=tuple(same), advice="" if fewer else "Write them alike in the table.",
    )  # fmt: skip


def twins(levels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Groups of levels that look like one.

    >>> twins(("No", "Yes", "no", "yes ")), twins(("A+", "A-", "AA", "Aa", "aa")), twins(("St Louis", "St. Louis"))
    ([('No', 'no'), ('Yes', 'yes ')], [], [('St Louis', 'St. Louis')])
    """
    groups: dict[str, list[str]] = {}
    for level in levels:
        groups.setdefault(_bare(level), []).append(level)
    return [tuple(group) for key, group in groups.items() if len(group) > 1 and not _may_differ(key)]


def _plain(level: str) -> str:
    """A level without case and surrounding blanks, as labels="casefold" has it."""
    return " ".join(level.split()).casefold()


def _bare(level: str) -> str:
    """The same without punctuation, where it is a word."""
    plain = _plain(level)
    letters = plain.translate(DOTS)
    return letters if letters.isalpha() and len(letters) >= LEAST_LETTERS else plain


def _may_differ(key: str) -> bool:
    """Whether two cases of this may be two levels: a letter, or one letter over again, as alleles are written."""
    return len(set(key)) == 1 and not (len(key) == 1 and key in SINGLE)

"""What is said of how columns were read: how their kind was decided, and in a sentence whatever goes beyond their types.

Numbers that were read from text, words that mean missing, levels, dates: nothing of it is done in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import counts_of, null_or_nan, text_of
from steepest.data.column_types import FEW_LEVELS, one_spelling
from steepest.data.columns import Found
from steepest.data.features import Column
from steepest.data.numbers import PADDED
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, option, quoted

STAYS = "text that holds whole numbers stays text, as its source says"
RARE = 5  # a level of fewer rows than this is rare
MANY_ROWS = 100  # rows from which on rare levels are worth a note in a table of few levels too


def how_decided(column: Column, found: Found, reading: Reading) -> tuple[str, str]:
    """How the kind of a column was decided, and the option that has it read otherwise."""
    name = column.name
    if column.kind == "date":
        return f"date: {column.way}", option("categories", name)
    if column.kind == "category":
        if name in reading.categories:
            return "categories names it", "leave it out of categories"
        if found.digits:
            return STAYS, f"table[{name!r}].astype(float)"
        return "text whose levels are repeated", option("drop", name)
    if column.kind == "number":
        return _read_as(found.example) if found.example else "numbers", option("categories", name)
    return ("true and false" if column.kind else ""), option("drop", name)


def _read_as(example: tuple[str, float]) -> str:
    return f"{quoted(example[0])} is read as {example[1]:.15g}"


def how_read(found: Iterable[tuple[str, Found]], stay_text: Sequence[str]) -> list[str]:
    """What was read as numbers and as missing in columns and targets, a sentence for all of them.

    found: (name, how it was read) of each. stay_text: those of text that holds whole numbers and stays text.
    """
    notes, found = [], list(found)
    read = [(name, one.example) for name, one in found if one.example is not None]
    if read:
        shown = "; ".join(f"{_read_as(example)} in column {quoted(name)}" for name, example in read[:8])
        more = f"; and so on in {counted(len(read) - 8, 'more column')}" if len(read) > 8 else ""
        codes = [name for name, (text, _) in read if re.match(PADDED, text)]
        labels = f" To keep the codes with leading zeros as labels: {option('categories', codes[0])}." if codes else ""
        notes.append(f"Numbers in text: {shown}{more}.{labels}")
    worded = [(name, one.words) for name, one in found if one.words]
    if worded:
        shown = "; ".join(f"{_words(words)} of column {quoted(name)}" for name, words in worded[:8])
        back = next((word for _, words in worded for word in words if word.casefold() == "none"), None)
        level = f" To keep {quoted(back)} as a level: {option('missing_values', f'not:{back}')}." if back else ""
        notes.append(f"Read as missing: {shown}.{level}")
    if stay_text:
        columns = f"{'Column' if len(stay_text) == 1 else 'Columns'} {listed(stay_text)}"
        notes.append(
            f"{columns}: text that holds whole numbers stays text, as the source says; for numbers give numbers, as in "
            f"table[{stay_text[0]!r}].astype(float)."
        )
    return notes


def _words(words: Mapping[str, int]) -> str:
    shown = [f"{quoted(word)} in {counted(rows, 'row')}" for word, rows in list(words.items())[:4]]
    return ", ".join(shown) + (" and others" if len(words) > 4 else "")


def what_became(
    column: Column, values: pa.ChunkedArray, intercept: bool, in_terms: bool = False, missing: int | None = None
) -> list[str]:
    """What features a date or a category became, and which of its levels are rare.

    in_terms: a formula says what becomes of a category. missing: how many values are, where these stand for more.
    """
    name = quoted(column.name)
    if column.kind == "date":
        if column.way == "days":
            start = np.datetime64(round(column.start), "D")
            alone = "; a time alone is a fraction of a day" if column.start == 0 else ""
            return [f"Column {name} became the days since {start}{alone}."]
        return [f"Column {name} became {listed(column.features(True))}."]
    if column.kind != "category":
        return []
    made = column.features(intercept)
    text = text_of(values)
    counts = counts_of(one_spelling(text) if column.casefold else text)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    baseline = f"; {quoted(column.levels[0])} is the baseline" if intercept else ""
    notes = [] if in_terms else [f"Column {name} became {counted(len(made), 'indicator')}{baseline}."]
    if column.own_missing:
        level = quoted(f"{column.name}=missing")
        missing = int(null_or_nan(values).sum()) if missing is None else missing
        notes.append(f"The {missing:,} missing values of column {name} are a level of their own, {level}.")
    rare = [level for level, rows in ranked if rows < RARE]
    if rare and (len(counts) > FEW_LEVELS or sum(counts.values()) >= MANY_ROWS):
        have = "have" if len(rare) > 1 else "has"
        notes.append(
            f"{len(rare):,} of the {len(counts):,} levels of column {name} {have} fewer than {RARE} rows, such as "
            f"{quoted(rare[-1])}: what is estimated for so few is uncertain."
        )
    return notes

"""What is seen of a column in parts, and merged, is what is seen of the whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from steepest.data import seen as seeing
from steepest.data.columns import Found, SourceColumn
from steepest.data.files import Origin
from steepest.data.seen import Seen
from steepest.errors import DataError

WORDS = ["b", "a", None, "c"]
COLUMNS = {
    "rising": pa.array(np.arange(40) * 3),
    "falling": pa.array(-np.arange(40)),
    "neither": pa.array([*range(20), *range(20)]),
    "gaps": pa.array([None if i % 7 == 3 else float(i % 5) for i in range(40)]),
    "words": pa.array([WORDS[i // 11] for i in range(40)]),
    "categories": pa.array([WORDS[i // 11] for i in range(40)]).dictionary_encode(),
    "days": pa.array(np.datetime64("2020-01-01") + np.arange(40)[::-1]),
    "truths": pa.array([i > 30 for i in range(40)]),
    "nothing": pa.nulls(40),
}


def seen_of(array: pa.Array, first: int, kept: bool = False) -> Seen:
    origin = Origin(named=False, places=range(first, first + len(array)))
    column, found = SourceColumn("x", pa.chunked_array([array]), Found(), origin), Seen("x", origin, kept)
    found.look(column)
    found.add(column, np.arange(first, first + len(array)) % 3 > 0)
    return found


@pytest.mark.parametrize("cuts", [(0, 13, 40), (0, 0, 1, 22, 40), (0, 9, 40, 40)])
@pytest.mark.parametrize("name", COLUMNS)
def test_parts_of_a_column_are_seen_as_the_whole(name, cuts):
    array = COLUMNS[name]
    merged, *others = (seen_of(array[low:high], low) for low, high in pairwise(cuts))
    for one in others:
        merged.merge(one)
    whole = seen_of(array, 0)
    for field in (*Seen.__dataclass_fields__,):
        if field not in ("origin", "found", "example"):
            assert getattr(merged, field) == getattr(whole, field), field
    assert list(merged.values) == list(whole.values)
    assert merged.missing == array.null_count


def test_too_many_different_values_are_told_whichever_part_has_them(monkeypatch):
    monkeypatch.setattr(seeing, "MOST", 10)
    first, later = seen_of(pa.array(list("abcdefgh")), 0), seen_of(pa.array(list("ghijk")), 8)
    with pytest.raises(
        DataError, match=r"column 'x' of .* more than 10 different values, the first 'a'\. Leave it out"
    ):
        first.merge(later)


def test_of_many_dates_the_first_ones_and_the_ends_are_kept(monkeypatch):
    monkeypatch.setattr(seeing, "MOST", 5)
    days = pa.array(np.datetime64("2020-01-01") + np.arange(30))
    found = seen_of(days[:4], 0)
    for low in range(4, 30, 4):
        found.merge(seen_of(days[low : low + 4], low))
    assert len(found.values) < 20
    assert {days[0].as_py(), days[4].as_py(), days[29].as_py()} <= set(found.values)

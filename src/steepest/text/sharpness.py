"""How sharp the objective is where a descent ended, in words and numbers."""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING

from steepest.data.wording import counted, number, plain
from steepest.text.document import Document, Table, Title, Words

if TYPE_CHECKING:
    from steepest.analysis.sharpness import Sharpness

HEADS = ("", "largest", "smallest")
MEANING = {
    "minimum": "F is curved upwards in every direction, as at a minimum.",
    "saddle": "F is curved downwards along {down}, by {least} at most, as at a saddle.",
    "flat": "F is flat: in at least one direction it is not curved.",
}


def document(found: Sharpness) -> Document:
    """What is shown of a sharpness."""
    pairs = zip(found.largest.tolist(), found.smallest.tolist(), strict=True)
    rows = [[str(i), number(high), number(low)] for i, (high, low) in enumerate(pairs, 1)]
    return Document([Title(title(found)), *map(Words, sentences(found)), Table(HEADS, rows)])


def title(found: Sharpness) -> str:
    """The largest eigenvalue, and of how many parameters."""
    return f"Sharpness {number(float(found.largest[0]))}, {counted(found.parameters, 'parameter')}"


def sentences(found: Sharpness) -> list[str]:
    """What the numbers mean."""
    down = int((found.smallest < 0).sum())
    ways = counted(down, "direction") if down < len(found.smallest) else f"at least {counted(down, 'direction')}"
    words = [MEANING[found.verdict].format(down=ways, least=number(abs(float(found.smallest[0]))))]
    rest = "and the descent is at rest" if found.at_rest else "and the descent is not yet at rest"
    words[0] += f" The gradient's norm is {number(found.gradient_norm)}, {rest}."
    if isfinite(found.limit):
        times = "of" if found.ratio <= 1.0 else "times"
        words.append(
            f"The sharpness is {number(found.ratio)} {times} the {number(found.limit)} up to which "
            f"{plain(found.rule)} holds at lr {number(found.lr)}."
        )
    elif isnan(found.limit):
        words.append(f"For {plain(found.rule)} no largest curvature is known.")
    if found.rows < found.all_rows:
        words.append(f"Measured on {found.rows:,} of {found.all_rows:,} rows.")
    return words

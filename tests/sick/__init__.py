"""Sick fits: fits with exactly one cause planted in each, and beside every one its healthy twin.

    case.py       what a case is
    data.py       the rows they are made of
    descents.py   causes that keep a descent from its optimum
    models.py     causes in the model and in the data
    blocked.py    what a module or a table keeps from being learned
    elsewhere.py  causes by which the answer is another one than it should be
    examine.py    each fitted, diagnosed, treated as printed, and judged
    promises.py   the numbers that findings predict, held against the treated fit
    command.py    a remedy given to the real command

`CASES` holds them all. `python benchmarks/sick_fits.py` prints what became of each.
"""

from __future__ import annotations

from sick import blocked, descents, elsewhere, models  # noqa: F401 (each plants its cases)
from sick.case import CASES, Case, Given, Pair, variants

__all__ = ["CASES", "Case", "Given", "Pair", "variants"]

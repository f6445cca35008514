"""What belongs to a row beside its columns: what is added to its prediction with no coefficient, and its number of trials.

    f = aᵀθ + offset + log(exposure)

With the logarithm of the mean as prediction an exposure E (years insured, inhabitants, hours) makes θ that of a rate:
mean = E·exp(aᵀθ). A target that counts successes of m trials becomes the share of them, with the weight m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import first, is_number
from steepest.data.columns import SourceColumn
from steepest.data.features import finite_numbers, not_numbers
from steepest.data.files import Origin, check_known, open_table
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import counted, quoted
from steepest.errors import DataError, SpecError


@dataclass(frozen=True)
class Added:
    """What was given for rows: each None, the name of a column, or `[n]` numbers (for new rows also one number)."""

    offset: object = None
    exposure: object = None
    trials: object = None

    def __bool__(self) -> bool:
        return any(one is not None for one in (self.offset, self.exposure, self.trials))

    @property
    def columns(self) -> list[str]:
        """The columns that are named."""
        return [one for one in (self.offset, self.exposure, self.trials) if isinstance(one, str)]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of those that are added are given."""
        return tuple(name for name in ("offset", "exposure") if getattr(self, name) is not None)

    def of(self, table: pa.Table, origin: Origin, rows: int, reading: Reading = AS_IT_IS) -> np.ndarray | None:
        """Their sum `[n]`, NaN where one is missing; None where none is given.

        Raises:
            DataError: no such column, another number of values than rows, no numbers, or an exposure that is not above 0.
        """
        total = None
        for kind in self.kinds:
            values = numbers_of(kind, getattr(self, kind), table, origin, rows, reading)
            total = values if total is None else total + values
        return total

    def trials_of(self, table: pa.Table, origin: Origin, rows: int, reading: Reading = AS_IT_IS) -> np.ndarray | None:
        """The trials `[n]`, NaN where missing; None where none are given. DataError as of `of`."""
        return None if self.trials is None else numbers_of("trials", self.trials, table, origin, rows, reading)


NOTHING = Added()


def shares(successes: np.ndarray, trials: np.ndarray, name: str, row: Callable[[np.ndarray], str]) -> np.ndarray:
    """Successes over trials, `[n]`. row: what the first row that a mask holds of is called.

    Raises:
        DataError: more successes than trials, or fewer than none.
    """
    wrong = (successes > trials) | (successes < 0.0)
    if wrong.any():
        place = first(wrong)
        raise DataError(
            f"the target {quoted(name)} is {successes[place]:g} of {trials[place]:g} trials in {row(wrong)}. Correct one of them "
            "or leave the row out"
        )
    return successes / trials


def numbers_of(kind: str, given: object, table: pa.Table, origin: Origin, rows: int, reading: Reading) -> np.ndarray:
    """An offset, the logarithm of an exposure, or trials, `[n]`."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = np.full(rows, float(given))
    column = _column(kind, given, table, origin, rows, reading)
    if not is_number(column.kind):
        raise not_numbers(column, remedy=f"{kind}= is numbers{' above 0' if kind != 'offset' else ''}")
    values = finite_numbers(column)
    if kind == "offset":
        return np.array(values)
    if (values <= 0.0).any():
        raise DataError(
            f"the {kind} {values[first(values <= 0.0)]:g} in {column.row(values <= 0.0)} (column {quoted(column.name)}) is not "
            f"above 0: a row without {kind} says nothing. Correct it, or leave the row out"
        )
    return np.log(values) if kind == "exposure" else np.array(values)


def _column(kind: str, given: object, table: pa.Table, origin: Origin, rows: int, reading: Reading) -> SourceColumn:
    if isinstance(given, str):
        check_known(given, table.column_names, origin)
        return origin.column(given, table[given])
    own, own_origin = open_table(given, reading=reading)
    if own.num_columns != 1 or own.num_rows != rows:
        raise DataError(
            f"the {kind} is {own.num_rows:,} × {own.num_columns:,} for {counted(rows, 'row')}; give one number for each row"
        )
    return own_origin.column(kind, own.column(0))


def of_new_rows(
    learned: tuple[str, ...], named: Added, given: Added, table: object, rows: int, reading: Reading = AS_IT_IS
) -> np.ndarray | None:
    """What is added to the predictions of new rows, `[n]`; None where nothing is.

    Args:
        learned: which of the two the fit was given. named: the columns that it found them in. given: for these rows, in their
            place.
        table: the new rows, in which a column that is named is looked up.

    Raises:
        SpecError: the fit has one that nothing is given for. DataError: no such column, or it does not suit.
    """
    chosen = {}
    for kind in ("offset", "exposure"):
        mine = getattr(given, kind)
        chosen[kind] = mine if mine is not None else getattr(named, kind) if kind in learned else None
        if chosen[kind] is None and kind in learned:
            plain = "exposure=1 predicts a rate" if kind == "exposure" else "offset=0 adds nothing"
            raise SpecError(f"This fit was given {kind}= as numbers: give it for the new rows too ({plain}).")
    wanted = Added(**chosen)
    if not wanted.columns:
        return wanted.of(pa.table({}), Origin(), rows, reading)
    found, origin = open_table(table, reading=reading, requested=wanted.columns)
    if not origin.named:
        kind = next(kind for kind in wanted.kinds if isinstance(chosen[kind], str))
        raise SpecError(
            f"This fit takes its {kind} from the column {quoted(chosen[kind])}, and x has no names: give {kind}= numbers too."
        )
    return wanted.of(found, origin, rows, reading)

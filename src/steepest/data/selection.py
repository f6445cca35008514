"""Which columns of a source are features, targets and weights: what was asked for, opened and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import first, is_number
from steepest.data.columns import Found, SourceColumn
from steepest.data.features import Column, finite_numbers, not_numbers
from steepest.data.files import Origin, Part, check_known, open_table
from steepest.data.formula import formula_of, takes_the_rest
from steepest.data.in_memory import whole_numbers
from steepest.data.offsets import NOTHING, Added
from steepest.data.reading import Reading
from steepest.data.targets import picked, source_of, target_of
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError, SpecError
from steepest.settings import formula_sides


@dataclass
class Selection:
    """The parts of a source.

    Attributes:
        features, goals: the columns to predict from, and those to predict, as they are in the source.
        numbers: x `[n, d]` where it is an array of numbers with nothing to find, name or fill in; it goes past Arrow.
        origin, goal_origin: where each came from.
        sources: of each target the column that it is, or is the logarithm of.
        weights, offset, trials: `[n]`, or None. renamed: features of an array are named anew, once those of ones are out.
        notes: full sentences on what was left out. places: the numbers of the rows, where some are left out.
    """

    features: pa.Table
    goals: pa.Table
    numbers: np.ndarray | None
    origin: Origin
    goal_origin: Origin
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    weights: np.ndarray | None
    offset: np.ndarray | None
    trials: np.ndarray | None
    chosen: bool
    renamed: bool
    notes: list[str]
    places: np.ndarray | None = None
    _numbers: dict[tuple[str, str], SourceColumn] = field(default_factory=dict)

    def column(self, name: str) -> SourceColumn:
        """A column to predict from, with how it was read; of numbers always the same, which knows what was seen in them."""
        return self._known("feature", name, self.origin, self.features)

    def goal(self, name: str) -> SourceColumn:
        """A column to predict, likewise."""
        return self._known("goal", name, self.goal_origin, self.goals)

    def _known(self, part: str, name: str, origin: Origin, table: pa.Table) -> SourceColumn:
        if (part, name) in self._numbers:
            return self._numbers[part, name]
        column = origin.column(name, table[name])
        if is_number(column.kind):
            self._numbers[part, name] = column
        return column

    def columns(self, learned: Iterable[Column]) -> Iterator[SourceColumn]:
        """Those that these were learned of."""
        return (self.column(column.name) for column in learned)

    def weight_column(self, name: str) -> SourceColumn:
        """The weights, with where they are from."""
        return self._of_rows(name, self.weights)

    def offset_column(self) -> SourceColumn:
        """The offset and the trials together, likewise: where one of them is missing."""
        parts = [part for part in (self.offset, self.trials) if part is not None]
        return self._of_rows("offset" if self.trials is None else "trials", np.sum(parts, 0))

    def _of_rows(self, name: str, values: np.ndarray | None) -> SourceColumn:
        return SourceColumn(name, pa.chunked_array([values]), Found(), self.origin)

    def rename(self, columns: Sequence[str], names: Sequence[str]) -> None:
        """Keep these columns to predict from, under other names."""
        self._numbers.clear()
        self.features = self.features.select(list(columns)).rename_columns(list(names))
        found = {name: self.origin.found[column] for column, name in zip(columns, names, strict=True)}
        self.origin = replace(self.origin, found=found)

    def keep(self, rows: np.ndarray) -> None:
        """Leave out the rows that are False in `rows` `[n]`."""
        self._numbers.clear()
        mask = pa.array(rows)
        self.places = np.flatnonzero(rows)
        self.goals = self.goals.filter(mask)
        if self.numbers is None:
            self.features = self.features.filter(mask)
        else:
            self.numbers = self.numbers[rows]
        self.weights = None if self.weights is None else self.weights[rows]
        self.offset = None if self.offset is None else self.offset[rows]
        self.trials = None if self.trials is None else self.trials[rows]


def select(
    source: object,
    y: object,
    target: str | Sequence[str] | None,
    columns: str | Sequence[str] | None,
    drop: str | Sequence[str],
    weights: object,
    missing: str | Mapping[str, str],
    reading: Reading,
    share: bool,
    formula: str | None = None,
    added: Added = NOTHING,
) -> Selection:
    """Open a source and part it; the arguments are those of `tables.prepare`.

    The columns of a formula are those of its terms, or all where it has a point for all others.

    Raises:
        DataError, SpecError: a column that is not there or is named for two things; x and y that do not belong together.
    """
    if isinstance(y, str):
        raise SpecError(f"y is the text {quoted(y)}; a column of the table is named by target={quoted(y)}")
    chosen, dropped = names_of(columns), names_of(drop) or []
    if formula is not None:
        if chosen is not None:
            raise SpecError("a formula says which columns there are: leave columns= out")
        target = formula_sides(formula)[0] or target
        chosen = None if takes_the_rest(formula) else formula_of(formula).columns
    weight_name = weights if isinstance(weights, str) else None
    plain = (
        y is not None
        and chosen is None
        and not dropped
        and weight_name is None
        and not added.columns
        and missing in ("error", "drop")
    )
    plain = plain and formula is None and not (reading.missing_values or reading.categories or reading.date)
    numbers = whole_numbers(source, share) if plain else None
    inside = [source_of(one, [one.removeprefix("log(").removesuffix(")").strip()]) for one in names_of(target) or []]
    asked_for = [*(chosen or []), *dropped, *inside, *([weight_name] if weight_name else []), *added.columns]
    table, origin = pa.table({}), Origin(named=False)
    if numbers is None:
        table, origin = open_table(source, reading=reading, requested=asked_for)
    if y is not None:
        (holding, goal_origin), features = target_of(y, reading), table
        _check_lengths(table.shape if numbers is None else numbers.shape, holding.num_rows)
        targets, own = _targets_beside(holding, target), []
    else:
        targets = tuple(_target_names(source, target, table, origin))
        own = [source_of(name, table.column_names) for name in targets]
        holding, goal_origin = table, origin
        features = table.drop_columns(list(dict.fromkeys(own)))
    known = list(dict.fromkeys([*table.column_names, *holding.column_names]))
    policies = [name for name in missing if name != "*"] if isinstance(missing, Mapping) else []
    for name in (*reading.categories, *(reading.date or {}), *policies):
        check_known(name, known, origin)
    goals = picked(holding, targets, goal_origin, reading)
    return Selection(
        features=_feature_table(
            features, table, chosen, [*dropped, *([] if chosen else added.columns)], own, weight_name, origin
        ),
        goals=goals,
        numbers=numbers,
        origin=origin,
        goal_origin=goal_origin,
        targets=targets,
        sources=tuple(source_of(name, holding.column_names) for name in targets),
        weights=_weights_of(weights, table if numbers is None else goals, origin, reading, isinstance(source, Part)),
        offset=added.of(table, origin, goals.num_rows, reading),
        trials=added.trials_of(table, origin, goals.num_rows, reading),
        chosen=chosen is not None,
        renamed=not origin.named and y is not None and chosen is None and not dropped,
        notes=[*origin.all_notes, *([f"Left out: {listed(dropped)}."] if dropped else [])],
    )


def without_weight(name: str) -> str:
    """What is said where no row has any."""
    return f"all weights (column {quoted(name)}) are zero or missing"


def names_of(given: str | Sequence[str] | None) -> list[str] | None:
    """Names given as one or several."""
    return None if given is None else [given] if isinstance(given, str) else [str(name) for name in given]


def _target_names(source: object, target: str | Sequence[str] | None, table: pa.Table, origin: Origin) -> list[str]:
    names = names_of(target)
    if names is None and isinstance(source, str) and source.startswith("sample:"):
        from steepest.data.synthetic import sample_target

        names = sample_target(source.removeprefix("sample:"))
    if not names:
        raise SpecError(
            f"which column is to be predicted? Name it by target=. The columns are {listed(table.column_names)}"
        )
    for name in names:
        check_known(source_of(name, table.column_names), table.column_names, origin)
    if len(set(names)) < len(names):
        raise SpecError(f"a target is named twice: {listed(names)}")
    return names


def _targets_beside(y: pa.Table, target: str | Sequence[str] | None) -> tuple[str, ...]:
    """The targets where y is given: its columns, or their logarithms."""
    names = names_of(target) or y.column_names
    for name in names:
        if source_of(name, y.column_names) not in y.column_names:
            raise SpecError(
                f"give y (values) or target (the name of a column), not both: of y itself target takes no more than the "
                f"logarithm, as in target={quoted(f'log({y.column_names[0]})')}"
            )
    return tuple(names)


def _check_lengths(x: tuple[int, int], rows: int) -> None:
    """x `[n, d]` and y have the same number of rows; a transposed x is recognised. Nothing is ever broadcast."""
    if x[0] == rows:
        return
    remedy = "give x as rows × columns, here x.T" if x[1] == rows else "they must have the same number of rows"
    raise DataError(f"x is {x[0]:,} × {x[1]:,} and y has {counted(rows, 'value')}: {remedy}")


def _feature_table(
    features: pa.Table, table: pa.Table, chosen: list[str] | None, dropped: list[str],
    targets: Sequence[str], weight_name: str | None, origin: Origin,
) -> pa.Table:  # fmt: skip
    """The feature columns, in the order of `columns` where given, else of the source."""
    for name in [*(chosen or []), *dropped]:
        check_known(name, table.column_names, origin)
    for name in dropped:
        if name in targets and name not in features.column_names:
            raise DataError(f"{quoted(name)} is the target and cannot be dropped too")
        if chosen is not None and name in chosen:
            raise DataError(f"{quoted(name)} stands both in columns and in drop; take it out of one of them")
    for name in chosen or []:
        if name not in features.column_names:
            raise DataError(f"{quoted(name)} is the target and cannot be among columns too")
        if name == weight_name:
            raise DataError(f"{quoted(name)} is the weights and cannot be among columns too")
    names = features.column_names if chosen is None else list(dict.fromkeys(chosen))
    return features.select([name for name in names if name not in dropped and name != weight_name])


def _weights_of(weights: object, table: pa.Table, origin: Origin, reading: Reading, part: bool) -> np.ndarray | None:
    """[n] float64, NaN where missing; None where all rows weigh the same. part: whether they are some of the rows only."""
    if weights is None:
        return None
    if isinstance(weights, str):
        check_known(weights, table.column_names, origin)
        column = origin.column(weights, table[weights])
    else:
        weight_table = open_table(weights, reading=reading)[0]
        if weight_table.num_columns != 1 or weight_table.num_rows != table.num_rows:
            shape = f"{weight_table.num_rows:,} × {weight_table.num_columns:,}"
            raise DataError(f"weights are {shape} for {counted(table.num_rows, 'row')}; give one weight for each row")
        column = origin.column("weights", weight_table.column(0))
    if not (is_number(column.kind) or pa.types.is_boolean(column.kind)):
        raise not_numbers(column, remedy="Weights are numbers ≥ 0")
    values = finite_numbers(column)
    if (values < 0).any():
        negative = f"the weight {values[first(values < 0)]:g} in {column.row(values < 0)}"
        raise DataError(f"{negative} (column {quoted(column.name)}) is negative")
    if not (values > 0).any() and not part:
        raise DataError(without_weight(column.name))
    return np.array(values)  # writable, as tensors made of it must be

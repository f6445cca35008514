"""The first pass over a stream: what must be known of all rows before any of them can be fitted.

What each column is, its levels, what is missing and what stands in for it, the classes of the target; with it the sums of
squares and products of plain numbers, and some rows to be drawn and to try settings on.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import is_text
from steepest.data.column_notes import STAYS, how_decided, how_read, what_became
from steepest.data.column_types import learn
from steepest.data.columns import Found
from steepest.data.dataset import Dataset
from steepest.data.features import Column, missing_error
from steepest.data.missing import filled_with, policy_of, remedies_of, remedy_of
from steepest.data.reading import Reading
from steepest.data.row_groups import RowGroups, random_of
from steepest.data.schema import Schema
from steepest.data.seen import Seen
from steepest.data.selection import Selection, names_of, without_weight
from steepest.data.streams import (
    CACHED,
    NARROW,
    SAMPLE,
    SAMPLED,
    Asked,
    Stream,
    Sums,
    held_rows,
    only_complete,
    origin_of,
    selected,
)
from steepest.data.tables import FAULTS_LISTED, check_features, collected
from steepest.data.targets import class_codes, class_factors, is_classes, label_kind
from steepest.data.wording import counted, listed, option, quoted
from steepest.errors import DataError, SteepestWarning


class FirstPass:
    """What is gathered of all rows, or of a part of them, a piece at a time.

    parts: which columns there are, where that is known already.
    """

    def __init__(self, files: RowGroups, asked: Asked, parts: Selection | None = None):
        self.files, self.asked = files, asked
        self.text = tuple(field.name for field in files.schema if is_text(field.type))
        self.seen: dict[str, Seen] = {}
        self.goals: dict[str, Seen] = {}
        self.weight = Seen(asked.weights or "weights", origin_of(files))
        self.counts = np.zeros(len(files.groups), dtype=int)
        self.weight_total, self.weightless, self.rows, self.held, self.gone = 0.0, 0, 0, 0, 0
        self.kept: list[tuple[pa.Table, np.ndarray, np.ndarray]] = []
        self.plain = True
        self.origin: np.ndarray | None = None
        self.squares = np.empty((0, 0))
        self.parts: Selection | None = None
        if parts is not None:
            self._begin(parts)

    def begin(self, table: pa.Table, places: Sequence[int] | np.ndarray) -> Selection:
        """What some rows show of which columns there are."""
        parts = selected(self.asked, self.files, places, table, self.text)
        if self.parts is None:
            self._begin(parts)
            self.files.chosen(_needed(self.files, self.asked, parts))
        return parts

    def _begin(self, parts: Selection) -> None:
        self.parts = parts
        kept = self.asked.classify is True
        self.seen = {name: Seen(name, parts.origin) for name in parts.features.column_names}
        self.goals = {name: Seen(name, parts.goal_origin, kept) for name in parts.targets}

    def merged(self, later: FirstPass) -> FirstPass:
        """This pass, with what another one gathered of the rows after its own."""
        if self.parts is None or later.parts is None:  # one of no rows
            return later if self.parts is None else self
        for mine, theirs in ((self.seen, later.seen), (self.goals, later.goals)):
            for name, seen in mine.items():
                seen.merge(theirs[name])
        self.weight.merge(later.weight)
        for name in ("counts", "weight_total", "weightless", "rows", "held", "gone", "kept"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.plain &= later.plain
        if self.origin is None and later.origin is not None:
            self.origin, self.squares = later.origin, later.squares
        elif self.origin is not None and later.origin is not None:
            move = np.eye(len(later.squares))
            move[:-1, -1] = later.origin - self.origin  # (z, 1) from one origin to the other
            self.squares = self.squares + move @ later.squares @ move.T
        return self

    def add(self, number: int, first: int, table: pa.Table) -> None:
        """Look at a piece."""
        parts = self.begin(table, range(first, first + table.num_rows))
        for name, seen in self.seen.items():
            seen.look(parts.column(name))
        for name, seen in self.goals.items():
            seen.look(parts.goal(name))
        if parts.weights is not None:
            self.weight.look(parts.weight_column(self.weight.name))
        before = table.num_rows
        only_complete(parts, self.asked)
        self.gone += before - parts.goals.num_rows
        held = held_rows(self.asked, self.files, number, first, before, parts)
        rows = parts.goals.num_rows
        train = np.ones(rows, bool) if held is None else ~held
        features = [seen.add(parts.column(name), train) for name, seen in self.seen.items()]
        goals = [seen.add(parts.goal(name), train) for name, seen in self.goals.items()]
        self.rows, self.held = self.rows + int(train.sum()), self.held + int(rows - train.sum())
        self.counts[number] += int(train.sum())
        if parts.weights is not None:
            self.weight_total += float(parts.weights[train].sum())
            self.weightless += int((parts.weights[train] == 0.0).sum())
        self._square([*features, *goals], train, parts.weights)
        self._sample(table, parts, number, first, train)

    def _square(self, columns: list[np.ndarray | None], train: np.ndarray, weights: np.ndarray | None) -> None:
        """Add squares and products of plain numbers."""
        narrow = len(columns) <= NARROW and weights is None and self.asked.class_weight is None
        whole = [seen.missing == 0 for seen in (*self.seen.values(), *self.goals.values())]
        self.plain &= narrow and all(
            column is not None and (known or not np.isnan(column).any())
            for column, known in zip(columns, whole, strict=True)
        )
        if not self.plain or not train.any():
            self.plain &= narrow
            return
        given = [column if train.all() else column[train] for column in columns if column is not None]
        count, wide = len(given[0]), len(given)
        if self.origin is None:
            self.origin = np.array([column[:CACHED].mean() for column in given])
            self.squares = np.zeros((wide + 1, wide + 1))
        step = max(1, CACHED // (wide + 1))
        room = np.ones((min(step, count), wide + 1), order="F")  # a column of ones: its products are the sums
        for begin in range(0, count, step):
            z = room[: min(step, count - begin)]
            for place, column in enumerate(given):
                np.subtract(column[begin : begin + step], self.origin[place], out=z[:, place])
            self.squares += z.T @ z

    def _sample(self, table: pa.Table, parts: Selection, number: int, first: int, train: np.ndarray) -> None:
        """Keep some rows of the piece."""
        before = table.num_rows
        share = SAMPLE / max(self.files.rows, 1)
        group = self.files.groups[number]
        if share >= 1.0:
            chosen = np.ones(before, bool)
        else:
            count = max(1, round(share * group.rows))
            rows = random_of(self.asked.seed, group.first, SAMPLED).choice(
                group.rows, min(count, group.rows), replace=False
            )
            chosen = np.zeros(before, bool)
            inside = rows - (first - group.first)
            chosen[inside[(inside >= 0) & (inside < before)]] = True
        places = np.arange(before) if parts.places is None else parts.places
        here = np.flatnonzero(chosen[places])
        if len(here):
            rows = table.select(self.files.columns or table.column_names).take(pa.array(places[here]))
            self.kept.append((rows, first + places[here], train[here]))

    @property
    def sample(self) -> pa.Table:
        """Some rows, as they stand in the files."""
        tables = [table for table, _, _ in self.kept]
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})

    # ---- and in the end ------------------------------------------------------------------------------

    def result(self) -> tuple[Stream, Dataset, Dataset | None]:
        """What was learned."""
        asked, parts = self.asked, self.parts
        assert parts is not None
        if not self.rows:
            complete = f"no row of {parts.origin.table} is complete: missing values in every row. {remedy_of('mean')}"
            raise DataError("\n".join(self._empty()) or complete)
        columns, classes, kind = self._decided()
        if asked.weights and not self.weight_total:
            raise DataError(without_weight(asked.weights))
        notes = list(parts.notes)
        if self.gone:
            notes.append(f"Left out {counted(self.gone, 'row')} of {self.files.rows:,} with a missing value.")
        ones = tuple(
            at for at, column in enumerate(columns) if column.kind == "number" and self.seen[column.name].constant(1.0)
        )
        notes += [f"Column {quoted(columns[at].name)} is 1 in every row: it is the intercept." for at in ones]
        columns = [self._with_fill(column, notes) for at, column in enumerate(columns) if at not in ones]
        logarithms = tuple(name for name, source in zip(parts.targets, parts.sources, strict=True) if name != source)
        schema = Schema(tuple(columns), parts.targets, classes, asked.intercept, ones, kind, logarithms)
        check_features(schema, SAMPLE)
        if not columns and not ones:
            raise DataError(f"{parts.origin.table} has no column left to predict {listed(parts.targets)} from")
        notes += self._said(columns)
        factors, mean_weight = self._weighing(classes)
        stream = Stream(
            self.files, asked, schema, parts.sources, self.rows, self.held, factors, mean_weight,
            self.rows - self.weightless, self._sums(columns, classes), tuple(notes), self.counts,
        )  # fmt: skip
        constant = [name for name, seen in self.goals.items() if seen.low == seen.high]
        if classes is None and constant:
            told = f"the target {quoted(constant[0])} has the same value in every row"
            warnings.warn(told, SteepestWarning, stacklevel=5)
        return stream, *self._samples(stream, bool(ones))

    def _empty(self) -> list[str]:
        """What is said of columns that have no value in any row, where each row lacks one."""
        gone = [seen for seen in (*self.seen.values(), *self.goals.values()) if seen.missing == self.files.rows]
        return [
            f"column {quoted(one.name)} of {one.origin.table} is empty. Leave it out: {option('drop', one.name)}"
            for one in gone
        ]

    def _decided(self) -> tuple[list[Column], tuple[str, ...] | None, str]:
        """What each column is, all faults said at once; the classes of the target, and what they were in the table."""
        asked, parts, faults = self.asked, self.parts, []
        assert parts is not None
        self.witness = {name: seen.witness(asked.reading) for name, seen in self.seen.items()}
        columns, with_classes = [], None
        for column in self.witness.values():
            with collected(faults):
                columns.append(learn(column, asked.reading, chosen=parts.chosen))
        goals = {name: seen.witness(asked.reading) for name, seen in self.goals.items()}
        table = pa.table({name: column.values for name, column in goals.items()})
        origin = replace(parts.goal_origin, found={name: column.found for name, column in goals.items()})
        if len(goals) == 1:
            origin = replace(origin, places=next(iter(goals.values())).origin.places)
        with collected(faults):
            with_classes = is_classes(table, asked.classify, origin, asked.reading)
        drop = remedy_of("drop")
        for name, seen in self.goals.items():
            if seen.missing and policy_of(asked.missing, name) != "drop":
                faults.append(str(_missing(seen, f"{drop} (a target is never filled)")))
        for name, seen in self.seen.items():
            if seen.missing and policy_of(asked.missing, name) == "error":
                faults.append(str(_missing(seen, remedies_of(self.witness[name]))))
        if self.weight.missing and policy_of(asked.missing, self.weight.name) != "drop":
            faults.append(str(_missing(self.weight, drop)))
        if faults:
            more = [f"and {len(faults) - FAULTS_LISTED:,} more"] if len(faults) > FAULTS_LISTED else []
            raise DataError("\n".join([*faults[:FAULTS_LISTED], *more]))
        if not with_classes:
            return columns, None, "text"
        return columns, class_codes(table, origin)[0], label_kind(table.column(0).type)

    def _with_fill(self, column: Column, notes: list[str]) -> Column:
        """The column with what stands in for a missing value, learned of all rows."""
        seen, policy = self.seen[column.name], policy_of(self.asked.missing, column.name)
        if policy not in ("mean", "level") or not seen.missing:
            return column
        own = policy == "level"
        if own and column.kind == "category":
            return replace(column, own_missing=True)
        if column.kind == "date":
            raise DataError(
                f"column {quoted(column.name)} of dates has missing values. Use {option('missing', 'drop', column.name)} to "
                "leave such rows out"
            )
        fill: Any = seen.mean
        if column.kind == "category":
            fill = str(max(seen.values, key=lambda value: seen.values[value][0]))
        return filled_with(column, fill, seen.missing, own, notes)

    def _said(self, columns: Sequence[Column]) -> list[str]:
        """What is said of how the columns were read."""
        found = [(column, self.witness[column.name].found) for column in columns]
        stay = [column.name for column, one in found if how_decided(column, one, self.asked.reading)[0] == STAYS]
        notes = how_read([(column.name, one) for column, one in found], stay)
        return notes + [
            note
            for column, _ in found
            for note in what_became(
                column, self.witness[column.name].values, self.asked.intercept, missing=self.seen[column.name].missing
            )
        ]

    def _weighing(self, classes: tuple[str, ...] | None) -> tuple[np.ndarray | None, float]:
        """The factors of the classes, and the mean weight of a training row."""
        given, goal = self.asked.class_weight, next(iter(self.goals.values()))
        mean = self.weight_total / self.rows if self.asked.weights else 1.0
        if given is None:
            return None, mean
        if self.asked.weights:
            raise DataError(
                "class_weight and weights together are for rows in memory: stream=False, or leave one of them out"
            )
        counts: dict[str, int] = {}
        for value, (count, _) in goal.values.items():
            name = _label(value)
            counts[name] = counts.get(name, 0) + count
        codes = np.array([counts.get(name, 0) for name in classes or ()])
        whole = codes.sum()
        factors = (
            whole / (len(codes) * np.maximum(codes, 1)) if given == "balanced" else class_factors(given, classes, codes)
        )
        return factors, float(factors @ codes) / whole

    def _sums(self, columns: Sequence[Column], classes: Any) -> Sums | None:
        if not self.plain or self.origin is None or classes is not None:
            return None
        names = [*self.seen, *self.goals]
        chosen = [names.index(column.name) for column in columns] + [*range(len(self.seen), len(names))]
        squares = self.squares[np.ix_(chosen, chosen)]
        return Sums(self.rows, self.origin[chosen], self.squares[-1, chosen], squares)

    def _samples(self, stream: Stream, ones: bool) -> tuple[Dataset, Dataset | None]:
        """Some training rows and some held out, as rows in memory are."""
        places, train = (np.concatenate([one[at] for one in self.kept]) for at in (1, 2))
        parts = selected(self.asked, self.files, places, self.sample, self.text)
        block = stream._block(parts, 0, 0, len(train))
        schema = stream.schema
        whole = Dataset(
            np.ascontiguousarray(block.x), block.y, schema.names, schema.targets, schema.classes, block.weights,
            schema, ones, stream.notes, block.row_weights, places,
        )  # fmt: skip
        test = whole.take(np.flatnonzero(~train)) if not train.all() else None
        return replace(whole.take(np.flatnonzero(train)), stream=stream), test


def _needed(files: RowGroups, asked: Asked, parts: Selection) -> list[str]:
    """The columns that are read from now on, in the order of the files."""
    used = {*parts.features.column_names, *parts.sources, *(names_of(asked.drop) or [])}
    used |= {asked.weights} if asked.weights else set()
    return [name for name in files.schema.names if name in used]


def _label(value: Any) -> str:
    """A class as it is called."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _missing(seen: Seen, remedy: str) -> DataError:
    """The error for missing values of a column, with their number and the first row."""
    column = replace(seen, values={}, example=None).witness(Reading())
    origin = replace(seen.origin, places=[seen.first_missing])
    found = Found(words=seen.words)
    return missing_error(replace(column, found=found, origin=origin), np.ones(seen.missing, bool), remedy=remedy)

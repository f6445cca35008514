"""How source columns become features: learned once, kept with the fit, applied again at prediction.

    numbers                 themselves
    booleans                0 and 1
    text, categories        an indicator a level, `city=Oslo`; none for the first where there is an intercept
    anything else           a DataError that names the column and the option that leaves it out

A Schema is plain data: it goes into a run's folder by `to_dict` and comes back by `from_dict`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.errors import DataError
from steepest.problem.columns import is_text, text_of
from steepest.problem.delimited import COMMA_NUMBER, NUMBER
from steepest.problem.memory import LARGEST
from steepest.problem.readers import Origin, open_table
from steepest.problem.reading import AS_IT_IS, Reading
from steepest.problem.wording import counted, listed, option, quoted, suggestion

LEVELS = 30  # a text column with more is free text
IDENTIFIER = re.compile(
    r"(?i:id|idx|index|row|row_?(id|no|num|number|index)|uuid|guid|unnamed: 0|.*[_ .-]id)|.*[a-z]I[dD]"
)
GROUPED_NUMBER = re.compile(r"[+-]?\d[\d.,' ]*")  # 1,234.5 and its like: a number to the eye


@dataclass(frozen=True)
class Column:
    """One source column: kind "number", "boolean" or "category"; `fill` stands in for a missing value."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    def features(self, intercept: bool) -> list[str]:
        """Names of the features it becomes; the first level is the baseline where there is an intercept."""
        if self.kind != "category":
            return [self.name]
        return [f"{self.name}={level}" for level in self.levels[1 if intercept else 0 :]]


@dataclass(frozen=True)
class Schema:
    """The columns of a fit in order, and how each becomes one or several features.

    `ones` are the positions (from 0, among all feature columns) of columns of ones that were taken out: an
    array given for prediction may hold them still. `label_kind`: what the classes were in the table, "text",
    "boolean", "integer" or "number"; `labels` gives them back as that. `intercept`: each category leaves its first level out.
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    intercept: bool = True
    ones: tuple[int, ...] = ()
    label_kind: str = "text"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of `encode`."""
        return tuple(feature for column in self.columns for feature in column.features(self.intercept))

    @property
    def labels(self) -> np.ndarray:
        """The classes `[k]` as they were in the table: text (dtype object), bool, int64 or float64."""
        names = self.classes or ()
        if self.label_kind == "boolean":
            return np.array([name == "True" for name in names])
        if self.label_kind in ("integer", "number"):
            numbers = np.array([float(name) for name in names])
            return numbers.astype(np.int64) if self.label_kind == "integer" else numbers
        return np.array(names, dtype=object)

    def encode(self, table: object, reading: Reading = AS_IT_IS) -> np.ndarray:
        """The features of new rows.

        Args:
            table: anything `read` takes; columns are found by name, those of an array by position.
            reading: how its columns are read: as those of the fit were.

        Returns:
            x: [n, d] float64.

        Raises:
            DataError: a missing column, a level not seen before, a missing or infinite value.

        Example:
            >>> Schema((Column("city", "category", ("Oslo", "Rome")),), ("price",)).encode({"city": ["Rome"]})
            array([[1.]])
        """
        source, origin = open_table(table, reading=reading)
        rows = source.num_rows
        if not origin.named:
            source = self._by_position(source)
        # an Arrow table that has no columns left no longer knows its rows
        return self.matrix(source, origin) if self.columns else np.empty((rows, 0))

    def matrix(self, table: pa.Table, origin: Origin) -> np.ndarray:
        """`encode` for a table that `open_table` returned: x [n, d] float64."""
        x = np.empty((table.num_rows, len(self.names)))
        sources = dict(zip(table.column_names, table.columns, strict=True))
        position = 0
        for column in self.columns:
            if column.name not in sources:
                raise DataError(
                    f"{origin.table} lacks the column {quoted(column.name)} that the fit was made with: "
                    f"{suggestion(column.name, table.column_names)}Its columns are "
                    f"{listed(table.column_names)}"
                )
            values = column_values(column, sources[column.name], origin)
            missing = np.isnan(values)
            if missing.any():
                if column.fill is None:
                    raise missing_error(column.name, missing, origin, remedy="Fill the value, or leave the row out")
                fill = column.levels.index(column.fill) if isinstance(column.fill, str) else column.fill
                values = np.where(missing, fill, values)
            if column.kind == "category":
                first = 1 if self.intercept else 0
                for code in range(first, len(column.levels)):
                    x[:, position] = values == code
                    position += 1
            else:
                x[:, position] = values
                position += 1
        return x

    def to_dict(self) -> dict:
        """The schema as plain data for TOML or JSON; what is absent has no key."""
        columns = []
        for column in self.columns:
            entry: dict = {"name": column.name, "kind": column.kind}
            if column.levels:
                entry["levels"] = list(column.levels)
            if column.fill is not None:
                entry["fill"] = column.fill
            columns.append(entry)
        plain: dict = {"targets": list(self.targets), "intercept": self.intercept, "ones": list(self.ones)}
        if self.classes is not None:
            plain |= {"classes": list(self.classes), "label_kind": self.label_kind}
        return plain | {"columns": columns}

    @classmethod
    def from_dict(cls, plain: Mapping) -> Schema:
        """The schema that `to_dict` wrote."""
        columns = tuple(
            Column(entry["name"], entry["kind"], tuple(entry.get("levels", ())), entry.get("fill"))
            for entry in plain["columns"]
        )
        classes = tuple(plain["classes"]) if "classes" in plain else None
        return cls(
            columns,
            tuple(plain["targets"]),
            classes,
            plain.get("intercept", True),
            tuple(plain.get("ones", ())),
            plain.get("label_kind", "text"),
        )

    def _by_position(self, table: pa.Table) -> pa.Table:
        """The columns of an array under the schema's names, columns of ones taken out as before."""
        names = [column.name for column in self.columns]
        wide = len(names) + len(self.ones)
        columns = table.columns
        if self.ones and len(columns) == wide:
            for position in self.ones:
                if not np.all(columns[position].to_numpy() == 1):
                    raise DataError(
                        f"column {position + 1} of x was 1 in every row when the fit was made and is not here"
                    )
            columns = [column for position, column in enumerate(columns) if position not in self.ones]
        if len(columns) != len(names):
            one_row = len(columns) == 1 and table.num_rows == len(names)
            raise DataError(
                f"x has {counted(len(columns), 'column')} and the fit was made with {len(names)} "
                f"({listed(names)}). "
                + ("For a single row give x as [[...]]" if one_row else "Give them in that order, or as a named table")
            )
        return pa.table(columns, names=names)


# ---- learning a column ---------------------------------------------------------------------------


def learn(name: str, column: pa.ChunkedArray, origin: Origin, *, chosen: bool) -> Column:
    """Decide what a source column is.

    Args:
        chosen: it was named in `columns`, so that an identifier is kept as the number it is.

    Raises:
        DataError: empty, neither number nor category, an identifier, free text, an infinite value.
    """
    if pc.all(pc.is_null(column, nan_is_null=True)).as_py():
        raise DataError(f"column {quoted(name)} of {origin.table} is empty. Leave it out: {option('drop', name)}")
    if pa.types.is_boolean(column.type):
        return Column(name, "boolean")
    if is_number(column.type):
        finite_numbers(name, column, origin)
        if not chosen and pa.types.is_integer(column.type) and IDENTIFIER.fullmatch(name) and _counts_rows(column):
            raise DataError(
                f"column {quoted(name)} of {origin.table} looks like an identifier: a different number "
                "in every row, "
                f"in order. Leave it out: {option('drop', name)}; or name it in columns to keep it"
            )
        return Column(name, "number")
    if is_text(column.type) or pa.types.is_dictionary(column.type):
        return Column(name, "category", _levels(name, column, origin))
    raise unusable(name, column, origin, remedy=f"Leave it out: {option('drop', name)}")


def is_number(kind: pa.DataType) -> bool:
    """Integers and floats; `open_table` has made floats of decimals."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def finite_numbers(name: str, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """The numbers of a column, [n] float64 with NaN where missing; infinite and huge ones are a DataError."""
    values = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False)
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        index = int(np.argmax(beyond))
        what = "an infinite value" if np.isinf(values[index]) else "a value whose square is no finite number"
        raise DataError(
            f"column {quoted(name)} has {what}, {values[index]:g}, in {origin.row(index)}. "
            f"Correct it, make it missing (an empty field), or leave the column out: {option('drop', name)}"
        )
    return values


def _counts_rows(column: pa.ChunkedArray) -> bool:
    values = column.drop_null().to_numpy()
    return len(values) > 2 and bool(np.all(values[1:] > values[:-1]) or np.all(values[1:] < values[:-1]))


def _levels(name: str, column: pa.ChunkedArray, origin: Origin) -> tuple[str, ...]:
    """The sorted levels of text or of a dictionary; free text and numbers gone astray are a DataError."""
    rows = len(column) - column.null_count
    if pa.types.is_dictionary(column.type):
        levels = text_of(column).unique().drop_null().to_pylist()
        few = 2 * len(levels) <= rows or len(levels) <= LEVELS
    else:
        levels = column.unique().drop_null().to_pylist()
        # In a table of a few rows a handful of levels, one of them repeated, is a category too.
        few = len(levels) <= LEVELS and (2 * len(levels) <= rows or len(levels) <= min(5, rows - 1))
        check_stray(name, column, origin, share=0.9 if few else 0.5)
    if not few:
        first = int(np.argmax(np.asarray(column.is_valid())))
        raise DataError(
            f"column {quoted(name)} of {origin.table} looks like free text or an id: {len(levels):,} "
            "different values in "
            f"{counted(rows, 'row')}, the first {quoted(column[first].as_py())}. Leave it out: "
            f"{option('drop', name)}"
        )
    return sorted_labels(levels)


def check_stray(name: str, column: pa.ChunkedArray, origin: Origin, *, share: float = 0.9) -> None:
    """Raise DataError where text is numbers but for a few rows, with the first of those."""
    if not is_text(column.type):
        return
    counts = column.drop_null().value_counts()
    texts, times = counts.field("values").to_pylist(), counts.field("counts").to_numpy()
    looks = np.array([bool(NUMBER.fullmatch(text) or GROUPED_NUMBER.fullmatch(text)) for text in texts], bool)
    if len(texts) == 0 or times[looks].sum() < share * times.sum():
        return
    plain = {text for text in texts if NUMBER.fullmatch(text)}
    offenders = {text for text in texts if text not in plain}
    if not offenders:
        return
    if not plain and all(COMMA_NUMBER.fullmatch(text) for text in offenders):
        reading = "a comma that may mark decimals or thousands"
    else:
        reading = "not a number"
    found = [index for index, text in enumerate(column.to_pylist()) if text in offenders]
    raise DataError(
        f"column {quoted(name)} holds numbers but for {counted(len(found), 'row')}: "
        f"{origin.row(found[0])} has {quoted(column[found[0]].as_py())}, {reading}. "
        f"Correct {'it' if len(found) == 1 else 'them'}, or leave the column out: {option('drop', name)}"
    )


def not_numbers(name: str, column: pa.ChunkedArray, origin: Origin, *, remedy: str) -> DataError:
    """The error for a column that must be numbers and is not, with the first value that is none."""
    if is_text(column.type) or pa.types.is_dictionary(column.type):
        for index, text in enumerate(text_of(column).to_pylist()):
            if text is not None and not NUMBER.fullmatch(text):
                place = f"{origin.row(index)} has {quoted(text)}"
                return DataError(f"column {quoted(name)} must hold numbers and {place}. {remedy}")
    return unusable(name, column, origin, remedy=remedy)


def unusable(name: str, column: pa.ChunkedArray, origin: Origin, *, remedy: str) -> DataError:
    """The error for a column of dates, lists, bytes and the like."""
    kind = column.type
    if pa.types.is_temporal(kind):
        what = "durations" if pa.types.is_duration(kind) else "times" if pa.types.is_time(kind) else "dates"
    elif pa.types.is_nested(kind):
        what = "lists or records"
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        what = "bytes"
    else:
        what = f"values of type {kind}"
    index = next((position for position, value in enumerate(column) if value.is_valid), 0)
    return DataError(
        f"column {quoted(name)} holds {what}, such as {quoted(column[index])} in {origin.row(index)}; "
        f"a feature is a number, a boolean or a category. {remedy}"
    )


# ---- the values of a column ----------------------------------------------------------------------


def column_values(spec: Column, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """Numbers, 0/1, or codes of the levels: [n] float64, NaN where missing."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if spec.kind == "category":
        return _codes(spec, column, origin)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not is_number(column.type):
        raise not_numbers(spec.name, column, origin, remedy=f"It was a {spec.kind} when the fit was made")
    values = finite_numbers(spec.name, column, origin)
    if spec.kind == "boolean":
        other = ~(np.isnan(values) | (values == 0) | (values == 1))
        if other.any():
            index = int(np.argmax(other))
            raise DataError(
                f"column {quoted(spec.name)} was true or false when the fit was made and is "
                f"{values[index]:g} "
                f"in {origin.row(index)}"
            )
    return values


def _codes(spec: Column, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    if not (is_text(column.type) or pa.types.is_dictionary(column.type) or is_number(column.type)):
        raise unusable(spec.name, column, origin, remedy="It was a category when the fit was made")
    text = text_of(column)
    codes = pc.index_in(text, value_set=pa.array(spec.levels, pa.large_string()), skip_nulls=True)
    unseen = np.asarray(pc.and_(codes.is_null(), text.is_valid()))
    if unseen.any():
        index = int(np.argmax(unseen))
        raise DataError(
            f"column {quoted(spec.name)} has the level {quoted(text[index])} in {origin.row(index)}, "
            "which no row had when "
            f"the fit was made. Its levels are {listed(spec.levels)}; correct the row or leave it out"
        )
    return codes.cast(pa.float64()).to_numpy().astype(np.float64, copy=False)


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in order: numerically where all are numbers, else alphabetically."""
    labels = list(labels)
    if all(NUMBER.fullmatch(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    return tuple(sorted(labels))


def missing_error(name: str, missing: np.ndarray, origin: Origin, *, remedy: str) -> DataError:
    """The error for missing values, with their number and the first row; `missing` is a mask [n]."""
    count = int(missing.sum())
    first = origin.row(int(np.argmax(missing)))
    where = f"a missing value, in {first}" if count == 1 else f"{count:,} missing values, the first in {first}"
    return DataError(f"column {quoted(name)} has {where}. {remedy}")

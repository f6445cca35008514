"""The columns of a fit as inputs of an ONNX graph, and the features that they become; a formula's too.

A value that cannot be (a level that the fit had not seen, a missing one that nothing stands in for) makes its row's
prediction NaN: a graph can raise no error.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from operator import mul
from typing import Any

import numpy as np

from steepest.data.dates import DAY, PARTS
from steepest.data.design import Design, Factor
from steepest.data.expression_text import category_of, learning, name_of, parsed
from steepest.data.expressions import Scope, Source, evaluate
from steepest.data.features import Column
from steepest.data.schema import source_of, tells_missing
from steepest.data.wording import quoted
from steepest.errors import FitError, SteepestError
from steepest.export.onnx_graph import Graph, Value
from steepest.export.pipeline import is_array, numeric_categories
from steepest.result import Fit

MISSING_DATE = np.iinfo(np.int64).min
"""What NumPy's NaT is as a number."""


class Columns:
    """Inputs and features of a fit.

    impossible: truth values `[n, 1]` of rows that no prediction is for, one for each reason.
    """

    def __init__(self, graph: Graph, fit: Fit):
        self.graph, self.schema = graph, fit.schema
        self.impossible: list[Any] = []
        self.numeric = numeric_categories(fit)
        self.array: Any | None = None
        if is_array(fit):
            self.wide = len(self.schema.columns) + len(self.schema.ones)
            self.array = graph.input(
                "x", np.float64, self.wide, "the columns in the order of the array that was fitted"
            )

    def features(self) -> Any:
        """x `[n, d]`."""
        if self.array is not None:
            places = [place for place in range(self.wide) if place not in self.schema.ones]
            plain = all(one.kind == "number" and one.fill is None for one in self.schema.columns)
            if plain and self.schema.design is None:
                return self.array if not self.schema.ones else self.array.columns(places)
        parts: list[Any] = []
        sources: dict[str, Source] = {}
        alone: list[Any] = []
        for place, column in enumerate(self.schema.columns):
            known, missing = self._known(column, place)
            if self.schema.design is None:
                parts.append(known if column.kind != "category" else self._indicators(column, known))
                if tells_missing(column):
                    parts.append(missing)
                continue
            codes = self.graph.node("ArgMax", known, kind=np.int64, axis=1) if column.kind == "category" else known
            values: Any = _Table(codes.astype(np.float64))
            sources[column.name] = source_of(column, values)
            if tells_missing(column):
                alone.append(missing)
        if self.schema.design is not None:
            parts = [*_designed(self, self.schema.design, sources), *alone]
        return self.graph.side_by_side([part for part in parts if part is not None])

    def _indicators(self, column: Column, known: Any) -> Any:
        """Those of the levels that have a feature; None where there is none."""
        levels = len(column.levels) + column.own_missing
        first = int(self.schema.intercept)
        return known.columns(range(first, levels)) if levels > first else None

    def _known(self, column: Column, place: int) -> tuple[Any, Any]:
        """Numbers `[n, k]`, of a category an indicator a level, with what stands in for missing ones; and where these were."""
        graph = self.graph
        if column.kind == "category":
            return self._category(column)
        if column.kind == "date":
            text = "microseconds since 1970-01-01 00:00, as of numpy.datetime64[us]; missing: the least int64"
            given = graph.input(column.name, np.int64, 1, text)
            missing = graph.node("Equal", given, np.array(MISSING_DATE), kind=bool)
            known = date_features(column, given.astype(np.float64))
            known = np.where(missing, np.nan, graph.side_by_side(known))
        elif self.array is not None:
            every = [place for place in range(self.wide) if place not in self.schema.ones]
            known = self.array.columns([every[place]])
            missing = np.isnan(known)
        elif column.kind == "boolean" and column.fill is None and not column.own_missing:
            known = graph.input(column.name, bool, 1).astype(np.float64)
            return known, known
        else:
            text = "a number; missing: NaN" if column.kind == "number" else "0 or 1; missing: NaN"
            known = graph.input(column.name, np.float64, 1, text)
            missing = np.isnan(known)
        if column.fill is not None:
            known = np.where(missing, np.atleast_1d(np.asarray(column.fill, dtype=np.float64)), known)
        else:
            self.impossible.append(missing)
        return known, missing

    def _category(self, column: Column) -> tuple[Any, Any]:
        if column.casefold:
            raise FitError(
                f"The column {quoted(column.name)} has levels that differ in case, which ONNX cannot make one. Prepare it before "
                "the fit."
            )
        graph, numbers = self.graph, column.name in self.numeric
        if numbers:
            given = graph.input(column.name, np.float64, 1, "a level, which is a number")
            found = np.equal(given, np.array([[float(level) for level in column.levels]]))
            missing = np.isnan(given)
        else:
            given = graph.input(column.name, str, 1, "a level; missing: an empty text")
            found = given.equals(np.array([list(column.levels)], dtype=object))
            missing = given.equals(np.array([[""]], dtype=object))
        known = found.astype(np.float64)
        if column.own_missing:
            known = graph.side_by_side([known, missing.astype(np.float64)])
        elif column.fill is not None:
            stands_in = np.array([[level == column.fill for level in column.levels]], dtype=np.float64)
            known = np.where(missing, stands_in, known)
        self.impossible.append(known.sum() < 0.5)
        return known, missing

    def added(self, what: str, column: Any) -> Any:
        """The offset, or the logarithm of the exposure, of a column or of an input of that name."""
        name = column if isinstance(column, str) else what
        known = [one.name for one in self.graph.inputs]
        given: Any = Value(self.graph, name, np.float64)
        if name not in known:
            given = self.graph.input(name, np.float64, 1, f"the {what}")
        return given if what == "offset" else np.log(given)

    def checked(self, x: Any) -> Any:
        """The same, NaN in rows that no prediction is for."""
        return np.where(reduce(np.logical_or, self.impossible), np.nan, x) if self.impossible else x


class _Table:
    """Values as `source_of` asks for them: the only column, or all."""

    def __init__(self, values: Any):
        self.values = values

    def __getitem__(self, place: Any) -> Any:
        return self.values


def date_features(column: Column, microseconds: Any) -> list[Any]:
    """What a date becomes, of microseconds since 1970 (arrays or values); civil dates by the arithmetic of Hinnant 2013.

    Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    seconds = microseconds / 1e6
    if column.way != "parts":
        return [seconds / DAY - column.start]
    days = np.floor(seconds / DAY)
    shifted = days + 719468.0
    era = np.floor(shifted / 146097.0)
    of_era = shifted - era * 146097.0
    years = np.floor(
        (of_era - np.floor(of_era / 1460.0) + np.floor(of_era / 36524.0) - np.floor(of_era / 146096.0)) / 365.0
    )
    of_year = of_era - (365.0 * years + np.floor(years / 4.0) - np.floor(years / 100.0))
    from_march = np.floor((5.0 * of_year + 2.0) / 153.0)
    month = np.where(from_march < 9.5, from_march + 2.0, from_march - 10.0)  # from 0
    clock = {"month": month, "weekday": np.mod(days + 3.0, 7.0), "hour": (seconds - days * DAY) / 3600.0}
    found = {"year": years + era * 400.0 + np.where(month < 1.5, 1.0, 0.0)}
    for name, turn in clock.items():
        angle = 2.0 * np.pi * turn / PARTS[name]
        found |= {f"{name}.sin": np.sin(angle), f"{name}.cos": np.cos(angle)}
    return [found[part] for part in column.parts]


# ---- formulas ------------------------------------------------------------------------------------


def _designed(columns: Columns, design: Design, sources: dict[str, Source]) -> list[Any]:
    """The features of a formula, block by block."""
    graph = columns.graph
    used = {pair for one in design.products for pair in _pairs(one)}
    coded = {(at, low): _factor(columns, design.factors[at], sources, low) for at, low in sorted(used)}
    blocks: list[Any] = []
    for one in design.products:
        if len(one.factors) == 1:
            blocks.append(coded[next(_pairs(one))][0])
            continue
        each = []
        for at, low in list(_pairs(one))[::-1]:
            block, wide = coded[at, low]
            each.append([block.columns([k]) for k in range(wide)])
        blocks += [reduce(mul, reversed(parts)) for parts in product(*each)]
    return [graph.side_by_side(blocks)]


def _pairs(one: Any) -> Any:
    return zip(one.factors, one.reduced, strict=True)


def _factor(columns: Columns, factor: Factor, sources: dict[str, Source], reduced: bool) -> tuple[Any, int]:
    """The columns of a factor as one value, and how many they are."""
    if learning(factor.text):
        raise FitError(
            f"The term {quoted(factor.name)} has learned from the rows of the fit, which a graph of ONNX here cannot hold. Make "
            "that column before the fit, or use fit.to_python()."
        )
    said = category_of(factor.text)
    name = (
        factor.name
        if said is None
        else name_of(said.node, factor.text)
        if _is_name(said.node, factor.text, sources)
        else ""
    )
    source = sources.get(name) if said is not None or factor.text.startswith("`") else None
    if not factor.contrast:
        node = said.node if said else parsed(factor.text)[0]
        try:
            value = evaluate(node, factor.text, Scope(sources, (), lambda mask: "a row"))
        except SteepestError as error:
            raise FitError(f"The term {quoted(factor.name)} cannot be written in ONNX: {error}") from None
        return value.astype(np.float64), max(len(factor.parts), 1)
    if source is not None and source.levels is not None:
        places = [source.levels.index(level) if level in source.levels else -1 for level in factor.levels]
        found = np.equal(source.values, np.array([places], dtype=np.float64))
    else:
        node = said.node if said else parsed(factor.text)[0]
        value = evaluate(node, factor.text, Scope(sources, (), lambda mask: "a row"))
        found = np.equal(
            value.astype(np.float64), np.array([factor.numbers or range(len(factor.levels))], dtype=np.float64)
        )
    columns.impossible.append(found.sum() < 0.5)
    matrix = np.column_stack(factor.columns(np.arange(len(factor.levels), dtype=np.float64), reduced))
    return np.matmul(found.astype(np.float64), matrix), matrix.shape[1]


def _is_name(node: Any, text: str, sources: dict[str, Source]) -> bool:
    """Whether a term is a column by itself."""
    try:
        return name_of(node, text) in sources
    except SteepestError:
        return False

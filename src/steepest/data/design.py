"""The design of a formula: how the columns of a table become features, learned of the rows of a fit and kept with it.

    price ~ area + C(city) + area:C(city)      area · C(city)[T.Rome] · area:C(city)[T.Rome]

A term is a product of factors; a factor is numbers (one column, or several as `poly` gives) or a category, coded by its
contrasts. A category is coded in full, a column a level, only where the terms before it do not span it already, as in R and
patsy: the columns of a design are never collinear by construction. A `Design` is plain data: it holds each factor's text,
levels, contrasts and what its functions learned, from which the features of new rows are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product
from math import isfinite
from operator import mul
from typing import Any

import numpy as np

from steepest.data.expression_text import (
    CONTRASTS,
    REFERENCED,
    Category,
    category_of,
    columns_of,
    learning,
    name_of,
    parsed,
)
from steepest.data.expressions import Scope, Source, State, evaluate, is_truth
from steepest.data.formula import Formula
from steepest.data.in_memory import LARGEST
from steepest.data.wording import capitalized, listed, quoted, suggestion, unseen_levels
from steepest.errors import DataError, SpecError
from steepest.lazy import unnoticed

Row = Callable[[np.ndarray], str]
"""How the first row that a mask `[n]` holds of is called."""

TRUTH = ("False", "True")


@dataclass(frozen=True)
class Factor:
    """A factor of a formula's terms.

    Attributes:
        text: as it stands in the formula; a column by itself in backticks.
        levels: of a category, in order; () of numbers.
        numbers: of a category made of numbers what each level is.
        contrast: of a category, as "treatment". reference: its reference level, where its contrasts have one.
        states: what its functions learned. parts: the names of its columns, where they are several.
    """

    text: str
    levels: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    contrast: str = ""
    reference: str | None = None
    states: tuple[State, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it stands in the names of features: without backticks around a column by itself."""
        plain = self.text.startswith("`") and self.text.count("`") == 2 and self.text.endswith("`")
        return self.text[1:-1] if plain else self.text

    def names(self, reduced: bool) -> list[str]:
        """The names of its columns; reduced: without what the intercept says."""
        if not self.contrast:
            shape = "{0}.{1}" if self.text != self.name else "{0}[{1}]"  # a date's parts; those of poly
            return [shape.format(self.name, part) for part in self.parts] or [self.name]
        if self.contrast in REFERENCED or not reduced:
            sign = "T." if reduced else ""
            return [f"{self.name}[{sign}{level}]" for level in self._coded(reduced)]
        made, written = _contrasts(self), self.name
        fields = made.get_coding_column_names(list(self.levels), reduced_rank=True)
        shape = made.get_factor_format(list(self.levels), reduced_rank=True)
        return [shape.format(name=written, field=one) for one in fields]

    def _coded(self, reduced: bool) -> list[str]:
        """The levels that have an indicator."""
        return [level for level in self.levels if not (reduced and level == self.reference)]

    def columns(self, values: np.ndarray, reduced: bool) -> list[np.ndarray]:
        """Its columns, of the numbers `[n]` or `[n, k]` or the codes of the levels `[n]`."""
        if not self.contrast:
            return list(values.T) if values.ndim == 2 else [values]
        if self.contrast in REFERENCED or not reduced:
            return [(values == self.levels.index(level)).astype(np.float64) for level in self._coded(reduced)]
        matrix = np.asarray(_contrasts(self).get_coding_matrix(list(self.levels), reduced_rank=True), dtype=np.float64)
        return list(matrix[values.astype(int)].T)


@dataclass(frozen=True)
class Product:
    """Factors that are multiplied, by their numbers, and which of them are coded without what other terms say already."""

    factors: tuple[int, ...]
    reduced: tuple[bool, ...]


@dataclass(frozen=True)
class Design:
    """How source columns become the features of a formula; plain data.

    Attributes:
        formula: as it was given. factors: each once. products: of which the features are made, in order.
    """

    formula: str
    factors: tuple[Factor, ...]
    products: tuple[Product, ...]

    def __post_init__(self) -> None:
        for wrong, what in self._contradictions():
            if wrong:
                raise ValueError(f"design: {what}")

    def _contradictions(self) -> Iterable[tuple[bool, str]]:
        for factor in self.factors:
            columns_of(factor.text)  # SpecError where it is no expression
            yield factor.contrast not in ("", *CONTRASTS.values()), "a factor has unknown contrasts"
            yield bool(factor.levels) != bool(factor.contrast), "levels belong to contrasts"
            yield len(set(factor.levels)) < len(factor.levels), "levels must differ"
            yield len(factor.numbers) not in (0, len(factor.levels)), "a level is no number"
            yield bool(factor.contrast in REFERENCED) != (factor.reference in factor.levels), "a reference is no level"
            yield len(factor.states) != learning(factor.text), "a function has not learned anything"
            learned = [number for state in factor.states for part in state.values() for number in part or ()]
            yield not all(map(isfinite, (*learned, *factor.numbers))), "a number is not finite"
        for one in self.products:
            yield not set(one.factors) <= set(range(len(self.factors))), "a term has a factor that is not there"
            yield len(one.factors) != len(one.reduced) or not one.factors, "a term has other factors than it says"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(name for one in self.products for name in self._features(one))

    @property
    def terms(self) -> dict[str, list[str]]:
        """Each term, as it is written, with the names of its features."""
        found: dict[str, list[str]] = {}
        for one in self.products:
            found.setdefault(":".join(self.factors[at].name for at in one.factors), []).extend(self._features(one))
        return found

    def _features(self, one: Product) -> list[str]:
        combined = product(*(self.factors[at].names(low) for at, low in _backwards(one)))
        return [":".join(reversed(names)) for names in combined]

    @property
    def categories(self) -> dict[str, Factor]:
        """The factors that are coded, by their names: `levels`, `contrast` and `reference` of each."""
        return {factor.name: factor for factor in self.factors if factor.contrast}

    @property
    def references(self) -> dict[str, str]:
        """The reference level of each factor that is coded without it."""
        without = {at for one in self.products for at, low in zip(one.factors, one.reduced, strict=True) if low}
        found = (self.factors[at] for at in sorted(without))
        return {factor.name: factor.reference for factor in found if factor.reference is not None}

    def matrix(self, sources: Mapping[str, Source], rows: int, row: Row) -> np.ndarray:
        """The features `[n, d]` of the values of source columns.

        Raises:
            DataError: a level that the fit's rows had not, a value that is not finite.
        """
        values = [_values(factor, sources, row) for factor in self.factors]
        x = np.empty((rows, len(self.names)))
        at = 0
        for one in self.products:
            for columns in product(*(self.factors[i].columns(values[i], low) for i, low in _backwards(one))):
                x[:, at] = reduce(mul, reversed(columns))  # the first factor first, as it is read
                at += 1
        large = ~(np.abs(x) <= LARGEST)
        if large.any():
            wrong = int(large.any(0).argmax())
            raise DataError(f"the term {quoted(self.names[wrong])} is too large for float64 in {row(large[:, wrong])}")
        return x

    def codes(self, sources: Mapping[str, Source], row: Row) -> dict[str, np.ndarray]:
        """The place of each row's level, `[n]`, of each factor that is coded."""
        return {name: _values(factor, sources, row).astype(int) for name, factor in self.categories.items()}

    def notes(self) -> list[str]:
        """What is to be said of how levels are coded."""
        told = []
        for name, factor in self.categories.items():
            base = "" if factor.reference is None else f", reference level {quoted(factor.reference)}"
            told.append(f"{name}: levels {listed(factor.levels)}; {factor.contrast} contrasts{base}.")
        return told

    @property
    def contrasts(self) -> list[str]:
        """The notes of those whose coefficients are not against a level."""
        return [note for note, one in zip(self.notes(), self.categories.values(), strict=True) if one.reference is None]


def learned(formula: Formula, sources: Mapping[str, Source], row: Row, train: np.ndarray | None = None) -> Design:
    """The design of a formula, of the values of source columns.

    train: the rows that means, scales, knots and polynomials are learned of; all by default. Levels are those of all rows.

    Raises:
        SpecError: a term that is not understood, a level that is none. DataError: a value that a function has no number for.
    """
    texts = list(dict.fromkeys(factor for term in formula.terms for factor in term))
    factors = tuple(_learned_factor(text, sources, row, train) for text in texts)
    terms = [tuple(texts.index(factor) for factor in term) for term in formula.terms]
    coded = {number for number, factor in enumerate(factors) if factor.contrast}
    products = []
    for found in _spans(terms, coded, formula.intercept):
        products += [Product(tuple(at for at, _ in one), tuple(low for _, low in one)) for one in found]
    return Design(formula.text, factors, tuple(products))


def _learned_factor(text: str, sources: Mapping[str, Source], row: Row, train: np.ndarray | None) -> Factor:
    said = category_of(text)
    plain = Factor(text)
    source = sources.get(plain.name) if text.startswith("`") else None
    if said is not None:
        return _learned_category(said, text, sources, row, train)
    if source is not None and source.levels is not None:
        return _coded_factor(plain, source.levels, (), "treatment", None)
    scope = Scope(_rows(sources, train), None, row)
    values = evaluate(parsed(text)[0], text, scope)
    if is_truth(values):
        return Factor(text, TRUTH, contrast="treatment", reference=TRUTH[0], states=tuple(scope.learned))
    if np.ndim(values) == 0:
        raise SpecError(f"formula: the term {quoted(text)} has no column in it.")
    parts = scope.parts if np.ndim(values) == 2 else ()
    if np.ndim(values) == 2 and len(parts) != values.shape[1]:
        parts = tuple(str(place + 1) for place in range(values.shape[1]))
    made = Factor(text, states=tuple(scope.learned), parts=parts)
    _values(made, sources, row)  # what is not finite is said of all rows
    return made


def _learned_category(
    said: Category, text: str, sources: Mapping[str, Source], row: Row, train: np.ndarray | None
) -> Factor:
    """A term `C(…)`: of a column of text its levels, of numbers those that there are."""
    inner = sources.get(name_of(said.node, text))
    levels, numbers, states = () if inner is None else inner.levels or (), (), ()
    if not levels:
        scope = Scope(_rows(sources, train), None, row)
        evaluate(said.node, text, scope)
        states = tuple(scope.learned)
        values = evaluate(said.node, text, Scope(sources, states, row))
        _check_finite(values, text, row)
        if np.ndim(values) != 1:
            raise SpecError(f"formula: {quoted(text)} is of one column.")
        found = () if is_truth(values) else np.unique(values)
        numbers = tuple(map(float, found))
        levels = tuple(f"{number:.15g}" for number in numbers) or TRUTH
    if said.levels:
        if left_out := [level for level in levels if level not in said.levels]:
            raise SpecError(f"formula: the levels in {quoted(text)} lack {listed(left_out)}, which rows have.")
        try:
            numbers = tuple(map(float, said.levels)) if numbers else ()
        except ValueError:
            raise SpecError(f"formula: the levels in {quoted(text)} are to be numbers.") from None
        levels = said.levels
    return _coded_factor(Factor(text, states=states), levels, numbers, said.contrast, said.reference)


def _coded_factor(
    factor: Factor, levels: tuple[str, ...], numbers: tuple[float, ...], contrast: str, reference: str | None
) -> Factor:
    if reference is not None and reference not in levels:
        raise SpecError(
            f"formula: the reference level {quoted(reference)} in {quoted(factor.text)} is no level. "
            f"{capitalized(suggestion(reference, levels))}The levels are {listed(levels)}."
        )
    if contrast in REFERENCED and reference is None:
        reference = levels[0 if contrast == "treatment" else -1]
    return replace(factor, levels=levels, numbers=numbers, contrast=contrast, reference=reference)


def _rows(sources: Mapping[str, Source], rows: np.ndarray | None) -> Mapping[str, Source]:
    if rows is None:
        return sources
    return {name: Source(one.values[rows], one.levels, one.parts) for name, one in sources.items()}


def _values(factor: Factor, sources: Mapping[str, Source], row: Row) -> np.ndarray:
    """The numbers of a factor, or the codes of its levels."""
    said = category_of(factor.text)
    plain = sources.get(factor.name) if factor.text.startswith("`") and factor.name in sources else None
    inner = plain if said is None else sources.get(name_of(said.node, factor.text))
    if factor.contrast and inner is not None and inner.levels is not None:
        return _recoded(factor, inner, row)
    scope = Scope(sources, factor.states, row)
    values = evaluate(said.node if said else parsed(factor.text)[0], factor.text, scope)
    _check_finite(values, factor.text, row)
    if not factor.numbers:
        return values.astype(np.float64)
    numbers = np.array(factor.numbers)
    order = np.argsort(numbers)
    places = order[np.minimum(np.searchsorted(numbers[order], values), len(numbers) - 1)]
    unseen = numbers[places] != values
    if unseen.any():
        wrong = list(dict.fromkeys(values[unseen].tolist()))
        raise _unseen(factor, *unseen_levels(wrong, lambda one: row(values == one), "{:.15g}".format))
    return places.astype(np.float64)


def _recoded(factor: Factor, source: Source, row: Row) -> np.ndarray:
    """The codes of a column of text as places among the factor's levels."""
    levels = source.levels or ()
    places = np.array([factor.levels.index(level) if level in factor.levels else -1 for level in levels])
    codes = places[source.values.astype(int)] if len(levels) else source.values
    unseen = codes < 0
    if unseen.any():
        wrong = list(dict.fromkeys(source.values[unseen].astype(int).tolist()))
        raise _unseen(factor, *unseen_levels(wrong, lambda one: row(source.values == one), levels.__getitem__))
    return codes.astype(np.float64)


def _unseen(factor: Factor, said: str, remedy: str) -> DataError:
    names, levels = " and ".join(map(quoted, columns_of(factor.text))), listed(factor.levels)
    return DataError(f"column {names} {said}. The levels of {quoted(factor.name)} are {levels}; {remedy}")


def _check_finite(values: np.ndarray, text: str, row: Row) -> None:
    sound = np.isfinite(values).reshape(len(values), -1) if np.ndim(values) else np.isfinite(values).reshape(1, 1)
    wrong = np.asarray(~sound.all(1))
    if wrong.any():
        raise DataError(
            f"the term {quoted(text)} is no finite number in {row(wrong)}. Correct the value, leave the row out, or use another "
            "term"
        )


def _backwards(one: Product) -> list[tuple[int, bool]]:
    """The factors of a product, the last one first: of its columns the first factor's vary fastest, as in R."""
    return list(zip(one.factors, one.reduced, strict=True))[::-1]


def _contrasts(factor: Factor) -> Any:
    """Formulaic's contrasts of that name."""
    with unnoticed():
        from formulaic.transforms.contrasts import ContrastsRegistry

    return getattr(ContrastsRegistry, factor.contrast)()


# ---- which factors are coded in full -------------------------------------------------------------

Coded = tuple[tuple[int, bool], ...]
"""Factors, by their numbers, and whether they are coded without what the terms before them span."""


def _spans(terms: Sequence[tuple[int, ...]], coded: set[int], intercept: bool) -> list[list[Coded]]:
    """For each term the products of factors that add to what the terms before it span, and no more.

    A category spans a constant and its reduced columns. Source: the manual of patsy, "From terms to matrices" (2012).
    """
    spanned = {frozenset[tuple[int, bool]]()} if intercept else set()
    found = []
    for term in terms:
        choices = [[(at, True), None] if at in coded else [(at, False)] for at in term]
        parts = [tuple(one for one in chosen if one is not None) for chosen in product(*choices)]
        new = [part for part in parts if frozenset(part) not in spanned]
        spanned |= set(map(frozenset, new))
        found.append(_joined(new))
    return found


def _joined(parts: Sequence[Coded]) -> list[Coded]:
    """The fewest products that span the same: (anything) and (anything):(reduced) are (anything):(in full)."""
    done: list[Coded] = []
    for part in sorted(parts, key=len):
        for other in done:
            more = set(part) - set(other)
            if len(part) == len(other) + 1 and len(more) == 1 and (one := next(iter(more)))[1]:
                whole = tuple((at, False) if (at, low) == one else (at, low) for at, low in part)
                done = _joined([*(each for each in done if each != other), whole])
                break
        else:
            done.append(part)
    return done

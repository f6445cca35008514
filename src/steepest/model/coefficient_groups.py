"""Which coefficients a group penalty holds together: those that `penalty_groups=` names, or that come of one column or term.

A name is that of a column of the table or of a term of the formula, and stands for all coefficients made of it alone (the levels
of a category, the powers of a number), or that of a single coefficient. Coefficients in no group that is named are together as
without `penalty_groups=`: those of the same column, of the same term, or of the same columns multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steepest.data.design import Design
from steepest.data.expression_text import columns_of
from steepest.data.schema import Schema
from steepest.data.wording import capitalized, listed, quoted, suggestion
from steepest.errors import SpecError
from steepest.model.linear import Terms


def numbers(given: Mapping[str, Sequence[str]] | None, terms: Terms, schema: Schema) -> tuple[int, ...]:
    """The number of the group of each coefficient of one output `[p]`, that of the intercept among them.

    Raises:
        SpecError: a name that is neither a column's nor a coefficient's, or a coefficient in two groups.
    """
    made_of = _sources(schema)
    parts = [frozenset(made_of.get(terms.columns[at], terms.columns[at]) for at in term) for term in terms.powers]
    kinds = list(dict.fromkeys(parts))
    found = [kinds.index(part) for part in parts]
    named: dict[int, str] = {}
    for number, (group, members) in enumerate((given or {}).items(), start=len(kinds)):
        for name in members:
            for place in _places(name, terms, parts, schema):
                if named.get(place, group) != group:
                    one = quoted(terms.names[place])
                    raise SpecError(
                        f"penalty_groups= has {one} in two groups, {quoted(named[place])} and {quoted(group)}."
                    )
                named[place], found[place] = group, number
    return tuple(found)


def _sources(schema: Schema) -> dict[str, str]:
    """The column, or the formula's term, that each feature is made of."""
    return {feature: term for term, features in schema.terms.items() for feature in features}


def _places(name: str, terms: Terms, parts: list[frozenset[str]], schema: Schema) -> list[int]:
    """The coefficients that a name stands for."""
    alone = {name} if schema.design is None else {name, *_terms_of(name, schema.design)}
    found = [place for place, part in enumerate(parts) if part and part <= alone and len(part) == 1]
    if found:
        return found
    if name == "intercept" and name in terms.names:
        raise SpecError("penalty_groups= has the intercept, which is free: leave it out.")
    if name in terms.names:
        return [terms.names.index(name)]
    known = list(dict.fromkeys([*(column.name for column in schema.columns), *terms.names]))
    known = [one for one in known if one != "intercept"]
    raise SpecError(
        f"penalty_groups= has {quoted(name)}, which is no column or coefficient. {capitalized(suggestion(name, known))}"
        f"There are {listed(known)}."
    )


def _terms_of(name: str, design: Design) -> list[str]:
    """The terms of a formula that are made of one column alone."""
    found = []
    for product in design.products:
        factors = [design.factors[at] for at in product.factors]
        if {column for factor in factors for column in columns_of(factor.text)} == {name}:
            found.append(":".join(factor.name for factor in factors))
    return found

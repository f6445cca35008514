"""A formula, `price ~ area + C(city) + area:city`, taken apart by formulaic's parser: a target, terms of factors, an intercept.

Nothing of it is evaluated here (see expressions.py); which columns the terms become is for design.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from steepest.data.expression_text import LONGEST, columns_of
from steepest.data.wording import quoted
from steepest.errors import SpecError
from steepest.lazy import unnoticed
from steepest.settings import formula_sides

REST = re.compile(r"(?<![\w.)\]])\.(?![\w.(])")
"""The point that stands for all other columns."""


@dataclass(frozen=True)
class Formula:
    """A formula taken apart.

    Attributes:
        text: as it was given. intercept: whether it has one.
        terms: each a tuple of factors; a factor is an expression, a column by itself stands in backticks.
    """

    text: str
    intercept: bool
    terms: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> list[str]:
        """The columns that its terms are made of, each once."""
        return list(dict.fromkeys(name for term in self.terms for factor in term for name in columns_of(factor)))


def takes_the_rest(text: str) -> bool:
    """Whether a formula has a point for all other columns, so that its terms are known with the table only."""
    return REST.search(re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "x", formula_sides(text)[1])) is not None


@lru_cache(maxsize=256)
def formula_of(text: str, others: Sequence[str] = ()) -> Formula:
    """The terms of a formula's right side.

    Args:
        others: the columns that a point stands for.

    Raises:
        SpecError: it is none.

    Example:
        >>> formula_of("price ~ area*city - 1").terms
        (('`area`',), ('`city`',), ('`area`', '`city`'))
    """
    with unnoticed():
        from formulaic import Formula as Parsed
    right = formula_sides(text)[1]
    if len(text) > LONGEST:
        raise SpecError(f"formula: it has {len(text):,} characters, and at most {LONGEST:,} are read.")
    try:
        parsed: Any = Parsed
        terms = parsed(right or "1", _context={"__formulaic_variables_available__": list(others)})
    except Exception as error:  # the parser has errors of many kinds
        said = "it is no formula" if isinstance(error, SyntaxError) else str(error)
        reason = (
            re.sub(r"\x1b\[[\d;]*m|[⧛⧚]", "", said).strip().partition("\n")[0].replace("insuffient", "insufficient")
        )
        if reason.startswith("Missing operator"):
            reason = f"{reason} A name of several words stands in `backticks`."
        raise SpecError(f"formula={quoted(text)} is not understood: {reason or type(error).__name__}") from None
    if hasattr(terms, "_structure"):
        raise SpecError(f"formula={quoted(text)}: a formula has one right side, without |.")
    factors = [[(factor.expr, factor.eval_method.value) for factor in term.factors] for term in terms]
    found = []
    for term in factors:
        if any(
            (kind == "literal" and expression != "1") or (kind == "literal" and len(term) > 1)
            for expression, kind in term
        ):
            product = ":".join(expression for expression, _ in term)
            raise SpecError(
                f"formula: the term {quoted(product)} holds a number. Arithmetic stands within I(…): I(2 * x)."
            )
        if term != [("1", "literal")]:
            found.append(tuple(f"`{one}`" if kind == "lookup" else one for one, kind in term))
    intercept = [("1", "literal")] in factors
    if not (found or intercept):
        raise SpecError(f"formula={quoted(text)} has no term: 1 stands for an intercept alone.")
    return Formula(text, intercept, tuple(found))

"""Remedies of a fit with a formula: what leaves columns out, takes a logarithm or an intercept is another formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from steepest.analysis.finding import Finding, Prepared
from steepest.data.expression_text import columns_of
from steepest.data.formula import formula_of


def in_formula(finding: Finding, given: Prepared) -> Finding:
    """A finding whose remedy is one of a fit with a formula; any other stays as it is."""
    text, remedy = given.spec.formula, finding.remedy
    rest = dict(remedy)
    drop, target, intercept = rest.pop("drop", ()), rest.pop("target", None), rest.pop("intercept", False)
    if text is None or rest == remedy:
        return finding
    left, parted, right = text.rpartition("~")
    others = [column.name for column in given.schema.columns]
    names = [name for name in drop if name not in given.spec.drop]
    if names:
        terms = formula_of(text, tuple(others)).terms
        features = {} if given.schema.design is None else given.schema.design.terms
        gone = [_written(term) for term in terms if any(_is_of(name, term, features) for name in names)]
        right = right + "".join(f" - {term}" for term in gone)
    if intercept:
        right += " + 1"
    if target is not None:
        name = target.removeprefix("log(").removesuffix(")")
        left, parted = f"{target if name.isidentifier() else f'log(`{name}`)'} ", "~"
    return replace(finding, remedy={**rest, "formula": f"{left}{parted}{right}"})


def _is_of(name: str, term: tuple[str, ...], features: Mapping[str, list[str]]) -> bool:
    """Whether a name is that of a feature of a term, or of a column that it is made of."""
    plain = ":".join(factor.strip("`") for factor in term)
    return name in features.get(plain, ()) or any(name in columns_of(factor) for factor in term)


def _written(term: tuple[str, ...]) -> str:
    """A term as it is written: columns whose names are words without backticks."""
    return ":".join(one.strip("`") if one.strip("`").isidentifier() else one for one in term)

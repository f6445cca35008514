"""The columns of a table, before any fit or after one: hard scales, dependence on one another, one value only.

Exact dependence and constant columns are wrong whatever a descent makes of them; different scales and near dependence are
what a descent in plain columns will be slow by.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.truth.finding import Finding, Kind, Prepared
from steepest.truth.signs.columns import FALLS, shape_of, together
from steepest.truth.signs.wording import count, listed, number

HARD = 1e4
"""Condition number of a table that is called hard before any fit."""

EXACT = 1e-10
"""Share of its spread that a column has apart from the others, at or below which it depends on them."""


def constant(given: Prepared) -> Iterator[Finding]:
    """CONSTANT: columns with one value say nothing beside an intercept."""
    data = given.train
    if data is None or data.x.ndim != 2 or given.terms is None or not given.terms.intercept or len(data.x) < 2:
        return
    names = [name for name, column in zip(data.names, data.x.T, strict=True) if (column == column[0]).all()]
    sources = dropped(given, names)
    if not names or not sources:
        return
    value = data.x[0, data.names.index(names[0])]
    are = "is the same in every row" if len(names) == 1 else "have one value each in every row"
    yield Finding(
        Kind.CONSTANT, f"{listed(names)} {are}: beside the intercept that says nothing.",
        f"{names[0]!r} is {number(float(value))} in all {len(data.x):,} rows.",
        {"drop": sources}, "The same predictions with fewer coefficients.", of_model=True, columns=tuple(names),
    )  # fmt: skip


def dependent(given: Prepared) -> Iterator[Finding]:
    """COLLINEAR: columns that are exactly a linear combination of others, a duplicate in other units among them."""
    data = given.train
    if data is None or data.x.ndim != 2 or given.terms is None or not 1 < data.x.shape[1] <= len(data.x) - 2:
        return
    if data.x.shape[1] > 1_000 or given.spec.penalty != "none":  # which settles how columns share
        return
    found = combinations(data.x, tuple(data.names), given.terms.intercept)
    gone = [name for name, _ in found if dropped(given, [name])]
    if not gone:
        return
    name, others = next((name, others) for name, others in found if name in gone)
    twin = len(others) == 1
    if twin:
        what = f"{name!r} is {others[0]!r} over again, or in other units."
    else:
        what = f"{name!r} is a linear combination of {listed(others)}."
    more = f" So are {listed(gone[1:])}." if len(gone) > 1 else ""
    yield Finding(
        Kind.COLLINEAR, what + more,
        f"A least-squares fit of {name!r} on {listed(others)} leaves nothing over: R² is 1 within rounding, and the "
        "coefficients of these columns can be traded for one another without any change in the loss.",
        {"drop": dropped(given, gone)}, "The same predictions, with coefficients that the data determine.",
        of_model=True, columns=(name, *others),
    )  # fmt: skip


def combinations(x: np.ndarray, names: tuple[str, ...], intercept: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Columns of x `[n, d]` that are exactly combinations of those before them, each with those it is made of.

    By Gram-Schmidt on standardised columns: what is left of a column is compared with what rounding leaves.

    >>> a, b = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.0, 1.0, 0.0, 3.0])
    >>> combinations(np.column_stack([a, b, a + b]), ("a", "b", "c"), True)
    [('c', ('a', 'b'))]
    """
    rows = (
        x
        if len(x) * x.shape[1] <= 2_000_000
        else x[np.random.default_rng(0).permutation(len(x))[: 2_000_000 // x.shape[1]]]
    )
    centre = rows.mean(0) if intercept else np.zeros(rows.shape[1])
    centred = rows - centre
    sizes = np.sqrt((centred**2).mean(0))
    size_of_numbers = np.abs(rows).max(0, initial=0.0)
    told = sizes > 1e-13 * size_of_numbers
    # digits that a column loses by lying far from zero are not there to tell it from others
    rounding = np.finfo(float).eps * size_of_numbers / np.where(told, sizes, 1.0)
    kept: list[int] = []
    basis = np.zeros((len(rows), 0))
    found = []
    for j in np.flatnonzero(told):
        column = centred[:, j] / (sizes[j] * np.sqrt(len(rows)))
        left = column - basis @ (basis.T @ column)
        left -= basis @ (basis.T @ left)
        length = float(np.linalg.norm(left))
        if length > max(EXACT, 100.0 * rounding[j]):
            basis = np.column_stack([basis, left / length])
            kept.append(int(j))
            continue
        made_of = np.linalg.lstsq(centred[:, kept] / sizes[kept], centred[:, j] / sizes[j], rcond=None)[0]
        parts = tuple(names[k] for k, share in zip(kept, made_of, strict=True) if abs(share) > 1e-6)
        if parts:
            found.append((names[j], parts))
    return found


def dropped(given: Prepared, names: list[str]) -> tuple[str, ...]:
    """The setting `drop` that leaves these columns out as well; indicators of a category cannot go alone."""
    sources = {column.name for column in given.schema.columns if column.kind != "category"}
    more = [name for name in names if name in sources]
    return (*given.spec.drop, *more) if more else ()


def hard_scales(given: Prepared) -> Iterator[Finding]:
    """SCALES: what columns of different sizes will do to a descent in their own units."""
    problem, terms = given.problem, given.terms
    if problem is None or terms is None or given.spec.precondition in ("standardize", "orthonormal"):
        return
    if problem.parameters > 2_000 or len(problem.design) < 2 or problem.design.shape[1] < 2:
        return
    shape = shape_of(problem, terms.names)
    if shape.raw < max(HARD, FALLS * shape.standardised):
        return
    name = shape.names[shape.worst]
    yield Finding(
        Kind.SCALES, f"The columns are on different scales, above all {name!r}: in their own units no one rate suits them all.",
        f"{shape.told()}. The condition number is {number(shape.raw)}, and {number(shape.standardised)} once columns are "
        "standardised.",
        {"precondition": "standardize", "lr": "auto"},
        f"About {count(shape.standardised)} steps in place of {count(shape.raw)} make the gap e² times smaller.",
        1.0 - shape.standardised / shape.raw, columns=(name,),
    )  # fmt: skip


def hard_collinear(given: Prepared) -> Iterator[Finding]:
    """COLLINEAR: what columns that nearly depend on one another will do to a descent in standardised columns."""
    problem, terms = given.problem, given.terms
    if (
        problem is None
        or terms is None
        or given.spec.precondition == "orthonormal"
        or given.spec.penalty.startswith(("l1", "elastic"))
    ):
        return
    if problem.parameters > 2_000 or not 2 < problem.design.shape[1] < len(problem.design):
        return
    shape = shape_of(problem, terms.names)
    if shape.standardised < HARD:
        return
    names, evidence = together(problem, terms.names)
    yield Finding(
        Kind.COLLINEAR, f"{listed(names)} are nearly a linear combination of one another.",
        f"{evidence} The condition number of the standardised columns is {number(shape.standardised)}.",
        {"precondition": "orthonormal", "lr": "auto"},
        f"A few steps in place of about {count(shape.standardised)} make the gap e² times smaller.",
        1.0 - 1.0 / shape.standardised, columns=names,
    )  # fmt: skip

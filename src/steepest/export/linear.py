"""The linear family in code: the design A, the coordinates of the descent, the model, and θ at the end.

A          one row of the table's terms each: 1, x, x², …
B, M       the same in other coordinates: B = A @ M, θ = M @ c (model/preconditioners.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.python_text import Part, array, assigned, literal, number, shown
from steepest.export.rows import Rows

NUMPY = frozenset({"import numpy as np"})
TORCH = frozenset({"import torch"})
POWERS = frozenset({"from itertools import combinations_with_replacement"})


@dataclass(frozen=True)
class Design:
    """The design's part, and the expression that makes it of the rows with a suffix (`_test`)."""

    parts: list[Part]
    test: list[str]


def design(case: Case, rows: Rows) -> Design:
    """The table's terms as columns of a matrix A, and A_test of the held-out rows."""
    terms = case.fit.terms
    assert terms is not None
    said = "One row of A holds the terms of one row of the table."
    parts: list[Part] = []
    if terms.degree > 1 and len(terms.columns) > 1:
        parts.append(_products(terms.degree, len(terms.columns), terms.intercept))

        def expression(suffix: str) -> str:
            return f"design({_matrix(rows, suffix, terms.centre)})"
    elif terms.degree > 1:

        def expression(suffix: str) -> str:
            column = _vector(rows, suffix) + _less(terms.centre[0] if terms.centre else 0.0)
            power = f"np.vander({column}, {terms.degree + 1}, increasing=True)"
            return power if terms.intercept else f"{power}[:, 1:]"

        said = "One row of A holds the powers of one x."
    elif terms.intercept:

        def expression(suffix: str) -> str:
            first = rows.columns[0] + suffix
            ones = f"np.ones(len({first}))" if case.train.x.shape[1] else f"np.ones(len({rows.target + suffix}))"
            columns = [name + suffix for name in rows.columns] if case.train.x.shape[1] else []
            return f"np.column_stack([{', '.join([ones, *columns])}])"

        said = "A column of ones stands before the columns: its coefficient is the intercept."
    else:

        def expression(suffix: str) -> str:
            return _matrix(rows, suffix)

        said = "The columns beside one another; the model has no intercept."
    if terms.centre:
        said += (
            " Columns far from zero are centred first: powers of them as they are need more digits than float64 has."
        )
    parts.append(Part("The design", said, [f"A = {expression('')}"], NUMPY))
    return Design(parts, [f"A_test = {expression('_test')}"] if case.test is not None else [])


def _vector(rows: Rows, suffix: str) -> str:
    return rows.columns[0] + suffix + ("[:, 0]" if rows.matrix else "")


def _less(centre: float) -> str:
    """What takes a column's centre from it."""
    return f" {'-' if centre > 0 else '+'} {number(abs(centre))}" if centre else ""


def _matrix(rows: Rows, suffix: str, centre: tuple[float, ...] = ()) -> str:
    names = [name + suffix for name in rows.columns]
    if len(names) > 1:
        shifted = [name + _less(c) for name, c in zip(names, centre, strict=True)] if centre else names
        return f"np.column_stack([{', '.join(shifted)}])"
    return (names[0] if rows.matrix else f"{names[0]}[:, None]") + (
        f" - np.array([{', '.join(map(number, centre))}])" if centre else ""
    )


def _products(degree: int, columns: int, intercept: bool) -> Part:
    degrees = f"range(1, {degree + 1})" if degree > 2 else "(1, 2)"
    ones = "[np.ones(len(x))]" if intercept else "[]"
    return Part(
        "Terms",
        f"All products of columns up to degree {degree}.",
        [
            "def design(x):",
            f"    columns = {ones}",
            f"    for degree in {degrees}:",
            f"        for term in combinations_with_replacement(range({columns}), degree):",
            "            columns.append(np.prod(x[:, term], axis=1))",
            "    return np.column_stack(columns)",
        ],
        NUMPY | POWERS,
    )


# ---- coordinates -----------------------------------------------------------------------------------


def coordinates(case: Case) -> list[Part]:
    """B and M; nothing in user units."""
    if case.frame == "none":
        return []
    terms = case.fit.terms
    assert terms is not None
    if case.frame == "orthonormal" and terms.degree > 1 and len(terms.columns) == 1:
        parts = [legendre(terms.degree, terms.intercept, case.weighted)]
    else:
        parts = [standardised(case)]
    return [*parts, _orthonormal(case)] if case.frame == "orthonormal" else parts


def standardised(case: Case) -> Part:
    """Columns of mean 0 and variance 1."""
    terms = case.fit.terms
    assert terms is not None
    columns = terms.design(case.train.x)[:, int(terms.intercept) :]
    fixed = bool(columns.size) and bool((np.ptp(columns, axis=0) == 0).any())
    if not terms.intercept:
        square = "np.average(A**2, axis=0, weights=weights)" if case.weighted else "(A**2).mean(0)"
        code = [f"scale = np.sqrt({square})"]
        code += ["scale[scale == 0] = np.inf  # a column of zeros tells nothing"] if not columns.any(0).all() else []
        code += ["B, M = A / scale, np.diag(1 / scale)"]
        return Part("Coordinates", "Descend with columns of mean square 1; M turns c into theta.", code, NUMPY)
    if case.weighted:
        code = [
            "mean = np.average(A[:, 1:], axis=0, weights=weights)",
            "scale = np.sqrt(np.average((A[:, 1:] - mean) ** 2, axis=0, weights=weights))",
        ]
    else:
        code = ["mean, scale = A[:, 1:].mean(0), A[:, 1:].std(0)"]
    if fixed:
        code.append("scale[np.ptp(A[:, 1:], axis=0) == 0] = np.inf  # a column with one value tells nothing")
    code += [
        "B = np.column_stack([A[:, 0], (A[:, 1:] - mean) / scale])",
        "M = np.diag(np.append(1.0, 1 / scale))",
        "M[0, 1:] = -mean / scale",
    ]
    said = "Descend in columns of mean 0 and variance 1, where the valley of the loss is rounder; M turns c into theta."
    return Part("Coordinates", said, code, NUMPY)


def legendre(degree: int, intercept: bool, weighted: bool) -> Part:
    """Legendre's polynomials on the column's range."""
    last = degree if intercept else degree - 1
    code = [
        "column = A[:, 1]" if intercept else "column = A[:, 0]",
        "ends = [column.min(), column.max()]",
        f"B = np.polynomial.legendre.legvander((2 * column - sum(ends)) / np.ptp(ends), {last})",
        f"M = np.zeros(({last + 1}, {last + 1}))  # the polynomials' coefficients of 1, x, x²",
        f"for j in range({last + 1}):",
        "    polynomial = np.polynomial.Legendre.basis(j, domain=ends)",
        "    M[: j + 1, j] = polynomial.convert(kind=np.polynomial.Polynomial).coef",
    ]
    if intercept:
        centre = "np.average(B[:, 1:], axis=0, weights=weights)" if weighted else "B[:, 1:].mean(0)"
        code += [f"centre = {centre}", "B[:, 1:] -= centre", "M[0, 1:] -= centre"]
    else:
        code.append("B *= column[:, None]")
    said = "Powers are nearly collinear, Legendre's polynomials are not: descend in these; M turns c into theta."
    return Part("Coordinates", said, code, NUMPY)


def _orthonormal(case: Case) -> Part:
    terms = case.fit.terms
    assert terms is not None
    first = int(terms.intercept)
    columns = "B[:, 1:]" if first else "B"
    code = []
    stack = (
        f"{columns} * np.sqrt(weights / weights.sum())[:, None]" if case.weighted else f"{columns} / np.sqrt(len(B))"
    )
    if case.penalty.l2:
        pull = f"np.sqrt({number(case.penalty.curvature / (case.loss.bound or 1.0))})"
        free = "M[1:, 1:]" if first else "M"
        code = [f"stack = np.vstack([{stack}, {pull} * {free}])"]
        stack = "stack"
    if _deficient(case):
        code += [
            f"_, sizes, right = np.linalg.svd({stack}, full_matrices=False)",
            f"kept = sizes > {max(case.train.rows, len(terms.names))} * np.finfo(float).eps * sizes.max()",
            "T = right[kept].T / sizes[kept]  # what the rows do not determine is left out",
        ]
    else:
        code += [f'T = np.linalg.inv(np.linalg.qr({stack}, mode="r"))']
    code += (
        ["B = np.column_stack([B[:, 0], B[:, 1:] @ T])", "M = np.column_stack([M[:, 0], M[:, 1:] @ T])"]
        if first
        else ["B, M = B @ T, M @ T"]
    )
    said = "Turn and stretch them until they are uncorrelated, so that the valley is round."
    return Part("Orthonormal", said, code, NUMPY)


def _deficient(case: Case) -> bool:
    """Whether the columns depend on one another, so that the fit left directions out."""
    from steepest.model import preconditioners as frames

    problem = case.fit.problem or _problem(case)
    frame = frames.orthonormal(problem)
    if frame.rank < problem.design.shape[1] and problem.penalty.l2:
        raise FitError(
            "Columns depend on one another, and precondition='orthonormal' with a penalty is too long a story then. "
            "Fit with precondition='standardize'."
        )
    return frame.rank < problem.design.shape[1]


def _problem(case: Case):
    from steepest.model.of_fit import linear_problem

    assert case.fit.terms is not None
    return linear_problem(case.fit.spec, case.train, case.fit.terms, case.loss)


# ---- tensors, model, the end -----------------------------------------------------------------------


def variables(case: Case) -> tuple[str, str]:
    """What moves and the matrix it multiplies: `theta` and `A` in user units, `c` and `B` in other coordinates."""
    return ("theta", "A") if case.frame == "none" else ("c", "B")


def tensors(case: Case, target: str, matrices: Sequence[str], made: Design) -> Part:
    """Everything handed over from NumPy to PyTorch, in the precision of the fit; held-out rows in full."""
    kind = ", dtype=torch.float32" if case.float32 else ""
    code = ["weights = weights / weights.mean()"] if case.weighted else []
    every, goal = [*matrices, *(["weights"] if case.weighted else [])], target_kind(case)
    if goal == kind:
        code += _converted([*every, target], kind)
    else:
        code += [*_converted(every, kind), f"{target} = torch.tensor({target}{goal})"]
    if case.test is not None:
        code += made.test
        weighted = case.test.weights is not None
        if weighted:
            code.append("weights_test = weights_test / weights_test.mean()")
        every = [f"{matrices[0]}_test", *(["weights_test"] if weighted else [])]
        goal = goal.replace("float32", "float64") if case.train.y.dtype.kind in "iu" else ""
        if goal:
            code += [*_converted(every, ""), f"{target}_test = torch.tensor({target}_test{goal})"]
        else:
            code += _converted([*every, f"{target}_test"], "")
    return Part("Tensors", "", code, TORCH)


def target_kind(case: Case) -> str:
    """What torch.tensor is told of the target: codes of classes stay whole numbers where the loss takes them so."""
    codes = case.train.y.dtype.kind in "iu"
    if case.loss.coupled or (codes and case.linear and case.loss.custom):
        return ", dtype=torch.int64"
    if case.float32:
        return ", dtype=torch.float32"
    return ", dtype=torch.float64" if codes else ""


def _converted(names: Sequence[str], kind: str) -> list[str]:
    if len(names) == 1:
        return [f"{names[0]} = torch.tensor({names[0]}{kind})"]
    return [f"{', '.join(names)} = (torch.tensor(array{kind}) for array in ({', '.join(names)}))"]


def start(case: Case) -> tuple[list[str], str]:
    """θ₀ in user units: lines that draw it or give it, and its name ("" for zeros)."""
    if case.start is None:
        return [], ""
    given, seed, count = case.fit.spec.init, case.fit.spec.seed, len(case.names)
    shape = _shape(case, count)
    if isinstance(given, str):
        kind, _, rest = given.partition(":")
        parts = [number(float(part)) for part in rest.replace(":", ",").split(",")] if rest else []
        draw = f"normal(0.0, {parts[0] if parts else '1.0'}, {shape})" if kind == "normal" else ""
        draw = draw or f"uniform({parts[0]}, {parts[1]}, {shape})"
        return [f"start = np.random.default_rng([{seed}, 2]).{draw}"], "start"
    values = case.start if case.outputs == 1 else case.start.reshape(case.outputs, -1)
    return array("start", values), "start"


def _shape(case: Case, count: int) -> str:
    return str(count) if case.outputs == 1 else f"({case.outputs}, {count // case.outputs})"


def columns(case: Case) -> str:
    """The shape of the moving parameters in other coordinates, as the arguments of torch.zeros."""
    return "M.shape[1]" if case.outputs == 1 else f"{case.outputs}, M.shape[1]"


def width(case: Case) -> str:
    """The shape of the moving parameters."""
    if case.frame != "none":
        return columns(case)
    assert case.fit.terms is not None
    terms = len(case.fit.terms.names)
    return str(terms) if case.outputs == 1 else f"{case.outputs}, {terms}"


def product(case: Case, matrix: str, theta: str) -> str:
    """A·θ, or with several outputs A·Θᵀ."""
    return f"{matrix} @ {theta}" if case.outputs == 1 else f"{matrix} @ {theta}.T"


def moved(case: Case, begun: str) -> str:
    """θ in user units of c."""
    back = "M @ c" if case.outputs == 1 else "c @ M.T"
    return f"{begun} + {back}" if begun else back


def named(case: Case) -> list[str]:
    """The list of the parameters' names."""
    return assigned("names", "[", [literal(shown(name)) for name in case.names], "]")

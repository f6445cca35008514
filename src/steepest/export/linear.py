"""The linear family in code: the design A, the coordinates of the descent, the model, and θ at the end.

A          one row of the table's terms each: 1, x, x², …
B, M       the same in other coordinates: B = A @ M, θ = M @ c (model/preconditioners.py)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.python_text import Part, array, number
from steepest.export.rows import Rows
from steepest.model import preconditioners
from steepest.model.of_fit import linear_problem


def design(case: Case, rows: Rows) -> list[Part]:
    """The table's terms as columns of a matrix A, and A_test of the held-out rows."""
    terms, several, parts = case.terms, len(case.terms.columns) > 1, list[Part]()
    said = "The columns beside one another; the model has no intercept."
    if terms.degree > 1 and several:
        said = "One row of A holds the terms of one row of the table."
        parts.append(_products(terms.degree, len(terms.columns), terms.intercept))
    elif terms.degree > 1:
        said = "One row of A holds the powers of one x."
    elif terms.intercept:
        said = "A column of ones stands before the columns: its coefficient is the intercept."
    if terms.centre:
        said += (
            " Columns far from zero are centred first: powers of them as they are need more digits than float64 has."
        )

    def made(suffix: str) -> str:
        if terms.degree > 1 and several:
            return f"design({_matrix(rows, suffix, terms.centre)})"
        if terms.degree > 1:
            column = rows.columns[0] + suffix + ("[:, 0]" if rows.matrix else "")
            column += _less(terms.centre[0]) if terms.centre else ""
            power = f"np.vander({column}, {terms.degree + 1}, increasing=True)"
            return power if terms.intercept else f"{power}[:, 1:]"
        if not terms.intercept:
            return _matrix(rows, suffix)
        columns = [name + suffix for name in rows.columns] if case.train.x.shape[1] else []
        return f"np.column_stack([{', '.join([f'np.ones(len({(columns or [rows.target + suffix])[0]}))', *columns])}])"

    code = [f"A{suffix} = {made(suffix)}" for suffix in ("", "_test")[: 1 if case.test is None else 2]]
    return [*parts, Part("The design", said, code)]


def _less(centre: float) -> str:
    """What takes a column's centre from it."""
    return f" {'-' if centre > 0 else '+'} {number(abs(centre))}" if centre else ""


def _matrix(rows: Rows, suffix: str, centre: tuple[float, ...] = ()) -> str:
    names = [name + suffix for name in rows.columns]
    if len(names) > 1:
        shifted = [name + _less(c) for name, c in zip(names, centre, strict=True)] if centre else names
        return f"np.column_stack([{', '.join(shifted)}])"
    shift = f" - np.array([{', '.join(map(number, centre))}])" if centre else ""
    return (names[0] if rows.matrix else f"{names[0]}[:, None]") + shift


def _products(degree: int, columns: int, intercept: bool) -> Part:
    degrees = f"range(1, {degree + 1})" if degree > 2 else "(1, 2)"
    code = [
        "def design(x):",
        f"    columns = {'[np.ones(len(x))]' if intercept else '[]'}",
        f"    for degree in {degrees}:",
        f"        for term in combinations_with_replacement(range({columns}), degree):",
        "            columns.append(np.prod(x[:, term], axis=1))",
        "    return np.column_stack(columns)",
    ]
    return Part("Terms", f"All products of columns up to degree {degree}.", code)


def coordinates(case: Case) -> list[Part]:
    """B and M; nothing in user units."""
    if case.frame == "none":
        return []
    powers = case.frame == "orthonormal" and case.terms.degree > 1 and len(case.terms.columns) == 1
    parts = [legendre(case) if powers else standardised(case)]
    return [*parts, _orthonormal(case)] if case.frame == "orthonormal" else parts


def _averaged(case: Case, matrix: str) -> str:
    if case.weighted:
        return f"np.average({matrix}, axis=0, weights=weights)"
    return f"({matrix}).mean(0)" if "**" in matrix else f"{matrix}.mean(0)"


def standardised(case: Case) -> Part:
    """Columns of mean 0 and variance 1."""
    columns = case.terms.design(case.train.x)[:, int(case.terms.intercept) :]
    if not case.terms.intercept:
        code = [f"scale = np.sqrt({_averaged(case, 'A**2')})"]
        code += ["scale[scale == 0] = np.inf  # a column of zeros tells nothing"] if not columns.any(0).all() else []
        code += ["B, M = A / scale, np.diag(1 / scale)"]
        return Part("Coordinates", "Descend with columns of mean square 1; M turns c into theta.", code)
    code = [
        f"mean = {_averaged(case, 'A[:, 1:]')}",
        f"scale = np.sqrt({_averaged(case, '(A[:, 1:] - mean) ** 2')})",
    ]
    if columns.size and (np.ptp(columns, axis=0) == 0).any():
        code.append("scale[np.ptp(A[:, 1:], axis=0) == 0] = np.inf  # a column with one value tells nothing")
    code += [
        "B = np.column_stack([A[:, 0], (A[:, 1:] - mean) / scale])",
        "M = np.diag(np.append(1.0, 1 / scale))",
        "M[0, 1:] = -mean / scale",
    ]
    said = "Descend in columns of mean 0 and variance 1, where the valley of the loss is rounder; M turns c into theta."
    return Part("Coordinates", said, code)


def legendre(case: Case) -> Part:
    """Legendre's polynomials on the column's range."""
    intercept = case.terms.intercept
    last = case.terms.degree if intercept else case.terms.degree - 1
    code = [
        f"column = A[:, {int(intercept)}]",
        "ends = [column.min(), column.max()]",
        f"B = np.polynomial.legendre.legvander((2 * column - sum(ends)) / np.ptp(ends), {last})",
        f"M = np.zeros(({last + 1}, {last + 1}))  # the polynomials' coefficients of 1, x, x²",
        f"for j in range({last + 1}):",
        "    polynomial = np.polynomial.Legendre.basis(j, domain=ends)",
        "    M[: j + 1, j] = polynomial.convert(kind=np.polynomial.Polynomial).coef",
    ]
    if intercept:
        code += [f"centre = {_averaged(case, 'B[:, 1:]')}", "B[:, 1:] -= centre", "M[0, 1:] -= centre"]
    else:
        code.append("B *= column[:, None]")
    said = "Powers are nearly collinear, Legendre's polynomials are not: descend in these; M turns c into theta."
    return Part("Coordinates", said, code)


def _orthonormal(case: Case) -> Part:
    first, code = case.terms.intercept, []
    columns = "B[:, 1:]" if first else "B"
    share = "* np.sqrt(weights / weights.sum())[:, None]" if case.weighted else "/ np.sqrt(len(B))"
    stack = f"{columns} {share}"
    if case.penalty.l2:
        pull = f"np.sqrt({number(case.penalty.curvature / (case.loss.bound or 1.0))})"
        code, stack = [f"stack = np.vstack([{stack}, {pull} * {'M[1:, 1:]' if first else 'M'}])"], "stack"
    if _deficient(case):
        code += [
            f"_, sizes, right = np.linalg.svd({stack}, full_matrices=False)",
            f"kept = sizes > {max(case.train.rows, len(case.terms.names))} * np.finfo(float).eps * sizes.max()",
            "T = right[kept].T / sizes[kept]  # what the rows do not determine is left out",
        ]
    else:
        code.append(f'T = np.linalg.inv(np.linalg.qr({stack}, mode="r"))')
    if first:
        code += [f"{name} = np.column_stack([{name}[:, 0], {name}[:, 1:] @ T])" for name in "BM"]
    else:
        code.append("B, M = B @ T, M @ T")
    return Part("Orthonormal", "Turn and stretch them until they are uncorrelated, so that the valley is round.", code)


def _deficient(case: Case) -> bool:
    """Whether the columns depend on one another, so that the fit left directions out."""
    problem = case.fit.problem or linear_problem(case.spec, case.train, case.terms, case.loss)
    deficient = preconditioners.orthonormal(problem).rank < problem.design.shape[1]
    if deficient and problem.penalty.l2:
        raise FitError(
            "Columns depend on one another, and precondition='orthonormal' with a penalty is too long a story then. "
            "Fit with precondition='standardize'."
        )
    return deficient


def variables(case: Case) -> tuple[str, str]:
    """What moves and the matrix it multiplies: `theta` and `A` in user units, `c` and `B` in other coordinates."""
    return ("theta", "A") if case.frame == "none" else ("c", "B")


def tensors(case: Case, target: str, arrays: Sequence[str]) -> list[str]:
    """Lines that hand arrays and the target over from NumPy to PyTorch, in the precision of the fit.

    arrays: the first has held-out rows too, those of the linear family in full precision.
    """
    code = ["weights = weights / weights.mean()"] if case.weighted else []
    beside = [*(["weights"] if case.weighted else []), *(["added"] if case.added else [])]
    code += _converted([*arrays, *beside], case.kind, target, case.target_kind)
    if case.test is None:
        return code
    kind, goal, weighted = case.kind, case.target_kind, case.test.weights is not None
    if case.linear:
        kind, goal = "", goal.replace("float32", "float64") if case.train.y.dtype.kind in "iu" else ""
    if weighted:
        code.append("weights_test = weights_test / weights_test.mean()")
    held_out = [f"{arrays[0]}_test", *(["weights_test"] if weighted else []), *(["added_test"] if case.added else [])]
    return code + _converted(held_out, kind, f"{target}_test", goal)


def _converted(names: list[str], kind: str, target: str, goal: str) -> list[str]:
    names = [*names, target] if goal == kind else names
    code = [f"{names[0]} = torch.tensor({names[0]}{kind})"]
    if len(names) > 1:
        code = [f"{', '.join(names)} = (torch.tensor(array{kind}) for array in ({', '.join(names)}))"]
    return code if goal == kind else [*code, f"{target} = torch.tensor({target}{goal})"]


def start(case: Case) -> tuple[list[str], str]:
    """θ₀ in user units: lines that draw it or give it, and its name ("" for zeros)."""
    if case.start is None:
        return [], ""
    one = case.outputs == 1
    if drawn := case.drawn(str(len(case.names)) if one else f"({case.outputs}, {len(case.names) // case.outputs})"):
        return [f"start = {drawn}"], "start"
    return array("start", case.start if one else case.start.reshape(case.outputs, -1)), "start"


def width(case: Case) -> str:
    """The shape of the moving parameters, as the arguments of torch.zeros."""
    columns = str(len(case.terms.names)) if case.frame == "none" else "M.shape[1]"
    return columns if case.outputs == 1 else f"{case.outputs}, {columns}"


def product(case: Case, matrix: str, theta: str) -> str:
    """A·θ, or with several outputs A·Θᵀ."""
    return f"{matrix} @ {theta}" if case.outputs == 1 else f"{matrix} @ {theta}.T"


def predicted(case: Case, matrix: str, theta: str, suffix: str = "") -> str:
    """The prediction: the product, and what is added to it."""
    found = product(case, matrix, theta)
    if not case.added:
        return found
    return f"{found} + added{suffix}{'[:, None]' if case.outputs > 1 else ''}"


def walls(case: Case, v: str) -> list[str]:
    """Lines that define low and high, the bounds on what moves; none without."""
    if case.walls is None:
        return []
    code = []
    for name, limits in zip(("low", "high"), case.walls, strict=True):
        text = ", ".join(
            "math.inf" if one == np.inf else "-math.inf" if one == -np.inf else number(one) for one in limits
        )
        shape = "" if case.outputs == 1 else f".view({case.outputs}, -1)"
        code.append(f"{name} = torch.tensor([{text}]{case.kind or ', dtype=torch.float64'}){shape}")
    if v == "c":
        code += ["scale = torch.where(M.diagonal() > 0, M.diagonal(), 1.0)", "low, high = low / scale, high / scale"]
    return code


def moved(case: Case, begun: str = "", c: str = "c") -> str:
    """θ in user units of c; begun: where it started, in user units."""
    back = f"M @ {c}" if case.outputs == 1 else f"{c} @ M.T"
    return f"{begun} + {back}" if begun else back

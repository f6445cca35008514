"""All eigenvalues of the Hessian in the coordinates of a descent, to their own digits.

With θ = θ₀ + M·c and basis B = A·M the Hessian in c is BᵀSB/n + 2·l2·MᵀDM. It is never formed, since that would square
its condition number: it is RᵀR with R the stack of √(S/n)·B over √(2·l2)·D·M, so that its eigenvalues are the squares of
R's singular values, and what of the objective lies along the i-th one is ½(uᵢ·R(c₀ − c*))², where R(c₀ − c*) comes from
the difference of two predictions. Tall designs are taken block by block, each reduced to a triangle by QR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.errors import SpecError
from steepest.model.linear import LinearProblem, row_blocks
from steepest.model.preconditioners import Coordinates

MOST_EXACT = 1_000
"""Parameters (or rows, where there are fewer) up to which all eigenvalues are computed; beyond, LANCZOS of them."""

LANCZOS = 200

ROUNDING = 1e-24  # share of the gap below which a node of the quadrature is rounding


def spectrum(
    problem: LinearProblem, frame: Coordinates | None, theta: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of ∇²F at θ in a frame's coordinates, falling, and what lies along each between θ and a start.

        gapsᵢ = ½·λᵢ·(vᵢ·(c_start − c_θ))²

    For more than 1,000 parameters (and rows) they are the nodes and weights of Gauss's quadrature by 200 Lanczos steps
    from the start (Golub and Meurant 1994), which predict the first 200 steps exactly and later ones closely.

    Args:
        theta, start: `[k·p]`, in user units.

    Returns:
        values `[r]` and gaps `[r]`. Eigenvalues within rounding of 0 are 0, with a gap of 0.

    Raises:
        SpecError: the loss or the penalty has a kink (`l1`, `quantile`), so that there is no Hessian.

    >>> from steepest.model.torch_losses import loss
    >>> problem = LinearProblem(np.diag([1.0, 2.0]), np.zeros(2), loss("mse"), intercept=False)
    >>> spectrum(problem, None, np.zeros(2), np.ones(2))
    (array([4., 1.]), array([2. , 0.5]))
    """
    if problem.penalty.bounds is not None:
        raise SpecError("Within bounds the objective has no second derivative.")
    if problem.penalty.soft:
        raise SpecError(
            f"{problem.penalty.article.capitalize()} penalty has a kink at 0 and no second derivative there."
        )
    theta, start = np.asarray(theta, dtype=np.float64).ravel(), np.asarray(start, dtype=np.float64).ravel()
    basis = problem.design if frame is None else frame.basis
    if min(basis.shape[1], max(len(basis), 1)) * problem.outputs > MOST_EXACT:
        return _quadrature(problem, frame, theta, start)
    parts = [_values(_triangle(blocks)) for blocks in _stacks(problem, frame, theta, start)]
    values, gaps = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(values)[::-1]
    return values[order], gaps[order]


def _triangle(blocks: Iterator[np.ndarray]) -> np.ndarray:
    """The R of a QR decomposition of blocks of rows laid upon one another."""
    found = next(blocks)
    for block in blocks:
        found = np.vstack([_upper(found), block])
    return _upper(found)


def _upper(stack: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.qr(stack, mode="r"))


def _values(triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """λ and gaps `[r]` of a stack [R | R(c₀ − c*)], `[·, r + 1]`."""
    stack, moved = triangle[:, :-1], triangle[:, -1]
    columns = stack.shape[1]
    if not columns:
        return np.zeros(0), np.zeros(0)
    left, sizes, _ = np.linalg.svd(stack, full_matrices=False)
    kept = sizes > max(stack.shape) * np.finfo(float).eps * max(sizes, default=0.0)
    values, gaps = np.zeros(columns), np.zeros(columns)
    values[: len(sizes)] = np.where(kept, sizes**2, 0.0)
    gaps[: len(sizes)] = np.where(kept, 0.5 * (moved @ left) ** 2, 0.0)
    return values, gaps


def _stacks(
    problem: LinearProblem, frame: Coordinates | None, theta: np.ndarray, start: np.ndarray
) -> Iterator[Iterator[np.ndarray]]:
    """The stacks [R | R(c₀ − c*)] of all blocks of the Hessian: one for each target, one for all classes together."""
    basis = problem.design if frame is None else frame.basis
    moved = problem.design @ (start - theta).reshape(problem.outputs, -1).T
    if problem.loss.coupled:
        yield _coupled(problem, frame, _roots(problem, theta), basis, moved, start - theta)
        return
    rows = certify.curvature(problem, certify.prediction(problem, theta)) / len(basis)
    for output, roots in enumerate(np.sqrt(rows).reshape(len(basis), -1).T):
        yield _alone(problem, frame, roots[:, None], basis, moved[:, [output]], output, start - theta)


def _alone(
    problem: LinearProblem, frame: Coordinates | None, roots: np.ndarray, basis: np.ndarray, moved: np.ndarray,
    output: int, step: np.ndarray,
) -> Iterator[np.ndarray]:  # fmt: skip
    for rows in row_blocks(basis.shape):
        yield roots[rows] * np.hstack([basis[rows], moved[rows]])
    if problem.penalty.l2:
        yield _ridge(problem, frame, step.reshape(problem.outputs, -1)[output])


def _ridge(problem: LinearProblem, frame: Coordinates | None, step: np.ndarray) -> np.ndarray:
    """√(2·l2)·D·[M | θ₀ − θ*] of one output."""
    matrix = np.eye(problem.design.shape[1]) if frame is None else frame.matrix
    return problem.penalty_in(np.column_stack([matrix, step])).root()


def _coupled(
    problem: LinearProblem, frame: Coordinates | None, roots: np.ndarray, basis: np.ndarray, moved: np.ndarray,
    step: np.ndarray,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Classes share the curvature diag(p) − ppᵀ of a row, whose root has k rows of its own."""
    outputs, columns = problem.outputs, basis.shape[1]
    for part in row_blocks((len(basis), columns * outputs**2)):
        stack = np.einsum("nab,nj->nabj", roots[part], basis[part]).reshape(-1, outputs * columns)
        yield np.hstack([stack, np.einsum("nab,nb->na", roots[part], moved[part]).reshape(-1, 1)])
    if problem.penalty.l2:
        for output in range(outputs):
            block = _ridge(problem, frame, step.reshape(outputs, -1)[output])
            whole = np.zeros((len(block), outputs * columns + 1))
            whole[:, output * columns : (output + 1) * columns] = block[:, :-1]
            whole[:, -1] = block[:, -1]
            yield whole


def _roots(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """Rᵢ with RᵢᵀRᵢ = Sᵢ/n, the curvature of a row in its predictions, `[n, k, k]`.

    For classes √p·(I − 1pᵀ), whose square is diag(p) − ppᵀ: what no difference between classes sees is 0 in it to the last
    digit, and not only to the root of that.
    """
    predicted, n, k = certify.prediction(problem, theta), len(problem.design), problem.outputs
    if not problem.loss.coupled:
        return np.sqrt(certify.curvature(problem, predicted) / n).reshape(n, k)[:, :, None] * np.eye(k)
    odds = np.exp(predicted - predicted.max(1, keepdims=True))
    shares = odds / odds.sum(1, keepdims=True)
    weights = np.ones(n) if problem.weights is None else problem.weights
    return np.sqrt(shares * weights[:, None] / n)[:, :, None] * (np.eye(k) - shares[:, None, :])


def _quadrature(
    problem: LinearProblem, frame: Coordinates | None, theta: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lanczos on RRᵀ from R(c₀ − c*), every vector kept orthogonal to all before it."""
    basis = problem.design if frame is None else frame.basis
    n, k = len(basis), problem.outputs
    roots = _roots(problem, theta)
    ridge = _ridge(problem, frame, np.zeros(problem.design.shape[1]))[:, :-1]

    def stacked(by_row: np.ndarray, by_column: np.ndarray) -> np.ndarray:
        return np.concatenate([np.einsum("nab,nb->na", roots, by_row).ravel(), by_column.ravel()])

    def product(vector: np.ndarray) -> np.ndarray:
        rows, columns = vector[: n * k].reshape(n, k), vector[n * k :].reshape(k, -1)
        own = np.einsum("nab,na->nb", roots, rows).T @ basis + columns @ ridge  # Rᵀv, [k, r]
        return stacked(basis @ own.T, own @ ridge.T)

    step = (start - theta).reshape(k, -1)
    whole = _ridge(problem, None, np.zeros(problem.design.shape[1]))[:, :-1]
    first = stacked(problem.design @ step.T, step @ whole.T)
    length = float(np.linalg.norm(first))
    if length == 0.0:
        first = np.random.default_rng(0).standard_normal(len(first))
    values, nodes = _lanczos(product, first)
    # what rounding has brought in from where nothing is curved has next to no weight
    kept = (values > len(values) * np.finfo(float).eps * values[0]) & (nodes > ROUNDING)
    order = np.argsort(~kept, kind="stable")
    return np.where(kept, values, 0.0)[order], np.where(kept, 0.5 * length**2 * nodes, 0.0)[order]


def _lanczos(product: Callable[[np.ndarray], np.ndarray], first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss's quadrature for a symmetric operator and a vector, the nodes falling."""
    known = np.empty((min(LANCZOS, len(first)), len(first)))
    known[0] = first / np.linalg.norm(first)
    diagonal: list[float] = []
    beside: list[float] = []
    for i in range(len(known)):
        moved = product(known[i])
        diagonal.append(float(moved @ known[i]))
        for _ in range(2):
            moved = moved - known[: i + 1].T @ (known[: i + 1] @ moved)
        size = float(np.linalg.norm(moved))
        if i + 1 == len(known) or size <= 1e-14 * max(diagonal):
            break
        beside.append(size)
        known[i + 1] = moved / size
    values, turned = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return values[::-1], turned[0, ::-1] ** 2

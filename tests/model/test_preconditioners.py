"""Coordinates in which the valley is round: orthonormal to rounding, and back to θ without loss."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from sklearn.preprocessing import StandardScaler

from steepest.model.linear import LinearProblem, Terms
from steepest.model.penalties import penalty
from steepest.model.preconditioners import Coordinates, orthonormal, standardised
from steepest.model.torch_losses import loss

ROWS = 50


def _problem(
    x: np.ndarray, degree: int = 1, intercept: bool = True, weighted: bool = False, penalised: str = "none"
) -> LinearProblem:
    random = np.random.default_rng(6)
    weights = random.uniform(0.1, 4.0, len(x))
    terms = Terms(tuple(f"x{i}" for i in range(x.shape[1])), degree, intercept)
    return LinearProblem(
        terms.design(x), np.zeros(len(x)), loss("mse"), penalty(penalised), intercept,
        weights / weights.mean() if weighted else None, degree=degree,
    )  # fmt: skip


def _scaled(columns: int = 5) -> np.ndarray:
    """Columns of scale 1e-9 … 1e9, each about as far from 0 as it is wide."""
    random = np.random.default_rng(0)
    return (random.normal(size=(ROWS, columns)) + random.normal(size=columns)) * np.logspace(-9, 9, columns)


X = {
    "wild scales": _scaled(),
    "a constant column": np.column_stack([_scaled(2), np.full(ROWS, 7.0)]),
    "a column of zeros": np.column_stack([_scaled(2), np.zeros(ROWS)]),
    "a column twice": np.column_stack([_scaled(3), _scaled(3)[:, 1]]),
    "a sum of columns": np.column_stack([_scaled(3), _scaled(3)[:, 1] * 2 + _scaled(3)[:, 0]]),
    "indicators of all levels": np.eye(4)[np.arange(ROWS) % 4],
    "nearly collinear": np.column_stack(
        [_scaled(1), _scaled(1) * (1 + 1e-9 * np.random.default_rng(1).normal(size=(ROWS, 1)))]
    ),
    "more columns than rows": np.random.default_rng(2).normal(size=(8, 20)),
    "far from zero": 1e6 + np.random.default_rng(3).normal(size=(ROWS, 3)),
}
# the rank of the design with its intercept, by hand
RANKS = {
    "wild scales": 6,
    "a constant column": 3,
    "a column of zeros": 3,
    "a column twice": 4,
    "a sum of columns": 4,
    "indicators of all levels": 4,
    "nearly collinear": 3,
    "more columns than rows": 8,
    "far from zero": 4,
}


def _gram(problem: LinearProblem, found: Coordinates) -> np.ndarray:
    """QᵀWQ/n."""
    weights = np.ones(len(found.basis)) if problem.weights is None else problem.weights
    return found.basis.T @ (weights[:, None] * found.basis) / len(found.basis)


def _agrees(problem: LinearProblem, found: Coordinates) -> None:
    """basis = design·matrix, to the rounding of the largest sum in each column."""
    size = (np.abs(problem.design) @ np.abs(found.matrix)).max(axis=0)
    assert (np.abs(problem.design @ found.matrix - found.basis) <= 1e-14 * len(found.matrix) * size + 1e-300).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", X)
def test_the_basis_is_orthonormal_and_of_the_right_rank(name, weighted):
    problem = _problem(X[name], weighted=weighted)
    found = orthonormal(problem)
    assert found.rank == RANKS[name]
    # columns that agree in nine digits leave seven for what is between them
    np.testing.assert_allclose(_gram(problem, found), np.eye(found.rank), atol=1e-6 if "nearly" in name else 1e-12)
    _agrees(problem, found)


@pytest.mark.parametrize("name", X)
def test_the_basis_spans_the_design(name):
    problem = _problem(X[name])
    found = orthonormal(problem)
    scale = np.abs(problem.design).max(axis=0)
    columns = problem.design / np.where(scale > 0, scale, 1.0)
    back = found.basis @ (found.basis.T @ columns) / len(columns)
    np.testing.assert_allclose(back, columns, atol=1e-6 if "nearly" in name else 1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", X)
def test_standardised_columns_are_scikit_learns(name, weighted):
    problem = _problem(X[name], weighted=weighted)
    found = standardised(problem)
    # constant columns apart: there scikit-learn's weighted variance may come out just below 0, and it warns
    varies = np.ptp(X[name], axis=0) > 0
    expected = np.zeros_like(X[name])
    expected[:, varies] = StandardScaler().fit_transform(X[name][:, varies], sample_weight=problem.weights)
    np.testing.assert_allclose(found.basis[:, 1:], expected, atol=1e-9)
    assert (found.basis[:, 0] == 1.0).all()
    _agrees(problem, found)
    # diagonal but for the intercept's row: what a proximal step needs
    assert (found.matrix[1:, 1:] == np.diag(np.diag(found.matrix[1:, 1:]))).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_tall_designs_are_standardised_and_whitened_in_blocks(weighted):
    x = np.random.default_rng(8).standard_normal((60_000, 10)) * np.logspace(-2, 4, 10) + 7.0
    x[:, 3] = 0.1
    problem = _problem(x, weighted=weighted)
    expected = StandardScaler().fit_transform(np.delete(x, 3, axis=1), sample_weight=problem.weights)
    found = standardised(problem)
    np.testing.assert_allclose(np.delete(found.basis, [0, 4], axis=1), expected, atol=1e-9)
    assert not found.basis[:, 4].any()
    full = _problem(
        np.delete(x, 3, axis=1)[:, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]] + x[:, [9]] * np.eye(10)[9], weighted=weighted
    )
    for each in (problem, full):
        whole = orthonormal(each)
        np.testing.assert_allclose(_gram(each, whole), np.eye(whole.rank), atol=1e-11)


def test_without_an_intercept_columns_keep_their_mean():
    problem = _problem(X["wild scales"], intercept=False)
    found = standardised(problem)
    np.testing.assert_allclose((found.basis**2).mean(axis=0), 1.0, rtol=1e-14)
    np.testing.assert_allclose(found.basis * np.sqrt((problem.design**2).mean(axis=0)), problem.design, rtol=1e-14)
    whole = orthonormal(problem)
    assert whole.rank == 5
    np.testing.assert_allclose(_gram(problem, whole), np.eye(5), atol=1e-12)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("low", "high"), [(-1.5, 1.0), (0.0, 20.0), (3.0, 4.0), (-8.8, -3.1), (1e-9, 3e-9), (1e6, 2e6)]
)
def test_powers_up_to_12_become_orthonormal(low, high, weighted, intercept):
    x = np.sort(np.random.default_rng(5).uniform(low, high, 100))[:, None]
    problem = _problem(x, 12, intercept, weighted)
    found = orthonormal(problem)
    assert found.rank == 12 + intercept
    np.testing.assert_allclose(_gram(problem, found), np.eye(found.rank), atol=1e-12)
    _agrees_in_exact_arithmetic(x[:, 0], found, first=0 if intercept else 1)


def _agrees_in_exact_arithmetic(x: np.ndarray, found: Coordinates, first: int) -> None:
    """The matrix holds the coefficients of the basis in powers of x: each function computed exactly."""
    import mpmath

    with mpmath.workdps(60):
        for column in range(found.rank):
            coefficients = [mpmath.mpf(float(a)) for a in found.matrix[:, column]]
            for row in (0, 37, 99):
                value = mpmath.mpf(float(x[row]))
                terms = [a * value ** (first + power) for power, a in enumerate(coefficients)]
                size = float(sum(abs(term) for term in terms))
                # coefficients are rounded to float64 once, so the sum is off by that share of its terms
                assert abs(float(sum(terms)) - found.basis[row, column]) <= 1e-12 * size + 1e-12


def test_powers_beyond_the_range_of_float64_are_no_traceback():
    x = np.linspace(1.0, 2.0, 30)[:, None] * 1e-30
    found = orthonormal(_problem(x, 12))
    assert np.isfinite(found.basis).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["wild scales", "a column twice", "more columns than rows"])
def test_a_ridge_is_in_the_basis(name, weighted):
    """The curvature of mse + l2·Σθ² in c is 2·I."""
    problem = _problem(X[name], weighted=weighted, penalised="l2:0.3")
    found = orthonormal(problem)
    assert found.rank == problem.design.shape[1]  # the penalty determines every direction
    hessian = 2.0 * _gram(problem, found) + 2.0 * 0.3 * found.matrix.T @ (problem.penalised[:, None] * found.matrix)
    np.testing.assert_allclose(hessian, 2.0 * np.eye(found.rank), atol=1e-8)
    _agrees(problem, found)


@pytest.mark.parametrize("name", ["a column twice", "more columns than rows", "indicators of all levels"])
def test_undetermined_directions_get_the_least_norm_answer_in_standardised_columns(name):
    x = X[name]
    y = np.random.default_rng(8).normal(size=len(x))
    found = orthonormal(_problem(x))
    theta = found.to_user(found.basis.T @ y / len(y))
    scaler = StandardScaler().fit(x)
    standard, *_ = scipy.linalg.lstsq(scaler.transform(x), y - y.mean(), cond=1e-10)
    np.testing.assert_allclose(theta[1:] * scaler.scale_, standard, atol=1e-10)


def test_many_points_of_a_path_go_to_user_units_at_once():
    for make in (standardised, orthonormal):
        found = make(_problem(X["far from zero"] - 1e6))
        c = np.random.default_rng(9).normal(size=(5, 2 * found.rank))  # two outputs
        one_by_one = [np.concatenate([found.matrix @ half for half in point.reshape(2, -1)]) for point in c]
        np.testing.assert_allclose(found.to_user(c), one_by_one, rtol=1e-12)

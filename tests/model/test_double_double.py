"""Double-double arithmetic against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.model import double_double
from steepest.model.linear import LinearProblem, Terms
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss

from nist import NIST

# within this range no sum, product or rounding error of one leaves float64
numbers = st.floats(min_value=1e-100, max_value=1e100).flatmap(lambda size: st.sampled_from([size, -size])) | st.just(
    0.0
)


@given(numbers, numbers)
def test_two_sum_loses_nothing(a, b):
    total, error = double_double.two_sum(np.float64(a), np.float64(b))
    assert total == a + b
    assert Fraction(float(total)) + Fraction(float(error)) == Fraction(a) + Fraction(b)


@given(numbers, numbers)
def test_two_product_loses_nothing(a, b):
    product, error = double_double.two_product(np.float64(a), np.float64(b))
    assert product == a * b
    assert Fraction(float(product)) + Fraction(float(error)) == Fraction(a) * Fraction(b)


def _exact(problem: LinearProblem, theta: np.ndarray, design: list[list[Fraction]] | None = None):
    """Value and gradient of F at θ in rational arithmetic; the design may have more digits than float64."""
    rows = design or [[Fraction(float(a)) for a in row] for row in problem.design]
    n, outputs = len(rows), problem.outputs
    blocks = [[Fraction(float(c)) for c in block] for block in theta.reshape(outputs, -1)]
    targets = problem.target.reshape(n, outputs)
    weights = [Fraction(1)] * n if problem.weights is None else [Fraction(float(w)) for w in problem.weights]
    penalised = problem.penalised.reshape(outputs, -1)
    l1, l2 = Fraction(problem.penalty.l1), Fraction(problem.penalty.l2)
    value, gradient = Fraction(0), []
    for k, block in enumerate(blocks):
        residuals = [
            Fraction(float(targets[i, k])) - sum(a * c for a, c in zip(rows[i], block, strict=True)) for i in range(n)
        ]
        value += sum(w * r * r for w, r in zip(weights, residuals, strict=True)) / (n * outputs)
        for j, c in enumerate(block):
            pull = sum(w * r * rows[i][j] for i, (w, r) in enumerate(zip(weights, residuals, strict=True)))
            free = Fraction(int(penalised[k, j]))
            value += free * (l1 * abs(c) + l2 * c * c)
            gradient.append(-2 * pull / (n * outputs) + 2 * l2 * free * c)
    return value, gradient


def _polynomial(name: str) -> LinearProblem:
    certified = NIST[name]
    terms = Terms(("x",), certified.degree)
    design = terms.design(certified.columns)
    low = double_double.rounding_of_design(terms, certified.columns, design)
    return LinearProblem(design, certified.target, loss("mse"), low=low, degree=certified.degree)


def _powers(name: str) -> list[list[Fraction]]:
    """Exact powers of x as float64 holds it."""
    problem = NIST[name]
    return [[Fraction(float(x)) ** power for power in range(problem.degree + 1)] for x in problem.columns[:, 0]]


@pytest.mark.parametrize("name", ["Wampler5", "Filip", "Wampler2", "Pontius"])
def test_the_gradient_at_the_certified_answer_is_exact(name):
    """There Aᵀr is a difference of numbers many orders larger, of which plain float64 leaves no digit."""
    problem, theta = _polynomial(name), NIST[name].theta
    _, exact = _exact(problem, theta, _powers(name))
    expected = np.array([float(entry) for entry in exact])
    found = double_double.gradient(problem, theta)
    residual_size = np.abs(problem.target) + np.abs(problem.design) @ np.abs(theta)
    terms = 2.0 * np.abs(problem.design).T @ residual_size / len(residual_size)  # what was added up
    assert (np.abs(found - expected) <= 2e-16 * np.abs(expected) + 1e-29 * terms).all()
    # and far better than float64 does it
    plain = -2.0 * problem.design.T @ (problem.target - problem.design @ theta) / len(problem.target)
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(plain - expected).max()


@pytest.mark.parametrize("name", ["Wampler5", "Filip", "Wampler2", "Pontius"])
def test_the_value_at_the_certified_answer_is_exact(name):
    problem, certified = _polynomial(name), NIST[name]
    exact, _ = _exact(problem, certified.theta, _powers(name))
    assert double_double.value(problem, certified.theta) == pytest.approx(float(exact), rel=1e-15)
    if name == "Wampler5":  # its θ is whole numbers, so this is the certified value itself
        certified_mean = float(certified.residual_sum_of_squares) / 21
        assert double_double.value(problem, certified.theta) == pytest.approx(certified_mean, rel=1e-15)


@pytest.mark.parametrize("penalised", ["none", "l2:0.3", "elastic:0.2,0.3"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_weights_penalties_and_several_targets(outputs, weighted, penalised):
    random = np.random.default_rng(2)
    x = random.normal(size=(15, 3)) * [1e-3, 1.0, 1e5]
    weights = random.uniform(0.1, 3.0, 15) if weighted else None
    target = random.normal(size=(15, outputs) if outputs > 1 else 15)
    problem = LinearProblem(
        Terms(("a", "b", "c")).design(x),
        target,
        loss("mse"),
        penalty(penalised),
        weights=weights,
        outputs=outputs,
    )
    theta = random.normal(size=4 * outputs)
    value, gradient = _exact(problem, theta)
    assert double_double.value(problem, theta) == pytest.approx(float(value), rel=2e-15)
    np.testing.assert_allclose(double_double.gradient(problem, theta), [float(entry) for entry in gradient], rtol=2e-15)
    high, low = double_double.residuals(problem, theta)
    assert high.shape == low.shape == (outputs, 15)
    assert (np.abs(low) <= np.spacing(np.abs(high))).all()


def test_what_rounding_took_from_powers_is_known():
    x = np.array([[0.1, -3.7], [1.3, 1e-5], [7.7, 2.3]])
    terms = Terms(("a", "b"), 5)
    design = terms.design(x)
    low = double_double.rounding_of_design(terms, x, design)
    for row in range(3):
        for column, term in enumerate(terms.powers):
            exact = Fraction(1)
            for factor in term:
                exact *= Fraction(float(x[row, factor]))
            known = Fraction(float(design[row, column])) + Fraction(float(low[row, column]))
            assert abs(known - exact) <= abs(exact) * Fraction(1, 2**98)
    assert double_double.rounding_of_design(Terms(("a", "b")), x, Terms(("a", "b")).design(x)) is None

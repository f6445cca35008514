"""The design of the linear family: terms, their names and their values, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from steepest.errors import SpecError
from steepest.model.linear import LinearProblem, Terms
from steepest.model.torch_losses import loss


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("intercept", [True, False])
def test_terms_are_those_of_polynomial_features(columns, degree, intercept):
    x = np.random.default_rng(degree).normal(size=(12, columns))
    names = tuple("abcde"[:columns])
    terms = Terms(names, degree, intercept)
    theirs = PolynomialFeatures(degree, include_bias=intercept).fit(x)
    expected = [
        "intercept" if name == "1" else name.replace(" ", "*") for name in theirs.get_feature_names_out(list(names))
    ]
    assert list(terms.names) == expected
    np.testing.assert_allclose(terms.design(x), theirs.transform(x), rtol=1e-14)
    assert terms.design(x).flags.c_contiguous
    assert terms.design(x.astype(np.float32)).dtype == np.float64


def test_names_of_a_total_degree():
    assert Terms(("x", "z"), 3).names == (
        "intercept", "x", "z", "x^2", "x*z", "z^2", "x^3", "x^2*z", "x*z^2", "z^3",
    )  # fmt: skip


def test_too_many_terms_are_refused_with_the_remedy():
    with pytest.raises(SpecError, match=r"poly:3.* over 100 columns has more than 20,000 terms.*columns="):
        Terms(tuple(f"x{i}" for i in range(100)), 3)


def test_powers_beyond_float64_are_infinite_without_a_warning():
    assert np.isinf(Terms(("x",), 12).design(np.array([[1e30]]))).any()


def test_a_problem_knows_its_parameters_and_what_is_penalised():
    design = np.ones((4, 3))
    problem = LinearProblem(design, np.zeros((4, 2)), loss("mse"), outputs=2)
    assert problem.parameters == 6
    assert problem.penalised.tolist() == [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    without = LinearProblem(design, np.zeros(4), loss("mse"), intercept=False)
    assert without.penalised.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "words"),
    [
        ("mse", (4, 1), 1, r"shape \[4, 1\].*needs \[4\].*y\[:, 0\]"),
        ("mse", (5,), 1, r"shape \[5\]; loss mse on a design of 4 rows needs \[4\]"),
        ("mse", (4, 3), 2, r"needs \[4, 2\]"),
        ("l1", (4,), 2, r"needs \[4, 2\]"),
        ("cross_entropy", (4, 3), 3, r"needs \[4\]"),
    ],
)
def test_shapes_are_explained_and_never_broadcast(name, shape, outputs, words):
    with pytest.raises(SpecError, match=words):
        LinearProblem(np.ones((4, 2)), np.zeros(shape), loss(name), outputs=outputs)
    with pytest.raises(SpecError, match="The weights have the shape"):
        LinearProblem(np.ones((4, 2)), np.zeros(4), loss("mse"), weights=np.ones((4, 1)))

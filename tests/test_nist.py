"""The certified problems are typed correctly: solved in 50 digits, each gives its certified answer."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from nist import NIST, STACKLOSS_LAD, STACKLOSS_LAD_SUM, WAMPLER_ERRORS


def _digits(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


@pytest.mark.parametrize("name", NIST)
def test_fifty_digits_give_the_certified_answer(name):
    problem = NIST[name]
    with mpmath.workdps(50):
        design = mpmath.matrix([[_digits(value) for value in row] for row in problem.design()])
        target = mpmath.matrix([_digits(Fraction(value)) for value in problem.y])
        theta = mpmath.lu_solve(design.T * design, design.T * target)
        residual = target - design * theta
        # NIST prints 15 significant digits: half a unit in the last of them, relative to a leading 1
        for got, certified in zip(theta, problem.coefficients, strict=True):
            assert abs(got - mpmath.mpf(certified)) <= 5e-15 * abs(mpmath.mpf(certified))
        sum_of_squares = (residual.T * residual)[0]
        certified = mpmath.mpf(problem.residual_sum_of_squares)
        assert abs(sum_of_squares - certified) <= 5e-15 * certified + 1e-25


@pytest.mark.parametrize(("name", "scale"), [("Wampler3", 1), ("Wampler4", 100), ("Wampler5", 10_000)])
def test_wampler_errors_are_the_published_ones(name, scale):
    exact = [int(y) + scale * error for y, error in zip(NIST["Wampler1"].y, WAMPLER_ERRORS, strict=True)]
    assert [int(y) for y in NIST[name].y] == exact


def test_wampler_1_and_2_are_their_formulas():
    for name, base in [("Wampler1", Fraction(1)), ("Wampler2", Fraction(1, 10))]:
        formula = [sum((base * x) ** power for power in range(6)) for x in range(21)]
        assert [Fraction(y) for y in NIST[name].y] == formula


def test_stackloss_lad_is_the_optimum_of_a_linear_programme():
    from scipy.optimize import linprog
    from statsmodels.datasets import stackloss

    data = stackloss.load_pandas()
    design = np.column_stack([np.ones(len(data.exog)), data.exog[list(STACKLOSS_LAD)[1:]]])
    n, p = design.shape
    answer = linprog(
        np.r_[np.zeros(p), np.ones(2 * n)],
        A_eq=np.hstack([design, np.eye(n), -np.eye(n)]),
        b_eq=data.endog,
        bounds=[(None, None)] * p + [(0, None)] * (2 * n),
    )
    assert answer.fun == pytest.approx(STACKLOSS_LAD_SUM, abs=5e-6)
    np.testing.assert_allclose(answer.x[:p], list(STACKLOSS_LAD.values()), atol=5e-6)

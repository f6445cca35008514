"""A penalty in other coordinates is what autograd and dense algebra make of l1·Σ|θ| + l2·Σθ² at θ = M·c + offset."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.model.penalties import Penalty

RANDOM = np.random.default_rng(0)
MATRIX, OFFSET, C = RANDOM.standard_normal((3, 2)), RANDOM.standard_normal(6), RANDOM.standard_normal(4)
FREE = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
TERM = Penalty(0.3, 0.7).at(FREE, MATRIX, OFFSET, outputs=2)


def by_hand(c):
    """The same, written out for two outputs."""
    theta = torch.as_tensor(OFFSET) + torch.cat([torch.as_tensor(MATRIX) @ c[:2], torch.as_tensor(MATRIX) @ c[2:]])
    free = theta[[1, 2, 4, 5]]
    return 0.3 * free.abs().sum(), 0.7 * (free**2).sum()


def test_value_and_gradient_are_those_of_autograd():
    c = torch.as_tensor(C).requires_grad_()
    absolute, square = by_hand(c)
    (slope,) = torch.autograd.grad(square, c, retain_graph=True)
    assert TERM.value(C) == pytest.approx(float((absolute + square).detach()), rel=1e-14)
    np.testing.assert_allclose(TERM.gradient(C), slope, rtol=1e-13)


def test_hessian_root_and_largest_curvature_agree():
    whole = torch.autograd.functional.hessian(lambda c: by_hand(c)[1], torch.as_tensor(C)).numpy()
    np.testing.assert_allclose(np.kron(np.eye(2), TERM.hessian()), whole, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(TERM.root().T @ TERM.root(), TERM.hessian(), rtol=1e-13)
    np.testing.assert_allclose(TERM.root(4.0), TERM.root() / 2, rtol=1e-15)
    assert TERM.largest() == pytest.approx(np.linalg.eigvalsh(whole)[-1], rel=1e-13)


def test_in_user_units_the_curvature_is_that_of_the_penalised_parameters():
    term = Penalty(l2=0.7).at(FREE, outputs=2)
    np.testing.assert_array_equal(term.hessian(), np.diag([0.0, 1.4, 1.4]))
    assert term.largest() == 1.4
    assert Penalty(l2=0.7).at(np.zeros(1)).largest() == 0.0

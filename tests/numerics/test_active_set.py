"""Feature-sign search ends at the optimality conditions, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from steepest.numerics.active_set import feature_sign

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("threshold", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("start", ["zeros", "anywhere"])
def test_it_is_the_lasso(threshold, start):
    x, y = RANDOM.standard_normal((50, 8)), RANDOM.standard_normal(50)
    first = np.zeros(8) if start == "zeros" else RANDOM.standard_normal(8)
    root, slope = x / 50**0.5, x.T @ (x @ first - y) / 50
    found = feature_sign(root, slope, np.full(8, threshold), first)
    best = Lasso(threshold, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y).coef_
    np.testing.assert_allclose(found, best, atol=1e-9)
    pull = x.T @ (y - x @ found) / 50
    assert np.abs(np.where(found != 0, pull - threshold * np.sign(found), 0.0)).max() < 1e-15
    assert (np.abs(pull) <= threshold + 1e-15).all()

"""NumPy's words that are made of others, against the same in more digits."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.formulas import words


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_logarithm_near_one_has_the_digits_of_its_kind(kind):
    z = np.concatenate([np.geomspace(1e-12, 1.0, 2_000), [0.0]]).astype(kind)
    found = words.log1p(z)
    assert found.dtype == kind
    np.testing.assert_allclose(found, np.log1p(z.astype(np.longdouble)), rtol=4 * np.finfo(kind).eps)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_log_odds_far_out_has_the_digits_of_its_kind(kind):
    z = np.linspace(-80.0, 80.0, 4_001).astype(kind)
    wide = z.astype(np.longdouble)
    np.testing.assert_allclose(
        words.logsigmoid(z), -np.log1p(np.exp(-wide)), rtol=1e-6 if kind == np.float32 else 1e-14
    )
    np.testing.assert_allclose(
        words.sigmoid(z), 1.0 / (1.0 + np.exp(-wide)), rtol=1e-6 if kind == np.float32 else 1e-14
    )

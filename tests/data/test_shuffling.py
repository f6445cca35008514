"""The compiled shuffle deals what NumPy's draws say."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.data.shuffling import TOGETHER, shuffled


@pytest.mark.parametrize("count", [1, 2, 3, 5, TOGETHER - 1, TOGETHER, TOGETHER + 2, 5003])
@pytest.mark.parametrize("key", [(0, 0), (3, 41), (2**64 - 1, 7)])
def test_it_is_the_shuffle_of_fisher_and_yates_by_the_draws_of_philox(count, key):
    random = np.random.Generator(np.random.Philox(key=np.array(key, dtype=np.uint64)))
    draws, order = random.random(count).tolist(), list(range(count))
    for i in reversed(range(1, count)):
        place = int(draws[i] * (i + 1))
        order[i], order[place] = order[place], order[i]
    np.testing.assert_array_equal(shuffled(count, key), order)

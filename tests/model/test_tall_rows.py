"""Blocks of the rows of a tall table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_rows import TallRows


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("far", [0.0, 3.0, 30.0])
def test_a_block_is_its_rows_less_the_shift(order, given, kind, far):
    x = np.array(np.random.default_rng(0).standard_normal((5_000, 7)) + far, dtype=given, order=order)
    before = x.copy()
    table = TallRows(x, shifted=True, single=True)
    assert (table.shift is None) == (far == 0.0)
    assert table.mild == (far < 10.0)
    shift = 0.0 if table.shift is None else table.shift
    assert np.abs(x.mean(0) - shift).max() < 0.1
    exact = np.finfo(kind).eps
    for rows in (slice(0, 3_000), slice(3_000, 5_000)):
        block = table.block(rows, kind)
        assert block.dtype == kind
        np.testing.assert_allclose(block, x[rows].astype(np.float64) - shift, rtol=2 * exact, atol=0)
        np.testing.assert_allclose(table.block(rows, kind, shifted=False), x[rows], rtol=exact, atol=0)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("far", [0.0, 3.0, 1e4])
def test_a_copy_in_float32_has_the_same_blocks(order, far):
    x = np.array(np.random.default_rng(0).standard_normal((60_000, 7)) + far, order=order)
    table = TallRows(x, shifted=True, single=True)
    copied = table.in_single()
    rows = slice(40_000, 43_000)
    assert (copied.shift, copied.x.dtype, copied.x.strides) == (None, np.float32, tuple(s // 2 for s in x.strides))
    assert np.array_equal(copied.block(rows, np.float32), table.block(rows, np.float32))


def test_each_thread_has_blocks_of_its_own():
    x = np.random.default_rng(0).standard_normal((200_000, 5)).astype(np.float32)
    table = TallRows(x, shifted=False)

    def total(start: int) -> float:
        return sum(float(table.block(slice(at, at + 1_000)).sum()) for at in range(start, len(x), 4_000))

    with ThreadPoolExecutor(4) as pool:
        found = sum(pool.map(total, range(0, 4_000, 1_000)))
    assert found == pytest.approx(x.sum(dtype=np.float64), rel=1e-12)


def test_columns_too_far_from_zero_need_other_coordinates():
    x = np.random.default_rng(0).standard_normal((5_000, 2)) + np.array([0.0, 1e7])
    with pytest.raises(IllConditioned):
        TallRows(x, shifted=True)

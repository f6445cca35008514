"""Sums over the rows of a tall table on all cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from steepest.model import row_parts


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 3), (200_001, 7), (300_000, 20)])
def test_each_row_is_in_one_block(rows, columns):
    seen = np.zeros(rows)

    def add(block: slice, total: np.ndarray) -> None:
        seen[block] += 1
        total += np.arange(block.start, block.stop, dtype=np.float64).sum()

    (total,) = row_parts.summed(rows, columns, [()], add)
    assert (seen == 1).all()
    assert float(total) == rows * (rows - 1) / 2


def test_fits_in_several_threads_leave_the_threads_of_blas_as_they_were():
    x = np.random.default_rng(0).standard_normal((150_000, 8))

    def gram(_: int) -> np.ndarray:
        def add(block: slice, total: np.ndarray) -> None:
            total += x[block].T @ x[block]

        return row_parts.summed(*x.shape, [(8, 8)], add)[0]

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(gram, range(120)))
        assert blas_threads() == before
    np.testing.assert_allclose(found, [x.T @ x] * 120, rtol=1e-12, atol=1e-9)


def test_a_pass_beside_another_one_leaves_blas_to_the_first(monkeypatch):
    """Else the second could keep the first one's limit for what it has to restore."""
    entered = []

    def asked() -> None:
        raise AssertionError("the libraries were asked a second time")

    def count(block: slice, total: np.ndarray) -> None:
        total += block.stop - block.start

    def outer(block: slice, total: np.ndarray) -> None:
        if not entered:
            entered.append(block)
            monkeypatch.setattr(row_parts, "_libraries", asked)
            assert float(row_parts.summed(200_000, 8, [()], count)[0]) == 200_000
        count(block, total)

    with threadpool_limits(limits=2, user_api="blas"):
        assert float(row_parts.summed(200_000, 8, [()], outer)[0]) == 200_000
    assert entered

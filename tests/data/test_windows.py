"""Minibatches of a stream: every row once an epoch, and an order that is a function of (seed, epoch, step)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from steepest.data.batching import Batching
from steepest.data.windows import STREAMS, Windows

COUNTS = [40, 0, 17, 64, 64, 64, 3, 64, 64, 64, 64, 50, 1]


@dataclass
class Files:
    """Row groups whose rows are their own numbers among all."""

    counts: np.ndarray
    read: list[int] = field(default_factory=list)

    def pieces(self, order, whole):
        first = np.concatenate([[0], np.cumsum(self.counts)])
        for group in order:
            self.read.append(group)
            rows = np.arange(first[group], first[group + 1])
            yield group, int(first[group]), pa.table({"row": rows})


@dataclass
class Rows:
    """A block."""

    y: np.ndarray

    def take(self, rows):
        return Rows(self.y[rows])


def windows(counts=COUNTS, width=None):
    counts = np.array(counts)
    files = Files(counts)

    def parted(number, first, table):
        return Rows(np.asarray(table["row"])), None

    stream = SimpleNamespace(counts=counts, files=files, names=("a",), parted=parted)
    made = Windows(stream, lambda block: (block.y,))
    if width is not None:
        made.__dict__["width"] = width
    return made


def rows_of(batch):
    """Its rows, of all its parts."""
    return np.concatenate([part[0].numpy() for part in batch.parts])


def batching(size, width=None, counts=COUNTS, **more):
    return Batching(sum(counts), size, windows=windows(counts, width), epochs=1, **more)


@pytest.mark.parametrize("size", [1, 13, 64, 559, 560])
@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("shuffle", ["rows", "none"])
def test_every_row_comes_once_an_epoch_in_batches_of_one_size(size, width, shuffle):
    dealt = [rows_of(batch) for batch in batching(size, width, shuffle=shuffle)]
    rows = sum(COUNTS)
    assert [len(rows) for rows in dealt[:-1]] == [min(size, rows)] * (-(-rows // size) - 1)
    np.testing.assert_array_equal(np.sort(np.concatenate(dealt)), np.arange(rows))
    if shuffle == "none":
        np.testing.assert_array_equal(np.concatenate(dealt), np.arange(rows))


@pytest.mark.parametrize("size", [5, 16, 100])
def test_any_step_is_dealt_without_those_before_it(size):
    made = batching(size, 2, seed=7)
    for epoch in (0, 3):
        dealt = [rows_of(batch) for batch in made.epoch(epoch)]
        for index, rows in enumerate(dealt):
            again = made.at(epoch * made.steps_per_epoch + index)
            assert (again.epoch, again.index) == (epoch, index)
            np.testing.assert_array_equal(rows_of(again), rows)


def test_a_step_is_dealt_again_from_its_own_windows_alone():
    made = batching(16, 1, counts=[64] * 64, seed=1)
    made.at(100)
    assert len(made.windows.stream.files.read) <= 2 * STREAMS


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(**more):
        return np.concatenate([rows_of(batch) for batch in batching(16, 2, **more).epoch(0)])

    np.testing.assert_array_equal(order(seed=1), order(seed=1))
    assert not np.array_equal(order(seed=1), order(seed=2))
    made = batching(16, 2, seed=1)
    first, second = (np.concatenate([rows_of(batch) for batch in made.epoch(epoch)]) for epoch in (0, 1))
    assert not np.array_equal(first, second)


def test_an_eighth_of_a_batch_comes_of_each_canonical_stream():
    counts = [64] * 64
    made = batching(16, 1, counts=counts)
    order = made.windows.order(made, 0)
    stream_of = np.empty(64, int)
    stream_of[order] = np.arange(64) // 8  # streams are as many row groups each, one after another
    for batch in islice(made, 20):
        np.testing.assert_array_equal(np.bincount(stream_of[rows_of(batch) // 64]), [2] * STREAMS)


def test_rows_are_mixed_as_far_as_windows_reach():
    """Of rows sorted by what they hold, the means of batches vary as little as those of independent rows, if W is large."""
    counts, rows = [64] * 64, 64 * 64
    spread = {}
    for width in (1, 8):
        made = batching(64, width, counts=counts)
        means = np.array([rows_of(batch).mean() for batch in made.epoch(0)])
        spread[width] = means.std()
    independent = (rows**2 / 12 / 64) ** 0.5
    assert spread[8] < 1.3 * independent
    assert spread[1] > 1.3 * independent

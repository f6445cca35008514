"""Batches are a function of (seed, epoch, index): every row once an epoch, and any epoch dealt by itself."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice, permutations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.utils.data import DataLoader, TensorDataset

from steepest.data import batching
from steepest.data.batching import Batch, Batching, External
from steepest.errors import DataError, SpecError
from steepest.settings import Spec

SHUFFLES = ["rows", "draws", "blocks", "none"]


def _rows(dealt) -> list[list[int]]:
    return [batch.rows.tolist() for batch in dealt]


@pytest.mark.parametrize("shuffle", ["rows", "blocks", "none"])
@pytest.mark.parametrize(("rows", "size"), [(10, 3), (10, 10), (10, 99), (1, 1), (7, 1), (100, 32)])
def test_every_row_comes_once_an_epoch(shuffle, rows, size):
    for epoch in range(3):
        dealt = [batch for batch in Batching(rows, size, shuffle, epochs=3) if batch.epoch == epoch]
        assert sorted(chain.from_iterable(_rows(dealt))) == list(range(rows))
        assert [batch.index for batch in dealt] == list(range(-(-rows // size)))
        assert [batch.last for batch in dealt] == [False] * (len(dealt) - 1) + [True]
        assert max(len(batch.rows) for batch in dealt) == min(size, rows)


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_the_same_seed_deals_the_same_batches_and_another_seed_others(shuffle):
    first, again, other = (_rows(Batching(50, 8, shuffle, seed, epochs=4)) for seed in (3, 3, 4))
    assert first == again
    assert (first == other) == (shuffle == "none")


def test_epoch_5_can_be_dealt_without_those_before_it():
    """The documented formula, `Philox(key=[seed, epoch])`, gives every epoch by itself."""
    seed, rows, size = 2**64 - 1, 23, 5
    for shuffle in SHUFFLES:
        dealt = [batch for batch in Batching(rows, size, shuffle, seed, epochs=6) if batch.epoch == 5]
        random = np.random.Generator(np.random.Philox(key=np.array([seed, 5], dtype=np.uint64)))
        blocks = np.split(np.arange(rows), range(size, rows, size))
        if shuffle == "rows":
            expected = np.split(random.permutation(rows), range(size, rows, size))
        elif shuffle == "draws":
            expected = random.integers(rows, size=(len(blocks), size))
        elif shuffle == "blocks":
            expected = [blocks[place] for place in random.permutation(len(blocks))]
        else:
            expected = blocks
        assert _rows(dealt) == [part.tolist() for part in expected]


def test_epochs_differ_from_each_other():
    for shuffle in ("rows", "draws", "blocks"):
        first, second = (
            [batch.rows.tolist() for batch in Batching(40, 4, shuffle, epochs=2) if batch.epoch == epoch]
            for epoch in (0, 1)
        )
        assert first != second


def test_draws_repeat_rows_and_reach_all_of_them_evenly():
    counts = np.bincount(list(chain.from_iterable(_rows(Batching(20, 10, "draws", epochs=1000)))), minlength=20)
    assert counts.sum() == 20_000
    # 1,000 expected for each row; a chi-squared of 19 degrees is below 43.8 in 999 cases of 1,000
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8
    assert any(len(set(batch)) < len(batch) for batch in _rows(Batching(20, 10, "draws", epochs=5)))


def test_blocks_are_neighbouring_rows():
    for batch in _rows(Batching(23, 5, "blocks", epochs=3)):
        assert batch == list(range(batch[0], batch[0] + len(batch)))
        assert batch[0] % 5 == 0


def test_the_full_batch_is_one_step_an_epoch():
    assert list(Batching(10, epochs=3)) == [Batch(0, 0), Batch(1, 0), Batch(2, 0)]
    assert [batch.epoch for batch in islice(Batching(10), 5)] == [0, 1, 2, 3, 4]
    assert len(list(islice(Batching(10, 3), 100))) == 100  # without a number of epochs there is no end


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(
    ("size", "epochs", "max_steps"), [(None, 4, None), (3, 4, None), (3, 4, 5), (3, None, 9), (99, 2, 7)]
)
def test_the_number_of_steps_is_that_of_the_batches(size, epochs, max_steps, drop_last):
    dealt = Batching(10, size, "rows", 3, epochs, max_steps, drop_last)
    assert len(list(dealt)) == dealt.steps
    first = [batch for batch in Batching(10, size, drop_last=drop_last, epochs=1)]
    assert len(first) == dealt.steps_per_epoch == (1 if size in (None, 99) else 3 if drop_last else 4)
    for step, batch in enumerate(dealt):
        again = dealt.at(step)
        assert again[:2] == batch[:2]
        assert size is None or again.rows.tolist() == batch.rows.tolist()


@pytest.mark.parametrize(
    ("settings", "size", "epochs", "steps"),
    [
        ({}, None, 1000, 1000),
        ({"max_steps": 7}, None, None, 7),
        ({"batch_size": 3}, 3, 100, 400),
        ({"batch_size": 10, "epochs": 2}, None, 2, 2),
        ({"batch_size": 3, "epochs": 2, "max_steps": 30}, 3, 2, 8),
    ],
)
def test_a_fit_has_the_batches_of_its_settings(settings, size, epochs, steps):
    found = Batching.of(Spec.read(settings | {"seed": 5, "shuffle": "blocks"}), 10)
    assert (found.size, found.epochs, found.steps) == (size, epochs, steps)
    assert (found.rows, found.seed, found.shuffle) == (10, 5, "blocks")


def test_any_re_iterable_of_pairs_is_one_iteration_an_epoch():
    pairs = [(torch.tensor([1.0]), torch.tensor([2.0])), [np.array([3.0]), np.array([4.0])]]
    dealt = list(External(pairs, 2))
    assert [(batch.epoch, batch.index) for batch in dealt] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [tuple(float(part) for part in batch.data) for batch in dealt] == [(1.0, 2.0), (3.0, 4.0)] * 2


def test_a_data_loader_is_batches():
    x, y = torch.arange(10.0)[:, None], torch.arange(10.0)
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(0))
    dealt = list(External(loader, 2))
    assert [len(batch.data[0]) for batch in dealt] == [4, 4, 2] * 2
    for epoch in (0, 1):
        seen = torch.cat([batch.data[1] for batch in dealt if batch.epoch == epoch])
        assert sorted(seen.tolist()) == list(range(10))
    assert all(torch.equal(batch.data[0][:, 0], batch.data[1]) for batch in dealt)


def test_an_iterator_that_is_used_up_is_an_error():
    pairs = iter([(torch.zeros(1), torch.zeros(1))])
    with pytest.raises(
        DataError, match=r"gave nothing in epoch 1\. An iterator is used up after one pass: give a list"
    ):
        list(External(pairs, 2))


def test_what_is_no_pair_is_named():
    with pytest.raises(DataError, match="Batch 1 of epoch 0 is no pair \\(x, y\\) but Tensor"):
        list(External([(torch.zeros(1), torch.zeros(1)), torch.zeros(2)], 1))


def test_impossible_batches_are_refused():
    with pytest.raises(SpecError, match=r"shuffle='random' is not known\. Known: rows, draws, blocks, none"):
        Batching(5, 2, "random")
    with pytest.raises(SpecError, match="Batches of 0 rows out of 5"):
        Batching(5, 0)


def test_very_many_rows_are_shuffled_as_fisher_and_yates_do(monkeypatch):
    monkeypatch.setattr(batching, "MANY", 2)
    for seed, rows in ((0, 2), (5, 7), (9, 1000)):
        draws = np.random.Generator(np.random.Philox(key=[seed, 3])).random(rows)
        order = list(range(rows))
        for i in range(rows - 1, 0, -1):
            place = int(draws[i] * (i + 1))
            order[i], order[place] = order[place], order[i]
        assert Batching(rows, 1, "rows", seed).order(3).tolist() == order
    found = Counter(tuple(Batching(4, 1, "rows", seed).order(0).tolist()) for seed in range(24_000))
    assert chisquare([found[order] for order in permutations(range(4))]).pvalue > 0.001


def test_the_largest_draw_stays_below_the_number_of_rows():
    most = np.nextafter(1.0, 0.0)
    assert all(
        int(most * (i + 1)) == i for i in [*range(100_000), *(2**k + j for k in range(20, 40) for j in (-1, 0, 1))]
    )

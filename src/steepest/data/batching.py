"""Batches: which rows each step looks at, as a function of (seed, epoch, index) and nothing else.

The random numbers come from a counter-based generator, `numpy.random.Philox(key=[seed, epoch])`, so that any
epoch can be dealt again without dealing the ones before it.

    rows     a fresh permutation of all rows each epoch, cut into batches (the last may be shorter)
    draws    independent random rows at every step, as many steps as `rows` would have
    blocks   contiguous blocks of rows, in random order
    none     contiguous blocks of rows, in their own order

Any re-iterable of (x, y), a `DataLoader` too, may stand in for them: one iteration is an epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from steepest.errors import DataError, SpecError

MANY = 2**16
"""Rows from which they are shuffled by compiled code, which takes a third of NumPy's time and half a second to load."""


class Batch(NamedTuple):
    """One batch: its epoch, its place in the epoch, the rows (None: all of them), or the data themselves."""

    epoch: int
    index: int
    rows: Tensor | slice | None = None
    data: tuple[Tensor, Tensor] | None = None
    last: bool = True
    """Whether the epoch ends with this batch (always False for data from outside, whose end is not known)."""


def full(epochs: int | None = None) -> Iterator[Batch]:
    """All rows at every step: an epoch is a step. Without a number of epochs there is no end."""
    epoch = 0
    while epochs is None or epoch < epochs:
        yield Batch(epoch, 0)
        epoch += 1


def minibatches(
    rows: int,
    size: int,
    shuffle: str = "rows",
    seed: int = 0,
    epochs: int | None = None,
    first: int = 0,
    drop_last: bool = False,
) -> Iterator[Batch]:
    """Batches of `size` rows out of `rows`, dealt as `shuffle` says (see the module's text), from epoch `first` on.

    drop_last: leave out those that are shorter.

    >>> [batch.rows.tolist() for batch in minibatches(5, 2, "none", epochs=1)]
    [[0, 1], [2, 3], [4]]
    """
    if shuffle not in ("rows", "draws", "blocks", "none"):
        raise SpecError(f"shuffle={shuffle!r} is not known. Known: rows, draws, blocks, none.")
    if size < 1 or rows < 1:
        raise SpecError(f"Batches of {size} rows out of {rows} cannot be dealt; both must be at least 1.")
    size = min(size, rows)
    count = per_epoch(rows, size, drop_last)
    epoch = first
    while epochs is None or epoch < first + epochs:
        dealt = _deal(rows, size, shuffle, seed, epoch)
        for index, part in enumerate([part for part in dealt if len(part) == size] if drop_last else dealt):
            yield Batch(epoch, index, part, last=index == count - 1)
        epoch += 1


def per_epoch(rows: int, size: int, drop_last: bool = False) -> int:
    """Steps an epoch."""
    return max(1, rows // size if drop_last else -(-rows // size))


def _deal(rows: int, size: int, shuffle: str, seed: int, epoch: int) -> Iterable[Tensor]:
    order = torch.from_numpy(dealt(rows, size, shuffle, seed, epoch))
    if shuffle in ("rows", "draws"):
        return order.split(size)
    blocks = torch.arange(rows).split(size)
    return [blocks[i] for i in order.tolist()]


def dealt(rows: int, size: int, shuffle: str, seed: int, epoch: int) -> np.ndarray:
    """What an epoch looks at, in order: rows, batch after batch (`rows`, `draws`), or blocks of `size` rows."""
    random = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    count = -(-rows // size)
    if shuffle == "draws":
        return random.integers(rows, size=count * size)
    if shuffle == "rows":
        if rows < MANY:
            return random.permutation(rows)
        from steepest.data.shuffling import shuffle

        order = np.arange(rows)
        shuffle(order, random.random(rows))
        return order
    return np.arange(count) if shuffle == "none" else random.permutation(count)


def external(source: Iterable[Any], epochs: int | None = None) -> Iterator[Batch]:
    """Batches from anything that yields (x, y) and can be iterated once an epoch."""
    epoch = 0
    while epochs is None or epoch < epochs:
        index = -1
        for index, entry in enumerate(source):
            if not isinstance(entry, (tuple, list)) or len(entry) != 2:
                raise DataError(f"Batch {index} of epoch {epoch} is no pair (x, y) but {type(entry).__name__}.")
            yield Batch(epoch, index, data=(torch.as_tensor(entry[0]), torch.as_tensor(entry[1])), last=False)
        if index < 0:
            raise DataError(
                f"The batches gave nothing in epoch {epoch}. An iterator is used up after one pass: give a list, "
                "a DataLoader, or anything else that can be iterated again."
            )
        epoch += 1

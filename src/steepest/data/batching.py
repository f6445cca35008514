"""Batches: which rows each step looks at, as a function of (seed, epoch, index) and nothing else, and how many there are.

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
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.errors import DataError, SpecError
from steepest.lazy import Tensor, torch
from steepest.settings_table import default_epochs

if TYPE_CHECKING:
    from steepest.data.windows import Windows
    from steepest.settings import Spec

MANY = 2**16
"""Rows from which they are shuffled by compiled code, which takes a third of NumPy's time once it is compiled."""


class Batch(NamedTuple):
    """One batch: its epoch, its place in the epoch, the rows (None: all of them), or the data themselves."""

    epoch: int
    index: int
    rows: Tensor | slice | None = None
    data: tuple[Tensor, ...] | None = None
    last: bool = True
    """Whether the epoch ends with this batch (always False for data from outside, whose end is not known)."""
    parts: tuple[tuple[Tensor, ...], ...] = ()
    """Of a stream the data of each part that is added up apart: of those of this rank alone (`ranks/`), and `data` is empty. A
    part without rows may have no data at all."""
    count: int = 0
    """Of a stream, how many rows the whole batch has, those of other ranks too."""
    pieces: int | None = None
    """Rows of one of the minibatches whose gradients are averaged; None where it is one itself."""


@dataclass(frozen=True)
class Batching:
    """The batches of a descent: what each step sees, and how many steps there are. It is iterated anew each time.

    size: rows a batch; None: all rows at every step, so that an epoch is a step. shuffle: see the module's text.
    epochs, max_steps: where they end, at whichever comes first; without either there is no end.
    drop_last: leave out those that are shorter. first: the epoch to begin with, where others came before. windows: what deals
    the rows of a stream, whose batches bring their rows along. pieces: as a Batch has them.

    >>> dealt = Batching(5, 2, "none", epochs=1)
    >>> [batch.rows.tolist() for batch in dealt], dealt.steps
    ([[0, 1], [2, 3], [4]], 3)
    """

    rows: int
    size: int | None = None
    shuffle: str = "rows"
    seed: int = 0
    epochs: int | None = None
    max_steps: int | None = None
    drop_last: bool = False
    first: int = 0
    windows: Windows | None = None
    pieces: int | None = None

    def __post_init__(self) -> None:
        if self.shuffle not in ("rows", "draws", "blocks", "none"):
            raise SpecError(f"shuffle={self.shuffle!r} is not known. Known: rows, draws, blocks, none.")
        if self.size is None:
            return
        if self.size < 1 or self.rows < 1:
            raise SpecError(f"Batches of {self.size} rows out of {self.rows} cannot be dealt; both must be at least 1.")
        object.__setattr__(self, "size", min(self.size, self.rows))

    @classmethod
    def of(cls, spec: Spec, rows: int, kind: str | None = None, drop_last: bool = False) -> Batching:
        """Those of a fit to so many rows. kind: of the descent, which says how many epochs it has where nothing else does."""
        size = None if spec.rows_of_step is None or spec.rows_of_step >= rows else spec.rows_of_step
        epochs = default_epochs(spec.epochs, spec.max_steps, kind or ("full" if size is None else "minibatch"))
        return cls(rows, size, spec.shuffle, spec.seed, epochs, spec.max_steps, drop_last, pieces=spec.pieces)

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch."""
        if self.size is None:
            return 1
        return max(1, self.rows // self.size if self.drop_last else -(-self.rows // self.size))

    @property
    def steps(self) -> int | None:
        """Steps in all; None where there is no end."""
        in_epochs = None if self.epochs is None else self.epochs * self.steps_per_epoch
        return min((count for count in (in_epochs, self.max_steps) if count is not None), default=None)

    def __iter__(self) -> Iterator[Batch]:
        return self.since(self.first, 0)

    def since(self, epoch: int, index: int) -> Iterator[Batch]:
        """The batches from one of them on, by its epoch and its place there; none before it is dealt again.

        >>> [batch.rows.tolist() for batch in Batching(5, 2, "none", epochs=2).since(1, 2)]
        [[4]]
        """
        begin = epoch * self.steps_per_epoch + index
        end = None if self.steps is None else max(self.first * self.steps_per_epoch + self.steps, begin)
        if self.windows is not None:
            return islice(self._streamed(begin, end), None if end is None else end - begin)
        last = None if end is None else index + end - begin
        return islice(chain.from_iterable(map(self.epoch, count(epoch))), index, last)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, which those before it have no part in."""
        if self.size is None:
            yield Batch(epoch, 0, pieces=self.pieces)
            return
        if self.windows is not None:
            yield from self._streamed(epoch * self.steps_per_epoch, (epoch + 1) * self.steps_per_epoch)
            return
        order = torch.from_numpy(self.order(epoch))
        if self.shuffle in ("rows", "draws"):
            dealt = order.split(self.size)
        else:
            blocks = torch.arange(self.rows).split(self.size)
            dealt = [blocks[i] for i in order.tolist()]
        if self.drop_last:
            dealt = [part for part in dealt if len(part) == self.size]
        for index, part in enumerate(dealt):
            yield Batch(epoch, index, part, pieces=self.pieces, last=index == len(dealt) - 1)

    def at(self, step: int) -> Batch:
        """The batch of a step, both counted from 0."""
        if self.windows is not None:
            return next(self._streamed(step, step + 1))
        epoch, index = divmod(step, self.steps_per_epoch)
        return next(islice(self.epoch(epoch), index, None))

    def _streamed(self, first: int, last: int | None) -> Iterator[Batch]:
        """The batches of a stream's rows from one step to another (None: without end)."""
        assert self.windows is not None
        for epoch, steps, given in self.windows.pieces(self, first, last):
            for i in range(steps.count):
                # copies, which begin where PyTorch would have them: products may depend on that
                parts = tuple(tuple(torch.from_numpy(array[i]).clone() for array in arrays) for arrays in given)
                index = steps.first + i
                last = index == self.steps_per_epoch - 1
                yield Batch(epoch, index, None, (), last=last, parts=parts, count=steps.rows)

    def order(self, epoch: int) -> np.ndarray:
        """What an epoch looks at, in order: rows, batch after batch (`rows`, `draws`), or blocks of `size` rows."""
        assert self.size is not None
        key = self.seed, epoch
        if self.shuffle == "rows" and self.rows >= MANY:
            from steepest.data.shuffling import shuffled

            return shuffled(self.rows, key)
        random = np.random.Generator(np.random.Philox(key=np.array(key, dtype=np.uint64)))
        blocks = -(-self.rows // self.size)
        if self.shuffle == "draws":
            return random.integers(self.rows, size=blocks * self.size)
        if self.shuffle == "rows":
            return random.permutation(self.rows)
        return np.arange(blocks) if self.shuffle == "none" else random.permutation(blocks)


@dataclass(frozen=True)
class External:
    """Batches from anything that yields (x, y) and can be iterated once an epoch; `since` begins an epoch again."""

    source: Iterable[Any]
    epochs: int | None = None
    accumulate: int = 1

    def __iter__(self) -> Iterator[Batch]:
        return self.since(0, 0)

    def since(self, epoch: int, index: int) -> Iterator[Batch]:
        """The batches from an epoch's first one on: what is not ours cannot be begun again in the middle of it."""
        return gathered(self._dealt(epoch), self.accumulate)

    def _dealt(self, epoch: int) -> Iterator[Batch]:
        while self.epochs is None or epoch < self.epochs:
            index = -1
            for index, entry in enumerate(self.source):
                if not isinstance(entry, (tuple, list)) or len(entry) != 2:
                    raise DataError(f"Batch {index} of epoch {epoch} is no pair (x, y) but {type(entry).__name__}.")
                yield Batch(epoch, index, data=(torch.as_tensor(entry[0]), torch.as_tensor(entry[1])), last=False)
            if index < 0:
                raise DataError(
                    f"The batches gave nothing in epoch {epoch}. An iterator is used up after one pass: give a list, "
                    "a DataLoader, or anything else that can be iterated again."
                )
            epoch += 1


def gathered(batches: Iterator[Batch], many: int) -> Iterator[Batch]:
    """So many batches of an epoch at a time as one, their gradients to be averaged; in its last one what is left."""
    if many == 1:
        yield from batches
        return
    parts: list[Batch] = []
    index = 0
    for batch in batches:
        if parts and (len(parts) == many or batch.epoch != parts[0].epoch):
            yield _together(parts, index)
            index = index + 1 if batch.epoch == parts[0].epoch else 0
            parts = []
        parts.append(batch)
    if parts:
        yield _together(parts, index)


def _together(parts: list[Batch], index: int) -> Batch:
    first, epoch = parts[0], parts[0].epoch
    if first.data is None:
        rows = [part.rows for part in parts]
        return Batch(epoch, index, torch.cat(rows), pieces=len(rows[0]), last=parts[-1].last)  # pyrefly: ignore
    data = tuple(torch.cat(each) for each in zip(*(part.data or () for part in parts), strict=True))
    return Batch(epoch, index, data=data, pieces=len(first.data[0]), last=parts[-1].last)

"""Minibatches of a stream: an order of all its rows that is a function of (seed, epoch), and never a buffer.

    row groups permuted by (seed, epoch) ──cut into 8 streams of as many rows──▶ windows of W groups, their rows permuted
    batch i = the next rows of every stream, an eighth of the batch from each

So a batch is made of rows from 8·W row groups, which is what is in memory; a position is one whole number, the step, from which
everything goes on at no cost; and whoever reads a few of the 8 streams alone sees the same rows in the same order. The eight are
the same however many read them: each rank reads its own. The idea of such an order: mosaicml/streaming; its own format is not
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import NamedTuple

import numpy as np

from steepest.data.batching import Batching
from steepest.data.streams import ORDER, Block, Stream
from steepest.ranks.group import current
from steepest.ranks.tree import PARTS, sizes_of

STREAMS = PARTS
"""Canonical streams."""

HELD = 2**25
"""Entries of all windows together, that W is chosen by: 256 MiB of float64."""

WIDEST = 16
"""Row groups of a window at most."""

Parts = tuple[np.ndarray | tuple[np.ndarray, ...], ...]
"""Arrays `[m, …]` of some rows, the first of which may be the columns of one, `[m]` each."""

Columns = Callable[[Block], Parts]


class Load(NamedTuple):
    """The next window of a canonical stream: its number there, its row groups, which of their training rows, one after another,
    belong to it, and how many of these, once permuted, were dealt before."""

    stream: int
    number: int
    groups: tuple[int, ...]
    low: int
    high: int
    dealt: int


class Steps(NamedTuple):
    """Batches whose rows are there: the first one's number in the epoch, how many, and how many rows each stream gives to one."""

    first: int
    count: int
    sizes: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Of a batch."""
        return sum(self.sizes)

    @property
    def parts(self) -> tuple[int, ...]:
        """Rows of each part of a batch: those of each stream, or of a single one an eighth each."""
        return self.sizes if len(self.sizes) == PARTS else sizes_of(self.rows)


@dataclass(frozen=True)
class Windows:
    """How the rows of a stream are dealt.

    columns: of a block the arrays `[m, …]` that a step takes. numbers: in which precision; None: as they are. ones: how many
    columns of ones stand before those of the first array.
    """

    stream: Stream
    columns: Columns
    numbers: np.dtype | None = None
    ones: int = 0

    @cached_property
    def width(self) -> int:
        """W, row groups of a window."""
        entries = max(int(self.stream.counts.max()), 1) * (len(self.stream.names) + 1)
        return max(1, min(WIDEST, HELD // (STREAMS * entries)))

    def order(self, batching: Batching, epoch: int) -> np.ndarray:
        """Row groups in the order of an epoch."""
        there = np.flatnonzero(self.stream.counts)
        return there if batching.shuffle == "none" else _random(batching.seed, epoch).permutation(there)

    def actions(self, batching: Batching, epoch: int, first: int = 0) -> Iterator[Load | Steps]:
        """What is read and dealt in an epoch, in order, from its batch `first` on."""
        assert batching.size is not None
        streams = 1 if batching.shuffle == "none" else STREAMS
        counts = self.stream.counts[self.order(batching, epoch)]
        order, ends = self.order(batching, epoch), np.cumsum(counts)
        begins = ends - counts
        sizes = np.array([batching.size // streams + (k < batching.size % streams) for k in range(streams)])
        cuts = np.rint(np.concatenate([[0], np.cumsum(sizes)]) * (int(ends[-1]) / batching.size)).astype(int)
        group = np.searchsorted(ends, cuts[:-1], "right")  # in which each stream begins
        place, loaded = cuts[:-1] + first * sizes, cuts[:-1] + first * sizes
        step, steps = first, batching.steps_per_epoch
        while step < steps:
            rest = step == steps - 1 and not batching.drop_last
            need = cuts[1:] - place if rest else sizes
            for k in np.flatnonzero(loaded - place < need).tolist():
                while loaded[k] - place[k] < need[k]:
                    number = (int(np.searchsorted(ends, loaded[k], "right")) - int(group[k])) // self.width
                    low = int(group[k]) + number * self.width
                    high = min(low + self.width, int(np.searchsorted(begins, cuts[k + 1], "left")))
                    begin, end = max(begins[low], cuts[k]), min(ends[high - 1], cuts[k + 1])
                    dealt = int(loaded[k] - begin)
                    groups = tuple(order[low:high].tolist())
                    yield Load(k, number, groups, int(begin - begins[low]), int(end - begins[low]), dealt)
                    loaded[k] = end
            there = sizes > 0
            many = int(((loaded - place)[there] // sizes[there]).min())
            many = 1 if rest else max(1, min(many, steps - step - (not batching.drop_last)))
            yield Steps(step, many, tuple(need.tolist()))
            place, step = place + many * need, step + many

    def pieces(
        self, batching: Batching, first: int = 0, last: int | None = None
    ) -> Generator[tuple[int, Steps, list[tuple[np.ndarray, ...]]]]:
        """From one step to another (None: without end), counted from 0: the epoch, some of its steps, and the arrays `[steps, m,
        …]` of their rows, for each part of a batch that is this rank's."""
        for epoch, steps, held, orders in self.orders(batching, first, last):
            yield epoch, steps, [tuple(array.take(order, 0) for array in held) for order in orders]

    def orders(
        self, batching: Batching, first: int = 0, last: int | None = None
    ) -> Generator[tuple[int, Steps, tuple[np.ndarray, ...], list[np.ndarray]]]:
        """The same as numbers of rows `[steps, m]` among those of all windows, which are other ones once it goes on. The row
        groups to come are decoded meanwhile."""
        own = current().own
        streams = range(1) if batching.shuffle == "none" else own

        def all_actions() -> Iterator[tuple[int, Load | Steps]]:
            epoch, begin = divmod(first, batching.steps_per_epoch)
            for at in count(epoch):
                if last is not None and at * batching.steps_per_epoch >= last:
                    return
                for action in self.actions(batching, at, begin if at == epoch else 0):
                    if isinstance(action, Steps) or action.stream in streams:
                        yield at, action

        order = (group for _, action in all_actions() if isinstance(action, Load) for group in action.groups)
        tables, held = self.stream.files.pieces(order, whole=True), _Held(self, batching, streams)
        try:
            for epoch, action in all_actions():
                if isinstance(action, Steps):
                    yield epoch, action, held.arrays, held.dealt(action, own)
                else:
                    blocks = (self.stream.parted(*next(tables))[0] for _ in action.groups)
                    held.load(blocks, action, None if batching.shuffle == "none" else (batching.seed, epoch))
        finally:
            tables.close()


class _Held:
    """The rows of the windows that are open: a part of the arrays for each stream, and which of its rows come next.

    arrays: `[streams · room, …]`, once the first rows are there.
    """

    def __init__(self, windows: Windows, batching: Batching, streams: range):
        self.windows, size = windows, batching.size or 1
        self.room = windows.width * int(windows.stream.counts.max()) + size
        self.streams = streams
        self.arrays: tuple[np.ndarray, ...] = ()
        self.next = {stream: np.empty(0, np.int64) for stream in streams}

    def load(self, blocks: Iterator[Block], load: Load, key: tuple[int, int] | None) -> None:
        """Put a window below the rows that are left of the one before."""
        left, begin = self.next[load.stream], self.streams.index(load.stream) * self.room
        for array in self.arrays:
            array[begin : begin + len(left)] = array[left]
        place, at = begin + len(left), 0
        for block in blocks:
            low, high = max(load.low - at, 0), min(load.high - at, len(block.y))
            at += len(block.y)
            if high > low:
                whole = (low, high) == (0, len(block.y))
                self._put(self.windows.columns(block if whole else block.take(slice(low, high))), place, high - low)
                place += high - low
        rows = np.arange(begin, place)
        if key is not None:
            _random(*key, load.stream + 1, load.number).shuffle(rows[len(left) :])
        dealt = slice(len(left), len(left) + load.dealt)
        self.next[load.stream] = np.delete(rows, dealt) if load.dealt else rows

    def _put(self, parts: Parts, place: int, count: int) -> None:
        if not self.arrays:
            self.arrays = tuple(self._like(part, self.windows.ones * (i == 0)) for i, part in enumerate(parts))
        for i, (array, part) in enumerate(zip(self.arrays, parts, strict=True)):
            rows = array[place : place + count]
            if isinstance(part, tuple):
                for at, column in enumerate(part, self.windows.ones):
                    rows[:, at] = column
            elif i == 0 and self.windows.ones:
                rows[:, self.windows.ones :] = part
            else:
                rows[...] = part

    def _like(self, part: np.ndarray | tuple[np.ndarray, ...], ones: int) -> np.ndarray:
        part = np.empty((0, len(part)), part[0].dtype) if isinstance(part, tuple) else part
        kind = part.dtype if part.dtype.kind != "f" or self.windows.numbers is None else self.windows.numbers
        shape = (part.shape[1] + ones, *part.shape[2:]) if part.ndim > 1 else ()
        made = np.empty((len(self.streams) * self.room, *shape), kind)
        if ones:
            made[:, :ones] = 1.0
        return made

    def dealt(self, steps: Steps, own: range) -> list[np.ndarray]:
        """The rows of some parts of batches `[steps, m]`, which the streams then have no more."""
        dealt = []
        for stream in self.streams:
            size = steps.sizes[stream]
            rows = size * steps.count
            dealt.append(self.next[stream][:rows].reshape(steps.count, size))
            self.next[stream] = self.next[stream][rows:]
        if len(steps.sizes) == PARTS:
            return dealt
        ends = np.cumsum(steps.parts)
        return [dealt[0][:, ends[part] - steps.parts[part] : ends[part]] for part in own]


def _random(seed: int, epoch: int, stream: int = 0, window: int = 0) -> np.random.Generator:
    """Random numbers of an epoch's row groups, or of a window's rows."""
    key, counter = np.array([seed, epoch], np.uint64), np.array([0, window, stream, ORDER], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))

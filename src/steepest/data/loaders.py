"""Rows from PyTorch's datasets and loaders: read once, in the dataset's own order, into arrays.

A loader's batches are made anew of these rows: its size of a batch, its shuffling and `drop_last` are settings of the
fit, and any other sampler is asked for the numbers of its rows. Of a `SubsetRandomSampler` only its rows are read. So a
fit depends on its seed alone, and the loader and PyTorch's generator are left as they were.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.batching import Batch, gathered
from steepest.data.randomness import seeded
from steepest.errors import DataError, SpecError, SteepestError
from steepest.lazy import Tensor, data, torch

MOST_ROWS = 1_000_000  # rows that are read of a stream that does not say how many it has
CHUNK = 256  # rows that are put together at a time

TARGETS = frozenset({"y", "target", "targets", "label", "labels"})

PICTURES = "Pictures are read as [channels, height, width], from 0 to 1."
CHANGING = (
    "The dataset gives other values each time that a row is read, as random augmentation does: the fit sees each row as it was "
    "read once."
)


@dataclass(frozen=True)
class DropLast:
    """That the last batch of an epoch is left out where it is shorter: said in the place of batches."""


@dataclass(frozen=True)
class Loaded:
    """What a source holds: x `[n, …]`, y `[n, …]` (None without), and how a loader batches the rows.

    batch_size, shuffle: None for a dataset. batches: what no setting stands for, a sampler or that the last one is dropped.
    """

    x: np.ndarray
    y: np.ndarray | None
    batch_size: int | None = None
    shuffle: str | None = None
    batches: Sampled | DropLast | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sampled:
    """The batches of a sampler, by the numbers of their rows: a function of (seed, epoch) where the sampler is one.

    rows: how many the dataset has. epochs: after how many it ends; seed: of the fit.
    """

    sampler: Any
    rows: int
    epochs: int | None = None
    seed: int = 0
    accumulate: int = 1

    def __iter__(self) -> Iterator[Batch]:
        return self.since(0, 0)

    def since(self, epoch: int, index: int) -> Iterator[Batch]:
        """One pass over the sampler an epoch, from a batch on: by its epoch and its place there."""
        return itertools.islice(gathered(self._dealt(epoch), self.accumulate), index, None)

    def _dealt(self, first: int) -> Iterator[Batch]:
        for epoch in itertools.count(first) if self.epochs is None else range(first, self.epochs):
            with seeded(hash((self.seed, epoch))):
                batches = [torch.as_tensor(list(rows), dtype=torch.int64) for rows in self.sampler]
            if not batches:
                raise DataError(f"The loader's sampler gives no batch in epoch {epoch}.")
            for index, rows in enumerate(batches):
                yield Batch(epoch, index, rows, last=index == len(batches) - 1)


def unpacked(
    x: Any, y: Any, settings: Mapping[str, Any], batches: Any = None
) -> tuple[Any, Any, Mapping[str, Any], Any, tuple[str, ...]]:
    """x, y, settings and batches with a loader or dataset in the place of x read into arrays, and what is to be said.

    Raises SpecError for settings that say otherwise than the loader, and DataError for what can be read only once.
    """
    if isinstance(x, Iterator):
        raise DataError(
            f"x is a {type(x).__name__}, which can be read only once, and a descent passes over its rows many times. Give a "
            "DataLoader, a dataset, or arrays x and y."
        )
    if not is_source(x):
        return x, y, settings, batches, ()
    if y is not None:
        raise SpecError("y= comes with the rows of a loader or dataset; leave it out, or give x and y as arrays.")
    loaded = read(x)
    if loaded.y is None:
        raise DataError("The rows of the dataset are x alone, and a fit needs (x, y).")
    changed = dict(settings)
    if loaded.batch_size is not None:
        if settings.get("batch_size", "full") not in ("full", loaded.batch_size):
            raise SpecError(
                f"The loader gives batches of {loaded.batch_size}, and batch_size={settings['batch_size']!r} was given. Leave it "
                "out, or give the dataset."
            )
        changed["batch_size"] = loaded.batch_size
        changed["shuffle"] = loaded.shuffle or settings.get("shuffle", "rows")
    if batches is None:
        batches = loaded.batches
    return loaded.x, loaded.y, changed, batches, loaded.notes


def is_source(given: Any) -> bool:
    """Whether it is a DataLoader, a dataset of PyTorch's, or an object of one's own with rows by number."""
    if "torch" in sys.modules and isinstance(given, (data.DataLoader, data.Dataset)):
        return True
    known = ("collect_schema", "__array__", "__arrow_c_stream__", "keys", "columns", "dtype", "shape", "iloc", "theta")
    if isinstance(given, (str, bytes, Sequence, Mapping, Tensor)) or any(hasattr(given, name) for name in known):
        return False
    return hasattr(given, "__getitem__") and hasattr(given, "__len__")


def read(given: Any) -> Loaded:
    """The rows of a loader or dataset. DataError for rows that are no numbers, or not all of one shape."""
    if not isinstance(given, data.DataLoader):
        x, y, notes = _of_stream(given) if isinstance(given, data.IterableDataset) else _of_dataset(given, None)
        return Loaded(x, y, notes=notes)
    if isinstance(given.dataset, data.IterableDataset):
        x, y, notes = _of_stream(given)
        return Loaded(x, y, given.batch_size, "none", DropLast() if given.drop_last else None, notes)
    usual = data.default_convert if given.batch_size is None and given.batch_sampler is None else data.default_collate
    own = None if given.collate_fn is usual else given.collate_fn
    sampler: Any = given.sampler
    part = type(sampler) is data.SubsetRandomSampler
    rows = data.Subset(given.dataset, [int(i) for i in sampler.indices]) if part else given.dataset
    x, y, notes = _of_dataset(rows, own)
    return Loaded(x, y, *_batches_of(given), notes)


def _batches_of(loader: Any) -> tuple[int | None, str | None, Sampled | DropLast | None]:
    """Size of a batch and shuffling of a loader, and what else there is to its batches."""
    sampler, size = loader.sampler, loader.batch_size
    count = len(loader.dataset)
    if size is None and loader.batch_sampler is not None:
        return None, None, Sampled(loader.batch_sampler, count)
    last = DropLast() if loader.drop_last else None
    if type(sampler) is data.SequentialSampler:
        return size or 1, "none", last
    whole = type(sampler) is data.RandomSampler and sampler.num_samples == count and not sampler.replacement
    if whole or type(sampler) is data.SubsetRandomSampler:
        return size or 1, "rows", last
    if size is None:
        raise SpecError(
            "The loader has a sampler and batch_size=None; give the sampler as batch_sampler=, or a batch_size."
        )
    return size, None, Sampled(loader.batch_sampler, count)


def _of_dataset(dataset: Any, collate: Callable[[list[Any]], Any] | None) -> tuple[np.ndarray, Any, tuple[str, ...]]:
    tensors = getattr(dataset, "tensors", None)
    if type(dataset) is data.TensorDataset and collate is None and tensors is not None and len(tensors) in (1, 2):
        return _array(tensors[0]), _array(tensors[1]) if len(tensors) == 2 else None, ()
    count = len(dataset)
    if not count:
        raise DataError("The dataset has no rows.")
    with seeded(0):
        parts = [
            _collated([dataset[i] for i in range(k, min(k + CHUNK, count))], collate) for k in range(0, count, CHUNK)
        ]
        notes = [] if collate is not None or not _is_picture(_first(dataset[0])) else [PICTURES]
        if _differs(_first(dataset[0]), _first(dataset[0])):
            notes.append(CHANGING)
    return *_joined(parts), tuple(notes)


def _of_stream(source: Any) -> tuple[np.ndarray, Any, tuple[str, ...]]:
    """The rows of a stream, or of a loader of one: read to its end."""
    parts, rows = [], 0
    batched = isinstance(source, data.DataLoader) and source.batch_size is not None
    with seeded(0):
        for entry in source:
            parts.append(_pair(entry) if batched else _collated([entry], None))
            rows += len(parts[-1][0])
            if rows > MOST_ROWS:
                raise DataError(
                    f"The IterableDataset does not say how many rows it has, and did not end after {MOST_ROWS:,}. Give a dataset "
                    "with a length, or the rows as arrays: st.fit(x, y, …)."
                )
    if not parts:
        raise DataError("The dataset has no rows.")
    note = f"An IterableDataset does not say how many rows it has: {rows:,} were read, in its own order."
    return *_joined(parts), (note,)


def _collated(entries: list[Any], collate: Callable[[list[Any]], Any] | None) -> tuple[Tensor, Tensor | None]:
    """Rows put together, by the loader's own function or as PyTorch does it."""
    try:
        put = collate(entries) if collate is not None else data.default_collate(list(map(_plain, entries)))
    except SteepestError:
        raise
    except Exception as error:  # the loader's function is the user's own code
        _check_shapes({tuple(np.shape(_first(entry))) for entry in entries})
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"The rows of the dataset cannot be put together: {why}") from error
    return _pair(put)


def _check_shapes(shapes: set[tuple[int, ...]]) -> None:
    """Raise DataError where rows have more than one shape."""
    if len(shapes) > 1:
        one, other = (list(shape) for shape in sorted(shapes)[:2])
        raise DataError(
            f"The rows of the dataset have different shapes, {one} and {other}. Bring them to one size in its __getitem__ or "
            "transform."
        ) from None


def _plain(entry: Any) -> Any:
    """An entry with its pictures as arrays."""
    if isinstance(entry, (tuple, list)):
        return tuple(_plain(part) for part in entry)
    return _pixels(entry) if _is_picture(entry) else entry


def _is_picture(entry: Any) -> bool:
    return any(base.__module__ == "PIL.Image" for base in type(entry).__mro__)


def _pixels(picture: Any) -> np.ndarray:
    """A picture of Pillow's as [channels, height, width], from 0 to 1."""
    pixels = np.asarray(picture.convert("RGB") if picture.mode in ("P", "CMYK", "YCbCr") else picture)
    scaled = pixels.astype(np.float32) / (255.0 if pixels.dtype == np.uint8 else 1.0)
    return scaled[None] if scaled.ndim == 2 else np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _first(entry: Any) -> Any:
    if isinstance(entry, (tuple, list)) and entry:
        return entry[0]
    if isinstance(entry, Mapping):
        return next((value for name, value in entry.items() if name not in TARGETS), None)
    return entry


def _differs(one: Any, other: Any) -> bool:
    one, other = (np.asarray(_pixels(part) if _is_picture(part) else part) for part in (one, other))
    return (
        one.shape == other.shape
        and one.dtype.kind in "fiub"
        and not np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    )


def _pair(put: Any) -> tuple[Tensor, Tensor | None]:
    """x and y of a batch. DataError where it is not plain which is which."""
    if isinstance(put, Tensor):
        return put, None
    if isinstance(put, Mapping):
        own = [name for name in put if name in TARGETS]
        if len(put) == 2 and len(own) == 1:
            return _pair([next(value for name, value in put.items() if name != own[0]), put[own[0]]])
        raise DataError(
            f"A row of the dataset is a dict of {', '.join(map(repr, list(put)[:6]))}, and a fit needs (x, y). Let its "
            "__getitem__, or collate_fn= of the loader, return these two."
        )
    if isinstance(put, (tuple, list)) and len(put) in (1, 2):
        x, y = put[0], put[1] if len(put) == 2 else None
        if isinstance(x, Tensor) and (y is None or isinstance(y, (Tensor, tuple, list))):
            return x, y  # pyrefly: ignore[bad-return] (names of classes are a tuple of text)
    what = f"{len(put)} parts" if isinstance(put, (tuple, list)) else f"a {type(put).__name__}"
    if isinstance(put, (tuple, list)) and len(put) == 2:
        what = f"x as a {type(put[0]).__name__} and y as a {type(put[1]).__name__}"
    raise DataError(f"A row of the dataset is {what}, and a fit needs (x, y), each one tensor.")


def _joined(parts: list[tuple[Tensor, Any]]) -> tuple[np.ndarray, Any]:
    _check_shapes({tuple(x.shape[1:]) for x, _ in parts})
    x = np.concatenate([_array(part) for part, _ in parts])
    if parts[0][1] is None:
        return x, None
    return x, np.concatenate([_array(y) if isinstance(y, Tensor) else np.asarray(y) for _, y in parts])


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).numpy()

"""The numbers of a run as files: θ and a module's parameters, the trace, and rows to draw.

    weights.safetensors   `theta`, `exact_theta` and `module.NAME`
    trace.parquet         a row a recorded step, a column a parameter; of more than a thousand one column of lists
    rows.parquet          the encoded rows, at most 2,000 of those fitted and of those held out

What comes back has the shapes and types that it must have, whoever wrote the file, or there is a ValueError; how much memory
it takes is known before it is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.dataset import Dataset
from steepest.data.schema import Schema
from steepest.data.thinning import evenly
from steepest.descent.trace import BUDGET, Trace
from steepest.formulas.quantities import QUANTITIES
from steepest.lazy import torch
from steepest.result import Fit

MOST_ROWS = 2_000
"""Rows that a run keeps to be drawn, of those fitted and of those held out."""

MOST_COLUMNS = 1_000
"""Parameters up to which the trace on disk has a column for each; more are one column of lists."""

ROOMY = 2 * BUDGET
RATIO = 100
"""Bytes that a table may take in memory in any case, and how many times those of its file where that is more."""


# ---- weights ---------------------------------------------------------------------------------------


def pack_weights(fit: Fit) -> bytes:
    """θ, the exact θ, and a module's parameters and buffers."""
    arrays = {"theta": fit.theta}
    if fit.exact is not None and fit.exact.theta is not None:
        arrays["exact_theta"] = fit.exact.theta
    if fit.network is None:
        from safetensors.numpy import save

        return save({name: np.ascontiguousarray(value) for name, value in arrays.items()})
    from safetensors.torch import save as packed

    tensors = {name: torch.tensor(value) for name, value in arrays.items()}
    for name, value in fit.network.state_dict().items():
        # clones: a module's parameters are views into one vector, and tied ones are the same
        tensors[f"module.{name}"] = value.detach().cpu().clone().contiguous()
    return packed(tensors)


def unpack_weights(content: bytes, count: int) -> dict[str, torch.Tensor]:
    """The tensors by name; `theta`, and `exact_theta` if it is there, with as many numbers as there are parameters."""
    from safetensors import SafetensorError
    from safetensors.torch import load as unpacked

    try:
        tensors = unpacked(content)
    except (SafetensorError, KeyError, RuntimeError) as error:  # KeyError: a type that PyTorch lacks
        raise ValueError(str(error)) from None
    if "theta" not in tensors:
        raise ValueError("there is no theta in it")
    for name in ("theta", "exact_theta"):
        found = tensors.get(name)
        if found is not None and (found.dtype != torch.float64 or found.shape != (count,)):
            raise ValueError(f"{name} is {tuple(found.shape)} of {found.dtype}, and must be {count} float64 numbers")
    return tensors


# ---- the trace -------------------------------------------------------------------------------------


def pack_trace(trace: Trace) -> bytes:
    """The trace as Parquet."""
    if trace.theta.shape[1] <= MOST_COLUMNS:
        table = trace.to_arrow()
    else:
        table = replace(trace, theta=np.empty((len(trace), 0))).to_arrow()
        rows = pa.FixedSizeListArray.from_arrays(pa.array(trace.theta.ravel()), trace.theta.shape[1])
        table = table.append_column("theta", rows)
    return pack_table(table)


def unpack_trace(content: bytes, names: tuple[str, ...], recorded: tuple[str, ...] | None) -> Trace:
    """The trace of a fit with parameters `names`; those recorded have names of their own where these are not all."""
    table = unpack_table(content)
    columns = {
        name: _column(table, name, np.int64 if name in ("step", "epoch") else np.float64) for name in Trace.COLUMNS
    }
    columns |= {name: _column(table, name) for name in QUANTITIES if name in table.column_names}
    if "theta" in table.column_names:
        theta = table["theta"].combine_chunks()
        theta = np.asarray(theta.flatten(), dtype=np.float64).reshape(table.num_rows, -1)
        of = names if recorded is None else recorded
    else:
        of = tuple(name.removeprefix("theta.") for name in table.column_names if name.startswith("theta."))
        theta = np.empty((table.num_rows, len(of)))
        for place, name in enumerate(of):
            theta[:, place] = _column(table, f"theta.{name}")
        of = of if recorded is None else recorded
    if theta.shape[1] != len(of) or not set(of) <= set(names):
        raise ValueError(f"it has {theta.shape[1]} parameters, and {len(of)} were recorded")
    step = columns["step"]
    if not len(step) or step[0] < 0 or (np.diff(step) <= 0).any() or (np.diff(columns["epoch"]) < 0).any():
        raise ValueError("its steps are not in order")
    return Trace(names=of, theta=theta, **columns)


def _column(table: Any, name: str, kind: Any = np.float64) -> np.ndarray:
    """A column without a missing value: float64, int64 or bool."""
    if name not in table.column_names or table.column_names.count(name) > 1:
        raise ValueError(f"it must have one column {name!r}")
    right = {np.int64: pa.types.is_integer, bool: pa.types.is_boolean, np.float64: pa.types.is_floating}[kind]
    if table[name].null_count or not right(table[name].type):
        raise ValueError(
            f"its column {name!r} holds something else than {'truth values' if kind is bool else 'numbers'}"
        )
    return table[name].to_numpy().astype(kind)


# ---- rows ------------------------------------------------------------------------------------------


def pack_rows(fit: Fit) -> bytes:
    """Encoded rows (x, y, weight, whether held out) as Parquet; none where x is no table (images)."""
    train, test = fit.kept_rows
    tables = []
    for data, held_out in ((train, False), (test, True)):
        if data is None or data.x.ndim > 2:
            continue
        data = data.take(evenly(data.rows, MOST_ROWS))
        y = data.y.reshape(data.rows, -1).astype(np.float64)
        columns = {f"x{i}": data.x[:, i].astype(np.float64) for i in range(data.x.shape[1])} | {
            f"y{i}": y[:, i] for i in range(y.shape[1])
        }
        weight = np.ones(data.rows) if data.weights is None else data.weights
        columns |= {} if data.offset is None else {"offset": data.offset}
        tables.append(pa.table(columns | {"weight": weight, "held_out": np.full(data.rows, held_out)}))
    return pack_table(pa.concat_tables(tables) if tables else pa.table({}))


def unpack_rows(content: bytes, schema: Schema) -> tuple[Dataset | None, Dataset | None]:
    """The rows that `pack_rows` wrote: of those fitted, and of those held out."""
    if not content:
        return None, None
    table = unpack_table(content)
    if not table.num_rows:
        return None, None
    wide, high = len(schema.names), len(schema.targets)
    expected = {*(f"x{i}" for i in range(wide)), *(f"y{i}" for i in range(high)), "weight", "held_out"}
    expected |= {"offset"} if schema.added else set()
    if set(table.column_names) != expected:
        raise ValueError(f"its columns are not those of {wide} features and {high} targets")
    x = np.empty((table.num_rows, wide))
    for i in range(wide):
        x[:, i] = _column(table, f"x{i}")
    y = np.column_stack([_column(table, f"y{i}") for i in range(high)])
    y = y[:, 0] if high == 1 else y
    weights, held_out = _column(table, "weight"), _column(table, "held_out", bool)
    offset = _column(table, "offset") if schema.added else np.zeros(0)
    if not np.isfinite(offset).all():
        raise ValueError("it holds an offset that is not finite")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (weights >= 0).all() and np.isfinite(weights).all()):
        raise ValueError("it holds a number that is not finite, or a weight below 0")
    if schema.classes is not None and not np.isin(y, np.arange(len(schema.classes))).all():
        raise ValueError("it holds a class that there is none of")
    parts: list[Dataset | None] = []
    for mine in (~held_out, held_out):
        data = Dataset(
            np.ascontiguousarray(x[mine]), y[mine] if schema.classes is None else y[mine].astype(np.int64), schema.names,
            schema.targets, schema.classes, None if (weights == 1.0).all() else weights[mine], schema, False, (),
            offset=offset[mine] if schema.added else None,
        )  # fmt: skip
        parts.append(data if data.rows else None)
    return parts[0], parts[1]


# ---- Parquet ---------------------------------------------------------------------------------------


def pack_table(table: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def unpack_table(content: bytes, texts: tuple[str, ...] = ()) -> Any:
    """The table in a Parquet file's bytes; ValueError for what is none, and for one that would not fit into memory.

    texts: columns of bytes or text, of which the same is held once only however often it stands there.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        there = [name for name in texts if name in file.schema_arrow.names]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=there)
        size = _size_in_memory(file)
        if size > max(ROOMY, RATIO * len(content)):
            raise ValueError(f"it would take {size / 2**30:,.1f} GiB of memory")
        # without the threads of `read_table`: a process that ends right after those were started, with PyTorch loaded, aborts
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, OverflowError, MemoryError) as error:
        raise ValueError(str(error)) from None
    return table


def written_out(column: Any) -> Any:
    """A column of text of which each was held once only; ValueError where it would not fit into memory."""
    if not pa.types.is_dictionary(column.type):
        return column
    size = sum(
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0 for chunk in column.chunks
    )
    if size > ROOMY:
        raise ValueError(f"its texts would take {size / 2**30:,.1f} GiB of memory")
    return column.cast(column.type.value_type)


def _size_in_memory(file: Any) -> int:
    """Bytes that the columns of a Parquet file take at least: eight a number, what is said of texts, the length of lists."""
    metadata, schema = file.metadata, file.schema_arrow
    size = 8 * metadata.num_rows * metadata.num_columns
    lists = [place for place, column in enumerate(schema) if pa.types.is_nested(column.type)]
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        size += max(0, chunks.total_byte_size)
        # only where it must be: Arrow ends the process where what a chunk says of itself is damaged
        size += sum(8 * max(0, chunks.column(place).num_values) for place in lists)
    return size

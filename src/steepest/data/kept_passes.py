"""What a first pass gathered, kept in the user's cache folder: a second fit of the same files and columns need not read them.

    CACHE/passes/KEY/   about.json               what was seen of each column, sums, numbers of rows
                        column-0.arrow, …        the different values of a column, in how many rows each stands, and the first one
                        sample.arrow, rows.arrow some rows as they stand in the files, and which these are

KEY is that of the files as they are and of what was asked of them; a file that changed is read again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from steepest.data import table_copies
from steepest.data.columns import Found
from steepest.data.numbers import Notation
from steepest.data.packing import bytes_of, table_of
from steepest.data.row_groups import RowGroups
from steepest.data.seen import Seen
from steepest.data.streams import Asked
from steepest.errors import DataError

if TYPE_CHECKING:
    from steepest.data.first_pass import FirstPass

KIND = "passes"
FORMAT = 3

WORTH = 1.0
"""Seconds that a pass took from which on it is kept."""

KEPT = (1, np.int64), (2, bool)
"""Of some rows in a pass: which of all they are, and whether they are fitted."""

NUMBERS = ("weight_total", "weightless", "rows", "held", "gone", "plain")
PLAIN = ("rows", "missing", "first_missing", "total", "low", "high", "rises", "falls", "first", "last", "kept")


def key_of(files: RowGroups, asked: Asked) -> str:
    """Of a first pass over some files as they are."""
    paths = [str(Path(path).resolve()) if files.filesystem is None else path for path in files.paths]
    told = FORMAT, paths, files.fingerprint, repr(replace(asked, intercept=True))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


def keep(key: str, done: FirstPass) -> None:
    """Write what a pass gathered; where it cannot be written, the next fit makes it anew."""
    with suppress(DataError, OSError, pa.ArrowException), table_copies.writing(key, 0, KIND) as place:
        if place is not None:
            for name, content in files_of(done).items():
                (place / name).write_bytes(content)


def files_of(done: FirstPass) -> dict[str, bytes]:
    """What a pass gathered, as files by their names."""
    columns, files = [], {"sample.arrow": bytes_of(done.sample)}
    for group, seen in (("seen", done.seen), ("goals", done.goals), ("weight", {done.weight.name: done.weight})):
        for name, one in seen.items():
            file = f"column-{len(columns)}.arrow"
            files[file] = bytes_of(_values(one))
            columns.append({"group": group, "name": name, "file": file} | _told(one))
    rows = [np.concatenate([one[at] for one in done.kept]) if done.kept else np.empty(0, kind) for at, kind in KEPT]
    files["rows.arrow"] = bytes_of(pa.table(rows, names=["place", "train"]))
    known = {name: getattr(done, name) for name in NUMBERS}
    known |= {"counts": done.counts.tolist(), "origin": None if done.origin is None else done.origin.tolist()}
    known |= {
        "squares": None if done.origin is None else done.squares.tolist(),
        "columns": columns,
        "files": list(files),
    }
    known |= {"needed": list(done.files.columns or ()), "sources": [{"path": str(path)} for path in done.files.paths]}
    known["made"] = datetime.now(UTC).isoformat(timespec="seconds")
    return files | {table_copies.ABOUT: json.dumps(known).encode()}


def _told(seen: Seen) -> dict[str, Any]:
    found = asdict(seen.found.notation), seen.found.example
    told = {name: getattr(seen, name) for name in PLAIN}
    return told | {
        "words": dict(seen.words),
        "levels": list(seen.levels),
        "found": found,
        "has kind": seen.kind is not None,
    }


def _values(seen: Seen) -> pa.Table:
    """The different values with their numbers; or where only an example is kept, that one."""
    kind = seen.kind or pa.null()
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if seen.example is not None:
        value, place = seen.example
        made = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
        columns = {"value": made, "rows": pa.array([-1]), "first": pa.array([place])}
    else:
        pairs = list(seen.values.values())
        numbers = [pa.array([pair[at] for pair in pairs], pa.int64()) for at in (0, 1)]
        columns = {"value": pa.array(list(seen.values), inner), "rows": numbers[0], "first": numbers[1]}
    extra = pa.field(
        "kind", kind if not pa.types.is_dictionary(kind) else pa.dictionary(pa.int32(), inner, kind.ordered)
    )
    return pa.table(columns).append_column(extra, pa.nulls(len(columns["rows"]), extra.type))


def take_up(key: str, empty: FirstPass) -> bool:
    """Give a pass what another one gathered of the same; False where that is not kept, or not whole."""
    known = table_copies.about(key, KIND)
    if known is None:
        return False
    place = table_copies.folder(KIND) / key
    try:
        fill(empty, {name: (place / str(name)).read_bytes() for name in (*known["files"], table_copies.ABOUT)})
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        shutil.rmtree(place, ignore_errors=True)
        return False
    return len(empty.counts) == len(empty.files.groups)


def fill(empty: FirstPass, files: Mapping[str, bytes]) -> None:
    """Give a pass what another one gathered, in the files that `files_of` made of it."""
    known = json.loads(files[table_copies.ABOUT])
    sample, rows = table_of(files["sample.arrow"]), table_of(files["rows.arrow"])
    places, train = np.asarray(rows["place"]), np.asarray(rows["train"])
    empty.files.chosen(known["needed"])
    if empty.parts is None:
        empty.begin(sample, places)
    kept = {"seen": empty.seen, "goals": empty.goals, "weight": {empty.weight.name: empty.weight}}
    for one in known["columns"]:
        _fill(kept[one["group"]][one["name"]], one, table_of(files[one["file"]]))
    empty.kept = [(sample, places, train)] if len(train) else []
    for name in NUMBERS:
        setattr(empty, name, known[name])
    empty.counts = np.array(known["counts"], dtype=int)
    if known["origin"] is not None:
        empty.origin, empty.squares = np.array(known["origin"]), np.array(known["squares"])


def _fill(seen: Seen, told: dict[str, Any], table: pa.Table) -> None:
    for name in PLAIN:
        setattr(seen, name, told[name])
    notation, example = told["found"]
    seen.words, seen.levels = Counter(told["words"]), dict.fromkeys(told["levels"])
    seen.found = Found(Notation(**notation), example and (example[0], example[1]))
    seen.kind = table.schema.field("kind").type if told["has kind"] else None
    rows, first = table["rows"].to_pylist(), table["first"].to_pylist()
    if rows == [-1]:
        seen.example = table["value"].combine_chunks(), first[0]
        return
    seen.values = {value: [many, at] for value, many, at in zip(table["value"].to_pylist(), rows, first, strict=True)}

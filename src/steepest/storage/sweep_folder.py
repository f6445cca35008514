"""A sweep's folder, written and read as a run's (run_folder.py).

runs/name/
  sweep.json           the settings of each run that differ, and the digests of the other files
  table.parquet        what is known of each run
  fits.parquet         a row a run: the files of a run's folder, or what differs from another run (storage/sweep_runs.py)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from steepest import run_record
from steepest.atomic_folder import digest_of
from steepest.data.wording import in_short
from steepest.run_record import SweepRecord
from steepest.settings import Spec
from steepest.settings_table import those
from steepest.storage import run_folder
from steepest.storage.run_files import pack_table, unpack_table, written_out
from steepest.storage.run_folder import FILES, FITS, SWEEP, SWEEP_FILES, TABLE
from steepest.storage.run_loading import checked
from steepest.storage.sweep_runs import WORDS as WORDS_OF_A_RUN
from steepest.storage.sweep_runs import StoredRuns, check_fits, fits_of
from steepest.sweep_result import Sweep
from steepest.sweeps.run_results import COLUMNS, COUNTS, NUMBERS, WORDS

AS_THEY_ARE = those(lambda setting: setting.kind in ("real", "whole") and tuple not in setting.types)
"""Settings of which there is never a text in their place, as there is of objects of Python."""


def save_sweep(sweep: Sweep, folder: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a sweep into a folder, every run with all that `save` keeps of it but findings.

    Settings without a name become texts.

    Args:
        folder: the sweep's own.
        overwrite: replace a run or a sweep that is there.

    Raises:
        RunError: it cannot be written, or something is in the way.

    Example:
        >>> import tempfile
        >>> from steepest.storage import load
        >>> from steepest.sweeping import sweep
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     runs.save(f"{folder}/rates")
        ...     len(load(f"{folder}/rates"))
        3
    """
    run_folder.keep(folder, SWEEP, lambda: _contents(sweep), SWEEP_FILES, overwrite)


def _contents(sweep: Sweep) -> dict[str, bytes]:
    files = {TABLE: pack_table(pa.table(sweep.columns)), FITS: pack_table(fits_of(sweep))}
    record = SweepRecord(
        settings={name: [_plain(value) for value in values] for name, values in sweep.settings.items()},
        sha256={name: digest_of(content) for name, content in files.items()},
    )
    return files | {SWEEP: run_record.written(record)}


def _plain(value: Any) -> Any:
    """A setting as JSON has it: what is neither number nor text nor a list of them by its name."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return in_short(value)


def load_sweep(content: Mapping[str, Any], files: Mapping[str, bytes], place: str, model: Any = None) -> Sweep:
    """A sweep from its record and its files; `model` is the module of its runs, as for `load`."""
    with checked(place, SWEEP):
        record = run_record.read(SweepRecord, content)
    with checked(place, TABLE):
        columns = _columns(unpack_table(files[TABLE], WORDS))
    count = len(columns["status"])
    with checked(place, SWEEP):
        for name, values in record.settings.items():
            _check_settings(name, values, count)
    with checked(place, FITS):
        fits = unpack_table(files[FITS], (*FILES, *WORDS_OF_A_RUN))
        check_fits(fits, count)
    runs = [(0, run) for run in range(count)]
    return Sweep(record.settings, [StoredRuns(fits, columns, place, model)], runs)


def _check_settings(name: str, values: list[Any], count: int) -> None:
    """Raise ValueError unless these can be the values of a setting in each of so many runs."""
    if len(values) != count:
        raise ValueError(f"{name} has not a value for each of {count:,} runs")
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
        raise ValueError(f"{name} has a value that is too large")
    if name not in AS_THEY_ARE:
        return
    for value in {repr(value): value for value in values}.values():
        if name != "lr" or not isinstance(value, float):
            Spec.read({name: value})
        elif not 0 < value < float("inf"):
            raise ValueError(f"lr is {value}")


def _columns(table: Any) -> dict[str, list[Any]]:
    if set(table.column_names) != set(COLUMNS) or table.num_columns != len(COLUMNS) or not table.num_rows:
        raise ValueError("its columns are not those of a sweep")
    columns: dict[str, list[Any]] = {}
    for name in COLUMNS:
        column = written_out(table[name]) if name in WORDS else table[name]
        right = {NUMBERS: pa.types.is_floating, COUNTS: pa.types.is_integer, WORDS: pa.types.is_string}
        fine = next(check for names, check in right.items() if name in names)
        if not fine(column.type) and not pa.types.is_null(column.type):
            raise ValueError(f"its column {name!r} is {column.type}")
        columns[name] = column.to_pylist()
    if None in columns["status"]:
        raise ValueError("a run has no status")
    return columns

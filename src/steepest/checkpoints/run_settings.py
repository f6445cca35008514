"""What a run was begun with, so that it is gone on with the same: settings, data, and what decides the last digits."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.wording import called, counted, listed
from steepest.errors import SpecError
from steepest.lazy import torch
from steepest.ranks.group import current
from steepest.settings import Spec, as_written
from steepest.settings_table import SETTINGS


def digest(train: Dataset, test: Dataset | None) -> str:
    """What tells these rows from all others: SHA-256 of their numbers."""
    found = hashlib.sha256()
    for part in (train, test):
        for array in () if part is None else (part.x, part.y, part.weights, part.offset):
            if array is not None:
                found.update(repr((array.shape, array.dtype.str)).encode())
                found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def begun_with(spec: Spec, train: Dataset, test: Dataset | None, validation: Dataset | None) -> dict[str, Any]:
    """Settings, data and libraries in JSON's types."""
    stream = train.stream
    ranks = {} if spec.sync_every is None else {"ranks": current().size}
    return {
        "settings": {name: _written(name, getattr(spec, name)) for name in SETTINGS} | ranks,
        "data": {
            "rows": train.rows if stream is None else stream.rows,
            "rows held out": 0 if test is None else test.rows,
            "rows for validation": 0 if validation is None else validation.rows,
            "columns": list(train.names),
            "targets": list(train.targets),
            "classes": list(train.classes or ()),
            "sha256": digest(train, test),
            "sha256 of the files": "" if stream is None else stream.files.fingerprint,
            "sha256 of validation": "" if validation is None else digest(validation, None),
        },
        "made with": made_with(),
    }


def made_with() -> dict[str, Any]:
    """What decides the last digits beside settings and data."""
    found: dict[str, Any] = {name: version(name) for name in ("steepest", "torch", "numpy", "scipy")}
    threads = {"threads": torch.get_num_threads()} if "torch" in sys.modules else {}
    return found | {"processor": platform.machine()} | threads


def _written(name: str, value: Any) -> Any:
    try:
        found = as_written(name, getattr(value, "theta", value) if name == "init" else value)
    except SpecError:  # it is code, of which there is only a name
        return None if value is None else f"an object {called(value)}"
    one = isinstance(found, list) and len(found) == 1 and str in SETTINGS[name].types
    return found[0] if one else found  # a name is the same by itself and in a list


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """In words, which settings changed and how, and what of the data did.

    >>> changes({"settings": {"lr": 0.1}, "data": {"rows": 3}}, {"settings": {"lr": 0.2}, "data": {"rows": 4}})
    (['lr=0.1 is lr=0.2 now'], ['3 rows are 4 now'])
    """
    old, new = before["settings"], now["settings"]
    settings = [
        f"{name}={old.get(name)!r} is {name}={new.get(name)!r} now"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    return settings, list(_of_data(before["data"], now["data"]))


def _of_data(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    changed = [name for name in new if old.get(name) != new[name]]
    for name in changed:
        if name.startswith("rows"):
            yield f"{counted(int(old.get(name) or 0), 'row')}{name.removeprefix('rows')} are {new[name]:,} now"
        elif isinstance(new[name], list):
            gone, come = (
                [one for one in a if one not in b] for a, b in ((old[name], new[name]), (new[name], old[name]))
            )
            parts = [f"{words} {listed(part)}" for words, part in (("without", gone), ("with", come)) if part]
            yield f"{name} are others now ({', '.join(parts) or 'in another order'})"
    if changed and all("sha256" in name for name in changed):
        (name, *_) = changed
        yield f"as many rows and the same columns hold other values (SHA-256 {old[name][:12]}… is {new[name][:12]}… now)"


def differences(before: Mapping[str, Any]) -> list[str]:
    """In words, what is another one here than where the run was begun, of what decides the last digits."""
    now = made_with()
    return [f"{name} {before[name]} is {value} here" for name, value in now.items() if before.get(name, value) != value]

"""Tables of text that were written as Parquet, to be read pass by pass: where these copies are, and what they take.

    CACHE/tables/KEY/      about.json, part-00000.parquet, …       one copy; KEY is that of its files as they were
    CACHE/tables/KEY.new/                                          one that is being written, or never was finished
    CACHE/passes/…                                                 the same of first passes (`kept_passes.py`)

CACHE is the folder that STEEPEST_CACHE names, else the user's for such things on this system (platformdirs). A copy can be
removed at any time: it is made again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.data.wording import quoted_path
from steepest.errors import DataError

ABOUT = "about.json"
"""What a copy is of."""

KINDS = ("tables", "passes")
NEW = ".new"
LOCK = ".lock"

REMOVING = "steepest cache --clear"
"""The command that removes all copies."""


@dataclass(frozen=True)
class Copy:
    """A copy that is there: its folder, what it is of, when it was made, and how many bytes it takes.

    kind: "tables" or "passes". finished: whether it is whole; else it is being written, or was interrupted.
    """

    place: Path
    sources: tuple[str, ...]
    made: str
    size: int
    kind: str = "tables"
    finished: bool = True


def folder(kind: str = "tables") -> Path:
    """Where the copies are."""
    from platformdirs import user_cache_path

    named = os.environ.get("STEEPEST_CACHE")
    return (Path(named) if named else user_cache_path("steepest", appauthor=False)) / kind


def about(key: str, kind: str = "tables") -> dict[str, Any] | None:
    """What the copy of this key holds; None where there is none."""
    try:
        found = json.loads((folder(kind) / key / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    files = found.get("files") if isinstance(found, dict) else None
    return found if files and all((folder(kind) / key / str(name)).is_file() for name in files) else None


@contextmanager
def writing(key: str, needed: int, kind: str = "tables") -> Iterator[Path | None]:
    """An empty folder for a copy, which is there from its end on; None where another process has made it meanwhile.

    needed: bytes that it may take.

    Raises:
        DataError: there is no room for it, or the folder cannot be written to.
    """
    from filelock import FileLock

    within = folder(kind)
    place, new = within / key, within / f"{key}{NEW}"
    try:
        within.mkdir(parents=True, exist_ok=True)
        with FileLock(within / f"{key}{LOCK}"):
            if about(key, kind) is not None:
                yield None
                return
            for old in (place, new):
                if old.exists():
                    shutil.rmtree(old)
            free = shutil.disk_usage(within).free
            if free < needed:
                raise DataError(
                    f"a Parquet copy of the table may take {size_of(needed)}, and {quoted_path(within)} has {size_of(free)} "
                    f"left. Make room there ({REMOVING} removes older copies), or write the table as Parquet yourself"
                )
            new.mkdir()
            try:
                yield new
                os.replace(new, place)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"a Parquet copy of the table cannot be written to {quoted_path(within)}: {error.strerror or error}"
        ) from None


def copies() -> list[Copy]:
    """Those that are there, the newest first; unfinished ones too."""
    found = []
    there = [(kind, place) for kind in KINDS if folder(kind).is_dir() for place in folder(kind).iterdir()]
    for kind, place in there:
        if not place.is_dir():
            continue
        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
        known = about(place.name, kind) or {}
        sources = tuple(str(one.get("path", "")) for one in known.get("sources", []))
        found.append(Copy(place, sources, str(known.get("made", "")), size, kind, bool(known)))
    return sorted(found, key=lambda one: one.made, reverse=True)


def remove(copy: Copy) -> bool:
    """Remove a copy; False where a process is writing it."""
    from filelock import FileLock, Timeout

    key = copy.place.name.removesuffix(NEW)
    place = copy.place.with_name(f"{key}{LOCK}")
    lock = FileLock(place, timeout=0)
    try:
        with lock:
            shutil.rmtree(copy.place, ignore_errors=True)
    except Timeout:
        return False
    with suppress(OSError):
        place.unlink()
    return True


def size_of(size: float) -> str:
    """Bytes as a person reads them.

    >>> size_of(1_530_000_000), size_of(2_000)
    ('1.5 GB', '0.1 MB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):,.1f} MB"

"""A folder whose files are replaced all at once, and only those that were written by us.

One file of the folder is its *record*: JSON that lists the others with their digests (SHA-256). A reader takes the record
and then, for each file of it, the one with that digest. So a save need not replace all files in one instant:

    write the new files and the new record into .steepest-XXXXXXXX, a folder of a fresh name inside
    replace the record                      from here on the folder is the new one
    move the other files up, and remove those of the old record that the new one does not list

A reader looks into such folders as well, and finds at any moment all files of the old record or of the new one. After a
kill the next save finishes what was begun, or removes it if the record was not replaced yet.

A file is replaced or removed only where its digest is what the record says. All others (notes, a page edited by hand) are
somebody else's: they stay, and where one has the name of a file to be written, nothing is written and the error names it.
One process writes at a time; another waits. Readers need no permission to write and wait for nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steepest.atomic_file import OURS, flush
from steepest.errors import RunError

RECORDS = ("sweep.json", "fit.json")
"""Names of records; where there are two, the first is the folder's and the other was not yet removed."""

PAGE = "report.html"
"""The page in a run's folder."""

LARGEST_RECORD = 2**30
LARGEST_FILE = 2**32
"""Bytes of a file that is read at all."""

LISTS = ("sha256", "pages")
"""Entries of a record that list files: those without which it is damaged, and those that may be missing or changed."""

LOCK = f"{OURS}lock"
RUNNING, NEW_CHECKPOINT = f"{OURS}running", f"{OURS}checkpoint"
"""In the folder of a run under way: the lock of its process, and a checkpoint that is being written."""
MARKER = "steepest.json"
"""In a folder of new files: what is being written, and what it takes the place of."""

WAIT = 60.0
"""Seconds to wait for another process that writes."""

READING = 3.0
"""Seconds for which a reader looks again while somebody writes."""


@dataclass(frozen=True)
class Record:
    """A folder's record: the name of its file, its bytes, its content, and the digest of each file that it lists."""

    name: str
    content: bytes
    read: Mapping[str, Any]
    files: Mapping[str, str]
    """Files without which the folder is damaged."""
    pages: Mapping[str, str]
    """Files that were written beside them."""

    @property
    def listed(self) -> dict[str, str]:
        """All files with their digests, the record's own too."""
        return {**self.files, **self.pages, self.name: digest_of(self.content)}


class Damaged(Exception):
    """A file of the folder is missing or not what was written: its name, and which of the two."""

    def __init__(self, name: str, missing: bool):
        super().__init__(name, missing)
        self.name, self.missing = name, missing


def digest_of(content: bytes) -> str:
    """SHA-256, as a record has it."""
    return hashlib.sha256(content).hexdigest()


# ---- reading ---------------------------------------------------------------------------------------


def record_of(place: Path) -> Record | None:
    """The folder's record; None if it has none."""
    for name in RECORDS:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = as_record(name, read_bytes(place / name, LARGEST_RECORD))
            if found is not None and found.read["format"] == 1 and "pages" not in found.read:
                found = replace(found, pages=_old_page(place))
            if found is not None:
                return found
    return None


def _old_page(place: Path) -> dict[str, str]:
    """The page of a run of format 1, whose record does not list it."""
    try:
        content = read_bytes(place / PAGE, LARGEST_FILE)
    except OSError:
        return {}
    return {PAGE: digest_of(content)} if b"Made with steepest " in content else {}


def as_record(name: str, content: bytes) -> Record | None:
    """The record that is written in a file; None if it is something else."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or not isinstance(read.get("format"), int) or "sha256" not in read:
        return None
    files, pages = (read.get(key, {}) for key in LISTS)
    if not _is_list(files) or not _is_list(pages):
        return None
    return Record(name, content, read, files, pages)


def _is_list(files: Any) -> bool:
    """Names, none of which leads out of the folder, and digests."""
    return isinstance(files, dict) and all(
        isinstance(digest, str) and os.path.basename(name) == name and name not in ("", ".", "..", *RECORDS)
        for name, digest in files.items()
    )


def read_folder(place: Path) -> tuple[Record, dict[str, bytes]] | None:
    """The record and the files that it lists, all of one save; None if there is no record.

    Raises:
        Damaged: a file is missing or is not what was written. OSError: one cannot be read.
    """
    until = time.monotonic() + READING
    while True:
        record, under_way = record_of(place), _new_folders(place)
        if record is None:
            return None
        try:
            return record, {name: _file(place, name, digest, under_way) for name, digest in record.files.items()}
        except Damaged:
            again = record_of(place)
            moved = under_way or again is None or again.content != record.content or _new_folders(place)
            if not moved or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _file(place: Path, name: str, digest: str, under_way: Iterable[Path]) -> bytes:
    """The file with that digest, in the folder or among those being written."""
    missing = True
    for folder in (place, *under_way):
        with suppress(FileNotFoundError, NotADirectoryError):
            content = read_bytes(folder / name, LARGEST_FILE)
            if digest_of(content) == digest:
                return content
            missing = missing and folder != place
    raise Damaged(name, missing)


def read_bytes(path: Path, most: int) -> bytes:
    """A file's bytes. OSError for a pipe or a device, which may never end, and for a file of more than `most` bytes."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode):
            raise OSError("it is no regular file")
        if there.st_size > most:
            raise OSError(f"it has {there.st_size:,} bytes, and at most {most:,} are read")
        return file.read(most)


def _digest_at(path: Path) -> str | None:
    """The digest of a file, read in pieces; None if there is no file, "" for what is no regular file."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _new_folders(place: Path) -> list[Path]:
    """The folders of files that are being written, or were when a save was killed."""
    try:
        names = sorted(name for name in os.listdir(place) if name.startswith(OURS))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [place / name for name in names if name != LOCK and (place / name).is_dir()]


# ---- writing ---------------------------------------------------------------------------------------


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Make the folder if it is missing, and be the only one who writes to it.

    Raises:
        RunError: somebody else has been writing for a minute.
    """
    busy = (
        f"Another process is writing to {str(place)!r}, and has not ended within {WAIT:.0f} seconds. Try again later, or choose "
        "another folder."
    )
    with held(place, LOCK, WAIT, busy):
        yield


_held: set[Path] = set()


def held_elsewhere(place: Path, name: str) -> bool:
    """Whether another process holds this lock in a folder; call it within `locked`."""
    from filelock import FileLock, Timeout

    if place / name in _held or not (place / name).exists():
        return False
    try:
        with FileLock(place / name, timeout=0.0):
            return False
    except Timeout:
        return True


@contextmanager
def held(place: Path, name: str, wait: float, busy: str) -> Iterator[None]:
    """Make the folder if it is missing and hold a lock in it; folders made for it that hold nothing in the end are removed.

    Raises:
        RunError: another process has held it for `wait` seconds, which is `busy`; the folder is removed again and again.
    """
    from filelock import FileLock, Timeout  # not before something is written

    made = [one for one in (place, *place.parents) if not one.exists()]
    lock = FileLock(place / name, timeout=wait)
    for attempt in range(5):
        place.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
            break
        except Timeout:
            raise RunError(busy) from None
        except FileNotFoundError:  # whoever made the folder found nothing to write, and has removed it
            if attempt == 4:
                raise RunError(f"The run cannot be written to {str(place)!r}: it is removed again and again.") from None
    _held.add(place / name)
    try:
        yield
    finally:
        _held.discard(place / name)
        with suppress(OSError):
            if os.name != "nt":  # whoever waits for this file sees that it is gone, and makes a new one
                os.unlink(place / name)
        lock.release()
        for one in made:
            with suppress(OSError):  # it holds something now, unless nothing was written
                one.rmdir()


def write_folder(place: Path, name: str, record: bytes, files: Mapping[str, bytes], keep: Iterable[str] = ()) -> None:
    """Replace the folder's record and files by new ones, all at once; call it within `locked`.

    What the old record lists and the new one does not is removed, but for what is to be kept.

    Raises:
        RunError: a file in the way is not ours. OSError: something cannot be written; the folder is as it was.
    """
    settle(place)
    check_unchanged(place, (*files, name))
    old = record_of(place)
    replaced = {} if old is None else {one: digest for one, digest in old.listed.items() if one not in keep}
    new = Path(tempfile.mkdtemp(prefix=OURS, dir=place))
    writes = {one: digest_of(content) for one, content in files.items()} | {name: digest_of(record)}
    plan = {"record": name, "writes": writes, "replaces": replaced}
    try:
        _write(new / MARKER, json.dumps(plan).encode())
        for one, content in (*files.items(), (name, record)):
            _write(new / one, content)
        flush(new)
        os.replace(new / name, place / name)
    except (OSError, KeyboardInterrupt):
        _discard(place, new, plan)
        raise
    _finish(place, new, plan)


def check_unchanged(place: Path, names: Iterable[str]) -> None:
    """Raise RunError where a file of one of these names is there that was not written by us, or was changed since."""
    ours = _ours(place)
    for name in names:
        digest = _digest_at(place / name)
        if digest is not None and (name, digest) not in ours:
            raise RunError(
                f"{name!r} in {str(place)!r} is not what was written there with the run: it is a file of yours, or was "
                "changed. Move it away, or choose another folder."
            )


def _ours(place: Path) -> set[tuple[str, str]]:
    """Names and digests of what was written by us: by the record, and by what a killed save was about to do."""
    old = record_of(place)
    plans = [plan for plan in map(_plan, _new_folders(place)) if plan is not None]
    lists = [] if old is None else [old.listed]
    for plan in plans:
        lists += [plan["writes"], plan["replaces"]]
    return {pair for files in lists for pair in files.items()}


def is_free(place: Path, also: Collection[str] = ()) -> bool:
    """Whether a folder holds nothing but what a save that was killed has left, and files that are `also` fine."""
    return all(entry.name in also or _is_ours(entry) for entry in place.iterdir())


def settle(place: Path) -> None:
    """Finish what a killed save began, or remove it."""
    for new in _new_folders(place):
        plan = _plan(new)
        if plan is None:
            if _is_ours(new):  # killed before there was anything to finish
                with suppress(FileNotFoundError):
                    (new / MARKER).unlink()
                new.rmdir()
            continue
        old = record_of(place)
        if old is not None and old.listed[old.name] == plan["writes"].get(old.name):
            _finish(place, new, plan)
            continue
        if _digest_at(place / plan["record"]) == plan["writes"][plan["record"]]:
            # the new record is there beside one that counts more: it took the place of a record of another name
            (place / plan["record"]).unlink()
        _discard(place, new, plan)


def _plan(new: Path) -> dict[str, Any] | None:
    """What was to be written; None where that is not known."""
    try:
        plan = json.loads(read_bytes(new / MARKER, LARGEST_RECORD))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(plan, dict) or not all(isinstance(plan.get(key), dict) for key in ("writes", "replaces")):
        return None
    names = [*plan["writes"], *plan["replaces"]]
    fine = plan.get("record") in RECORDS and plan["record"] in plan["writes"]
    return plan if fine and all(name and os.path.basename(name) == name for name in names) else None


def _is_ours(entry: Path) -> bool:
    """Whether an entry of the folder is there for a while only: the lock, or new files that never became current."""
    if entry.name in (LOCK, RUNNING, NEW_CHECKPOINT):
        return True
    if not entry.name.startswith(OURS) or not entry.is_dir():
        return False
    plan = _plan(entry)
    return {one.name for one in entry.iterdir()} <= {MARKER, *(() if plan is None else plan["writes"])}


def _finish(place: Path, new: Path, plan: Mapping[str, Any]) -> None:
    """After the record: remove the files that belong to the old one only, and move the new ones up."""
    writes, replaces = plan["writes"], plan["replaces"]
    for name in RECORDS:  # another record first, since it may count more than the new one
        if name != plan["record"] and name in replaces and _digest_at(place / name) == replaces[name]:
            (place / name).unlink()
    flush(place)
    for name, digest in writes.items():
        if (new / name).exists():
            if _digest_at(place / name) not in (None, replaces.get(name), digest):
                raise RunError(f"{name!r} in {str(place)!r} is in the way of a file of the run. Move it away.")
            os.replace(new / name, place / name)
    for name, digest in replaces.items():
        if name not in writes and _digest_at(place / name) == digest:
            (place / name).unlink()
    _discard(place, new, plan)


def _discard(place: Path, new: Path, plan: Mapping[str, Any]) -> None:
    """Remove a folder of new files, and of these only what was written there by us."""
    with suppress(OSError):
        for name in (*plan["writes"], MARKER):
            with suppress(FileNotFoundError):
                (new / name).unlink()
        new.rmdir()
        flush(place)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    flush(path)

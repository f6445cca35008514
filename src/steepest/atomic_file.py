"""A file written whole or not at all.

    with whole_file("out.csv") as place:    a new file beside it, under a name that nobody else has
        …                                   write to `place`
                                            now it is out.csv; after an error it is gone, and out.csv is what it was

What a process that was killed has left there, the next one that writes the same file removes: the new file is locked as long as
somebody writes to it.

What a name stands for is kept: a link goes on pointing to its file, a file keeps its permissions, a pipe or a device is
written to and never replaced.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steepest.errors import RunError, SteepestError

OURS = ".steepest-"
"""What the names of all files and folders begin with that are there for a while only."""


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A place to write to; without an error it becomes the file `path`, whose folder is made if it is missing.

    Raises:
        RunError: `path` is a folder, or cannot be written.
    """
    check_file_name(path)
    try:
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        with _in_place(place) if _is_written_through(place) else _beside(place) as new:
            yield new
    except SteepestError:
        raise
    except (OSError, ValueError) as error:
        raise RunError(f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}.") from None


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, whole or not at all, as `whole_file` does."""
    with whole_file(path) as place:
        place.write_bytes(content)


def check_file_name(path: str | os.PathLike[str]) -> None:
    """Raise RunError where there is a folder of that name."""
    if os.path.isdir(path):
        raise RunError(f"{str(path)!r} is a folder. Name a file.")


def _is_written_through(place: Path) -> bool:
    """Whether replacing what is there would take more away than its content: a pipe, a device, a file of two names."""
    try:
        there = place.stat()
    except FileNotFoundError:
        return False
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, "Permission denied")
    alone = stat.S_ISREG(there.st_mode) and there.st_nlink == 1
    return not alone or not os.access(place.parent, os.W_OK)


@contextmanager
def _in_place(place: Path) -> Iterator[Path]:
    """Somewhere else, to be copied into what is there."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder, f"new{place.suffix}")
        yield new
        with open(new, "rb") as source, open(place, "wb") as target:
            shutil.copyfileobj(source, target)


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A new file in the same folder, to be renamed."""
    suffix = place.suffix[:20]
    begin = f"{OURS}{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:12]}-"
    _remove_left(place.parent, re.compile(re.escape(begin) + "[0-9a-f]{16}" + re.escape(suffix)))
    new, descriptor = _opened(place, begin, suffix)
    try:
        yield new
        flush(new)
        _as_before(new, place)
        os.replace(new, place)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    finally:
        os.close(descriptor)


def _opened(place: Path, begin: str, suffix: str) -> tuple[Path, int]:
    """A new file, and what holds its lock."""
    while True:
        new = place.with_name(f"{begin}{secrets.token_hex(8)}{suffix}")
        # opened here and not by `tempfile`, whose files only their owner may read
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        if _locked(descriptor) and os.fstat(descriptor).st_nlink:  # else it was taken for one that was left
            return new, descriptor
        os.close(descriptor)


def _remove_left(folder: Path, name: re.Pattern[str]) -> None:
    """Remove files of that name that are ours, and that no process writes to any more."""
    with suppress(OSError):
        for one in [entry for entry in os.scandir(folder) if name.fullmatch(entry.name)]:
            if not one.is_file(follow_symlinks=False) or one.stat().st_uid != getattr(os, "geteuid", int)():
                continue
            descriptor = os.open(one.path, os.O_WRONLY)
            try:
                if _locked(descriptor, known=True):
                    os.unlink(one.path)
            finally:
                os.close(descriptor)


def _locked(descriptor: int, known: bool = False) -> bool:
    """Lock a file for this process; False where another one has. known: whether that must be known."""
    try:
        import fcntl
    except ImportError:  # Windows
        return not known
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some file systems have no locks
        return not known
    return True


def _as_before(new: Path, place: Path) -> None:
    """Give a new file the owner and the permissions of the one that it replaces, if there is one."""
    try:
        there = place.stat()
    except FileNotFoundError:
        return
    if hasattr(os, "chown"):
        with suppress(OSError):  # only the superuser may give files away
            os.chown(new, there.st_uid, there.st_gid)
    os.chmod(new, stat.S_IMODE(there.st_mode))


def flush(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

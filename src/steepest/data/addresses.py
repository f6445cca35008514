"""Addresses of tables, such as `s3://bucket/folder`, as pyarrow's filesystems see them; all others are left to fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from steepest.data.wording import quoted_path
from steepest.errors import DataError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

LONGEST = 160
"""Characters of what another library says of an error."""

OF_PYARROW = ("s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss", "file")
"""Whose filesystem pyarrow has."""


@dataclass(frozen=True)
class Listing:
    """What is at an address, asked once.

    filesystem: pyarrow's; None without one. files: the file that it names, or those in the folder, by name. fault: why there are
    none, where pyarrow has a filesystem for it.
    """

    address: str
    filesystem: Any = None
    files: tuple[Any, ...] = ()
    fault: str = ""

    @classmethod
    def of(cls, address: str) -> Listing:
        """What is there."""
        from pyarrow import fs

        try:
            filesystem, path = _pyarrows(address)
            found = filesystem.get_file_info(path)
            if found.type == fs.FileType.Directory:
                inside = filesystem.get_file_info(fs.FileSelector(path, recursive=False))
                files = tuple(sorted((one for one in inside if one.is_file), key=lambda one: one.path))
                return cls(address, filesystem, files, "" if files else "the folder holds no files")
        except (pa.ArrowException, OSError, ValueError) as error:
            known = address.split("://")[0].lower() in OF_PYARROW
            return cls(address, fault=reason(error) if known else "")
        if found.is_file:
            return cls(address, filesystem, (found,))
        return cls(address, filesystem, fault="there is no such file or folder")

    def label(self, path: str) -> str:
        """One of its files, as messages name it."""
        return quoted_path(f"{self.address.split('://')[0]}://{path}")

    @contextmanager
    def said(self, what: str) -> Iterator[None]:
        """An error of the filesystem's is told as one of this file, or address."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{quoted_address(what)} cannot be read: {reason(error)}") from None

    def check(self) -> None:
        """Raise DataError where pyarrow's filesystem gives nothing, and fsspec has none that could be asked in its place."""
        if self.fault and not _known_elsewhere(self.address):
            raise DataError(
                f"{quoted_address(self.address)} cannot be opened from here: {self.fault}. Check the address and what gives "
                "access to it, or download the file and give its path"
            )


def quoted_address(address: str) -> str:
    """An address in quotes, without keys and options.

    >>> quoted_address("s3://key:secret@trips/2026?region=eu-north-1")
    "'s3://trips/2026'"
    """
    return quoted_path(re.sub(r"://[^/@]*@", "://", address.split("?")[0]))


def reason(error: BaseException) -> str:
    """What an error says, in a line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = " ".join(text.split()).rstrip(". :")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _pyarrows(address: str) -> tuple[Any, str]:
    """Pyarrow's filesystem for an address, and the path there."""
    from pyarrow import fs

    return fs.FileSystem.from_uri(address)


def _known_elsewhere(address: str) -> bool:
    """Whether fsspec could open it."""
    try:
        import fsspec

        fsspec.get_filesystem_class(address.split("://")[0].lower())
    except (ImportError, ValueError):
        return False
    return True

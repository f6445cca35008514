"""Who is at the lab: each visitor has a workspace with uploads of its own, which nobody else can name."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

MOST_UPLOADS = 8  # files that a workspace keeps, the newest
KINDS = {
    ".csv",
    ".tsv",
    ".txt",
    ".parquet",
    ".pq",
    ".arrow",
    ".feather",
    ".json",
    ".jsonl",
    ".ndjson",
    ".gz",
    ".zst",
    ".xlsx",
}


@dataclass
class Workspace:
    """One visitor. uploads: identifier → the name that the file had."""

    identifier: str
    seen: float = field(default_factory=time.monotonic)
    uploads: dict[str, str] = field(default_factory=dict)


class Workspaces:
    """All visitors, and the folder of their uploads, which goes with the lab."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="steepest-lab-"))
        self.by_cookie: dict[str, Workspace] = {}

    def enter(self) -> str:
        """A new workspace; returns the secret by which its visitor is known."""
        cookie = secrets.token_urlsafe(32)
        self.by_cookie[cookie] = Workspace(secrets.token_hex(8))
        return cookie

    def of(self, cookie: str | None) -> Workspace | None:
        """The workspace of a visitor."""
        found = self.by_cookie.get(cookie or "")
        if found is not None:
            found.seen = time.monotonic()
        return found

    def place(self, workspace: Workspace, name: str) -> tuple[str, Path]:
        """An identifier for a new upload, and where its bytes go. The oldest upload too many is removed."""
        while len(workspace.uploads) >= MOST_UPLOADS:
            self.remove(workspace, next(iter(workspace.uploads)))
        identifier = secrets.token_hex(16)
        suffixes = [suffix for suffix in Path(name).suffixes[-2:] if suffix.lower() in KINDS]
        return identifier, self.folder / (identifier + "".join(suffixes or [".csv"]).lower())

    def remove(self, workspace: Workspace, identifier: str) -> None:
        """Forget an upload, and remove its file."""
        workspace.uploads.pop(identifier, None)
        for path in self.folder.glob(f"{identifier}.*"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all uploads."""
        shutil.rmtree(self.folder, ignore_errors=True)

"""Who is at the lab: each visitor has a workspace with uploads of its own, which nobody else can name.

A visitor is known by a cookie, the workspace's identifier with a signature. The key that signs is kept between labs of the same
user, so that a page that was open when a lab ended goes on with its next one on the same port.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
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
    """One visitor.

    uploads: identifier → the name that the file had. name: what a student is called. doing: the last descent, in words.
    """

    identifier: str
    seen: float = field(default_factory=time.monotonic)
    uploads: dict[str, str] = field(default_factory=dict)
    name: str = ""
    teacher: bool = False
    doing: dict[str, object] = field(default_factory=dict)


class Workspaces:
    """All visitors, and the folder of their uploads, which goes with the lab."""

    def __init__(self, port: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="steepest-lab-"))
        self.by_identifier: dict[str, Workspace] = {}
        self.key = _key() + port.to_bytes(4, "big")

    def enter(self, teacher: bool = False) -> str:
        """A new workspace; returns the cookie by which its visitor is known."""
        made = Workspace(secrets.token_hex(16), teacher=teacher)
        self.by_identifier[made.identifier] = made
        return f"{made.identifier}.{self._signature(made)}"

    def of(self, cookie: str | None) -> Workspace | None:
        """The workspace of a visitor, a new one for a visitor of the lab before this."""
        identifier, _, given = (cookie or "").partition(".")
        for teacher in (False, True):
            known = self.by_identifier.get(identifier, Workspace(identifier, teacher=teacher))
            if known.teacher is teacher and hmac.compare_digest(given.encode(), self._signature(known).encode()):
                self.by_identifier[identifier] = known
                known.seen = time.monotonic()
                return known
        return None

    def _signature(self, of: Workspace) -> str:
        return hmac.new(self.key, f"{of.identifier} {of.teacher}".encode(), "sha256").hexdigest()

    def place(self, workspace: Workspace, name: str) -> tuple[str, Path]:
        """An identifier for a new upload, and where its bytes go. The oldest upload too many is removed."""
        while len(workspace.uploads) >= MOST_UPLOADS:
            self.remove(workspace, next(iter(workspace.uploads)))
        identifier = secrets.token_hex(16)
        suffixes = [suffix for suffix in Path(name).suffixes[-2:] if suffix.lower() in KINDS]
        return identifier, self.folder / (identifier + "".join(suffixes or [".csv"]).lower())

    def named(self, workspace: Workspace, identifier: str, answer: bytes) -> bytes:
        """An answer with the file's own name where it names the place of an upload, of which it may show the end alone.

        Of that name only what is harmless in a message, a page and a script.
        """
        name = re.sub(r"[^\w .()+-]", "_", workspace.uploads[identifier], flags=re.ASCII)
        place = rb"[^\s'\"]*" + identifier.encode() + rb"(\.\w+)+"
        return re.sub(place, lambda _: name.encode(), answer)

    def remove(self, workspace: Workspace, identifier: str) -> None:
        """Forget an upload, and remove its file."""
        workspace.uploads.pop(identifier, None)
        for path in self.folder.glob(f"{identifier}.*"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all uploads."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _key() -> bytes:
    """The key of this user's labs; one for this lab alone where none can be kept."""
    place = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "steepest" / "lab.key"
    with suppress(OSError, RuntimeError):
        if place.exists() and len(found := place.read_bytes()) == 32:
            return found
        place.parent.mkdir(parents=True, exist_ok=True)
        made = secrets.token_bytes(32)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
        return made
    return secrets.token_bytes(32)

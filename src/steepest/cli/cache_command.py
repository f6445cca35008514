"""`steepest cache`: what is kept of files larger than memory, listed and removed."""

from __future__ import annotations

from typing import Annotated

from steepest.cli.app import app
from steepest.cli.options import output


@app.command(help_epilogue="Example: steepest cache --clear")
def cache(*, clear: Annotated[bool, output("Remove them all; those that are being written stay.")] = False) -> int:
    """List what is kept of files larger than memory, Parquet copies of CSV and first passes, or remove it; it is made again."""
    from steepest.data import table_copies

    found = table_copies.copies()
    done = [copy for copy in found if table_copies.remove(copy)] if clear else found
    whole = table_copies.size_of(sum(copy.size for copy in done)) if done else "0 MB"
    if not clear:
        for copy in done:
            of = ", ".join(copy.sources[:3]) + (f" and {len(copy.sources) - 3:,} more" if len(copy.sources) > 3 else "")
            made = copy.made[:16].replace("T", " ") or "not finished"
            what = {"tables": "copy of", "passes": "first pass over"}[copy.kind]
            print(f"{table_copies.size_of(copy.size):>10}  {made:<16}  {what} {of or copy.place}")
    verb = "removed from" if clear else "in"
    print(f"{_copies(len(done))} ({whole}) {verb} {table_copies.folder().parent}")
    if len(done) < len(found):
        print(f"{_copies(len(found) - len(done))} being written stayed.")
    return 0


def _copies(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"

"""`steepest cache`: the Parquet copies of large CSV files, listed and removed."""

from __future__ import annotations

from typing import Annotated

from steepest.cli.app import app
from steepest.cli.options import output


@app.command(help_epilogue="Example: steepest cache --clear")
def cache(*, clear: Annotated[bool, output("Remove them all; those that are being written stay.")] = False) -> int:
    """List the Parquet copies of CSV files larger than memory, or remove them; they are made again when needed."""
    from steepest.data import table_copies

    found = table_copies.copies()
    done = [copy for copy in found if table_copies.remove(copy)] if clear else found
    whole = table_copies.size_of(sum(copy.size for copy in done)) if done else "0 MB"
    if not clear:
        for copy in done:
            of = ", ".join(copy.sources[:3]) + (f" and {len(copy.sources) - 3:,} more" if len(copy.sources) > 3 else "")
            made = copy.made[:16].replace("T", " ") or "not finished"
            print(f"{table_copies.size_of(copy.size):>10}  {made:<16}  {of or copy.place}")
    verb = "removed from" if clear else "in"
    print(f"{_copies(len(done))} ({whole}) {verb} {table_copies.folder()}")
    if len(done) < len(found):
        print(f"{_copies(len(found) - len(done))} being written stayed.")
    return 0


def _copies(number: int) -> str:
    return f"{number:,} {'copy' if number == 1 else 'copies'}"

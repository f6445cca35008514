"""The command `steepest`: its application object, and what its subcommands share: how they end, and where they may write."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from steepest.cli import process
from steepest.errors import FitError, RunError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from steepest.result import Fit

Run = Annotated[str, Parameter(help="The folder of a run or a sweep, as --out wrote it.")]
Which = Annotated[
    int | None, Parameter("--run", help="Which run of a sweep, as its table numbers them; the best by default.")
]
Model = Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")]
Table = Annotated[str, Parameter(help="A path, a pattern, a folder, - for standard input, or sample:NAME.")]


def _version() -> str:
    """Our version, and those that decide the last digits."""
    from importlib.metadata import version
    from platform import python_version

    parts = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
    return f"steepest {version('steepest')} (Python {python_version()}, {parts})"


app = App(
    name="steepest",
    help="Fit models by gradient descent, see every step, and know how far the answer is from the best one.",
    help_format="plaintext",
    help_epilogue="Example: steepest fit sample:diabetes --test-fraction 0.25",
    version=_version,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(help="Let the shell complete commands and options (bash, zsh, fish).")


def fail(text: str, code: int, whole: bool = False) -> int:
    """Say what is wrong in at most two lines, or line for line."""
    first, *rest = [" ".join(line.split()) for line in text.splitlines() if line.strip()] or ["unknown"]
    rest = rest if whole or not rest else [" ".join(rest)]
    print("\n".join([f"error: {first}", *rest]), file=sys.stderr)
    return code


def loaded(run: str, number: int | None, model: str | None) -> Fit:
    """A run, or one of a sweep's: the best where none is named, and that is said."""
    from steepest.storage import load, run_folder

    is_sweep = run_folder.kept_at(run) == "sweep"
    if number is not None and not is_sweep:
        raise SpecError(f"--run {number} is for a sweep, and {run!r} is one run. Leave it out.")
    runs: Any = load(run, model)
    if not is_sweep:
        return runs
    if number is None:
        ranked = runs.ranked() if runs.comparable else []
        if not ranked:
            raise FitError(f"The sweep {run!r} has no run that is known to be the best. Name one: --run N.")
        number = ranked[0]
        measure = {"objective": "objective", "test_loss": "held-out loss"}[runs.judged_by]
        print(
            f"Run {number} is taken, which has the lowest {measure} of {len(runs):,}; --run N takes another.",
            file=sys.stderr,
        )
    if not 0 <= number < len(runs):
        raise SpecError(f"--run {number}: the runs of {run!r} are numbered from 0 to {len(runs) - 1:,}.")
    return runs.fit(number)


@contextmanager
def kept_in(folder: str | None) -> Iterator[None]:
    """Where the result cannot be printed, say that it is kept."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        kept = "" if folder is None else f" What was done is kept in {folder}."
        raise RunError(f"{process.why_unwritten(error)}{kept}") from None


def check_out(out: str, data: str | None = None) -> None:
    """Raise RunError where a file of output would take the place of the table that is read, of a run's file, or of a folder."""
    from steepest.atomic_file import check_file_name
    from steepest.storage import run_folder

    check_file_name(out)
    if run_folder.is_of_run(out):
        raise RunError(f"{out!r} is a file of a run, which would be lost. Choose another file.")
    if data is None or data == "-" or data.startswith("sample:") or not Path(out).exists():
        return
    from steepest.data.files import paths_of

    if any(path.samefile(out) for path in paths_of(data)):
        raise RunError(f"{out!r} is the table itself, which would be lost. Choose another file.")


def check_table_name(option: str, out: str, more: str = "") -> None:
    """Raise SpecError unless the file's name says that it is a table."""
    if Path(out).suffix.lower() not in (".csv", ".parquet"):
        raise SpecError(f"{option} {out}: the name must end in .csv or .parquet{more}.")


def to_file(table: pa.Table | Iterable[pa.Table], out: str) -> int:
    """Write a table, or one that comes a piece after another, whole or not at all; gives its rows."""
    import pyarrow as pa

    from steepest.data.table_files import write_file

    rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal rows
        for piece in [table] if isinstance(table, pa.Table) else table:
            rows += piece.num_rows
            yield piece

    write_file(counted(), out, Path(out).suffix.lower())
    return rows


def to_stdout(table: Iterable[pa.Table]) -> None:
    """Print a table that comes a piece after another as CSV; Ctrl-C is heard between two pieces, and what was printed is said."""
    from steepest.data.table_files import write
    from steepest.descent.stopping import interruptible

    rows = 0

    def whole() -> Generator[pa.Table]:
        nonlocal rows
        for piece in table:
            with interruptible() as reason:
                yield piece  # it is written now
                rows += piece.num_rows
            if reason() is not None:
                raise KeyboardInterrupt

    try:
        with closing(whole()) as pieces:
            write(pieces, sys.stdout.buffer, "")
    except KeyboardInterrupt:
        raise (KeyboardInterrupt(f"interrupted: {rows:,} rows were printed") if rows else KeyboardInterrupt) from None

"""What the command shows: the progress of a descent on stderr, its result on stdout."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import isnan, nan
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from steepest.command_words import in_options
from steepest.data.wording import capitalized, counted, number, seconds
from steepest.descent.stopping import counted as counted_endings
from steepest.errors import SpecError, SteepestWarning
from steepest.text import findings
from steepest.text.document import Block, Document, Table, Words
from steepest.text.scores import DIGITS, about_classes, confusion, scores
from steepest.text.summary import in_short
from steepest.text.sweep import best_runs
from steepest.text.terminal import WIDEST, block_text
from steepest.text.terminal import text as text_of

if TYPE_CHECKING:
    from steepest.descent.loop import Step
    from steepest.inference.summary_table import Summary
    from steepest.result import Fit
    from steepest.sweep_result import Sweep

BEST = 10
"""Runs of a sweep that are shown."""

FIRST = 20
"""Parameters shown of a long list."""

KNOWN_AFTER = 3.0
"""Seconds from which on the time left is shown."""

PIPE_WIDTH = 110
"""Characters a line where stdout is no terminal."""


# ---- while it runs ---------------------------------------------------------------------------------


@contextmanager
def progress(
    limits: tuple[int | None, int | None], quiet: bool = False
) -> Iterator[Callable[[Step, float], None] | None]:
    """A line on stderr with epoch, loss and time left, and before with what is read; None where stderr is no terminal.

    limits: epochs and steps at which the descent ends at the latest, as far as they are known.
    """
    epochs, steps = limits
    words = "{task.fields[what]}", "{task.fields[loss]}"
    with _progress_line(quiet, epochs or steps, *words, what="epoch 0", loss="") as update:

        def show(step: Step, objective: float) -> None:
            done = step.epoch if epochs else step.t
            shown = {"what": lambda: f"epoch {step.epoch:,}", "loss": lambda: f"loss {float(step.loss):.6g}"}
            update(done, epochs or steps, lambda: {name: made() for name, made in shown.items()})

        with _reading_shown(update, loss=""):
            yield show if update else None


@contextmanager
def reading_progress(quiet: bool = False) -> Iterator[None]:
    """A line on stderr with what is read of large files, and the time left."""
    with _progress_line(quiet, 1, "{task.fields[what]}", what="") as update, _reading_shown(update):
        yield


@contextmanager
def _reading_shown(update: Any, **fields: Any) -> Iterator[None]:
    """Within it, what is read of large files is shown on the line that `update` draws."""
    from steepest.data.progress import shown

    def show(what: str, share: float) -> None:
        update(share, 1, lambda: {"what": what, **fields})

    with shown(show if update else None):
        yield


@contextmanager
def sweep_progress(quiet: bool = False) -> Iterator[Callable[[float, int], None] | None]:
    """A line on stderr with the runs done and the time left; None where stderr is no terminal."""
    with _progress_line(quiet, 1, "{task.fields[done]:,} of {task.total:,} runs", done=0) as update:
        yield (lambda done, runs: update(done, runs, lambda: {"done": int(done)})) if update else None


@contextmanager
def _progress_line(quiet: bool, total: int | None, first: str, *others: str, **fields: Any) -> Iterator[Any]:
    """What brings a line with a bar to so much done of a total, ten times a second; None where stderr is no terminal.

    The fields of the line are asked for only when it is drawn: a loss may be on a device that has to be waited for.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn(first), BarColumn(bar_width=24), *map(TextColumn, (*others, "{task.fields[left]}")))
    next_look, began, before = 0.0, nan, 0.0
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        line = bar.add_task("", total=total, left="", **fields)

        def update(done: float, total: int | None, fields: Callable[[], dict[str, Any]]) -> None:
            nonlocal next_look, began, before
            now = monotonic()
            if now < next_look:
                return
            fresh = isnan(began) or done < before  # something else has begun
            next_look, began, before = now + 0.1, now if fresh else began, done
            left = time_left(now - began, done, total)
            bar.update(line, completed=done, total=total, left=left, refresh=True, **fields())

        yield update


def time_left(elapsed: float, done: float, most: float | None) -> str:
    """How long it takes at most, from how long it took so far; "" in the first seconds, which say little.

    It is an upper limit, since a descent may stop before its last epoch.

    >>> time_left(0.5, 10, 1000), time_left(10.0, 100, 1000), time_left(10.0, 100, None)
    ('', 'at most 1:30 left', '')
    """
    if most is None or elapsed < KNOWN_AFTER or done <= 0:
        return ""
    minutes, seconds = divmod(round(elapsed * (most - done) / done), 60)
    hours, minutes = divmod(minutes, 60)
    return f"at most {f'{hours}:{minutes:02}' if hours else minutes}:{seconds:02} left"


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Warnings as plain `warning:` lines on stderr, without the line of code that they come from."""

    def show(message: Warning | str, *where: Any) -> None:
        print(f"warning: {' '.join(in_options(str(message)).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SteepestWarning)
        warnings.showwarning = show  # pyrefly: ignore[bad-assignment] (it looks at the words alone)
        yield


def say(sentence: str) -> None:
    """A line on stderr."""
    print(" ".join(in_options(sentence).split()), file=sys.stderr)


# ---- when it is done -------------------------------------------------------------------------------


def show(fit: Fit, folder: str | None, summary: Summary | None = None) -> None:
    """Print a finished fit: parameters, losses, metrics, how it ended, how far from the optimum.

    summary: the one that was asked for; None for the usual one.
    """
    below = findings.in_brief(fit)
    where = f"{folder}/summary.json" if folder else "--json, or --out FOLDER,"
    run = (
        f"steepest diagnose {shlex.quote(folder)}" if folder else "--json, or --out FOLDER and steepest diagnose FOLDER"
    )
    said = [*map(in_options, _sentences(fit, below.message))]
    said += below.lines(lambda found: ", ".join(filter(None, (found.command, found.left_out))), run, in_options)
    said += [f"Note: {in_options(note)}" for note in fit.notes]
    table, about_errors = in_short(fit, summary, FIRST, where, width())
    _print(
        table,
        *map(Words, [*about_classes(fit), *map(in_options, about_errors)]),
        scores(fit),
        *confusion(fit),
        *map(Words, [*said, f"The run is in {folder}"] if folder else said),
    )


def show_sweep(sweep: Sweep, folder: str | None) -> None:
    """Print the best runs of a sweep, how many ended how, and the rates that work."""
    from steepest.sweeps.run_results import FAILED

    ranked = sweep.ranked()
    if not sweep.comparable:
        ranked = sorted(ranked)
    best, left_out = best_runs(sweep, ranked[:BEST], width())
    said = [f"Not shown for want of room: {', '.join(left_out)}; --table FILE writes every column."] if left_out else []
    ends = counted_endings(sweep.columns["status"])
    order = {"objective": "objective", "test_loss": "held-out loss"}[sweep.judged_by]
    apart = "in the order of their settings, since different losses or targets cannot be compared"
    first = f"sorted by {order}, lowest first" if sweep.comparable else apart
    said.append(f"{len(sweep):,} runs ({ends}); {first}.")
    with suppress(SpecError):  # there may be no single interval to name
        said.append(str(sweep.working_lr()))
    if FAILED in sweep.columns["status"]:
        why = next(m for m, s in zip(sweep.columns["message"], sweep.columns["status"], strict=True) if s == FAILED)
        said.append(f"A run failed: {in_options(why)}")
    if folder:
        said.append(f"The sweep is in {folder}")
    _print(best, *map(Words, said))


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def width() -> int:
    """Characters of a line of what is printed."""
    return _console().width


def _print(*blocks: Block) -> None:
    """Print blocks: a terminal breaks a sentence between words, a pipe gets it whole; a table stands apart."""
    console = _console()
    prose = min(console.width, WIDEST) if console.is_terminal else None
    for place, block in enumerate(blocks):
        table = isinstance(block, Table)
        text = block_text(block, prose, console.width)
        text = f"{text}\n" if table and not place else f"\n{text}\n" if table else text
        console.print(Text(text), soft_wrap=True)


def show_document(document: Document) -> None:
    """Print a document whole."""
    console = _console()
    console.print(Text(text_of(document, console.width)), soft_wrap=True)


def _sentences(fit: Fit, message: str) -> Iterator[str]:
    yield capitalized(message)
    yield distance(fit)
    steps = counted(fit.steps, "step") + ("" if fit.steps == fit.epochs else f", {counted(fit.epochs, 'epoch')}")
    took = f"The descent took {seconds(fit.seconds)} ({steps})"
    if fit.exact is not None and fit.exact.method:
        took += f", the exact answer {seconds(fit.exact.seconds)} ({fit.exact.method})"
    yield took + "."
    made = f"Optimizer {fit.optimizer}, lr {fit.lr:.4g}, schedule {fit.schedule}"
    yield f"{made}, precondition {fit.precondition}."


def distance(fit: Fit) -> str:
    """One line on how far a fit is from the optimum."""
    if fit.gap is None:
        reason = "" if fit.exact_note in fit.message else f" {fit.exact_note}"
        return f"How far it is from the optimum is not known.{reason}"
    if fit.gap == 0.0:  # in the digits of the table's loss
        return f"The exact optimum is {number(fit.scores.exact_objective, DIGITS)}."
    optimum = number(fit.scores.exact_objective, 10)
    side = "above" if fit.gap > 0 else "below"
    return f"It is {number(abs(fit.gap), 2)} {side} the exact optimum {optimum} (relative gap {fit.relative_gap:.1e})."

"""What the command shows: the progress of a descent on stderr, its result on stdout."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import isnan, nan
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.text import Text

from steepest.data.wording import number
from steepest.descent.stopping import counted
from steepest.errors import SpecError, SteepestWarning
from steepest.settings import in_options
from steepest.text import findings
from steepest.text.scores import about_classes, coefficients, confusion, not_shown, rich_table, scores
from steepest.text.sweep_table import best_runs

if TYPE_CHECKING:
    from steepest.analysis.finding import Findings
    from steepest.descent.loop import Step
    from steepest.preflight import Outlook
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
    """A line on stderr with loss, epoch and time left, ten times a second; None where stderr is no terminal.

    limits: epochs and steps at which the descent ends at the latest, as far as they are known.
    """
    epochs, steps = limits
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("epoch {task.fields[epoch]:,}"),
        BarColumn(bar_width=24),
        TextColumn("loss {task.fields[loss]:.6g}"),
        TextColumn("{task.fields[left]}"),
    )
    next_look, began = 0.0, nan
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        line = bar.add_task("", total=epochs or steps, epoch=0, loss=nan, left="")

        def show(step: Step, objective: float) -> None:
            nonlocal next_look, began
            now = monotonic()
            if now < next_look:
                return
            next_look, began = now + 0.1, now if isnan(began) else began
            done = step.epoch if epochs else step.t
            left = time_left(now - began, done, epochs or steps)
            bar.update(line, completed=done, epoch=step.epoch, loss=float(step.loss), left=left, refresh=True)

        yield show


@contextmanager
def sweep_progress(quiet: bool = False) -> Iterator[Callable[[float, int], None] | None]:
    """A line on stderr with the runs done and the time left; None where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.fields[done]:,} of {task.total:,} runs"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[left]}"),
    )
    next_look, began = 0.0, nan
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        line = bar.add_task("", total=1, done=0, left="")

        def show(done: float, runs: int) -> None:
            nonlocal next_look, began
            now = monotonic()
            if now < next_look:
                return
            next_look, began = now + 0.1, now if isnan(began) else began
            bar.update(
                line, completed=done, total=runs, done=int(done), left=time_left(now - began, done, runs), refresh=True
            )

        yield show


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

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"warning: {' '.join(in_options(str(message)).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SteepestWarning)
        warnings.showwarning = show
        yield


# ---- when it is done -------------------------------------------------------------------------------


def show(fit: Fit, folder: str | None) -> None:
    """Print a finished fit: parameters, losses, metrics, how it ended, how far from the optimum."""
    console = _console()
    console.print(rich_table(*coefficients(fit, FIRST)))
    where = f"{folder}/summary.json" if folder else "--json, or --out FOLDER,"
    for sentence in [*about_classes(fit), *not_shown(fit, FIRST, where)]:
        _say(console, sentence)
    console.print(rich_table(*scores(fit)))
    if counts := confusion(fit):
        _say(console, counts[0] + ":")
        console.print(rich_table(*counts[1:]))
    below = findings.under(fit)
    for sentence in _sentences(fit, below.message):
        _say(console, in_options(sentence))
    _show_under(console, below, folder)
    for note in fit.notes:
        _say(console, f"Note: {in_options(note)}")
    if folder:
        _say(console, f"The run is in {folder}")


def _show_under(console: Console, below: findings.Under, folder: str | None) -> None:
    """The findings that stand under a fit, each in a line or two, and where the others are."""
    for place, finding in enumerate(below.shown, 1):
        what, change = findings.brief(finding, ", ".join(filter(None, (finding.command, finding.left_out))))
        what = in_options(what)
        console.print(Text(f"{place}. {what}", style="bold"), soft_wrap=not console.is_terminal)
        if change:
            _say(console, f"   {change}")
    if below.more:
        kept = (
            f"steepest diagnose {shlex.quote(folder)}"
            if folder
            else "--json, or --out FOLDER and steepest diagnose FOLDER"
        )
        _say(console, f"{below.more:,} more: {kept}")


def show_findings(found: Findings) -> None:
    """Print findings whole."""
    console = _console()
    console.print(Text(findings.text_of(found, console.width)), soft_wrap=True)


def show_outlook(ahead: Outlook) -> None:
    """Print what is known before a fit."""
    from steepest.text import preflight

    console = _console()
    console.print(Text(preflight.command_text(ahead, console.width)), soft_wrap=True)


def show_sweep(sweep: Sweep, folder: str | None) -> None:
    """Print the best runs of a sweep, how many ended how, and the rates that work."""
    from steepest.sweeps.run_results import FAILED

    console = _console()
    ranked = sweep.ranked()
    if not sweep.comparable:
        ranked = sorted(ranked)
    best = best_runs(sweep, ranked[:BEST], console.width)
    console.print(rich_table(best.heads, best.rows))
    if best.left_out:
        _say(console, f"Not shown for want of room: {', '.join(best.left_out)}; --table FILE writes every column.")
    ends = counted(sweep.columns["status"])
    order = {"objective": "objective", "test_loss": "held-out loss"}[sweep.judged_by]
    apart = "in the order of their settings, since different losses or targets cannot be compared"
    first = f"sorted by {order}, lowest first" if sweep.comparable else apart
    _say(console, f"{len(sweep):,} runs ({ends}); {first}.")
    with suppress(SpecError):  # there may be no single interval to name
        _say(console, str(sweep.working_lr()))
    if FAILED in sweep.columns["status"]:
        why = next(m for m, s in zip(sweep.columns["message"], sweep.columns["status"], strict=True) if s == FAILED)
        _say(console, f"A run failed: {in_options(why)}")
    if folder:
        _say(console, f"The sweep is in {folder}")


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def _say(console: Console, sentence: str) -> None:
    # a terminal breaks a line between words; a pipe gets it whole
    console.print(Text(sentence), soft_wrap=not console.is_terminal)


def _sentences(fit: Fit, message: str) -> Iterator[str]:
    yield message[:1].upper() + message[1:]
    yield distance(fit)
    took = f"The descent took {_seconds(fit.seconds)} ({_counted(fit)})"
    if fit.exact is not None and fit.exact.method:
        took += f", the exact answer {_seconds(fit.exact.seconds)} ({fit.exact.method})"
    yield took + "."
    made = f"Optimizer {fit.optimizer}, lr {fit.lr:.4g}, schedule {fit.schedule}"
    yield f"{made}, precondition {fit.precondition}."


def distance(fit: Fit) -> str:
    """One line on how far a fit is from the optimum."""
    if fit.gap is None:
        reason = "" if fit.exact_note in fit.message else f" {fit.exact_note}"
        return f"How far it is from the optimum is not known.{reason}"
    optimum = number(fit.scores.exact_objective, 10)
    if fit.gap == 0.0:
        return f"The exact optimum is {optimum}."
    side = "above" if fit.gap > 0 else "below"
    return f"It is {number(abs(fit.gap), 2)} {side} the exact optimum {optimum} (relative gap {fit.relative_gap:.1e})."


def _counted(fit: Fit) -> str:
    steps = f"{fit.steps:,} step" + ("" if fit.steps == 1 else "s")
    return steps if fit.steps == fit.epochs else f"{steps}, {fit.epochs:,} epoch" + ("" if fit.epochs == 1 else "s")


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds:.2f} s"

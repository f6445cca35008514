"""`steepest report`, `animate`, `eject` and `predict`: what is made of a run that was kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from steepest.cli.app import Model, Run, Table, Which, app, check_out, check_table_name, loaded, to_file, to_stdout
from steepest.cli.options import Patience, dash, names, output, settings_of, with_options
from steepest.errors import RunError, SpecError
from steepest.settings_table import OF_FILES

FILM = "fit.gif"
"""The film in a run's folder."""


@app.command(help_epilogue="Example: steepest report runs/houses")
def report(
    run: Run,
    /,
    *,
    out: Annotated[str | None, output("File to write; RUN/report.html by default.", "-o")] = None,
    number: Which = None,
    model: Model = None,
) -> int:
    """Write one page with the pictures of a run and the film of its descent; it works from disk and can be mailed."""
    from steepest.storage import run_folder

    if out is not None:
        check_out(out)
    fitted = loaded(run, number, model)
    name = run_folder.PAGE if number is None else f"report-{number}.html"
    print(fitted.report(Path(run).expanduser() / name if out is None else out))
    return 0


@app.command(help_epilogue="Example: steepest replay runs/houses")
def replay(
    run: Run,
    /,
    *,
    data: Annotated[str | None, output("Where the table lies now; by default where it lay.")] = None,
    model: Model = None,
) -> int:
    """Go through a run again, and say whether every recorded step is the same, bit for bit, or where one first differs."""
    from steepest.cli.console import warnings_as_lines
    from steepest.replaying import replay

    with warnings_as_lines():
        found = replay(run, None if data is None else dash(data), model=model)
    print(found)
    return 0 if found.same else 1


@app.command(help_epilogue="Example: steepest animate runs/houses -o houses.mp4")
def animate(
    run: Run,
    /,
    *,
    out: Annotated[
        str | None,
        output("File to write: .gif, .html or .mp4; without an ending a folder of PNG; RUN/fit.gif by default.", "-o"),
    ] = None,
    frames: Annotated[int, output("Frames at most (default 100).")] = 100,
    arrows: Annotated[bool, output("Show gradient, velocity and step.")] = False,
    theme: Annotated[Literal["light", "dark"], output("light (default) or dark.")] = "light",
    number: Which = None,
    model: Model = None,
) -> int:
    """Film the descent of a run, from its trace."""
    from tempfile import TemporaryDirectory

    from steepest.storage import run_folder

    if out is not None and Path(out).suffix:
        check_out(out)
    fitted = loaded(run, number, model)
    if out is None:
        name = FILM if number is None else f"fit-{number}.gif"
        run_folder.check_page(run, name)
        with TemporaryDirectory() as folder:
            film = Path(folder) / FILM
            fitted.animate(film, frames=frames, arrows=arrows, theme=theme)
            run_folder.write_page(run, film.read_bytes(), name)
        out = str(Path(run).expanduser() / name)
    else:
        fitted.animate(out, frames=frames, arrows=arrows, theme=theme)
    print(out)
    return 0


@app.command(help_epilogue="Example: steepest eject runs/houses -o houses.py --style module")
def eject(
    run: Run,
    /,
    *,
    out: Annotated[str | None, output("File to write; standard output by default.", "-o")] = None,
    style: Annotated[str, output("loop (default), torch.optim, module, closed or scikit-learn.")] = "loop",
    notebook: Annotated[bool, output("A Jupyter notebook in the script's place.")] = False,
    number: Which = None,
    model: Model = None,
) -> int:
    """Write a run as a short script of plain PyTorch that prints the same numbers, without steepest."""
    from steepest.cli.console import warnings_as_lines

    out = None if out is None or dash(out) == "-" else out
    if out is not None:
        check_out(out)
    with warnings_as_lines():
        text = loaded(run, number, model).to_python(out, style=style, notebook=notebook or None)
    print(text if out is None else out, end="" if out is None else "\n")
    return 0


@app.command(help_epilogue="Example: steepest predict runs/houses new.csv --keep id -o predicted.csv")
@with_options(OF_FILES)
def predict(
    run: Run,
    data: Table,
    /,
    *,
    out: Annotated[str, output("File to write: .csv or .parquet; - for standard output.", "-o")] = "-",
    keep: Annotated[list[str] | None, output("Columns of the table to write beside the predictions: id,name.")] = None,
    interval: Annotated[float | None, output("Level of an interval beside each prediction, such as 0.95.")] = None,
    kind: Annotated[
        Literal["mean", "observation"] | None, output("Of the mean (default), or of an observation of a fit by mse.")
    ] = None,
    rank_timeout: Patience = None,
    number: Which = None,
    model: Model = None,
    **settings: Any,
) -> int:
    """Predict each row of a table with a fit that was kept; classes with their probabilities, log(price) with price."""
    out = dash(out)
    if interval is not None and not 0.0 < interval < 1.0:
        raise SpecError(f"--interval {interval}: it must be between 0 and 1, as 0.95.")
    if kind is not None and interval is None:
        raise SpecError(f"--kind {kind} is that of an interval: give its level, --interval 0.95.")
    if out != "-":
        check_table_name("--out", out, ", or be - for standard output")
    from steepest.cli import prediction_table
    from steepest.cli.console import reading_progress, warnings_as_lines
    from steepest.cli.sharing import follows, sharing
    from steepest.data.reading import Reading
    from steepest.settings import Spec

    if out != "-" and not follows():
        check_out(out, dash(data))
    with sharing(rank_timeout, "No prediction is kept: give the same command again.") as group, warnings_as_lines():
        fitted = loaded(run, number, model)
        if fitted.terms is None and fitted.network is None:
            raise RunError(
                f"The run {run!r} was made with a module of yours. Say which: --model package.module:factory."
            )
        asked = None if interval is None else (interval, kind or "mean")
        given = settings_of(settings)
        told = Reading.of(Spec.read(given))
        reading = replace(Reading.of(fitted.spec), **{name: getattr(told, name) for name in given})
        rows = 0
        with reading_progress():
            tables, gaps = prediction_table.prediction_table(fitted, dash(data), names(keep or []), asked, reading)
            if group is not None and not group.first:
                for _ in tables:  # they go to the first rank
                    pass
            elif out == "-":
                shown = map(prediction_table.for_a_terminal, tables) if sys.stdout.isatty() else tables
                to_stdout(shown)
            else:
                rows = to_file(tables, out)
        notes = fitted.schema.said_of(gaps)
        if group is not None and not group.first:
            return 0
        if fitted.ending.status.name == "DIVERGED":
            notes.append(f"warning: the fit in {run} diverged: its predictions mean nothing.")
    if out != "-":
        notes.append(f"{rows:,} predictions are in {out}")
    for note in notes:
        print(note, file=sys.stderr)
    return 0

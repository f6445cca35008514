"""The terminal's way in: `steepest fit DATA --target y`, `steepest sweep DATA --lr …` and `steepest predict RUN DATA`.

Options are the settings of a fit, the same words as in `fit()`, with dashes; `Spec` alone has their defaults.
Results go to stdout; progress, warnings and errors go to stderr.

Exit codes: 0 done · 1 the data or the fit is at fault · 2 the command line is · 3 diverged · 130 interrupted (143 by SIGTERM).

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from steepest.cli import process
from steepest.cli.options import (
    DASH,
    HELP,
    OUTPUT,
    READING,
    SEVERAL,
    SWITCHES,
    dash,
    names,
    option,
    output,
    settings_of,
    switch,
)
from steepest.errors import DataError, FitError, RunError, SpecError, SteepestError

if TYPE_CHECKING:
    import pyarrow as pa

    from steepest.analysis.finding import Findings
    from steepest.result import Fit
    from steepest.sweep_result import Sweep

Number = float | Literal["auto"]
Size = int | Literal["full"]
Run = Annotated[str, Parameter(help="The folder of a run or a sweep, as --out wrote it.")]
Which = Annotated[
    int | None, Parameter("--run", help="Which run of a sweep, as its table numbers them; the best by default.")
]
Model = Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")]
Table = Annotated[str, Parameter(help="A path, a pattern, a folder, - for standard input, or sample:NAME.")]

FILM = "fit.gif"
"""The film in a run's folder."""


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


@app.command(help_epilogue="Example: steepest fit houses.csv --target price --test-fraction 0.25 --out runs/houses")
def fit(
    data: Table,
    /,
    *,
    target: Annotated[list[str] | None, option("target")] = None,
    columns: Annotated[list[str] | None, option("columns")] = None,
    drop: Annotated[list[str] | None, option("drop")] = None,
    model: Annotated[str | None, option("model")] = None,
    loss: Annotated[str | None, option("loss")] = None,
    penalty: Annotated[str | None, option("penalty")] = None,
    optimizer: Annotated[str | None, option("optimizer")] = None,
    lr: Annotated[Number | None, option("lr")] = None,
    schedule: Annotated[str | None, option("schedule")] = None,
    clip: Annotated[float | None, option("clip")] = None,
    batch_size: Annotated[Size | None, option("batch_size")] = None,
    shuffle: Annotated[str | None, option("shuffle")] = None,
    epochs: Annotated[int | None, option("epochs")] = None,
    max_steps: Annotated[int | None, option("max_steps")] = None,
    tol: Annotated[float | None, option("tol")] = None,
    patience: Annotated[int | None, option("patience")] = None,
    validation: Annotated[float | None, option("validation")] = None,
    init: Annotated[str | None, option("init")] = None,
    seed: Annotated[int | None, option("seed")] = None,
    precondition: Annotated[str | None, option("precondition")] = None,
    intercept: Annotated[bool | None, switch("intercept")] = None,
    weights: Annotated[str | None, option("weights")] = None,
    class_weight: Annotated[list[str] | None, option("class_weight")] = None,
    missing: Annotated[list[str] | None, option("missing")] = None,
    missing_values: Annotated[list[str] | None, option("missing_values")] = None,
    categories: Annotated[list[str] | None, option("categories")] = None,
    date: Annotated[list[str] | None, option("date")] = None,
    labels: Annotated[str | None, option("labels")] = None,
    decimal: Annotated[str | None, option("decimal")] = None,
    thousands: Annotated[str | None, option("thousands")] = None,
    encoding: Annotated[str | None, option("encoding")] = None,
    skip_rows: Annotated[int | None, option("skip_rows")] = None,
    comment: Annotated[str | None, option("comment")] = None,
    header: Annotated[bool | None, switch("header")] = None,
    test_fraction: Annotated[float | None, option("test_fraction")] = None,
    record: Annotated[int | None, option("record")] = None,
    dtype: Annotated[str | None, option("dtype")] = None,
    device: Annotated[str | None, option("device")] = None,
    out: Annotated[str | None, output("Folder to keep the run in, such as runs/first.")] = None,
    overwrite: Annotated[bool, output("Replace the run that is in that folder.")] = False,
    json: Annotated[bool, output("Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, output("No progress and no result; the run is kept by --out.")] = False,
    report: Annotated[
        bool,
        Parameter(help="Put report.html into the run's folder (done by default).", group=OUTPUT, show_default=False),
    ] = True,
) -> int:
    """Fit a model to a table, and say how far it is from the best possible answer."""
    given = {name: value for name, value in locals().items() if name in HELP and value is not None}
    from steepest import fitting
    from steepest.cli import console
    from steepest.descent.stopping import interruptible
    from steepest.storage import run_folder

    data = dash(data)
    settings = _with_target(data, settings_of(given))
    if out is not None:
        run_folder.check_free(out, overwrite, (*run_folder.FILES, *([run_folder.PAGE] if report else [])))
    with console.warnings_as_lines(), console.progress(_limits(settings), quiet) as progress:
        done = fitting.fit(data, progress=progress, **settings)
    unsaved = None
    with interruptible() as interrupted:  # what was done is kept, even if Ctrl-C comes now
        done.summary()  # the exact answer is computed here
        try:
            if out is not None:
                run_folder.save(done, out, overwrite)
        except RunError as error:  # hours of descent are worth printing even so
            out, unsaved = None, error
    try:
        if out is not None and report and not interrupted():
            done.report(run_folder.place_of(out) / run_folder.PAGE, film=False)
    except RunError as error:
        unsaved = error
    except KeyboardInterrupt:
        return _fail(f"interrupted. The run is in {out}, without its page.", 130)
    with _kept_in(out):
        _show(done, out, json, quiet)
    if unsaved is not None:
        raise unsaved
    return _fail("interrupted", 130) if interrupted() else _code(done, done.message if json or quiet else "")


def _swept(command: Callable[..., int]) -> Callable[..., int]:
    """A command whose `settings` are all options of `fit`, each with any number of values."""
    own = inspect.signature(command)
    data, *others = (p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[list[str] | None, option(name) if name not in SWITCHES else switch(name)],
        )
        for name in HELP
    ]
    # cyclopts reads a command's options from its signature
    command.__signature__ = own.replace(parameters=[data, *options, *others])  # pyrefly: ignore
    return command


@app.command(help_epilogue="Example: steepest sweep sample:diabetes --lr 1e-4:1:log:30 --optimizer sgd,adam --seed 0:4")
@_swept
def sweep(
    data: Table,
    /,
    *,
    table: Annotated[str | None, output("File for the table of all runs: .csv or .parquet.")] = None,
    out: Annotated[str | None, output("Folder to keep the whole sweep in, such as runs/rates.")] = None,
    overwrite: Annotated[bool, output("Replace the run or sweep that is in that folder.")] = False,
    json: Annotated[bool, output("Print all runs as one JSON object.")] = False,
    quiet: Annotated[bool, output("No progress and no result.")] = False,
    **settings: list[str] | None,
) -> int:
    """Fit with every combination of several settings: lists sgd,adam and ranges 1e-4:1:log:50 (or :lin:), seeds 0:9."""
    if table is not None:
        _check_table_name("--table", table)
        _check_out(table, dash(data))
    from steepest import sweeping
    from steepest.cli import console, ranges
    from steepest.descent.stopping import interruptible
    from steepest.run_record import to_json
    from steepest.storage import run_folder, sweep_folder

    data = dash(data)
    given = {name: ranges.values(name, words, _one) for name, words in settings.items() if words is not None}
    given = _with_target(data, given)
    if out is not None:
        run_folder.check_free(out, overwrite, run_folder.SWEEP_FILES)
    with console.warnings_as_lines(), console.sweep_progress(quiet) as progress:
        done = sweeping.sweep(data, progress=progress, **given)
    unsaved = None
    with interruptible():  # what was done is kept, even if Ctrl-C comes now
        try:
            if out is not None:
                sweep_folder.save_sweep(done, out, overwrite)
        except RunError as error:  # what is done is worth printing even so
            out, unsaved = None, error
        try:
            if table is not None:
                _to_file(done.table().to_arrow(), table)
        except RunError as error:
            unsaved = unsaved or error
    with _kept_in(out):
        if json:
            print(to_json(done.summary()))
        elif not quiet:
            console.show_sweep(done, out)
    if unsaved is not None:
        raise unsaved
    return _sweep_code(done)


def _asked(settings: Iterable[str] = HELP) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A command whose `settings` are options of `fit`, as they are there: all of them, or those named."""

    def command_of(command: Callable[..., int]) -> Callable[..., int]:
        own = inspect.signature(command)
        data, *others = (p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD)
        options = [p for name, p in inspect.signature(fit, eval_str=True).parameters.items() if name in settings]
        command.__signature__ = own.replace(parameters=[data, *options, *others])  # pyrefly: ignore
        return command

    return command_of


@app.command(help_epilogue="Example: steepest describe houses.csv")
@_asked(READING)
def describe(
    data: Table,
    /,
    *,
    out: Annotated[str | None, output("Page to write, named .html.", "-o")] = None,
    json: Annotated[bool, output("Print it as JSON.")] = False,
    **settings: Any,
) -> int:
    """Say what a table holds and how it is read: columns, types, units, levels, missing values, and what a fit would refuse."""
    from steepest import description
    from steepest import settings as spec
    from steepest.cli import console
    from steepest.run_record import to_json

    if out is not None:
        _check_out(out, dash(data))
    given = settings_of({name: value for name, value in settings.items() if value is not None})
    with console.warnings_as_lines():
        found = description.describe(dash(data), **given)
    if json:
        print(to_json(found.to_dict()))
    elif out is None:
        print(spec.in_options(str(found)))
    else:
        print(found.page(out))
    return 0


@app.command(
    help_epilogue="Examples: steepest diagnose runs/houses, or before any fit: steepest diagnose houses.csv --target price"
)
@_asked()
def diagnose(
    data: Annotated[
        str, Parameter(name="RUN|DATA", help="The folder of a run, as --out wrote it; or data as fit takes them.")
    ],
    /,
    *,
    number: Which = None,
    json: Annotated[bool, output("Print what is found as JSON.")] = False,
    **settings: Any,
) -> int:
    """Say what is wrong with a fit and what fixes it; or before any fit, what will be hard and which settings will work."""
    from steepest import preflight
    from steepest.cli import console
    from steepest.run_record import to_json
    from steepest.storage import run_folder

    given = {name: value for name, value in settings.items() if value is not None}
    data = dash(data)
    kept = run_folder.kept_at(data)
    if kept is not None:
        if others := [name for name in given if name != "model"]:
            option = others[0].replace("_", "-")
            raise SpecError(f"{data!r} is a {kept}, which has its settings already. Leave out --{option}.")
        found = _diagnosed(_loaded(data, number, given.get("model")))
        if json:
            print(to_json({"findings": found.to_dicts()}))
        else:
            console.show_findings(found)
        return 0
    if Path(data).is_dir() and "target" not in given:
        raise SpecError(
            f"{data!r} holds no run: it has no fit.json. If it holds tables, name the column to predict: --target NAME."
        )
    with console.warnings_as_lines():
        ahead = preflight.diagnose(data, **_with_target(data, settings_of(given)))
    if json:
        print(to_json(ahead.to_dict()))
    else:
        console.show_outlook(ahead)
    return 0


def _loaded(run: str, number: int | None, model: str | None) -> Fit:
    """A run, or one of a sweep's: the best where none is named, and that is said."""
    from steepest.storage import run_folder

    if run_folder.kept_at(run) != "sweep":
        if number is not None:
            raise SpecError(f"--run {number} is for a sweep, and {run!r} is one run. Leave it out.")
        return run_folder.load_fit(run, model)
    runs: Any = run_folder.load(run, model)
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


def _diagnosed(fitted: Fit) -> Findings:
    """What was found about a run, or is found now from its rows, which are read again where the run keeps a part of them."""
    from steepest.storage import run_loading

    try:
        return fitted.diagnose()
    except FitError:
        inner = fitted.inner
        if fitted.source is None or inner.record is None:
            raise
        inner.record = replace(inner.record, rows=run_loading.rows_of(fitted))
        return fitted.diagnose()


def _check_out(out: str, data: str | None = None) -> None:
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


def _with_target(data: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings, with a sample's own target where none is named."""
    if "target" in settings or not data.startswith("sample:"):
        return settings
    from steepest.data.synthetic import sample_target

    return settings | {"target": sample_target(data.removeprefix("sample:"))}


def _sweep_code(done: Sweep) -> int:
    if "interrupted" in done.columns["status"]:
        finished = sum(status != "interrupted" for status in done.columns["status"])
        return _fail(f"interrupted: {finished:,} of {len(done):,} runs are done, and kept with all others.", 130)
    if not done.ranked():
        return _fail("no run ended well: each of them diverged or failed. Try smaller rates: --lr 1e-6:1e-2:log:20.", 3)
    return 0


def _one(setting: str, word: str) -> Any:
    """A word as one value of a setting whose single value may be a list."""
    return settings_of({setting: [word] if setting in SEVERAL else word})[setting]


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
        _check_out(out)
    fitted = _loaded(run, number, model)
    name = run_folder.PAGE if number is None else f"report-{number}.html"
    print(fitted.report(Path(run).expanduser() / name if out is None else out))
    return 0


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
        _check_out(out)
    fitted = _loaded(run, number, model)
    if out is None:
        name = FILM if number is None else f"fit-{number}.gif"
        run_folder.check_page(run, name)
        with TemporaryDirectory() as folder:
            film = Path(folder) / FILM
            fitted.animate(film, frames=frames, arrows=arrows, theme=theme)
            run_folder.write_page(run, film.read_bytes(), name)
        print(Path(run).expanduser() / name)
        return 0
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
        _check_out(out)
    with warnings_as_lines():
        text = _loaded(run, number, model).to_python(out, style=style, notebook=notebook or None)
    print(text if out is None else out, end="" if out is None else "\n")
    return 0


@app.command(help_epilogue="Example: steepest predict runs/houses new.csv --keep id -o predicted.csv")
def predict(
    run: Run,
    data: Table,
    /,
    *,
    out: Annotated[str, output("File to write: .csv or .parquet; - for standard output.", "-o")] = "-",
    keep: Annotated[
        list[str] | None,
        output("Columns of the table to write beside the predictions: id,name."),
    ] = None,
    number: Which = None,
    model: Model = None,
) -> int:
    """Predict each row of a table with a fit that was kept; classes with their probabilities, log(price) with price."""
    out = dash(out)
    if out != "-":
        _check_table_name("--out", out, ", or be - for standard output")
        _check_out(out, dash(data))
    from steepest.cli import prediction_table
    from steepest.cli.console import warnings_as_lines

    with warnings_as_lines():
        fitted = _loaded(run, number, model)
        if fitted.terms is None and fitted.network is None:
            raise RunError(
                f"The run {run!r} was made with a module of yours. Say which: --model package.module:factory."
            )
        table, notes = prediction_table.prediction_table(fitted, dash(data), names(keep or []))
        if fitted.ending.status.name == "DIVERGED":
            notes = [*notes, f"warning: the fit in {run} diverged: its predictions mean nothing."]
    for note in notes:
        print(note, file=sys.stderr)
    if out == "-":
        shown = prediction_table.for_a_terminal(table) if sys.stdout.isatty() else table
        prediction_table.write(shown, sys.stdout.buffer, "")
        return 0
    _to_file(table, out)
    print(f"{table.num_rows:,} predictions are in {out}", file=sys.stderr)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; `arguments` are those of the command line by default."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with process.streams(), process.stopped_by_signals() as signals:
        try:
            code = _run(arguments)
        except Exception:
            if not signals:
                raise
            code = _fail(
                process.INTERRUPTED, 130
            )  # a signal came while something was imported, which took it for its own
        except KeyboardInterrupt:
            code = _fail(process.INTERRUPTED, 130)
        return 128 + signals[-1] if code == 130 and signals else code


def _run(arguments: Sequence[str]) -> int:
    """Run the command; errors that a user can mend are said in a line."""
    try:
        code = app([DASH if word == "-" else word for word in arguments], print_error=False, exit_on_error=False)
        sys.stdout.flush()
        return code or 0
    except CycloptsError as error:
        command = next((f" {word}" for word in arguments if word in app), "")
        return _fail(f"{error}\nSee: steepest{command} --help", 2)
    except SteepestError as error:
        from steepest.settings import in_options

        # a table's faults have a line each
        return _fail(in_options(str(error)), 2 if isinstance(error, SpecError) else 1, isinstance(error, DataError))
    except (BrokenPipeError, SystemExit):  # whoever read the output has gone, as in `| head`; rich exits then
        return 0
    except OSError as error:
        return _fail(process.why_unwritten(error), 1)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        remedy = "Choose fewer --columns, a smaller model, or --record 100"
        return _fail(f"there is not enough memory for this table and model. {remedy}", 1)


def _fail(text: str, code: int, whole: bool = False) -> int:
    """Say what is wrong in at most two lines, or line for line."""
    first, *rest = [" ".join(line.split()) for line in text.splitlines() if line.strip()] or ["unknown"]
    rest = rest if whole or not rest else [" ".join(rest)]
    print("\n".join([f"error: {first}", *rest]), file=sys.stderr)
    return code


# ---- what is shown and written ---------------------------------------------------------------------


@contextmanager
def _kept_in(folder: str | None) -> Iterator[None]:
    """Where the result cannot be printed, say that it is kept."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        kept = "" if folder is None else f" What was done is kept in {folder}."
        raise RunError(f"{process.why_unwritten(error)}{kept}") from None


def _limits(settings: dict[str, Any]) -> tuple[int | None, int | None]:
    """Epochs and steps at which the descent ends at the latest."""
    from steepest.settings import DEFAULT_STEPS

    epochs, steps = settings.get("epochs"), settings.get("max_steps")
    if epochs is None and steps is None:
        epochs = DEFAULT_STEPS["full" if settings.get("batch_size", "full") == "full" else "minibatch"]
    return epochs, steps


def _show(done: Fit, folder: str | None, json: bool, quiet: bool) -> None:
    if json:
        from steepest.run_record import to_json

        print(to_json(done.summary()))
    elif not quiet:
        from steepest.cli import console

        console.show(done, folder)
    if folder is not None and json and not quiet:
        print(f"The run is in {folder}", file=sys.stderr)


def _code(done: Fit, message: str) -> int:
    """How the command ends; `message` is what stdout does not say."""
    from steepest.descent.stopping import Status
    from steepest.settings import in_options

    message = in_options(message)
    if done.status is Status.DIVERGED:
        return _fail(message or "the descent diverged", 3)
    if done.status is Status.INTERRUPTED:
        return _fail(message or "interrupted", 130)
    return 0


def _check_table_name(option: str, out: str, more: str = "") -> None:
    if Path(out).suffix.lower() not in (".csv", ".parquet"):
        raise SpecError(f"{option} {out}: the name must end in .csv or .parquet{more}.")


def _to_file(table: pa.Table, out: str) -> None:
    """Write a table, whole or not at all."""
    from steepest.atomic_file import whole_file
    from steepest.cli.prediction_table import write

    with whole_file(out) as place, open(place, "wb") as file:
        write(table, file, Path(out).suffix.lower())

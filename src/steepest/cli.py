"""The terminal's way in: `steepest fit DATA --target y`, `steepest sweep DATA --lr …` and `steepest predict RUN DATA`.

Options are the settings of a fit, the same words as in `fit()`, with dashes; `Spec` alone has their defaults.
Results go to stdout; progress, warnings and errors go to stderr.

Exit codes: 0 done · 1 the data or the fit is at fault · 2 the command line is · 3 diverged · 130 interrupted.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import csv
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from steepest.errors import DataError, RunError, SpecError, SteepestError

if TYPE_CHECKING:
    import pyarrow as pa

    from steepest.many.result import Sweep
    from steepest.result import Fit

HELP = {
    "target": "Column to predict, or log(COLUMN); several: a,b or repeated. A sample has one of its own.",
    "columns": "Columns to predict from; all others by default. For a name with a comma, repeat the option.",
    "drop": "Columns to leave out.",
    "model": "linear (default), poly:DEGREE, logistic, softmax, mlp:64,32 or package.module:factory.",
    "loss": "mse, l1, huber:D, quantile:Q, logistic or cross_entropy; by default what the target asks for.",
    "penalty": "l1:A, l2:A or elastic:A,B, in the units of the parameters; intercepts are free.",
    "optimizer": "auto (default), sgd, momentum:B, nesterov:B, adagrad, rmsprop, adam or adamw.",
    "lr": "Learning rate, or auto (default), which is safe at any batch size.",
    "schedule": "constant, inverse, step:N,F, cosine or warmup:N.",
    "clip": "Longest gradient let through.",
    "batch_size": "Rows a batch, or full (default).",
    "shuffle": "rows (default: a fresh permutation each epoch), draws, blocks or none.",
    "epochs": "Passes over the rows at most.",
    "max_steps": "Updates at most.",
    "tol": "Stop when the objective changes by no more than this share of it; 0: by nothing at all.",
    "patience": "How many such looks in a row, or epochs without a better validation loss.",
    "validation": "Share of the training rows held out to stop by.",
    "init": "Start: zeros (default), numbers 1,2,3, normal or uniform:LO:HI.",
    "seed": "Of everything random (default 0).",
    "precondition": "Coordinates of the descent: auto (default), none, standardize or orthonormal.",
    "intercept": "Whether the model has an intercept (it has by default).",
    "weights": "Column that holds the weight of each row.",
    "class_weight": "balanced, or label=weight,…",
    "missing": "What to do with missing values: error (default), drop (the rows), mean or level; or COLUMN=level,…",
    "missing_values": "Words that mean missing, beside the usual ones: unknown,-999. not:none takes a usual one back.",
    "categories": "Columns whose values are levels, whatever they look like.",
    "date": "Columns of dates: COLUMN=days (a number of days) or COLUMN=parts (year, month, weekday, hour).",
    "labels": "casefold: levels that differ in case and surrounding blanks only are one.",
    "decimal": "The decimal mark of numbers: . or , (by default what the file shows).",
    "thousands": "The mark between thousands, such as . or , or ' '.",
    "encoding": "Of a text file, such as latin-1 or cp1252; UTF-8 by default.",
    "skip_rows": "Lines above the header of a text file that are not read.",
    "comment": "The sign that comment lines of a text file begin with, such as #.",
    "header": "Whether the first line of a text file holds names (by default what its lines show).",
    "test_fraction": "Share of the rows held out and scored.",
    "record": "Most steps that the trace keeps (default 10000).",
    "dtype": "float64 (default) or float32.",
    "device": "cpu (default) or cuda.",
}
"""One line for each setting of a fit."""

NAMES = ("target", "columns", "drop", "categories", "missing_values")
SEVERAL = (*NAMES, "class_weight", "missing", "date")
"""Settings that may hold several words, parted by commas or given by repeating the option."""

SWITCHES = ("intercept", "header")

READING = (
    *("missing_values", "categories", "date", "labels", "decimal", "thousands", "encoding", "skip_rows"),
    *("comment", "header"),
)
"""Settings that say how a table is read."""

Number = float | Literal["auto"]
Size = int | Literal["full"]
Table = Annotated[str, Parameter(help="A path, a pattern, a folder, - for standard input, or sample:NAME.")]

DASH = "(standard input or output)"
"""Stands for a lone `-` while the command line is read, where it would pass for an option."""

app = App(
    name="steepest",
    help="Fit models by gradient descent, see every step, and know how far the answer is from the best one.",
    help_format="plaintext",
    help_epilogue="Example: steepest fit sample:diabetes --test-fraction 0.25",
    version=lambda: __import__("steepest").__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


def _option(setting: str) -> Parameter:
    # numbers such as -1,2 begin with a hyphen and are no option
    return Parameter(help=HELP[setting], negative="", allow_leading_hyphen=setting in ("init", "missing_values"))


def _switch(setting: str) -> Parameter:
    """For a sweep: `--header true,false`, or `--no-header`, which comes as an empty list."""
    return Parameter(help=HELP[setting], negative=f"--no-{setting}")


@app.command
def fit(
    data: Table,
    /,
    *,
    target: Annotated[list[str] | None, _option("target")] = None,
    columns: Annotated[list[str] | None, _option("columns")] = None,
    drop: Annotated[list[str] | None, _option("drop")] = None,
    model: Annotated[str | None, _option("model")] = None,
    loss: Annotated[str | None, _option("loss")] = None,
    penalty: Annotated[str | None, _option("penalty")] = None,
    optimizer: Annotated[str | None, _option("optimizer")] = None,
    lr: Annotated[Number | None, _option("lr")] = None,
    schedule: Annotated[str | None, _option("schedule")] = None,
    clip: Annotated[float | None, _option("clip")] = None,
    batch_size: Annotated[Size | None, _option("batch_size")] = None,
    shuffle: Annotated[str | None, _option("shuffle")] = None,
    epochs: Annotated[int | None, _option("epochs")] = None,
    max_steps: Annotated[int | None, _option("max_steps")] = None,
    tol: Annotated[float | None, _option("tol")] = None,
    patience: Annotated[int | None, _option("patience")] = None,
    validation: Annotated[float | None, _option("validation")] = None,
    init: Annotated[str | None, _option("init")] = None,
    seed: Annotated[int | None, _option("seed")] = None,
    precondition: Annotated[str | None, _option("precondition")] = None,
    intercept: Annotated[bool | None, Parameter(help=HELP["intercept"])] = None,
    weights: Annotated[str | None, _option("weights")] = None,
    class_weight: Annotated[list[str] | None, _option("class_weight")] = None,
    missing: Annotated[list[str] | None, _option("missing")] = None,
    missing_values: Annotated[list[str] | None, _option("missing_values")] = None,
    categories: Annotated[list[str] | None, _option("categories")] = None,
    date: Annotated[list[str] | None, _option("date")] = None,
    labels: Annotated[str | None, _option("labels")] = None,
    decimal: Annotated[str | None, _option("decimal")] = None,
    thousands: Annotated[str | None, _option("thousands")] = None,
    encoding: Annotated[str | None, _option("encoding")] = None,
    skip_rows: Annotated[int | None, _option("skip_rows")] = None,
    comment: Annotated[str | None, _option("comment")] = None,
    header: Annotated[bool | None, Parameter(help=HELP["header"])] = None,
    test_fraction: Annotated[float | None, _option("test_fraction")] = None,
    record: Annotated[int | None, _option("record")] = None,
    dtype: Annotated[str | None, _option("dtype")] = None,
    device: Annotated[str | None, _option("device")] = None,
    out: Annotated[str | None, Parameter(help="Folder to keep the run in, such as runs/first.")] = None,
    overwrite: Annotated[bool, Parameter(help="Replace the run that is in that folder.", negative="")] = False,
    json: Annotated[bool, Parameter(help="Print the result as one JSON object.", negative="")] = False,
    quiet: Annotated[bool, Parameter(help="No progress and no result; the run is kept by --out.", negative="")] = False,
    report: Annotated[bool, Parameter(help="Put report.html into the run's folder (done by default).")] = True,
) -> int:
    """Fit a model to a table, and say how far it is from the best possible answer."""
    given = {name: value for name, value in locals().items() if name in HELP and value is not None}
    from steepest import console, fitting, run_folder

    data = _dash(data)
    settings = _with_target(data, _settings(given))
    if out is not None:
        run_folder.check_free(out, overwrite, (*run_folder.FILES, *([run_folder.PAGE] if report else [])))
    with console.warnings_as_lines(), console.progress(_limits(settings), quiet) as progress:
        done = fitting.fit(data, progress=progress, **settings)
        done.summary()  # the exact answer is computed here
    unsaved = None
    try:
        if out is not None:
            run_folder.save(done, out, overwrite)
    except RunError as error:  # hours of descent are worth printing even so
        out, unsaved = None, error
    try:
        if out is not None and report:
            done.report(run_folder.place_of(out) / run_folder.PAGE, film=False)
    except RunError as error:
        unsaved = error
    _show(done, out, json, quiet)
    if unsaved is not None:
        raise unsaved
    return _code(done, done.message if json or quiet else "")


def _swept(command: Callable[..., int]) -> Callable[..., int]:
    """A command whose `settings` are all options of `fit`, each with any number of values."""
    own = inspect.signature(command)
    data, *others = (p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[list[str] | None, _option(name) if name not in SWITCHES else _switch(name)],
        )
        for name in HELP
    ]
    # cyclopts reads a command's options from its signature
    command.__signature__ = own.replace(parameters=[data, *options, *others])  # pyrefly: ignore
    return command


@app.command
@_swept
def sweep(
    data: Table,
    /,
    *,
    table: Annotated[str | None, Parameter(help="File for the table of all runs: .csv or .parquet.")] = None,
    out: Annotated[str | None, Parameter(help="Folder to keep the whole sweep in, such as runs/rates.")] = None,
    overwrite: Annotated[bool, Parameter(help="Replace the run or sweep that is in that folder.", negative="")] = False,
    json: Annotated[bool, Parameter(help="Print all runs as one JSON object.", negative="")] = False,
    quiet: Annotated[bool, Parameter(help="No progress and no result.", negative="")] = False,
    **settings: list[str] | None,
) -> int:
    """Fit with every combination of several settings: lists sgd,adam and ranges 1e-4:1:log:50 (or :lin:), seeds 0:9."""
    if table is not None:
        _check_table_name("--table", table)
    from steepest import console, ranges, run_folder, sweep_folder
    from steepest.many import sweeping
    from steepest.run_record import to_json

    data = _dash(data)
    given = {name: ranges.values(name, words, _one) for name, words in settings.items() if words is not None}
    given = _with_target(data, given)
    if out is not None:
        run_folder.check_free(out, overwrite, run_folder.SWEEP_FILES)
    with console.warnings_as_lines(), console.sweep_progress(quiet) as progress:
        done = sweeping.sweep(data, progress=progress, **given)
    unsaved = None
    try:
        if out is not None:
            sweep_folder.save_sweep(done, out, overwrite)
        if table is not None:
            _to_file(done.table(), table)
    except RunError as error:  # what is done is worth printing even so
        unsaved = error
    if json:
        print(to_json(done.summary()))
    elif not quiet:
        console.show_sweep(done, None if unsaved else out)
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


@app.command
@_asked(READING)
def describe(
    data: Table,
    /,
    *,
    out: Annotated[str | None, Parameter(("--out", "-o"), help="Page to write, named .html.")] = None,
    json: Annotated[bool, Parameter(help="Print it as JSON.", negative="")] = False,
    **settings: Any,
) -> int:
    """Say what a table holds and how it is read: columns, types, units, levels, missing values, and what a fit would refuse."""
    from steepest import console, spec
    from steepest.run_record import to_json
    from steepest.views import description

    given = _settings({name: value for name, value in settings.items() if value is not None})
    with console.warnings_as_lines():
        found = description.describe(_dash(data), **given)
    if json:
        print(to_json(found.to_dict()))
    elif out is None:
        print(spec.in_options(str(found)))
    else:
        print(found.page(out))
    return 0


@app.command
@_asked()
def diagnose(
    data: Annotated[
        str, Parameter(name="RUN|DATA", help="The folder of a run, as --out wrote it; or data as fit takes them.")
    ],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print what is found as JSON.", negative="")] = False,
    **settings: Any,
) -> int:
    """Say what is wrong with a fit and what mends it; or before any fit, what will be hard and which settings will work."""
    from steepest import console, outlook, run_folder
    from steepest.run_record import to_json

    given = {name: value for name, value in settings.items() if value is not None}
    data = _dash(data)
    kept = run_folder.kept_at(data)
    if kept == "sweep":
        raise RunError(
            f"{data!r} is a sweep, whose runs are kept without their rows. Fit the run you mean by itself, with --out FOLDER, "
            "and diagnose that."
        )
    if kept == "run":
        if others := [name for name in given if name != "model"]:
            option = others[0].replace("_", "-")
            raise SpecError(f"{data!r} is a run, which has its settings already. Leave out --{option}.")
        found = run_folder.load_fit(data, given.get("model")).diagnose()
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
        ahead = outlook.diagnose(data, **_with_target(data, _settings(given)))
    if json:
        print(to_json(ahead.to_dict()))
    else:
        console.show_outlook(ahead)
    return 0


def _with_target(data: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings, with a sample's own target where none is named."""
    if "target" in settings or not data.startswith("sample:"):
        return settings
    from steepest.problem.synthetic import sample_target

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
    return _settings({setting: [word] if setting in SEVERAL else word})[setting]


@app.command
def report(
    run: Annotated[str, Parameter(help="The folder of a run, as --out wrote it.")],
    /,
    *,
    out: Annotated[str | None, Parameter(("--out", "-o"), help="File to write; RUN/report.html by default.")] = None,
    model: Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")] = None,
) -> int:
    """Write one page with the pictures of a run and the film of its descent; it works from disk and can be mailed."""
    from steepest import run_folder

    fitted = run_folder.load_fit(run, model)
    print(fitted.report(Path(run).expanduser() / run_folder.PAGE if out is None else out))
    return 0


@app.command
def animate(
    run: Annotated[str, Parameter(help="The folder of a run, as --out wrote it.")],
    /,
    *,
    out: Annotated[
        str, Parameter(("--out", "-o"), help="File to write: .gif, .html or .mp4; without an ending a folder of PNG.")
    ] = "fit.gif",
    frames: Annotated[int, Parameter(help="Frames at most.")] = 100,
    arrows: Annotated[bool, Parameter(help="Show gradient, velocity and step.", negative="")] = False,
    theme: Annotated[Literal["light", "dark"], Parameter(help="light (default) or dark.")] = "light",
    model: Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")] = None,
) -> int:
    """Film the descent of a run, from its trace."""
    from steepest import run_folder

    fitted = run_folder.load_fit(run, model)
    fitted.animate(out, frames=frames, arrows=arrows, theme=theme)
    print(out)
    return 0


@app.command
def eject(
    run: Annotated[str, Parameter(help="The folder of a run, as --out wrote it.")],
    /,
    *,
    out: Annotated[str | None, Parameter(("--out", "-o"), help="File to write; standard output by default.")] = None,
    style: Annotated[str, Parameter(help="loop (default), torch.optim, module, closed or scikit-learn.")] = "loop",
    notebook: Annotated[bool, Parameter(help="A Jupyter notebook in the script's place.", negative="")] = False,
    model: Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")] = None,
) -> int:
    """Write a run as a short script of plain PyTorch that prints the same numbers, without steepest."""
    from steepest import run_folder
    from steepest.console import warnings_as_lines

    out = None if out is None or _dash(out) == "-" else out
    with warnings_as_lines():
        text = run_folder.load_fit(run, model).to_python(out, style=style, notebook=notebook or None)
    print(text if out is None else out, end="" if out is None else "\n")
    return 0


@app.command
def predict(
    run: Annotated[str, Parameter(help="The folder of a run, as --out wrote it.")],
    data: Table,
    /,
    *,
    out: Annotated[
        str, Parameter(("--out", "-o"), help="File to write: .csv or .parquet; - for standard output.")
    ] = "-",
    keep: Annotated[
        list[str] | None, Parameter(help="Columns of the table to write beside the predictions: id,name.", negative="")
    ] = None,
    model: Annotated[str | None, Parameter(help="package.module:factory, for a run that was made with one.")] = None,
) -> int:
    """Predict each row of a table with a fit that was kept; classes with their probabilities, log(price) with price."""
    out = _dash(out)
    if out != "-":
        _check_table_name("--out", out, ", or be - for standard output")
    from steepest import prediction_table, run_folder
    from steepest.console import warnings_as_lines

    with warnings_as_lines():
        fitted = run_folder.load_fit(run, model)
        if fitted.terms is None and fitted.network is None:
            raise RunError(
                f"The run {run!r} was made with a module of yours. Say which: --model package.module:factory."
            )
        table, notes = prediction_table.prediction_table(fitted, _dash(data), _names(keep or []))
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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to fail
    try:
        code = app([DASH if word == "-" else word for word in arguments], print_error=False, exit_on_error=False)
        sys.stdout.flush()
        return code or 0
    except CycloptsError as error:
        known = ("fit", "sweep", "describe", "diagnose", "predict", "report", "animate", "eject")
        command = next((f" {word}" for word in arguments if word in known), "")
        return _fail(f"{error}\nSee: steepest{command} --help", 2)
    except SpecError as error:
        from steepest.spec import in_options

        return _fail(in_options(str(error)), 2)
    except DataError as error:  # a line for each fault of the table
        return _fail(str(error), 1, whole=True)
    except SteepestError as error:
        return _fail(str(error), 1)
    except (BrokenPipeError, SystemExit):  # whoever read the output has gone, as in `| head`; rich exits then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted before there was anything to keep", 130)
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


# ---- from words to settings ------------------------------------------------------------------------


def _dash(word: str) -> str:
    return "-" if word == DASH else word


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a fit from what was typed."""
    settings = dict(given)
    for name in NAMES:
        if name in given:
            settings[name] = _names(given[name])
    if "class_weight" in given:
        settings["class_weight"] = _class_weight(given["class_weight"])
    if "missing" in given:
        settings["missing"] = _missing(given["missing"])
    if "date" in given:
        settings["date"] = _pairs("date", given["date"], "COLUMN=days or COLUMN=parts")
    if "init" in given:
        settings["init"] = _numbers(given["init"])
    return settings


def _names(words: list[str]) -> list[str]:
    """Names of columns: given once, parted by commas (quotes protect one, as in CSV); repeated, as they are.

    >>> _names(["a,b"]), _names(["a,b", "c"]), _names(['"a,b",c'])
    (['a', 'b'], ['a,b', 'c'], ['a,b', 'c'])
    """
    words = [_dash(word) for word in words]
    names = next(csv.reader(words, skipinitialspace=True), []) if len(words) == 1 else words
    return list(dict.fromkeys(name for name in names if name))


def _class_weight(words: list[str]) -> str | dict[str, float]:
    if words == ["balanced"]:
        return "balanced"
    shape = "balanced, or label=weight,label=weight"
    factors = {}
    for label, factor in _pairs("class_weight", words, shape).items():
        try:
            factors[label] = float(factor)
        except ValueError:
            raise SpecError(f"--class-weight {label}={factor}: it is written {shape}.") from None
    return factors


def _missing(words: list[str]) -> str | dict[str, str]:
    """One word for all columns, or one for each; a word without a column is for all others.

    >>> _missing(["drop"]), _missing(["mean,Alley=level"])
    ('drop', {'*': 'mean', 'Alley': 'level'})
    """
    words = _names(words)
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    return _pairs("missing", [word if "=" in word else f"*={word}" for word in words], "a word, or COLUMN=word,…")


def _pairs(setting: str, words: list[str], shape: str) -> dict[str, str]:
    """Words `name=value` as a dict.

    >>> _pairs("date", ["when=days,until=parts"], "COLUMN=days")
    {'when': 'days', 'until': 'parts'}
    """
    found = {}
    for word in _names(words):
        name, equals, value = word.rpartition("=")
        if not equals or not name:
            raise SpecError(f"--{setting.replace('_', '-')} {word}: it is written {shape}.")
        found[name] = value
    return found


def _numbers(text: str) -> str | list[float]:
    """`1,2,3` as numbers; anything else as it is.

    >>> _numbers("-1, 2"), _numbers("zeros")
    ([-1.0, 2.0], 'zeros')
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text


# ---- what is shown and written ---------------------------------------------------------------------


def _limits(settings: dict[str, Any]) -> tuple[int | None, int | None]:
    """Epochs and steps at which the descent ends at the latest."""
    from steepest.spec import DEFAULT_STEPS

    epochs, steps = settings.get("epochs"), settings.get("max_steps")
    if epochs is None and steps is None:
        epochs = DEFAULT_STEPS["full" if settings.get("batch_size", "full") == "full" else "minibatch"]
    return epochs, steps


def _show(done: Fit, folder: str | None, json: bool, quiet: bool) -> None:
    if json:
        from steepest.run_record import to_json

        print(to_json(done.summary()))
    elif not quiet:
        from steepest import console

        console.show(done, folder)
    if folder is not None and json and not quiet:
        print(f"The run is in {folder}", file=sys.stderr)


def _code(done: Fit, message: str) -> int:
    """How the command ends; `message` is what stdout does not say."""
    from steepest.descent.stopping import Status

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
    from steepest.prediction_table import write

    with whole_file(out) as place, open(place, "wb") as file:
        write(table, file, Path(out).suffix.lower())

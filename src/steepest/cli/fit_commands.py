"""`steepest fit`, `sweep`, `describe` and `diagnose`: the commands whose options are the settings of a fit."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from steepest.cli.app import Table, Which, app, check_out, check_table_name, fail, kept_in, loaded, to_file
from steepest.cli.options import OUTPUT, Patience, dash, names, output, settings_of, with_options
from steepest.errors import DataError, FitError, RunError, SpecError, SteepestError
from steepest.settings_table import READING, default_epochs

if TYPE_CHECKING:
    from steepest.analysis.finding import Findings
    from steepest.checkpoints.folder import Checkpoints
    from steepest.inference.summary_table import Summary
    from steepest.result import Fit
    from steepest.sweep_result import Sweep


@app.command(help_epilogue="Example: steepest fit houses.csv --target price --test-fraction 0.25 --out runs/houses")
@with_options()
def fit(
    data: Table,
    /,
    *,
    out: Annotated[str | None, output("Folder to keep the run in, such as runs/first.")] = None,
    overwrite: Annotated[
        bool, output("Replace the run that is in that folder, unless it is this one, not finished yet.")
    ] = False,
    checkpoint_every: Annotated[
        float | None, output("Seconds between two checkpoints of a run that --out keeps (default 30).")
    ] = None,
    folds: Annotated[
        int | None, output("Cross-validate with so many folds, and print the scores with their spread.")
    ] = None,
    split: Annotated[str | None, output("Of the folds: random (default), time:COLUMN or group:COLUMN.")] = None,
    json: Annotated[bool, output("Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, output("No progress and no result; the run is kept by --out.")] = False,
    report: Annotated[
        bool,
        Parameter(help="Put report.html into the run's folder (done by default).", group=OUTPUT, show_default=False),
    ] = True,
    cov: Annotated[
        str | None, output("Standard errors: nonrobust (default), HC0, HC1, HC2, HC3 or cluster:COLUMN.")
    ] = None,
    level: Annotated[float | None, output("Level of the intervals (default 0.95).")] = None,
    bootstrap: Annotated[
        int | None, output("Resamples of the rows that the standard errors come of, such as 1000.")
    ] = None,
    rank_timeout: Patience = None,
    **settings: Any,
) -> int:
    """Fit a model to a table, and say how far it is from the best possible answer."""
    from steepest.checkpoints.folder import claimed_by_first
    from steepest.cli.sharing import sharing
    from steepest.storage import run_folder

    data = dash(data)
    _check_folds(folds, split)
    given = _with_target(data, settings_of(settings))
    asked: dict[str, Any] = {"cov": cov, "level": level, "bootstrap": bootstrap}
    asked = {name: one for name, one in asked.items() if one is not None}
    if asked:
        from steepest.inference.summary import check

        check(**asked)
    if out is None and checkpoint_every is not None:
        raise SpecError("checkpoint_every= says how often a run is kept on its way: give its folder, out='runs/first'.")
    files = (*run_folder.FILES, *([run_folder.PAGE] if report else []))
    with (
        sharing(rank_timeout) as group,
        nullcontext() if out is None else claimed_by_first(out, overwrite, files, checkpoint_every) as kept,
    ):
        first = group is None or group.first
        try:
            with nullcontext() if group is None else group.remedied(group.remedy):
                return _fit(data, given, kept, asked, out, folds, split or "random", json, quiet, report, first)
        except KeyboardInterrupt:
            if kept is None or not kept.goes_on():
                raise
            return fail(_goes_on(out), 130)


def _fit(
    data: str, given: dict[str, Any], kept: Checkpoints | None, asked: dict[str, Any], out: str | None, folds: int | None,
    split: str, json: bool, quiet: bool, report: bool, first: bool,
) -> int:  # fmt: skip
    """What the command does once its options are read. kept: the run's folder; asked: how the summary is to be; first: whether
    this process writes and prints what it has done, with others or without."""
    from steepest import fitting
    from steepest.cli import console
    from steepest.descent.stopping import Status, interruptible
    from steepest.ranks.group import shared
    from steepest.run_record import to_json
    from steepest.storage import run_folder

    if kept is not None:
        kept.tell, given = kept.tell if quiet else console.say, given | {"out": kept}
    with console.warnings_as_lines(), console.progress(_limits(given), quiet) as progress:
        done = fitting.fit(data, progress=progress, **given)
    if done.ending.status is Status.INTERRUPTED:  # what takes long is for a fit that has ended
        asked, folds = {}, None
    if not first:
        with suppress(DataError, FitError, SpecError), shared():  # the first one says what is wrong
            _ = None if folds is None else done.cross_validate(folds, split)
        return 0
    unsaved: SteepestError | None = None
    if kept is not None and done.train is not None and done.train.stream is not None:
        _ = done.exact  # it takes passes, and the run goes on from its last step where they are interrupted
    with interruptible() as interrupted:  # what was done is kept, even if Ctrl-C comes now
        done.to_dict()  # the exact answer is computed here
        try:
            if out is not None:
                run_folder.save(done, out, overwrite=True)  # whatever is there was refused before
        except RunError as error:  # hours of descent are worth printing even so
            out, unsaved = None, error
    try:
        if out is not None and report and not interrupted():
            done.report(run_folder.place_of(out) / run_folder.PAGE, film=False)
    except RunError as error:
        unsaved = error
    except KeyboardInterrupt:
        return fail(f"interrupted. The run is in {out}, without its page.", 130)
    with kept_in(out), console.warnings_as_lines():
        summary = judged = None
        stopped = "interrupted" if interrupted() else ""
        try:
            if not stopped:
                summary = done.summary(**asked) if asked and (json or not quiet) else None
                with shared():
                    judged = None if folds is None else done.cross_validate(folds, split)
        except SteepestError as error:  # the fit itself is worth printing even so
            unsaved = unsaved or error
        except KeyboardInterrupt:
            left = "its summary is to be made" if folds is None else "its folds are to be fitted"
            stopped = f"interrupted. The fit itself is done; {left} again."
        if json:
            more = {} if judged is None else {"cross_validation": judged.summary()}
            print(to_json(done.to_dict() | _inference(done, summary) | more))
        elif not quiet:
            console.show(done, out, summary)
            if judged is not None:
                print()
                console.show_document(judged._document(console.width()))
        if out is not None and json and not quiet:
            print(f"The run is in {out}", file=sys.stderr)
    if unsaved is not None:
        raise unsaved
    if stopped:
        return fail(stopped, 130)
    return _code(done, done.message if json or quiet else "", "" if out is None else _goes_on(out))


def _goes_on(out: str | None) -> str:
    return f"interrupted: the same command goes on with the run in {out}."


@app.command(help_epilogue="Example: steepest sweep sample:diabetes --lr 1e-4:1:log:30 --optimizer sgd,adam --seed 0:4")
@with_options(swept=True)
def sweep(
    data: Table,
    /,
    *,
    table: Annotated[str | None, output("File for the table of all runs: .csv or .parquet.")] = None,
    out: Annotated[str | None, output("Folder to keep the whole sweep in, such as runs/rates.")] = None,
    overwrite: Annotated[bool, output("Replace the run or sweep that is in that folder.")] = False,
    json: Annotated[bool, output("Print all runs as one JSON object.")] = False,
    quiet: Annotated[bool, output("No progress and no result.")] = False,
    rank_timeout: Patience = None,
    **settings: list[str] | None,
) -> int:
    """Fit with every combination of several settings: lists sgd,adam and ranges 1e-4:1:log:50 (or :lin:), seeds 0:9."""
    from steepest.checkpoints.folder import reserved
    from steepest.cli import ranges
    from steepest.cli.sharing import follows
    from steepest.storage import run_folder

    if table is not None:
        check_table_name("--table", table)
        if not follows():
            check_out(table, dash(data))
    data = dash(data)
    given = {name: ranges.values(name, words) for name, words in settings.items() if words is not None}
    given = _with_target(data, given)
    ours = out is not None and not follows()
    with reserved(out, overwrite, run_folder.SWEEP_FILES) if ours else nullcontext():
        return _sweep(data, given, table, out, overwrite, json, quiet, rank_timeout)


def _sweep(
    data: str, given: dict[str, Any], table: str | None, out: str | None, overwrite: bool, json: bool, quiet: bool,
    rank_timeout: float | None,
) -> int:  # fmt: skip
    """What the command does once its options are read."""
    from steepest import divided, sweeping
    from steepest.cli import console
    from steepest.cli.sharing import sharing
    from steepest.descent.stopping import interruptible
    from steepest.run_record import to_json
    from steepest.storage import sweep_folder

    lost = "No run of the sweep is kept: give the same command again."
    with sharing(rank_timeout, lost) as group, console.warnings_as_lines(), console.sweep_progress(quiet) as progress:
        if group is None or group.size == 1:
            done = sweeping.sweep(data, progress=progress, **given)
        elif (found := divided.sweep(group, data, progress, given)) is None:
            return 0
        else:
            done = found
    unsaved, kept = None, "" if out is None and table is None else ", and kept with all others"
    with interruptible() as interrupted:  # what was done is kept, even if Ctrl-C comes now
        try:
            if out is not None:
                sweep_folder.save_sweep(done, out, overwrite)
        except RunError as error:  # what is done is worth printing even so
            out, unsaved = None, error
        try:
            if table is not None:
                to_file(done.table().to_arrow(), table)
        except RunError as error:
            unsaved = unsaved or error
    with kept_in(out):
        if json:
            print(to_json(done.to_dict()))
        elif not quiet:
            console.show_sweep(done, out)
    if unsaved is not None:
        raise unsaved
    return fail("interrupted", 130) if interrupted() else _sweep_code(done, kept)


@app.command(help_epilogue="Example: steepest describe houses.csv")
@with_options(READING)
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
    from steepest.cli import console
    from steepest.command_words import in_options
    from steepest.run_record import to_json

    if out is not None:
        check_out(out, dash(data))
    given = settings_of(settings)
    with console.warnings_as_lines(), console.reading_progress():
        found = description.describe(dash(data), **given)
    if json:
        print(to_json(found.to_dict()))
    elif out is None:
        print(in_options(str(found)))
    else:
        print(found.page(out))
    return 0


@app.command(
    help_epilogue="Examples: steepest diagnose runs/houses, or before any fit: steepest diagnose houses.csv --target price"
)
@with_options()
def diagnose(
    data: Annotated[
        str, Parameter(name="RUN|DATA", help="The folder of a run, as --out wrote it; or data as fit takes them.")
    ],
    /,
    *,
    number: Which = None,
    json: Annotated[bool, output("Print what is found as JSON.")] = False,
    mute: Annotated[list[str] | None, output("Codes of findings not to be shown, as ST003 or ST003,ST008.")] = None,
    **settings: Any,
) -> int:
    """Say what is wrong with a fit and what fixes it; or before any fit, what will be hard and which settings will work."""
    from steepest import preflight
    from steepest.cli import console
    from steepest.run_record import to_json
    from steepest.storage import run_folder
    from steepest.text import findings
    from steepest.text import preflight as preflight_text

    given = {name: value for name, value in settings.items() if value is not None}
    data = dash(data)
    kept, codes = run_folder.kept_at(data), names(mute or [])
    if kept is not None:
        if others := [name for name in given if name != "model"]:
            option = others[0].replace("_", "-")
            raise SpecError(f"{data!r} is a {kept}, which has its settings already. Leave out --{option}.")
        found = _diagnosed(loaded(data, number, given.get("model"))).without(codes)
        if json:
            print(to_json(found.to_dict()))
        else:
            console.show_document(findings.document(found))
        return 0
    if Path(data).is_dir() and "target" not in given:
        raise SpecError(
            f"{data!r} holds no run: it has no fit.json. If it holds tables, name the column to predict: --target NAME."
        )
    with console.warnings_as_lines(), console.reading_progress():
        ahead = preflight.diagnose(data, mute=codes, **_with_target(data, settings_of(given)))
    if json:
        print(to_json(ahead.to_dict()))
    else:
        console.show_document(preflight_text.command_document(ahead))
    return 0


def _inference(done: Fit, summary: Summary | None) -> dict[str, Any]:
    """The coefficients with their errors, for JSON; nothing where they would take long."""
    from steepest.text.summary import usual

    found = usual(done) if summary is None else summary
    return {} if found is None else {"inference": found.to_dict()}


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


def _check_folds(folds: int | None, split: str | None) -> None:
    """Raise SpecError for folds that there cannot be, before hours of descent."""
    from steepest.data.folds import column_named

    if split is not None:
        column_named(split)
    if split is not None and folds is None:
        raise SpecError(f"--split {split} says how folds are made: give their number, --folds 10.")
    if folds is not None and folds < 2:
        raise SpecError(f"--folds {folds}: it must be a whole number of at least 2.")


def _with_target(data: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings, with a sample's own target where none is named."""
    from steepest.settings import formula_sides

    named = [settings["formula"]] if isinstance(settings.get("formula"), str) else settings.get("formula") or []
    if "target" in settings or not data.startswith("sample:") or any(formula_sides(text)[0] for text in named):
        return settings
    from steepest.data.synthetic import sample_target

    return settings | {"target": sample_target(data.removeprefix("sample:"))}


def _limits(settings: dict[str, Any]) -> tuple[int | None, int | None]:
    """Epochs and steps at which the descent ends at the latest."""
    epochs, steps = settings.get("epochs"), settings.get("max_steps")
    kind = "full" if settings.get("batch_size", "full") == "full" else "minibatch"
    return default_epochs(epochs, steps, kind), steps


def _code(done: Fit, message: str, goes_on: str) -> int:
    """How the command ends; `message` is what stdout does not say, `goes_on` what can be done with a run that was interrupted."""
    from steepest.command_words import in_options
    from steepest.descent.stopping import Status

    message = in_options(message)
    if done.status is Status.DIVERGED:
        return fail(message or "the descent diverged", 3)
    if done.status is Status.INTERRUPTED:
        return fail("\n".join(filter(None, (message, goes_on))) or "interrupted", 130)
    return 0


def _sweep_code(done: Sweep, kept: str) -> int:
    """How the command ends; `kept` is what became of the runs of a sweep that was interrupted."""
    if "interrupted" in done.columns["status"]:
        finished = sum(status != "interrupted" for status in done.columns["status"])
        return fail(f"interrupted: {finished:,} of {len(done):,} runs are done{kept}.", 130)
    if not done.ranked():
        return fail("no run ended well: each of them diverged or failed. Try smaller rates: --lr 1e-6:1e-2:log:20.", 3)
    return 0

"""A run's folder: a fit on disk, and back.

    runs/name/
      spec.toml            the settings that differ from the defaults
      summary.json         what `--json` prints
      fit.json             the rest of the fit, what was found about it, and the digests of the other files (run_record.py)
      weights.safetensors  θ and the exact θ in user units; a module's parameters and buffers
      trace.parquet        every recorded step
      rows.parquet         rows to draw: all of a small table, evenly spread ones of a large one
      report.html          the page, where one was written

A sweep's folder is described in `sweep_folder.py`. Both are written by `atomic_folder.py`: a kill at any moment leaves the old
run or the new one, readers see one of them, and files that the run did not write stay as they are. A run is replaced only
where that is asked for (`overwrite`).

Nothing that a stranger's file could run is ever loaded: no pickle, and no code that a spec merely names. What is loaded is
checked, so that it is the run that was saved or a `RunError`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from steepest import atomic_folder, run_record
from steepest.atomic_folder import Damaged, digest_of
from steepest.checkpoints import folder as under_way
from steepest.checkpoints.folder import place_of, said
from steepest.checkpoints.run_settings import digest
from steepest.descent.stopping import Status
from steepest.errors import RunError, SpecError
from steepest.lazy import Tensor
from steepest.model.of_fit import targets
from steepest.result import Fit
from steepest.run_record import FILES, REST, ROWS, SPEC, SUMMARY, TRACE, WEIGHTS, Shape
from steepest.settings import Spec
from steepest.settings_table import SETTINGS
from steepest.storage.run_files import pack_rows, pack_trace, pack_weights
from steepest.storage.run_loading import damaged

SWEEP, TABLE, FITS = SWEEP_FILES = ("sweep.json", "table.parquet", "fits.parquet")
PAGE = atomic_folder.PAGE

# ---- saving ----------------------------------------------------------------------------------------


def save(fit: Fit, folder: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a fit into a run's folder.

    Settings that have no name to be found by (a lambda, a module) are left out of `spec.toml`, which says so.

    Args:
        overwrite: replace the run or the sweep that is there, this fit's own too; what was written with that one goes,
            its page too, and all other files stay.

    Raises:
        RunError: a run is there already, another process is fitting into the folder, it holds something else than a run, a file
            of yours has the name of one of the run's, or it cannot be written.

    Example:
        >>> import tempfile
        >>> from steepest import fit, load
        >>> with tempfile.TemporaryDirectory() as place:
        ...     fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).save(f"{place}/line")
        ...     load(f"{place}/line").params
        {'intercept': 1.0, 'x': 2.0}
    """
    # of one that was interrupted where it is kept on its way, the checkpoint goes on with it
    going_on = fit.ending.status is Status.INTERRUPTED and (place_of(folder) / atomic_folder.RUNNING).exists()
    keep(folder, REST, lambda: contents_of(fit, fit.to_dict()), FILES, overwrite, going_on)


def keep(
    folder: str | os.PathLike[str],
    record: str,
    contents: Callable[[], dict[str, bytes]],
    names: Iterable[str],
    overwrite: bool,
    going_on: bool = False,
) -> None:
    """Write files and the record that lists them (one of these files) into a folder; `names` are what they will be called.

    going_on: whether checkpoints that are there stay.
    """
    place = place_of(folder)
    check_free(folder, overwrite, names)
    files = contents()
    with said(f"The run cannot be written to {str(place)!r}"), atomic_folder.locked(place):
        if atomic_folder.held_elsewhere(place, atomic_folder.RUNNING):
            raise RunError(under_way.busy(folder))
        check_free(folder, overwrite, names)
        atomic_folder.write_folder(place, record, files.pop(record), files)
        if not going_on:
            under_way.remove(place)


def check_free(folder: str | os.PathLike[str], overwrite: bool = False, names: Iterable[str] = FILES) -> None:
    """Raise RunError where `save` would refuse to write files of these names."""
    under_way.check_free(folder, overwrite, names)


def write_page(folder: str | os.PathLike[str], content: bytes, name: str = PAGE) -> None:
    """Write a page into a run's folder: it belongs to the run, and is replaced and removed with it.

    Raises:
        RunError: the page that is there was changed by hand, or the folder cannot be written.
    """
    place = place_of(folder)
    with said(f"{name} cannot be written to the run {str(place)!r}"), atomic_folder.locked(place):
        old = atomic_folder.record_of(place)
        if old is None:
            raise RunError(f"There is no run at {str(folder)!r}.")
        record = {**old.read, "pages": {**old.pages, name: digest_of(content)}}
        others = [one for one in old.listed if one not in (name, old.name)]
        written = json.dumps(record, indent=1, allow_nan=False).encode()
        atomic_folder.write_folder(place, old.name, written, {name: content}, others)


def is_page(name: str) -> bool:
    """Whether a file of that name in a run's folder is its page, or that of a run of a sweep: `report-25.html`."""
    return re.fullmatch(r"report(-\d+)?\.html", name) is not None


def check_page(folder: str | os.PathLike[str], name: str = PAGE) -> None:
    """Raise RunError where `write_page` would refuse: the page was changed, or is not the run's."""
    atomic_folder.check_unchanged(place_of(folder), [name])


def contents_of(fit: Fit, summary: Mapping[str, Any]) -> dict[str, bytes]:
    """File name → bytes; `summary` has the findings if there was time to look for them."""
    if fit.network is None and fit.record is not None and fit.record.module is not None:
        raise RunError("This fit was loaded without its module. Load it with model=… before it is saved again.")
    text, nameless = settings_text(fit.spec)
    files = {
        SPEC: text.encode(),
        SUMMARY: run_record.to_json(summary).encode(),
        WEIGHTS: pack_weights(fit.inner),
        TRACE: pack_trace(fit.inner.trace),
        ROWS: pack_rows(fit),
    }
    of_rows = None if fit.record is None else fit.record.rows_sha256
    of_rows = of_rows if fit.train is None else digest(fit.train, fit.test)
    findings = None if summary.get("findings") is None else fit.diagnose()
    record = run_record.record_of(fit, findings, nameless, _shape(fit), of_rows)
    record = replace(record, sha256={name: digest_of(content) for name, content in files.items()})
    return files | {REST: run_record.written(record)}


def plain(value: Any) -> Any:
    """A setting's value without arrays: of a fit its θ, as a list."""
    value = value.theta if isinstance(value, Fit) else value
    return value.tolist() if isinstance(value, np.ndarray | np.generic | Tensor) else value


def settings_text(spec: Spec) -> tuple[str, list[str]]:
    """The settings that differ from the defaults as TOML, and those that have no name to be found by."""
    kept: dict[str, Any] = {}
    nameless = []
    for name, setting in SETTINGS.items():
        value = plain(getattr(spec, name))
        if value == setting.default:
            continue
        try:
            Spec.from_toml(Spec.model_construct(**{name: value}).to_toml())
        except SpecError:
            nameless.append(name)
        else:
            kept[name] = value
    said = [f"# {name} was an object of Python without a name to be found by, and is not here.\n" for name in nameless]
    head = "# The settings of this fit that differ from the defaults.\n"
    return head + "".join(said) + Spec.model_construct(**kept).to_toml(), nameless


def _shape(fit: Fit) -> Shape | None:
    if fit.network is None:
        return None
    if fit.train is None:  # a loaded fit that is saved again
        return None if fit.record is None else fit.record.module
    from steepest.model.wrapped_modules import Scaled, WholeNumbers  # which imports PyTorch

    outputs = targets(fit.train, fit.loss_function)[1]
    scaled, whole = (isinstance(fit.network, kind) for kind in (Scaled, WholeNumbers))
    return Shape(fit.train.x.shape[1], outputs, scaled, whole)


# ---- reading ---------------------------------------------------------------------------------------


def is_of_run(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a file without which a run is damaged."""
    try:
        place = Path(path).resolve()
        record = atomic_folder.record_of(place.parent)
    except (OSError, RuntimeError, ValueError):
        return False
    return record is not None and (place.name == record.name or place.name in record.files)


def kept_at(folder: str | os.PathLike[str]) -> Literal["run", "sweep"] | None:
    """What is kept in a folder; None for one of tables, for a file, and for nothing. RunError if it cannot be read."""
    try:
        place = place_of(folder)
        if not place.is_dir():
            return None
    except OSError:  # no folder can be called so
        return None
    try:
        record = atomic_folder.record_of(place)
    except OSError as error:
        raise _unread(folder, error) from None
    if record is not None:
        return "sweep" if record.name == SWEEP else "run"
    known = (place / REST).is_file() and (place / SPEC).is_file()
    return "run" if known or under_way.unfinished(place) else None


def _unread(folder: str | os.PathLike[str], error: OSError) -> RunError:
    if isinstance(error, RunError):
        return error
    name = os.path.basename(error.filename) if error.filename else "A file"
    return RunError(f"{name} in the run {str(folder)!r} cannot be read: {error.strerror or error}.")


def files_in(folder: str | os.PathLike[str]) -> tuple[str, Mapping[str, Any], dict[str, bytes]]:
    """The name of the record, its content, and the files that it lists."""
    place, shown = place_of(folder), str(folder)
    try:
        if not place.is_dir():
            raise RunError(f"There is no run at {shown!r}. A fit is saved by fit.save(folder).")
        found = atomic_folder.read_folder(place)
    except Damaged as error:
        if error.missing:
            raise RunError(
                f"{error.name} is missing in the run {shown!r}. Copy the folder whole, or fit again."
            ) from None
        raise damaged(shown, error.name, "it is not what was written") from None
    except OSError as error:
        raise _unread(shown, error) from None
    if found is None:
        raise _no_run(place, shown)
    record, files = found
    if (version := record.read["format"]) > run_record.FORMAT:
        raise RunError(
            f"The run {shown!r} has format {version}; this version reads {run_record.FORMAT}. Use a newer steepest."
        )
    for name in FILES if record.name == REST else SWEEP_FILES:
        if name not in record.files and name != record.name:
            raise damaged(shown, record.name, f"it does not list {name}")
    return record.name, record.read, files


def _no_run(place: Path, shown: str) -> RunError:
    """Why a folder has no record."""
    for name in (REST, SWEEP):
        if (place / name).exists():
            return damaged(shown, name, "it is not what was written")
    if any((place / other).exists() for other in FILES):
        return RunError(f"{REST} is missing in the run {shown!r}. Copy the folder whole, or fit again.")
    if under_way.unfinished(place):
        return RunError(under_way.unfinished_run(shown))
    return RunError(f"{shown!r} is no run: it has no {REST}. A fit is saved by fit.save(folder).")

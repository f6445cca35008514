"""A run's folder: a fit on disk, and back.

    runs/name/
      spec.toml            the settings that differ from the defaults
      summary.json         what `--json` prints
      fit.json             the rest of the fit, what was found about it, and the digests of the other files
      weights.safetensors  θ and the exact θ in user units; a module's parameters and buffers
      trace.parquet        every recorded step
      rows.parquet         rows to draw: all of a small table, evenly spread ones of a large one

or a sweep's:

    runs/name/
      sweep.json           the settings of each run that differ, and the digests of the other files
      table.parquet        what is known of each run
      fits.parquet         a row a run: the files of a run's folder, or what differs from another run (many/stored.py)

A kill at any moment leaves the old run or the new one. Saving writes a whole folder beside it and then swaps:

    write .name.new  →  rename name to .name.old  →  rename .name.new to name  →  remove .name.old

Each rename is atomic. Killed between the two, there is no `name`, but a whole `.name.old`: that is what
`load` then reads and what the next `save` puts back first. Other files in the folder (a report, notes) stay.

Nothing that a stranger's file could run is ever loaded: no pickle, and no code that a spec merely names.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from steepest.descent.stopping import Status
from steepest.descent.trace import Trace
from steepest.errors import FitError, RunError, SpecError, SteepestError
from steepest.fitting import digest
from steepest.planning import loss_of, targets
from steepest.problem import losses, models
from steepest.problem.linear import Terms
from steepest.problem.schema import Schema
from steepest.problem.tables import Dataset
from steepest.result import Fit, Scores, looked_at
from steepest.spec import LOSSES, MODELS, Spec
from steepest.truth.exact import Exact
from steepest.truth.finding import Finding, Findings
from steepest.watching import Ending

if TYPE_CHECKING:
    from steepest.many.result import Sweep

FORMAT = 1
SPEC, SUMMARY, REST, WEIGHTS, TRACE, ROWS = FILES = (
    "spec.toml",
    "summary.json",
    "fit.json",
    "weights.safetensors",
    "trace.parquet",
    "rows.parquet",
)
PLAIN = (
    "steps",
    "epochs",
    "seconds",
    "rows",
    "test_rows",
    "optimizer",
    "precondition",
    "schedule",
    "lr",
    "engine",
    "notes",
)
"""Fields of a Fit that are numbers and texts."""

SWEEP, TABLE, FITS = SWEEP_FILES = ("sweep.json", "table.parquet", "fits.parquet")

MOST_ROWS = 2_000
"""Rows that a run keeps to be drawn, of those fitted and of those held out."""

MOST_COLUMNS = 1_000
"""Parameters up to which the trace on disk has a column for each; more are one column of lists."""


# ---- saving ----------------------------------------------------------------------------------------


def save(fit: Fit, folder: str | os.PathLike[str]) -> None:
    """Write a fit into a run's folder; a run that is already there is replaced.

    Settings that have no name to be found by (a lambda, a module) are left out of `spec.toml`, which says so.

    Raises:
        RunError: the folder holds something else than a run, or cannot be written.

    Example:
        >>> import tempfile
        >>> from steepest.fitting import fit
        >>> with tempfile.TemporaryDirectory() as place:
        ...     fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).save(f"{place}/line")
        ...     load_fit(f"{place}/line").params
        {'intercept': 1.0, 'x': 2.0}
    """
    _replace(folder, lambda: _contents(fit, _rows(fit), fit.summary()))


def save_sweep(sweep: Sweep, folder: str | os.PathLike[str]) -> None:
    """Write a sweep into a folder, every run with all that `save` keeps of it but findings.

    Settings without a name become texts.

    Raises:
        RunError: the folder holds something else than a run or a sweep, or cannot be written.
    """
    _replace(folder, lambda: _sweep_contents(sweep))


def _replace(folder: str | os.PathLike[str], contents: Callable[[], dict[str, bytes]]) -> None:
    """Write files into a folder in the place of those that are there."""
    place, new, old = _places(folder)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _settle(place, new, old)
        check_free(place)
        written = contents()
        try:
            os.mkdir(new)
            for name, content in written.items():
                _write(new / name, content)
            _flush(new)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise
        if place.exists():
            os.rename(place, old)
        os.rename(new, place)
        _flush(place.parent)
        _settle(place, new, old)
    except RunError:
        raise
    except OSError as error:
        raise RunError(f"The run cannot be written to {str(place)!r}: {error.strerror or error}.") from None


def check_free(folder: str | os.PathLike[str]) -> None:
    """Raise RunError where `save` would refuse: a file, or a folder that holds something and is no run."""
    place = Path(folder)
    if place.is_dir():
        if (place / REST).is_file() or (place / SWEEP).is_file() or not any(place.iterdir()):
            return
        raise RunError(
            f"{str(folder)!r} is a folder with other things in it, not a run. Choose another one for the run."
        )
    if place.exists() or place.is_symlink():
        raise RunError(f"{str(folder)!r} is a file. Choose another place for the run's folder.")


def _places(folder: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
    """The run's folder, where a new one is written, and where the old one is put aside."""
    place = Path(folder).expanduser().resolve()
    if not place.name:
        raise RunError(f"{str(folder)!r} cannot be a run's folder. Name a folder of its own.")
    return place, place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")


def _settle(place: Path, new: Path, old: Path) -> None:
    """Finish what an earlier save began: put the old run back or away, and remove what was half written."""
    if old.exists():
        if not place.exists():
            os.rename(old, place)
        else:
            for entry in old.iterdir():
                if entry.name not in (*FILES, *SWEEP_FILES) and not (place / entry.name).exists():
                    os.rename(entry, place / entry.name)
            shutil.rmtree(old)
    if new.exists():
        shutil.rmtree(new)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Make the names in a folder as lasting as its files."""
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _contents(fit: Fit, rows: bytes, summary: Mapping[str, Any]) -> dict[str, bytes]:
    """File name → bytes; `rows` are those to draw, and `summary` has the findings if there is time to look for them."""
    if fit.module is None and "_shape" in fit.__dict__:
        raise RunError("This fit was loaded without its module. Load it with model=… before it is saved again.")
    text, nameless = _written(fit.spec)
    contents = {
        SPEC: text.encode(),
        SUMMARY: to_json(summary).encode(),
        WEIGHTS: _weights(fit),
        TRACE: _to_parquet(fit.trace),
        ROWS: rows,
    }
    scores = {field.name: getattr(fit.scores, field.name) for field in fields(Scores)}
    exact, judged = fit.scores.exact, fit._judged
    rest = {
        "format": FORMAT,
        "names": fit.names,
        "schema": fit.schema.to_dict(),
        "loss_function": str(fit.loss_function),
        "model": summary["model"],
        "nameless": nameless,
        "terms": None if fit.terms is None else asdict(fit.terms),
        "module": None if fit.module is None else _shape(fit),
        "ending": _pair(fit.ending),
        "judged": _pair(judged),
        "findings": summary.get("findings"),
        "scores": scores | {"exact": None if exact is None else asdict(replace(exact, theta=None))},
        "plain": {name: getattr(fit, name) for name in PLAIN},
        "source": fit.source,
        "rows_sha256": fit.__dict__.get("_digest") if fit.train is None else digest(fit.train, fit.test),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    return contents | {REST: json.dumps(_as_text(rest), indent=1, allow_nan=False).encode()}


def _sweep_contents(sweep: Sweep) -> dict[str, bytes]:
    """File name → bytes."""
    import pyarrow as pa

    from steepest.many.stored import fits_of

    contents = {TABLE: _packed(pa.table(sweep.columns)), FITS: _packed(fits_of(sweep))}
    rest = {
        "format": FORMAT,
        "settings": {name: [_plain(value) for value in values] for name, values in sweep.settings.items()},
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    return contents | {SWEEP: json.dumps(_as_text(rest), indent=1, allow_nan=False).encode()}


def _plain(value: Any) -> Any:
    """A setting as JSON has it: what is neither number nor text nor a list of them by its name."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    from steepest.many.result import shown

    return shown(value)


def _written(spec: Spec) -> tuple[str, list[str]]:
    """The spec as TOML, and the settings that have no name to be found by."""
    kept: dict[str, Any] = {}
    nameless = []
    for name, field in Spec.model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, Fit):
            value = value.theta
        if isinstance(value, np.ndarray | torch.Tensor):
            value = value.tolist()
        if value == field.default:
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


def _weights(fit: Fit) -> bytes:
    from safetensors.torch import save as packed

    tensors = {"theta": torch.tensor(fit.theta)}
    if fit.exact is not None and fit.exact.theta is not None:
        tensors["exact_theta"] = torch.tensor(fit.exact.theta)
    if fit.module is not None:
        for name, value in fit.module.state_dict().items():
            # clones: a module's parameters are views into one vector, and tied ones are the same
            tensors[f"module.{name}"] = value.detach().cpu().clone().contiguous()
    return packed(tensors)


def _rows(fit: Fit) -> bytes:
    """Encoded rows (x, y, weight, whether held out) as Parquet; none where x is no table (images)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    train, test = fit.__dict__.get("_rows", (fit.train, fit.test))
    tables = []
    for data, held_out in ((train, False), (test, True)):
        if data is None or data.x.ndim > 2:
            continue
        data = data.take(np.unique(np.linspace(0, data.rows - 1, min(data.rows, MOST_ROWS)).round().astype(int)))
        y = data.y.reshape(data.rows, -1).astype(np.float64)
        columns = {f"x{i}": data.x[:, i] for i in range(data.x.shape[1])} | {
            f"y{i}": y[:, i] for i in range(y.shape[1])
        }
        weight = np.ones(data.rows) if data.weights is None else data.weights
        tables.append(pa.table(columns | {"weight": weight, "held_out": np.full(data.rows, held_out)}))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables) if tables else pa.table({}), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _from_rows(content: bytes, schema: Schema) -> tuple[Dataset | None, Dataset | None]:
    """The rows that `_rows` wrote: of those fitted, and of those held out."""
    if not content:  # a run of a sweep
        return None, None
    table = _unpacked(content)
    if not table.num_rows:
        return None, None
    names = table.column_names
    x = np.column_stack([table[name].to_numpy() for name in names if name[0] == "x"] or [np.empty((table.num_rows, 0))])
    y = np.column_stack([table[name].to_numpy() for name in names if name[0] == "y"])
    y = y[:, 0] if y.shape[1] == 1 else y
    weights, held_out = table["weight"].to_numpy(), table["held_out"].to_numpy(zero_copy_only=False)
    parts: list[Dataset | None] = []
    for mine in (~held_out, held_out):
        data = Dataset(
            np.ascontiguousarray(x[mine]), y[mine] if schema.classes is None else y[mine].astype(np.int64), schema.names,
            schema.targets, schema.classes, None if (weights == 1.0).all() else weights[mine], schema, False, (),
        )  # fmt: skip
        parts.append(data if data.rows else None)
    return parts[0], parts[1]


def _shape(fit: Fit) -> dict[str, Any]:
    """What it takes to build a module again: how many inputs and outputs, and whether it is `Scaled`."""
    if fit.train is None:  # a loaded fit that is saved again
        return dict(fit.__dict__["_shape"])
    outputs = targets(fit.train, fit.loss_function)[1]
    scaled = isinstance(fit.module, models.Scaled)
    return {"inputs": fit.train.x.shape[1], "outputs": outputs, "scaled": scaled}


def _to_parquet(trace: Trace) -> bytes:
    import pyarrow as pa

    if trace.theta.shape[1] <= MOST_COLUMNS:
        table = trace.to_arrow()
    else:
        table = replace(trace, theta=np.empty((len(trace), 0))).to_arrow()
        rows = pa.FixedSizeListArray.from_arrays(pa.array(trace.theta.ravel()), trace.theta.shape[1])
        table = table.append_column("theta", rows)
    return _packed(table)


def _packed(table: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _unpacked(content: bytes) -> Any:
    """The table in a Parquet file's bytes, read without the threads of `read_table`: a process that ends right after those
    were started, with PyTorch loaded, aborts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)


# ---- loading ---------------------------------------------------------------------------------------


def load(folder: str | os.PathLike[str], model: Any = None) -> Fit | Sweep:
    """The `Fit` or the `Sweep` that was saved: parameters, trace, scores, exact answer, status, predictions; but no data.

    Args:
        folder: the run's, or the sweep's.
        model: the `nn.Module`, or `package.module:factory`, of a fit that was made with one; linear, poly
            and mlp need none. What `spec.toml` names is not imported unless it is said here, since a run may
            come from a stranger; without it everything works but predicting.

    Raises:
        RunError: no run is there, a file of it is missing or damaged, or `model` is another one.
    """
    place, shown = _found(folder), str(folder)
    if (place / SWEEP).is_file():
        if model is not None:
            raise RunError(f"{shown!r} is a sweep; a model can be given for one run only. Load it without model=.")
        return _load_sweep(place, shown)
    return _load_fit(place, shown, model)


def load_fit(folder: str | os.PathLike[str], model: Any = None) -> Fit:
    """A fit as `load` gives it; RunError for a sweep's folder."""
    place = _found(folder)
    if (place / SWEEP).is_file():
        raise RunError(f"{str(folder)!r} is a sweep, not one run. In Python: st.load(folder).best.save(another).")
    return _load_fit(place, str(folder), model)


def kept_at(folder: str | os.PathLike[str]) -> Literal["run", "sweep"] | None:
    """What is kept in a folder; None for one of tables, for a file, and for nothing."""
    if not Path(folder).expanduser().resolve().name:
        return None
    place, _, old = _places(folder)
    where = place if place.exists() else old
    return "run" if (where / REST).is_file() else "sweep" if (where / SWEEP).is_file() else None


def _found(folder: str | os.PathLike[str]) -> Path:
    """Where the run is now."""
    place, _, old = _places(folder)
    if not place.exists() and ((old / REST).is_file() or (old / SWEEP).is_file()):
        place = old  # a save was killed between its two renames
    if not place.is_dir():
        raise RunError(
            f"There is no run at {str(folder)!r}. A fit is saved by --out FOLDER (in Python: fit.save(folder))."
        )
    return place


def _load_fit(place: Path, shown: str, model: Any) -> Fit:
    rest = _rest(_read(place, REST, shown, None), REST, shown)
    contents = {name: _read(place, name, shown, rest["sha256"].get(name)) for name in FILES if name != REST}
    return _whole(rest, contents, shown, model)


def _whole(rest: dict[str, Any], contents: Mapping[str, bytes], shown: str, model: Any) -> Fit:
    """A fit from its files, with its module."""
    try:
        fit = _rebuilt(rest, contents)
    except (SteepestError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(shown, REST, f"{type(error).__name__}: {error}") from None
    state = fit.__dict__.pop("_state")
    if rest["module"] is not None:
        ours = "model" not in rest["nameless"] and fit.spec.model.partition(":")[0] in MODELS
        named = fit.spec.model if ours and model is None else model
        fit.module = None if named is None else _module(named, fit.spec, rest["module"], state, shown)
        fit.__dict__["_shape"] = rest["module"]
    elif model is not None:
        raise RunError(f"The run {shown!r} has no module; its model is {fit.spec.model!r}. Load it without model=.")
    return fit


def _load_sweep(place: Path, shown: str) -> Sweep:
    from steepest.many.result import Sweep
    from steepest.many.stored import StoredRuns

    rest = _rest(_read(place, SWEEP, shown, None), SWEEP, shown)
    table, fits = (_unpacked(_read(place, name, shown, rest["sha256"].get(name))) for name in (TABLE, FITS))
    columns = table.to_pydict()
    runs = [(0, run) for run in range(len(table))]
    return Sweep(rest["settings"], [StoredRuns(fits, columns, shown)], runs, columns)


def _rest(content: bytes, name: str, shown: str) -> dict[str, Any]:
    """What the file that describes the others says."""
    try:
        rest = _from_text(json.loads(content))
        version = rest["format"]
        digests = dict(rest["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(shown, name, "it is not what was written") from None
    if version != FORMAT:
        raise RunError(f"The run {shown!r} has format {version}; this version reads {FORMAT}. Use a newer steepest.")
    return rest | {"sha256": digests}


def _read(place: Path, name: str, shown: str, digest: str | None) -> bytes:
    try:
        content = (place / name).read_bytes()
    except FileNotFoundError:
        if name == REST and not any((place / other).exists() for other in FILES):
            raise RunError(f"{shown!r} is no run: it has no {REST}. A fit is saved by --out FOLDER.") from None
        raise RunError(f"{name} is missing in the run {shown!r}. Copy the folder whole, or fit again.") from None
    except OSError as error:
        raise RunError(f"{name} in the run {shown!r} cannot be read: {error.strerror or error}.") from None
    if name not in (REST, SWEEP) and hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(shown, name, "it is not what was written")
    return content


def _damaged(shown: str, name: str, reason: str) -> RunError:
    reason = " ".join(reason.split())[:160]
    return RunError(f"{name} in the run {shown!r} is damaged: {reason}. Copy it anew, or fit again.")


def _rebuilt(rest: Mapping[str, Any], contents: Mapping[str, bytes]) -> Fit:
    from safetensors import SafetensorError
    from safetensors.torch import load as unpacked

    try:
        state = unpacked(contents[WEIGHTS])
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    spec = Spec.from_toml(contents[SPEC].decode())
    schema = Schema.from_dict(rest["schema"])
    names = list(rest["names"])
    known = {field.name for field in fields(Exact)}
    scores = dict(rest["scores"])
    if scores["exact"] is not None:
        theta = state["exact_theta"].numpy() if "exact_theta" in state else None
        scores["exact"] = Exact(**{k: v for k, v in scores["exact"].items() if k in known} | {"theta": theta})
    terms = None
    if rest["terms"] is not None:
        terms = Terms(**rest["terms"] | {"columns": tuple(rest["terms"]["columns"])})
    plain = {name: rest["plain"][name] for name in PLAIN}
    loss = _loss(spec, schema, rest)
    # what had no name is at least called what it was
    stand_ins = {"model": rest["model"], "loss": loss}
    spec = spec.model_copy(update={name: stand_ins[name] for name in rest["nameless"] if name in stand_ins})
    fit = Fit(
        spec=spec,
        schema=schema,
        names=names,
        theta=state["theta"].numpy(),
        trace=_from_parquet(contents[TRACE], tuple(names)),
        ending=_ending(rest["ending"]),
        loss_function=loss,
        terms=terms,
        source=rest.get("source"),
        **plain | {"notes": tuple(plain["notes"])},
    )
    fit.__dict__["_digest"] = rest.get("rows_sha256")
    # what a fresh fit computes from its data when first asked
    fit.__dict__["scores"] = Scores(**scores)
    fit.__dict__["_judged"] = _ending(rest["judged"])
    if rest.get("findings") is not None:
        found = tuple(map(Finding.from_dict, rest["findings"]))
        fit.__dict__["_found"] = Findings(found, looked_at(fit))
    # what pictures are drawn from; not fit.train, of which they may be a part only
    fit.__dict__["_rows"] = _from_rows(contents[ROWS], schema)
    fit.__dict__["_state"] = {
        name.removeprefix("module."): value for name, value in state.items() if name.startswith("module.")
    }
    return fit


def _pair(ending: Ending) -> list[str]:
    return [ending.status.name, ending.detail, ending.advice]


def _ending(pair: list[str]) -> Ending:
    return Ending(Status[pair[0]], *pair[1:])


def _loss(spec: Spec, schema: Schema, rest: Mapping[str, Any]) -> losses.Loss:
    """The loss by its name; one of the user's is only a name here, since its code is not in the run."""
    own = "loss" in rest["nameless"] or (isinstance(spec.loss, str) and spec.loss.partition(":")[0] not in LOSSES)
    if not own:
        return loss_of(spec, schema.classes)

    def lost(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise FitError(f"The loss {rest['loss_function']} is code of yours, and code is not kept in a run.")

    lost.__name__ = rest["loss_function"]
    return losses.Custom(lost)


def _module(model: Any, spec: Spec, shape: Mapping[str, Any], state: dict[str, Any], shown: str) -> nn.Module:
    """The module with its saved parameters and buffers."""
    inner = models.module(model, shape["inputs"], shape["outputs"], spec.seed)
    prefix = "module." if shape["scaled"] else ""
    if inner is None:  # `linear` under a loss of the user's
        inner = nn.Linear(shape["inputs"], shape["outputs"], bias=f"{prefix}bias" in state)
    inner = inner.to(getattr(torch, spec.dtype))
    if shape["scaled"]:
        inner = models.Scaled(inner, *(state[name].clone() for name in ("mean", "scale", "shift", "gain")))
    try:
        inner.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split(":", 1)[-1].split())[:160]
        raise RunError(f"model= is not the module of the run {shown!r}: {reason}") from None
    return inner.eval()


def _from_parquet(content: bytes, names: tuple[str, ...]) -> Trace:
    table = _unpacked(content)
    if "theta" not in table.column_names:
        return replace(Trace.from_arrow(table), names=names)
    trace = Trace.from_arrow(table.drop_columns("theta"))
    theta = table["theta"].combine_chunks().flatten().to_numpy().reshape(len(trace), -1)
    return replace(trace, names=names, theta=theta)


# ---- JSON ------------------------------------------------------------------------------------------


def to_json(summary: Mapping[str, Any]) -> str:
    """One JSON object, numbers to the last digit; JSON has no NaN and no infinity, so they are null.

    >>> print(to_json({"loss": float("nan"), "steps": 3}))
    {
      "loss": null,
      "steps": 3
    }
    """
    return json.dumps(_without_nan(summary), indent=2, ensure_ascii=False, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not isfinite(value) else value


def _as_text(value: Any) -> Any:
    """The same with `{"float": "nan"}` for the floats that JSON lacks, so that all comes back as it was."""
    if isinstance(value, Mapping):
        return {str(key): _as_text(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return {"float": str(value)} if isinstance(value, float) and not isfinite(value) else value


def _from_text(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == ["float"]:
            return float(value["float"])
        return {key: _from_text(entry) for key, entry in value.items()}
    return [_from_text(entry) for entry in value] if isinstance(value, list) else value

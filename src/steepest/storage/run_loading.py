"""A fit from the files of its folder: each unpacked and checked, then put together and checked against the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

from steepest import fit_data, run_record
from steepest.checkpoints.run_settings import digest
from steepest.choices import is_choice, parse
from steepest.data.dataset import Dataset
from steepest.data.files import paths_of
from steepest.data.schema import Schema
from steepest.errors import FitError, RunError, SpecError, SteepestError
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.held_out import held_out
from steepest.lazy import nn, torch
from steepest.model import modules
from steepest.model.automatic_loss import loss_of
from steepest.model.custom_loss import Custom, custom
from steepest.model.loss import Loss
from steepest.result import Fit
from steepest.run_record import REST, ROWS, SPEC, TRACE, WEIGHTS, RunRecord, Shape
from steepest.settings import Spec
from steepest.settings_table import EACH_ROW
from steepest.storage.run_files import unpack_rows, unpack_trace, unpack_weights
from steepest.torch_criteria import is_criterion
from steepest.user_units import in_user_units

BROKEN = (SteepestError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What may come of files that hold something else than what was written."""

MOST_INPUTS = 10_000
"""Inputs that a module is built with though none of its tensors is as long."""


def damaged(shown: str, name: str, reason: str) -> RunError:
    """The error for a file that holds something else than what was written."""
    reason = " ".join(reason.split())[:160]
    return RunError(f"{name} in the run {shown!r} is damaged: {reason}. Copy it anew, or fit again.")


@contextmanager
def checked(shown: str, name: str) -> Iterator[None]:
    """Whatever fails in reading a file's content is said to be its damage."""
    try:
        yield
    except BROKEN as error:
        raise damaged(shown, name, str(error)) from None


def fit_of(content: Mapping[str, Any], files: Mapping[str, bytes], shown: str, model: Any) -> Fit:
    """A fit from its record and its files, with its module.

    Raises:
        RunError: they are not what was written, or `model` is not the module that they were written of.
    """
    with checked(shown, REST):
        record = run_record.read(RunRecord, content)
    unpacked: dict[str, Any] = {}
    readers: dict[str, Callable[[bytes], Any]] = {
        SPEC: _settings,
        WEIGHTS: lambda content: unpack_weights(content, len(record.names)),
        TRACE: lambda content: unpack_trace(content, record.names, record.recorded),
        ROWS: lambda content: unpack_rows(content, record.schema),
    }
    for name, reader in readers.items():
        with checked(shown, name):
            unpacked[name] = reader(files[name])
    with checked(shown, REST):
        fit = _rebuilt(record, *unpacked.values())
    state = {name.removeprefix("module."): t for name, t in unpacked[WEIGHTS].items() if name.startswith("module.")}
    return _with_module(fit, record, state, model, shown)


def _settings(content: bytes) -> Spec:
    spec = Spec.from_toml(content.decode())
    for name in ("model", "loss", "optimizer", "schedule"):
        value = getattr(spec, name)
        if not (isinstance(value, str) or (name == "loss" and is_criterion(value))):
            raise ValueError(f"{name} must be a text")
    return spec


def _rebuilt(record: RunRecord, spec: Spec, tensors: dict[str, torch.Tensor], trace: Any, rows: Any) -> Fit:
    scores = record.scores
    if scores.exact is not None:
        theta = tensors["exact_theta"].numpy() if "exact_theta" in tensors else None
        scores = replace(scores, exact=replace(scores.exact, theta=theta))
    if "train" in scores.metrics and record.plain.test_rows and "test" not in scores.metrics:
        raise ValueError("scores: the metrics of the held-out rows are missing")
    most = record.plain.rows, record.plain.test_rows
    if any(part is not None and part.rows > count for part, count in zip(rows, most, strict=True)):
        raise ValueError("plain: there are more rows than it says")
    loss = _loss(spec, record)
    # what had no name is at least called what it was
    stand_ins = {"model": record.model, "loss": loss}
    spec = spec.model_copy(update={name: stand_ins[name] for name in record.nameless if name in stand_ins})
    return Fit(
        spec=spec,
        schema=record.schema,
        names=list(record.names),
        theta=tensors["theta"].numpy(),
        trace=trace,
        ending=record.ending,
        loss_function=loss,
        terms=record.terms,
        source=record.source,
        record=replace(record, scores=scores, rows=rows),
        **vars(record.plain),
    )


def _loss(spec: Spec, record: RunRecord) -> Loss:
    """The loss by its name; one of the user's is only a name here, since its code is not in the run."""
    if is_criterion(spec.loss):
        return custom(spec.loss)
    if "loss" not in record.nameless and is_choice(spec.loss, LOSSES):
        loss = loss_of(spec, record.schema.classes)
        _check_loss(loss, record)
        return loss

    def lost(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise FitError(f"The loss {record.loss_function} is code of yours, and code is not kept in a run.")

    lost.__name__ = record.loss_function
    return Custom(lost)


def _check_loss(loss: Loss, record: RunRecord) -> None:
    """Raise ValueError unless the loss suits the target and the number of the model's outputs."""
    schema: Schema = record.schema
    of_classes = loss.classes
    if of_classes != (schema.classes is not None):
        raise ValueError(f"loss {loss} does not suit the target")
    outputs = len(schema.targets)
    if schema.classes is not None:
        outputs = 1 if loss.binary else len(schema.classes)
    if record.module is not None:
        found = record.module.outputs
    else:
        found = len(record.names) / max(run_record.terms_of(record.terms), 1) if record.terms is not None else 0
    if found != outputs:
        raise ValueError(f"loss {loss} takes {outputs} outputs, and the model has {found:g}")


def _with_module(fit: Fit, record: RunRecord, state: dict[str, torch.Tensor], model: Any, shown: str) -> Fit:
    shape = record.module
    if shape is None:
        if model is not None:
            raise RunError(f"The run {shown!r} has no module; its model is {fit.spec.model!r}. Load it without model=.")
        return fit if record.user_names is None else in_user_units(fit, list(record.user_names), fit.spec)
    ours = "model" not in record.nameless and is_choice(fit.spec.model, MODELS)
    if ours and model is None:
        with checked(shown, WEIGHTS):
            _check_own(fit.spec.model, shape, state)
        model = fit.spec.model
    if model is not None:
        try:
            fit.network, kind = _module(model, fit, shape, state)
            fit.kind = None if ours else kind
        except SpecError:
            raise
        except ValueError as error:
            raise RunError(f"model= is not the module of the run {shown!r}: {error}") from None
    return fit


def _check_own(model: str, shape: Shape, state: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError unless the tensors are those of an `mlp`, before it is built: its size is what the record says."""
    name, numbers = parse(model, MODELS, "model")
    if name != "mlp":
        raise ValueError(f"a run with model {model!r} has no module")
    prefix = "module." if shape.scaled else ""
    widths = (shape.inputs, *map(int, numbers), shape.outputs)
    expected: dict[str, set[tuple[int, ...]]] = {}
    for layer, (before, after) in enumerate(pairwise(widths)):
        expected |= {f"{prefix}{2 * layer}.weight": {(after, before)}, f"{prefix}{2 * layer}.bias": {(after,)}}
    if shape.scaled:
        per_output: set[tuple[int, ...]] = {(), (shape.outputs,)}
        expected |= {"mean": {(shape.inputs,)}, "scale": {(shape.inputs,)}, "shift": per_output, "gain": per_output}
    if set(state) != set(expected):
        raise ValueError(f"it has other tensors than a {model}")
    for name, shapes in expected.items():
        if tuple(state[name].shape) not in shapes or not state[name].is_floating_point():
            raise ValueError(f"{name} is {tuple(state[name].shape)} of {state[name].dtype}")


def _module(
    model: Any, fit: Fit, shape: Shape, state: dict[str, torch.Tensor]
) -> tuple[nn.Module, tuple[torch.dtype, torch.device]]:
    """The module with its saved parameters and buffers, and the precision and device that it was given in.

    ValueError if `model` is another one.
    """
    from steepest.model.wrapped_modules import Scaled, WholeNumbers  # which imports PyTorch

    known = (size for value in state.values() for size in value.shape)
    if shape.inputs > max(MOST_INPUTS, *known, 0):
        raise ValueError(f"none of its tensors has {shape.inputs:,} inputs.")
    inner = modules.module(model, shape.inputs, shape.outputs, fit.spec.seed)
    if inner is None:
        raise ValueError(f"{model!r} needs none.")
    kind = modules.kind_of(inner)
    inner = inner.to(getattr(torch, fit.spec.dtype))
    try:
        if shape.whole:
            inner = WholeNumbers(inner)
        if shape.scaled:
            inner = Scaled(inner, *(state[name].clone() for name in ("mean", "scale", "shift", "gain")))
        inner.load_state_dict(state)
    except (RuntimeError, KeyError) as error:
        raise ValueError(" ".join(str(error).split(":", 1)[-1].split())[:160]) from None
    count = sum(p.numel() for p in inner.parameters() if p.requires_grad)
    if count != len(fit.names):
        raise ValueError(f"it has {count:,} parameters, and the run {len(fit.names):,}.")
    return inner.eval(), kind


# ---- its rows --------------------------------------------------------------------------------------


def rows_of(fit: Fit) -> tuple[Dataset, Dataset | None]:
    """The rows fitted and those held out: of a loaded fit those that its run keeps, or read again from where they came.

    Raises:
        FitError: they are gone, or are others now.
    """
    if fit.train is not None:
        return fit.train, fit.test
    train, test = fit.kept_rows
    kept = sum(part.rows for part in (train, test) if part is not None)
    if train is not None and kept == fit.rows + fit.test_rows:
        return train, test
    if fit.source is None:
        raise FitError(
            f"The run keeps {kept:,} of its {fit.rows + fit.test_rows:,} rows, and the others came from memory. "
            "Write the script where they are: fit.to_python(path)."
        )
    return read_again(fit)


def read_again(fit: Fit) -> tuple[Dataset, Dataset | None]:
    """The rows fitted and those held out of a fit from a file, which must be as it was.

    Raises:
        FitError: it is gone, or holds other rows now.
    """
    assert fit.source is not None
    try:
        _check_source(fit.source)
        train, test, _ = fit_data.data_of(fit.spec, fit.source, None, *(getattr(fit.spec, name) for name in EACH_ROW))
        if fit.spec.validation_share is not None:
            train, _ = held_out(train, fit.spec.validation_share, fit.spec.seed)
    except (SteepestError, OSError) as error:
        raise FitError(f"The rows of this fit came from {fit.source!r}, and cannot be read again: {error}") from None
    known = digest(fit.train, fit.test) if fit.train is not None else fit.record and fit.record.rows_sha256
    if digest(train, test) != known:
        raise FitError(f"{fit.source!r} no longer holds the rows of this fit. Fit again, or put the old file back.")
    return train, test


def _check_source(source: str) -> None:
    """Raise FitError for what may never end, or is no file of tables: the path of a stranger's run may be any."""
    if source.startswith("sample:"):
        return
    for path in paths_of(source):
        if not path.is_file() or path.resolve().parts[1:2] in (("dev",), ("proc",), ("sys",)):
            raise FitError(f"{str(path)!r} is no regular file")

"""The record of a finished run: what `fit.json` and `sweep.json` hold, from which they are written and by which they are read.

A field that was added later has a default here, so that older runs are read as what they were; fields that this version does
not know are passed over. Whatever is read is checked: a value of a wrong type, or one that contradicts another, is a
ValueError that names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from math import comb, isfinite
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError

from steepest.analysis.finding import Finding, Findings, Kind
from steepest.data.dataset import Dataset
from steepest.data.schema import Schema
from steepest.descent.stopping import Ending, Status
from steepest.errors import FitError
from steepest.model.linear import MOST_TERMS, Terms
from steepest.scoring import Scores
from steepest.settings import Spec

if TYPE_CHECKING:
    from steepest.result import Fit

FORMAT = 2
"""2: `recorded` and `pages`; a sweep's runs keep rows."""

SPEC, SUMMARY, REST, WEIGHTS, TRACE, ROWS = FILES = (
    "spec.toml",
    "summary.json",
    "fit.json",
    "weights.safetensors",
    "trace.parquet",
    "rows.parquet",
)
"""The files of a run's folder."""

MOST_FACTORS = 2_000_000
"""Columns that the terms of a polynomial multiply, all terms together."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


def _ending(given: Any) -> Any:
    """An ending from what stands in the file: the name of a status, a detail, and (in older runs not) an advice."""
    if isinstance(given, Ending):
        return given
    if not isinstance(given, list) or len(given) not in (2, 3) or not all(isinstance(one, str) for one in given):
        raise ValueError("an ending is the name of a status and one or two texts")
    if given[0] not in Status.__members__:
        raise ValueError(f"{given[0]!r} is no status")
    return Ending(Status[given[0]], *given[1:])


def _known(given: Any) -> Any:
    """Findings from what stands in the file, but for kinds that this version does not know; JSON has lists for tuples."""
    if not isinstance(given, list):
        return given
    kinds = {str(kind) for kind in Kind}
    return tuple(
        one | {"remedy": {name: tuple(v) if isinstance(v, list) else v for name, v in one["remedy"].items()}}
        for one in given
        if one["kind"] in kinds
    )


Ended = Annotated[
    Ending, BeforeValidator(_ending), PlainSerializer(lambda ending: [ending.status.name, ending.detail, ending.advice])
]
Found = Annotated[tuple[Finding, ...], BeforeValidator(_known)]


@dataclass(frozen=True)
class Shape:
    """What it takes to build a module again: how many inputs and outputs, and whether it is `Scaled` or takes `WholeNumbers`."""

    inputs: Annotated[int, Field(ge=0, lt=2**31)]
    outputs: Annotated[int, Field(ge=1, lt=2**31)]
    scaled: bool
    whole: bool = False


@dataclass(kw_only=True)
class RunSummary:
    """How a descent went, in numbers and texts: fields of a `Fit`, and of its record."""

    steps: Count
    epochs: Count
    seconds: float
    rows: Count
    test_rows: Count
    optimizer: str
    precondition: str
    schedule: str
    lr: float
    engine: str = "loop"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """`fit.json`: all of a fit but its settings and its numbers, and the digests of the other files.

    judged: by the gap; None where the scores say it. findings: None if nobody looked.
    looked_at: which signs were looked at for them, and which cannot be seen.
    recorded: names of the parameters in the trace; None in runs of format 1, where they were all.
    user_names: of the parameters in user units, where the run holds those of centred powers.
    rows_sha256: the digest of the rows, of a stream of some. files_sha256: of a stream that of its files' names, sizes and times.
    rows: those fitted and those held out, or a part of them, to be drawn: not in this file.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    names: tuple[str, ...]
    schema: Schema
    loss_function: str
    model: str
    ending: Ended
    judged: Ended | None
    scores: Scores
    plain: RunSummary
    nameless: tuple[str, ...] = ()
    terms: Terms | None = None
    module: Shape | None = None
    findings: Found | None = None
    looked_at: str = ""
    source: str | None = None
    rows_sha256: str | None = None
    files_sha256: str | None = None
    recorded: tuple[str, ...] | None = None
    user_names: tuple[str, ...] | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT
    rows: Annotated[tuple[Dataset | None, Dataset | None], Field(exclude=True)] = (None, None)

    def __post_init__(self) -> None:
        for wrong, what in self._contradictions():
            if wrong:
                raise ValueError(what)

    def _contradictions(self) -> Any:
        yield len(set(self.names)) < len(self.names), "names: a parameter's name stands twice"
        yield not set(self.nameless) <= set(Spec.model_fields), "nameless: it names no setting"
        yield "train" not in self.scores.metrics, "scores: the metrics of the training rows are missing"
        yield (self.terms is None) == (self.module is None), "it must have either terms or a module"
        if self.terms is not None:
            size = terms_of(self.terms)
            yield self.terms.columns != self.schema.names, "terms: their columns are not those of the schema"
            yield size * self.terms.degree > MOST_FACTORS, "terms: their degree is too high"
            right = {size * outputs for outputs in outputs_of(self.schema)}
            yield len(self.names) not in right, "names: they are not as many as the terms"
            centre = self.terms.centre
            yield len(centre) not in (0, len(self.terms.columns)), "terms: they have not a centre for each column"
            yield not all(map(isfinite, centre)), "terms: a centre is not finite"
            yield bool(centre) and not self.terms.intercept, "terms: without an intercept there is no centre"
            yield bool(centre) != (self.user_names is not None), "user_names: they belong to centred terms"
        if self.user_names is not None:
            yield len(set(self.user_names)) != len(self.names), "user_names: they are not as many as the names"
        if self.module is not None:
            of_columns = self.model.startswith("mlp")
            yield of_columns and self.module.inputs != len(self.schema.names), "module: it has not an input a column"
            yield self.module.outputs not in outputs_of(self.schema), "module: its outputs are not those of the target"
        for part in self.scores.metrics.values():
            yield from _of_metrics(part, self.schema)
        yield from _of_schema(self.schema)


def _of_schema(schema: Schema) -> Any:
    """What is wrong with a schema."""
    yield not schema.targets, "schema: there is no target"
    yield len(set(schema.names)) < len(schema.names), "schema: the name of a column stands twice"
    yield any(place < 0 for place in schema.ones), "schema: ones must be positions"
    if schema.classes is not None:
        yield len(set(schema.classes)) < max(len(schema.classes), 2), "schema: there must be two classes or more"
        _ = schema.labels  # ValueError where they are not what label_kind says
    for column in schema.columns:
        if column.kind == "category":
            yield not column.levels or len(set(column.levels)) < len(column.levels), "schema: levels must differ"
            yield column.fill is not None and column.fill not in column.levels, "schema: fill must be a level"
        else:
            yield isinstance(column.fill, str), "schema: fill must be a number"


def _of_metrics(metrics: Mapping[str, Any], schema: Schema) -> Any:
    """What is wrong with the metrics of some rows."""
    needed = {"r2", "mae", "rmse"} if schema.classes is None else {"accuracy", "error_rate"}
    yield not needed <= set(metrics), "scores: a metric is missing"
    numbers = [value for name, value in metrics.items() if name != "confusion"]
    if schema.classes is not None and "confusion" in metrics:
        table = np.array(metrics["confusion"], dtype=np.float64)  # ValueError or TypeError where it is none
        yield table.shape != (len(schema.classes),) * 2, "scores: the confusion is not that of the classes"
    yield not all(isinstance(value, float | int) for value in numbers), "scores: a metric is no number"


def terms_of(terms: Terms) -> int:
    """How many terms there are; ValueError for more than are ever fitted."""
    if terms.degree < 1:
        raise ValueError("terms: the degree must be at least 1")
    if comb(len(terms.columns) + min(terms.degree, MOST_TERMS), len(terms.columns)) > MOST_TERMS:
        raise ValueError("terms: there are too many")
    return comb(len(terms.columns) + terms.degree, terms.degree) - (0 if terms.intercept else 1)


def outputs_of(schema: Schema) -> set[int]:
    """How many outputs a model of this target can have."""
    if schema.classes is None:
        return {len(schema.targets)}
    return {1, 2} if len(schema.classes) == 2 else {len(schema.classes)}


@dataclass(frozen=True)
class KeptScores:
    """The scores of a run of a sweep, without the exact answer that it shares with others."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    scores: Scores


@dataclass(frozen=True)
class SweepRecord:
    """`sweep.json`: the settings of each run that differ, and the digests of the other files."""

    settings: dict[str, list[str | int | float | bool | list[Any] | None]]
    sha256: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


# ---- of a fit --------------------------------------------------------------------------------------


def to_dict(fit: Fit) -> dict[str, Any]:
    """Everything worth knowing as one plain object: what `--json` prints and `summary.json` holds."""
    try:
        findings = fit.diagnose().to_dicts()
    except FitError:  # a run that has neither findings nor all its rows
        findings = None
    return figures(fit) | {"findings": findings}


def figures(fit: Fit) -> dict[str, Any]:
    """The same without findings, for which a diagnosis may have to be made first."""
    exact = fit.exact
    theta = None if exact is None or exact.theta is None else exact.theta.tolist()
    return {
        "params": fit.params,
        "loss": fit.loss,
        "test_loss": fit.test_loss,
        "metrics": fit.metrics,
        "exact_loss": None if exact is None else exact.loss,
        "exact_params": None if theta is None else dict(zip(fit.names, theta, strict=True)),
        "gap": fit.gap,
        "relative_gap": fit.relative_gap,
        "status": fit.message,
        "steps": fit.steps,
        "epochs": fit.epochs,
        "seconds": fit.seconds,
        "rows": fit.rows,
        "test_rows": fit.test_rows,
        "objective": fit.objective_value,
        "exact_objective": fit.scores.exact_objective,
        "exact_method": None if exact is None else exact.method,
        "exact_certificate": None if exact is None else exact.certificate,
        "exact_seconds": None if exact is None else exact.seconds,
        "exact_note": fit.exact_note,
        "model": fit.model_name,
        "loss_function": str(fit.loss_function),
        "optimizer": fit.optimizer,
        "lr": fit.lr,
        "schedule": fit.schedule,
        "precondition": fit.precondition,
        "engine": fit.engine,
        "notes": list(fit.notes),
    }


def record_of(
    fit: Fit, findings: Findings | None, nameless: list[str], shape: Shape | None, rows: str | None
) -> RunRecord:
    """The record of a fit, without the digests of its files; `rows` is the digest of the data."""
    inner = fit.inner
    exact = inner.scores.exact
    return RunRecord(
        names=tuple(inner.names),
        schema=fit.schema,
        loss_function=str(fit.loss_function),
        model=fit.model_name,
        ending=fit.ending,
        judged=fit.judged,
        scores=replace(inner.scores, exact=None if exact is None else replace(exact, theta=None)),
        plain=RunSummary(**{one.name: getattr(fit, one.name) for one in fields(RunSummary)}),
        nameless=tuple(nameless),
        terms=inner.terms,
        module=shape,
        findings=None if findings is None else findings.found,
        looked_at="" if findings is None else findings.looked_at,
        source=fit.source,
        rows_sha256=rows,
        files_sha256=_files(fit),
        recorded=inner.trace.names,
        user_names=None if fit.centred is None else tuple(fit.names),
    )


def _files(fit: Fit) -> str | None:
    stream = None if fit.train is None else fit.train.stream
    if stream is not None:
        return stream.files.fingerprint
    return None if fit.record is None else fit.record.files_sha256


# ---- JSON ------------------------------------------------------------------------------------------


def written(record: RunRecord | SweepRecord) -> bytes:
    """The record as JSON."""
    return json.dumps(as_json(_adapter(type(record)).dump_python(record)), indent=1, allow_nan=False).encode()


def read(kind: type, content: Mapping[str, Any]) -> Any:
    """A record from what stands in the file; ValueError names the first thing that is wrong."""
    try:
        return _adapter(kind).validate_python(from_json(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(summary: Mapping[str, Any]) -> str:
    """One JSON object, numbers to the last digit; JSON has no NaN and no infinity, so they are null.

    >>> print(to_json({"loss": float("nan"), "steps": 3}))
    {
      "loss": null,
      "steps": 3
    }
    """
    return json.dumps(as_json(summary, lambda _: None), indent=2, ensure_ascii=False, allow_nan=False)


def as_json(value: Any, other: Callable[[float], Any] = lambda number: {"float": str(number)}) -> Any:
    """The same with `{"float": "nan"}` for the floats that JSON lacks, so that all comes back as it was.

    other: what stands for such a float instead.
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(entry, other) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry, other) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return other(value) if isinstance(value, float) and not isfinite(value) else value


def from_json(value: Any) -> Any:
    """What `as_json` made."""
    if isinstance(value, dict):
        if list(value) == ["float"]:
            return float(value["float"])
        return {key: from_json(entry) for key, entry in value.items()}
    return [from_json(entry) for entry in value] if isinstance(value, list) else value

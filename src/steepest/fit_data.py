"""What a call of `fit()` or `sweep()` gives: its settings, each checked, and the rows to fit and to hold out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from steepest.data import streams
from steepest.data.dataset import Dataset
from steepest.data.learned import learned
from steepest.data.offsets import Added
from steepest.data.reading import Reading
from steepest.data.row_groups import RowGroups
from steepest.data.table_copies import size_of
from steepest.data.tables import prepare
from steepest.data.wording import counted
from steepest.errors import DataError, SpecError
from steepest.lazy import Tensor
from steepest.model.automatic_loss import wants_classes
from steepest.model.labels import check_ignored, check_trials, is_own, numbered, shaped
from steepest.model.modules import LINEAR
from steepest.model.row_parts import in_one_thread
from steepest.settings import Spec, formula_sides, is_label
from steepest.settings_table import EACH_ROW, SETTINGS


def formula_first(x: Any, y: Any, settings: Mapping[str, Any]) -> tuple[Any, Any, Mapping[str, Any]]:
    """x, y and settings where x is a formula and y the table behind it: a text with ~ that is the path of no file.

    >>> formula_first("price ~ area", {"price": [1.0]}, {})
    ({'price': [1.0]}, None, {'formula': 'price ~ area'})
    """
    if not isinstance(x, str) or "~" not in x or y is None or os.path.exists(os.path.expanduser(x)):
        return x, y, settings
    if settings.get("formula") is not None:
        raise SpecError(f"There are two formulas: {x!r} and formula={settings['formula']!r}. Give one of them.")
    return y, None, {**settings, "formula": x}


def described(x: Any, y: Any, settings: Mapping[str, Any]) -> tuple[Spec, Dataset, Dataset | None, tuple[str, ...]]:
    """A fit's description, the rows to fit, those held out, and what is to be said about them."""
    beside = [settings.get(name) for name in EACH_ROW]
    beside = [str(one) if is_label(one) else one for one in beside]
    given = {name: tuple(value) if is_names(name, value) else value for name, value in settings.items()}
    given |= {name: one if isinstance(one, str) else None for name, one in zip(EACH_ROW, beside, strict=True)}
    spec = Spec.read(given)
    return spec, *data_of(spec, x, y, *beside)


def source_of(x: Any) -> str | None:
    """The path or `sample:NAME` that rows come from, if they can be read from there again."""
    return str(x) if isinstance(x, str | PathLike) and str(x) != "-" else None


def is_names(name: str, value: Any) -> bool:
    """Whether a setting is given as several names, or could be."""
    names = name in SETTINGS and tuple in SETTINGS[name].types
    return names and value is not None and not (isinstance(value, str | int) or is_label(value))


def data_of(
    spec: Spec, x: Any, y: Any, weights: Any, offset: Any = None, exposure: Any = None, trials: Any = None
) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    """The rows to fit, those held out, and what is to be said about them."""
    if x is None:
        raise SpecError("fit() needs data: fit(x, y), or fit(table, target='column').")
    check_trials(spec, trials)
    y, classify, said = shaped(y, spec, wants_classes(spec))
    options = {
        "target": list(spec.target) if isinstance(spec.target, tuple) else spec.target,
        "weights": weights,
        "class_weight": spec.class_weight,
        "classify": classify,
        "test_fraction": spec.test_fraction,
        "seed": spec.seed,
    }
    of_table = {
        "columns": None if spec.columns is None else list(spec.columns),
        "drop": list(spec.drop),
        "missing": spec.missing,
        "reading": Reading.of(spec),
        "intercept": spec.intercept,
    }
    in_memory = {"penalised": spec.penalty != "none", "formula": spec.formula, "added": Added(offset, exposure, trials)}
    if getattr(x, "ndim", 0) > 2 and not isinstance(spec.model, str):
        # images and the like go to the module as they are; only their row numbers go through the table
        images = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
        numbers = np.arange(len(images), dtype=np.float64) + 0.5
        parts = prepare(numbers, y, **options, **in_memory)
        train, test = (
            None if p is None else replace(p, x=images[p.x[:, 0].astype(int)].astype(np.float64)) for p in parts
        )
    elif (files := _streamed(spec, x if y is None else (x, y), weights)) is not None:
        if in_memory["added"]:
            raise SpecError(
                "offset=, exposure= and trials= are for rows in memory, and these are streamed: stream=False."
            )
        if spec.target is None:
            raise SpecError("Which column is to be predicted? Name it: target='NAME'.")
        if spec.formula is not None:
            raise SpecError(
                "formula= learns its terms of rows in memory, and these are streamed: name the columns instead, columns=[…], "
                "or model='poly:2'."
            )
        train, test = _from_stream(files, streams.Asked(**options, **of_table))
    else:
        named = spec.target is not None or (spec.formula is not None and formula_sides(spec.formula)[0] is not None)
        if y is None and not named and not (isinstance(x, str) and x.startswith("sample:")):
            raise SpecError("Which column is to be predicted? Name it: target='NAME'.")
        train, test = prepare(
            x,
            y,
            keep_ones=is_own(spec),
            share=isinstance(spec.model, str) and spec.model.partition(":")[0] in LINEAR,
            **options,
            **of_table,
            **in_memory,
        )
    if train is None:
        raise DataError("There are no rows to fit.")
    train, test = numbered(spec, train, test)
    check_ignored(spec, train, test)
    return train, test, (*train.notes, *said)


def _streamed(spec: Spec, table: Any, weights: Any) -> RowGroups | None:
    """A table that is gone through piece by piece. The names of columns that somebody asks for tell a header from values."""
    target = [spec.target] if isinstance(spec.target, str) else list(spec.target or ())
    inside = [name.removeprefix("log(").removesuffix(")").strip() for name in target]
    names = [*(spec.columns or ()), *spec.drop, *inside, *([weights] if isinstance(weights, str) else [])]
    return streams.wanted(table, spec.stream, Reading.of(spec), requested=names)


def _from_stream(files: RowGroups, asked: streams.Asked) -> tuple[Dataset, Dataset | None]:
    """Some rows of a table that is larger than memory, with the stream that they are of."""
    with in_one_thread():
        _, train, test = learned(files, asked)
    size = (
        f"{files.nbytes / 1e9:,.1f} GB in memory" if files.nbytes > 1e8 else f"{files.nbytes / 1e6:,.1f} MB in memory"
    )
    copy = (
        f", from a Parquet copy of {size_of(files.copy.size)} (steepest cache lists and removes it)"
        if files.copy
        else ""
    )
    note = (
        f"The rows are read from {counted(len(files.paths), 'file')} pass by pass ({size}){copy}: pictures and the diagnosis are "
        f"of {train.rows:,} of them."
    )
    return replace(train, notes=(*train.notes, note)), test

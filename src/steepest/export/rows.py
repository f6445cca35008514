"""The rows of a fit, and how they come into a script.

    few numbers           as they are
    a sample, a lesson    by their recipe of NumPy, or from scikit-learn; held-out rows by the same draw
    a CSV of numbers      read again, by the path that was given
    anything else         a file beside the script, or without one all numbers in the script

Whatever the way, it was tried here first: a recipe is only written where it gives these very numbers.
"""

from __future__ import annotations

import csv
import inspect
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data import synthetic
from steepest.data.dataset import Dataset
from steepest.errors import FitError
from steepest.export import formula_code
from steepest.export.formula_code import NoWords
from steepest.export.python_text import Part, array, called, comment, identifier, imports, literal, number, shown
from steepest.export.sources import formula_text
from steepest.result import Fit

FEW = 60
"""Numbers up to which the rows stand in the script."""

MOST = 20_000
"""Numbers up to which they do where no file can stand beside it."""

MOST_NAMED = 40
"""Terms of a formula that are listed."""

SEEDS = 100
"""Seeds of generated lessons that are tried, to see whether the rows are one of them."""


@dataclass(frozen=True)
class Rows:
    """Code that gives the rows: the columns' variables (`[n]` each, or one matrix), the target's, and what else there is.

    files: what is to stand beside the script, array by name.
    """

    part: Part
    columns: tuple[str, ...]
    target: str
    matrix: bool = True
    files: dict[str, np.ndarray] = field(default_factory=dict)


def written(fit: Fit, train: Dataset, test: Dataset | None, file: Path | None, notebook: bool) -> Rows:
    """The shortest way to write these rows; `file` is the script's, None if it has none."""
    if train.schema.design is not None and train.sources is not None:
        with suppress(NoWords):
            return _with_terms(fit, train, test, file, notebook)
    if train.offset is not None:
        return _shifted(fit, train, _plain(fit, train, test, file, notebook), test is not None)
    return _plain(fit, train, test, file, notebook)


def _shifted(fit: Fit, train: Dataset, found: Rows, held: bool) -> Rows:
    """The same where something is added to each prediction: of a loss of residuals it is taken from the target."""
    if not fit.loss_function.of_residual:
        return found
    y, turned = found.target, "[:, None]" if train.y.ndim == 2 else ""
    code = ["# residuals are the same where what is added to predictions is taken from the target"]
    code += [f"{y}{suffix} = {y}{suffix} - added{suffix}{turned}" for suffix in (("", "_test") if held else ("",))]
    return replace(found, part=replace(found.part, code=[*found.part.code, *code]))


def _plain(fit: Fit, train: Dataset, test: Dataset | None, file: Path | None, notebook: bool) -> Rows:
    parts = [part for part in (train, test) if part is not None]
    size, table = sum(part.x.size + part.y.size for part in parts), train.x.ndim == 2
    for recipe in _recipes(fit, train) if table and train.offset is None else ():
        if found := _tried(fit, train, test, recipe):
            return found
    if table and size <= FEW:
        return _literal(train, test)
    if file is not None:
        return _beside(train, test, file, notebook)
    if size > MOST or not table:
        raise FitError(
            f"The rows are {size:,} numbers, too many for a script of one file. Name one, fit.to_python(path) "
            "(-o script.py): a file with the rows is put beside it."
        )
    return _literal(train, test)


def _with_terms(fit: Fit, train: Dataset, test: Dataset | None, file: Path | None, notebook: bool) -> Rows:
    """The columns of the table, and code that makes the terms of a formula of them."""
    plain = formula_code.plain_rows(train)
    found = written(fit, plain, None if test is None else formula_code.plain_rows(test), file, notebook)
    suffixes = [""] if test is None else ["", "_test"]
    made = formula_code.terms(train, found.columns, found.matrix, found.target, suffixes)
    code = [*found.part.code, "", *comment(made.prose), *made.code]
    return replace(found, part=replace(found.part, code=code), columns=("x",), matrix=True)


# ---- as they are -----------------------------------------------------------------------------------


def _names(train: Dataset) -> tuple[list[str], str]:
    columns: list[str] = []
    if len(train.names) <= 4:
        for name in train.names:
            columns.append(identifier(name, [*columns, *(f"{other}_test" for other in columns)]))
    used = [*columns, *(f"{other}_test" for other in columns)]
    target = identifier(train.targets[0], used) if len(train.targets) == 1 else "y"
    return columns, target


def _said(train: Dataset) -> str:
    """What the rows are, and what for."""
    columns = [shown(name) for name in train.names]
    listed = " and ".join([", ".join(columns[:-1]), columns[-1]] if len(columns) > 1 else columns)
    if len(columns) > 6 or not columns:
        listed = f"{len(columns)} columns"
    goal = " and ".join(map(shown, train.targets)) if len(train.targets) < 4 else f"{len(train.targets)} targets"
    said = f"{train.rows:,} rows, to predict {goal} from {listed}.{_terms(train)}"
    if train.classes is None or len(train.classes) > 12:
        return said
    return f"{said} Classes: {', '.join(f'{code} is {shown(label)}' for code, label in enumerate(train.classes))}."


def _terms(train: Dataset) -> str:
    """Of a formula: which feature each column of x is, and the levels that have none."""
    design = train.schema.design
    if design is None:
        return ""
    columns = ", ".join(map(shown, train.names[:MOST_NAMED])) + ("" if len(train.names) <= MOST_NAMED else ", …")
    references = ", ".join(f"{shown(level)} of {shown(name)}" for name, level in design.references.items())
    base = f" Reference levels, which are 0 in all of theirs: {references}." if references else ""
    return f" They are the terms of the formula {shown(design.formula)}, in this order: {columns}.{base}"


def _literal(train: Dataset, test: Dataset | None) -> Rows:
    columns, target = _names(train)
    code: list[str] = []
    for part, suffix in ((train, ""), (test, "_test")):
        if part is not None:
            each = zip(columns, part.x.T, strict=True) if columns else [("x", part.x)]
            beside = (("weights", part.weights), ("added", part.offset))
            more = [(name, values) for name, values in beside if values is not None]
            for name, values in (*each, (target, part.y), *more):
                code += array(name + suffix, values)
    return Rows(Part("The data", _said(train), code), tuple(columns or ["x"]), target, not columns)


# ---- a file beside the script ----------------------------------------------------------------------


def _beside(train: Dataset, test: Dataset | None, file: Path, notebook: bool) -> Rows:
    files = {
        name + suffix: values
        for part, suffix in ((train, ""), (test, "_test"))
        if part is not None
        for name, values in (("x", part.x), ("y", part.y), ("weights", part.weights), ("added", part.offset))
        if values is not None
    }
    column = "[:, 0]" if len(train.names) == 1 and train.x.ndim == 2 else ""
    opening = loading(file, notebook)
    code = [opening, *(f'    {key} = data["{key}"]{column if key[0] == "x" else ""}' for key in files)]
    said = f"{_said(train)} They are in the file beside this one."
    return Rows(Part("The data", said, code), ("x",), "y", not column, files)


def loading(file: Path, notebook: bool) -> str:
    """The line that opens the file beside the script, as `data`; a notebook runs in its own folder."""
    name = literal(file.with_suffix(".npz").name)
    return f"with np.load({name if notebook else f'Path(__file__).with_name({name})'}) as data:"


# ---- by a recipe -----------------------------------------------------------------------------------


def _recipes(fit: Fit, train: Dataset) -> Iterator[Rows]:
    """Ways to make all rows again, in their first order, each to be tried."""
    source = fit.source or ""
    if source.startswith("sample:"):
        name = source.removeprefix("sample:")
        make = synthetic.GENERATED.get(synthetic.ALIASES.get(name, name))
        yield from _bundled(name, train) if make is None else [_generated(make)]
    elif source:
        yield from _read(source, train)
    elif train.x.shape[1] == 1 and train.classes is None and train.y.ndim == 1 and fit.spec.validation is None:
        n = fit.rows + fit.test_rows
        found = set(np.concatenate([train.y, [] if fit.test is None else fit.test.y])[:: max(1, n // 50)].tolist())
        ways: list[tuple[Any, dict[str, int]]] = [(synthetic.quadratic_with_outlier, {})] if n == 100 else []
        for seed in range(SEEDS if n <= 200_000 else 0):
            ways += [(make, {"n": n, "seed": seed}) for make in (synthetic.line, synthetic.noisy_line)]
        for make, given in ways:
            if found <= set(make(**given).y.tolist()):
                yield _generated(make, **given)


def _generated(make: Callable[..., synthetic.Synthetic], **given: int) -> Rows:
    """Generated rows by the lines that generate them, with the arguments' values in the place of their names."""
    values = {name: one.default for name, one in inspect.signature(make).parameters.items()} | given
    lines, _ = formula_text(make, {"generator": "random"} | {name: number(value) for name, value in values.items()})
    code = [line for line in lines if not line.startswith(("_check_rows", "truth"))]
    return Rows(Part("The data", (make.__doc__ or "").partition("\n")[0], code), ("x",), "y")


def _bundled(name: str, train: Dataset) -> Iterator[Rows]:
    from sklearn import datasets

    load = getattr(datasets, f"load_{name}", None)
    if load is None:
        return
    scaled = "scaled=False" if name == "diabetes" else ""
    bunch: Any = load()
    features = [str(feature) for feature in bunch.feature_names]
    if any(column not in features for column in train.names):
        return
    columns = [features.index(column) for column in train.names]
    chosen = f"[:, {columns[0] if len(columns) == 1 else columns}]" if columns != list(range(len(features))) else ""
    reversed_classes = train.classes is not None and [*map(str, bunch.target_names)] != list(train.classes)
    code = [f"table = load_{name}({scaled})", f"x = table.data{chosen}"]
    code.append(f"y = {'1 - ' if reversed_classes else ''}table.target")
    needed = frozenset({f"from sklearn.datasets import load_{name}"})
    yield Rows(Part("The data", f"One of scikit-learn's tables. {_said(train)}", code, needed), ("x",), "y")


def _read(source: str, train: Dataset) -> Iterator[Rows]:
    """A file of numbers parted by a delimiter, with one line of names."""
    if not source.lower().endswith((".csv", ".tsv", ".txt")) or not Path(source).is_file():
        return
    try:
        with open(source, newline="", encoding="utf-8") as file:
            first = file.readline()
        delimiter = max(",;\t", key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        places = [[header.index(name) for name in names] for names in (train.names, train.targets)]
    except (ValueError, OSError, StopIteration):
        return
    column = identifier(train.names[0]) if len(train.names) == 1 else "x"
    target = identifier(train.targets[0], [column]) if len(train.targets) == 1 else "y"
    given = [literal(source), f"delimiter={literal(delimiter)}", "skiprows=1", 'encoding="utf-8"']
    code = []
    for name, at in zip((column, target), places, strict=True):
        code += called(f"{name} = np.loadtxt(", *given, f"usecols={at[0] if len(at) == 1 else tuple(at)}")
    if train.classes is not None:
        code.append(f"{target} = np.unique({target}, return_inverse=True)[1]  # codes of the classes")
    yield Rows(Part("The data", f"A table of numbers: {_said(train)}", code), (column,), target)


def _tried(fit: Fit, train: Dataset, test: Dataset | None, recipe: Rows) -> Rows | None:
    """The recipe with the fit's own rows taken out of it, run; None if it does not give them."""
    (x,), y, whole, needed, code = recipe.columns, recipe.target, recipe.part, recipe.part.imports, list[str]()
    try:
        names = _run(whole.code, needed, {})
        n, seed, share = len(names[y]), fit.spec.seed, fit.spec.validation_share
        if test is not None:
            held = math.ceil(fit.spec.test_fraction * n)
            if train.classes is None:
                code.append(f"order = np.random.RandomState({seed}).permutation({n})")
                code.append(f"test, train = order[:{held}], order[{held}:]  # rows held out, and the others")
            else:
                needed |= {"from sklearn.model_selection import train_test_split"}
                split = [f"np.arange({n})", f"test_size={held}", f"random_state={seed}", f"stratify={y}"]
                code += called("train, test = train_test_split(", *split)
            code += [f"{name}, {name}_test = {name}[train], {name}[test]" for name in (x, y)]
            n -= held
        if share is not None:
            count = max(1, round(share * n))
            code += [
                f"order = np.random.default_rng([{seed}, 1]).permutation({n})",
                f"rows = np.sort(order[{count}:])  # the fit held {count:,} rows out to stop by",
                f"{x}, {y} = {x}[rows], {y}[rows]",
            ]
        code += _weighed(fit, train, test, y) if train.weights is not None else []
        names = _run(code, needed, names)
    except (ValueError, IndexError, TypeError, OSError):
        return None
    expected = {x: train.x, y: train.y, "weights": train.weights}
    if test is not None:
        expected |= {f"{x}_test": test.x, f"{y}_test": test.y, "weights_test": test.weights}
    if not all(values is None or _same(names.get(name), values) for name, values in expected.items()):
        return None
    part = replace(whole, code=[*whole.code, *code], imports=needed)
    return replace(recipe, part=part, matrix=names[x].ndim == 2)


def _run(code: Sequence[str], needed: frozenset[str], names: dict[str, Any]) -> dict[str, Any]:
    """The names after some lines of a script: our own words, in which a user's are literals."""
    exec("\n".join([*imports([Part("", "", code, needed)]), *code]), names)
    return names


def _weighed(fit: Fit, train: Dataset, test: Dataset | None, target: str) -> list[str]:
    """Code for weights that depend on the class alone; nothing for others."""
    given = fit.spec.class_weight
    if given is None or train.classes is None or fit.spec.validation is not None:
        return []
    if given == "balanced":
        code = [f"factors = len({target}) / ({len(train.classes)} * np.bincount({target}))  # rare classes weigh more"]
    else:
        factors = [float(dict(given).get(label, 1.0)) for label in train.classes]
        code = [f"factors = np.array([{', '.join(map(number, factors))}])  # of the classes"]
    code.append(f"weights = factors[{target}]")
    return code if test is None or test.weights is None else [*code, f"weights_test = factors[{target}_test]"]


def _same(mine: Any, theirs: np.ndarray) -> bool:
    if not isinstance(mine, np.ndarray):
        return False
    mine = mine[:, None] if mine.ndim < theirs.ndim else mine
    return mine.shape == theirs.shape and bool((mine == theirs).all())


def saved(files: dict[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an .npz file, which holds numbers and nothing that could run."""
    sink = io.BytesIO()
    np.savez(sink, **files)  # pyrefly: ignore
    return sink.getvalue()

"""The rows of a fit, and how they come into a script.

    few numbers           as they are
    a sample, a lesson    by their recipe of NumPy, or from scikit-learn; held-out rows by the same draw
    a CSV of numbers      read again, by the path that was given
    anything else         a file beside the script, or without one all numbers in the script

Whatever the way, it was tried here first: a recipe is only written where it gives these very numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data import synthetic
from steepest.data.dataset import Dataset
from steepest.errors import FitError
from steepest.export.python_text import Part, array, called, identifier, literal, number, shown
from steepest.result import Fit

FEW = 60
"""Numbers up to which the rows stand in the script."""

MOST = 20_000
"""Numbers up to which they do where no file can stand beside it."""

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
    matrix: bool
    files: dict[str, np.ndarray] = field(default_factory=dict)


def written(fit: Fit, train: Dataset, test: Dataset | None, file: Path | None, notebook: bool) -> Rows:
    """The shortest way to write these rows; `file` is the script's, None if it has none."""
    parts = [part for part in (train, test) if part is not None]
    if train.x.ndim == 2:
        for way in _recipes(fit, train):
            if found := _tried(fit, train, test, way):
                return found
    size = sum(part.x.size + part.y.size for part in parts)
    if size <= FEW and train.x.ndim == 2:
        return _literal(train, test)
    if file is not None:
        return _beside(train, test, file, notebook)
    if size > MOST or train.x.ndim > 2:
        raise FitError(
            f"The rows are {size:,} numbers, too many for a script of one file. Name one, fit.to_python(path) "
            "(-o script.py): a file with the rows is put beside it."
        )
    return _literal(train, test)


# ---- as they are -----------------------------------------------------------------------------------


def _names(train: Dataset) -> tuple[list[str], str]:
    """Variables of the columns and of the target."""
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
    return _classes(f"{train.rows:,} rows, to predict {goal} from {listed}.", train)


def _literal(train: Dataset, test: Dataset | None) -> Rows:
    columns, target = _names(train)
    code: list[str] = []
    for part, suffix in ((train, ""), (test, "_test")):
        if part is None:
            continue
        if columns:
            for at, name in enumerate(columns):
                code += array(name + suffix, part.x[:, at])
        else:
            code += array("x" + suffix, part.x)
        code += array(target + suffix, part.y)
        if part.weights is not None:
            code += array("weights" + suffix, part.weights)
    names = tuple(columns or ["x"])
    return Rows(Part("The data", _said(train), code, NUMPY), names, target, not columns)


NUMPY = frozenset({"import numpy as np"})


def _classes(said: str, train: Dataset) -> str:
    """A sentence with what the codes of classes mean."""
    if train.classes is None or len(train.classes) > 12:
        return said
    return f"{said} Classes: {', '.join(f'{code} is {shown(label)}' for code, label in enumerate(train.classes))}."


# ---- a file beside the script ----------------------------------------------------------------------


def _beside(train: Dataset, test: Dataset | None, file: Path, notebook: bool) -> Rows:
    files = {"x": train.x, "y": train.y}
    if train.weights is not None:
        files["weights"] = train.weights
    if test is not None:
        files |= {"x_test": test.x, "y_test": test.y}
        if test.weights is not None:
            files["weights_test"] = test.weights
    opening, imports = loading(file, notebook)
    column = "[:, 0]" if len(train.names) == 1 and train.x.ndim == 2 else ""
    code = [opening, *(f'    {key} = data["{key}"]{column if key[0] == "x" else ""}' for key in files)]
    said = f"{_said(train)} They are in the file beside this one."
    return Rows(Part("The data", said, code, imports), ("x",), "y", not column, files)


def loading(file: Path, notebook: bool) -> tuple[str, frozenset[str]]:
    """The line that opens the file beside the script, as `data`, and what it imports."""
    name = literal(file.with_suffix(".npz").name)
    if notebook:  # which runs in its own folder
        return f"with np.load({name}) as data:", NUMPY
    return f"with np.load(Path(__file__).with_name({name})) as data:", NUMPY | {"from pathlib import Path"}


# ---- by a recipe -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """Code for all rows in their first order, and what it gives: x `[n, d]` (or `[n]` for one column), y."""

    code: list[str]
    x: np.ndarray
    y: np.ndarray
    prose: str
    imports: frozenset[str] = NUMPY
    column: str = "x"
    target: str = "y"


def _recipes(fit: Fit, train: Dataset) -> Iterator[Recipe]:
    """Ways to make the rows again, each to be tried."""
    source = fit.source or ""
    if source.startswith("sample:"):
        name = source.removeprefix("sample:")
        name = {"lesson_a": "line", "lesson_b": "noisy_line", "lesson_c": "quadratic_with_outlier"}.get(name, name)
        if name in GENERATED:
            seed, n = {"line": (0, 100), "noisy_line": (0, 10_000), "quadratic_with_outlier": (42, 100)}[name]
            yield GENERATED[name](seed, n)
        else:
            yield from _bundled(name, train)
    elif source:
        yield from _read(source, train)
    elif train.x.shape[1] == 1 and train.classes is None and train.y.ndim == 1:
        n = fit.rows + fit.test_rows
        if fit.spec.validation is None:
            known = set(np.concatenate([train.y, [] if fit.test is None else fit.test.y])[:: max(1, n // 50)].tolist())
            if n == 100 and known <= set(synthetic.quadratic_with_outlier().y.tolist()):
                yield GENERATED["quadratic_with_outlier"](42, n)
            for name, make in (("line", synthetic.line), ("noisy_line", synthetic.noisy_line)):
                if n > 200_000:
                    return
                for seed in range(SEEDS):
                    if known <= set(make(n, seed=seed).y.tolist()):
                        yield GENERATED[name](seed, n)


def _line(seed: int, n: int) -> Recipe:
    data = synthetic.line(n, seed=seed)
    code = [
        f"random = np.random.default_rng({seed})",
        f"x = random.uniform(-1.0, 1.0, {n})",
        f"y = 2.0 + 3.0 * x + random.uniform(0.0, 1.0, {n})",
    ]
    return Recipe(
        code, data.x[:, 0], data.y, "A line under noise that only ever adds: its mean, ½, lifts the intercept."
    )


def _noisy_line(seed: int, n: int) -> Recipe:
    data = synthetic.noisy_line(n, seed=seed)
    code = [
        f"random = np.random.default_rng({seed})",
        "intercept, slope = random.uniform(-14.0, 14.0, 2)  # the truth",
        f"x = random.uniform(-1.15, 1.15, {n})",
        f"y = intercept + slope * x + random.standard_normal({n}) / 3.0",
    ]
    return Recipe(code, data.x[:, 0], data.y, "A line under normal noise; its truth is drawn too.")


def _quadratic(seed: int, n: int) -> Recipe:
    data = synthetic.quadratic_with_outlier(seed)
    code = [
        f"random = np.random.RandomState({seed})",
        "x = np.sort(random.rand(100) * 2 - 1)",
        "y = 1 + 3 * x - 4 * x**2 + 0.7 * random.randn(100)",
        "x[0], y[0] = -1.5, 10.0  # an outlier",
    ]
    return Recipe(code, data.x[:, 0], data.y, "A parabola under normal noise, and one outlier.")


GENERATED = {"line": _line, "noisy_line": _noisy_line, "quadratic_with_outlier": _quadratic}


def _bundled(name: str, train: Dataset) -> Iterator[Recipe]:
    """One of scikit-learn's own tables."""
    from sklearn import datasets

    load = getattr(datasets, f"load_{name}", None)
    if load is None:
        return
    scaled = "scaled=False" if name == "diabetes" else ""
    bunch: Any = load(scaled=False) if scaled else load()
    features = [str(feature) for feature in bunch.feature_names]
    if any(column not in features for column in train.names):
        return
    columns = [features.index(column) for column in train.names]
    x, chosen = bunch.data[:, columns], f"[:, {columns}]"
    if columns == list(range(len(features))):
        x, chosen = bunch.data, ""
    elif len(columns) == 1:
        x, chosen = x[:, 0], f"[:, {columns[0]}]"
    y, target = bunch.target, "table.target"
    if train.classes is not None:
        labels = np.asarray(bunch.target_names).astype(str)
        if list(labels) != list(train.classes):
            if list(labels[::-1]) != list(train.classes):
                return
            y, target = 1 - y, "1 - table.target"
    code = [f"table = load_{name}({scaled})", f"x = table.data{chosen}", f"y = {target}"]
    said = f"One of scikit-learn's tables. {_said(train)}"
    yield Recipe(code, np.asarray(x), np.asarray(y), said, frozenset({f"from sklearn.datasets import load_{name}"}))


def _read(source: str, train: Dataset) -> Iterator[Recipe]:
    """A file of numbers parted by a delimiter, with one line of names."""
    if not source.lower().endswith((".csv", ".tsv", ".txt")) or not Path(source).is_file():
        return
    try:
        with open(source, newline="", encoding="utf-8") as file:
            first = file.readline()
            delimiter = max(",;\t", key=first.count)
            header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        used = [header.index(name) for name in train.names]
        goal = [header.index(name) for name in train.targets]
        given = {"delimiter": delimiter, "skiprows": 1, "encoding": "utf-8"}
        x, y = (np.loadtxt(source, usecols=at, **given) for at in (_one(used), _one(goal)))
    except (ValueError, OSError, StopIteration):
        return
    read = [literal(source), f"delimiter={literal(delimiter)}", "skiprows=1", 'encoding="utf-8"']
    names = [identifier(train.names[0]) if len(used) == 1 else "x"]
    target = identifier(train.targets[0], names) if len(goal) == 1 else "y"
    code = [
        line
        for name, at in ((names[0], used), (target, goal))
        for line in called(f"{name} = np.loadtxt(", *read, f"usecols={_one(at)}")
    ]
    if train.classes is not None:
        code.append(f"{target} = np.unique({target}, return_inverse=True)[1]  # codes of the classes")
        y = np.unique(y, return_inverse=True)[1]
    said = f"A table of numbers: {_said(train)}"
    yield Recipe(code, x, y, said, NUMPY, names[0], target)


def _one(places: list[int]) -> Any:
    return places[0] if len(places) == 1 else tuple(places)


def _tried(fit: Fit, train: Dataset, test: Dataset | None, recipe: Recipe) -> Rows | None:
    """The recipe with the fit's own rows taken out of it; None if it does not give them."""
    spec, n = fit.spec, len(recipe.y)
    x, y, code, imports = recipe.x, recipe.y, list(recipe.code), recipe.imports
    column, target = recipe.column, recipe.target
    x_test = y_test = None
    if test is not None:
        held = int(np.ceil(spec.test_fraction * n))
        if train.classes is None:
            imports |= NUMPY
            order = np.random.RandomState(spec.seed).permutation(n)
            rows, others = order[held:], order[:held]
            code += [
                f"order = np.random.RandomState({spec.seed}).permutation({n})",
                f"test, train = order[:{held}], order[{held}:]  # rows held out, and the others",
            ]
        else:
            from sklearn.model_selection import train_test_split

            imports |= NUMPY | {"from sklearn.model_selection import train_test_split"}
            rows, others = train_test_split(np.arange(n), test_size=held, random_state=spec.seed, stratify=y)
            split = [f"np.arange({n})", f"test_size={held}", f"random_state={spec.seed}", f"stratify={target}"]
            code += called("train, test = train_test_split(", *split)
        code += [
            f"{column}, {column}_test = {column}[train], {column}[test]",
            f"{target}, {target}_test = {target}[train], {target}[test]",
        ]
        x, x_test, y, y_test = x[rows], x[others], y[rows], y[others]
    if spec.validation is not None:
        count = max(1, round(spec.validation * len(y)))
        order = np.random.default_rng([spec.seed, 1]).permutation(len(y))
        imports |= NUMPY
        code += [
            f"order = np.random.default_rng([{spec.seed}, 1]).permutation({len(y)})",
            f"rows = np.sort(order[{count}:])  # the fit held {count:,} rows out to stop by",
            f"{column}, {target} = {column}[rows], {target}[rows]",
        ]
        rows = np.sort(order[count:])
        x, y = x[rows], y[rows]
    fine = _same(x, train.x) and _same(y, train.y)
    if test is not None:
        fine = fine and _same(x_test, test.x) and _same(y_test, test.y)
    if not fine:
        return None
    if train.weights is not None:
        weighed = _weighed(fit, train, test, target)
        if weighed is None:
            return None
        code, imports = code + weighed, imports | NUMPY
    return Rows(Part("The data", recipe.prose, code, imports), (column,), target, recipe.x.ndim == 2)


def _weighed(fit: Fit, train: Dataset, test: Dataset | None, target: str) -> list[str] | None:
    """Code for weights that depend on the class alone."""
    given = fit.spec.class_weight
    if given is None or train.classes is None or fit.spec.validation is not None or train.weights is None:
        return None
    k = len(train.classes)
    if given == "balanced":
        counts = np.bincount(train.y, minlength=k)
        factors = train.rows / (k * np.maximum(counts, 1))
        code = [f"factors = len({target}) / ({k} * np.bincount({target}))  # rare classes weigh more"]
    else:
        factors = np.array([float(dict(given).get(label, 1.0)) for label in train.classes])
        code = [f"factors = np.array([{', '.join(map(number, factors))}])  # of the classes"]
    if not (_same(factors[train.y], train.weights) and np.bincount(train.y, minlength=k).min() > 0):
        return None
    code.append(f"weights = factors[{target}]")
    if test is not None and test.weights is not None:
        code.append(f"weights_test = factors[{target}_test]")
    return code


def _same(mine: np.ndarray | None, theirs: np.ndarray) -> bool:
    if mine is None:
        return False
    mine = mine[:, None] if mine.ndim < theirs.ndim else mine
    return mine.shape == theirs.shape and bool((mine == theirs).all())


def saved(files: dict[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an .npz file, which holds numbers and nothing that could run."""
    sink = io.BytesIO()
    np.savez(sink, **files)  # pyrefly: ignore
    return sink.getvalue()

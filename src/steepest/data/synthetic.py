"""Problems with a known answer: generated data that carry their truth, and the sample tables.

A generated problem is a pure function of its seed. It knows the parameters it was made from, so that a fit
can be held against them:

    data = line(seed=1)                      x: [100, 1], y: [100]
    data.truth                               {'intercept': 2.5, 'x': 3.0}
    sample("diabetes")                       the table that the command calls sample:diabetes
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.errors import SpecError
from steepest.lazy import unnoticed

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Generated data with the truth they were made from.

    Attributes:
        x: [n, d], the columns, without a column of ones.
        y: [n], the target: the truth's prediction plus noise.
        names: the d column names of `x`.
        truth: parameter name → value of the mean of y given x, so noise whose mean is not zero
            is counted into `intercept`.
        noise: how the noise was drawn, in words.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    truth: dict[str, float]
    noise: str

    @property
    def with_ones(self) -> np.ndarray:
        """The columns with a column of ones after them, [n, d + 1]: the design of a model written x @ a."""
        return np.column_stack([self.x, np.ones(len(self.x))])

    def table(self) -> pa.Table:
        """The columns under their names, and the target as `y`.

        Example:
            >>> line(n=3).table().column_names
            ['x', 'y']
        """
        import pyarrow as pa

        columns = {name: self.x[:, index] for index, name in enumerate(self.names)}
        return pa.table({**columns, "y": self.y})


def line(n: int = 100, *, intercept: float = 2.0, slope: float = 3.0, seed: int = 0) -> Synthetic:
    """A line under noise that only ever adds: y = intercept + slope·x + u.

    x is uniform on [-1, 1) and u uniform on [0, 1). The mean of u is ½, so the best intercept
    is `intercept` + ½, and the mean squared residual of the truth is 1/12.

    Args:
        n: rows, at least 1.
        intercept: the value at x = 0 before noise.
        slope: change of y per unit of x.
        seed: of NumPy's default generator.

    Raises:
        SpecError: `n` is below 1.

    Example:
        >>> line().truth
        {'intercept': 2.5, 'x': 3.0}
    """
    _check_rows(n)
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1.0, 1.0, n)
    y = intercept + slope * x + generator.uniform(0.0, 1.0, n)
    truth = {"intercept": float(intercept) + 0.5, "x": float(slope)}
    return Synthetic(x[:, None], y, ("x",), truth, "uniform on [0, 1)")


def noisy_line(n: int = 10_000, *, seed: int = 0) -> Synthetic:
    """A line whose two parameters are drawn too: y = a + b·x + e/3.

    a and b are uniform on [-14, 14), x is uniform on [-1.15, 1.15) and e standard normal: the mean squared
    residual of the truth is 1/9.

    Args:
        n: rows, at least 1.
        seed: of NumPy's default generator; it decides parameters and rows.

    Raises:
        SpecError: `n` is below 1.

    Example:
        >>> noisy_line(seed=1).x.shape
        (10000, 1)
    """
    _check_rows(n)
    generator = np.random.default_rng(seed)
    intercept, slope = generator.uniform(-14.0, 14.0, 2)
    x = generator.uniform(-1.15, 1.15, n)
    y = intercept + slope * x + generator.standard_normal(n) / 3.0
    truth = {"intercept": float(intercept), "x": float(slope)}
    return Synthetic(x[:, None], y, ("x",), truth, "normal, standard deviation 1/3")


def quadratic_with_outlier(seed: int = 42) -> Synthetic:
    """A hundred points of a parabola, the first of them moved far away: y = 1 + 3x - 4x² + 0.7·e.

    x is uniform on [-1, 1) and sorted, e standard normal, both from NumPy's legacy generator
    in this order; then the first point is put at (-1.5, 10). With seed 42 these are the lecture's numbers.

    Args:
        seed: of the legacy generator, an own instance (the global one is never touched).

    Example:
        >>> data = quadratic_with_outlier()
        >>> float(data.x[0, 0]), float(data.y[0])
        (-1.5, 10.0)
    """
    generator = np.random.RandomState(seed)
    x = np.sort(generator.rand(100) * 2 - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * generator.randn(100)
    x[0], y[0] = -1.5, 10.0
    truth = {"intercept": 1.0, "x": 3.0, "x^2": -4.0}
    return Synthetic(x[:, None], y, ("x",), truth, "normal, standard deviation 0.7, and one outlier")


def sample(name: str) -> pa.Table:
    """A table by its name, in the units it was measured in; needs no network.

    Args:
        name: one of `sample_names()`, or `lesson_a`, `lesson_b`, `lesson_c` for the three generated ones.

    Raises:
        SpecError: there is no such sample; the text lists those there are.

    Example:
        >>> sample("iris").num_rows
        150
    """
    name = _known(name)
    return GENERATED[name]().table() if name in GENERATED else _bundled(name)


def sample_names() -> list[str]:
    """The names that `sample` knows, scikit-learn's tables first.

    Example:
        >>> sample_names()[:3]
        ['diabetes', 'breast_cancer', 'iris']
    """
    return list(_TARGETS)


def sample_target(name: str) -> list[str]:
    """The column or columns that one would predict in a sample: names of columns of `sample(name)`.

    Raises:
        SpecError: there is no such sample.

    Example:
        >>> sample_target("linnerud")
        ['Weight', 'Waist', 'Pulse']
    """
    return list(_TARGETS[_known(name)])


def _check_rows(n: int) -> None:
    if n < 1:
        raise SpecError(f"n is {n}: a generated problem needs at least one row, as in n=100")


# sample → the columns one would predict
_TARGETS = {
    "diabetes": ["progression"],
    "breast_cancer": ["diagnosis"],
    "iris": ["species"],
    "wine": ["cultivar"],
    "digits": ["digit"],
    "linnerud": ["Weight", "Waist", "Pulse"],
    "line": ["y"],
    "noisy_line": ["y"],
    "quadratic_with_outlier": ["y"],
}
_NUMERIC = {"diabetes", "linnerud"}  # of scikit-learn's tables, those whose targets are no classes
GENERATED = {"line": line, "noisy_line": noisy_line, "quadratic_with_outlier": quadratic_with_outlier}
ALIASES = {"lesson_a": "line", "lesson_b": "noisy_line", "lesson_c": "quadratic_with_outlier"}


def _known(name: str) -> str:
    name = ALIASES.get(name, name)
    if name in _TARGETS:
        return name
    close = get_close_matches(name, [*_TARGETS, *ALIASES], n=1)
    hint = f" Did you mean sample:{close[0]}?" if close else ""
    raise SpecError(f"There is no sample '{name}'.{hint}\nThe samples are: {', '.join(_TARGETS)}")


def _bundled(name: str) -> pa.Table:
    """One of scikit-learn's own tables: its columns, then its targets, classes as text."""
    import pyarrow as pa

    with unnoticed():
        from sklearn import datasets

    # scikit-learn scales diabetes unless told not to
    load = getattr(datasets, f"load_{name}")
    bunch: Any = load(scaled=False) if name == "diabetes" else load()
    target = bunch.target if bunch.target.ndim == 2 else bunch.target[:, None]
    if name not in _NUMERIC:
        target = np.asarray(bunch.target_names)[target].astype(str)
    columns = {str(column): bunch.data[:, index] for index, column in enumerate(bunch.feature_names)}
    targets = {column: pa.array(target[:, index].tolist()) for index, column in enumerate(_TARGETS[name])}
    if name not in _NUMERIC:  # categories, so that digits are labels too
        targets = {column: labels.dictionary_encode() for column, labels in targets.items()}
    return pa.table({**columns, **targets})

"""Which runs a sweep has: the product of the settings that were given with several values, every value checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from numbers import Real
from typing import Any

import numpy as np

from steepest.errors import SpecError
from steepest.fit_data import is_names
from steepest.lazy import Tensor
from steepest.settings import Spec
from steepest.settings_table import EACH_ROW, SETTINGS, those

FREE = those(lambda setting: setting.free)
"""Settings in which runs that descend side by side may differ."""


def axis(name: str, value: Any) -> list[Any] | None:
    """The values that a setting is swept over, or None where it has a single one (see `sweep`).

    >>> axis("lr", [0.1, 1.0]), axis("columns", ["a", "b"]), axis("columns", [["a"], ["a", "b"]])
    ([0.1, 1.0], None, [['a'], ['a', 'b']])
    """
    if isinstance(value, (np.ndarray, Tensor)) and name != "device":
        if value.ndim == 0:
            return None
        if name in ("init", *EACH_ROW):
            return list(value) if value.ndim == 2 else None
        value = value.tolist()
    if not isinstance(value, (list, range)) and not (isinstance(value, tuple) and not is_names(name, ())):
        return None
    values = [entry.item() if isinstance(entry, np.generic) else entry for entry in value]
    if is_names(name, value) and values and all(isinstance(v, str) for v in values):
        return None
    if name == "missing_values" and values and not any(isinstance(v, list | tuple) for v in values):
        return None
    if name in ("init", *EACH_ROW) and values and all(isinstance(v, Real) for v in values):
        return None
    if not values and SETTINGS[name].default == ():
        return None
    if not values:
        raise SpecError(f"{name}={value!r} sweeps over nothing; give at least one value.")
    return values


class Runs:
    """The product of all axes: run i has `values[name][places[name][i]]`, validated, of each setting that is swept."""

    def __init__(self, given: Mapping[str, Any]):
        swept = {name: found for name, value in given.items() if (found := axis(name, value)) is not None}
        single = {name: value for name, value in given.items() if name not in swept}
        self.raw = {name: [value] for name, value in single.items()} | swept
        self.base = Spec.read({name: _read(name, value) for name, value in single.items()})
        self.values = {name: _validated(name, values) for name, values in swept.items()}
        self.shape = tuple(len(values) for values in self.values.values())
        self.count = prod(self.shape)
        grid = np.unravel_index(np.arange(self.count), self.shape) if self.shape else ()
        self.places: dict[str, np.ndarray] = dict(zip(self.values, grid, strict=True))

    @classmethod
    def listed(cls, specs: Sequence[Spec]) -> Runs:
        """Runs that are named one by one."""
        made = cls.__new__(cls)
        made.base, made.count, made.shape = specs[0], len(specs), (len(specs),)
        made.values, made.places = {}, {}
        for name in SETTINGS:
            values: list[Any] = []
            places = [_place(getattr(spec, name), values) for spec in specs]
            if len(values) > 1:
                made.values[name], made.places[name] = values, np.array(places)
        made.raw = {name: made.values.get(name, [getattr(made.base, name)]) for name in SETTINGS}
        return made

    def of(self, name: str, run: int) -> Any:
        """A setting of a run."""
        return self.values[name][self.places[name][run]] if name in self.values else getattr(self.base, name)

    def spec(self, run: int) -> Spec:
        """All settings of a run."""
        return self.base.model_copy(update={name: self.of(name, run) for name in self.values})

    def settings(self) -> dict[str, list[Any]]:
        """The swept settings, as they were given, one value a run."""
        return {name: [self.raw[name][place] for place in self.places[name].tolist()] for name in self.values}

    def distinct(self, names: Iterable[str], runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One run for each combination of some settings, and for each of `runs` which of them is its own."""
        columns = [self.places[name][runs] for name in names if name in self.values]
        if not columns:
            return runs[:1], np.zeros(len(runs), dtype=np.intp)
        _, first, which = np.unique(np.stack(columns, 1), axis=0, return_index=True, return_inverse=True)
        return runs[first], which.ravel()

    def groups(self) -> list[np.ndarray]:
        """Runs that may go side by side, each group in rising order."""
        columns = [self.places[name] for name in self.values if name not in FREE]
        kinds = {
            "lr": lambda value: value == "auto",
            "clip": lambda value: value is None,
            "averaging": lambda value: value == "none",
            "optimizer": lambda value: value.partition(":")[0] if isinstance(value, str) else id(value),
        }
        for name, kind in kinds.items():
            if name in self.values:
                codes = {key: code for code, key in enumerate(dict.fromkeys(map(kind, self.values[name])))}
                columns.append(np.array([codes[kind(value)] for value in self.values[name]])[self.places[name]])
        if "seed" in self.values:
            held = self._each("test_fraction", lambda v: v > 0) | self._each("validation", lambda v: v is not None)
            columns.append(np.where(held, 1 + self.places["seed"], 0))
        if not columns:
            return [np.arange(self.count)]
        _, which = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
        which = which.ravel()
        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
        return sorted(groups, key=lambda group: group[0])

    def _each(self, name: str, test: Callable[[Any], bool]) -> np.ndarray:
        if name not in self.values:
            return np.full(self.count, test(getattr(self.base, name)))
        return np.array([test(value) for value in self.values[name]])[self.places[name]]


def _place(value: Any, values: list[Any]) -> int:
    """Where a value stands among others, to which it is added if it is new; 1 and True are not the same."""
    for place, other in enumerate(values):
        if type(other) is type(value) and other == value:
            return place
    values.append(value)
    return len(values) - 1


def _read(name: str, value: Any) -> Any:
    """A setting as `Spec` takes it."""
    if name in EACH_ROW and not isinstance(value, str):
        return None
    return tuple(value) if is_names(name, value) else value


def _validated(name: str, values: list[Any]) -> list[Any]:
    """Values as `Spec` has them. Of numbers the least and the largest are looked at: what is allowed lies between two."""

    def one(value: Any) -> Any:
        return getattr(Spec.read({name: _read(name, value)}), name)

    kinds = {type(value) for value in values}
    if len(values) > 2 and kinds in ({int}, {float}) and not any(value != value for value in values):
        found = {type(one(value)) for value in (min(values), max(values))}
        if found == {float}:
            return [float(value) for value in values]
        if found == kinds:
            return values
    return [one(value) for value in values]

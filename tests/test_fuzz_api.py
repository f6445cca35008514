"""Random settings on odd inputs: every call ends in a right answer, or in a few lines that say what is wrong.

A case is a number: `case(7)` is always the same, so that a failure can be repeated.
"""

from __future__ import annotations

import datetime
import decimal
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import steepest as st

Make = Callable[[np.random.Generator, int], Any]

ARRAYS: dict[str, Make] = {
    "floats": lambda r, n: r.normal(size=(n, 2)),
    "one column": lambda r, n: r.normal(size=n),
    "a thin column": lambda r, n: r.normal(size=(n, 1)),
    "wider than long": lambda r, n: r.normal(size=(n, n + 3)),
    "no columns": lambda r, n: np.empty((n, 0)),
    "three dimensions": lambda r, n: r.normal(size=(n, 2, 2)),
    "float16": lambda r, n: r.normal(size=(n, 2)).astype(np.float16),
    "longdouble": lambda r, n: r.normal(size=(n, 2)).astype(np.longdouble),
    "int8": lambda r, n: r.integers(-128, 127, size=(n, 2), dtype=np.int8),
    "uint64": lambda r, n: r.integers(0, 2**64 - 1, size=(n, 2), dtype=np.uint64),
    "truth values": lambda r, n: r.random((n, 2)) < 0.5,
    "complex": lambda r, n: r.normal(size=(n, 2)) + 1j,
    "texts": lambda r, n: r.choice(["a", "b", ""], size=(n, 2)),
    "numbers as texts": lambda r, n: r.integers(0, 9, size=(n, 2)).astype(str),
    "objects": lambda r, n: np.array([[1, None], ["a", 2.5]] * n, dtype=object)[:n],
    "any objects": lambda r, n: np.array([[object(), object()]] * n),
    "dates": lambda r, n: np.datetime64("2020-01-01") + r.integers(0, 900, size=(n, 2)),
    "durations": lambda r, n: r.integers(0, 9, size=(n, 2)).astype("timedelta64[h]"),
    "bytes": lambda r, n: np.array([[b"a", b"b"]] * n),
    "records": lambda r, n: np.zeros(n, dtype=[("a", float), ("b", int)]),
    "masked": lambda r, n: np.ma.masked_greater(r.normal(size=(n, 2)), 1.0),
    "a matrix": lambda r, n: np.asmatrix(r.normal(size=(n, 2))),
    "Fortran's order, backwards": lambda r, n: np.asfortranarray(r.normal(size=(n, 2)))[::-1],
    "the other byte order": lambda r, n: r.normal(size=(n, 2)).astype(">f8"),
    "with NaN": lambda r, n: np.where(r.random((n, 2)) < 0.2, np.nan, r.normal(size=(n, 2))),
    "with infinity": lambda r, n: np.where(r.random((n, 2)) < 0.2, np.inf, r.normal(size=(n, 2))),
    "only NaN": lambda r, n: np.full((n, 2), np.nan),
    "huge": lambda r, n: r.normal(size=(n, 2)) * 1e200,
    "tiny": lambda r, n: r.normal(size=(n, 2)) * 1e-300,
    "constant": lambda r, n: np.full((n, 2), 3.0),
    "zeros": lambda r, n: np.zeros((n, 2)),
}
TENSORS: dict[str, Make] = {
    "a tensor": lambda r, n: torch.as_tensor(r.normal(size=(n, 2))),
    "bfloat16": lambda r, n: torch.as_tensor(r.normal(size=(n, 2))).bfloat16(),
    "with a gradient": lambda r, n: torch.as_tensor(r.normal(size=(n, 2))).requires_grad_(),
    "a meta tensor": lambda r, n: torch.empty((n, 2), device="meta"),
    "a sparse tensor": lambda r, n: torch.eye(n).to_sparse(),
    "a complex tensor": lambda r, n: torch.complex(torch.ones(n, 2), torch.ones(n, 2)),
    "a negated view": lambda r, n: torch.complex(torch.ones(n, 2), torch.ones(n, 2)).conj().imag,
    "a scalar": lambda r, n: torch.tensor(1.0),
}
LISTS: dict[str, Make] = {
    "lists": lambda r, n: r.normal(size=(n, 2)).tolist(),
    "ragged lists": lambda r, n: [[1.0] * (1 + i % 2) for i in range(n)],
    "None among numbers": lambda r, n: [None if i % 3 == 0 else float(i) for i in range(n)],
    "only None": lambda r, n: [None] * n,
    "mixed": lambda r, n: [[1, None, "a", 2.5, b"x", True][i % 6] for i in range(n)],
    "a range": lambda r, n: range(n),
    "a generator": lambda r, n: (float(i) for i in range(n)),
    "a set": lambda r, n: set(range(n)),
    "decimals": lambda r, n: [decimal.Decimal(i) / 3 for i in range(n)],
    "huge integers": lambda r, n: [10**30 + i for i in range(n)],
    "dates of Python": lambda r, n: [datetime.date(2020, 1, 1 + i % 28) for i in range(n)],
    "None": lambda r, n: None,
    "a number": lambda r, n: 3.0,
    "an object": lambda r, n: object(),
    "a class": lambda r, n: dict,
    "a text": lambda r, n: "no/such/file.csv",
    "an empty text": lambda r, n: "",
    "an empty list": lambda r, n: [],
    "bytes alone": lambda r, n: b"abc",
}
TABLES: dict[str, Make] = {
    "a dict": lambda r, n: {"a": r.normal(size=n), "b": list(r.choice(["u", "v"], size=n))},
    "an empty dict": lambda r, n: {},
    "columns of unlike lengths": lambda r, n: {"a": np.zeros(n), "b": np.zeros(n + 1)},
    "scalars": lambda r, n: {"a": 1.0, "b": "u"},
    "odd names": lambda r, n: {name: r.normal(size=n) for name in (1, None, ("t", 2), "", "a=b", "é\x07", "x" * 300)},
    "the name intercept": lambda r, n: {"intercept": r.normal(size=n), "a": r.normal(size=n)},
    "frames": lambda r, n: pd.DataFrame({"a": r.normal(size=n), "b": r.integers(0, 3, size=n)}),
    "an empty frame": lambda r, n: pd.DataFrame(),
    "a frame without rows": lambda r, n: pd.DataFrame({"a": [], "b": []}),
    "names twice": lambda r, n: pd.DataFrame(r.normal(size=(n, 2)), columns=["a", "a"]),
    "names of two levels": lambda r, n: pd.DataFrame(
        r.normal(size=(n, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
    ),
    "categories": lambda r, n: pd.DataFrame({"a": pd.Categorical(r.choice(["u", "v"], size=n)), "b": r.normal(size=n)}),
    "intervals": lambda r, n: pd.DataFrame({"a": pd.cut(r.normal(size=n), [-9, 0, 9]), "b": r.normal(size=n)}),
    "nullable": lambda r, n: pd.DataFrame(
        {"a": pd.array([None, *range(n - 1)][:n], dtype="Int64"), "b": r.normal(size=n)}
    ),
    "periods": lambda r, n: pd.DataFrame({"a": pd.period_range("2020-01", periods=n, freq="M"), "b": r.normal(size=n)}),
    "times with a zone": lambda r, n: pd.DataFrame(
        {"a": pd.date_range("2020", periods=n, tz="UTC"), "b": r.normal(size=n)}
    ),
    "sparse": lambda r, n: pd.DataFrame({"a": pd.arrays.SparseArray(np.zeros(n)), "b": r.normal(size=n)}),
    "objects in a frame": lambda r, n: pd.DataFrame(
        {"a": [[1], {}, None, "x", 2][:n] + [3] * max(0, n - 5), "b": np.zeros(n)}
    ),
    "a series": lambda r, n: pd.Series(r.normal(size=n), name="a"),
    "polars": lambda r, n: pl.DataFrame({"a": r.normal(size=n), "b": r.choice(["u", "v"], size=n)}),
    "a lazy frame": lambda r, n: pl.DataFrame({"a": r.normal(size=n)}).lazy(),
    "nested": lambda r, n: pa.table({"a": [[1, 2]] * n, "b": r.normal(size=n)}),
    "binary": lambda r, n: pa.table({"a": [b"x"] * n, "b": r.normal(size=n)}),
    "decimal": lambda r, n: pa.table({"a": pa.array([decimal.Decimal(i) for i in range(n)]), "b": r.normal(size=n)}),
    "nulls": lambda r, n: pa.table({"a": pa.nulls(n), "b": r.normal(size=n)}),
    "an Arrow column": lambda r, n: pa.chunked_array([r.normal(size=n)]),
}
INPUTS = ARRAYS | TENSORS | LISTS | TABLES
Y: dict[str, Make] = {
    "numbers": lambda r, n: r.normal(size=n),
    "counts": lambda r, n: r.integers(0, 3, size=n),
    "labels": lambda r, n: r.choice(["u", "v", "w"], size=n),
    "two labels": lambda r, n: r.choice(["u", "v"], size=n),
    "two targets": lambda r, n: r.normal(size=(n, 2)),
    "one too many": lambda r, n: r.normal(size=n + 1),
    "a constant": lambda r, n: np.full(n, 2.0),
}

GOOD = (
    *(
        "floats",
        "one column",
        "wider than long",
        "float16",
        "int8",
        "uint64",
        "truth values",
        "a matrix",
        "with NaN",
        "tiny",
    ),
    *("the other byte order", "constant", "a tensor", "bfloat16", "lists", "a range", "decimals", "a dict", "frames"),
    *("categories", "nullable", "polars", "decimal", "numbers as texts", "intervals", "a series", "with a gradient"),
)
"""Inputs that most cases have, so that many of them are fitted."""

SETTINGS: dict[str, tuple[list[Any], list[Any]]] = {
    "columns": ([None], ["a", ["b"], [], "nobody"]),
    "drop": ([None, []], ["b", ["a", "b"], "nobody"]),
    "model": (
        ["linear", "poly:2", "logistic", "softmax", "mlp:3", torch.nn.Linear(2, 1)],
        ["poly:0", "mlp:", "nothing", None, 3, np.sin, torch.nn.Linear],
    ),
    "loss": (
        ["mse", "l1", "huber:1", "quantile:0.9", "logistic", "cross_entropy", torch.nn.MSELoss()],
        ["quantile:2", "nothing", 3, dict],
    ),
    "penalty": (["l2:0.1", "l1:0.1", "elastic:0.1,0.1", "none", None], ["l2:-1", "l2", 0.1]),
    "optimizer": (
        ["sgd", "momentum:0.9", "nesterov:0.9", "adam", "adamw", "adagrad", "rmsprop", torch.optim.SGD],
        ["momentum:2", "nothing", dict, torch.optim.LBFGS],
    ),
    "lr": (["auto", 0.1, 1e-9, 1e9], [0, -1.0, float("nan"), "fast", [0.1], True]),
    "schedule": (["constant", "inverse", "step:3,0.5", "cosine", "warmup:2"], ["warmup:0", "nothing", 3]),
    "clip": ([1.0, None], [0, "x"]),
    "batch_size": (["full", 1, 3, 10**9], [0, 2.5, "half"]),
    "shuffle": (["rows", "draws", "blocks", "none"], ["often", None]),
    "epochs": ([1, 5, None], [0, 2.5, 2**70]),
    "tol": ([0, 1e-3], [-1, "x"]),
    "patience": ([1, 3], [0, 1.5]),
    "validation": ([0.3, None], [0.0, 1.0, 0.99]),
    "init": (["zeros", "normal", "uniform:-1:1"], [[0.0, 1.0, 2.0], "uniform:1:-1", [], [np.nan], "far"]),
    "seed": ([0, 1, 2**64 - 1], [-1, 2**64, 1.5]),
    "precondition": (["auto", "none", "standardize", "orthonormal"], ["polar"]),
    "intercept": ([True, False], ["maybe"]),
    "weights": ([np.arange(1.0, 13.0)], ["a", "nobody", [1.0, 2.0], -np.ones(12), np.zeros(12), [None] * 12]),
    "class_weight": (["balanced"], [{"u": 2.0}, {"nobody": 1.0}, {"u": -1}, "wrong"]),
    "missing": (["drop", "mean", "level"], ["guess", {"a": "mean"}, {"nobody": "mean"}]),
    "labels": (["casefold"], ["upper"]),
    "categories": ([[], None], [["a"], ["nobody"], "a"]),
    "date": ([None], [{"a": "days"}, {"a": "weeks"}, "days"]),
    "test_fraction": ([0.25, 0.0], [0.99, 1.0, -1]),
    "record": ([2, 10], [1, "intercept", ["nobody"]]),
    "dtype": (["float64", "float32"], ["float16", None]),
    "device": (["cpu"], ["cuda:99", "abacus"]),
}
"""Setting → values that suit many inputs, and others."""


def case(number: int) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The inputs of a call, and a line that says what they are."""
    random = np.random.default_rng(number)
    n = int(random.choice([12, 12, 12, 30, 30, 2, 1, 0], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.04, 0.04, 0.02]))
    x = str(random.choice(GOOD if random.random() < 0.7 else list(INPUTS)))
    y = str(random.choice(list(Y) if random.random() < 0.9 else list(INPUTS)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = [INPUTS[x](random, n)]
        if x not in TABLES or random.random() < 0.5:
            given.append((Y | INPUTS)[y](random, n))
    settings: dict[str, Any] = {}
    for name in random.choice(list(SETTINGS), size=int(random.choice([0, 1, 2, 3, 4])), replace=False):
        values = SETTINGS[str(name)][random.random() < 0.12]
        settings[str(name)] = values[int(random.integers(len(values)))]
    if len(given) == 1:
        targets = ["b", "a", "log(a)", "nobody", ["a", "b"], 3, None]
        settings["target"] = targets[random.choice(len(targets), p=[0.7, 0.1, 0.04, 0.04, 0.04, 0.04, 0.04])]
    if "epochs" not in settings:
        settings["max_steps"] = 20
    return f"case({number}): {x}, {y if len(given) > 1 else 'a column'}, {n} rows, {settings}", tuple(given), settings


def least_squares(fit: st.Fit) -> float:
    """The least mean squared residual over the fit's own rows."""
    x, y, w = fit.train.x, fit.train.y, fit.train.weights
    design = np.column_stack([np.ones(len(x)), x]) if fit.names[0].endswith("intercept") else x
    root = np.sqrt(np.ones(len(x)) if w is None else w / w.mean())[:, None]
    size = np.maximum(np.abs(design * root).max(0), 1e-300)
    theta = np.linalg.lstsq(design * root / size, y.reshape(len(x), -1) * root, rcond=None)[0]
    return float((((design / size) @ theta - y.reshape(len(x), -1)) ** 2 * root**2).mean())


def outcome(number: int) -> str:
    """How a case ended: "refused", or the status of its fit; anything else is an AssertionError that names the case."""
    label, given, settings = case(number)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fit = st.fit(*given, **settings)
            _shown(fit)
    except st.SteepestError as error:
        text = str(error)
        assert 0 < len(text) < 2_000, label
        assert text.count("\n") < 25, label
        return "refused"
    except Exception as error:
        raise AssertionError(f"{label}\n{type(error).__name__}: {error}") from error
    assert np.isfinite(fit.theta).all() or fit.status is st.Status.DIVERGED, label
    squares = str(fit.loss_function) == "mse" and fit.terms is not None and fit.terms.degree == 1
    if squares and fit.spec.penalty == "none" and fit.status is st.Status.CONVERGED:
        scale = float(np.mean(fit.train.y**2))
        assert fit.loss == pytest.approx(least_squares(fit), rel=1e-6, abs=1e-9 * scale), label
    return fit.status.name.lower()


def _shown(fit: st.Fit) -> None:
    """Whatever is shown after a fit works too."""
    assert str(fit)
    assert fit._repr_html_()
    assert fit.to_dict()["params"].keys() == set(fit.names)
    predicted = fit.predict(fit.train.x)
    assert len(predicted) == fit.rows


def run(numbers: range) -> Counter[str]:
    ends = Counter(outcome(number) for number in numbers)
    print(f"{ends.total():,} cases: {', '.join(f'{count:,} {end}' for end, count in ends.most_common())}")
    return ends


@pytest.mark.parametrize("part", range(4))
def test_odd_inputs_end_in_an_answer_or_a_few_lines(part):
    ends = run(range(100 * part, 100 * (part + 1)))
    assert 0.2 < ends["refused"] / ends.total() < 0.8


@pytest.mark.parametrize("number", range(0, 60, 4))
def test_what_else_takes_a_table_holds_too(number):
    fit = st.fit({"a": np.arange(12.0), "y": np.arange(12.0) % 5}, target="y")
    calls: list[Callable[[Any], Any]] = [fit.predict, lambda x: str(st.describe(x)), st.plot]
    for place in range(number, number + 4):
        for call in calls:
            (label, given, _), said = case(place), "fine"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert call(given[0]) is not None, label
            except st.SteepestError as error:
                said = str(error)
            except Exception as error:
                raise AssertionError(f"{label}\n{type(error).__name__}: {error}") from error
            assert 0 < len(said) < 2_000, label


def test_a_linear_fit_takes_no_images():
    fit = st.fit(np.arange(24.0).reshape(12, 2) ** 1.5, np.arange(12.0))
    with pytest.raises(st.DataError, match="dimensions"):
        fit.predict(np.zeros((3, 2, 2)))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_many_more_of_them(part):
    assert run(range(1_000 + 500 * part, 1_500 + 500 * part)).total() == 500

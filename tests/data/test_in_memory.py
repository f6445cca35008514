"""What people hold in memory: every dtype is read as NumPy reads it, or refused in a line."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import steepest as st
from steepest.data.tables import prepare
from steepest.errors import DataError

N = 40
RNG = np.random.default_rng(9)
Y = RNG.normal(size=N)
V = RNG.normal(size=N) * 30 + 50
G = np.arange(N)
EDGES = [-100, 20, 50, 80, 200]
BIG = np.array([2**63 + i * 2**55 for i in range(N)], dtype=np.uint64)
X = torch.tensor(np.column_stack([V, G.astype(float)]))


@pytest.mark.parametrize(
    "make",
    [
        lambda cut: pd.DataFrame({"a": cut}),
        lambda cut: pd.DataFrame({"a": pd.arrays.IntervalArray(cut)}),
        lambda cut: pd.DataFrame({"a": pd.Series(cut).astype(str)}),
        lambda cut: {"a": pd.Series(cut)},
    ],
)
def test_intervals_are_categories(make):
    cut = pd.cut(V, EDGES)
    expected = pd.get_dummies(pd.Series(cut), drop_first=True)
    train, _ = prepare(make(cut), Y)
    assert sorted(train.names) == sorted(f"a={level}" for level in expected.columns)
    by_name = {f"a={level}": expected[level] for level in expected}
    np.testing.assert_array_equal(train.x, np.column_stack([by_name[name] for name in train.names]))


def test_intervals_and_ordered_categories_keep_their_order():
    assert prepare(pd.DataFrame({"a": pd.cut(V, EDGES)}), Y)[0].schema.columns[0].levels[0] == "(-100, 20]"
    sizes = ["small", "large", "medium", "small"] * 10
    order = ["small", "medium", "large"]
    for column in (pd.Categorical(sizes, order, ordered=True), pl.Series(sizes, dtype=pl.Enum(order)).to_arrow()):
        assert prepare({"a": column}, Y)[0].names == ("a=medium", "a=large")
    assert prepare(V, pd.cut(pd.Series(Y), [-9, -1, 0, 1, 9]))[0].classes == ("(-9, -1]", "(-1, 0]", "(0, 1]", "(1, 9]")


NUMBERS = {
    "large integers": (BIG, BIG.astype(float)),
    "of pandas, large integers": (pd.DataFrame({"a": BIG}), BIG.astype(float)),
    "of polars, large integers": (pl.DataFrame({"a": BIG}), BIG.astype(float)),
    "integers beyond 64 bits": (
        {"a": [2**70 + i * 2**60 for i in range(N)]},
        [float(2**70 + i * 2**60) for i in range(N)],
    ),
    "decimals": ({"a": [Decimal(i) / 8 for i in range(N)]}, G / 8),
    "of polars, decimals": (pl.DataFrame({"a": [Decimal(i) / 8 for i in range(N)]}), G / 8),
    "fractions": ({"a": [Fraction(i, 8) for i in range(N)]}, G / 8),
    "longdouble": (V.astype(np.longdouble), V),
    "of pandas, sparse": (pd.DataFrame({"a": pd.arrays.SparseArray(V)}), V),
    "of pandas, nullable": (pd.DataFrame({"a": pd.array(G, dtype="Int64")}), G),
    "run-end encoded": (
        pa.table({"a": pa.RunEndEncodedArray.from_arrays([20, N], [1.5, 2.0])}),
        np.repeat([1.5, 2.0], 20),
    ),
    "records": (np.array(list(zip(V, strict=True)), dtype=[("a", "f8")]), V),
    "masked": (np.ma.masked_array(G), G),
    "bfloat16": (X[:, 0].bfloat16(), X[:, 0].bfloat16().double().numpy()),
    "a negated view": (torch._neg_view(X[:, 0]), -V),
    "a conjugate's view": (torch.tensor(Y + 1j * V).conj().imag, -V),
    "with a gradient": (torch.tensor(V, requires_grad=True), V),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_kind_of_number_is_the_number_it_is(kind):
    x, expected = NUMBERS[kind]
    np.testing.assert_array_equal(prepare(x, Y)[0].x[:, 0], np.asarray(expected, dtype=float))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantized_tensor_is_the_numbers_that_it_stands_for():
    quantized = torch.quantize_per_tensor(X[:, 0].float(), 1.0, 0, torch.qint8)
    np.testing.assert_array_equal(prepare(quantized, Y)[0].x[:, 0], np.clip(np.round(V), -128, 127))


@pytest.mark.parametrize("kind", [int, float])
def test_masked_values_are_missing(kind):
    masked = np.ma.masked_array(G.astype(kind), mask=G % 7 == 3)
    kept = G[G % 7 != 3]
    for x, y in ((masked, Y), ({"a": masked}, Y), (np.ma.column_stack([masked]), Y)):
        with pytest.raises(DataError, match="missing values, the first in row 4"):
            prepare(x, y)
        np.testing.assert_array_equal(prepare(x, y, missing="drop")[0].x[:, 0], kept)
    np.testing.assert_array_equal(prepare(V, masked, missing="drop")[0].y, kept)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (V + 1j, r"x holds complex numbers \("),
        (np.column_stack([V, V + 1j]), r"x holds complex numbers"),
        (torch.tensor(V + 1j), r"x holds complex numbers"),
        (list(V + 1j), r"x holds complex numbers"),
        (pd.DataFrame({"a": V + 1j}), r"column 'a' holds complex numbers"),
        ({"a": V + 1j}, r"column 'a' holds complex numbers"),
        (X.to("meta"), r"on the meta device and holds no numbers"),
        (X.to_sparse(), r"a sparse or nested tensor .*to_dense"),
        ({"a": [datetime.timedelta(i) for i in range(N)]}, r"'a' holds durations"),
        (pl.DataFrame({"a": [[i, 1] for i in range(N)]}), r"'a' holds lists or records"),
        (pl.DataFrame({"a": [{"u": i} for i in range(N)]}), r"'a' holds lists or records"),
        (pa.table({"a": pa.array([bytes(16)] * N, pa.uuid())}), r"'a' holds bytes"),
        ({"a": set(range(N))}, r"'a' is a set, which has no order"),
        (pd.DataFrame({"a": pd.period_range("2016-01", periods=N, freq="M")}), r"'a' holds dates, such as '2016-01'"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_no_column_of_numbers_or_levels_is_refused_in_a_line(x, message):
    with pytest.raises(DataError, match=message) as caught:
        prepare(x, Y)
    assert "\n" not in str(caught.value)


def test_an_imaginary_part_of_the_target_is_not_dropped():
    with pytest.raises(DataError, match="complex numbers"):
        prepare(V, Y + 1j)


def test_whole_numbers_that_float64_cannot_tell_apart_are_refused() -> None:
    close = np.array([2**63 + i for i in range(N)], dtype=np.uint64)
    assert len(set(close.astype(np.float64))) < N
    with pytest.raises(DataError, match="float64 can tell only 1 apart"):
        st.fit(pd.DataFrame({"x": close, "y": np.arange(N, dtype=float)}), target="y")
    seconds = 1_600_000_000 * 10**9 + np.arange(N) * 10**9  # nanoseconds: far apart beside their rounding
    fit = st.fit(pd.DataFrame({"x": seconds, "y": 2.0 * np.arange(N)}), target="y")
    assert fit.params["x"] == pytest.approx(2e-9, rel=1e-9)

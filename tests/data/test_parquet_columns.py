"""Large Parquet files: their numbers lie in one block of memory, and are those that pyarrow reads."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

import steepest as st
from steepest.data.files import open_table
from steepest.data.parquet_columns import TALL, view_of

ROWS = TALL + 1_001


def _table():
    random = np.random.default_rng(0)
    gone = random.random(ROWS) < 0.1
    return pa.table(
        {
            "a.b": random.standard_normal(ROWS),
            "label": pa.array(random.integers(0, 3, ROWS).astype(str)),
            "single": random.standard_normal(ROWS).astype(np.float32),
            "lacks": pa.array(random.standard_normal(ROWS), mask=gone),
            "whole": random.integers(0, 2**60, ROWS),
            "a": random.standard_normal(ROWS),
            "nan": np.where(gone, np.nan, 1.0),
            "nested": pa.array([{"b": 1.0}] * ROWS),
            "yes": pa.array(gone),
        }
    )


@pytest.mark.parametrize("columns", [None, ["a", "label", "a.b"]])
@pytest.mark.parametrize("group", [ROWS, 30_011])
def test_every_column_is_what_pyarrow_reads(tmp_path, columns, group):
    path = tmp_path / "t.parquet"
    pq.write_table(_table(), path, row_group_size=group)
    found, expected = open_table(path, columns)[0], pq.ParquetFile(path).read()
    assert found.column_names == (columns or expected.column_names)
    for name in found.column_names:
        wanted = expected[name]
        wanted = wanted.cast(pa.float64()) if name == "single" else wanted
        wanted = wanted.cast(pa.large_string()) if name == "label" else wanted
        assert found[name].type == wanted.type
        here, there = found[name].combine_chunks(), wanted.combine_chunks()
        if name == "nan":
            np.testing.assert_array_equal(here.to_numpy(), there.to_numpy())
        else:
            assert here.equals(there)


def test_the_features_of_a_fit_are_a_view_of_the_block_wherever_the_target_stands(tmp_path):
    random = np.random.default_rng(0)
    x = random.standard_normal((2 * TALL, 5))
    y = x @ np.arange(5.0) + 3.0 + random.standard_normal(len(x))
    columns = {f"x{i}": x[:, i] for i in range(5)}
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x0": x[:, 0], "y": y} | columns), path, row_group_size=50_000)
    table, _ = open_table(path, requested=["y"])
    view = view_of([table[name] for name in columns])
    np.testing.assert_array_equal(view, x)
    assert view.flags.writeable
    assert view_of([table["x0"], table["x2"]]) is None
    assert view_of([table["x0"].slice(1), table["x1"].slice(1)]) is None
    assert view_of(pq.read_table(path).select(list(columns)).columns) is None
    fit = st.fit(path, target="y")
    assert fit.train.x.base is not None
    assert fit.train.x.flags.f_contiguous
    known = LinearRegression().fit(x, y)
    np.testing.assert_allclose(fit.theta, [known.intercept_, *known.coef_], rtol=0, atol=1e-12)
    assert fit.metrics["train"]["r2"] == pytest.approx(known.score(x, y), abs=1e-12)
    assert fit.gap == 0.0


@pytest.mark.parametrize("cuts", [(50_000, 70_000), (0, 9_000)])
def test_several_files_fill_one_block(tmp_path, cuts):
    random = np.random.default_rng(0)
    x = random.standard_normal((2 * TALL, 5))
    x[:, 1] = x[:, 1].astype(np.float32)
    y = x @ np.arange(5.0) + 3.0 + random.standard_normal(len(x))
    for number, part in enumerate(np.split(np.arange(len(x)), cuts)):
        columns = {f"x{i}": x[part, i] if i != 1 else x[part, i].astype(np.float32) for i in range(5)}
        columns = {"label": np.array(["a", "b"])[part % 2], "y": y[part], **columns}
        pq.write_table(pa.table(columns), tmp_path / f"part-{number}.parquet", row_group_size=30_000)
    table, _ = open_table(str(tmp_path), requested=["y"])
    np.testing.assert_array_equal(view_of([table[f"x{i}"] for i in range(5)]), x)
    assert table["label"].to_pylist() == ["ab"[i % 2] for i in range(len(x))]
    fit = st.fit(f"{tmp_path}/*.parquet", target="y", drop=["label"])
    assert fit.train.x.base is not None
    assert fit.train.x.flags.f_contiguous
    known = LinearRegression().fit(x, y)
    np.testing.assert_allclose(fit.theta, [known.intercept_, *known.coef_], rtol=0, atol=1e-12)


def test_several_files_of_which_one_lacks_values_or_has_other_types_are_read_as_they_are(tmp_path):
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, TALL))
    pq.write_table(pa.table({"a": a, "b": b, "y": a + b}), tmp_path / "1.parquet")
    for second in (
        pa.table({"a": pa.array(a, mask=a > 2.0), "b": b, "y": a - b}),
        pa.table({"b": b, "a": random.integers(0, 9, TALL), "y": a - b}),
    ):
        pq.write_table(second, tmp_path / "2.parquet")
        table, _ = open_table(str(tmp_path), requested=["y"])
        expected = pa.concat_tables(
            [pq.read_table(tmp_path / "1.parquet"), second.select(["a", "b", "y"])], promote_options="permissive"
        )
        assert table.equals(expected)
        assert view_of(table.select(["a", "b"]).columns) is None


def test_a_damaged_column_is_said_to_be_so(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(0).random(TALL), "y": np.zeros(TALL)}), path)
    held = bytearray(path.read_bytes())
    held[4:60] = bytes(56)
    path.write_bytes(held)
    with pytest.raises(st.DataError, match=r"t\.parquet' is damaged or cut short and cannot be read"):
        st.fit(path, target="y")

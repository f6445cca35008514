"""A table is described in numbers that NumPy and pandas give too, and no name of it reaches a page as markup."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import steepest as st
from steepest.description import histogram
from steepest.errors import DataError
from steepest.text.terminal import spark

from browser import chromium, opened

HOSTILE = "<script>alert(1)</script>"


def _table() -> pd.DataFrame:
    draw = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "size": [*draw.gamma(2.0, 30.0, 199), np.nan],
            "city": draw.choice(["Oslo", "Rome", HOSTILE], 200, p=[0.5, 0.3, 0.2]),
            "new": draw.random(200) < 0.25,
        }
    )


def test_quantiles_are_those_of_pandas() -> None:
    table = _table()
    size = st.describe(table).columns[0]
    theirs = table["size"].describe()
    assert size.quantiles is not None
    found = [
        getattr(size.quantiles, name)
        for name in ("minimum", "lower", "median", "upper", "maximum", "mean", "deviation")
    ]
    np.testing.assert_allclose(found, theirs[["min", "25%", "50%", "75%", "max", "mean", "std"]], rtol=1e-12)
    assert (size.missing, size.distinct) == (1, table["size"].nunique())
    assert sum(size.counts) == 199


def test_levels_come_with_their_rows() -> None:
    table = _table()
    _, city, new = st.describe(table).columns
    assert dict(city.levels) == table["city"].value_counts().to_dict()
    assert dict(new.levels) == {"True": table["new"].sum(), "False": (~table["new"]).sum()}
    assert (city.kind, new.kind) == ("category", "boolean")


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e140])
def test_a_picture_counts_every_row_once(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=500) * scale
    theirs = np.histogram(values / scale, bins=12)[0]
    assert histogram(values) == pytest.approx(theirs, abs=1)  # a value on an edge may fall either way
    assert sum(histogram(values)) == 500
    assert histogram(np.full(7, 3.0)) == (7,)


def test_bars_rise_with_the_rows() -> None:
    assert spark([0, 1, 50, 100]) == " ▁▄█"
    assert spark([]) == ""


def test_what_a_fit_refuses_is_said_with_the_option() -> None:
    table = _table().assign(empty=None)
    described = st.describe(table)
    with pytest.raises(DataError) as refused:
        st.fit(table, target="size", missing="drop")
    assert described.faults == (str(refused.value),)
    assert "drop" in str(described)


def test_the_command_prints_json_of_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    _table().to_csv(path, index=False)
    done = subprocess.run(
        [sys.executable, "-m", "steepest", "describe", str(path), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == 200
    assert found["columns"][0]["quantiles"]["median"] == pytest.approx(_table()["size"].median(), rel=1e-12)


def test_the_page_works_from_disk_and_shows_names_as_text(tmp_path: Path) -> None:
    path = st.describe(_table()).page(tmp_path / "table.html")
    with chromium() as browser, opened(browser, path, width=420) as shown:
        assert shown.page.locator("svg").count() == 3
        assert HOSTILE in shown.page.locator("table").inner_text()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 420
        assert not shown.errors
        assert not shown.requests


def test_a_notebook_escapes_names() -> None:
    assert HOSTILE not in st.describe(_table())._repr_html_()


def test_a_table_that_memory_does_not_hold_is_described_by_one_pass(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    from steepest.data import streams, table_pass

    random, rows = np.random.default_rng(0), 2_000
    numbers = random.normal(size=rows)
    table = pa.table(
        {
            "x": pa.array(numbers, mask=numbers > 2.0),
            "whole": random.integers(0, 5, rows),
            "city": random.choice(["Lima", "Oslo", "Rome"], rows),
            "sold": random.random(rows) < 0.3,
            "text": [f"words {row}" for row in range(rows)],
            "day": np.datetime64("2020-01-01") + random.integers(0, 99, rows),
            "price": [f"${row},000" for row in range(rows)],
            "none": pa.nulls(rows),
            "far": np.where(np.arange(rows) == 1_500, np.inf, 1.0),
            "lists": [[1]] * rows,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=300)
    whole = st.describe(tmp_path / "t.parquet")
    monkeypatch.setattr(streams, "free_memory", lambda: 1.0)
    passed = st.describe(tmp_path / "t.parquet")
    assert passed.notes == whole.notes
    assert passed.rows == rows
    for mine, theirs in zip(passed.columns, whole.columns, strict=True):
        for name, value in vars(theirs).items():
            if name == "quantiles" and value is not None:
                assert list(vars(mine.quantiles).values()) == pytest.approx(list(vars(value).values()), rel=1e-12)
            else:
                assert getattr(mine, name) == value, (theirs.name, name)
    monkeypatch.setattr(table_pass, "SAMPLE", 500)
    part = st.describe(tmp_path / "t.parquet")
    assert "of the 2,000 rows" in part.notes[-1]
    x = part.columns[0].quantiles
    known = numbers[numbers <= 2.0]
    assert (x.minimum, x.maximum, x.mean) == pytest.approx((known.min(), known.max(), known.mean()), rel=1e-12)
    assert x.deviation == pytest.approx(known.std(ddof=1), rel=1e-12)
    assert part.columns[2].levels == whole.columns[2].levels

"""Odd files that are streamed are read as in memory, or refused in the same words."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

import steepest as st
from steepest.cli.commands import main
from steepest.data import addresses, csv_blocks

ROWS = 200


def columns(seed: int, **changed: object) -> dict[str, object]:
    random = np.random.default_rng(seed)
    a, city = random.normal(size=ROWS), random.choice(["a", "b", "c"], ROWS)
    return {"a": a, "city": city, "y": a + (city == "b") + random.normal(size=ROWS)} | changed


def coded(seed: int, levels: str) -> pa.Array:
    return pa.DictionaryArray.from_arrays([levels.index(one) for one in columns(seed)["city"]], list(levels))


A = columns(0)["a"]
DAYS = np.datetime64("2020-01-01") + np.arange(ROWS) % 9
ALIKE = {
    "a column of nulls in one file": ([columns(0, a=pa.nulls(ROWS)), columns(1)], {"missing": "mean"}),
    "text that is null in one file": ([columns(0, city=pa.nulls(ROWS)), columns(1)], {"missing": {"*": "level"}}),
    "a level that only the last rows have": ([columns(0), columns(1, city=["a"] * (ROWS - 6) + ["zz"] * 6)], {}),
    "text and categories": ([columns(0), columns(1, city=coded(1, "abc"))], {}),
    "categories and text": ([columns(0, city=coded(0, "abc")), columns(1)], {}),
    "levels in another order": ([columns(0, city=coded(0, "abc")), columns(1, city=coded(1, "bca"))], {}),
    "decimals": ([columns(0, a=pa.array([Decimal(f"{one:.3f}") for one in A])), columns(1)], {}),
    "small and large whole numbers": (
        [columns(0, a=pa.array(np.arange(ROWS) % 9, pa.int8())), columns(1, a=np.arange(ROWS) % 7)],
        {},
    ),
    "days and times": (
        [columns(0, city=DAYS), columns(1, city=DAYS.astype("datetime64[us]"))],
        {"date": {"city": "days"}},
    ),
    "weights of zero in a file": ([columns(0, w=np.zeros(ROWS)), columns(1, w=np.ones(ROWS))], {"weights": "w"}),
    "a row group without a whole row": (
        [columns(0, a=pa.array([None] * 60 + A[60:].tolist(), pa.float64()))],
        {"missing": "drop"},
    ),
    "the index of a pandas table": ([columns(0, __index_level_0__=np.arange(ROWS))], {}),
    "a class that only the last rows have": (
        [columns(0, y=["no"] * ROWS), columns(1, y=["no"] * 180 + ["yes"] * 20)],
        {},
    ),
}
REFUSED = {
    "a renamed column": ([columns(0), {("A" if name == "a" else name): one for name, one in columns(1).items()}], {}),
    "the same name twice": ([pa.table([A, A, columns(0)["y"]], names=["a", "a", "y"])], {}),
    "a column without any value": ([columns(0, a=pa.array([None] * ROWS, pa.float64()))], {"missing": "drop"}),
    "no weight at all": ([columns(0, w=np.zeros(ROWS))], {"weights": "w"}),
    "a weight below 0": ([columns(0, w=np.ones(ROWS)), columns(1, w=-np.ones(ROWS))], {"weights": "w"}),
    "a target that is not a number": ([columns(0), columns(1, y=np.where(np.arange(ROWS) == 5, np.nan, A))], {}),
    "an infinite target": ([columns(0), columns(1, y=np.where(np.arange(ROWS) == 5, np.inf, A))], {}),
    "a single class": ([columns(0, y=["no"] * ROWS)], {}),
    "a file cut short": ([columns(0), b"PAR1abc"], {}),
    "lists": ([columns(0, city=[[1]] * ROWS)], {}),
}
DAILY = ("decimals", "weights of zero in a file", "a row group without a whole row", "the index of a pandas table")


def write(folder, parts) -> None:
    for number, part in enumerate(parts):
        place = folder / f"part-{number}.parquet"
        if isinstance(part, bytes):
            place.write_bytes(part)
        else:
            pq.write_table(part if isinstance(part, pa.Table) else pa.table(part), place, row_group_size=50)
    (folder / "README.md").write_text("what these are")
    (folder / "_SUCCESS").write_text("")


@pytest.mark.parametrize("name", [one if one in DAILY else pytest.param(one, marks=pytest.mark.soak) for one in ALIKE])
def test_an_odd_table_is_read_as_in_memory(name, tmp_path):
    parts, settings = ALIKE[name]
    write(tmp_path, parts)
    memory, stream = (st.fit(tmp_path, stream=way, target="y", **settings) for way in (False, True))
    assert stream.names == memory.names
    assert stream.rows == memory.rows
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-7, atol=1e-9)
    assert [note for note in stream.notes if not note.startswith("The rows are read")] == list(memory.notes)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_fitted_is_refused_in_the_words_of_memory(name, tmp_path):
    parts, settings = REFUSED[name]
    write(tmp_path, parts)
    said = []
    for way in (False, True):
        with pytest.raises(st.DataError) as error:
            st.fit(tmp_path, stream=way, target="y", **settings)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_column_that_only_the_names_of_folders_tell_is_said_and_not_read(tmp_path):
    said = "The names of folders tell a column 'year', which is not read there: write it into the files to use it."
    for inside in (False, True):
        for year in (2020, 2021):
            table = pa.table(columns(year, **{"year": np.full(ROWS, year)} if inside else {}))
            (tmp_path / f"year={year}").mkdir(exist_ok=True)
            pq.write_table(table, tmp_path / f"year={year}" / "part-0.parquet")
        for way in (False, True):
            done = st.fit(f"{tmp_path}/**/*.parquet", stream=way, target="y")
            assert done.rows == 2 * ROWS
            assert done.notes.count(said) == (not inside)
            assert ("year" in done.names) is inside


def test_a_column_without_a_name_is_for_memory(tmp_path):
    write(tmp_path, [{"a": A, "": A**2, "y": columns(0)["y"]}])
    assert st.fit(tmp_path, stream=False, target="y").names == ["intercept", "a", "column 2"]
    with pytest.raises(st.DataError) as refused:
        st.fit(tmp_path, stream=True, target="y")
    assert str(refused.value).startswith("column 2 of ")
    assert " has no name, which files that are read pass by pass must have." in str(refused.value)
    assert str(refused.value).endswith("stream=False")


def test_a_constant_target_is_warned_of(tmp_path):
    write(tmp_path, [columns(0, y=np.ones(ROWS)), columns(1, y=np.ones(ROWS))])
    with pytest.warns(st.SteepestWarning, match="the target 'y' has the same value in every row"):
        done = st.fit(tmp_path, stream=True, target="y")
    np.testing.assert_allclose(done.theta, [1.0, 0.0, 0.0, 0.0], atol=1e-12)
    assert done.status is st.Status.CONVERGED


TEXTS = {
    "other delimiters": ["a,city,y\n", "a;city;y\n"],
    "another order": ["a,city,y\n", "city,a,y\n"],
}


@pytest.mark.parametrize("name", TEXTS)
def test_files_of_text_that_are_written_otherwise_are_one_table(name, tmp_path, monkeypatch):
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(csv_blocks, "BLOCK", 1_000)
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, header in enumerate(TEXTS[name]):
        given, mark = columns(number), ";" if ";" in header else ","
        rows = zip(*(given[one] for one in header.strip().split(mark)), strict=True)
        (folder / f"{number}.csv").write_text(header + "".join(f"{mark.join(map(str, row))}\n" for row in rows))
    memory, stream = (st.fit(folder, stream=way, target="y") for way in (False, True))
    assert stream.names == memory.names
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-7)
    (folder / "9.csv").write_text("")
    said = []
    for way in (False, True):
        with pytest.raises(st.DataError) as error:
            st.fit(folder, stream=way, target="y")
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "9.csv' is empty" in said[0]
    (folder / "9.csv").write_text(TEXTS[name][0])
    memory, stream = (st.fit(folder, stream=way, target="y") for way in (False, True))
    assert stream.rows == memory.rows == 2 * ROWS


def test_addresses_are_read_through_filesystems(tmp_path, monkeypatch):
    """`file://` stands for `s3://` and `gs://`, which go the same way."""
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(csv_blocks, "BLOCK", 1_000)
    (tmp_path / "rows").mkdir()
    (tmp_path / "texts").mkdir()
    write(tmp_path / "rows", [columns(0), columns(1)])
    for number in range(2):
        pacsv.write_csv(pa.table(columns(number)), tmp_path / "texts" / f"{number}.csv")
    memory = st.fit(tmp_path / "rows", target="y")
    for name in ("rows", "texts"):
        stream = st.fit((tmp_path / name).as_uri(), target="y", stream=True)
        assert stream.rows == 2 * ROWS
        np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-7, atol=1e-9)
    alone = st.fit((tmp_path / "texts" / "0.csv").as_uri(), target="y", stream=True)
    np.testing.assert_allclose(alone.theta, st.fit(columns(0), target="y").theta, rtol=1e-7, atol=1e-9)
    (tmp_path / "texts" / "0.csv").write_text("a,city,y\n1,x,2\n1,x\n")
    with pytest.raises(st.DataError, match=r"row 2 of '.*0\.csv' has 2 fields"):
        st.fit((tmp_path / "texts" / "0.csv").as_uri(), target="y", stream=True)


class Refusing:
    """A filesystem that lists nothing to whoever has no key, or lists a file and gives nothing of it."""

    def __init__(self, lists: bool):
        self.lists, self.asked = lists, 0

    def get_file_info(self, path: str) -> fs.FileInfo:
        self.asked += 1
        if not self.lists or self.asked > 1:
            raise OSError("AWS Error ACCESS_DENIED during HeadObject operation: No response body.")
        return fs.FileInfo("trips/1.parquet", fs.FileType.File, size=8, mtime_ns=1)


@pytest.mark.parametrize(
    ("lists", "said"),
    [(False, "'s3://trips' cannot be opened from here"), (True, "'s3://trips/1.parquet' cannot be read")],
)
def test_a_store_that_refuses_is_asked_once_and_its_reason_is_said(lists, said, monkeypatch, capsys):
    store = Refusing(lists)
    monkeypatch.setattr(addresses, "_pyarrows", lambda address: (store, "trips"))
    monkeypatch.setattr(addresses, "_known_elsewhere", lambda address: False)
    assert main(["fit", "s3://key:secret@trips?region=eu-north-1", "--target", "y"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {said}: AWS Error ACCESS_DENIED")
    assert len(err.splitlines()) == 1
    assert "secret" not in err
    assert store.asked == 1 + lists


@pytest.mark.parametrize("stream", [True, False])
def test_files_in_a_store_are_the_rows_that_they_are_here(stream, tmp_path, monkeypatch):
    (tmp_path / "trips").mkdir()
    write(tmp_path / "trips", [columns(0), columns(1)])
    store = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(addresses, "_pyarrows", lambda address: (store, "trips"))
    found, here = st.fit("s3://trips", target="y", stream=stream), st.fit(tmp_path / "trips", target="y", stream=stream)
    assert found.theta.tobytes() == here.theta.tobytes()
    assert found.rows == 2 * ROWS

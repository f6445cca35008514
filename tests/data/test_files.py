"""Every way in gives the table that pandas, polars or pyarrow wrote."""

from __future__ import annotations

import gzip
import io
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch

from steepest.data import files
from steepest.data.files import open_table
from steepest.data.reading import Reading
from steepest.errors import DataError

FRAME = pd.DataFrame(
    {
        "size": [1.5, 2.25, -3e-9],
        "rooms": [2, 3, 4],
        "city": ["Oslo", "Røros", "大阪"],
        "new": [True, False, True],
    }
)


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix in (".arrow", ".ipc"):
        table = pa.Table.from_pandas(frame)
        make = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(frame, path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "csv.gz", "tsv.gz", "parquet", "arrow", "ipc", "feather"])
def test_a_file_of_any_kind_gives_the_frame_that_was_written(tmp_path, kind):
    path = tmp_path / f"table.{kind}"
    _write(FRAME, path)
    for source in (path, str(path)):
        assert open_table(source)[0].to_pydict() == FRAME.to_dict("list")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_and_encoding_are_found_out(tmp_path, separator, encoding):
    path = tmp_path / "table.csv"
    FRAME.to_csv(path, sep=separator, index=False, encoding=encoding)
    assert open_table(path)[0].to_pydict() == pd.read_csv(path, sep=separator, encoding=encoding).to_dict("list")


def test_columns_aligned_by_spaces(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("  height  weight\n   1.80      80\n   1.65      61\n")
    assert open_table(path)[0].to_pydict() == pd.read_csv(path, sep=r"\s+").to_dict("list")


def test_one_column_needs_no_delimiter(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a long name\n1\n2\n")
    assert open_table(path)[0].to_pydict() == {"a long name": [1, 2]}


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path):
    frame = pd.DataFrame({"a, b": ["x, y", 'say "no"', "two\nlines"], "n": [1, 2, 3]})
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    assert open_table(path)[0].to_pydict() == frame.to_dict("list")


def test_spaces_around_names_and_values_do_not_count(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a , b , c\n 1 , 2.5 , Oslo \n 3 , NA , Rome\n")
    assert open_table(path)[0].to_pydict() == {"a": [1, 3], "b": [2.5, None], "c": ["Oslo", "Rome"]}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_decimal_commas_are_read_as_pandas_reads_them(tmp_path, separator):
    frame = pd.DataFrame({"a": [1.5, -2.25, 1e-7], "b": [1, 2, 3], "c": [1.125, 2.375, 3.625]})
    path = tmp_path / "table.csv"
    frame.to_csv(path, sep=separator, decimal=",", index=False)
    assert open_table(path)[0].to_pydict() == frame.to_dict("list")


def test_decimal_commas_and_points_are_told_apart_column_by_column(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a,b\n"1,5",1.5\n"2,25",2\n')
    assert open_table(path)[0].to_pydict() == {"a": [1.5, 2.25], "b": [1.5, 2.0]}


def test_a_comma_that_may_part_thousands_is_left_as_text():
    assert open_table({"a": ["1,234", "5,678"]})[0].to_pydict() == {"a": ["1,234", "5,678"]}


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "NaN", "nan", "null", "None", "?", "-", ".", "#N/A", " NA "])
def test_the_usual_marks_of_a_missing_value(tmp_path, mark):
    path = tmp_path / "table.csv"
    path.write_text(f"a,b\n1,x\n{mark},{mark}\n3,z\n")
    assert open_table(path)[0].to_pydict() == {"a": [1, None, 3], "b": ["x", None, "z"]}


def test_a_type_that_changes_late_in_a_long_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 1_500_000 + "0.5,NA\n")
    table = open_table(path)[0]
    assert table["a"].type == pa.float64()
    assert table["a"][-1].as_py() == 0.5
    assert table["b"].type == pa.int64()
    assert table["b"].null_count == 1


def test_five_thousand_columns_with_long_names(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 5_000))
    frame = pd.DataFrame(values, columns=[f"a column with quite a long name and number {i}" for i in range(5_000)])
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)
    table = open_table(path)[0]
    np.testing.assert_array_equal(np.column_stack([column.to_numpy() for column in table.columns]), values)


def test_a_folder_and_a_glob_are_stacked_in_the_order_of_their_names(tmp_path):
    for number in range(3):
        _write(FRAME.assign(rooms=number), tmp_path / f"part{number}.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "readme.txt").write_text("not a table")
    for source in (tmp_path, str(tmp_path / "*.parquet")):
        table, origin = open_table(source)
        assert table["rooms"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert origin.row(4).startswith("row 2 of ")
        assert origin.row(4).endswith("part1.parquet'")


def test_files_may_order_their_columns_differently_and_widen_their_types(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b,a\n4.5,3\n")
    assert open_table(tmp_path)[0].to_pydict() == {"a": [1, 3], "b": [2.0, 4.5]}


def test_text_in_one_file_and_numbers_in_another_becomes_text(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\nx,4\n")
    assert open_table(tmp_path)[0]["a"].to_pylist() == ["1", "x"]


def _bytes(kind: str) -> bytes:
    if kind == "csv.gz":
        return gzip.compress(FRAME.to_csv(index=False).encode())
    if kind == "csv":
        return FRAME.to_csv(index=False).encode()
    if kind == "parquet":
        return FRAME.to_parquet()
    table, sink = pa.Table.from_pandas(FRAME), io.BytesIO()
    make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "arrow", "arrow stream"])
def test_standard_input_is_known_by_its_first_bytes(monkeypatch, kind):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_bytes(kind))))
    assert open_table("-")[0].to_pydict() == FRAME.to_dict("list")


def test_a_sample_by_its_name():
    assert open_table("sample:iris")[0].num_rows == 150


@pytest.mark.parametrize(
    "source",
    [
        FRAME,
        FRAME.set_index(pd.Index([7, 7, 7])),
        FRAME.convert_dtypes(),
        FRAME.convert_dtypes(dtype_backend="pyarrow"),
        pl.from_pandas(FRAME),
        pl.from_pandas(FRAME).lazy(),
        pa.Table.from_pandas(FRAME),
        pa.RecordBatch.from_pandas(FRAME),
        FRAME.to_dict("list"),
        {name: FRAME[name].to_numpy() for name in FRAME},
    ],
    ids=[
        "pandas",
        "index",
        "nullable",
        "pandas-arrow",
        "polars",
        "lazy",
        "arrow",
        "batch",
        "dict",
        "dict-of-arrays",
    ],
)
def test_any_dataframe_gives_the_same_table(source):
    assert open_table(source)[0].to_pydict() == FRAME.to_dict("list")


@pytest.mark.parametrize(
    "make", [np.asarray, torch.tensor, lambda x: torch.tensor(x, requires_grad=True), lambda x: x.tolist()]
)
def test_arrays_and_tensors_are_numbered_columns(make):
    values = np.array([[1.0, 2.0], [3.0, 4.5]])
    assert open_table(make(values))[0].to_pydict() == {"x1": [1.0, 3.0], "x2": [2.0, 4.5]}
    assert open_table(make(values[:, :1]))[0].to_pydict() == {"x": [1.0, 3.0]}
    assert open_table(make(values[:, 1]))[0].to_pydict() == {"x": [2.0, 4.5]}


@pytest.mark.parametrize(
    "column",
    [
        np.array([1, 2], np.float16),
        np.array([1, 2], np.float32),
        torch.tensor([1, 2], dtype=torch.bfloat16),
        pa.array([Decimal("1"), Decimal("2")], pa.decimal128(10, 2)),
    ],
)
def test_every_kind_of_float_becomes_float64(column):
    table = open_table({"a": column})[0]
    assert table["a"].type == pa.float64()
    assert table["a"].to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_kind_of_text_becomes_one(kind):
    assert open_table(pa.table({"a": pa.array([" x", "?"], kind)}))[0]["a"].type == pa.large_string()


def test_columns_chooses_and_orders(tmp_path):
    for kind in ("csv", "parquet"):
        path = tmp_path / f"table.{kind}"
        _write(FRAME, path)
        assert open_table(path, columns=["new", "size"])[0].column_names == ["new", "size"]
    assert open_table(FRAME, columns=["city"])[0].column_names == ["city"]


def test_names_that_are_not_text_become_text():
    assert open_table(pd.DataFrame({0: [1], (1, "a"): [2]}))[0].column_names == ["0", "(1, 'a')"]


def test_a_column_of_mixed_values_becomes_text():
    assert open_table(pd.DataFrame({"a": [1, "x", None, 2.5]}))[0]["a"].to_pylist() == ["1", "x", None, "2.5"]


MALFORMED = {  # file name, bytes, message
    "empty": ("a.csv", b"", r"a.csv' is empty: a table starts with a line of column names"),
    "blank lines": ("a.csv", b"\n\n  \n", r"a.csv' is empty"),
    "header only": ("a.csv", b"a,b\n", r"has a header \('a', 'b'\) but no rows"),
    "no header": ("a.csv", b"1,2\n3,4\n", r"no header: its first line holds numbers only \('1', '2'\)"),
    "name twice": ("a.csv", b"a,b,a\n1,2,3\n", r"name 'a' stands twice in .*a.csv', at positions 1 and 3"),
    "short row": ("a.csv", b"a,b\n1,2\n3\n", r"row 2 of .*a.csv' has 1 field where the header has 2: '3'"),
    "long row": ("a.csv", b"a,b\n1,2\n3,4,5\n", r"row 2 of .*a.csv' has 3 fields where the header has 2"),
    "late ragged row": ("a.csv", b"a,b\n" + b"1,2\n" * 2_000_000 + b"1\n", r"row 2,000,001 of .*a.csv' "
                                                                           r"has 1 field"),
    "open quote": ("a.csv", b'a,b\n1,"2\n3,4\n', r"quotation mark opened in column 'b' is never closed"),
    "latin-1 value": ("a.csv", b"a,b\n1,x\n2,caf\xe9\n", r"not UTF-8: byte 14, in line 3, is 0xe9.*encoding=\"latin-1\""),
    "latin-1 header": ("a.csv", b"caf\xe9,b\n1,x\n", r"not UTF-8: byte 4, in line 1"),
    "latin-1 late": ("a.csv", b"a,b\n" + b"1,x\n" * 200_000 + b"1,\xe9\n", r"not UTF-8: byte 800,007, "
                                                                           r"in line 200,002"),
    "zero bytes": ("a.csv", b"a,b\n1,\x00\n", r"is not a text table: byte 7 is zero"),
    "cut utf-16": ("a.csv", b"\xff\xfea\x00,\x00b", r"starts as UTF-16 text but byte 7 is not"),
    "excel": ("a.xlsx", b"PK\x03\x04rest", r"a.xlsx' is a damaged or cut Excel or zip file"),
    "no parquet": ("a.parquet", b"a,b\n1,2\n", r"is not a Parquet file: it starts with"),
    "cut parquet": ("a.parquet", b"PAR1" + b"x" * 100, r"is damaged or cut short"),
    "no arrow": ("a.arrow", b"what is this", r"is not an? Arrow file"),
    "cut arrow": ("a.arrow", b"ARROW1\0\0" + b"x" * 100, r"is damaged or cut short"),
    "cut gzip": ("a.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-12], r"a.csv.gz' cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_explained(tmp_path, case):
    name, data, message = MALFORMED[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_table(tmp_path / name)[0]


def test_a_missing_file_is_explained_with_its_near_name(tmp_path):
    (tmp_path / "houses.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"there is no file .*house.csv': did you mean 'houses.csv'\?"):
        open_table(tmp_path / "house.csv")[0]


def test_places_without_tables_are_explained(tmp_path):
    with pytest.raises(DataError, match=r"holds no tables \(.csv"):
        open_table(tmp_path)[0]
    with pytest.raises(DataError, match=r"no file matches .*\*.csv'"):
        open_table(str(tmp_path / "*.csv"))[0]


def test_files_that_differ_in_their_columns_are_explained(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError, match=r"differ in their columns: .*2.csv' lacks 'b' and has 'c', unlike .*1.csv'"):
        open_table(tmp_path)[0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((2, 2, 2)), r"x has 3 dimensions, 2 × 2 × 2; give it as rows × columns"),
        (np.zeros((0, 2)), r"has a header \('x1', 'x2'\) but no rows"),
        ({"a": [1, 2], "b": [1]}, r"columns differ in length: 'a' has 2 rows and 'b' has 1"),
        ({"a": np.zeros((2, 2))}, r"column 'a' has the shape 2 × 2"),
        ({"a": np.array([1j])}, r"column 'a' holds complex numbers"),
        ({}, r"the table has no columns"),
        (7, r"a int is no table: give a path, a dataframe"),
        ([[1, 2], [3]], r"not all of the same length"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"name 'a' stands twice in the table, at positions "
                                                     r"1 and 2"),
        (pa.table([[1], [2]], names=["a", "a"]), r"name 'a' stands twice in the table"),
    ],
)  # fmt: skip
def test_what_is_no_table_in_memory_is_explained(source, message):
    with pytest.raises(DataError, match=message):
        open_table(source)[0]


def test_an_unknown_column_is_explained_with_its_near_name():
    with pytest.raises(
        DataError, match=r"no column 'Rooms' in the table: did you mean 'rooms'\? The columns are 'size'"
    ):
        open_table(FRAME, columns=["Rooms"])[0]


def test_a_kept_path_is_read_again_where_the_file_or_the_question_is_another(tmp_path, monkeypatch):
    path, reads = tmp_path / "a.csv", []
    real = files.read_file
    monkeypatch.setattr(files, "read_file", lambda *given: (reads.append(given), real(*given))[1])
    path.write_text("x,y\n1,2\n3,4\n")
    kept = files.KeptPath(path)
    assert files.open_table(kept)[0].equals(files.open_table(str(path))[0])
    assert files.open_table(kept)[0]["y"].to_pylist() == [2, 4]
    assert len(reads) == 2
    assert files.open_table(kept, reading=Reading(header=False))[0].num_rows == 3
    path.write_text("x,y\n1,2\n3,40\n")
    assert files.open_table(kept)[0]["y"].to_pylist() == [2, 40]
    assert len(reads) == 4
    path.unlink()
    with pytest.raises(DataError, match=r"a\.csv"):
        files.open_table(kept)

"""A file is what its first bytes say, packed or not; a damaged, foreign or absurd one is a line, not a crash."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import types
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steepest.cli.commands import main
from steepest.data import formats
from steepest.data.files import open_table
from steepest.errors import DataError

CSV = b"x,y\n1,2\n2,4.5\n4,9\n"
HELD = {"x": [1, 2, 4], "y": [2.0, 4.5, 9.0]}


def _pack(content: bytes, way: str) -> bytes:
    sink = pa.BufferOutputStream()
    stream = pa.CompressedOutputStream(sink, way)
    stream.write(content)
    stream.close()
    return sink.getvalue().to_pybytes()


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return out.getvalue()


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(HELD), out)
    return out.getvalue()


PACKED = {
    "gzip": gzip.compress(CSV),
    "bzip2": bz2.compress(CSV),
    "xz": lzma.compress(CSV),
    "zstd": _pack(CSV, "zstd"),
    "lz4": _pack(CSV, "lz4"),
    "zip": _zip(table_csv=CSV),
    "zip with a folder": _zip(data__table_csv=CSV, data___hidden=b"x"),
    "gzip in zip": _zip(table_csv_gz=gzip.compress(CSV)),
    "Parquet in gzip": gzip.compress(_parquet()),
    "Parquet in zip": _zip(table_parquet=_parquet()),
    "JSON": json.dumps([{"x": x, "y": y} for x, y in zip(*HELD.values(), strict=True)]).encode(),
    "JSON lines": "\n".join(json.dumps({"x": x, "y": y}) for x, y in zip(*HELD.values(), strict=True)).encode(),
    "JSON by column": json.dumps(HELD).encode(),
    "pandas' JSON": pd.DataFrame(HELD).to_json().encode(),
    "pandas' records": pd.DataFrame(HELD).to_json(orient="records", lines=True).encode(),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("name", ["table", "table.csv"])
def test_the_first_bytes_say_what_a_file_is(tmp_path, kind, name):
    (tmp_path / name).write_bytes(PACKED[kind])
    assert open_table(tmp_path / name)[0].to_pydict() == HELD


def test_packed_files_of_a_folder_are_stacked(tmp_path):
    (tmp_path / "1.csv.zst").write_bytes(PACKED["zstd"])
    (tmp_path / "2.csv.bz2").write_bytes(PACKED["bzip2"])
    (tmp_path / "3.csv.xz").write_bytes(PACKED["xz"])
    assert open_table(tmp_path)[0]["x"].to_pylist() == 3 * HELD["x"]


REFUSED = {
    "two tables": (_zip(a_csv=CSV, b_csv=CSV), r"zip archive of 2 files, 'a.csv', 'b.csv'\. Unpack it"),
    "no table": (_zip(), r"zip archive of 0 files"),
    "a cut archive": (_zip(a_csv=CSV)[:-30], r"damaged or cut Excel or zip file"),
    "a spreadsheet of OpenOffice": (_zip(mimetype=b"x", content_xml=b"x"), r"OpenDocument spreadsheet.*Save the sheet as CSV"),
    "packed five times": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(CSV)))), r"packed more than 3 times"),
    "cut xz": (lzma.compress(os.urandom(999))[:-20], r"cannot be read"),
    "cut bzip2": (bz2.compress(CSV * 99)[:-20], r"cannot be read"),
    "a pickle": (b"\x80\x04\x95\x00\x00", r"is a pickle, which could run code"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"is an old Excel file \(\.xls\).*CSV or Parquet"),
    "broken JSON": (b'{"x": 1, ', r"is no JSON: line 1"),
    "broken JSON line": (b'{"x": 1}\n{"x": }\n', r"is no JSON: line 2"),
    "JSON that is no table": (b'["a", "b"]', r"JSON but no table"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_names_the_way_out(tmp_path, case):
    content, message = REFUSED[case]
    path = tmp_path / ("table.json" if "JSON" in case else "table")
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_table(path)[0]
    assert "\n" not in str(caught.value)


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_not_read_on(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "FREELY", 1 << 20)
    content = b"x,y\n" + b"0,0\n" * (1 << 20)
    for name, packed in (
        ("a.gz", gzip.compress(content)),
        ("a.xz", lzma.compress(content)),
        ("a.zip", _zip(a_csv=content)),
    ):
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(DataError, match=r"unpacks to more than 200 times its own size"):
            open_table(tmp_path / name)[0]


def test_excel_takes_openpyxl(tmp_path, monkeypatch):
    path = tmp_path / "book.xlsx"
    path.write_bytes(_zip(xl__workbook_xml=b"<workbook/>"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"pip install openpyxl.*save the sheet as CSV"):
        open_table(path)[0]
    rows = [(None, None), ("x", "y", None), (1, 2.0, None), (2, None, None), ("x3", 9.0, None)]
    sheet = types.SimpleNamespace(iter_rows=lambda values_only: iter(rows))

    class Book(dict):
        sheetnames = ("Data", "Notes")

    stand_in = types.SimpleNamespace(load_workbook=lambda file, read_only, data_only: Book(Data=sheet))
    monkeypatch.setitem(sys.modules, "openpyxl", stand_in)
    table, origin = open_table(path)
    assert table.to_pydict() == {"x": ["1", "2", "x3"], "y": [2.0, None, 9.0]}
    assert origin.all_notes == ["The first of 2 sheets, 'Data', was read."]


def test_a_flipped_bit_in_an_arrow_file_does_not_end_the_process(tmp_path):
    table = pa.table({"a": np.arange(40.0), "b": pa.array(["xy", "z"] * 20).dictionary_encode(), "y": np.arange(40.0)})
    for kind, make in (("arrow", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        out = io.BytesIO()
        with make(out, table.schema) as writer:
            writer.write_table(table)
        (tmp_path / kind).write_bytes(out.getvalue())
    code = """
import random, sys
from steepest.errors import DataError
from steepest.data.tables import prepare
done = 0
for kind in ("arrow", "stream"):
    raw = open(f"{sys.argv[1]}/{kind}", "rb").read()
    for seed in range(150):
        bad = bytearray(raw)
        bad[random.Random(seed).randrange(len(bad))] ^= 1 << seed % 8
        open(f"{sys.argv[1]}/bad", "wb").write(bad)
        try:
            prepare(f"{sys.argv[1]}/bad", target="y", missing="drop")
        except DataError:
            pass
        done += 1
print(done)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "300"), ran.stderr[-2000:]


def test_the_index_that_pandas_writes_into_parquet_is_left_out(tmp_path):
    frame = pd.DataFrame(HELD, index=[7, 3, 5])
    frame.to_parquet(tmp_path / "a.parquet")
    table, origin = open_table(tmp_path / "a.parquet")
    assert table.to_pydict() == HELD
    assert origin.all_notes == ["Column '__index_level_0__' is the index of a pandas table: it was left out."]
    table, origin = open_table(frame.reset_index(drop=True).reset_index(names="Unnamed: 0"))
    assert table.to_pydict() == HELD
    assert origin.all_notes == ["Column 'Unnamed: 0' is the index of a pandas table: it was left out."]


@pytest.mark.parametrize(
    "name",
    [
        "~nosuchuser/a.csv",
        "a\0b.csv",
        "x" * 300 + ".csv",
        "a/" * 3000 + "b.csv",
        "/dev/zero",
        "nowhere://host/a.csv",
        pytest.param("s3://nowhere/a.csv", marks=pytest.mark.soak),  # its client asks the network for twelve seconds
        "\ud800.csv",
    ],
)
def test_a_path_that_cannot_be_is_a_line(name, capsys):
    assert main(["fit", name, "--target", "y"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_a_pipe_gives_its_bytes_once(tmp_path):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"printf 'x;y\\n1,5;2\\n2,5;3\\n' > '{fifo}'"])
    try:
        assert open_table(fifo)[0].to_pydict() == {"x": [1.5, 2.5], "y": [2, 3]}
    finally:
        writer.wait(timeout=20)

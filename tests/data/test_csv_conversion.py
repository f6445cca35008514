"""Text read block by block and kept as Parquet is the table that reading it whole gives, for odd files too."""

from __future__ import annotations

import gzip
import shutil
from collections import namedtuple

import numpy as np
import pytest

import steepest as st
from steepest.cli.commands import main
from steepest.data import csv_blocks, csv_conversion, progress, table_copies
from steepest.data.reading import Reading

ROWS = 600


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A place of its own for copies, and blocks of some rows."""
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(csv_blocks, "BLOCK", 1_000)
    return tmp_path / "cache" / "tables"


def columns() -> dict[str, list]:
    random = np.random.default_rng(0)
    a, b = random.normal(size=ROWS), random.integers(0, 3_000, ROWS)
    city = random.choice(["Oslo", "Rome", "São Paulo"], ROWS)
    y = a + 0.001 * b + (city == "Rome") + 0.1 * random.normal(size=ROWS)
    return {"a": a.tolist(), "b": b.tolist(), "city": city.tolist(), "y": y.tolist()}


def lines(sep: str = ",", **changed: object) -> str:
    """A table of text; each changed column a function of its value and row."""
    given = columns()
    for name, change in changed.items():
        given[name] = [change(value, row) for row, value in enumerate(given[name])]
    rows = [sep.join(str(values[row]) for values in given.values()) for row in range(ROWS)]
    return "\n".join([sep.join(given), *rows, ""])


def comma(value: float, row: int) -> str:
    return str(value).replace(".", ",")


TABLES = {
    "plain": (lines(), {}),
    "CRLF": (lines().replace("\n", "\r\n"), {}),
    "CR": (lines().replace("\n", "\r"), {}),
    "UTF-8 with a mark": ("\ufeff" + lines(), {}),
    "UTF-16": (lines(), {}),
    "Latin-1": (lines(), {"encoding": "latin-1"}),
    "decimal commas": (lines(";", a=comma, y=comma), {}),
    "semicolons and points": (lines(";"), {}),
    "a fraction late": (lines(b=lambda v, row: 2.5 if row == 500 else v), {}),
    "groups of thousands": (lines(b=lambda v, row: f'"{v:,}"'), {}),
    "money": (lines(b=lambda v, row: f'"${v + 0.5:,.2f}"'), {}),
    "percent": (lines(b=lambda v, row: f"{v}%"), {}),
    "NA": (lines(b=lambda v, row: "NA" if row % 7 == 3 else v), {"missing": "mean"}),
    "NA late": (lines(b=lambda v, row: "NA" if row > 550 else v), {"missing": "mean"}),
    "a word that means missing": (
        lines(b=lambda v, row: "gone" if row % 90 == 80 else v),
        {"missing": "mean", "missing_values": ["gone"]},
    ),
    "missing at first": (lines(b=lambda v, row: "" if row < 200 else v), {"missing": "mean"}),
    "numbers of rows": (
        "\n".join(f"{row - 1 if row else ''},{line}" for row, line in enumerate(lines().splitlines())) + "\n",
        {},
    ),
    "comments": ("# a\n# b\n" + lines().replace("\n", "\n# note\n", 1), {}),
    "comments between rows": (lines().replace("São", "S").replace("\n", "\n# note\n", 300), {"comment": "#"}),
    "aligned by blanks": (lines("   ").replace("São Paulo", "Lima"), {}),
    "empty rows at the end": (lines() + ",,,\n" * 900, {}),
    "line ends in quotes": (lines(city=lambda v, row: f'"{v}\nx"'), {}),
    "dates": (lines(city=lambda v, row: f"2020-01-{1 + row % 28:02}"), {"date": {"city": "days"}}),
    "dates, then times": (
        lines(city=lambda v, row: f"2020-01-{1 + row % 28:02}" + " 10:30:00" * (row > 300)),
        {"date": {"city": "days"}},
    ),
    "booleans": (lines(city=lambda v, row: str(v == "Rome").lower()), {}),
    "0 and 1, then words": (lines(city=lambda v, row: int(v == "Rome") if row < 300 else str(v == "Rome").lower()), {}),
    "codes": (lines(city=lambda v, row: f"{row % 9:03}"), {"categories": ["city"]}),
    "no header": (lines(city=lambda v, row: row % 5).split("\n", 1)[1], {"target": "x4"}),
    "sep=": ("sep=;\n" + lines(";", a=comma, y=comma), {}),
    "gzip": (lines(), {}),
}
ENCODINGS = {"UTF-16": "utf-16", "Latin-1": "latin-1"}
DAILY = ("decimal commas", "a fraction late", "money", "NA", "numbers of rows", "line ends in quotes", "gzip")


def write(folder, name: str, text: str):
    data = text.encode(ENCODINGS.get(name, "utf-8"))
    place = folder / ("t.csv.gz" if name == "gzip" else "t.csv")
    place.write_bytes(gzip.compress(data) if name == "gzip" else data)
    return place


@pytest.mark.parametrize("name", [one if one in DAILY else pytest.param(one, marks=pytest.mark.soak) for one in TABLES])
def test_a_text_table_read_block_by_block_is_the_one_read_whole(name, tmp_path):
    text, settings = TABLES[name]
    place = write(tmp_path, name, text)
    memory, stream = (st.fit(place, stream=way, **{"target": "y", **settings}) for way in (False, True))
    assert stream.names == memory.names
    assert stream.rows == memory.rows == ROWS
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-9, atol=1e-11)
    assert [note for note in stream.notes if not note.startswith("The rows are read")] == list(memory.notes)


FAULTS = {
    "a stray word": lines(b=lambda v, row: "unknown" if row % 200 == 150 else v),
    "a row too long": lines(y=lambda v, row: f"{v},7" if row == 400 else v),
    "a missing value": lines(b=lambda v, row: "" if row == 444 else v),
    "two units": lines(b=lambda v, row: f"{v} {'km' if row < 400 else 'mi'}"),
    "the same name twice": lines().replace("a,b", "a,a", 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_said_as_of_the_table_read_whole(name, tmp_path):
    place = write(tmp_path, name, FAULTS[name])
    said = []
    for way in (False, True):
        with pytest.raises(st.DataError) as error:
            st.fit(place, target="y", stream=way)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_bytes_that_are_no_text_are_named_with_their_place(tmp_path):
    data = lines(city=lambda v, row: "Rome").encode()
    at = data.index(b"Rome", 20_000)
    (tmp_path / "t.csv").write_bytes(data[:at] + b"\xe3" + data[at + 1 :])
    line = data.count(b"\n", 0, at) + 1
    with pytest.raises(st.DataError, match=rf"byte {at + 1:,}, in line {line:,}, is 0xe3.*latin-1"):
        st.fit(tmp_path / "t.csv", target="y", stream=True)


def test_files_of_a_folder_are_one_table_whose_columns_are_what_all_of_them_show(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    header, *rows = lines().splitlines()
    for part, name in ((rows[:200], "1.csv"), (rows[200:], "2.csv")):
        (folder / name).write_text("\n".join([header, *part, ""]))
    (folder / "README.txt").write_text("what these are\n")
    text = (folder / "2.csv").read_text().splitlines()
    text[100] = text[100].replace(text[100].split(",")[1], "17.25")
    (folder / "2.csv").write_text("\n".join([*text, ""]))
    memory, stream = (st.fit(folder, target="y", stream=way) for way in (False, True))
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-9)
    (folder / "2.csv").write_text((folder / "2.csv").read_text().replace("city", "town", 1))
    with pytest.raises(st.DataError, match=r"differ in their columns: '.*2\.csv' lacks 'city' and has 'town'"):
        st.fit(folder, target="y", stream=True)


# ---- the copies -------------------------------------------------------------------------------------


def test_a_copy_is_made_once_for_a_file_as_it_is(tmp_path, cache, monkeypatch):
    place = write(tmp_path, "plain", lines())
    told = []
    with progress.shown(lambda what, share: told.append((what, share))):
        first = st.fit(place, target="y", stream=True)
    assert told[0][0].startswith("Converting")
    assert [share for what, share in told if what.startswith("Converting")][-1] == 1.0
    assert "steepest cache" in " ".join(first.notes)
    monkeypatch.setattr(csv_conversion, "_Conversion", None)  # it would be called
    again = st.fit(place, target="y", stream=True)
    assert again.theta.tobytes() == first.theta.tobytes()
    assert again.train.stream.files.fingerprint == first.train.stream.files.fingerprint
    place.write_text(lines(y=lambda v, row: 2 * v))
    with pytest.raises(TypeError):  # which is None now
        st.fit(place, target="y", stream=True)


def test_nothing_is_left_of_a_copy_that_was_not_finished(tmp_path, cache):
    place = write(tmp_path, "bad", FAULTS["a row too long"])
    with pytest.raises(st.DataError):
        st.fit(place, target="y", stream=True)
    assert table_copies.copies() == []
    stale = cache / "0123.new"
    stale.mkdir(parents=True)
    (stale / "part-00000.parquet").write_bytes(b"PAR1")
    (copy,) = table_copies.copies()
    assert not copy.finished
    assert copy.size == 4


@pytest.mark.parametrize("what", ["changed", "disappeared"])
def test_a_text_file_that_changes_or_disappears_meanwhile_is_named(what, tmp_path, monkeypatch):
    place, real, seen = write(tmp_path, "plain", lines()), csv_conversion._Conversion._block, []

    def after(self, file, block, before):
        seen.append(before)
        if len(seen) == 2:
            place.write_text(lines(y=lambda v, row: v + 1)) if what == "changed" else place.unlink()
        return real(self, file, block, before)

    monkeypatch.setattr(csv_conversion._Conversion, "_block", after)
    with pytest.raises(st.DataError, match=rf"t\.csv' (was )?{what} while it was read"):
        st.fit(place, target="y", stream=True)
    assert table_copies.copies() == []


def test_a_copy_that_is_removed_before_it_is_read_is_told(tmp_path, cache, monkeypatch):
    place, real = write(tmp_path, "plain", lines()), csv_conversion._read

    def after(*given):
        shutil.rmtree(cache)
        return real(*given)

    monkeypatch.setattr(csv_conversion, "_read", after)
    with pytest.raises(st.DataError, match=r"the Parquet copy of '.*t\.csv' was removed while it was read\. Fit again"):
        st.fit(place, target="y", stream=True)


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path, cache, monkeypatch):
    place = write(tmp_path, "plain", lines())
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        st.DataError, match=r"copy of the table may take 0\.1 MB, and .* has 0\.1 MB left.*cache --clear"
    ):
        st.fit(place, target="y", stream=True)
    assert table_copies.copies() == []


def test_a_cache_that_cannot_be_written_is_said(tmp_path, cache):
    cache.parent.write_text("a file where a folder should be")
    with pytest.raises(st.DataError, match="cannot be written to"):
        st.fit(write(tmp_path, "plain", lines()), target="y", stream=True)


def test_the_command_lists_copies_and_removes_them(tmp_path, capsys):
    place = write(tmp_path, "plain", lines())
    assert main(["fit", str(place), "--target", "y", "--stream", "--quiet"]) == 0
    assert main(["cache"]) == 0
    listed = capsys.readouterr().out
    assert f"copy of {place}" in listed
    assert "1 entry (0.1 MB) in" in listed
    assert main(["cache", "--clear"]) == 0
    assert "1 entry (0.1 MB) removed from" in capsys.readouterr().out
    assert table_copies.copies() == []
    assert main(["cache"]) == 0
    assert "0 entries (0 MB) in" in capsys.readouterr().out


def test_only_a_text_table_that_memory_does_not_hold_is_copied(tmp_path, monkeypatch):
    from steepest.data import streams

    place = write(tmp_path, "plain", lines())
    assert streams.wanted(str(place), None) is None
    monkeypatch.setattr(streams, "free_memory", lambda: 3.0 * 10_000)
    assert streams.wanted(str(place), False) is None
    files = streams.wanted(str(place), None)
    assert files is not None
    assert files.rows == ROWS
    assert streams.wanted("sample:diabetes", None) is None


@pytest.mark.parametrize("known", [("decimal", ","), ("thousands", ".")])
def test_what_is_said_of_the_marks_is_obeyed(known, tmp_path):
    place = write(tmp_path, "said", lines(";", a=comma, y=comma, b=lambda v, row: f"{v:,}".replace(",", ".")))
    settings = dict([known])
    memory, stream = (st.fit(place, target="y", stream=way, **settings) for way in (False, True))
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-9)
    copy = csv_conversion.converted(csv_conversion.text_tables(str(place)), Reading(**settings))
    assert copy.found["b"].notation.thousands == "."

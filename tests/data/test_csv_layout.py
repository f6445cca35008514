"""What a text file shows of its layout is read as a person reads it, and said; what it does not show is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from steepest.data.files import open_table
from steepest.data.headers import First, first_line
from steepest.data.reading import Reading
from steepest.errors import DataError
from steepest.fitting import fit

X = [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
Y = [1.0, 5.5, 14.0, 29.5, 52.0, 80.5]
LINES = "".join(f"{x:g},{y:g}\n" for x, y in zip(X, Y, strict=True))


def _least_squares(x, y):
    return np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=None)[0]


LINE = _least_squares(X, Y)

READ = {  # the file, what is said of it
    "comments above": ("# made in May\n# device A7, room 3\nx,y\n" + LINES, "2 comment lines above the table"),
    "a comment between": ("x,y\n0,1\n# a new batch\n" + LINES[4:], "1 comment line between the rows"),
    "comments as wide as rows": ("# a, b\nx,y\n0,1\n# a new batch, checked\n" + LINES[4:], "1 comment line between"),
    "a title": ("Readings of May\n\nx,y\n" + LINES, "2 lines above the header, beginning with 'Readings of May'"),
    "names in a comment": ("# x,y\n" + LINES, "stand in a comment line"),
    "units": ("x,y\n(s),(m)\n" + LINES, "line of units below the header, '(s)', '(m)'"),
    "sep=": ("sep=;\nx;y\n" + LINES.replace(",", ";"), ""),
    "bare carriage returns": (("x,y\n" + LINES).replace("\n", "\r"), ""),
    "doubled line ends": (("x,y\n" + LINES).replace("\n", "\r\r\n"), ""),
    "a byte order mark": ("\ufeffx,y\n" + LINES, ""),
    "blank lines": ("\n\nx,y\n\n" + LINES.replace("\n", "\n   \n") + "\n", ""),
    "a delimiter at each end": (("x,y\n" + LINES).replace("\n", ",\n"), "Column 3 has neither a name nor a value"),
    "a delimiter at the rows' ends": ("x,y\n" + LINES.replace("\n", ",\n"), "Column 3 has neither a name nor a value"),
    "a delimiter at the header's end": ("x,y,\n" + LINES, ""),
    "empty rows below": ("x,y\n" + LINES + ",\n,\n", "2 rows without any value at the end were left out"),
    "blanks": ("  x     y\n" + LINES.replace(",", "    "), ""),
    "blanks and quotes": ('"x" "y"\n' + LINES.replace(",", " "), ""),
    "R's write.table": (
        '"x" "y"\n' + "".join(f'"{i}" {x:g} {y:g}\n' for i, (x, y) in enumerate(zip(X, Y, strict=True), 1)),
        "holds the numbers or names of the rows: it was left out",
    ),
    "R's write.csv": (
        '"","x","y"\n' + "".join(f'"car {i}",{x:g},{y:g}\n' for i, (x, y) in enumerate(zip(X, Y, strict=True))),
        "holds the numbers or names of the rows: it was left out",
    ),
    "pandas' to_csv": (
        ",x,y\n" + "".join(f"{i},{x:g},{y:g}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True))),
        "holds the numbers or names of the rows: it was left out",
    ),
    "pandas' to_csv, twice": (
        "Unnamed: 0,x,y\n" + "".join(f"{i},{x:g},{y:g}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True))),
        "'Unnamed: 0' is the index of a pandas table",
    ),
    "decimal commas": ("x;y\n" + LINES.replace(",", ";").replace(".", ","), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_the_line_through_what_a_person_reads(tmp_path, case):
    content, said = READ[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    done = fit(path, target="y")
    assert list(done.params) == ["intercept", "x"]
    np.testing.assert_allclose(done.theta, LINE, rtol=1e-12)
    assert said in " ".join(done.notes)
    np.testing.assert_allclose(done.predict(path), LINE[0] + LINE[1] * np.array(X), rtol=1e-12)


SAID = {  # the file, the settings that it takes
    "lines above": ("Device: A7, room 3\nMay, 2024\nx,y\n" + LINES, {"skip_rows": 2}),
    "a sign of its own": ("! made in May\nx,y\n0,1\n! 2,3\n" + LINES[4:], {"comment": "!"}),
    "latin-1": ("x,y,Größe\n" + LINES.replace("\n", ",ü\n"), {"encoding": "latin-1", "drop": "Größe"}),
    "no header": (LINES, {"header": False, "target": "x2"}),
    "names that are numbers": ("1,2\n" + LINES, {"header": True, "target": "2"}),
    "points between thousands": (
        "x;y\n" + "".join(f"{1000 + x:,.0f};{y:g}\n".replace(",", ".") for x, y in zip(X, np.round(Y), strict=True)),
        {"thousands": "."},
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_setting_says_what_the_file_does_not(tmp_path, case):
    content, settings = SAID[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(settings.get("encoding", "utf-8")))
    with pytest.raises(DataError) as caught:
        fit(path, target="y", **{name: settings[name] for name in ("drop",) if name in settings})
    option = next(name for name in settings if name not in ("target", "drop"))
    named = f"{option}=" if settings[option] is not False else f"{option}=False"
    if option != "comment":
        assert named in str(caught.value)
    done = fit(path, **({"target": "y"} | settings))
    x, y = (1000 + np.array(X), np.round(Y)) if "thousands" in settings else (X, Y)
    np.testing.assert_allclose(done.theta, _least_squares(x, y), rtol=1e-9)


ASKED = {
    "numbers only": (LINES, r"first line holds numbers only \('0', '1'\).*header=False.*header=True"),
    "words that may be names": ("Oslo,5,6\nRome,6,8\nBern,7,8\n", r"may hold names or values.*header=True.*header=False"),
    "a title of as many fields": ("A7, room 3\nx,y\n" + LINES, r"If the names are in the second.*skip_rows=1"),
    "a block of such lines": ("A;1\nB;May\nx;y\n" + LINES.replace(",", ";"), r"line 3, 'x', 'y'.*skip_rows=2"),
    "a title above no header": ("Readings\n" + LINES, r"begins with 'Readings'.*skip_rows=1, header=False"),
    "bytes of Windows": ("x,€\n".encode("cp1252") + LINES.encode(), r"not UTF-8.*encoding=\"cp1252\""),
    "UTF-16 without its mark": (("x,y\n" + LINES).encode("utf-16-le"), r"encoding=\"utf-16-le\""),
    "a comment that may be a row": ("x,y\n#1,3\n#2,4\n#3,4,5\n", r"row 3 of .* has 3 fields where the header has 2"),
    "a late field without a name": ("x,y\n" + "0,1,\n" * 3000 + "1,2,3\n", r"row 3,001 of .* has 3 fields where"),
    "a line too long for names": ("x" * 40_000_000, r"its first line.*has more than 16 MB"),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_what_cannot_be_told_is_asked_for(tmp_path, case):
    content, message = ASKED[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        open_table(path)
    assert "\n" not in str(caught.value)


def test_a_first_row_of_values_is_no_header(tmp_path):
    path = tmp_path / "flowers.csv"
    path.write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n6.4,3.1,versicolor\n")
    table, origin = open_table(path)
    assert table.to_pydict() == {
        "x1": [5.1, 4.9, 7.0, 6.4], "x2": [3.5, 3.0, 3.2, 3.1], "x3": ["setosa", "setosa", "versicolor", "versicolor"],
    }  # fmt: skip
    assert origin.all_notes == [
        "The first line holds values, as the rows below it do, and no names (header=False): the columns are called x1 to x3."
    ]
    assert origin.files[0].layout.header is False


FIRST = {
    ("x,y", "1,2;3,4"): First.NAMES,
    ("name,city", "Bo,Oslo;Al,Rome"): First.LIKELY,
    ("1.5,a", "2.5,b;3.5,a"): First.VALUES,
    ("2016-01-02,3", "2016-01-03,4;2016-01-04,4"): First.VALUES,
    ("1,a", "2,a;3,b"): First.VALUES,
    ("1,2", "3,4;5,6"): First.NUMBERS,
    ("1.5,-2", "3,4;5,6"): First.VALUES,
    ("400.5,401,401.5", "3,4,5;5,6,5"): First.NUMBERS,
    ("town,5,6", "Rome,7,8;Bern,8,9"): First.OPEN,
    ("town,2019,2020", "Rome,7,8;Bern,8,9"): First.NAMES,
    ("town,2019,2020", "Rome,2017,2018;Bern,2018,2019"): First.OPEN,
    ("1.5,x", "2.5,3;3.5,4"): First.OPEN,
    (",0,1", "0,5,6;1,7,8"): First.NAMES,
    ("a,a", "b,c;d,e"): First.VALUES,
}


@pytest.mark.parametrize("case", FIRST)
def test_the_first_line_is_compared_with_the_rows_below(case):
    first, rows = case
    assert first_line(first.split(","), [row.split(",") for row in rows.split(";")]) is FIRST[case]


def test_the_names_that_are_asked_for_say_whether_there_is_a_header(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(LINES)
    done = fit(path, target="x2")
    np.testing.assert_allclose(done.theta, LINE, rtol=1e-12)
    path.write_text("".join(f"{x:g},0\n" for x in X))
    np.testing.assert_allclose(done.predict(path), LINE[0] + LINE[1] * np.array(X), rtol=1e-12)
    path.write_text("5,6,7\n" + "".join(f"{x:g},{3 * x:g},{y:g}\n" for x, y in zip(X, Y, strict=True)))
    np.testing.assert_allclose(fit(path, target="7", columns="5").theta, LINE, rtol=1e-12)
    path.write_text("1.5,2,a\n2.5,3,b\n3.5,4,a\n")
    with pytest.raises(DataError, match=r"no column 'y'.*the first line was read as values.*--header"):
        fit(path, target="y")


def test_rows_of_zeros_at_the_end_are_values(tmp_path):
    path = tmp_path / "zeros.csv"
    path.write_text("x,y,sold\n1,2.5,true\n0,0.0,false\n0,0.0,false\n,,\n")
    table, origin = open_table(path)
    assert table.to_pydict() == {"x": [1, 0, 0], "y": [2.5, 0.0, 0.0], "sold": [True, False, False]}
    assert origin.all_notes == ["1 row without any value at the end was left out."]


def test_columns_without_a_name_get_one_that_drop_takes(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        ",x,,y\n" + "".join(f"{7 * i % 5},{x:g},{i},{y:g}\n" for i, (x, y) in enumerate(zip(X, Y, strict=True)))
    )
    table, origin = open_table(path)
    assert table.column_names == ["column 1", "x", "column 3", "y"]
    assert "Column 1 has no name and is called 'column 1'. To leave it out: drop=\"column 1\"" in origin.all_notes[0]
    done = fit(path, target="y", drop=["column 1", "column 3"])
    np.testing.assert_allclose(done.theta, LINE, rtol=1e-12)


def test_a_column_that_is_asked_for_is_kept_although_it_numbers_the_rows(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(",y\n" + "".join(f"{i},{2 * i + 1}\n" for i in range(6)))
    done = fit(path, target="y", columns="column 1")
    assert done.params == pytest.approx({"intercept": 1.0, "column 1": 2.0})
    np.testing.assert_allclose(done.predict(path), [1, 3, 5, 7, 9, 11])


def test_how_a_file_was_read_stands_beside_its_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("table.csv")
    path.write_text("# a note\nTitle\na;b;\n1,5;2;\n2,5;3;\n")
    _, origin = open_table(path)
    file = origin.files[0]
    assert (file.label, file.rows, file.decimal, file.left_out) == ("'table.csv'", 2, ",", ("column 3",))
    assert (file.layout.delimiter, file.layout.header, file.layout.start, file.layout.comments) == (";", True, 3, 1)
    assert "2 lines above the header" in " ".join(origin.all_notes)
    assert list(file.notes) == origin.all_notes
    assert len(origin.all_notes) == 4


MARKS = {  # the file: the first column as a person reads it, None where it is asked for
    "a;y\n800;8,5\n1.000;10,5\n": [800.0, 1000.0],
    "a;y\n1.234,5;8\n2.000;9\n": [1234.5, 2000.0],
    "a;y\n1.234;8.5\n2.000;9\n": [1.234, 2.0],
    "a;y\n0.234;8\n2.000;9\n": [0.234, 2.0],
    "a;y\n1.234;8\n2.000;9\n": None,
    "a;y\n1,234;8\n2,000;9\n": None,
    "a\ty\n1,234\t8\n2,000\t9\n": None,
    "a\ty\n1,234\t8.25\n2,000\t9.5\n": [1234.0, 2000.0],
    'a,y\n"1.000,5",2\n"2.000",3\n': [1000.5, 2000.0],
    'a,y\n"1,234",2\n"2,000",3\n': [1234.0, 2000.0],
    "a,y\n1.234,2\n2.000,3\n": [1.234, 2.0],
    "a;b;c\n1.234;1,5;2.25\n2.000;2,5;3.5\n": None,
}


@pytest.mark.parametrize("content", MARKS)
def test_the_whole_file_says_which_mark_is_decimal(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_text(content)
    table, origin = open_table(path)
    column = table["a"].to_pylist()
    if MARKS[content] is None:
        assert origin.found["a"].numerals.doubt == "mark"
        assert all(isinstance(value, str) for value in column)
        assert open_table(path, reading=Reading(decimal="."))[0]["a"].to_pylist()[1] in (2.0, 2000.0)
    else:
        assert column == MARKS[content]


def test_a_decimal_comma_far_down_counts_from_the_first_row(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a;y\n" + "".join(f"1.{i:03d};{i}\n" for i in range(999)) + "1.999;0,5\n")
    table, origin = open_table(path)
    assert table["a"].to_pylist() == [*range(1000, 1999), 1999]
    assert origin.files[0].decimal == ","


def test_the_words_read_as_missing_among_numbers_are_counted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + LINES + "unknown,3\nNA,4\nNA,5\n-999,5\n")
    table, origin = open_table(path, reading=Reading(missing_values=("unknown", "-999")))
    assert table["x"].to_pylist() == [*map(int, X), None, None, None, None]
    assert origin.found["x"].words == {"unknown": 1, "NA": 2, "-999": 1}
    done = fit(path, target="y", missing="drop", missing_values=["unknown", -999])
    np.testing.assert_allclose(done.theta, LINE, rtol=1e-12)
    assert any("'unknown' in 1 row" in note for note in done.notes)


ONE_COLUMN = {  # a new file: its first column as a person reads it
    "x\n1,5\n2,5\n": [1.5, 2.5],
    "x\n7,25\n-3,5\n2\n": [7.25, -3.5, 2.0],
    "x\n1 234\n2 345\n": [1234, 2345],
    "x\n1 234 567\n89 012\n": [1234567, 89012],
    "x\n10 km\n12 km\n": [10, 12],
    "x\nNew York\nNew York\n": ["New York", "New York"],
    "x\nA, B\nC, D\n": ["A, B", "C, D"],
    "x\nA, B; C|D\tE\nC, D; C|D\tE\n": ["A, B; C|D\tE", "C, D; C|D\tE"],
    '"x"\n"11" 5\n"12" 7\n': [5, 7],
}


@pytest.mark.parametrize("content", ONE_COLUMN)
def test_the_values_of_a_single_column_are_not_cut(tmp_path, content):
    path = tmp_path / "new.txt"
    path.write_text(content)
    assert open_table(path, requested=["x"])[0].to_pydict() == {"x": ONE_COLUMN[content]}
    if not isinstance(ONE_COLUMN[content][0], str) and "km" not in content:
        assert open_table(path)[0].to_pydict() == {"x": ONE_COLUMN[content]}


def test_new_rows_of_one_column_with_decimal_commas_are_predicted_whole(tmp_path):
    path, new = tmp_path / "train.csv", tmp_path / "new.csv"
    path.write_text("x;y\n1,5;1\n2,5;2\n3,5;3\n")
    new.write_text("x\n1,5\n2,5\n")
    np.testing.assert_allclose(fit(path, target="y").predict(new), [1, 2], rtol=1e-12)


CUT = {
    "decimals without quotes": "t,y\n1,25,3\n2,25,4\n3,25,5\n",
    "decimals in the last column": "y,t\n1,-1,25\n2,3,5\n3,3,75\n",
    "a word before decimals": "city,t\nOslo,1,25\nRome,2,25\n",
    "words without quotes": "city,y\nOslo, NO,5\nRome, IT,6\n",
    "words parted by blanks": "city x y\nNew York 1 2\nOld Town 2 4\n",
    "the same words": "city x y\nNew York 1 2\nNew York 2 4\n",
    "a date and a time": "time x y\n2016-01-01 12:00 1 2\n2016-01-01 13:00 2 4\n",
    "different dates": "time x y\n2016-01-01 12:00 1 2\n2016-01-02 12:00 2 4\n",
    "thousands": "x y\n1 234 5\n2 345 6\n",
    "units": "x y\n1 km 5\n2 km 6\n",
}


@pytest.mark.parametrize("case", CUT)
def test_what_may_be_half_a_value_is_not_left_out_as_the_name_of_a_row(tmp_path, case):
    path = tmp_path / "table.txt"
    path.write_text(CUT[case])
    with pytest.raises(
        DataError, match=r"may be names of the rows.*may stand within values.*Quote such values"
    ) as caught:
        open_table(path)
    assert "skip_rows=1, header=False" in str(caught.value)
    width = len(CUT[case].split("\n")[1].replace(",", " ").split())
    assert open_table(path, reading=Reading(skip_rows=1, header=False))[0].num_columns == width


ROW_NAMES = {
    "a subset of R's rows": '"x" "y"\n"11" 1 2\n"12" 2 3\n"15" 3 5\n',
    "of R's rows, with commas": '"x","y"\n"11",1,2\n"2",2,3\n"15",3,5\n',
    "names of rows": '"x" "y"\n"Mazda RX4" 1 2\n"Datsun 710" 2 3\n"Fiat 128" 3 5\n',
}


@pytest.mark.parametrize("case", ROW_NAMES)
def test_quoted_names_of_rows_are_left_out(tmp_path, case):
    path = tmp_path / "table.txt"
    path.write_text(ROW_NAMES[case])
    table, origin = open_table(path)
    assert table.to_pydict() == {"x": [1, 2, 3], "y": [2, 3, 5]}
    assert "holds the numbers or names of the rows: it was left out" in origin.all_notes[0]


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("turned", [False, True])
def test_row_numbers_that_run_on_from_file_to_file_are_left_out_of_all(tmp_path, name, turned):
    rows = list(zip(X, Y, strict=True))
    for at in range(2):
        lines = "".join(f"{i},{x:g},{y:g}\n" for i, (x, y) in list(enumerate(rows))[3 * at : 3 * at + 3])
        (tmp_path / f"p{1 - at if turned else at}.csv").write_text(f"{name},x,y\n{lines}")
    table, origin = open_table(tmp_path)
    assert table.column_names == ["x", "y"]
    assert sorted(table["x"].to_pylist()) == X
    assert len(origin.all_notes) == 1
    np.testing.assert_allclose(fit(tmp_path, target="y").theta, LINE, rtol=1e-12)


def test_an_unnamed_column_of_values_is_no_row_number_of_another_file(tmp_path):
    (tmp_path / "p0.csv").write_text(",x,y\n0,1,2\n1,2,3\n")
    (tmp_path / "p1.csv").write_text(",x,y\n0.5,1,2\n0.5,2,3\n")
    with pytest.raises(DataError, match="differ in their columns"):
        open_table(tmp_path)


@pytest.mark.parametrize("turned", [False, True])
def test_numbers_of_one_file_and_text_of_another_are_read_by_one_decimal_mark(tmp_path, turned):
    parts = ["Betrag;y\n12,50;1\n-7,25;2\n900,00;3\n", "Betrag;y\n1.250;4\n99;5\n3.100;6\n"]
    for at, content in enumerate(parts):
        (tmp_path / f"p{1 - at if turned else at}.csv").write_text(content)
    values = [12.5, -7.25, 900.0], [1250.0, 99.0, 3100.0]
    assert open_table(tmp_path)[0]["Betrag"].to_pylist() == (values[1] + values[0] if turned else values[0] + values[1])


def test_a_title_that_is_the_name_of_a_column_is_no_header(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("y\nx,y\n" + LINES)
    np.testing.assert_allclose(fit(path, target="y").theta, LINE, rtol=1e-12)


def test_a_mark_of_utf_8_wins_over_the_encoding_that_was_said(tmp_path):
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_bytes(("stadt,y\n" + "München,1\nKöln,2\n" * 3).encode("latin-1"))
    new.write_bytes("stadt\nMünchen\nKöln\n".encode("utf-8-sig"))
    assert fit(old, target="y", encoding="latin-1").predict(new).tolist() == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("delimiter", ["|", "\t", ";"])
def test_a_point_beside_numbers_below_a_thousand_is_asked_about(tmp_path, delimiter):
    path = tmp_path / "t.txt"
    path.write_text(
        "\n".join(f"{x}{delimiter}{y}" for x, y in [("x", "y"), (1, "1.303"), (2, "180"), (3, "-1.263"), (4, "206")])
    )
    with pytest.raises(DataError, match=r"'1\.303', a point that may mark decimals or thousands"):
        fit(path, target="y")
    ours = fit(path, target="y", thousands=".")
    assert ours.theta == pytest.approx(np.polyfit([1, 2, 3, 4], [1303, 180, -1263, 206], 1)[::-1])
    path.write_text(path.read_text().replace("180", "180.25"))
    assert fit(path, target="y").predict({"x": [1.0]})[0] == pytest.approx(
        np.polyval(np.polyfit([1, 2, 3, 4], [1.303, 180.25, -1.263, 206], 1), 1.0)
    )


LATE = {  # the field that the last row has in the place of a fraction, and the type that pyarrow infers of the column then
    "a word": ("oops", "string"),
    "a date": ("2024-05-01", "string"),
    "an integer": ("7", "double"),
    "a missing one": ("NA", "double"),
    "a large number": ("1.5e300", "double"),
    "a quoted line break": ('"1.5\nm"', "string"),
}


@pytest.mark.parametrize("late", LATE)
def test_fractions_in_the_first_rows_bind_no_later_one(late, tmp_path):
    """The table is the one that pyarrow infers by itself, from a file of more than the rows that the layout is learned of."""
    said, kind = LATE[late]
    rows = "".join(f"{i / 8},{i}\n" for i in range(40_000))
    path = tmp_path / "table.csv"
    path.write_text(f'"a","b"\n{rows}{said},1\n')
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    inferred = pyarrow.csv.read_csv(path, parse_options=parse)
    table, _ = open_table(path)
    assert str(inferred.schema.field("a").type) == kind
    assert table.column("a").to_pylist() == inferred.column("a").to_pylist()

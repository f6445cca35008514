"""All faults of a table are told in one message."""

from __future__ import annotations

import pytest

from steepest.cli.commands import main
from steepest.data.tables import prepare
from steepest.errors import DataError

ROWS = 40
TABLE = {
    "id": list(range(ROWS)),
    "name": [f"somebody {i}" for i in range(ROWS)],
    "age": [None if i == 3 else 20.0 + i for i in range(ROWS)],
    "empty": [None] * ROWS,
    "size": [float(i % 7) for i in range(ROWS)],
    "y": [None if i == 5 else float(i) for i in range(ROWS)],
}


def test_every_column_at_fault_has_a_line():
    with pytest.raises(DataError) as caught:
        prepare(TABLE, target="y")
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    for name, words in {
        "id": "identifier",
        "name": "free text",
        "empty": "is empty",
        "y": "missing",
        "age": "missing",
    }.items():
        assert sum(f"'{name}'" in line and words in line for line in lines) == 1, name
    assert not any("'size'" in line for line in lines)


def test_more_than_ten_are_counted():
    with pytest.raises(DataError) as caught:
        prepare({f"c{i}": [None] * 5 for i in range(17)} | {"y": [1.0, 2.0, 3.0, 4.0, 5.0]}, target="y")
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 7 more"


def test_the_command_prints_them_line_by_line(tmp_path, capsys):
    rows = "\n".join(f"{i},somebody {i},{'' if i == 3 else i % 7},{i}" for i in range(ROWS))
    (tmp_path / "people.csv").write_text(f"id,name,age,y\n{rows}\n")
    assert main(["fit", str(tmp_path / "people.csv"), "--target", "y"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for line, words in zip(lines, ("error: column 'id'", "--drop name", "--missing drop"), strict=True):
        assert words in line

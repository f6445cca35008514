"""Malformed tables and command lines: each ends with its exit code and says in one or two lines what to do."""

# ruff: noqa: E501 (one case a line)
from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from steepest.cli.commands import main


class Case(NamedTuple):
    """A file's content (None: no file), what follows `steepest fit FILE`, the message, the exit code.

    `{file}` and `{folder}` in the words stand for the file and its folder; words that begin with a command are
    the whole command line.
    """

    content: bytes | None
    words: str
    message: str
    code: int
    name: str = "table.csv"


def _rows(line: str, count: int = 12) -> bytes:
    """A table x, y with `count` good rows and one more line."""
    return b"x,y\n" + b"".join(b"%d,%d\n" % (i**3, i * i) for i in range(count)) + line.encode() + b"\n"


GOOD = b"x,y,city,kind\n" + b"".join(b"%d,%d,%s,%s\n" % (i**3, i * i % 7, [b"Oslo", b"Rome"][i % 2], b"abc"[i % 3 : i % 3 + 1]) for i in range(24))  # fmt: skip
WORDS = b"text,y\n" + b"".join(b"word number %d,%d\n" % (i, i) for i in range(40))
DATES = b"day,y\n" + b"".join(b"2024-01-%02d,%d\n" % (i + 1, i) for i in range(28))
IDS = b"id,x,y\n" + b"".join(b"%d,%d,%d\n" % (100 + i, i**3, i) for i in range(20))
Y = "--target y"

CASES = {
    # tables
    "empty": Case(b"", Y, r"table.csv' is empty: a table starts with a line of column names", 1),
    "blank lines": Case(b"\n \n\n", Y, r"table.csv' is empty", 1),
    "header only": Case(b"x,y\n", Y, r"has a header \('x', 'y'\) but no rows", 1),
    "no header": Case(b"1,2\n3,4\n", Y, r"has no header: its first line holds numbers only", 1),
    "name twice": Case(b"x,y,x\n1,2,3\n", Y, r"the column name 'x' stands twice .*positions 1 and 3", 1),
    "a title": Case(b"Readings\n1,2\n3,4\n", Y, r"begins with 'Readings'.*line 2.*--skip-rows 1 --no-header", 1),
    "short row": Case(_rows("5"), Y, r"row 13 of .*table.csv' has 1 field where the header has 2", 1),
    "long row": Case(_rows("1,2,3"), Y, r"row 13 of .*table.csv' has 3 fields where the header has 2", 1),
    "open quote": Case(b'x,y\n1,"2\n3,4\n', Y, r"quotation mark opened in column 'y' is never closed", 1),
    "latin-1": Case(b"x,y\n1,2\ncaf\xe9,3\n", Y, r"is not UTF-8: byte 12, in line 3, is 0xe9.*--encoding latin-1", 1),
    "zero bytes": Case(b"x,y\n1,\x00\n", Y, r"is not a text table: byte 7 is zero", 1),
    "cut utf-16": Case(b"\xff\xfex\x00,\x00y", Y, r"starts as UTF-16 text but byte 7", 1),
    "excel": Case(b"PK\x03\x04rest", Y, r"is a damaged or cut Excel or zip file", 1, "table.xlsx"),
    "no parquet": Case(b"x,y\n1,2\n", Y, r"is not a Parquet file", 1, "table.parquet"),
    "cut parquet": Case(b"PAR1" + b"x" * 100, Y, r"is damaged or cut short", 1, "table.parquet"),
    "cut gzip": Case(gzip.compress(_rows("1,1", 900))[:-12], Y, r"table.csv.gz' cannot be read", 1, "table.csv.gz"),
    "stray text": Case(_rows("12a,3"), Y, r"column 'x' holds numbers but for 1 row: row 13 .*'12a'.*--drop x", 1),
    "stray text in the target": Case(_rows("1,many"), Y, r"'y' holds numbers but for 1 row: row 13 .*'many'", 1),
    "infinite value": Case(_rows("inf,3"), Y, r"'x' has an infinite value, inf, in row 13 .*--drop x", 1),
    "huge value": Case(_rows("1e200,3"), Y, r"'x' has a value whose square is no finite number, 1e\+200", 1),
    "missing value": Case(_rows(",3"), Y, r"'x' has a missing value, in row 13 .*--missing (drop|mean)", 1),
    "missing target": Case(_rows("3,NA"), Y, r"'y' has a missing value, in row 13 .*--missing drop", 1),
    "no complete row": Case(b"x,z,y\n1,,2\n,1,2\n", f"{Y} --missing drop", r"no row of .* is complete", 1),
    "empty column": Case(b"x,y\n,1\n,2\n,3\n", Y, r"column 'x' .* is empty.*--drop x", 1),
    "empty target": Case(b"x,y\n1,\n2,\n3,\n", Y, r"the target 'y' .* is empty", 1),
    "free text": Case(WORDS, Y, r"'text' .* looks like free text or an id.*--drop text", 1),
    "dates": Case(DATES, Y, r"'day' holds dates.*--drop day", 1),
    "an identifier": Case(IDS, Y, r"'id' .* looks like an identifier.*--drop id", 1),
    "nothing to predict from": Case(b"y\n1\n2\n3\n", Y, r"has no column left to predict 'y' from", 1),
    "a single class": Case(b"x,y\n1,a\n2,a\n8,a\n", Y, r"'y' has a single class, 'a'", 1),
    "a column called intercept": Case(b"intercept,y\n1,2\n5,4\n9,1\n", Y, r"called 'intercept' and is not 1", 1),
    "terms of one name": Case(
        b"x,x^2,y\n1,2,3\n3,9,1\n4,4,1\n7,1,1\n", f"{Y} --model poly:2", r"both be called 'x\^2'.*--drop", 1),
    "powers that overflow": Case(_rows("1e100,3"), f"{Y} --model poly:5", r"'x\^\d' overflows.*Rescale", 1),
    # where the table is
    "no file": Case(GOOD, "fit {folder}/tabel.csv --target y", r"there is no file .*did you mean 'table.csv'", 1),
    "no match": Case(GOOD, "fit {folder}/*.tsv --target y", r"no file matches", 1),
    "a folder without tables": Case(b"", "fit {folder} --target y", r"the folder .* holds no tables", 1, "a.pdf"),
    "no such sample": Case(None, "fit sample:diabtes", r"no sample 'diabtes'.*Did you mean sample:diabetes", 2),
    # columns
    "no target named": Case(GOOD, "", r"[Ww]hich column is to be predicted\?.*--target", 2),
    "unknown target": Case(GOOD, "--target Y", r"there is no column 'Y' .*did you mean 'y'", 1),
    "unknown column": Case(GOOD, f"{Y} --columns xx", r"there is no column 'xx' .*did you mean 'x'", 1),
    "unknown drop": Case(GOOD, f"{Y} --drop town", r"there is no column 'town'", 1),
    "unknown weights": Case(GOOD, f"{Y} --weights w", r"there is no column 'w'", 1),
    "text weights": Case(GOOD, f"{Y} --weights city", r"'city' must hold numbers and row 1 .*'Oslo'", 1),
    "target dropped": Case(GOOD, f"{Y} --drop y", r"'y' is the target and cannot be dropped", 1),
    "chosen and dropped": Case(GOOD, f"{Y} --columns x --drop x", r"'x' stands both in columns and in drop", 1),
    "text for a loss of numbers": Case(GOOD, "--target kind --loss l1", r"'kind' holds text, 'a'.*--loss", 1),
    "text among targets": Case(GOOD, "--target y,kind", r"'kind' holds text.*several targets", 1),
    "three classes for logistic": Case(GOOD, "--target kind --model logistic", r"two classes.*has 3.*softmax", 2),
    "two targets for logistic": Case(GOOD, "--target x,y --loss logistic", r"classes are one target, not 2", 1),
    "class weights for numbers": Case(GOOD, f"{Y} --class-weight balanced", r"class_weight is for classes", 2),
    "class weight of no class": Case(GOOD, "--target kind --class-weight d=2", r"names the class 'd'", 2),
    "class weight without a number": Case(GOOD, "--target kind --class-weight a=x", r"label=weight", 2),
    "nothing left to fit": Case(GOOD, f"{Y} --test-fraction 0.99", r"holding out 0.99 of 24 rows leaves none", 1),
    # settings
    "unknown model": Case(GOOD, f"{Y} --model linaer", r"--model linaer is not known.*did you mean 'linear'", 2),
    "degree of a half": Case(GOOD, f"{Y} --model poly:2.5", r"--model poly:2.5.*whole number", 2),
    "no degree": Case(GOOD, f"{Y} --model poly", r"--model poly has 0 numbers; it is written poly:DEGREE", 2),
    "too many terms": Case(GOOD, f"{Y} --columns x,city --model poly:900", r"more than 20,000 terms", 2),
    "a model that is not there": Case(GOOD, f"{Y} --model no.such:net", r"'no.such:net' cannot be imported", 2),
    "unknown loss": Case(GOOD, f"{Y} --loss msa", r"--loss msa is not known.*did you mean 'mse'", 2),
    "quantile of two": Case(GOOD, f"{Y} --loss quantile:2", r"the level of quantile must be greater than 0 and less than 1", 2),
    "negative penalty": Case(GOOD, f"{Y} --penalty l2:-1", r"the weight of l2 must be at least 0", 2),
    "unknown optimizer": Case(GOOD, f"{Y} --optimizer adm", r"--optimizer adm is not known.*did you mean", 2),
    "unknown schedule": Case(GOOD, f"{Y} --schedule step:5", r"--schedule step:5 has 1 numbers; .*step:N,F", 2),
    "no learning rate": Case(GOOD, f"{Y} --lr fast", r"--lr fast: it is written as a number", 2),
    "learning rate of zero": Case(GOOD, f"{Y} --lr 0", r"--lr 0.0: it must be a number greater than 0", 2),
    "half a batch": Case(GOOD, f"{Y} --batch-size 0", r"--batch-size 0: it must be", 2),
    "no epochs": Case(GOOD, f"{Y} --epochs 0", r"--epochs 0: it must be a whole number of at least 1", 2),
    "epochs in words": Case(GOOD, f"{Y} --epochs ten", r"--epochs.*\"ten\"", 2),
    "negative tolerance": Case(GOOD, f"{Y} --tol=-1", r"--tol -1.0: it must be 0", 2),
    "everything held out": Case(GOOD, f"{Y} --test-fraction 1", r"--test-fraction 1.0: it must be a fraction", 2),
    "unknown coordinates": Case(GOOD, f"{Y} --precondition polar", r"--precondition polar", 2),
    "unknown way of missing": Case(GOOD, f"{Y} --missing zero", r"--missing zero", 2),
    "float16": Case(GOOD, f"{Y} --dtype float16", r"--dtype float16", 2),
    "a start of another size": Case(GOOD, f"{Y} --init 1,2,3,4,5,6,7", r"--init has 7 numbers, .*parameters", 2),
    "a start that is no number": Case(GOOD, f"{Y} --init 1,two", r"--init 1,two is not known", 2),
    "l1 in a mixed basis": Case(
        GOOD, f"{Y} --penalty l1:1 --precondition orthonormal --optimizer sgd", r"mixes the columns.*standardize", 2),
    # command lines
    "unknown command": Case(None, "fti x.csv", r"Unknown command \"fti\". Did you mean \"fit\"", 2),
    "unknown option": Case(GOOD, "--traget y", r"Unknown option: --traget. Did you mean --target", 2),
    "option without a value": Case(GOOD, "--target", r"--target requires an argument", 2),
    "no data": Case(None, "fit", r"DATA requires an argument.*steepest fit --help", 2),
    "two tables": Case(GOOD, "second.csv --target y", r"second.csv", 2),
    "an option twice": Case(GOOD, f"{Y} --lr 1 --lr 2", r"--lr specified multiple times", 2),
    # runs
    "a folder in the way": Case(GOOD, f"{Y} --out {{folder}}", r"is a folder with other things in it, not a run", 1),
    "a file in the way": Case(GOOD, f"{Y} --out {{file}}", r"table.csv' is a file", 1),
    "no run": Case(GOOD, "predict {folder}/run {file}", r"There is no run at", 1),
    "a folder that is no run": Case(GOOD, "predict {folder} {file}", r"is no run: it has no fit.json", 1),
    "predictions in an unknown form": Case(GOOD, "predict run {file} -o out.xlsx", r"must end in .csv or .parquet", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_said_in_one_or_two_lines(name, tmp_path, capsys):
    case = CASES[name]
    file = tmp_path / case.name
    if case.content is not None:
        file.write_bytes(case.content)
    words = case.words.format(file=file, folder=tmp_path).split()
    if not words or words[0] not in ("fit", "predict", "fti"):
        words = ["fit", str(file), *words]
    _assert_said(main(words), case, capsys)


def _assert_said(code: int, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = capsys.readouterr()
    assert code == case.code, err
    assert out == ""
    assert "Traceback" not in err
    assert re.match("error: ", err)
    assert len(err.splitlines()) <= 2
    assert re.search(case.message, err.replace("\n", " "))
    assert len(err) < 420


NEW_ROWS = {  # what is wrong with rows to predict
    "a column is missing": (b"x\n1\n", r"lacks the column 'city' that the fit was made with"),
    "a level that no row had": (
        b"x,city\n1,Oslo\n2,Paris\n",
        r"'city' has the level 'Paris' in row 2 .*'Oslo', 'Rome'",
    ),
    "a missing value": (b"x,city\n1,Oslo\n,Rome\n", r"'x' has a missing value, in row 2"),
    "text for a number": (b"x,city\nnear,Oslo\n", r"'x' must hold numbers and row 1 .* has 'near'"),
    "no rows": (b"x,city\n", r"has a header \('x', 'city'\) but no rows"),
}


@pytest.mark.parametrize("name", NEW_ROWS)
def test_rows_that_cannot_be_predicted_are_named(name, tmp_path, capsys):
    content, message = NEW_ROWS[name]
    train, rows, out = tmp_path / "train.csv", tmp_path / "new.csv", tmp_path / "out.csv"
    train.write_bytes(GOOD)
    rows.write_bytes(content)
    words = ["fit", str(train), "--target", "y", "--drop", "kind", "--out", str(tmp_path / "run")]
    assert main([*words, "--quiet", "--no-report"]) == 0
    code = main(["predict", str(tmp_path / "run"), str(rows), "-o", str(out)])
    _assert_said(code, Case(content, "", message, 1), capsys)
    assert not Path(out).exists()


def test_there_are_at_least_forty_five():
    assert len(CASES) + len(NEW_ROWS) >= 45

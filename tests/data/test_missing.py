"""Missing values: dropped, filled, or something of their own, for each column; and the words that mean missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steepest as st
from kept import kept
from steepest.cli.commands import main
from steepest.data.reading import Reading
from steepest.data.tables import prepare
from steepest.errors import DataError, SpecError

N = 60
RNG = np.random.default_rng(2)
Y = RNG.normal(size=N)
ALLEY = [None if i % 5 else ["Grvl", "Pave"][i % 2] for i in range(N)]
LOT = [None if i % 7 == 0 else float(i % 11) for i in range(N)]
TABLE = {"Alley": ALLEY, "Lot": LOT, "y": Y}


def test_a_missing_level_is_an_indicator_and_its_mean_is_that_of_its_rows():
    fit = st.fit({"Alley": ALLEY, "y": Y}, target="y", missing="level")
    groups = pd.Series(Y).groupby(pd.Series(ALLEY).fillna("missing")).mean()
    assert list(fit.params) == ["intercept", "Alley=Pave", "Alley=missing"]
    np.testing.assert_allclose(
        fit.predict({"Alley": ["Grvl", "Pave", None]}), groups[["Grvl", "Pave", "missing"]], atol=1e-9
    )
    assert any("The 48 missing values of column 'Alley' are a level of their own" in note for note in fit.notes)


def test_a_missing_number_has_a_feature_beside_the_mean():
    train, _ = prepare(TABLE, target="y", missing="level", intercept=False)
    assert train.names == ("Alley=Grvl", "Alley=Pave", "Alley=missing", "Lot", "Lot is missing")
    gone = np.array([value is None for value in LOT])
    mean = np.mean([value for value in LOT if value is not None])
    np.testing.assert_array_equal(train.x[:, 4], gone)
    np.testing.assert_allclose(train.x[:, 3], [mean if value is None else value for value in LOT])
    again = kept(train.schema)
    np.testing.assert_allclose(again.encode({"Alley": [None], "Lot": [None]}), [[0, 0, 1, mean, 1]])


def test_each_column_has_a_policy_of_its_own():
    train, _ = prepare(TABLE, target="y", missing={"Alley": "level", "Lot": "drop"})
    kept = [i for i in range(N) if LOT[i] is not None]
    np.testing.assert_array_equal(train.y, Y[kept])
    assert train.names == ("Alley=Pave", "Alley=missing", "Lot")
    filled, _ = prepare(TABLE, target="y", missing={"Alley": "level", "*": "mean"})
    assert (filled.rows, filled.names) == (N, train.names)
    with pytest.raises(DataError, match=r"column 'Lot' has 9 missing values"):
        prepare(TABLE, target="y", missing={"Alley": "level"})
    with pytest.raises(DataError, match=r"no column 'Ally' .*did you mean 'Alley'"):
        prepare(TABLE, target="y", missing={"Ally": "level"})
    with pytest.raises(SpecError, match="missing='zero' of the column 'Alley': it must be one of error, drop"):
        st.fit(TABLE, target="y", missing={"Alley": "zero"})


def test_the_command_says_it_for_each_column(tmp_path):
    pd.DataFrame(TABLE).to_csv(tmp_path / "t.csv", index=False)
    words = [
        "fit",
        str(tmp_path / "t.csv"),
        "--target",
        "y",
        "--missing",
        "Alley=level,Lot=mean",
        "--out",
        str(tmp_path / "run"),
        "--no-report",
    ]
    assert main(words) == 0
    assert list(st.load(tmp_path / "run").params) == ["intercept", "Alley=Pave", "Alley=missing", "Lot"]


@pytest.mark.parametrize("word", ["none", "None"])
def test_a_word_that_was_read_as_missing_is_named_with_the_way_back(tmp_path, word):
    frame = pd.DataFrame({"internet": [word if i % 3 else ["DSL", "Fiber"][i % 2] for i in range(N)], "y": Y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv", frame.to_dict("list")):
        with pytest.raises(DataError, match=rf"40 missing values.*'{word}' is read so.*missing_values=..not:{word}"):
            prepare(source, target="y")
        dropped, _ = prepare(source, target="y", missing="drop")
        assert any(f"'{word}' in 40 rows of column 'internet'" in note for note in dropped.notes)
        kept, _ = prepare(source, target="y", reading=Reading(missing_values=(f"not:{word}",)))
        assert kept.schema.columns[0].levels == tuple(sorted(["DSL", "Fiber", word]))


@pytest.mark.parametrize("kind", [int, float, str])
def test_a_number_may_mean_missing(tmp_path, kind):
    ages = np.where(np.arange(N) % 6 == 0, -999, np.arange(N))
    values = [f"{age} y" if age > 0 else "-999" for age in ages] if kind is str else ages.astype(kind)
    frame = pd.DataFrame({"age": values, "y": Y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    said = Reading(missing_values=("-999",))
    for source in (frame, tmp_path / "t.csv"):
        train, _ = prepare(source, target="y", missing="drop", reading=said)
        np.testing.assert_array_equal(train.x[:, 0], ages[ages != -999])
        with pytest.raises(DataError, match="'age' has a missing value"):
            train.schema.encode({"age": [-999.0]}, said)
    if kind is not str:
        array, _ = prepare(ages.astype(kind), Y, missing="mean", reading=said)
        np.testing.assert_allclose(array.x[0, 0], ages[ages != -999].mean())
        goal, _ = prepare(np.arange(N), ages.astype(kind), missing="drop", reading=said)
        np.testing.assert_array_equal(goal.y, ages[ages != -999])


def test_a_number_that_means_missing_does_so_in_new_rows_in_the_notation_of_the_fit(tmp_path):
    (tmp_path / "a.csv").write_text("x;y\n1.234,5;2\n-999,00;3\n2.100,5;4\n3,5;5\n")
    (tmp_path / "b.csv").write_text("x;q\n-999,00;1\n2.000,5;1\n")
    said = Reading(missing_values=("-999",))
    train, _ = prepare(tmp_path / "a.csv", target="y", missing="mean", reading=said)
    mean = (1234.5 + 2100.5 + 3.5) / 3
    for new in (tmp_path / "b.csv", {"x": ["-999,00", "2.000,5"]}, {"x": [-999, 2000.5]}):
        np.testing.assert_allclose(train.schema.encode(new, said), [[mean], [2000.5]])


def test_a_number_that_means_missing_is_no_level_of_new_rows(tmp_path):
    said = Reading(missing_values=("-999",), categories=("s",))
    table = {"s": [1, 2, -999, 2], "y": [1.0, 2, 3, 4]}
    train, _ = prepare(table, target="y", missing="level", reading=said)
    (tmp_path / "b.csv").write_text("s\n-999.0\n2\n")
    for new in (tmp_path / "b.csv", {"s": ["-999.0", "2"]}, {"s": [-999.0, 2.0]}):
        np.testing.assert_array_equal(train.schema.encode(new, said), [[0, 1], [1, 0]])


@pytest.mark.parametrize("kind", ["typed", "date", "text", "csv"])
def test_a_date_may_mean_missing(tmp_path, kind):
    days = pd.to_datetime(["1900-01-01", "2020-01-01", "2020-01-03", "1900-01-01", "2020-01-04"])
    values = {"date": days.date, "text": days.strftime("%Y-%m-%d %H:%M")}.get(kind, days)
    source: object = pd.DataFrame({"when": values, "y": [1.0, 2, 3, 4, 5]})
    if kind == "csv":
        pd.DataFrame({"when": days.strftime("%Y-%m-%dT%H:%M:%S"), "y": [1.0, 2, 3, 4, 5]}).to_csv(
            tmp_path / "a.csv", index=False
        )
        source = tmp_path / "a.csv"
    said = Reading(missing_values=("1900-01-01",), date={"when": "days"})
    train, _ = prepare(source, target="y", missing="drop", reading=said)
    np.testing.assert_array_equal(train.x[:, 0], [0, 2, 3])
    assert any("'1900-01-01' in 2 rows of column 'when'" in note for note in train.notes)
    filled, _ = prepare(source, target="y", missing="mean", reading=said)
    np.testing.assert_allclose(
        filled.schema.encode({"when": ["1900-01-01 00:00", "2020-01-04 00:00"]}, said), [[5 / 3], [3]]
    )


def test_a_number_that_means_missing_is_counted_however_it_is_written():
    table = {"x": ["0", "0.0", "1.5", "2.5", "4.5"], "y": [1.0, 2, 3, 5, 7]}
    train, _ = prepare(table, target="y", missing="drop", reading=Reading(missing_values=("0",)))
    assert any("'0' in 2 rows of column 'x'" in note for note in train.notes)

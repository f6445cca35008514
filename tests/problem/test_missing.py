"""Missing values: dropped, filled, or something of their own, for each column; and the words that mean missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import DataError, SpecError
from steepest.problem.reading import Reading
from steepest.problem.tables import Schema, prepare

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
    again = Schema.from_dict(train.schema.to_dict())
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
    with pytest.raises(SpecError, match="missing is 'zero'"):
        prepare(TABLE, target="y", missing={"Alley": "zero"})


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

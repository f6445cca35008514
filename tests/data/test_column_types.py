"""What a column is: the values a person reads, from every source, as feature and target, at the fit and at prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import TypeAdapter

import steepest as st
from kept import kept
from steepest.data.reading import Reading
from steepest.data.schema import Schema
from steepest.data.tables import prepare
from steepest.errors import DataError

N = 40
RNG = np.random.default_rng(5)
Y = RNG.normal(size=N)
WHOLE = [int(value) for value in RNG.integers(200, 9_000, N)]
CENTS = [round(float(value), 2) for value in RNG.uniform(-500, 5_000, N)]
TENTHS = [round(float(value), 1) for value in RNG.uniform(0.1, 30, N)]


def _sources(tmp_path, **columns) -> dict[str, object]:
    frame = pd.DataFrame(columns)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    return {
        "csv": tmp_path / "t.csv",
        "tsv": tmp_path / "t.tsv",
        "parquet": tmp_path / "t.parquet",
        "pandas": frame,
        "object": frame.astype({name: object for name in columns if name != "y"}),
        "polars": pl.from_pandas(frame),
        "dict": frame.to_dict("list"),
    }


NUMBERS = {
    "thousands": ([f"{v:,}" for v in WHOLE], WHOLE),
    "thousands and cents": ([f"{v:,.2f}" for v in CENTS], CENTS),
    "decimal commas": ([f"{v:.2f}".replace(".", ",") for v in CENTS], CENTS),
    "parentheses": ([f"({-v:,.2f})" if v < 0 else f"{v:,.2f}" for v in CENTS], CENTS),
    "trailing minus": ([f"{-v}-" if v < 0 else f"{v}" for v in CENTS], CENTS),
    "minus sign": ([str(v).replace("-", "\u2212") for v in CENTS], CENTS),
    "dollars": ([f"${v * 1000:,}" for v in WHOLE], [v * 1000 for v in WHOLE]),
    "euros": ([f"{v:.2f} €".replace(".", ",") for v in CENTS], CENTS),
    "per cent": ([f"{v}%" for v in TENTHS], TENTHS),
    "kilometres": ([f"{v} km" for v in TENTHS], TENTHS),
    "years": ([f"{v} year" + ("s" if v != 1 else "") for v in range(N)], list(range(N))),
    "spaces": ([f"{v:,}".replace(",", "\u202f") for v in WHOLE], WHOLE),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_in_text_are_the_numbers_that_a_person_reads(tmp_path, name):
    texts, numbers = NUMBERS[name]
    for source in _sources(tmp_path, a=texts, b=Y, y=Y).values():
        train, _ = prepare(source, target="y", columns=["a"])
        np.testing.assert_array_equal(train.x[:, 0], numbers)
        assert any("in column 'a'" in note and "is read as" in note for note in train.notes)
        again = kept(train.schema)
        new = pd.DataFrame({"a": texts[7:9], "b": [0, 1]})
        new.to_csv(tmp_path / "new.csv", index=False)
        for rows in (new, tmp_path / "new.csv", {"a": numbers[7:9]}):
            np.testing.assert_array_equal(again.encode(rows)[:, 0], numbers[7:9])
        goal, _ = prepare(source, target="a", columns=["b"])
        assert goal.classes is None
        np.testing.assert_array_equal(goal.y, numbers)


def test_prices_are_fitted_by_least_squares_and_are_no_classes(tmp_path):
    size = np.arange(1.0, 41.0)
    price = np.round(90_000 + 1_234 * size + 5_000 * Y).astype(int)
    pd.DataFrame({"size": size, "price": [f"${v:,}" for v in price]}).to_csv(tmp_path / "houses.csv", index=False)
    fit = st.fit(tmp_path / "houses.csv", target="price")
    expected, *_ = np.linalg.lstsq(np.column_stack([np.ones(N), size]), price, rcond=None)
    np.testing.assert_allclose(fit.theta, expected, rtol=1e-10)
    assert fit.schema.classes is None


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([f"{v} km" if i else f"{v} mi" for i, v in enumerate(TENTHS)], ("km", "mi")),
        ([f"{v}k" if i % 2 else f"{v}M" for i, v in enumerate(TENTHS)], ("k'", "M'")),
        ([f"{v}%" if i % 3 else f"{v}" for i, v in enumerate(TENTHS)], ("%", "row 1")),
        ([f"${v}" if i % 2 else f"€{v}" for i, v in enumerate(TENTHS)], ("$", "€")),
    ],
)
def test_two_units_are_refused_and_both_shown(tmp_path, texts, shown):
    for source in _sources(tmp_path, a=texts, b=Y, y=Y).values():
        for target in ("y", "a"):
            with pytest.raises(
                DataError, match=r"'a' holds numbers in more than one unit.*categories=\[.a.\]"
            ) as caught:
                prepare(source, target=target)
            assert all(part in str(caught.value) for part in shown)


STRAY = {
    "unknown": ["unknown" if i % 4 == 0 else str(v) for i, v in enumerate(TENTHS)],
    "<0.5": ["<0.5" if i % 4 == 0 else str(v) for i, v in enumerate(TENTHS)],
    "n.d.": ["n.d." if i % 5 < 3 else str(v) for i, v in enumerate(TENTHS)],
    "x": ["x" if i % 5 == 0 else str(i % 4) for i in range(N)],
    "TBD": ["TBD" if i % 9 == 0 else f"{v}%" for i, v in enumerate(TENTHS)],
}


@pytest.mark.parametrize("word", STRAY)
def test_words_among_numbers_are_asked_about_and_may_mean_missing(tmp_path, word):
    texts = STRAY[word]
    numbers = np.array([np.nan if text == word else float(text.rstrip("%")) for text in texts])
    for source in _sources(tmp_path, a=texts, b=Y, y=Y).values():
        for target in ("y", "a"):
            with pytest.raises(
                DataError,
                match=rf"'a' holds numbers but for .*'{word}', not a num.*missing_values=.*categories=\[.a.\]",
            ):
                prepare(source, target=target)
        said = Reading(missing_values=(word,))
        train, _ = prepare(source, target="y", columns=["a"], missing="drop", reading=said)
        np.testing.assert_array_equal(train.x[:, 0], numbers[~np.isnan(numbers)])
        goal, _ = prepare(source, target="a", columns=["b"], missing="drop", reading=said)
        np.testing.assert_array_equal(goal.y, numbers[~np.isnan(numbers)])


@pytest.mark.parametrize(
    "levels",
    [
        ["1", "2", "3+"], ["0", "1", "2", "4+"], ["S", "M", "L", "38", "40"], ["02134", "A2136"], ["A", "B", "1"],
        ["10-20", "20-30", "30+"], ["1.2.3", "1.2.4"], ["1st", "2nd", "3rd"], ["1/2", "1/4"], ["12", "12A", "14B"], ["Y", "N"],
        ["T", "F"], ["18-24", "25-34", "65+"], ["1", "2", "5 or more"],
    ],
)  # fmt: skip
def test_labels_that_hold_numbers_are_a_category(tmp_path, levels):
    texts = [levels[i % len(levels)] for i in range(N)]
    for source in _sources(tmp_path, a=texts, b=Y, y=Y).values():
        train, _ = prepare(source, target="y", columns=["a"])
        assert set(train.schema.columns[0].levels) == set(levels)
        assert set(prepare(source, target="a", columns=["b"])[0].classes) == set(levels)


@pytest.mark.parametrize(
    "texts",
    [
        [f"192.168.100.{i + 100}" for i in range(N)],
        [f"555-{1000 + i}" for i in range(N)],
        [f"+1 555 {100 + i} 200" for i in range(N)],
        [f"A{i}" for i in range(N)],
        [f"the word {i} of them" for i in range(N)],
    ],
)
def test_ids_and_free_text_are_refused(tmp_path, texts):
    for source in _sources(tmp_path, a=texts, y=Y).values():
        with pytest.raises(DataError, match=r"'a' .* looks like free text or an id.*drop=.a."):
            prepare(source, target="y")


# ---- levels and their rows -----------------------------------------------------------------------


def test_many_levels_are_kept_where_they_are_repeated():
    states = RNG.choice([f"S{i:02d}" for i in range(51)], 2_000)
    y = RNG.normal(size=2_000)
    fit = st.fit({"state": states, "y": y}, target="y")
    means = pd.Series(y).groupby(states).mean()
    assert len(fit.theta) == 51
    np.testing.assert_allclose(fit.params["intercept"], means["S00"], atol=1e-9)
    np.testing.assert_allclose(fit.params["intercept"] + fit.params["state=S17"], means["S17"], atol=1e-9)


def test_levels_of_a_few_rows_are_insisted_on_by_name_and_noted():
    table = {"a": [f"w{i % 40}" for i in range(100)], "y": RNG.normal(size=100)}
    with pytest.raises(DataError, match=r"free text or an id: 40 different values in 100 rows.*categories=\[.a.\]"):
        prepare(table, target="y")
    train, _ = prepare(table, target="y", reading=Reading(categories=("a",)))
    assert train.x.shape == (100, 39)
    assert any("40 of the 40 levels of column 'a' have fewer than 5 rows" in note for note in train.notes)


def test_indicators_that_no_memory_holds_are_refused():
    rows = 200_000
    table = {"a": np.array([f"w{i}" for i in range(40_000)])[np.arange(rows) % 40_000], "y": np.zeros(rows)}
    with pytest.raises(
        DataError, match=r"39,999 features of 200,000 rows take 64.0 GB.*'a' has 40,000 levels.*drop=.a."
    ):
        prepare(table, target="y")


# ---- one rule for text that holds digits ---------------------------------------------------------

STORES = [["101", "205", "310"][i % 3] for i in range(N)]


def test_whole_numbers_stay_text_where_the_source_says_text(tmp_path):
    frame = pd.DataFrame({"store": STORES, "y": Y})
    frame.to_parquet(tmp_path / "t.parquet")
    expected = pd.get_dummies(frame["store"], drop_first=True).to_numpy(float)
    for source in (frame, frame.astype({"store": object}), pl.from_pandas(frame), tmp_path / "t.parquet", frame.to_dict("list"),
                   frame.astype({"store": "category"})):  # fmt: skip
        train, _ = prepare(source, target="y")
        np.testing.assert_array_equal(train.x, expected)
        for new in (["205", "101"], [205, 101], [205.0, 101.0]):
            np.testing.assert_array_equal(train.schema.encode({"store": new}), [[1, 0], [0, 0]])
    assert any("stays text" in note and "astype(float)" in note for note in prepare(frame, target="y")[0].notes)
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (tmp_path / "t.csv", frame.astype({"store": int}), frame.astype({"store": float})):
        np.testing.assert_array_equal(prepare(source, target="y")[0].x[:, 0], frame["store"].astype(float))
        train, _ = prepare(source, target="y", reading=Reading(categories=("store",)))
        np.testing.assert_array_equal(train.x, expected)


def test_digits_that_cannot_be_labels_are_explained():
    table = {"a": [str(i) for i in range(N)], "y": Y}
    with pytest.raises(DataError, match=r"'a' .* is text that holds numbers, 40 different ones.*astype\(float\)"):
        prepare(table, target="y")
    with pytest.raises(DataError, match=r"the target 'a' is text that holds numbers, 40 different.*astype\(float\)"):
        prepare({"a": table["a"], "b": Y}, target="a")


@pytest.mark.parametrize(
    "make", [list, pd.Series, lambda y: pd.Series(y, dtype=object), lambda y: pl.Series("y", y), np.array]
)
def test_y_of_digits_is_classes_and_of_decimals_numbers_whatever_holds_it(make):
    assert prepare(Y, make(STORES))[0].classes == ("101", "205", "310")
    train, _ = prepare(Y, make([f"{v}" for v in CENTS]))
    assert train.classes is None
    np.testing.assert_array_equal(train.y, CENTS)


def test_objects_that_mix_numbers_and_their_text_are_numbers():
    frame = pd.DataFrame({"a": np.array([1, "2", 2.5, "4"] * 10, dtype=object), "y": Y})
    np.testing.assert_array_equal(prepare(frame, target="y")[0].x[:, 0], [1, 2, 2.5, 4] * 10)


# ---- new rows are read as the fit's were ---------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "new"),
    [
        (["02134", "02135", "A2136"], ["02135", "02134"]),
        (["TRUE", "FALSE", "maybe"], ["FALSE", "TRUE"]),
        (["true", "false", "perhaps"], ["true", "false"]),
        (["2016-01-02", "2016-01-01", "later", "never", "soon"], ["2016-01-01", "2016-01-02"]),
        (["101", "205", "head office"], ["205", "101"]),
        (["1.0", "1.50", "beta"], ["1.50", "1.0"]),
        (["14:30", "9:00", "noon", "night", "never"], ["9:00", "14:30"]),
        (["inf", "low", "high"], ["inf"]),
        (["0x1F", "ABC"], ["0x1F"]),
    ],
)
def test_levels_that_look_like_something_else_in_a_new_file(tmp_path, levels, new):
    rows = {"a": [levels[i % len(levels)] for i in range(N)], "y": Y}
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    train, _ = prepare(tmp_path / "t.csv", target="y", reading=Reading(categories=("a",)))
    pd.DataFrame({"a": new, "b": range(len(new))}).to_csv(tmp_path / "new.csv", index=False)
    expected = train.x[[levels.index(level) for level in new]]
    again = kept(train.schema)
    for table in (tmp_path / "new.csv", {"a": new}, pd.read_csv(tmp_path / "new.csv")):
        np.testing.assert_array_equal(again.encode(table), expected)


def test_truth_in_every_spelling():
    train, _ = prepare({"a": [True, False] * 20, "y": Y}, target="y")
    for new in (["TRUE", "false"], ["1", "0"], [1, 0], [1.0, 0.0], [True, False]):
        np.testing.assert_array_equal(train.schema.encode({"a": new}), [[1], [0]])
    with pytest.raises(DataError, match=r"'a' was true or false when the fit was made and is 'yes'"):
        train.schema.encode({"a": ["yes", "no"]})


def test_another_unit_is_refused_and_none_is_the_fits():
    train, _ = prepare({"a": [f"{v} km" for v in TENTHS], "y": Y}, target="y")
    np.testing.assert_array_equal(train.schema.encode({"a": ["5 km", "7.5km"]}), [[5], [7.5]])
    np.testing.assert_array_equal(train.schema.encode({"a": [5, 7.5]}), [[5], [7.5]])
    with pytest.raises(DataError, match=r"'a' is in 'mi' .* was in 'km' when the fit was made"):
        train.schema.encode({"a": ["5 mi", "6 mi"]})
    plain, _ = prepare({"a": TENTHS, "y": Y}, target="y")
    with pytest.raises(DataError, match=r"'a' is in '\$' .* was without a unit"):
        plain.schema.encode({"a": ["$5", "$6"]})


def test_a_new_file_is_read_with_the_marks_of_the_fit(tmp_path):
    rows = [f"{800 + 100 * i:,};{i / 4:.2f};{i}" for i in range(30)]
    text = "\n".join(["a;b;y", *(row.replace(",", "#").replace(".", ",").replace("#", ".") for row in rows)])
    (tmp_path / "t.csv").write_text(text + "\n")
    train, _ = prepare(tmp_path / "t.csv", target="y")
    np.testing.assert_array_equal(train.x, [[800 + 100 * i, i / 4] for i in range(30)])
    (tmp_path / "new.csv").write_text("a;b\n1.000;2\n1.100;3\n")  # nothing here says what the point is
    np.testing.assert_array_equal(train.schema.encode(tmp_path / "new.csv"), [[1000, 2], [1100, 3]])


def test_a_column_without_a_value_in_a_new_file(tmp_path):
    table = {"a": [None, *TENTHS[1:]], "c": ["u", "v"] * 20, "y": Y}
    train, _ = prepare(table, target="y", missing="mean")
    (tmp_path / "new.csv").write_text("a,c\n,u\n,v\n")
    np.testing.assert_allclose(
        train.schema.encode(tmp_path / "new.csv"), [[np.mean(TENTHS[1:]), 0], [np.mean(TENTHS[1:]), 1]]
    )


def test_single_values_are_one_row():
    train, _ = prepare({"a": TENTHS, "c": ["u", "v"] * 20, "y": Y}, target="y")
    for row in ({"a": 0.5, "c": "v"}, {"a": np.float64(0.5), "c": np.str_("v")}, pd.Series({"a": 0.5, "c": "v"})):
        np.testing.assert_array_equal(train.schema.encode(row), [[0.5, 1.0]])
    with pytest.raises(DataError, match="'c' is a single value, 'v', and others have a value in each row"):
        train.schema.encode({"a": [0.5, 1.0], "c": "v"})


# ---- labels and names ----------------------------------------------------------------------------


def test_labels_that_differ_in_case_are_one_where_said():
    answers = ["Yes", "yes", "No", "no ", "Yes"] * 8
    assert len(prepare(Y, answers)[0].classes) == 4
    said = Reading(labels="casefold")
    train, _ = prepare(Y, answers, reading=said)
    assert train.classes == ("No", "Yes")
    np.testing.assert_array_equal(train.y, [answer.strip().casefold() == "yes" for answer in answers])
    feature, _ = prepare({"a": answers, "y": Y}, target="y", reading=said)
    assert feature.names == ("a=Yes",)
    np.testing.assert_array_equal(feature.x[:, 0], train.y)
    np.testing.assert_array_equal(feature.schema.encode({"a": ["YES", "nO"]}), [[1], [0]])


@pytest.mark.parametrize("weights", [{0: 1, 1: 20}, {False: 1, True: 20}, {np.int64(1): 20}, {1.0: 20.0}, {"1": 20}])
def test_classes_are_weighed_by_their_numbers(weights):
    labels = (Y > 0.3).astype(int)
    expected = np.where(labels == 1, 20.0, 1.0)
    for y in (labels, labels.astype(bool)):
        fit = st.fit(TENTHS, y, model="logistic", class_weight=weights, penalty="l2:0.1")
        np.testing.assert_array_equal(fit.train.weights, expected)


def test_columns_of_a_frame_may_be_named_by_numbers():
    frame = pd.DataFrame(RNG.normal(size=(N, 4)))
    frame[3] = frame[3].abs()
    expected, *_ = np.linalg.lstsq(np.column_stack([np.ones(N), frame[[0, 1]]]), frame[2], rcond=None)
    for target in (2, np.int64(2), "2"):
        fit = st.fit(frame, target=target, drop=3)
        np.testing.assert_allclose(fit.theta, expected, rtol=1e-9)
        np.testing.assert_allclose(st.fit(frame, target=target, columns=[0, 1]).theta, expected, rtol=1e-9)
    weighed = st.fit(frame, target=2, weights=3)
    root = np.sqrt(frame[3].to_numpy())[:, None]
    design = np.column_stack([np.ones(N), frame[[0, 1]]]) * root
    np.testing.assert_allclose(weighed.theta, np.linalg.lstsq(design, frame[2] * root[:, 0], rcond=None)[0], rtol=1e-9)


# ---- how it was read -----------------------------------------------------------------------------


def test_a_description_and_the_notes_say_how_each_column_was_read():
    table = {
        "rate": [f"{v}%" for v in TENTHS],
        "kind": ["a", "none", "b", "a"] * 10,
        "word": [f"free text {i}" for i in range(N)],
    }
    train, _ = prepare(table | {"y": Y}, target="y", drop="word", missing="level")
    described = st.describe(table)
    rate, kind, word = described.columns
    assert (rate.kind, rate.unit, rate.decided) == ("number", "%", f"'{TENTHS[0]}%' is read as {TENTHS[0]}")
    assert (kind.kind, kind.levels, kind.missing) == ("category", (("a", 20), ("b", 10)), 10)
    assert train.names == ("rate", "kind=b", "kind=missing")
    assert word.kind == "unusable"
    assert "free text" in described.faults[0]
    assert f"Numbers in text: '{TENTHS[0]}%' is read as {TENTHS[0]} in column 'rate'." in train.notes
    assert "Read as missing: 'none' in 10 rows of column 'kind'." in " ".join(train.notes)
    assert 'missing_values=["not:none"]' in " ".join(train.notes)


def test_the_schema_of_an_older_run_is_still_read():
    plain = {
        "targets": ["y"],
        "columns": [{"name": "a", "kind": "number"}, {"name": "c", "kind": "category", "levels": ["u", "v"]}],
    }
    np.testing.assert_array_equal(
        TypeAdapter(Schema).validate_python(plain).encode({"a": [1.5], "c": ["v"]}), [[1.5, 1.0]]
    )


def test_a_setting_for_a_column_that_is_not_there_is_refused():
    table = {"store": STORES, "y": Y}
    for said in (Reading(categories=("stor",)), Reading(date={"stor": "days"})):
        with pytest.raises(DataError, match=r"no column 'stor' .*did you mean 'store'"):
            prepare(table, target="y", reading=said)


def test_an_accounting_dash_beside_sums_of_money_is_asked_about():
    with pytest.raises(DataError, match=r"'a' holds numbers but for 10 rows: row 1 .*'\$ -', not a number"):
        prepare({"a": ["$ -", "$5", "($3)", "$5"] * 10, "y": Y}, target="y")


def _file(place, text):
    place.write_text(text)
    return place


def test_new_rows_have_the_decimal_comma_of_the_file_of_the_fit(tmp_path):
    train, _ = prepare(_file(tmp_path / "a.csv", "x;z;y\n1,5;1;1\n2,5;2;2\n3,25;3;3\n"), target="y")
    schema = kept(train.schema)
    new = _file(tmp_path / "b.csv", "x;z\n1.250;1\n2.000;2\n")
    np.testing.assert_array_equal(schema.encode(new), [[1250, 1], [2000, 2]])
    new = _file(tmp_path / "c.csv", "x;z\n1,234;1,125\n2,345;2,250\n")
    np.testing.assert_array_equal(schema.encode(new), [[1.234, 1.125], [2.345, 2.25]])
    np.testing.assert_array_equal(schema.encode({"x": [1.5], "z": [2]}), [[1.5, 2]])


@pytest.mark.parametrize(
    ("texts", "said", "shown"),
    [
        (["1.5", "2.25", "3.5", "4.75"], {"decimal": ","}, 'decimal=","'),
        (["1.5", "2.25", "3.5", "4.75"], {"thousands": "."}, 'thousands="."'),
        (["1.5", "2", "1.5", "2"], {"decimal": ","}, 'decimal=","'),
        (["1,5", "2,25", "3,5", "4,75"], {"decimal": "."}, 'decimal="."'),
        (["1.5 km", "2.25 km", "3.5 km", "1.5 km"], {"decimal": ","}, 'decimal=","'),
    ],
)
def test_numbers_that_do_not_fit_the_marks_that_were_given_are_in_doubt(tmp_path, texts, said, shown):
    table = {"x": texts, "y": ["1", "2", "3", "5"]}
    rows = "\n".join(f"{x};{y}" for x, y in zip(*table.values(), strict=True))
    for source in (table | {"y": [1, 2, 3, 5]}, _file(tmp_path / "a.csv", f"x;y\n{rows}\n")):
        with pytest.raises(DataError, match=rf"'x'.* has '{texts[0]}'.*{shown}.*as given"):
            prepare(source, target="y", reading=Reading(**said))
        train, _ = prepare(source, target="y", reading=Reading(**said, categories=("x",)))
        assert train.schema.columns[0].levels == tuple(sorted(set(texts)))


@pytest.mark.parametrize("gone", [None, "NA", "?", "", "-999"])
def test_text_of_whole_numbers_stays_text_beside_a_word_that_means_missing(gone):
    said = Reading(missing_values=("-999",))
    table = {"s": ["101", "205", "101", gone], "y": [1, 2, 3, 4]}
    train, _ = prepare(table, target="y", missing="drop", reading=said)
    assert train.names == ("s=205",)
    np.testing.assert_array_equal(train.x[:, 0], [0, 1, 0])


def test_levels_that_are_equal_numbers_are_the_same_from_text(tmp_path):
    frame = pd.DataFrame({"s": [1, 2, 1, 2], "y": [1.0, 2, 3, 5]})
    train, _ = prepare(frame, target="y", reading=Reading(categories=("s",)))
    for new in (
        {"s": [1.0, 2.0]},
        {"s": ["1.0", "2.0"]},
        {"s": pd.Categorical(["1.0", "2.0"])},
        _file(tmp_path / "n.csv", "s\n1.0\n2.0\n"),
    ):
        np.testing.assert_array_equal(train.schema.encode(new), [[0], [1]])
    with pytest.raises(DataError, match=r"the level '1\.5'"):
        train.schema.encode(_file(tmp_path / "m.csv", "s\n1.5\n2.0\n"))


def test_fractions_for_a_column_in_per_cent_are_refused(tmp_path):
    for unit, many in (("%", 100), ("‰", 1000)):
        table = {"x": [f"12{unit}", f"15{unit}", f"20{unit}"], "y": [1.0, 2, 4]}
        train, _ = prepare(table, target="y")
        for new in ({"x": [0.12, 0]}, {"x": ["0.12"]}, _file(tmp_path / "n.csv", "x\n0.12\n0.15\n")):
            with pytest.raises(DataError, match=rf"'x' was in '{unit}'.*0\.12.*'{0.12 * many:g}{unit}'"):
                train.schema.encode(new)
        np.testing.assert_array_equal(train.schema.encode({"x": [12, 0.5]}), [[12], [0.5]])
        np.testing.assert_array_equal(train.schema.encode({"x": [f"0.12{unit}"]}), [[0.12]])
        np.testing.assert_array_equal(train.schema.encode({"x": [0]}), [[0]])
        assert train.schema.encode(table).tolist() == [[12], [15], [20]]


def test_a_description_names_a_column_that_is_not_there():
    for said in ({"categories": ["q"]}, {"date": {"q": "days"}}):
        with pytest.raises(DataError, match="no column 'q'"):
            st.describe({"x": [1, 2], "y": [1, 2]}, **said)


def test_codes_with_leading_zeros_that_are_read_as_numbers_are_said(tmp_path):
    path = tmp_path / "zip.csv"
    path.write_text("zip,y\n" + "".join(f"{code},{at}\n" for at, code in enumerate(["02134", "10001", "01730"] * 5)))
    fit = st.fit(path, target="y")
    assert fit.names == ["intercept", "zip"]
    assert any("'02134' is read as 2134" in note and 'categories=["zip"]' in note for note in fit.notes)
    assert st.fit(path, target="y", categories=["zip"]).names == ["intercept", "zip=02134", "zip=10001"]

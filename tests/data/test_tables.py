"""Tables become the numbers that pandas and scikit-learn make of them, or an error that says what to do."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from kept import kept
from steepest.data.dataset import Dataset
from steepest.data.schema import Schema
from steepest.data.tables import prepare
from steepest.errors import DataError, SpecError, SteepestWarning

HOUSES = pd.DataFrame(
    {
        "size": [50.0, 80.5, 120.0, 65.0, 90.0, 70.0],
        "city": ["Oslo", "Rome", "Oslo", "Bergen", "Rome", "Oslo"],
        "new": [True, False, False, True, False, True],
        "price": [1.5, 2.0, 4.0, 2.2, 2.9, 3.0],
    }
)


def test_features_are_those_of_pandas_get_dummies():
    train, test = prepare(HOUSES, target="price")
    expected = pd.get_dummies(HOUSES.drop(columns="price"), columns=["city"], prefix_sep="=", drop_first=True)
    assert test is None
    assert train.names == ("size", "city=Oslo", "city=Rome", "new")
    np.testing.assert_array_equal(train.x, expected[list(train.names)].to_numpy(float))
    np.testing.assert_array_equal(train.y, HOUSES["price"])
    assert (train.targets, train.classes, train.weights, train.ones) == (("price",), None, None, False)
    assert train.notes == ("Column 'city' became 2 indicators; 'Bergen' is the baseline.",)
    assert train.x.flags.c_contiguous
    assert train.x.dtype == np.float64
    assert train.rows == 6


def test_without_an_intercept_every_level_has_its_indicator():
    train, _ = prepare(HOUSES, target="price", intercept=False)
    assert train.names == ("size", "city=Bergen", "city=Oslo", "city=Rome", "new")
    np.testing.assert_array_equal(train.x[:, 1:4].sum(axis=1), 1)


@pytest.mark.parametrize(
    "source",
    [
        HOUSES,
        pl.from_pandas(HOUSES),
        pa.Table.from_pandas(HOUSES),
        HOUSES.to_dict("list"),
        HOUSES.astype({"city": "category"}),
        pl.from_pandas(HOUSES).with_columns(pl.col("city").cast(pl.Categorical)),
        HOUSES.astype({"size": "float32", "price": "string"}),
    ],
)
def test_every_source_gives_the_same_numbers(source):
    expected, _ = prepare(HOUSES, target="price")
    train, _ = prepare(source, target="price")
    np.testing.assert_array_equal(train.x, expected.x)
    np.testing.assert_array_equal(train.y, expected.y)
    assert train.names == expected.names


def test_columns_and_drop_choose_the_features():
    assert prepare(HOUSES, target="price", columns=["new", "size"])[0].names == ("new", "size")
    assert prepare(HOUSES, target="price", columns="size")[0].names == ("size",)
    train, _ = prepare(HOUSES, target="price", drop=["city", "new"])
    assert train.names == ("size",)
    assert train.notes == ("Left out: 'city', 'new'.",)


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (["b", "a", "c", "a", "b", "c"], ("a", "b", "c")),
        ([True, False, True, False, True, False], ("False", "True")),
        (pd.Categorical([10, 9, 10, 9, 10, 9]), ("9", "10")),
    ],
)
def test_text_booleans_and_categories_are_classes(target, classes):
    train, _ = prepare({"x": np.arange(6.0), "kind": target}, target="kind")
    assert train.classes == classes
    assert train.y.dtype == np.int64
    assert [classes[code] for code in train.y] == [str(label) for label in target]


def test_a_class_of_two_rows_among_many_has_its_place():
    y = np.tile([3.0, 0.0, 7.0], 20_000)
    for place, rare in ((5, -1.0), (59_998, 4.0), (31_111, 9.5)):
        given = y.copy()
        given[[place, place + 1]] = rare
        train, _ = prepare(np.arange(60_000.0), given, classify=True)
        labels, codes = np.unique(given, return_inverse=True)
        assert train.classes == tuple(f"{label:g}" for label in labels)
        np.testing.assert_array_equal(train.y, codes)


def test_numbers_are_classes_when_asked_and_sorted_as_numbers():
    train, _ = prepare(np.arange(6.0), [10, 9, 2, 10, 9, 2], classify=True)
    assert train.classes == ("2", "9", "10")
    np.testing.assert_array_equal(train.y, [2, 1, 0, 2, 1, 0])
    assert prepare(np.arange(4.0), [0.5, 1.0, 0.5, 1.0], classify=True)[0].classes == ("0.5", "1")


def test_booleans_are_numbers_when_asked():
    train, _ = prepare(np.arange(3.0), [True, False, True], classify=False)
    np.testing.assert_array_equal(train.y, [1.0, 0.0, 1.0])
    assert train.classes is None


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, lambda x: torch.tensor(x, requires_grad=True), list])
def test_arrays_name_their_columns_once_the_ones_are_out(make):
    x = np.array([[0.5, 1.0], [0.25, 1.0], [3.0, 1.0]])
    y = np.array([1.0, 2.0, 4.0])
    train, _ = prepare(make(x), make(y))
    assert train.names == ("x",)
    assert train.ones
    assert train.targets == ("y",)
    np.testing.assert_array_equal(train.x, x[:, :1])
    np.testing.assert_array_equal(train.schema.encode(make(x[1:])), x[1:, :1])
    np.testing.assert_array_equal(train.schema.encode(make(x[:, :1])), x[:, :1])
    assert prepare(make(x[:, 0]), make(y))[0].names == ("x",)
    assert prepare(make(np.column_stack([y, x[:, 1], x[:, 0]])), make(y))[0].names == ("x1", "x2")


def test_series_bring_their_names_and_rows_match_by_position():
    y = pd.Series([1.0, 2.0, 4.0], index=[9, 8, 7], name="weight")
    train, _ = prepare(pd.Series([3.0, 1.0, 2.0], name="height"), y)
    assert (train.names, train.targets) == (("height",), ("weight",))
    np.testing.assert_array_equal(train.y, [1, 2, 4])
    assert prepare([3.0, 1.0, 2.0], pl.Series("kg", y.tolist()))[0].targets == ("kg",)


def test_several_targets():
    train, _ = prepare(np.arange(3.0), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]))
    assert train.targets == ("y1", "y2")
    assert train.y.shape == (3, 2)
    train, _ = prepare(HOUSES, target=["price", "size"], drop="city")
    assert train.targets == ("price", "size")
    np.testing.assert_array_equal(train.y, HOUSES[["price", "size"]])


def test_a_sample_brings_its_target():
    train, _ = prepare("sample:iris")
    bunch = load_iris()
    np.testing.assert_array_equal(train.x, bunch.data)
    assert train.classes == tuple(bunch.target_names)
    np.testing.assert_array_equal(train.y, bunch.target)


# ---- missing values -----------------------------------------------------------------------------

HOLES = pd.DataFrame(
    {
        "a": [1.0, np.nan, 3.0, 8.0, 5.0, 6.0],
        "b": ["u", "v", None, "v", "u", "v"],
        "y": [1.0, 2.0, 3.0, None, 5.0, 7.0],
    }
)


def test_rows_with_a_missing_value_are_dropped_and_counted():
    train, _ = prepare(HOLES, target="y", missing="drop")
    expected = HOLES.dropna()
    np.testing.assert_array_equal(train.x[:, 0], expected["a"])
    np.testing.assert_array_equal(train.y, expected["y"])
    assert "Left out 3 rows of 6 with a missing value." in train.notes


def test_missing_values_are_filled_from_the_training_rows_also_at_prediction():
    table = HOLES.assign(y=np.arange(6.0))
    train, test = prepare(table, target="y", missing="mean", test_fraction=0.5, seed=3)
    rows, _ = train_test_split(np.arange(6), test_size=0.5, random_state=3)
    mean = table["a"].iloc[rows].mean()
    level = table["b"].iloc[rows].mode()[0]
    whole = np.concatenate([train.x, test.x])[np.argsort(np.concatenate([train.y, test.y]))]
    assert whole[1, 0] == mean
    assert whole[2, 1] == (level == "v")
    assert train.notes[0] == f"Filled 1 missing value of column 'a' with its training mean {mean:.6g}."
    assert train.notes[1] == f"Filled 1 missing value of column 'b' with its most frequent level '{level}'."
    encoded = train.schema.encode({"a": [None, 2.0], "b": ["u", None]})
    np.testing.assert_array_equal(encoded, [[mean, 0.0], [2.0, level == "v"]])


def test_levels_of_dropped_rows_make_no_indicator():
    table = {"c": ["p", "q", "p", "q", "r", "r"], "z": [1, 2, 3, 4, None, None], "y": [1, 2, 3, 5, 8, 13]}
    assert prepare(table, target="y", missing="drop")[0].names == ("c=q", "z")


# ---- weights ------------------------------------------------------------------------------------


def test_weights_come_from_a_column_that_is_then_no_feature():
    train, _ = prepare(HOUSES, target="price", weights="size")
    assert "size" not in train.names
    np.testing.assert_array_equal(train.weights, HOUSES["size"])
    train, _ = prepare(HOUSES, target="price", weights=np.arange(6))
    np.testing.assert_array_equal(train.weights, np.arange(6.0))
    torch.from_numpy(train.weights)  # writable: PyTorch would warn


def test_class_weights_are_those_of_scikit_learn():
    labels, weights = np.array(["a", "a", "a", "b", "b", "c", "c", "c"]), np.arange(1.0, 9.0)
    balanced, _ = prepare(np.arange(8.0), labels, class_weight="balanced", weights=weights)
    np.testing.assert_allclose(balanced.weights, weights * compute_sample_weight("balanced", labels), rtol=1e-15)
    given, _ = prepare(np.arange(8.0), labels, class_weight={"b": 3.0})
    np.testing.assert_array_equal(given.weights, compute_sample_weight({"a": 1, "b": 3.0, "c": 1}, labels))
    numbers, _ = prepare(np.arange(4.0), [0, 1, 0, 1], classify=True, class_weight={1: 2.0})
    np.testing.assert_array_equal(numbers.weights, [1, 2, 1, 2])


# ---- split --------------------------------------------------------------------------------------


@pytest.mark.parametrize("classify", [True, False])
def test_the_split_is_that_of_scikit_learn_stratified_and_seeded(classify):
    bunch = load_iris()
    train, test = prepare(bunch.data, bunch.target, classify=classify, test_fraction=0.25, seed=7)
    x_train, x_test, y_train, y_test = train_test_split(
        bunch.data, bunch.target, test_size=0.25, random_state=7, stratify=bunch.target if classify else None
    )
    np.testing.assert_array_equal(train.x, x_train)
    np.testing.assert_array_equal(test.x, x_test)
    np.testing.assert_array_equal(train.y, y_train)
    np.testing.assert_array_equal(test.y, y_test)


def test_every_class_keeps_a_training_row():
    y = ["a"] * 6 + ["b"]
    for seed in range(10):
        with pytest.warns(SteepestWarning, match="the class 'b' has a single training row"):
            train, test = prepare(np.arange(7.0), y, test_fraction=0.5, seed=seed)
        assert set(train.y) == {0, 1}
        assert 1 not in test.y
        assert any("not stratified" in note for note in train.notes)


def test_take_picks_rows_of_everything():
    train, _ = prepare(HOUSES, target="price", weights="size")
    part = train.take([4, 0])
    assert isinstance(part, Dataset)
    assert part.rows == 2
    np.testing.assert_array_equal(part.x, train.x[[4, 0]])
    np.testing.assert_array_equal(part.y, [2.9, 1.5])
    np.testing.assert_array_equal(part.weights, [90, 50])


# ---- the schema at prediction -------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("intercept", [True, False])
def test_a_schema_survives_json_and_encodes_the_same(missing, intercept):
    train, _ = prepare(HOUSES, target="price", missing=missing, intercept=intercept)
    again = kept(train.schema)
    assert again == train.schema
    np.testing.assert_array_equal(again.encode(HOUSES), train.x)
    np.testing.assert_array_equal(again.encode(HOUSES[["new", "city", "size"]].iloc[::-1]), train.x[::-1])
    classes = Schema((), ("kind",), ("a", "b"))
    assert kept(classes) == classes


def test_prediction_reads_files(tmp_path):
    train, _ = prepare(HOUSES, target="price")
    path = tmp_path / "new.csv"
    HOUSES.drop(columns="price").to_csv(path, index=False)
    np.testing.assert_array_equal(train.schema.encode(path), train.x)


NEW = {"size": [1.0, 2.0], "city": ["Oslo", "Rome"], "new": [True, False]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"city": ["Oslo", "Paris"]},
            r"'city' has the level 'Paris' in row 2 .*levels are 'Bergen', 'Oslo', 'Rome'",
        ),
        ({"city": ["Oslo", None]}, r"'city' has a missing value, in row 2"),
        ({"city": [datetime.date(2020, 1, 1)] * 2}, r"'city' holds dates.*was a category"),
        ({"size": [1.0, np.inf]}, r"'size' has an infinite value, inf, in row 2"),
        ({"size": [1.0, None]}, r"'size' has a missing value, in row 2"),
        ({"size": ["1.0", "big"]}, r"'size' must hold numbers and row 2 .* has 'big'. It was a number when"),
        ({"size": [None, None]}, r"'size' has 2 missing values, the first in row 1"),
        ({"new": [1, 7]}, r"'new' was true or false when the fit was made and is 7 in row 2"),
        (
            {"size": None},
            r"the table lacks the column 'size' that the fit was made with. Did you mean 'Size'\?",
        ),
    ],
)
def test_rows_that_do_not_fit_the_schema_are_explained(change, message):
    train, _ = prepare(HOUSES, target="price")
    table = NEW | change
    if table["size"] is None:
        table["Size"] = NEW["size"]
        del table["size"]
    with pytest.raises(DataError, match=message):
        train.schema.encode(table)


def test_an_array_of_another_width_is_explained():
    train, _ = prepare(np.eye(4)[:, :3] + 0.5, np.arange(4.0))
    with pytest.raises(DataError, match=r"x has 2 columns and the fit was made with 3 \('x1', 'x2', 'x3'\)"):
        train.schema.encode(np.zeros((5, 2)))
    with pytest.raises(DataError, match=r"For a single row give x as \[\[...\]\]"):
        train.schema.encode(np.zeros(3))
    ones, _ = prepare(np.column_stack([np.arange(4.0), np.ones(4)]), np.arange(4.0) ** 2)
    with pytest.raises(DataError, match=r"column 2 of x was 1 in every row when the fit was made and is not here"):
        ones.schema.encode(np.zeros((3, 2)))


# ---- what cannot be done, said with the remedy ---------------------------------------------------

N = 40
GOOD = {"a": np.linspace(-1, 1, N) ** 3, "y": np.cos(np.arange(N))}
WORDS = [f"word number {index}" for index in range(N)]
DAY = datetime.date(2020, 1, 1)
DROP_B = r"drop=\"b\""


def _with(index: int, value: object) -> list:
    column: list = np.arange(N, dtype=float).tolist()
    column[index] = value
    return column


MALFORMED = {  # changes to GOOD, options, message
    "no target named": ({}, {"target": None}, r"which column is to be predicted\? .*target=.*'a', 'y'"),
    "unknown target": ({"price": GOOD["y"]}, {"target": "Prise"}, r"no column 'Prise' .*did you mean "
                                                                  r"'price'\?"),
    "unknown column": ({}, {"columns": ["aa"]}, r"no column 'aa' in the table: did you mean 'a'\? The "
                                                r"columns are"),
    "unknown drop": ({}, {"drop": "b"}, r"no column 'b' in the table"),
    "unknown weights": ({}, {"weights": "w"}, r"no column 'w' in the table"),
    "target dropped": ({}, {"drop": "y"}, r"'y' is the target and cannot be dropped too"),
    "target as column": ({}, {"columns": ["a", "y"]}, r"'y' is the target and cannot be among columns too"),
    "in columns and drop": ({}, {"columns": ["a"], "drop": "a"}, r"'a' stands both in columns and in drop"),
    "weights as column": ({"w": GOOD["a"] + 2}, {"columns": ["a", "w"], "weights": "w"}, r"'w' is the "
                                                                                         r"weights"),
    "nothing left": ({}, {"drop": "a"}, r"no column left to predict 'y' from"),
    "stray text": ({"b": _with(6, "12a")}, {}, rf"'b' holds numbers but for 1 row: row 7 .* has "
                                               rf"'12a'.*{DROP_B}"),
    "stray text in target": ({"y": _with(6, "12a")}, {}, r"'y' holds numbers but for 1 row: row 7"),
    "thousands": ({"b": [f"{i + 1},234" for i in range(N)]}, {}, r"'1,234', a comma that may mark "
                                                                 r"decimals or"),
    "free text": ({"b": WORDS}, {}, rf"'b' of the table looks like free text or an id: 40 "
                                    rf"different.*{DROP_B}"),
    "dates": ({"b": [DAY] * N}, {}, rf"'b' holds dates, such as '2020-01-01' in row 1 .*{DROP_B}"),
    "timestamps": ({"b": pd.date_range("2020", periods=N)}, {}, r"'b' holds dates"),
    "durations": ({"b": [datetime.timedelta(1)] * N}, {}, r"'b' holds durations"),
    "times": ({"b": [datetime.time(1)] * N}, {}, r"'b' holds times"),
    "lists": ({"b": [[1, 2]] * N}, {}, r"'b' holds lists or records"),
    "bytes": ({"b": [b"x"] * N}, {}, r"'b' holds bytes"),
    "empty column": ({"b": [None] * N}, {}, rf"'b' of the table is empty. Leave it out: {DROP_B}"),
    "only nan": ({"b": np.full(N, np.nan)}, {"missing": "drop"}, r"'b' of the table is empty"),
    "only marks": ({"b": ["NA"] * N}, {"missing": "mean"}, r"'b' of the table is empty"),
    "identifier": ({"id": np.arange(N)}, {}, r"'id' of the table looks like an identifier: .*drop=\"id\""),
    "customer_id": ({"customer_id": np.arange(N)[::-1]}, {}, r"'customer_id' of the table looks like an "
                                                             r"identifier"),
    "PassengerId": ({"PassengerId": np.arange(N) + 7}, {}, r"'PassengerId' of the table looks like an "
                                                           r"identifier"),
    "missing": ({"b": _with(2, None)}, {}, r"'b' has a missing value, in row 3 .*missing=\"drop\""
                                           r".*missing=\"mean\""),
    "missing twice": ({"b": [*_with(2, None)[:-1], None]}, {}, r"'b' has 2 missing values, the first in "
                                                               r"row 3"),
    "missing target": ({"y": _with(2, None)}, {"missing": "mean"}, r"'y' has a missing value.*never filled"),
    "missing weight": ({"w": _with(2, None)}, {"weights": "w"}, r"'w' has a missing value, in row 3"),
    "all rows incomplete": (
        {"b": [None, 1.0] * 20, "c": [1.0, None] * 20}, {"missing": "drop"}, r"no row of the table is "
                                                                             r"complete"),
    "infinite": ({"b": _with(4, np.inf)}, {}, rf"'b' has an infinite value, inf, in row 5 .*{DROP_B}"),
    "infinite target": ({"y": _with(4, -np.inf)}, {}, r"'y' has an infinite value, -inf, in row 5"),
    "huge": ({"b": _with(4, 1e200)}, {}, r"'b' has a value whose square is no finite number, 1e\+200, "
                                         r"in row 5"),
    "text target for numbers": ({"y": ["u", "v"] * 20}, {"classify": False}, r"'y' holds text, 'u' in "
                                                                             r"row 1 .*loss"),
    "date target": ({"y": [DAY] * N}, {}, r"'y' holds dates"),
    "empty target": ({"y": [None] * N}, {}, r"the target 'y' of the table is empty"),
    "single class": ({"y": ["u"] * N}, {}, r"'y' has a single class, 'u'"),
    "too many classes": ({}, {"classify": True}, r"'y' has 40 different values in 40 rows: too many"),
    "text among targets": ({"b": ["u", "v"] * 20}, {"target": ["y", "b"]}, r"'b' holds text.*several "
                                                                           r"targets"),
    "classes of two targets": (
        {"b": GOOD["a"]}, {"target": ["y", "b"], "classify": True}, r"classes are one target"),
    "infinite class": ({"y": _with(4, np.inf)}, {"classify": True}, r"'y' has an infinite value"),
    "negative weight": ({"w": _with(3, -2.0)}, {"weights": "w"}, r"the weight -2 in row 4 .*column "
                                                                 r"'w'\) is negative"),
    "zero weights": ({"w": np.zeros(N)}, {"weights": "w"}, r"all weights \(column 'w'\) are zero"),
    "text weights": ({"w": ["u"] * N}, {"weights": "w"}, r"'w' must hold numbers and row 1 .* has 'u'. "
                                                         r"Weights are numbers"),
    "short weights": ({}, {"weights": np.ones(3)}, r"weights are 3 × 1 for 40 rows"),
    "colliding names": ({"b": ["u", "v"] * 20, "b=v": GOOD["a"]}, {}, r"two features would be called 'b=v'"),
    "intercept": ({"intercept": GOOD["a"]}, {}, r"a column is called 'intercept' and is not 1 in every row"),
    "split of nothing": ({}, {"test_fraction": 0.99}, r"holding out 0.99 of 40 rows leaves none to fit on"),
    "control characters": ({"na\x07me": WORDS}, {}, r"column 'na\\x07me' .*drop=\"na\\u0007me\""),
    "spaces": ({"my col": WORDS}, {}, r"drop=\"my col\""),
    "leading dash": ({"-b": WORDS}, {}, r"drop=\"-b\""),
    "long name": ({"b" * 500: WORDS}, {}, r"column 'b{57}…' of the table"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_table_is_explained(case):
    changes, options, message = MALFORMED[case]
    with pytest.raises((DataError, SpecError), match=message) as caught:
        prepare(GOOD | changes, **({"target": "y"} | options))
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_rows_of_files_are_named_with_the_file(tmp_path):
    for number, value in enumerate(["3", "many"]):
        (tmp_path / f"{number}.csv").write_text("a,y\n" + "1,2\n2,4\n" * 9 + f"{value},5\n")
    with pytest.raises(DataError, match=r"row 19 of .*1.csv' has 'many', not a number"):
        prepare(tmp_path, target="y")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            np.zeros((2, 100)),
            np.zeros(100),
            r"x is 2 × 100 and y has 100 values: give x as rows × columns, here x.T",
        ),
        (
            np.zeros((100, 2)),
            np.zeros(99),
            r"x is 100 × 2 and y has 99 values: they must have the same number of rows",
        ),
        (np.zeros(100), np.zeros((100, 1)), r"y has the shape 100 × 1, .*give y.ravel\(\) or y\[:, 0\]"),
        (torch.zeros(100, 1), torch.zeros(100, 1), r"y has the shape 100 × 1"),
        (np.zeros((4, 2, 2)), np.zeros(4), r"x has 3 dimensions, 4 × 2 × 2"),
        (np.zeros(4), np.zeros((4, 2, 2)), r"y has 3 dimensions"),
        (np.zeros(4), 3.0, r"a float is no table"),
    ],
)
def test_wrong_shapes_are_explained_and_never_broadcast(x, y, message):
    with pytest.raises(DataError, match=message):
        prepare(x, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "x"}, r"give y \(values\) or target"),
        ({"class_weight": "balanced"}, r"class_weight is for classes, and the target is numbers"),
        ({"class_weight": "even", "classify": True}, r"class_weight is 'even'; it is 'balanced' or"),
        ({"class_weight": {"7": 1}, "classify": True}, r"names the class '7': The classes are '0', '1'"),
        ({"class_weight": {"1": -1}, "classify": True}, r"class_weight of '1' is -1; a weight is a number"),
    ],
)
def test_options_that_make_no_sense_are_explained(options, message):
    with pytest.raises(SpecError, match=message):
        prepare(np.arange(4.0), [0, 1, 0, 1], **options)
    with pytest.raises(SpecError, match="a column of the table is named by target='price'"):
        prepare(HOUSES, "price")


# ---- what is kept, and what is only worth a warning ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", np.arange(N)),  # a plain running number is a feature
        ("grid", np.arange(N)),
        ("humid", np.arange(N)),
        ("paid", np.arange(N)),
        ("id", np.arange(N) % 7),  # not all different
        ("id", np.random.default_rng(0).permutation(N)),  # not in order
        ("index", np.linspace(0, 1, N)),  # not whole numbers
    ],
)
def test_what_is_no_identifier_is_kept(name, values):
    assert prepare({name: values, "y": GOOD["y"]}, target="y")[0].names == (name,)


def test_an_identifier_named_in_columns_is_kept():
    assert prepare(GOOD | {"id": np.arange(N)}, target="y", columns=["id"])[0].names == ("id",)


def test_a_column_of_ones_in_a_table_is_the_intercept():
    for intercept in (True, False):
        train, _ = prepare(GOOD | {"const": np.ones(N, int)}, target="y", intercept=intercept)
        assert train.names == ("a",)
        assert train.ones
        assert train.notes == ("Column 'const' is 1 in every row: it is the intercept.",)


def test_what_should_be_known_is_a_warning():
    with pytest.warns(SteepestWarning, match="the target 'y' has the same value in every training row"):
        prepare(np.arange(3.0), np.ones(3))
    with pytest.warns(
        SteepestWarning, match="2 training rows cannot settle 3 parameters: the minimum-norm solution is used"
    ):
        prepare(np.array([[1.0, 2.0], [3.0, 5.0]]), [1.0, 2.0])
    with pytest.warns(SteepestWarning, match="the class 'c' has a single training row"):
        prepare(np.arange(5.0), list("ababc"))


def test_columns_of_python_objects_are_explained():
    frame = pl.DataFrame({"a": pl.Series([object(), object()], dtype=pl.Object), "y": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"column 'a' holds bytes.*drop=\"a\""):
        prepare(frame, target="y")


def test_whole_numbers_beyond_two_to_the_53_are_rounded_like_numpy_does():
    big = np.array([2**60 + 1, -(2**61) - 3, 5])
    train, _ = prepare({"b": big, "y": [1.0, 2.0, 4.0]}, target="y")
    np.testing.assert_array_equal(train.x[:, 0], big.astype(np.float64))


WHOLE = np.random.default_rng(11).normal(size=(40, 3)).round(3)
WITH_ONES = np.column_stack([WHOLE, np.ones(40)])[:, [0, 3, 1, 2]]


@pytest.mark.parametrize(
    "array",
    [WHOLE, WHOLE.T.copy().T, WHOLE[::-1], WITH_ONES, WHOLE[:, :1], (100 * WHOLE).astype(int), torch.tensor(WHOLE)],
    ids=["plain", "fortran", "reversed", "ones", "one column", "integers", "tensor"],
)
@pytest.mark.parametrize("options", [{}, {"missing": "drop", "weights": np.arange(40.0)}, {"test_fraction": 0.3}])
def test_an_array_gives_what_its_rows_as_lists_give(array, options):
    y = np.linspace(0.0, 1.0, 40)
    y[7] = np.nan if "missing" in options else 0.5
    for quick, slow in zip(prepare(array, y, **options), prepare(array.tolist(), y, **options), strict=True):
        if quick is None or slow is None:
            assert quick is slow
            continue
        np.testing.assert_array_equal(quick.x, slow.x)
        np.testing.assert_array_equal(quick.y, slow.y)
        np.testing.assert_array_equal(quick.weights, slow.weights)
        assert (quick.names, quick.notes, quick.ones, quick.schema) == (slow.names, slow.notes, slow.ones, slow.schema)
        assert quick.x.flags.c_contiguous
        assert quick.x.dtype == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e151])
def test_an_array_with_a_bad_value_is_refused_as_its_rows_as_lists_are(value):
    array = WHOLE.copy()
    array[4, 1] = value
    with pytest.raises(DataError) as quick:
        prepare(array, np.arange(40.0))
    with pytest.raises(DataError) as slow:
        prepare(array.tolist(), np.arange(40.0))
    assert str(quick.value) == str(slow.value)
    assert "'x2'" in str(quick.value)
    assert "row 5" in str(quick.value)


def test_the_rows_of_a_fit_are_a_copy():
    array = WHOLE.copy()
    train, _ = prepare(array, np.arange(40.0))
    array[:] = 0.0
    np.testing.assert_array_equal(train.x, WHOLE)


# ---- a target on a log scale ---------------------------------------------------------------------


def test_a_target_may_be_the_logarithm_of_a_column():
    train, _ = prepare(HOUSES, target="log(price)")
    assert (train.targets, train.names) == (("log(price)",), ("size", "city=Oslo", "city=Rome", "new"))
    np.testing.assert_array_equal(train.y, np.log(HOUSES["price"]))


def test_a_column_that_is_really_called_so_is_itself():
    table = {"size": [1.0, 2.0, 4.0], "price": [-1.0, 0.0, 5.0], "log(price)": [7.0, 8.0, 9.0]}
    train, _ = prepare(table, target="log(price)")
    assert (train.targets, train.names) == (("log(price)",), ("size", "price"))
    np.testing.assert_array_equal(train.y, [7.0, 8.0, 9.0])


def test_several_targets_each_on_its_own_scale():
    train, test = prepare(HOUSES, target=["log(price)", "size"], columns=["new"], test_fraction=0.5)
    assert train.targets == ("log(price)", "size")
    everything = np.vstack([train.y, test.y])
    expected = np.column_stack([np.log(HOUSES["price"]), HOUSES["size"]])
    np.testing.assert_array_equal(everything[everything[:, 1].argsort()], expected[expected[:, 1].argsort()])


def test_of_arrays_the_target_is_called_y():
    x, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 10.0, 100.0])
    train, _ = prepare(x, y, target="log(y)")
    assert (train.targets, train.names) == (("log(y)",), ("x1", "x2"))
    np.testing.assert_array_equal(train.y, np.log(y))
    named, _ = prepare(x, pd.Series(y, name="price"), target="log(price)")
    np.testing.assert_array_equal(named.y, np.log(y))
    both, _ = prepare(x, np.column_stack([y, -y]), target=["log(y1)", "y2"])
    np.testing.assert_array_equal(both.y, np.column_stack([np.log(y), -y]))


def test_a_missing_value_has_no_logarithm_and_is_dropped_as_ever():
    train, _ = prepare({"size": [1.0, 2.0, 3.0], "price": [1.0, None, 3]}, target="log(price)", missing="drop")
    np.testing.assert_array_equal(train.y, np.log([1.0, 3.0]))


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (
            [2.0, 1.0, 0.0, -1.0],
            r"^the target 'price' is 0 in row 3 \(counted from 1\), which has no logarithm\. Correct the value, leave the "
            r"row out, or predict the column itself: target=\"price\"$",
        ),
        (
            ["a", "b", "a", "b"],
            "column 'price' must hold numbers and row 1 .* has 'a'. Predict the column itself: target=",
        ),
        ([True, False, True, True], "column 'price' holds values of type bool"),
    ],
)
def test_what_has_no_logarithm_is_named(price, message):
    with pytest.raises(DataError, match=message):
        prepare({"size": [1.0, 2.0, 3.0, 5.0], "price": price}, target="log(price)")


def test_the_column_under_the_logarithm_cannot_be_a_feature():
    with pytest.raises(DataError, match="'price' is the target and cannot be among columns too"):
        prepare(HOUSES, target="log(price)", columns=["size", "price"])
    with pytest.raises(DataError, match="'price' is the target and cannot be dropped too"):
        prepare(HOUSES, target="log(price)", drop="price")
    with pytest.raises(DataError, match=r"there is no column 'log\(prize\)' in the table"):
        prepare(HOUSES, target="log(prize)")


def test_numbers_whose_squares_are_0_are_refused():
    x = np.arange(1.0, 13.0)
    with pytest.raises(DataError, match=r"column 'x' holds no number larger than 1.2e-199, whose squares are 0"):
        prepare(x * 1e-200, x)
    with pytest.raises(DataError, match=r"the target 'y' holds no number larger than 1.2e-199"):
        prepare(x, x * 1e-200)
    train, _ = prepare(x * 1e-140, x)
    assert train.x.max() == pytest.approx(1.2e-139)


def test_a_target_of_records_keeps_their_names():
    y = np.array([(1.0, 2), (2.0, 4), (5.0, 1)], dtype=[("price", float), ("rooms", int)])
    train, _ = prepare(np.arange(3.0), y)
    assert train.targets == ("price", "rooms")
    np.testing.assert_array_equal(train.y, [[1.0, 2.0], [2.0, 4.0], [5.0, 1.0]])


def test_a_seed_of_64_bits_splits_too():
    x = np.arange(40.0)
    splits = [
        prepare(x, x, test_fraction=0.25, seed=seed)[1].x.ravel().tolist() for seed in (2**64 - 1, 2**64 - 1, 2**33)
    ]
    assert len(splits[0]) == 10
    assert splits[0] == splits[1] != splits[2]

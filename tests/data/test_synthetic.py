"""The generated problems keep what they promise, and every sample is the table it says it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from steepest.data import synthetic
from steepest.errors import SpecError

GENERATED = [synthetic.line, synthetic.noisy_line, synthetic.quadratic_with_outlier]

# name → rows, feature columns, classes (None: numbers), as scikit-learn's handbook states them
TABLES = {
    "diabetes": (442, 10, None),
    "breast_cancer": (569, 30, 2),
    "iris": (150, 4, 3),
    "wine": (178, 13, 3),
    "digits": (1797, 64, 10),
    "linnerud": (20, 3, None),
    "line": (100, 1, None),
    "noisy_line": (10_000, 1, None),
    "quadratic_with_outlier": (100, 1, None),
}


def test_quadratic_with_outlier_is_the_lecture_to_the_last_digit():
    data = synthetic.quadratic_with_outlier()
    slope, intercept = np.polyfit(data.x[:, 0], data.y, 1)
    assert intercept == pytest.approx(-0.26649881, abs=5e-9)
    assert slope == pytest.approx(2.64187294, abs=5e-9)
    assert np.mean(np.abs(data.y)) == pytest.approx(1.93830832356722, rel=1e-14)
    assert (data.x[0, 0], data.y[0]) == (-1.5, 10.0)
    assert np.all(np.diff(data.x[:, 0]) > 0)


def test_line_has_noise_whose_mean_goes_into_the_intercept():
    data = synthetic.line(200_000, intercept=-1.0, slope=7.0, seed=5)
    assert data.truth == {"intercept": -0.5, "x": 7.0}
    noise = data.y - (-1.0 + 7.0 * data.x[:, 0])
    assert noise.min() >= -1e-14
    assert noise.max() < 1.0
    # five standard errors of the mean, and of the mean square, of a uniform number
    assert noise.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / 200_000))
    assert noise.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / 200_000))
    assert data.x.min() >= -1
    assert data.x.max() < 1


def test_the_column_of_ones_comes_last():
    data = synthetic.line(5)
    assert data.with_ones.shape == (5, 2)
    np.testing.assert_array_equal(data.with_ones[:, 0], data.x[:, 0])
    np.testing.assert_array_equal(data.with_ones[:, 1], np.ones(5))


def test_noisy_line_has_the_noise_it_says():
    data = synthetic.noisy_line(seed=3)
    assert data.x.shape == (10_000, 1)
    assert all(-14 <= value < 14 for value in data.truth.values())
    assert np.abs(data.x).max() < 1.15
    residual = data.y - data.truth["intercept"] - data.truth["x"] * data.x[:, 0]
    # five standard errors: the variance of a squared normal of variance v is 2v²
    assert np.mean(residual**2) == pytest.approx(1 / 9, abs=5 * np.sqrt(2 / 10_000) / 9)


@pytest.mark.parametrize("make", GENERATED)
def test_the_seed_decides_everything(make):
    np.testing.assert_array_equal(make(seed=1).y, make(seed=1).y)
    assert not np.array_equal(make(seed=1).y, make(seed=2).y)


@pytest.mark.parametrize("make", GENERATED)
def test_the_global_generator_is_not_touched(make):
    before = np.random.get_state()[1].copy()
    make()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("make", GENERATED)
def test_shapes_and_table_agree(make):
    data = make()
    assert data.x.dtype == data.y.dtype == np.float64
    table = data.table()
    assert table.column_names == [*data.names, "y"]
    np.testing.assert_array_equal(table["x"].to_numpy(), data.x[:, 0])
    np.testing.assert_array_equal(table["y"].to_numpy(), data.y)


def test_a_problem_without_rows_is_refused():
    with pytest.raises(SpecError, match="n is 0"):
        synthetic.line(0)
    with pytest.raises(SpecError, match="n is -3"):
        synthetic.noisy_line(-3)


def test_the_list_of_samples_is_the_one_tested_here():
    assert synthetic.sample_names() == list(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_sample_has_its_rows_columns_and_classes(name):
    rows, features, classes = TABLES[name]
    table, targets = synthetic.sample(name), synthetic.sample_target(name)
    assert table.num_rows == rows
    assert table.num_columns == features + len(targets)
    assert set(targets) <= set(table.column_names)
    for column in table.column_names:
        assert table[column].null_count == 0
        text = column in targets and classes is not None
        assert pa.types.is_dictionary(table[column].type) == text
    if classes is not None:
        assert len(table[targets[0]].unique()) == classes


def test_samples_are_in_the_units_they_were_measured_in():
    diabetes = synthetic.sample("diabetes")
    assert diabetes["age"].to_pylist()[:3] == [59, 48, 72]
    assert diabetes["progression"].to_pylist()[:3] == [151, 75, 141]
    assert synthetic.sample("breast_cancer")["diagnosis"].to_pylist().count("benign") == 357
    assert synthetic.sample("iris")["species"].to_pylist()[0] == "setosa"
    assert synthetic.sample("digits")["digit"].to_pylist()[:3] == ["0", "1", "2"]
    assert synthetic.sample_target("linnerud") == ["Weight", "Waist", "Pulse"]


@pytest.mark.parametrize(
    ("alias", "name"),
    [("lesson_a", "line"), ("lesson_b", "noisy_line"), ("lesson_c", "quadratic_with_outlier")],
)
def test_the_lessons_can_be_asked_for_by_letter(alias, name):
    assert synthetic.sample(alias).equals(synthetic.sample(name))
    assert synthetic.sample_target(alias) == ["y"]


def test_an_unknown_sample_is_answered_with_the_list_and_the_nearest_name():
    with pytest.raises(SpecError, match="no sample 'diabete'") as caught:
        synthetic.sample("diabete")
    text = str(caught.value)
    assert "Did you mean sample:diabetes?" in text
    assert ", ".join(TABLES) in text
    with pytest.raises(SpecError, match="no sample 'zzz'") as caught:
        synthetic.sample_target("zzz")
    assert "Did you mean" not in str(caught.value)

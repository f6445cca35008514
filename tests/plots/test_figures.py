"""Curves, predictions, residuals and classes: what they draw, against numbers from elsewhere."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats
import statsmodels.api as sm
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LinearRegression
from sklearn.metrics import confusion_matrix

import steepest as st
from steepest.data import synthetic
from steepest.errors import DataError, FitError, SpecError
from steepest.model.prediction import outputs
from steepest.plots import classes, features, loss_curve, parameters, predictions, residuals, tables
from steepest.plots.style import notes_of, title_of

DATA = synthetic.quadratic_with_outlier()
PICTURES = ("plot", "loss_curve", "parameters")


@pytest.fixture(scope="module")
def minibatch():
    return st.fit(
        DATA.x, DATA.y, model="poly:2", loss="l1", optimizer="sgd", lr=1, schedule="inverse",
        batch_size=10, epochs=20, test_fraction=0.2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def diabetes():
    return st.fit("sample:diabetes", test_fraction=0.25, epochs=40)


# ---- loss and parameters -------------------------------------------------------------------------


def test_the_gap_is_the_objective_above_the_exact_one(minibatch):
    data = loss_curve.curve_data(minibatch)
    assert data.exact == pytest.approx(minibatch.exact.objective)
    known = np.isfinite(minibatch.trace.objective)
    assert data.gap[known] == pytest.approx(minibatch.trace.objective[known] - minibatch.exact.objective)
    assert data.per_epoch == 8
    assert data.gap[-1] == pytest.approx(minibatch.gap, rel=1e-9)


def test_the_running_mean_is_a_convolution_and_keeps_the_ends():
    values = np.random.default_rng(0).normal(size=240)
    smooth = loss_curve.running_mean(values)
    assert smooth[10:-10] == pytest.approx(np.convolve(values, np.full(21, 1 / 21), "valid"))
    assert smooth[0] == pytest.approx(values[:11].mean())
    values[100] = np.nan
    assert np.isfinite(loss_curve.running_mean(values)).all()


def test_a_loss_curve_says_where_it_stopped_and_why(minibatch):
    shown = minibatch.loss_curve()
    assert minibatch.outcome in notes_of(shown)
    stopped = next(trace for trace in shown.data if trace.name == "stopped")
    assert stopped.x[0] == minibatch.steps
    assert stopped.y[0] == pytest.approx(minibatch.objective_value)
    assert any(trace.name == "loss of a batch" and len(trace.x) == 161 for trace in shown.data)
    assert shown.layout.yaxis.type == "log"


def test_each_parameter_has_its_path_and_its_exact_value(minibatch):
    shown = minibatch.parameters()
    assert [note.text for note in shown.layout.annotations] == ["intercept", "x", "x^2"]
    for i in range(3):
        path, exact = shown.data[2 * i : 2 * i + 2]
        assert np.array_equal(path.y, minibatch.trace.theta[:, i])
        assert exact.y[0] == pytest.approx(minibatch.exact.theta[i])
        assert exact.line.dash == "dash"


def test_of_two_hundred_parameters_those_that_moved_most():
    x = np.random.default_rng(0).normal(size=(300, 200))
    fit = st.fit(x, x[:, 7] - x[:, 150], optimizer="sgd", lr=0.01, epochs=5)
    data = parameters.parameter_data(fit)
    assert len(data.names) == 12
    assert data.total == 201
    assert "12 of 201 parameters: those that moved most." in notes_of(fit.parameters())
    assert parameters.parameter_data(fit, ["x8"]).names == ["x8"]
    with pytest.raises(SpecError, match="'x999' is no parameter"):
        parameters.parameter_data(fit, ["x999"])


# ---- predictions ---------------------------------------------------------------------------------


def test_the_curve_is_the_polynomial_on_a_fine_grid():
    fit = st.fit(DATA.x, DATA.y, model="poly:2")
    data = predictions.curve_data(fit)
    assert data.curves[0] == pytest.approx(np.polyval(fit.theta[::-1], data.x))
    assert data.exact == pytest.approx(np.polyval(np.polyfit(DATA.x[:, 0], DATA.y, 2), data.x))
    assert (data.x[0], data.x[-1]) == (-1.5, DATA.x[:, 0].max())


def test_a_picture_of_the_start_has_its_theta(minibatch):
    data = predictions.curve_data(minibatch, step=0)
    assert not data.curves[0].any()
    assert data.step == 0
    half = predictions.curve_data(minibatch, step=80)
    assert half.curves[0] == pytest.approx(np.polyval(minibatch.trace.theta[80][::-1], half.x))
    assert title_of(minibatch.plot(step=0)).startswith("poly:2 before update 0: l1 ")


def test_a_formula_of_one_column_is_a_curve_along_that_column():
    random = np.random.default_rng(0)
    age = random.uniform(20.0, 70.0, 150)
    table = {"age": age, "y": np.sin(age / 8.0) + random.normal(0.0, 0.3, 150)}
    fit = st.fit(table, formula="y ~ poly(age, 3) + log(age)", test_fraction=0.2)
    data = fit.plot().source_data
    train = np.isin(np.arange(150), fit.train.places)

    def design(x):
        z = (np.asarray(x) - 45.0) / 25.0
        return np.column_stack([np.ones_like(z), z, z**2, z**3, np.log(x)])

    frame = sm.OLS(table["y"][train], design(age[train])).fit().get_prediction(design(data.x)).summary_frame()
    assert (data.x[0], data.x[-1]) == (age.min(), age.max())
    np.testing.assert_allclose(data.curves[0], frame["mean"], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(data.band, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(np.sort(data.rows.x[:, 0]), np.sort(age[train]))
    np.testing.assert_array_equal(np.sort(data.held_out.x[:, 0]), np.sort(age[~train]))
    assert fit.plot().layout.xaxis.title.text == fit.residuals().layout.xaxis3.title.text == "age"
    other = st.fit(table, formula="y ~ poly(age, 3) + log(age)", loss="l1")  # its polynomials are of other rows
    curve = fit.plot([other]).source_data.curves[1]
    np.testing.assert_allclose(curve, other.predict({"age": data.x}), rtol=1e-9)


def test_two_classes_of_a_formula_are_a_probability_along_its_column():
    random = np.random.default_rng(0)
    dose = random.uniform(1.0, 9.0, 200)
    died = np.where(random.random(200) < scipy.special.expit(2.0 * np.log(dose) - 3.0), "yes", "no")
    data = st.fit({"dose": dose, "died": died}, formula="died ~ log(dose)", loss="logistic").plot().source_data
    model = sm.GLM(died == "yes", sm.add_constant(np.log(dose)), family=sm.families.Binomial()).fit(tol=1e-12)
    found = model.get_prediction(sm.add_constant(np.log(data.x)))
    np.testing.assert_allclose(data.shares[0][:, 1], found.predicted, rtol=1e-7)
    np.testing.assert_allclose(data.band, found.conf_int(), rtol=1e-6)


def test_a_missing_value_of_a_formula_is_drawn_at_what_stands_in_for_it_and_two_columns_by_predictions():
    x = np.linspace(-3.0, 3.0, 40)
    gone = np.where(np.arange(40) == 3, np.nan, x)
    data = st.fit({"x": gone, "y": x}, formula="y ~ poly(x, 2)", missing="mean").plot().source_data
    assert data.rows.x[3, 0] == pytest.approx(np.nanmean(gone))
    assert (data.x[0], data.x[-1]) == (-3.0, 3.0)
    fit = st.fit({"x": x, "w": x**2, "y": x}, formula="y ~ x + w")
    assert isinstance(fit.plot().source_data, features.ActualAndDependence)


def test_the_exact_curve_of_degree_12_is_clipped_and_said_to_be():
    fit = st.fit(DATA.x, DATA.y, model="poly:12", optimizer="adam", lr=0.01, batch_size=10, epochs=100)
    data = predictions.curve_data(fit)
    assert np.abs(data.exact).max() > 15
    assert -17 < data.low < data.high < 20
    assert any(note.startswith("The exact curve runs from -") for note in notes_of(fit.plot()))


def test_train_and_held_out_loss_stand_in_the_title(diabetes):
    assert title_of(diabetes.plot()) == "linear: mse 2,780.1 train, 3,180.2 held out"


def test_predicted_against_actual(diabetes):
    (data,) = features.actual_data(diabetes)
    model = LinearRegression().fit(diabetes.train.x, diabetes.train.y)
    assert data.predicted == pytest.approx(model.predict(diabetes.train.x), rel=1e-9)
    assert data.held_out_predicted == pytest.approx(model.predict(diabetes.test.x), rel=1e-9)
    assert np.array_equal(data.actual, diabetes.train.y)


def test_partial_dependence_is_scikit_learn_s(diabetes):
    rows = diabetes.train.x[:: len(diabetes.train.x) // 150][:150]
    few = st.fit(
        rows, diabetes.train.y[:: len(diabetes.train.x) // 150][:150], model="poly:2", optimizer="sgd", epochs=20
    )

    class Model(LinearRegression):
        def predict(self, x):
            return few.predict(x)

    model = Model().fit(rows, few.train.y)
    for one in features.dependence_data(few, ["x3", "x9"]):
        column = int(one.feature[1:]) - 1
        found = partial_dependence(
            model, rows, [column], method="brute", kind="average", custom_values={column: one.place}
        )
        assert one.mean == pytest.approx(found["average"][0], rel=1e-9)


def test_the_features_that_matter_most_come_first(diabetes):
    data = features.dependence_data(diabetes)
    swings = [np.ptp(one.mean) for one in data]
    assert swings == sorted(swings, reverse=True)
    slopes = dict(zip(diabetes.names[1:], diabetes.theta[1:], strict=True))
    assert swings[0] == pytest.approx(
        max(abs(slopes[n]) * np.ptp(diabetes.train.x[:, i]) for i, n in enumerate(slopes))
    )


# ---- the numbers behind a picture ----------------------------------------------------------------


def test_a_figure_carries_the_numbers_that_it_shows(minibatch, diabetes):
    other = st.fit(DATA.x, DATA.y)
    (one, two) = minibatch.loss_curve(also=[other]).source_data
    assert np.array_equal(one.loss, minibatch.trace.loss)
    assert two.objective[-1] == pytest.approx(other.objective_value)
    assert np.array_equal(minibatch.parameters(["x"]).source_data.theta[:, 0], minibatch.trace.theta[:, 1])
    assert minibatch.plot().source_data.curves[0][-1] == pytest.approx(minibatch.predict([[DATA.x.max()]])[0])
    (residual,) = diabetes.residuals().source_data
    assert residual.residual == pytest.approx(diabetes.train.y - diabetes.predict(diabetes.train.x))
    (actual,) = diabetes.plot().source_data.actual[0]
    assert np.array_equal(actual.held_out_actual, diabetes.test.y)
    assert minibatch.surface(plane=("x", "x^2"), grid=5).source_data.values.shape == (5, 5)
    assert st.plot("sample:diabetes").source_data.target == "progression"
    graph = st.graph(minibatch)
    assert graph.dot == graph.source_data.dot
    assert st.compare([minibatch, other]).loss_curve().source_data[0].exact == one.exact


# ---- residuals -----------------------------------------------------------------------------------


def test_residuals_and_quantiles_are_scipy_s(diabetes):
    data = residuals.residual_data(diabetes)
    (normal, ordered), _ = scipy.stats.probplot(diabetes.train.y - diabetes.predict(diabetes.train.x))
    assert data.normal == pytest.approx(normal, rel=1e-12)
    assert data.sorted_residual == pytest.approx(ordered, abs=1e-9)
    assert data.residual == pytest.approx(diabetes.train.y - data.fitted)
    low, high = np.quantile(ordered, [0.25, 0.75])
    slope, middle = data.line
    assert middle + slope * scipy.stats.norm.ppf(0.75) == pytest.approx(high)
    assert middle + slope * scipy.stats.norm.ppf(0.25) == pytest.approx(low)


def test_sticks_go_from_point_to_curve():
    fit, other = st.fit(DATA.x, DATA.y), st.fit(DATA.x, DATA.y, loss="l1")
    shown = fit.residuals(also=[other])
    sticks = next(trace for trace in shown.data if trace.name == "residual")
    assert np.array_equal(sticks.x[0::3], DATA.x[:, 0])
    assert np.array_equal(sticks.y[0::3], DATA.y)
    assert sticks.y[1::3] == pytest.approx(fit.predict(DATA.x))
    panels = [trace for trace in shown.data if trace.yaxis == "y3"]
    assert panels[1].y == pytest.approx(DATA.y - other.predict(DATA.x))
    assert shown.layout.xaxis.matches == "x3"


def test_classes_have_no_residuals():
    with pytest.raises(SpecError, match=r"fit\.plot\(\)"):
        st.fit([0.0, 1.0, 2.0, 3.0], ["a", "b", "a", "b"]).residuals()


# ---- classes -------------------------------------------------------------------------------------


def test_probabilities_along_one_feature():
    fit = st.fit("sample:breast_cancer", columns="mean radius", penalty="l2:1e-4")
    data = classes.probability_data(fit)
    a, b = fit.theta
    assert data.shares[0][:, 1] == pytest.approx(1 / (1 + np.exp(-(a + b * data.x))))
    assert fit.plot().layout.xaxis.title.text == "mean radius"


def test_regions_are_the_classes_predicted():
    names = ["petal length (cm)", "petal width (cm)"]
    fit = st.fit("sample:iris", columns=names, penalty="l2:1e-3")
    data = classes.region_data(fit)
    for i, j in ((0, 0), (80, 80), (159, 159), (100, 20)):
        label = fit.predict({names[0]: [data.x[i]], names[1]: [data.y[j]]})[0]
        assert fit.schema.classes[data.codes[j, i]] == label
    fit.plot()


def test_confusion_is_scikit_learn_s():
    fit = st.fit("sample:digits", penalty="l2:.01", test_fraction=0.3, epochs=20)
    found = classes.confusion_data(fit).parts["held-out rows"]
    guess = outputs(fit, fit.test.x, fit.theta).argmax(1)
    assert np.array_equal(found, confusion_matrix(fit.test.y, guess))
    assert fit.plot().data[1].z.shape == (10, 10)


# ---- tables --------------------------------------------------------------------------------------


def test_a_table_before_any_fit():
    shown = st.plot("sample:diabetes")
    assert title_of(shown) == "progression in 442 rows"
    assert "The first 9 of 10 columns." in notes_of(shown)
    assert np.array_equal(shown.data[2].x, synthetic.sample("diabetes")["bmi"].to_numpy())
    for source in ("sample:iris", {"a": [1.0, 2.0, np.nan]}, {"a": [1, 2], "b": ["x", "y"]}, np.ones((4, 6))):
        st.plot(source)
    with pytest.raises(DataError, match="no column 'prize'"):
        st.plot({"price": [1.0]}, target="prize")
    assert "1 missing value left out." in notes_of(st.plot({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]}))
    assert tables.table_data(DATA.x, DATA.y).target == "y"


@pytest.mark.parametrize("numbers", [
    np.array([2**53 + 1, 2**60, 5]), np.array([2**64 - 1, 3, 4], dtype=np.uint64), np.array([-(2**63), 0, 9]),
])  # fmt: skip
def test_integers_that_no_float_holds_are_drawn_to_the_nearest(numbers):
    (panel,) = st.plot({"a": numbers, "b": [1.0, 2.0, 3.0]}, target="b").data
    assert panel.x.tolist() == [float(int(one)) for one in numbers]


# ---- long and odd --------------------------------------------------------------------------------


def test_a_million_rows_are_thinned_and_said_to_be():
    random = np.random.default_rng(0)
    x = random.normal(size=1_000_000)
    fit = st.fit(x, 2 * x + random.normal(size=1_000_000), epochs=5)
    for picture in (*PICTURES, "residuals", "surface"):
        for trace in getattr(fit, picture)().data:
            assert trace.x is None or len(trace.x) <= 4_000
    assert "4,000 of 1,000,000 rows are drawn." in notes_of(fit.residuals())
    assert any("of 1,000,000 rows" in note for note in notes_of(fit.surface()))


def odd_fits():
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 200))
    constant = np.column_stack([np.full(30, 7.0), np.arange(30.0)])
    long = {"п" * 50: np.arange(20.0), "<b>bold</b> & co": np.arange(20.0) ** 2, "価格": np.arange(20.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", st.SteepestWarning)
        return {
            "200 features": st.fit(x, x[:, 0], epochs=3),
            "one constant": st.fit(constant, np.arange(30.0), epochs=3),
            "one step": st.fit(DATA.x, DATA.y, optimizer="sgd", lr=0.1, epochs=1),
            "diverged": st.fit(DATA.x, DATA.y, optimizer="sgd", lr=1e3, epochs=500),
            "diverged far": st.fit(DATA.x, DATA.y, model="poly:12", optimizer="sgd", lr=1e250, epochs=10),
            "long names": st.fit(long, target="価格", epochs=3),
            "two targets": st.fit(x[:, :3], x[:, 3:5], epochs=3),
            "network": st.fit(DATA.x, DATA.y, model="mlp:4", epochs=5),
            "intercept only": st.fit(np.ones((9, 1)), np.arange(9.0), epochs=2),
            "perfect": st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]),
        }


@pytest.fixture(scope="module")
def odd():
    return odd_fits()


@pytest.mark.parametrize("name", [
    "200 features", "one constant", "one step", "diverged", "diverged far", "long names", "two targets", "network",
    "intercept only", "perfect",
])  # fmt: skip
def test_every_picture_is_drawn_of_odd_fits(odd, name):
    fit = odd[name]
    for picture in (*PICTURES, *(["residuals"] if name != "two targets" else [])):
        page = getattr(fit, picture)().to_html(include_plotlyjs=False)
        assert "<b>bold" not in page
    if len(fit.names) > 1:
        fit.surface(grid=8)


# ---- from a run ----------------------------------------------------------------------------------


def test_a_run_draws_what_the_fit_drew(tmp_path, minibatch):
    minibatch.save(tmp_path / "run")
    loaded = st.load(tmp_path / "run")
    for picture in (*PICTURES, "residuals", "surface", "path3d"):
        assert getattr(loaded, picture)().to_json() == getattr(minibatch, picture)().to_json()
    loaded.save(tmp_path / "again")
    assert st.load(tmp_path / "again").plot().to_json() == minibatch.plot().to_json()
    assert len(loaded.animate(frames=3)) == 3


def test_a_run_keeps_a_part_of_many_rows(tmp_path):
    x = np.random.default_rng(0).normal(size=(9_000, 2))
    fit = st.fit(x, x[:, 0], optimizer="sgd", precondition="standardize", epochs=2, test_fraction=0.5)
    fit.save(tmp_path / "run")
    loaded = st.load(tmp_path / "run")
    assert notes_of(loaded.residuals()) == ["2,000 of 4,500 rows are drawn."]
    assert "The loss is computed from 2,000 of 4,500 rows." in notes_of(loaded.surface(grid=5))
    with pytest.raises(SpecError, match="a part of its rows"):
        loaded.surface(coordinates="descent")
    assert (tmp_path / "run" / "rows.parquet").stat().st_size < 150_000


def test_images_are_not_kept_in_a_run(tmp_path):
    from torch import nn

    images = np.random.default_rng(0).normal(size=(30, 1, 4, 4))
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    fit = st.fit(images, np.arange(30) % 2 == 0, model=module, loss="cross_entropy", epochs=2)
    for picture in (*PICTURES, "surface"):
        getattr(fit, picture)(**({"grid": 5} if picture == "surface" else {}))
    fit.save(tmp_path / "run")
    loaded = st.load(tmp_path / "run")
    loaded.loss_curve(), loaded.parameters()
    with pytest.raises(FitError, match="kept no rows"):
        loaded.plot()

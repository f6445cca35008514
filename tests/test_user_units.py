"""Powers of columns far from zero: right to the last digits, whatever the units, wherever the numbers are shown."""

import json
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog, minimize

import steepest as st
from ejecting import printed, ran
from steepest.plots.surface.data import surface_data
from steepest.report import page

RANDOM = np.random.default_rng(11)
U = np.linspace(-1.0, 1.0, 24)
SHAPE = 40 + 12 * U - 9 * U**2 + 3 * np.sin(4 * U)
Y = SHAPE + 0.5 * RANDOM.normal(size=24)
YEARS = np.arange(1991.0, 2015.0)


def legendre(x, y, degree):
    """The least squares polynomial, in a basis that float64 can hold."""
    return np.polynomial.Legendre.fit(x, y, degree)


def exact_coefficients(x, y, degree):
    """Least squares coefficients of 1, x, x², … in rational arithmetic, rounded once."""
    rows = [[Fraction(float(value)) ** j for j in range(degree + 1)] for value in x]
    right = [Fraction(float(value)) for value in y]
    table = [
        [sum(row[i] * row[j] for row in rows) for j in range(degree + 1)]
        + [sum(row[i] * value for row, value in zip(rows, right, strict=True))]
        for i in range(degree + 1)
    ]
    for i in range(degree + 1):
        table[i] = [value / table[i][i] for value in table[i]]
        for k in range(degree + 1):
            if k != i:
                table[k] = [a - table[k][i] * b for a, b in zip(table[k], table[i], strict=True)]
    return np.array([float(row[-1]) for row in table])


COLUMNS = {
    "years": YEARS,
    "kelvin": 285 + 15 * U,
    "timestamps": 1.6e9 + np.round(1.5e7 * U),
    "prices": 1e6 + U,
    "tiny": 3e-9 * (1 + 1e-3 * U),
    "negative": -273.15 + 2 * U,
}


@pytest.mark.parametrize("degree", [4, 6, 7, 12])
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_polynomial_is_the_least_squares_one_whatever_the_units(kind, degree):
    x = COLUMNS[kind]
    best = legendre(x, Y, degree)
    want = np.mean((best(x) - Y) ** 2)
    fit = st.fit(x, Y, model=f"poly:{degree}")
    assert fit.loss == pytest.approx(want, rel=1e-9)
    assert fit.exact.loss == pytest.approx(want, rel=1e-9)
    assert fit.gap == pytest.approx(0, abs=1e-12)
    assert fit.status is st.Status.CONVERGED
    assert fit.metrics["train"]["r2"] == pytest.approx(1 - want / Y.var(), rel=1e-9)
    beyond = x.mean() + 1.4 * (x - x.mean())
    np.testing.assert_allclose(fit.predict(beyond), best(beyond), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["years", "timestamps", "prices"])
def test_coefficients_in_user_units_hold_the_digits_that_are_told(kind):
    x = COLUMNS[kind]
    fit = st.fit(x, Y, model="poly:6")
    (note,) = [note for note in fit.notes if "digits" in note]
    told = [int(re.search(rf"{re.escape(name)} (\d+)", note)[1]) for name in fit.names]
    off = np.abs(fit.theta / exact_coefficients(x, Y, 6) - 1)
    assert (off < 10.0 ** -np.array(told)).all()
    assert min(told) >= 12
    np.testing.assert_array_equal(fit.trace.theta[-1], fit.theta)
    assert list(fit.params) == ["intercept", "x", *(f"x^{k}" for k in range(2, 7))]


def test_the_note_names_the_centred_column():
    (note,) = st.fit(pd.DataFrame({"year": YEARS, "y": Y}), target="y", model="poly:6").notes
    assert "fit (year - 2000) in the place of 'year'" in note
    assert not st.fit(U, Y, model="poly:6").notes


def test_several_columns_at_once():
    a, b = RANDOM.uniform(300, 310, 200), RANDOM.uniform(-1, 1, 200)
    y = (a - 305) ** 3 * b + RANDOM.normal(size=200)
    fit = st.fit(np.column_stack([a, b]), y, model="poly:5")
    pairs = [(i, j) for i in range(6) for j in range(6 - i)]
    design = np.column_stack([((a - 305) / 5) ** i * b**j for i, j in pairs])
    want = np.mean((design @ np.linalg.lstsq(design, y, rcond=None)[0] - y) ** 2)
    assert fit.loss == pytest.approx(want, rel=1e-9)
    assert fit.gap == pytest.approx(0, abs=1e-12)
    assert len(fit.names) == 21


def test_other_losses_end_where_linear_programmes_and_newton_do():
    basis = np.polynomial.legendre.legvander((YEARS - YEARS.mean()) / 11.5, 6)
    ones = np.ones(24)
    programme = linprog(
        np.concatenate([np.zeros(7), ones / 24]),
        A_ub=np.block([[basis, -np.eye(24)], [-basis, -np.eye(24)]]),
        b_ub=np.concatenate([Y, -Y]),
        bounds=[(None, None)] * 7 + [(0, None)] * 24,
    )
    assert st.fit(YEARS, Y, model="poly:6", loss="l1").loss == pytest.approx(programme.fun, rel=1e-5)

    def huber(c):
        r = np.abs(basis @ c - Y)
        return np.mean(np.where(r <= 0.3, r**2 / 2, 0.3 * (r - 0.15)))

    start = np.linalg.lstsq(basis, Y, rcond=None)[0]
    best = minimize(huber, start, method="BFGS", options={"gtol": 1e-10}).fun
    assert st.fit(YEARS, Y, model="poly:6", loss="huber:0.3").loss == pytest.approx(best, rel=1e-9)
    late = np.where(np.arange(24) % 5 < 2, "late", "soon")
    yes = late == "soon"

    def logistic(c):
        return np.mean(np.logaddexp(0, basis @ c) - yes * (basis @ c))

    best = minimize(logistic, np.zeros(7), method="BFGS", options={"gtol": 1e-10}).fun
    fit = st.fit(YEARS, late, model="poly:6")
    assert fit.loss == pytest.approx(best, rel=1e-9)
    assert fit.predict_proba(YEARS)[:, 1].mean() == pytest.approx(yes.mean(), abs=1e-9)


def test_held_out_rows_are_scored_by_the_centred_powers():
    fit = st.fit(YEARS, Y, model="poly:6", test_fraction=0.25, seed=1)
    best = legendre(fit.train.x[:, 0], fit.train.y, 6)
    assert fit.test_loss == pytest.approx(np.mean((best(fit.test.x[:, 0]) - fit.test.y) ** 2), rel=1e-8)


def test_a_run_that_is_loaded_predicts_and_draws_the_same(tmp_path):
    fit = st.fit(YEARS, Y, model="poly:7")
    fit.save(tmp_path / "run")
    for again in (st.load(tmp_path / "run"), fit):
        again.save(tmp_path / "second", overwrite=True)
        loaded = st.load(tmp_path / "second")
        np.testing.assert_array_equal(loaded.predict(YEARS), fit.predict(YEARS))
        np.testing.assert_array_equal(loaded.theta, fit.theta)
        assert loaded.names == fit.names
        assert (loaded.loss, loaded.gap, loaded.metrics, loaded.notes) == (fit.loss, fit.gap, fit.metrics, fit.notes)
        assert surface_data(loaded.inner).values.min() == pytest.approx(surface_data(fit.inner).values.min(), rel=1e-12)


def test_curve_and_surface_are_drawn_from_the_centred_powers():
    fit = st.fit(pd.DataFrame({"year": YEARS, "y": Y}), target="y", model="poly:6")
    (curve,) = (trace for trace in fit.plot().data if trace.name == "fit")
    np.testing.assert_allclose(curve.y, legendre(YEARS, Y, 6)(np.array(curve.x)), rtol=0, atol=1e-6)
    data = surface_data(fit.inner, plane=["(year - 2000)", "(year - 2000)^2"], grid=7)
    end = next(mark for mark in data.marks if mark.role == "end")
    assert end.shown == pytest.approx(fit.loss, rel=1e-9)
    # parameters may be asked for by the names that the fit has
    assert "(year - 2000)" in str(fit.surface(plane=("year", "year^2"), grid=5).layout.title.text)
    assert fit.parameters(["year", "year^6"]).data


def test_given_coefficients_are_taken_as_they_are():
    fit = st.fit(YEARS, Y, model="poly:6")
    theta = np.array([3.0, 0.5, -1e-3, 0.0, 0.0, 0.0, 0.0])
    wanted = 3 + 0.5 * YEARS - 1e-3 * YEARS**2
    np.testing.assert_allclose(fit.predict(YEARS, theta=theta), wanted, rtol=1e-12)
    value, gradient = fit.objective(theta)
    assert value == pytest.approx(np.mean((wanted - Y) ** 2), rel=1e-12)
    np.testing.assert_allclose(gradient, [2 * np.mean((wanted - Y) * YEARS**k) for k in range(7)], rtol=1e-9)


def test_a_start_in_user_units_is_where_the_descent_begins():
    fit = st.fit(YEARS, Y, model="poly:6", init={"x": 0.5}, epochs=1)
    assert fit.trace.objective[0] == pytest.approx(np.mean((0.5 * YEARS - Y) ** 2), rel=1e-12)
    again = st.fit(YEARS, Y, model="poly:6", init=st.fit(YEARS, Y, model="poly:6"))
    assert again.trace.objective[0] == pytest.approx(np.mean((legendre(YEARS, Y, 6)(YEARS) - Y) ** 2), rel=1e-9)


def test_runs_of_a_sweep_are_the_fits_alone(tmp_path):
    runs = st.sweep(YEARS, Y, model=["poly:6", "poly:8"], optimizer=["auto", "sgd"])
    for i, degree in enumerate((6, 6, 8, 8)):
        want = np.mean((legendre(YEARS, Y, degree)(YEARS) - Y) ** 2)
        assert runs.table()["loss"][i].as_py() == pytest.approx(want, rel=1e-8)
        assert runs.fit(i).loss == pytest.approx(want, rel=1e-8)
        assert len(runs.fit(i).names) == degree + 1
    runs.save(tmp_path / "runs")
    for i in range(4):
        loaded = st.load(tmp_path / "runs").fit(i)
        assert (loaded.loss, loaded.gap, loaded.names) == (runs.fit(i).loss, runs.fit(i).gap, runs.fit(i).names)
        np.testing.assert_array_equal(loaded.predict(YEARS), runs.fit(i).predict(YEARS))
    side_by_side = st.sweep(YEARS, Y, model="poly:6", optimizer="sgd", lr=[0.3, 0.5], precondition="orthonormal")
    side_by_side.save(tmp_path / "side")
    loaded = st.load(tmp_path / "side").fit(1)
    np.testing.assert_allclose(loaded.predict(YEARS), side_by_side.fit(1).predict(YEARS), rtol=1e-13)
    assert loaded.loss == pytest.approx(side_by_side.fit(1).loss, rel=1e-13)
    alike = st.sweep(YEARS, Y, model="poly:6", optimizer=["auto", "sgd"])
    assert "(x - 2000)" in str(alike.surface(plane=["(x - 2000)", "(x - 2000)^2"]).layout)
    assert alike.residuals().data


@pytest.mark.parametrize("style", ["loop", "closed"])
def test_a_script_prints_the_same_loss(style, tmp_path):
    fit = st.fit(YEARS, Y, model="poly:6", test_fraction=0.25)
    fit.to_python(tmp_path / "script.py", style=style)
    found = printed(*ran([tmp_path / "script.py"]))
    assert found["loss"] == pytest.approx(fit.loss, rel=1e-10)
    assert found["held-out loss"] == pytest.approx(fit.test_loss, rel=1e-8)


def test_a_descent_in_user_units_is_held_against_the_true_optimum():
    fit = st.fit(YEARS, Y, model="poly:6", optimizer="sgd", lr=1e-45, epochs=3)
    assert fit.exact.loss == pytest.approx(np.mean((legendre(YEARS, Y, 6)(YEARS) - Y) ** 2), rel=1e-9)
    assert fit.gap == pytest.approx(fit.loss - fit.exact.loss)
    assert fit.predict(YEARS) == pytest.approx(fit.predict(YEARS, theta=fit.theta))


@pytest.mark.parametrize("settings", [{"penalty": "l2:1e-9"}, {"intercept": False}], ids=["penalty", "no intercept"])
def test_coefficients_that_must_be_in_user_units_and_cannot_are_refused(settings):
    with pytest.raises(st.DataError, match=r"more digits than float64 has.*put \(x - 2000\) into the table"):
        st.fit(YEARS, Y, model="poly:9", **settings)


def test_before_a_fit_the_settings_that_work_are_told():
    ahead = st.diagnose(YEARS, Y, model="poly:6")
    assert {one.precondition for one in ahead.prospects} == {"orthonormal"}
    best = ahead.recommended[0]
    fit = st.fit(YEARS, Y, model="poly:6", **best.settings)
    assert fit.relative_gap < 1e-6


def test_powers_that_float64_cannot_hold_are_refused():
    small = st.fit(1e-20 * U, Y, model="poly:6")
    assert small.loss == pytest.approx(np.mean((legendre(U, Y, 6)(U) - Y) ** 2), rel=1e-9)
    with pytest.raises(st.DataError, match=r"'x\^8' underflows.*Rescale"):
        st.fit(1e-20 * U, Y, model="poly:8")
    with pytest.raises(st.DataError, match=r"'x\^8' overflows.*Rescale"):
        st.fit(1e40 * U, Y, model="poly:8")


def test_a_report_draws_the_curve_of_the_centred_powers():
    fit = st.fit(YEARS, Y, model="poly:7")
    (shown, *_) = page(fit, film=False).figures
    drawn = {part["name"]: part["y"] for part in json.loads(shown)["data"]}
    assert drawn == {part["name"]: part["y"] for part in json.loads(fit.plot().to_json())["data"]}

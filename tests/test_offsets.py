"""offset= and exposure=: what is added to each prediction, beside statsmodels and published numbers."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import statsmodels.api as sm

import steepest as st
import zoo
from steepest.cli.commands import main

ALL, CLAIMS, _ = zoo.insurance()
X, HOLDERS = ALL[:, :-1], ALL[:, -1]
TABLE = {**{f"x{i}": column for i, column in enumerate(X.T)}, "holders": HOLDERS, "claims": CLAIMS}
POISSON = sm.families.Poisson()


def theirs(**given):
    model = sm.GLM(CLAIMS, sm.add_constant(X), family=POISSON, **given)
    return model.fit(tol=1e-13, tol_criterion="params")


def test_insurance_claims_have_the_published_deviances():
    """Venables and Ripley, Modern Applied Statistics with S, section 7.2: 51.42 on 54 and 236.26 on 63 degrees of freedom."""
    found = st.fit(TABLE, target="claims", loss="poisson", exposure="holders").summary()
    assert (round(found.deviance, 2), round(found.null_deviance, 2), found.df_residual) == (51.42, 236.26, 54)


@pytest.mark.parametrize(
    "given", [{"exposure": HOLDERS}, {"offset": np.log(HOLDERS)}, {"exposure": 2 * HOLDERS, "offset": 1 - X[:, 0]}]
)
def test_arrays_give_what_statsmodels_gives(given):
    fit, other = st.fit(X, CLAIMS, loss="poisson", **given), theirs(**given)
    found = fit.summary()
    assert fit.exact.certificate < 1e-12
    np.testing.assert_allclose(fit.theta, other.params, rtol=1e-8)
    np.testing.assert_allclose(found.coefficients.column("std_error").to_pylist(), other.bse, rtol=1e-8)
    for name, its in (("log_likelihood_null", "llnull"), ("deviance", "deviance"), ("null_deviance", "null_deviance")):
        assert getattr(found, name) == pytest.approx(getattr(other, its), rel=1e-8)
    assert found.pseudo_r2 == pytest.approx(other.pseudo_rsquared(), rel=1e-8)
    np.testing.assert_allclose(fit.predict(X, **given), other.fittedvalues, rtol=1e-8)
    assert fit.metrics["train"]["null_deviance"] == pytest.approx(other.null_deviance, rel=1e-8)


def test_weights_and_families_and_a_penalty_go_with_it():
    w = 1.0 + np.arange(64) % 3
    other = sm.GLM(
        CLAIMS + 1,
        sm.add_constant(X),
        family=sm.families.Gamma(sm.families.links.Log()),
        exposure=HOLDERS,
        var_weights=w,
    )
    fit = st.fit(X, CLAIMS + 1, loss="gamma", exposure=HOLDERS, weights=w)
    np.testing.assert_allclose(fit.theta, other.fit(tol=1e-13, tol_criterion="params").params, rtol=1e-8)
    for penalty in ("l2:0.01", "l1:0.01", "elastic:0.01,0.01"):
        fit = st.fit(X, CLAIMS, loss="poisson", exposure=HOLDERS, penalty=penalty)
        assert fit.status is st.Status.CONVERGED
        assert abs(fit.relative_gap) < 1e-10
        slope = sm.add_constant(X).T @ (fit.predict(X, exposure=HOLDERS) - CLAIMS) / 64
        assert slope[0] == pytest.approx(0.0, abs=1e-10)


def test_two_classes_and_least_squares_take_an_offset():
    two, shift = (CLAIMS > 20).astype(float), np.log(HOLDERS) - 5
    other = sm.GLM(two, sm.add_constant(X[:, :3]), family=sm.families.Binomial(), offset=shift)
    fit = st.fit(X[:, :3], two.astype(int), loss="logistic", offset=shift)
    np.testing.assert_allclose(fit.theta, other.fit(tol=1e-13, tol_criterion="params").params, rtol=1e-8)
    np.testing.assert_allclose(fit.predict_proba(X[:, :3], offset=shift).sum(1), 1.0)
    assert st.fit(X, two.astype(int), loss="logistic", offset=shift).status is st.Status.SEPARABLE
    for loss in ("mse", "huber:5", "l1"):
        moved, plain = st.fit(X, CLAIMS, loss=loss, offset=HOLDERS), st.fit(X, CLAIMS - HOLDERS, loss=loss)
        assert moved.loss == pytest.approx(plain.loss, rel=1e-9)
        np.testing.assert_allclose(moved.predict(X, offset=HOLDERS) - HOLDERS, plain.predict(X), atol=1e-6)
        left = CLAIMS - moved.predict(X, offset=HOLDERS)
        assert moved.metrics["train"]["rmse"] == pytest.approx(np.sqrt(np.mean(left**2)), rel=1e-9)
        assert moved.metrics["train"]["r2"] == pytest.approx(1 - np.mean(left**2) / CLAIMS.var(), rel=1e-9)


def test_steps_of_all_engines_have_it():
    ways = (
        {},
        {"batch_size": 16},
        {"dtype": "float32"},
        {"precondition": "standardize"},
        {"init": list(np.full(10, 0.1))},
    )
    for more in ways:
        settings = {"loss": "poisson", "optimizer": "sgd", "lr": 1e-3, "epochs": 3, **more}
        by_row = st.fit(X, CLAIMS, exposure=HOLDERS, **settings)
        theta, batches = np.array(by_row.trace.theta[0]), by_row.trace
        assert float(batches.objective[0]) == pytest.approx(
            2.0**-1 * POISSON.deviance(CLAIMS, HOLDERS * np.exp(sm.add_constant(X) @ theta)) / 64, rel=1e-5
        )
        assert by_row.objective(by_row.theta)[0] == pytest.approx(by_row.loss, rel=1e-6)
    runs = st.sweep(
        TABLE, target="claims", loss="poisson", exposure="holders", lr=[1e-3, 1e-4], optimizer="sgd", epochs=3
    )
    alone = st.fit(TABLE, target="claims", loss="poisson", exposure="holders", lr=1e-4, optimizer="sgd", epochs=3)
    np.testing.assert_allclose(runs.fit(1).theta, alone.theta, rtol=1e-10)


def test_new_rows_need_it_and_runs_keep_it(tmp_path):
    fit = st.fit(TABLE, target="claims", loss="poisson", exposure="holders", test_fraction=0.25)
    np.testing.assert_allclose(fit.predict(TABLE, exposure=1.0) * HOLDERS, fit.predict(TABLE), rtol=1e-12)
    np.testing.assert_allclose(fit.predict(TABLE, interval=0.9)[:, 0], fit.predict(TABLE), rtol=1e-12)
    fit.save(tmp_path / "run")
    again = st.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(TABLE), fit.predict(TABLE))
    np.testing.assert_array_equal(again.kept_rows[0].offset, fit.train.offset)
    assert again.summary().deviance == pytest.approx(fit.summary().deviance, rel=1e-12)
    with pytest.raises(st.DataError, match="no column 'holders'"):
        fit.predict({name: column for name, column in TABLE.items() if name != "holders"})
    with pytest.raises(st.SpecError, match="x has no names: give exposure= numbers"):
        fit.predict(X)
    with pytest.raises(st.SpecError, match=r"give it for the new rows too \(exposure=1 predicts a rate\)"):
        st.fit(X, CLAIMS, loss="poisson", exposure=HOLDERS).predict(X)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"exposure": HOLDERS - 3}, "the exposure 0 in row 61 .* is not above 0"),
        ({"exposure": HOLDERS[:5]}, "the exposure is 5 × 1 for 64 rows"),
        ({"exposure": HOLDERS, "loss": "mse"}, "exposure= is for losses whose prediction is the logarithm"),
        ({"offset": HOLDERS, "model": "mlp:4"}, "and this is a module"),
        ({"offset": np.where(HOLDERS == 3, np.nan, 0.0)}, "column 'offset' .* row 61"),
        ({"offset": ["a"] * 64}, "offset= is numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(given, said):
    with pytest.raises(st.SteepestError, match=said):
        st.fit(X, CLAIMS, **{"loss": "poisson", **given})


def test_rows_whose_offset_is_missing_are_left_out_where_that_is_asked():
    holes = np.where(np.arange(64) % 9 == 0, np.nan, HOLDERS)
    fit = st.fit(TABLE | {"holders": holes}, target="claims", loss="poisson", exposure="holders", missing="drop")
    kept = ~np.isnan(holes)
    wanted = sm.GLM(CLAIMS[kept], sm.add_constant(X[kept]), family=POISSON, exposure=HOLDERS[kept])
    np.testing.assert_allclose(fit.theta, wanted.fit(tol=1e-13, tol_criterion="params").params, rtol=1e-8)


def test_the_command_takes_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [",".join(TABLE), *(",".join(map(repr, map(float, row))) for row in zip(*TABLE.values(), strict=True))]
    (tmp_path / "claims.csv").write_text("\n".join(rows) + "\n")
    settings = ["--target", "claims", "--loss", "poisson", "--exposure", "holders", "--out", "run", "--json"]
    assert main(["fit", "claims.csv", *settings]) == 0
    found = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(list(found["params"].values()), theirs(exposure=HOLDERS).params, rtol=1e-8)
    assert main(["predict", "run", "claims.csv", "-o", "-"]) == 0
    said = np.loadtxt(io.StringIO(capsys.readouterr().out), skiprows=1)
    np.testing.assert_allclose(said, theirs(exposure=HOLDERS).fittedvalues, rtol=1e-5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "claims.csv").read_bytes())))
    assert main(["predict", "run", "-", "-o", "-"]) == 0
    np.testing.assert_allclose(np.loadtxt(io.StringIO(capsys.readouterr().out), skiprows=1), said, rtol=1e-12)

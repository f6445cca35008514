"""Formulas: the design is that of formulaic and patsy, the coefficients are statsmodels' and R's, and nothing in them is run."""

from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import steepest as st
from ejecting import printed, ran
from steepest.data.expression_text import columns_of
from steepest.data.formula import formula_of, takes_the_rest
from steepest.fit_data import described
from steepest.settings import formula_sides

HOUSES = "price ~ area + C(city) + area:city + poly(age, 2) + log(lot)"


def houses(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "area": random.uniform(20, 200, rows),
            "age": random.uniform(1, 80, rows),
            "lot": random.uniform(100, 900, rows),
            "city": random.choice(["Oslo", "Rome", "Bern"], rows),
            "heat": random.choice(["gas", "oil"], rows),
            "rooms": random.integers(1, 4, rows),
            "sold": random.random(rows) > 0.5,
            "Lot Area": random.uniform(1, 9, rows),
        }
    )
    table["price"] = 3 * table.area + 10 * (table.city == "Rome") + 20 * np.log(table.lot) + random.normal(size=rows)
    return table


TABLE, MANY = houses(), houses(600)


def features(formula: str, table: Any = TABLE, **more: Any) -> tuple[tuple[str, ...], np.ndarray]:
    _, train, _, _ = described(table, None, {"formula": formula, **more})
    return train.names, train.x


# ---- the design ------------------------------------------------------------------------------------

ATOMS = [
    "area", "age", "city", "heat", "`Lot Area`", "C(city)", "C(rooms)", "C(heat, contr.sum)", "C(city, contr.helmert)",
    "C(city, contr.poly)", "C(city, contr.diff)", "C(rooms, contr.SAS)", "C(city, contr.treatment('Oslo'))",
    "C(heat, Treatment('oil'))", "C(city, levels=['Rome', 'Oslo', 'Bern'])", "C(rooms, contr.treatment(2))", "poly(age, 2)",
    "log(lot)", "log(`Lot Area`)", "np.exp(age / 80)", "bs(age, df=5)", "cr(lot, df=3)", "cc(lot, df=3)", "center(area)",
    "scale(area)", "standardize(lot)", "scale(area, ddof=0)", "I(area * age)", "I(age**2)", "{area + lot}", "Q('Lot Area')",
]  # fmt: skip


@given(
    some.lists(some.lists(some.sampled_from(ATOMS), min_size=1, max_size=2, unique=True), min_size=1, max_size=3),
    some.sampled_from([":", "*"]),
    some.sampled_from(["", " - 1", " + 0"]),
)
@settings(max_examples=60, deadline=None)
def test_the_design_is_that_of_formulaic(terms, sign, rest):
    from formulaic import model_matrix

    formula = "price ~ " + " + ".join(sign.join(term) for term in terms) + rest
    expected = model_matrix(formula, TABLE).rhs
    names, x = features(formula)
    assert list(names) == [name for name in expected.columns if name != "Intercept"]
    np.testing.assert_allclose(
        x, expected.drop(columns="Intercept", errors="ignore").to_numpy(float), rtol=1e-12, atol=1e-12
    )
    assert described(TABLE, None, {"formula": formula})[1].schema.intercept == ("Intercept" in expected.columns)


@given(
    some.lists(
        some.sampled_from(["sold", "city", "heat", "area", "C(rooms)", "I(age > 40)"]),
        min_size=1,
        max_size=3,
        unique=True,
    )
)
@settings(max_examples=15, deadline=None)
def test_truth_values_are_levels_as_in_r_and_patsy_and_no_column_is_collinear(atoms):
    for formula in ("*".join(atoms), ":".join(atoms), " + ".join(atoms) + " - 1"):
        _, train, _, _ = described(MANY, None, {"formula": f"price ~ {formula}"})
        x = np.column_stack([np.ones(len(MANY)), train.x]) if train.schema.intercept else train.x
        assert np.linalg.matrix_rank(x / np.abs(x).max(0)) == x.shape[1]


def test_names_of_truth_values():
    assert features("price ~ sold + area:sold")[0] == ("sold[T.True]", "area:sold[False]", "area:sold[True]")
    assert features("price ~ 0 + sold")[0] == ("sold[False]", "sold[True]")
    assert features('price ~ I(city == "Oslo")')[0] == ("I(city == 'Oslo')[T.True]",)


def test_a_point_stands_for_all_other_columns():
    assert takes_the_rest("y ~ . - age")
    assert takes_the_rest("y ~ .")
    assert not any(
        map(
            takes_the_rest, ("y ~ Sepal.Width", "y ~ I(0.5 * a)", "y ~ `a . b`", "y ~ I(.5 * a)", "y ~ C(a, contr.sum)")
        )
    )
    names, _ = features("price ~ . - area - `Lot Area`", TABLE.drop(columns=["sold", "rooms"]))
    assert names == ("age", "lot", "city[T.Oslo]", "city[T.Rome]", "heat[T.oil]")
    assert features("price ~ .", TABLE[["price", "area", "age"]], drop="age")[0] == ("area",)


def test_columns_with_points_in_their_names():
    table = TABLE.rename(columns={"area": "floor.area"})
    assert features("price ~ floor.area + log(floor.area)", table)[0] == ("floor.area", "log(floor.area)")
    assert columns_of("log(`Lot Area`) + Sepal.Width") == ["Lot Area", "Sepal.Width"]


# ---- the coefficients ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        "price ~ area + C(city) + area:C(city) + np.log(lot)",
        "price ~ C(city, Treatment('Oslo'))*heat + sold",
        "price ~ 0 + city + center(area)",
        "price ~ C(city, Sum) + I(age**2) + age",
        "np.log(price) ~ bs(age, df=5) + standardize(area)",
        "price ~ C(rooms) + area*sold - 1",
    ],
)
def test_coefficients_are_those_of_statsmodels(formula):
    import statsmodels.formula.api as smf

    other = smf.ols(formula, TABLE).fit()
    fit = st.fit(formula, TABLE)
    ours = dict(zip(fit.names, fit.theta, strict=True))
    theirs = {("intercept" if name == "Intercept" else name): value for name, value in other.params.items()}
    assert sorted(ours.values()) == pytest.approx(sorted(theirs.values()), rel=1e-9)
    assert fit.exact.theta == pytest.approx(fit.theta, rel=1e-9)
    assert fit.metrics["train"]["r2"] == pytest.approx(other.rsquared, rel=1e-9) or "- 1" in formula or "0 +" in formula
    new = houses(200)[150:]
    new["age"] = new["age"].clip(TABLE.age.min(), TABLE.age.max())
    assert fit.predict(new) == pytest.approx(np.asarray(other.predict(new)), rel=1e-8)


CARS = {
    "speed": [4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 16, 16, 17, 17,
              17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24, 25],
    "dist": [2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26, 54, 32, 40, 32, 40,
             50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85],
}  # fmt: skip
"""R's table `cars`: Ezekiel, Methods of Correlation Analysis (1930)."""


def test_the_numbers_that_r_prints_of_cars():
    # summary(lm(dist ~ speed, cars)) and lm(dist ~ poly(speed, 2), cars), as R's documentation prints them
    assert list(st.fit("dist ~ speed", CARS).params.values()) == pytest.approx([-17.5791, 3.9324], abs=5e-5)
    found = st.fit("dist ~ poly(speed, 2)", CARS)
    assert found.names == ["intercept", "poly(speed, 2)[1]", "poly(speed, 2)[2]"]
    assert found.theta == pytest.approx([42.98, 145.552, 22.996], abs=5e-4)


def test_the_numbers_that_r_prints_of_plant_weights():
    # lm(weight ~ group) in the example of ?lm: Annette Dobson, An Introduction to Generalized Linear Models (1990), page 9
    table = {
        "weight": [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14, 4.81,
                   4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
        "group": ["Ctl"] * 10 + ["Trt"] * 10,
    }  # fmt: skip
    assert st.fit("weight ~ group", table).params == pytest.approx(
        {"intercept": 5.032, "group[T.Trt]": -0.371}, abs=1e-12
    )
    assert st.fit("weight ~ group - 1", table).params == pytest.approx(
        {"group[Ctl]": 5.032, "group[Trt]": 4.661}, abs=1e-12
    )
    assert st.fit("weight ~ 1", table).params == pytest.approx({"intercept": 4.8465}, abs=1e-12)


def test_any_table_is_taken(tmp_path):
    usual = st.fit(TABLE, formula=HOUSES)
    TABLE.to_csv(tmp_path / "houses.csv", index=False)
    TABLE.to_parquet(tmp_path / "houses.parquet")
    sources = [
        pl.DataFrame(TABLE),
        pl.LazyFrame(TABLE),
        pa.Table.from_pandas(TABLE),
        dict(TABLE),
        tmp_path / "houses.csv",
        str(tmp_path / "houses.parquet"),
    ]
    for source in sources:
        fit = st.fit(HOUSES, source)
        assert fit.names == usual.names
        assert fit.theta == pytest.approx(usual.theta, rel=1e-9)
    assert fit.source == str(tmp_path / "houses.parquet")


def test_a_text_is_a_formula_with_a_table_behind_it_and_a_path_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    TABLE.to_csv(tmp_path / "houses.csv", index=False)
    assert st.fit("~/houses.csv", target="price", columns="area").names == ["intercept", "area"]
    assert st.fit("price ~ area", "~/houses.csv").names == ["intercept", "area"]
    with pytest.raises(st.DataError, match="there is no file 'price ~ area'"):
        st.fit("price ~ area", target="price")
    with pytest.raises(st.SpecError, match="There are two formulas"):
        st.fit("price ~ area", TABLE, formula="price ~ lot")


def test_arrays_and_targets_beside_the_formula():
    x = TABLE[["area", "age"]].to_numpy()
    y = TABLE.price.to_numpy()
    assert st.fit(x, y, formula="~ x1:x2").names == ["intercept", "x1:x2"]
    logarithm = st.fit(x, y, formula="log(y) ~ x1")
    assert logarithm.theta == pytest.approx(np.polyfit(x[:, 0], np.log(y), 1)[::-1], rel=1e-9)
    several = st.fit(TABLE, formula="~ area + city", target=["price", "lot"])
    assert several.theta[:4] == pytest.approx(st.fit("price ~ area + city", TABLE).theta, rel=1e-9)


def test_other_models_and_losses():
    classes = st.fit("heat ~ area + city", TABLE)
    assert classes.schema.classes == ("gas", "oil")
    assert list(classes.names) == ["intercept", "area", "city[T.Oslo]", "city[T.Rome]"]
    assert st.fit("price ~ area + city", TABLE, loss="l1").relative_gap == pytest.approx(0, abs=1e-9)
    assert st.fit("price ~ poly(age, 2)", TABLE, model="mlp:3", epochs=2).predict(TABLE).shape == (60,)


# ---- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [HOUSES, "price ~ bs(age, df=5) + C(rooms, contr.sum) + C(scale(lot) > 0)", "log(price) ~ cr(lot, df=3)*sold"],
)
def test_the_design_is_saved_loaded_and_applied_to_new_rows(formula, tmp_path):
    fit = st.fit(TABLE, formula=formula)
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run")
    assert back.schema == fit.schema
    assert back.spec == fit.spec
    assert back.predict(TABLE[:7]).tolist() == fit.predict(TABLE[:7]).tolist()
    assert (fit.predict(TABLE[5:6]) == fit.predict(TABLE)[5]).all()  # what was learned is not learned anew of one row
    assert back.spec.target == formula_sides(formula)[0]


def test_the_state_is_of_the_training_rows_alone():
    fit = st.fit("price ~ scale(area)", TABLE, test_fraction=0.5)
    area = TABLE.area.to_numpy()[fit.train.places]
    assert fit.train.x[:, 0] == pytest.approx((area - area.mean()) / area.std(ddof=1), rel=1e-12)
    assert fit.schema.design.factors[0].states[0]["center"] == pytest.approx((area.mean(),))


def test_a_level_that_no_row_had_is_named_with_its_column_and_row():
    fit = st.fit("price ~ C(city, contr.sum) + C(rooms)", TABLE)
    with pytest.raises(
        st.DataError, match=r"column 'city' has the level 'Pisa' in row 2 .*Its levels are 'Bern', 'Oslo', 'Rome'"
    ):
        fit.predict(TABLE[:3].assign(city=["Oslo", "Pisa", "Rome"]))
    with pytest.raises(
        st.DataError,
        match=r"column 'city' has levels .* made, 'Pisa' in row 1 .* and 'Bari' in row 3 .* the rows or leave them out",
    ):
        fit.predict(TABLE[:3].assign(city=["Pisa", "Oslo", "Bari"]))
    with pytest.raises(
        st.DataError, match=r"column 'rooms' has the level '7' in row 3 .*'C\(rooms\)' are '1', '2', '3'"
    ):
        fit.predict(TABLE[:3].assign(rooms=[1, 2, 7]))
    spline = st.fit("price ~ bs(age, df=4)", TABLE)
    with pytest.raises(st.DataError, match=r"is a spline from .* and row 1 .* has 99. .*extrapolation='extend'"):
        spline.predict(TABLE[:1].assign(age=99.0))
    with pytest.raises(st.DataError, match="the term 'log\\(lot\\)' is no finite number in row 2"):
        st.fit("price ~ log(lot)", TABLE).predict(TABLE[:3].assign(lot=[1.0, -1.0, 2.0]))


def test_missing_values_are_as_elsewhere():
    holes = TABLE.copy()
    holes.loc[3, "area"], holes.loc[5, "city"] = np.nan, None
    with pytest.raises(st.DataError, match="column 'area' has a missing value, in row 4"):
        st.fit("price ~ area + city", holes)
    assert st.fit("price ~ area + city", holes, missing="drop").rows == 58
    assert st.fit("price ~ age", holes).rows == 60
    mean = st.fit("price ~ scale(area) + city", holes, missing="mean")
    assert mean.train.x[3, 0] == pytest.approx(0, abs=1e-12)
    level = st.fit("price ~ area + city", holes, missing="level")
    assert level.names == ["intercept", "area", "city[T.Oslo]", "city[T.Rome]", "city[T.missing]", "area is missing"]


def test_contrasts_and_reference_levels_are_shown():
    fit = st.fit("price ~ city + C(heat, contr.treatment('oil')) + C(rooms, contr.sum)", TABLE)
    assert fit.schema.design.references == {"city": "Bern", "C(heat, contr.treatment('oil'))": "oil"}
    assert fit.schema.design.terms["city"] == ["city[T.Oslo]", "city[T.Rome]"]
    assert fit.schema.design.categories["C(rooms, contr.sum)"].levels == ("1", "2", "3")
    assert "city: levels 'Bern', 'Oslo', 'Rome'; treatment contrasts, reference level 'Bern'." in fit.notes
    assert "C(rooms, contr.sum): levels '1', '2', '3'; sum contrasts." in fit.notes


def test_formulas_are_swept_and_compared():
    runs = st.sweep(TABLE, formula=["price ~ area", "log(price) ~ area", "price ~ area*city"])
    assert [fit.names for fit in map(runs.fit, range(3))][2] == [
        "intercept", "area", "city[T.Oslo]", "city[T.Rome]", "area:city[T.Oslo]", "area:city[T.Rome]",
    ]  # fmt: skip
    assert runs.fit(1).theta == pytest.approx(st.fit("log(price) ~ area", TABLE).theta)
    side_by_side = st.sweep("price ~ scale(area)", TABLE, lr=[0.1, 0.2], optimizer="sgd", epochs=30)
    assert side_by_side.fit(1).theta == pytest.approx(
        st.fit("price ~ scale(area)", TABLE, lr=0.2, optimizer="sgd", epochs=30).theta
    )


def test_remedies_of_a_formula_are_formulas():
    table = TABLE.assign(twice=2 * TABLE.area)
    found = st.fit("price ~ area + twice + city", table).diagnose()
    assert [one.remedy for one in found if one.code == "ST005"] == [{"formula": "price ~ area + twice + city - twice"}]
    assert "twice" not in st.fit(table, **found.found[0].remedy).names
    grown = TABLE.assign(price=np.exp(TABLE.area / 20 + np.random.default_rng(0).normal(size=60) / 9))
    assert {"formula": "log(price) ~ area"} in [one.remedy for one in st.diagnose("price ~ area", grown).findings]


# ---- what is refused -------------------------------------------------------------------------------

REFUSED = {
    "price ~ foo(area)": "the term 'foo\\(area\\)' calls 'foo', which a formula may not",
    "price ~ I(open('x'))": "calls 'open'",
    "price ~ I(__import__('os').system('x'))": "calls",
    "price ~ np.linalg.inv(area)": "calls 'np.linalg.inv'",
    "price ~ np.fromfile('x')": "calls 'np.fromfile'",
    "price ~ {[age for age in area]}": "is not understood",
    "price ~ I((lambda: 3)())": "calls",
    "price ~ C(city)(area)": "calls",
    "price ~ log(*area)": "calls 'log'",
    "price ~ I(area if age else lot)": "is not understood",
    "price ~ area[0]": "is not understood",
    "price ~ area |  age": "without \\|",
    "price ~ 2*area": "Numeric literals",
    "price ~ area +": "not understood",
    "price ~ area ~ age": "more than one ~",
    "price + lot ~ area": "The left side 'price \\+ lot' of the formula.*several targets",
    "sqrt(price) ~ area": "The left side 'sqrt\\(price\\)'",
    "~ area": "Which column is to be predicted",
    "price ~ log(city)": "the column 'city' holds text",
    "price ~ I(city == 'Osl')": "no level 'Osl': did you mean 'Oslo'",
    "price ~ C(city, contr.treatment('Osl'))": "'Osl' .*is no level. Did you mean 'Oslo'",
    "price ~ C(city, contr.foo)": "contrasts .* are not known",
    "price ~ C(city, contr.sum('Oslo'))": "only treatment and SAS",
    "price ~ C(city, levels=['Oslo'])": "lack 'Bern', 'Rome'",
    "price ~ poly(age, 1000000000)": "degree=1000000000",
    "price ~ poly(age, 2, 3, 4)": "poly takes a column and degree, raw",
    "price ~ bs(age, df=1)": "greater than 3",
    "price ~ I(1)": "has no column in it",
    f"price ~ {'a' * 20_000}": "characters",
    f"price ~ I({'-' * 4_000}area)": "not understood|too deep|no expression",
}  # fmt: skip


@pytest.mark.parametrize("formula", REFUSED, ids=lambda text: text[:40])
def test_what_is_no_formula_is_refused_in_a_line(formula):
    with pytest.raises(st.SpecError, match=REFUSED[formula]) as caught:
        st.fit(TABLE, formula=formula)
    assert "\n" not in str(caught.value)


def test_columns_that_are_not_there_and_settings_that_contradict():
    with pytest.raises(st.DataError, match=r"there is no column 'aera' .*did you mean 'area'"):
        st.fit("price ~ aera", TABLE)
    with pytest.raises(st.DataError, match="'price' is the target"):
        st.fit("price ~ price", TABLE)
    with pytest.raises(st.SpecError, match="leave columns= out"):
        st.fit("price ~ area", TABLE, columns=["area"])
    with pytest.raises(st.SpecError, match="give one of them"):
        st.fit("price ~ area", TABLE, target="lot")
    assert st.fit("price ~ area", TABLE, target="price", intercept=False).names == ["area"]


@given(some.text("abcity()[]{}~+-*/:|.,'\"`0123456789 ^%=<>@\\_\n", max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_formula_or_an_error_of_ours(text):
    table = {"a": [1.0, 2.0, 4.0, 3.0], "b": [2.0, 1.0, 5.0, 1.0], "city": ["x", "y", "x", "y"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(st.SteepestError):  # any other error is not ours
            described(table, [1.0, 2.0, 3.0, 5.0], {"formula": f"~ {text}"})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').mkdir('caught')",
        "`area`.__class__",
        "log(__import__('os').mkdir('caught'))",
        "I(area) if 1 else 2",
        "poly(area",
    ],
)
def test_a_run_from_a_stranger_runs_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    st.fit("price ~ area + log(lot)", TABLE).save("run")
    record = json.loads((tmp_path / "run" / "fit.json").read_text())
    record["schema"]["design"]["factors"][1]["text"] = text
    record["schema"]["design"]["formula"] = f"price ~ {text}"
    (tmp_path / "run" / "fit.json").write_text(json.dumps(record))
    with pytest.raises(st.SteepestError):
        st.load("run").predict(TABLE[:2])
    assert not os.path.exists("caught")


@pytest.mark.parametrize("broken", [{"factors": []}, {"products": [{"factors": [7], "reduced": [False]}]}])
def test_a_damaged_design_is_no_run(broken, tmp_path):
    st.fit("price ~ area + log(lot)", TABLE).save(tmp_path / "run")
    path = tmp_path / "run" / "fit.json"
    record = json.loads(path.read_text())
    record["schema"]["design"] |= broken
    path.write_text(json.dumps(record))
    with pytest.raises(st.SteepestError):
        st.load(tmp_path / "run")


def test_terms_of_a_formula():
    assert formula_of("y ~ a*b - 1").terms == (("`a`",), ("`b`",), ("`a`", "`b`"))
    assert not formula_of("y ~ a*b - 1").intercept
    assert formula_sides("log(`Sale Price`) ~ a") == ("log(Sale Price)", "a")


@pytest.mark.parametrize(
    ("formula", "line"),
    [
        (HOUSES, "area * (city == 1),  # area:city[T.Oslo]"),
        ("price ~ C(rooms, contr.treatment(2))*sold + I(age > 40)", "(rooms == 1.0),  # C(rooms, contr.treatment(2))[T.1]"),
        ("heat ~ I(city == 'Oslo') + center(area) - 1", "((city == 1) == False),"),
        ("price ~ C(city, contr.sum)*area + poly(age, 3)", "np.array([1.0, 0.0, -1.0])[city.astype(int)]"),
        ("log(price) ~ log(`Lot Area`)", "np.log(x),  # log(`Lot Area`)"),
        ("price ~ bs(age, df=4)", "They are the terms of the formula price ~ bs(age, df=4)"),
    ],
)  # fmt: skip
def test_a_script_has_the_terms_in_numpys_words_and_the_fits_numbers(formula, line, tmp_path):
    fit = st.fit(formula, TABLE)
    script = fit.to_python(tmp_path / "script.py")
    assert line in script
    (said,) = ran([tmp_path / "script.py"])
    assert [*printed(said).values()][1:] == pytest.approx(fit.theta.tolist(), rel=1e-6, abs=1e-9)

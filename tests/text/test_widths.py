"""Tables in a terminal of 80 columns: nothing stands beyond them, and no word is broken that has room."""

import numpy as np
import pandas as pd
import pytest

import steepest as st
from steepest.text.terminal import text

GENERATOR = np.random.default_rng(3)
TABLE = pd.DataFrame(
    {
        "city": GENERATOR.choice(["New York", "São Paulo", "Köln, Deutz"], 90),
        "price per square metre, net of all fees and taxes, in euro": GENERATOR.normal(2e3, 3e2, 90),
        "state": GENERATOR.choice(["very bad", "rather good", "good"], 90),
        "price": GENERATOR.normal(3e7, 2e6, 90),
    }
)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("target", ["price", "state"])
def test_a_summary_has_its_long_names_in_lines_of_whole_words(target):
    fit = st.fit(TABLE, target=target, columns=list(TABLE)[:2])
    found = fit.summary()
    table = str(found).split("Standard errors")[0]
    assert max(map(len, table.splitlines())) <= 80
    words = {word for name in fit.names for word in name.replace("=", "= ").split()}
    assert words <= set(table.replace("=", "= ").split())


def test_what_is_printed_of_a_fit_stands_within_the_line_and_figures_stay_whole():
    fit = st.fit(TABLE, target="price")
    for shown in (fit, fit.summary(), fit.summary(bootstrap=20)):
        said = str(shown)
        assert max(map(len, said.splitlines())) <= 80
        assert "degrees of freedom left" in said
        assert not any(line.lstrip().startswith("·") for line in said.splitlines())


def test_the_scores_of_folds_have_room_for_large_numbers():
    found = st.fit(TABLE, target="price").cross_validate(4)
    lines = text(found._document(80)).splitlines()
    assert max(map(len, lines)) <= 80
    (loss,) = [line.split() for line in lines if line.startswith("loss")]
    np.testing.assert_allclose(float(loss[1].replace(",", "")), np.mean(found.scores["loss"]), rtol=1e-3)


def test_a_name_that_is_no_path_may_be_a_formula(monkeypatch):
    table = {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.0]}
    monkeypatch.delenv("HOME", raising=False)
    long = "y ~ " + " + ".join(["x"] * 200)
    for formula, more in (("~ x", {"target": "y"}), ("~x", {"target": "y"}), (long, {})):
        np.testing.assert_allclose(st.fit(formula, table, **more).theta, [1.0, 2.0], atol=1e-12)


def test_a_name_with_a_comma_is_said_to_need_quotes():
    with pytest.raises(st.DataError, match="On the command line a name with a comma stands in double quotes"):
        st.fit(TABLE, target="price", columns=["price per square metre"])

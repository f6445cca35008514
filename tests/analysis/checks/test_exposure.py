"""A column that is an exposure, held against statsmodels."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

import steepest as st
from steepest.analysis.finding import Kind


def visits(power: float = 1.0, slope: float = 0.0, spread: float = 0.0):
    """A table of counts, whose mean goes as a power of the years, or by a factor a year."""
    random = np.random.default_rng(3)
    x, years = random.standard_normal((400, 2)), random.uniform(0.5, 8.0, 400)
    mean = years**power * np.exp(0.2 + x @ [0.4, -0.3] + slope * years)
    mean = mean * random.gamma(1 / spread, spread, 400) if spread else mean
    return pa.table({"a": x[:, 0], "b": x[:, 1], "years": years, "visits": random.poisson(mean)})


def deviance(table: pa.Table, exposure: bool):
    frame = table.to_pandas()
    columns = frame[["a", "b"]] if exposure else frame[["a", "b", "years"]]
    given = {"exposure": frame["years"]} if exposure else {}
    return sm.GLM(frame["visits"], sm.add_constant(columns), family=sm.families.Poisson(), **given).fit()


def test_years_are_an_exposure():
    table = visits()
    fit = st.fit(table, target="visits", loss="poisson")
    (found,) = fit.diagnose()
    assert (found.kind, found.code, found.remedy) == (Kind.EXPOSED, "ST059", {"exposure": "years"})
    assert found.kind in [one.kind for one in st.diagnose(table, target="visits", loss="poisson").findings]
    before, after = deviance(table, False), deviance(table, True)
    lower = float(re.search(r"deviance is ([\d.]+) lower", found.evidence)[1])
    spread = max(1.0, after.pearson_chi2 / (400 - 4))
    assert lower == pytest.approx((before.deviance - after.deviance) / spread, rel=0.01)
    again = st.fit(table, target="visits", loss="poisson", **found.remedy)
    assert again.theta == pytest.approx(after.params.to_numpy(), abs=1e-6)
    assert list(again.diagnose()) == []


@pytest.mark.parametrize("how", [{"power": 0.5}, {"power": 0.0}, {"power": 0.0, "slope": 0.25}])
def test_a_column_that_acts_otherwise_is_let_be(how):
    assert list(st.fit(visits(**how), target="visits", loss="poisson").diagnose()) == []


def test_an_exposure_is_said_before_the_spread_that_it_makes():
    found = st.fit(visits(spread=0.15), target="visits", loss="poisson").diagnose()
    assert [one.code for one in found] == ["ST059"]
    assert "ST059" not in [one.code for one in st.fit(visits(), target="visits", loss="mse").diagnose()]


def test_arrays_and_penalties():
    table = visits()
    x = np.column_stack([table[name].to_numpy() for name in ("a", "b", "years")])
    assert st.fit(x, table["visits"].to_numpy(), loss="poisson").diagnose()[0].remedy == {"exposure": "x3"}
    assert list(st.fit(table, target="visits", loss="poisson", penalty="l2:0.1").diagnose()) == []

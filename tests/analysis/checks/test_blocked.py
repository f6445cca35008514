"""What keeps a fit from learning: rows that see one another, still parameters, lagging statistics, codes, weights upside down."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
import torch
from scipy import stats
from torch import nn

import steepest as st
from steepest.analysis.checks.mixed_rows import APART, change
from steepest.analysis.checks.residual_spread import off_edge
from steepest.analysis.checks.still_parameters import unmoved_of
from steepest.analysis.checks.weights import spread_along

RANDOM = np.random.default_rng(60)
X = RANDOM.standard_normal((240, 3))
Y = np.sin(1.5 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * RANDOM.standard_normal(240)
SETTINGS = {"loss": "mse", "optimizer": "adam", "lr": 0.02, "batch_size": 40, "epochs": 30}


def codes(fit):
    return [finding.code for finding in fit.diagnose()]


def built(make):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make()


def layers(*parts):
    return built(
        lambda: nn.Sequential(
            *(part() if callable(part) and not isinstance(part, nn.Module) else part for part in parts)
        )
    )


class Series(nn.Module):
    def __init__(self, kind, first: bool, places: int):
        super().__init__()
        self.inner, self.end = kind(1, places, batch_first=first), nn.Linear(places, 1)

    def forward(self, x):
        return self.end(self.inner(x.unsqueeze(-1))[0][:, -1])


@pytest.mark.parametrize(
    ("module", "mixes"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Softmax(1)), False),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Softmax(0)), True),
        (lambda: Series(nn.GRU, True, 4), False),
        (lambda: Series(nn.GRU, False, 4), True),
        (lambda: Series(partial(nn.LSTM, bidirectional=False), False, 4), True),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1)), False),
    ],
)
def test_rows_that_see_one_another_and_rows_that_do_not(module, mixes):
    found = change(built(module).double(), torch.as_tensor(X[:24]))
    assert (found > APART) is mixes
    assert mixes or found == 0.0


def test_a_module_that_is_random_is_left_alone():
    class Drops(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5)

    assert change(Drops(), torch.as_tensor(X[:24])) == 0.0


def test_batch_first_forgotten_is_named():
    x = np.random.default_rng(1).standard_normal((60, 6))
    fit = st.fit(x, x.sum(1), model=built(lambda: Series(nn.GRU, False, 4)), **{**SETTINGS, "epochs": 1})
    (finding,) = [one for one in fit.diagnose() if one.code == "ST054"]
    assert "batch_first=True" in finding.advice


def network():
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))


def test_parameters_that_an_optimiser_does_not_have_are_those_that_torch_leaves():
    last = lambda parameters: torch.optim.Adam(list(parameters)[2:], lr=0.02)  # noqa: E731
    fit = st.fit(X, Y, model=built(network), **{**SETTINGS, "optimizer": last, "lr": "auto"})
    assert unmoved_of(fit) == ([], ["0.weight", "0.bias"])
    whole = st.fit(X, Y, model=built(network), **SETTINGS)
    assert unmoved_of(whole) == ([], [])


def test_a_frozen_layer_is_found_where_it_costs_much_and_not_where_random_features_do():
    def frozen(width):
        made = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))
        made[0].requires_grad_(False)
        return made

    narrow = st.fit(X, Y, model=built(lambda: frozen(6)), **{**SETTINGS, "epochs": 150})
    (finding,) = [one for one in narrow.diagnose() if one.code == "ST055"]
    assert "requires_grad" in finding.advice
    assert "'0.weight'" in finding.what
    plane = X @ [1.0, -1.0, 0.5] + 0.1 * RANDOM.standard_normal(240)
    wide = st.fit(X, plane, model=built(lambda: frozen(100)), **{**SETTINGS, "epochs": 60})
    assert "ST055" not in codes(wide)


def test_a_detached_layer_is_cut_off():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 6), nn.Linear(6, 1)

        def forward(self, x):
            return self.last(torch.tanh(self.first(x)).detach())

    (finding,) = [one for one in st.fit(X, Y, model=built(Cut), **SETTINGS).diagnose() if one.code == "ST055"]
    assert "detach()" in finding.advice
    assert "'first.weight'" in finding.what
    assert "'last" not in finding.what


def test_statistics_that_lag_are_those_that_torch_would_have_moved():
    def normed(momentum):
        return nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16, momentum=momentum), nn.Tanh(), nn.Linear(16, 1))

    slow = st.fit(3 * X + 2, Y, model=built(lambda: normed(1e-4)), **SETTINGS)
    (finding,) = [one for one in slow.diagnose() if one.code == "ST056"]
    assert "momentum=0.1" in finding.advice
    assert "ST056" not in codes(st.fit(3 * X + 2, Y, model=built(lambda: normed(0.1)), **SETTINGS))


def of_districts(effects, n=400, seed=3):
    random = np.random.default_rng(seed)
    district, area = random.integers(1, len(effects) + 1, n), random.standard_normal(n)
    price = 2 * area + np.asarray(effects, float)[district - 1] + 0.5 * random.standard_normal(n)
    return pa.table({"area": area, "district": district, "price": price})


def test_levels_of_a_code_predict_the_deviation_of_statsmodels():
    table = of_districts([3, -2, 4, -1, 5, -4, 1])
    (finding,) = st.fit(table, target="price").diagnose()
    assert (finding.code, finding.remedy) == ("ST057", {"categories": ("district",)})
    found = sm.formula.ols("price ~ area + C(district)", table.to_pandas()).fit()
    assert f"to {np.sqrt(found.scale):.3g}" in finding.predicted
    assert codes(st.fit(table, target="price", categories=("district",))) == []
    (named,) = st.fit(table, formula="price ~ area + district").diagnose()
    assert "C(district)" in named.advice


@pytest.mark.parametrize("effects", [np.arange(8.0), np.arange(8.0) ** 2 / 4, np.zeros(8)])
def test_numbers_that_a_line_or_a_curve_follows_are_no_codes(effects):
    assert "ST057" not in codes(st.fit(of_districts(effects), target="price"))


def test_codes_are_hardly_ever_found_by_chance():
    """40 tables of a grade that says nothing, or something along a line."""
    found = 0
    for seed in range(40):
        effects = np.arange(6.0) * (seed % 2)
        found += "ST057" in codes(st.fit(of_districts(effects, 120, seed), target="price"))
    assert found == 0


@pytest.mark.parametrize(("power", "inverted", "fits"), [(2.0, True, False), (-2.0, False, True), (0.0, False, False)])
def test_the_slope_of_the_spread_along_weights(power, inverted, fits):
    random = np.random.default_rng(7)
    size = np.exp(0.7 * random.standard_normal(300))
    x = random.standard_normal((300, 2))
    y = 1 + x @ [1.0, -1.0] + size * random.standard_normal(300)
    weights = size**power if power else np.exp(random.standard_normal(300))
    fit = st.fit(x, y, weights=weights)
    along = spread_along(fit)
    assert (along.inverted, along.fits) == (inverted, fits)
    assert along.slope == pytest.approx(0.0 if not power else 2.0 / power, abs=5 * along.error)
    assert ("ST058" in codes(fit)) is inverted
    assert "ST030" not in codes(fit)


def test_inverted_class_weights_hide_the_rare_class():
    random = np.random.default_rng(9)
    x = random.standard_normal((600, 2))
    y = (random.random(600) < stats.logistic.cdf(1.5 * x[:, 0] - 2.0)).astype(int)
    assert "ST029" in codes(st.fit(x, y, model="logistic", class_weight={0: 8.0, 1: 1.0}))
    assert "ST029" not in codes(st.fit(x, y, model="logistic", class_weight={0: 1.0, 1: 5.0}))
    assert "ST029" not in codes(st.fit(x, y, model="logistic", class_weight="balanced"))


def test_a_quantile_is_asked_for_where_the_spread_is():
    random = np.random.default_rng(4)
    x = random.uniform(0, 5, (500, 1))
    y = 3 + x[:, 0] + (0.3 + 0.5 * x[:, 0]) * random.standard_normal(500)
    assert codes(st.fit(x, y, loss="quantile:0.9")) == []
    assert "ST046" in codes(st.fit(x, y))


def test_rows_at_the_edge_of_a_target_are_left_out_of_its_spread():
    y = np.concatenate([np.zeros(40), np.linspace(0.1, 3, 110)])
    assert off_edge(y).sum() == 110
    assert off_edge(np.linspace(0, 1, 50)).all()


def test_pixels_that_are_nearly_always_0_are_no_other_scale():
    random = np.random.default_rng(2)
    code = random.integers(3, size=400)
    x = np.zeros((400, 12))
    x[:, :6] = np.eye(6)[code + 3 * random.integers(2, size=400)] + 0.1 * random.random((400, 6))
    x[random.integers(400, size=3), 11] = 0.06
    fit = st.fit(
        x,
        code,
        model=built(lambda: nn.Linear(12, 3)),
        **{**SETTINGS, "loss": "cross_entropy", "lr": 0.05, "epochs": 40},
    )
    assert fit.loss < 0.1 * np.log(3)
    assert codes(fit) == []


def test_a_target_of_millionths_is_too_small_for_a_network():
    fit = st.fit(X, 1e-5 * Y, model=built(network), **SETTINGS)
    assert fit.diagnose()[0].code == "ST039"

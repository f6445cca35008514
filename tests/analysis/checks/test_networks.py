"""How a network is built, started and held back: what is told is there, what is printed helps, healthy ones have nothing."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

import steepest as st
from steepest.analysis.checks.alike import start_alike
from steepest.analysis.checks.applied_by_loss import applied_by
from steepest.analysis.checks.broadcasting import all_pairs
from steepest.analysis.checks.module_layers import unactivated
from steepest.analysis.checks.output_layer import output_layer
from steepest.analysis.checks.regularization import too_strong
from steepest.analysis.checks.rerun import placed
from steepest.analysis.checks.saturated_units import saturated, sizes
from steepest.analysis.checks.target_scale import target_scale
from steepest.analysis.checks.tiny_batches import tiny_batches
from steepest.analysis.checks.vanishing_gradients import vanishing
from steepest.analysis.constant_model import best_constant
from steepest.analysis.finding import Kind
from steepest.analysis.replaced_calls import Without, calls, with_last
from steepest.model.torch_losses import loss as named

ADAM = {"optimizer": "adam", "lr": 0.01, "epochs": 150}


def rows(seed=0, n=200):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    return x, np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + x[:, 2] + 0.15 * random.normal(size=n)


X, Y = rows()
THREE = np.digitize(Y, [-0.7, 0.7])
TWO = (Y > 0).astype(int)


def net(between=nn.ReLU, widths=(16,), outputs=1, end=None, first=3):
    torch.manual_seed(0)
    sizes = [first, *widths]
    parts = [
        part for before, after in zip(sizes, widths, strict=False) for part in (nn.Linear(before, after), between())
    ]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], outputs), *([] if end is None else [end]))


class Ended(nn.Module):
    """A net whose last function is called in `forward`."""

    def __init__(self, end, outputs=1):
        super().__init__()
        self.net, self.end = net(outputs=outputs), end

    def forward(self, x):
        return self.end(self.net(x))


def only(check, fit):
    (finding,) = check(fit)
    return finding


# ---- what a module ends in ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "applied"),
    [
        ("logistic", "sigmoid"),
        (lambda p, y: F.binary_cross_entropy_with_logits(p, y), "sigmoid"),
        (lambda p, y: -(y * torch.log(torch.sigmoid(p)) + (1 - y) * torch.log(1 - torch.sigmoid(p))).mean(), "sigmoid"),
        (lambda p, y: F.softplus(-p).mean() + (p**2).mean(), ""),
        (lambda p, y: ((p - y) ** 2).mean(), ""),
    ],
)
def test_what_a_loss_of_numbers_applies_is_in_its_graph(loss, applied):
    assert applied_by(named(loss), torch.linspace(-1, 1, 5), torch.tensor([0.0, 1, 0, 1, 1])) == applied


@pytest.mark.parametrize(
    ("loss", "applied"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), "softmax"),
        (lambda p, y: F.cross_entropy(2.0 * p, y), "softmax"),
        (nn.NLLLoss(), "log-probabilities"),
        (lambda p, y: F.nll_loss(torch.log(p), y), ""),
    ],
)
def test_what_a_loss_of_codes_applies_is_in_its_graph(loss, applied):
    assert applied_by(named(loss), torch.rand(5, 3), torch.tensor([0, 1, 2, 1, 0])) == applied


@pytest.mark.parametrize(
    ("end", "loss", "y", "outputs"),
    [
        (torch.sigmoid, lambda p, y: F.binary_cross_entropy_with_logits(p, y.to(p.dtype)), TWO, 1),
        (lambda z: torch.sigmoid(z).clamp(1e-6, 1 - 1e-6), "logistic", TWO, 1),
        (nn.Softmax(dim=1), lambda p, y: F.cross_entropy(p, y), THREE, 3),
        (lambda z: z.exp() / z.exp().sum(1, keepdim=True), "cross_entropy", THREE, 3),
    ],
)  # fmt: skip
def test_a_function_that_the_loss_applies_again_is_seen_in_any_spelling(end, loss, y, outputs):
    assert "itself" in only(output_layer, st.fit(X, y, model=Ended(end, outputs), loss=loss, **ADAM)).what


def test_without_the_function_that_forward_calls_the_fit_is_as_promised():
    fit = st.fit(X, TWO, model=Ended(torch.sigmoid), loss="logistic", **ADAM)
    promised = float(re.search(r"objective is ([\d.]+) instead", only(output_layer, fit).predicted)[1])
    assert st.fit(X, TWO, model=Ended(lambda z: z), loss="logistic", **ADAM).loss == pytest.approx(promised, rel=5e-3)


def test_scores_before_nllloss_get_the_loss_of_scores():
    fit = st.fit(X, THREE, model=net(outputs=3), loss=nn.NLLLoss(), **ADAM)
    finding = only(output_layer, fit)
    assert finding.remedy == {"loss": "cross_entropy"}
    assert "nn.LogSoftmax(dim=1)" in finding.advice
    assert [*output_layer(st.fit(X, THREE, model=net(outputs=3), loss="cross_entropy", **ADAM))] == []
    assert [
        *output_layer(st.fit(X, THREE, model=net(outputs=3, end=nn.LogSoftmax(1)), loss=nn.NLLLoss(), **ADAM))
    ] == []


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda z: 2.0 * torch.sigmoid(z) - 0.5, "between -0.5 and 1.5"),
        (lambda z: 1.0 - F.relu(z), "of 1 or less"),
        (F.elu, "of -1 or more"),
        (torch.exp, "of 0 or more"),
        (lambda z: z**2 - 1.0, "of -1 or more"),
        (lambda z: z.clamp(max=0.5), "of 0.5 or less"),
    ],
)
def test_the_range_of_an_output_is_that_of_its_last_function_and_what_follows(end, told):
    finding = only(output_layer, st.fit(X, Y, model=Ended(end), **(ADAM | {"epochs": 20})))
    assert told in finding.what


@pytest.mark.parametrize("end", [lambda z: 20.0 * torch.sigmoid(z) - 10.0, lambda z: 9.0 * torch.tanh(z / 9.0)])
def test_a_range_that_holds_all_targets_is_none(end):
    assert [*output_layer(st.fit(X, Y, model=Ended(end), **(ADAM | {"epochs": 20})))] == []


def test_scores_that_are_capped_far_out_are_healthy():
    model = Ended(lambda z: 30.0 * torch.tanh(z / 30.0), 3)
    assert [*output_layer(st.fit(X, THREE, model=model, loss="cross_entropy", **(ADAM | {"epochs": 20})))] == []


def test_calls_are_counted_and_replaced_however_they_are_written():
    class Twice(nn.Module):
        def forward(self, x):
            return 3.0 * torch.sigmoid(nn.Sigmoid()(x) - 1.0) + 1.0

    x = torch.linspace(-2, 2, 7)
    assert calls(Twice(), x, "sigmoid") == 2
    assert with_last(Twice(), x, "sigmoid", 1.0).tolist() == [4.0] * 7
    assert torch.equal(Without(Twice(), "sigmoid", 2)(x), 3.0 * (torch.sigmoid(x) - 1.0) + 1.0)
    assert torch.equal(Without(Twice(), "sigmoid")(x), 3.0 * (x - 1.0) + 1.0)


# ---- layers ------------------------------------------------------------------------------------------


def test_convolutions_upon_one_another_are_one_and_residual_layers_are_not():
    convolutions = nn.Sequential(
        nn.Unflatten(1, (1, 3)),
        nn.Conv1d(1, 4, 3, padding=1),
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Flatten(),
        nn.Linear(12, 1),
    )
    assert "'1' and '2'" in only(unactivated, st.fit(X, Y, model=convolutions, **(ADAM | {"epochs": 5}))).what

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.inner, self.outer, self.last = (
                nn.Linear(*size) for size in ((3, 8), (8, 8), (8, 8), (8, 1))
            )

        def forward(self, x):
            h = self.first(x)
            return self.last(F.relu(h + self.outer(F.relu(self.inner(h)))))

    assert [*unactivated(st.fit(X, Y, model=Residual(), **(ADAM | {"epochs": 5})))] == []


# ---- starts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_units_that_start_alike_are_parted_by_the_start_that_is_printed(value):
    model = net(nn.Tanh)
    for layer in (model[0], model[2]):
        nn.init.constant_(layer.weight, value)
        nn.init.constant_(layer.bias, 0.0)
    fit = st.fit(X, Y, model=model, **ADAM)
    finding = only(start_alike, fit)
    weights = fit.module[0].weight.detach()
    assert torch.allclose(weights, weights[0].expand_as(weights))
    mended = st.fit(X, Y, model=model, **(ADAM | finding.remedy))
    assert [*start_alike(mended)] == []
    assert mended.loss < 0.6 * fit.loss


def test_numbers_given_as_a_start_give_way_to_the_modules_own():
    fit = st.fit(X, Y, model=net(), init=np.zeros(81), **ADAM)
    assert only(start_alike, fit).remedy == {"init": "zeros"}


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_last_layer_that_starts_at_zero_is_healthy(outputs):
    model = net(outputs=outputs)
    nn.init.zeros_(model[-1].weight)
    y = Y if outputs == 1 else THREE
    loss = "mse" if outputs == 1 else "cross_entropy"
    assert [*start_alike(st.fit(X, y, model=model, loss=loss, **ADAM))] == []


# ---- held back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours", "best"),
    [
        ("mse", Y, np.mean((Y - Y.mean()) ** 2)),
        ("l1", Y, np.mean(abs(Y - np.median(Y)))),
        ("logistic", TWO.astype(float), stats.entropy(np.bincount(TWO))),
        ("cross_entropy", THREE, stats.entropy(np.bincount(THREE))),
    ],
)
def test_the_loss_of_the_best_constant_is_known_in_closed_form(name, ours, best):
    prediction = torch.zeros(len(Y), 3 if name == "cross_entropy" else 1, dtype=torch.float64).squeeze(-1)
    assert best_constant(named(name), prediction, torch.as_tensor(ours))[1] == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"penalty": "l2:3"}, {"penalty": "none"}),
        ({"optimizer": partial(torch.optim.Adam, weight_decay=2.0)}, {"optimizer": "adam"}),
        (
            {"optimizer": partial(torch.optim.SGD, momentum=0.9, weight_decay=1.0), "lr": 0.05},
            {"optimizer": "momentum:0.9"},
        ),
    ],
)
def test_a_penalty_that_leaves_the_mean_is_taken_away(settings, remedy):
    fit = st.fit(X, Y, model=net(), **(ADAM | settings))
    finding = only(too_strong, fit)
    assert finding.remedy in (remedy, {"penalty": "l2:0.03"})
    assert f"best constant has {np.var(Y):.3g}" in finding.evidence
    mended = st.fit(X, Y, model=net(), **(ADAM | settings | finding.remedy))
    assert mended.loss < 0.2 * fit.loss


def test_dropout_that_leaves_the_mean_is_told_as_a_line_of_code():
    def dropped(share):
        return net(lambda: nn.Sequential(nn.ReLU(), nn.Dropout(share)), (32, 32))

    settings = {"optimizer": "adam", "lr": 0.01, "epochs": 20, "batch_size": 32}
    assert "in place of nn.Dropout(p=0.9)" in only(too_strong, st.fit(X, Y, model=dropped(0.9), **settings)).advice
    assert [*too_strong(st.fit(X, Y, model=dropped(0.2), **settings))] == []


def test_a_penalty_on_noise_is_let_be():
    noise = np.random.default_rng(1).normal(size=len(Y))
    assert [*too_strong(st.fit(X, noise, model=net(nn.Tanh), penalty="l2:0.1", **ADAM))] == []


# ---- sizes -------------------------------------------------------------------------------------------


def test_inputs_that_saturate_get_standardised_columns():
    fit = st.fit(300 * X, Y, model=net(nn.Tanh), **ADAM)
    hidden = torch.tanh(fit.module[0](torch.as_tensor(300 * X, dtype=torch.float32)).detach())
    share = float((1 - hidden.double() ** 2 < 0.01).double().mean())
    assert saturated(placed(fit, fit.theta)) == pytest.approx(share, abs=1e-3)
    finding = only(sizes, fit)
    assert (finding.kind, finding.remedy["precondition"]) == (Kind.SATURATED, "standardize")
    assert st.fit(300 * X, Y, model=net(nn.Tanh), **(ADAM | finding.remedy)).loss < 0.5 * fit.loss


def test_a_column_of_another_size_is_named():
    x = X * [1.0, 1e4, 1.0]
    fit = st.fit(x, Y, model=net(), **ADAM)
    finding = only(sizes, fit)
    assert (finding.kind, finding.columns) == (Kind.SCALES, ("x2",))
    assert f"of size {np.sqrt(np.mean(x[:, 1] ** 2)):,.0f}"[:12] in finding.evidence
    assert st.fit(x, Y, model=net(), **(ADAM | finding.remedy)).loss < 0.5 * fit.loss


def test_a_large_target_is_to_be_standardised():
    y = 200_000 + 50_000 * Y
    finding = only(target_scale, st.fit(X, y, model=net(), **ADAM))
    assert "st.fit(x, (y - " in finding.advice
    promised = float(re.search(r"loss is ([\d.e+,]+) in", finding.predicted)[1].replace(",", ""))
    again = st.fit(X, (y - y.mean()) / y.std(), model=net(), **ADAM)
    assert again.loss * y.var() == pytest.approx(promised, rel=5e-3)
    assert only(target_scale, st.fit(X, y, model="mlp:16", **ADAM)).remedy["precondition"] == "standardize"
    assert [*target_scale(st.fit(X, y, model="mlp:16", epochs=100))] == []


# ---- batches, losses, depth --------------------------------------------------------------------------


def test_batch_normalization_gets_larger_batches():
    def normalized():
        return net(lambda: nn.Sequential(nn.BatchNorm1d(16), nn.ReLU()), (16, 16))

    settings = {"optimizer": "adam", "lr": 0.01, "epochs": 10}
    finding = only(tiny_batches, st.fit(X, Y, model=normalized(), batch_size=2, **settings))
    assert finding.remedy["batch_size"] == 32
    assert [*tiny_batches(st.fit(X, Y, model=normalized(), **(settings | finding.remedy)))] == []
    assert [*tiny_batches(st.fit(X, Y, model=net(), batch_size=2, **settings))] == []


@pytest.mark.parametrize(
    ("loss", "plain"),
    [
        (lambda p, y: ((p.unsqueeze(1) - y) ** 2).mean(), {"loss": "mse"}),
        (lambda p, y: F.l1_loss(p.view(-1, 1), y), {"loss": "l1"}),
        (lambda p, y: torch.log(torch.cosh(p[:, None] - y)).mean(), {}),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_loss_over_all_pairs_is_known_by_dealt_targets(loss, plain):
    fit = st.fit(X[:60], Y[:60], model=net(), loss=loss, **ADAM)
    finding = only(all_pairs, fit)
    assert finding.remedy == plain
    assert "prediction.reshape(target.shape)" in finding.advice


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, y: ((p - y) ** 2).mean(),
        lambda p, y: F.softplus((p - p[:, None]) * torch.sign(y[:, None] - y)).mean(),  # of pairs on purpose
        lambda p, y: (p**2).mean(),
    ],
)
def test_losses_that_know_whose_target_is_whose_are_healthy(loss):
    assert [*all_pairs(st.fit(X[:60], Y[:60], model=net(), loss=loss, **(ADAM | {"epochs": 20})))] == []


def test_adam_too_gets_another_start_where_sigmoids_let_no_signal_through():
    fit = st.fit(X, Y, model=net(nn.Sigmoid, (4,) * 10), **ADAM)
    assert fit.loss == pytest.approx(np.var(Y), rel=1e-3)  # the best constant
    finding = only(vanishing, fit)
    mended = st.fit(X, Y, model=net(nn.Sigmoid, (4,) * 10), **(ADAM | dict(finding.remedy)))
    assert finding.remedy == {} or mended.loss < 0.6 * fit.loss


def test_where_no_setting_helps_fewer_layers_are_shown():
    finding = only(vanishing, st.fit(X, Y, model=net(nn.Tanh, (3,) * 30), **ADAM))
    assert finding.remedy == {}
    assert "nn.Sequential(nn.Linear(3, 3), nn.Tanh()" in finding.advice or "BatchNorm1d(3)" in finding.advice

"""`fit()`: how it ends, what it says, and everything that can be put into it."""

from __future__ import annotations

import re
import signal
import sys
import types
import warnings

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.optimize import approx_fprime, minimize, minimize_scalar
from scipy.special import huber
from sklearn import metrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import steepest as st
from sick.examine import printed
from steepest import DataError, SpecError, Status


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 3))
    return x, 1.0 + x @ [1.0, -2.0, 0.5] + random.normal(size=60)


@pytest.fixture(scope="module")
def labelled():
    random = np.random.default_rng(2)
    x = random.normal(size=(120, 2))
    return x, np.where(x[:, 0] - 1.0 + random.logistic(size=120) > 0, "yes", "no")


def with_ones(x):
    return np.column_stack([np.ones(len(x)), x])


# ---- how a descent ends --------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", ["full", 7])
def test_ctrl_c_keeps_everything_up_to_there(data, batch_size):
    def press(step, known):
        if step.t == 25:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    fit = st.fit(*data, lr=0.01, batch_size=batch_size, epochs=100, progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert fit.status is Status.INTERRUPTED
    assert f"{fit.steps} steps are done" in fit.message
    assert fit.steps == 26
    assert len(fit.trace) == fit.steps + 1
    assert np.array_equal(fit.trace.theta[-1], fit.theta)
    assert np.isfinite(fit.trace.objective[-1])
    same = st.fit(*data, lr=0.01, batch_size=batch_size, max_steps=26)
    assert np.array_equal(fit.theta, same.theta)
    assert fit.predict(data[0]).shape == (60,)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 3.0},
        {"lr": 3.0, "batch_size": 5},
        {"lr": 1e3, "loss": "huber:1"},
        {"lr": 1e9, "loss": "l1"},
        {"lr": 3.0, "penalty": "l2:0.1"},
        {"lr": 30.0, "optimizer": "momentum:0.9"},
        {"lr": 1e9, "optimizer": "adam"},
        {"lr": 1e9, "optimizer": "sgd", "clip": 1.0},
        {"lr": 1e9, "model": "mlp:8"},
    ],
    ids=str,
)
def test_divergence_names_the_column_and_a_rate_that_holds(data, settings):
    x, y = data
    x = x * [1.0, 1000.0, 1.0]
    settings = settings | {"epochs": 200, "precondition": "none"}
    fit = st.fit(x, y, **settings)
    assert fit.status is Status.DIVERGED
    assert np.isfinite(fit.theta).all()
    # one remedy, the first finding's; without findings one rate or one setting
    remedy = fit.message.rpartition("Try ")[2].rstrip(".")
    assert remedy == next(finding.python for finding in fit.diagnose() if not finding.of_model)
    assert fit.message.count("lr=") <= 1
    advice = fit.ending.advice
    if "model" not in settings:
        assert advice == "Try precondition='standardize', lr='auto': the column 'x2' has by far the largest values."
        tries = [remedy, advice.removeprefix("Try ").partition(":")[0]]
    else:
        tries = [remedy, re.search(r"Lower the learning rate: (lr=\S+) is stable\.$", advice)[1]]
    for words in tries:
        again = st.fit(x, y, **settings | printed(words))
        assert again.status is not Status.DIVERGED
        assert again.trace.objective[-1] < again.trace.objective[0]


def test_divergence_is_dated(data):
    """Beyond 2/L the largest eigenvector's share grows by the factor |1 − lr·λ| at each step: this dates it by hand."""
    x, y = data
    lr, theta, design = 1.5, np.zeros(4), with_ones(x)
    losses = []
    for _ in range(30):
        residual = design @ theta - y
        losses.append(np.mean(residual**2))
        theta = theta - lr * 2 * design.T @ residual / 60
    began = int(np.argmax(np.array(losses) > 10 * losses[0]))
    fit = st.fit(x, y, lr=lr, epochs=500)
    assert fit.status is Status.DIVERGED
    assert f"began to grow at step {began}." in fit.message
    assert fit.steps < 500


def test_divergence_between_two_epochs_is_seen_before_the_epoch_ends():
    random = np.random.default_rng(3)
    x = random.normal(size=(5000, 2))
    fit = st.fit(x, x[:, 0] + random.normal(size=5000), lr=50.0, batch_size=1, epochs=1)
    assert fit.status is Status.DIVERGED
    assert fit.steps < 200


def test_validation_loss_stops_a_descent():
    """More parameters than rows: the training loss falls on, the held-out loss turns."""
    random = np.random.default_rng(4)
    x = random.normal(size=(60, 40))
    y = x[:, 0] + 2 * random.normal(size=60)
    fit = st.fit(x, y, lr=0.02, epochs=5000, validation=0.3, patience=5)
    assert fit.ending.status is Status.PATIENCE
    assert fit.rows == 42
    assert any("18 rows were held out to stop by" in note for note in fit.notes)
    best = int(re.search(r"best after epoch (\d+)", fit.message)[1])
    assert fit.steps == best + 5


def test_validation_loss_of_a_module_stops_a_descent():
    random = np.random.default_rng(4)
    x = random.normal(size=(60, 10))
    y = x[:, 0] + 2 * random.normal(size=60)
    fit = st.fit(x, y, model="mlp:32", epochs=2000, validation=0.3, patience=3)
    assert fit.status is Status.PATIENCE
    assert fit.steps < 2000


def test_tolerance_and_patience_are_counted_in_steps(data):
    fit = st.fit(*data, lr=0.05, tol=1e-3, epochs=1000)
    change = np.abs(np.diff(fit.trace.objective)) / fit.trace.objective[:-1]
    assert fit.ending.status is Status.TOLERANCE
    assert fit.steps == np.argmax(change <= 1e-3) + 1
    assert "Lower tol= to continue." in fit.message
    patient = st.fit(*data, lr=0.05, tol=1e-3, patience=4, epochs=1000)
    assert patient.steps == fit.steps + 3


def test_limits_are_told_apart(data):
    assert st.fit(*data, lr=0.01, epochs=5).status is Status.EPOCHS
    steps = st.fit(*data, lr=0.01, max_steps=5)
    assert (steps.status, steps.steps, len(steps.trace)) == (Status.STEPS, 5, 6)
    assert "Give more steps" in steps.message
    assert st.fit(*data, loss="l1", max_steps=3).steps == 3
    assert st.fit(*data, loss="l1", epochs=4).status is Status.EPOCHS


def test_long_descents_are_thinned_and_keep_their_ends(data):
    whole = st.fit(*data, lr=0.005, epochs=500)
    thin = st.fit(*data, lr=0.005, epochs=500, record=20)
    assert np.array_equal(thin.theta, whole.theta)
    assert len(thin.trace) <= 20
    assert (thin.trace.step[0], thin.trace.step[-1]) == (0, 500)
    assert np.array_equal(thin.trace.theta, whole.trace.theta[thin.trace.step])
    assert len(set(np.diff(thin.trace.step[:-1]))) == 1


def test_float32_is_float32(data):
    fit = st.fit(*data, dtype="float32", lr=0.1, epochs=400)
    assert np.array_equal(fit.theta, fit.theta.astype(np.float32))
    assert fit.theta == pytest.approx(np.linalg.lstsq(with_ones(data[0]), data[1], rcond=None)[0], rel=1e-4)


# ---- weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "l1", "huber:1"])
def test_weights_are_repeated_rows(data, loss):
    x, y = data
    times = np.random.default_rng(0).integers(0, 4, size=60)
    weighted = st.fit(x, y, weights=times, loss=loss)
    repeated = st.fit(np.repeat(x, times, 0), np.repeat(y, times), loss=loss)
    assert weighted.theta == pytest.approx(repeated.theta, rel=1e-9 if loss != "l1" else 1e-4)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)
    assert weighted.exact.loss == pytest.approx(repeated.exact.loss, rel=1e-9)


def test_weights_of_a_module_are_repeated_rows(data):
    x, y = data
    times = np.random.default_rng(0).integers(0, 4, size=60)
    settings = {"model": nn.Linear(3, 1), "lr": 0.1, "epochs": 50}
    weighted = st.fit(x, y, weights=times, **settings)
    repeated = st.fit(np.repeat(x, times, 0), np.repeat(y, times), **settings)
    assert weighted.theta == pytest.approx(repeated.theta, rel=1e-9)


def test_weights_by_the_name_of_a_column(data):
    x, y = data
    times = np.random.default_rng(0).integers(1, 4, size=60)
    table = pa.table({"a": x[:, 0], "w": times, "y": y})
    named, given = st.fit(table, target="y", weights="w"), st.fit(x[:, 0], y, weights=times)
    assert named.names == ["intercept", "a"]
    assert named.theta == pytest.approx(given.theta, rel=1e-14)


def test_balanced_classes_agree_with_sklearn(labelled):
    from sklearn.linear_model import LogisticRegression

    x, y = labelled
    other = LogisticRegression(class_weight="balanced", C=np.inf, tol=1e-12, max_iter=1000).fit(x, y)
    fit = st.fit(x, y, class_weight="balanced")
    assert fit.theta == pytest.approx(np.append(other.intercept_, other.coef_), rel=1e-6)
    by_hand = {label: 60 / np.sum(y == label) for label in ("no", "yes")}
    assert st.fit(x, y, class_weight=by_hand).theta == pytest.approx(fit.theta, rel=1e-12)


# ---- models --------------------------------------------------------------------------------------


def test_several_targets_at_once_are_fitted_as_each_alone(data):
    x, y = data
    both = np.column_stack([y, x[:, 0] - y**2])
    fit = st.fit(x, both)
    theta = np.linalg.lstsq(with_ones(x), both, rcond=None)[0]
    assert fit.theta == pytest.approx(theta.T.ravel(), rel=1e-11)
    assert fit.predict(x) == pytest.approx(with_ones(x) @ theta, rel=1e-11)
    assert fit.loss == pytest.approx(np.mean((both - with_ones(x) @ theta) ** 2), rel=1e-12)
    assert len(fit.names) == 8


def test_a_multilayer_perceptron_bends():
    x = np.linspace(-3, 3, 200)
    fit = st.fit(x, np.sin(x), model="mlp:16", epochs=600)
    assert fit.metrics["train"]["r2"] > 0.99
    assert fit.exact is None
    assert fit.gap is None
    assert "no exact answer" in fit.message
    assert fit.loss == pytest.approx(np.mean((fit.predict(x) - np.sin(x)) ** 2), rel=1e-10)


def test_the_module_given_stays_as_it_was(data):
    x, y = data
    module = nn.Linear(3, 1)
    before = [p.detach().clone() for p in module.parameters()]
    fit = st.fit(x, y, model=module, lr=0.1, epochs=500)
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))
    assert module.weight.dtype == torch.float32
    theta = np.linalg.lstsq(with_ones(x), y, rcond=None)[0]
    assert fit.theta == pytest.approx(np.append(theta[1:], theta[0]), rel=1e-6)  # F no longer changes there
    assert fit.names == ["weight[0,0]", "weight[0,1]", "weight[0,2]", "bias"]


def test_a_module_by_the_name_of_its_factory(data, monkeypatch):
    made = types.ModuleType("made_for_a_test")
    made.network = lambda inputs, outputs: nn.Linear(inputs, outputs)
    monkeypatch.setitem(sys.modules, "made_for_a_test", made)
    fit = st.fit(*data, model="made_for_a_test:network", lr=0.1, epochs=3)
    assert len(fit.theta) == 4
    with pytest.raises(SpecError, match="made_for_a_test:nothing"):
        st.fit(*data, model="made_for_a_test:nothing")


def test_objective_of_a_module_is_its_loss_and_gradient(data):
    x, y = data
    fit = st.fit(x, y, model=nn.Linear(3, 1), lr=0.1, epochs=3)
    loss, gradient = fit.objective(fit.theta)
    residual = x @ fit.theta[:3] + fit.theta[3] - y
    assert loss == pytest.approx(np.mean(residual**2), rel=1e-12)
    assert gradient == pytest.approx(np.append(2 * x.T @ residual, 2 * residual.sum()) / 60, rel=1e-10)


def test_predict_with_other_parameters_of_a_module(data):
    x, y = data
    fit = st.fit(x, y, model=nn.Linear(3, 1), lr=0.1, epochs=3)
    assert fit.predict(x, theta=[1, 2, 3, 4]) == pytest.approx(x @ [1, 2, 3] + 4)
    with pytest.raises(SpecError, match="has 2 numbers; the fit has 4"):
        fit.predict(x, theta=[1, 2])


# ---- losses, rules, starts, batches --------------------------------------------------------------


def power(prediction, target):
    return (prediction - target).abs() ** 1.5


@pytest.mark.parametrize("function", [power, lambda p, t: power(p, t).mean()], ids=["per row", "mean"])
def test_a_loss_of_ones_own_reaches_what_scipy_reaches(data, function):
    x, y = data
    fit = st.fit(x, y, loss=function)
    other = minimize(lambda theta: np.mean(np.abs(with_ones(x) @ theta - y) ** 1.5), np.zeros(4), tol=1e-12)
    assert fit.loss == pytest.approx(other.fun, rel=1e-9)
    assert fit.theta == pytest.approx(other.x, abs=1e-4)
    assert fit.exact is None
    assert "loss of your own" in fit.exact_note
    assert fit.objective(other.x)[0] == pytest.approx(other.fun, rel=1e-12)


def test_starts(data):
    one = {"lr": 1e-9, "max_steps": 1}

    def start(init, **more):
        return st.fit(*data, init=init, **one, **more).trace.theta[0]

    assert np.array_equal(start("zeros"), np.zeros(4))
    assert np.array_equal(start([1, 2, 3, 4]), [1, 2, 3, 4])
    assert np.array_equal(start({"x2": 7.0}), [0, 0, 7, 0])
    fit = st.fit(*data)
    assert np.array_equal(start(fit), fit.theta)
    uniform = np.concatenate([start("uniform:2:3", seed=seed) for seed in range(50)])
    assert uniform.min() >= 2
    assert uniform.max() < 3
    assert uniform.mean() == pytest.approx(2.5, abs=0.1)
    normal = np.concatenate([start("normal:5", seed=seed) for seed in range(100)])
    assert normal.std() == pytest.approx(5, rel=0.15)
    assert np.array_equal(start("normal"), start("normal"))


@pytest.mark.parametrize("precondition", ["standardize", "orthonormal"])
def test_starts_are_in_user_units_in_any_coordinates(data, precondition):
    fit = st.fit(*data, init=[1, 2, 3, 4], optimizer="sgd", precondition=precondition, max_steps=200)
    assert fit.trace.theta[0] == pytest.approx([1, 2, 3, 4], abs=1e-12)
    assert fit.theta == pytest.approx(fit.exact.theta, abs=1e-6)


def test_starts_that_cannot_be(data):
    with pytest.raises(SpecError, match="has 2 numbers, and there are 4"):
        st.fit(*data, init=[1, 2])
    with pytest.raises(SpecError, match="names 'z', which is no parameter"):
        st.fit(*data, init={"z": 1.0})
    with pytest.raises(SpecError, match="other parameters"):
        st.fit(*data, init=st.fit(data[0][:, 0], data[1]))


def test_a_torch_optimiser_is_taken_as_it_is(data):
    x, y = data
    fit = st.fit(x, y, optimizer=torch.optim.Adagrad, lr=0.5, epochs=30)
    design, target = torch.as_tensor(with_ones(x)), torch.as_tensor(y)
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    other = torch.optim.Adagrad([theta], lr=0.5)
    for _ in range(30):
        other.zero_grad()
        ((design @ theta - target) ** 2).mean().backward()
        other.step()
    assert fit.theta == pytest.approx(theta.detach().numpy(), rel=1e-12)


def test_batches_from_a_data_loader(data):
    x, y = data
    loader = DataLoader(TensorDataset(torch.as_tensor(x), torch.as_tensor(y)), batch_size=20)
    settings = {"model": nn.Linear(3, 1), "lr": 0.05, "epochs": 4}
    given = st.fit(x, y, batches=loader, **settings)
    ours = st.fit(x, y, batch_size=20, shuffle="none", **settings)
    assert given.steps == 12
    assert given.theta == pytest.approx(ours.theta, rel=1e-12)
    assert given.loss == pytest.approx(ours.loss, rel=1e-12)


def test_divergence_on_batches_of_ones_own_is_told(data):
    fit = st.fit(*data, batches=[data], model=nn.Linear(3, 1), lr=100.0, epochs=100)
    assert fit.status is Status.DIVERGED
    assert fit.message.count("lr=") == 1
    assert re.search(r"Lower the learning rate: lr=\S+ is stable\.$", fit.ending.advice)


def test_batches_of_ones_own_for_the_linear_family_are_explained(data):
    with pytest.raises(st.SpecError, match="batches= is for modules"):
        st.fit(*data, lr=0.1, batches=[data])


def test_same_seed_same_numbers_and_each_epoch_sees_each_row_once(data):
    settings = {"lr": 0.01, "batch_size": 16, "epochs": 2}
    assert np.array_equal(st.fit(*data, **settings).trace.theta, st.fit(*data, **settings).trace.theta)
    seen = []
    st.fit(*data, **settings, progress=lambda step, known: seen.append(step.batch))
    rows = [batch.rows.tolist() for batch in seen if batch is not None]
    assert [len(part) for part in rows] == [16, 16, 16, 12] * 2
    assert sorted(row for part in rows[:4] for row in part) == list(range(60))
    assert rows[:4] != rows[4:]


# ---- predictions ---------------------------------------------------------------------------------


def test_probabilities_and_labels(labelled):
    x, y = labelled
    fit = st.fit(x, y)
    shares = fit.predict_proba(x)
    assert shares[:, 1] == pytest.approx(1 / (1 + np.exp(-with_ones(x) @ fit.theta)), rel=1e-12)
    assert shares.sum(1) == pytest.approx(np.ones(120), rel=1e-15)
    assert set(fit.predict(x)) == {"no", "yes"}
    assert fit.metrics["train"]["accuracy"] == np.mean(fit.predict(x) == y)
    softmax = st.fit(x, y, model="softmax")
    assert softmax.predict_proba(x) == pytest.approx(shares, abs=1e-9)
    assert softmax.loss == pytest.approx(fit.loss, rel=1e-12)


def test_no_probabilities_of_numbers(data):
    with pytest.raises(SpecError, match="is for classes"):
        st.fit(*data).predict_proba(data[0])


def test_new_tables_are_read_like_the_old_one(data):
    x, y = data
    city = np.array(["Oslo", "Bergen", "Oslo", "Rome"] * 15)
    table = pa.table({"city": city, "a": x[:, 0], "y": y})
    fit = st.fit(table, target="y")
    assert fit.names == ["intercept", "city=Oslo", "city=Rome", "a"]
    fresh = pa.table({"a": [1.0, 2.0], "city": ["Rome", "Bergen"]})
    theta = fit.theta
    assert fit.predict(fresh) == pytest.approx([theta[0] + theta[2] + theta[3], theta[0] + 2 * theta[3]])
    with pytest.raises(DataError, match="Paris"):
        fit.predict(pa.table({"a": [1.0], "city": ["Paris"]}))


def test_a_column_of_ones_may_be_given_at_prediction_too(data):
    x, y = data
    fit = st.fit(np.column_stack([x, np.ones(60)]), y)
    assert fit.predict(np.column_stack([x, np.ones(60)])) == pytest.approx(with_ones(x) @ fit.theta)


# ---- penalties -----------------------------------------------------------------------------------


def test_ridge_agrees_with_sklearn(data):
    """Theirs is Σr² + α·Σθ², ours its mean: α = n·A."""
    from sklearn.linear_model import Ridge

    x, y = data
    other = Ridge(alpha=60 * 0.3, tol=1e-14).fit(x, y)
    fit = st.fit(x, y, penalty="l2:0.3")
    assert fit.theta == pytest.approx(np.append(other.intercept_, other.coef_), rel=1e-10)
    mean = np.mean((other.predict(x) - y) ** 2)
    assert fit.loss == pytest.approx(mean, rel=1e-10)
    assert fit.objective_value == pytest.approx(mean + 0.3 * np.sum(other.coef_**2), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
def test_lasso_agrees_with_sklearn(data, optimizer):
    """Theirs is Σr²/2n + α·Σ|θ|: α = A/2."""
    from sklearn.linear_model import Lasso

    x, y = data
    other = Lasso(alpha=0.6 / 2, tol=1e-14, max_iter=100_000).fit(x, y)
    fit = st.fit(x, y, penalty="l1:0.6", optimizer=optimizer)
    assert fit.theta == pytest.approx(np.append(other.intercept_, other.coef_), abs=1e-9)
    value = np.mean((other.predict(x) - y) ** 2) + 0.6 * np.abs(other.coef_).sum()
    assert fit.objective_value == pytest.approx(value, rel=1e-10)
    assert np.array_equal(fit.theta[1:] == 0, other.coef_ == 0)
    assert fit.status is Status.CONVERGED


def test_elastic_net_agrees_with_sklearn(data):
    """Theirs is Σr²/2n + α·ρ·Σ|θ| + ½α(1−ρ)Σθ²; ours, halved: α·ρ = A/2, α(1−ρ) = B."""
    from sklearn.linear_model import ElasticNet

    x, y = data
    other = ElasticNet(alpha=0.2 + 0.5, l1_ratio=0.2 / 0.7, tol=1e-14, max_iter=100_000).fit(x, y)
    fit = st.fit(x, y, penalty="elastic:0.4,0.5")
    assert fit.theta == pytest.approx(np.append(other.intercept_, other.coef_), abs=1e-9)


def test_gap_and_metrics_are_what_their_names_say(data):
    from sklearn.metrics import mean_absolute_error, r2_score

    x, y = data
    fit = st.fit(x, y, lr=0.05, epochs=20, test_fraction=0.25)
    theta, *_ = np.linalg.lstsq(with_ones(fit.train.x), fit.train.y, rcond=None)
    best = np.mean((with_ones(fit.train.x) @ theta - fit.train.y) ** 2)
    assert fit.gap == pytest.approx(fit.loss - best, rel=1e-8)
    assert fit.relative_gap == pytest.approx(fit.gap / best, rel=1e-8)
    assert fit.metrics["test"]["r2"] == pytest.approx(r2_score(fit.test.y, fit.predict(fit.test.x)))
    assert fit.metrics["train"]["mae"] == pytest.approx(mean_absolute_error(fit.train.y, fit.predict(fit.train.x)))
    assert fit.trace.test_loss[-1] == pytest.approx(fit.test_loss, rel=1e-12)
    assert fit.test_loss == pytest.approx(np.mean((fit.test.y - fit.predict(fit.test.x)) ** 2), rel=1e-12)


@pytest.mark.parametrize("make", [lambda y: y, lambda y: y.astype(bool), lambda y: y + 0.5, lambda y: y.astype(str)])
def test_classes_are_predicted_as_they_were_given(make, tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    y = make((x[:, 0] + random.logistic(size=60) > 0).astype(int))
    fit = st.fit(x, y, model="logistic")
    assert (fit.predict(x) == y).mean() == fit.metrics["train"]["accuracy"] > 0.5
    fit.save(tmp_path / "run")
    assert (st.load(tmp_path / "run").predict(x) == fit.predict(x)).all()


def test_the_objective_anywhere_has_the_penalty_in_value_and_gradient():
    random = np.random.default_rng(1)
    x, y = random.normal(size=(50, 3)), random.normal(size=50)
    fit = st.fit(x, y, penalty="elastic:0.1,0.5")
    theta = np.array([0.3, -0.2, 0.5, 1.0])
    value, gradient = fit.objective(theta)
    residual = y - theta[0] - x @ theta[1:]
    assert value == pytest.approx((residual**2).mean() + 0.1 * 1.7 + 0.5 * (0.04 + 0.25 + 1.0), rel=1e-12)
    numeric = approx_fprime(theta, lambda t: fit.objective(t)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5)


def test_chosen_parameters_are_recorded():
    random = np.random.default_rng(2)
    x = random.normal(size=(40, 3))
    whole = st.fit(x, x[:, 0], optimizer="sgd", epochs=20)
    some = st.fit(x, x[:, 0], optimizer="sgd", epochs=20, record=["x2", "intercept"])
    assert some.trace.names == ("x2", "intercept")
    np.testing.assert_array_equal(some.trace.theta, whole.trace.theta[:, [2, 0]])
    network = st.fit(x, x[:, 0], model="mlp:4", epochs=5, record=["0.bias[1]"])
    assert network.trace.theta.shape == (6, 1)
    assert network.trace.theta[-1, 0] == network.params["0.bias[1]"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"device": "nowhere"}, "cpu, cuda or cuda:N"),
        ({"device": "cuda:99"}, "device='cpu'"),
        ({"lr": "fast"}, 'a number greater than 0, or "auto"'),
        ({"record": ["nobody"]}, "no parameter here"),
    ],
)
def test_impossible_settings_are_explained(settings, words):
    with pytest.raises(st.SpecError, match=re.escape(words)):
        st.fit([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], **settings)


def test_without_an_exact_answer_no_gap_is_called_closed():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(40, 2)), random.normal(size=40)
    fit = st.fit(x, y, loss="cauchy:0.1")
    assert fit.gap is None
    assert fit.status is not st.Status.CONVERGED
    assert "no exact answer" in fit.message


@pytest.mark.parametrize("sample", [None, "sample:diabetes"])
def test_a_smooth_loss_of_ones_own_arrives_by_itself(sample):
    random = np.random.default_rng(4)
    x = random.normal(size=(60, 2))
    data = (sample,) if sample else (x, 1 + x @ [2, -1] + 0.1 * random.normal(size=60))
    own = st.fit(*data, loss=torch.nn.SmoothL1Loss())
    assert own.loss == pytest.approx(st.fit(*data, loss="huber:1").loss, rel=1e-9)


def test_metrics_count_rows_by_their_weights():
    random = np.random.default_rng(5)
    x, weights = random.normal(size=(60, 2)), random.uniform(size=60)
    y = x @ [1.0, 2.0] + random.normal(size=60)
    fit = st.fit(x, y, weights=weights)
    predicted = fit.predict(x)
    assert fit.metrics["train"]["r2"] == pytest.approx(metrics.r2_score(y, predicted, sample_weight=weights), rel=1e-12)
    mae = metrics.mean_absolute_error(y, predicted, sample_weight=weights)
    assert fit.metrics["train"]["mae"] == pytest.approx(mae, rel=1e-12)


def test_powers_that_float64_cannot_hold_have_no_gap():
    u = np.linspace(0, 9, 10)
    fit = st.fit(u, 2 * u + np.arange(10) % 3, model="poly:30")
    assert fit.gap is None
    assert fit.exact is None
    assert "lower degree" in fit.message


def _fails() -> torch.nn.Module:
    raise ValueError("no model today")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": torch.nn.Linear(3, 1)}, "does not take x of shape [3, 1]"),
        ({"model": _fails}, "ValueError: no model today"),
        ({"penalty": "l2:1e308"}, "at most 1e100"),
        ({"init": [float("nan"), 1.0]}, "finite numbers"),
        ({"batches": [([0.0], [1.0])]}, "batches= is for modules"),
    ],
)
def test_what_cannot_work_is_explained_before_the_descent(settings, words):
    with pytest.raises(st.SpecError, match=re.escape(words)):
        st.fit([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], **settings)


def test_huber_arrives_where_every_residual_lies_far_outside_its_width():
    y = np.array(
        [-132104.9, 640422.7, 104900.1, -535669.4, 361595.1, 1304000.0, 947081.0, -703735.2, -1265421.5, -623274.5]
    )
    fit = st.fit(np.zeros((10, 1)), y, loss="huber:1")
    best = minimize_scalar(lambda c: huber(1.0, y - c).mean(), bounds=(y.min(), y.max()), method="bounded")
    assert fit.loss <= best.fun * (1 + 1e-12)
    assert fit.relative_gap <= 1e-10


@pytest.mark.parametrize("patience", [2, 7, None])
def test_patience_counts_epochs_without_a_better_validation_loss(patience):
    random = np.random.default_rng(3)
    x, y = random.normal(size=(24, 15)), random.normal(size=24)  # nothing to learn: the validation loss soon rises
    fit = st.fit(x, y, optimizer="sgd", lr=0.02, validation=0.3, patience=patience, epochs=2000)
    assert fit.ending.status is st.Status.PATIENCE
    best = int(fit.ending.detail.split()[-1].rstrip("."))
    assert fit.epochs == best + (patience or 10)


# ---- a target on a log scale ---------------------------------------------------------------------


def test_a_target_on_a_log_scale_is_fitted_scored_saved_and_predicted_so(data, tmp_path):
    x, noisy = data
    table = pa.table({"a": x[:, 0], "price": np.exp(noisy), "b": x[:, 1]})
    fit = st.fit(table, target="log(price)", test_fraction=0.25)
    assert (fit.schema.targets, fit.names) == (("log(price)",), ["intercept", "a", "b"])
    expected = np.linalg.lstsq(with_ones(fit.train.x), fit.train.y, rcond=None)[0]
    np.testing.assert_allclose(fit.theta, expected, rtol=1e-9)
    guess = with_ones(fit.test.x) @ expected
    assert fit.metrics["test"]["r2"] == pytest.approx(metrics.r2_score(fit.test.y, guess), rel=1e-9)
    np.testing.assert_allclose(np.sort(np.concatenate([fit.train.y, fit.test.y])), np.sort(noisy), atol=1e-12)
    fit.save(tmp_path / "run")
    loaded = st.load(tmp_path / "run")
    assert (loaded.spec.target, loaded.schema.targets) == ("log(price)", ("log(price)",))
    new = {"b": [0.5, 1.0], "a": [2.0, -1.0]}  # neither needs nor takes the price
    np.testing.assert_allclose(loaded.predict(new), with_ones(np.array([[2.0, 0.5], [-1.0, 1.0]])) @ expected)
    np.testing.assert_array_equal(loaded.predict(table), fit.predict(table))


def test_of_arrays_it_is_the_logarithm_of_y(data):
    x, noisy = data
    fit = st.fit(x, np.exp(noisy), target="log(y)")
    np.testing.assert_allclose(fit.theta, np.linalg.lstsq(with_ones(x), noisy, rcond=None)[0], rtol=1e-9)
    runs = st.sweep(x, np.exp(noisy), target="log(y)", lr=[0.1, 0.2])
    np.testing.assert_allclose(runs.fit(0).train.y, noisy, atol=1e-12)
    images = x.reshape(60, 1, 3)
    made = st.fit(images, np.exp(noisy), target="log(y)", model=nn.Sequential(nn.Flatten(), nn.Linear(3, 1)), epochs=1)
    np.testing.assert_allclose(made.train.y, noisy, atol=1e-12)


@pytest.mark.parametrize("held", [{}, {"test_fraction": 0.2}, {"record": 40}])
def test_a_tolerance_of_zero_is_not_fooled_by_a_swing_that_repeats_a_value(held):
    """In orthonormal coordinates the Hessian of mse is 2·1, so that lr·λ = 1 + β, where every second F is the one before."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    y = x @ [1.0, 2.0, 3.0] + random.normal(size=200)
    settings = {"precondition": "orthonormal", "optimizer": "momentum:0.9", "tol": 0, "epochs": 2000, **held}
    fit = st.fit(x, y, lr=0.95, **settings)
    assert fit.status is st.Status.CONVERGED
    assert 250 < fit.steps < 1000  # √0.9 a step: 1e-16 of the gap after about 2·16/lg(1/0.9)/2 = 350
    sweep = st.sweep(x, y, **settings | {"optimizer": ["momentum:0.9", "sgd"], "lr": [0.95, 0.1]})
    swept = {(one.optimizer, one.lr): one for one in (sweep.fit(run) for run in range(len(sweep)))}
    assert [one.status for one in swept.values()] == [st.Status.CONVERGED] * 4
    assert 250 < swept["momentum:0.9", 0.95].steps < 1000


def test_plain_steps_on_all_rows_end_with_the_first_value_that_repeats():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    fit = st.fit(x, x.sum(1), optimizer="sgd", lr=0.1, tol=0, epochs=5000, dtype="float32")
    objective = fit.trace.objective
    assert objective[-1] == objective[-2]
    assert (np.diff(objective[:-1]) != 0).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "converged: the loss equals the exact optimum."),
        (
            {"optimizer": "sgd", "lr": 0.001, "epochs": 20},
            "epochs: stopped after the requested 20 epochs. The optimum is not",
        ),
        (
            {"optimizer": "sgd", "lr": 1e-6},
            "epochs: stopped after the default 1,000 epochs. The optimum is not reached:",
        ),
        (
            {"optimizer": "sgd", "lr": 0.001, "max_steps": 1},
            "steps: stopped after the requested 1 step. The optimum is not",
        ),
    ],
)
def test_how_a_fit_ended_is_said_in_a_sentence(data, settings, words):
    x, y = data
    assert st.fit(x, y, **settings).message.startswith(words)


def test_rows_fewer_than_parameters_are_warned_of_unless_a_penalty_settles_these():
    x, y = np.random.default_rng(0).standard_normal((5, 8)), np.arange(5.0)
    with pytest.warns(st.SteepestWarning, match="5 training rows cannot settle 9 parameters"):
        st.fit(x, y)
    for penalty in ("l2:0.1", "l1:0.1", "elastic:0.1,0.1"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            st.fit(x, y, penalty=penalty)

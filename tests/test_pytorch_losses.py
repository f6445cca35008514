"""Losses as PyTorch's users write them: criteria, their classes and functions, beside plain loops with `torch.optim`."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

import steepest as st

random = np.random.default_rng(11)
X = random.normal(size=(40, 3))
NUMBERS = X @ [1.5, -2.0, 0.5] + 0.3 + 0.2 * random.normal(size=40)
TWO = (X[:, 0] + 0.5 * random.normal(size=40) > 0.1).astype(np.int64)
THREE = TWO + (X[:, 2] + 0.3 * random.normal(size=40) > 0.4)
COUNTS = random.poisson(np.exp(0.5 * X[:, 1]))
PLAIN = {"lr": 0.1, "optimizer": "sgd", "epochs": 30}


def net(outputs: int = 1, end: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(4)
    parts = [nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, outputs), *([end] if end is not None else [])]
    return nn.Sequential(*parts).double()


def by_hand(module: nn.Module, criterion, target: np.ndarray | torch.Tensor, column: bool = False, lr: float = 0.1):
    """θ and the criterion after 30 steps of a plain loop over all rows."""
    module = copy.deepcopy(module)
    x, y = torch.as_tensor(X), torch.as_tensor(target)
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    for _ in range(30):
        optimizer.zero_grad()
        criterion(module(x)[:, 0] if column else module(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        loss = criterion(module(x)[:, 0] if column else module(x), y)
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy(), float(loss)


CLASSES = {
    "CrossEntropyLoss()": nn.CrossEntropyLoss(),
    "CrossEntropyLoss": nn.CrossEntropyLoss,
    "F.cross_entropy": F.cross_entropy,
    "label smoothing": nn.CrossEntropyLoss(label_smoothing=0.2),
    "partial": partial(F.cross_entropy, label_smoothing=0.2),
    "class weights": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 4.0, 2.0])),
    "reduction none": nn.CrossEntropyLoss(reduction="none"),
    "multi margin": nn.MultiMarginLoss(margin=0.5),
    "lambda": lambda prediction, target: F.cross_entropy(prediction, target),
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_loss_of_classes_takes_them_as_whole_numbers(name):
    given = CLASSES[name]
    plain = given() if isinstance(given, type) else given
    if isinstance(plain, nn.CrossEntropyLoss) and plain.weight is not None:
        plain = nn.CrossEntropyLoss(weight=plain.weight.double())

    def mean(prediction, target):
        return plain(prediction, target).mean()

    theta, loss = by_hand(net(3), mean, THREE)
    fit = st.fit(X, THREE, model=net(3), loss=given, **PLAIN)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert fit.loss == pytest.approx(loss, rel=1e-9)
    assert set(fit.predict(X)) <= {0, 1, 2}
    assert fit.metrics["train"]["accuracy"] == pytest.approx((fit.predict(X) == THREE).mean())


NUMERIC = {
    "MSELoss()": (nn.MSELoss(), "mse"),
    "MSELoss": (nn.MSELoss, "mse"),
    "F.mse_loss": (F.mse_loss, "mse"),
    "L1Loss()": (nn.L1Loss(), "l1"),
    "SmoothL1Loss()": (nn.SmoothL1Loss(), "huber:1"),
    "HuberLoss(delta)": (nn.HuberLoss(delta=0.3), "huber:0.3"),
    "F.huber_loss, delta": (partial(F.huber_loss, delta=0.3), "huber:0.3"),
    "MSELoss, one a row": (nn.MSELoss(reduction="none"), "mse"),
}


@pytest.mark.parametrize("name", NUMERIC)
def test_a_criterion_that_is_a_loss_of_ours_has_its_exact_answer(name):
    given, ours = NUMERIC[name]
    fit, named = st.fit(X, NUMBERS, loss=given), st.fit(X, NUMBERS, loss=ours)
    assert str(fit.loss_function) == ours
    np.testing.assert_array_equal(fit.theta, named.theta)
    assert fit.exact is not None
    assert fit.relative_gap == named.relative_gap
    theta, _ = by_hand(net(), lambda p, y: (given() if isinstance(given, type) else given)(p, y).mean(), NUMBERS, True)
    np.testing.assert_allclose(st.fit(X, NUMBERS, model=net(), loss=given, **PLAIN).theta, theta, rtol=1e-9)


def test_two_criteria_of_classes_end_at_the_exact_answer_of_the_linear_family():
    fit = st.fit(X, TWO, loss=nn.BCEWithLogitsLoss())
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(X, TWO)
    np.testing.assert_allclose(fit.theta[1:], theirs.coef_[0], rtol=1e-5)
    assert abs(fit.relative_gap) < 1e-9
    softmax = st.fit(X, TWO, model="softmax", loss=nn.CrossEntropyLoss(), penalty="l2:0.01")
    assert abs(softmax.relative_gap) < 1e-9


BINARY = {
    "with logits": (nn.BCEWithLogitsLoss(), None),
    "positive weight": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), None),
    "positive weight of one": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])), None),
    "of probabilities": (nn.BCELoss(), nn.Sigmoid()),
    "F.binary_cross_entropy": (F.binary_cross_entropy, nn.Sigmoid()),
}


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("name", BINARY)
def test_two_classes_take_a_column_of_floats(name, column):
    given, end = BINARY[name]
    plain = copy.deepcopy(given).double() if isinstance(given, nn.Module) else given
    target = torch.as_tensor(TWO).double()
    theta, loss = by_hand(net(1, end), plain, target, column=True)
    y = target.float()[:, None] if column else TWO
    fit = st.fit(torch.as_tensor(X), y, model=net(1, end), loss=given, **PLAIN)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert fit.loss == pytest.approx(loss, rel=1e-9)
    with torch.no_grad():
        output = fit.module(torch.as_tensor(X))[:, 0]
    shares = (output if end is not None else torch.sigmoid(output)).numpy()
    np.testing.assert_allclose(fit.predict_proba(X)[:, 1], shares, rtol=1e-9)
    np.testing.assert_array_equal(fit.predict(X).astype(int), shares > 0.5)


def test_log_probabilities_go_with_nll():
    module = net(3, nn.LogSoftmax(1))
    fit = st.fit(X, THREE, model=module, loss=nn.NLLLoss(), **PLAIN)
    theta, loss = by_hand(module, nn.NLLLoss(), THREE)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert fit.loss == pytest.approx(loss)
    np.testing.assert_allclose(fit.predict_proba(X), fit.module(torch.as_tensor(X)).exp().detach().numpy(), rtol=1e-9)


def test_several_labels_at_once_and_shares_of_classes():
    labels = np.stack([TWO, 1 - TWO, X[:, 1] > 0], 1).astype(float)
    theta, _ = by_hand(net(3), nn.BCEWithLogitsLoss(), labels)
    np.testing.assert_allclose(
        st.fit(X, labels, model=net(3), loss=nn.BCEWithLogitsLoss(), **PLAIN).theta, theta, rtol=1e-9
    )
    shares = np.eye(3)[THREE] * 0.7 + 0.1
    theta, _ = by_hand(net(3), nn.CrossEntropyLoss(), shares)
    np.testing.assert_allclose(
        st.fit(X, shares, model=net(3), loss=nn.CrossEntropyLoss(), **PLAIN).theta, theta, rtol=1e-9
    )
    soft = 0.8 * TWO + 0.1
    theta, _ = by_hand(net(), nn.BCEWithLogitsLoss(), soft, column=True)
    np.testing.assert_allclose(
        st.fit(X, soft, model=net(), loss=nn.BCEWithLogitsLoss(), **PLAIN).theta, theta, rtol=1e-9
    )


@pytest.mark.parametrize("loss", ["cross_entropy", nn.CrossEntropyLoss(), F.cross_entropy])
def test_one_hot_rows_are_the_numbers_of_their_classes_and_it_is_said(loss):
    hot = torch.eye(3)[torch.as_tensor(THREE)]
    fit = st.fit(X, hot, model=net(3), loss=loss, **PLAIN)
    theta, _ = by_hand(net(3), nn.CrossEntropyLoss(), THREE)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert any("argmax" in note for note in fit.notes)


def test_a_class_stands_for_the_output_of_its_number():
    labels = np.where(THREE == 1, 4, THREE)  # 0, 2 and 4 of six outputs
    theta, _ = by_hand(net(6), nn.CrossEntropyLoss(), labels)
    fit = st.fit(X, labels, model=net(6), loss=nn.CrossEntropyLoss(), **PLAIN)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    np.testing.assert_array_equal(fit.predict(X), fit.module(torch.as_tensor(X)).argmax(1).numpy())


def test_losses_of_numbers_that_have_no_name_here():
    theta, loss = by_hand(net(), nn.PoissonNLLLoss(), COUNTS, column=True)
    fit = st.fit(X, COUNTS, model=net(), loss=nn.PoissonNLLLoss(), **PLAIN)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert fit.loss == pytest.approx(loss)
    assert fit.metrics["train"] == {}  # a prediction is the logarithm of a count
    theta, _ = by_hand(net(), nn.SmoothL1Loss(beta=0.4), NUMBERS, column=True)
    np.testing.assert_allclose(st.fit(X, NUMBERS, model=net(), loss=nn.SmoothL1Loss(beta=0.4), **PLAIN).theta, theta)
    both = np.stack([NUMBERS, -NUMBERS], 1)
    theta, _ = by_hand(net(2), nn.L1Loss(), both)
    np.testing.assert_allclose(st.fit(X, both, model=net(2), loss=nn.L1Loss(), **PLAIN).theta, theta)


def test_a_mean_and_a_variance_for_one_target(tmp_path):
    def loss(p, y):
        return F.gaussian_nll_loss(p[:, 0], y, p[:, 1].exp())

    theta, value = by_hand(net(2), loss, NUMBERS, lr=0.05)
    fit = st.fit(X, NUMBERS, model=net(2), loss=loss, **(PLAIN | {"lr": 0.05}))
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    assert fit.loss == pytest.approx(value)
    assert fit.predict(X).shape == (40, 2)
    str(fit)
    with pytest.raises(st.SpecError, match="in the units of the target"):
        fit.residuals()
    assert fit.report(tmp_path / "fit.html", film=False).exists()


class Focal(nn.Module):
    """(1 − p)² · cross entropy, with weights in a buffer of float32."""

    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = gamma
        self.register_buffer("alpha", torch.tensor([1.0, 2.0, 1.0]))

    def forward(self, prediction, target):
        each = F.cross_entropy(prediction, target, reduction="none")
        return (self.alpha[target] * (1 - (-each).exp()) ** self.gamma * each).mean()


@pytest.mark.parametrize("given", [Focal(), Focal, Focal().forward])
def test_a_module_of_ones_own_is_a_loss(given):
    theta, _ = by_hand(net(3), Focal().double(), THREE)
    np.testing.assert_allclose(st.fit(X, THREE, model=net(3), loss=given, **PLAIN).theta, theta, rtol=1e-9)


def test_fits_with_criteria_are_kept(tmp_path):
    for loss, y, outputs, end in ((nn.CrossEntropyLoss(), THREE, 3, None), (nn.BCELoss(), TWO, 1, nn.Sigmoid())):
        fit = st.fit(X, y, model=net(outputs, end), loss=loss, **PLAIN)
        fit.save(tmp_path / type(loss).__name__)
        loaded = st.load(tmp_path / type(loss).__name__, model=net(outputs, end))
        np.testing.assert_array_equal(loaded.predict(X), fit.predict(X))
        np.testing.assert_array_equal(loaded.predict_proba(X), fit.predict_proba(X))
        assert loaded.loss == fit.loss


class Needy(nn.Module):
    def __init__(self, gamma):
        super().__init__()

    def forward(self, prediction, target):
        return (prediction - target).abs().mean()


class Learning(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, prediction, target):
        return (self.scale * (prediction - target)).abs().mean()


@pytest.mark.parametrize(
    ("loss", "y", "outputs", "words"),
    [
        (nn.MSELoss(reduction="sum"), NUMBERS, 1, "leave reduction='sum' out"),
        (nn.GaussianNLLLoss(), NUMBERS, 1, r"F.gaussian_nll_loss\(p\[:, 0\], y, p\[:, 1\].exp\(\)\)"),
        (nn.CTCLoss(), NUMBERS, 1, "lengths"),
        (nn.TripletMarginLoss, NUMBERS, 1, "anchor, positive, negative"),
        (Needy, NUMBERS, 1, r"loss=Needy\(…\)"),
        (Learning(), NUMBERS, 1, "parameters of its own"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])), THREE, 3, "weight tensor of shape: .2."),
        (nn.CrossEntropyLoss(), THREE, 2, "2 outputs for 3 classes"),
        (nn.BCEWithLogitsLoss(), THREE, 1, "loss='cross_entropy'|model='softmax'"),
        ("logistic", TWO, 2, "loss='cross_entropy'"),
        (lambda p, y: F.nll_loss(p, y), NUMBERS, 3, "for targets of shape"),
        (lambda p, y: "text", NUMBERS, 1, "returns a str"),
        (lambda p, y: None, NUMBERS, 1, "returns a NoneType"),
        (lambda p, y: torch.tensor(1.0), NUMBERS, 1, "has no gradient"),
        (lambda p, y: ((p - y) ** 2).mean().item(), NUMBERS, 1, "returns a float"),
        (lambda p, y: (p.detach() - y).abs(), NUMBERS, 1, "without .item\\(\\), .detach"),
        (lambda p, y: p.nonsense, NUMBERS, 1, "has no attribute 'nonsense'"),
    ],
)
def test_what_is_no_loss_here_is_one_line(loss, y, outputs, words):
    for model in (net(outputs), *(["linear"] if outputs == 1 and y is NUMBERS else [])):
        with pytest.raises(st.SpecError, match=words) as caught:
            st.fit(X, y, model=model, loss=loss, **PLAIN)
        assert "\n" not in str(caught.value)


WEIGHTED = {
    "class weights": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 4.0, 2.0]).double()),
    "partial": partial(F.cross_entropy, weight=torch.tensor([1.0, 4.0, 2.0]).double()),
    "label smoothing": nn.CrossEntropyLoss(label_smoothing=0.2),
    "multi margin": nn.MultiMarginLoss(margin=0.5),
}


@pytest.mark.parametrize("model", ["linear", "softmax"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_a_linear_model_of_classes_takes_a_criterion_with_settings(name, model, tmp_path):
    text = np.array(["a", "b", "c"])[THREE]
    fit = st.fit(X, text, model=model, loss=WEIGHTED[name], **PLAIN)
    module = nn.Linear(3, 3).double()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    theta, _ = by_hand(module, WEIGHTED[name], THREE)
    np.testing.assert_allclose(fit.theta.reshape(3, 4)[:, 1:].ravel(), theta[:9], rtol=1e-8)
    np.testing.assert_allclose(fit.theta.reshape(3, 4)[:, 0], theta[9:], rtol=1e-8)
    assert list(fit.params)[::4] == ["a: intercept", "b: intercept", "c: intercept"]
    assert "Fit" in repr(fit)
    scores = X @ theta[:9].reshape(3, 3).T + theta[9:]
    np.testing.assert_array_equal(fit.predict(X), np.array(["a", "b", "c"])[scores.argmax(1)])
    runs = st.sweep(X, text, model=model, loss=WEIGHTED[name], **(PLAIN | {"lr": [0.05, 0.1]}))
    np.testing.assert_allclose(runs.fit(1).theta, fit.theta, rtol=1e-8)
    assert runs.fit(1).names == fit.names


def test_the_logistic_model_takes_its_criterion_with_a_weight_of_the_positive_class():
    fit = st.fit(X, TWO, model="logistic", loss=nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)))
    solved = LogisticRegression(C=np.inf, class_weight={0: 1, 1: 3}, tol=1e-10, max_iter=1000).fit(X, TWO)
    np.testing.assert_allclose(fit.theta, [*solved.intercept_, *solved.coef_[0]], rtol=1e-4)


@pytest.mark.parametrize("model", ["linear", net(3), net(4)])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), F.cross_entropy, nn.NLLLoss()])
def test_targets_that_the_criterion_ignores_are_refused(model, loss):
    target = THREE.copy()
    target[:10] = -100
    with pytest.raises(st.DataError, match=r"10 rows have the target -100.*ignore_index=-100"):
        st.fit(X, torch.as_tensor(target), model=model, loss=loss, epochs=2)


def test_a_class_that_is_ignored_is_no_plain_cross_entropy():
    for loss in (nn.CrossEntropyLoss(ignore_index=0), partial(F.cross_entropy, ignore_index=0)):
        with pytest.raises(st.DataError, match=r"the target 0.*ignore_index=0"):
            st.fit(X, THREE, model=net(3), loss=loss, epochs=2)
        with pytest.raises(st.DataError, match=r"the class 'a', output 0"):
            st.fit(X, np.array(["a", "b", "c"])[THREE], loss=loss, epochs=2)
    unused = nn.CrossEntropyLoss(ignore_index=3)
    theta, _ = by_hand(net(3), unused, THREE)
    np.testing.assert_allclose(st.fit(X, THREE, model=net(3), loss=unused, **PLAIN).theta, theta, rtol=1e-8)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        "cross_entropy",
        lambda p, y: F.cross_entropy(p, y),
    ],
)
def test_more_outputs_than_classes_are_refused_unless_the_labels_number_them(loss):
    with pytest.raises(st.SpecError, match=r"gives 4 outputs for 3 classes \('a', 'b', 'c'\).*needs 3"):
        st.fit(X, np.array(["a", "b", "c"])[THREE], model=net(4), loss=loss, epochs=2)
    theta, _ = by_hand(net(4), F.cross_entropy if isinstance(loss, str) else loss, THREE + 1)
    fit = st.fit(X, THREE + 1, model=net(4), loss=loss, **PLAIN)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-8)

"""Modules as PyTorch's users write them: what they hold afterwards, and one line for what cannot be fitted."""

from __future__ import annotations

import copy
from itertools import chain, count

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.data.batching import Batching

random = np.random.default_rng(21)
X = random.normal(size=(41, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1 * random.normal(size=41)
SETTINGS = {"lr": 0.05, "optimizer": "sgd", "epochs": 5}


def net(*parts: nn.Module) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), *(parts or (nn.Tanh(),)), nn.Linear(4, 1))


def state_of(module: nn.Module):
    values = {name: value.clone() for name, value in module.state_dict().items()}
    kinds = [(p.dtype, p.device, p.grad is None, p.data_ptr()) for p in module.parameters()]
    return values, kinds, [part.training for part in module.modules()]


def same(one, other) -> bool:
    return one[1:] == other[1:] and all(torch.equal(value, other[0][name]) for name, value in one[0].items())


@pytest.mark.parametrize("training", [True, False])
def test_the_module_given_is_left_as_it_was(training):
    module = net(nn.BatchNorm1d(4), nn.Dropout(0.5)).train(training)
    before = state_of(module)
    fit = st.fit(X, Y, model=module, batch_size=10, **SETTINGS)
    assert fit.module is not module
    st.sweep(X, Y, model=module, lr=[0.01, 0.02], epochs=2)
    objective = st.objective(module, "mse", X, Y)
    for _ in st.descend(objective, "adam", Batching(40, 10), lr=0.1, epochs=2):
        pass
    assert same(state_of(module), before)
    module.load_state_dict(objective.module.state_dict())
    assert not same(state_of(module), before)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_fitted_module_comes_back_in_its_own_precision_and_in_evaluation(kind):
    module = net(nn.BatchNorm1d(4), nn.Dropout(0.5)).to(kind)
    fit = st.fit(X, Y, model=module, **SETTINGS)
    assert {p.dtype for p in fit.module.parameters()} == {kind}
    assert not any(part.training for part in fit.module.modules())
    with torch.no_grad():
        found = fit.module(torch.as_tensor(X, dtype=kind))[:, 0].double().numpy()
    close = {torch.float64: 1e-12, torch.float32: 1e-5}.get(kind, 5e-2)
    np.testing.assert_allclose(found, fit.predict(X), rtol=close, atol=close)
    np.testing.assert_allclose(
        nn.utils.parameters_to_vector(fit.module.parameters()).double().detach(), fit.theta, rtol=close
    )


def test_predictions_of_the_fitted_module_are_those_of_the_fit_in_standardised_columns_too():
    fit = st.fit(X * [1.0, 50.0, 1e-3], Y, model=net().double(), epochs=20)
    assert fit.precondition == "standardize"
    with torch.no_grad():
        found = fit.module(torch.as_tensor(X * [1.0, 50.0, 1e-3]))[:, 0].numpy()
    np.testing.assert_allclose(found, fit.predict(X * [1.0, 50.0, 1e-3]), rtol=1e-12)


def test_the_fitted_module_can_be_fitted_on():
    first = st.fit(X, Y, model=net(nn.Dropout(0.2)), **SETTINGS)
    further = st.fit(X, Y, model=first.module, **SETTINGS)
    assert further.loss < first.loss
    assert not first.module.training


def test_a_last_batch_of_one_row_is_left_out_where_batchnorm_cannot_use_it():
    module = net(nn.BatchNorm1d(4), nn.ReLU()).double()
    fit = st.fit(X, Y, model=module, batch_size=10, shuffle="none", **SETTINGS)
    assert fit.steps == 5 * 4
    assert any("one row" in note and "left out" in note for note in fit.notes)
    by_hand, optimizer = copy.deepcopy(module), None
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.05)
    x, y = torch.as_tensor(X), torch.as_tensor(Y)
    for step in range(20):
        rows = slice(step % 4 * 10, step % 4 * 10 + 10)
        optimizer.zero_grad()
        nn.functional.mse_loss(by_hand(x[rows])[:, 0], y[rows]).backward()
        optimizer.step()
    np.testing.assert_allclose(
        fit.theta, nn.utils.parameters_to_vector(by_hand.parameters()).detach().numpy(), rtol=1e-9
    )
    assert not any("one row" in note for note in st.fit(X, Y, model=net(), batch_size=10, **SETTINGS).notes)


def test_lazy_layers_learn_their_sizes_from_the_rows():
    lazy = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(1))
    fit = st.fit(X, Y, model=lazy, **SETTINGS)
    assert fit.module[0].in_features == 3
    assert isinstance(lazy[0].weight, nn.UninitializedParameter)
    np.testing.assert_array_equal(fit.theta, st.fit(X, Y, model=lazy, **SETTINGS).theta)


class Bag(nn.Module):
    """The mean of a word's vectors, and a line."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(12, 4)
        self.line = nn.Linear(4, 1)

    def forward(self, x):
        return self.line(self.words(x).mean(1))


def test_whole_numbers_reach_an_embedding(tmp_path):
    torch.manual_seed(0)
    words = torch.as_tensor(random.integers(0, 12, size=(30, 5)))
    words[:, 2] = 1  # a column of ones is no intercept here
    y = torch.as_tensor(random.normal(size=30))
    module = Bag().double()
    fit = st.fit(words, y, model=module, **SETTINGS)
    by_hand = copy.deepcopy(module)
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(by_hand(words)[:, 0], y).backward()
        optimizer.step()
    np.testing.assert_allclose(
        fit.theta, nn.utils.parameters_to_vector(by_hand.parameters()).detach().numpy(), rtol=1e-9
    )
    np.testing.assert_allclose(fit.module(words)[:, 0].detach().numpy(), fit.predict(words), rtol=1e-9)
    assert st.fit(words, y, model=module, epochs=5).precondition == "none"
    fit.save(tmp_path / "run")
    np.testing.assert_array_equal(st.load(tmp_path / "run", model=Bag()).predict(words), fit.predict(words))


def test_a_column_of_ones_is_a_column_for_a_module():
    x = np.column_stack([np.ones(41), X[:, :2]])
    module = nn.Linear(3, 1, bias=False).double()
    fit = st.fit(x, Y, model=module, lr=0.1, optimizer="sgd", epochs=3)
    theta = module.weight.detach().numpy()[0].copy()
    for _ in range(3):
        theta -= 0.1 * 2 * x.T @ (x @ theta - Y) / 41
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(x), x @ theta, rtol=1e-12)


def test_an_output_of_one_column_is_never_broadcast_against_the_target():
    column = nn.Linear(3, 1).double()
    fit = st.fit(X, Y, model=column, lr=0.1, optimizer="sgd", epochs=50)
    np.testing.assert_array_equal(
        st.fit(X, Y[:, None], model=column, lr=0.1, optimizer="sgd", epochs=50).theta, fit.theta
    )
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(41)]), Y, rcond=None)[0]
    np.testing.assert_allclose(fit.theta, exact, rtol=0.05, atol=0.05)


class Of(nn.Module):
    """A line, and what is done to its output."""

    def __init__(self, function, inputs=3):
        super().__init__()
        self.line, self.function = nn.Linear(inputs, 1), function

    def forward(self, x):
        return self.function(self.line(x))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)

    def forward(self, left, right):
        return self.line(left + right)


class OnlyInTraining(Of):
    def forward(self, x):
        if self.training:
            raise ValueError("not in training")
        return self.line(x)


def broken(module, value):
    with torch.no_grad():
        next(module.parameters())[0] = value
    return module


MODULES = {
    "too few columns": (lambda: nn.Sequential(nn.Linear(5, 1)), r"takes 5 columns and was given 3.*nn.Linear\(3, …\)"),
    "a layer inside": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 1)),
        r"layer '1'.*takes 5 columns and was given 4",
    ),
    "batch norm": (lambda: net(nn.BatchNorm1d(7)), "takes 7 columns and was given 4"),
    "a convolution": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), r"Conv2d.*\[4, 3\]"),
    "too many outputs": (lambda: nn.Linear(3, 2), r"\[4, 2\] for targets of shape \[4\]"),
    "a tuple": (lambda: Of(lambda z: (z, z)), r"returns a tuple of 2.*return out\[0\]"),
    "a dict": (lambda: Of(lambda z: {"logits": z}), "returns a dict.*'logits'"),
    "nothing": (lambda: Of(lambda z: None), r"returns nothing \(None\).*end its forward with return"),
    "a number": (lambda: Of(lambda z: 1.0), "returns a float"),
    "an LSTM": (lambda: nn.LSTM(3, 1), "returns a tuple"),
    "detached": (lambda: Of(lambda z: z.detach()), "no gradient.*detach"),
    "rounded by numpy": (lambda: Of(lambda z: torch.as_tensor(z.detach().numpy())), "no gradient"),
    "its own error": (
        lambda: Of(lambda z: z / (1 // 0)),
        r"raised ZeroDivisionError.*test_pytorch_modules.py, line \d+",
    ),
    "an error in training": (lambda: OnlyInTraining(None), "raised ValueError: not in training"),
    "two inputs": (TwoInputs, r"takes \(left, right\)"),
    "no parameters": (lambda: nn.Flatten(), "no parameter that requires a gradient"),
    "all frozen": (lambda: nn.Linear(3, 1).requires_grad_(False), "no parameter that requires a gradient"),
    "nan": (lambda: broken(nn.Linear(3, 1), torch.nan), "'weight' holds nan before the first step"),
    "infinity": (lambda: broken(nn.Linear(3, 1), torch.inf), "'weight' holds inf"),
    "on meta": (lambda: nn.Linear(3, 1, device="meta"), "device 'meta'"),
    "complex": (lambda: nn.Linear(3, 1, dtype=torch.complex64), "complex"),
}


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_cannot_do_is_one_line(name):
    make, words = MODULES[name]
    with pytest.raises(st.SteepestError, match=words) as caught:
        st.fit(X, Y, model=make(), **SETTINGS)
    assert "\n" not in str(caught.value)
    if name not in ("nan", "infinity", "batch norm", "an error in training"):
        with pytest.raises(st.SteepestError):
            for _ in st.descend(st.objective(make(), "mse", X, Y), lr=0.1, epochs=2):
                pass


def test_batches_of_single_rows_and_words_out_of_range():
    with pytest.raises(st.SpecError, match="batch_size larger than 1"):
        st.fit(X, Y, model=net(nn.BatchNorm1d(4)), batch_size=1, **SETTINGS)
    with pytest.raises(st.SpecError, match=r"takes 0 to 11 and was given 0 to 12.*nn.Embedding\(13, …\)"):
        st.fit(np.arange(13)[:, None], np.arange(13.0), model=Bag(), **SETTINGS)


def test_a_trial_moves_no_buffer():
    module = net(nn.BatchNorm1d(4), nn.ReLU())
    fit = st.fit(X, Y, model=module, lr=0.01, optimizer="sgd", max_steps=3)
    assert fit.module[1].num_batches_tracked == 3


def test_a_descent_of_batches_ends_after_its_epochs():
    loader = [(torch.as_tensor(X[:20]), torch.as_tensor(Y[:20])), (torch.as_tensor(X[20:]), torch.as_tensor(Y[20:]))]
    steps = list(st.descend(st.objective(net().double(), "mse"), "sgd", loader, lr=0.1, epochs=3))
    assert len(steps) == 7
    assert [step.epoch for step in steps] == [0, 0, 1, 1, 2, 2, 3]
    assert len(list(st.descend(st.objective("linear", "mse", X, Y), lr=0.1, epochs=4))) == 5
    assert len(list(st.descend(st.objective("linear", "mse", X, Y), lr=0.1, max_steps=4))) == 5
    dealt = chain.from_iterable(map(Batching(41, 10).epoch, count(7)))
    assert len(list(st.descend(st.objective("linear", "mse", X, Y), "sgd", dealt, lr=0.1, epochs=2))) == 11
    for wrong in (
        {"lr": None}, {"lr": -1.0}, {"lr": 0}, {"lr": "auto"}, {"lr": float("nan")}, {"epochs": 1.5}, {"max_steps": -1},
    ):  # fmt: skip
        with pytest.raises(st.SpecError, match=next(iter(wrong))):
            next(st.descend(st.objective("linear", "mse", X, Y), **wrong))


def test_a_script_is_refused_where_it_would_take_other_batches_or_numbers():
    left_out = st.fit(X, Y, model=net(nn.BatchNorm1d(4), nn.ReLU()), batch_size=10, **SETTINGS)
    with pytest.raises(st.FitError, match="left out the last, shorter batch"):
        left_out.to_python()
    with pytest.raises(st.FitError, match="whole numbers"):
        st.fit(np.arange(12)[:, None], np.arange(12.0), model=Bag(), **SETTINGS).to_python()

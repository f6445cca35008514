"""Tensors of every kind, and functions of θ that are none: the same numbers, or one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import steepest as st

X = torch.as_tensor(np.random.default_rng(2).normal(size=(20, 2)))
Y = 2 * X[:, 0] - X[:, 1] + 0.5
LAYER = nn.Linear(2, 1).double()

READ = {
    "requires a gradient": lambda t: t.clone().requires_grad_(),
    "a parameter": nn.Parameter,
    "negative bit": lambda t: torch._neg_view(-t),
    "not contiguous": lambda t: t.repeat_interleave(2, 0)[::2],
    "numpy": lambda t: t.numpy(),
    "read only": lambda t: np.frombuffer(t.numpy().tobytes()).reshape(t.shape),
    "lists": lambda t: t.tolist(),
    "pandas": lambda t: pd.DataFrame(t.numpy()) if t.ndim == 2 else pd.Series(t.numpy()),
    "the imaginary part of a conjugate": lambda t: torch.complex(t, -t).conj().imag,
}
ROUNDED = {
    "bfloat16": lambda t: t.bfloat16(),
    "half": lambda t: t.half(),
    "quantized": lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8),
}
REFUSED = {
    "meta": (lambda t: t.to("meta"), "meta"),
    "sparse": (lambda t: t.to_sparse(), "sparse"),
    "complex": (lambda t: torch.complex(t, t), "complex"),
    "complex numpy": (lambda t: t.numpy() + 1j, "complex"),
    "nan": (lambda t: t * float("nan"), "nan|empty|missing"),
}


def ways(x, y):
    """Every way in: a fit, an objective of the linear family and of a module."""
    yield lambda: st.fit(x, y, lr=0.1, epochs=3, optimizer="sgd").loss
    for model in ("linear", LAYER):
        yield lambda model=model: float([*st.descend(st.objective(model, "mse", x, y), lr=0.1, max_steps=3)][-1].loss)


@pytest.mark.parametrize("name", READ)
def test_any_tensor_of_the_same_numbers_is_the_same_rows(name):
    make = READ[name]
    for way, plain in zip(ways(make(X), make(Y)), ways(X, Y), strict=True):
        assert way() == pytest.approx(plain(), rel=1e-12)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # by PyTorch, to whoever makes one
@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_numbers_are_read_as_they_are_rounded(name):
    make = ROUNDED[name]
    plain = [part.dequantize() if part.is_quantized else part for part in (make(X), make(Y))]
    for way, same in zip(ways(make(X), make(Y)), ways(*(part.double() for part in plain)), strict=True):
        assert way() == pytest.approx(same(), rel=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_real_number_is_refused_in_a_line(name):
    make, words = REFUSED[name]
    for way in [*ways(make(X), Y), *ways(X, make(Y))]:
        with pytest.raises(st.SteepestError, match=words):
            way()
    fit = st.fit(X, Y)
    with pytest.raises(st.SteepestError, match=words):
        fit.predict(make(X))


def test_text_is_no_number():
    with pytest.raises(st.DataError, match="x holds 'a'"):
        st.objective("linear", "mse", np.full((20, 2), "a"), Y)


def bowl(theta):
    return (theta**2).sum()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_start_with_a_gradient_keeps_its_precision_and_is_left_alone(dtype):
    start = torch.tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    steps = [step.copy() for step in st.descend(st.objective(bowl, start), lr=0.25, max_steps=2)]
    assert [float(step.loss) for step in steps] == [5.0, 1.25, 0.3125]
    assert steps[-1].theta.dtype == dtype
    assert start.tolist() == [1.0, 2.0]
    assert start.grad is None


@pytest.mark.parametrize(
    "start", [3.0, np.float64(3.0), torch.tensor(3.0), [3.0], (3,), pd.Series([3.0]), [True, True, True]]
)
def test_any_numbers_are_a_start(start):
    first = next(st.descend(st.objective(bowl, start), lr=0.1))
    assert float(first.loss) == (3.0 if isinstance(start, list) and len(start) == 3 else 9.0)


STARTS = [
    ({"a": 1.0}, "list\\(theta0.values"), ("abc", "is a str"), (["a"], "'a'"), ([], "no numbers"), (object(), "is a object"),
    ({1.0}, "is a set"), (torch.ones(2).to_sparse(), "sparse"), (torch.ones(2, device="meta"), "meta"), ([1 + 2j], "complex"),
    (torch.tensor([1j]), "complex"), ([float("nan")], "nan"), (np.array([np.inf]), "inf"), ([[1.0], [1.0, 2.0]], "same length"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "words"), STARTS)
def test_a_start_that_is_no_numbers_is_one_line(start, words):
    with pytest.raises(st.SteepestError, match=words):
        st.objective(bowl, start)


FUNCTIONS = [
    (lambda t: torch.tensor(1.0), "constant"), (lambda t: "text", "returns a str"), (lambda t: None, "returns a NoneType"),
    (lambda t: 1.0, "returns a float"), (lambda t: t, "values"), (lambda t: t.sum().item(), "returns a float"),
    (lambda t: 1 // 0, r"raised ZeroDivisionError.*test_odd_tensors.py, line \d+"), (lambda t: (t + 1j).sum(), "complex"),
    (lambda t: t.long().sum(), "constant"), (lambda t: torch.ones((), requires_grad=True) * 2, "not made from θ"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), FUNCTIONS)
def test_a_function_that_cannot_be_descended_is_one_line(function, words):
    with pytest.raises(st.SpecError, match=words):
        next(st.descend(st.objective(function, [1.0, 2.0]), lr=0.1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "sdg"}, "did you mean 'sgd'"),
        ({"rule": None}, "optimizer=None"),
        ({"schedule": 3}, "schedule=3"),
        ({"batches": 3}, "batches=3"),
        ({"lr": [0.1, 0.2]}, "one rate"),
        ({"theta": [1.0]}, "the objective has 3 parameters"),
        ({"theta": torch.zeros(7, dtype=torch.float64)}, "the objective has 3 parameters"),
    ],
)
def test_settings_of_a_descent_that_cannot_be_are_one_line(settings, words):
    with pytest.raises(st.SpecError, match=words):
        next(st.descend(st.objective("linear", "mse", X, Y), **{"lr": 0.1, "max_steps": 1, **settings}))


def test_what_is_no_objective_says_what_makes_one():
    for given in (LAYER, bowl, None):
        with pytest.raises(st.SpecError, match=r"st.objective\(model, loss, x, y\)"):
            next(st.descend(given, lr=0.1))


def test_a_cosine_of_a_descent_ends_with_its_epochs():
    steps = list(st.descend(st.objective("linear", "mse", X, Y), lr=0.2, schedule="cosine", epochs=4))
    assert [step.lr for step in steps[:-1]] == pytest.approx(0.1 * (1 + np.cos(np.pi * np.arange(4) / 4)))


@pytest.mark.parametrize("z", [torch.ones(2), 1.0, None, LAYER, torch.ones(2, requires_grad=True), [torch.ones(1)]])
def test_a_graph_of_what_has_none_is_one_line(z):
    with pytest.raises(st.SpecError, match="graph\\(\\) needs a tensor made from one that requires a gradient"):
        st.graph(z)
    with pytest.raises(st.SpecError, match="meta"):
        st.graph(2 * torch.ones(2, device="meta", requires_grad=True))

"""What the rows' gradients say of each step: against their formulas, with every row's gradient by autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest as st
from steepest.data.batching import Batching

NAMES = ("gradient_noise", "snr", "norm_test", "update_ratio")
ROWS = 45


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(9)
    x = random.normal(size=(ROWS, 3))
    return x, x @ [2.0, -1.0, 0.5] + 1.0 + random.normal(size=ROWS)


def by_definition(each: np.ndarray) -> tuple[float, float, float]:
    """McCandlish et al. 2018 (A.1), Liu et al. 2020, and Byrd et al. 2012 as Cockpit writes it, of gradients `[b, p]`."""
    b, mean = len(each), each.mean(0)
    trace = np.trace(np.cov(each.T, ddof=1))
    noise = trace / (mean @ mean - trace / b)
    snr = np.mean(mean**2 / each.var(0))
    return noise, snr, (np.sum(each**2) / (mean @ mean) - b) / (b * (b - 1))


def gradients(theta, x, y, penalty, weights):
    """Of each row, by autograd: of weighted squared residuals and an l2 penalty of all but the intercept."""
    design, found = np.column_stack([np.ones(len(x)), x]), []
    for row, goal, weight in zip(design, y, weights, strict=True):
        at = torch.tensor(theta, requires_grad=True)
        loss = weight * (torch.tensor(row) @ at - goal) ** 2 + penalty * (at[1:] ** 2).sum()
        found.append(torch.autograd.grad(loss, at)[0].numpy())
    return np.array(found)


@pytest.mark.parametrize("size", ["full", 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_trace_has_what_the_definitions_say(size, weighted):
    x, y = data()
    given = np.random.default_rng(1).uniform(0.5, 2.0, ROWS) if weighted else None
    fit = st.fit(
        x, y, optimizer="momentum", lr=0.03, penalty="l2:0.05", batch_size=size, epochs=4, record=NAMES, weights=given,
        seed=3,
    )  # fmt: skip
    weights = np.ones(ROWS) if given is None else given / given.mean()
    trace, batches = fit.trace, list(Batching(ROWS, None if size == "full" else size, seed=3, epochs=4))
    for t, batch in enumerate(batches):
        rows = np.arange(ROWS) if batch.rows is None else batch.rows.numpy()
        expected = by_definition(gradients(trace.theta[t], x[rows], y[rows], 0.05, weights[rows]))
        found = trace.gradient_noise[t], trace.snr[t], trace.norm_test[t]
        signal = expected[0] > 0  # the unbiased square of the gradient may be below 0, and then it is all noise
        np.testing.assert_allclose(found, expected if signal else (np.inf, *expected[1:]), rtol=1e-9)
    moved = np.linalg.norm(np.diff(trace.theta, axis=0), axis=1)[1:] / np.linalg.norm(trace.theta[1:-1], axis=1)
    np.testing.assert_allclose(trace.update_ratio[1:-1], moved, rtol=1e-12)
    assert all(np.isnan(getattr(trace, name)[-1]) for name in NAMES)


def test_of_several_outputs_and_of_a_module():
    x, y = data()
    both = np.column_stack([y, x[:, 0] - y])
    net = torch.nn.Linear(3, 2).double()
    settings = {"optimizer": "sgd", "lr": 0.05, "batch_size": 9, "epochs": 2, "precondition": "none", "record": NAMES}
    module = st.fit(x, both, model=net, loss="mse", **settings)
    start = torch.cat([net.bias[:, None], net.weight], 1).detach().numpy()
    line = st.fit(x, both, init=start.ravel(), loss="mse", **settings)
    for name in NAMES:
        np.testing.assert_allclose(getattr(module.trace, name), getattr(line.trace, name), rtol=1e-9)


def test_they_are_kept_with_the_run_and_as_a_table(tmp_path):
    fit = st.fit(*data(), optimizer="adam", batch_size=15, epochs=3, record=["snr", "x2"])
    assert fit.trace.names == ("x2",)
    assert fit.trace.theta.shape[1] == 1
    assert fit.trace._asked == ("snr",)
    fit.save(tmp_path / "run")
    np.testing.assert_array_equal(st.load(tmp_path / "run").trace.snr, fit.trace.snr)
    assert "snr" in fit.trace.to_arrow().column_names
    assert st.Trace.from_arrow(fit.trace.to_arrow())._asked == ("snr",)


def test_where_there_are_none_it_is_said():
    with pytest.raises(st.SpecError, match="name an optimizer, as 'sgd'"):
        st.fit(*data(), record=["snr"])
    with pytest.raises(st.SpecError, match="of the steps of one fit"):
        st.sweep(*data(), optimizer="sgd", lr=[0.1, 0.2], record=["snr"])
    with pytest.raises(st.SpecError, match="record= names 'snt', which is no parameter"):
        st.fit(*data(), optimizer="sgd", record=["snt"])

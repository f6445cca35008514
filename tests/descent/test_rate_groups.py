"""Rates of their own for groups of parameters: those of `torch.optim`'s parameter groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest as st
from ejecting import printed, ran
from steepest.cli.options import value_of
from steepest.cli.ranges import values
from steepest.data.batching import Batching
from steepest.settings import Spec


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(8)
    x = random.normal(size=(60, 3))
    return x, x @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=60)


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("adamw:0.9,0.999,0.1", lambda groups: torch.optim.AdamW(groups, weight_decay=0.1)),
        ("momentum:0.8", lambda groups: torch.optim.SGD(groups, lr=1.0, momentum=0.8)),
    ],
)
def test_a_module_goes_as_with_parameter_groups(name, make):
    settings = {"optimizer": name, "batch_size": 16, "epochs": 4, "precondition": "none", "schedule": "exponential:0.5"}
    rates = {"0": 1e-3, "2.bias": 3e-3, "*": 2e-2}
    fit = st.fit(*data(), model=network(), lr=rates, **settings)
    x, y = (torch.from_numpy(part) for part in data())
    net = network()
    groups = [(net[0].parameters(), 1e-3), ([net[2].bias], 3e-3), ([net[2].weight], 2e-2)]
    optimizer = make([{"params": list(parameters), "lr": lr} for parameters, lr in groups])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for batch in Batching(60, 16, "rows", 0, epochs=4):
        optimizer.zero_grad()
        ((net(x[batch.rows])[:, 0] - y[batch.rows]) ** 2).mean().backward()
        optimizer.step()
        if batch.last:
            schedule.step()
    expected = torch.cat([p.detach().flatten() for p in net.parameters()]).numpy()
    np.testing.assert_allclose(fit.theta, expected, rtol=1e-9, atol=1e-12)
    assert fit.lr == 2e-2
    swept = st.sweep(*data(), model=network(), lr=rates, seed=[1, 0], **settings).fit(1)
    assert swept.engine == "batched"
    np.testing.assert_allclose(swept.theta, fit.theta, rtol=1e-9, atol=1e-12)


def test_columns_have_rates_of_their_own_and_a_script_has_them_too(tmp_path):
    x, y = data()
    table = {"a": x[:, 0], "b": x[:, 1], "kind": np.array(list("uvw"))[np.arange(60) % 3], "y": y}
    rates = {"a": 0.05, "kind": 0.01, "*": 0.1}
    fit = st.fit(table, target="y", lr=rates, optimizer="sgd", penalty="elastic:0.02,0.1", epochs=5, tol=0.0)
    design = np.column_stack([np.ones(60), x[:, :2], table["kind"] == "v", table["kind"] == "w"])
    theta, each = np.zeros(5), np.array([0.1, 0.05, 0.1, 0.01, 0.01])
    free = np.array([0.0, 1.0, 1.0, 1.0, 1.0])
    for _ in range(5):
        theta = theta - each * (2 * design.T @ (design @ theta - y) / 60 + 0.2 * free * theta)
        theta = np.sign(theta) * np.maximum(np.abs(theta) - each * 0.02 * free, 0.0)
    assert fit.names == ["intercept", "a", "b", "kind=v", "kind=w"]
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-12)
    with pytest.raises(st.SteepestError, match="beside an l1 penalty"):
        fit.to_python()
    smooth = st.fit(table, target="y", lr=rates, optimizer="adam", penalty="l2:0.1", batch_size=16, epochs=5)
    (tmp_path / "script.py").write_text(smooth.to_python())
    ends = printed(ran([tmp_path / "script.py"])[0])
    np.testing.assert_allclose([ends[name] for name in smooth.names], smooth.theta, rtol=1e-10)
    with pytest.raises(st.SteepestError, match="Use style 'loop'"):
        fit.to_python(style="torch.optim")
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").spec.lr == rates
    list(fit.diagnose())
    runs = st.sweep(table, target="y", lr=[rates, 0.1], optimizer="sgd", penalty="elastic:0.02,0.1", epochs=5, tol=0.0)
    np.testing.assert_allclose(runs.fit(0).theta, fit.theta, rtol=1e-12)


def test_the_command_takes_them():
    assert value_of("lr", "age=1e-3,*=0.1") == values("lr", ["age=1e-3,*=0.1"]) == {"age": 1e-3, "*": 0.1}
    assert (value_of("lr", "0.5"), value_of("lr", "auto"), values("lr", ["0.5,auto"])) == (0.5, "auto", [0.5, "auto"])
    assert Spec.from_toml(Spec(lr={"age": 1e-3}).to_toml()).lr == {"age": 1e-3}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": {"x1": 0.1}}, "lr= has no rate for 'intercept': give one for all others, as '\\*'"),
        ({"lr": {"x9": 0.1, "*": 0.1}}, "lr= names 'x9', which is no parameter here: intercept, x1, x2, x3"),
        ({"lr": {"x1": -1.0}}, "each rate must be a number greater than 0"),
        ({"lr": {"x1": 1.0, "*": 0.1}, "optimizer": "dog"}, "this rule has one rate for all, and finds it"),
        (
            {"lr": {"x1": 1.0, "*": 0.1}, "precondition": "orthonormal"},
            "in the table's own units: use precondition='none'",
        ),
        (
            {"lr": {"x1": 1.0, "*": 0.1}, "optimizer": torch.optim.SGD},
            "this rule has groups of its own: optimizer=lambda",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(settings, said):
    with pytest.raises(st.SpecError, match=said):
        st.fit(*data(), **settings)

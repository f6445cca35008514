"""The answer as an average of θ along the way: PyTorch's and scikit-learn's averages, in every engine, in sweeps and scripts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import SGDRegressor
from torch.optim.swa_utils import AveragedModel

import steepest as st
from ejecting import printed, ran
from steepest.data.batching import Batching
from steepest.descent.averaging import averaged, averaged_chunks, begins
from steepest.descent.torch_rules import rule
from steepest.engines import compiled
from steepest.engines.descents import Descents

ROWS = 60


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    x = random.normal(size=(ROWS, 3))
    return x, x @ [1.0, -2.0, 0.5] + 0.3 + random.normal(size=ROWS)


def iterates(**settings) -> np.ndarray:
    return st.fit(*data(), **settings).trace.theta


@pytest.mark.parametrize("size", ["full", 7])
@pytest.mark.parametrize(("shown", "first"), [("polyak", 1), ("tail:0.5", None), ("tail:0.1", None), ("tail:1", 1)])
def test_theta_is_the_mean_of_the_plain_descents_theta(shown, first, size):
    settings = {"optimizer": "momentum", "lr": 0.02, "batch_size": size, "epochs": 20, "tol": 0.0}
    plain, fit = iterates(**settings), st.fit(*data(), averaging=shown, **settings)
    steps = len(plain) - 1
    first = first or steps - int(np.ceil(float(shown.partition(":")[2]) * steps)) + 1
    expected = [plain[max(first, 1) : t + 1].mean(0) if t >= first else plain[t] for t in range(steps + 1)]
    np.testing.assert_allclose(fit.trace.theta, expected, rtol=1e-12, atol=1e-14)
    known = ~np.isnan(fit.trace.objective)
    values = [np.mean((data()[1] - np.column_stack([np.ones(ROWS), data()[0]]) @ theta) ** 2) for theta in expected]
    np.testing.assert_allclose(fit.trace.objective[known], np.array(values)[known], rtol=1e-12)
    np.testing.assert_allclose(fit.loss, values[-1], rtol=1e-12)
    if size == "full":
        assert known.all()


def test_a_module_is_averaged_as_pytorch_does_it():
    x, y = data()
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    fit = st.fit(x, y, model=net, optimizer="adam", lr=0.01, epochs=15, averaging="polyak", precondition="none")
    average, optimizer = AveragedModel(net), torch.optim.Adam(net.parameters(), lr=0.01)
    inputs, target = torch.from_numpy(x), torch.from_numpy(y)[:, None]
    for _ in range(15):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(inputs), target).backward()
        optimizer.step()
        average.update_parameters(net)
    expected = torch.cat([p.detach().flatten() for p in average.module.parameters()])
    np.testing.assert_allclose(fit.theta, expected.numpy(), rtol=1e-10)
    np.testing.assert_allclose(fit.predict(x), average(inputs).detach().numpy()[:, 0], rtol=1e-10)


def test_polyak_is_scikit_learns_average():
    x, y = data()
    theirs = SGDRegressor(
        penalty=None, learning_rate="constant", eta0=0.01, average=True, max_iter=3, tol=None, shuffle=False
    )
    theirs.fit(x, y)  # its loss has a half
    fit = st.fit(x, y, optimizer="sgd", lr=0.005, batch_size=1, shuffle="none", epochs=3, averaging="polyak")
    np.testing.assert_allclose(fit.theta, [*theirs.intercept_, *theirs.coef_], rtol=1e-10)


@pytest.mark.parametrize("size", [None, 7])
def test_chunks_of_many_descents_are_averaged_as_steps_are(size):
    x, y = data()
    batching, first = Batching(ROWS, size, epochs=9), 4
    objective = st.objective("linear", "mse", x, y)
    alone = [step.copy() for step in averaged(st.descend(objective, "adam", batching, lr=0.05), objective, first)]
    again = st.objective("linear", "mse", x, y)
    work = Descents.one(again, rule("adam"), batching, 0.05)
    chunks = [chunk.theta[0].copy() for chunk in averaged_chunks(compiled.chunks(work), [first], work.theta)]
    path = np.concatenate([*chunks, work.theta.numpy()])
    np.testing.assert_allclose(path, [step.theta.numpy() for step in alone], rtol=1e-12, atol=1e-14)


def test_a_sweep_has_the_averages_of_its_fits():
    settings = {"optimizer": "sgd", "lr": 0.05, "batch_size": 7}
    swept = st.sweep(*data(), averaging=["none", "polyak", "tail:0.3"], epochs=[3, 5], **settings)
    assert swept.fit(2).engine == "batched"
    for i in range(6):
        spec = swept.fit(i).spec
        alone = st.fit(*data(), averaging=spec.averaging, epochs=spec.epochs, **settings)
        np.testing.assert_allclose(swept.fit(i).theta, alone.theta, rtol=1e-12)
        np.testing.assert_allclose(swept.fit(i).trace.objective, alone.trace.objective, rtol=1e-12)


@pytest.mark.parametrize("style", ["loop", "torch.optim", "module"])
@pytest.mark.parametrize(
    "settings",
    [
        {"averaging": "polyak", "optimizer": "sgd", "lr": 0.05, "batch_size": 7, "epochs": 3},
        {"averaging": "tail:0.3", "optimizer": "adam", "epochs": 12, "tol": 0.0},
        {"averaging": "tail:0.3", "model": "mlp:3", "batch_size": 20, "epochs": 4},
    ],
)
def test_a_script_ends_at_the_average(settings, style, tmp_path):
    fit = st.fit(*data(), **settings)
    script = tmp_path / "script.py"
    script.write_text(fit.to_python(style=style))
    ends = printed(ran([script])[0])
    np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-9)


def test_what_is_no_average():
    with pytest.raises(st.SpecError, match="averaging='tail:0': the share of the steps of tail must be greater than 0"):
        st.fit(*data(), averaging="tail:0")
    with pytest.raises(st.SpecError, match="did you mean 'polyak'"):
        st.fit(*data(), averaging="polyack")
    with pytest.raises(st.SpecError, match="give epochs or max_steps"):
        begins("tail:0.5", None)
    assert st.fit(*data(), averaging=None).spec.averaging == "none"
    assert st.fit(*data(), averaging="polyak").optimizer == "sgd"  # not the curvature steps, which need no average

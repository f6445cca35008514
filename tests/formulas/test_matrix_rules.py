"""muon and shampoo: step for step PyTorch's class and the paper's algorithm; what is no matrix takes a rule of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power

import steepest as st
from steepest.data.batching import Batching


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    x = random.normal(size=(60, 3))
    return x, np.sin(x @ [1.0, -2.0, 0.5]) + 0.1 * random.normal(size=60)


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)).double()


SETTINGS = {"lr": 0.02, "batch_size": 16, "epochs": 4, "precondition": "none", "schedule": "constant"}


def trained(step) -> np.ndarray:
    """θ at the end of the same descent in plain PyTorch; step: of the module, its gradients there."""
    x, y = (torch.from_numpy(part) for part in data())
    net = network()
    moved = step(net)
    for batch in Batching(60, 16, "rows", 0, epochs=4):
        net.zero_grad()
        ((net(x[batch.rows])[:, 0] - y[batch.rows]) ** 2).mean().backward()
        moved()
    return torch.cat([p.detach().flatten() for p in net.parameters()]).numpy()


def with_muon(net: torch.nn.Module):
    matrices = [p for p in net.parameters() if p.ndim == 2]
    others = [p for p in net.parameters() if p.ndim != 2]
    muon = torch.optim.Muon(matrices, lr=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=0.02, weight_decay=0.1)
    return lambda: (muon.step(), adamw.step())


def test_muon_goes_as_pytorchs_beside_adamw(monkeypatch):
    fit = st.fit(*data(), model=network(), optimizer="muon", **SETTINGS)
    near = trained(with_muon)  # whose matrices are made orthogonal in bfloat16
    np.testing.assert_allclose(fit.theta, near, atol=0.02)
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
    np.testing.assert_allclose(fit.theta, trained(with_muon), rtol=1e-9, atol=1e-12)


def with_shampoo(net: torch.nn.Module):
    """Algorithm 1 of Gupta, Koren and Singer 2018, ε = 1e-4; Adagrad for the rest."""
    matrices = [p for p in net.parameters() if p.ndim == 2]
    adagrad = torch.optim.Adagrad([p for p in net.parameters() if p.ndim != 2], lr=0.02)
    sums = [[1e-4 * np.eye(size) for size in p.shape] for p in matrices]

    def moved() -> None:
        adagrad.step()
        for p, (left, right) in zip(matrices, sums, strict=True):
            g = p.grad.numpy()
            left += g @ g.T
            right += g.T @ g
            step = fractional_matrix_power(left, -0.25) @ g @ fractional_matrix_power(right, -0.25)
            with torch.no_grad():
                p -= 0.02 * torch.from_numpy(step.real)

    return moved


def test_shampoo_goes_as_the_paper_has_it():
    fit = st.fit(*data(), model=network(), optimizer="shampoo", **SETTINGS)
    np.testing.assert_allclose(fit.theta, trained(with_shampoo), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["muon", "shampoo"])
def test_in_a_sweep_each_run_is_the_fit_that_it_would_be(name):
    settings = SETTINGS | {"model": "mlp:5", "optimizer": [name, f"{name}:0.5"], "lr": [0.02, 0.05]}
    runs = st.sweep(*data(), **settings)
    for place in range(4):
        run = runs.fit(place)
        alone = st.fit(*data(), **settings | {"optimizer": run.spec.optimizer, "lr": run.lr})
        assert run.engine == "batched"
        np.testing.assert_allclose(run.theta, alone.theta, rtol=1e-8, atol=1e-10)


class Words(torch.nn.Module):
    """An embedding, whose rows are others than those of a matrix."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(4, 3)
        self.last = torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.table(x[:, 0].long()))


def test_an_embedding_is_no_matrix():
    torch.manual_seed(0)
    model = Words().double()
    words = np.arange(40.0)[:, None] % 4
    fit = st.fit(words, words[:, 0] ** 2, model=model, optimizer="shampoo", lr=0.05, epochs=1)
    table, before = fit.module.table.weight.detach().numpy(), model.table.weight.detach().numpy()
    np.testing.assert_allclose(np.abs(table - before), 0.05, rtol=1e-6)  # Adagrad's first step


def test_for_a_line_it_says_why_not():
    x, y = data()
    with pytest.raises(
        st.SpecError, match="is for weight matrices, and this model's coefficients are one vector: use 'adamw'"
    ):
        st.fit(x, y, optimizer="muon")
    with pytest.raises(st.SpecError, match="this module has none: use 'adagrad'"):
        st.fit(x, y, model=torch.nn.LayerNorm(3), loss=lambda p, t: (p.sum(1) - t).square().mean(), optimizer="shampoo")
    fit = st.fit(x, y, model="mlp:3", optimizer="muon", epochs=2)
    with pytest.raises(st.SteepestError, match="cannot write optimizer='muon' out"):
        fit.to_python()

"""svrg and saga: step for step their papers' algorithms, in every engine; and where they end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

import engines.test_compiled as compiled_tests
import steepest as st
from ejecting import printed, ran
from steepest.data.batching import Batching
from steepest.descent import torch_rules

import cases

ROWS, START, LR = 60, np.array([0.3, -0.2, 0.0, 1.0]), 0.05


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    x = random.normal(size=(ROWS, 3))
    return x, x @ [2.0, -1.0, 0.5] + 1.0 + random.normal(size=ROWS)


def gradients(theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of each row's squared residual."""
    x, y = data()
    a = np.column_stack([np.ones(ROWS), x])[rows]
    return 2 * a * (a @ theta - y[rows])[:, None]


def dealt(batching: Batching) -> list[tuple[int, np.ndarray]]:
    return [(batch.index, batch.rows.numpy()) for batch in batching]


def svrg(batching: Batching, l2: float = 0.0, l1: float = 0.0) -> list[np.ndarray]:
    """Figure 1 of Johnson and Zhang 2013 with m = an epoch, option I; with l1 the proximal step of Xiao and Zhang 2014."""
    w, path = START.copy(), [START.copy()]
    free = np.array([0.0, 1.0, 1.0, 1.0])  # the intercept has no penalty
    for index, rows in dealt(batching):
        if index == 0:
            snapshot = w.copy()
            mean = gradients(snapshot, np.arange(ROWS)).mean(0)
        change = (gradients(w, rows) - gradients(snapshot, rows)).mean(0)
        w = w - LR * (change + mean + 2 * l2 * free * w)
        w = np.sign(w) * np.maximum(np.abs(w) - LR * l1 * free, 0.0)
        path.append(w)
    return path


def saga(batching: Batching, l2: float = 0.0, l1: float = 0.0) -> list[np.ndarray]:
    """Algorithm 1 of Defazio, Bach and Lacoste-Julien 2014, over batches: φᵢ⁰ = x⁰, steps 1 to 3."""
    w, path = START.copy(), [START.copy()]
    free = np.array([0.0, 1.0, 1.0, 1.0])
    table = gradients(w, np.arange(ROWS))
    for _, rows in dealt(batching):
        new = gradients(w, rows)
        change = (new - table[rows]).mean(0)
        mean = table.mean(0)
        table[rows] = new
        w = w - LR * (change + mean + 2 * l2 * free * w)
        w = np.sign(w) * np.maximum(np.abs(w) - LR * l1 * free, 0.0)
        path.append(w)
    return path


PAPERS = {"svrg": svrg, "saga": saga}


@pytest.mark.parametrize("shuffle", ["rows", "draws", "blocks"])
@pytest.mark.parametrize("penalty", ["none", "elastic:0.02,0.1"])
@pytest.mark.parametrize("name", PAPERS)
def test_every_step_is_that_of_the_paper(name, penalty, shuffle, monkeypatch):
    l1, l2 = (0.02, 0.1) if penalty != "none" else (0.0, 0.0)
    expected = PAPERS[name](Batching(ROWS, 7, shuffle, 3, epochs=3), l2, l1)
    settings = {"optimizer": name, "lr": LR, "batch_size": 7, "shuffle": shuffle, "epochs": 3, "tol": 0.0}
    settings |= {"init": START.tolist(), "penalty": penalty, "precondition": "none", "schedule": "constant"}
    engines = []
    for worth in (np.inf, -np.inf):  # the loop or the batched one, then the compiled one
        monkeypatch.setattr("steepest.engines.choice.WORTH", worth)
        fit = st.fit(*data(), seed=3, **settings)
        swept = st.sweep(*data(), lr=[LR, 0.01], seed=[5, 3], **{k: v for k, v in settings.items() if k != "lr"}).fit(1)
        for one in (fit, swept):
            np.testing.assert_allclose(one.trace.theta, expected, rtol=1e-10, atol=1e-12)
        engines += [fit.engine, swept.engine]
    last = ["loop", "batched"] if (name, shuffle) == ("saga", "draws") else ["fused", "fused"]
    assert engines == ["loop", "batched", *last]


FACTORS = {
    "problem": ("several", "softmax", "quantile:0.3"),
    "rule": ("svrg", "saga"),
    "batch": (7, 32),
    "weights": (True,),
    "penalty": ("none", "elastic:0.02,0.1"),
    "shuffle": ("rows", "none"),
    "frame": ("none",),
    "clip": (None, 0.5),
    "schedule": ("constant",),
    "start": (False,),
    "dtype": ("float64",),
}


@pytest.mark.parametrize("case", cases.pairwise(FACTORS), ids=lambda case: "-".join(map(str, case.values())))
def test_compiled_steps_are_those_of_the_loop(case):
    compiled_tests.check_path(case, 30)


@pytest.mark.parametrize("name", PAPERS)
def test_at_a_constant_rate_the_descent_arrives(name, monkeypatch):
    """The fifth decimal of scikit-learn's saga, and the exact answer to its last digits."""
    monkeypatch.setattr("steepest.engines.choice.WORTH", -np.inf)
    x, y = data()
    fit = st.fit(x, y, optimizer=name, batch_size=1, epochs=300, penalty="l2:0.1")
    theirs = Ridge(alpha=0.1 * ROWS, solver="saga", tol=1e-10, max_iter=10_000, random_state=0).fit(x, y)
    np.testing.assert_allclose(fit.theta, [theirs.intercept_, *theirs.coef_], atol=1e-5)
    assert (fit.schedule, fit.relative_gap < 1e-12) == ("constant", True)
    labels = np.digitize(y, [-0.5, 2.0])
    classes = st.fit(
        x, labels, loss="cross_entropy", optimizer=name, batch_size=4, epochs=400, penalty="l2:0.02", lr=0.2
    )
    theirs = LogisticRegression(C=1 / (2 * 0.02 * ROWS), solver="saga", tol=1e-10, max_iter=20_000, random_state=0).fit(
        x, labels
    )
    slopes = classes.theta.reshape(3, 4)[:, 1:]
    np.testing.assert_allclose(slopes, theirs.coef_, atol=1e-5)
    assert st.fit(x, y, optimizer="sgd", batch_size=1, epochs=300, lr=fit.lr, penalty="l2:0.1").relative_gap > 1e-4


def test_of_a_row_that_is_twice_in_a_batch_the_mean_counts_one():
    objective = st.objective("linear", "mse", *data())
    rule, theta = torch_rules.rule("saga", objective), objective.theta
    memory = rule.start(theta)
    for batch in Batching(ROWS, 40, "draws", 1, epochs=5):
        grad = rule.estimate(objective, theta, batch, memory)[1]
        assert len(set(batch.rows.tolist())) < len(batch.rows)
        rule.update(theta, grad, memory, LR, None)
        design = torch.column_stack([torch.ones(ROWS), torch.from_numpy(data()[0])])
        torch.testing.assert_close(memory[0], (memory[1].T @ design.double() / ROWS)[0])


def module_path(seed: int, epochs: int) -> np.ndarray:
    """Figure 1 of Johnson and Zhang 2013 by autograd, on a network."""
    x, y = (torch.from_numpy(part) for part in data())
    net, held = (network() for _ in range(2))

    def gradient(of: torch.nn.Module, rows: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(((of(x[rows])[:, 0] - y[rows]) ** 2).mean(), list(of.parameters())))

    for batch in Batching(ROWS, 8, "rows", seed, epochs=epochs):
        if batch.index == 0:
            held.load_state_dict(net.state_dict())
            mean = gradient(held, torch.arange(ROWS))
        parts = zip(net.parameters(), gradient(net, batch.rows), gradient(held, batch.rows), mean, strict=True)
        with torch.no_grad():
            for p, now, before, whole in parts:
                p -= LR * (now - before + whole)
    return torch.cat([p.detach().flatten() for p in net.parameters()]).numpy()


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()


def test_svrg_moves_a_module_as_the_paper_has_it(tmp_path):
    settings = {"model": network(), "optimizer": "svrg", "lr": LR, "batch_size": 8, "epochs": 3}
    fit = st.fit(*data(), precondition="none", **settings)
    np.testing.assert_allclose(fit.theta, module_path(0, 3), rtol=1e-10)
    swept = st.sweep(*data(), precondition="none", seed=[0, 1], **settings).fit(0)
    assert swept.engine == "batched"
    np.testing.assert_allclose(swept.theta, fit.theta, rtol=1e-10)


@pytest.mark.parametrize("settings", [{}, {"clip": 0.5, "penalty": "l1:0.05", "lr": LR}, {"batch_size": "full"}])
def test_a_script_of_svrg_ends_where_the_fit_does(settings, tmp_path):
    fit = st.fit(*data(), **{"optimizer": "svrg", "batch_size": 16, "epochs": 5} | settings)
    (tmp_path / "script.py").write_text(fit.to_python())
    ends = printed(ran([tmp_path / "script.py"])[0])
    np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-10)


def test_what_cannot_be_is_refused_with_a_remedy():
    x, y = data()
    drop = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(), torch.nn.Linear(4, 1))
    for model, name, said in (
        (
            "mlp:4",
            "saga",
            r"keeps one slope for each row, and a row of a module has a gradient of 21 numbers: use 'svrg'",
        ),
        (drop, "svrg", r"'1' \(Dropout\) is another in training: use 'sgd' or 'adam'"),
    ):
        with pytest.raises(st.SpecError, match=said):
            st.fit(x, y, model=model, optimizer=name, batch_size=8)
    fit = st.fit(x, y, optimizer="saga", batch_size=8, epochs=3)
    with pytest.raises(st.SteepestError, match=r"keeps something of each row\. Fit with optimizer='svrg'"):
        fit.to_python()

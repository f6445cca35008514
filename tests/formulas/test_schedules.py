"""Every schedule of the registry is a full citizen: fitted, compiled, swept, written out, saved, described, as in PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import steepest as st
from ejecting import printed, ran
from steepest.cli.commands import app
from steepest.descent.schedule_factors import factors, schedule
from steepest.errors import SpecError
from steepest.formulas.schedules import FORMULAS, SCHEDULES, needs_steps

NUMBERS = {"step": "3,0.5", "warmup": "5", "exponential": "0.9", "polynomial": "2", "restarts": "7"}


def one_cycle(step: np.ndarray, epoch: np.ndarray) -> np.ndarray:
    """The rates of PyTorch's OneCycleLR, whose class wants the learning rate itself, over `STEPS` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=STEPS, cycle_momentum=False)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < STEPS:
            scheduler.step()
    return np.array(rates)[step]


CLOSED = {"inverse": lambda step, epoch: 1 / (epoch + 1), "onecycle": one_cycle}
"""Closed forms of those that PyTorch has no class for by a factor."""
ROWS, STEPS = 40, 24


def name_of(kind: str) -> str:
    return f"{kind}:{NUMBERS[kind]}" if FORMULAS[kind].numbers else kind


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(ROWS, 2))
    return x, x @ [1.0, -2.0] + 0.5 + 0.1 * random.normal(size=ROWS)


def rates_of_torch(kind: str, count: int) -> list[float]:
    """What the class of PyTorch sets at each step, or each epoch, from a learning rate of 1."""
    entry, numbers = FORMULAS[kind], schedule(name_of(kind), STEPS).numbers
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own schedulers warn of each other
        scheduler = getattr(lr_scheduler, entry.torch_name)(optimizer, **entry.torch_settings(STEPS, *numbers))
        rates = []
        for _ in range(count):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def path(kind: str, per_epoch: int) -> np.ndarray:
    """The factors of all steps, by PyTorch where it has a class."""
    steps = np.arange(STEPS)
    epochs = steps // per_epoch
    if not FORMULAS[kind].torch_name:
        return CLOSED[kind](steps, epochs)
    return np.array(rates_of_torch(kind, STEPS))[steps if FORMULAS[kind].by_step else epochs]


def test_all_but_auto_have_a_formula_and_an_unknown_name_is_none():
    assert SCHEDULES.keys() - FORMULAS.keys() == {"auto", "plateau"}  # which is known on the way only
    assert not needs_steps("auto")
    for name in ("constnat", "", "cosine:3", "module:function"):
        with pytest.raises(SpecError):
            schedule(name, STEPS)


def test_a_name_without_a_formula_is_no_constant(monkeypatch):
    monkeypatch.setitem(SCHEDULES, "triangle", SCHEDULES["auto"])
    with pytest.raises(KeyError):
        schedule("triangle", STEPS)


@pytest.mark.parametrize("kind", FORMULAS)
def test_an_entry_says_all_there_is_to_know(kind):
    entry = FORMULAS[kind]
    assert entry.text.endswith(".")
    assert bool(entry.torch_name) != (kind in CLOSED)
    assert len(entry.constants) == len(entry.numbers)
    assert set(entry.arguments) - set(entry.constants) <= {"step", "epoch", "steps"}
    assert entry.shape in (st.fit.__doc__ or "")
    told = [a.parameter.help or "" for a in app["fit"].assemble_argument_collection() if "--schedule" in a.names]
    assert entry.shape in told[0]


@pytest.mark.parametrize("per_epoch", [1, 3])
@pytest.mark.parametrize("kind", FORMULAS)
def test_factors_are_those_of_pytorch_or_of_the_closed_form(kind, per_epoch):
    chosen = schedule(name_of(kind), STEPS)
    expected = path(kind, per_epoch)
    one_by_one = [chosen(step, step // per_epoch) for step in range(STEPS)]
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(factors(chosen, 0, 0, STEPS, whole=True), [chosen(t, t) for t in range(STEPS)])
    if needs_steps(kind):
        assert chosen(10 * STEPS, 10 * STEPS) == chosen(STEPS, STEPS)
        with pytest.raises(SpecError, match="needs to know how many steps there will be"):
            schedule(name_of(kind))


@pytest.mark.parametrize("kind", FORMULAS)
def test_fitted_and_swept_the_rates_are_these(kind):
    x, y = data()
    settings = {"schedule": name_of(kind), "lr": 0.1, "batch_size": 16, "epochs": STEPS // 3}
    fit = st.fit(x, y, **settings)
    np.testing.assert_allclose(fit.trace.lr[:-1], 0.1 * path(kind, 3), rtol=1e-12, atol=1e-16)
    assert fit.schedule == name_of(kind)
    walked = [
        step.theta.clone()
        for step in st.descend(
            st.objective("linear", "mse", x, y), "sgd", lr=0.1, schedule=settings["schedule"], max_steps=STEPS
        )
    ]
    np.testing.assert_allclose(
        st.fit(x, y, lr=0.1, schedule=settings["schedule"], epochs=STEPS).theta, walked[-1], rtol=1e-12
    )
    swept = st.sweep(x, y, **settings | {"schedule": [name_of(kind), "constant"]})
    np.testing.assert_allclose(swept.fit(0).theta, fit.theta, rtol=1e-12)


@pytest.mark.parametrize("kind", FORMULAS)
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    fit = st.fit(*data(), schedule=name_of(kind), lr=0.1, batch_size=16, epochs=STEPS // 3)
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run")
    assert back.schedule == fit.schedule
    assert back.spec == fit.spec
    np.testing.assert_array_equal(back.trace.lr, fit.trace.lr)


def test_scripts_walk_the_same_path(tmp_path):
    fits, paths = [], []
    for kind in FORMULAS:
        for size in ("full", 16):
            epochs = STEPS if size == "full" else STEPS // 3
            fit = st.fit(*data(), schedule=name_of(kind), lr=0.1, batch_size=size, epochs=epochs)
            for style in ("loop", "torch.optim"):
                paths.append(tmp_path / f"{kind}_{size}_{style[:4]}.py")
                text = fit.to_python(paths[-1], style=style)
                fits.append(fit)
                if style == "torch.optim" and FORMULAS[kind].torch_name and kind != "constant":
                    assert f"lr_scheduler.{FORMULAS[kind].torch_name}(" in text
    for fit, said in zip(fits, ran(paths), strict=True):
        found = printed(said)
        np.testing.assert_allclose([found[name] for name in fit.names], fit.theta, rtol=1e-10)

"""A fit written out prints the same numbers where `steepest` is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import steepest as st
from ejecting import close, printed, ran

from cases import pairwise

FACTORS = {
    "problem": ("line", "columns", "poly", "products", "several", "l1", "huber", "quantile", "logistic", "softmax"),
    "rule": ("sgd", "momentum:0.8", "nesterov:0.9", "adagrad", "rmsprop", "adam", "adamw", torch.optim.Adamax),
    "schedule": ("constant", "inverse", "step:2,0.5", "cosine", "warmup:5"),
    "frame": ("none", "standardize", "orthonormal"),
    "style": ("loop", "torch.optim", "module"),
    "batch": ("full", 7, 16),
    "penalty": ("none", "l2:0.1", "l1:0.05", "elastic:0.02,0.1"),
    "shuffle": ("rows", "draws", "blocks", "none"),
    "weights": (None, "rows", "classes"),
    "clip": (None, 0.5),
    "init": ("zeros", "uniform:-1:1", "normal", "numbers"),
    "held": ("none", "test", "validation"),
    "intercept": (True, False),
    "file": (True, False),
}
ROWS = 41


def data(problem: str) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    columns = {"line": 1, "poly": 1, "products": 2}.get(problem, 4)
    x = random.normal(size=(ROWS, columns)) * 1.3 + 0.4
    signal = x @ random.normal(size=(columns, 3)) + random.normal(size=(ROWS, 3)) + [0.3, 0.2, 0.1]
    if problem == "several":
        return x, signal
    if problem == "softmax":
        return x, np.array(["a", "b", "c"])[(signal - signal.mean(0)).argmax(1)]
    if problem == "logistic":
        return x, np.array(["no", "yes"])[(signal[:, 0] > signal[:, 0].mean()).astype(int)]
    return x, signal[:, 0]


def fitted(case: dict) -> st.Fit:
    problem = case["problem"]
    x, y = data(problem)
    classes = problem in ("logistic", "softmax")
    frame = case["frame"]
    if frame == "orthonormal" and case["penalty"][:2] in ("l1", "el"):
        frame = "standardize"
    weights = np.random.default_rng(5).uniform(0.3, 2.0, ROWS) if case["weights"] == "rows" else None
    settings = {
        "model": {"poly": "poly:3", "products": "poly:2"}.get(problem, "linear"),
        "loss": {"l1": "l1", "huber": "huber:0.7", "quantile": "quantile:0.3"}.get(problem, "auto"),
        "optimizer": case["rule"],
        "lr": 0.002 if problem in ("poly", "products") and frame == "none" else 0.03,
        "schedule": case["schedule"],
        "precondition": frame,
        "batch_size": case["batch"],
        "penalty": case["penalty"],
        "shuffle": case["shuffle"],
        "weights": weights,
        "class_weight": "balanced" if case["weights"] == "classes" and classes else None,
        # a class of torch.optim asks for its own, unclipped gradient
        "clip": None if isinstance(case["rule"], type) else case["clip"],
        "test_fraction": 0.25 if case["held"] == "test" else 0.0,
        "validation": 0.2 if case["held"] == "validation" else None,
        "intercept": case["intercept"],
        "epochs": 9,
        "max_steps": 23,
        "seed": 11,
    }
    if case["init"] == "numbers":
        count = len(st.fit(x, y, **settings).names)
        settings["init"] = (np.arange(count) / count - 0.4).round(3)
    else:
        settings["init"] = case["init"]
    return st.fit(x, y, **settings)


CASES = pairwise(FACTORS)


def same(fit: st.Fit, text: str, rel: float = 1e-10) -> None:
    found = printed(text)
    scale = float(np.abs(fit.theta).max())
    assert close(found["loss"], fit.loss, rel=rel), (found["loss"], fit.loss)
    for name, value in fit.params.items():
        assert close(found[name], value, scale, rel), (name, found[name], value)
    if "objective" in found:
        assert close(found["objective"], fit.objective_value, rel=rel)
    assert ("held-out loss" in found) == (fit.test_rows > 0)
    if fit.test_rows:
        assert close(found["held-out loss"], fit.test_loss, rel=rel)


def test_pairs_of_settings_print_the_same_numbers(tmp_path):
    fits, paths = [], []
    for number, case in enumerate(CASES):
        fits.append(fitted(case))
        paths.append(tmp_path / f"case{number}.py")
        if case["file"]:
            fits[-1].to_python(paths[-1], style=case["style"])
        else:
            paths[-1].write_text(fits[-1].to_python(style=case["style"]), encoding="utf-8")
    wrong = []
    for case, fit, text, path in zip(CASES, fits, ran(paths), paths, strict=True):
        try:
            same(fit, text)
        except AssertionError as error:
            wrong.append(f"{path}\n{case}\n{str(error)[:600]}")
    assert not wrong, f"{len(wrong)} of {len(CASES)}\n" + "\n\n".join(wrong[:6])
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run(
        [ruff, "format", "--check", "--isolated", "--line-length", "100", "--diff", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[:6000]
    done = subprocess.run(
        [ruff, "check", "--isolated", "--line-length", "100", "--select", "E,F,I,W", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[:6000]

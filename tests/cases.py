"""Descents of the linear family that every engine must walk alike, and tables that cover pairs of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import torch

from steepest.descent import schedule_factors, torch_rules
from steepest.model import penalties, preconditioners, torch_losses
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import LinearObjective


def pairwise(factors: Mapping[str, Sequence[Any]]) -> list[dict]:
    """Cases in which every value of every factor meets every value of every other one at least once."""
    names = list(factors)
    missing = {
        frozenset([(a, i), (b, j)])
        for a, b in combinations(names, 2)
        for i, j in product(range(len(factors[a])), range(len(factors[b])))
    }
    cases = []
    while missing:
        case = dict(min(missing, key=sorted))
        for name in names:
            if name not in case:
                wins = [
                    sum(frozenset([(name, value), pair]) in missing for pair in case.items())
                    for value in range(len(factors[name]))
                ]
                case[name] = wins.index(max(wins))
        missing -= {frozenset(pair) for pair in combinations(case.items(), 2)}
        cases.append({name: factors[name][case[name]] for name in names})
    return cases


ROWS = 75
STEPS = 14

FACTORS = {
    "problem": ("mse", "poly", "several", "l1", "huber:1", "quantile:0.3", "logistic", "softmax"),
    "rule": ("sgd", "momentum:0.8", "nesterov:0.9", "adagrad", "rmsprop", "adam", "adamw"),
    "schedule": ("constant", "inverse", "step:2,0.5", "cosine", "warmup:5", "callable"),
    "batch": (None, 1, 7, 32),
    "weights": (False, True),
    "penalty": ("none", "l2:0.1", "l1:0.05", "elastic:0.02,0.1", "group:0.05"),
    "shuffle": ("rows", "draws", "blocks", "none"),
    "frame": ("none", "standardize", "orthonormal"),
    "clip": (None, 0.5),
    "start": (False, True),
    "dtype": ("float64", "float32"),
}
"""75 rows leave a shorter last batch of 5 (of 7) and of 11 (of 32)."""


def objective(case: dict) -> LinearObjective:
    random = np.random.default_rng(7)
    x = random.normal(size=(ROWS, 1 if case["problem"] == "poly" else 5)) * 1.3 + 0.4
    degree = 3 if case["problem"] == "poly" else 1
    design = Terms(tuple("abcde"[: x.shape[1]]), degree).design(x)
    design /= np.abs(design).max(0)
    signal = 3.0 * design @ random.normal(size=(design.shape[1], 3)) + random.normal(size=(ROWS, 3))
    signal = (signal - signal.mean(0)) / signal.std(0) + [
        0.3,
        0.2,
        0.1,
    ]  # both signs and all classes, or gradients would vanish exactly
    name, outputs, target = case["problem"], 1, signal[:, 0]
    if name == "several":
        outputs, target = 3, signal
    elif name == "logistic":
        target = (target > 0).astype(float)
    elif name == "softmax":
        outputs, target = 3, signal.argmax(1)
    kind = {"poly": "mse", "several": "mse", "softmax": "cross_entropy"}.get(name, name)
    weights = random.uniform(0.2, 3.0, ROWS)
    # the intercept by itself, then groups of two columns, those of all outputs together
    groups = tuple((np.arange(design.shape[1]) + 1) // 2) * outputs
    problem = LinearProblem(
        design,
        target,
        torch_losses.loss(kind),
        replace(penalties.penalty(case["penalty"]), groups=groups),
        weights=weights / weights.mean() if case["weights"] else None,
        outputs=outputs,
    )
    make = {
        "none": lambda _: None,
        "standardize": preconditioners.standardised,
        "orthonormal": preconditioners.orthonormal,
    }
    start = random.normal(size=problem.parameters) if case["start"] else None
    return LinearObjective(problem, (), make[case["frame"]](problem), start, getattr(torch, case["dtype"]))


def rule(case: dict, whole: LinearObjective) -> torch_rules.Rule:
    return torch_rules.rule(case["rule"], whole, case["clip"])


def schedule(case: dict):
    if case["schedule"] == "callable":
        return lambda step, epoch: 0.9**step / (1 + 0.1 * epoch)
    return schedule_factors.schedule(case["schedule"], STEPS)


def lr(case: dict) -> float:
    return 0.01 if case["problem"] == "poly" and case["frame"] == "none" else 0.05

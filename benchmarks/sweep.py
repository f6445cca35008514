"""Many descents at once beside the plain loop run one after another.

    python benchmarks/sweep.py [--quick]

- 10,000 learning rates, 500 steps each: the quadratic with an outlier (100 points) under the mean absolute error, the
  rate falling as 1/(step + 1), full batches.
- 1,000 members of a small perceptron, 1 → 16 → 1: 50 rates × 20 starts, 200 steps each, full batches.

The loops by hand run a sample of the members, and their time is scaled to all; they keep nothing, ours is recorded.
That both end at the same losses is checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import steepest as st
from side_by_side import Goal, Peer, Table, options, save, short, take_turns

TURNS = 5
SAMPLE = 20
STEPS, MODULE_STEPS = 500, 200
OURS = "st.sweep"


# ---- the quadratic -------------------------------------------------------------------------------


def rates(count: int) -> list[float]:
    return np.geomspace(0.01, 10.0, count).tolist()


def quadratic(lr: list[float]) -> np.ndarray:
    """The last loss of each run, by one call."""
    data = st.synthetic.quadratic_with_outlier()
    sweep = st.sweep(
        data.x, data.y, model="poly:2", loss="l1", optimizer="sgd", lr=lr, schedule="inverse", epochs=STEPS
    )
    return np.asarray(sweep.table()["loss"])


def quadratic_by_hand(lr: list[float]) -> np.ndarray:
    """The same, one run after another."""
    data = st.synthetic.quadratic_with_outlier()
    x, y = torch.from_numpy(data.x[:, 0]), torch.from_numpy(data.y)
    design = torch.stack([torch.ones_like(x), x, x**2], 1)
    ends = []
    for rate in lr:
        theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        for i in range(STEPS):
            loss = (design @ theta - y).abs().mean()
            loss.backward()
            with torch.no_grad():
                theta -= rate / (i + 1) * theta.grad
                theta.grad.zero_()
        ends.append(float((design @ theta.detach() - y).abs().mean()))
    return np.array(ends)


# ---- the perceptron ------------------------------------------------------------------------------


def perceptrons(count: int) -> Any:
    """The table of all members, by one call: 50 rates × seeds."""
    data = st.synthetic.quadratic_with_outlier()
    lr, seeds = np.geomspace(0.001, 0.03, 50).tolist(), list(range(count // 50))
    words = {"model": "mlp:16", "loss": "mse", "optimizer": "sgd", "epochs": MODULE_STEPS}
    return st.sweep(data.x, data.y, lr=lr, seed=seeds, **words).table()


def perceptrons_by_hand(members: list[tuple[float, int]]) -> np.ndarray:
    """The last loss of each (rate, seed): a module and `torch.optim.SGD`, one after another."""
    data = st.synthetic.quadratic_with_outlier()
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    ends = []
    for rate, seed in members:
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1)).double()
        optimizer = torch.optim.SGD(module.parameters(), lr=rate)
        for _ in range(MODULE_STEPS):
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x)[:, 0], y).backward()
            optimizer.step()
        with torch.no_grad():
            ends.append(float(nn.functional.mse_loss(module(x)[:, 0], y)))
    return np.array(ends)


# ---- side by side --------------------------------------------------------------------------------


def check(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    """Both ended at the same losses, or the figures are worth nothing."""
    if not np.allclose(ours, theirs, rtol=1e-6):
        raise SystemExit(f"{what}: ours ends at {ours}, and the other way at {theirs}")


def members_of(table: Any, count: int) -> list[tuple[float, int]]:
    """Rate and seed of the first runs of a sweep's table."""
    lr, seed = (np.asarray(table[name])[:count].tolist() for name in ("lr", "seed"))
    return list(zip(lr, seed, strict=True))


def timed_pair(
    name: str, count: int, steps: int, sample: int, turns: int, many: Callable[[], object], few: Callable[[], object]
) -> tuple[tuple[str, ...], float, dict[str, list[float]]]:
    """A line of the table, the ratio, and the seconds of every turn."""
    timed = take_turns([Peer(OURS, many), Peer("loop", few, share=sample / count)], turns)
    mine, theirs = timed[OURS].median, timed["loop"].median
    each = mine / count / steps * 1e9
    line = (
        name, f"{count:,} × {steps}", short(mine), f"{timed[OURS].busy:.1f}", short(theirs), f"{timed['loop'].busy:.1f}",
        short(theirs / mine), short(each),
    )  # fmt: skip
    return line, theirs / mine, {name: timing.seconds for name, timing in timed.items()}


def main() -> None:
    quick = options(__doc__).quick
    count, modules, sample, turns = (200, 100, 2, 1) if quick else (10_000, 1_000, SAMPLE, TURNS)
    lr = rates(count)
    some = slice(0, count, count // sample)
    began = time.perf_counter()
    check(quadratic(lr)[some], quadratic_by_hand(lr[some]), "The quadratic")
    found = perceptrons(modules)
    members = members_of(found, sample)
    check(np.asarray(found["loss"])[:sample], perceptrons_by_hand(members), "The perceptron")
    first = time.perf_counter() - began
    line, ratio, seconds = timed_pair(
        "quadratic, l1", count, STEPS, sample, turns, lambda: quadratic(lr), lambda: quadratic_by_hand(lr[some])
    )
    module_line, module_ratio, module_seconds = timed_pair(
        "perceptron 1 → 16 → 1, mse", modules, MODULE_STEPS, sample, turns,
        lambda: perceptrons(modules), lambda: perceptrons_by_hand(members),
    )  # fmt: skip
    table = Table(
        "Many descents at once, 100 points, float64",
        ("", "runs × steps", "s, st.sweep", "cores busy", "s, plain loop", "cores busy", "ratio", "ns a step"),
        [line, module_line],
        (
            f"The plain loop ran {sample} of the runs, scaled; it keeps nothing, the sweep is recorded. "
            f"The first call and its checks, compilation included, took {short(first)} s, which do not count.",
        ),
    )
    goals = [
        Goal(f"{count:,} descents × {STEPS} steps (quadratic, l1) over the plain loop", ratio, "≥", 300),
        Goal(f"{modules:,} perceptrons × {MODULE_STEPS} steps over the plain loop", module_ratio, "≥", 25),
    ]
    save("sweep", quick, [table], goals, sweeps={"quadratic": seconds, "perceptron": module_seconds})


if __name__ == "__main__":
    main()

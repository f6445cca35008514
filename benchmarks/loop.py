"""One recorded step of the loop beside one of the loop that everybody writes by hand, in PyTorch.

    python benchmarks/loop.py

Both keep the loss and the parameters of every step. They take turns, so that whatever else the machine does
falls on both; the ratio is the median over the turns. Goal: at most 1.3.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from steepest.descent.loop import descend
from steepest.descent.objective import Objective, objective
from steepest.descent.trace import Recorder
from steepest.problem.batches import full

STEPS = 500
TURNS = 21
GOAL = 1.3


def recorded(make: Callable[[], Objective], lr: float) -> None:
    """`STEPS` updates of a fresh objective by `descend`, each recorded with its full objective."""
    whole = make()
    recorder = Recorder(len(whole.theta), whole.theta)
    for step in descend(whole, "sgd", full(STEPS), lr=lr):
        recorder.add(step, step.loss + whole.penalty(step.theta), last=step.batch is None)
    recorder.trace(whole.names)


def by_hand_linear(x: Tensor, y: Tensor, lr: float) -> None:
    """X·w + b by autograd, the update written out."""
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    b = torch.zeros((), dtype=x.dtype, requires_grad=True)
    losses, parameters = [], []
    for _ in range(STEPS):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            parameters.append((w.clone(), b.clone()))
            w -= lr * w.grad
            b -= lr * b.grad
            w.grad.zero_()
            b.grad.zero_()


def by_hand_module(x: Tensor, y: Tensor, lr: float) -> None:
    """A module and `torch.optim.SGD`."""
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    losses, parameters = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(module(x)[:, 0], y)
        loss.backward()
        losses.append(loss.item())
        parameters.append([p.detach().clone() for p in module.parameters()])
        optimizer.step()


def mlp() -> nn.Module:
    """1 → 16 → 1."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)).double()


def table(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Normal columns and a noisy sum of them."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=random, dtype=torch.float64)
    return x, x.sum(1) + torch.randn(rows, generator=random, dtype=torch.float64)


def per_step(run: Callable[[], None]) -> float:
    """Microseconds a step."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) / STEPS * 1e6


def main() -> None:
    torch.set_num_threads(1)
    cases: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {}
    for rows, columns in [(100, 1), (1000, 20)]:
        x, y = table(rows, columns)
        cases[f"linear, {rows} × {columns}"] = (
            lambda x=x, y=y: recorded(lambda: objective("linear", "mse", x, y), 0.01),
            lambda x=x, y=y: by_hand_linear(x, y, 0.01),
        )
    x, y = table(100, 1)
    cases["module 1 → 16 → 1, 100 × 1"] = (
        lambda: recorded(lambda: objective(mlp(), "mse", x, y), 0.01),
        lambda: by_hand_module(x, y, 0.01),
    )
    print(f"{'µs a step':28} {'Steepest':>9} {'by hand':>9} {'ratio':>7}   goal ≤ {GOAL}")
    for name, (ours, theirs) in cases.items():
        ours()
        theirs()
        turns = [(per_step(ours), per_step(theirs)) for _ in range(TURNS)]
        ratio = statistics.median(a / b for a, b in turns)
        mine, hand = (statistics.median(side) for side in zip(*turns, strict=True))
        print(f"{name:28} {mine:9.1f} {hand:9.1f} {ratio:7.2f}   {'yes' if ratio <= GOAL else 'NO'}")


if __name__ == "__main__":
    main()

"""What a step costs beyond its arithmetic: ours, recorded, beside the loop that everybody writes by hand, in PyTorch.

    python benchmarks/step.py [--quick]

First a module in minibatches, beside skorch and Lightning too: the same module, rows in memory, batches of the same
size. Then full batches, where the loop by hand also keeps the loss and the parameters of every step, as ours does.
All of it on one thread: the arithmetic is too small for two.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

import steepest as st
import trainers
from side_by_side import Goal, Peer, Table, Timing, absent, missing, options, save, short, take_turns
from steepest.data.batching import Batching
from steepest.descent.loop import descend
from steepest.descent.trace import Recorder
from steepest.model.objective import Objective
from steepest.model.objective_factory import objective

STEPS = 500
ROWS, BATCH, EPOCHS = 10_000, 100, 5
TURNS = 15
OURS, BARE = "Steepest, recorded", "PyTorch, bare loop"


# ---- a module in minibatches ---------------------------------------------------------------------


def perceptron() -> nn.Module:
    """20 → 32 → 1."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 1))


def ours(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """Seconds of the median epoch, every step recorded."""
    whole = objective(module, "mse", x, y)
    recorder = Recorder(len(whole.theta), whole.theta)
    times = [time.perf_counter()]
    for step in descend(whole, "sgd", Batching(len(x), batch, epochs=epochs), lr=lr):
        if step.t and (step.batch is None or step.batch.index == 0):
            times.append(time.perf_counter())
        recorder.add(step, last=step.batch is None)
    return statistics.median(after - before for before, after in pairwise(times))


def by_fit(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """The descent of a whole fit(), which also knows the full objective at the start of each epoch."""
    words = {"dtype": "float32", "optimizer": "sgd", "precondition": "none"}
    return st.fit(x, y, model=module, loss="mse", batch_size=batch, epochs=epochs, lr=lr, **words).seconds / epochs


def module_peers(epochs: int) -> list[Peer]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 20, generator=random)
    y = x.sum(1) + torch.randn(ROWS, generator=random)

    def peer(name: str, train: Callable[..., float], setting: str = "") -> Peer:
        return Peer(name, lambda: train(perceptron(), x, y, BATCH, epochs, 0.01), setting, ROWS / BATCH)

    found = [
        peer(BARE, trainers.index_loop, "rows by index, torch.optim.SGD; nothing kept"),
        peer(OURS, ours, "loss, gradient's length and θ of every step"),
        peer("Steepest, fit()", by_fit, "and the full objective at each epoch"),
        peer("PyTorch, DataLoader", trainers.plain_loader, "as in the tutorials"),
    ]
    for module, name in (("skorch", "skorch"), ("lightning", "Lightning")):
        if absent(module) is None:
            found.append(peer(name, getattr(trainers, module), "whole batches by one index"))
    return found


def module_table(found: list[Peer], timed: dict[str, Timing]) -> tuple[Table, list[Goal]]:
    bare, mine = timed[BARE].median, timed[OURS].median
    lines = [
        (peer.name, short(timed[peer.name].median * 1e6), short(timed[peer.name].median / bare), peer.setting)
        for peer in found
    ]
    title = f"A step of a module 20 → 32 → 1, {BATCH} of {ROWS:,} rows, float32"
    goals = [Goal("module, minibatches: ours (recorded) over the bare loop (nothing kept)", mine / bare, "≤", 1.2)]
    for name in ("skorch", "Lightning"):
        theirs = timed.get(name)
        goals.append(
            Goal(f"module, minibatches: faster than {name}", theirs and theirs.median / mine, why="it is not installed")
        )
    return Table(title, ("", "µs a step", "× bare", "setting"), lines, missing("skorch", "lightning")), goals


# ---- full batches, recorded on both sides --------------------------------------------------------


def recorded(make: Callable[[], Objective], lr: float) -> None:
    """`STEPS` updates of a fresh objective by `descend`, each recorded with its full objective."""
    whole = make()
    recorder = Recorder(len(whole.theta), whole.theta)
    for step in descend(whole, "sgd", epochs=STEPS, lr=lr):
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
    module = small()
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    losses, parameters = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(module(x)[:, 0], y)
        loss.backward()
        losses.append(loss.item())
        parameters.append([p.detach().clone() for p in module.parameters()])
        optimizer.step()


def small() -> nn.Module:
    """1 → 16 → 1."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)).double()


def normal(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Normal columns and a noisy sum of them."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=random, dtype=torch.float64)
    return x, x.sum(1) + torch.randn(rows, generator=random, dtype=torch.float64)


def full_peers() -> dict[str, tuple[Peer, Peer]]:
    """Case → ours and the loop by hand."""
    found = {}
    for rows, columns in ((100, 1), (1000, 20)):
        x, y = normal(rows, columns)
        case = f"linear, {rows} × {columns}"
        found[case] = (
            Peer(f"{case}: ours", lambda x=x, y=y: recorded(lambda: objective("linear", "mse", x, y), 0.01), "", STEPS),
            Peer(f"{case}: by hand", lambda x=x, y=y: by_hand_linear(x, y, 0.01), "", STEPS),
        )
    x, y = normal(100, 1)
    found["module 1 → 16 → 1, 100 × 1"] = (
        Peer("module: ours", lambda: recorded(lambda: objective(small(), "mse", x, y), 0.01), "", STEPS),
        Peer("module: by hand", lambda: by_hand_module(x, y, 0.01), "", STEPS),
    )
    return found


def full_table(found: dict[str, tuple[Peer, Peer]], timed: dict[str, Timing]) -> tuple[Table, list[Goal]]:
    lines, goals = [], []
    for case, pair in found.items():
        mine, hand = (timed[peer.name].median for peer in pair)
        lines.append((case, short(mine * 1e6), short(hand * 1e6), short(mine / hand)))
        goals.append(Goal(f"{case}, full batch, both recorded: ours over the loop by hand", mine / hand, "≤", 1.3))
    title = f"A step with a full batch, recorded on both sides ({STEPS} steps, float64)"
    return Table(title, ("", "µs, ours", "µs, by hand", "ratio"), lines), goals


def main() -> None:
    quick = options(__doc__).quick
    torch.set_num_threads(1)
    epochs, turns = (1, 2) if quick else (EPOCHS, TURNS)
    modules, fulls = module_peers(epochs), full_peers()
    timed = take_turns([*modules, *(peer for pair in fulls.values() for peer in pair)], turns)
    first, promised = module_table(modules, timed)
    second, more = full_table(fulls, timed)
    save("step", quick, [first, second], promised + more, steps={n: t.seconds for n, t in timed.items()})


if __name__ == "__main__":
    main()

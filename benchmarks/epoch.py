"""One epoch of minibatch SGD over 1,000,000 rows of 20 float32 columns, beside what else there is.

    python benchmarks/epoch.py [ROWS] [COLUMNS] [BATCH]

Everything takes turns, so that whatever else the machine does falls on all; the figures are medians over the turns.
Ours record every step (loss, gradient's length, θ). The yardstick is one pass over the same memory by a single thread.
JAX takes part where it can be imported.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from sklearn.linear_model import SGDRegressor
from torch import Tensor

from steepest.descent import rules
from steepest.descent.fused import Block, Fused
from steepest.descent.objective import LinearObjective
from steepest.descent.sweep import Blocks
from steepest.descent.trace import Recorder
from steepest.problem import losses
from steepest.problem.linear import LinearProblem

EPOCHS = 6
TURNS = 7
LR = 0.01


def ours(objective: LinearObjective, batch: int, shuffle: str, full: bool = False) -> list[float]:
    """Seconds of each epoch, recorded; with `full` also the full objective at its start, as `fit()` has it."""
    objective.theta.zero_()
    recorder = Recorder(len(objective.theta), objective.theta, 100_000, runs=1)
    engine = Fused(objective, rules.SGD())
    times = [time.perf_counter()]
    for block in engine.descend(batch, shuffle, 0, EPOCHS, lr=LR):
        if isinstance(block, Block):
            if block.batch.index == 0 and block.t:
                times.append(time.perf_counter())
            values = np.full(len(block), np.nan)
            if full and block.batch.index == 0:
                values[0] = objective.value(torch.from_numpy(block.theta[0]))
            recorder.add_block(Blocks.one(block), values[None], np.full((1, len(block)), np.nan), len(block))
        else:
            times.append(time.perf_counter())
    return [after - before for before, after in pairwise(times)][:-1]  # the last holds the gradient over all rows


def index_loop(x: Tensor, y: Tensor, batch: int) -> None:
    """What one writes by hand in PyTorch: a permutation, rows by index, autograd."""
    w = torch.zeros(x.shape[1], requires_grad=True)
    for rows in torch.randperm(len(x)).split(batch):
        loss = ((x[rows] @ w - y[rows]) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= LR * w.grad
            w.grad.zero_()


def scikit_learn(x: np.ndarray, y: np.ndarray) -> None:
    """Its batches are single rows."""
    SGDRegressor(max_iter=1, tol=None, penalty=None, learning_rate="constant", eta0=1e-4).fit(x, y)


def jax_scan(x: np.ndarray, y: np.ndarray, batch: int) -> Callable[[], None] | None:
    """A compiled scan over a fresh permutation; None without JAX."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None
    rows, target = jnp.asarray(x), jnp.asarray(y)
    count = len(y) // batch

    @jax.jit
    def epoch(w: object, key: object) -> object:
        def step(w, part):
            a = rows[part]
            return w - LR * 2.0 / batch * (a @ w - target[part]) @ a, None

        order = jax.random.permutation(key, len(y))[: count * batch].reshape(count, batch)
        return jax.lax.scan(step, w, order)[0]

    return lambda: epoch(jnp.zeros(x.shape[1]), jax.random.key(0)).block_until_ready()


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def one_thread(run: Callable[[], object]) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return seconds(run)
    finally:
        torch.set_num_threads(threads)


def main(rows: int = 1_000_000, columns: int = 20, batch: int = 256) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns))
    y = x.sum(1) + random.standard_normal(rows)
    objective = LinearObjective(LinearProblem(x, y, losses.MSE(), intercept=False), dtype=torch.float32)
    basis, target = objective.basis, objective.target
    arrays = basis.numpy(), target.numpy()
    ones = torch.ones(columns)
    peers: dict[str, Callable[[], float]] = {
        "one pass, one thread (torch.mv)": lambda: one_thread(lambda: torch.mv(basis, ones)),
        "fused, blocks": lambda: statistics.median(ours(objective, batch, "blocks")),
        "fused, rows": lambda: statistics.median(ours(objective, batch, "rows")),
        "fused, blocks, with F each epoch": lambda: statistics.median(ours(objective, batch, "blocks", True)),
        "fused, rows, with F each epoch": lambda: statistics.median(ours(objective, batch, "rows", True)),
        "scikit-learn SGDRegressor (rows one by one)": lambda: seconds(lambda: scikit_learn(*arrays)),
        "PyTorch index loop": lambda: seconds(lambda: index_loop(basis, target, batch)),
    }
    scan = jax_scan(*arrays, batch)
    if scan is not None:
        scan()
        peers["JAX jit scan"] = lambda: seconds(scan)
    peers["fused, rows"]()  # compiled, or loaded
    figures: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(TURNS):
        for name, run in peers.items():
            figures[name].append(run())
    first = next(iter(peers))
    fused_rows = statistics.median(figures["fused, rows"])
    print(f"One epoch of {rows:,} × {columns} float32 in batches of {batch}; {torch.get_num_threads()} threads")
    print(f"{'':46} {'median ms':>10} {'least ms':>9} {'× one pass':>11} {'× fused rows':>13}")
    for name, times in figures.items():
        middle = statistics.median(times)
        ratio = middle / statistics.median(figures[first])
        print(f"{name:46} {middle * 1e3:10.1f} {min(times) * 1e3:9.1f} {ratio:11.1f} {middle / fused_rows:13.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

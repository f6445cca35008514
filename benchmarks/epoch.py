"""One epoch of minibatch SGD over 1,000,000 rows of 20 (and of 8) float32 columns, in batches of 256 and of 32.

    python benchmarks/epoch.py [--quick]

Ours record every step (loss, gradient's length, θ). `rows` is a fresh permutation of the rows, part of the epoch;
`blocks` are contiguous blocks in random order. The yardstick is one pass over the same memory by a single thread.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

import trainers
from side_by_side import Goal, Peer, Table, Timing, absent, missing, options, save, short, take_turns
from steepest.data.batching import Batching
from steepest.descent import torch_rules
from steepest.descent.trace import Recorder
from steepest.engines.compiled import chunks
from steepest.engines.descents import Descents
from steepest.model import torch_losses
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective

ROWS = 1_000_000
CASES = ((20, 256), (20, 32), (8, 256), (8, 32))
EPOCHS, TURNS = 6, 7
LR = 0.01

ONE_PASS = "one pass by one thread (torch.mv)"
OURS = "Steepest"
BYTES_A_ROW = 4


def ours(objective: LinearObjective, batch: int, shuffle: str, full: bool = False) -> float:
    """Seconds of the median epoch, recorded; with `full` also the full objective at its start, as `fit()` has it."""
    objective.theta.zero_()
    recorder = Recorder(len(objective.theta), objective.theta, runs=1)
    work = Descents.one(objective, torch_rules.rule("sgd"), Batching(objective.rows, batch, shuffle, epochs=EPOCHS), LR)
    times = [time.perf_counter()]
    for chunk in chunks(work):
        if chunk.batch.index == 0 and chunk.t:
            times.append(time.perf_counter())
        values = np.full((1, chunk.steps), np.nan)
        if full and chunk.batch.index == 0:
            values[0, 0] = objective.value(torch.from_numpy(chunk.theta[0, 0]))
        recorder.add_chunk(chunk, values, np.full((1, chunk.steps), np.nan), chunk.steps)
    return statistics.median(after - before for before, after in pairwise(times))


def one_pass(x: torch.Tensor) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    began = time.perf_counter()
    torch.mv(x, torch.ones(x.shape[1]))
    seconds = time.perf_counter() - began
    torch.set_num_threads(threads)
    return seconds


def index_loop(x: torch.Tensor, y: torch.Tensor, batch: int) -> None:
    """What one writes by hand in PyTorch: a permutation, rows by index, autograd, the update written out."""
    w = torch.zeros(x.shape[1], requires_grad=True)
    for rows in torch.randperm(len(x)).split(batch):
        loss = ((x[rows] @ w - y[rows]) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= LR * w.grad
            w.grad.zero_()


def scikit_learn(x: np.ndarray, y: np.ndarray) -> None:
    from sklearn.linear_model import SGDRegressor

    model = SGDRegressor(
        max_iter=1, tol=None, penalty=None, learning_rate="constant", eta0=1e-4, fit_intercept=False, random_state=0
    )
    model.fit(x, y)


def jax_peers(x: np.ndarray, y: np.ndarray, batch: int) -> Iterator[Peer]:
    """A compiled scan over the rows in NumPy's order, or over blocks; the gradient by autodiff and by hand."""
    import jax
    import jax.numpy as jnp

    data = jnp.asarray(x), jnp.asarray(y)
    start = jnp.zeros(x.shape[1])
    rows, count = len(y), len(y) // batch

    def by_hand(w, a, t):
        return w - LR * 2.0 / batch * ((a @ w - t) @ a)

    def autodiff(w, a, t):
        return w - LR * jax.grad(lambda w: ((a @ w - t) ** 2).mean())(w)

    def scan(step: Callable, w, parts):
        return jax.lax.scan(lambda w, part: (step(w, part), None), w, parts)[0]

    def compiled(gradient: Callable) -> tuple[Callable, Callable, Callable]:
        def in_step(w, x, y, order):
            return scan(lambda w, part: gradient(w, x[part], y[part]), w, order)

        def before(w, x, y, order):
            return scan(lambda w, pair: gradient(w, *pair), w, (x[order], y[order]))

        def blocks(w, x, y, order):
            def step(w, i):
                a = jax.lax.dynamic_slice(x, (i * batch, 0), (batch, x.shape[1]))
                return gradient(w, a, jax.lax.dynamic_slice(y, (i * batch,), (batch,)))

            return scan(step, w, order)

        return jax.jit(in_step), jax.jit(before), jax.jit(blocks)

    def permuted() -> np.ndarray:
        return np.random.default_rng(0).permutation(rows)[: count * batch].astype(np.int32).reshape(count, batch)

    def peer(name: str, epoch: Callable, deal: Callable[[], object], setting: str) -> Peer:
        return Peer(f"JAX scan, {name}", lambda: epoch(start, *data, deal()).block_until_ready(), setting)

    for name, gradient in (("by hand", by_hand), ("autodiff", autodiff)):
        in_step, before, blocks = compiled(gradient)
        order = "the permutation by NumPy; not unrolled: 4 and 8 steps were no faster"
        yield peer(f"rows gathered in the step, {name}", in_step, permuted, order)
        yield peer(f"rows gathered before the scan, {name}", before, permuted, order)
        yield peer(f"blocks, {name}", blocks, lambda: np.random.permutation(count), "dynamic_slice")

    @jax.jit
    def own(w, x, y, key):
        order = jax.random.permutation(key, rows)[: count * batch].reshape(count, batch)
        return scan(lambda w, part: by_hand(w, x[part], y[part]), w, order)

    yield peer("rows by jax.random.permutation", own, lambda: jax.random.key(0), "the whole epoch in one compiled call")


def river_peer(x: np.ndarray, y: np.ndarray, batch: int, share: float) -> Peer:
    """Batches as dataframes, in their own order: it learns from streams and shuffles nothing."""
    import pandas as pd
    from river import linear_model, optim

    count = int(len(x) * share)
    names = [f"x{i}" for i in range(x.shape[1])]
    batches = [
        (pd.DataFrame(x[i : i + batch], columns=names), pd.Series(y[i : i + batch])) for i in range(0, count, batch)
    ]

    def run() -> None:
        model = linear_model.LinearRegression(optimizer=optim.SGD(LR), intercept_lr=0.0)
        for frame, target in batches:
            model.learn_many(frame, target)

    return Peer("river, learn_many", run, "dataframes made beforehand, no shuffling", share)


def vowpal_peer(x: np.ndarray, y: np.ndarray, share: float, folder: str) -> Peer:
    """One pass over its own cache file, written beforehand; plain SGD, a row a step."""
    import vowpalwabbit

    count = int(len(x) * share)
    text, cache = Path(folder, f"{x.shape[1]}.txt"), Path(folder, f"{x.shape[1]}.cache")
    line = "{:g} |" + "".join(f" {i}:{{:g}}" for i in range(x.shape[1])) + "\n"
    with open(text, "w", encoding="ascii") as file:
        file.writelines(line.format(a, *row) for a, row in zip(y[:count].tolist(), x[:count].tolist(), strict=True))
    words = [
        "-d",
        str(text),
        "--cache_file",
        str(cache),
        "--sgd",
        "-l",
        "1e-4",
        "--power_t",
        "0",
        "--noconstant",
        "--quiet",
    ]

    def run() -> None:
        vowpalwabbit.Workspace(arg_list=words).finish()

    run()  # writes the cache
    return Peer("Vowpal Wabbit, --sgd", run, "from its cache file, in the file's order, rows one by one", share)


def peers(columns: int, batch: int, rows: int, folder: str) -> tuple[list[Peer], tuple[str, ...]]:
    """All who take part, and a sentence on each who cannot."""
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns))
    y = x.sum(1) + random.standard_normal(rows)
    objective = LinearObjective(LinearProblem(x, y, torch_losses.loss("mse"), intercept=False), dtype=torch.float32)
    basis, target = objective.basis, objective.target
    arrays = basis.numpy(), target.numpy()
    few = 0.1 if batch > 100 else 0.025
    part = int(few * rows)

    def train(trainer: Callable[..., float], count: int) -> float:
        torch.manual_seed(0)
        return trainer(nn.Linear(columns, 1, bias=False), basis[:count], target[:count], batch, 1, LR)

    found = [
        Peer(ONE_PASS, lambda: one_pass(basis)),
        *(
            Peer(
                f"{OURS}, {shuffle}{also}",
                lambda s=shuffle, f=full: ours(objective, batch, s, f),
                "recorded as fit() does",
            )
            for shuffle in ("rows", "blocks")
            for also, full in (("", False), (", F at each epoch", True))
        ),
        Peer("PyTorch, index loop", lambda: index_loop(basis, target, batch), "autograd, the update written out"),
        Peer("PyTorch, DataLoader", lambda: train(trainers.plain_loader, part), "as in the tutorials", few),
    ]
    if absent("sklearn") is None:
        found.append(Peer("scikit-learn SGDRegressor", lambda: scikit_learn(*arrays), "constant rate, rows one by one"))
    for module, name in (("skorch", "skorch"), ("lightning", "Lightning")):
        if absent(module) is None:
            trainer = getattr(trainers, module)
            found.append(Peer(name, lambda t=trainer: train(t, part), "whole batches by one index", few))
    if absent("river") is None:
        found.append(river_peer(*arrays, batch, few))
    if absent("vowpalwabbit") is None:
        found.append(vowpal_peer(*arrays, 0.1, folder))
    if absent("jax") is None:
        found += jax_peers(*arrays, batch)
    return found, missing("sklearn", "skorch", "lightning", "river", "vowpalwabbit", "jax")


def table(
    columns: int, batch: int, rows: int, found: list[Peer], timed: dict[str, Timing], notes: tuple[str, ...]
) -> Table:
    pass_, ours_ = timed[ONE_PASS].median, timed[f"{OURS}, rows"].median
    lines = [
        (
            peer.name,
            short(timed[peer.name].median * 1e3),
            short(timed[peer.name].median / pass_),
            short(timed[peer.name].median / ours_),
            f"{timed[peer.name].busy:.1f}",
            peer.setting + (f"; {peer.share:.1%} of the rows, scaled" if peer.share < 1 else ""),
        )
        for peer in sorted(found, key=lambda peer: timed[peer.name].median)
    ]
    return Table(
        f"One epoch of {rows:,} × {columns} float32 in batches of {batch}",
        ("", "median ms", "× one pass", "× ours, rows", "cores busy", "setting"),
        lines,
        notes,
    )


def goals(columns: int, batch: int, timed: dict[str, Timing], bytes_: int) -> list[Goal]:
    """The promises on this case."""
    case = f"{columns} columns, batches of {batch}"
    rows, blocks = (timed[f"{OURS}, {shuffle}"].median for shuffle in ("rows", "blocks"))
    best = {
        kind: min((t.median for name, t in timed.items() if name.startswith(f"JAX scan, {kind}")), default=None)
        for kind in ("rows", "blocks")
    }
    learn = timed.get("scikit-learn SGDRegressor")
    why = "the peer is not installed"

    def times(theirs: float | None, mine: float) -> float | None:
        return None if theirs is None else theirs / mine

    return [
        Goal(
            f"{case}: rows, faster than JAX's best scan over permuted rows", times(best["rows"], rows), "≥", 2, why=why
        ),
        Goal(f"{case}: rows, faster than scikit-learn's SGD", times(learn and learn.median, rows), "≥", 8, why=why),
        Goal(
            f"{case}: blocks, faster than JAX's best scan over permuted rows",
            times(best["rows"], blocks),
            "≥",
            4,
            why=why,
        ),
        Goal(
            f"{case}: blocks, faster than JAX's best scan over blocks", times(best["blocks"], blocks), "≥", 4, why=why
        ),
        Goal(f"{case}: blocks, in passes over the memory by one thread", blocks / timed[ONE_PASS].median, "≤", 1.6),
        Goal(f"{case}: blocks, bytes of x read a second", bytes_ / blocks / 1e9, unit=" GB/s"),
    ]


def main() -> None:
    quick = options(__doc__).quick
    rows, turns = (20_000, 1) if quick else (ROWS, TURNS)
    tables, promised, figures = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        for columns, batch in CASES:
            found, notes = peers(columns, batch, rows, folder)
            timed = take_turns(found, turns)
            tables.append(table(columns, batch, rows, found, timed, notes))
            promised += goals(columns, batch, timed, rows * columns * BYTES_A_ROW)
            figures[f"{rows:,} × {columns}, batches of {batch}"] = {
                name: timing.seconds for name, timing in timed.items()
            }
    save("epoch", quick, tables, promised, epochs=figures)


if __name__ == "__main__":
    main()

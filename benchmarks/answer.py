"""Seconds from arrays in memory to an answer: until the relative gap (F − F*)/F* is at most 1e-3, and 1e-6.

    python benchmarks/answer.py [--quick]

Every way of solving has a budget (steps, epochs, iterations). The smallest budget that gets there is found first, and
then the whole call with that budget is timed, in turns: from float64 arrays to θ in user units, whatever is copied,
scaled or checked on the way included, compilation not. F* comes from a solver outside of the timing. The badly scaled
columns have units from 1e-3 to 1e3, and means of two units.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np

from side_by_side import Goal, Peer, Table, absent, load_kernels, missing, options, save, short, take_turns
from solvers import DESCENT, OURS, Problem, Way, jax_ways, mean_loss, ours, pytorch, scikit_learn

TARGETS = (1e-3, 1e-6)
TURNS = 5
PATIENCE = 20.0
"""Seconds that one solve may take before larger budgets are given up."""


def problems(quick: bool) -> Iterator[Problem]:
    """One after another, so that only one is in memory."""
    random = np.random.default_rng(0)
    for name, rows, columns, scale, logistic in (
        ("regression, well scaled", 1_000_000, 50, np.ones(50), False),
        ("regression, badly scaled", 1_000_000, 50, np.logspace(-3, 3, 50), False),
        ("logistic regression", 100_000, 100, np.ones(100), True),
    ):
        rows = rows // 100 if quick else rows
        x = random.standard_normal((rows, columns))
        truth = random.standard_normal(columns) / (columns**0.5 if logistic else 1.0)
        signal = x @ truth
        if logistic:
            y = (random.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(np.float64)
        else:
            y = signal + random.standard_normal(rows)
        if np.ptp(scale):
            x = (x + 2.0) * scale
        yield Problem(f"{name}, {rows:,} × {columns}", x, y, logistic, exact(x, y, logistic))


def exact(x: np.ndarray, y: np.ndarray, logistic: bool) -> float:
    """F* by Newton's method on standardised columns in float64, until the decrement is nothing but rounding."""
    mean, scale = x.mean(0), x.std(0)
    design = np.column_stack([np.ones(len(x)), (x - mean) / scale])
    theta = np.zeros(design.shape[1])
    for _ in range(50):
        prediction = design @ theta
        share = 1 / (1 + np.exp(-prediction)) if logistic else prediction
        bend = share * (1 - share) if logistic else np.ones(len(x))
        gradient = design.T @ (share - y) / len(x)
        step = np.linalg.solve((design.T * bend) @ design / len(x), gradient)
        theta -= step
        if gradient @ step < 1e-24:
            break
    return mean_loss(design[:, 1:], y, logistic, theta)


# ---- side by side --------------------------------------------------------------------------------


def budgets(problem: Problem, way: Way) -> tuple[list[int | None], float]:
    """The smallest budget to each target, None where none of them gets there, and the least gap seen."""
    found: list[int | None] = [None] * len(TARGETS)
    least = float("inf")
    for budget in way.budgets:
        began = time.perf_counter()
        gap = problem.gap(way.solve(budget))
        least = min(least, gap if gap == gap else least)
        for i, target in enumerate(TARGETS):
            if found[i] is None and gap <= target:
                found[i] = budget
        if None not in found or time.perf_counter() - began > PATIENCE:
            break
    print(f"{way.name}: budgets {found}, least gap {least:.1e}", file=sys.stderr, flush=True)
    return found, least


def measure(problem: Problem, turns: int) -> tuple[Table, list[Goal], dict[str, list[float | None]]]:
    ways: list[Way] = list(ours(problem))
    for module, more in (("sklearn", scikit_learn), ("torch", pytorch), ("jax", jax_ways)):
        if absent(module) is None:
            ways += more(problem)
    known = {way.name: budgets(problem, way) for way in ways}
    peers = [
        Peer(f"{way.name} [{budget}]", lambda w=way, b=budget: w.solve(b))
        for way in ways
        for budget in dict.fromkeys(known[way.name][0])
        if budget is not None
    ]
    timed = take_turns(peers, turns, warm=0)  # finding the budgets has warmed everything
    seconds: dict[str, list[float | None]] = {
        way.name: [None if b is None else timed[f"{way.name} [{b}]"].median for b in known[way.name][0]] for way in ways
    }
    least = [min((s[i] for s in seconds.values() if s[i] is not None), default=None) for i in range(len(TARGETS))]

    def cell(way: Way, i: int) -> str:
        taken, budget = seconds[way.name][i], known[way.name][0][i]
        if taken is None:
            return f"not reached ({known[way.name][1]:.0e})"
        return f"{short(taken)}" + (f" ({budget})" if budget else "")

    rows = [
        (
            way.name,
            *(cell(way, i) for i in range(len(TARGETS))),
            *(short(s / b) if (s := seconds[way.name][i]) and (b := least[i]) else "–" for i in range(len(TARGETS))),
            " / ".join("–" if b is None else short(DESCENT[way.name, b]) for b in known[way.name][0])
            if way.peer == OURS
            else "",
        )
        for way in sorted(ways, key=lambda way: tuple(s or 1e9 for s in seconds[way.name][::-1]))
    ]
    head = (
        "",
        *(f"s to {t:g} (budget)" for t in TARGETS),
        *(f"× fastest to {t:g}" for t in TARGETS),
        "of it the descent",
    )
    table = Table(f"Time to an answer: {problem.name}", head, rows, missing("sklearn", "torch", "jax"))
    goals = []
    for i, target in enumerate(TARGETS):
        mine = min((s[i] for n, s in seconds.items() if n.startswith(OURS) and s[i] is not None), default=None)
        for peer in dict.fromkeys(way.peer for way in ways if way.peer != OURS):
            theirs = min((seconds[w.name][i] for w in ways if w.peer == peer and seconds[w.name][i]), default=None)
            ratio = theirs / mine if theirs and mine else None
            why = f"{peer} did not get there" if mine else "ours did not get there"
            goals.append(Goal(f"{problem.name}, gap {target:g}: ours faster than {peer}", ratio, why=why))
    return table, goals, seconds


def main() -> None:
    quick = options(__doc__).quick
    warnings.filterwarnings("ignore", message="(?s).*converge")  # a budget that ends early is meant
    for dtype in ("float32", "float64"):
        load_kernels(dtype)
    tables: list[Table] = []
    promised: list[Goal] = []
    figures = {}
    for problem in problems(quick):
        table, goals, seconds = measure(problem, 1 if quick else TURNS)
        tables.append(table)
        promised += goals
        figures[problem.name] = seconds
        save("answer", quick, tables, promised, answers=figures)  # after each: a solve of a peer takes many seconds


if __name__ == "__main__":
    main()

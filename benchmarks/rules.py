"""Which rule for which problem: twenty rules on a hundred convex problems with a known least value; writes docs/rules.md.

    python benchmarks/rules.py              all of it, on two processes; what is done already is not done again
    python benchmarks/rules.py --quick      eight problems, 300 steps, five seeds
    python benchmarks/rules.py --page       write the page and the pictures of what was measured

Each rule is tuned on each problem by 0, 5 and 50 trials on seed 0: a trial is one of 25 rates, evenly spaced in their logarithms,
with a constant or a cosine schedule; five of them are drawn at random, the same for all rules. With 0 trials it has the rate
of its package and a constant schedule. "auto" is what `lr="auto"` takes, planned on seed 0. What ended lowest on seed 0 is then
scored on seeds 1 to 20: the seed draws the batches, the problem stays. Everything is in the units of the table, from zeros.
Each problem leaves its figures in .benchmarks/rules.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import steepest as st
from rules_problems import Made, made

FOLDER = Path(__file__).parents[1] / ".benchmarks" / "rules"
PROBLEMS, STEPS, TRIALS, SEEDS = 100, 600, (0, 5, 50), 20
GOALS = (1e-2, 1e-4, 1e-6)
RATES = 25


@dataclass(frozen=True)
class Entry:
    """A rule of the study: the rate of its package, and the least and the largest rate of its trials."""

    own: float
    low: float = 1e-4
    high: float = 10.0
    averaging: str = "none"


RULES = {
    "sgd": Entry(1e-3),
    "momentum": Entry(1e-3),
    "nesterov": Entry(1e-3),
    "adagrad": Entry(1e-2),
    "rmsprop": Entry(1e-2),
    "adadelta": Entry(1.0, 1e-2, 1e3),
    "adam": Entry(1e-3),
    "nadam": Entry(2e-3),
    "radam": Entry(1e-3),
    "lion": Entry(1e-4),
    "adopt": Entry(1e-3),
    "sam": Entry(1e-3),
    "schedule_free_sgd": Entry(1.0),
    "schedule_free_adamw": Entry(2.5e-3),
    "dog": Entry(1.0, 1e-2, 1e2, "tail:0.5"),
    "dowg": Entry(1.0, 1e-2, 1e2, "tail:0.5"),
    "prodigy": Entry(1.0, 1e-2, 1e2),
    "dadapt_adam": Entry(1.0, 1e-2, 1e2),
    "cocob": Entry(1.0, 1e-2, 1e2),
    "polyak_level": Entry(1.0, 1e-2, 1e2),
}
"""The twenty rules. Rates are those that their packages take where none is given: PyTorch's, or their authors'."""

ESTIMATES = {"dog": "reach", "dowg": "reach", "prodigy": "estimate", "dadapt_adam": "estimate"}
"""Rules that say how far the optimum is from the start, and the memory that says it."""


def tuned(problem: Made, rule: str, best: float, steps: int, rates: int) -> dict[str, tuple[float, str]]:
    """The rate and the schedule that each number of trials chooses, and those of "auto"."""
    entry, settings = RULES[rule], _settings(problem, rule, steps)
    grid = np.geomspace(entry.low, entry.high, rates).tolist()
    runs = st.sweep(problem.x, problem.y, lr=grid, schedule=["constant", "cosine"], seed=0, **settings)
    objective = np.array(runs.table()["objective"], dtype=float)
    ended = np.where(np.isfinite(objective), objective - best, np.inf)
    tried = list(zip(runs.settings["lr"], runs.settings["schedule"], strict=True))
    found = {"0": (entry.own, "constant")}
    for trials in TRIALS[1:]:
        drawn = np.random.default_rng(problem.number).permutation(len(tried))[:trials]
        found[str(trials)] = tried[drawn[np.argmin(ended[drawn])]]
    automatic = st.fit(problem.x, problem.y, seed=0, lr="auto", schedule="auto", **settings)
    found["auto"] = automatic.lr, automatic.schedule
    return found


def scored(
    problem: Made, rule: str, chosen: set[tuple[float, str]], best: float, steps: int, seeds: int
) -> dict[tuple[float, str], dict[str, Any]]:
    """For each (rate, schedule) the relative gap at the end of each seed, and after how many steps each goal was reached.

    None: it diverged, or never reached it. All of them descend side by side, and so do pairs that nobody chose: few are as soon
    done as many.
    """
    rates, schedules = sorted({lr for lr, _ in chosen}), sorted({schedule for _, schedule in chosen})
    settings = _settings(problem, rule, steps)
    runs = st.sweep(problem.x, problem.y, lr=rates, schedule=schedules, seed=range(1, seeds + 1), **settings)
    found = {}
    for place, (lr, schedule) in enumerate(product(rates, schedules)):
        if (lr, schedule) in chosen:
            each = [_ended(runs.fit(place * seeds + i).trace, best) for i in range(seeds)]
            gaps, reached = map(list, zip(*each, strict=True))
            found[lr, schedule] = {"lr": lr, "schedule": schedule, "gap": gaps, "steps": reached}
    return found


def _ended(trace: Any, best: float) -> tuple[float | None, list[int | None]]:
    known = np.isfinite(trace.objective)
    objective, at = trace.objective[known], trace.step[known]
    gap = (objective - best) / max(best, 1e-12 * objective[0])
    reached = [int(at[np.argmax(gap <= goal)]) if (gap <= goal).any() else None for goal in GOALS]
    return (float(gap[-1]) if known[-1] else None), reached


def estimated(problem: Made, rule: str, steps: int) -> float:
    """What a rule takes for the distance between its start and the optimum, after all steps of seed 1."""
    from steepest.data.batching import Batching
    from steepest.descent.torch_rules import rule as named

    objective = st.objective("linear", problem.loss, problem.x, problem.y, penalty=problem.penalty)
    batching = Batching(objective.rows, problem.batch, seed=1, max_steps=steps)
    chosen = named(rule, objective)
    theta = objective.theta
    memory = chosen.start(theta)
    for batch in batching:
        chosen.update(theta, objective.value_and_grad(theta, batch)[1], memory, 1.0, _once)
    return float(memory[chosen.innermost.kind.memories.index(ESTIMATES[rule])].max())  # pyrefly: ignore


def _once() -> Any:
    raise RuntimeError("None of these rules looks twice.")


def _settings(problem: Made, rule: str, steps: int) -> dict[str, Any]:
    size = "full" if problem.batch is None else problem.batch
    descent = {"optimizer": rule, "averaging": RULES[rule].averaging, "precondition": "none", "max_steps": steps}
    return descent | {"loss": problem.loss, "penalty": problem.penalty, "batch_size": size, "tol": 0.0}


def measured(number: int, steps: int, seeds: int, rates: int) -> dict[str, Any]:
    """Everything about one problem."""
    began, problem = time.process_time(), made(number)
    exact = st.fit(problem.x, problem.y, loss=problem.loss, penalty=problem.penalty)
    best = exact.objective_value - (exact.gap or 0.0)
    found: dict[str, Any] = {"problem": problem.described, "best": best, "steps": steps, "seeds": seeds, "rules": {}}
    for rule in RULES:
        chosen = tuned(problem, rule, best, steps, rates)
        done = scored(problem, rule, set(chosen.values()), best, steps, seeds)
        found["rules"][rule] = {trials: done[one] for trials, one in chosen.items()}
    found["distances"] = {rule: estimated(problem, rule, steps) for rule in ESTIMATES}
    found["distance"] = float(np.linalg.norm(exact.theta)), float(np.abs(exact.theta).max())
    return found | {"seconds": time.process_time() - began}


def _work(task: tuple[int, int, int, int, str]) -> str:
    number, steps, seeds, rates, folder = task
    path = Path(folder) / f"{number:03d}.json"
    if not path.exists():
        text = json.dumps(measured(number, steps, seeds, rates))
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)
    return path.name


def main(given: list[str]) -> None:
    """Measure what is not yet measured, then write the page."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs")
    asked.add_argument("--page", action="store_true", help="write the page of what was measured")
    asked.add_argument("--processes", type=int, default=2)
    options = asked.parse_args(given)
    folder = FOLDER.with_name("quick") / "rules" if options.quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(8 if options.quick else PROBLEMS)
    sizes = (300, 5, 7) if options.quick else (STEPS, SEEDS, RATES)
    if not options.page:
        began = time.perf_counter()
        with get_context("spawn").Pool(options.processes) as pool:
            for name in pool.imap_unordered(_work, [(number, *sizes, str(folder)) for number in numbers]):
                print(name, f"{time.perf_counter() - began:,.0f} s", flush=True)
    if options.quick:
        return
    from rules_page import write

    write(folder)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a step costs in the loop and in compiled code, beside what `src/steepest/engines/choice.py` counts on when it chooses.

python benchmarks/engine_choice.py [--quick]

Full batches of least squares by sgd, and minibatches: seconds of the processor of many steps less those of few, so that what a
fit takes before and after its steps is left out. And what compiling takes: the first such fit of a process less the second.
"""

from __future__ import annotations

import time

import numpy as np

import steepest as st
from side_by_side import Goal, Table, options, save, short
from steepest.engines import choice

SIZES = ((200, 2), (2_000, 20), (20_000, 20), (20_000, 50))
TURNS, WORTH = 5, choice.WORTH


def seconds(x: np.ndarray, y: np.ndarray, fused: bool, epochs: int, batch: int | str = "full") -> float:
    """Of the processor, of one fit."""
    choice.WORTH = -np.inf if fused else np.inf
    began = time.process_time()
    words = {"optimizer": "sgd", "lr": 1e-6, "precondition": "none", "tol": 0.0, "record": 2}
    st.fit(x, y, batch_size=batch, epochs=epochs, **words)
    return time.process_time() - began


def each(x: np.ndarray, y: np.ndarray, fused: bool, batch: int | str = "full", epochs: int = 0) -> float:
    """Of an epoch."""
    few = epochs or max(20, 20_000_000 // x.size // 10)
    times = [seconds(x, y, fused, 5 * few, batch) - seconds(x, y, fused, few, batch) for _ in range(TURNS)]
    return float(np.median(times)) / (4 * few)


def main() -> None:
    """Measure, print a table and keep it."""
    quick = options(__doc__ or "").quick
    random, lines, goals = np.random.default_rng(0), [], []
    x = random.normal(size=(50, 3))
    seconds(x, x.sum(1), False, 20)  # imports
    first = seconds(x, x.sum(1), True, 20)
    compiling = first - seconds(x, x.sum(1), True, 20)
    for rows, columns in SIZES[:1] if quick else SIZES:
        x = random.normal(size=(rows, columns))
        y, entries = x.sum(1) + random.normal(size=rows), rows * (columns + 1)
        found = each(x, y, False), each(x, y, True)
        counted = choice.LOOP_STEP + choice.LOOP_RUN + choice.LOOP_ENTRY * entries, choice.STEP + choice.ENTRY * entries
        lines.append((f"{rows:,} × {columns}", *(f"{short(1e6 * one)} µs" for one in (*found, *counted))))
        saved = (counted[0] - counted[1]) / (found[0] - found[1])
        goals.append(
            Goal(f"{rows:,} × {columns}: saved by compiled code, counted over measured", saved, "≤", 3, unit="")
        )
    x = random.normal(size=(1_000, 5))
    entries, parts = 100 * 6, 10
    steps = (
        parts * (choice.LOOP_STEP + choice.LOOP_RUN + choice.LOOP_ENTRY * entries),
        parts * (choice.STEP + choice.ENTRY * entries),
    )
    epochs = [each(x, x.sum(1), fused, 100, 20 if quick else 100) for fused in (False, True)]
    counted = steps[0], steps[1] + choice.EPOCH
    lines.append(("1,000 × 5, an epoch of ten minibatches", *(f"{short(1e6 * one)} µs" for one in (*epochs, *counted))))
    lines.append(("compiling", "", f"{compiling:.2f} s", "", f"{WORTH:g} s to be saved"))
    head = ("", "the loop's step", "compiled code's", "counted on, loop", "counted on, compiled")
    save(
        "engine_choice",
        quick,
        [Table("Seconds of the processor, beside what the choice of an engine counts on", head, lines)],
        goals,
    )


if __name__ == "__main__":
    main()

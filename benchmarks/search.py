"""`st.search` beside `GridSearchCV` with the same estimator: seconds of both in one run, and how far their scores differ.

python benchmarks/search.py [--quick]          tables of 1,000 × 20, 20 penalties, 5 folds
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

import steepest as st
from side_by_side import Goal, Table, options, save

FOLDS, TURNS = 5, 3


def table(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of sizes from 1 to 1,000, and a target that half of them matter for."""
    random = np.random.default_rng(0)
    sizes = np.logspace(0, 3, columns)
    x = random.normal(size=(rows, columns)) * sizes
    return x, x @ (random.normal(size=columns) * (np.arange(columns) % 2) / sizes) + random.normal(size=rows)


def main() -> None:
    """Measure, print a table and keep it."""
    quick = options(__doc__ or "").quick
    x, y = table(*((100, 5) if quick else (1_000, 20)))
    noisy = y + 2 * np.random.default_rng(1).normal(size=len(y))
    two, three = (noisy > 0).astype(int), np.digitize(noisy, np.quantile(noisy, [1 / 3, 2 / 3]))
    count = 3 if quick else 20
    l2 = {"penalty": [f"l2:{a:.4g}" for a in np.logspace(-5, 1, count)]}
    l1 = {"penalty": [f"l1:{a:.4g}" for a in np.logspace(-4, -0.5, count)]}
    cases = [
        ("least squares, l2", st.DescentRegressor(), l2, y),
        ("least squares, l1", st.DescentRegressor(), l1, y),
        ("Huber, l2", st.DescentRegressor(loss="huber:1"), l2, y),
        ("two classes, l2", st.DescentClassifier(), l2, two),
        ("two classes, l1", st.DescentClassifier(), l1, two),
        ("three classes, l2", st.DescentClassifier(), l2, three),
        ("three classes, l1", st.DescentClassifier(), l1, three),
    ]
    lines, goals, worst = [], [], 0.0
    for name, estimator, grid, goal in cases:
        for search in (st.search, by_one):  # imports, compiled code
            search(estimator, {"penalty": grid["penalty"][:1]}, x[:100], goal[:100])
        took, found = {st.search: [], by_one: []}, {}
        for search in (*[st.search] * TURNS, by_one, *[st.search] * TURNS):
            began = time.process_time()
            found[search] = search(estimator, grid, x, goal, cv=FOLDS)
            took[search].append(time.process_time() - began)
        ours, theirs = found[st.search], found[by_one]
        seconds = float(np.median(took[st.search])), float(np.median(took[by_one]))
        splits = [f"split{i}_test_score" for i in range(FOLDS)]
        off = max(np.abs(ours.cv_results_[one] - theirs.cv_results_[one]).max() for one in splits)
        sooner, worst = seconds[1] / seconds[0], max(worst, off)
        lines.append((name, f"{seconds[0]:.3f} s", f"{seconds[1]:.2f} s", f"{sooner:.0f}", f"{off:.0e}"))
        goals.append(Goal(f"{name}: GridSearchCV over st.search", sooner, "≥", 20))
    goals.append(Goal("the largest difference of two scores", worst, "≤", 1e-12, unit=""))
    title = f"`st.search` beside `GridSearchCV`: {len(y):,} × {x.shape[1]}, {count} candidates, {FOLDS} folds, the best refitted"
    head = ("", "search", "GridSearchCV", "times sooner", "scores differ by")
    said = f"Seconds of the processor, of `st.search` the median of {2 * TURNS} turns around `GridSearchCV`'s; both have the same"
    said += " estimator, and one fit of it takes milliseconds."
    save("search", quick, [Table(title, head, lines, (said,))], goals)


def by_one(estimator: Any, grid: dict[str, Any], x: np.ndarray, y: np.ndarray, cv: int = FOLDS) -> GridSearchCV:
    """Each candidate by itself."""
    return GridSearchCV(estimator, grid, cv=cv).fit(x, y)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

"""`st.search` beside `GridSearchCV` with the same estimator: seconds of both in one run, and how far their scores differ.

.venv/bin/python benchmarks/search.py          tables of 1,000 × 20, 20 penalties, 5 folds
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from sklearn.model_selection import GridSearchCV

import steepest as st

FOLDS = 5


def table(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of sizes from 1 to 1,000, and a target that half of them matter for."""
    random = np.random.default_rng(0)
    sizes = np.logspace(0, 3, columns)
    x = random.normal(size=(rows, columns)) * sizes
    return x, x @ (random.normal(size=columns) * (np.arange(columns) % 2) / sizes) + random.normal(size=rows)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    x, y = table(100 if given.quick else given.rows, given.columns)
    noisy = y + 2 * np.random.default_rng(1).normal(size=len(y))
    two, three = (noisy > 0).astype(int), np.digitize(noisy, np.quantile(noisy, [1 / 3, 2 / 3]))
    l2 = {"penalty": [f"l2:{a:.4g}" for a in np.logspace(-5, 1, 20)]}
    l1 = {"penalty": [f"l1:{a:.4g}" for a in np.logspace(-4, -0.5, 20)]}
    cases = [
        ("least squares, l2", st.DescentRegressor(), l2, y),
        ("least squares, l1", st.DescentRegressor(), l1, y),
        ("Huber, l2", st.DescentRegressor(loss="huber:1"), l2, y),
        ("two classes, l2", st.DescentClassifier(), l2, two),
        ("two classes, l1", st.DescentClassifier(), l1, two),
        ("three classes, l2", st.DescentClassifier(), l2, three),
    ]
    print(f"{len(y):,} × {x.shape[1]}, 20 candidates, {FOLDS} folds, and the best one fitted again")
    print("| | search | GridSearchCV | times sooner | scores differ by |\n| --- | --- | --- | --- | --- |")
    for name, estimator, grid, goal in cases:
        for search in (
            st.search,
            lambda *rest: GridSearchCV(rest[0], rest[1]).fit(*rest[2:]),
        ):  # imports, compiled code
            search(estimator, {"penalty": grid["penalty"][:1]}, x[:100], goal[:100])
        begun = time.perf_counter()
        ours = st.search(estimator, grid, x, goal, cv=FOLDS)
        between = time.perf_counter()
        theirs = GridSearchCV(estimator, grid, cv=FOLDS).fit(x, goal)
        ended = time.perf_counter()
        off = max(
            np.abs(ours.cv_results_[f"split{i}_test_score"] - theirs.cv_results_[f"split{i}_test_score"]).max()
            for i in range(FOLDS)
        )
        seconds = between - begun, ended - between
        print(
            f"| {name} | {seconds[0]:.3f} s | {seconds[1]:.2f} s | {seconds[1] / seconds[0]:.0f} | {off:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

"""Which is better, SGD or Adam? One run decides nothing; a hundred seeds do.

A hundred points of a parabola with an outlier, fitted under the mean absolute error in batches of 10: SGD for 20 epochs
at a rate of 1/(epoch + 1), and Adam for 100 epochs at a rate of 0.1. From one seed either may look better.

    python examples/sgd_or_adam.py
"""

from __future__ import annotations

import numpy as np

import steepest as st
from steepest import synthetic

SEEDS = 100


def sweeps(seeds: int = SEEDS) -> dict[str, st.Sweep]:
    """The same quadratic under both rules, once for each seed; a seed decides the order of the rows."""
    data = synthetic.quadratic_with_outlier()
    common = {"model": "poly:2", "loss": "l1", "batch_size": 10, "seed": range(seeds)}
    return {
        "SGD": st.sweep(data.x, data.y, **common, optimizer="sgd", lr=1.0, schedule="inverse", epochs=20),
        "Adam": st.sweep(data.x, data.y, **common, optimizer="adam", lr=0.1, epochs=100),
    }


def main() -> None:
    runs = sweeps()
    losses = {name: np.array(sweep.columns["loss"]) for name, sweep in runs.items()}
    exact = runs["SGD"].fit(0).exact
    print(f"Mean absolute error over {SEEDS} seeds (the exact answer has {exact.loss:.4f}):")
    for name, loss in losses.items():
        print(f"  {name:5} {loss.mean():.4f} ± {loss.std(ddof=1):.4f}   from {loss.min():.4f} to {loss.max():.4f}")
    wins = int((losses["Adam"] < losses["SGD"]).sum())
    print(f"Adam is the better one from {wins} of {SEEDS} seeds, SGD from {SEEDS - wins}.")
    print("Adam ends nearer on average, but no two of its runs end alike; SGD's falling rate ends where it was going.")


if __name__ == "__main__":
    main()

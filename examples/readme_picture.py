"""Draw the README's picture: one table, three coordinates, and the gap to the exact answer at every step.

python examples/readme_picture.py docs/descent.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

import steepest as st

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STEPS = 200
# Okabe and Ito's colours, which colour-blind readers tell apart
COORDINATES = {"none": "#D55E00", "standardize": "#0072B2", "orthonormal": "#009E73"}
LABELS = {"none": "columns as they are", "standardize": "standardised columns", "orthonormal": "orthonormal basis"}


def main(path: str) -> None:
    """Left: lesson C's l1 descent on its surface. Right: the gap on a real table in three coordinates."""
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    _surface(left)
    _gaps(right)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _surface(axes) -> None:
    data = st.synthetic.quadratic_with_outlier()
    fit = st.fit(data.x, data.y, loss="l1", optimizer="sgd", lr=6, schedule="inverse", epochs=50)
    intercept, slope = np.meshgrid(np.linspace(-1.4, 1, 120), np.linspace(-0.5, 5.4, 120))
    x = data.x[:, 0]
    loss = np.abs(intercept[..., None] + slope[..., None] * x - data.y).mean(-1)
    axes.contourf(intercept, slope, loss, levels=24, cmap="Blues_r", alpha=0.85)
    axes.plot(*fit.trace.theta.T, "o-", color="#D55E00", ms=3.5, lw=1.2, label="50 steps of descent")
    axes.plot(*fit.exact.theta, "*", color="black", ms=15, label="exact answer")
    axes.set(xlabel="intercept", ylabel="slope of x", title=f"mean absolute error: gap {fit.gap:.1e} after 50 steps")
    axes.legend(loc="upper left", framealpha=0.9)


def _gaps(axes) -> None:
    for name, colour in COORDINATES.items():
        fit = st.fit("sample:diabetes", optimizer="sgd", precondition=name, epochs=STEPS)
        gap = np.maximum(fit.trace.objective - fit.exact.objective, 1e-13 * fit.exact.objective)
        gap = gap / fit.exact.objective
        axes.semilogy(fit.trace.step, gap, color=colour, lw=2.2, label=f"{LABELS[name]} (lr {fit.lr:.2g})")
    axes.set(
        xlabel="step",
        ylabel="relative gap to the exact answer",
        title="one table, three coordinates (diabetes, 442 × 10)",
        ylim=(1e-14, 1e2),
    )
    axes.grid(alpha=0.25)
    axes.legend(framealpha=0.9)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/descent.png")

"""Compare runs that `steepest fit … --out FOLDER` kept: how many steps, and how far from the optimum.

python examples/compare_runs.py runs/demo-none runs/demo-standardize
"""

from __future__ import annotations

import sys

import numpy as np

import steepest as st

LOOKS = (0, 1, 5, 20, 50, 100, 200)

EXPLANATION = """
The same rule, and the largest safe rate in each; only the shape of the bowl differs. In the units of the
table one direction is far steeper than the others, and a rate that it can bear is too small for them.
Standardised columns are better, but still correlated; in an orthonormal basis all directions are alike.
The gap judges the descent, the held-out loss judges the model.
"""


def left(fit: st.Fit, step: int) -> str:
    """How far the loss is above the optimum before update `step`, as a share of it."""
    best = fit.exact.loss
    row = np.flatnonzero(fit.trace.step == step)
    if not row.size:
        return ""
    share = (fit.trace.objective[row[0]] - best) / best
    return f"{share:.1e}" if share > 1e-13 else "0"


def main(folders: list[str]) -> None:
    fits = [st.load(folder) for folder in folders]
    print("How far above the optimum, as a share of it, at which step:")
    print(f"{'coordinates':<17}" + "".join(f"{step:>9}" for step in LOOKS) + f"{'ends at':>9}{'held-out loss':>15}")
    for fit in fits:
        path = "".join(f"{left(fit, step):>9}" for step in LOOKS)
        print(f"{fit.precondition:<17}{path}{fit.steps:>9,}{fit.test_loss:>15.2f}")
    print(EXPLANATION)
    print("The runs: " + " ".join(folders))


if __name__ == "__main__":
    main(sys.argv[1:])

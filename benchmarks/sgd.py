"""`DescentRegressor` and `DescentClassifier` beside `SGDRegressor` and `SGDClassifier`, all with their defaults, in one run.

    .venv/bin/python benchmarks/sgd.py          every bundled and generated table, as it was measured and standardised

score      R² or accuracy on rows not seen, the mean of five folds
gap        F(θ)/F* − 1 of each one's own objective, on all rows; of SGD's classes the mean over one against the rest
warnings   how many of these six fits warn
seconds    of a fit to all rows, the best of several
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

import steepest as st

ALPHA = 1e-4
"""The l2 penalty that SGD has by default."""


def tables() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every sample: name, columns of numbers, and a target; of several targets each."""
    for name in st.synthetic.sample_names():
        frame, targets = st.synthetic.sample(name).to_pandas(), st.synthetic.sample_target(name)
        x = frame.drop(columns=targets).select_dtypes("number").to_numpy(dtype=float)
        for target in targets:
            label = name if len(targets) == 1 else f"{name}, {target}"
            yield label, x, frame[target].to_numpy()


def objective(loss: str, x: np.ndarray, y: np.ndarray, theta: np.ndarray, penalty: str) -> float:
    """F(θ)/F* − 1, F* an independent solver's."""
    fit = st.fit(x, y, loss=loss, penalty=penalty, max_steps=1)
    with np.errstate(all="ignore"):
        here, best = fit.objective(theta)[0], fit.exact
    if best is None or not np.isfinite(best.loss):
        return float("nan")
    floor = fit.objective(best.theta)[0] if best.theta is not None else best.loss
    return (here - floor) / max(floor, 1e-12 * float(fit.trace.objective[0]))


def gap_of_sgd(fitted: Any, x: np.ndarray, y: np.ndarray) -> float:
    """How far SGD is from the minimum of its own objective."""
    coefficients, intercepts = np.atleast_2d(fitted.coef_), np.atleast_1d(fitted.intercept_)
    if not hasattr(fitted, "classes_"):
        return objective("mse", x, y, np.append(intercepts, coefficients), f"l2:{ALPHA}")
    labels = fitted.classes_[1:] if len(fitted.classes_) == 2 else fitted.classes_
    found = [
        objective("hinge", x, (y == label).astype(int), np.append(b, w), f"l2:{ALPHA / 2}")
        for label, w, b in zip(labels, coefficients, intercepts, strict=True)
    ]
    return float(np.mean(found))


def measured(estimator: Any, x: np.ndarray, y: np.ndarray, repeats: int) -> tuple[float, float, int, float]:
    """Score, gap, warnings and seconds."""
    classes = hasattr(estimator, "decision_function") or hasattr(estimator, "class_weight")
    folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=0)
    warned, scores = 0, []
    for train, test in folds.split(x, y):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one = clone(estimator).fit(x[train], y[train])
        warned += bool(caught)
        with np.errstate(all="ignore"):
            scores.append(one.score(x[test], y[test]))
    times = []
    for _ in range(repeats):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            begun = time.perf_counter()
            whole = clone(estimator).fit(x, y)
            times.append(time.perf_counter() - begun)
    warned += bool(caught)
    gap = whole.fit_.relative_gap if hasattr(whole, "fit_") else gap_of_sgd(whole, x, y)
    return float(np.mean(scores)), float("nan") if gap is None else gap, warned, min(times)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    print("| table | columns | score, SGD's | gap, SGD's | warnings, SGD's | seconds, SGD's | times |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, x, y in tables():
        for scaled in (False, True):
            columns = StandardScaler().fit_transform(x) if scaled else x
            classes = y.dtype.kind not in "f" and name not in ("line",)
            ours, theirs = (
                (st.DescentClassifier(), SGDClassifier(random_state=0))
                if classes
                else (st.DescentRegressor(), SGDRegressor(random_state=0))
            )
            repeats = 1 if given.quick else 7
            a, b = measured(ours, columns, y, repeats), measured(theirs, columns, y, repeats)
            print(
                f"| {name} | {'standardised' if scaled else 'as measured'} | {a[0]:.3f}, {b[0]:.3g} | {a[1]:.0e}, {b[1]:.1e} | "
                f"{a[2]}, {b[2]} | {a[3]:.4f}, {b[3]:.4f} | {a[3] / b[3]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""`DescentRegressor` and `DescentClassifier` beside `SGDRegressor` and `SGDClassifier`, all with their defaults, in one run.

    python benchmarks/sgd.py [--quick]          every bundled and generated table, as it was measured and standardised

score      R² or accuracy on rows not seen, the mean of five folds
gap        F(θ)/F* − 1 of each one's own objective, on all rows; of SGD's classes the mean over one against the rest
warnings   how many of these six fits warn
seconds    of the processor, of a fit to all rows: the median of fifteen turns, in which both take theirs one after the other
"""

from __future__ import annotations

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
from side_by_side import Goal, Table, options, save

TURNS = 15

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


def measured(estimator: Any, x: np.ndarray, y: np.ndarray) -> tuple[float, float, int]:
    """Score, gap and warnings."""
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
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        whole = clone(estimator).fit(x, y)
    warned += bool(caught)
    gap = whole.fit_.relative_gap if hasattr(whole, "fit_") else gap_of_sgd(whole, x, y)
    return float(np.mean(scores)), float("nan") if gap is None else gap, warned


def in_turns(estimators: tuple[Any, ...], x: np.ndarray, y: np.ndarray, turns: int) -> list[float]:
    """Seconds of the processor that a fit of each takes."""
    times: list[list[float]] = [[] for _ in estimators]
    for _ in range(turns):
        for estimator, own in zip(estimators, times, strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                one = clone(estimator)
                begun = time.process_time()
                one.fit(x, y)
                own.append(time.process_time() - begun)
    return [float(np.median(own)) for own in times]


def main() -> None:
    """Measure, print a table and keep it."""
    quick = options(__doc__ or "").quick
    lines, times, behind, gaps, warned = [], {}, [], [], []
    for name, x, y in tables():
        for way in ("as measured", "standardised"):
            columns = StandardScaler().fit_transform(x) if way == "standardised" else x
            classes = y.dtype.kind not in "f" and name not in ("line",)
            ours, theirs = (
                (st.DescentClassifier(), SGDClassifier(random_state=0))
                if classes
                else (st.DescentRegressor(), SGDRegressor(random_state=0))
            )
            a, b = (measured(one, columns, y) for one in (ours, theirs))
            took = in_turns((ours, theirs), columns, y, 1 if quick else TURNS)
            times[f"{name}, {way}"] = took[0] / took[1]
            if way == "as measured":
                behind, gaps, warned = [*behind, b[0] - a[0]], [*gaps, a[1] >= b[1]], [*warned, a[2] > b[2]]
            score, gap, seconds = f"{a[0]:.3f}, {b[0]:.3g}", f"{a[1]:.0e}, {b[1]:.1e}", f"{took[0]:.4f}, {took[1]:.4f}"
            lines.append((name, way, score, gap, f"{a[2]}, {b[2]}", seconds, f"{took[0] / took[1]:.1f}"))
        if quick and name == "iris":
            break
    head = ("table", "columns", "score, SGD's", "gap, SGD's", "warnings, SGD's", "seconds, SGD's", "times")
    longest = max(times, key=times.__getitem__)
    goals = [
        Goal("the most that a score lies below SGD's, columns as measured", max(behind), "≤", 5e-4, unit=""),
        Goal("tables, as measured, whose gap is no smaller than SGD's", sum(gaps), "≤", 0, unit=""),
        Goal("tables, as measured, with more warnings than SGD's", sum(warned), "≤", 0, unit=""),
        Goal(f"the time of SGD, at most: {longest}", times[longest], "≤", 3),
        Goal("the time of SGD, the median", float(np.median(list(times.values()))), "≤", 3),
    ]
    save(
        "sgd",
        quick,
        [Table("`DescentRegressor` and `DescentClassifier` beside SGD, with the defaults of both", head, lines)],
        goals,
    )


if __name__ == "__main__":
    main()

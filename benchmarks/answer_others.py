"""Seconds to an answer of other problems: float32, classes, penalties, kinks, small and wide tables, files; and memory.

    python benchmarks/answer_others.py [--quick]

Each problem has its gap: the relative distance to the least objective of all ways, within which a way counts. The smallest
budget that gets there is found first, then the whole calls take turns. Ours is `fit(x, y)`, asked for loss, metrics and gap.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, QuantileRegressor, Ridge

import steepest as st
from answer_files import files, memory
from side_by_side import Goal, Peer, Table, absent, options, save, short, take_turns
from solvers import ASKED, MANY, OURS, Problem, Way, jax_ways, mean_loss, pytorch, scikit_learn, standardised

TURNS = 5


@dataclass(frozen=True)
class Case:
    """A problem, its ways, its objective F(θ), how near a way must come, and the goal: ours over the fastest peer."""

    name: str
    ways: Sequence[Way]
    value: Callable[[np.ndarray], float]
    gap: float
    bound: float
    turns: int = TURNS


def asked(x: np.ndarray, y: np.ndarray, **settings: object) -> st.Fit:
    fit = st.fit(x, y, **settings)
    assert fit.loss is not None
    assert fit.metrics
    assert fit.gap is not None
    return fit


def ours(x: np.ndarray, y: np.ndarray, **settings: object) -> Way:
    return Way(OURS, ASKED, lambda _: asked(x, y, **settings).theta)


def coefficients(model: object) -> np.ndarray:
    """Of one output the intercept first; of k classes `[k·p]`."""
    return np.column_stack([np.reshape(model.intercept_, (-1, 1)), np.atleast_2d(model.coef_)]).ravel()


def scikit(setting: str, make: Callable[[int], object], x: np.ndarray, y: np.ndarray, budgets: tuple = (0,)) -> Way:
    return Way("scikit-learn", setting, lambda budget: coefficients(make(budget).fit(x, y)), budgets)


# ---- the problems ----------------------------------------------------------------------------------


def cases(quick: bool) -> Iterator[Case]:
    """One after another, so that only one is in memory."""
    yield from single(quick)
    yield several_classes(quick)
    yield lasso(quick)
    yield ridge(quick)
    yield from kinks(quick)
    yield wide(quick)


def line(rows: int, columns: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns))
    return x, x @ random.standard_normal(columns) + noise * random.standard_normal(rows)


def single(quick: bool) -> Iterator[Case]:
    for name, scale, mean in (("well", 1.0, 0.0), ("badly", np.logspace(-3, 3, 50), 2.0)):
        x, y = line(20_000 if quick else 1_000_000, 50)
        x, y = ((x + mean) * scale).astype(np.float32), y.astype(np.float32)
        problem = Problem(name, x, y, False, 0.0)
        ways = [ours(x, y), *(way for way in scikit_learn(problem) if "SGD" not in way.peer), *pytorch(problem)]
        if absent("jax") is None:
            ways += [way for way in jax_ways(problem) if "Newton" in way.setting]
        double = x.astype(np.float64), y.astype(np.float64)
        title = f"regression, {name} scaled, float32, {len(x):,} × 50"
        yield Case(title, ways, lambda theta, known=double: mean_loss(*known, False, theta), 1e-6, 0.8)


def several_classes(quick: bool) -> Case:
    random, classes = np.random.default_rng(0), 10
    x = random.standard_normal((10_000 if quick else 100_000, 50))
    scores = x @ (0.5 * random.standard_normal((50, classes)))
    y = (scores + random.gumbel(size=scores.shape)).argmax(1)

    def value(theta: np.ndarray) -> float:
        known = torch.from_numpy(theta.reshape(classes, -1))
        return float(
            torch.nn.functional.cross_entropy(torch.from_numpy(x) @ known[:, 1:].T + known[:, 0], torch.from_numpy(y))
        )

    def lbfgs(budget: int) -> np.ndarray:
        z, mean, scale = standardised(torch.from_numpy(x).float())
        target, weights = torch.from_numpy(y), torch.zeros(51, classes, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weights],
            max_iter=budget,
            history_size=10,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(z @ weights[1:] + weights[0], target)
            loss.backward()
            return loss

        optimizer.step(closure)
        found = weights.detach().double().numpy()
        slopes = found[1:] / scale.double().numpy()[:, None]
        return np.column_stack([found[0] - mean.double().numpy() @ slopes, slopes.T]).ravel()

    def logistic(budget: int) -> LogisticRegression:
        return LogisticRegression(C=np.inf, solver="lbfgs", tol=1e-12, max_iter=budget)

    ways = [
        ours(x, y, model="softmax"),
        scikit("lbfgs", logistic, x, y, MANY),
        Way("PyTorch", "LBFGS, float32", lbfgs, MANY),
    ]
    return Case(f"softmax, {len(x):,} × 50, {classes} classes", ways, value, 1e-6, 1.0)


def lasso(quick: bool) -> Case:
    random = np.random.default_rng(0)
    x = random.standard_normal((10_000 if quick else 100_000, 500))
    y = x[:, :50] @ random.standard_normal(50) + 2.0 * random.standard_normal(len(x))
    l1 = 0.1 * 2.0 * float(np.abs(x.T @ (y - y.mean())).max()) / len(x)

    def value(theta: np.ndarray) -> float:
        return mean_loss(x, y, False, theta) + l1 * float(np.abs(theta[1:]).sum())

    def descent(budget: int) -> Lasso:
        return Lasso(alpha=l1 / 2.0, tol=10.0**-budget)

    ways = [ours(x, y, penalty=f"l1:{l1!r}"), scikit("Lasso", descent, x, y, (4, 5, 6, 7, 8, 9, 10))]
    return Case(f"lasso, a tenth of the emptying penalty, {len(x):,} × 500", ways, value, 1e-8, 1.0)


def ridge(quick: bool) -> Case:
    x, y = line(*((400, 1_000) if quick else (2_000, 5_000)))

    def value(theta: np.ndarray) -> float:
        return mean_loss(x, y, False, theta) + 0.01 * float(theta[1:] @ theta[1:])

    ways = [ours(x, y, penalty="l2:0.01")]
    ways += [
        scikit(f"Ridge, {name}", lambda _, s=name: Ridge(alpha=0.01 * len(x), solver=s), x, y)
        for name in ("auto", "cholesky")
    ]
    return Case(f"ridge, {len(x):,} × {x.shape[1]:,}", ways, value, 1e-8, 1.0)


def kinks(quick: bool) -> Iterator[Case]:
    for loss, level in (("l1", 0.5), ("quantile:0.9", 0.9)):
        x, y = line(2_000 if quick else 100_000, 20)

        def value(theta: np.ndarray, x=x, y=y, level=level) -> float:
            left = y - x @ theta[1:] - theta[0]
            return float(np.mean(np.maximum(level * left, (level - 1.0) * left)))

        def programme(_: int, level=level) -> QuantileRegressor:
            return QuantileRegressor(quantile=level, alpha=0.0, solver="highs")

        ways = [ours(x, y, loss=loss), scikit("QuantileRegressor, HiGHS", programme, x, y)]
        yield Case(f"{loss}, {len(x):,} × 20", ways, value, 1e-5, 1.0, turns=1)


def wide(quick: bool) -> Case:
    """To the printed answer, diagnosis included."""
    from scipy import linalg

    x, y = line(*((600, 500) if quick else (6_000, 5_000)))

    def printed(_: int) -> np.ndarray:
        fit = st.fit(x, y)
        assert str(fit)
        assert str(fit.diagnose())
        return fit.theta

    def lstsq(_: int) -> np.ndarray:
        return linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y)[0]

    ways = [Way(OURS, "fit(x, y), printed and diagnosed", printed), Way("SciPy", "linalg.lstsq", lstsq)]
    return Case(
        f"regression, {len(x):,} × {x.shape[1]:,}", ways, lambda t: mean_loss(x, y, False, t), 1e-6, 1.5, turns=1
    )


# ---- side by side --------------------------------------------------------------------------------


def measured(case: Case, quick: bool) -> tuple[Table, Goal]:
    """Every way with the smallest budget that comes near enough, in turns; what takes minutes is timed as that is found."""
    best, found, once = np.inf, {}, {}
    for way in case.ways:  # ours comes first, and is nearest
        for budget in way.budgets:
            began = time.perf_counter()
            theta = way.solve(budget)
            once[way.name] = time.perf_counter() - began
            value = case.value(theta)
            best = min(best, value)
            found[way.name] = way, budget, value
            if value <= best + case.gap * abs(best):
                break
    near = {name: kept for name, kept in found.items() if kept[2] <= best + case.gap * abs(best)}
    peers = [Peer(name, lambda w=way, b=budget: w.solve(b)) for name, (way, budget, _) in near.items()]
    timed = {} if case.turns == 1 else take_turns(peers, 1 if quick else case.turns, warm=0)
    seconds = {name: timed[name].median if timed else once[name] for name in near}
    fastest = min((s for name, s in seconds.items() if found[name][0].peer != OURS), default=None)
    mine = next((s for name, s in seconds.items() if found[name][0].peer == OURS), None)
    rows = [
        (
            name,
            str(budget or ""),
            short(seconds[name]) if name in near else "not near enough",
            f"{(value - best) / abs(best):.0e}",
        )
        for name, (_, budget, value) in found.items()
    ]
    head = ("", "budget", "s", "relative gap")
    ratio = mine / fastest if mine and fastest else None
    goal = Goal(
        f"{case.name}, gap {case.gap:g}: ours over the fastest peer",
        ratio,
        "≤",
        case.bound,
        why="a way did not get there",
    )
    return Table(f"Time to an answer: {case.name}", head, rows), goal


def small(quick: bool) -> Goal:
    """A thousand fits in a row."""
    x, y = line(100, 3)
    count = 20 if quick else 1_000

    def peer(one: Callable[[], object]) -> Callable[[], None]:
        return lambda: [one() for _ in range(count)] and None

    peers = [
        Peer("ours", peer(lambda: asked(x, y))),
        Peer("scikit-learn", peer(lambda: LinearRegression().fit(x, y).score(x, y))),
    ]
    timed = take_turns(peers, 1 if quick else TURNS)
    ratio = timed["ours"].median / timed["scikit-learn"].median
    return Goal(f"{count:,} fits of 100 × 3: ours over LinearRegression and its score", ratio, "≤", 3.0)


def main() -> None:
    quick = options(__doc__).quick
    warnings.filterwarnings("ignore", message="(?s).*converge")  # a budget that ends early is meant
    tables, goals = [], []
    for case in cases(quick):
        table, goal = measured(case, quick)
        tables.append(table)
        goals.append(goal)
        save("answer_others", quick, tables, goals)  # what is measured by now: a solve of a peer takes minutes
    goals += [small(quick), *files(quick), *memory(quick)]
    save("answer_others", quick, tables, goals)


if __name__ == "__main__":
    main()

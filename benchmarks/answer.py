"""Seconds from arrays in memory to an answer: until the relative gap (F − F*)/F* is at most 1e-3, and 1e-6.

    python benchmarks/answer.py [--quick]

Every way of solving has a budget (steps, epochs, iterations). The smallest budget that gets there is found first, and
then the whole call with that budget is timed, in turns: from float64 arrays to θ in user units, whatever is copied,
scaled or checked on the way included, compilation not. F* comes from a solver outside of the timing. The badly scaled
columns have units from 1e-3 to 1e3, and means of two units.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

import steepest as st
from side_by_side import Goal, Peer, Table, absent, load_kernels, missing, options, save, short, take_turns

TARGETS = (1e-3, 1e-6)
TURNS = 3
PATIENCE = 8.0
"""Seconds that one solve may take before larger budgets are given up."""

FEW = (1, 2, 4, 8, 16)
MANY = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
OURS = "Steepest"


@dataclass(frozen=True)
class Problem:
    """x `[n, d]`, y `[n]` (0.0/1.0 for `logistic`), and the least possible F."""

    name: str
    x: np.ndarray
    y: np.ndarray
    logistic: bool
    best: float

    def gap(self, theta: np.ndarray) -> float:
        """(F(θ) − F*)/F*; θ is the intercept, then one number a column."""
        return mean_loss(self.x, self.y, self.logistic, theta) / self.best - 1


@dataclass(frozen=True)
class Way:
    """A way to solve: `solve(budget)` → θ in user units. budgets: those to try, smallest first; 0 stands for none."""

    peer: str
    setting: str
    solve: Callable[[int], np.ndarray]
    budgets: tuple[int, ...] = (0,)

    @property
    def name(self) -> str:
        return f"{self.peer}, {self.setting}"


def mean_loss(x: np.ndarray, y: np.ndarray, logistic: bool, theta: np.ndarray) -> float:
    """Mean squared residual, or mean logistic loss."""
    prediction = x @ theta[1:] + theta[0]
    return float(np.mean(np.logaddexp(0.0, prediction) - y * prediction if logistic else (y - prediction) ** 2))


def problems(quick: bool) -> Iterator[Problem]:
    """One after another, so that only one is in memory."""
    random = np.random.default_rng(0)
    for name, rows, columns, scale, logistic in (
        ("regression, well scaled", 1_000_000, 50, np.ones(50), False),
        ("regression, badly scaled", 1_000_000, 50, np.logspace(-3, 3, 50), False),
        ("logistic regression", 100_000, 100, np.ones(100), True),
    ):
        rows = rows // 100 if quick else rows
        x = random.standard_normal((rows, columns))
        truth = random.standard_normal(columns) / (columns**0.5 if logistic else 1.0)
        signal = x @ truth
        if logistic:
            y = (random.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(np.float64)
        else:
            y = signal + random.standard_normal(rows)
        if np.ptp(scale):
            x = (x + 2.0) * scale
        yield Problem(f"{name}, {rows:,} × {columns}", x, y, logistic, exact(x, y, logistic))


def exact(x: np.ndarray, y: np.ndarray, logistic: bool) -> float:
    """F* by Newton's method on standardised columns in float64, until the decrement is nothing but rounding."""
    mean, scale = x.mean(0), x.std(0)
    design = np.column_stack([np.ones(len(x)), (x - mean) / scale])
    theta = np.zeros(design.shape[1])
    for _ in range(50):
        prediction = design @ theta
        share = 1 / (1 + np.exp(-prediction)) if logistic else prediction
        bend = share * (1 - share) if logistic else np.ones(len(x))
        gradient = design.T @ (share - y) / len(x)
        step = np.linalg.solve((design.T * bend) @ design / len(x), gradient)
        theta -= step
        if gradient @ step < 1e-24:
            break
    return mean_loss(design[:, 1:], y, logistic, theta)


# ---- ours ----------------------------------------------------------------------------------------

DESCENT: dict[tuple[str, int], float] = {}
"""Seconds of the descent alone, by way and budget, of the last run."""


def ours(problem: Problem) -> Iterator[Way]:
    """`fit()` with nothing but the data, in float64 and float32; first-order descents in standardised columns."""

    def way(setting: str, budgets: tuple[int, ...] = MANY, **words: object) -> Way:
        def solve(budget: int) -> np.ndarray:
            fit = st.fit(problem.x, problem.y, loss="logistic" if problem.logistic else "mse", epochs=budget, **words)
            DESCENT[f"{OURS}, {setting}", budget] = fit.seconds
            return fit.theta

        return Way(OURS, setting, solve, budgets)

    yield way("fit(x, y)")
    yield way('fit(…, dtype="float32")', dtype="float32")
    first = {"precondition": "standardize", "dtype": "float32"}
    yield way("accelerated, full batch, standardised, float32", **first)
    yield way("sgd, batch_size=256, standardised, float32", FEW, optimizer="sgd", batch_size=256, **first)
    blocks = {"optimizer": "sgd", "batch_size": 256, "shuffle": "blocks", **first}
    yield way("the same by blocks", FEW, **blocks)


# ---- the peers -----------------------------------------------------------------------------------


def scikit_learn(problem: Problem) -> Iterator[Way]:
    """Its SGD, scaled by StandardScaler, and its direct and quasi-Newton solvers."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def coefficients(model: object) -> np.ndarray:
        return np.append(model.intercept_, model.coef_)

    def direct(setting: str, make: Callable[[int], object], budgets: tuple[int, ...] = (0,)) -> Way:
        return Way("scikit-learn", setting, lambda b: coefficients(make(b).fit(problem.x, problem.y)), budgets)

    def descent(setting: str, **words: object) -> Way:
        model = SGDClassifier if problem.logistic else SGDRegressor
        loss = "log_loss" if problem.logistic else "squared_error"

        def solve(budget: int) -> np.ndarray:
            sgd = model(loss=loss, penalty=None, max_iter=budget, tol=None, random_state=0, **words)
            pipe = make_pipeline(StandardScaler(), sgd).fit(problem.x, problem.y)
            scaler = pipe[0]
            slopes = sgd.coef_.ravel() / scaler.scale_
            return np.append(sgd.intercept_ - slopes @ scaler.mean_, slopes)

        return Way("scikit-learn SGD", setting, solve, FEW)

    yield descent("averaged, eta0=1e-3", learning_rate="constant", eta0=1e-3, average=True)
    if problem.logistic:
        yield descent("invscaling, eta0=0.1", learning_rate="invscaling", eta0=0.1, power_t=0.5)
        yield descent("averaged, eta0=1e-2", learning_rate="constant", eta0=1e-2, average=True)
        for solver in ("lbfgs", "newton-cholesky", "newton-cg"):
            yield direct(
                solver, lambda b, s=solver: LogisticRegression(C=np.inf, solver=s, tol=1e-12, max_iter=b), MANY
            )
    else:
        yield descent("invscaling, eta0=3e-3", learning_rate="invscaling", eta0=3e-3, power_t=0.5)
        yield direct("LinearRegression", lambda _: LinearRegression())
        yield direct("Ridge(0, cholesky)", lambda _: Ridge(alpha=0.0, solver="cholesky"))
        yield direct("Ridge(0, lsqr)", lambda b: Ridge(alpha=0.0, solver="lsqr", tol=1e-12, max_iter=b), MANY)


def standardised(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Columns of mean 0 and variance 1, their mean and scale."""
    scale, mean = torch.std_mean(x, 0, correction=0)
    return (x - mean).div_(scale), mean, scale


def in_user_units(theta: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """θ of standardised columns as θ of the columns."""
    slopes = theta[1:] / scale
    return np.append(theta[0] - slopes @ mean, slopes)


def pytorch(problem: Problem) -> Iterator[Way]:
    """LBFGS over all rows with a line search, on standardised columns, in float32 and float64."""

    def solve(budget: int, dtype: torch.dtype) -> np.ndarray:
        x, mean, scale = standardised(torch.from_numpy(problem.x).to(dtype))
        y = torch.from_numpy(problem.y).to(dtype)
        w = torch.zeros(x.shape[1], dtype=dtype, requires_grad=True)
        b = torch.zeros((), dtype=dtype, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [w, b],
            max_iter=budget,
            history_size=10,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            prediction = x @ w + b
            if problem.logistic:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(prediction, y)
            else:
                loss = ((prediction - y) ** 2).mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        theta = torch.cat([b.detach()[None], w.detach()]).double().numpy()
        return in_user_units(theta, mean.double().numpy(), scale.double().numpy())

    for name in ("float32", "float64"):
        yield Way("PyTorch", f"LBFGS, {name}", lambda b, n=name: solve(b, getattr(torch, n)), MANY)


def jax_ways(problem: Problem) -> Iterator[Way]:
    """One compiled call in float32: Newton's method (normal equations), and accelerated gradient steps."""
    import jax
    import jax.numpy as jnp

    def prepared(x, y):
        mean, scale = x.mean(0), x.std(0)
        return jnp.column_stack([jnp.ones(len(y)), (x - mean) / scale]), mean, scale

    def gradient(design, y, theta):
        prediction = design @ theta
        return design.T @ ((jax.nn.sigmoid(prediction) if problem.logistic else prediction) - y) / len(y)

    def newton(x, y, steps):
        design, mean, scale = prepared(x, y)

        def step(_, theta):
            share = jax.nn.sigmoid(design @ theta)
            weighted = design * (share * (1 - share))[:, None] if problem.logistic else design
            return theta - jnp.linalg.solve(weighted.T @ design / len(y), gradient(design, y, theta))

        return jax.lax.fori_loop(0, steps, step, jnp.zeros(design.shape[1])), mean, scale

    def accelerated(x, y, steps):
        design, mean, scale = prepared(x, y)

        def power(_, v):
            v = design.T @ (design @ v) / len(y)
            return v / jnp.linalg.norm(v)

        v = jax.lax.fori_loop(0, 10, power, jnp.ones(design.shape[1]))
        largest = 1.05 * jnp.linalg.norm(design.T @ (design @ v)) / len(y) * (0.25 if problem.logistic else 1.0)

        def step(i, state):
            before, ahead = state
            theta = ahead - gradient(design, y, ahead) / largest
            return theta, theta + i / (i + 3) * (theta - before)

        start = jnp.zeros(design.shape[1])
        return jax.lax.fori_loop(0, steps, step, (start, start))[0], mean, scale

    for setting, run, budgets in (
        ("Newton", jax.jit(newton), MANY[:8]),
        ("accelerated gradient", jax.jit(accelerated), MANY),
    ):

        def solve(budget: int, run: Callable = run) -> np.ndarray:
            x, y = jnp.asarray(problem.x, jnp.float32), jnp.asarray(problem.y, jnp.float32)
            return in_user_units(*(np.asarray(part, np.float64) for part in run(x, y, budget)))

        yield Way("JAX", f"{setting}, jit, float32", solve, budgets)


# ---- side by side --------------------------------------------------------------------------------


def budgets(problem: Problem, way: Way) -> tuple[list[int | None], float]:
    """The smallest budget to each target, None where none of them gets there, and the least gap seen."""
    found: list[int | None] = [None] * len(TARGETS)
    least = float("inf")
    for budget in way.budgets:
        began = time.perf_counter()
        gap = problem.gap(way.solve(budget))
        least = min(least, gap if gap == gap else least)
        for i, target in enumerate(TARGETS):
            if found[i] is None and gap <= target:
                found[i] = budget
        if None not in found or time.perf_counter() - began > PATIENCE:
            break
    print(f"{way.name}: budgets {found}, least gap {least:.1e}", file=sys.stderr, flush=True)
    return found, least


def measure(problem: Problem, turns: int) -> tuple[Table, list[Goal], dict[str, list[float | None]]]:
    ways: list[Way] = list(ours(problem))
    for module, more in (("sklearn", scikit_learn), ("torch", pytorch), ("jax", jax_ways)):
        if absent(module) is None:
            ways += more(problem)
    known = {way.name: budgets(problem, way) for way in ways}
    peers = [
        Peer(f"{way.name} [{budget}]", lambda w=way, b=budget: w.solve(b))
        for way in ways
        for budget in dict.fromkeys(known[way.name][0])
        if budget is not None
    ]
    timed = take_turns(peers, turns, warm=0)  # finding the budgets has warmed everything
    seconds: dict[str, list[float | None]] = {
        way.name: [None if b is None else timed[f"{way.name} [{b}]"].median for b in known[way.name][0]] for way in ways
    }
    least = [min((s[i] for s in seconds.values() if s[i] is not None), default=None) for i in range(len(TARGETS))]

    def cell(way: Way, i: int) -> str:
        taken, budget = seconds[way.name][i], known[way.name][0][i]
        if taken is None:
            return f"not reached ({known[way.name][1]:.0e})"
        return f"{short(taken)}" + (f" ({budget})" if budget else "")

    rows = [
        (
            way.name,
            *(cell(way, i) for i in range(len(TARGETS))),
            *(short(s / b) if (s := seconds[way.name][i]) and (b := least[i]) else "–" for i in range(len(TARGETS))),
            " / ".join("–" if b is None else short(DESCENT[way.name, b]) for b in known[way.name][0])
            if way.peer == OURS
            else "",
        )
        for way in sorted(ways, key=lambda way: tuple(s or 1e9 for s in seconds[way.name][::-1]))
    ]
    head = (
        "",
        *(f"s to {t:g} (budget)" for t in TARGETS),
        *(f"× fastest to {t:g}" for t in TARGETS),
        "of it the descent",
    )
    table = Table(f"Time to an answer: {problem.name}", head, rows, missing("sklearn", "torch", "jax"))
    goals = []
    for i, target in enumerate(TARGETS):
        mine = min((s[i] for n, s in seconds.items() if n.startswith(OURS) and s[i] is not None), default=None)
        for peer in dict.fromkeys(way.peer for way in ways if way.peer != OURS):
            theirs = min((seconds[w.name][i] for w in ways if w.peer == peer and seconds[w.name][i]), default=None)
            ratio = theirs / mine if theirs and mine else None
            why = f"{peer} did not get there" if mine else "ours did not get there"
            goals.append(Goal(f"{problem.name}, gap {target:g}: ours faster than {peer}", ratio, why=why))
    return table, goals, seconds


def main() -> None:
    quick = options(__doc__).quick
    warnings.filterwarnings("ignore", message="(?s).*converge")  # a budget that ends early is meant
    for dtype in ("float32", "float64"):
        load_kernels(dtype)
    tables: list[Table] = []
    promised: list[Goal] = []
    figures = {}
    for problem in problems(quick):
        table, goals, seconds = measure(problem, 1 if quick else TURNS)
        tables.append(table)
        promised += goals
        figures[problem.name] = seconds
    save("answer", quick, tables, promised, answers=figures)


if __name__ == "__main__":
    main()

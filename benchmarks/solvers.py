"""Ways to an answer: ours and the peers', each from float64 arrays to θ in user units with a budget of steps.

    for way in solvers.jax_ways(problem):
        theta = way.solve(budget)           the intercept, then one number a column

What is copied, scaled or checked on the way is part of it. First-order ways standardise the columns; without that, none
of them gets anywhere on badly scaled ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

import steepest as st

FEW = (1, 2, 4, 8, 16)
MANY = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
OURS = "Steepest"
ASKED = "fit(x, y), and asked for loss, metrics and gap"


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

    def whole(_: int) -> np.ndarray:
        fit = st.fit(problem.x, problem.y, loss="logistic" if problem.logistic else "mse")
        DESCENT[f"{OURS}, {ASKED}", 0] = fit.seconds
        assert fit.loss is not None
        assert fit.metrics
        assert fit.gap is not None
        return fit.theta

    yield Way(OURS, ASKED, whole)
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

"""How sharp the objective is where a descent stands: the leading eigenvalues of its Hessian, for any model.

The Hessian is never formed: Hessian times a vector is the gradient of (gradient · vector), by autograd, and Lanczos' method
finds the largest and the smallest eigenvalues from a few dozen of these. A negative one is a way down: the descent stands at
a saddle. The largest, λ, is set against what the rule holds at its rate (2/lr for sgd): gradient descent on networks comes
to where λ is just that, and stays there.

Sources: Pearlmutter 1994 (the product); Cohen, Kaur, Li, Kolter and Talwalkar, Gradient descent on neural networks typically
occurs at the edge of stability (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.analysis import stable_rate
from steepest.analysis.finding import Fitted
from steepest.analysis.fit_settings import frame_of, innermost_rule
from steepest.errors import FitError, SpecError
from steepest.lazy import Tensor, delegated, torch
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.of_fit import module_objective, tensors
from steepest.numerics import lanczos
from steepest.numerics.hessians import products
from steepest.text import sharpness as sharpness_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document

if TYPE_CHECKING:
    from steepest.result import Fit

ROWS = 1_000
STEPS = 40  # steps looked at where `along=True`
FLAT = 1e-10  # share of the largest curvature below which one upwards counts as none
DOWN = 1e-6
"""Share of the largest curvature below which one downwards does: on the way to a minimum there are small ones."""

AT_REST = 1e-6  # share of F that a step along the steepest direction could still gain at a point that counts as at rest


@dataclass(frozen=True)
class Along:
    """Sharpness along a descent, each `[S]`.

    step: the recorded steps that were looked at. sharpness: λ there. lr: the rate. limit: the λ up to which the rule holds at it.
    """

    step: np.ndarray
    sharpness: np.ndarray
    lr: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True)
class Sharpness(Displayed):
    """The ends of the Hessian's spectrum where a descent ended; `print()` says what they mean.

    largest: `[count]` eigenvalues, falling. smallest: `[count]`, rising. Both in the coordinates of the descent (of a module
    its parameters). gradient_norm: ‖∇F‖ there. at_rest: whether a step along it could gain next to nothing. value: F there.
    rule and lr: those of the descent's last step. limit: the curvature up to which the rule holds at that rate, nan where none is
    known. rows: how many were looked at. all_rows: whether that is all of them. parameters: how many. along: the same along the
    descent, where it was asked for.
    """

    largest: np.ndarray
    smallest: np.ndarray
    gradient_norm: float
    at_rest: bool
    value: float
    rule: str
    lr: float
    limit: float
    rows: int
    all_rows: int
    parameters: int
    along: Along | None = None

    @property
    def verdict(self) -> str:
        """`minimum` (curved upwards in every direction), `saddle` (downwards in one), or `flat` (not curved in one)."""
        least, size = float(self.smallest[0]), float(max(abs(self.largest[0]), abs(self.smallest[0])))
        if least < -DOWN * size:
            return "saddle"
        return "minimum" if least > FLAT * size else "flat"

    @property
    def ratio(self) -> float:
        """λ over the limit: above 1 the rule does not hold here."""
        return float(self.largest[0]) / self.limit

    def to_dict(self) -> dict[str, Any]:
        """As a plain object.

        Example:
            >>> from steepest.fitting import fit
            >>> sharpness(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).to_dict()["verdict"]
            'minimum'
        """
        along = None if self.along is None else {name: part.tolist() for name, part in vars(self.along).items()}
        found = {**vars(self), "largest": self.largest.tolist(), "smallest": self.smallest.tolist(), "along": along}
        return found | {"verdict": self.verdict, "ratio": self.ratio}

    if TYPE_CHECKING:
        from steepest.plots.sharpness import plot
    else:
        plot = delegated("steepest.plots.sharpness:plot")

    def _document(self, width: float) -> Document:
        return sharpness_text.document(self)


def sharpness(fit: Fit, count: int = 3, rows: int | None = ROWS, along: bool | int = False) -> Sharpness:
    """The leading eigenvalues of ∇²F where a descent ended, and along it if asked.

    Args:
        count: how many from each end of the spectrum.
        rows: as many training rows, drawn by the fit's seed, stand for all of them; None takes all.
        along: how many recorded steps to look at, evenly spread; True is 40.

    Raises:
        FitError: a loaded fit, which has no data (or no module).
        SpecError: a loss with a kink; or `along` where the trace has no θ.

    >>> from steepest.fitting import fit
    >>> found = sharpness(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0], lr=0.1, epochs=500))
    >>> found.largest.round(6).tolist(), found.verdict, round(found.ratio, 6)
    ([8.405125, 0.594875], 'minimum', 0.420256)
    """
    fit = fit.inner
    if count < 1 or (rows is not None and rows < 1):
        raise SpecError(f"count={count}, rows={rows}: both must be at least 1.")
    surface = _surface(fit, rows)
    rule = innermost_rule(fit)
    holds = float("nan") if rule is None else stable_rate.largest_rate(np.ones(1), rule)
    rates = np.asarray(fit.trace.lr, dtype=np.float64)
    path = _along(fit, surface, STEPS if along is True else int(along), holds) if along else None
    value, gradient, product = surface.at(fit.theta)
    largest, smallest = lanczos.ends(product, surface.size, count)
    steepest = max(float(largest[0]), np.finfo(float).tiny)
    gain = float(gradient @ gradient) / (2.0 * steepest)
    with np.errstate(divide="ignore"):
        limit = float(holds / rates[-1])
    return Sharpness(
        largest, smallest, float(np.linalg.norm(gradient)), gain <= AT_REST * abs(value), value,
        fit.optimizer, float(rates[-1]), limit, surface.rows, fit.train.rows if fit.train else 0, surface.size, path,
    )  # fmt: skip


@dataclass(frozen=True)
class _Surface:
    """F as a function of θ in user units that autograd can go through twice. matrix: from the descent's coordinates."""

    function: Callable[[Tensor], Tensor]
    size: int
    rows: int
    outputs: int = 1
    matrix: np.ndarray | None = None

    def at(self, theta: np.ndarray) -> tuple[float, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """F, its gradient and its Hessian times a vector at θ, in the descent's coordinates."""
        place = torch.as_tensor(np.asarray(theta, dtype=np.float64))
        if self.matrix is None:
            return products(self.function, place)
        turn = torch.as_tensor(self.matrix).T

        def function(c: Tensor) -> Tensor:
            return self.function(place + (c.view(self.outputs, -1) @ turn).reshape(-1))

        return products(function, torch.zeros(self.size, dtype=place.dtype))


def _surface(fit: Fitted, rows: int | None) -> _Surface:
    if fit.train is None:
        raise FitError("This fit has no data of its own, so its sharpness is not known. Fit a table to have it.")
    if fit.loss_function.kinked:
        raise SpecError(f"loss {fit.loss_function} has a kink and so no curvature.")
    total = fit.train.rows
    chosen = np.arange(total)
    if rows is not None and rows < total:
        chosen = np.sort(np.random.default_rng([fit.spec.seed, 3]).choice(total, rows, replace=False))
    if fit.problem is not None:
        return _of_linear(fit, fit.problem, chosen)
    return _of_module(fit, chosen)


def _of_linear(fit: Fitted, problem: LinearProblem, chosen: np.ndarray) -> _Surface:
    frame = frame_of(fit, problem)
    weights = None if problem.weights is None else problem.weights[chosen]
    some = replace(problem, design=problem.design[chosen], target=problem.target[chosen], weights=weights, low=None)
    objective = LinearObjective(some)
    size = problem.parameters if frame is None else frame.rank * problem.outputs
    matrix = None if frame is None else frame.matrix
    return _Surface(
        lambda theta: objective.value(theta) + objective.penalty(theta), size, len(chosen), problem.outputs, matrix
    )


def _of_module(fit: Fitted, chosen: np.ndarray) -> _Surface:
    assert fit.train is not None
    x, y, weights = tensors(fit.train, fit.loss_function)
    whole = module_objective(fit, fit.train)
    whole.module.eval()
    some = whole.on(x[chosen], y[chosen], None if weights is None else weights[chosen])
    return _Surface(lambda theta: some.mean_at(theta) + some.penalty(theta), some.theta.numel(), len(chosen))


def _along(fit: Fitted, surface: _Surface, count: int, holds: float) -> Along:
    trace = fit.trace
    if list(trace.names) != list(fit.names):
        raise SpecError("The trace does not hold every parameter, so the sharpness along the descent is not known.")
    finite = np.flatnonzero(np.isfinite(trace.theta).all(1))
    kept = np.unique(finite[np.linspace(0, len(finite) - 1, min(count, len(finite))).round().astype(int)])
    found = [lanczos.largest(surface.at(trace.theta[place])[2], surface.size) for place in kept]
    lr = np.asarray(trace.lr, dtype=np.float64)[kept]
    with np.errstate(divide="ignore"):
        return Along(np.asarray(trace.step)[kept], np.array(found), lr, holds / lr)

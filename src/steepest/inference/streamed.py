"""Standard errors and figures of a fit to a stream: from the curvature of a last pass over all rows, robust ones from one more.

For `mse`, the losses of classes and those of families; the formulas are those of `covariance.py` and `regression.py`. A family's
expected curvature takes a pass of its own, and so do the densities of its rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis.exact.smooth import sum_to_zero
from steepest.errors import FitError, SpecError
from steepest.inference import distributions
from steepest.inference.covariance import HC, Covariance
from steepest.inference.regression import Figures, information, normal_likelihood, of_classes, of_family, of_squares
from steepest.model.stream_basis import basis_of
from steepest.model.stream_objective import StreamObjective, StreamPass
from steepest.model.tall_curvature import IllConditioned
from steepest.result import Fit
from steepest.streamed_scores import deviances, passes_of

KINDS = ("least squares", "classes", "family")

DEPENDENT = (
    "Columns depend on one another so nearly that there are no standard errors over a stream: leave one of them out."
)


def worth_of(fit: Fit, cov: str, user: np.ndarray, constant: bool) -> tuple[list[Covariance], list[Figures]]:
    """The covariance of the coefficients, one for each target (of classes one for all), and the figures beside them.

    user: M `[p, r]`, the coordinates that the covariance is to be in: θ of an output is M·z. constant: whether columns hold one.

    Raises:
        FitError: the loss is another one. SpecError: no such errors over a stream.
    """
    if fit.loss_function.problem not in KINDS:
        raise FitError(
            "Over a stream there are standard errors of mse, of logistic and cross_entropy, and of families such as poisson."
        )
    if cov not in ("nonrobust", *HC):
        raise SpecError(f"cov={cov!r} takes all rows in memory. Over a stream it is nonrobust, or HC0 to HC3.")
    objective = passes_of(fit)
    if objective.loss.family is not None and objective.outputs > 1:
        raise FitError("Over a stream the standard errors of a family are those of one target.")
    try:
        end = objective.scored()
    except IllConditioned:
        objective = passes_of(fit, basis_of(objective))
        end = objective.scored()
    if user.shape != (objective.wide, objective.size) or objective.wide != objective.size:
        raise FitError(DEPENDENT)
    outputs = [None] if fit.loss_function.coupled or objective.outputs == 1 else list(range(objective.outputs))
    made = [_of_output(fit, objective, end, output, cov, user) for output in outputs]
    whole = _classes if fit.loss_function.classes else _numbers if fit.loss_function.quadratic else _family
    return made, [
        whole(fit, objective, end, output or 0, one, cov, constant) for output, one in zip(outputs, made, strict=True)
    ]


def _of_output(
    fit: Fit, objective: StreamObjective, end: StreamPass, output: int | None, cov: str, user: np.ndarray
) -> Covariance:
    k, size, total, term = objective.outputs, objective.size, _total(objective), objective.penalty_term
    ridge = np.zeros((size, size)) if term is None else np.asarray(term.hessian())
    bread = end.curvature.hessian * total
    if objective.loss.coupled:
        across = np.kron(sum_to_zero(k), np.eye(size))
        bread = across.T @ bread @ across
        ridge = np.kron(np.eye(k - 1), ridge)
    else:
        across = np.eye(size)
    data = bread - total * ridge
    if objective.loss.family is not None and cov == "nonrobust":
        data = _expected(objective, end)
        bread = data + total * ridge
    back = np.linalg.inv(bread)
    degrees = float(np.trace(back @ data)) if objective.penalty_given.l2 else float(len(bread))
    left, scale = _nobs(fit, objective) - degrees, 1.0
    squares = objective.loss.quadratic
    if squares and end.train is not None:
        scale = float(end.train.square[output or 0]) / left if left > 0 else float("nan")
    if objective.loss.family is not None and end.train is not None and (known := deviances(end.train)) is not None:
        scale = known.dispersion(objective.loss, left)
    meat = scale * 2.0 / k * data if squares else scale * data
    if cov != "nonrobust":
        meat = _robust(fit, objective, end, output, cov, across, back)
        meat = meat * _nobs(fit, objective) / left if cov == "HC1" else meat
    inner = back @ meat @ back
    turned = np.linalg.solve(user, _to_user(objective))  # z of c
    turned = np.kron(np.eye(len(inner) // size), turned)
    inner, away = turned @ inner @ turned.T, np.linalg.inv(turned)
    turn = np.kron(sum_to_zero(k), user) if objective.loss.coupled else user
    return Covariance(away.T @ bread @ away, 0.5 * (inner + inner.T), turn, degrees, scale)


def _robust(
    fit: Fit,
    objective: StreamObjective,
    end: StreamPass,
    output: int | None,
    cov: str,
    across: np.ndarray,
    back: np.ndarray,
) -> np.ndarray:
    """Σ (w·slope)²·aaᵀ, of precisions; of frequencies w·slope²; slopes larger by their leverage for HC2 and HC3. A pass."""
    if cov not in ("HC0", "HC1") and objective.loss.coupled:
        raise SpecError(f"cov={cov!r} of several classes takes all rows in memory. Take cov='HC0' or 'HC1'.")
    k, often = objective.outputs, fit.spec.weights_kind == "frequency"
    meat = np.zeros((across.shape[1], across.shape[1]))
    for block in objective.stream.training():
        columns = objective.columns(block.x)
        design = np.hstack([np.ones((len(columns), objective.first)), columns])
        f, y = objective.predicted(columns, end.theta), block.y
        y = y.astype(np.float64) if objective.loss.binary else y
        slope = objective.formula.value_and_slope(f, y)[1]
        w = np.ones(len(y)) if block.weights is None else block.weights
        slope = (slope if output is None else slope[:, output]) / (k if objective.loss.quadratic else 1)
        if cov in ("HC2", "HC3"):
            bend = 2.0 / k if objective.loss.quadratic else objective.formula.curvature(f, y)
            lever = np.einsum("nr,rs,ns->n", design, back, design, optimize=True) * bend * (1.0 if often else w)
            slope = slope * (1.0 - lever) ** (-0.5 if cov == "HC2" else -1.0)
        root = np.sqrt(w) if often else w
        each = (slope.reshape(len(y), -1) * root[:, None])[:, :, None] * design[:, None, :]
        rows = each.reshape(len(y), -1) @ across if objective.loss.coupled else each.reshape(len(y), -1)
        meat += rows.T @ rows
    return meat


def _expected(objective: StreamObjective, end: StreamPass) -> np.ndarray:
    """Σ w·(dμ/df)²/V(μ)·aaᵀ of a family, the curvature that its rows have in the mean; a pass."""
    found, family = np.zeros((objective.size, objective.size)), objective.loss.family
    assert family is not None
    for block in objective.stream.training():
        columns = objective.columns(block.x)
        design = np.hstack([np.ones((len(columns), objective.first)), columns])
        f = objective.predicted(columns, end.theta)
        bend = family.mean_slope(f) ** 2 / family.variance(family.mean(f), *objective.loss.numbers)
        found += (design * (bend if block.weights is None else bend * block.weights)[:, None]).T @ design
    return found


def _to_user(objective: StreamObjective) -> np.ndarray:
    """θ of one output as a matrix times c, `[p, r]`."""
    matrix, first = np.eye(objective.size), objective.first
    if objective.basis is not None:
        matrix[first:, first:] = objective.basis
    if first:
        matrix[0, 1:] = -objective.shift @ matrix[1:, 1:]
    return matrix


def _total(objective: StreamObjective) -> float:
    """Σ w."""
    return objective.rows * objective.stream.mean_weight


def _nobs(fit: Fit, objective: StreamObjective) -> float:
    return _total(objective) if fit.spec.weights_kind == "frequency" else float(objective.stream.weighted)


def _common(fit: Fit, objective: StreamObjective, found: Covariance, constant: bool) -> dict[str, float | None]:
    n, classes = _nobs(fit, objective), objective.outputs - 1 if objective.loss.coupled else 1
    df = found.degrees - classes * constant
    return {"df_model": df, "df_residual": n - found.degrees, "nobs": n}


def _numbers(
    fit: Fit, objective: StreamObjective, end: StreamPass, output: int, found: Covariance, cov: str, constant: bool
) -> Figures:
    tally, n, first = end.train, _nobs(fit, objective), objective.first
    assert tally is not None
    square, left = float(tally.square[output]), n - found.degrees
    moved, origin = tally.total[output], tally.origin[output]
    about = tally.spread[output] - moved**2 / tally.count
    whole = float(about if constant else about + tally.count * (origin + moved / tally.count) ** 2)
    known = objective.stream.asked.weights is None or fit.spec.weights_kind == "frequency"
    df, value = found.degrees - constant, None
    if not objective.penalty_given and df >= 1 and left > 0 and square > 0:
        value = (whole - square) / df / (square / left)
        if cov != "nonrobust":
            theta = fit.theta.reshape(objective.outputs, -1)[output][first:]
            value = float(theta @ np.linalg.solve(found.matrix[first:, first:], theta)) / df if first else None
    of_f = value, None if value is None else distributions.of_f(value, df, left)
    return Figures(
        **_common(fit, objective, found, constant),
        **of_squares(found, square, whole, n, constant, of_f),
        **(information(normal_likelihood(square, n), found.degrees, n) if known and square > 0 else {}),
    )


def _classes(
    fit: Fit, objective: StreamObjective, end: StreamPass, output: int, found: Covariance, cov: str, constant: bool
) -> Figures:
    tally = end.train
    assert tally is not None
    counts = tally.confusion.reshape(tally.classes, -1).sum(1)
    common, penalised = _common(fit, objective, found, constant), bool(objective.penalty_given)
    df, n = common["df_model"] or 0.0, _nobs(fit, objective)
    return Figures(**common, **of_classes(found, -tally.loss, counts, df, n, penalised))


def _family(
    fit: Fit, objective: StreamObjective, end: StreamPass, output: int, found: Covariance, cov: str, constant: bool
) -> Figures:
    """The densities of the rows take a pass."""
    tally, family, numbers = end.train, objective.loss.family, objective.loss.numbers
    assert tally is not None
    assert family is not None
    far = deviances(tally)
    assert far is not None
    far = replace(far, n=_nobs(fit, objective))
    alone, likelihood, null = tally.origin[0] + tally.total[0] / tally.count, 0.0, 0.0
    for block in objective.stream.training():
        w = np.ones(len(block.y)) if block.weights is None else block.weights
        counted = w > 0.0
        y, w = block.y[counted], w[counted]
        precision, often = (1.0, w) if fit.spec.weights_kind == "frequency" else (w, 1.0)
        mean = family.mean(objective.predicted(objective.columns(block.x[counted]), end.theta))
        likelihood += float(np.sum(often * family.log_density(y, mean, found.scale / precision, *numbers)))
        level = np.full(len(y), alone)
        null += float(np.sum(often * family.log_density(y, level, found.scale / precision, *numbers)))
    common, penalised = _common(fit, objective, found, constant), bool(objective.penalty_given)
    return Figures(**common, **of_family(found, far, likelihood, null, common["df_model"] or 0.0, penalised))

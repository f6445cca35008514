"""Counts or shares that spread more than their family says: OVERDISPERSED, at the optimum of a model without a penalty."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.pearson import overdispersion
from steepest.analysis.checks.rows import predicted
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import LINEAR, OPTIMUM, PLAIN, UNDISPERSED, VALUES
from steepest.data.wording import number


@check("fit", finds=(Kind.OVERDISPERSED,), needs=(LINEAR, VALUES, UNDISPERSED, PLAIN, OPTIMUM))
def spread_of_a_family(fit: Fitted) -> Iterator[Finding]:
    """That Pearson's χ² is far above its degrees of freedom."""
    rows, loss, exact = fit.train, fit.loss_function, fit.exact
    if rows is None or fit.problem is None or rows.y.ndim != 1 or loss.family is None or fit.spec.penalty != "none":
        return
    if exact is None or exact.theta is None or fit.spec.weights_kind == "frequency":
        return
    mean = predicted(fit, rows, np.asarray(exact.theta))
    if mean is None:
        return
    found = overdispersion(loss, rows.y, mean, rows.weights, rows.rows - np.linalg.matrix_rank(fit.problem.design))
    if found is None or not found.found:
        return
    times = number(found.ratio**0.5, 3)
    yield Finding(
        Kind.OVERDISPERSED,
        f"{rows.targets[0]!r} spreads {number(found.ratio, 3)} times as much as {loss} says: standard errors by the likelihood "
        f"are {times} times too small.",
        f"Pearson's χ² is {number(found.chi2, 4)} with {number(found.left)} degrees of freedom left, {number(found.z, 3)} "
        f"standard deviations above ({rows.rows:,} rows). A column, an exposure or a bend that the model lacks does the same.",
        {}, "The coefficients stay as they are.", of_model=True,
        advice="Take standard errors that allow for it: cov='HC1' of summary().",
    )  # fmt: skip

"""A fit that was computed with powers of centred columns, in the units of the table.

`in_user_units(inner)` is the same fit with θ, its exact value and its path in powers of the columns as they are; whatever
is predicted, scored or drawn still comes from `inner` (see `model/centring.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.data.wording import quoted
from steepest.formulas.quantities import QUANTITIES
from steepest.model import centring
from steepest.model.linear import Terms
from steepest.model.prediction import outputs
from steepest.result import Fit
from steepest.settings import Spec

MOST_NAMED = 13
"""Coefficients whose digits are named one by one."""


def in_user_units(inner: Fit, names: list[str], spec: Spec) -> Fit:
    """The fit as its user sees it. names: of θ in user units. spec: as it was given."""
    assert inner.terms is not None
    named = [name for name in spec.record if name not in QUANTITIES] if isinstance(spec.record, tuple) else []
    chosen = [names.index(name) for name in named] or list(range(len(names)))
    trace, theta = inner.trace, centring.to_user(inner.terms, inner.theta)
    path = centring.path_to_user(inner.terms, trace.theta) if trace.theta.shape[1] == len(names) else trace.theta
    if path.shape[1] == len(names):
        if np.array_equal(trace.theta[-1], inner.theta):
            path[-1] = theta
        path = path[:, chosen]
    else:
        chosen = []
    if inner.spec.init != "zeros" and trace.theta.shape[1] == len(names):
        # whoever asks where it began is answered in its own coefficients
        inner.spec = inner.spec.model_copy(update={"init": tuple(trace.theta[0].tolist())})
    return replace(
        inner,
        spec=spec,
        names=names,
        theta=theta,
        trace=replace(trace, names=tuple(names[i] for i in chosen), theta=path),
        terms=centring.plain(inner.terms),
        centred=inner,
    )


def note(inner: Fit, names: list[str]) -> str:
    """What is said of such a fit: which columns, how many digits its coefficients hold, and what would show them."""
    assert inner.terms is not None
    assert inner.train is not None
    terms = inner.terms
    far = [column for column, centre in zip(terms.columns, terms.centre, strict=True) if centre]
    instead = [
        name for name in Terms(terms.columns, centre=terms.centre, intercept=False).names if name not in terms.columns
    ]
    held = centring.digits(terms, inner.theta)
    worst = np.argsort(held, kind="stable")[:MOST_NAMED] if len(held) > MOST_NAMED else np.arange(len(held))
    shown = ", ".join(f"{names[i]} {held[i]}" for i in worst) + (", the others more" if len(held) > len(worst) else "")
    return (
        f"The powers of {', '.join(map(quoted, far))} are taken of {', '.join(instead)}: a prediction from the coefficients in "
        f"user units would need {_needed(inner)} digits of each, and float64 holds {centring.DIGITS}. Of those shown these "
        f"many digits are right: {shown}. Predictions, losses and pictures come from the centred powers; to see their "
        f"coefficients, fit {', '.join(instead)} in the place of {', '.join(map(quoted, far))}."
    )


def _needed(inner: Fit) -> int:
    """Digits of θ at which a prediction from it is off by no more than a hundredth of what the fit leaves over."""
    assert inner.terms is not None
    assert inner.train is not None
    rows = inner.train.take(np.unique(np.linspace(0, inner.train.rows - 1, min(inner.train.rows, 1_000)).astype(int)))
    theta = centring.to_user(inner.terms, inner.theta).reshape(-1, len(inner.terms.powers))
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = (np.abs(centring.plain(inner.terms).design(rows.x)) @ np.abs(theta).T).max()
    left = abs(float(inner.trace.objective[-1]))
    left = left**0.5 if inner.loss_function.quadratic else left
    spread = float(np.std(outputs(inner, rows.x, inner.theta)))
    size = max(left, 1e-12 * spread, 1e-300)
    return int(np.ceil(np.log10(max(sizes / size, 1.0)))) + 2 if np.isfinite(sizes) else 300

"""Random tables, some of them wicked: never a traceback, a coefficient that is no number, or an untrue status."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.optimize import linprog

import steepest as st
from steepest import Status, SteepestError, SteepestWarning

DAILY = settings.default.max_examples <= 100
EXAMPLES = 40 if DAILY else settings.default.max_examples
DIAGNOSED = 20 if DAILY else settings.default.max_examples
"""Of fits with settings of their own, whose diagnosis takes most of the time: what else they would have come to is tried."""
STEPS = 60
SIZES = some.integers(1, 40)


# ---- tables --------------------------------------------------------------------------------------


@some.composite
def columns(draw, rows, random):
    """One column: ordinary, constant, whole numbers with ties, heavy tails, in any unit and place."""
    kind = draw(some.sampled_from(["normal", "constant", "whole", "heavy", "binary", "far"]))
    scale = 10.0 ** draw(some.integers(-9, 9))
    if kind == "constant":
        return np.full(rows, draw(some.sampled_from([0.0, 1.0, -3.0, scale])))
    if kind == "whole":
        return random.integers(-3, 4, size=rows) * 1.0
    if kind == "binary":
        return random.integers(0, 2, size=rows) * scale
    if kind == "heavy":
        return random.standard_t(1.0, size=rows) * scale
    return (random.normal(size=rows) + (1000.0 if kind == "far" else 0.0)) * scale


@some.composite
def designs(draw, rows=SIZES, most=8):
    """x `[n, d]`, with duplicates and combinations of columns, and the generator to go on with."""
    random = np.random.default_rng(draw(some.integers(0, 2**32)))
    n, d = draw(rows), draw(some.integers(1, most))
    x = np.column_stack([draw(columns(n, random)) for _ in range(d)])
    relation = draw(some.sampled_from(["free", "free", "duplicate", "sum", "rows"]))
    if relation == "duplicate":
        x = np.column_stack([x, x[:, 0]])
    elif relation == "sum" and d > 1:
        x = np.column_stack([x, x[:, 0] - x[:, 1]])
    elif relation == "rows":
        x = x[random.integers(0, n, size=n)]
    return x, random


@some.composite
def regressions(draw, **limits):
    x, random = draw(designs(**limits))
    n = len(x)
    spread = np.maximum(np.abs(x).max(0), 1e-300)
    kind = draw(some.sampled_from(["plain", "plain", "constant", "whole", "heavy", "perfect"]))
    y = (x / spread) @ random.normal(size=x.shape[1])
    if kind == "plain":
        y = y + random.normal(size=n)
    elif kind == "constant":
        y = np.full(n, draw(some.sampled_from([0.0, 1.0, 1e6, -1e-6])))
    elif kind == "whole":
        y = random.integers(-2, 3, size=n) * 1.0
    elif kind == "heavy":
        y = random.standard_t(1.0, size=n)
    return x, y * 10.0 ** draw(some.sampled_from([0, 0, 0, -6, 6]))


@some.composite
def classifications(draw, classes=2):
    x, random = draw(designs(rows=some.integers(classes, 40), most=5))
    spread = np.maximum(np.abs(x).max(0), 1e-300)
    score = (x / spread) @ random.normal(size=(x.shape[1], classes))
    noise = draw(some.sampled_from([0.0, 0.3, 3.0])) * random.gumbel(size=score.shape)
    codes = (score + noise).argmax(1)
    codes[:classes] = np.arange(classes)
    return x, np.array(["a", "b", "c"])[codes]


MODELS = some.sampled_from(["linear", "linear", "poly:2"])
PENALTIES = some.sampled_from([None, None, "l2:0.1", "l1:0.1", "elastic:0.1,0.1"])
BATCHES = some.sampled_from(["full", "full", "full", 1, 7])


# ---- what must hold for every one ----------------------------------------------------------------


ENDS: Counter[Status | None] = Counter()
"""How the fits of the running test ended; None: refused."""


@pytest.fixture(autouse=True)
def nearly_all_are_fitted() -> Iterator[None]:
    """A property that only holds because every table was refused holds of nothing."""
    ENDS.clear()
    yield
    assert ENDS[None] <= 0.1 * ENDS.total(), ENDS


def fitted(x, y, **options):
    """A fit, or None where Steepest says in words of its own that there is none. Anything else is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        fit, said = None, ""
        try:
            fit = st.fit(x, y, **options)
        except SteepestError as error:
            said = str(error)
        if fit is None:
            assert 0 < len(said) < 600
            ENDS[None] += 1
            return None
        assert np.isfinite(fit.theta).all()
        assert np.isfinite(fit.trace.theta).all()
        assert np.isfinite(fit.trace.loss).all()
        assert len(fit.trace) == fit.steps + 1
        assert np.array_equal(fit.trace.theta[-1], fit.theta)
        assert fit.status is not Status.DIVERGED
        # of steps and epochs the message gives the number, too
        assert fit.message.startswith(str(fit.status).removesuffix(" steps.").removesuffix(" epochs."))
        assert len(fit.predict(x)) == len(x)
        if fit.schema.classes is None:
            assert np.isfinite(fit.predict(x)).all()
        else:
            shares = fit.predict_proba(x)
            assert np.all((shares >= 0) & (shares <= 1))
        assert np.isfinite(fit.loss)
        summary = fit.to_dict()
        assert summary["params"].keys() == set(fit.names)
        if fit.status is Status.CONVERGED and fit.relative_gap is not None:
            assert -1e-5 <= fit.relative_gap <= 1e-5
    ENDS[fit.status] += 1
    return fit


def least_squares(x, y, least):
    """The smallest mean squared residual over all lines, by Gram-Schmidt on scaled columns in extended precision.

    A column of which less than the share `least` is new counts as a combination of those before it.
    """
    design = np.column_stack([np.ones(len(x)), x]).astype(np.longdouble)
    size = np.abs(design).max(0)
    basis = []
    for column in (design[:, size > 0] / size[size > 0]).T:
        size = np.sqrt(column @ column)
        for _ in range(3):
            for direction in basis:
                column = column - (direction @ column) * direction
        if np.sqrt(column @ column) > least * size:
            basis.append(column / np.sqrt(column @ column))
    residual = y.astype(np.longdouble)
    for direction in basis * 2:
        residual = residual - (direction @ residual) * direction
    return float(residual @ residual / len(y))


def best_margin(x, labels):
    """Whether some θ ≠ 0 leads on one row at least and falls behind on none: a linear programme over scaled columns."""
    spread = np.abs(x - x.mean(0)).max(0)
    varies = spread > 1e-12 * np.abs(x).max(0)
    columns = (x - x.mean(0))[:, varies] / spread[varies]
    sign = np.where(labels == max(labels), 1.0, -1.0)
    rows = sign[:, None] * np.column_stack([np.ones(len(x)), columns])
    found = linprog(-rows.sum(0), A_ub=-rows, b_ub=np.zeros(len(x)), bounds=(-1, 1), method="highs")
    return -found.fun


# ---- the properties ------------------------------------------------------------------------------


def test_converged_squares_are_the_least():
    converged_squares_are_the_least()
    assert ENDS[Status.CONVERGED] > 0.9 * ENDS.total()


@settings(max_examples=EXAMPLES)
@given(table=regressions())
def converged_squares_are_the_least(table):
    x, y = table
    fit = fitted(x, y, max_steps=STEPS)
    if fit is None:
        return
    # a share within float64's rounding may be taken for a direction or for none: the truth lies between
    lowest, highest = least_squares(x, y, 1e-18), least_squares(x, y, 1e-12)
    floor = 2e-21 * np.mean(y**2)  # a perfect fit: the relative gap is to 1e-12·F(start) at least
    assert fit.loss >= lowest * (1 - 1e-9) - floor
    if fit.status is Status.CONVERGED:
        assert fit.loss <= highest * (1 + 1e-8) + floor


@settings(max_examples=EXAMPLES)
@given(
    table=regressions(rows=some.integers(1, 15), most=4),
    model=MODELS,
    loss=some.sampled_from(["mse", "l1", "huber:1", "quantile:0.9"]),
    penalty=PENALTIES,
)
def test_defaults_on_numbers(table, model, loss, penalty):
    fitted(*table, model=model, loss=loss, penalty=penalty, max_steps=STEPS)


@settings(max_examples=DIAGNOSED)
@given(
    table=regressions(),
    model=MODELS,
    loss=some.sampled_from(["mse", "l1", "huber:1", "quantile:0.9"]),
    penalty=PENALTIES,
    batch_size=BATCHES,
    optimizer=some.sampled_from(["sgd", "sgd", "momentum:0.9", "adam"]),
    precondition=some.sampled_from(["auto", "none", "standardize"]),
)
def test_rules_on_numbers(table, model, loss, penalty, batch_size, optimizer, precondition):
    fitted(
        *table, model=model, loss=loss, penalty=penalty, batch_size=batch_size, optimizer=optimizer,
        precondition=precondition, max_steps=60,
    )  # fmt: skip


def test_separable_is_said_where_it_is_true():
    separable_is_said_where_it_is_true()
    assert min(ENDS[Status.SEPARABLE], ENDS[Status.CONVERGED]) > 0.2 * ENDS.total()


@settings(max_examples=EXAMPLES)
@given(table=classifications())
def separable_is_said_where_it_is_true(table):
    x, y = table
    fit = fitted(x, y, max_steps=STEPS)
    if fit is None:
        return
    margin = best_margin(x, y)
    if fit.status is Status.SEPARABLE:
        assert margin > 1e-9
    elif fit.status is Status.CONVERGED:
        assert margin < 1e-3


@settings(max_examples=DIAGNOSED)
@given(
    table=some.one_of(classifications(), classifications(classes=3)),
    model=MODELS,
    penalty=PENALTIES,
    batch_size=BATCHES,
    optimizer=some.sampled_from(["auto", "auto", "sgd", "adam"]),
)
def test_classes(table, model, penalty, batch_size, optimizer):
    fitted(*table, model=model, penalty=penalty, batch_size=batch_size, optimizer=optimizer, max_steps=60)


@settings(max_examples=EXAMPLES)
@given(table=regressions(), lr=some.integers(-12, 6), batch_size=BATCHES, loss=some.sampled_from(["mse", "l1"]))
def test_any_number_for_lr_ends_in_numbers(table, lr, batch_size, loss):
    """Here alone a descent may diverge; it still ends with finite coefficients, and is told."""
    x, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        fit = st.fit(x, y, lr=10.0**lr, batch_size=batch_size, loss=loss, max_steps=50)
        assert np.isfinite(fit.theta).all()
        if fit.status is Status.DIVERGED:
            assert "lr=" in fit.message
            # of all rows: the last batch alone may lie well
            assert fit.trace.objective[-1] > fit.trace.objective[0] or not np.isfinite(fit.trace.objective[-1])
        else:
            assert np.isfinite(fit.trace.loss).all()
            assert np.array_equal(fit.trace.theta[-1], fit.theta)


@pytest.mark.parametrize("options", [{}, {"loss": "l1"}, {"optimizer": "sgd"}, {"penalty": "l1:0.1"}], ids=str)
def test_an_intercept_alone_is_a_model(options):
    fit = st.fit(np.ones((5, 1)), [0.0, 1.0, 2.0, 3.0, 4.0], **options)
    assert fit.params == {"intercept": pytest.approx(2.0)}


def test_an_intercept_alone_predicts():
    fit = st.fit(np.ones((5, 1)), [0.0, 1.0, 2.0, 3.0, 4.0])
    assert fit.predict(np.ones((3, 1))) == pytest.approx([2.0, 2.0, 2.0])

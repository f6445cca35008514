"""The noise floor against formulas worked by hand and against the mean of many descents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import steepest as st
from steepest.analysis import noise
from steepest.analysis.convergence import quadratic_at
from steepest.analysis.exact import solve
from steepest.analysis.noise import RowNoise
from steepest.analysis.stable_rate import largest_rate
from steepest.descent.torch_rules import rule
from steepest.errors import SpecError
from steepest.model import preconditioners
from steepest.model.linear import LinearProblem
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss

ROWS = 60


def make(loss_name="mse", penalty_name="none"):
    random = np.random.default_rng(0)
    design = np.column_stack([np.ones(ROWS), random.standard_normal((ROWS, 2)) * [1.0, 3.0]])
    target = design @ [1.0, 2.0, 3.0] + random.standard_normal(ROWS)
    if loss_name == "logistic":
        target = (target / 4 + random.logistic(size=ROWS) > 0).astype(float)
    return LinearProblem(design, target, loss(loss_name), penalty(penalty_name))


def limit(problem, chosen, frame=None):
    best = solve.solve(problem).theta
    return largest_rate(quadratic_at(problem, frame, best, best).values, chosen), best


def mean_gap(problem, frame_name, optimizer, lr, batch_size, shuffle, epochs, seeds=48):
    """The mean of F − F* at the ends of the later half of the epochs, over many seeds, and its standard error."""
    kept = st.sweep(
        problem.design[:, 1:], problem.target, loss=str(problem.loss), optimizer=[optimizer], lr=[lr],
        penalty="none" if not problem.penalty else f"l2:{problem.penalty.l2}",
        batch_size=batch_size, shuffle=shuffle, epochs=epochs, seed=range(seeds), precondition=frame_name, schedule="constant",
    )  # fmt: skip
    best = solve.solve(problem).objective
    means = []
    for run in range(seeds):
        values = kept.fit(run).trace.objective
        values = values[np.isfinite(values)]
        means.append(values[len(values) // 2 :].mean() - best)
    return np.mean(means), np.std(means) / seeds**0.5


def test_one_parameter_worked_by_hand():
    # y = ±1 about 0: a row's gradient is 2(θ ∓ 1), so λ = 2, C = 4, and every row has the same curvature
    problem = LinearProblem(np.ones((4, 1)), np.array([1.0, -1.0, 1.0, -1.0]), loss("mse"), intercept=False)

    def floor(chosen, lr, size, shuffle="draws"):
        return RowNoise(problem, None, np.zeros(1)).floor(chosen, lr, size, shuffle)

    assert floor(rule("sgd"), 0.1, 1) == pytest.approx(
        0.5 * 0.1 * 4 / (2 - 0.1 * 2)
    )  # Mandt et al. 2017, to all orders
    assert floor(rule("sgd"), 0.1, 2) == pytest.approx(0.5 * 0.1 * 2 / (2 - 0.1 * 2))
    # an AR(2) process: Var z = lr²C(1 + β)/((1 − β)·μ·(2(1 + β) − μ)) with μ = lr·λ
    assert floor(rule("momentum:0.5"), 0.1, 1) == pytest.approx(0.1**2 * 4 * 1.5 / (0.5 * 0.2 * (3 - 0.2)))
    # shuffled, four batches in an epoch: place at the end Σ lr·a^(3−k)·ξₖ with Σξ = 0, Cov(ξⱼ, ξₖ) = −C/3
    a = 0.8
    powers = a ** np.arange(4)
    inner = 4 / 3 * (powers**2).sum() - powers.sum() ** 2 / 3
    assert floor(rule("sgd"), 0.1, 1, "rows") == pytest.approx(0.1**2 * 4 * inner / (1 - a**8))
    assert floor(rule("sgd"), 0.1, 4, "rows") == 0.0
    # three rows, then the one that is left: ξ₂ = −3ξ₁ with Var ξ₁ = C/9, and the place at the end is lr·(a·ξ₁ + ξ₂)
    assert floor(rule("sgd"), 0.1, 3, "rows") == pytest.approx(0.1**2 * 4 / 9 * (a - 3) ** 2 / (1 - a**4))
    assert floor(rule("sgd"), 1.01, 1) == np.inf
    assert np.isnan(floor(rule("adam"), 0.1, 1))
    assert np.isnan(floor(rule("sgd"), 0.1, 1, "blocks"))


def test_rows_of_unequal_curvature_worked_by_hand():
    # y = x·θ* + e: z' = (1 − 2·lr·x²)z + 2·lr·x·e, so Var z = lr²·E[4x²e²]/(1 − E[(1 − 2·lr·x²)²]) where E[x³e] = 0
    x, e = np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, -1.0, 1.0, -1.0])
    problem = LinearProblem(x[:, None], 3.0 * x + e, loss("mse"), intercept=False)
    for lr in (0.01, 0.1):
        spread = lr**2 * np.mean(4 * x**2 * e**2) / (1 - np.mean((1 - 2 * lr * x**2) ** 2))
        expected = spread * np.mean(x**2)
        assert RowNoise(problem, None, np.array([3.0])).floor(rule("sgd"), lr, 1, "draws") == pytest.approx(
            expected, rel=1e-5
        )
    # its mean square does not come to rest, though 2/λ is 0.4: E[(1 − 2·lr·x²)²] > 1
    assert RowNoise(problem, None, np.array([3.0])).floor(rule("sgd"), 0.35, 1, "draws") == np.inf


DESCENTS = [("sgd", 0.3, 5), ("sgd", 0.1, 2), ("momentum:0.9", 0.1, 20), ("nesterov:0.9", 0.1, 5)]


@pytest.mark.parametrize(
    ("optimizer", "share", "size", "frame_name"),
    [
        pytest.param(*descent, frame_name, marks=() if (at % 2 == 0) == (frame_name == "none") else pytest.mark.soak)
        for at, descent in enumerate(DESCENTS)
        for frame_name in ("none", "standardize")
    ],
)
def test_the_floor_of_independent_rows_is_measured(optimizer, share, size, frame_name):
    problem = make("mse", "l2:0.1")
    frame = None if frame_name == "none" else preconditioners.standardised(problem)
    highest, best = limit(problem, rule(optimizer), frame)
    lr = share * highest
    floor = RowNoise(problem, frame, best).floor(rule(optimizer), lr, size, "draws")
    found, error = mean_gap(problem, frame_name, optimizer, lr, size, "draws", 160)
    assert abs(floor - found) < 4.0 * error
    assert error < 0.06 * found


@pytest.mark.parametrize(
    ("optimizer", "share", "size", "within"),
    [
        ("sgd", 0.1, 20, 0.05),
        ("momentum:0.9", 0.02, 5, 0.12),
        *(
            pytest.param("sgd", share, 5, within, marks=pytest.mark.soak)
            for share, within in ((0.02, 0.05), (0.1, 0.12))
        ),
    ],
)
def test_the_floor_of_shuffled_rows_is_measured_at_the_ends_of_epochs(optimizer, share, size, within):
    problem = make()
    highest, best = limit(problem, rule(optimizer))
    floor = RowNoise(problem, None, best).floor(rule(optimizer), share * highest, size)
    found, error = mean_gap(problem, "none", optimizer, share * highest, size, "rows", 400)
    assert abs(floor - found) < within * found + 3.0 * error
    # far below that of independent rows
    assert floor < 0.5 * RowNoise(problem, None, best).floor(rule(optimizer), share * highest, size, "draws")


def test_other_smooth_losses_hold_at_small_rates():
    problem = make("logistic", "l2:0.05")
    highest, best = limit(problem, rule("sgd"))
    lr = 0.1 * highest
    floor = RowNoise(problem, None, best).floor(rule("sgd"), lr, 6, "draws")
    found, error = mean_gap(problem, "none", "sgd", lr, 6, "draws", 300)
    assert abs(floor - found) < 0.1 * found + 4.0 * error


def test_many_directions_are_taken_one_by_one(monkeypatch):
    problem = make()
    highest, best = limit(problem, rule("sgd"))
    whole = RowNoise(problem, None, best).floor(rule("sgd"), 1e-3 * highest, 30, "draws")
    monkeypatch.setattr(noise, "MOST_PAIRS", 0)
    assert RowNoise(problem, None, best).floor(rule("sgd"), 1e-3 * highest, 30, "draws") == pytest.approx(
        whole, rel=5e-3
    )
    test_one_parameter_worked_by_hand()


def test_several_targets_add_up():
    one, random = make(), np.random.default_rng(5)
    second = random.standard_normal(ROWS)
    both = replace(one, target=np.column_stack([one.target, second]), outputs=2)
    floors = []
    for target in (one.target, second):
        alone = replace(one, target=target)
        # the mean over two targets halves the slopes, which is half the rate for each, and half of its gap
        floors.append(0.5 * RowNoise(alone, None, solve.solve(alone).theta).floor(rule("sgd"), 0.01, 5, "draws"))
    best = solve.solve(both).theta
    assert RowNoise(both, None, best).floor(rule("sgd"), 0.02, 5, "draws") == pytest.approx(sum(floors), rel=1e-5)


def test_a_short_last_batch_is_measured():
    problem = make()
    highest, best = limit(problem, rule("sgd"))
    for size in (11, 12):  # 60 = 5·11 + 5 = 5·12
        expected = RowNoise(problem, None, best).floor(rule("sgd"), 0.1 * highest, size)
        mean, error = mean_gap(problem, "none", "sgd", 0.1 * highest, size, "rows", 100)
        assert abs(mean - expected) <= 4 * error + 0.1 * expected


def test_what_halves_the_floor():
    problem = make()
    highest, best = limit(problem, rule("sgd"))
    lr = 0.1 * highest
    floor = RowNoise(problem, None, best).floor(rule("sgd"), lr, 4)
    size = RowNoise(problem, None, best).batch_size_for(rule("sgd"), lr, floor / 2)
    even = [other for other in range(1, size) if ROWS % other == 0]
    assert RowNoise(problem, None, best).floor(rule("sgd"), lr, size) <= floor / 2
    assert all(RowNoise(problem, None, best).floor(rule("sgd"), lr, other) > floor / 2 for other in even)
    rate = RowNoise(problem, None, best).rate_for(rule("sgd"), lr, 4, floor / 2)
    assert RowNoise(problem, None, best).floor(rule("sgd"), rate, 4) <= floor / 2
    assert RowNoise(problem, None, best).floor(rule("sgd"), 1.02 * rate, 4) > floor / 2
    assert RowNoise(problem, None, best).batch_size_for(rule("sgd"), lr, 0.0) == ROWS
    assert RowNoise(problem, None, best).rate_for(rule("sgd"), lr, 4, floor) == lr
    assert RowNoise(problem, None, best).rate_for(rule("sgd"), lr, 4, 0.0) == 0.0


def test_a_kink_has_no_known_floor():
    for problem in (make("l1"), make("mse", "l1:0.1")):
        with pytest.raises(SpecError, match=r"kink|no second derivative"):
            RowNoise(problem, None, np.zeros(3)).floor(rule("sgd"), 0.01, 5)

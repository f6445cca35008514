"""The benchmarks' own arithmetic: gaps, turns, slopes, verdicts and the page they are written on. Nothing is timed here."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

import answer
import growth
import results
import rules
import rules_page
import rules_problems
import side_by_side
import solvers
from side_by_side import Goal, Peer, Table


@pytest.mark.parametrize("logistic", [False, True])
def test_the_least_loss_is_scipys(logistic):
    random = np.random.default_rng(5)
    x = random.standard_normal((60, 3)) * [1e-2, 1.0, 1e2] + [0.0, 5.0, 0.0]
    y = (random.random(60) < 0.5).astype(float) if logistic else random.standard_normal(60)
    scaled = (x - x.mean(0)) / x.std(0)

    def loss(theta):
        f = scaled @ theta[1:] + theta[0]
        return np.mean(np.log(1 + np.exp(f)) - y * f) if logistic else np.mean((y - f) ** 2)

    assert answer.exact(x, y, logistic) == pytest.approx(minimize(loss, np.zeros(4), tol=1e-14).fun, rel=1e-12)


def test_the_gap_is_relative_to_the_least_loss():
    x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 2.0, 1.0, 3.0])
    problem = solvers.Problem("four points", x, y, False, answer.exact(x, y, False))
    assert problem.best == pytest.approx(0.45)  # intercept 0.3, slope 0.8
    assert problem.gap(np.array([0.3, 0.8])) == pytest.approx(0.0, abs=1e-14)
    assert problem.gap(np.array([0.3 + 0.3, 0.8])) == pytest.approx(0.09 / 0.45)  # the mean of (r + 0.3)² − r²


def test_theta_of_standardised_columns_predicts_the_same_in_user_units():
    x = np.random.default_rng(0).standard_normal((20, 2)) * [3.0, 0.1] + [7.0, -2.0]
    mean, scale, theta = x.mean(0), x.std(0), np.array([1.0, 2.0, -3.0])
    found = solvers.in_user_units(theta, mean, scale)
    assert found[0] + x @ found[1:] == pytest.approx(theta[0] + (x - mean) / scale @ theta[1:], rel=1e-13)


def test_peers_take_turns_and_the_first_round_does_not_count(capsys):
    order, seconds = [], itertools.count(1)

    def run(name):
        order.append(name)
        return float(next(seconds))

    timed = side_by_side.take_turns([Peer("a", lambda: run("a")), Peer("b", lambda: run("b"), share=0.1)], turns=3)
    assert "".join(order) == "abababab"
    assert timed["a"].seconds == [3.0, 5.0, 7.0]
    assert timed["b"].seconds == [40.0, 60.0, 80.0]
    assert (timed["a"].median, timed["b"].median) == (5.0, 60.0)


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal("", 2.5, "≥", 2), "met"),
        (Goal("", 1.6, "≥", 2), "missed by a factor of 1.25"),
        (Goal("", 1.6, "≤", 1.6), "met"),
        (Goal("", 2.4, "≤", 1.6), "missed by a factor of 1.50"),
        (Goal("", 0, "≤", 0), "met"),
        (Goal("", 3.0), ""),
        (Goal("", None, "≥", 2, why="JAX is not there"), "not measured: JAX is not there"),
    ],
)
def test_a_goal_says_whether_it_was_met_and_by_how_much_not(goal, verdict):
    assert goal.verdict == verdict


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.012345, "0.0123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1,234"), (0, "0"), (float("inf"), "inf")],
)
def test_numbers_are_written_with_three_digits(number, text):
    assert side_by_side.short(number) == text


def test_a_power_is_a_straight_line_and_its_floor_is_where_it_meets_the_first_point():
    sizes = [10, 100, 1_000, 10_000]
    assert growth.slope(sizes, [3.0 * n**1.5 for n in sizes]) == pytest.approx(1.5, rel=1e-12)
    assert growth.floor(sizes, [0.5, 0.5, 1.0, 10.0], 1.0) == pytest.approx(500.0)


def test_the_page_has_every_goal_and_table_and_names_the_part_that_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(side_by_side, "MEASURED", tmp_path)
    table = Table("A step", ("", "µs"), [("ours", "62"), ("by hand", "71")], ("JAX cannot be imported: no module.",))
    side_by_side.save("step", False, [table], [Goal("a step over the bare one", 1.3, "≤", 1.2)])
    measured = results.read(tmp_path)
    page = results.page(measured, "The goal was set elsewhere.", "Filip 14.8")
    assert list(measured) == ["step"]
    assert "| a step over the bare one | 1.3 ×    | ≤ 1.2 × | missed by a factor of 1.08 |" in page
    assert "| ours    | 62  |\n| by hand | 71  |" in page
    assert "JAX cannot be imported: no module." in page
    assert "Not measured: `python benchmarks/epoch.py`" in page
    assert "The goal was set elsewhere." in page
    assert "Filip 14.8" in page
    assert f"torch {__import__('torch').__version__}" in page


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_code_is_loaded_before_the_clock_starts(dtype):
    side_by_side.load_kernels(dtype)


def test_a_performance_profile_by_hand():
    """Three problems, two solvers: the first is twice as fast, solves one alone, and one is solved by nobody."""
    times = np.array([[10.0, 20.0], [30.0, np.inf], [np.inf, np.inf]])
    found = rules_page.profile(times, np.array([1.0, 1.9, 2.0]))
    np.testing.assert_allclose(found, [[2 / 3, 2 / 3, 2 / 3], [0.0, 0.0, 1 / 3]])


def test_medians_over_seeds_count_what_never_arrives():
    one = {
        "rules": {
            "sgd": {"0": {"steps": [[5, None, None], [7, 9, None], [None, None, None]], "gap": [1e-3, None, 1e-2]}}
        }
    }
    assert [rules_page.steps_to(one, "sgd", "0", goal) for goal in range(3)] == [7.0, np.inf, np.inf]
    assert rules_page.gap_of(one, "sgd", "0") == 1e-2


def test_the_study_of_rules_is_what_it_says():
    problems = [rules_problems.made(number) for number in range(rules.PROBLEMS)]
    assert len(problems) == 100
    assert max(len(one.x) for one in problems) <= 2000
    assert max(one.x.shape[1] for one in problems) < 30
    assert len({one.loss for one in problems}) == 8
    assert len(rules.RULES) == 20
    assert rules.STEPS <= 1000
    again = rules_problems.made(7)
    np.testing.assert_array_equal(again.x, problems[7].x)

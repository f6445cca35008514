"""What is said before a fit comes true: steps, limits and where settings lead, against the descents themselves."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import steepest as st
from steepest.analysis import diagnosis
from steepest.analysis.finding import Finding, Kind
from steepest.text.numbers import rounded_down

RANDOM = np.random.default_rng(0)
N = 200
SCALED = RANDOM.normal(size=(N, 4)) * [1.0, 1e6, 1e-6, 1.0]
TARGET = SCALED @ [1.0, 1e-6, 1e6, 2.0] + RANDOM.normal(size=N)
YEARS = np.column_stack([RANDOM.integers(1990, 2020, N), RANDOM.normal(size=N)]).astype(float)
GROWTH = 0.3 * YEARS[:, 0] + YEARS[:, 1] + RANDOM.normal(size=N)
NEARLY = RANDOM.normal(size=(N, 3))
NEARLY = np.column_stack([NEARLY, NEARLY.sum(1) + 1e-5 * RANDOM.normal(size=N)])

SQUARES = {
    "diabetes": {"x": "sample:diabetes"},
    "three targets": {"x": "sample:linnerud"},
    "with l2": {"x": "sample:diabetes", "penalty": "l2:0.01"},
    "scales": {"x": SCALED, "y": TARGET},
    "row weights": {"x": SCALED, "y": TARGET, "weights": RANDOM.random(N)},
    "years": {"x": YEARS, "y": GROWTH},
    "years squared": {"x": YEARS[:, :1], "y": GROWTH, "model": "poly:2"},
    "no intercept": {"x": YEARS, "y": GROWTH, "intercept": False},
    "collinear": {"x": NEARLY, "y": NEARLY.sum(1) + RANDOM.normal(size=N)},
    "duplicate": {"x": NEARLY[:, [0, 1, 0]], "y": NEARLY.sum(1) + RANDOM.normal(size=N)},
    "no noise": {"x": NEARLY[:, :3], "y": NEARLY[:, :3] @ [1.0, 2.0, 3.0]},
    "from elsewhere": {"x": NEARLY[:, :3], "y": TARGET, "init": "normal", "seed": 3},
}
OTHERS = {
    "iris": {"x": "sample:iris", "penalty": "l2:0.001"},
    "iris, much penalised": {"x": "sample:iris", "penalty": "l2:0.1"},
    "breast cancer": {"x": "sample:breast_cancer", "penalty": "l2:0.01"},
    "two classes": {"x": SCALED, "y": np.where(RANDOM.logistic(size=N) < TARGET, "yes", "no")},
    "huber": {"x": SCALED, "y": TARGET + 30.0 * (RANDOM.random(N) < 0.05), "loss": "huber:1"},
}


@cache
def squares_ahead(name: str):
    return st.diagnose(**SQUARES[name])


def steps_to_stay(fit: st.Fit) -> int:
    """The step from which on the relative gap stays below 1e-6, by the trace."""
    best, start = fit.scores.exact_objective, fit.trace.objective[0]
    gaps = (fit.trace.objective - best) / max(best, 1e-12 * start)
    above = np.flatnonzero(gaps > 1e-6)
    return int(fit.trace.step[above[-1]]) + 1 if above.size else 0


@pytest.mark.parametrize("name", SQUARES)
def test_the_steps_of_squares_are_exactly_those_that_a_descent_takes(name):
    ahead = squares_ahead(name)
    assert len(ahead.prospects) == 9
    tried = [one for one in ahead.prospects if one.steps <= 5_000]
    assert tried
    for one in tried:
        fit = st.fit(**(SQUARES[name] | one.settings))
        assert fit.relative_gap <= 1e-6
        assert steps_to_stay(fit) == pytest.approx(one.steps, rel=0.01, abs=1)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_recommended_for_other_losses_arrives(name):
    ahead = st.diagnose(**OTHERS[name])
    tried = [one for one in ahead.recommended if one.steps <= 5_000]
    assert tried
    for one in tried:
        fit = st.fit(**(OTHERS[name] | one.settings))
        assert fit.relative_gap <= 1e-6
        assert 0.2 * one.steps <= steps_to_stay(fit) <= 1.6 * one.steps + 5  # an estimate


@pytest.mark.parametrize("name", SQUARES)
def test_a_descent_diverges_over_the_largest_rate_and_not_below(name):
    for one in squares_ahead(name).prospects:
        lr, steps = one.largest, 400
        settings = {"optimizer": one.optimizer, "precondition": one.precondition, "epochs": steps}
        over = st.fit(**(SQUARES[name] | settings | {"lr": 1.05 * lr}))
        below = st.fit(**(SQUARES[name] | settings | {"lr": 0.95 * lr}))
        assert over.status is st.Status.DIVERGED or over.trace.objective[-1] > over.trace.objective[0]
        assert below.trace.objective[-1] < below.trace.objective[0] * (1 + 1e-12)


def test_the_numbers_of_a_small_table_by_hand():
    # columns (1, −1)·√3 of two rows without intercept: Hessian 2·3 = 6 along one direction and 2·12 = 24 along the other
    x = np.array([[3.0, 6.0], [3.0, -6.0]]) / np.sqrt(3.0)
    ahead = st.diagnose(x, [1.0, 2.0], intercept=False)
    plain = {one.optimizer: one for one in ahead.prospects if one.precondition == "none"}
    assert plain["sgd"].condition == pytest.approx(4.0)
    assert plain["sgd"].largest == pytest.approx(2 / 24)
    assert plain["momentum:0.9"].largest == pytest.approx(2 * 1.9 / 24)
    assert plain["nesterov:0.9"].largest == pytest.approx(2 * 1.9 / (2.8 * 24))
    assert plain["sgd"].lr == pytest.approx(2 / 30, rel=0.03)
    whitened = next(one for one in ahead.prospects if one.precondition == "orthonormal")
    assert (whitened.condition, whitened.steps) == (pytest.approx(1.0), 1.0)


def test_only_what_can_work_is_recommended_the_fewest_steps_first():
    ahead = st.diagnose(SCALED, TARGET)
    assert [one.precondition for one in ahead.recommended] == ["orthonormal", "standardize"]
    assert [one.steps for one in ahead.recommended] == sorted(one.steps for one in ahead.recommended)
    (sentence,) = [words for words in ahead.sentences if "no rate" in words]
    assert sentence.startswith("With precondition='none' no rate of these rules will do: the fewest steps")


def test_what_float64_cannot_see_is_not_recommended():
    ahead = st.diagnose(NEARLY[:, :3] * 1e-150, GROWTH)
    assert {one.steps for one in ahead.prospects if one.precondition == "none"} == {float("inf")}
    assert [one.precondition for one in ahead.recommended] == ["orthonormal", "standardize"]
    assert any("too flat for float64" in words for words in ahead.sentences)


# ---- where the settings given lead -----------------------------------------------------------------


def test_settings_that_diverge_are_said_to():
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 100}
    (sentence,) = [words for words in st.diagnose("sample:diabetes", **settings).sentences if "given" in words]
    assert "(sgd, lr 0.1, schedule constant, coordinates none) will diverge: the largest rate" in sentence
    assert st.fit("sample:diabetes", **settings).status is st.Status.DIVERGED


@pytest.mark.parametrize("schedule", ["constant", "inverse", "cosine", "step:20,0.5"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum:0.8", "nesterov:0.9"])
def test_the_gap_that_settings_lead_to_is_the_one_they_lead_to(optimizer, schedule):
    settings = {"optimizer": optimizer, "lr": 0.05, "precondition": "standardize", "schedule": schedule, "epochs": 60}
    (sentence,) = [words for words in st.diagnose("sample:diabetes", **settings).sentences if "given" in words]
    gap = st.fit("sample:diabetes", **settings).relative_gap
    assert f"come to a relative gap of about {gap:.1e} in 60 steps" in sentence


@pytest.mark.parametrize("settings", [{"batch_size": 20}, {"clip": 1.0, "optimizer": "sgd"}, {"optimizer": "adam"}])
def test_where_others_lead_is_not_made_up(settings):
    sentences = st.diagnose("sample:diabetes", **settings).sentences
    assert any("where they lead cannot be told before the fit" in words for words in sentences)


def test_settings_that_say_what_is_fitted_are_no_settings_of_the_descent():
    assert not any("given" in words for words in st.diagnose("sample:diabetes", penalty="l2:0.1").sentences)


# ---- where there are no numbers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": "sample:diabetes", "loss": "l1"}, "The loss l1 has a kink: no constant rate arrives"),
        ({"x": "sample:diabetes", "loss": "quantile:0.9"}, "has a kink: no constant rate arrives"),
        ({"x": "sample:diabetes", "penalty": "l1:0.1"}, "An l1 penalty has a kink at 0"),
        ({"x": "sample:iris"}, "The classes are linearly separable"),
        ({"x": "sample:diabetes", "model": "mlp:4"}, "A module has no known optimum"),
    ],
)
def test_what_has_no_numbers_says_what_holds(given, words):
    ahead = st.diagnose(**given)
    assert ahead.prospects == ()
    assert any(words in sentence for sentence in (*ahead.sentences, ahead.defaults))
    assert words in " ".join(str(ahead).split())
    assert "steps to 1e-6" not in str(ahead)


@pytest.mark.parametrize(
    ("given", "gap"),
    [({"x": "sample:diabetes"}, 1e-10), ({"x": "sample:diabetes", "loss": "l1"}, 1e-5),
     ({"x": "sample:diabetes", "penalty": "l1:0.1"}, 1e-10), ({"x": SCALED, "y": TARGET}, 1e-10)],
)  # fmt: skip
def test_the_defaults_keep_what_is_said_of_them(given, gap):
    ahead = st.diagnose(**given)
    fit = st.fit(**given)
    assert ahead.defaults.startswith(f"The defaults: {fit.optimizer}, coordinates {fit.precondition}")
    assert f"a relative gap of at most {'1e-10' if gap == 1e-10 else '1e-5'}" in ahead.defaults
    assert fit.relative_gap <= gap


# ---- what it looks like ----------------------------------------------------------------------------

EVIL = "<b>x</b>\x1b[2J"


def test_the_data_of_the_findings_are_looked_at(monkeypatch):
    seen = []

    def check(given):
        seen.append(given)
        yield Finding(Kind.CONSTANT, f"The column {EVIL} never changes.", "", {"drop": (EVIL,)}, "")

    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (check,))
    ahead = st.diagnose({EVIL: [1.0, 2.0, 4.0, 3.0], "y": [1.0, 2.0, 3.0, 5.0]}, target="y")
    assert [finding.kind for finding in ahead.findings] == [Kind.CONSTANT]
    assert seen[0].names == ("intercept", EVIL)
    assert seen[0].problem.design.shape == (4, 2)
    text = ahead._repr_html_()
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text
    assert "\x1b" not in text + str(ahead)
    assert "st.fit(table, target='y', optimizer=" in str(ahead)
    assert ahead.command() == ""  # a table in memory has no path


def test_arrays_and_modules_stand_by_their_names():
    ahead = st.diagnose(SCALED, TARGET, weights=np.ones(N))
    assert ahead.python() == "st.fit(x, y, weights=weights)"


@pytest.mark.parametrize("width", [80, 160])
def test_lines_fit_a_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = str(st.diagnose("sample:diabetes")).splitlines()
    assert max(len(line) for line in lines if "st.fit(" not in line) <= width


def test_nothing_found_is_said():
    assert str(st.diagnose([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])).startswith("Nothing was found. Looked at: columns on")


def test_a_rate_is_rounded_down():
    for rate in (0.123456, 9.9999999, 1e-300, 3.14159e200, 0.5):
        found = rounded_down(rate, 4)
        assert found <= rate
        assert found == pytest.approx(rate, rel=1.1e-3)


def test_errors_are_those_of_fit():
    with pytest.raises(st.SpecError, match="lr=-1"):
        st.diagnose(SCALED, TARGET, lr=-1)
    with pytest.raises(st.SpecError, match="optimiser is no setting of a fit; did you mean optimizer"):
        st.diagnose(SCALED, TARGET, optimiser="sgd")
    with pytest.raises(st.SpecError, match="needs data"):
        st.diagnose()

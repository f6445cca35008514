"""What was looked at, and what cannot be seen, is said of each fit as it is true of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import steepest as st
from steepest.analysis import checks
from steepest.analysis.diagnosis import SIGNS, checks_of
from steepest.analysis.finding import Kind

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(40, 2))
Y = X @ [1.0, -1.0] + 0.3 * DRAW.normal(size=40)


def told(**settings: object) -> tuple[str, str]:
    """What was looked at, and what cannot be seen."""
    words = st.fit(X, Y, **settings).diagnose().looked_at
    seen, _, hidden = words.partition("Cannot be seen here: ")
    return seen, hidden


def test_every_kind_that_a_check_writes_down_is_one_that_it_finds():
    asked = {each for when in ("table", "fit", "descent") for each in checks_of(when)}
    declared = {kind for each in asked for kind in SIGNS[each].finds}
    assert declared == set(Kind)
    for path in Path(checks.__path__[0]).glob("*.py"):
        written = set(re.findall(r"Kind\.([A-Z_0-9]+),", path.read_text(encoding="utf-8")))
        assert written <= {kind.name for kind in declared}, path.name


def test_without_held_out_rows_overfitting_cannot_be_seen():
    seen, hidden = told()
    assert "overfitting" not in seen
    assert re.search(r"overfitting, [^;]*since no rows are held out", hidden)
    seen, hidden = told(test_fraction=0.25)
    assert "overfitting" in seen
    assert "overfitting" not in hidden


@pytest.mark.parametrize(
    ("settings", "seen", "hidden"),
    [
        ({}, "rate over the limit", ""),
        ({}, "missing intercept", ""),
        ({"optimizer": "sgd", "lr": 0.01, "epochs": 3}, "decay too fast", ""),
        ({"optimizer": torch.optim.SGD, "lr": 0.01, "epochs": 3}, "too few steps", "decay too fast"),
        ({"model": "mlp:3", "epochs": 3}, "dead units", "bouncing at a kink"),
        ({"model": "mlp:3", "epochs": 3, "dtype": "float32"}, "vanishing gradients", "float32"),
    ],
)
def test_what_is_seen_depends_on_the_fit(settings, seen, hidden):
    looked, not_seen = told(**settings)
    assert seen in looked
    assert hidden in not_seen


def test_what_has_no_meaning_is_not_spoken_of():
    words = " ".join(told())
    for kind in (Kind.DEAD_UNITS, Kind.IMBALANCED, Kind.CLIPPED, Kind.HEAVY_ROWS, Kind.SORTED):
        assert kind not in words


def test_a_run_keeps_what_was_looked_at(tmp_path):
    fit = st.fit(X, Y)
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").diagnose().looked_at == fit.diagnose().looked_at

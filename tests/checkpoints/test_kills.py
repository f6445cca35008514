"""Killed by SIGKILL at chosen and at random moments and begun again, a run ends as one in one piece, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import steepest as st

from stopping_at import assert_same_trace

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_a_run_that_is_killed_again_and_again_ends_as_one_in_one_piece(kills, tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.5] + random.normal(size=200)
    np.savetxt(tmp_path / "s.csv", np.column_stack([x, y]), delimiter=",", header="a,b,c,y", comments="")
    words = [sys.executable, str(SCRIPT), str(tmp_path), str(kills), str(kills)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200 + 30 * kills)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert sum(told["hits"].values()) == kills
    assert len(told["hits"]) >= 8
    assert told["ended"]
    for folder in told["ended"]:
        plain, again = st.load(tmp_path / f"plain-{folder.partition('-')[0]}"), st.load(tmp_path / folder)
        assert plain.theta.tobytes() == again.theta.tobytes()
        assert_same_trace(plain.trace, again.trace)
        assert (plain.loss, plain.test_loss, plain.engine) == (again.loss, again.test_loss, again.engine)
        assert not list((tmp_path / folder).glob("checkpoint-*")) or again.status.name != "INTERRUPTED"

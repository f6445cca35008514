"""Local steps of two ranks, θ averaged every K of them, are those that PyTorch's own rules take of the same rows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from ranked import CASES
from test_ranks import write

import steepest as st
from steepest.defaults import plan
from steepest.fit_data import described

from stopping_at import assert_same_trace

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


def by_hand(folder: Path) -> np.ndarray:
    """θ of the case `local` on two ranks: two copies of it, moved by `torch.optim.SGD`."""
    given = {name: value for name, value in CASES["local"].items() if name != "sync_every"}
    spec, train, _, _ = described(folder, None, given | {"stream": True, "epochs": 2})
    batching = plan(spec, train).batching
    copies = [torch.zeros(len(train.names) + 1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    rules = [torch.optim.SGD([one], lr=0.02, momentum=0.9) for one in copies]
    for batch in batching:
        for rank, (theta, rule) in enumerate(zip(copies, rules, strict=True)):
            rows = [part for part in batch.parts[4 * rank : 4 * rank + 4] if part]
            x, y = (torch.cat([part[i] for part in rows]) for i in (0, 1))
            rule.zero_grad()
            ((x @ theta - y) ** 2).mean().backward()
            rule.step()
        if batch.last or (batch.index + 1) % 4 == 0:
            with torch.no_grad():
                for group in (
                    [one for one in copies],
                    [rule.state[one]["momentum_buffer"] for one, rule in zip(copies, rules, strict=True)],
                ):
                    mean = (group[0] + group[1]) / 2
                    for part in group:
                        part.copy_(mean)
    return copies[0].detach().numpy()


def test_local_steps_are_those_of_two_copies_and_the_same_whenever_they_are_taken(tmp_path, forked):
    write(tmp_path / "rows")
    cases = ["local", "local again", "local module", "local module again"]
    forked("ranked.py", str(tmp_path), "2", *cases)
    found = {case: np.load(tmp_path / f"{case}-2.npz") for case in cases}
    np.testing.assert_allclose(found["local"]["theta"], by_hand(tmp_path / "rows"), rtol=1e-10)
    for case in ("local", "local module"):
        for name in set(found[case].files) - {"read"}:
            assert found[case][name].tobytes() == found[f"{case} again"][name].tobytes(), name
    assert "Each of 2 ranks took steps on its own share of a batch" in str(found["local"]["told"])


@pytest.mark.soak
def test_local_steps_go_on_with_as_many_ranks_and_are_refused_where_they_make_no_sense(tmp_path, forked):
    write(tmp_path / "rows")
    told = json.loads(forked("ending.py", str(tmp_path), "local"))
    assert told["killed"]["codes"] == [0, -9]
    whole, again = st.load(tmp_path / "whole"), st.load(tmp_path / "killed")
    assert any(note.startswith(("The run goes on from step 4", "The run goes on from step 3")) for note in again.notes)
    assert whole.theta.tobytes() == again.theta.tobytes()
    assert_same_trace(whole.trace, again.trace)
    assert any("ranks=2 is ranks=4 now" in said for said in told["four"]["said"])
    assert told["one"]["said"][0].startswith("sync_every=5 averages θ of several ranks, and this is one process.")
    assert all(said.startswith("sync_every=5 averages θ of several ranks that step") for said in told["passes"]["said"])
    with pytest.raises(st.SpecError, match="sync_every= is for one fit that ranks share"):
        st.sweep([0.0, 1.0], [1.0, 2.0], lr=[0.1, 0.2], sync_every=2)
    with pytest.raises(st.RunError, match="each its own"):
        st.replay(tmp_path / "whole")

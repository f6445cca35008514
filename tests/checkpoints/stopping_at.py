"""A fit that is cut off where its n-th checkpoint is written, and gone on with; whether two fits are the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest.checkpoints.folder import Checkpoints, claimed
from steepest.run_record import FILES


class Cut(BaseException):
    """What nothing catches, as a kill."""


def cut_off(at: int, *data: Any, out: Path, every: float = 1e-9, **settings: Any) -> None:
    """Begin a fit, and leave it once so many checkpoints are written."""
    real, written = Checkpoints.write, []

    def write(self: Checkpoints, *given: Any, **named: Any) -> None:
        real(self, *given, **named)
        written.append(given)
        if len(written) == at:
            raise Cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "write", write)
        with pytest.raises(Cut):
            st.fit(*data, out=out, checkpoint_every=every, **settings)


def gone_on(*data: Any, out: Path, every: float = 30.0, **settings: Any) -> st.Fit:
    """The same call again, without the save at its end, which takes longer than the fit."""
    with claimed(out, False, FILES, every) as kept:
        return st.fit(*data, out=kept, **settings)


def assert_same(one: st.Fit, other: st.Fit) -> None:
    """The same to the last bit: θ, trace, held-out loss, and how they ended."""
    assert one.theta.tobytes() == other.theta.tobytes()
    assert_same_trace(one.trace, other.trace)
    assert (one.ending, one.steps, one.epochs, one.lr) == (other.ending, other.steps, other.epochs, other.lr)
    assert (one.engine, one.loss, one.test_loss) == (other.engine, other.loss, other.test_loss)
    if one.network is not None:
        pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


def assert_same_trace(one: st.Trace, other: st.Trace) -> None:
    """Every recorded step the same to the last bit."""
    for name in (*one.COLUMNS, "theta"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name

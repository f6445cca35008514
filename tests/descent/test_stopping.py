"""A descent stops for a stated reason, and says it in a sentence."""

from __future__ import annotations

import signal
import threading
from math import inf, nan

import numpy as np
import pytest

from steepest.descent.stopping import Status, Stopper, interruptible


def test_every_status_is_a_sentence():
    for status in Status:
        assert status.value[0].isupper()
        assert status.value.rstrip("'()").endswith((".", "0.001"))
        assert str(status) == f"{status.name.lower()}: {status.value[0].lower()}{status.value[1:]}"


def _looks(stopper: Stopper, *values: float) -> list[str | None]:
    found = [stopper.look(value) for value in values]
    return ["diverged" if diverged else "settled" if settled else None for diverged, settled in found]


def test_a_tolerance_is_a_relative_change():
    assert _looks(Stopper(tol=0.01), 100.0, 90.0, 89.2, 88.2) == [None, None, "settled", None]
    assert _looks(Stopper(tol=0.01), 1e-9, 0.5e-9, 0.499e-9) == [None, None, "settled"]


def test_a_tolerance_of_zero_waits_until_nothing_changes_at_all():
    stopper = Stopper(tol=0.0)
    found = _looks(stopper, 1.0, 0.5, 0.5 * (1 - 2**-53), 0.5 * (1 - 2**-53))
    assert found == [None, None, None, "settled"]


def test_without_a_tolerance_nothing_stops():
    assert _looks(Stopper(), 1.0, 1.0, 1.0) == [None, None, None]


def test_looks_are_counted_in_a_row():
    stopper = Stopper(tol=0.01, looks=3)
    found = _looks(stopper, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5)
    assert found == [None] * 6 + ["settled"]


@pytest.mark.parametrize("value", [nan, inf, -inf, 1.1e6])
def test_a_loss_out_of_bounds_is_divergence(value):
    stopper = Stopper(tol=0.0)
    assert stopper.within(5.0)  # nothing is known yet
    assert _looks(stopper, 1.0) == [None]
    assert not stopper.within(value)
    assert _looks(Stopper(), nan) == ["diverged"]
    if abs(value) < inf:
        assert _looks(stopper, 0.5, 0.4, value) == [None, None, "diverged"]
    else:
        assert _looks(stopper, value) == ["diverged"]


def test_growth_is_seen_although_it_began_at_once():
    assert "diverged" in _looks(Stopper(), *[10.0**power for power in range(0, 100, 7)])


def test_a_start_that_is_nearly_perfect_is_no_measure_of_divergence():
    """Adam moves by lr wherever it stands: from a gap of 1e-32 it goes up to lr² and comes back."""
    assert _looks(Stopper(), 1e-32, 1e-2, 1e-3, 1e-4, 2e-2) == [None] * 5
    assert _looks(Stopper(), 0.0, 1e-2, 1e-3) == [None] * 3


def test_a_validation_loss_that_no_longer_improves():
    stopper = Stopper(patience=2)
    found = [bool(stopper.validate(value, epoch)) for epoch, value in enumerate([3.0, 2.0, 2.5, 1.0, 1.0, 1.5])]
    assert found == [False] * 5 + [True]
    assert stopper.best == 1.0
    assert stopper.best_epoch == 3


RUNS = {
    "settles": [9.0, 3.0, 2.0, 2.0, 2.0, 2.0],
    "falls": [9.0, 5.0, 3.0, 2.0, 1.5, 1.2],
    "grows": [1.0, 1e2, 1e4, 1e8, 1e12, 1e16],
    "breaks": [1.0, 2.0, nan, nan, nan, nan],
}


@pytest.mark.parametrize("scale", [None, 4.0])
def test_many_runs_are_watched_as_each_would_be_alone(scale):
    tol, looks = [0.0, 0.01, nan, 0.0], [2, 1, 1, 3]
    values = np.array(list(RUNS.values()))
    alone = [
        _looks(Stopper(None if np.isnan(t) else t, n, scale=scale), *row)
        for t, n, row in zip(tol, looks, values.tolist(), strict=True)
    ]
    assert [row.count(None) for row in alone] == [4, 6, 4 if scale is None else 3, 2]  # 1e6 · 1e4, or 1e6 · 4
    many = Stopper(np.array(tol), np.array(looks), scale=scale)
    with np.errstate(invalid="ignore"):
        found = [many.look(column) for column in values.T]
    for run, row in enumerate(alone):
        seen = ["diverged" if bad[run] else "settled" if still[run] else None for bad, still in found]
        end = next((i for i, word in enumerate(row) if word is not None), len(row) - 1)
        assert seen[: end + 1] == row[: end + 1]


def test_looks_without_an_event_may_be_skipped():
    values = np.array([RUNS["settles"], RUNS["falls"], RUNS["grows"]])
    looking, skipping = (Stopper(np.array([0.0, 0.0, nan])) for _ in range(2))
    for column in values[:, :3].T:
        looking.look(column)
        skipping.look(column)
    assert looking.untold == 0
    eventful = skipping.eventful(values[:, 3:])
    assert eventful.tolist() == [[True] * 3, [False] * 3, [False, True, True]]
    looking, skipping = looking.only(np.array([1])), skipping.only(np.array([1]))
    for value in RUNS["falls"][3:]:
        looking.look(np.array([value]))
    skipping.skip(np.array([RUNS["falls"][-1]]), 3)
    for name in ("looks", "before", "still", "limit"):
        assert getattr(looking, name) == getattr(skipping, name)


def test_the_first_ctrl_c_only_sets_a_mark_and_the_second_interrupts():
    inherited = signal.getsignal(signal.SIGINT)  # a shell has its background jobs ignore it
    before = signal.default_int_handler
    signal.signal(signal.SIGINT, before)
    with interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, inherited)


def test_other_threads_cannot_and_need_not_watch_for_it():
    found = []

    def run() -> None:
        with interruptible() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [None]

"""A descent stops for a stated reason, and says it in a sentence."""

from __future__ import annotations

import signal
import threading
from math import inf, nan

import pytest

from steepest.descent.stopping import Status, Stopper, interruptible


def test_every_status_is_a_sentence():
    for status in Status:
        assert status.value[0].isupper()
        assert status.value.rstrip("'()").endswith((".", "0.001"))
        assert str(status) == f"{status.name.lower()}: {status.value}"


def _looks(stopper: Stopper, *values: float) -> list[Status | None]:
    return [stopper.look(value) for value in values]


def test_a_tolerance_is_a_relative_change():
    assert _looks(Stopper(tol=0.01), 100.0, 90.0, 89.2, 88.2) == [None, None, Status.TOLERANCE, None]
    assert _looks(Stopper(tol=0.01), 1e-9, 0.5e-9, 0.499e-9) == [None, None, Status.TOLERANCE]


def test_a_tolerance_of_zero_waits_until_nothing_changes_at_all():
    stopper = Stopper(tol=0.0)
    assert _looks(stopper, 1.0, 0.5, 0.5 * (1 - 2**-53), 0.5 * (1 - 2**-53)) == [
        None,
        None,
        None,
        Status.TOLERANCE,
    ]


def test_without_a_tolerance_nothing_stops():
    assert _looks(Stopper(), 1.0, 1.0, 1.0) == [None, None, None]


def test_patience_counts_looks_in_a_row():
    stopper = Stopper(tol=0.01, patience=3)
    found = _looks(stopper, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5)
    assert found == [None] * 6 + [Status.TOLERANCE]


@pytest.mark.parametrize("value", [nan, inf, -inf, 1.1e6])
def test_a_loss_out_of_bounds_is_divergence(value):
    stopper = Stopper(tol=0.0)
    assert not stopper.out_of_bounds(5.0)  # nothing is known yet
    assert stopper.look(1.0) is None
    assert stopper.out_of_bounds(value)
    assert Stopper().look(nan) is Status.DIVERGED
    if abs(value) < inf:
        assert _looks(stopper, 0.5, 0.4, value) == [None, None, Status.DIVERGED]
    else:
        assert stopper.look(value) is Status.DIVERGED


def test_growth_is_seen_although_it_began_at_once():
    assert Status.DIVERGED in _looks(Stopper(), *[10.0**power for power in range(0, 100, 7)])


def test_a_start_that_is_nearly_perfect_is_no_measure_of_divergence():
    """Adam moves by lr wherever it stands: from a gap of 1e-32 it goes up to lr² and comes back."""
    assert _looks(Stopper(), 1e-32, 1e-2, 1e-3, 1e-4, 2e-2) == [None] * 5
    assert _looks(Stopper(), 0.0, 1e-2, 1e-3) == [None] * 3


def test_a_validation_loss_that_no_longer_improves():
    stopper = Stopper(patience=2)
    found = [stopper.validate(value, epoch) for epoch, value in enumerate([3.0, 2.0, 2.5, 1.0, 1.0, 1.5])]
    assert found == [None, None, None, None, None, Status.PATIENCE]
    assert stopper.best == 1.0
    assert stopper.best_epoch == 3


def test_the_first_ctrl_c_only_sets_a_mark_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_cannot_and_need_not_watch_for_it():
    found = []

    def run() -> None:
        with interruptible() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]

"""What the page does when a descent is stopped, a worker killed, the lab started anew; and a class at work."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from lab_browsing import FIRST, Visit, fragment, serving, until, watched

still = partial(watched, reduced_motion="reduce")
LONG = {"data": "sample:digits", "points": [], "settings": {"model": "mlp:200,200", "epochs": 100_000, "tol": 0.0}}


def busiest(lab):
    """The process below a lab that computes most in a second."""
    before = used(lab)
    time.sleep(1)
    return max((seconds - before.get(process, 0), process) for process, seconds in used(lab).items())[1]


def used(lab):
    """The processor time of each process below a lab that computes."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parts = (place / "stat").read_text().rpartition(")")[2].split()
            words = (place / "cmdline").read_text()
        except OSError:
            continue
        if int(parts[1]) == lab.pid and "spawn_main" in words:
            found[int(place.name)] = int(parts[11])
    return found


def begins(visit, origin):
    """Open a descent that takes long, and wait until it is at work."""
    visit.page.goto("about:blank")
    visit.page.goto(f"{origin}/#{fragment(LONG)}")
    until(visit.page, "document.getElementById('stop')?.hidden === false")


@pytest.mark.soak
def test_stop_ends_a_descent_and_the_page_goes_on(page, lab):
    visit, origin = Visit(page), lab.partition("/?")[0]
    begins(visit, origin)
    time.sleep(3)
    page.click("#stop")
    until(page, "document.getElementById('message').textContent.startsWith('Stopped')", 5)
    visit.ends(lambda: page.select_option("#data", "sample:line"))
    assert visit.column(1) == ["intercept", "x"]


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_the_owner_of_a_killed_worker_is_told_and_nobody_else_notices(browser):
    with serving() as (link, process), still(browser, link) as page, still(browser, link) as other:
        origin = link.partition("/?")[0]
        visit, neighbour = Visit(page).open(origin), Visit(other).open(origin)
        begins(visit, origin)
        time.sleep(4)
        os.kill(busiest(process), signal.SIGKILL)
        neighbour.ends(lambda: other.select_option("#setting-optimizer", "sgd"))
        fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd"})
        assert np.allclose(neighbour.theta(), fit.theta, rtol=1e-6)
        until(page, "document.getElementById('message').textContent.includes('died')", 20)
        visit.ends(lambda: page.select_option("#data", "sample:line"))


@pytest.mark.soak
def test_a_page_goes_on_with_its_settings_when_the_lab_is_started_anew(browser):
    with serving() as (link, _):
        port = link.partition("/?")[0].rpartition(":")[2]
        context = browser.new_context(reduced_motion="reduce")
        page = context.new_page()
        page.goto(link)
        visit = Visit(page).open(link.partition("?")[0])
        visit.ends(lambda: page.select_option("#setting-optimizer", "sgd"))
    page.fill("#typed-lr", "0.05")
    before = page.get_attribute("main", "data-answers")
    page.press("#typed-lr", "Enter")
    until(page, "document.getElementById('message').textContent.includes('does not answer')")
    with serving("--port", port):
        until(page, f"document.querySelector('main').dataset.answers > {before}")
        fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd", "lr": 0.05})
        assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)
        context.close()


@pytest.mark.soak
def test_a_teacher_sees_the_class_and_sends_to_all(browser, classroom):
    student_link, teacher_link = classroom
    with still(browser, student_link) as page, still(browser, teacher_link) as board:
        student, teacher = (Visit(one).open(student_link.partition("?")[0]) for one in (page, board))
        page.fill("#name", "Ada <b>")
        page.press("#name", "Enter")
        student.ends(lambda: page.select_option("#setting-optimizer", "adam"))
        until(board, "document.getElementById('students').textContent.includes('Ada <b>')")
        until(board, "document.getElementById('students').textContent.includes('adam')")
        assert not page.locator("#class").is_visible()
        teacher.ends(lambda: board.select_option("#setting-optimizer", "nesterov"))
        board.click("#send")
        until(page, "document.getElementById('setting-optimizer').value === 'nesterov'", 15)

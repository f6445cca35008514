"""Labs of the tests keep their key in a place of their own; one lab and one browser serve all tests of the page."""

from __future__ import annotations

import re

import pytest

from lab_browsing import CLASSROOM, SIZES, Visit, serving, watched

from browser import FLAT, chromium


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory):
    """Where programs keep their state is another folder for the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def browser():
    """It ends with its module: while it is open no other event loop can be."""
    with chromium(FLAT) as found:
        yield found


@pytest.fixture(scope="session")
def lab(state_of_its_own):
    """A lab in a process of its own, opened with nothing; its link."""
    with serving() as (link, _):
        yield link


@pytest.fixture(scope="module", params=["desktop", pytest.param("phone", marks=pytest.mark.soak)])
def window(lab, browser, request):
    """A window that has entered the lab. Nothing but the lab is asked, and the console stays empty."""
    with watched(browser, lab, SIZES[request.param], reduced_motion="reduce") as page:
        yield page


@pytest.fixture
def page(window, lab):
    """The page as it opens."""
    return Visit(window).open(lab.partition("?")[0]).page


@pytest.fixture
def visit(page):
    """The same with what a visitor does."""
    return Visit(page)


@pytest.fixture(scope="session")
def classroom(state_of_its_own):
    """A class: the link of its students and that of its teacher."""
    with serving(*CLASSROOM) as (link, process):
        said = process.stdout.readline().strip().removeprefix("For the teacher: ")
        yield tuple(re.sub("//[^/:]+:", "//127.0.0.1:", one) for one in (link, said))

"""One browser and one window serve all tests of the page."""

from __future__ import annotations

import pytest

from lab_browsing import SIZES, Visit, watched

from browser import FLAT, chromium


@pytest.fixture(scope="package")
def browser():
    """It ends with this folder: while it is open no other event loop can be."""
    with chromium(FLAT) as found:
        yield found


@pytest.fixture(scope="package", params=["desktop", pytest.param("phone", marks=pytest.mark.soak)])
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

"""Labs of the tests keep their key in a place of their own; one lab serves all tests of the page."""

from __future__ import annotations

import re

import pytest

from lab_browsing import CLASSROOM, serving


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory):
    """Where programs keep their state is another folder for the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def lab(state_of_its_own):
    """A lab in a process of its own, opened with nothing; its link."""
    with serving() as (link, _):
        yield link


@pytest.fixture(scope="session")
def classroom(state_of_its_own):
    """A class: the link of its students and that of its teacher."""
    with serving(*CLASSROOM) as (link, process):
        said = process.stdout.readline().strip().removeprefix("For the teacher: ")
        yield tuple(re.sub("//[^/:]+:", "//127.0.0.1:", one) for one in (link, said))

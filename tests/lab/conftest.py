"""Labs of the tests keep their key in a place of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory):
    """Where programs keep their state is another folder for the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield

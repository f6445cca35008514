"""What the tests of ranks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from forking import Forked, forking


@pytest.fixture(scope="session")
def forked() -> Iterator[Forked]:
    """Does a script in a fork of a process that has imported everything, the same for all tests."""
    with forking() as each:
        yield each

"""What all tests share: the gpu marker, the profiles of the property tests, and a last line where pages were not opened.

PyTorch's default dtype is left alone on purpose: float64 must come from Steepest itself.
"""

from __future__ import annotations

import os
import tempfile

# Several test processes with several threads each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# The same examples on every run, so that what is red comes back; `soak` looks at others each time, and at far more.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """What tests leave in a cache goes with the session."""
    cache = tempfile.TemporaryDirectory(prefix="steepest-cache-")
    os.environ["STEEPEST_CACHE"] = cache.name
    config.add_cleanup(cache.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu` where PyTorch sees no CUDA device, and say so."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and PyTorch sees none"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the very last line how many tests of pages were skipped for want of a browser, and how to get one."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of xdist
        return
    from browser import MISSING, REMEDY

    skipped = sum(MISSING in str(report.longrepr) for report in reporter.stats.get("skipped", []))
    if skipped:
        reporter.write_line(
            f"{skipped} tests of pages were skipped: there is no Chrome, Chromium or Edge that opens a page. "
            f"To run them: {REMEDY}, then `make test` again."
        )

"""What all tests share: the gpu marker and the profiles of the property tests.

PyTorch's default dtype is left alone on purpose: float64 must come from Steepest itself.
"""

from __future__ import annotations

import os

# Several test processes with several threads each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# `--hypothesis-profile=ci` repeats the same examples on every run; `soak` looks much longer for a bad one.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=2_000)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu` where PyTorch sees no CUDA device, and say so."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and PyTorch sees none"))

"""Compiled code where nothing can be kept on disk: it is compiled without, and that is said once."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys, warnings
import numpy as np
from numba.core import caching
from steepest.errors import SteepestWarning

{prepare}

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from steepest.engines.numba_intrinsics import compiled

    def doubled(x):
        return 2.0 * x

    def halved(x):
        return 0.5 * x

    doubled, halved = compiled(doubled), compiled(halved)
    assert (doubled(3.0), halved(3.0)) == (6.0, 1.5)
print([str(one.message).split(",")[0] for one in said if one.category is SteepestWarning])
"""

NO_PLACE = "caching.CacheImpl._locator_classes = []"
FULL = """
def full(*given):
    raise OSError(28, "No space left on device")
caching._Cache.save_overload = caching.Cache.save_overload = full
"""
DAMAGED = """
def damaged(*given):
    raise EOFError("Ran out of input")
caching.IndexDataCacheFile.load = damaged
"""


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (NO_PLACE, ["There is no place to keep compiled code in"]),
        (FULL, ["There is no place to keep compiled code in"]),
        (DAMAGED, []),
    ],
)
def test_code_is_compiled_without_a_place_for_it(tmp_path, prepare, said):
    code = tmp_path / "without.py"
    code.write_text(WITHOUT.format(prepare=prepare))
    done = subprocess.run([sys.executable, str(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(said)), done.stderr

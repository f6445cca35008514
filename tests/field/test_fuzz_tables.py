"""A table in any dialect, whole or damaged, ends in a right answer or in an error of ours; never in a wrong answer."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from field.fuzz import Table, table
from steepest.errors import SteepestError


def _ends(case: Table, path: Path) -> str:
    """How a fit of it ends: `right`, `asked`, `damaged: …`; anything else fails the test."""
    path.write_bytes(case.data)
    target = "y" if case.dialect["header"] else f"x{len(case.x[0]) + 1 + bool(case.dialect['index'])}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", st.SteepestWarning)
            fit = st.fit(path, target=target, **case.settings)
            loss = fit.loss
    except SteepestError as error:
        if len(str(error).splitlines()) > 12:
            raise AssertionError("an error of too many lines") from error
        return "damaged: refused" if case.damaged else "asked"
    if case.damaged:
        assert np.isfinite(loss)
        return "damaged: read"
    design = np.column_stack([np.ones(len(case.y)), np.array(case.x)])
    design[:, 1:] -= design[:, 1:].mean(0)
    scale = np.abs(design).max(0)
    design = design / np.where(scale > 0, scale, 1)
    residual = np.array(case.y) - design @ np.linalg.lstsq(design, np.array(case.y), rcond=None)[0]
    assert fit.rows == len(case.y)
    assert loss == pytest.approx(np.mean(residual**2), rel=1e-6, abs=1e-12 * np.mean(np.square(case.y)))
    return "right"


def _hunt(seeds: range, folder: Path) -> Counter[str]:
    ends: Counter[str] = Counter()
    for seed in seeds:
        case = table(seed)
        try:
            ends[_ends(case, folder / "t.csv")] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, {case.dialect}:\n{case.data[:400]!r}") from error
    print(dict(ends))
    return ends


def test_no_table_is_read_wrongly_in_silence(tmp_path: Path) -> None:
    ends = _hunt(range(200), tmp_path)
    assert ends["right"] > 5 * ends["asked"], ends


@pytest.mark.soak
def test_no_table_is_read_wrongly_in_silence_at_length(tmp_path: Path) -> None:
    ends = _hunt(range(200, 20_200), tmp_path)
    assert ends["right"] > 5 * ends["asked"], ends

"""Files as people bring them are read as a person reads them, or refused with the option that answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from field.tables import CASES, Case
from steepest.cli.commands import main
from steepest.command_words import options
from steepest.errors import SteepestError

NAMES = [case.name for case in CASES]


def _written(case: Case, folder: Path) -> Path:
    path = folder / f"table{case.ending}"
    path.write_bytes(case.data)
    return path


def _expected(case: Case) -> np.ndarray:
    """Fitted values of least squares on what a person reads, [n]."""
    design = np.column_stack([np.ones(len(case.y)), *case.features.values()])
    centred = design.copy()
    centred[:, 1:] -= design[:, 1:].mean(0)
    return centred @ np.linalg.lstsq(centred, np.array(case.y), rcond=None)[0]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_file_is_read_as_a_person_reads_it(case: Case, tmp_path: Path) -> None:
    path = _written(case, tmp_path)
    fit = st.fit(path, target=case.target, **case.settings)
    assert fit.rows == len(case.y)
    expected = _expected(case)
    assert fit.loss == pytest.approx(np.mean((np.array(case.y) - expected) ** 2), rel=1e-8)
    if case.settings.get("missing") != "drop":
        found = np.asarray(fit.predict(path))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("case", [case for case in CASES if case.asks], ids=[case.name for case in CASES if case.asks])
def test_what_a_file_leaves_open_is_asked(case: Case, tmp_path: Path) -> None:
    with pytest.raises(SteepestError) as refused:
        st.fit(_written(case, tmp_path), target=case.target)
    for word in case.asks:
        assert word in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 11


@pytest.mark.parametrize("case", CASES[::5], ids=NAMES[::5])
def test_the_command_reads_the_same(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", str(_written(case, tmp_path)), "--target", case.target, "--json", *options(case.settings)]
    assert main(words) == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["loss"] == pytest.approx(np.mean((np.array(case.y) - _expected(case)) ** 2), rel=1e-8)


def test_every_case_names_its_source() -> None:
    assert len(CASES) >= 30
    assert len(set(NAMES)) == len(NAMES)
    for case in CASES:
        assert case.source.startswith("https://")

"""`docs/architecture.md` names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:src|tests)/[\w./]+)`", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path):
    assert (ROOT / path).exists()


def _rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_twenty_questions_are_answered_by_a_path_each():
    rows = _rows("Twenty questions")
    assert len(rows) == 20
    for question, answer in rows:
        assert question.endswith("?")
        assert len(re.findall(r"`src/steepest/[\w./]+`", answer)) == 1


def test_ten_changes_touch_three_files_each_at_most():
    rows = _rows("Ten changes, and the files that they touch")
    assert len(rows) == 10
    for _, files in rows:
        assert 1 <= len(re.findall(r"`src/steepest/[\w./]+`", files)) <= 3

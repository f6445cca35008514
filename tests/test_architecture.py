"""`docs/architecture.md` names files that are there; `docs/findings/` has a page for each kind, with its thresholds."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from steepest.analysis.finding import Kind

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:src|tests)/[\w./]+)`", PAGE)))
PAGES = ROOT / "docs" / "findings"
PARTS = ["How it is detected", "At what level", "Why it matters", "What mends it"]
THRESHOLD = re.compile(r"(?P<value>[\d.,e-]*\d)(?P<percent> %)?\s\(`(?P<module>\w+)\.(?P<name>[A-Z_]+)`\)")


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


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.code)
def test_each_kind_has_a_page(kind):
    text = (PAGES / f"{kind.code}.md").read_text(encoding="utf-8")
    title, *parts = re.split(r"\n+## ", text)
    assert title == f"# {kind.code}: {kind}"
    assert [part.partition("\n")[0] for part in parts] == PARTS
    assert all(part.partition("\n")[2].strip() for part in parts)
    assert f"- [{kind.code}]({kind.code}.md) {kind}\n" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.code)
def test_thresholds_are_those_of_the_code(kind):
    """Each stands before its name, a file of `analysis/checks/` and a constant: 10 % (`overfitting.LEAST_RISE`)."""
    text = (PAGES / f"{kind.code}.md").read_text(encoding="utf-8")
    found = list(THRESHOLD.finditer(text))
    assert len(found) == len(re.findall(r"`\w+\.[A-Z_]{2,}`", text)), "a number must stand before each name"
    for each in found:
        module = import_module(f"steepest.analysis.checks.{each['module']}")
        value = float(each["value"].replace(",", "")) / (100 if each["percent"] else 1)
        assert value == pytest.approx(getattr(module, each["name"]), rel=1e-12), each.group()

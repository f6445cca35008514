"""The lessons as a reader has them: they run, their exercises are judged rightly, and no number goes unchecked."""

from __future__ import annotations

import ast
import builtins
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from steepest.cli.commands import app

from lesson_cells import FOLDER, NAMES, Lesson

ROOT = Path(__file__).parents[1]
CHECK = (
    'def check(name, answer, right, hint):\n    """Say whether an answer is right; three dots are no answer yet."""\n'
)

CODE_SPAN = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|<[^>]*>|\]\([^)]*\)", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?")

lessons = pytest.mark.parametrize("lesson", [Lesson.read(name) for name in NAMES], ids=NAMES)


def test_lessons_run_and_judge_answers(tmp_path):
    """In a process of their own: every assert in them holds, their own answers are right, and others are not."""
    command = [sys.executable, "-W", "error", str(ROOT / "tests" / "lesson_run.py"), *NAMES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, found in json.loads(done.stdout.splitlines()[-1]).items():
        assert found["seconds"] < 20, name
        assert len(found["exercises"]) >= 3, name
        for as_given, answered, wrong in found["exercises"]:
            assert "three dots" in as_given
            assert answered.endswith(": right.")
            assert ": not yet. " in wrong


@lessons
def test_cells_are_short(lesson):
    for cell in lesson.code:
        lines = [line for line in cell.source.split("\n") if line.strip()]
        assert len(lines) <= 15, f"{lesson.path}:{cell.line} has {len(lines)} lines"


@lessons
def test_the_first_cell_says_how_to_install(lesson):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    first = lesson.cells[0]
    assert first.kind == "markdown"
    assert f"%pip install steepest-{version}-py3-none-any.whl" in first.source
    assert f"dist/steepest-{version}-py3-none-any.whl" in first.source


@lessons
def test_the_checking_of_answers_is_the_same_in_all(lesson):
    (first,) = [cell for cell in Lesson.read(NAMES[0]).code if CHECK in cell.source]
    assert [cell.source for cell in lesson.code if CHECK in cell.source] == [first.source]


@lessons
def test_every_number_in_the_prose_is_asserted(lesson):
    """Each stands, with the same digits, in an assert of the lesson. Code and formulas in the prose are not its numbers."""
    asserted = {number for text in _asserts(lesson) for number in _numbers(text)}
    for cell in lesson.prose:
        plain = re.sub(r"(?m)^#.*$|^\d+\. |[Ll]essons? \d|Exercise \d", " ", CODE_SPAN.sub(" ", cell.source))
        missing = [number for number in _numbers(plain) if number not in asserted]
        assert not missing, f"{lesson.path}:{cell.line}: no assert has {missing}"


@lessons
def test_every_printed_value_is_asserted(lesson):
    """Each name that a `print` shows occurs in an assert; counters of loops and caught errors are shown as they are."""
    used = {node.id for text in _asserts(lesson) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for cell in lesson.code:
        free = {name.id for loop in _nodes(cell.tree, LOOPS) for name in _nodes(loop.target, ast.Name)}
        free |= {str(handler.name) for handler in _nodes(cell.tree, ast.ExceptHandler)}
        for call in _nodes(cell.tree, ast.Call):
            if CHECK not in cell.source and isinstance(call.func, ast.Name) and call.func.id == "print":
                shown = {node.id for node in _nodes(call, ast.Name)} - PLAIN - free
                assert shown <= used, f"{lesson.path}:{call.lineno}: no assert has {sorted(shown - used)}"


@lessons
def test_formulas_are_tagged_and_the_lesson_ends_with_a_table_of_ones_own(lesson):
    assert sum("formula" in cell.tags for cell in lesson.code) >= 4
    assert lesson.headings[-1] == "Now your own table"
    assert re.search(r"st\.(fit|sweep)\(", "".join(cell.source for cell in lesson.cells[-2:]))


@lessons
def test_the_commands_in_the_prose_are_commands(lesson):
    text = "\n".join(cell.source for cell in lesson.prose)
    commands = re.findall(r"^steepest .*$", text, re.MULTILINE)
    assert any(command.startswith("steepest lab ") for command in commands)
    for command in commands:
        app.parse_args(command.split()[1:], exit_on_error=False, print_error=False)


def test_every_row_of_the_table_of_contents_names_a_section_that_is_there():
    rows = re.findall(r"^\|.*\| (\d) · ([^|]+) \|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    headings = {name[0]: Lesson.read(name).headings for name in NAMES}
    assert len(rows) >= 40
    for lesson, section in rows:
        for one in section.split(" · "):
            assert one.strip() in headings[lesson], f"lesson {lesson} has no section {one!r}"


@pytest.mark.soak
@lessons
def test_jupytext_finds_the_same_cells(lesson):
    jupytext = pytest.importorskip("jupytext", reason="make lessons installs it")
    cells = jupytext.read(lesson.path)["cells"]
    assert [(cell["cell_type"], cell["source"].strip()) for cell in cells] == [
        (cell.kind, cell.source.strip()) for cell in lesson.cells
    ]


LOOPS = (ast.For, ast.comprehension)
PLAIN = {*dir(builtins), "np", "st", "torch"}


def _numbers(text: str) -> list[str]:
    """The numbers in a text, without marks between thousands."""
    return NUMBER.findall(re.sub(r"(?<=\d)[,_](?=\d{3})", "", text))


def _nodes(tree: ast.AST, kind: Any) -> list[Any]:
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def _asserts(lesson: Lesson) -> list[str]:
    """The text of every assert."""
    return [
        ast.get_source_segment("\n" * cell.line + cell.source, node) or ""
        for cell in lesson.code
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.Assert)
    ]

"""The cells of a lesson, and the numbers, exercises and answers in them.

    lesson = Lesson.read("1_descent")
    lesson.cells                   Cell(kind, tags, source, line) in their order
    lesson.run()                   every cell in its turn, as a notebook does

A lesson is a Python file in jupytext's percent format: `# %%` begins a cell, `# %% [markdown]` one of prose, and
`tags=[…]` after it are its tags.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "lessons"
NAMES = [path.stem for path in sorted(FOLDER.glob("[1-9]_*.py"))]

MARK = re.compile(r"# %%(?P<words>[^\n]*)\n", re.MULTILINE)
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A cell: its text (of markdown without the signs of comments), its tags, and the line that it begins in."""

    kind: str
    tags: tuple[str, ...]
    source: str
    line: int

    @property
    def tree(self) -> ast.Module:
        """The code, with the line numbers of the file."""
        return ast.parse("\n" * self.line + self.source)


@dataclass(frozen=True)
class Lesson:
    """A lesson by the name of its file."""

    name: str
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, name: str) -> Lesson:
        text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        return cls(name, tuple(_cells(text)))

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"

    @property
    def prose(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "markdown"]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def headings(self) -> list[str]:
        lines = "\n".join(cell.source for cell in self.prose).split("\n")
        return [line.lstrip("#").strip() for line in lines if re.match("#+ ", line)]

    @property
    def exercises(self) -> list[tuple[Cell, str]]:
        """Each cell with the tag `exercise`, and the answer in the prose behind it."""
        found = []
        for cell, after in zip(self.cells, self.cells[1:], strict=False):
            if "exercise" in cell.tags:
                solution = SOLUTION.search(after.source)
                assert solution is not None, f"{self.name}.py, line {cell.line}: no folded answer follows"
                found.append((cell, solution.group(1)))
        return found

    def run(self) -> None:
        """Run every cell in its turn, as a notebook does."""
        names: dict[str, Any] = {"__name__": "__main__"}
        for cell in self.code:
            self.execute(cell, cell.tree, names)

    def execute(self, cell: Cell, tree: ast.AST, names: dict[str, Any]) -> None:
        """Run the code of a cell, or what has been made of it."""
        exec(compile(ast.fix_missing_locations(tree), str(self.path), "exec"), names)  # type: ignore[call-overload]


def _cells(text: str) -> Iterator[Cell]:
    marks = list(MARK.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)]
        words = mark["words"]
        markdown = "[markdown]" in words
        tags = re.search(r"tags=(\[.*?\])", words)
        source = "\n".join(re.sub("^# ?", "", line) for line in body.split("\n")) if markdown else body
        yield Cell(
            "markdown" if markdown else "code",
            tuple(ast.literal_eval(tags[1])) if tags else (),
            source.strip("\n") if markdown else source,
            text.count("\n", 0, mark.end()),
        )


def answered(cell: Cell, answer: str) -> ast.Module:
    """The cell of an exercise with an answer, lines of Python, in the place of its three dots."""
    tree, given = cell.tree, ast.parse(answer)
    places = [i for i, node in enumerate(tree.body) if _dots(node)]
    assert len(places) == 1, (
        f"line {cell.line}: one `name = ...` is the place of the answer, and there are {len(places)}"
    )
    tree.body[places[0] : places[0] + 1] = given.body
    return tree


def asked(cell: Cell) -> str:
    """The name that an exercise asks for."""
    return next(node.targets[0].id for node in cell.tree.body if _dots(node))  # type: ignore[attr-defined]


def _dots(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is ...

"""Run lessons from their first cell to their last, and try their exercises: `python tests/lesson_run.py 1_descent 3_losses`.

The last line printed is JSON, for each lesson: the processor's seconds, and of each exercise what it says to three dots, to
the folded answer and to a wrong one.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from typing import Any

from lesson_cells import Lesson, answered, asked

WRONG = "12345.678"


def run(name: str) -> dict[str, Any]:
    """Every cell as it stands; the cells of exercises twice more, with the right answer and a wrong one."""
    begun = time.process_time()
    lesson = Lesson.read(name)
    answers = {cell.line: answer for cell, answer in lesson.exercises}
    names: dict[str, Any] = {"__name__": "__main__"}
    tried = []
    for cell in lesson.code:
        said = _said(lesson, cell, cell.tree, names)
        if cell.line in answers:
            right = answers[cell.line]
            wrong = f"{asked(cell)} = (lambda *_: {WRONG}) if callable({asked(cell)}) else {WRONG}"
            tried.append([said, _said(lesson, cell, answered(cell, right), names)])
            tried[-1].append(_said(lesson, cell, answered(cell, wrong), dict(names)))  # what follows has the right one
    return {"seconds": time.process_time() - begun, "exercises": tried}


def _said(lesson: Lesson, cell: Any, tree: Any, names: dict[str, Any]) -> str:
    """The last line that a cell prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        lesson.execute(cell, tree, names)
    return (out.getvalue().strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    print(json.dumps({name: run(name) for name in sys.argv[1:]}))

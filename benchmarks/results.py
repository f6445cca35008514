"""Write RESULTS.md and the README's picture from what the parts measured.

    python benchmarks/results.py [--quick]

It reads `.benchmarks/PART.json`, as `side_by_side.save` left them, and measures nothing itself. What no figure can say
(why a goal was missed, what was tried) is written by hand in `remarks.md` and stands between the goals and the tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import picture
from side_by_side import MEASURED, ROOT, Goal, Table, folder, goal_table, markdown, options

PARTS = {
    "epoch": "An epoch",
    "answer": "Time to an answer",
    "answer_others": "Time to other answers",
    "growth": "Growth",
    "sweep": "Sweeps",
    "step": "The overhead of a step",
    "startup": "Start-up",
    "sgd": "Estimators beside SGD",
    "search": "Grids",
    "recorder": "Loops recorded",
    "trackers": "Trackers",
}

HEAD = """# What was measured

`make bench` wrote this page. Peers took turns on one machine, in one run; figures are medians over the turns, ratios are
ratios of medians. Every peer has its best reasonable setting, named beside it. "Cores busy" is processor time over wall time.
"""


def read(where: Path) -> dict[str, dict[str, Any]]:
    """What the parts kept, in the order of `PARTS`; a part that was not measured is not in it."""
    found = {part: where / f"{part}.json" for part in PARTS}
    return {part: json.loads(file.read_text(encoding="utf-8")) for part, file in found.items() if file.exists()}


def page(measured: dict[str, dict[str, Any]], remarks: str, digits: str | None = None) -> str:
    """The whole of RESULTS.md: the machine, every goal, every table; `digits` is what `nist.py` printed."""
    text = [HEAD, *_machines(measured), "## Goals\n"]
    for part, title in PARTS.items():
        if part not in measured:
            text.append(f"### {title}\n\nNot measured: `python benchmarks/{part}.py` has left no figures.\n")
            continue
        goals = [Goal(**goal) for goal in measured[part]["goals"]]
        text.append(f"### {title}\n\n{markdown(goal_table(goals))}\n")
    text += [remarks, "## Tables\n"]
    for kept in measured.values():
        for table in (Table(**table) for table in kept["tables"]):
            text.append(f"### {table.title}\n\n{markdown(table)}\n")
            text += [f"{note}\n" for note in table.notes]
        text.append(f"This part took {kept['seconds']:.0f} s.\n")
    if digits:
        text.append(f"### Correct digits on NIST's certified problems\n\n```\n{digits.rstrip()}\n```\n")
    return "\n".join(text)


def _machines(measured: dict[str, dict[str, Any]]) -> list[str]:
    """The machine, once; again for a part that ran on another one, or on another day."""
    text, known = [], None
    for part, kept in measured.items():
        if kept["machine"] != known:
            title = "## The machine" if known is None else f"## The machine of “{PARTS[part]}” and what follows it"
            lines = "\n".join(f"- {name}: {value}" for name, value in kept["machine"].items())
            text.append(f"{title}\n\n{lines}\n")
            known = kept["machine"]
    return text


def main() -> None:
    quick = options(__doc__).quick
    where = folder(quick)
    measured = read(where)
    if not measured:
        raise SystemExit(
            f"There is nothing in {where.relative_to(ROOT)}: run `make bench`, or a part by itself, first."
        )
    nist = MEASURED / "nist.txt"
    digits = nist.read_text(encoding="utf-8") if nist.exists() else None
    target = where / "RESULTS.md" if quick else ROOT / "benchmarks" / "RESULTS.md"
    remarks = (ROOT / "benchmarks" / "remarks.md").read_text(encoding="utf-8")
    target.write_text(page(measured, remarks, digits), encoding="utf-8")
    drawn = where / "benchmarks.png" if quick else ROOT / "docs" / "benchmarks.png"
    picture.draw(measured, drawn)
    if "growth" in measured:
        picture.draw_growth(measured["growth"]["figures"]["growth"], drawn.with_name("growth.png"))
    print(f"{target.relative_to(ROOT)} and {drawn.relative_to(ROOT)} are written.")


if __name__ == "__main__":
    main()

"""Change the formulas of a lesson one thing at a time, and run on: `python tests/lesson_mutants.py 1_descent`.

Four operators, on all code of the cells with the tag `formula` but their asserts and prints:

    sign        a − b for a + b, a + b for a − b, x for −x
    factor      a and b for a·b, a for a/b, a for a**b
    name        two names of a statement swapped; modules and functions that it calls stay
    constant    c + 1 for a whole number c, 2·c for another

The lesson is run up to such a cell once; each change goes on from there in a process of its own, forked, to the first
exception. The last line printed is JSON: the cell's line, the change, and whether it was noticed.
"""

from __future__ import annotations

import ast
import builtins
import copy
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from lesson_cells import Cell, Lesson

LONGEST = 20
"""Seconds of the processor after which a lesson that goes on for ever is ended; that is noticed, too."""

SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add}
KEPT = {*dir(builtins), "np", "torch", "st", "nn", "stats"}
SIMPLE = (ast.Assign, ast.AugAssign, ast.Return, ast.Expr)

Change = Callable[[ast.AST], ast.AST]


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Each change in words (the statement, what of it, and what it becomes), with the code that has it."""
    statements = {id(part): node for node in ast.walk(tree) if isinstance(node, ast.stmt) for part in ast.walk(node)}
    for index, node in enumerate(_nodes(tree)):
        for words, change in _changes(node):
            mutant = copy.deepcopy(tree)
            _replace(mutant, list(_nodes(mutant))[index], change)
            line = ast.unparse(statements[id(node)]).splitlines()[0]
            part = "" if node is statements[id(node)] else f"{ast.unparse(node)}: "
            yield f"{line} | {part}{words}", mutant


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those of asserts, prints and texts."""
    for child in ast.iter_child_nodes(tree):
        printed = isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "print"
        if not (printed or isinstance(child, ast.Assert | ast.JoinedStr)):
            yield child
            yield from _nodes(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What may be done to a node."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SIGNS:
        yield "the other sign", _other_sign
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "without the minus", lambda it: it.operand  # type: ignore[attr-defined]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        yield "the first only", lambda it: it.left  # type: ignore[attr-defined]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield "the second only", lambda it: it.right  # type: ignore[attr-defined]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        value = node.value
        other = value + 1 if value == int(value) else 2 * value
        yield repr(other), lambda it: ast.copy_location(ast.Constant(other), it)
    if isinstance(node, SIMPLE):
        for one, two in pairwise(_names(node)):
            yield f"{one} and {two} swapped", lambda it, pair=(one, two): _swapped(it, *pair)


def _other_sign(node: Any) -> ast.AST:
    node.op = SIGNS[type(node.op)]()
    return node


def _names(node: ast.AST) -> list[str]:
    """The names that a statement reads, in their order, without what it calls."""
    called = {part.func.id for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)}
    read = [part.id for part in _nodes(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]
    return list(dict.fromkeys(name for name in read if name not in called | KEPT))


def _swapped(node: ast.AST, one: str, two: str) -> ast.AST:
    for part in _nodes(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in (one, two):
            part.id = two if part.id == one else one
    return node


def _replace(tree: ast.AST, old: ast.AST, change: Change) -> None:
    """Put what `change` makes of a node into its place."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, change(old))
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = change(old)
                return


def noticed(lesson: Lesson, cells: list[Cell], mutant: ast.Module, names: dict[str, Any]) -> bool:
    """Whether a lesson whose cell has been changed stops, in a process forked from this one."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        lesson.execute(cells[0], mutant, names)
        for cell in cells[1:]:
            lesson.execute(cell, cell.tree, names)
    except BaseException:
        os._exit(1)
    os._exit(0)


def run(name: str) -> list[tuple[int, str, bool]]:
    """Every change of a lesson: the line of its cell, what it is, and whether it was noticed."""
    lesson, found = Lesson.read(name), []
    lesson.run()  # so that no process below has to import anything
    names: dict[str, Any] = {"__name__": "__main__"}
    for index, cell in enumerate(lesson.code):
        if "formula" in cell.tags:
            for words, mutant in mutants(cell.tree):
                found.append((cell.line, words, noticed(lesson, lesson.code[index:], mutant, names)))
        lesson.execute(cell, cell.tree, names)
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(run(sys.argv[1])))

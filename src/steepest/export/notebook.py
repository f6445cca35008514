"""The same parts as a notebook (nbformat 4.5): what a comment says in a script is text between the cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from steepest.export.python_text import Part, imports, shown_parts


def notebook(title: str, parts: Sequence[Part]) -> str:
    """The text of an .ipynb file."""
    cells = [_markdown(f"# {title}"), _code(imports(parts))]
    for part in shown_parts(parts):
        if part.prose:
            cells.append(_markdown(f"## {part.title}\n\n{_escaped(part.prose)}"))
        cells.append(_code(part.code))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    whole = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(lines: Sequence[str]) -> dict[str, Any]:
    source = _lines("\n".join(lines))
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _escaped(prose: str) -> str:
    """A column's name is text here too: no markup, no HTML."""
    for sign in "\\`*_[]$#|":
        prose = prose.replace(sign, "\\" + sign)
    return prose.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

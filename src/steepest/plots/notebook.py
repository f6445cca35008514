"""Figures in a notebook: what a cell's output holds, so that the notebook shows it wherever it is opened.

    application/vnd.plotly.v1+json     for JupyterLab, VS Code and others that have Plotly themselves
    text/html                          for pages made of the notebook (nbconvert), from which nothing is loaded

plotly.js is in the page once, gzipped: in the output of the first figure of a session, and again where that cell is run
again. Outside a notebook each figure carries it. Where scripts may not run (a notebook of somebody else's that is not
trusted) a sentence stands in the figure's place.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
from pathlib import Path
from secrets import token_hex
from typing import Any

from steepest.plots import style
from steepest.plots.page import plotly_packed
from steepest.plots.plotly_parts import go
from steepest.text.html import escaped, put_in

MIME = "application/vnd.plotly.v1+json"
HTML = Path(__file__).with_name("figure.html")

_carried: dict[Any, Any] = {}  # cells whose output has plotly.js in it → how often anything had been run by then


def bundle(shown: go.Figure) -> dict[str, Any]:
    """The figure by MIME type."""
    known = json.loads(str(shown.to_json()))
    return {MIME: known | {"config": style.CONFIG}, "text/html": html(shown, carries_library())}


def html(shown: go.Figure, library: bool) -> str:
    """The figure as a piece of HTML; plotly.js comes with it, or from another figure of the page."""
    height = shown.to_dict()["layout"].get("height", 460)
    known = json.loads(str(shown.to_json()))
    known = {"data": known["data"], "layout": known["layout"] | {"autosize": True}, "config": style.CONFIG}
    packed = base64.b64encode(gzip.compress(json.dumps(known).encode(), 9, mtime=0)).decode()
    carried = f'<script type="application/octet-stream" class="steepest-plotly">{plotly_packed()}</script>'
    filled = {
        "ID": f"steepest-{token_hex(8)}",
        "HEIGHT": str(height),
        "TITLE": escaped(style.title_of(shown)),
        "LIBRARY": carried if library else "",
        "FIGURE": packed,
    }
    return put_in(HTML, filled)


def kernel() -> Any:
    """The shell of a notebook's kernel; None elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") else None


def carries_library() -> bool:
    """Whether the figure that is shown now has to bring plotly.js along."""
    shell = kernel()
    if shell is None:
        return True
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell, count = (parent.get("metadata") or {}).get("cellId"), getattr(shell, "execution_count", 0)
    again = cell is not None and _carried.get(cell, count) != count
    if again or not _carried:
        _carried[cell] = count
        return True
    return False


def publish(shown: go.Figure) -> None:
    """Make a figure a part of the running cell's output."""
    from IPython.display import display  # pyrefly: ignore (there, since a kernel runs)

    display(shown._repr_mimebundle_(), raw=True)

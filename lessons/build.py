"""Execute the lessons: `python lessons/build.py [NAME …]` writes build/lessons/NAME.ipynb and NAME.html.

The notebooks have all outputs. The pages load nothing from a network: formulas are MathML, and plotly.js is in the page.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

LESSONS = Path(__file__).parent
BUILD = LESSONS.parent / "build" / "lessons"

PAGE = """
{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}
{{ resources.include_css("static/theme-dark.css") | replace("<style ", "<style media='(prefers-color-scheme: dark)' ") }}
<style>
body.jp-Notebook { padding: 0 12px 48px; }
main { max-width: 960px; margin: 0 auto; }
.jp-OutputArea-output { overflow-x: auto; }
.jp-RenderedText pre { word-break: normal; overflow-wrap: anywhere; }
.jp-InputArea-editor { overflow-x: auto; }
.jp-RenderedHTMLCommon .highlight pre { margin: 0.6em 0; padding: 0.5em 0.7em; background: var(--jp-cell-editor-background); }
.jp-OutputPrompt, .jp-InputPrompt { display: none; }
.jp-RenderedHTMLCommon math[display="block"] { margin: 1em 0; }
.jp-RenderedHTMLCommon table { display: block; overflow-x: auto; }
.jp-RenderedHTMLCommon summary { cursor: pointer; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  :root { color-scheme: dark; }
  .steepest-figure, .jp-RenderedImage img { border-radius: 6px; overflow: hidden; }
}
</style>
{% endblock %}
"""


def notebook_of(path: Path) -> NotebookNode:
    """The lesson as a notebook, executed from its first cell to its last."""
    notebook = jupytext.read(path)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"  # else a random one each time
    title = next(line for line in notebook.cells[0].source.splitlines() if line.startswith("# "))
    notebook.metadata["title"] = title.removeprefix("# ")
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def page_of(notebook: NotebookNode) -> str:
    """The same as a page."""
    shown = nbformat.from_dict(notebook)
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
    exporter = HTMLExporter(raw_template=PAGE, theme="light")
    return exporter.from_notebook_node(shown)[0]


def with_mathml(text: str) -> str:
    """Markdown with `$…$` and `$$…$$` as MathML; code is left as it is."""
    parts = re.split(r"(```.*?```|`[^`]*`)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else _formulas(part) for part in parts)


def _formulas(text: str) -> str:
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: convert(found[1].strip(), display="block"), text, flags=re.DOTALL)
    return re.sub(r"\$(.+?)\$", lambda found: convert(found[1]), text, flags=re.DOTALL)


def main(names: list[str]) -> None:
    """Build the lessons named, or all."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for path in sorted(LESSONS.glob("[1-9]_*.py")):
        if not names or path.stem in names:
            began = time.perf_counter()
            notebook = notebook_of(path)
            nbformat.write(notebook, BUILD / f"{path.stem}.ipynb")
            (BUILD / f"{path.stem}.html").write_text(page_of(notebook), encoding="utf-8")
            print(f"build/lessons/{path.stem}.html and .ipynb: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

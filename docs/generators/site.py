"""Sphinx's way in: pages are filled as they are read, and the source that they link to is written beside them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.application import Sphinx

from generators import pages

SOURCE_LINK = re.compile(r'href="(?:\.\./)*source/(steepest/[\w./]+?)\.html')
linked: dict[str, set[str]] = {}
"""Page → the files of source that it links to, of this build."""

SOURCE_PATH = re.compile(r"`src/(steepest/[\w/]+)\.py`")


def fill(app: Sphinx, name: str, text: list[str]) -> None:
    """A page as it is read: filled, paths of the source as links."""
    up = "../" * name.count("/")
    text[0] = SOURCE_PATH.sub(rf'<a href="{up}source/\1.html"><code>src/\1.py</code></a>', pages.filled(text[0]))
    linked[name] = set(SOURCE_LINK.findall(text[0]))


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file of source that is linked, its lines numbered."""
    written = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, cssclass="highlight")
    for name in sorted(set().union(*linked.values())):
        code = (pages.ROOT / "src" / f"{name}.py").read_text(encoding="utf-8")
        body = highlight(code, PythonLexer(), written).replace('id="L-', 'id="L').replace('href="#L-', 'href="#L')
        body = body.replace('name="L-', 'name="L')
        yield f"source/{name}", {"title": f"{name}.py", "body": f"<h1>src/{name}.py</h1>{body}"}, "page.html"


def copy_lessons(app: Sphinx, error: Exception | None) -> None:
    """The lessons beside the documentation, where `make lessons` has written them."""
    lessons = pages.ROOT / "build" / "lessons"
    if error is None and app.builder.format == "html" and lessons.is_dir():
        shutil.copytree(lessons, Path(app.outdir) / "lessons", dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    app.connect("html-collect-pages", source_pages)
    app.connect("build-finished", copy_lessons)
    return {"version": "1"}

"""The examples of the documentation: blocks of Markdown that are run, each page from top to bottom in an empty folder.

    ```python     run in the page's own namespace; a ```text block right below it is what it prints
    ```console    lines that begin with `$ steepest` are run; the lines below each are what it prints

In what is printed `…` stands for anything. A comment before a block says otherwise:

    <!-- not run: why -->        it is only shown
    <!-- run as a script -->     it is run by a Python of its own
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"(?:<!-- (?P<said>not run: [^>]+|run as a script) -->\n+)?"
    r"^```(?P<kind>python|console|pycon)\n(?P<code>.*?)^```\n(?:\n?```text\n(?P<printed>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Example:
    """A block. printed: what stands below it; None where nothing does. said: the comment before it."""

    kind: str
    code: str
    printed: str | None
    said: str
    line: int


def pages() -> list[Path]:
    """README and all pages by hand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(page: Path) -> Iterator[Example]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text[: found.start("code")].count("\n") + 1
        yield Example(found["kind"], found["code"], found["printed"], found["said"] or "", line)


def run(page: Path) -> Iterator[tuple[Example, str, str]]:
    """Run a page in the current folder: each example, what it should have printed, and what it did."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for example in examples(page):
        if example.said.startswith("not run") or example.code.startswith(">>> "):  # doctests: tests/test_examples.py
            continue
        if example.said:
            yield example, example.printed or "", _script(example.code)
        elif example.kind == "python":
            source = "\n" * (example.line - 1) + example.code
            with redirect_stdout(io.StringIO()) as out:
                exec(compile(source, str(page), "exec"), namespace)
            yield example, example.printed or "", out.getvalue()
        else:
            for command, printed in _commands(example.code):
                yield example, printed, _command(command)


def agree(expected: str, printed: str) -> bool:
    """Whether what was printed is what stands on the page, blanks aside, with `…` for anything."""
    parts = [re.escape(" ".join(part.split())) for part in expected.split("…")]
    return re.fullmatch(r"\s?.*?\s?".join(parts), " ".join(printed.split()), re.DOTALL) is not None


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it should print) of a block; a line that ends with a backslash goes on."""
    parts = re.split(r"^\$ ", text.replace("\\\n", ""), flags=re.MULTILINE)
    assert not parts[0].strip(), f"a block of console begins with $: {parts[0]!r}"
    for part in parts[1:]:
        command, _, printed = part.partition("\n")
        yield command.partition("  #")[0], printed


def _command(line: str) -> str:
    """What `steepest …` prints, on either stream, the exit code behind it where it is not 0."""
    from steepest.cli.commands import main

    first, *words = shlex.split(line)
    assert first == "steepest", f"only steepest is run on these pages: {line}"
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
        code = main(words)
    return out.getvalue() + (f"exit code {code}" if code not in (0, 3) else "")


def _script(code: str) -> str:
    Path("script.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True, timeout=300)
    return done.stdout

"""The command's page, from its application object: every subcommand with every option."""

from __future__ import annotations

import re

from steepest.cli.commands import app


def subcommands() -> list[str]:
    """Their names, without the options that stand for themselves."""
    return sorted(name for name in app if not name.startswith("-"))


def command_page() -> str:
    """All of it, as Markdown."""
    written: str = app.generate_docs(output_format="markdown")
    _, *parts = re.split(r"\n## steepest (?=[a-z])", written)
    return "\n\n".join(_part(part) for part in parts)


def _part(text: str) -> str:
    name, _, rest = text.partition("\n")
    rest = re.sub(r"^(steepest \w+) -m \w+", r"\1", rest, flags=re.MULTILINE)  # cyclopts has it of `python -m sphinx`
    return f"## `steepest {name.strip()}`\n" + re.sub(r"\n## steepest --.*", "", rest, flags=re.DOTALL)

"""The page of settings, from their table: what each means, its default, and how it is written."""

from __future__ import annotations

from generators.docstrings import escaped
from steepest.settings_table import SETTINGS, Setting

ROLES = {
    "data": "Which rows and columns", "reading": "How a table is read", "model": "What is fitted", "descent": "How it goes down",
    "stopping": "When it ends", "output": "What is kept",
}  # fmt: skip


def settings_page() -> str:
    """All settings by their role."""
    parts = []
    for role, title in ROLES.items():
        parts.append(f"## {title}")
        parts += [_section(setting) for setting in SETTINGS.values() if setting.role == role]
    return "\n\n".join(parts)


def _section(setting: Setting) -> str:
    option = "--" + setting.name.replace("_", "-")
    if setting.kind == "switch":
        option += f"`, `--no-{setting.name}"
    lines = [escaped(setting.sentence)]
    lines += [f"*In Python*: {escaped(setting.python)}"] if setting.python else []
    lines += [f"*On the command line*: {escaped(setting.command)}"] if setting.command else []
    return "\n\n".join([f"### `{setting.name}`", f"`{setting.name}={setting.default!r}` · `{option}`", *lines])

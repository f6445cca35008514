"""What stands in a page in the place of a line such as `<!-- generated: losses -->` or `<!-- reference: fit Fit -->`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from generators import command, reference, registries, settings

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"^<!-- (?P<kind>generated|reference): (?P<what>[^>]*?) -->$", re.MULTILINE)


def lessons_page() -> str:
    """The lessons that `make lessons` has written, if it has."""
    written = sorted((ROOT / "build" / "lessons").glob("*.html"))
    if not written:
        return "The lessons are not part of this copy of the documentation: `make lessons docs` makes both."
    return "\n".join(f'- <a href="lessons/{page.name}">{_title(page)}</a>' for page in written)


def _title(page: Path) -> str:
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(found[1].split()) if found else page.stem


def findings_tree() -> str:
    """The pages of findings below the page that lists them."""
    names = sorted(page.stem for page in (ROOT / "docs" / "findings").glob("ST*.md"))
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```"


def look_up_tree() -> str:
    """Reference, mathematics and findings, and every page beside them that the start page does not name."""
    docs = ROOT / "docs"
    listed = (docs / "index.md").read_text(encoding="utf-8").splitlines()
    others = sorted(page.stem for page in docs.glob("*.md") if page.stem not in (*listed, "index"))
    names = ["reference/index", "mathematics/index", "findings/README", *others]
    return "```{toctree}\n:hidden:\n:caption: Look up\n\n" + "\n".join(names) + "\n```"


GENERATED: dict[str, Callable[[], str]] = {
    "losses": registries.losses_page,
    "rules": registries.rules_page,
    "schedules": registries.schedules_page,
    "penalties": registries.penalties_page,
    "models": registries.models_page,
    "inits": registries.inits_page,
    "settings": settings.settings_page,
    "command": command.command_page,
    "lessons": lessons_page,
    "findings": findings_tree,
    "look-up": look_up_tree,
}


def filled(text: str) -> str:
    """A page with everything that is generated in its place."""
    return PLACE.sub(
        lambda place: GENERATED[place["what"]]() if place["kind"] == "generated" else reference.shown(place["what"]),
        text,
    )

"""What was found about a fit: each finding whole, and the two most important ones as they stand under a fit.

1. Columns on different scales (ST004): explains 97 % of the gap
   The column 'area' …                        what, a sentence
   Evidence:  …                               the numbers that show it
   Remedy:    precondition='standardize'      in Python, and
              --precondition standardize      as options of the command (and which to leave out, if any)
   Predicted: …
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steepest.data.wording import capitalized
from steepest.errors import FitError
from steepest.text.document import Block, Code, Document, Entry, Words
from steepest.text.terminal import printable

if TYPE_CHECKING:
    from steepest.analysis.finding import Finding, Findings
    from steepest.result import Fit

MOST_IN_BRIEF = 2


def document(found: Findings) -> Document:
    """What is shown of findings."""
    return Document(blocks(found), spaced=True)


def blocks(found: Findings) -> list[Block]:
    """An entry for each finding, then what was looked at and what cannot be seen."""
    entries: list[Block] = [_entry(place, finding) for place, finding in enumerate(found, 1)]
    muted = f"Found and not shown: {', '.join(found.muted)}." if found.muted else ""
    if not entries:
        return [
            Words(f"Nothing {'else ' if muted else ''}was found. {muted} {found.looked_at}".replace("  ", " ").strip())
        ]
    return [*entries, *(Words(words) for words in (muted, found.looked_at) if words)]


def _entry(place: int, finding: Finding) -> Entry:
    remedy = [
        finding.advice,
        Code("", [words for words in (finding.python, finding.command) if words]),
        finding.left_out,
    ]
    parts = {
        "Evidence": [finding.evidence],
        "Remedy": [part for part in remedy if (part.lines if isinstance(part, Code) else part)],
        "Predicted": [finding.predicted],
        "Tried": [f"{capitalized(finding.tried)}." if finding.tried else ""],
    }
    share = explained(finding)
    heading = f"{capitalized(str(finding.kind))} ({finding.code})" + (f": explains {share}" if share else "")
    return Entry(place, heading, finding.what, [(label, said) for label, said in parts.items() if said and said[0]])


def explained(finding: Finding) -> str:
    """Its share in words: `97 % of the gap`; "" for next to nothing."""
    of = "loss" if finding.of_model else "gap"
    percent = 100.0 * finding.share
    if percent < 0.5:
        return ""
    return f"nearly all of the {of}" if percent >= 99.5 else f"{percent:.0f} % of the {of}"


@dataclass(frozen=True)
class InBrief:
    """What is said under a fit: how it ended, the findings shown, and how many more there are."""

    message: str
    shown: tuple[Finding, ...]
    more: int

    def lines(self, remedy: Callable[[Finding], str], where: str, said: Callable[[str], str] = str) -> list[str]:
        """The findings, each in a line or two with its remedy in words, and where the others are."""
        found = [two_lines(finding, remedy(finding)) for finding in self.shown]
        lines = [f"{place}. {said(what)}\n   {change}".rstrip() for place, (what, change) in enumerate(found, 1)]
        return [*lines, f"{self.more:,} more: {where}"] if self.more else lines


def in_brief(fit: Fit) -> InBrief:
    """How a fit ended, and the findings to show with that.

    Where the descent did not arrive the two most important ones, and the message leaves its own advice to them; where it
    did arrive, the first that is to be known about the model.
    """
    try:
        found = fit.diagnose().found
    except FitError:  # it has lost the rows to look at
        found = ()
    shown = found[: 1 if fit.status.arrived else MOST_IN_BRIEF]
    advised = any((finding.remedy or finding.advice) and not finding.of_model for finding in shown)
    return InBrief(fit.outcome if advised else fit.message, tuple(shown), len(found) - len(shown))


def two_lines(finding: Finding, remedy: str) -> tuple[str, str]:
    """A finding in two lines: what, and the remedy (in Python or as options) with what it is predicted to give."""
    what = f"{finding.what} ({', '.join(filter(None, (finding.code, explained(finding))))})"
    change = f"Try {remedy}. {finding.predicted}" if remedy else f"{finding.advice} {finding.predicted}"
    change += f" Tried {finding.tried}." if finding.tried else ""
    return printable(what), printable(change.strip())

"""What was found about a fit, as text for a terminal and as HTML for a notebook and a page.

    1. Columns on different scales (97 % of the gap)
       The column 'area' …                        what, a sentence
       Evidence:  …                               the numbers that show it
       Remedy:    precondition='standardize'      in Python, and
                  --precondition standardize      as options of the command (and which to leave out, if any)
       Predicted: …

Under a fit stand the two most important ones in two lines each (`under`); `Findings` whole are `text_of` and `html_of`.
Names of columns come from the user's table: no control character reaches a terminal and no markup a page.
"""

from __future__ import annotations

import html
import shutil
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steepest.errors import FitError

if TYPE_CHECKING:
    from steepest.analysis.finding import Finding, Findings
    from steepest.result import Fit

MOST_UNDER_A_FIT = 2
WIDEST = 110
"""Characters of a line of prose at most: longer ones are hard to read."""


def text_of(found: Findings, width: int | None = None) -> str:
    """Findings as a terminal shows them, in lines of at most `width` characters (by default as wide as it is)."""
    room = min(width or shutil.get_terminal_size().columns, WIDEST)
    if not found:
        return folded(nothing(found), room)
    blocks = []
    for place, finding in enumerate(found, 1):
        indent = " " * (len(str(place)) + 2)
        lines = [folded(_heading(finding), room, f"{place}. ", indent), folded(finding.what, room, indent, indent)]
        beside, under = f"{indent}{{:11}}", indent + " " * 11
        if finding.evidence:
            lines.append(folded(finding.evidence, room, beside.format("Evidence:"), under))
        remedy = [words for words in (finding.python, finding.command, finding.left_out) if words]
        if finding.advice:
            lines.append(folded(finding.advice, room, beside.format("Remedy:"), under))
        # settings are never broken, so that they can be copied
        lines += [
            f"{under if line else beside.format('Remedy:')}{printable(words)}" for line, words in enumerate(remedy)
        ]
        if finding.predicted:
            lines.append(folded(finding.predicted, room, beside.format("Predicted:"), under))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def nothing(found: Findings) -> str:
    """The sentence of no findings."""
    return f"Nothing was found. {found.looked_at}".strip()


def html_of(found: Findings) -> str:
    """Findings as a notebook shows them, and a page in its own dress: a block each."""
    if not found:
        return f"<p>{escaped(nothing(found))}</p>"
    return "".join(
        f'<section class="finding" style="margin:1em 0">{_block(*one)}</section>' for one in enumerate(found, 1)
    )


def _block(place: int, finding: Finding) -> str:
    code = '<code style="white-space:pre-wrap;overflow-wrap:anywhere">'
    copied = [f"{code}{escaped(words)}</code>" for words in (finding.python, finding.command) if words]
    remedy = "<br>".join([*copied, *filter(None, [escaped(finding.left_out), escaped(finding.advice)])])
    parts = [
        f"<small>{place}. {escaped(_heading(finding))}</small>",
        f"<b>{escaped(finding.what)}</b>",
        escaped(finding.evidence),
        remedy,
        finding.predicted and f"<small>Predicted:</small> {escaped(finding.predicted)}",
    ]
    return "".join(f'<div style="margin:.25em 0;overflow-wrap:anywhere">{part}</div>' for part in parts if part)


def _heading(finding: Finding) -> str:
    kind = str(finding.kind)
    share = explained(finding)
    return kind[:1].upper() + kind[1:] + (f": explains {share}" if share else "")


def explained(finding: Finding) -> str:
    """Its share in words: `97 % of the gap`; "" for next to nothing."""
    of = "loss" if finding.of_model else "gap"
    percent = 100.0 * finding.share
    if percent < 0.5:
        return ""
    return f"nearly all of the {of}" if percent >= 99.5 else f"{percent:.0f} % of the {of}"


def folded(words: str, room: int, first: str = "", rest: str = "") -> str:
    """Words in lines of at most `room` characters; options are not broken at their hyphens."""
    return textwrap.fill(printable(words), room, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def printable(words: str) -> str:
    """Words without control characters, which could move a terminal's cursor or colour it.

    >>> printable("a\\x1b[31mb")
    'a [31mb'
    """
    return "".join(letter if letter.isprintable() else " " for letter in words)


def escaped(words: str) -> str:
    """Words for HTML, without control characters."""
    return html.escape(printable(words))


# ---- under a fit -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Under:
    """What is said under a fit: how it ended, the findings shown, and how many more there are."""

    message: str
    shown: tuple[Finding, ...]
    more: int


def under(fit: Fit) -> Under:
    """How a fit ended, and the findings to show with that.

    Where the descent did not arrive the two most important ones, and the message leaves its own advice to them; where it
    did arrive, the first that is to be known about the model.
    """
    found = known(fit)
    arrived = fit.status.arrived
    shown = found[: 1 if arrived else MOST_UNDER_A_FIT]
    advised = any((finding.remedy or finding.advice) and not finding.of_model for finding in shown)
    return Under(fit.outcome if advised else fit.message, tuple(shown), len(found) - len(shown))


def known(fit: Fit) -> tuple[Finding, ...]:
    """The findings of a fit; none where it has lost the rows to look at."""
    try:
        return fit.diagnose().found
    except FitError:
        return ()


def brief(finding: Finding, remedy: str) -> tuple[str, str]:
    """A finding in two lines: what, and the remedy (in Python or as options) with what it is predicted to give."""
    share = explained(finding)
    what = finding.what + (f" ({share})" if share else "")
    change = f"Try {remedy}. {finding.predicted}" if remedy else f"{finding.advice} {finding.predicted}"
    return printable(what), printable(change.strip())

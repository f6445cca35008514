"""A docstring of the package as Markdown: its text, `Args:` and the like as lists, examples as blocks of code.

The form is Google's, with Markdown's single backticks:

    One line that says what it does.

    Args:
        lr: the learning rate.
            A line further in goes on with it.

    Example:
        >>> 1 + 1
        2
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

HEADINGS = {
    "Args": "Arguments", "Returns": "Returns", "Raises": "Raises", "Attributes": "Attributes", "Example": "Example",
    "Source": "Source",
}  # fmt: skip
HEADING = re.compile(r"^(\w+):\s*$")
ENTRY = re.compile(r"(?P<names>[*\w]+(?:, [*\w]+| and [*\w]+| or [*\w]+)*): (?P<text>.*)", re.DOTALL)
ERROR = re.compile(r"\b(?P<name>\w+(?:Error|Warning)(?: or \w+(?:Error|Warning))*): ")


def fields(thing: Any) -> list[str]:
    """The names of a dataclass's fields, inherited ones too; none of anything else."""
    return [name for name in getattr(thing, "__dataclass_fields__", ()) if not name.startswith("_")]


def sections(thing: Any) -> dict[str, str]:
    """Heading → text, of a docstring; the text before any heading stands under ""."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        said = HEADING.match(line)
        if said and said[1] in HEADINGS:
            heading = said[1]
            found.setdefault(heading, [])
        elif heading and line and not line.startswith(" "):  # what stands further out belongs to no heading
            heading = ""
            found[""].append(line)
        else:
            found[heading].append(line if not heading else line[4:])
    said = {heading: "\n".join(lines).strip("\n") for heading, lines in found.items()}
    own = fields(thing)
    if own and "Attributes" not in said:
        said[""], said["Attributes"] = _parted(said[""], own)
    return said


def _parted(text: str, own: list[str]) -> tuple[str, str]:
    """A class's text without its paragraphs of the form `field: what it is. other and another: …`, and a list of those."""
    either = "|".join(own)
    start = re.compile(rf"(?:^|(?<=[.;] ))(?P<names>(?:{either})(?:(?:, | and )(?:{either}))*): ")
    rest, listed = [], []
    for paragraph in re.split(r"\n\s*\n", text):
        line = " ".join(paragraph.split())
        starts = list(start.finditer(line))
        if not starts or starts[0].start():
            rest.append(paragraph)
            continue
        ends = [one.start() for one in starts[1:]] + [len(line)]
        listed += [f"{one['names']}: {line[one.end() : end].strip()}" for one, end in zip(starts, ends, strict=True)]
    return "\n\n".join(rest), "\n".join(listed)


def entries(text: str) -> list[tuple[str, str]]:
    """(names, what is said of them) of a list such as that of `Args:`."""
    found: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            found.append(line)
        elif found:
            found[-1] += " " + line.strip()
    pairs = [ENTRY.match(entry) for entry in found]
    return [(pair["names"], pair["text"].strip()) for pair in pairs if pair]


def markdown(thing: Any, left_out: Iterable[str] = ()) -> str:
    """A docstring as Markdown; left_out: names that are not shown among its arguments."""
    return "\n\n".join(part for part in _parts(sections(thing), set(left_out)) if part)


def _parts(found: dict[str, str], left_out: set[str]) -> Iterator[str]:
    yield prose(found.pop(""))
    for heading, text in found.items():
        if heading == "Raises":
            yield f"**Raises**\n\n{_errors(text)}"
        elif heading in ("Args", "Attributes"):
            listed = [(names, said) for names, said in entries(text) if not set(names.split(", ")) <= left_out]
            lines = [
                f"- {', '.join(f'`{name}`' for name in re.split(', | and ', names))}: {said}" for names, said in listed
            ]
            yield f"**{HEADINGS[heading]}**\n\n" + "\n".join(map(escaped, lines)) if lines else ""
        else:
            yield f"**{HEADINGS[heading]}**\n\n{prose(text)}"


def _errors(text: str) -> str:
    """`SpecError: why. DataError: why.` as a list."""
    one_line = " ".join(text.split())
    starts = list(ERROR.finditer(one_line))
    ends = [start.start() for start in starts[1:]] + [len(one_line)]
    return "\n".join(
        f"- `{start['name'].replace(' or ', '` or `')}`: {escaped(one_line[start.end() : end].strip())}"
        for start, end in zip(starts, ends, strict=True)
    )


def prose(text: str) -> str:
    """Text, in which lines that stand further in, and examples, become blocks of code."""
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    first = block.lstrip("\n").splitlines()[0]
    if first.startswith(">>> "):
        return f"```pycon\n{block}\n```"
    if first.startswith("    "):
        return f"```text\n{inspect.cleandoc(block)}\n```"
    if first.startswith(("- ", "| ")):
        return escaped(block)
    lists = re.split(r"\n(?=- |    )", block, maxsplit=1)  # a list or a formula right below a sentence
    if len(lists) == 2:
        return f"{escaped(lists[0])}\n\n{_block(lists[1])}"
    return escaped(block)


def escaped(text: str) -> str:
    """Text in which stars, bars, dollars and underscores outside of code mean themselves."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if i % 2 else re.sub(r"([*_$\\<])", r"\\\1", part) for i, part in enumerate(parts))

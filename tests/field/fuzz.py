"""Random tables in random dialects, some damaged: what was written, and the file."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

DELIMITERS = (",", ";", "\t", "|")
UNITS = ("", "", "", "", "%", " km", " €", "$")
MISSING = ("", "NA", "n/a", "NULL", "?")


@dataclass(frozen=True)
class Table:
    """A file, the numbers in it ([n, d] and [n]), and whether it was damaged after it had been written."""

    data: bytes
    x: list[list[float]]
    y: list[float]
    damaged: bool
    dialect: dict[str, Any]
    settings: dict[str, Any]


def number(value: float, places: int, decimal: str, group: str, unit: str, negative: str) -> str:
    """A number as a dialect writes it."""
    text = f"{abs(value):,.{places}f}".replace(",", "#").replace(".", decimal).replace("#", group)
    text = unit + text if unit == "$" else text + unit
    if value >= 0:
        return text
    return {"-": f"-{text}", "−": f"−{text}", "()": f"({text})", "behind": f"{text}-"}[negative]


def table(seed: int) -> Table:
    """The table of a seed."""
    chance = random.Random(seed)
    rows, width = chance.randint(8, 40), chance.randint(1, 4)
    delimiter = chance.choice(DELIMITERS)
    decimal = "." if delimiter == "," or chance.random() < 0.5 else ","
    group = chance.choice(
        ["", "", "", " ", "\u00a0", "'", "." if decimal == "," else ("," if delimiter != "," else "")]
    )
    dialect = {
        "delimiter": delimiter,
        "decimal": decimal,
        "group": group,
        "end": chance.choice(["\n", "\n", "\r\n", "\r"]),
        "header": chance.random() < 0.9,
        "quoted": chance.random() < 0.2,
        "index": chance.choice(["", "", "", "0", "1"]),  # without a header it would be a column like any other
        "trailing": chance.random() < 0.15,
        "comments": chance.random() < 0.15,
        "mark": chance.random() < 0.15,
        "negative": chance.choice(["-", "-", "-", "−", "()", "behind"]),
        "missing": chance.choice(MISSING) if chance.random() < 0.3 else None,
    }
    dialect["index"] = dialect["index"] if dialect["header"] else ""
    formats = []
    for _ in range(width + 1):
        formats.append(
            (chance.choice([0, 1, 2, 4]), chance.choice(UNITS), 10.0 ** chance.randint(0, 6), chance.random() < 0.4)
        )
    x = [
        [round(chance.uniform(-1 if signed else 0.1, 1) * size, places) for places, _, size, signed in formats[:-1]]
        for _ in range(rows)
    ]
    slopes = [chance.uniform(-3, 3) / size for _, _, size, _ in formats[:-1]]
    places, _, size, _ = formats[-1]
    y = [
        round(size * (0.3 + sum(s * v for s, v in zip(slopes, row, strict=True)) + 0.1 * chance.gauss(0, 1)), places)
        for row in x
    ]
    body = []
    for at, (row, target) in enumerate(zip(x, y, strict=True)):
        cells = [
            number(value, places, decimal, group, unit, dialect["negative"])
            for value, (places, unit, _, _) in zip([*row, target], formats, strict=True)
        ]
        if dialect["missing"] is not None and at % 9 == 4:
            cells[chance.randrange(width)] = dialect["missing"]
        body.append(cells if not dialect["index"] else [str(at + int(dialect["index"])), *cells])
    kept = [at for at in range(rows) if dialect["missing"] is None or at % 9 != 4]
    names = [f"col {at}" for at in range(width)] + ["y"]
    names = ["", *names] if dialect["index"] else names
    head = [names] if dialect["header"] else []
    text = _text([*head, *body], dialect)
    data = text.encode("utf-8-sig" if dialect["mark"] else "utf-8")
    damaged = chance.random() < 0.25
    settings: dict[str, Any] = {"missing": "drop"} if dialect["missing"] is not None else {}
    return Table(
        _damaged(data, chance) if damaged else data,
        [x[at] for at in kept],
        [y[at] for at in kept],
        damaged,
        dialect,
        settings,
    )


def _text(rows: list[list[str]], dialect: dict[str, Any]) -> str:
    delimiter, end = dialect["delimiter"], dialect["end"]
    quote = (
        (lambda cell: f'"{cell}"') if dialect["quoted"] else (lambda cell: f'"{cell}"' if delimiter in cell else cell)
    )
    lines = [delimiter.join(map(quote, row)) + (delimiter if dialect["trailing"] else "") for row in rows]
    first = ["# made by hand", "# no unit"] if dialect["comments"] else []
    return end.join([*first, *lines]) + end


def _damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    kind = chance.choice(["cut", "byte", "zero", "drop", "twice", "word", "quote"])
    if kind == "cut":
        return data[:at]
    if kind == "drop":
        return data[:at] + data[at + chance.randint(1, 20) :]
    if kind == "twice":
        return data[:at] + data[max(0, at - chance.randint(1, 40)) :]
    put = {"byte": bytes([chance.randrange(256)]), "zero": b"\0", "word": b"oops", "quote": b'"'}[kind]
    return data[:at] + put + data[at + 1 :]

"""Ranks on slow networks: a synchronisation and a step between network namespaces, beside the formula of docs/scaling.md.

    sudo python benchmarks/networks.py [--quick]

Each rank has a namespace of its own; delay and bandwidth of the links are those of delayed_links.py. What a step and a
synchronisation take without the network is measured before, on links without delay or limit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import delayed_links
import ranks
from side_by_side import Table, options, save

LINKS: tuple[tuple[float, str | None], ...] = (
    (0.0, None),
    (0.01, None),
    (0.05, None),
    (0.0, "100mbit"),
    (0.0, "10mbit"),
    (0.01, "10mbit"),
)
"""Delay and rate: far and slow, so that what is waited for is the network, whatever else the machine does."""

SIZES = (10, 1_000, 10_000)
"""Parameters of a synchronisation."""

BYTES = {None: float("inf"), "100mbit": 1.25e7, "10mbit": 1.25e6}
"""Of a second."""

BATCH, FEW, MANY, TURNS = 4_096, 4, 84, 3
"""A step of so many rows is what many of them take longer than a few, each in its fastest turn."""


def named(delay: float, rate: str | None) -> str:
    return (
        ", ".join(filter(None, [f"{delay * 1e3:g} ms" * bool(delay), (rate or "").replace("bit", "b")])) or "no limit"
    )


def told(count: int, fixed: float, delay: float, rate: str | None, entries: int) -> float:
    """What a synchronisation takes by the formula: as much as without a network, and R − 1 rounds of two messages, that a rank is
    ready and its bytes."""
    return fixed + (count - 1) * (2 * delay + 8 * entries / BYTES[rate])


def step(found: dict[str, Any]) -> float:
    """Seconds of a step of a fit."""
    few, many = (min(found[f"{steps} {turn}"]["seconds"] for turn in range(TURNS)) for steps in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def main() -> None:
    given = options(str(__doc__))
    if why := delayed_links.missing():
        print(f"Not measured here: {why}.")
        return
    quick = given.quick
    repeats, links = (10, LINKS[:2]) if quick else (60, LINKS)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = ranks.table_of(folder, (MANY + 1) * BATCH, 10)
        plain = {"batch_size": BATCH, "epochs": 1, "lr": 1e-3}
        tasks = {f"{steps} {turn}": plain | {"max_steps": steps} for turn in range(TURNS) for steps in (FEW, MANY)}
        for count in (2, 4):
            base: dict[str, Any] = {}
            for delay, rate in links:
                with delayed_links.joined(count, delay, rate) as before:
                    asked = {"path": path, "tasks": tasks, "repeats": repeats, "sizes": SIZES}
                    found = ranks.in_ranks(count, asked, before, "10.9.0.1")
                base = base or found
                line = []
                for entries in SIZES:
                    by = told(count, base[str(entries)]["tree"], delay, rate, entries)
                    line += [f"{found[str(entries)]['tree'] * 1e3:.3g}", f"{by * 1e3:.3g}"]
                line += [f"{step(found) * 1e3:.3g}", f"{told(count, step(base), delay, rate, 12) * 1e3:.3g}"]
                lines.append((str(count), named(delay, rate), *line))
                print(*lines[-1], flush=True)
    heads = [f"{name}{more}" for name in (*map("{:,}".format, SIZES), "a step") for more in ("", ", formula")]
    title = f"A synchronisation of so many parameters, and a step of {BATCH:,} rows, ms, beside the formula"
    save(Path(__file__).stem, quick, [Table(title, ("ranks", "link", *heads), lines)], [])


if __name__ == "__main__":
    main()

"""What every benchmark shares: peers that take turns, medians, tables, goals, and the machine they ran on.

    peers = [Peer("ours", run_ours), Peer("theirs", run_theirs, "its best setting")]
    timed = take_turns(peers, turns=7)              A B C A B C …: whatever else the machine does falls on all
    timed["ours"].median

A part (`epoch.py`, `answer.py`, …) ends with `save`: its tables and goals go into `.benchmarks/PART.json`, from which
`results.py` writes RESULTS.md and the picture. With `--quick` a part does little of everything, to see that it runs;
what it measures then goes into `.benchmarks/quick`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / ".benchmarks"
BEGAN = time.perf_counter()

PEERS = {
    "torch": "PyTorch",
    "sklearn": "scikit-learn",
    "skorch": "skorch",
    "lightning": "Lightning",
    "river": "river",
    "jax": "JAX",
    "vowpalwabbit": "Vowpal Wabbit",
}
"""Modules of the peers, and their names."""

PACKAGES = (
    "steepest", "numpy", "llvmlite", "scipy", "torch", "scikit-learn", "skorch", "lightning", "river", "jax", "jaxlib",
    "vowpalwabbit", "pandas", "polars", "pyarrow",
)  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """Something to be timed.

    run: does the work once. A float that it returns is the seconds that count; else all are.
    share: how much of the work it does; its seconds are divided by that.
    """

    name: str
    run: Callable[[], object]
    setting: str = ""
    share: float = 1.0


@dataclass
class Timing:
    """Seconds of every turn, and how many cores were busy meanwhile (processor time over wall time)."""

    seconds: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def busy(self) -> float:
        return statistics.median(self.cores)


@dataclass(frozen=True)
class Table:
    """A table of the results; every cell is text. notes: sentences below it."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """A figure that was promised. bound: what it should be at least ("≥") or at most ("≤"); None where nothing is promised."""

    what: str
    measured: float | None
    sense: str = "≥"
    bound: float | None = None
    unit: str = " ×"
    why: str = ""

    @property
    def verdict(self) -> str:
        """`met`, by how much it was missed, or why there is no figure."""
        if self.measured is None:
            return f"not measured: {self.why}"
        if self.bound is None:
            return ""
        if self.sense == "≤" and self.measured <= self.bound:
            return "met"
        off = self.bound / self.measured if self.sense == "≥" else self.measured / self.bound
        return "met" if off <= 1 else f"missed by a factor of {off:.2f}"


def take_turns(peers: Sequence[Peer], turns: int, warm: int = 1) -> dict[str, Timing]:
    """Every peer once, then every peer again: `turns` rounds after `warm` that do not count."""
    timed = {peer.name: Timing() for peer in peers}
    for turn in range(-warm, turns):
        for peer in peers:
            cpu, began = time.process_time(), time.perf_counter()
            returned = peer.run()
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            if turn >= 0:
                timed[peer.name].seconds.append((returned if isinstance(returned, float) else wall) / peer.share)
                timed[peer.name].cores.append(cpu / wall)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return timed


def block(steps: Iterator[object], count: int) -> Callable[[], float]:
    """So many steps of a loop each time: seconds of the processor for one, all threads together."""

    def run() -> float:
        began = time.process_time()
        for _ in range(count):
            next(steps)
        return (time.process_time() - began) / count

    return run


def load_kernels(dtype: str = "float64") -> None:
    """Compile our kernels, or load them: neither belongs to what is measured afterwards."""
    import numpy as np
    import torch

    from steepest.data.batching import Batching
    from steepest.descent.torch_rules import rule
    from steepest.engines.compiled import chunks
    from steepest.engines.descents import Descents
    from steepest.model import torch_losses
    from steepest.model.linear import LinearProblem
    from steepest.model.linear_objective import LinearObjective

    problem = LinearProblem(np.eye(4, 2), np.zeros(4), torch_losses.loss("mse"), intercept=False)
    objective = LinearObjective(problem, dtype=getattr(torch, dtype))
    for _ in chunks(Descents.one(objective, rule("sgd"), Batching(4, 2, epochs=1))):
        pass


def absent(module: str) -> str | None:
    """Why a peer cannot take part, in one line; None if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a peer that is there but broken is as good as absent
        why = Path(sys.prefix, "absent", f"{module}.txt")  # install.py has left it
        if why.exists():
            return f"{PEERS[module]} cannot be installed: {why.read_text(encoding='utf-8').strip()}"
        return f"{PEERS[module]} cannot be imported: {str(error).strip().splitlines()[0]}"
    return None


def missing(*modules: str) -> tuple[str, ...]:
    """A sentence for each peer that cannot take part."""
    return tuple(f"{why}." for module in modules if (why := absent(module)) is not None)


# ---- what is written -----------------------------------------------------------------------------


def options(what: str) -> argparse.Namespace:
    """The command line of every part: `--quick`."""
    parser = argparse.ArgumentParser(description=what.strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs")
    return parser.parse_args()


def folder(quick: bool) -> Path:
    """Where the figures of this run go."""
    return MEASURED / "quick" if quick else MEASURED


def save(part: str, quick: bool, tables: Sequence[Table], goals: Sequence[Goal], **figures: Any) -> None:
    """Print a part's tables and goals, and keep them; `figures` are for the picture."""
    for table in tables:
        print(f"\n{table.title}\n\n{markdown(table)}")
        print("".join(f"\n{note}" for note in table.notes))
    print(f"\n{markdown(goal_table(goals))}")
    into = folder(quick)
    into.mkdir(parents=True, exist_ok=True)
    kept = {
        "machine": machine(),
        "seconds": time.perf_counter() - BEGAN,
        "tables": [asdict(table) for table in tables],
        "goals": [asdict(goal) for goal in goals],
        "figures": figures,
    }
    (into / f"{part}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")


def goal_table(goals: Sequence[Goal]) -> Table:
    """One line a goal: the figure measured, the goal, and whether it was met."""
    rows = []
    for goal in goals:
        measured = "–" if goal.measured is None else f"{short(goal.measured)}{goal.unit}"
        bound = "–" if goal.bound is None else f"{goal.sense} {goal.bound:g}{goal.unit}"
        rows.append((goal.what, measured, bound, goal.verdict))
    return Table("", ("figure", "measured", "goal", ""), rows)


def markdown(table: Table) -> str:
    """The table in Markdown, its columns lined up."""
    lines = [table.head, *table.rows]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.head))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)


def short(number: float) -> str:
    """Three digits: 0.0123, 1.23, 12.3, 1,234."""
    if number == 0 or not abs(number) < float("inf"):
        return f"{number:g}"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.3g}"


# ---- the machine ---------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What ran this: processor, cores, caches, memory, system, and the version of everything."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "caches": _caches(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "day": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    entries = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {name.strip(): value.strip() for name, value in entries.items()}
    name = found.get("model name", platform.machine())
    numbers = ", ".join(f"{key} {found[key]}" for key in ("cpu family", "model") if key in found)
    return f"{name} ({numbers})" if numbers else name


def _caches() -> str:
    found = []
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size.replace('K', ' KiB')}")
    return ", ".join(found) or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(absent)"


# ---- fresh processes -----------------------------------------------------------------------------


def python(*arguments: str, **environment: str) -> tuple[float, str]:
    """Run Python anew with these arguments: its seconds from start to end, and what it printed last.

    It keeps compiled modules, as an installed package has them, whatever the shell says.
    """
    kept = {"PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=os.environ | kept | environment, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)[:200]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds, (done.stdout.strip().splitlines() or [""])[-1]

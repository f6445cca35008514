"""The pictures, from measured figures: one epoch beside every peer and the time to an answer; and growth on log axes."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from side_by_side import short

# Okabe and Ito's colours, which colour-blind readers tell apart; each peer has a mark of its own too
OURS, OTHERS = "#0072B2", "#B0B0B0"
MARKS = {
    "Steepest": ("o", "#0072B2"),
    "JAX": ("^", "#D55E00"),
    "scikit-learn": ("s", "#009E73"),
    "scikit-learn SGD": ("D", "#CC79A7"),
    "PyTorch": ("v", "#000000"),
}
EPOCH = {
    "Steepest, blocks": "Steepest, blocks",
    "Steepest, rows": "Steepest, rows",
    "JAX scan, blocks": "JAX scan, blocks",
    "JAX scan, rows": "JAX scan, rows",
    "scikit-learn": "scikit-learn SGD",
    "Vowpal Wabbit": "Vowpal Wabbit",
    "river": "river",
    "PyTorch, index loop": "PyTorch, by index",
    "PyTorch, DataLoader": "PyTorch, DataLoader",
    "skorch": "skorch",
    "Lightning": "Lightning",
}
"""How the names of what was timed begin, and the label of the fastest of each."""


def draw(measured: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw what is there: left an epoch, right the time to a relative gap of 1e-6."""
    plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    if "epoch" in measured:
        _epoch(left, *next(iter(measured["epoch"]["figures"]["epochs"].items())))
    if "answer" in measured:
        _answers(right, measured["answer"]["figures"]["answers"])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)


def draw_growth(growth: dict[str, Any], path: Path) -> None:
    """Time above and memory below, over rows and over columns; dotted: a slope of one through the last point."""
    figure, axes = plt.subplots(2, len(growth), figsize=(12, 7), layout="constrained", sharex="col", squeeze=False)
    for column, (what, sizes_and_points) in enumerate(growth.items()):
        sizes = sizes_and_points["sizes"]
        for (mark, colour), (way, points) in zip(MARKS.values(), sizes_and_points["points"].items(), strict=False):
            for row, (entry, scale) in enumerate((("seconds", 1.0), ("bytes", 2.0**-20))):
                values = [point[entry] * scale for point in points]
                line = [values[-1] * size / sizes[-1] for size in sizes]
                axes[row, column].plot(sizes, values, marker=mark, color=colour, label=way)
                axes[row, column].plot(sizes, line, ls=":", color=colour, lw=1)
        axes[0, column].set(title=f"growth with the {what}", ylabel="seconds")
        axes[1, column].set(xlabel=what.split(" at ")[0], ylabel="MiB beyond x and y")
    for panel in axes.flat:
        panel.set(xscale="log", yscale="log")
        panel.grid(alpha=0.25)
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=110, facecolor="white")
    plt.close(figure)


def _epoch(axes: Axes, case: str, seconds: dict[str, list[float]]) -> None:
    medians = {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
    fastest = {
        label: min(taken)
        for start, label in EPOCH.items()
        if (taken := [ms for name, ms in medians.items() if name.startswith(start)])
    }
    labels = sorted(fastest, key=fastest.__getitem__, reverse=True)
    colours = [OURS if label.startswith("Steepest") else OTHERS for label in labels]
    bars = axes.barh(labels, [fastest[label] for label in labels], color=colours)
    axes.bar_label(bars, [f"{short(fastest[label])} ms" for label in labels], padding=4)
    one_pass = next(ms for name, ms in medians.items() if name.startswith("one pass"))
    axes.axvline(one_pass, color="black", ls="--", lw=1.2)
    axes.text(
        one_pass * 1.05, len(labels) - 0.4, f"one pass over the memory: {short(one_pass)} ms", va="bottom", fontsize=11
    )
    axes.set(xscale="log", xlabel="milliseconds", xlim=(one_pass / 2, 8 * max(fastest.values())))
    axes.set_title(f"one epoch of SGD, {case}", pad=20)
    axes.tick_params(axis="y", length=0)


def _answers(axes: Axes, problems: dict[str, dict[str, list[float | None]]]) -> None:
    names = list(problems)
    reached = [times[-1] for ways in problems.values() for times in ways.values() if times[-1]]
    never, missed = 3 * max(reached), False
    for row, name in enumerate(reversed(names)):
        axes.axhline(row, color="#E0E0E0", lw=1, zorder=0)
        for shift, (peer, (mark, colour)) in enumerate(MARKS.items()):
            ways = [times[-1] for way, times in problems[name].items() if way.split(", ")[0] == peer]
            if not ways:
                continue
            least = min((taken for taken in ways if taken), default=None)
            missed |= least is None
            y = row + 0.26 - 0.13 * shift
            fill = colour if least else "white"
            axes.plot(least or never, y, mark, ms=9, mec=colour, mfc=fill)
    axes.set(xscale="log", xlabel="seconds from arrays in memory", ylim=(-0.75, len(names) - 0.3))
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0) if low <= tick <= high])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(names)), [_in_lines(name) for name in reversed(names)])
    axes.set_title("time to a relative gap of 1e-6", pad=20)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    if missed:
        axes.text(never, len(names) - 0.55, "not\nreached", ha="center", va="bottom", fontsize=11)
    handles = [
        Line2D([], [], ls="", marker=mark, color=colour, ms=9, label=peer) for peer, (mark, colour) in MARKS.items()
    ]
    axes.figure.legend(handles=handles, loc="outside lower right", ncols=len(MARKS), frameon=False, handletextpad=0.2)


def _in_lines(name: str) -> str:
    """`regression, badly scaled, 1,000,000 × 50` as three lines."""
    return name.replace(", ", "\n")

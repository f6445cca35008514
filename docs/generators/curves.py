"""Small drawings of formulas as SVG, in the colours of the page around them."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT, EDGE = 320.0, 150.0, 22.0
DASHES = ("", "6 4", "2 3")


def drawing(
    x: np.ndarray, curves: dict[str, np.ndarray], below: str, *, least: float | None = None, most: float | None = None
) -> str:
    """Curves over x, their names beside a piece of their line; `below` says what x is."""
    values = np.concatenate(list(curves.values()))
    low = float(values.min()) if least is None else least
    high = float(values.max()) if most is None else most
    across = EDGE + (x - x.min()) / np.ptp(x) * (WIDTH - 2 * EDGE)
    parts = []
    for dashes, (name, heights) in zip(DASHES, curves.items(), strict=False):
        down = HEIGHT - EDGE - (np.clip(heights, low, high) - low) / (high - low) * (HEIGHT - 2 * EDGE)
        parts.append(_line(across, down, dashes, name))
    parts.append(_axes(x, low, high))
    title = f"{' and '.join(curves)} over {below}"
    legend = "".join(
        f'<text x="{EDGE + 34 + 110 * i}" y="13">{name}</text>'
        f'<path d="M{EDGE + 110 * i} 9h28" stroke-dasharray="{dashes}"/>'
        for i, (name, dashes) in enumerate(zip(curves, DASHES, strict=False))
    )
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH:g} {HEIGHT + 12:g}" role="img" aria-label="{title}">'
        f'{"".join(parts)}{legend}<text x="{WIDTH - EDGE}" y="{HEIGHT + 8}" text-anchor="end">{below}</text></svg>'
    )


def _line(across: np.ndarray, down: np.ndarray, dashes: str, name: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
    return f'<polyline points="{points}" stroke-dasharray="{dashes}"><title>{name}</title></polyline>'


def _axes(x: np.ndarray, low: float, high: float) -> str:
    """The lines of 0, where they lie within, and the numbers at the ends."""
    ends = ((EDGE, x.min(), "start"), (WIDTH - EDGE, x.max(), "end"))
    numbers = "".join(
        f'<text x="{at}" y="{HEIGHT - 6}" text-anchor="{anchor}">{value:g}</text>' for at, value, anchor in ends
    )
    numbers += f'<text x="2" y="{EDGE + 4}">{high:g}</text><text x="2" y="{HEIGHT - EDGE}">{low:g}</text>'
    floor = HEIGHT - EDGE - (max(low, min(0.0, high)) - low) / (high - low) * (HEIGHT - 2 * EDGE)
    lines = f'<path class="axis" d="M{EDGE} {floor:.1f}H{WIDTH - EDGE}"/>'
    if x.min() < 0 < x.max():
        middle = EDGE - x.min() / np.ptp(x) * (WIDTH - 2 * EDGE)
        lines += f'<path class="axis" d="M{middle:.1f} {EDGE}V{HEIGHT - EDGE}"/>'
    return lines + numbers

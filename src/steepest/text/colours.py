"""The colours of everything that is shown: one for each role, and paper and ink in light and in dark.

    data       the rows                          blue
    descent    what the descent found            vermilion
    exact      the best possible answer          green
    residual   what is left between              orange
    test       held-out rows                     purple

The colours are Okabe and Ito's, which colour-blind readers tell apart, a little darker or lighter where that makes
them readable on white and on black.
"""

from __future__ import annotations

DATA = "#3F8FCB"
DESCENT = "#D55E00"
EXACT = "#009E73"
RESIDUAL = "#E69F00"
TEST = "#B4609C"
PREDICTED = "#8A7BEA"
"""What theory says beforehand, thin and dashed upon what was measured."""
ROLES = {"data": DATA, "descent": DESCENT, "exact": EXACT, "residual": RESIDUAL, "test": TEST}

STATES = {"good": EXACT, "wrong": DESCENT, "open": RESIDUAL}
"""Of how a descent ended."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"

PAPER = {
    "light": {"paper": "#ffffff", "ink": "#1d2733", "faint": "#667382", "grid": "#e4e9ef", "axis": "#b6c0cb"},
    "dark": {"paper": "#12171e", "ink": "#e6ebf1", "faint": "#93a1b1", "grid": "#28313c", "axis": "#4a5665"},
}

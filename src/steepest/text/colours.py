"""The colour of each role, in figures and in words about them."""

from __future__ import annotations

DATA = "#3F8FCB"
DESCENT = "#D55E00"
EXACT = "#009E73"
RESIDUAL = "#E69F00"
TEST = "#B4609C"
PREDICTED = "#8A7BEA"
"""What theory says beforehand, thin and dashed upon what was measured."""

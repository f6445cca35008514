"""Plotly's parts that pictures are made of, imported without a trace in the program's warning filters."""

from __future__ import annotations

from steepest.lazy import unnoticed

with unnoticed():
    import plotly.graph_objects as go
    import plotly.io as io
    import plotly.tools  # noqa: F401 (it comes with some figures, and brings a filter)
    from plotly.subplots import make_subplots

    make_subplots(1, 1).add_trace(go.Scatter())  # what it imports later is imported now

__all__ = ["go", "io", "make_subplots"]

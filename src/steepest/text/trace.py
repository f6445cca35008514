"""A trace in a few lines: some rows from its first to its last step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.text.document import Document, Table, Words

if TYPE_CHECKING:
    from steepest.descent.trace import Trace

ROWS, PARAMETERS = 12, 8
"""Steps and parameters that are shown at most."""


def document(trace: Trace) -> Document:
    """What is shown of a trace."""
    heads = [*trace.COLUMNS, *map(plain, trace.names[:PARAMETERS])]
    rows = []
    for i in evenly(len(trace), ROWS).tolist():
        values = ((name, getattr(trace, name)[i]) for name in trace.COLUMNS)
        cells = [f"{value:,}" if name in ("step", "epoch") else number(float(value)) for name, value in values]
        rows.append(cells + [number(float(value)) for value in np.atleast_1d(trace.theta[i])[:PARAMETERS]])
    return Document([Words(f"{len(trace):,} recorded steps"), Table(heads, rows)])

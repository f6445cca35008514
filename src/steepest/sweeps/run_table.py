"""`Sweep.table()`: one row a run, an Arrow table that prints as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steepest.text import sweep as sweep_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SHOWN = 20
"""Rows that are printed."""


class RunTable(Displayed):
    """One row a run. `table["loss"]` is a column, `table.to_pandas()` a pandas frame, `table.to_arrow()` an Arrow table.

    Everything else that an Arrow table has it has too (`column_names`, `num_rows`, `to_pylist()`, `sort_by(…)`, …), and
    whatever reads Arrow (polars, DuckDB) takes it as it is.
    """

    def __init__(self, table: pa.Table):
        self._table = table

    def to_arrow(self) -> pa.Table:
        """The Arrow table."""
        return self._table

    def to_pandas(self, **options: Any) -> pd.DataFrame:
        """A pandas frame."""
        return self._table.to_pandas(**options)

    def equals(self, other: Any, **options: Any) -> bool:
        """Whether another table has the same columns and values."""
        return self._table.equals(other.to_arrow() if isinstance(other, RunTable) else other, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also while it is unpickled, before it has a table
            raise AttributeError(name)
        return getattr(self._table, name)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def __getitem__(self, key: Any) -> Any:
        return self._table[key]

    def __len__(self) -> int:
        return self._table.num_rows

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, (RunTable, type(self._table))) else NotImplemented

    __hash__ = None  # pyrefly: ignore

    def __repr__(self) -> str:
        return str(self)

    def _document(self, width: float) -> Document:
        return sweep_text.table_document(self._table, SHOWN, width)

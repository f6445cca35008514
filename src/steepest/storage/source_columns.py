"""Any column of the table that the rows of a fit came from, also one that is no feature of it: groups, times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.data.arrow_columns import null_or_nan
from steepest.data.columns import SourceColumn
from steepest.data.dataset import Dataset
from steepest.data.features import missing_error
from steepest.data.files import check_known, open_table
from steepest.data.reading import Reading
from steepest.data.wording import counted, quoted
from steepest.errors import FitError
from steepest.result import Fit
from steepest.storage.run_loading import read_again


def source_column(fit: Fit, name: str, rows: Dataset, remedy: str) -> SourceColumn:
    """The values of a column in the rows `[n]` of a fit, none of them missing.

    remedy: what to do where the table is gone.

    Raises:
        DataError: there is no such column, or a value is missing. FitError: the table is gone, or is another one now.
    """
    source = fit.table if fit.source is None else fit.source
    if source is None:
        raise FitError(f"The table of this fit is gone, and with it the column {quoted(name)}. {remedy}")
    places = rows.places
    if fit.source is not None:
        again = read_again(fit)[0]
        places = again.places if places is None and again.rows == rows.rows else places
    table, origin = open_table(source, reading=Reading.of(fit.spec), requested=[name])
    check_known(name, table.column_names, origin)
    column = origin.column(name, table[name])
    last = rows.rows - 1 if places is None else int(places.max())
    if last >= table.num_rows or (places is None and last < table.num_rows - 1):
        raise FitError(f"{origin.table} has {counted(table.num_rows, 'row')} now, and had others before. Fit again.")
    used = np.zeros(table.num_rows, bool)
    used[slice(None) if places is None else places] = True
    missing = null_or_nan(column.values) & used
    if missing.any():
        raise missing_error(column, missing, remedy="Every row needs a value there: fill it, or leave the row out")
    return column if places is None else replace(column, values=column.values.take(places))

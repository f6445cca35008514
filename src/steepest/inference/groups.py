"""The groups of `cov="cluster:COLUMN"`: a column of the fit's own, or one of the table that its rows came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.files import open_table
from steepest.data.reading import Reading
from steepest.data.wording import listed, quoted
from steepest.errors import DataError, SpecError

if TYPE_CHECKING:
    from steepest.result import Fit


def groups_of(fit: Fit, data: Dataset, name: str) -> np.ndarray:
    """The number of the group of each training row `[n]`.

    Raises:
        SpecError: neither the fit nor its table has the column.
    """
    if name in data.names and data.x.ndim == 2:
        return np.unique(data.x[:, data.names.index(name)], return_inverse=True)[1]
    source = fit.table if fit.table is not None else fit.source
    if source is None:
        raise SpecError(
            f"The fit has no column {quoted(name)} ({listed(data.names)}), and its table is not at hand. "
            "Fit from a table that has it, with drop= for what is not to be fitted."
        )
    try:
        table, _ = open_table(source, [name], Reading.of(fit.spec), text_columns=[name])
    except DataError as error:
        raise SpecError(f"cov='cluster:{name}': {error}") from None
    codes = table.column(name).combine_chunks().dictionary_encode()
    codes = codes.combine_chunks() if hasattr(codes, "combine_chunks") else codes
    if codes.null_count:
        raise DataError(f"The column {quoted(name)} has {codes.null_count:,} missing values: each row needs a group.")
    indices = np.asarray(codes.indices)
    return np.unique(indices if data.places is None else indices[data.places], return_inverse=True)[1]

"""The groups of `cov="cluster:COLUMN"`: a column of the fit's own, or one of the table that its rows came from."""

from __future__ import annotations

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.folds import groups
from steepest.data.wording import listed
from steepest.errors import DataError, SpecError
from steepest.result import Fit
from steepest.storage.source_columns import source_column


def groups_of(fit: Fit, data: Dataset, name: str) -> np.ndarray:
    """The number of the group of each training row `[n]`.

    Raises:
        SpecError: neither the fit nor its table has the column, or it has missing values. FitError: the table is gone.
    """
    if name in data.names and data.x.ndim == 2:
        return np.unique(data.x[:, data.names.index(name)], return_inverse=True)[1]
    remedy = f"Take one of the fit's own ({listed(data.names)}), or fit from a table that has it."
    try:
        return groups(source_column(fit, name, data, remedy))
    except DataError as error:
        raise SpecError(f"cov='cluster:{name}': {error}") from None

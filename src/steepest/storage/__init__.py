"""Runs and sweeps on disk, and back."""

from __future__ import annotations

import os
from typing import Any

from steepest.result import Fit
from steepest.storage.run_folder import SWEEP, files_in
from steepest.storage.run_loading import fit_of
from steepest.storage.sweep_folder import load_sweep
from steepest.sweep_result import Sweep


def load(folder: str | os.PathLike[str], model: Any = None) -> Fit | Sweep:
    """The `Fit` or the `Sweep` that was saved: parameters, trace, scores, exact answer, status, predictions; but no data.

    Args:
        folder: the run's, or the sweep's.
        model: the `nn.Module`, or `package.module:factory`, of a fit that was made with one; linear, poly
            and mlp need none. What `spec.toml` names is not imported unless it is said here, since a run may
            come from a stranger; without it everything works but predicting.

    Raises:
        RunError: no run is there, a file of it is missing or damaged, or `model` is another one.

    Example:
        >>> import tempfile
        >>> from steepest.fitting import fit
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).save(f"{folder}/line")
        ...     load(f"{folder}/line").params.keys()
        dict_keys(['intercept', 'x'])
    """
    name, content, files = files_in(folder)
    return (load_sweep if name == SWEEP else fit_of)(content, files, str(folder), model)

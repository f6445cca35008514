"""What was saved in a folder, a fit or a sweep, and back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from steepest.storage.run_folder import SWEEP, files_in
from steepest.storage.run_loading import fit_of
from steepest.storage.sweep_folder import load_sweep

if TYPE_CHECKING:
    from steepest.result import Fit
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
    """
    name, content, files = files_in(folder)
    if name == SWEEP:
        return load_sweep(content, files, str(folder), model)
    return fit_of(content, files, str(folder), model)

"""Eject: a fit as a short script of plain PyTorch and NumPy that prints the same numbers, without an import of steepest.

    fit ──rows──▶ data by a recipe, a file or as they are ──case──▶ model, loss, batches, descent ──▶ script or notebook

Read `parts.py` first: it has the parts in their order. `python_text.py` holds what keeps a user's words from becoming code.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from steepest.atomic_file import write_file
from steepest.errors import RunError, SpecError
from steepest.export import parts as writing
from steepest.export import python_text
from steepest.export.parts import STYLES
from steepest.export.rows import saved
from steepest.result import Fit

__all__ = ["STYLES", "to_python"]


def to_python(
    fit: Fit, path: str | os.PathLike[str] | None = None, *, style: str = "loop", notebook: bool | None = None
) -> str:
    """A fit as a script that does the same steps on the same batches and prints the loss and the parameters.

    It prints `loss 0.0819…`, with a penalty `objective …`, with held-out rows `held-out loss …`, then a line for each
    parameter: its name, a space, its value to the last digit.

    Args:
        path: where to write it, whole or not at all; rows that are too many for the script are put into an .npz file
            of the same name beside it. None: nothing is written, and such rows stand in the script.
        style: `loop` (the rule by hand), `torch.optim`, `module` (an nn.Module), `closed` (a formula for mse) or
            `scikit-learn`; the last two give the best possible answer and say how far the fit is from it.
        notebook: a Jupyter notebook in the script's place; by default where path ends in .ipynb.

    Returns:
        The text.

    Raises:
        SpecError: an unknown style, or one that this fit has no words in.
        FitError: the fit cannot be written out: it diverged, its rows are gone, or it needs code that has no source.

    Example:
        >>> from steepest.fitting import fit
        >>> print(to_python(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], lr=0.1, epochs=200)).splitlines()[-1])
            print(name, value)
    """
    fit = fit.inner
    file = None if path is None else Path(path)
    if file is not None and file.suffix.lower() not in ("", ".py", ".ipynb"):
        raise SpecError(f"{str(path)!r} is to be a script; name it .py or .ipynb.")
    as_cells = notebook if notebook is not None else file is not None and file.suffix == ".ipynb"
    parts, files = writing.parts_of(fit, style, file, as_cells)
    text = (python_text.notebook if as_cells else python_text.script)(writing.title(fit, style), parts)
    if file is not None:
        if files:
            _check_ours(file.with_suffix(".npz"))
            write_file(file.with_suffix(".npz"), saved(files))
        write_file(file, text.encode())
    return text


def _check_ours(path: Path) -> None:
    """Raise RunError where a file of that name holds something else than rows of a script."""
    if not path.exists():
        return
    try:
        with np.load(path) as data:
            ours = set(data.files) <= {"x", "y", "weights", "x_test", "y_test", "weights_test", "start"}
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise RunError(f"{str(path)!r} is there already and holds something else. Choose another name for the script.")

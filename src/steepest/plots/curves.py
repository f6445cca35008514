"""What probabilities of classes are worth: calibration, ROC, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.data.wording import number
from steepest.inference import curves
from steepest.inference.curves import Curve
from steepest.plots import style
from steepest.plots.figure import Figure, figure
from steepest.result import Fit
from steepest.text import colours


def roc(fit: Fit, theme: str = "light") -> Figure:
    """The ROC curve: recall over the share of other rows that are taken for the class, and the area under it.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the target is no classes.

    Example:
        >>> from steepest.fitting import fit
        >>> round(roc(fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("nynyny"))).source_data[0].number, 2)
        0.67
    """
    data = curves.roc_data(fit)
    shown = _drawn(fit, "ROC", data, "AUC", theme)
    shown.line([0, 1], [0, 1], colours.EXACT, 1.5, "dash", hover=None, name="chance", showlegend=False)
    return _square(shown, "false positive rate", "true positive rate (recall)")


def precision_recall(fit: Fit, theme: str = "light") -> Figure:
    """Precision over recall, and their mean; dashed what chance gives.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the target is no classes.

    Example:
        >>> from steepest.fitting import fit
        >>> round(precision_recall(fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("nynyny"))).source_data[0].number, 2)
        0.76
    """
    data = curves.precision_recall_data(fit)
    shown = _drawn(fit, "Precision and recall", data, "mean precision", theme)
    for i, one in enumerate(data):
        colour = style.faded(_colour(i, data), 0.6)
        shown.line([0, 1], [one.base_rate] * 2, colour, 1.5, "dash", hover=None, showlegend=False)
    return _square(shown, "recall", "precision")


def calibration(fit: Fit, bins: int = curves.BINS, theme: str = "light") -> Figure:
    """The share of the class over its mean probability, in tenths of the rows, with Wilson's intervals at 95%; on the dashed line
    probabilities are what they say.

    Args:
        bins: how many parts, of equally many rows.
        theme: `light` or `dark`.

    Raises:
        SpecError: the target is no classes.

    Example:
        >>> from steepest.fitting import fit
        >>> round(calibration(fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("nynyny"))).source_data[0].number, 2)
        0.23
    """
    data = curves.calibration_data(fit, bins)
    shown = _drawn(fit, "Calibration", data, "Brier's score", theme, "lines+markers")
    for i, one in enumerate(data):
        low, high = _wilson(one)
        shown.data[i]["error_y"] = {  # pyrefly: ignore (traces are found by their number)
            "array": high - one.y,
            "arrayminus": one.y - low,
            "symmetric": False,
            "width": 4,
            "thickness": 1,
        }
    shown.line([0, 1], [0, 1], colours.EXACT, 1.5, "dash", hover=None, showlegend=False)
    return _square(shown, "mean probability", "share of the class")


def _wilson(one: Curve, z: float = 1.959963984540054) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval (1927) of each share."""
    assert one.count is not None
    n = one.count
    middle = (one.y + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(one.y * (1 - one.y) / n + z * z / (4 * n * n))
    return middle - reach, middle + reach


def _drawn(fit: Fit, title: str, data: Sequence[Curve], measure: str, theme: str, mode: str = "lines") -> Figure:
    held = curves.scored(fit, ranked=True)[0].held_out
    rows = "The rows held out." if held else "The training rows: of new rows it may look worse."
    told = f"{title} of {data[0].name!r}, {measure} {number(data[0].number, 4)}" if len(data) == 1 else title
    shown = figure(told, [rows], theme, 470, data)
    for i, one in enumerate(data):
        name = f"{style.text(one.name)}: {number(one.number, 3)}"
        shown.line(one.x, one.y, _colour(i, data), 2.5, name=name, mode=mode, showlegend=len(data) > 1)
    return shown


def _colour(i: int, data: Sequence[Curve]) -> str:
    return colours.DESCENT if len(data) == 1 else style.class_colour(i)


def _square(shown: Figure, x: str, y: str) -> Figure:
    shown.update_xaxes(title_text=x, range=[-0.02, 1.02])
    shown.update_yaxes(title_text=y, range=[-0.02, 1.04])
    return shown

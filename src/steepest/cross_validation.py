"""`fit.cross_validate()`: the same fit on parts of its rows, each judged on rows that it has not seen.

folds       which rows each fold learns of, and which it is judged on      data/folds.py
learned_of  what is learned of a fold's own rows: means, scales, polynomials, weights of classes
run         each is the fit that its settings make of these rows           fitting.py
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa

from steepest import run_record
from steepest.data import folds as parting
from steepest.data.dataset import Dataset
from steepest.data.folds import Fold
from steepest.data.packing import packed, unpacked
from steepest.data.wording import counted, quoted
from steepest.descent.stopping import Status
from steepest.descent.trace import BUDGET
from steepest.errors import DataError, FitError, SteepestError, SteepestWarning
from steepest.metrics import metrics
from steepest.model.of_fit import mean_loss
from steepest.model.prediction import has_probabilities, log_odds
from steepest.model.prediction import shares as shown_shares
from steepest.ranks.group import Group, alone, current
from steepest.result import Fit
from steepest.storage import run_folder, run_loading
from steepest.storage.run_loading import rows_of
from steepest.storage.source_columns import source_column
from steepest.sweeps import own_rows
from steepest.text import cross_validation as text
from steepest.text.displayed import Displayed
from steepest.text.document import Document

FOLDS_GIVEN = "Give the number of each row's fold as split=."

ARRIVED = (Status.CONVERGED, Status.PATIENCE)
"""How a fold ends well."""


@dataclass(repr=False, frozen=True)
class CrossValidation(Displayed):
    """What came of a cross-validation: scores with their spread, and a prediction for each row by a fit that had not seen it.

    Attributes:
        split: as it was given.
        fold: `[n]`, in which fold a row was judged (from 0), −1 in none.
        scores: metric → `[folds]`; `loss` is the mean loss, without penalty.
        predictions: `[n]` (`[n, m]` for several targets), NaN or None for rows without one; classes as labels.
        probabilities: of classes `[n, k]`; None for a loss that has none.
        places: `[n]`, the numbers (from 0) that the rows have in the table.
        fits: of the folds, in order.
        notes: full sentences.
    """

    split: str
    fold: np.ndarray
    scores: dict[str, np.ndarray]
    predictions: np.ndarray
    probabilities: np.ndarray | None
    places: np.ndarray
    fits: tuple[Fit, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {value:.4g} ± {self.standard_error[name]:.2g}" for name, value in self.mean.items())
        return f"CrossValidation({len(self.fits)} folds, {self.split}: {means})"

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each score over the folds."""
        return {name: float(np.mean(values)) for name, values in self.scores.items()}

    @property
    def standard_deviation(self) -> dict[str, float]:
        """The standard deviation of each score over the folds, of folds − 1."""
        return {name: float(np.std(values, ddof=1)) for name, values in self.scores.items()}

    @property
    def standard_error(self) -> dict[str, float]:
        """The standard deviation over the root of the number of folds.

        Folds share most of the rows that they learn of, so that it is rather too small.
        """
        return {name: value / sqrt(len(self.fits)) for name, value in self.standard_deviation.items()}

    def to_arrow(self) -> pa.Table:
        """One row a fold: its number, the rows that it learned of, those that it was judged on, its scores.

        Example:
            >>> from steepest.fitting import fit
            >>> fit("sample:diabetes").cross_validate(3).to_arrow().column_names
            ['fold', 'rows', 'held_out', 'loss', 'r2', 'mae', 'rmse']
        """
        import pyarrow as pa

        counts = {"fold": np.arange(len(self.fits)), "rows": [fit.rows for fit in self.fits]}
        return pa.table(
            counts | {"held_out": np.bincount(self.fold[self.fold >= 0], minlength=len(self.fits))} | self.scores
        )

    def to_pandas(self) -> Any:
        """The same as a pandas frame.

        Example:
            >>> from steepest.fitting import fit
            >>> fit("sample:diabetes").cross_validate(3).to_pandas().held_out.tolist()
            [148, 147, 147]
        """
        return self.to_arrow().to_pandas()

    def summary(self) -> dict[str, Any]:
        """The numbers as `--json` prints them.

        Example:
            >>> from steepest.fitting import fit
            >>> list(fit("sample:diabetes").cross_validate(3).summary()["scores"]["r2"])
            ['mean', 'standard_deviation', 'standard_error', 'folds']
        """
        scores = {
            name: {
                "mean": self.mean[name],
                "standard_deviation": self.standard_deviation[name],
                "standard_error": self.standard_error[name],
                "folds": values.tolist(),
            }
            for name, values in self.scores.items()
        }
        return {"folds": len(self.fits), "split": self.split, "scores": scores, "notes": list(self.notes)}

    def _document(self, width: float) -> Document:
        return text.document(self, width)


def cross_validate(fit: Fit, folds: int = 10, split: str | Sequence[int] = "random") -> CrossValidation:
    """Fit anew on parts of the training rows, and judge each fit on the rows that it has not seen.

    Whatever is learned of rows (the coordinates of the descent, means in the place of missing values, the terms of a formula, the
    weights of classes) is learned of a fold's own. Rows with a level that none of these has get no prediction, and a warning
    names them. Held-out rows of the fit (`test_fraction`) stay out.

    Args:
        folds: how many.
        split: "random" (scikit-learn's `KFold`, shuffled by the fit's seed); "time:COLUMN" (`TimeSeriesSplit` in the order of a
            column: each fold learns of the rows before those that it is judged on); "group:COLUMN" (`GroupKFold`: rows with
            one value of that column stay together); or the number of the fold of each training row, from 0.

    Returns:
        A `CrossValidation`: `.scores`, `.mean`, `.standard_deviation`, `.standard_error`, `.predictions`, `.fits`.

    Raises:
        SpecError: an impossible number of folds, an unknown split. DataError: the column is not there, or a fold lacks a class.
        FitError: the rows of the fit are gone.

    Example:
        >>> from steepest.fitting import fit
        >>> found = fit("sample:diabetes").cross_validate(folds=5)
        >>> round(found.mean["r2"], 3), round(found.standard_error["r2"], 3)
        (0.489, 0.045)
    """
    group = current()
    with alone():
        whole = _rows(fit)
        named = parting.column_named(split) if isinstance(split, str) else None
        column = None if named is None else source_column(fit, named, whole, FOLDS_GIVEN)
        parts = parting.parted(whole.rows, folds, split, fit.spec.seed, column)
        for number, part in enumerate(parts):
            parting.check_classes(whole, part, number + 1)
        tables = [_learned(fit, whole, part, number) for number, part in enumerate(parts, 1)]
    training = [table.take(part.train) for table, part in zip(tables, parts, strict=True)]
    with group.remedied("The fit itself is done; its folds are to be fitted again."):
        fits = _fits(group, fit, training, [_apart(fit, table) for table in tables])
    if any(one.ending.status is Status.INTERRUPTED for one in fits):
        raise KeyboardInterrupt
    with alone():
        found = _Found(whole, len(parts))
        for one, table, part in zip(fits, tables, parts, strict=True):
            found.add(one, table, part)
        return found.result(split if isinstance(split, str) else "as given")


def _fits(group: Group, fit: Fit, training: list[Dataset], apart: list[Dataset | None]) -> list[Fit]:
    """The fits of all folds. Of ranks each makes some of those that go alone, and all of them have all."""
    fault, made = None, list[Fit | None]()
    with alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)  # it was said of the fit itself
        try:
            mine, shown = (lambda place: place % group.size == group.rank), lambda *_: group.beat()
            made = own_rows.fits(fit.spec, training, BUDGET, apart, mine, shown if group.size > 1 else None)
        except SteepestError as error:
            if group.size == 1:
                raise
            fault = error
    if group.size > 1:
        files = {str(place): _sent(one) for place, one in enumerate(made) if one is not None}
        group.meet(signalled=any(one is not None and one.ending.status is Status.INTERRUPTED for one in made))
        for one in group.all_of(packed(files if fault is None else {"fault": str(fault).encode()})):
            for place, content in unpacked(one).items():
                if place == "fault":
                    raise fault or FitError(content.decode())
                made[int(place)] = made[int(place)] or _received(content, fit)
    return [one for one in made if one is not None]


def _sent(fit: Fit) -> bytes:
    """The fit of a fold, for other ranks: the files of its folder."""
    return packed(run_folder.contents_of(fit, run_record.figures(fit)))


def _received(content: bytes, whole: Fit) -> Fit:
    """And back. whole: the fit whose settings it has."""
    files, spec = unpacked(content), whole.spec
    model = None if isinstance(spec.model, str) else spec.model
    fit = run_loading.fit_of(json.loads(files[run_record.REST]), files, "of a fold", model)
    for one in (fit, fit.inner):
        one.spec, one.loss_function = spec, whole.loss_function
    return fit


def _learned(fit: Fit, whole: Dataset, part: Fold, number: int) -> Dataset:
    """All rows as a fold reads them."""
    try:
        return parting.learned_of(whole, part.train, fit.spec.class_weight)
    except DataError as error:
        raise DataError(f"fold {number} has no value for a row that it has not learned of: {error}") from None


def _rows(fit: Fit) -> Dataset:
    """The training rows, those held out to stop by among them."""
    train = rows_of(fit.inner)[0] if fit.train is None else fit.inner.train
    if train is not None:
        train.check_in_memory("Cross-validation")
    if train is None:
        raise FitError("This fit has no rows to be parted.")
    learned = any(column.fill is not None for column in train.schema.columns) or train.schema.design is not None
    if fit.record is not None and train.sources is None and learned and fit.source is None:
        raise FitError(
            "The run keeps the features of its rows and not what they were learned of. Fit again to cross-validate."
        )
    if fit.spec.validation_share is not None and fit.validation is not None:
        return train.joined(fit.validation)
    return train


def _apart(fit: Fit, table: Dataset) -> Dataset | None:
    """The rows given to stop by, as a fold reads them."""
    apart = fit.validation if fit.spec.validation_share is None else None
    if apart is None or apart.sources is None:
        return apart
    x = table.schema.of_values(apart.sources, lambda rows: f"row {int(np.argmax(rows)) + 1:,} of those for validation")
    return replace(apart, schema=table.schema, x=x)


class _Found:
    """What came of the folds so far."""

    def __init__(self, whole: Dataset, count: int):
        self.whole, self.count = whole, count
        self.fold = np.full(whole.rows, -1)
        self.decision: np.ndarray | None = None
        self.scores: dict[str, np.ndarray] = {}
        self.fits: list[Fit] = []
        self.notes: list[str] = []

    def add(self, fit: Fit, table: Dataset, part: Fold) -> None:
        """One more fold: its fit, all rows as it reads them, and which are its own."""
        number, kept = len(self.fits), np.ones(len(part.test), bool)
        fit.swept = True
        self.fits.append(fit)
        for name, level, gone in parting.unseen(self.whole, part):
            rows = f"{counted(int(gone.sum()), 'row')} of it {'has' if gone.sum() == 1 else 'have'} no prediction"
            self.notes.append(
                f"Fold {number + 1} learns of no row with the level {quoted(level)} of {quoted(name)}: {rows}."
            )
            kept &= ~gone
        rows = part.test[kept]
        if not len(rows):
            return
        test = table.take(rows)
        inner = fit.inner
        decision = log_odds(inner, test.x, offset=test.offset)
        if self.decision is None:
            self.decision = np.full((self.whole.rows, *decision.shape[1:]), np.nan)
        self.decision[rows], self.fold[rows] = decision, number
        found = {"loss": mean_loss(inner, test, inner.theta)}
        if decision.shape == test.y.shape or test.classes is not None:
            found |= metrics(decision, test, inner.loss_function)
        for name, value in found.items():
            if name != "confusion":
                self.scores.setdefault(name, np.full(self.count, np.nan))[number] = value

    def result(self, split: str) -> CrossValidation:
        """All of them."""
        if self.decision is None:
            raise FitError("No row has a prediction: each has a level that no other fold has.")
        whole, decision, shares = self.whole, self.decision, None
        without = int((self.fold < 0).sum())
        late = [fit.status for fit in self.fits if fit.terms is not None and fit.status not in ARRIVED]
        notes = [*self.notes]
        for text_of in notes:
            warnings.warn(text_of, SteepestWarning, stacklevel=3)
        if without:
            are, have = ("is", "has") if without == 1 else ("are", "have")
            notes.append(f"{without:,} of {counted(whole.rows, 'row')} {are} in no fold, or {have} no prediction.")
        if late:
            ends = ", ".join(sorted({status.name.lower() for status in late}))
            notes.append(f"{len(late)} of {len(self.fits)} folds did not arrive at their optimum ({ends}).")
        predictions: np.ndarray = decision
        if whole.classes is not None:
            loss = self.fits[0].loss_function
            each = shown_shares(decision, loss)
            shares = each if has_probabilities(loss) else None
            predictions = np.full(whole.rows, None, dtype=object)
            judged = self.fold >= 0
            predictions[judged] = whole.schema.labels[each[judged].argmax(1)]
            predictions = whole.schema.labels[each.argmax(1)] if judged.all() else predictions
        places = np.arange(whole.rows) if whole.places is None else whole.places
        return CrossValidation(
            split, self.fold, self.scores, predictions, shares, places, tuple(self.fits), tuple(notes)
        )

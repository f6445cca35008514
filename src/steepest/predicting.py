"""What a fit says of new rows: predictions with their intervals, probabilities, and what the model itself gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from steepest.data.files import Part
from steepest.data.loaders import is_source, read
from steepest.data.new_rows import pieces_of
from steepest.data.offsets import Added, of_new_rows
from steepest.data.reading import Reading
from steepest.errors import SpecError
from steepest.model import centring
from steepest.model.prediction import codes_of, decision, probabilities
from steepest.scored import Scored

if TYPE_CHECKING:
    from steepest.result import Fit


class Predicting(Scored):
    """The part of a `Fit` that predicts."""

    _intervals: Callable[..., Any]

    def inner_theta(self, theta: Any) -> Any:
        """Parameters in user units as the inner fit has them.

        Args:
            theta: `[p]`; None stays None.
        """
        if self.centred is None or self.centred.terms is None or theta is None:
            return theta
        return centring.from_user(self.centred.terms, np.asarray(theta, dtype=np.float64).ravel())

    def predict(
        self,
        x: Any,
        theta: Any = None,
        *,
        interval: float | None = None,
        kind: Literal["mean", "observation"] = "mean",
        offset: Any = None,
        exposure: Any = None,
    ) -> np.ndarray:
        """Predictions for new rows: numbers, of a family its mean; or class labels as they were in the table (text, …).

        Args:
            x: anything that `fit` takes as a table, or an array `[n, d]` (`[n]` for one column); of a `DataLoader` or dataset
                the rows in the dataset's order, however the loader shuffles them (of a `SubsetRandomSampler` its own); files
                larger than memory are gone through a piece at a time.
            theta: other parameters in the place of the fit's own, in the order of `names`.
            interval: the level of an interval beside each prediction, as 0.95; of classes it is that of a probability.
            kind: the interval of the `mean` at these columns, or of an `observation` there (of `mse`).
            offset, exposure: of these rows, `[n]`, one number or a column of x; by default the columns that the fit took.

        Returns:
            `[n]`, or `[n, m]` for several targets. With an interval `[n, 3]`: prediction, low and high; of two classes the
            probability of the second one, of more, and of several targets, `[n, m, 3]`.

        Raises:
            DataError: columns are missing, or hold what the fit had not seen. SpecError: `theta` has another length; no such
                interval. FitError: the fit has not arrived, so that its intervals would not be valid.

        Example:
            >>> from steepest.fitting import fit
            >>> line = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
            >>> line.predict([3.0]).round(6).tolist(), line.predict([3.0], theta=[0.0, 1.0]).tolist()
            ([7.0], [3.0])
            >>> fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).predict([4.0], interval=0.95).round(2).tolist()
            [[8.95, 8.45, 9.45]]
        """
        if (parts := self._pieces(x, offset, exposure)) is not None:
            given = {"interval": interval, "kind": kind, "offset": offset, "exposure": exposure}
            return np.concatenate([self.predict(part, theta, **given) for part in parts])
        if interval is not None:
            if theta is not None:
                raise SpecError("interval= is for the fit's own parameters; leave theta= out.")
            columns = self._columns(x)
            return self._intervals(columns, interval, kind, offset=self._added(x, len(columns), offset, exposure))
        if kind != "mean":
            raise SpecError(f"kind={kind!r} is that of an interval: give its level, interval=0.95.")
        prediction = self.decision(x, theta, offset=offset, exposure=exposure)
        if self.schema.classes is None:
            return self.loss_function.mean_of(prediction)
        return self.schema.labels[codes_of(prediction)]

    def predict_proba(self, x: Any, theta: Any = None, *, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """Class probabilities `[n, k]`, in the order of `schema.classes`.

        Args:
            x, theta, offset, exposure: as of `predict`.

        Raises:
            SpecError: the target is no classes, or the loss has no probabilities, as `hinge`.

        Example:
            >>> from steepest.fitting import fit
            >>> answers = fit([0.0, 1.0, 2.0, 3.0], ["no", "yes", "no", "yes"])
            >>> answers.predict_proba([1.5]).round(6).tolist()
            [[0.5, 0.5]]
        """
        if self.schema.classes is None:
            raise SpecError("predict_proba() is for classes; this fit predicts numbers, with predict().")
        return probabilities(self.decision(x, theta, offset=offset, exposure=exposure), self.loss_function)

    def decision(self, x: Any, theta: Any = None, *, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """What the model itself gives: predictions, or log-odds `[n]` or `[n, k]` for classes; of losses of a margin scores
        `[n]`, above 0 for the second class; of a family, as of counts, the linear predictor that its mean is a function of.

        Args:
            x, theta, offset, exposure: as of `predict`.

        Example:
            >>> from steepest.fitting import fit
            >>> answers = fit([0.0, 1.0, 2.0, 3.0], ["no", "yes", "no", "yes"])
            >>> abs(answers.decision([1.5]).round(6)).tolist()
            [0.0]
        """
        if (parts := self._pieces(x, offset, exposure)) is not None:
            return np.concatenate([self.decision(part, theta, offset=offset, exposure=exposure) for part in parts])
        values = self.theta if theta is None else self._sized(theta)
        if self.centred is not None:
            inner = self.centred.theta if theta is None else self.inner_theta(values)
            return self.centred.decision(x, inner, offset=offset, exposure=exposure)
        columns = self._columns(x)
        return decision(cast("Fit", self), columns, values, self._added(x, len(columns), offset, exposure))

    def _pieces(self, x: Any, offset: Any, exposure: Any) -> Iterator[Part] | None:
        """New rows a piece after another, where memory does not hold them; None where it does."""
        given = [self.spec.offset if offset is None else offset, self.spec.exposure if exposure is None else exposure]
        if not isinstance(x, str | PathLike) or not all(one is None or isinstance(one, str) for one in given):
            return None
        named = [one for one in given if isinstance(one, str)]
        found = pieces_of(x, self.schema, Reading.of(self.spec), named)
        return None if found is None else (part for _, part in found[1])

    def _added(self, x: Any, rows: int, offset: Any = None, exposure: Any = None) -> np.ndarray | None:
        """What is added to the predictions of new rows, `[n]`; None where nothing is."""
        given, named = Added(offset, exposure), Added(self.spec.offset, self.spec.exposure)
        return of_new_rows(self.schema.added, named, given, x, rows, Reading.of(self.spec))

    def _columns(self, x: Any) -> np.ndarray:
        """New rows as the model takes them."""
        x = read(x).x if is_source(x) else x
        images = getattr(x, "ndim", 0) > 2 and self.terms is None
        return np.asarray(x) if images else self.schema.encode(x, Reading.of(self.spec))

    def _sized(self, theta: Any) -> np.ndarray:
        """As many parameters as the fit has, `[p]`."""
        values = np.asarray(theta, dtype=np.float64).ravel()
        if values.size != len(self.names):
            raise SpecError(
                f"theta has {values.size} numbers; the fit has {len(self.names)}: {', '.join(self.names[:8])}."
            )
        return values

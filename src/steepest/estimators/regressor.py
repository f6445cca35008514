"""`DescentRegressor`."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.base import RegressorMixin

from steepest.estimators.base import Descent, Given
from steepest.estimators.parameters import takes_parameters


@final
@takes_parameters(of_classes=False)
class DescentRegressor(RegressorMixin, Descent):
    """Numbers by gradient descent, with scikit-learn's conventions: `fit()` beneath, in the names of its estimators.

    With its defaults it is right to the last digits, whatever the units of the columns; with a number for `lr` it takes the
    textbook's path.

    Args:
        {parameters}

    Attributes:
        coef_: `[d]`, or `[m, d]` for targets `[n, m]`; of `poly:D` one for each term. Not there for a module.
        intercept_: a number, or `[m]`.
        n_iter_: epochs; of a full batch they are steps.
        n_features_in_, feature_names_in_: the columns that it has seen.
        loss_curve_: a list, the objective at the start and at each epoch's end, as far as it was recorded.
        fit_: the `Fit` beneath, with all its methods; None after `partial_fit`.

    Example:
        >>> from steepest.estimators.regressor import DescentRegressor
        >>> line = DescentRegressor().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        >>> line.coef_.tolist(), round(line.intercept_, 6), line.predict([[3.0]]).round(6).tolist(), line.gap_
        ([2.0], 1.0, [7.0], 0.0)
    """

    _of_classes = False

    def predict(self, X: Any) -> Any:
        """Predictions `[n]`, or `[n, m]`.

        Args:
            X: `[n, d]`.

        Example:
            >>> DescentRegressor().fit([[0.0], [1.0]], [1.0, 3.0]).predict([[2.0]]).round(6).tolist()
            [5.0]
        """
        x = self._checked(X)
        found = self._model.prediction(x)
        return self._like.array(found.reshape(len(found), -1) if self._columns else found)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One update on these rows, as a minibatch.

        By default it is a step of sgd at 1/L, L the largest curvature of any rows so far; in the units of the columns.

        Args:
            X, y, sample_weight: as of `fit`; weights count as they are given.

        Example:
            >>> line = DescentRegressor(optimizer="sgd", lr=0.1)
            >>> line.partial_fit([[1.0]], [2.0]).partial_fit([[2.0]], [4.0]).coef_.round(6).tolist()
            [1.52]
        """
        first = not hasattr(self, "n_features_in_")
        if first:
            self._columns = getattr(y, "ndim", np.ndim(y)) == 2
        return self._stepped(X, y, sample_weight, first)

    def _factored(self, given: Given) -> np.ndarray | None:
        return given.own

    def _learned(self, y: Any, weights: np.ndarray | None) -> tuple[np.ndarray, None]:
        self._columns = y.ndim == 2
        return self._read(y), None

    def _read(self, y: Any) -> np.ndarray:
        numbers = np.asarray(y, dtype=np.float64)
        return numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers

    def _coefficients(self, coefficients: np.ndarray, intercepts: np.ndarray) -> dict[str, Any]:
        if self._columns:
            parts: tuple[Any, Any] = coefficients.copy(), intercepts.copy()
        else:
            parts = coefficients[0].copy(), float(intercepts[0])
        return {"coef_": self._like.array(parts[0]), "intercept_": self._like.array(parts[1])}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

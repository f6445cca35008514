"""`DescentClassifier`."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import metaestimators
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

from steepest.estimators import arrays
from steepest.estimators.base import Descent, Given
from steepest.estimators.parameters import choice_of, takes_parameters
from steepest.model.prediction import codes_of, probabilities, softmax


def _has_probabilities(estimator: DescentClassifier) -> bool:
    """True, or an AttributeError: what scikit-learn asks before it takes scores in the place of probabilities."""
    choice = choice_of(estimator.loss)
    if choice is not None and choice.classes and not choice.coupled and choice.share is None:
        raise AttributeError(
            f"loss={estimator.loss!r} gives scores, by decision_function, and no probabilities. loss='logistic' and "
            "'modified_huber' do; CalibratedClassifierCV makes some of scores."
        )
    return True


@final
@takes_parameters(of_classes=True)
class DescentClassifier(ClassifierMixin, Descent):
    """Classes by gradient descent, with scikit-learn's conventions: `fit()` beneath, in the names of its estimators.

    Two classes have the `logistic` loss, more `cross_entropy`.

    Args:
        {parameters}

    Attributes:
        classes_: `[k]`, the labels, sorted.
        coef_: `[1, d]` of the second of two classes, `[k, d]` of more; of `poly:D` one for each term. Not there for a module.
        intercept_: `[1]` or `[k]`.
        n_iter_: epochs; of a full batch they are steps.
        n_features_in_, feature_names_in_: the columns that it has seen.
        loss_curve_: a list, the objective at the start and at each epoch's end, as far as it was recorded.
        fit_: the `Fit` beneath, with all its methods; None after `partial_fit`.

    Example:
        >>> from steepest.estimators.classifier import DescentClassifier
        >>> answers = DescentClassifier().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
        >>> answers.predict([[3.0]]).tolist(), answers.predict_proba([[1.5]]).round(6).tolist()
        (['yes'], [[0.5, 0.5]])
    """

    _of_classes = True

    def decision_function(self, X: Any) -> Any:
        """Log-odds `[n]` of the second of two classes, or scores `[n, k]`.

        Args:
            X: `[n, d]`.

        Example:
            >>> answers = DescentClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
            >>> abs(answers.decision_function([[1.5]]).round(6)).tolist()
            [0.0]
        """
        found = self._log_odds(X)  # which says where there was no fit yet
        return self._like.array(found)

    @metaestimators.available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Probabilities `[n, k]`, in the order of `classes_`. Of a loss that has none, as `hinge`, the method is not there.

        Args:
            X: `[n, d]`.

        Raises:
            AttributeError: the loss has none.

        Example:
            >>> answers = DescentClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
            >>> answers.predict_proba([[1.5]]).round(6).tolist()
            [[0.5, 0.5]]
        """
        odds = self._log_odds(X)
        two = odds.ndim == 1 and self._model.loss_function.coupled
        found = softmax(np.stack([0.0 * odds, odds], -1)) if two else probabilities(odds, self._model.loss_function)
        return self._like.array(found)

    @metaestimators.available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the probabilities `[n, k]`; −∞ where one is 0.

        Args:
            X: `[n, d]`.

        Raises:
            AttributeError: the loss has no probabilities.

        Example:
            >>> answers = DescentClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
            >>> answers.predict_log_proba([[1.5]]).round(6).tolist()
            [[-0.693147, -0.693147]]
        """
        share = arrays.plain(self.predict_proba(X))
        with np.errstate(divide="ignore"):
            return self._like.array(np.log(share))

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row `[n]`.

        Args:
            X: `[n, d]`.

        Example:
            >>> DescentClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [5, 7, 5, 7]).predict([[3.0]]).tolist()
            [7]
        """
        codes = codes_of(self._log_odds(X))
        return self.classes_[codes] if self._like.namespace is None else self.classes_[self._like.array(codes)]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One update on these rows, as a minibatch.

        By default it is a step of sgd at 1/L, L the largest curvature of any rows so far; in the units of the columns.

        Args:
            X, y, sample_weight: as of `fit`; weights count as they are given.
            classes: all labels that there will be; of the first call.

        Raises:
            ValueError: the first call names no classes, or `class_weight` is "balanced", which takes all rows.

        Example:
            >>> answers = DescentClassifier(optimizer="sgd", lr=0.1)
            >>> answers.partial_fit([[1.0]], ["yes"], classes=["no", "yes"]).coef_.round(6).tolist()
            [[0.05]]
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' counts all rows, and partial_fit sees some. Give a dict.")
        first = not hasattr(self, "n_features_in_")
        _check_partial_fit_first_call(self, classes)
        return self._stepped(X, y, sample_weight, first)

    def _factored(self, given: Given) -> np.ndarray | None:
        if self.class_weight is None:
            return given.own
        classes = arrays.plain(self.classes_)
        each = compute_class_weight(self.class_weight, classes=classes, y=classes)[given.y]
        return each if given.own is None else each * given.own

    def _log_odds(self, X: Any) -> np.ndarray:
        x = self._checked(X)
        found = self._model.decision(x)
        return found[:, 1] - found[:, 0] if found.ndim == 2 and found.shape[1] == 2 else found

    def _learned(self, y: Any, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"There is one class only, {classes.tolist()[0]!r}, and nothing to tell it from. Give rows of two or more."
            )
        self.classes_ = self._like.array(classes, exact=True)
        if self.class_weight is None:
            return codes, None
        each = compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=weights)
        return codes, each[codes]

    def _read(self, y: Any) -> np.ndarray:
        classes = arrays.plain(self.classes_)
        places = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        if (unknown := classes[places] != y).any():
            raise ValueError(f"y has the class {np.asarray(y)[unknown].tolist()[0]!r}, which no row to fit has.")
        return places

    def _coefficients(self, coefficients: np.ndarray, intercepts: np.ndarray) -> dict[str, Any]:
        if len(coefficients) == 2:
            coefficients, intercepts = coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
        return {"coef_": self._like.array(coefficients.copy()), "intercept_": self._like.array(intercepts.copy())}

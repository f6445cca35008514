"""The losses of `formulas/losses.py` as NumPy evaluates them, a block of rows at a time.

Cross-entropy has its own formula; that of `logistic` makes its value and its slope from one exponential.
"""

from __future__ import annotations

import numpy as np

from steepest.model.loss import Loss


class Formula:
    """A loss's formula in NumPy, its number filled in."""

    def __init__(self, loss: Loss):
        assert loss.choice is not None
        self.choice, self.numbers = loss.choice, loss.numbers

    def value_and_slope(self, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ℓ of each row, and ∂ℓ/∂prediction."""
        assert self.choice.value is not None
        assert self.choice.slope is not None
        return self.choice.value(prediction, target, *self.numbers), self.choice.slope(
            prediction, target, *self.numbers
        )

    def curvature(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """∂²ℓ/∂prediction² of each row."""
        assert self.choice.curvature is not None
        return self.choice.curvature(prediction, target, *self.numbers)

    def least(self, curvature: np.ndarray) -> np.ndarray:
        """For each row a number m with m·t² ≤ t·ℓ''t, t the change of the prediction."""
        return curvature

    def away(self, change: np.ndarray) -> float:
        """The largest change of a row's prediction."""
        return float(np.abs(change).max())

    def told_apart(self, prediction: np.ndarray, target: np.ndarray) -> bool:
        """Whether each row lies on its class's side, so that the loss falls to 0 as the predictions grow."""
        return bool((np.where(target > 0.5, prediction, -prediction) > 0.0).all())


class LogisticFormula(Formula):
    """log(1 + exp z) and ±1/(1 + exp(−z)), z the log-odds against a row's own class."""

    def value_and_slope(self, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sign = 1.0 - 2.0 * target
        against = sign * prediction
        positive = np.maximum(against, 0.0)
        small = np.exp(-np.abs(against))
        one = 1.0 + small
        # float32 has no digits to lose there, and NumPy's log1p is slow in it
        value = np.log(one) if one.dtype == np.float32 else np.log1p(small)
        value += positive
        slope = np.exp(np.minimum(against, 0.0, out=against), out=against)
        slope /= one
        slope *= sign
        return value, slope


class SoftmaxFormula(Formula):
    """Cross-entropy, whose outputs belong together: predictions `[n, k]`, targets codes `[n]`.

    Its curvature is that of probabilities p: diag(p) − ppᵀ, here p `[n, k]` itself. Predictions tell by their differences: the
    variance of t under p is at least p_a·p_b/(p_a + p_b)·(t_a − t_b)², so at least ½·min p times the square of the range of t.
    """

    def value_and_slope(self, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        each = np.arange(len(target))
        share = prediction - prediction.max(1, keepdims=True)
        mine = share[each, target]
        np.exp(share, out=share)
        whole = share.sum(1)
        share /= whole[:, None]
        # p − 1 of the own class is −Σ of the others, or it would lose its digits where p is near 1
        share[each, target] = 0.0
        share[each, target] = -share.sum(1)
        return np.log(whole) - mine, share

    def curvature(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        share = np.exp(prediction - prediction.max(1, keepdims=True))
        return share / share.sum(1, keepdims=True)

    def least(self, curvature: np.ndarray) -> np.ndarray:
        return 0.5 * curvature.min(1)

    def away(self, change: np.ndarray) -> float:
        return float(np.ptp(change, axis=1).max())

    def told_apart(self, prediction: np.ndarray, target: np.ndarray) -> bool:
        largest = prediction.max(1)
        mine = (prediction[np.arange(len(target)), target] == largest).all()
        return bool(mine) and int((prediction == largest[:, None]).sum()) == len(target)


def numpy_formula(loss: Loss) -> Formula:
    """A loss's formula, or its own one in NumPy."""
    if loss.coupled:
        return SoftmaxFormula(loss)
    return LogisticFormula(loss) if loss.choice is not None and loss.choice.key == "logistic" else Formula(loss)

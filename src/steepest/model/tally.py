"""How good predictions are, added up block by block: what losses and metrics of all rows are made of.

The ranks of scores, of which AUC comes, are those of 2²⁰ classes of them: float32's sign, exponent and first eleven bits. Weights
count there in steps of a millionth of their mean: sums of whole numbers are the same in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from steepest.data.passes import each_by, over_parts
from steepest.data.streams import Block, Stream
from steepest.lazy import torch
from steepest.model.loss import Loss
from steepest.model.prediction import confusion_of
from steepest.ranks.group import current

BITS = 20
"""Of a score, by which rows are ranked."""

MANY = 8
"""Classes up to which rows are ranked."""

STEPS = 2.0**20
"""Of a mean weight, in which weights are counted where rows are ranked."""


class Tally:
    """Sums over rows.

    count: Σ w of the user's weights. loss, share: Σ wℓ and Σ w of the loss's own. Of numbers total, spread, square, absolute: of
    the target less `origin`, squared too, and of residuals `[m]`. Of classes the confusion, and how many rows have which score.
    Of a family, with the user's weights: own, Σ wℓ, alone, the same where all means are `origin`, and pearson, Σ w·(y − μ)²/V(μ).

    unit: about the mean of the weights.
    """

    SUMS = (
        "count",
        "loss",
        "share",
        "own",
        "alone",
        "pearson",
        "number",
        "total",
        "spread",
        "square",
        "absolute",
        "confusion",
    )
    KINDS = (*[np.add] * len(SUMS), np.minimum, np.maximum)
    """How the `arrays` of two parts are merged."""

    def __init__(self, loss: Loss, classes: int, origin: np.ndarray, unit: float = 1.0):
        self.losses, self.classes, self.origin, self.unit = loss, classes, origin, unit
        self.count = self.loss = self.share = self.own = self.alone = self.pearson = 0.0
        self.number = 0
        wide = len(origin)
        self.total, self.spread, self.square, self.absolute = np.zeros((4, wide))
        self.low, self.high = np.full(wide, np.inf), np.full(wide, -np.inf)
        self.confusion = np.zeros(classes**2)
        scores = 0 if not classes or classes > MANY else 1 if classes == 2 else classes
        self.right, self.all = np.zeros((2, scores, 2**BITS))

    def part(self) -> Tally:
        """One for some of the rows. Where they rank is counted here, once for all."""
        part = Tally(self.losses, 0, self.origin, self.unit)
        part.classes, part.confusion = self.classes, np.zeros_like(self.confusion)
        part.right, part.all = self.right, self.all
        return part

    def arrays(self) -> list[np.ndarray]:
        """Its sums but for the ranks, as `put` takes them."""
        return [np.asarray(getattr(self, name), dtype=np.float64) for name in (*self.SUMS, "low", "high")]

    def put(self, arrays: Sequence[np.ndarray]) -> None:
        """Take up the sums of all rows."""
        for name, array in zip((*self.SUMS, "low", "high"), arrays, strict=True):
            setattr(self, name, array if array.ndim else int(array) if name == "number" else float(array))
        self.right, self.all = current().merged([self.right, self.all])

    def add(self, block: Block, prediction: np.ndarray) -> None:
        """Rows with what the model gives for them."""
        if not len(block.y):
            return
        y, weights, own = block.y, block.row_weights, block.weights
        target = y.astype(np.float64) if self.losses.binary else y
        given = map(torch.as_tensor, (prediction, target)) if self.losses.custom else (prediction, target)
        each = np.asarray(self.losses.rows(*given))
        self.number += len(y)
        self.loss += float(each.sum() if own is None else own @ each)
        self.share += len(y) if own is None else float(own.sum())
        self.count += len(y) if weights is None else float(weights.sum())
        w = np.ones(len(y)) if weights is None else weights
        if self.classes:
            self._of_classes(y, prediction, weights)
        elif prediction.shape == y.shape and getattr(self.losses, "units", True):
            mean = self.losses.mean_of(prediction)
            self._of_numbers(y.reshape(len(y), -1), mean.reshape(len(y), -1), w)
            self._of_family(y, mean, each, w)

    def _of_numbers(self, target: np.ndarray, guess: np.ndarray, w: np.ndarray) -> None:
        moved, off = target - self.origin, target - guess
        self.total += w @ moved
        self.spread += w @ moved**2
        self.square += w @ off**2
        self.absolute += w @ np.abs(off)
        self.low, self.high = np.minimum(self.low, target.min(0)), np.maximum(self.high, target.max(0))

    def _of_family(self, y: np.ndarray, mean: np.ndarray, each: np.ndarray, w: np.ndarray) -> None:
        family = getattr(self.losses, "family", None)
        if family is None:
            return
        self.own += float(w @ each)
        self.alone += float(w @ np.asarray(self.losses.rows(self._constant(self.origin, y), y)))
        square = np.where(y == mean, 0.0, (y - mean) ** 2 / family.variance(mean, *self.losses.numbers))
        self.pearson += float(w @ square.reshape(len(y), -1).sum(1))

    def _constant(self, mean: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The linear predictor whose mean is this one in each row."""
        family = getattr(self.losses, "family", None)
        assert family is not None
        return np.array(np.broadcast_to(family.link(mean) if y.ndim == 2 else family.link(mean)[0], y.shape))

    def _of_classes(self, y: np.ndarray, decision: np.ndarray, weights: np.ndarray | None) -> None:
        self.confusion += confusion_of(y, decision, self.classes, weights).ravel()
        if decision.ndim == 2 and self.classes == 2:
            decision = decision[:, 1] - decision[:, 0]
        for place in range(len(self.all)):
            key = _rank(decision if decision.ndim == 1 else _log_odds(decision, place))
            mine = y == (1 if self.classes == 2 else place)
            whole = None if weights is None else np.rint(weights * (STEPS / self.unit))
            np.add.at(self.all[place], key, 1.0 if whole is None else whole)
            np.add.at(self.right[place], key[mine], 1.0 if whole is None else whole[mine])

    def mean(self) -> float:
        """The mean loss."""
        return self.loss / max(self.share, 1e-300)

    def aucs(self) -> list[float]:
        """Of the second of two classes, or of each against the rest; nan where one of them has no row."""
        found = []
        for right, whole in zip(self.right, self.all, strict=True):
            wrong = whole - right
            below = np.cumsum(wrong) - 0.5 * wrong
            pairs = right.sum() * wrong.sum()
            found.append(float(right @ below / pairs) if pairs > 0 else float("nan"))
        return found


def tallied(
    stream: Stream,
    train: Tally,
    test: Tally,
    add: Callable[[list[np.ndarray], Tally, Tally, Block, Block | None], None],
    start: Sequence[np.ndarray] = (),
    kinds: Sequence[np.ufunc] = (),
) -> list[np.ndarray]:
    """Fill the tallies of all rows of a stream in a pass, and what else is gathered in it.

    add: is given arrays that begin as `start` and are written to, a tally for the training rows of a piece and one for those held
    out, and both. kinds: how the arrays of several parts are merged.
    """

    def begin() -> tuple[list[np.ndarray], Tally, Tally]:
        return [one.copy() for one in start], train.part(), test.part()

    def arrays(part: tuple[list[np.ndarray], Tally, Tally]) -> list[np.ndarray]:
        return [*part[0], *part[1].arrays(), *part[2].arrays()]

    merge = each_by([*kinds, *Tally.KINDS, *Tally.KINDS])
    found = over_parts(stream, begin, lambda part, block, held: add(*part, block, held), arrays, merge)
    train.put(found[len(start) : len(start) + len(Tally.KINDS)])
    test.put(found[len(start) + len(Tally.KINDS) :])
    return found[: len(start)]


def _log_odds(decision: np.ndarray, place: int) -> np.ndarray:
    """Of one class against all others."""
    others = np.delete(decision, place, axis=1)
    most = others.max(1)
    return decision[:, place] - most - np.log(np.exp(others - most[:, None]).sum(1))


def _rank(score: np.ndarray) -> np.ndarray:
    """A whole number of so many bits for each score, that rises with it."""
    plain = score.astype(np.float32).view(np.uint32)
    rising = np.where(plain >> 31, ~plain, plain | np.uint32(1 << 31))
    return (rising >> (32 - BITS)).astype(np.int64)

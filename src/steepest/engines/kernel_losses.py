"""The losses in compiled code: one loop for each formula of `formulas/losses.py`, made from it.

    slopes    turn the predictions of a panel of rows into slopes, in place, and sum the losses: by the loss's number

A formula is put whole into its loop, so it costs no more than one written there; a branch inside the loop would cost ten
times as much. Cross-entropy, whose outputs belong together, has a loop of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from steepest.engines.numba_intrinsics import OPTIONS, apart, as_entry, within
from steepest.formulas.losses import LOSSES, LossChoice, in_words


def _clip(x: Any, low: Any, high: Any) -> Any:
    return high if x > high else (low if x < low else x)


def _maximum(a: Any, b: Any) -> Any:
    return a if a > b else b


def _minimum(a: Any, b: Any) -> Any:
    return b if a > b else a


def _sign(x: Any) -> Any:
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)


def _where(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b


def _sigmoid(z: Any) -> Any:
    small = np.exp(-abs(z))
    return (small if z < 0.0 else 1.0) / (1.0 + small)


def _logsigmoid(z: Any) -> Any:
    return (z if z < 0.0 else 0.0) - np.log1p(np.exp(-abs(z)))


def _narrow(function: Any) -> Any:
    """The same with its constants in float32, or they would make float64 of all that they touch."""
    constants = tuple(np.float32(value) if isinstance(value, float) else value for value in function.__code__.co_consts)
    return type(function)(function.__code__.replace(co_consts=constants), function.__globals__, function.__name__)


_PLAIN = {
    "abs": abs, "clip": _clip, "maximum": _maximum, "minimum": _minimum, "where": _where, "sign": _sign, "tanh": np.tanh,
    "sigmoid": _sigmoid, "logsigmoid": _logsigmoid,
}  # fmt: skip


def _words(narrow: bool) -> dict[str, Any]:
    return {
        name: within(_narrow(word) if narrow else word) if hasattr(word, "__code__") else word
        for name, word in _PLAIN.items()
    }


WIDE, NARROW = _words(False), _words(True)


def _formula(function: Any, numbered: bool) -> Any:
    """A formula of (prediction, target, number) for either precision."""
    wide = within(in_words(function, WIDE))
    narrow = within(_narrow(in_words(function, NARROW)))

    def evaluated(prediction: Any, target: Any, number: Any) -> Any:
        raise NotImplementedError  # what is compiled stands below

    @overload(evaluated, jit_options={**OPTIONS, "forceinline": True})
    def _(prediction, target, number):
        formula = narrow if prediction == types.float32 else wide
        if numbered:
            return lambda prediction, target, number: formula(prediction, target, number)
        return lambda prediction, target, number: formula(prediction, target)

    return evaluated


def _loop(choice: LossChoice) -> Any:
    """The loop over a panel's rows, for each output alone."""
    value, slope = (_formula(each, bool(choice.numbers)) for each in (choice.value, choice.slope))

    @apart
    def loop(own, rows, first, many, scores, outputs):
        number, share = as_entry(scores, own), as_entry(scores, 1.0 / outputs)
        weights, weighted = rows.weights, rows.weighted
        total = as_entry(scores, 0)
        for o in range(outputs):
            f, y = o * rows.tile, o * rows.stride + first
            for i in range(many):
                w = share * weights[first + i] if weighted else share
                prediction, target = scores[f + i], rows.target[y + i]
                total += w * value(prediction, target, number)
                scores[f + i] = w * slope(prediction, target, number)
        return total

    return loop


@apart
def _coupled(_, rows, first, many, scores, outputs):
    """log Σ exp(fⱼ − f_y), and the class shares with −Σ of the others in the place of p_y − 1."""
    total = as_entry(scores, 0)
    for i in range(many):
        w = rows.weights[first + i] if rows.weighted else as_entry(scores, 1)
        own = rows.codes[first + i]
        most = scores[i]
        for o in range(1, outputs):
            most = max(most, scores[o * rows.tile + i])
        mine = scores[own * rows.tile + i] - most
        others = as_entry(scores, 0)
        for o in range(outputs):
            share = np.exp(scores[o * rows.tile + i] - most)
            scores[o * rows.tile + i] = share
            if o != own:
                others += share
        whole = others + scores[own * rows.tile + i]
        total += w * (np.log(whole) - mine)
        for o in range(outputs):
            scores[o * rows.tile + i] *= w / whole
        scores[own * rows.tile + i] = -others * w / whole
    return total


NUMBERS = {name: place for place, (name, each) in enumerate(LOSSES.items()) if isinstance(each, LossChoice)}
"""A loss's number in compiled code, by its name."""


def _chosen(names: list[str]) -> Any:
    """The loop that a number stands for, as a chain of questions that are asked once for each panel."""
    choice = LOSSES[names[0]]
    assert isinstance(choice, LossChoice)
    loop = _coupled if choice.coupled else _loop(choice)
    if len(names) == 1:
        return apart(
            lambda kind, own, rows, first, many, scores, outputs: loop(own, rows, first, many, scores, outputs)
        )
    number, others = NUMBERS[names[0]], _chosen(names[1:])

    @apart
    def chosen(kind, own, rows, first, many, scores, outputs):
        if kind == number:
            return loop(own, rows, first, many, scores, outputs)
        return others(kind, own, rows, first, many, scores, outputs)

    return chosen


slopes = _chosen(list(NUMBERS))

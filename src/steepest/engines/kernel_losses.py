"""The losses in machine code: the loop over a panel's rows, written for one of the formulas of `formulas/losses.py`.

    slopes    turn the predictions of a panel of rows into slopes, in place, and sum the losses

Cross-entropy, whose outputs belong together, has a loop of its own.
"""

from __future__ import annotations

from typing import Any

from steepest.engines.kernel_rows import Layout, RowsAt
from steepest.formulas import losses
from steepest.formulas.linked import BY_KEY
from steepest.formulas.losses import in_words
from steepest.machine_code.instructions import WORDS, Code, Number, Pointer, where

_WORDS = {**WORDS, **{each.__name__: in_words(each, WORDS) for each in (losses.sigmoid, losses.logsigmoid)}}


def slopes(
    code: Code, layout: Layout, loss: str, number: Number, rows: RowsAt, first: Number, many: Any, scores: Pointer
) -> Number:
    """Turn scores `[k, tile]` into slopes; the sum of the losses of `many` rows from `first` on."""
    choice = BY_KEY[loss]
    if choice.coupled:
        return _coupled(code, layout, rows, first, many, scores)
    value, slope = (in_words(each, _WORDS) for each in (choice.value, choice.slope) if each is not None)
    own = (number.cast(scores.kind),) if choice.numbers else ()
    total = code.zero(scores.kind)
    with code.each(layout.outputs) as o:
        f, y = scores + o * layout.tile, rows.target + (o * rows.stride + first)
        with code.each(many) as i:
            w: Any = 1.0 / layout.outputs
            if layout.weighted:
                w = w * rows.weights[first + i]
            prediction, target = f[i], y[i]
            total[0] += w * value(prediction, target, *own)
            f[i] = w * slope(prediction, target, *own)
    return total[0]


def _coupled(code: Code, layout: Layout, rows: RowsAt, first: Number, many: Any, scores: Pointer) -> Number:
    """log Σ exp(fⱼ − f_y), and the class shares with −Σ of the others in the place of p_y − 1."""
    total, most, others = code.zero(scores.kind), code.zero(scores.kind), code.zero(scores.kind)
    with code.each(many) as i:
        w: Any = rows.weights[first + i] if layout.weighted else 1.0
        own = rows.codes[first + i]
        score, mine = scores + i, scores + (own * layout.tile + i)
        most[0] = score[0]
        with code.each(1, layout.outputs) as o:
            other = score[o * layout.tile]
            most[0] = where(other > most[0], other, most[0])
        left = mine[0] - most[0]
        others[0] = 0.0
        with code.each(layout.outputs) as o:
            share = WORDS["exp"](score[o * layout.tile] - most[0])
            score[o * layout.tile] = share
            others[0] += where(o.is_not(own), share, 0.0)
        whole = others[0] + mine[0]
        total[0] += w * (code.call("log", whole) - left)
        with code.each(layout.outputs) as o:
            score[o * layout.tile] *= w / whole
        mine[0] = -others[0] * w / whole
    return total[0]

"""The compiled arithmetic of `fused.py`: the linear family's gradient, its penalty, and every rule, by Numba.

    walk        many steps in one call: gradient, record, update, and again
    gradient    Σ of the rows' losses and of their gradients over a range of rows (many threads may share a batch)
    advance     what one step does with a gradient: record it, add the penalty's, move θ

Compiled once for each dtype: losses and rules are numbers (`MSE`, `SGD`, …) that are looked up inside. θ and
gradients are `[k, r]`, one row an output; targets and offsets are `[k, n]`, so that every inner loop runs along memory.
Sums may be taken in any order (`reassoc`, `contract`), which is what lets them use the whole width of the machine;
infinities and NaN keep their meaning.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

MSE, L1, HUBER, QUANTILE, LOGISTIC, CROSS_ENTROPY = range(6)
SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM = range(6)
SMOOTH_ONLY, PROXIMAL, SUBGRADIENT = range(3)

compiled: Any = njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

TILE = 64
"""Rows that are looked at together: they stay in the nearest cache between their prediction and their gradient."""


class Rows(NamedTuple):
    """Rows in the order in which they are used: basis `[n, r]`, target and offset `[k, n]`, codes and weights `[n]`.

    What a problem does not have is empty.
    """

    basis: np.ndarray
    target: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    offset: np.ndarray


class LossCode(NamedTuple):
    """Which loss, and its number (Huber's width, the quantile's level)."""

    kind: int
    number: float


class PenaltyCode(NamedTuple):
    """l1·Σ|θ| + l2·Σθ² with θ = origin + matrix·c: mask and origin `[k, p]`, matrix `[p, r]` (empty in user units).

    how: what becomes of the kink; thresholds and shift `[k, r]` are those of the proximal step.
    """

    l1: float
    l2: float
    how: int
    gain: float
    mask: np.ndarray
    matrix: np.ndarray
    origin: np.ndarray
    thresholds: np.ndarray
    shift: np.ndarray


class RuleCode(NamedTuple):
    """Which rule, and its numbers; clip is the longest gradient let through (infinity: any)."""

    kind: int
    beta1: float
    beta2: float
    epsilon: float
    decay: float
    clip: float


class State(NamedTuple):
    """What moves: θ `[k, r]`, the rule's memory `[k, r]` or empty, and room for a gradient and a penalty's `[k, p]`."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    grad: np.ndarray
    free: np.ndarray


class Record(NamedTuple):
    """What is kept of T steps: θ `[T, k, r]` before each update, the batch's loss, its gradient's length, penalty."""

    theta: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    penalty: np.ndarray


@compiled
def walk(state, rows, starts, lengths, rates, count, loss, penalty, rule, record, at):
    """Take the steps `at`, `at` + 1, … of a block, one for each of `starts`; `count` updates were made before them."""
    scores, each = _room(state.theta)
    for s in range(len(starts)):
        total = _sum(state.theta, rows, starts[s], lengths[s], loss, state.grad, scores, each)
        advance(state, total, lengths[s], rates[s], count + s + 1, penalty, rule, record, at + s)


@compiled
def gradient(theta, rows, start, length, loss, grad):
    """Fill grad `[k, r]` with the sum of the gradients of rows start … start + length; the sum of their losses."""
    scores, each = _room(theta)
    return _sum(theta, rows, start, length, loss, grad, scores, each)


@compiled
def _room(theta):
    """Room for the predictions `[k, tile]` and losses `[tile]` of a tile, fewer rows where they are long."""
    most = max(8, min(TILE, 16384 // theta.shape[1] // 4 * 4))
    return np.empty((theta.shape[0], most), theta.dtype), np.empty(most, theta.dtype)


@compiled
def _sum(theta, rows, start, length, loss, grad, scores, each):
    """What `gradient` does, tile by tile: predictions, slopes, and the slopes times the rows."""
    outputs, width = theta.shape
    zero = theta.dtype.type(0)
    most = len(each)
    grad[:] = zero
    total = 0.0
    for first in range(start, start + length, most):
        many = min(most, start + length - first)
        fours = many // 4 * 4
        tile = rows.basis[first : first + many]
        for o in range(outputs):
            f, c = scores[o], theta[o]
            for i in range(0, fours, 4):
                f0, f1, f2, f3 = zero, zero, zero, zero
                for j in range(width):
                    f0 += tile[i, j] * c[j]
                    f1 += tile[i + 1, j] * c[j]
                    f2 += tile[i + 2, j] * c[j]
                    f3 += tile[i + 3, j] * c[j]
                f[i], f[i + 1], f[i + 2], f[i + 3] = f0, f1, f2, f3
            for i in range(fours, many):
                f0 = zero
                for j in range(width):
                    f0 += tile[i, j] * c[j]
                f[i] = f0
            if rows.offset.size:
                for i in range(many):
                    f[i] += rows.offset[o, first + i]
        total += _slopes(loss, rows, first, many, scores, each)
        for o in range(outputs):
            f, g = scores[o], grad[o]
            for i in range(0, fours, 4):
                f0, f1, f2, f3 = f[i], f[i + 1], f[i + 2], f[i + 3]
                for j in range(width):
                    g[j] += f0 * tile[i, j] + f1 * tile[i + 1, j] + f2 * tile[i + 2, j] + f3 * tile[i + 3, j]
            for i in range(fours, many):
                f0 = f[i]
                for j in range(width):
                    g[j] += f0 * tile[i, j]
    return total


@compiled
def _slopes(loss, rows, first, many, scores, each):
    """Turn the predictions of a tile into slopes, in place; the sum of its losses (see `problem/losses.py`)."""
    outputs = len(scores)
    number = scores.dtype.type(loss.number)
    zero, half, one = scores.dtype.type(0), scores.dtype.type(0.5), scores.dtype.type(1)
    if loss.kind == CROSS_ENTROPY:
        _class_slopes(rows, first, many, scores, each)
    else:
        each[:many] = zero
        share = one / scores.dtype.type(outputs)
        for o in range(outputs):
            f, y = scores[o], rows.target[o, first : first + many]
            if loss.kind == MSE:
                for i in range(many):
                    d = f[i] - y[i]
                    each[i] += share * d * d
                    f[i] = (share + share) * d
            elif loss.kind == L1:
                for i in range(many):
                    d = f[i] - y[i]
                    each[i] += abs(d)
                    f[i] = one if d > zero else (-one if d < zero else zero)
            elif loss.kind == HUBER:
                for i in range(many):
                    d = f[i] - y[i]
                    size = abs(d)
                    inner = number if size > number else size
                    each[i] += inner * (size - half * inner)
                    f[i] = number if d > number else (-number if d < -number else d)
            elif loss.kind == QUANTILE:
                for i in range(many):
                    d = y[i] - f[i]
                    each[i] += number * d if d > zero else (number - one) * d
                    f[i] = -number if d > zero else (one - number if d < zero else half - number)
            else:
                for i in range(many):
                    z = f[i] if y[i] > half else -f[i]
                    e = np.exp(-abs(z))
                    wrong = (e if z >= zero else one) / (one + e)
                    each[i] += np.log1p(e) - (z if z < zero else zero)
                    f[i] = -wrong if y[i] > half else wrong
    if rows.weights.size:
        for i in range(many):
            each[i] *= rows.weights[first + i]
        for o in range(outputs):
            for i in range(many):
                scores[o, i] *= rows.weights[first + i]
    total = zero
    for i in range(many):
        total += each[i]
    return total


@compiled
def _class_slopes(rows, first, many, scores, each):
    """log Σ exp(fⱼ − f_y), and the class shares with −Σ of the others in the place of p_y − 1."""
    outputs = len(scores)
    for i in range(many):
        own = rows.codes[first + i]
        most = scores[0, i]
        for o in range(1, outputs):
            most = max(most, scores[o, i])
        mine = scores[own, i] - most
        others = scores.dtype.type(0)
        for o in range(outputs):
            scores[o, i] = np.exp(scores[o, i] - most)
            if o != own:
                others += scores[o, i]
        whole = others + scores[own, i]
        each[i] = np.log(whole) - mine
        for o in range(outputs):
            scores[o, i] /= whole
        scores[own, i] = -others / whole


@compiled
def advance(state, total, length, rate, count, penalty, rule, record, at):
    """One step: from the sums over a batch to its means, into the record, and θ moved; `count` is 1 at the first."""
    theta, grad = state.theta, state.grad
    outputs, width = theta.shape
    of_type = theta.dtype.type
    record.loss[at] = total / length
    for o in range(outputs):
        for j in range(width):
            grad[o, j] /= of_type(length)
            record.theta[at, o, j] = theta[o, j]
    record.penalty[at] = 0.0
    if penalty.l1 != 0.0 or penalty.l2 != 0.0:
        record.penalty[at] = _free(theta, penalty, state.free)
    if penalty.l2 != 0.0:
        _pull_back(grad, of_type(2.0 * penalty.l2), False, penalty.matrix, state.free)
    norm = _length(grad)
    record.grad_norm[at] = norm
    if penalty.how == SUBGRADIENT:
        _pull_back(grad, of_type(penalty.l1), True, penalty.matrix, state.free)
        norm = _length(grad)
    if rule.clip < np.inf:
        factor = rule.clip / (norm + 1e-6)
        if not factor > 1.0:
            for o in range(outputs):
                for j in range(width):
                    grad[o, j] *= of_type(factor)
    _update(state, rate, count, rule)
    if penalty.how == PROXIMAL:
        by = of_type(penalty.gain * rate)
        zero = of_type(0)
        for o in range(outputs):
            for j in range(width):
                c = theta[o, j] + penalty.shift[o, j]
                left = abs(c) - by * penalty.thresholds[o, j]
                left = zero if left < zero else left
                theta[o, j] = (left if c > zero else (-left if c < zero else zero)) - penalty.shift[o, j]


@compiled
def _length(grad):
    total = grad.dtype.type(0)
    for o in range(grad.shape[0]):
        for j in range(grad.shape[1]):
            total += grad[o, j] * grad[o, j]
    return np.sqrt(total)


@compiled
def _free(theta, penalty, free):
    """Fill free `[k, p]` with the penalised part of θ in user units; the penalty at it."""
    absolute, square = free.dtype.type(0), free.dtype.type(0)
    for o in range(free.shape[0]):
        for q in range(free.shape[1]):
            value = free.dtype.type(0)
            if penalty.matrix.size:
                for j in range(theta.shape[1]):
                    value += penalty.matrix[q, j] * theta[o, j]
            else:
                value = theta[o, q]
            value = penalty.mask[o, q] * (value + penalty.origin[o, q])
            free[o, q] = value
            absolute += abs(value)
            square += value * value
    return penalty.l1 * absolute + penalty.l2 * square


@compiled
def _pull_back(grad, scale, signs, matrix, free):
    """grad += scale·free·M, or with `signs` scale·sign(free)·M."""
    zero, one = free.dtype.type(0), free.dtype.type(1)
    for o in range(free.shape[0]):
        for q in range(free.shape[1]):
            value = free[o, q]
            if signs:
                value = one if value > zero else (-one if value < zero else zero)
            value *= scale
            if matrix.size:
                for j in range(grad.shape[1]):
                    grad[o, j] += value * matrix[q, j]
            else:
                grad[o, q] += value


@compiled
def _update(state, rate, count, rule):
    """Move θ by a rule (see `rules.py`)."""
    theta, grad, first, second = state.theta, state.grad, state.first, state.second
    outputs, width = theta.shape
    of_type = theta.dtype.type
    lr, beta1, beta2, epsilon = of_type(rate), of_type(rule.beta1), of_type(rule.beta2), of_type(rule.epsilon)
    less1, less2 = of_type(1.0 - rule.beta1), of_type(1.0 - rule.beta2)
    if rule.kind == SGD:
        for o in range(outputs):
            for j in range(width):
                theta[o, j] -= lr * grad[o, j]
    elif rule.kind == MOMENTUM or rule.kind == NESTEROV:
        for o in range(outputs):
            for j in range(width):
                first[o, j] = beta1 * first[o, j] + grad[o, j]
                theta[o, j] -= lr * (grad[o, j] + beta1 * first[o, j] if rule.kind == NESTEROV else first[o, j])
    elif rule.kind == ADAGRAD or rule.kind == RMSPROP:
        for o in range(outputs):
            for j in range(width):
                g = grad[o, j]
                first[o, j] = first[o, j] + g * g if rule.kind == ADAGRAD else beta2 * first[o, j] + less2 * g * g
                theta[o, j] -= lr * g / (np.sqrt(first[o, j]) + epsilon)
    else:
        root = of_type(np.sqrt(1.0 - rule.beta2 ** float(count)))
        lr = of_type(rate / (1.0 - rule.beta1 ** float(count)))
        keep = of_type(1.0 - rate * rule.decay)
        for o in range(outputs):
            for j in range(width):
                g = grad[o, j]
                first[o, j] += less1 * (g - first[o, j])
                second[o, j] = beta2 * second[o, j] + less2 * g * g
                theta[o, j] = keep * theta[o, j] - lr * first[o, j] / (np.sqrt(second[o, j]) / root + epsilon)

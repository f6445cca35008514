"""How a rule moves θ: the formula of each, plain arithmetic on numbers, arrays, tensors and what compiled code is made of.

A formula is a function (g, *memory, lr, t, *numbers) → (step, *memory): the gradient, what is remembered, the learning rate,
and t counted from 1; θ −= step. Before g it may take θ itself (`theta`), and after it F of the batch at θ (`value`). A comparison
counts 1 or 0 where it is multiplied or added (with a tensor: PyTorch makes float32 of a comparison times a Python float). Most
are elementwise; `total` sums over all parameters of a descent.
"""

# ruff: noqa: D103  what each is stands in its entry in rules.py
from __future__ import annotations

from typing import Any

EPSILON = 1e-8
"""ε of rmsprop, adam and those made of it."""


def total(x: Any) -> Any:
    """Σ over the parameters of a descent, the last axis, which stays with a length of 1; of a number itself."""
    return x.sum(-1, keepdims=True) if getattr(x, "ndim", 0) else x


def sgd(g, lr, t):
    return (lr * g,)


def less_varied(g, before, mean):
    """What svrg and saga go by in the place of g; before: of the same rows, mean: of all rows."""
    return g - before + mean


def momentum(g, velocity, lr, t, beta):
    velocity = beta * velocity + g
    return lr * velocity, velocity


def nesterov(g, velocity, lr, t, beta):
    velocity = beta * velocity + g
    return lr * (g + beta * velocity), velocity


def adagrad(g, squares, lr, t):
    squares = squares + g**2
    return lr * g / (squares**0.5 + 1e-10), squares


def rmsprop(g, squares, lr, t, alpha):
    squares = alpha * squares + (1 - alpha) * g**2
    return lr * g / (squares**0.5 + EPSILON), squares


def adadelta(g, squares, moves, lr, t, rho):
    squares = rho * squares + (1 - rho) * g**2
    move = g * (moves + 1e-6) ** 0.5 / (squares + 1e-6) ** 0.5
    moves = rho * moves + (1 - rho) * move**2
    return lr * move, squares, moves


def adam(g, mean, squares, lr, t, beta1, beta2):
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    root = squares**0.5 / (1 - beta2**t) ** 0.5 + EPSILON
    return lr / (1 - beta1**t) * mean / root, mean, squares


def nadam(g, mean, squares, gap, lr, t, beta1, beta2):
    # gap = 1 − Πμ, with μ = β₁(1 − ½·0.96^(0.004t)) of each step so far
    now = beta1 * (1 - 0.5 * 0.96 ** (0.004 * t))
    coming = beta1 * (1 - 0.5 * 0.96 ** (0.004 * (t + 1)))
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    gap = 1 - now * (1 - gap)
    root = squares**0.5 / (1 - beta2**t) ** 0.5 + EPSILON
    ahead = (1 - now) / gap * g + coming / (1 - coming * (1 - gap)) * mean
    return lr * ahead / root, mean, squares, gap


def radam(g, mean, squares, lr, t, beta1, beta2):
    # terms: of how many steps s is an average, about; lift: what its spread over so few takes from the step
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    most = 2 / (1 - beta2) - 1
    terms = most - 2 * t * beta2**t / (1 - beta2**t)
    least = abs((most - 4) * (most - 2) * terms) + (terms <= 5)
    lift = (abs((terms - 4) * (terms - 2) * most) / least * (1 - beta2**t)) ** 0.5
    factor = (terms > 5) * lift / (squares**0.5 + EPSILON) + (terms <= 5)
    return lr / (1 - beta1**t) * mean * factor, mean, squares


def lion(g, mean, lr, t, beta1, beta2):
    ahead = beta1 * mean + (1 - beta1) * g
    mean = beta2 * mean + (1 - beta2) * g
    return lr * ahead / (abs(ahead) + (abs(ahead) <= 0)), mean


def adopt(g, mean, squares, lr, t, beta1, beta2):
    # the first step only looks: its longest move is 0, and s begins at g²
    root = squares**0.5
    longest = (t - 1) ** 0.25
    move = g / (root + (root < 1e-6) * (1e-6 - root))
    distance = abs(move)
    move = move * ((distance > longest) * (longest / (distance + (distance <= longest))) + (distance <= longest))
    mean = beta1 * mean + (1 - beta1) * move
    squares = (t < 2) * g**2 + (t >= 2) * (beta2 * squares + (1 - beta2) * g**2)
    return lr * mean, mean, squares


def schedule_free_sgd(theta, g, moving, averaged, weight_sum, top_rate, lr, t, beta):
    # the gradient is taken at θ, between the moving point and the average, which is the answer
    top_rate = top_rate + (lr > top_rate) * (lr - top_rate)
    weight_sum = weight_sum + top_rate**2
    part = top_rate**2 / weight_sum
    moving = moving - lr * g
    averaged = (1 - part) * averaged + part * moving
    return theta - (beta * averaged + (1 - beta) * moving), moving, averaged, weight_sum, top_rate


def schedule_free_adamw(theta, g, moving, averaged, squares, weight_sum, top_rate, lr, t, beta1, beta2, decay):
    top_rate = top_rate + (lr > top_rate) * (lr - top_rate)
    weight_sum = weight_sum + top_rate**2
    part = top_rate**2 / weight_sum
    squares = beta2 * squares + (1 - beta2) * g**2
    root = (squares / (1 - beta2**t)) ** 0.5 + EPSILON
    moving = moving - lr * (decay * theta + g / root)
    averaged = (1 - part) * averaged + part * moving
    return theta - (beta1 * averaged + (1 - beta1) * moving), moving, averaged, squares, weight_sum, top_rate


def dog(theta, g, origin, squares, reach, lr, t, first):
    # reach: the farthest that θ has been from where it began, at first a small share of its size
    away = total((theta - origin) ** 2) ** 0.5
    near = first * (1 + total(origin**2) ** 0.5)
    away = away + (near > away) * (near - away)
    reach = reach + (away > reach) * (away - reach)
    squares = squares + total(g**2)
    return lr * reach / squares**0.5 * g, origin, squares, reach


def dowg(theta, g, origin, squares, reach, lr, t, first):
    away = total((theta - origin) ** 2) ** 0.5
    near = first * (1 + total(origin**2) ** 0.5)
    away = away + (near > away) * (near - away)
    reach = reach + (away > reach) * (away - reach)
    squares = squares + reach**2 * total(g**2)
    return lr * reach**2 / (squares**0.5 + (squares <= 0)) * g, origin, squares, reach


def prodigy(theta, g, origin, drift, squares, weighted, numerator, estimate, lr, t, beta1, beta2):
    # estimate: of how far the optimum is from where θ began, from below
    scaled = estimate * lr
    numerator = beta2**0.5 * numerator + 1e6 * estimate * scaled * total(g * (origin - theta))
    weighted = beta2**0.5 * weighted + 1e6 * estimate * scaled * g
    drift = beta1 * drift + estimate * (1 - beta1) * g
    squares = beta2 * squares + estimate**2 * (1 - beta2) * g**2
    denominator = total(abs(weighted))
    found = numerator / (denominator + (denominator <= 0))
    estimate = estimate + (found > estimate) * (found - estimate)
    return scaled * drift / (squares**0.5 + estimate * EPSILON), origin, drift, squares, weighted, numerator, estimate


def dadapt_adam(g, drift, squares, weighted, numerator, estimate, lr, t, beta1, beta2):
    scaled = estimate * lr
    fading = 1 - beta2**0.5
    numerator = beta2**0.5 * numerator + fading * scaled * total(g * weighted / (squares**0.5 + EPSILON))
    drift = beta1 * drift + scaled * (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    weighted = beta2**0.5 * weighted + fading * scaled * g
    denominator = fading * total(abs(weighted))
    found = numerator / (denominator + (denominator <= 0))
    estimate = estimate + (found > estimate) * (found - estimate)
    return drift / (squares**0.5 + EPSILON), drift, squares, weighted, numerator, estimate


def cocob(theta, g, origin, sums, largest, lengths, wealth, lr, t, alpha):
    # each coordinate bets a part of what it has won so far on the sign of its next gradient
    magnitude = abs(g)
    largest = largest + (magnitude > largest) * (magnitude - largest)
    lengths = lengths + magnitude
    sums = sums - g
    wealth = wealth - (theta - origin) * g
    wealth = (wealth > 0) * wealth
    least = alpha * largest
    bets = lengths + largest + (least > lengths + largest) * (least - lengths - largest)
    return theta - origin - lr * sums / (largest * bets) * (wealth + largest), origin, sums, largest, lengths, wealth


def polyak(g, value, lr, t, least):
    over = value - least
    squares = total(g**2)
    return (lr * over * (over > 0) / (squares + (squares <= 0)) * g,)


def polyak_level(g, value, best, drop, lr, t, shrink):
    # the least value is taken to be a drop below the best so far; one that is not reached at once is too low
    lower = shrink * drop
    drop = (t < 2) * value + (t >= 2) * ((value <= best - drop) * drop + (value > best - drop) * lower)
    best = (t < 2) * value + (t >= 2) * (best + (value < best) * (value - best))
    squares = total(g**2)
    return lr * (value - best + drop) / (squares + (squares <= 0)) * g, best, drop


def sam(g, lr, t, radius):
    return (lr * g,)


def uphill(g, radius):
    """Where sam looks at the gradient again: θ plus this."""
    return radius * g / (total(g**2) ** 0.5 + 1e-12)

"""Powers of columns far from zero, taken of the column minus a centre.

The powers of a year from 2001 to 2020 differ from one another by so little that float64 cannot hold their coefficients
well enough: a prediction of `poly:6` from them is off by more than the data. Those of (year − 2010) can be held, span the
same polynomials, and turn into one another exactly:

    Σ_β γ_β Π_j (x_j − c_j)^β_j  =  Σ_α θ_α Π_j x_j^α_j,       θ_α = Σ_{β ≥ α} γ_β Π_j C(β_j, α_j)·(−c_j)^(β_j − α_j)

γ are the coefficients that a fit is computed, scored and drawn with, θ those in user units. Both ways are taken in
rational arithmetic and rounded once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import comb, floor, inf, log10

import numpy as np

from steepest.model.linear import Terms

LOST = 1e-7
"""Error of a prediction, beside the spread of the predictions, from which powers are taken of centred columns."""

FAR = 2.0
"""A column is far from zero where its middle is more than so many times its half range."""

DIGITS = 15
"""Decimal digits that float64 holds of any number."""


def centred(terms: Terms, x: np.ndarray) -> Terms:
    """The same polynomials of columns x `[n, d]`, centred where float64 could not hold the coefficients otherwise.

    >>> centred(Terms(("year",), degree=6), np.arange(2001.0, 2021.0)[:, None]).names[:3]
    ('intercept', '(year - 2010)', '(year - 2010)^2')
    """
    if terms.degree == 1 or not terms.intercept or not x.size:
        return terms
    if lost(terms, x) <= LOST:
        return terms
    low, high = x.min(0), x.max(0)
    half = (high - low) / 2
    far = (half > 0) & (abs(low + half) > FAR * half)
    return replace(terms, centre=tuple(_round(low[j] + half[j], half[j]) if far[j] else 0.0 for j in range(x.shape[1])))


def lost(terms: Terms, x: np.ndarray) -> float:
    """How far off a prediction may be, beside the spread of the predictions, from coefficients rounded to float64."""
    if not x.size:
        return 0.0
    low, high = x.min(0), x.max(0)
    half = (high - low) / 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(half > 0, np.maximum(abs(low), abs(high)) / half, 0.0)
        return float(np.finfo(float).eps * (1.0 + 2.0 * ratio.max()) ** terms.degree)


def _round(middle: float, half: float) -> float:
    """A number near the middle with no more digits than it needs."""
    return float(round(float(middle), -floor(log10(half)))) if half < 1e300 else float(middle)


def plain(terms: Terms) -> Terms:
    """The terms in user units."""
    return replace(terms, centre=())


def to_user(terms: Terms, gamma: np.ndarray) -> np.ndarray:
    """γ `[k·p]` → θ `[k·p]`, each entry rounded once."""
    return _turned(terms, gamma, -1)


def from_user(terms: Terms, theta: np.ndarray) -> np.ndarray:
    """θ `[k·p]` → γ `[k·p]`, each entry rounded once."""
    return _turned(terms, theta, 1)


def gradient_to_user(terms: Terms, gradient: np.ndarray) -> np.ndarray:
    """∇F in γ `[k·p]` → ∇F in θ."""
    blocks = gradient.reshape(-1, len(terms.powers))
    found = [[Fraction(0)] * blocks.shape[1] for _ in blocks]
    for row, column, value in _expansion(terms, 1):
        for block, total in zip(blocks, found, strict=True):
            total[column] += value * Fraction(float(block[row]))
    return np.array([[_float(value) for value in total] for total in found]).ravel()


def path_to_user(terms: Terms, path: np.ndarray) -> np.ndarray:
    """γ `[T, k·p]` → θ `[T, k·p]`, in float64."""
    count = len(terms.powers)
    matrix = np.zeros((count, count))
    for row, column, value in _expansion(terms, -1):
        matrix[row, column] = _float(value)
    with np.errstate(over="ignore", invalid="ignore"):
        return (path.reshape(len(path), -1, count) @ matrix.T).reshape(path.shape)


def digits(terms: Terms, gamma: np.ndarray) -> np.ndarray:
    """How many decimal digits of each θ `[k·p]` are right, γ being right to float64's last: 0 to 15."""
    blocks, count = gamma.reshape(-1, len(terms.powers)), len(terms.powers)
    sizes, sums = np.zeros((len(blocks), count)), to_user(terms, gamma).reshape(len(blocks), count)
    for row, column, value in _expansion(terms, -1):
        sizes[:, row] += abs(_float(value)) * np.abs(blocks[:, column])
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.log10(np.where(sizes > 0, sizes / np.abs(sums), 1.0))
    return np.clip(np.floor(DIGITS - lost), 0, DIGITS).astype(int).ravel()


def _turned(terms: Terms, coefficients: np.ndarray, sign: int) -> np.ndarray:
    blocks = coefficients.reshape(-1, len(terms.powers))
    if not np.isfinite(coefficients).all():
        return path_to_user(terms, coefficients[None])[0] if sign < 0 else np.full(coefficients.shape, np.nan)
    found = [[Fraction(0)] * blocks.shape[1] for _ in blocks]
    given = [[Fraction(float(value)) for value in block] for block in blocks]
    for row, column, value in _expansion(terms, sign):
        for block, total in zip(given, found, strict=True):
            total[row] += value * block[column]
    return np.array([[_float(value) for value in total] for total in found]).ravel()


def _expansion(terms: Terms, sign: int) -> Iterator[tuple[int, int, Fraction]]:
    """(α, β, value): the product of centred columns β holds so much of the product α, `sign` −1; or the other way, 1."""
    place = {tuple(sorted(term)): number for number, term in enumerate(terms.powers)}
    shift = [Fraction(sign) * Fraction(centre) for centre in terms.centre]
    for beta, column in place.items():
        counts = Counter(beta)
        for kept in product(*(range(counts[j] + 1) if shift[j] else (counts[j],) for j in counts)):
            value = Fraction(1)
            for (j, most), left in zip(counts.items(), kept, strict=True):
                value *= comb(most, left) * shift[j] ** (most - left)
            alpha = tuple(sorted(j for j, left in zip(counts, kept, strict=True) for _ in range(left)))
            yield place[alpha], column, value


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf

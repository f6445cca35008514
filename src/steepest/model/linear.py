"""The linear family written out: a design, a target, a loss and a penalty, in user units.

Models that are linear in θ (`linear`, `poly:D`, and the same under a logistic or softmax loss) differ only
in the columns of their design A. Their predictions are A·θ, or A·Θᵀ with Θ `[k, p]` for k outputs; θ is Θ laid
out row by row. This is all that the closed-form gradient, the curvature and the exact answer need to know.

    F(θ) = (1/n) Σᵢ wᵢ/w̄ · ℓ(aᵢ·θ + offsetᵢ, yᵢ) + l1·Σ|θⱼ| + l2·Σθⱼ² + group·Σ √|g|·‖θ_g‖      (intercepts are not penalised)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from steepest.errors import SpecError
from steepest.lazy import torch
from steepest.model.loss import Loss
from steepest.model.penalties import Penalty, PenaltyTerm

MOST_TERMS = 20_000

TALL = 500_000
"""Entries of a design from which it is gone through in blocks of rows, and never copied whole without need."""

SAMPLED = 400_000
"""Entries of a design from which its curvature is that of some of its rows."""

ULPS = 4.0
"""Units in the last place within which values are the same."""

BLOCK = 2**18
"""Entries of such a block: 2 MB, which stay in the cache while they are worked on."""

MANY_COLUMNS = 1_000
"""Columns from which a Gram matrix is no longer small beside a block of rows: blocks are larger, and the products NumPy's, which
computes one half of them."""


def row_blocks(shape: tuple[int, int]) -> list[slice]:
    """The rows of a design `[n, p]` in blocks; one block where it is small."""
    n, p = shape
    step = max(1, n if n * p <= TALL else BLOCK // p)
    return [slice(start, start + step) for start in range(0, n, step)]


def gram(design: np.ndarray, weights: np.ndarray | None = None, shift: np.ndarray | float = 0.0) -> np.ndarray:
    """(A − shift)ᵀ·W·(A − shift), `[p, p]`, without a copy of a tall A.

    The products are PyTorch's: where other programs run beside it, NumPy's lose more time at each of many small ones.
    """
    n, p = design.shape
    many = p >= MANY_COLUMNS
    total = torch.zeros(p, p, dtype=torch.float64)
    for rows in [slice(start, start + 2 * p) for start in range(0, n, 2 * p)] if many else row_blocks(design.shape):
        block = design[rows] - shift
        if weights is not None:
            block *= np.sqrt(weights[rows])[:, None]
        part = torch.from_numpy(block)
        if many:
            total += torch.from_numpy(block.T @ block)
        else:
            total.addmm_(part.T, part)
    return total.numpy()


def is_constant(column: np.ndarray) -> bool:
    """Whether a column takes one value only, up to the rounding of float64.

    >>> is_constant(np.array([0.3, 0.1 + 0.2, 0.3])), is_constant(np.array([0.3, 0.300001]))
    (True, False)
    """
    low, high = column.min(), column.max()
    return bool(high - low <= ULPS * np.finfo(np.float64).eps * max(abs(low), abs(high)))


@dataclass(frozen=True)
class LinearProblem:
    """One fit of the linear family, as NumPy arrays.

    design: `[n, p]` float64, the column of ones first where there is an intercept.
    target: `[n]` float64; `[n, m]` for several targets; 0.0/1.0 for `logistic`; codes (int64) for `cross_entropy`.
    weights: `[n]` with mean 1, or None. outputs: k, so θ is `[k·p]`.
    offset: `[n]`, what is added to the predictions A·θ, or None.
    low: what rounding to float64 took from the design (powers of a column), or None where it is exact.
    """

    design: np.ndarray
    target: np.ndarray
    loss: Loss
    penalty: Penalty = field(default_factory=Penalty)
    intercept: bool = True
    weights: np.ndarray | None = None
    outputs: int = 1
    low: np.ndarray | None = None
    degree: int = 1
    offset: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows, several = self.design.shape[0], self.apart
        need = (rows, self.outputs) if several else (rows,)
        if self.target.shape != need:
            raise SpecError(
                f"The target has the shape {list(self.target.shape)}; loss {self.loss} on a design of {rows} rows needs "
                f"{list(need)}. Classes are one target, and one target is y[:, 0], not [n, 1]."
            )
        if self.weights is not None and self.weights.shape != (rows,):
            raise SpecError(f"The weights have the shape {list(self.weights.shape)}; {rows} rows need {[rows]}.")

    @property
    def apart(self) -> bool:
        """Whether it has several targets, whose coefficients have nothing to do with one another."""
        return self.outputs > 1 and not (self.loss.coupled or self.loss.custom)

    def of_output(self, output: int) -> LinearProblem:
        """The problem of one target alone, m times its part of the objective: (1/m)·Σ ℓ + penalty is the mean of them."""
        alone = self.penalty.of_output(output, self.outputs)
        return replace(self, target=self.target[:, output], penalty=alone, outputs=1)

    @property
    def parameters(self) -> int:
        """k·p."""
        return self.design.shape[1] * self.outputs

    @property
    def penalised(self) -> np.ndarray:
        """`[k·p]` of 1.0 where a parameter is penalised and 0.0 at the intercepts."""
        mask = np.ones((self.outputs, self.design.shape[1]))
        if self.intercept:
            mask[:, 0] = 0.0
        return mask.ravel()

    @cached_property
    def row_products(self) -> np.ndarray:
        """XXᵀ `[n, n]` of the columns without the intercept."""
        columns = self.design[:, int(self.intercept) :]
        return columns @ columns.T  # a matrix with itself: NumPy computes one half of it

    def take(self, rows: np.ndarray) -> LinearProblem:
        """The problem on some of its rows, by their numbers."""
        weights = None if self.weights is None else self.weights[rows] / max(self.weights[rows].mean(), 1e-300)
        low, offset = (None if part is None else part[rows] for part in (self.low, self.offset))
        return replace(
            self, design=self.design[rows], target=self.target[rows], weights=weights, low=low, offset=offset
        )

    @property
    def sampled(self) -> LinearProblem:
        """The problem on some of its rows where it is large, always the same ones; else as it is."""
        n, p = self.design.shape
        most = max(SAMPLED // p, 4 * p)
        return self if n <= most else self.take(np.sort(np.random.default_rng(0).choice(n, most, replace=False)))

    def penalty_in(self, matrix: np.ndarray | None = None) -> PenaltyTerm:
        """The penalty as a function of c `[k·r]`, with θ = M·c for each output, M `[p, r]`; of θ itself without one."""
        return self.penalty.at(self.penalised, matrix, outputs=self.outputs)


@dataclass(frozen=True)
class Terms:
    """How columns become a design: all products of the columns up to a total degree, with or without intercept.

    centre: `[d]` to be taken from the columns first, or () for the columns as they are (see `centring.py`).

    >>> Terms(("a", "b"), degree=2).names
    ('intercept', 'a', 'b', 'a^2', 'a*b', 'b^2')
    """

    columns: tuple[str, ...]
    degree: int = 1
    intercept: bool = True
    centre: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        from math import comb

        if self.degree > 1 and comb(len(self.columns) + self.degree, self.degree) > MOST_TERMS:
            raise SpecError(
                f"model='poly:{self.degree}' over {len(self.columns)} columns has more than {MOST_TERMS:,} terms. "
                "Choose fewer with columns= or a lower degree."
            )

    @cached_property
    def powers(self) -> tuple[tuple[int, ...], ...]:
        """For each term the columns that are multiplied, by number: (), (0,), (1,), (0, 0), (0, 1), …"""
        found = [
            term
            for degree in range(1, self.degree + 1)
            for term in combinations_with_replacement(range(len(self.columns)), degree)
        ]
        return tuple([()] if self.intercept else []) + tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """`intercept`, then the terms: `x`, `x^2`, `x*z`."""
        columns = self.columns
        if self.centre:
            columns = tuple(_less(name, centre) for name, centre in zip(columns, self.centre, strict=True))
        return tuple(_term_name(term, columns) for term in self.powers)

    def placed(self, x: np.ndarray) -> np.ndarray:
        """The columns x `[n, d]` whose products are taken."""
        return x - np.array(self.centre) if self.centre else x

    def design(self, x: np.ndarray) -> np.ndarray:
        """The design `[n, p]` (float64, contiguous) of x `[n, d]`."""
        x = self.placed(x)
        if self.degree == 1 and not self.intercept:
            return np.ascontiguousarray(x, dtype=np.float64)
        design = np.empty((x.shape[0], len(self.powers)))
        if self.degree == 1:
            design[:, 0] = 1.0
            design[:, 1:] = x
            return design
        place = {term: column for column, term in enumerate(self.powers)}
        for term, column in place.items():
            if len(term) < 2:
                design[:, column] = x[:, term[0]] if term else 1.0
            else:
                with np.errstate(over="ignore", invalid="ignore"):  # whoever asked looks for what is not finite
                    design[:, column] = design[:, place[term[:-1]]] * x[:, term[-1]]
        return design


def _less(name: str, centre: float) -> str:
    """The name of a column minus its centre."""
    return f"({name} {'-' if centre > 0 else '+'} {abs(centre):.15g})" if centre else name


def _term_name(term: Sequence[int], columns: Sequence[str]) -> str:
    if not term:
        return "intercept"
    return "*".join(
        columns[column] + (f"^{term.count(column)}" if term.count(column) > 1 else "") for column in dict.fromkeys(term)
    )

"""What an estimator predicts with: parameters, and the terms or the module that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.schema import Schema
from steepest.lazy import nn
from steepest.model.linear import Terms
from steepest.model.loss import Loss
from steepest.model.prediction import decision
from steepest.planned import Plan
from steepest.result import Fit


@dataclass(frozen=True)
class Model:
    """The parameters θ `[p]` of a linear model's `terms`, or of a module `network`."""

    theta: np.ndarray
    schema: Schema
    loss_function: Loss
    terms: Terms | None = None
    network: nn.Module | None = None
    train: None = None
    problem: None = None

    @classmethod
    def of(cls, fit: Fit) -> Model:
        """Of a fit, as it was computed."""
        inner = fit.inner
        return cls(inner.theta, inner.schema, inner.loss_function, inner.terms, inner.network)

    @classmethod
    def at(cls, theta: np.ndarray, made: Plan, schema: Schema) -> Model:
        """Of a descent, at a θ in user units."""
        return cls(theta, schema, made.loss, made.terms, made.module)

    def decision(self, x: Any) -> np.ndarray:
        """What the model gives for columns x `[n, d]`, which may be sparse: predictions, scores `[n]` or `[n, k]`, of a family
        what its mean is a function of."""
        parts = self.linear
        if parts is None:
            return decision(self, x, self.theta)  # pyrefly: ignore (all that is asked of a Fit)
        coefficients, intercepts = parts
        found = np.asarray(x @ coefficients.T) + intercepts
        return found[:, 0] if len(coefficients) == 1 else found

    def prediction(self, x: Any) -> np.ndarray:
        """Numbers in the units of the target `[n]` or `[n, m]`."""
        found, family = self.decision(x), getattr(self.loss_function, "family", None)
        if family is None:
            return found
        with np.errstate(over="ignore"):
            return np.asarray(family.mean(found))

    @property
    def linear(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Coefficients `[k, p]` of the terms and intercepts `[k]`; None of a module, of powers or products."""
        if self.terms is None or self.terms.degree > 1:
            return None
        return self.parts

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The same of any terms; None of a module."""
        if self.terms is None:
            return None
        blocks = self.theta.reshape(-1, len(self.terms.powers))
        first = int(self.terms.intercept)
        intercepts = blocks[:, 0] if first else np.zeros(len(blocks))
        if self.loss_function.coupled:  # one number added to all of them changes no probability: they sum to 0
            intercepts = intercepts - intercepts.mean()
        return blocks[:, first:], intercepts

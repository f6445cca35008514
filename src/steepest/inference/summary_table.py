"""What `fit.summary()` gives: coefficients with standard errors, tests and intervals, and the figures of the fit beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from steepest.errors import FitError, SpecError
from steepest.inference import hypotheses
from steepest.inference.covariance import Covariance
from steepest.inference.hypotheses import HypothesisTest
from steepest.inference.regression import Figures
from steepest.inference.sample import Sample
from steepest.result import Fit
from steepest.text import summary as summary_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document

NAMES = tuple(one.name for one in fields(Figures))


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary(Displayed):
    """What a fit says about its coefficients, and how sure that is.

    The figures of the fit are attributes as well: r2, r2_adjusted, f, f_p_value, log_likelihood, aic, bic, deviance,
    null_deviance, pearson_chi2, dispersion, pseudo_r2, likelihood_ratio, likelihood_ratio_p_value, durbin_watson, jarque_bera,
    condition, df_residual, nobs and others; `[m]` of several targets, None where the loss has no such number.

    Attributes:
        coefficients: a `pyarrow.Table` with the columns name (target or class, where there are several), value, exact (the
            exact answer), digits (how many of the value's are right, up to 16), std_error, statistic (value/std_error),
            p_value (two-sided), low and high (the interval). Where something is not known it is null.
        figures: the figures of each target.
        covariance: of the coefficients `[q, q]`; None without one.
        cov, level, distribution: as they were asked for, or by default.
        df: degrees of freedom of t; None for z.
        valid, reason: whether the errors may be used, and why not.
        notes: sentences on what the errors mean.
        bootstrap: a `pyarrow.Table` of both kinds of intervals, where there are resamples, else None.
        title: model and loss.
        labels: of the coefficients, as in `fit.names`.
        levels: each text column with the level that the others are compared with.
        terms: each column, or term of a formula, with the names of its coefficients.
        contrasts: a sentence on each column whose coefficients compare its levels otherwise, as by `contr.sum`.
        sample, errors: what it was computed from: the rows, and the covariance of each target.

    Example:
        >>> from steepest.fitting import fit
        >>> found = fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).summary()
        >>> [round(one, 4) for one in found.coefficients.column("std_error").to_pylist()]
        [0.0794, 0.0424]
        >>> round(found.r2, 4), found.df_residual
        (0.9991, 2.0)
    """

    coefficients: pa.Table
    figures: tuple[Figures, ...]
    covariance: np.ndarray | None
    cov: str
    level: float
    distribution: Literal["t", "z"]
    df: float | None
    valid: bool
    reason: str
    notes: tuple[str, ...]
    bootstrap: pa.Table | None
    title: str
    labels: tuple[str, ...]
    levels: tuple[tuple[str, str], ...] = ()
    contrasts: tuple[str, ...] = ()
    terms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sample: Sample | None = None
    errors: tuple[Covariance, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(f"a Summary has no attribute {name!r}")
        found = [getattr(one, name) for one in self.figures]
        if len(found) < 2:
            return found[0] if found else None
        return np.array([np.nan if one is None else one for one in found])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *NAMES})

    def __repr__(self) -> str:
        return str(self)

    def wald_test(self, names: str | Sequence[str]) -> HypothesisTest:
        """The test that coefficients are 0 together, by χ².

        Args:
            names: one or several; a text column stands for all of its levels, a term of a formula for all that it became.

        Raises:
            SpecError: no such coefficient, or those of several targets. FitError: the errors are not valid.

        Example:
            >>> from steepest.fitting import fit
            >>> print(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).summary().wald_test("x"))
            'x' is 0: χ²(1) = 2,178, p = 0
        """
        return self._tested(names, None)

    def f_test(self, names: str | Sequence[str]) -> HypothesisTest:
        """The same by F with `df` degrees of freedom in the denominator; where the distribution is z that is χ²/q.

        Args:
            names: as in `wald_test`.

        Raises:
            SpecError: no such coefficient, or those of several targets. FitError: the errors are not valid.

        Example:
            >>> from steepest.fitting import fit
            >>> fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).summary().f_test("x").p_value < 0.001
            True
        """
        return self._tested(names, np.inf if self.df is None else self.df)

    def _tested(self, names: str | Sequence[str], df: float | None) -> HypothesisTest:
        if self.covariance is None:
            raise FitError(self.reason or "There are no standard errors by theory: nothing can be tested.")
        places = hypotheses.places_of(names, self.labels, self.coefficients.column("name").to_pylist(), self.terms)
        if len(self.figures) > 1 and len({place * len(self.figures) // len(self.labels) for place in places}) > 1:
            raise SpecError("Coefficients of several targets cannot be tested together. Name them as 'target: column'.")
        theta = np.array(self.coefficients.column("value"))[places]
        found = hypotheses.of_zero(theta, self.covariance[np.ix_(places, places)], [self.labels[i] for i in places], df)
        return found

    def compare_f_test(self, restricted: Fit | Summary) -> HypothesisTest:
        """The F test of a least-squares fit of the same rows with fewer columns against this one; of a summary with robust
        errors, or with those of groups, Wald's by its covariance.

        Args:
            restricted: the smaller fit, or its summary.

        Raises:
            SpecError: it is not nested in this one, or the loss is not `mse`. FitError: one of them is not valid.

        Example:
            >>> from steepest.fitting import fit
            >>> x, y = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 3.1, 4.9, 7.0, 9.1]
            >>> round(fit(x, y, model="poly:2").summary().compare_f_test(fit(x, y)).p_value, 3)
            0.512
        """
        smaller = self._nested(restricted)
        if self.scale is None or smaller.scale is None or len(self.figures) > 1 or self.figures[0].r2 is None:
            raise SpecError("The F test is for least squares of one target; compare_lr_test() is for likelihoods.")
        if self.cov != "nonrobust":
            assert self.sample is not None
            assert smaller.sample is not None
            return _wald_nested(smaller.sample, self.sample, self.errors[0], self.df)
        return hypotheses.of_squares(*((one.scale * one.df_residual, one.df_residual) for one in (smaller, self)))

    def compare_lr_test(self, restricted: Fit | Summary) -> HypothesisTest:
        """The likelihood ratio test of a fit of the same rows with fewer columns against this one; of a family whose
        dispersion is estimated by the scaled deviances, with the dispersion of this one, as `anova` of R.

        Args:
            restricted: the smaller fit, or its summary.

        Raises:
            SpecError: it is not nested in this one, or the loss is no likelihood. FitError: one of them is not valid.

        Example:
            >>> from steepest.fitting import fit
            >>> x, y = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0, 1, 0, 1, 0, 1]
            >>> small, large = (fit(x, y, model=f"poly:{degree}", loss="logistic") for degree in (1, 2))
            >>> large.summary().compare_lr_test(small).df
            1.0
        """
        smaller = self._nested(restricted)
        if self.log_likelihood is None or len(self.figures) > 1:
            raise SpecError("This loss is no likelihood of one target.")
        if self.aic is None:
            raise SpecError(
                "With class_weight the loss is not the likelihood of the rows: test coefficients, wald_test()."
            )
        if self.cov != "nonrobust":
            raise SpecError(
                f"A likelihood ratio is that of cov='nonrobust': where errors are {self.cov}, test coefficients, wald_test()."
            )
        if self.dispersion is not None:
            return hypotheses.of_deviances(
                *((one.deviance, one.df_residual) for one in (smaller, self)), dispersion=self.dispersion
            )
        return hypotheses.of_likelihoods(*((one.log_likelihood, one.df_residual) for one in (smaller, self)))

    def _nested(self, restricted: Fit | Summary) -> Summary:
        """The summary of a smaller model, after a look whether it is one."""
        if not isinstance(restricted, Summary) and not hasattr(restricted, "summary"):
            raise SpecError(f"A fit is compared with another fit, or its summary, and not with {restricted!r}.")
        other = restricted if isinstance(restricted, Summary) else restricted.summary()
        mine, theirs = self.sample, other.sample
        if mine is None or theirs is None or not (self.valid and other.valid):
            raise FitError(self.reason or other.reason or "One of the fits has no likelihood.")
        why = not_nested(theirs, mine)
        if why:
            raise SpecError(why)
        return other

    def to_dict(self) -> dict[str, Any]:
        """All of it as one plain object.

        Example:
            >>> from steepest.fitting import fit
            >>> list(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.1]).summary().to_dict())[:4]
            ['cov', 'level', 'distribution', 'valid']
        """
        numbers = {name: getattr(self, name) for name in NAMES}
        plain = {name: one.tolist() if isinstance(one, np.ndarray) else one for name, one in numbers.items()}
        return {
            "cov": self.cov,
            "level": self.level,
            "distribution": self.distribution,
            "valid": self.valid,
            "reason": self.reason,
            "notes": list(self.notes),
            "coefficients": self.coefficients.to_pylist(),
            **plain,
        }

    def to_pandas(self) -> Any:
        """The coefficients as a pandas frame, by name.

        Example:
            >>> from steepest.fitting import fit
            >>> float(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).summary().to_pandas().loc["x", "value"])
            2.0
        """
        frame = self.coefficients.to_pandas()
        keys = [name for name in ("target", "class", "name") if name in frame]
        return frame.set_index(keys)

    def to_latex(self) -> str:
        """The table of coefficients as LaTeX, for the package booktabs.

        Example:
            >>> from steepest.fitting import fit
            >>> print(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).summary().to_latex().splitlines()[0])
            \\begin{tabular}{lrrrrrr}
        """
        return summary_text.latex(self)

    def _document(self, width: float) -> Document:
        return summary_text.document(self, width)


def not_nested(smaller: Sample, larger: Sample) -> str:
    """Why a model is not nested in another, in a sentence; "" where it is."""
    if smaller.problem.penalty or larger.problem.penalty:
        return "A penalised fit has no likelihood to be compared."
    if str(smaller.problem.loss) != str(larger.problem.loss):
        return "The fits have different losses."
    if not np.array_equal(smaller.problem.target, larger.problem.target):
        return "The fits are not of the same rows and target."
    if smaller.frequency != larger.frequency or not np.array_equal(smaller.each, larger.each):
        return "The fits have different weights."
    offsets = [0.0 if one.problem.offset is None else one.problem.offset for one in (smaller, larger)]
    if not np.all(offsets[0] == offsets[1]):
        return "The fits have different offsets."
    if smaller.rank >= larger.rank:
        return "The other fit must be the smaller one, with fewer columns."
    design, basis, coordinates = _in_coordinates(smaller, larger)
    left = design - basis @ coordinates
    return "" if np.abs(left).max() < 1e-6 else "The columns of the other fit are not among those of this one."


def _in_coordinates(smaller: Sample, larger: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The columns of a design, each up to 1; the coordinates of another one `[n, r]`; and the columns in these `[r, p]`."""
    sizes = np.abs(smaller.problem.design).max(0)
    design = smaller.problem.design / np.where(sizes > 0, sizes, 1.0)
    basis = np.concatenate([part for _, part in larger.blocks()])
    return design, basis, np.linalg.lstsq(basis, design, rcond=None)[0]


def _wald_nested(smaller: Sample, larger: Sample, found: Covariance, df: float | None) -> HypothesisTest:
    """The test that the coordinates of a fit are among those that the columns of a smaller one span."""
    _, basis, spanned = _in_coordinates(smaller, larger)
    across = np.linalg.svd(spanned)[0][:, smaller.rank :].T
    z = np.linalg.lstsq(basis, larger.prediction, rcond=None)[0]
    inner = across @ found.inner @ across.T
    tested = hypotheses.of_zero(across @ z, inner, ["the coefficients"], df or np.inf, np.ones(len(inner)))
    return replace(tested, hypothesis="the smaller model holds")

"""`fit.summary()`: from a fit to its `Summary`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from numbers import Real
from typing import Any, Literal

import numpy as np

from steepest.analysis.checks.pearson import overdispersion
from steepest.data.wording import capitalized, counted, listed, number, quoted
from steepest.descent.stopping import Status
from steepest.errors import FitError, SpecError
from steepest.inference import bootstrap as resampling
from steepest.inference import distributions
from steepest.inference.bootstrap import Resampled
from steepest.inference.covariance import HC, Covariance, covariances
from steepest.inference.groups import groups_of
from steepest.inference.regression import Figures, figures, has_constant, untested
from steepest.inference.sample import Sample, sample_of
from steepest.inference.shown import Errors, Shown, of_resamples, shown_of, table
from steepest.inference.streamed import worth_of
from steepest.inference.summary_table import Summary
from steepest.model.penalties import penalty
from steepest.result import Fit
from steepest.scoring import FAR_OUT
from steepest.storage.run_loading import rows_of

ENOUGH = 10
"""Resamples beyond each end of an interval that settle where it is."""

WEIGHED = "class_weight makes the loss another one than the likelihood: the errors are HC0."

PENALISED = (
    "The penalty pulls the coefficients towards 0: errors and intervals are of the penalised estimate, whose bias they leave "
    "out. They do not cover the coefficients without a penalty, and there are no tests."
)

BOUNDED = (
    "The bounds hold the coefficients: errors and intervals are of the estimate within them, and there are no tests."
)


@dataclass(frozen=True)
class Asked:
    """What is asked of a summary."""

    cov: str
    level: float
    distribution: str | None
    bootstrap: int
    reference: Any
    notes: tuple[str, ...] = ()


def summary(
    fit: Fit,
    cov: str = "nonrobust",
    level: float = 0.95,
    distribution: Literal["t", "z"] | None = None,
    bootstrap: int = 0,
    reference: Any = None,
) -> Summary:
    """The coefficients with standard errors, tests and intervals, and R², F, log-likelihood and their like.

    Args:
        cov: `nonrobust` (the model holds), `HC0` to `HC3` (the errors of the rows may differ), or `cluster:COLUMN` (and belong
            together within the groups of a column, which may be any of the table's).
        level: of the intervals.
        distribution: `t` or `z`; by default t for `mse`, `l1` and quantiles, z for likelihoods, families, `huber` and
            `logcosh`; with groups t has one degree of freedom less than there are groups.
        bootstrap: so many resamples of the rows, all at once: their spread is the standard error then, and the intervals are BCa.
            With `cluster:COLUMN` whole groups are drawn.
        reference: of several classes, the one that the others are compared with; by default the coefficients sum to 0 over the
            classes.

    Weights are precisions (a row of weight w has the variance σ²/w); `weights_kind="frequency"` makes them numbers of rows.
    Errors of a fit that has not arrived are not valid, and left out.

    Raises:
        SpecError: a setting is impossible. FitError: a loaded fit whose rows are gone.

    Example:
        >>> from steepest.fitting import fit
        >>> found = fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).summary(cov="HC1")
        >>> found.valid, round(found.coefficients.column("std_error")[1].as_py(), 4)
        (True, 0.0255)
    """
    check(cov, level, distribution, bootstrap)
    notes = ()
    if fit.spec.class_weight is not None and cov == "nonrobust" and not bootstrap:
        cov, notes = "HC0", (WEIGHED,)
    return _summary(fit, Asked(cov, level, distribution, int(bootstrap), reference, notes))


def check(cov: str = "nonrobust", level: float = 0.95, distribution: str | None = None, bootstrap: int = 0) -> None:
    """Raise SpecError for what can be asked of no fit."""
    grouped = isinstance(cov, str) and cov.startswith("cluster:") and cov != "cluster:"
    if cov not in ("nonrobust", *HC) and not grouped:
        raise SpecError(f"cov={cov!r}: it must be nonrobust, HC0, HC1, HC2, HC3 or cluster:COLUMN.")
    distributions.check_level("level", level)
    if distribution not in (None, "t", "z"):
        raise SpecError(f"distribution={distribution!r}: it must be t or z.")
    whole = isinstance(bootstrap, Real) and not isinstance(bootstrap, bool) and bootstrap == bootstrap // 1
    if not whole or bootstrap < 0 or bootstrap == 1:
        raise SpecError(f"bootstrap={bootstrap!r}: it must be a number of resamples, 2 or more, such as 1000; or 0.")


def no_theory(fit: Fit) -> str:
    """Why there are no standard errors by theory, in a sentence; "" where there are."""
    loss, what = fit.loss_function, ""
    if fit.terms is None:
        what = "A module"
    elif loss.custom:
        what = "A loss of one's own"
    elif loss.margin:
        what = f"Loss {loss} is no likelihood, and"
    elif loss.kinked and loss.pieces is None:
        what = f"Loss {loss}"
    elif not loss.convex:
        what = f"Loss {loss} is not convex, and"
    if what:
        return f"{what} has no standard errors by theory: bootstrap=1000 has them from resamples of the rows."
    if fit.spec.bounds:
        return "Within bounds there are no standard errors by theory: bootstrap=1000 has the spread of the estimate."
    if (of := penalty(fit.spec.penalty)).soft:
        return f"With {of.article} penalty there are no standard errors by theory: bootstrap=1000 has the spread of the estimate."
    return ""


def not_arrived(fit: Fit) -> str:
    """Why errors would not be valid, as the fit is no optimum; "" where it is one, or nobody can know."""
    status = fit.status
    wrong = status in (Status.DIVERGED, Status.INTERRUPTED)
    unknown = not wrong if fit.terms is None else fit.exact is None and status is Status.TOLERANCE
    return "" if status.arrived or unknown else f"The fit has not arrived at its optimum. {capitalized(fit.outcome)}"


@FAR_OUT
def _summary(fit: Fit, asked: Asked) -> Summary:
    shown, theory = shown_of(fit, asked.reference), no_theory(fit)
    late, notes = not_arrived(fit), []
    reason = late
    sample, found, over = None, [], []
    exact = None if fit.exact is None else fit.exact.theta
    if fit.terms is not None and not fit.loss_function.custom and np.isfinite(fit.theta).all():
        best = None if reason or fit.inner.exact is None else fit.inner.exact.theta
        sample = sample_of(fit, fit.inner.theta if best is None else best)
        few = _no_rows_left(sample)
        reason = late or few
        try:
            if sample.data.stream is not None and not theory:
                found, over = worth_of(replace(fit, train=sample.data), asked.cov, sample.user, has_constant(sample))
            else:
                found = _covariances(fit, sample, replace(asked, cov="nonrobust") if few else asked)
        except (FitError, np.linalg.LinAlgError) as error:
            why = str(error) if isinstance(error, FitError) else "The curvature of the loss vanishes there."
            theory = theory or why
    values = shown.of(fit.theta)
    errors = Errors.none(len(values))
    if not reason and asked.bootstrap:
        errors = _by_resampling(fit, sample, found, asked, shown, theory)
        lost = errors.resamples.lost if errors.resamples else 0
        notes += [f"{lost:,} of {asked.bootstrap:,} resamples have no optimum, and are left out."] if lost else []
        notes += _few(asked.bootstrap - lost, asked.level)
    elif not (reason or theory) and sample is not None:
        errors = _by_theory(sample, found, asked, shown, values)
    reason = reason or ("" if asked.bootstrap else theory)
    tested = sample is None or not sample.problem.penalty
    streamed = sample is not None and sample.data.stream is not None
    made, several = over, len(found) > 1
    if sample is not None and not streamed:
        made = [figures(sample, i if several else None, one, asked.cov) for i, one in enumerate(found)]
    if made and (late or fit.spec.class_weight is not None):
        made = list(map(untested, made))
    return Summary(
        coefficients=table(shown, values, None if exact is None else shown.of(exact), errors, tested),
        figures=tuple(made) or (Figures(nobs=float(fit.rows)),),
        covariance=errors.covariance,
        cov=asked.cov,
        level=asked.level,
        distribution="z" if errors.df is None else "t",
        df=errors.df,
        valid=not reason,
        reason=f"{reason}." if reason and not reason.endswith(".") else reason,
        notes=(*asked.notes, *notes, *_notes(fit, sample, shown, errors), *_spread(sample, found, asked)),
        bootstrap=of_resamples(shown, values, errors, asked.level),
        title=f"{fit.model_name}, {fit.loss_function}",
        labels=shown.labels,
        levels=tuple(fit.schema.reference_levels.items()),
        contrasts=tuple(fit.schema.design.contrasts if fit.schema.design is not None else ()),
        terms=fit.schema.terms,
        sample=sample,
        errors=tuple(found),
    )


def _covariances(fit: Fit, sample: Sample, asked: Asked) -> list[Covariance]:
    """One for each target; of classes one for all."""
    if no_theory(fit):  # Zou, Hastie and Tibshirani 2007: the number of coefficients that are not 0
        active = float(np.count_nonzero(sample.theta)) / sample.problem.outputs
        nothing = np.zeros((0, 0))
        return [Covariance(nothing, nothing, np.zeros((0, 0)), active)] * (
            1 if sample.classes is not None else sample.problem.outputs
        )
    return covariances(sample, asked.cov, _groups(fit, asked, sample))


def _groups(fit: Fit, asked: Asked, sample: Sample | None = None) -> np.ndarray | None:
    """The number of each row's group `[n]`, of a sample those of its rows; None where rows are apart."""
    kind, _, name = asked.cov.partition(":")
    if kind != "cluster":
        return None
    found = groups_of(fit, rows_of(fit)[0], name)
    return found if sample is None or sample.kept is None else np.unique(found[sample.kept], return_inverse=True)[1]


def _no_rows_left(sample: Sample) -> str:
    """Why as many coefficients as rows have no errors; "" where there are more rows."""
    if sample.problem.penalty or sample.classes is not None or sample.nobs > sample.rank:
        return ""
    count = len(sample.terms.names)
    return (
        f"With {counted(sample.rows, 'row')} and {counted(count, 'coefficient')} nothing is left to tell the errors by."
    )


def _degrees(sample: Sample, found: list[Covariance], asked: Asked) -> float | None:
    """Degrees of freedom of t; None for the normal distribution."""
    kind = sample.problem.loss.problem
    usual = "t" if kind in ("least squares", "linear programme") else "z"
    if (asked.distribution or usual) == "z":
        return None
    groups = found[0].groups
    return float(groups - 1) if groups else sample.nobs - found[0].degrees


def _by_theory(sample: Sample, found: list[Covariance], asked: Asked, shown: Shown, values: np.ndarray) -> Errors:
    matrix = _whole(sample, found, shown)
    variances = np.diag(matrix)
    error = np.sqrt(np.where(variances >= 0, variances, np.nan))
    df = _degrees(sample, found, asked)
    if df is not None and df <= 0:
        return Errors.none(len(values))
    reach = distributions.quantile(asked.level, df) * error
    return Errors(error, values - reach, values + reach, df, matrix)


def _whole(sample: Sample, found: list[Covariance], shown: Shown) -> np.ndarray:
    """The covariance of all coefficients shown `[q, q]`, nan for those that the rows do not determine."""
    if sample.classes is not None:
        turn = shown.of(found[0].turn.T).T
        matrix = turn @ found[0].inner @ turn.T
    else:
        size = len(shown.names)
        matrix = np.zeros((size * len(found), size * len(found)))
        for i, one in enumerate(found):
            matrix[i * size : (i + 1) * size, i * size : (i + 1) * size] = one.matrix
    unknown = np.tile(sample.undetermined, len(matrix) // len(shown.names))
    matrix[unknown], matrix[:, unknown] = np.nan, np.nan
    return matrix


def _by_resampling(
    fit: Fit, sample: Sample | None, found: list[Covariance], asked: Asked, shown: Shown, theory: str
) -> Errors:
    if sample is not None:
        sample.data.check_in_memory("The bootstrap")
    if sample is None or theory:
        came = resampling.fitted_again(fit, asked.bootstrap, _groups(fit, asked))
    else:
        came = resampling.resampled(sample, asked.bootstrap, fit.spec.seed, _groups(fit, asked, sample))
    influence = None if came.influence is None else shown.of(came.influence)
    came = Resampled(shown.of(came.theta), came.lost, influence)
    low, high = came.bca(asked.level, shown.of(fit.theta if sample is None else sample.coefficients.ravel()))
    if sample is not None:
        unknown = np.tile(sample.undetermined, len(low) // len(shown.names))
        low[unknown], high[unknown], came.theta[:, unknown] = np.nan, np.nan, np.nan
    df = None
    if asked.distribution == "t" and sample is not None and found:
        df = _degrees(sample, found, asked)
    matrix = np.atleast_2d(np.cov(came.theta.T))
    return Errors(np.sqrt(np.diag(matrix)), low, high, df, matrix, came)


def _spread(sample: Sample | None, found: list[Covariance], asked: Asked) -> list[str]:
    """That errors by the likelihood of counts or shares are too small, where these spread more than it says."""
    if sample is None or sample.problem.loss.family is None or not found or asked.bootstrap or asked.cov != "nonrobust":
        return []
    if sample.frequency or sample.data.stream is not None:
        return []
    y, mean = (one.reshape(sample.rows, -1).T for one in (sample.problem.target, sample.means))
    looked = (
        overdispersion(sample.problem.loss, target, of_target, sample.weights, sample.nobs - one.degrees)
        for one, target, of_target in zip(found, y, mean, strict=True)
    )
    return [
        f"Pearson's χ² is {number(one.ratio, 3)} times the degrees of freedom left: the targets spread more than the loss says, "
        f"and these errors are about {number(one.ratio**0.5, 3)} times too small. Those of cov='HC1' allow for it."
        for one in looked
        if one is not None and one.found
    ]


def _few(resamples: int, level: float) -> list[str]:
    """That the ends of the intervals are those of very few resamples, where they are."""
    beyond = resamples * (1.0 - level) / 2.0
    if beyond >= ENOUGH:
        return []
    more = ceil(5 * ENOUGH / (1.0 - level) / 1_000 - 1e-9) * 1_000
    return [
        f"{resamples:,} resamples are few for the ends of intervals at {number(100 * level)}%: bootstrap={more} is enough."
    ]


def _notes(fit: Fit, sample: Sample | None, shown: Shown, errors: Errors) -> list[str]:
    said = []
    if shown.centred:
        against = None if shown.reference is None else (fit.schema.classes or ())[shown.reference]
        what = "sum to 0 over the classes" if against is None else f"are against the class {quoted(against)}"
        said.append(f"The coefficients {what}.")
    if sample is not None and errors.covariance is not None and fit.spec.bounds:
        said.append(BOUNDED)
    if sample is not None and errors.covariance is not None and penalty(fit.spec.penalty):
        said.append(PENALISED)
    if sample is not None and sample.kept is not None:
        said.append(f"{counted(len(sample.kept) - sample.rows, 'row')} of weight 0 take no part.")
    if sample is not None and sample.problem.loss.quadratic and sample.data.offset is not None:
        said.append("R² and F are of what the target has beyond its offset.")
    if sample is not None and sample.undetermined.any() and errors.covariance is not None:
        names = [name for name, unknown in zip(shown.names, sample.undetermined, strict=True) if unknown]
        said.append(f"Other columns say the same as {listed(names)}: these have no errors of their own.")
    return said

"""The losses. To add one, write its formula and its entry here: all else reads them.

A formula is elementwise, of a prediction f, a target y and the loss's own number if it has one. It is written in NumPy's
words; PyTorch (`model/torch_losses.py`), compiled code (`engines/kernel_losses.py`) and exported scripts say the same in theirs:

    abs  clip  maximum  minimum  where  sign  full_like  exp  expm1  log  tanh  sigmoid  logsigmoid

| loss          | ℓ(prediction f, target y), r = f − y                    | curvature at most |
| ------------- | ------------------------------------------------------- | ----------------- |
| mse           | r² (no ½)                                               | 2                 |
| l1            | abs(r)                                                  | none: non-smooth  |
| huber:D       | ½r² for abs(r) ≤ D, D(abs(r) − ½D) beyond               | 1                 |
| quantile:Q    | Q·max(−r, 0) + (1−Q)·max(r, 0)                          | none: non-smooth  |
| epsilon_insensitive:E | max(abs(r) − E, 0)                             | none: non-smooth  |
| expectile:Q   | Q·max(−r, 0)² + (1−Q)·max(r, 0)² (no ½)                 | 2·max(Q, 1−Q)     |
| logcosh       | log cosh r                                              | 1                 |
| cauchy:C      | ½C²·log(1 + (r/C)²), not convex                         | 1                 |
| tukey:C       | C²/6·(1 − (1 − (r/C)²)³), C²/6 for abs(r) ≥ C, not convex | 1               |
| logistic      | log(1 + exp f) − y·f, y in {0, 1}, f the log-odds       | ¼                 |
| cross_entropy | log Σⱼ exp fⱼ − f_y, y a class code, f `[n, k]`         | ½                 |
| squared_hinge | max(1 − m, 0)² (no ½), m = f for y = 1, −f for y = 0    | 2                 |
| hinge         | max(1 − m, 0), m = f for y = 1, −f for y = 0            | none: non-smooth  |
| modified_huber | the same for m ≥ −1, −4m beyond                        | 2                 |
| poisson       | half the deviance of counts, f = log μ: `families.py`   | none: no limit    |
| binomial      | half the deviance of shares, f the log-odds             | ¼                 |
| gamma         | half the deviance of positive amounts, f = log μ        | none: no limit    |
| tweedie:P     | half the deviance of amounts that may be 0, f = log μ   | none: no limit    |

Cross-entropy couples the outputs of a row, so it is no elementwise formula: PyTorch and compiled code have their own of it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

from steepest.choices import Choice, Number
from steepest.formulas import families, margins, robust
from steepest.formulas.families import Family
from steepest.formulas.words import logsigmoid, numpy_word, sigmoid

abs, clip, exp, full_like, maximum, minimum, sign, tanh, where = map(
    numpy_word, ("abs", "clip", "exp", "full_like", "maximum", "minimum", "sign", "tanh", "where")
)


def in_words(function: Callable[..., Any], words: dict[str, Any]) -> Callable[..., Any]:
    """A formula in other words than NumPy's: `words` says what each stands for."""
    return FunctionType(function.__code__, {"__builtins__": builtins, **words}, function.__name__)


Problem = Literal["least squares", "smooth", "classes", "family", "linear programme", "not convex", ""]


@dataclass(frozen=True)
class LossChoice(Choice):
    """A loss: its formula, and what solvers, engines and scripts need to know of it.

    value, slope, curvature: ℓ, ∂ℓ/∂f and ∂²ℓ/∂f² of a row; at a kink the middle slope, and no curvature.
    bound: the largest curvature, of the loss's number; None where there is none: the slope jumps, or bends without limit.
    concordance: R, where the curvature changes by no more than a factor exp(R·t) as the prediction moves by t; 0 where not.
    pieces: whether the curvature is constant in pieces, and smaller the further out a piece lies on its side.
    steepest: the largest slope, of the loss's number; None where there is none.
    problem: what an exact solver is given; "" where there is none.
    of_residual: whether ℓ(f, y) = ℓ(f − y, 0). classes: whether the target is classes. coupled: whether a row's outputs
        belong together. several: whether several targets may be fitted at once, and are averaged.
    kinks: of a piecewise linear loss, its kinks (place, low, high), of the target: ℓ = Σ max(high·r, low·r), r = place − f.
    reach: of a loss that is linear or flat far out, the residual where that begins: the curvature may vanish beyond.
    convex: whether it is; else there may be several minima, and no solver knows which is the least.
    share: the probability of the second class of two, of the prediction; None where the loss has none.
    family: the distribution of the target whose deviance it is half of; the prediction is a function of its mean then.
    criterion: PyTorch's own function in a script, where it is known by that name; else the formula is printed.
    estimator: scikit-learn's class with the same optimum, where the loss is a family's: its penalty is ½·alpha·Σθ².
    no_estimator: why scikit-learn has no estimator with the same optimum, in a sentence; "" where it has one.
    link: the link, where it is another than the loss's usual one (`linked.py`).
    """

    value: Callable[..., Any] | None = None
    slope: Callable[..., Any] | None = None
    curvature: Callable[..., Any] | None = None
    bound: Callable[..., float] | None = None
    concordance: float = 0.0
    pieces: bool = False
    steepest: Callable[..., float] | None = None
    problem: Problem = ""
    of_residual: bool = False
    classes: bool = False
    coupled: bool = False
    several: bool = False
    kinks: Callable[..., tuple[tuple[Any, Any, Any], ...]] | None = None
    reach: Callable[..., float] | None = None
    convex: bool = True
    share: Callable[..., Any] | None = None
    family: Family | None = None
    criterion: str = ""
    estimator: str = ""
    no_estimator: str = ""
    link: str = ""

    @property
    def key(self) -> str:
        """Its name, with the link where that is not the usual one: no two formulas have the same."""
        return f"{self.name} {self.link}".strip()

    @property
    def kinked(self) -> bool:
        """Whether the slope jumps: a row has a value and a slope, and no curvature."""
        return self.curvature is None and not self.coupled


def _mse(prediction: Any, target: Any) -> Any:
    return (prediction - target) ** 2


def _mse_slope(prediction: Any, target: Any) -> Any:
    return 2.0 * (prediction - target)


def _mse_curvature(prediction: Any, target: Any) -> Any:
    return full_like(prediction, 2.0)


def _l1(prediction: Any, target: Any) -> Any:
    return abs(prediction - target)


def _l1_slope(prediction: Any, target: Any) -> Any:
    return sign(prediction - target)


def _l1_kinks(target: Any) -> Any:
    return ((target, -1.0, 1.0),)


def _huber(prediction: Any, target: Any, width: Any) -> Any:
    size = abs(prediction - target)
    inner = minimum(size, width)
    return inner * (size - 0.5 * inner)


def _huber_slope(prediction: Any, target: Any, width: Any) -> Any:
    return clip(prediction - target, -width, width)


def _huber_curvature(prediction: Any, target: Any, width: Any) -> Any:
    return full_like(prediction, 1.0) * (abs(prediction - target) <= width)


def _quantile(prediction: Any, target: Any, level: Any) -> Any:
    residual = target - prediction
    return maximum(level * residual, (level - 1.0) * residual)


def _quantile_slope(prediction: Any, target: Any, level: Any) -> Any:
    return (0.5 - level) - 0.5 * sign(target - prediction)


def _quantile_kinks(target: Any, level: Any) -> Any:
    return ((target, level - 1.0, level),)


def _epsilon_insensitive(prediction: Any, target: Any, width: Any) -> Any:
    beyond = abs(prediction - target) - width
    return 0.5 * (beyond + abs(beyond))


def _epsilon_insensitive_slope(prediction: Any, target: Any, width: Any) -> Any:
    residual = prediction - target
    return (0.5 + 0.5 * sign(abs(residual) - width)) * sign(residual)


def _epsilon_insensitive_kinks(target: Any, width: Any) -> Any:
    return ((target - width, 0.0, 1.0), (target + width, -1.0, 0.0))


def _expectile(prediction: Any, target: Any, level: Any) -> Any:
    residual = target - prediction
    return where(residual > 0.0, level * residual**2, (1.0 - level) * residual**2)


def _expectile_slope(prediction: Any, target: Any, level: Any) -> Any:
    residual = prediction - target
    return 2.0 * where(residual < 0.0, level * residual, (1.0 - level) * residual)


def _expectile_curvature(prediction: Any, target: Any, level: Any) -> Any:
    return where(prediction < target, full_like(prediction, 2.0 * level), full_like(prediction, 2.0 - 2.0 * level))


def _logcosh(prediction: Any, target: Any) -> Any:
    residual = prediction - target
    return residual - logsigmoid(2.0 * residual) - 0.6931471805599453


def _logcosh_slope(prediction: Any, target: Any) -> Any:
    return tanh(prediction - target)


def _logcosh_curvature(prediction: Any, target: Any) -> Any:
    twice = 2.0 * (prediction - target)
    return 4.0 * sigmoid(twice) * sigmoid(-twice)


def _logistic(prediction: Any, target: Any) -> Any:
    return -logsigmoid(where(target > 0.5, prediction, -prediction))


def _logistic_slope(prediction: Any, target: Any) -> Any:
    wrong = sigmoid(where(target > 0.5, -prediction, prediction))
    return where(target > 0.5, -wrong, wrong)


def _logistic_curvature(prediction: Any, target: Any) -> Any:
    small = exp(-abs(prediction))
    return small / (1.0 + small) ** 2


LOSSES: dict[str, Choice] = {
    "auto": Choice("auto", "What the target asks for."),
    "mse": LossChoice(
        "mse", "The mean of squared residuals, no ½.",
        value=_mse, slope=_mse_slope, curvature=_mse_curvature, bound=lambda: 2.0,
        problem="least squares", of_residual=True, several=True,
    ),
    "l1": LossChoice(
        "l1", "The mean absolute residual.",
        value=_l1, slope=_l1_slope, steepest=lambda: 1.0,
        problem="linear programme", several=True, of_residual=True, kinks=_l1_kinks,
    ),
    "huber": LossChoice(
        "huber", "½r² within the width D, D(|r| − ½D) beyond.",
        (Number("width", 1.0, 0.0, open_low=True, symbol="D"),),
        value=_huber, slope=_huber_slope, curvature=_huber_curvature, bound=lambda width: 1.0, steepest=lambda width: width,
        pieces=True, problem="smooth", several=True, of_residual=True, reach=lambda width: width,
        criterion="F.huber_loss(prediction, target, delta={number}{reduction})",
        no_estimator="scikit-learn's HuberRegressor fits a scale too and so has another optimum.",
        source="Huber, Robust estimation of a location parameter (1964); no scale is fitted",
    ),
    # the pinball loss, whose best constant is the Q-quantile
    "quantile": LossChoice(
        "quantile", "The mean of Q·max(r, 0) + (1−Q)·max(−r, 0), r = target − prediction.",
        (Number("level", None, 0.0, 1.0, open_low=True, open_high=True, symbol="Q"),),
        value=_quantile, slope=_quantile_slope, steepest=lambda level: max(level, 1.0 - level),
        problem="linear programme", several=True, of_residual=True, kinks=_quantile_kinks,
        source="Koenker and Bassett, Regression quantiles (1978)",
    ),
    # no loss within a tube of the width E
    "epsilon_insensitive": LossChoice(
        "epsilon_insensitive", "The mean of max(|r| − E, 0).",
        (Number("width", 0.1, 0.0, symbol="E"),),
        value=_epsilon_insensitive, slope=_epsilon_insensitive_slope, steepest=lambda width: 1.0,
        problem="linear programme", several=True, of_residual=True, kinks=_epsilon_insensitive_kinks,
        no_estimator="scikit-learn's LinearSVR penalises the intercept too and so has another optimum.",
        source="Vapnik, The nature of statistical learning theory (1995)",
    ),
    # the squared residuals of one sign count more
    "expectile": LossChoice(
        "expectile", "The mean of Q·max(r, 0)² + (1−Q)·max(−r, 0)², r = target − prediction, no ½.",
        (Number("level", None, 0.0, 1.0, open_low=True, open_high=True, symbol="Q"),),
        value=_expectile, slope=_expectile_slope, curvature=_expectile_curvature,
        bound=lambda level: 2.0 * max(level, 1.0 - level), pieces=True, problem="smooth", several=True, of_residual=True,
        no_estimator="scikit-learn has no estimator for loss expectile.",
        source="Newey and Powell, Asymmetric least squares estimation and testing (1987)",
    ),
    "logcosh": LossChoice(
        "logcosh", "The mean of log cosh r: ½r² near 0, |r| − log 2 far out.",
        value=_logcosh, slope=_logcosh_slope, curvature=_logcosh_curvature, bound=lambda: 1.0,
        concordance=2.0, steepest=lambda: 1.0, problem="smooth", several=True, of_residual=True, reach=lambda: 1.0,
        no_estimator="scikit-learn has no estimator for loss logcosh.",
        source="Green, Bayesian reconstructions from emission tomography data using a modified EM algorithm (1990); Saleh and "
        "Saleh, Statistical properties of the log-cosh loss function used in machine learning (2022)",
    ),
    # those of rows far out grow slower and slower, or not at all: several minima may be
    "cauchy": LossChoice(
        "cauchy", "The mean of ½C²·log(1 + (r/C)²): ½r² near 0; not convex.",
        (Number("width", 1.0, 0.0, open_low=True, symbol="C"),),
        value=robust.cauchy, slope=robust.cauchy_slope, curvature=robust.cauchy_curvature, bound=lambda width: 1.0,
        steepest=lambda width: 0.5 * width, problem="not convex", several=True, of_residual=True,
        reach=lambda width: width, convex=False,
        no_estimator="scikit-learn has no estimator for loss cauchy.",
        source="Holland and Welsch, Robust regression using iteratively reweighted least-squares (1977); no scale is fitted",
    ),
    "tukey": LossChoice(
        "tukey", "The mean of C²/6·(1 − (1 − (r/C)²)³), beyond C of C²/6: ½r² near 0; not convex.",
        (Number("width", 4.685, 0.0, open_low=True, symbol="C"),),
        value=robust.tukey, slope=robust.tukey_slope, curvature=robust.tukey_curvature, bound=lambda width: 1.0,
        steepest=lambda width: 16.0 / 25.0 / 5.0**0.5 * width, problem="not convex", several=True, of_residual=True,
        reach=lambda width: width, convex=False,
        no_estimator="scikit-learn has no estimator for loss tukey.",
        source="Beaton and Tukey, The fitting of power series, meaning polynomials, illustrated on band-spectroscopic data "
        "(1974); no scale is fitted",
    ),
    "logistic": LossChoice(
        "logistic", "The negative log-likelihood of two classes, of log-odds.",
        value=_logistic, slope=_logistic_slope, curvature=_logistic_curvature, bound=lambda: 0.25,
        concordance=1.0, steepest=lambda: 1.0, problem="classes", classes=True, share=sigmoid,
        criterion="F.binary_cross_entropy_with_logits(prediction, target{reduction})",
    ),
    "cross_entropy": LossChoice(
        "cross_entropy", "The negative log-likelihood of several classes.",
        bound=lambda: 0.5, concordance=1.0, steepest=lambda: 2.0**0.5, problem="classes", classes=True, coupled=True,
        criterion="F.cross_entropy(prediction, target{reduction})",
    ),
    "hinge": LossChoice(
        "hinge", "The mean of max(1 − m, 0), m the margin ±f of two classes.",
        value=margins.hinge, slope=margins.hinge_slope, steepest=lambda: 1.0,
        problem="linear programme", classes=True, kinks=margins.hinge_kinks,
        no_estimator="scikit-learn's LinearSVC penalises the intercept too and so has another optimum.",
        source="Cortes and Vapnik, Support-vector networks (1995)",
    ),
    "squared_hinge": LossChoice(
        "squared_hinge", "The mean of max(1 − m, 0)², m the margin ±f of two classes, no ½.",
        value=margins.squared_hinge, slope=margins.squared_hinge_slope, curvature=margins.squared_hinge_curvature,
        bound=lambda: 2.0, pieces=True, problem="smooth", classes=True,
        no_estimator="scikit-learn's LinearSVC penalises the intercept too and so has another optimum.",
        source="Cortes and Vapnik, Support-vector networks (1995), with squares; LinearSVC of scikit-learn",
    ),
    "modified_huber": LossChoice(
        "modified_huber", "The mean of max(1 − m, 0)², no ½, of margins m = ±f down to −1, of −4m below.",
        value=margins.modified_huber, slope=margins.modified_huber_slope, curvature=margins.modified_huber_curvature,
        bound=lambda: 2.0, pieces=True, steepest=lambda: 4.0, problem="smooth", classes=True, share=margins.modified_huber_share,
        no_estimator="scikit-learn has modified_huber in SGDClassifier only, which is no exact solver.",
        source="Zhang, Solving large scale linear prediction problems using stochastic gradient descent algorithms (2004)",
    ),
    "poisson": LossChoice(
        "poisson", "Half the mean deviance of counts whose mean is exp of the prediction: the mean of exp f − y·f, with no "
        "other ½, and y·log y − y added so that it is 0 at best.",
        value=families.poisson, slope=families.poisson_slope, curvature=families.poisson_curvature, concordance=1.0,
        problem="family", several=True, family=families.POISSON, estimator="PoissonRegressor",
        source="McCullagh and Nelder, Generalized linear models (1989). The same as half of scikit-learn's "
        "mean_poisson_deviance; PyTorch's PoissonNLLLoss is less by the mean of y·log y − y",
    ),
    "binomial": LossChoice(
        "binomial", "Half the mean deviance of shares of successes, of log-odds: the logistic loss of each trial, with no "
        "other ½, and y·log y + (1 − y)·log(1 − y) added so that it is 0 at best.",
        value=families.binomial, slope=families.binomial_slope, curvature=families.binomial_curvature, bound=lambda: 0.25,
        concordance=1.0, steepest=lambda: 1.0, problem="family", several=True, family=families.BINOMIAL,
        no_estimator="scikit-learn has no estimator for shares of successes.",
        source="McCullagh and Nelder, Generalized linear models (1989). For trials of one each the same as logistic",
    ),
    "gamma": LossChoice(
        "gamma", "Half the mean deviance of positive amounts whose mean μ is exp of the prediction: the mean of "
        "y/μ − 1 − log(y/μ), with no other ½.",
        value=families.gamma, slope=families.gamma_slope, curvature=families.gamma_curvature, concordance=1.0,
        problem="family", several=True, family=families.GAMMA, estimator="GammaRegressor",
        source="McCullagh and Nelder, Generalized linear models (1989). The same as half of scikit-learn's mean_gamma_deviance",
    ),
    "tweedie": LossChoice(
        "tweedie", "Half the mean deviance of amounts that may be 0, whose variance goes as μ^P, μ the exp of the prediction: "
        "between counts (1) and positive amounts (2).",
        (Number("power", 1.5, 1.0, 2.0, open_low=True, open_high=True, symbol="P"),),
        value=families.tweedie, slope=families.tweedie_slope, curvature=families.tweedie_curvature, concordance=1.0,
        problem="family", several=True, family=families.TWEEDIE, estimator="TweedieRegressor",
        source="Tweedie, An index which distinguishes between some important exponential families (1984). The same as half of "
        "scikit-learn's mean_tweedie_deviance",
    ),
}  # fmt: skip

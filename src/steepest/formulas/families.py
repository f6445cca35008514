"""The families of generalized linear models: how the target's variance goes with its mean μ, and how μ comes of a prediction f.

Their losses are half the unit deviance d(y, μ): ½ Σ w·d is the negative log-likelihood of a row times its dispersion, less what
it is at μ = y, so that a loss is 0 where the mean is the target. (McCullagh and Nelder 1989, section 2.3.)

| family    | ½·d(y, μ)                                                     | V(μ)    | link: f =      | target   |
| --------- | ------------------------------------------------------------- | ------- | -------------- | -------- |
| poisson   | y·log(y/μ) − y + μ                                            | μ       | log μ          | y ≥ 0    |
| binomial  | y·log(y/μ) + (1 − y)·log((1 − y)/(1 − μ))                     | μ(1−μ)  | log(μ/(1 − μ)) | 0 ≤ y ≤ 1 |
| gamma     | y/μ − 1 − log(y/μ)                                            | μ²      | log μ          | y > 0    |
| tweedie:P | y^(2−P)/((1−P)(2−P)) − y·μ^(1−P)/(1−P) + μ^(2−P)/(2−P)        | μ^P     | log μ          | y ≥ 0    |

Each is written with r = f − log y, so that no digits are lost where the mean is near the target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from steepest.formulas.links import LOG, LOGIT, LinkChoice
from steepest.formulas.words import logsigmoid, numpy_word, sigmoid

exp, expm1, log, where = map(numpy_word, ("exp", "expm1", "log", "where"))


@dataclass(frozen=True)
class Family:
    """A distribution of the target whose variance is a function of its mean: φ·V(μ), a row of weight w having φ·V(μ)/w.

    link, mean, mean_slope: f = g(μ), μ = g⁻¹(f), and dμ/df as a function of f. variance: V, of μ and the loss's numbers.
    dispersed: whether φ is estimated, by Pearson's χ²/(n − p); else it is 1. text: the link in words.
    low, high, open_low: the least and the largest target that can be, and whether it must lie above the least. whole: whether
        targets are counts. trials: whether a target may be given as a count of so many trials. positive: whether predictions
        must be above 0.
    log_density: the log-likelihood of each row, of y, μ, φ/w and the numbers.
    """

    text: str
    link: Callable[[Any], Any]
    mean: Callable[[Any], Any]
    mean_slope: Callable[[Any], Any]
    variance: Callable[..., Any]
    log_density: Callable[..., Any]
    dispersed: bool = True
    low: float = 0.0
    open_low: bool = False
    high: float = float("inf")
    whole: bool = False
    trials: bool = False
    positive: bool = False

    def under(self, link: LinkChoice) -> Family:
        """The same under another link."""
        known = {name: getattr(link, name) for name in ("link", "mean", "mean_slope", "positive")}
        return replace(self, text=link.words, **known)

    @property
    def targets(self) -> str:
        """Which targets can be, in words."""
        if self.trials:
            return f"shares from {self.low:g} to {self.high:g}, or counts of successes with trials="
        what = "counts, whole numbers" if self.whole else "numbers"
        return f"{what} {'above' if self.open_low else 'of at least'} {self.low:g}"


def poisson(prediction: Any, target: Any) -> Any:
    """Half the unit deviance of a count."""
    r = prediction - log(where(target > 0.0, target, 1.0))
    return where(target > 0.0, target * (expm1(r) - r), exp(r))


def poisson_slope(prediction: Any, target: Any) -> Any:
    """μ − y."""
    return exp(prediction) - target


def poisson_curvature(prediction: Any, target: Any) -> Any:
    """μ."""
    return exp(prediction)


def binomial(prediction: Any, target: Any) -> Any:
    """Half the unit deviance of a share of successes."""
    rest = 1.0 - target
    best = target * log(where(target > 0.0, target, 1.0)) + rest * log(where(rest > 0.0, rest, 1.0))
    return best - target * logsigmoid(prediction) - rest * logsigmoid(-prediction)


def binomial_slope(prediction: Any, target: Any) -> Any:
    """μ − y, to the last digit at both ends."""
    return (1.0 - target) * sigmoid(prediction) - target * sigmoid(-prediction)


def binomial_curvature(prediction: Any, target: Any) -> Any:
    """μ·(1 − μ)."""
    return sigmoid(prediction) * sigmoid(-prediction)


def gamma(prediction: Any, target: Any) -> Any:
    """Half the unit deviance of a positive amount."""
    r = prediction - log(target)
    return r + expm1(-r)


def gamma_slope(prediction: Any, target: Any) -> Any:
    """1 − y/μ."""
    return 1.0 - target * exp(-prediction)


def gamma_curvature(prediction: Any, target: Any) -> Any:
    """y/μ."""
    return target * exp(-prediction)


def tweedie(prediction: Any, target: Any, power: Any) -> Any:
    """Half the unit deviance of an amount that may be 0."""
    size = log(where(target > 0.0, target, 1.0))
    r = prediction - size
    near = expm1((2.0 - power) * r) / (2.0 - power) - expm1((1.0 - power) * r) / (1.0 - power)
    return where(target > 0.0, exp((2.0 - power) * size) * near, exp((2.0 - power) * r) / (2.0 - power))


def tweedie_slope(prediction: Any, target: Any, power: Any) -> Any:
    """μ^(2−P) − y·μ^(1−P)."""
    return exp((2.0 - power) * prediction) - target * exp((1.0 - power) * prediction)


def tweedie_curvature(prediction: Any, target: Any, power: Any) -> Any:
    """(2−P)·μ^(2−P) + (P−1)·y·μ^(1−P)."""
    rising = (2.0 - power) * exp((2.0 - power) * prediction)
    return rising + (power - 1.0) * target * exp((1.0 - power) * prediction)


def _of_poisson(y: Any, mean: Any, dispersion: Any) -> Any:
    from scipy.special import gammaln, xlogy

    return (xlogy(y, mean) - mean - gammaln(y + 1.0)) / dispersion


def _of_binomial(y: Any, mean: Any, dispersion: Any) -> Any:
    """Of 1/dispersion trials, as many as a row weighs."""
    from scipy.special import gammaln, xlog1py, xlogy

    trials = 1.0 / dispersion
    ways = gammaln(trials + 1.0) - gammaln(trials * y + 1.0) - gammaln(trials * (1.0 - y) + 1.0)
    return ways + trials * (xlogy(y, mean) + xlog1py(1.0 - y, -mean))


def _of_gamma(y: Any, mean: Any, dispersion: Any) -> Any:
    from scipy.special import gammaln

    share = y / (mean * dispersion)
    return log(share) / dispersion - share - gammaln(1.0 / dispersion) - log(y)


def _of_tweedie(y: Any, mean: Any, dispersion: Any, power: float) -> Any:
    """By the series of Dunn and Smyth 2005, which is a Wright's Bessel function."""
    from scipy.special import log_wright_bessel

    alpha = (2.0 - power) / (1.0 - power)
    found = (y * mean ** (1.0 - power) / (1.0 - power) - mean ** (2.0 - power) / (2.0 - power)) / dispersion
    positive = where(y > 0.0, y, 1.0)
    at = ((power - 1.0) * dispersion / positive) ** alpha / ((2.0 - power) * dispersion)
    return found + where(y > 0.0, log_wright_bessel(-alpha, 0.0, at) - log(positive), 0.0)


def _under(link: LinkChoice, *more: Any, **known: Any) -> Family:
    return Family(link.words, link.link, link.mean, link.mean_slope, *more, **known)


POISSON = _under(LOG, lambda mean: mean, _of_poisson, dispersed=False, whole=True)
BINOMIAL = _under(
    LOGIT, lambda mean: mean * (1.0 - mean), _of_binomial, dispersed=False, high=1.0, trials=True,
)  # fmt: skip
GAMMA = _under(LOG, lambda mean: mean**2, _of_gamma, open_low=True)
TWEEDIE = _under(LOG, lambda mean, power: mean**power, _of_tweedie)

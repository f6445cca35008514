"""The links of generalized linear models: of which function g of the mean μ the linear predictor is, f = g(μ).

| link     | f = g(μ)        | μ          | dμ/df          | where f can be |
| -------- | --------------- | ---------- | -------------- | -------------- |
| log      | log μ           | exp f      | exp f          | everywhere     |
| logit    | log(μ/(1 − μ))  | 1/(1+e^−f) | μ(1 − μ)       | everywhere     |
| probit   | Φ⁻¹(μ)          | Φ(f)       | φ(f)           | everywhere     |
| cloglog  | log(−log(1−μ))  | 1−exp(−eᶠ) | exp(f − eᶠ)    | everywhere     |
| inverse  | 1/μ             | 1/f        | −1/f²          | above 0        |
| identity | μ               | f          | 1              | above 0        |
| sqrt     | √μ              | f²         | 2f             | above 0        |

Which of them a loss has, and its formulas under each, stands in `linked.py`. (McCullagh and Nelder 1989, section 2.2.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steepest.choices import Choice
from steepest.formulas.words import ndtr, ndtri, numpy_word, sigmoid

exp, expm1, full_like, log, log1p, sqrt = map(numpy_word, ("exp", "expm1", "full_like", "log", "log1p", "sqrt"))


@dataclass(frozen=True)
class LinkChoice(Choice):
    """A link. link: g, of the mean. mean, mean_slope: μ = g⁻¹(f), and dμ/df, of the prediction f.

    words: g in words. positive: whether a prediction must be above 0, or no mean belongs to it.
    """

    link: Callable[[Any], Any] = log
    mean: Callable[[Any], Any] = exp
    mean_slope: Callable[[Any], Any] = exp
    words: str = ""
    positive: bool = False


def _density(f: Any) -> Any:
    return exp(-0.5 * f * f) / 2.5066282746310002


LOG = LinkChoice("log", "f = log μ.", words="the logarithm of the mean")
LOGIT = LinkChoice(
    "logit", "f = log(μ/(1 − μ)).", link=lambda mean: log(mean / (1.0 - mean)), mean=sigmoid,
    mean_slope=lambda f: sigmoid(f) * sigmoid(-f), words="the log-odds of the mean",
)  # fmt: skip

LINKS: dict[str, Choice] = {
    "auto": Choice("auto", "The usual link of the loss."),
    "log": LOG,
    "logit": LOGIT,
    "probit": LinkChoice(
        "probit", "f = Φ⁻¹(μ), Φ the normal distribution.", link=ndtri, mean=ndtr, mean_slope=_density,
        words="the probit, the quantile of a normal distribution at the mean",
        source="Bliss, The method of probits (1934)",
    ),
    "cloglog": LinkChoice(
        "cloglog", "f = log(−log(1 − μ)).", link=lambda mean: log(-log1p(-mean)), mean=lambda f: -expm1(-exp(f)),
        mean_slope=lambda f: exp(f - exp(f)), words="the complementary log-log, log(−log(1 − μ)), of the mean μ",
        source="McCullagh and Nelder, Generalized linear models (1989)",
    ),
    "inverse": LinkChoice(
        "inverse", "f = 1/μ.", link=lambda mean: 1.0 / mean, mean=lambda f: 1.0 / f, mean_slope=lambda f: -1.0 / (f * f),
        words="1 over the mean", positive=True,
    ),
    "identity": LinkChoice(
        "identity", "f = μ.", link=lambda mean: mean, mean=lambda f: f, mean_slope=lambda f: full_like(f, 1.0),
        words="the mean", positive=True,
    ),
    "sqrt": LinkChoice(
        "sqrt", "f = √μ.", link=sqrt, mean=lambda f: f * f, mean_slope=lambda f: 2.0 * f,
        words="the square root of the mean", positive=True,
    ),
}  # fmt: skip

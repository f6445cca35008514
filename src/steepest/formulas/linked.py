"""Losses of families under other links than their usual one: the same deviance, of another function of the mean.

| loss, link        | ½·d as a function of f                                       | curvature                    |
| ----------------- | ------------------------------------------------------------ | ---------------------------- |
| binomial, probit  | −y·log Φ(f) − (1 − y)·log Φ(−f), and what makes it 0 at best | up to 1                      |
| binomial, cloglog | −y·log(1 − exp(−eᶠ)) + (1 − y)·eᶠ, and the same              | no limit                     |
| logistic, probit  | −log Φ(±f)                                                   | up to 1                      |
| poisson, identity | y·log(y/f) − y + f, infinite for f ≤ 0                       | y/f², no limit               |
| poisson, sqrt     | y·log(y/f²) − y + f², infinite for f ≤ 0 where y > 0         | 2 + 2y/f², no limit          |
| gamma, inverse    | y·f − 1 − log(y·f), infinite for f ≤ 0                       | 1/f², no limit               |

All are convex in f. These are not, and no exact answer would be had: binomial with cauchit, gamma with identity. (Wedderburn
1976, On the existence and uniqueness of the maximum likelihood estimates for certain generalized linear models.) Of binomial
with log the predictions would have to stay below 0.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

from steepest.choices import Choice
from steepest.errors import SpecError
from steepest.formulas.links import LINKS, LinkChoice
from steepest.formulas.losses import LOSSES, LossChoice
from steepest.formulas.words import log_ndtr, ndtr, numpy_word

clip, exp, expm1, log, where = map(numpy_word, ("clip", "exp", "expm1", "log", "where"))


def _binomial_probit(prediction: Any, target: Any) -> Any:
    rest = 1.0 - target
    best = target * log(where(target > 0.0, target, 1.0)) + rest * log(where(rest > 0.0, rest, 1.0))
    return best - target * log_ndtr(prediction) - rest * log_ndtr(-prediction)


def _binomial_probit_slope(prediction: Any, target: Any) -> Any:
    low = exp(-0.5 * prediction * prediction - 0.9189385332046727 - log_ndtr(prediction))
    high = exp(-0.5 * prediction * prediction - 0.9189385332046727 - log_ndtr(-prediction))
    return (1.0 - target) * high - target * low


def _binomial_probit_curvature(prediction: Any, target: Any) -> Any:
    low = exp(-0.5 * prediction * prediction - 0.9189385332046727 - log_ndtr(prediction))
    high = exp(-0.5 * prediction * prediction - 0.9189385332046727 - log_ndtr(-prediction))
    return target * low * (low + prediction) + (1.0 - target) * high * (high - prediction)


def _logistic_probit(prediction: Any, target: Any) -> Any:
    return -log_ndtr(where(target > 0.5, prediction, -prediction))


def _logistic_probit_slope(prediction: Any, target: Any) -> Any:
    lead = where(target > 0.5, prediction, -prediction)
    wrong = exp(-0.5 * lead * lead - 0.9189385332046727 - log_ndtr(lead))
    return where(target > 0.5, -wrong, wrong)


def _logistic_probit_curvature(prediction: Any, target: Any) -> Any:
    lead = where(target > 0.5, prediction, -prediction)
    wrong = exp(-0.5 * lead * lead - 0.9189385332046727 - log_ndtr(lead))
    return wrong * (wrong + lead)


def _binomial_cloglog(prediction: Any, target: Any) -> Any:
    rest = 1.0 - target
    best = target * log(where(target > 0.0, target, 1.0)) + rest * log(where(rest > 0.0, rest, 1.0))
    hazard = exp(clip(prediction, -40.0, 700.0))
    return best - target * where(prediction < -40.0, prediction, log(-expm1(-hazard))) + rest * exp(prediction)


def _binomial_cloglog_slope(prediction: Any, target: Any) -> Any:
    hazard = exp(clip(prediction, -700.0, 700.0))
    return (1.0 - target) * hazard - target * (hazard / expm1(hazard))


def _binomial_cloglog_curvature(prediction: Any, target: Any) -> Any:
    hazard = exp(clip(prediction, -700.0, 700.0))
    share = hazard / expm1(hazard)
    bend = where(prediction < -9.0, hazard * (0.5 + hazard / 12.0), share + hazard - 1.0)
    return (1.0 - target) * hazard + target * share * bend


def _poisson_identity(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    r = log(where(inside, prediction, 1.0)) - log(where(target > 0.0, target, 1.0))
    found = where(target > 0.0, target * (expm1(r) - r), prediction)
    return where(inside, found, where(target > 0.0, inf, where(prediction < 0.0, inf, prediction)))


def _poisson_identity_slope(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    share = where(target > 0.0, target / where(inside, prediction, 1.0), 0.0)
    return where(inside, 1.0 - share, where(target > prediction, -inf, 1.0 + 0.0 * target))


def _poisson_identity_curvature(prediction: Any, target: Any) -> Any:
    share = where(target > 0.0, target / where(target > 0.0, prediction, 1.0), 0.0)
    return share * (share / where(target > 0.0, target, 1.0))


def _poisson_sqrt(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    r = 2.0 * log(where(inside, prediction, 1.0)) - log(where(target > 0.0, target, 1.0))
    found = where(inside, target * (expm1(r) - r), inf)
    return where(target > 0.0, found, prediction * prediction)


def _poisson_sqrt_slope(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    share = target / where(inside, prediction, 1.0)
    return where(inside, 2.0 * (prediction - share), where(target > 0.0, -inf, 2.0 * prediction))


def _poisson_sqrt_curvature(prediction: Any, target: Any) -> Any:
    share = where(target > 0.0, target / where(target > 0.0, prediction, 1.0), 0.0)
    return 2.0 + 2.0 * share * (share / where(target > 0.0, target, 1.0))


def _gamma_inverse(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    r = log(where(inside, prediction, 1.0)) + log(target)
    return where(inside, expm1(r) - r, inf)


def _gamma_inverse_slope(prediction: Any, target: Any) -> Any:
    inside = prediction > 0.0
    return where(inside, target - 1.0 / where(inside, prediction, 1.0), -inf)


def _gamma_inverse_curvature(prediction: Any, target: Any) -> Any:
    return 1.0 / (prediction * prediction) + 0.0 * target


def of(choice: LossChoice, link: str) -> LossChoice:
    """A loss under a link; `auto` is the usual one.

    Raises:
        SpecError: the loss has no such link, or none at all.

    >>> of(LOSSES["poisson"], "sqrt").family.text
    'the square root of the mean'
    """
    mine = USUAL.get(choice.name, "")
    if link in ("auto", mine):
        return choice
    known = [mine, *(each.link for (name, _), each in LINKED.items() if name == choice.name)]
    if not mine or known == [mine]:
        which = ", ".join(sorted({name for name, _ in LINKED}))
        only = f"has the link {mine} only" if mine else "has no link"
        raise SpecError(f"link={link!r}: loss {choice.name} {only}; these have others: {which}.")
    if (choice.name, link) not in LINKED:
        why = NOT_CONVEX.get((choice.name, link), "")
        raise SpecError(f"link={link!r} is none of loss {choice.name}'s: {', '.join(known)}.{why}")
    return LINKED[choice.name, link]


def _entry(name: str, link: str, value: Any, slope: Any, curvature: Any, **more: Any) -> LossChoice:
    usual, under = LOSSES[name], LINKS[link]
    assert isinstance(usual, LossChoice)
    assert isinstance(under, LinkChoice)
    family = None if usual.family is None else usual.family.under(under)
    known: dict[str, Any] = {"bound": None, "concordance": 0.0, "steepest": None, "criterion": "", "estimator": ""}
    known |= {"family": family, "source": under.source or usual.source}
    text = f"Half the mean deviance of the same under the link {link}, {under.text}"
    known |= {"no_estimator": f"scikit-learn has no estimator for loss {name} with link {link}.", "text": text}
    return replace(usual, value=value, slope=slope, curvature=curvature, link=link, **known | more)


USUAL = {"logistic": "logit", "binomial": "logit", "poisson": "log", "gamma": "log", "tweedie": "log"}
"""The link that a loss has where none is given."""

NOT_CONVEX = {
    ("binomial", "log"): " Under log the predictions would have to stay below 0: loss='poisson' has it, with robust "
    "errors.",
    ("gamma", "identity"): " Under identity it is not convex.",
    ("logistic", "cloglog"): " Take loss='binomial' with a target of 0 and 1.",
}

LINKED: dict[tuple[str, str], LossChoice] = {
    (entry.name, entry.link): entry
    for entry in (
        _entry(
            "logistic", "probit", _logistic_probit, _logistic_probit_slope, _logistic_probit_curvature,
            bound=lambda: 1.0, share=ndtr, text="The negative log-likelihood of two classes, of probits.",
        ),
        _entry(
            "binomial", "probit", _binomial_probit, _binomial_probit_slope,
            _binomial_probit_curvature, bound=lambda: 1.0,
        ),
        _entry(
            "binomial", "cloglog", _binomial_cloglog, _binomial_cloglog_slope,
            _binomial_cloglog_curvature,
        ),
        _entry(
            "poisson", "identity", _poisson_identity, _poisson_identity_slope,
            _poisson_identity_curvature,
        ),
        _entry("poisson", "sqrt", _poisson_sqrt, _poisson_sqrt_slope, _poisson_sqrt_curvature),
        _entry(
            "gamma", "inverse", _gamma_inverse, _gamma_inverse_slope, _gamma_inverse_curvature
        ),
    )
}  # fmt: skip
"""Loss and link → what it is."""


def all_of(losses: dict[str, Choice]) -> dict[str, LossChoice]:
    """Every loss by its name, and under other links by `name link`."""
    plain = {name: choice for name, choice in losses.items() if isinstance(choice, LossChoice)}
    return plain | {f"{name} {link}": choice for (name, link), choice in LINKED.items()}


BY_KEY = all_of(LOSSES)
"""Every formula by its `LossChoice.key`."""

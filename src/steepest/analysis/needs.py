"""What a sign needs to be seen, and what is said of the signs that a fit does not show.

    @check("fit", finds=(Kind.OVERFITTING,), needs=(HELD_OUT,))

A check is asked where it has all that it needs, and a kind of finding is looked at where some check that finds it is. Where
none is, the need says why the kind cannot be seen; a need without a reason is one without which the kind has no meaning (dead
units in a model without units), and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

from steepest.analysis.finding import Finding, Kind
from steepest.analysis.fit_settings import decay_of, rule_of
from steepest.analysis.what_if import LinearDescent, is_ours, to_optimum
from steepest.descent.stopping import Status
from steepest.formulas.rules import Automatic


@dataclass(frozen=True)
class Need:
    """met: whether a fit (or what is known before it) has it. lack: why its sign cannot be seen without it; "" if it then
    has no meaning. asked: whether a check that names it is asked without it, too, and finds out by itself."""

    met: Callable[[Any], object]
    lack: str = ""
    asked: bool = False


@dataclass(frozen=True)
class Sign:
    """What a check finds, all that it needs for that, and whether it makes descents of its own."""

    finds: tuple[Kind, ...]
    needs: tuple[Need, ...] = ()
    trials: bool = False


When = Literal["table", "fit", "descent"]
Check = Callable[..., Iterator[Finding]]
Function = TypeVar("Function", bound=Callable[..., Any])

CHECKS: dict[When, list[Check]] = {"table": [], "fit": [], "descent": []}

SIGNS: dict[Check, Sign] = {}
"""Check → the kinds that it finds, and what it needs."""


def _made_again(fit: Any) -> bool:
    if fit.status is Status.CONVERGED or fit.optimizer == Automatic.CURVATURE:
        return True
    return fit.train is not None and is_ours(fit, rule_of(fit), fit.train.rows)


LINEAR = Need(lambda given: given.problem is not None)
NETWORK = Need(lambda given: given.terms is None)
CLASSES = Need(lambda given: given.schema.classes is not None, asked=True)
NUMBERS = Need(lambda given: given.schema.classes is None)
VALUES = Need(lambda given: given.train is not None and given.train.y.ndim == 1)
SEVERAL = Need(lambda given: given.train is not None and given.train.y.ndim == 2)
OF_RESIDUALS = Need(lambda given: given.loss_function.of_residual)
SQUARES = Need(lambda given: given.loss_function.quadratic)
PIECES = Need(lambda given: given.loss_function.pieces is not None)
WEIGHTS = Need(lambda given: given.train is not None and given.train.weights is not None)
COLUMNS = Need(lambda given: given.train is not None and given.train.x.ndim == 2)
BATCHES = Need(lambda fit: fit.spec.batch_size != "full")
CLIP = Need(lambda fit: fit.spec.clip is not None)
TOL = Need(lambda fit: fit.spec.tol)
AVERAGES = Need(lambda fit: fit.spec.averaging != "none")
DECAYS = Need(lambda fit: fit.terms is not None and fit.terms.intercept and decay_of(fit) > 0.0)
BOUNDS = Need(lambda given: given.spec.bounds)
NOT_CONVEX = Need(lambda given: given.problem is not None and not given.loss_function.convex)
SINGLE = Need(lambda fit: fit.spec.dtype == "float32")
UNCOORDINATED = Need(lambda given: given.spec.precondition not in ("standardize", "orthonormal"))

OPTIMUM = Need(
    lambda fit: fit.status is Status.CONVERGED or to_optimum(fit, LinearDescent) is not None,
    "no optimum is known, or none to which a rule of Steepest's own went down", asked=True,
)  # fmt: skip
AGAIN = Need(
    _made_again,
    "its steps cannot be made again (the rule, the batches or the device are not Steepest's own)",
    asked=True,
)
HELD_OUT = Need(lambda fit: fit.test is not None, "no rows are held out")
PARTED = Need(
    lambda given: getattr(given, "test", None) is not None or given.spec.test_fraction or given.spec.validation,
    "no rows are held out",
)
ENOUGH_ROWS = Need(
    lambda given: given.train is not None and given.train.rows >= 100, "fewer than 100 rows tell too little"
)
OF_RESIDUALS_ALIKE = Need(
    lambda given: given.loss_function.family is None,
    "the residuals of counts and amounts spread with their mean, and are judged by the deviance",
)
PENALISED = Need(lambda given: given.spec.penalty != "none")
COUNTS = Need(lambda given: given.loss_function.family is not None and given.loss_function.family.whole)
PLAIN = Need(lambda given: given.spec.penalty == "none", "a penalty keeps the fit from the optimum of its likelihood")
UNDISPERSED = Need(
    lambda given: given.loss_function.family is not None and not given.loss_function.family.dispersed, asked=True
)
KNOWN_LOSS = Need(lambda given: not given.loss_function.custom, "nothing is known of a loss of one's own")
OWN_LOSS = Need(lambda given: given.loss_function.custom)
WHOLE_TRACE = Need(lambda fit: fit.trace.theta.shape[1] == len(fit.theta), "not all parameters were recorded")


def check(
    *when: When, finds: Sequence[Kind], needs: Sequence[Need] = (), trials: bool = False
) -> Callable[[Function], Function]:
    """Add a check to the registry: the kinds that it finds, what they need to be seen, whether it tries them."""

    def add(function: Function) -> Function:
        @wraps(function)
        def asked(given: Any, *more: Any) -> Iterator[Finding]:
            if more or all(need.asked or need.met(given) for need in needs):  # a descent is measured by then
                yield from function(given, *more)

        SIGNS[asked] = Sign(tuple(finds), tuple(needs), trials)
        for each in when:
            CHECKS[each].append(asked)
        return asked  # pyrefly: ignore

    return add


def told(given: Any, signs: Iterable[Sign], missed: Set[Kind] = frozenset()) -> str:
    """Which kinds of findings were looked at, and which cannot be seen, with the reason, in a sentence each.

    missed: those that take trials which would have cost more than a diagnosis may.
    """
    seen, hidden = _sorted(given, signs)
    left_out = [kind for kind in seen if kind in missed]
    seen = [kind for kind in seen if kind not in missed]
    sentences = [f"Looked at: {', '.join(seen)}."] if seen else []
    if left_out:
        dear = "Not looked at to the end, as it takes more steps than a diagnosis may make"
        sentences.append(f"{dear}: {', '.join(left_out)}.")
    reasons: dict[str, list[Kind]] = {}
    for kind, why in hidden.items():
        reasons.setdefault(why, []).append(kind)
    parts = [f"{', '.join(kinds)}, since {why}" for why, kinds in reasons.items()]
    sentences += [f"Cannot be seen here: {'; '.join(parts)}."] if parts else []
    return " ".join(sentences)


def _sorted(given: Any, signs: Iterable[Sign]) -> tuple[list[Kind], Mapping[Kind, str]]:
    """The kinds that were looked at, and those that cannot be seen with the reason, both in the order of `Kind`."""
    seen: set[Kind] = set()
    hidden: dict[Kind, str] = {}
    for sign in signs:
        lacking = [need.lack for need in sign.needs if not need.met(given)]
        for kind in sign.finds:
            if not lacking:
                seen.add(kind)
            elif all(lacking):
                hidden.setdefault(kind, " and ".join(lacking))
    unseen = {kind: hidden[kind] for kind in Kind if kind in hidden and kind not in seen}
    return [kind for kind in Kind if kind in seen], unseen

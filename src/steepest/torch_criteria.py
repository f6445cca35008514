"""PyTorch's criteria as losses: `nn.MSELoss()`, `nn.CrossEntropyLoss`, `F.huber_loss`, `partial(F.cross_entropy, …)`.

One that equals a loss of ours is known by that name, so that exact answers, gaps and scripts come with it. Any other is
a function of (prediction, target) of which is known what targets it takes. PyTorch is not imported here: whoever
gives a criterion has done so.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from steepest.errors import SpecError

TAKES = ["input", "target"]  # what functions of losses in `torch.nn.functional` take first
CODES = frozenset({"CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"})  # criteria whose target is the number of a class
BINARY = frozenset({"BCELoss", "BCEWithLogitsLoss"})  # criteria whose target is 0 or 1 as a number, one for each output
SAME = {"MSELoss": "mse", "L1Loss": "l1"}  # criteria that equal a loss of ours whatever their settings are

LIKE = {
    "logistic": frozenset({"BCEWithLogitsLoss"}),
    "cross_entropy": frozenset({"CrossEntropyLoss", "MultiMarginLoss"}),
}
"""Criteria that a linear model takes which stands for one loss of ours, by that loss."""

PROBABILITIES = frozenset({"BCELoss"})  # criteria whose prediction is a probability and no log-odds
IN_UNITS = frozenset({"MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"})
"""Criteria whose prediction is in the units of the target."""

WAYS_OUT = {
    "GaussianNLLLoss": "give a function that parts the outputs: loss=lambda p, y: "
    "F.gaussian_nll_loss(p[:, 0], y, p[:, 1].exp())",
    "CTCLoss": "it needs the lengths of its sequences, which a fit does not know",
}


def known(given: Any) -> Any:
    """A criterion's object for its class, its function or a partial of either; anything else as it is.

    Raises SpecError for a class that cannot be made without arguments, and for what takes no (prediction, target).
    """
    found = given
    keywords: dict[str, Any] = {}
    if isinstance(found, functools.partial) and not found.args:
        keywords, found = dict(found.keywords), found.func
    functional = getattr(found, "__module__", "") == "torch.nn.functional"
    if functional and list(inspect.signature(found).parameters)[:2] == TAKES:
        found = _class_of(found.__name__) or found
    if isinstance(found, type) and any(base.__module__ == "torch.nn.modules.module" for base in found.__mro__):
        try:
            found = found(**keywords)
        except TypeError as error:
            raise SpecError(
                f"loss={found.__name__} is a class that cannot be made without arguments ({error}). Give an object of it: "
                f"loss={found.__name__}(…)."
            ) from None
    elif found is not given:
        return given
    if is_criterion(found):
        _check(found)
    return found


def _class_of(function: str) -> type | None:
    """The class of `torch.nn` that does what a function of `torch.nn.functional` does: `MSELoss` of `mse_loss`."""
    from torch.nn.modules import loss

    bare = function.replace("binary_cross_entropy", "bce").replace("_", "").removesuffix("loss")
    return next((getattr(loss, name) for name in loss.__all__ if name.lower() == f"{bare}loss"), None)


def is_criterion(given: Any) -> bool:
    """Whether it is an object of one of PyTorch's own classes of losses."""
    return type(given).__module__ == "torch.nn.modules.loss"


def _check(criterion: Any) -> None:
    kind = type(criterion).__name__
    if getattr(criterion, "reduction", "mean") == "sum":
        raise SpecError(
            f"loss={kind}(reduction='sum') adds up the rows, and a loss here is their mean: leave reduction='sum' out. The "
            "same steps then take lr times the number of rows in a batch."
        )
    takes = [p for p in inspect.signature(criterion.forward).parameters.values() if p.default is p.empty]
    if len(takes) != 2:
        names = ", ".join(p.name for p in takes)
        raise SpecError(
            f"loss={kind} takes ({names}), and a loss here is a function of (prediction, target): "
            f"{WAYS_OUT.get(kind, 'give a function of these two that calls it')}."
        )


def name_of(given: Any) -> str:
    """The loss of ours that a criterion equals on one target: `mse`, `huber:1.5`, …; "" if none.

    >>> name_of(print)
    ''
    """
    if not is_criterion(given):
        return ""
    kind = type(given).__name__
    if kind in SAME:
        return SAME[kind]
    if kind == "HuberLoss":
        return f"huber:{float(given.delta)!r}"
    if kind == "SmoothL1Loss" and given.beta in (0, 1):
        return "huber:1.0" if given.beta else "l1"
    if kind == "CrossEntropyLoss" and given.weight is None and not given.label_smoothing and given.ignore_index == -100:
        return "cross_entropy"
    if kind == "BCEWithLogitsLoss" and given.weight is None and given.pos_weight is None:
        return "logistic"
    return ""


def written(given: Any) -> str:
    """A criterion as a setting that can be read again: `mse`, or `torch.nn:BCELoss` with its defaults; "" if it has none."""
    if not is_criterion(given) or name_of(given):
        return name_of(given)
    kind = type(given)
    try:
        plain = kind()
    except TypeError:
        return ""
    return f"torch.nn:{kind.__name__}" if repr(vars(plain)) == repr(vars(given)) else ""


def located(name: str) -> Any:
    """The class that `torch.nn:BCELoss` names, if it is a criterion; any other text as it is."""
    module, _, kind = name.partition(":")
    if module != "torch.nn" or not kind.endswith("Loss"):
        return name
    from torch.nn.modules import loss

    return getattr(loss, kind, name)


def has(given: Any, kinds: frozenset[str]) -> bool:
    """Whether it is a criterion of one of these classes."""
    return is_criterion(given) and type(given).__name__ in kinds

"""The keywords of the estimators: the settings of a fit, under the names that scikit-learn has for them.

What `fit()` asks about a table is not among them: the columns, the target and the weights of rows come with X, y and
`sample_weight`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state

from steepest.errors import SpecError
from steepest.formulas.losses import LOSSES, LossChoice
from steepest.formulas.models import own_loss
from steepest.settings import Spec
from steepest.settings_table import SETTINGS, argument_line, those

Estimator = TypeVar("Estimator", bound=type)

NAMED = {
    "seed": "random_state", "intercept": "fit_intercept", "epochs": "max_iter", "patience": "n_iter_no_change",
    "validation": "validation_fraction",
}  # fmt: skip
"""Settings that scikit-learn has a name of its own for."""

OWN = {"random_state": None, "validation_fraction": 0.1}
"""Defaults that are scikit-learn's and not those of the table."""

BESIDE = {
    "early_stopping": (False, "Whether to hold out `validation_fraction` of the rows and stop by their loss."),
    "warm_start": (False, "Whether `fit` goes on where the last one ended: two halves are the whole."),
}
"""Keywords that no setting stands behind: default and sentence."""

ABOUT_ROWS = ("data", "reading")


@cache
def keywords(of_classes: bool) -> dict[str, str]:
    """Parameter → setting. of_classes: whether the target is classes, which may be weighted.

    >>> keywords(False)["max_iter"], "class_weight" in keywords(False), "class_weight" in keywords(True)
    ('epochs', False, True)
    """
    chosen = those(lambda setting: setting.role not in ABOUT_ROWS or (of_classes and setting.name == "class_weight"))
    return {NAMED.get(name, name): name for name in chosen}


def defaults(of_classes: bool) -> dict[str, Any]:
    """Parameter → default, in the order of the constructor."""
    named = {name: OWN.get(name, SETTINGS[setting].default) for name, setting in keywords(of_classes).items()}
    return named | {name: default for name, (default, _) in BESIDE.items()}


def takes_parameters(of_classes: bool) -> Callable[[Estimator], Estimator]:
    """A class whose constructor takes these keywords; in its docstring they stand in the place of `{parameters}`."""

    def shown(cls: Estimator) -> Estimator:
        given = defaults(of_classes)

        def __init__(self: Any, **parameters: Any) -> None:
            if unknown := sorted(parameters.keys() - given):
                raise TypeError(f"{cls.__name__} takes no parameter {unknown[0]!r}. It takes {', '.join(given)}.")
            for name, value in (given | parameters).items():
                setattr(self, name, value)

        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        rest = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in given.items()]
        __init__.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]  # pyrefly: ignore
        __init__.__qualname__, __init__.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        cls.__init__ = __init__  # pyrefly: ignore
        cls.__doc__ = (cls.__doc__ or "").replace("        {parameters}", "\n".join(_lines(of_classes)))
        return cls

    return shown


def _lines(of_classes: bool) -> list[str]:
    """A line of the docstring for each parameter."""
    said = {name: f"{SETTINGS[one].sentence} {SETTINGS[one].python}" for name, one in keywords(of_classes).items()}
    said["random_state"] = (
        "Seed of all random numbers: None, a whole number or a `RandomState`, as scikit-learn has it."
    )
    said["validation_fraction"] = "Share of the rows that `early_stopping` holds out."
    said |= {name: sentence for name, (_, sentence) in BESIDE.items()}
    return [argument_line(name, text) for name, text in said.items()]


def spec_of(estimator: Any, of_classes: bool, own_rows: bool) -> Spec:
    """The settings that an estimator's parameters stand for.

    own_rows: whether rows to stop by were given, so that none of those to fit are held out.

    Raises:
        SpecError: what no setting may be, in the estimator's own names.
    """
    given = {setting: getattr(estimator, name) for name, setting in keywords(of_classes).items()}
    given.pop("class_weight", None)  # scikit-learn's own, on labels of any kind: it is in the weights of the rows
    if not estimator.early_stopping or own_rows:
        given["validation"] = None
    given["seed"] = seed_of(estimator.random_state)
    for name in BESIDE:
        if not isinstance(value := getattr(estimator, name), bool | np.bool_):
            raise SpecError(f"{name}={value!r}: it must be True or False.")
    try:
        # numbers may be NumPy's, as a grid of parameters gives them
        spec = Spec.read({name: one.item() if isinstance(one, np.generic) else one for name, one in given.items()})
    except SpecError as error:
        raise SpecError(in_parameters(str(error))) from None
    choice = choice_of(own_loss(spec.model) or spec.loss)
    if not of_classes and choice is not None and choice.classes:
        asked = f"model={spec.model!r}" if own_loss(spec.model) else f"loss={spec.loss!r}"
        raise SpecError(f"{asked} tells classes apart, and a DescentRegressor fits numbers: take a DescentClassifier.")
    return spec


def choice_of(loss: Any) -> LossChoice | None:
    """The entry of a loss that is named; None of "auto", of a criterion and of a function.

    >>> choice_of("huber:1.35").name, choice_of("auto")
    ('huber', None)
    """
    found = LOSSES.get(loss.partition(":")[0]) if isinstance(loss, str) else None
    return found if isinstance(found, LossChoice) else None


def in_parameters(text: str) -> str:
    """A message on settings in the names of the parameters.

    >>> in_parameters("epochs=0: it must be a whole number of at least 1.")
    'max_iter=0: it must be a whole number of at least 1.'
    """
    for setting, name in NAMED.items():
        text = text.replace(f"{setting}=", f"{name}=")
    return text


def seed_of(random_state: Any) -> int:
    """The seed that a random state stands for: a whole number itself, else the next number of the state."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))

"""What a fitted module ends in, for checks of the loss that suits its target."""

from __future__ import annotations

from typing import Any

from steepest.analysis.checks.network_graph import last_of
from steepest.analysis.checks.rerun import graph_at_end
from steepest.analysis.finding import Prepared
from steepest.lazy import nn
from steepest.model.labels import is_own


def of_own_module(given: Prepared) -> bool:
    """Whether the model is a module of the user's, whose inputs and outputs no setting changes."""
    return is_own(given.spec)


def takes_codes(given: Prepared) -> bool:
    """Whether a module of the user's looks its inputs up in a table, so that their numbers are names."""
    model = given.spec.model
    if model is None or isinstance(model, str) or not isinstance(model, nn.Module):
        return False
    return any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in model.modules())


def last_function(given: Prepared) -> str:
    """The function with bounds that a fitted module of the user's ends in, as `Sigmoid`; "" for any other model."""
    fit: Any = given
    if not of_own_module(given) or getattr(given, "network", None) is None:
        return ""
    last = last_of(graph_at_end(fit)[1])
    return "" if last is None else last.name


def two_classes(given: Prepared) -> tuple[dict[str, Any], str]:
    """The settings with which a model tells two classes apart, and what else is to be changed."""
    last = last_function(given)
    if last == "Sigmoid":
        return {"loss": "torch.nn:BCELoss"}, ""
    if last:
        return {}, "End the module in its linear layer, and fit it with loss='logistic'."
    return {"loss": "logistic"}, ""

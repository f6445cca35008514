"""The models that have a name: name → what it is."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.choices import Choice, Number


@dataclass(frozen=True)
class ModelChoice(Choice):
    """A model. loss: the name of the one loss that it stands for; "" where any will do."""

    loss: str = ""


MODELS = {
    model.name: model
    for model in (
        ModelChoice("linear", "A number for each column, and an intercept."),
        ModelChoice(
            "poly", "Powers of each column up to DEGREE.",
            (Number("degree", None, 1, whole=True, symbol="DEGREE"),),
        ),
        ModelChoice("logistic", "The linear model with the loss `logistic`.", loss="logistic"),
        ModelChoice("softmax", "The linear model with the loss `cross_entropy`.", loss="cross_entropy"),
        ModelChoice(
            "mlp", "Layers of so many units with ReLU between them.",
            (Number("width", None, 1, whole=True, symbol="WIDTH"),),
            many=True,
        ),
    )
}  # fmt: skip


def own_loss(model: object) -> str:
    """The name of the one loss that a model stands for; "" where any will do, and for a model that is an object."""
    return MODELS[model].loss if isinstance(model, str) and model in MODELS else ""

"""The models that have a name: name → what it is."""

from __future__ import annotations

from steepest.choices import Choice, Number

MODELS = {
    model.name: model
    for model in (
        Choice("linear", "A number for each column, and an intercept."),
        Choice(
            "poly", "Powers of each column up to DEGREE.", (Number("degree", None, 1, whole=True, symbol="DEGREE"),)
        ),
        Choice("logistic", "The linear model with the loss `logistic`."),
        Choice("softmax", "The linear model with the loss `cross_entropy`."),
        Choice(
            "mlp",
            "Layers of so many units with ReLU between them.",
            (Number("width", None, 1, whole=True, symbol="WIDTH"),),
            many=True,
        ),
    )
}

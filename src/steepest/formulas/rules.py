"""The rules: name → what it is."""

from __future__ import annotations

from steepest.choices import Choice, Number


def _share(name: str, default: float, symbol: str = "B") -> Number:
    return Number(name, default, 0.0, 1.0, open_high=True, symbol=symbol)


RULES = {
    rule.name: rule
    for rule in (
        Choice("auto", "Newton's method with a full batch, sgd with minibatches; adam for a module."),
        Choice("sgd", "Gradient descent."),
        Choice("momentum", "Heavy-ball momentum.", (_share("momentum", 0.9),)),
        Choice("nesterov", "Nesterov's momentum.", (_share("momentum", 0.9),)),
        Choice("adagrad", "Each coordinate by the root of its summed squared gradients."),
        Choice("rmsprop", "Each coordinate by the root of its mean squared gradients.", (_share("alpha", 0.99, "A"),)),
        Choice(
            "adam",
            "Momentum over the root of mean squared gradients.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
        ),
        Choice(
            "adamw",
            "Adam with decoupled weight decay.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.01, "W")),
        ),
    )
}

"""The losses: name → what it is."""

from __future__ import annotations

from steepest.choices import Choice, Number

LOSSES = {
    loss.name: loss
    for loss in (
        Choice("auto", "What the target asks for."),
        Choice("mse", "The mean of squared residuals, no ½."),
        Choice("l1", "The mean absolute residual."),
        Choice(
            "huber",
            "½r² within the width D, D(|r| − ½D) beyond.",
            (Number("width", 1.0, 0.0, open_low=True, symbol="D"),),
        ),
        Choice(
            "quantile",
            "The mean of Q·max(r, 0) + (1−Q)·max(−r, 0), r = target − prediction.",
            (Number("level", None, 0.0, 1.0, open_low=True, open_high=True, symbol="Q"),),
        ),
        Choice("logistic", "The negative log-likelihood of two classes, of log-odds."),
        Choice("cross_entropy", "The negative log-likelihood of several classes."),
    )
}

"""What a loss does with the predictions itself, told by autograd's graph of it, so that a function of one's own is known, too.

sigmoid            it expects log-odds (`logistic`, BCEWithLogitsLoss, any function that begins with a sigmoid)
softmax            it expects scores (`cross_entropy`, CrossEntropyLoss, any function that begins with a softmax)
log-probabilities  it expects the logarithms of probabilities (NLLLoss)
"""

from __future__ import annotations

from typing import Literal

from steepest.analysis.checks.network_graph import kind_of, nodes_of, past_shapes
from steepest.lazy import Tensor, torch
from steepest.model.loss import Loss

Applied = Literal["sigmoid", "softmax", "log-probabilities", ""]

BEGINNINGS: dict[str, Applied] = {
    "BinaryCrossEntropyWithLogits": "sigmoid", "Sigmoid": "sigmoid", "LogSigmoid": "sigmoid", "LogSoftmax": "softmax",
    "Softmax": "softmax", "Logsumexp": "softmax", "NllLoss": "log-probabilities", "NllLoss2D": "log-probabilities",
}  # fmt: skip


def applied_by(loss: Loss, prediction: Tensor, target: Tensor) -> Applied:
    """What the loss does with predictions first. prediction: of the shape that the loss takes beside the target.

    >>> from steepest.model.torch_losses import loss
    >>> applied_by(loss("logistic"), torch.zeros(3), torch.zeros(3))
    'sigmoid'
    """
    if not loss.custom:
        return "sigmoid" if loss.binary and not loss.margin else "softmax" if loss.coupled else ""
    with torch.enable_grad():
        seen = -(-prediction.detach()).requires_grad_()  # its last function is known again in the loss's graph
        value = loss.mean(seen, target)
    for node in nodes_of(value):
        found = BEGINNINGS.get(kind_of(node), "")
        if found and past_shapes(node.next_functions[0][0]) is seen.grad_fn:
            return found
    return ""

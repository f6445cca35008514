"""The loss and the penalty in code, as functions that a reader can check against a textbook."""

from __future__ import annotations

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.python_text import Part, number
from steepest.export.sources import source
from steepest.model import losses

TORCH = frozenset({"import torch"})
APART = ', reduction="none"'
FUNCTIONAL = frozenset({"import torch.nn.functional as F"})


def loss(case: Case) -> Part:
    """`loss(prediction, target)`, or with `weights` for rows that have some."""
    kind, weighted = case.loss, case.weighted
    several = case.train.y.ndim == 2
    imports = TORCH
    said, before, each, ready = "", [], "", ""
    if isinstance(kind, losses.MSE):
        said = "The mean squared error, without a ½."
        each = "((prediction - target) ** 2)" + (".mean(1)" if several and weighted else "")
    elif isinstance(kind, losses.L1):
        said, each = "The mean absolute error.", "(prediction - target).abs()"
    elif isinstance(kind, losses.Huber):
        said = "Huber's loss: half the square of small residuals, linear beyond."
        imports = imports | FUNCTIONAL
        ready = f"F.huber_loss(prediction, target, delta={number(kind.width)}{{}})"
    elif isinstance(kind, losses.Quantile):
        q = kind.level
        said = f"The pinball loss, whose best constant is the {q:g} quantile."
        before = ["residual = target - prediction"]
        each = f"torch.maximum({number(q)} * residual, {number(q - 1.0)} * residual)"
    elif isinstance(kind, losses.Logistic):
        said = "The negative log-likelihood of class 1, the prediction being its log-odds."
        imports = imports | FUNCTIONAL
        ready = "F.binary_cross_entropy_with_logits(prediction, target{})"
    elif isinstance(kind, losses.CrossEntropy):
        said = "The negative log-likelihood of each row's own class."
        imports = imports | FUNCTIONAL
        ready = "F.cross_entropy(prediction, target{})"
    else:
        return _own(case)
    if ready:
        before = [f"each = {ready.format(APART)}"] if weighted else []
        mean = "(weights * each).mean()" if weighted else ready.format("")
    else:
        mean = f"(weights * {each}).mean()" if weighted else f"{each}.mean()"
    heading = f"def loss(prediction, target{', weights' if weighted else ''}):"
    code = [heading, *(f"    {line}" for line in before), f"    return {mean}"]
    return Part("The loss", said, code, imports)


def _own(case: Case) -> Part:
    if not isinstance(case.loss, losses.Custom):
        raise FitError(f"The loss {case.loss} cannot be written out.")
    name, lines, imports = source(case.loss.function, "loss")
    weighted = case.weighted
    heading = f"def loss(prediction, target{', weights' if weighted else ''}):"
    called = f"{name}(prediction, target)"
    code = [heading, f"    return ({f'weights * {called}' if weighted else called}).mean()"]
    if not weighted:
        code = [heading, f"    return {called}.mean()  # of one value a row, or of one number"]
    if lines:
        code = [*lines, "", "", *code]
    if name == "loss":
        raise FitError("The loss is called loss, as the script's own function is. Give it another name.")
    return Part("The loss", "The loss of each row, and its mean.", code, imports | TORCH)


def penalty(case: Case, user: str, argument: str) -> list[Part]:
    """`penalty(…)`: what autograd is to see of it. user: the expression of θ in user units, of the argument."""
    l1, l2 = case.penalty.l1, case.penalty.l2
    shown = 0.0 if case.soft else l1
    if not (l2 or shown):
        return []
    code = [f"def penalty({argument}):"]
    if user != argument:
        code.append(f"    theta = {user}")
    free = slopes(case, "theta")
    sums = [f"{number(shown)} * {free}.abs().sum()"] if shown else []
    sums += (
        [f"{number(l2)} * ({free} ** 2).sum()" if "[" in free else f"{number(l2)} * ({free}**2).sum()"] if l2 else []
    )
    said = "A penalty on large coefficients; the intercept is free."
    if not (case.fit.terms is not None and case.fit.terms.intercept):
        said = "A penalty on large coefficients."
    if shown:
        said += " Where a coefficient is 0, autograd takes the kink's slope as 0."
    return [Part("The penalty", said, [*code, f"    return {' + '.join(sums)}"], TORCH)]


def slopes(case: Case, theta: str) -> str:
    """The penalised entries of θ."""
    assert case.fit.terms is not None
    if not case.fit.terms.intercept:
        return theta
    return f"{theta}[1:]" if case.outputs == 1 else f"{theta}[:, 1:]"


SOFT = Part(
    "The soft threshold",
    "What an l1 penalty does in one step: towards 0 by so much, and no further (the proximal step).",
    ["def soft(values, threshold):", "    return values.sign() * (values.abs() - threshold).clamp(min=0)"],
    TORCH,
)

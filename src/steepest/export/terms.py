"""The loss and the penalty in code, as functions that a reader can check against a textbook."""

from __future__ import annotations

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.python_text import Part, assigned, number
from steepest.export.sources import formula_text, source
from steepest.formulas.losses import LossChoice
from steepest.model import torch_losses

APART = ', reduction="none"'


def loss(case: Case) -> Part:
    """`loss(prediction, target)`, or with `weights` for rows that have some."""
    choice, own, weighted = case.loss.choice, case.loss.number, case.weighted
    heading = f"def loss(prediction, target{', weights' if weighted else ''}):"
    if choice is None:
        return _own(case, heading)
    if choice.criterion:
        apart, ready = (choice.criterion.format(reduction=text, number=number(own)) for text in (APART, ""))
        before, each = [f"each = {apart}"] if weighted else [], "each"
        each = "each.mean(1)" if weighted and case.train.y.ndim == 2 else each
    else:
        before, each = _formula(choice, own)
        each = f"({each}){'.mean(1)' if case.train.y.ndim == 2 and weighted else ''}"
        ready = f"{each}.mean()"
    mean = f"(weights * {each}).mean()" if weighted else ready
    return Part("The loss", choice.text, [heading, *(f"    {line}" for line in before), f"    return {mean}"])


def _formula(choice: LossChoice, own: float) -> tuple[list[str], str]:
    """The lines of a loss's formula in PyTorch's words, and what it returns."""
    assert choice.value is not None
    words = {word: f"torch.{word}" for word in torch_losses.words()} | {
        "logsigmoid": "torch.nn.functional.logsigmoid",
        "log_ndtr": "torch.special.log_ndtr",
    }
    return formula_text(choice.value, words | {one.name: number(own) for one in choice.numbers})


def _own(case: Case, heading: str) -> Part:
    name, lines, imports = source(case.loss.function, "loss")
    if name == "loss":
        raise FitError("The loss is called loss, as the script's own function is. Give it another name.")
    each = f"{name}(prediction, target)"
    mean = f"(weights * {each}).mean()" if case.weighted else f"{each}.mean()  # of one value a row, or of one number"
    code = [*lines, *(["", ""] if lines else []), heading, f"    return {mean}"]
    return Part("The loss", "The loss of each row, and its mean.", code, imports)


def penalty(case: Case, user: str, argument: str) -> list[Part]:
    """`penalty(…)`: what autograd is to see of it. user: the expression of θ in user units, of the argument."""
    l1, group = (0.0, 0.0) if case.soft else (case.penalty.l1, case.penalty.group)
    if not (case.penalty.l2 or l1 or group):
        return []
    free = slopes(case, "theta")
    code = [f"def penalty({argument}):", *([f"    theta = {user}"] if user != argument else [])]
    code.append(f"    return {sizes(free, l1, case.penalty.l2, group)}")
    said = "A penalty on large coefficients" + ("; the intercept is free." if free != "theta" else ".")
    if l1 or group:
        said += " Where a coefficient is 0, autograd takes the kink's slope as 0."
    return [Part("The penalty", said, code)]


def sizes(theta: str, l1: float, l2: float, group: float = 0.0) -> str:
    """l1·Σ|θ| + l2·Σθ² + group·Σ √|g|·‖θ_g‖."""
    sums = [f"{number(l1)} * {theta}.abs().sum()"] if l1 else []
    if group:
        sums.append(f"{number(group)} * sum(len(group) ** 0.5 * theta[group].norm() for group in groups)")
    power = f"({theta} ** 2)" if "[" in theta else f"({theta}**2)"
    return " + ".join([*sums, *([f"{number(l2)} * {power}.sum()"] if l2 else [])])


def slopes(case: Case, theta: str) -> str:
    """The penalised entries of θ."""
    if not case.terms.intercept:
        return theta
    return f"{theta}[1:]" if case.outputs == 1 else f"{theta}[:, 1:]"


def printed(case: Case, prediction: str, y: str, penalty: str, held_out: str) -> list[str]:
    """Lines that print the loss, with a penalty the objective, and the loss of rows held out.

    penalty: what it adds to the loss, "" for nothing. held_out: the prediction of those rows.
    """
    value = f"loss({prediction}, {y}{', weights' if case.weighted else ''})"
    code = [f'print("loss", {value}.item())']
    if penalty:
        code = [f"value = {value}", 'print("loss", value.item())', f"value += {penalty}"]
        code.append('print("objective", value.item())')
    if case.test is not None:
        weights = ", 1.0" if case.test.weights is None else ", weights_test"
        code.append(f'print("held-out loss", loss({held_out}, {y}_test{weights if case.weighted else ""}).item())')
    return code


def groups(case: Case) -> list[Part]:
    """The groups of a group penalty."""
    if not case.groups:
        return []
    said = "Coefficients that the penalty holds together, by their numbers."
    return [Part("The groups", said, assigned("groups", "[", [str(group) for group in case.groups], "]"))]


def soft(case: Case) -> list[Part]:
    """What a penalty with kinks does in one step, where it takes a proximal one."""
    if not case.soft:
        return []
    return [SOFT] if not case.groups else [SHRUNK if case.frame == "none" else SHRUNK_IN_SCALES]


SHRUNK = Part(
    "The soft threshold",
    "What a group penalty does in one step: the group towards 0 by so much, and no further (the proximal step).",
    [
        "def shrunk(values, threshold):",
        "    length = values.norm()",
        "    return values * (1 - threshold / length).clamp(min=0) if length > 0 else values",
    ],
)

SHRUNK_IN_SCALES = Part(
    "The soft threshold",
    "What a group penalty does in one step, the coefficients being scale * values: the group towards 0, and no further (the "
    "proximal step). How long it is then is found by Newton's method.",
    [
        "def shrunk(values, threshold, scale):",
        "    if (values / scale).norm() <= threshold:",
        "        return torch.zeros_like(values)",
        "    along, pull = scale * values, threshold * scale**2",
        "    size = torch.maximum(along.norm() - pull.max(), (along.abs() - pull).max()).clamp(min=0)",
        "    for _ in range(50):",
        "        length = (along / (size + pull)).norm()",
        "        more = (length - 1) * length**2 / (along**2 / (size + pull) ** 3).sum()",
        "        size = size + more",
        "        if more <= 1e-15 * size:",
        "            break",
        "    return values * size / (size + pull)",
    ],
)

SOFT = Part(
    "The soft threshold",
    "What an l1 penalty does in one step: towards 0 by so much, and no further (the proximal step).",
    ["def soft(values, threshold):", "    return values.sign() * (values.abs() - threshold).clamp(min=0)"],
)

"""The loss and the penalty in code, as functions that a reader can check against a textbook."""

from __future__ import annotations

import ast
import inspect

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.python_text import Part, number
from steepest.export.sources import source
from steepest.formulas.losses import LossChoice
from steepest.model import losses

TORCH = frozenset({"import torch"})
APART = ', reduction="none"'
FUNCTIONAL = frozenset({"import torch.nn.functional as F"})


def loss(case: Case) -> Part:
    """`loss(prediction, target)`, or with `weights` for rows that have some."""
    kind, weighted = case.loss, case.weighted
    several = case.train.y.ndim == 2
    choice = kind.choice
    if choice is None:
        return _own(case)
    before, each, ready, imports = [], "", choice.criterion, TORCH
    if ready:
        numbers = {"number": number(kind.number)}
        apart, ready = (ready.format(reduction=text, **numbers) for text in (APART, ""))
        before, each, imports = [f"each = {apart}"] if weighted else [], "each", TORCH | FUNCTIONAL
    else:
        before, each = _formula(choice, kind.number)
        each = f"({each}){'.mean(1)' if several and weighted else ''}"
    mean = f"(weights * {each}).mean()" if weighted else ready or f"{each}.mean()"
    heading = f"def loss(prediction, target{', weights' if weighted else ''}):"
    code = [heading, *(f"    {line}" for line in before), f"    return {mean}"]
    return Part("The loss", choice.text, code, imports)


def _formula(choice: LossChoice, own: float) -> tuple[list[str], str]:
    """The lines of a loss's formula in PyTorch's words, and what it returns."""
    assert choice.value is not None
    made = ast.parse(inspect.getsource(choice.value)).body[0]
    assert isinstance(made, ast.FunctionDef)
    names = [argument.arg for argument in made.args.args[2:]]
    *lines, last = [ast.unparse(_InTorch(names, own).visit(line)) for line in made.body]
    return lines, last.removeprefix("return ")


class _InTorch(ast.NodeTransformer):
    """NumPy's words become PyTorch's, and a loss's number stands where its name did; constants are worked out."""

    def __init__(self, names: list[str], own: float):
        self.names, self.own = names, own

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.names:
            return ast.Constant(self.own)
        if node.id in losses.WORDS:
            place = "torch.nn.functional" if node.id == "logsigmoid" else "torch"
            return ast.Name(f"{place}.{node.id}")
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        made = self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return ast.Constant(eval(ast.unparse(node)))
        return made


def _own(case: Case) -> Part:
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

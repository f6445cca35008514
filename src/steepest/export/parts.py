"""A fit as a list of parts: data, model, loss, descent, result, in the order in which a script or a notebook has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steepest.errors import SpecError
from steepest.export import closed, descents, linear, module, newton, rows, terms
from steepest.export.case import CHOSEN, Case
from steepest.export.descents import Moving
from steepest.export.python_text import Part, number, shown
from steepest.formulas.rules import Automatic
from steepest.result import Fit
from steepest.storage.run_loading import rows_of

STYLES = {
    "loop": "the rule written out by hand, the gradient by autograd",
    "torch.optim": "the rule and the schedule by classes of torch.optim",
    "module": "the model as an nn.Module, moved by torch.optim",
    "closed": "the best possible answer by one formula (mse)",
    "scikit-learn": "the best possible answer by scikit-learn",
}
"""The ways to write a fit down."""

Written = tuple[list[Part], dict[str, np.ndarray]]


def parts_of(fit: Fit, style: str, file: Path | None, notebook: bool) -> Written:
    """The parts, and the arrays that are to stand beside them."""
    if style not in STYLES:
        raise SpecError(f"style={style!r} is not known. Known: {', '.join(STYLES)}.")
    train, test = rows_of(fit)
    case = Case.of(fit, train, test)
    found = rows.written(fit, train, test, file, notebook)
    if style in ("closed", "scikit-learn"):
        parts = closed.parts(case, found, style)
        return [*parts, result(case, found.target, [], bool(case.penalty)), closed.beside(case)], found.files
    if not case.linear:
        return _net(case, found, style, file, notebook)
    if case.rule == "curvature" and style == "loop":
        parts = newton.parts(case, found)
        return [*parts, result(case, found.target, [], bool(case.penalty))], found.files
    return _linear(case, found, style), found.files


def _linear(case: Case, found: rows.Rows, style: str) -> list[Part]:
    made, y = linear.design(case, found), found.target
    if case.rule == "curvature":
        newton.check(case)
        if case.loss.bound is None or case.penalty.l1:
            raise SpecError(
                f"torch.optim has no class for the curvature steps of this fit. Use style 'loop', not {style!r}."
            )
    frames = linear.coordinates(case)
    if case.rule == "curvature" and frames:
        frames = [newton.frame(case)]
    v, m = linear.variables(case)
    drawn, start = linear.start(case)
    offset = bool(start) and bool(frames)
    matrices = ["A", *(["B", "M"] if frames else [])]
    as_module = style == "module"
    begun = linear.tensors(case, y, matrices, made)
    kind = ", dtype=torch.float32" if case.float32 else ""
    zeros = f"torch.zeros({linear.width(case)}, dtype=torch.{case.fit.spec.dtype}"
    ready = [*drawn, *([f"start = torch.tensor(start{kind})"] if drawn else [])]
    if offset:
        ready.append(f"offset = {linear.product(case, 'A', 'start')}  # what the start predicts")
    begun = Part("Tensors", "", [*begun.code, *ready], begun.imports | (linear.NUMPY if drawn else frozenset()))
    user = v if not frames else linear.moved(case, start)
    parts = [found.part, *made.parts, *frames, begun]
    if as_module:
        first = "start.clone()" if start and not frames else f"{zeros})"
        parts.append(_module(case, v, m, first))
        used, called_by = f"model.{v}", f"model({m}{{0}})"
    else:
        parts.append(_model(case, v, m))
        used, called_by = v, f"model({v}, {m}{{0}})"
    if offset:
        called_by = f"offset{{0}} + {called_by}"
    inside = terms.penalty(case, user, v)
    weights = ", weights{0}" if case.weighted else ""
    text = f"loss({called_by}, {y}{{0}}{weights}){f' + penalty({used})' if inside else ''}"
    moving = Moving(
        variable=v,
        parameters="model.parameters()" if as_module else f"[{v}]",
        value=text.format,
        gradient=f"{v}.grad",
        clear=f"{v}.grad.zero_()",
        proximal=lambda rate: _proximal(case, used, start if frames else "", rate),
        untracked=True,
    )
    parts += [terms.loss(case), *inside, *([terms.SOFT] if case.soft else []), *descents.dealing(case, y)]
    parts += descents.rate(case).parts
    by_hand = style == "loop" and case.rule not in ("torch", "lbfgs")
    descent = descents.by_hand(case, moving) if by_hand else descents.by_optimizer(case, moving)
    if not as_module:
        first = "start.clone().requires_grad_()" if start and not frames else f"{zeros}, requires_grad=True)"
        descent = Part(descent.title, descent.prose, [f"{v} = {first}", *descent.code], descent.imports)
    return [*parts, descent, _ending(case, y, user, used, bool(inside) or case.soft)]


def _net(case: Case, found: rows.Rows, style: str, file: Path | None, notebook: bool) -> Written:
    net = module.Net(case, found)
    moving = net.moving()
    parts = [found.part, *net.parts(file, notebook), terms.loss(case), *net.penalty(), *net.soft()]
    parts += [*descents.dealing(case, found.target), *descents.rate(case).parts]
    if style == "loop" and case.rule not in ("torch", "lbfgs"):
        parts += [net.vector(), descents.by_hand(case, moving)]
    else:
        parts.append(descents.by_optimizer(case, moving))
    return [*parts, net.ending()], found.files | net.files


def _model(case: Case, v: str, m: str) -> Part:
    names = case.fit.terms.names if case.fit.terms is not None else ()
    said = "The model: a sum of terms, each times its coefficient."
    if case.outputs > 1:
        said = "The model: for each output a sum of terms, each times its coefficient."
    elif len(names) <= 4 and case.frame == "none":
        sum_of = " + ".join(
            f"theta[{i}]" + ("" if name == "intercept" else f" * {shown(name)}") for i, name in enumerate(names)
        )
        said = f"The model: {sum_of}." if len(sum_of) <= 80 else said
    return Part("The model", said, [f"def model({v}, {m}):", f"    return {linear.product(case, m, v)}"])


def _module(case: Case, v: str, m: str, first: str) -> Part:
    code = [
        "class Model(torch.nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        f"        self.{v} = torch.nn.Parameter({first})",
        "",
        f"    def forward(self, {m}):",
        f"        return {linear.product(case, m, f'self.{v}')}",
        "",
        "",
        "model = Model()",
    ]
    return Part("The model", "A module: its parameters are found by optimisers, and saved with it.", code)


def _proximal(case: Case, p: str, start: str, rate: str) -> list[str]:
    """Lines of the soft threshold on the penalised entries."""
    free = terms.slopes(case, p)
    lines = [f"threshold = {rate}{case.gain} * {number(case.penalty.l1)}"]
    if case.frame == "none":
        return [*lines, f"{_whole(free)} = soft({free}, threshold)"]
    assert case.fit.terms is not None
    scales = "M.diagonal()[1:]" if case.fit.terms.intercept else "M.diagonal()"
    lines[0] += f" * {scales}"
    if not start:
        return [*lines, f"{_whole(free)} = soft({free}, threshold)"]
    return [
        f"shift = {terms.slopes(case, start)} / {scales}",
        *lines,
        f"{_whole(free)} = soft({free} + shift, threshold) - shift",
    ]


def _whole(free: str) -> str:
    return free if free.endswith("]") else f"{free}[:]"


def _ending(case: Case, y: str, user: str, used: str, penalised: bool) -> Part:
    code = []
    if case.frame != "none":
        code = [f"theta = {_detached(case, user, used)}"]
    elif used != "theta":
        code = [f"theta = {used}.detach()"]
    return result(case, y, code, penalised)


def _detached(case: Case, user: str, used: str) -> str:
    return user.replace("M @ c", f"M @ {used}.detach()").replace("c @ M.T", f"{used}.detach() @ M.T")


def result(case: Case, y: str, code: list[str], penalised: bool) -> Part:
    """The loss, and θ by its names, printed."""
    weights = ", weights" if case.weighted else ""
    prediction = linear.product(case, "A", "theta")
    if penalised:
        free = terms.slopes(case, "theta")
        code += [f"value = loss({prediction}, {y}{weights})", 'print("loss", value.item())']
        if case.penalty.l1:
            code.append(f"value += {number(case.penalty.l1)} * {free}.abs().sum()")
        if case.penalty.l2:
            power = f"({free} ** 2)" if "[" in free else f"({free}**2)"
            code.append(f"value += {number(case.penalty.l2)} * {power}.sum()")
        code.append('print("objective", value.item())')
    else:
        code.append(f'print("loss", loss({prediction}, {y}{weights}).item())')
    if case.test is not None:
        extra = ""
        if case.weighted:
            extra = ", weights_test" if case.test.weights is not None else ", 1.0"
        theta = "theta.double()" if case.float32 else "theta"
        prediction = linear.product(case, "A_test", theta)
        code.append(f'print("held-out loss", loss({prediction}, {y}_test{extra}).item())')
    code += linear.named(case)
    flat = "theta.tolist()" if case.outputs == 1 else "theta.flatten().tolist()"
    code += [f"for name, value in zip(names, {flat}):", "    print(name, value)"]
    return Part("The result", "", code)


MODELS = {"linear": "A linear model", "logistic": "A linear model", "softmax": "A linear model", "mlp": "A perceptron"}
RULES = {"curvature": "Newton's method", "accelerated": "Nesterov's method", "lbfgs": "L-BFGS"}


def title(fit: Fit, style: str) -> str:
    """The script's first line: model, loss and rule, in words of ours alone."""
    kind = fit.spec.model.partition(":")[0] if isinstance(fit.spec.model, str) else ""
    model = (
        f"A polynomial of degree {fit.terms.degree}"
        if fit.terms and fit.terms.degree > 1
        else MODELS.get(kind, "A module")
    )
    loss = "a loss of your own" if fit.loss_function.custom else str(fit.loss_function)
    if style in ("closed", "scikit-learn"):
        return f"{model}: the best possible for the loss {loss}, {'by a formula' if style == 'closed' else 'by scikit-learn'}."
    rule = RULES.get(CHOSEN.get(fit.optimizer, ""), fit.optimizer)
    if fit.optimizer == Automatic.CURVATURE and style != "loop":
        rule = "L-BFGS"
    return f"{model} with the loss {loss}, fitted by {_plain(rule)}."


def _plain(name: str) -> str:
    return "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in " :.,()-'"))

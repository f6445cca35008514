"""A fit as a list of parts: data, model, loss, descent, result, in the order in which a script or a notebook has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from steepest.errors import SpecError
from steepest.export import closed, descents, linear, module, newton, rows, terms
from steepest.export.case import CHOSEN, Case
from steepest.export.descents import Moving
from steepest.export.python_text import Part, assigned, literal, number, shown
from steepest.formulas.rules import Automatic
from steepest.model.penalties import penalty
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
    if fit.spec.bounds and style in ("closed", "scikit-learn"):
        raise SpecError(f"style={style!r} knows no bounds. Use 'loop'.")
    if penalty(fit.spec.penalty).group and style in ("closed", "scikit-learn"):
        raise SpecError(f"style={style!r} knows no groups of coefficients. Use 'loop'.")
    train, test = rows_of(fit)
    train.check_in_memory("A script")
    case = Case(fit, train, test)
    found = rows.written(fit, train, test, file, notebook)
    if style in ("closed", "scikit-learn"):
        return [*closed.parts(case, found, style), result(case, found.target, []), closed.beside(case)], found.files
    if case.rule == "curvature" and style == "loop" and case.linear:
        return [*newton.parts(case, found), result(case, found.target, [])], found.files
    by_hand = style == "loop" and case.rule not in ("torch", "lbfgs")
    if case.linear:
        return _linear(case, found, style == "module", by_hand), found.files
    net = module.Net(case, found, file, notebook)
    parts = [found.part, *net.parts(), terms.loss(case), *net.penalty(), *_descent(case, net.moving(), found, by_hand)]
    if by_hand:
        parts.insert(-1, net.vector())
    return [*parts, net.ending()], found.files | net.files


def _descent(case: Case, moving: Moving, found: rows.Rows, by_hand: bool) -> list[Part]:
    loop = descents.by_hand(case, moving) if by_hand else descents.by_optimizer(case, moving)
    return [*descents.dealing(case, found.target), *descents.schedule(case)[1], loop]


def _linear(case: Case, found: rows.Rows, as_module: bool, by_hand: bool) -> list[Part]:
    y, frames = found.target, linear.coordinates(case)
    if case.rule == "curvature":
        newton.check(case)
        if case.loss.kinked or case.penalty.soft or case.walls is not None:
            raise SpecError(
                "torch.optim has no class for the curvature steps of this fit. Use style 'loop', not "
                f"{'module' if as_module else 'torch.optim'!r}."
            )
        frames = [newton.frame(case)] if frames else []
    v, m = linear.variables(case)
    drawn, start = linear.start(case)
    offset = bool(start and frames)
    ready = linear.tensors(case, y, ["A", *(["B", "M"] if frames else [])]) + drawn
    if drawn:
        ready.append(f"start = torch.tensor(start{case.kind})")
    if offset:
        ready.append(f"offset = {linear.product(case, 'A', 'start')}  # what the start predicts")
    first = f"torch.zeros({linear.width(case)}, dtype=torch.{case.spec.dtype}"
    if start and not frames:
        first = "start.clone()" if as_module else "start.clone().requires_grad_()"
    else:
        first += ")" if as_module else ", requires_grad=True)"
    used = f"model.{v}" if as_module else v
    turned = "[:, None]" if case.outputs > 1 else ""
    ahead = f"{'added{0}' + turned + ' + ' if case.added else ''}{'offset{0} + ' if offset else ''}"
    predicted = f"{ahead}model({'' if as_module else f'{v}, '}{m}{{0}})"
    user = v if not frames else linear.moved(case, start)
    seen = terms.penalty(case, user, v)
    text = (
        f"loss({predicted}, {y}{{0}}{', weights{0}' if case.weighted else ''}){f' + penalty({used})' if seen else ''}"
    )
    moving = Moving(
        variable=v,
        parameters="model.parameters()" if as_module else f"[{v}]",
        value=text.format,
        gradient=f"{v}.grad",
        clear=f"{v}.grad.zero_()",
        proximal=lambda lr: _proximal(case, used, start if frames else "", lr),
    )
    *before, descent = _descent(case, moving, found, by_hand)
    if not as_module:
        descent = replace(descent, code=[f"{v} = {first}", *descent.code])
    if case.walls is not None:
        inside = [f"    {line}" for line in _walls(case, used, start if frames else "")]
        begun = [*linear.walls(case, v), "with torch.no_grad():  # a start within the bounds", *inside]
        place = 0 if as_module else 1
        descent = replace(descent, code=[*descent.code[:place], *begun, *descent.code[place:]])
    if frames:
        at_end = [f"theta = {linear.moved(case, start, f'{used}.detach()')}"]
    else:
        at_end = ["theta = model.theta.detach()"] if as_module else []
    return [
        found.part, *linear.design(case, found), *frames, Part("Tensors", "", ready),
        _module(case, v, m, first) if as_module else _model(case, v, m),
        terms.loss(case), *terms.groups(case), *seen, *terms.soft(case), *before, descent, result(case, y, at_end),
    ]  # fmt: skip


def _model(case: Case, v: str, m: str) -> Part:
    names = case.terms.names
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
    walls = _walls(case, p, start)
    if not case.soft:
        return walls
    if case.groups:
        return _by_groups(case, p, start, rate)
    free, scales = terms.slopes(case, p), "M.diagonal()[1:]" if case.terms.intercept else "M.diagonal()"
    whole = free if free.endswith("]") else f"{free}[:]"
    units = "" if case.frame == "none" else f" * {scales}"
    threshold = f"threshold = {rate}{case.gain} * {number(case.penalty.l1)}{units}"
    if not start:
        return [threshold, f"{whole} = soft({free}, threshold)", *walls]
    shift = f"shift = {terms.slopes(case, start)} / {scales}"
    return [shift, threshold, f"{whole} = soft({free} + shift, threshold) - shift", *walls]


def _by_groups(case: Case, p: str, start: str, rate: str) -> list[str]:
    """Lines of the soft threshold on each group."""
    shift = " {} shift[group]" if start else ""
    given = f"{p}[group]{shift.format('+')}, threshold" + (", scale[group]" if case.frame != "none" else "")
    scaled = ["scale = torch.where(M.diagonal() > 0, M.diagonal(), 1.0)"] if case.frame != "none" else []
    return [
        *scaled,
        *([f"shift = {start} / scale"] if start else []),
        "for group in groups:",
        f"    threshold = {rate}{case.gain} * {number(case.penalty.group)} * len(group) ** 0.5",
        f"    {p}[group] = shrunk({given}){shift.format('-')}",
    ]


def _walls(case: Case, p: str, start: str) -> list[str]:
    """The line that takes the parameters to the nearest point within the bounds; none without."""
    if case.walls is None:
        return []
    shifted, back = (f" {sign} {start} / scale" if start else "" for sign in "+-")
    return [f"{p}.copy_(torch.minimum(torch.maximum({p}{shifted}, low), high){back})"]


def result(case: Case, y: str, code: list[str]) -> Part:
    """The loss, and θ by its names, printed."""
    added = terms.sizes(terms.slopes(case, "theta"), case.penalty.l1, case.penalty.l2, case.penalty.group)
    held_out = linear.predicted(case, "A_test", "theta.double()" if case.float32 else "theta", "_test")
    code = [*code, *terms.printed(case, linear.predicted(case, "A", "theta"), y, added, held_out)]
    code += assigned("names", "[", [literal(shown(name)) for name in case.names], "]")
    flat = "theta.tolist()" if case.outputs == 1 else "theta.flatten().tolist()"
    return Part("The result", "", [*code, f"for name, value in zip(names, {flat}):", "    print(name, value)"])


MODELS = {"linear": "A linear model", "logistic": "A linear model", "softmax": "A linear model", "mlp": "A perceptron"}
RULES = {"curvature": "Newton's method", "accelerated": "Nesterov's method", "lbfgs": "L-BFGS"}


def title(fit: Fit, style: str) -> str:
    """The script's first line: model, loss and rule, in words of ours alone."""
    kind = fit.spec.model.partition(":")[0] if isinstance(fit.spec.model, str) else ""
    model = MODELS.get(kind, "A module")
    if fit.terms and fit.terms.degree > 1:
        model = f"A polynomial of degree {fit.terms.degree}"
    loss = "a loss of your own" if fit.loss_function.custom else str(fit.loss_function)
    if style in ("closed", "scikit-learn"):
        return f"{model}: the best possible for the loss {loss}, {'by a formula' if style == 'closed' else 'by scikit-learn'}."
    rule = RULES.get(CHOSEN.get(fit.optimizer, ""), fit.optimizer)
    if fit.optimizer == Automatic.CURVATURE and style != "loop":
        rule = "L-BFGS"
    plain = "".join(letter for letter in rule if letter.isascii() and (letter.isalnum() or letter in " :.,()=_-'"))
    return f"{model} with the loss {loss}, fitted by {plain}."

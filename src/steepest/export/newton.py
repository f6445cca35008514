"""The default descent in code: steepest descent in the norm of the local curvature, which is Newton's method.

    smooth loss             damped Newton in standardised columns (one that is linear far out is stretched at first)
    an l1 penalty           the same, its quadratic model minimised coordinate by coordinate
    l1 and quantile losses  the kink rounded off, less and less, by the fit's own steps

Where the loss is smooth there is one optimum, and the script ends at the numbers of the fit though not by its steps.
"""

from __future__ import annotations

import numpy as np

from steepest.descent.newton import LONGEST_STAGE, SHRINK
from steepest.descent.stopping import CLOSED
from steepest.errors import FitError
from steepest.export import linear, terms
from steepest.export.case import Case
from steepest.export.python_text import Part, number
from steepest.export.rows import Rows
from steepest.export.sources import formula_texts

ANOTHER = "Fit with optimizer='sgd' (or another rule)."


def parts(case: Case, found: Rows) -> list[Part]:
    """The parts up to θ, in user units; what is printed follows."""
    check(case)
    if case.loss.kinked and (case.outputs > 1 or case.added or case.walls is not None):
        what = "bounds" if case.walls is not None else "an offset" if case.added else "several targets"
        raise _too_long(f"the loss {case.loss} and {what}")
    if case.walls is not None and case.penalty.l1:
        raise _too_long("an l1 penalty and bounds", "Fit with optimizer='sgd'.")
    if case.penalty.group:
        raise _too_long("a group penalty")
    v = linear.variables(case)[0]
    penalty = terms.penalty(case, linear.moved(case) if v == "c" else v, v)
    y, loss, design = found.target, terms.loss(case), [found.part, *linear.design(case, found)]
    if case.loss.kinked:
        if case.start is not None and case.start.any():
            raise FitError("This default fit did not begin at 0, and its script would be long. Fit with init='zeros'.")
        if case.penalty.l1:
            raise _too_long(
                f"the loss {case.loss} and an l1 penalty", f"Use style 'scikit-learn', or {ANOTHER.lower()}"
            )
        begun = Part("Tensors", "", linear.tensors(case, y, ["A", "B", "M"]))
        return [*design, *linear.coordinates(case), begun, loss, *penalty, *_rounded(case, y)]
    frames = [frame(case)] if case.frame != "none" else []
    begun = Part("Tensors", "", linear.tensors(case, y, ["A", *(["B", "M"] if frames else [])]))
    soft = [terms.SOFT] if case.soft else []
    return [*design, *frames, begun, loss, *penalty, *soft, _objective(case, y), _newton(case)]


def _too_long(what: str, remedy: str = ANOTHER) -> FitError:
    return FitError(f"With {what} the default descent is too long to be written out. {remedy}")


def check(case: Case) -> None:
    """FitError where the fit has no optimum that it arrived at."""
    fit = case.fit
    if not case.loss.convex:
        raise FitError(
            f"The loss {case.loss} is not convex, and the default descent to one of its minima is too long to be written out. "
            + ANOTHER
        )
    if fit.exact is not None and fit.exact.separable:
        why = "Rows at the end of what targets can be leave no minimum"
        why = "The classes are linearly separable" if case.loss.classes else why
        raise FitError(
            f"{why}, so the coefficients of this fit have no finite optimum. Fit with a penalty: penalty='l2:0.001'."
        )
    if case.loss.smooth and fit.relative_gap is not None and fit.relative_gap > CLOSED:
        raise FitError(
            "This fit ended before its curvature steps arrived, and the script would go on to the optimum. "
            "Fit with more epochs and without tol, or with optimizer='sgd'."
        )


def frame(case: Case) -> Part:
    """Well-conditioned columns."""
    powers = case.terms.degree > 2 and len(case.terms.columns) == 1 and not case.penalty.l1
    return linear.legendre(case) if powers else linear.standardised(case)


def _objective(case: Case, y: str) -> Part:
    """The smooth part of what is minimised, as a function of the moving parameters."""
    v, m = linear.variables(case)
    prediction, weights = linear.predicted(case, m, v), ", weights" if case.weighted else ""
    value, said = f"loss({prediction}, {y}{weights})", f"What is minimised, as a function of {v}."
    if case.loss.reach is not None:
        value = f"stretch * loss(({prediction}) / stretch, {y} / stretch{weights})"
        said = f"What is minimised, as a function of {v}; it is easier at first with a loss that is stretched out."
    if case.penalty.l2:
        value += f" + penalty({v})"
    return Part("The objective", said, [f"def objective({v}):", f"    return {value}"])


SAID = (
    "Steepest descent in the norm of the local curvature, which is Newton's method: a step to the minimum of the "
    "quadratic that touches the objective here, halved until it goes down."
)


def _stepped(case: Case, step: list[str], total: str) -> list[str]:
    """The loop of steps: gradient, curvature, `step`, and how much of it lowers `total`."""
    calculus, (v, _) = "torch.autograd.functional", linear.variables(case)
    body = [
        f"gradient = {calculus}.jacobian(objective, {v})" + (".flatten()" if case.outputs > 1 else ""),
        f"curvature = {calculus}.hessian(objective, {v})",
        *(["curvature = curvature.reshape(len(gradient), -1)"] if case.outputs > 1 else []),
        *step,
        f"if step.abs().max() <= 1e-14 * {v}.abs().max():",
        "    break",
        *([f"step = torch.minimum(torch.maximum({v} + step, low), high) - {v}"] if case.walls is not None else []),
        f"while {total}({v} + step) > {total}({v}) and step.abs().max() > 1e-15:",
        "    step /= 2",
        f"{v} += step",
    ]
    looped = ["for _ in range(50):", *(f"    {line}" for line in body)]
    if case.loss.reach is None:
        return looped
    longest = float(np.abs(case.train.y - np.median(case.train.y)).max()) / case.loss.reach
    powers = 1 + int(np.ceil(np.log(max(longest, 1.0)) / np.log(5.0)))
    stretched = [f"for power in range({powers}, -1, -1):", "    stretch = 5.0**power"]
    return [*stretched, *(f"    {line}" for line in looped)]


def _newton(case: Case) -> Part:
    (v, _), one, said, gauge = linear.variables(case), case.outputs == 1, SAID, list[str]()
    code = [f"{v} = torch.zeros({linear.width(case)}, dtype=torch.float64)"]
    if case.loss.family is not None and case.loss.family.positive:
        code = _started(case)
    if case.walls is not None:
        said += " Coefficients at a bound that the gradient pushes against are held there (Bertsekas 1982)."
        code += [*linear.walls(case, v), f"{v} = torch.minimum(torch.maximum({v}, low), high)"]
        step, total = _within(v), "objective"
    elif not case.penalty.l1:
        inverse = "torch.linalg.pinv(curvature, hermitian=True) @ gradient"
        step, total = [f"step = -{inverse}" if one else f"step = -({inverse}).view_as({v})"], "objective"
    else:
        said += " With an l1 penalty that quadratic has kinks; it is minimised in one coordinate after the other."
        step, total = _coordinate_by_coordinate(one), "total"
        scales = "M.diagonal()" if one else f"M.diagonal().repeat({case.outputs}, 1)"
        code.append(f"threshold = {number(case.penalty.l1)} * {scales}")
        if case.terms.intercept:
            code.append("threshold[0] = 0.0  # the intercept is free" if one else "threshold[:, 0] = 0.0")
        code += ["", "", "def total(c):", "    return objective(c) + (threshold * c.abs()).sum()", "", ""]
        if not one and case.loss.classes and case.terms.intercept:
            gauge = ["c[:, 0] -= c[:, 0].mean()  # one number added to all classes changes no probability"]
    user = [f"theta = {linear.moved(case)}"] if v == "c" else []
    return Part("The descent", said, [*code, *_stepped(case, step, total), *gauge, *user])


def _started(case: Case) -> list[str]:
    """A start at which all predictions are above 0, as the link needs."""
    lines, name = linear.start(case)
    v, turned = linear.variables(case)[0], "" if case.outputs == 1 else ".T"
    begun = f"torch.tensor({name})"
    return [*lines, f"{v} = {begun if v == 'theta' else f'torch.linalg.solve(M, {begun}{turned}){turned}'}"]


def _within(v: str) -> list[str]:
    """Newton's step in the coefficients that no bound holds."""
    return [
        f"flat, down = {v}.flatten(), gradient.flatten()",
        "free = ~(((flat <= low.flatten()) & (down > 0)) | ((flat >= high.flatten()) & (down < 0)))",
        "free &= low.flatten() < high.flatten()",
        "step = torch.zeros_like(flat)",
        "step[free] = -torch.linalg.pinv(curvature[free][:, free], hermitian=True) @ down[free]",
        f"step = step.view_as({v})",
    ]


def _coordinate_by_coordinate(one: bool) -> list[str]:
    """The step to the minimum of the local quadratic with an l1 penalty. one: whether there is one output."""
    c, t = ("c", "threshold") if one else ("flat", "t")
    return [
        "z = c.clone()" if one else "z, flat, t = c.flatten().clone(), c.flatten(), threshold.flatten()",
        "for _ in range(10_000):",
        "    before = z.clone()",
        "    for j in range(len(z)):",
        "        if curvature[j, j] > 0:",
        f"            pull = z[j] - (gradient[j] + curvature[j] @ (z - {c})) / curvature[j, j]",
        f"            z[j] = soft(pull, {t}[j] / curvature[j, j])",
        "    if (z - before).abs().max() <= 1e-15 * z.abs().max():",
        "        break",
        "step = z - c" if one else "step = (z - flat).view_as(c)",
    ]


def _rounded(case: Case, y: str) -> list[Part]:
    """Piecewise linear losses: the kinks rounded off, less and less. Here the script walks the fit's own steps."""
    penalty = " + penalty(c)" if case.penalty.l2 else ""
    if case.loss.pieces is None:
        return _several_kinks(case, y, penalty)
    low, high = case.loss.pieces
    half, tilt = (high - low) / 2, (high + low) / 2
    each = f"({number(round(half, 15))} * rounded + {number(round(tilt, 15))} * residual)"
    each = "rounded" if half == 1.0 and not tilt else each
    smooth = [
        "def smooth(c, delta):",
        f"    residual = {y} - B @ c",
        "    rounded = (residual**2 + delta**2).sqrt()",
        f"    return {_averaged(case, each)}{penalty}",
    ]
    row = _averaged(case, f"(delta**2 / (({y} - B @ c) ** 2 + delta**2) ** 1.5)")
    bent = row if half == 1.0 else f"{number(half)} * {row}"
    kink = "This loss has a kink at a residual of 0: its absolute value is rounded off to sqrt(residual**2 + delta**2)."
    first, spread = f"{y}.abs().mean().item()", f"({y} - B @ c).abs().mean().item()"
    return [Part("The rounded loss", kink, smooth), _stages(case, first, spread, bent)]


def _several_kinks(case: Case, y: str, penalty: str) -> list[Part]:
    """Losses with two kinks a row, or with a kink elsewhere than at the target."""
    choice = case.loss.choice
    assert choice is not None
    assert choice.kinks is not None
    numbers = {one.name: number(value) for one, value in zip(choice.numbers, case.loss.numbers, strict=True)}
    each = "(0.5 * ((high - low) * rounded + (high + low) * residual))"
    code = [
        f"kinks = [{', '.join(formula_texts(choice.kinks, {'target': y, **numbers})[1])}]",
        "",
        "",
        "def smooth(c, delta):",
        "    total = 0.0",
        "    for place, low, high in kinks:",
        "        residual = place - B @ c",
        "        rounded = (residual**2 + delta**2).sqrt()",
        f"        total = total + {_averaged(case, each)}",
        f"    return total{penalty}",
        "",
        "",
        "def spread(c):",
        "    return sum((place - B @ c).abs().mean().item() for place, _, _ in kinks) / len(kinks)",
    ]
    kink = (
        "This loss is a sum of max(high * residual, low * residual), the residual being that from the place of a kink: "
        "there its absolute value is rounded off to sqrt(residual**2 + delta**2)."
    )
    row = "(0.5 * (high - low) * delta**2 / ((place - B @ c) ** 2 + delta**2) ** 1.5)"
    bent = f"sum({_averaged(case, row)} for place, low, high in kinks)"
    return [Part("The rounded loss", kink, code), _stages(case, "spread(c)", "spread(c)", bent)]


def _stages(case: Case, first: str, spread: str, bent: str) -> Part:
    """Newton's method on the rounded loss. first, spread: the mean residual at the start and at c. bent: the mean curvature."""
    flat = "curvature[0, 0]" if case.terms.intercept else "flat"
    calculus, smoothed = "torch.autograd.functional", "lambda c: smooth(c, delta)"
    code = [
        f"c = torch.zeros({linear.width(case)}, dtype=torch.float64)",
        f"delta, damping, rounds, first = {first}, 0.0, 0, smooth(c, 0.0)",
        f"for _ in range({case.fit.steps}):",
        f"    gradient = {calculus}.jacobian({smoothed}, c)",
        f"    curvature = {calculus}.hessian({smoothed}, c)",
        *([] if case.terms.intercept else [f"    flat = {bent}"]),
        f"    unit = curvature.diagonal().clamp(min={flat}.item())",
        "    value, tries = smooth(c, delta), 0",
        "    promised = -gradient @ torch.linalg.solve(curvature, gradient)",
        "    noise = max(value, 1e-12 * first) * torch.finfo(torch.float64).eps",
        "    while True:  # a damped step is shorter, and nearer to the gradient's direction",
        "        step = -torch.linalg.solve(curvature + damping * torch.diag(unit), gradient)",
        "        fall, tries = gradient @ step, tries + 1",
        "        if smooth(c + step, delta) <= value + 1e-4 * fall + noise or tries == 60:",
        "            break",
        "        damping = max(10 * damping, 1e-9)",
        "    c += step",
        "    damping, rounds = 0.0 if damping < 1e-8 else damping / (10 if tries == 1 else 2), rounds + 1",
        "    bias = (smooth(c, delta) - smooth(c, 0.0)).abs()",
        f"    if -promised <= max(0.1 * bias, 4 * noise) or rounds == {LONGEST_STAGE}:",
        f"        delta = min({SHRINK} * delta, {spread})",
        "        damping, rounds = 0.0, 0",
        f"theta = {linear.moved(case)}",
    ]
    said = (
        "Newton's method on the rounded loss. Whenever that is as good as minimised, the rounding delta shrinks. "
        f"The fit took {case.fit.steps} such steps."
    )
    return Part("The descent", said, code)


def _averaged(case: Case, each: str) -> str:
    return f"(weights * {each}).mean()" if case.weighted else f"{each}.mean()"

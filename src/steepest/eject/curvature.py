"""The default descent in code: steepest descent in the norm of the local curvature, which is Newton's method.

    smooth loss             damped Newton in standardised columns (huber's: its width shrinks to the one asked for)
    an l1 penalty           the same, its quadratic model minimised coordinate by coordinate
    l1 and quantile losses  a linear programme: the descent's own way, rounding the kink off less and less, is long

All of them end at the one optimum, and so at the numbers of the fit, though not by its steps.
"""

from __future__ import annotations

import numpy as np

from steepest.eject import linear, terms
from steepest.eject.case import Case
from steepest.eject.rows import Rows
from steepest.eject.text import Part, number
from steepest.errors import FitError
from steepest.problem import losses
from steepest.result import CLOSED, CLOSED_KINKED

TORCH = frozenset({"import torch"})
NUMPY = frozenset({"import numpy as np"})
FUNCTIONAL = frozenset({"import torch.nn.functional as F"})


def parts(case: Case, found: Rows) -> list[Part]:
    """The parts up to θ, in user units; what is printed follows."""
    check(case)
    made, y = linear.design(case, found), found.target
    if case.loss.bound is None:
        begun = linear.tensors(case, y, ["A"], made)
        begun = Part(begun.title, begun.prose, [*begun.code, "theta = torch.tensor(theta)"], begun.imports)
        return [found.part, *made.parts, _programme(case, y), begun, terms.loss(case)]
    frames = [frame(case)] if case.frame != "none" else []
    begun = linear.tensors(case, y, ["A", "B", "M"] if frames else ["A"], made)
    newton = _proximal_newton(case) if case.penalty.l1 else _newton(case)
    if frames:
        newton = Part(newton.title, newton.prose, [*newton.code, f"theta = {linear.moved(case, '')}"], newton.imports)
    soft = [terms.SOFT] if case.penalty.l1 else []
    return [found.part, *made.parts, *frames, begun, terms.loss(case), *soft, _objective(case, y), newton]


def check(case: Case) -> None:
    """FitError where the fit has no optimum that it arrived at."""
    fit = case.fit
    if fit.exact is not None and fit.exact.separable:
        raise FitError(
            "The classes can be separated, so the coefficients of this fit have no end to arrive at. "
            "Fit with a penalty: --penalty l2:0.001 (in Python: penalty='l2:0.001')."
        )
    closed = CLOSED_KINKED if case.loss.bound is None else CLOSED
    if fit.relative_gap is not None and fit.relative_gap > closed:
        raise FitError(
            "This fit ended before its curvature steps arrived, and the script would go on to the optimum. "
            "Fit with more epochs and without tol, or with optimizer='sgd'."
        )


def frame(case: Case) -> Part:
    """Well-conditioned columns."""
    fit_terms = case.fit.terms
    assert fit_terms is not None
    if fit_terms.degree > 2 and len(fit_terms.columns) == 1 and not case.penalty.l1:
        return linear.legendre(fit_terms.degree, fit_terms.intercept, case.weighted)
    return linear.standardised(case)


def _objective(case: Case, y: str) -> Part:
    """The smooth part of what is minimised, as a function of the moving parameters."""
    v, m = linear.variables(case)
    prediction, weights = linear.product(case, m, v), ", weights" if case.weighted else ""
    code, value, imports = [f"def objective({v}):"], f"loss({prediction}, {y}{weights})", TORCH
    said = f"What is minimised, as a function of {v}."
    if isinstance(case.loss, losses.Huber):
        apart = terms.APART if case.weighted else ""
        code = [f"def objective({v}):", f"    wide = F.huber_loss({prediction}, {y}, delta=width{apart})"]
        value = "(weights * wide).mean()" if case.weighted else "wide"
        value, imports = f"{number(case.loss.width)} / width * {value}", TORCH | FUNCTIONAL
        said = f"What is minimised, as a function of {v}; it is easier at first with a greater width."
    if case.penalty.l2:
        free = terms.slopes(case, "theta")
        code += [f"    theta = {linear.moved(case, '')}"] if v == "c" else []
        value += f" + {number(case.penalty.l2)} * ({free} ** 2).sum()"
        value = value if "[" in free else value.replace(" ** 2", "**2")
    return Part("The objective", said, [*code, f"    return {value}"], imports)


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
        f"while {total}({v} + step) > {total}({v}) and step.abs().max() > 1e-15:",
        "    step /= 2",
        f"{v} += step",
    ]
    looped = ["for _ in range(50):", *(f"    {line}" for line in body)]
    if not isinstance(case.loss, losses.Huber):
        return looped
    longest = float(np.abs(case.train.y - np.median(case.train.y)).max()) / case.loss.width
    powers = 1 + int(np.ceil(np.log(max(longest, 1.0)) / np.log(5.0)))
    width = [f"for power in range({powers}, -1, -1):", f"    width = {number(case.loss.width)} * 5.0**power"]
    return [*width, *(f"    {line}" for line in looped)]


def _zeros(case: Case) -> str:
    return f"{linear.variables(case)[0]} = torch.zeros({linear.width(case)}, dtype=torch.float64)"


def _newton(case: Case) -> Part:
    inverse = "torch.linalg.pinv(curvature, hermitian=True) @ gradient"
    step = [f"step = -({inverse}).view_as({linear.variables(case)[0]})" if case.outputs > 1 else f"step = -{inverse}"]
    code = [_zeros(case), *_stepped(case, step, "objective")]
    return Part("The descent", SAID, code, TORCH)


def _proximal_newton(case: Case) -> Part:
    assert case.fit.terms is not None
    scales = "M.diagonal()" if case.outputs == 1 else f"M.diagonal().repeat({case.outputs}, 1)"
    threshold = [f"threshold = {number(case.penalty.l1)} * {scales}"]
    if case.fit.terms.intercept:
        threshold.append(
            "threshold[0] = 0.0  # the intercept is free" if case.outputs == 1 else "threshold[:, 0] = 0.0"
        )
    one = case.outputs == 1
    flat, t = ("c", "threshold") if one else ("flat", "t")
    step = [
        "z = c.clone()" if one else "z, flat, t = c.flatten().clone(), c.flatten(), threshold.flatten()",
        "for _ in range(10_000):",
        "    before = z.clone()",
        "    for j in range(len(z)):",
        "        if curvature[j, j] > 0:",
        f"            pull = z[j] - (gradient[j] + curvature[j] @ (z - {flat})) / curvature[j, j]",
        f"            z[j] = soft(pull, {t}[j] / curvature[j, j])",
        "    if (z - before).abs().max() <= 1e-15 * z.abs().max():",
        "        break",
        "step = z - c" if one else "step = (z - flat).view_as(c)",
    ]
    code = [_zeros(case), *threshold]
    code += ["", "", "def total(c):", "    return objective(c) + (threshold * c.abs()).sum()", "", ""]
    gauge = []
    if case.outputs > 1 and case.loss.classes and case.fit.terms.intercept:
        gauge = ["c[:, 0] -= c[:, 0].mean()  # one number added to all classes changes no probability"]
    said = SAID + " With an l1 penalty that quadratic has kinks; it is minimised in one coordinate after the other."
    return Part("The descent", said, [*code, *_stepped(case, step, "total"), *gauge], TORCH)


def _programme(case: Case, y: str) -> Part:
    """l1 and quantile as a linear programme, penalty l1 included."""
    if case.penalty.l2 or not isinstance(case.loss, losses.L1 | losses.Quantile):
        raise FitError(
            f"With the loss {case.loss} and an l2 penalty the default descent is too long to be written out. "
            "Fit with optimizer='sgd' (or another rule)."
        )
    level = case.loss.level if isinstance(case.loss, losses.Quantile) else None
    up, down = ("1.0", "1.0") if level is None else (number(level), number(1.0 - level))
    share = "weights / weights.sum()" if case.weighted else "np.full(n, 1 / n)"
    free = "np.zeros(p)"
    before = []
    if case.penalty.l1:
        assert case.fit.terms is not None
        free = f"np.full(p, {number(case.penalty.l1)})"
        if case.fit.terms.intercept:
            before, free = [f"penalty = {free}", "penalty[0] = 0.0  # the intercept is free"], "penalty"
    code = [
        "n, p = A.shape",
        f"share = {share}",
        *before,
        f"costs = np.concatenate([{free}, {free}, {up} * share, {down} * share])".replace("1.0 * share", "share"),
        "parts = scipy.sparse.hstack([A, -A, scipy.sparse.eye_array(n), -scipy.sparse.eye_array(n)])",
        f'found = scipy.optimize.linprog(costs, A_eq=parts, b_eq={y}, method="highs")',
        "theta = found.x[:p] - found.x[p : 2 * p]",
    ]
    said = (
        "This loss has a kink, and its optimum lies at a corner: theta and the residuals, each as a difference of two "
        "numbers that are not negative, are what a linear programme looks for."
    )
    if case.fit.exact is not None and case.fit.exact.theta is not None:
        off = float(np.abs(case.fit.theta - case.fit.exact.theta).max())
        said += f" The fit itself descended, and its coefficients are off from the corner by {off:.0e} at most."
    return Part("The answer", said, code, NUMPY | {"import scipy"})

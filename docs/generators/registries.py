"""The pages of the mathematics that are read off the registries in `steepest.formulas`: a section for each member.

A new loss, rule, schedule, penalty, model or start has its section by being in its registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from generators import curves, latex
from steepest.choices import Choice, Number, parse
from steepest.formulas import inits, losses, models, penalties, rules, schedules, updates

NUMBERS = {"D": 1.0, "Q": 0.75, "N": 25, "F": 0.5}
"""What the numbers of a drawing are, by their sign; defaults where there are."""

COUPLED = r"\ell(f, y) = \log \sum_j \exp f_j - f_y"
"""Cross-entropy couples the outputs of a row, so it has no elementwise formula in the registry."""

OF_RULES = {"g": "g_t", "lr": r"\eta", "velocity": "v", "squares": "s", "moves": "u", "mean": "m", "move": "d", "t": "t",
            "beta": r"\beta", "root": r"\mathit{root}", "theta": r"\theta_t", "value": r"F(\theta_t)", "moving": "z",
            "averaged": r"\bar\theta", "origin": r"\theta_0", "estimate": "d", "drift": "m", "first": "R", "radius": r"\rho",
            "least": "F^*", "weight_sum": "W_t", "top_rate": r"\hat\eta", "shrink": "B", "decay": "W"}  # fmt: skip
OF_MATRICES = {
    "muon": r"""M \leftarrow \beta M + (1 - \beta) G \qquad W \leftarrow W - 0.2\sqrt{\max(a, b)}\;\eta
\operatorname{orth}\big((1 - \beta) G + \beta M\big)""",
    "shampoo": r"""W \leftarrow W - \eta \big(\epsilon I + \sum G G^\top\big)^{-\frac{1}{4}} G
\big(\epsilon I + \sum G^\top G\big)^{-\frac{1}{4}}""",
}
"""Of rules for weight matrices: W of a × b numbers, its gradient G."""

OF_SCHEDULES = {"step": "t", "steps": "T", "epoch": "e"}


def losses_page() -> str:
    """All losses."""
    return _sections(losses.LOSSES, _loss)


def rules_page() -> str:
    """All rules."""
    return _sections(rules.RULES, _rule)


def schedules_page() -> str:
    """All schedules."""
    return _sections(schedules.SCHEDULES, _schedule)


def penalties_page() -> str:
    """All penalties."""
    return _sections(penalties.PENALTIES, _penalty)


def models_page() -> str:
    """All models."""
    return _sections(models.MODELS, _model)


def inits_page() -> str:
    """All starts that have a name."""
    return _sections(inits.INITS, lambda choice: iter(()))


def _sections(registry: dict[str, Any], more: Callable[[Any], Iterator[str]]) -> str:
    return "\n\n".join(_section(choice, list(more(choice))) for choice in registry.values())


def _section(choice: Choice, parts: list[str]) -> str:
    source = f"*Source*: {choice.source}." if choice.source else ""
    head = [
        f"## `{choice.name}`",
        choice.text,
        f"Written `{choice.shape}`." if choice.numbers else "",
        _numbers(choice),
    ]
    return "\n\n".join(part for part in (*head, *parts, source) if part)


def _numbers(choice: Choice) -> str:
    return "\n".join(
        f"- `{sign}`: {_number(number)}" for sign, number in zip(_signs(choice), choice.numbers, strict=True)
    )


def _number(number: Number) -> str:
    default = "" if number.default is None else f" Default {number.default:g}."
    return f"the {number.name}, {number.rule or 'any number'}.{default}"


def _signs(choice: Choice) -> list[str]:
    return [number.symbol or "ABCDEF"[place] for place, number in enumerate(choice.numbers)]


def _formula(text: str) -> str:
    return f"$$\n{text}\n$$"


def _drawn(choice: Choice) -> tuple[float, ...]:
    """Numbers for a drawing."""
    return tuple(NUMBERS.get(number.symbol, number.default or 1.0) for number in choice.numbers)


def _loss(choice: Choice) -> Iterator[str]:
    if not isinstance(choice, losses.LossChoice):
        return
    if choice.value is None:
        yield _formula(COUPLED)
    else:
        yield _formula(latex.displayed(choice.value, _of_loss(choice, choice.value), r"\ell(f, y) = "))
    if choice.slope is not None:
        slope = latex.displayed(choice.slope, _of_loss(choice, choice.slope), r"\frac{\partial \ell}{\partial f} = ")
        yield f"Its slope in the prediction:\n\n{_formula(slope)}"
    if choice.curvature is not None:
        names = _of_loss(choice, choice.curvature)
        second = latex.displayed(choice.curvature, names, r"\frac{\partial^2 \ell}{\partial f^2} = ")
        yield f"Its curvature:\n\n{_formula(second)}"
    yield _facts(choice)
    if choice.value is not None and choice.slope is not None:
        f = np.linspace(-3.0, 3.0, 241)
        y = np.ones_like(f) if choice.classes or choice.family else np.zeros_like(f)
        numbers = _drawn(choice)
        drawn = {"loss": choice.value(f, y, *numbers), "slope": choice.slope(f, y, *numbers)}
        shown = "the log-odds f, where y is 1" if choice.classes else "the residual f − y"
        shown = shown if choice.family is None else f"f, {choice.family.text}, where y is 1"
        yield curves.drawing(f, drawn, shown, most=4.0, least=-2.0)


def _of_loss(choice: Choice, function: Any) -> dict[str, str]:
    """The arguments' names as they are on the page: prediction f, target y, the loss's own number by its sign."""
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    return dict(zip(arguments, ("f", "y", *_signs(choice)), strict=True)) | {"residual": "r", "wrong": "p"}


def _facts(choice: losses.LossChoice) -> str:
    """What solvers and engines know of it, as sentences."""
    facts = ["It is reduced by the mean over rows" + (" and over the targets." if choice.several else ".")]
    at = f" at {choice.shape.partition(':')[0]}:{_drawn(choice)[0]:g}" if choice.numbers else ""
    if choice.kinked:
        facts.append("Its slope jumps, so that no constant rate brings a descent to the optimum: let the rate decay.")
    elif choice.bound is None:
        facts.append("Its curvature in the prediction has no limit: what rate holds depends on where the descent is.")
    else:
        facts.append(f"Its curvature in the prediction is at most {choice.bound(*_drawn(choice)):g}{at}.")
    if choice.family is not None:
        facts.append(
            f"The prediction is {choice.family.text}, and `fit.predict` gives the mean. Its target is {choice.family.targets}."
        )
    else:
        facts.append("Its target is classes." if choice.classes else "Its target is numbers.")
    solved = {
        "least squares": "QR, or an active set with an `l1` penalty", "smooth": "Newton's method",
        "family": "Newton's method, and a linear programme that tells whether zeros leave a minimum",
        "classes": "Newton's method, and a linear programme that tells whether the classes are separable",
        "linear programme": "a linear programme (HiGHS), with an l2 penalty a quadratic one (interior points)",
    }.get(choice.problem)  # fmt: skip
    unsolved = "It has no exact answer." if choice.convex else "It is not convex, and so has no exact answer."
    facts.append(f"The exact answer beside a descent is found by {solved}." if solved else unsolved)
    return " ".join(facts) + (f" {choice.no_estimator}" if choice.no_estimator else "")


def _rule(choice: Choice) -> Iterator[str]:
    if choice.name in OF_MATRICES:
        yield _formula(OF_MATRICES[choice.name])
    if not isinstance(choice, rules.RuleFormula):
        return
    names = OF_RULES | {
        name: sign for name, sign in (("alpha", r"\alpha"), ("rho", r"\rho")) if name in choice.constants
    }
    yield _formula(latex.displayed(choice.formula, names, r"\theta_{t+1} = \theta_t - "))
    if choice.uphill is not None:
        yield "where the gradient is taken anew, at\n\n" + _formula(
            latex.displayed(choice.uphill, names, r"\theta_t + ")
        )
    if choice.keeps:
        made_of = {"g": "g", "before": r"\tilde g", "mean": r"\bar g"}
        yield (
            "where the gradient is one of less variance: the batch's, that of the same rows before, and the mean of all rows'\n\n"
            + (_formula(latex.displayed(updates.less_varied, made_of, "g_t = ")))
        )
    if choice.answer:
        yield f"The answer is ${names[choice.answer]}$; the gradient is taken at $\\theta_t$."
    if choice.decays and "decay" not in choice.constants:
        yield "Before the step each parameter decays by itself, which minimises no objective:\n\n" + _formula(
            r"\theta_t \leftarrow (1 - \eta\,W)\,\theta_t"
        )
    memories = f" {_begins(choice)}"
    same = f"The same as `torch.optim.{choice.torch_name}`." if choice.torch_name else "PyTorch has no class for it."
    yield f"{same}{memories if choice.memories else ''}" + (
        " Its step is linear in the gradient, so that [the theory of a quadratic](theory.md) holds."
        if choice.linear
        else ""
    )
    yield _path(choice)


def _begins(choice: rules.RuleFormula) -> str:
    """What a rule's memories begin at."""
    found = []
    for first in dict.fromkeys(choice.first):
        names = [f"*{name}*" for name, one in zip(choice.memories, choice.first, strict=True) if one == first]
        at = "$\\theta_0$" if first is None else f"{first:g}"
        found.append(f"{at} ({', '.join(names)})")
    return f"What it remembers of each parameter begins at {' and '.join(found)}."


def _path(choice: rules.RuleFormula) -> str:
    """F over the steps on ½(θ₁² + 10·θ₂²) from (1, 1), by the formula itself."""
    numbers, decay = choice.split(parse(choice.name, rules.RULES, "optimizer").numbers)
    rate = {True: 0.09, False: 0.1}[choice.linear] if choice.own_lr is None else choice.own_lr
    rate *= 1.0 - numbers[0] if choice.momentum else 1.0
    theta, curvature, steps = np.ones(2), np.array([1.0, 10.0]), 60
    memory: tuple[Any, ...] = tuple(np.ones(2) if first is None else np.full(2, first) for first in choice.first)
    values = [5.5]
    for t in range(1, steps + 1):
        theta = theta * (1.0 - rate * decay)
        there = theta if choice.uphill is None else theta + choice.uphill(curvature * theta, *numbers)
        value = 0.5 * np.sum(curvature * theta**2, keepdims=True)
        step, *rest = choice.moved(theta, curvature * there, memory, rate, t, numbers, value)
        theta, memory = theta - step, tuple(rest)
        answer = memory[choice.memories.index(choice.answer)] if choice.answer else theta
        values.append(float(0.5 * np.sum(curvature * answer**2)))
    shown = f"the steps on ½(θ₁² + 10θ₂²) from (1, 1), lr = {rate:.2g}"
    return curves.drawing(np.arange(steps + 1.0), {"objective": np.array(values)}, shown, least=0.0, most=5.5)


def _schedule(choice: Choice) -> Iterator[str]:
    if isinstance(choice, schedules.Waiting):
        lower = r"F(\theta_e) \ge (1 - 10^{-4}) \min_{i < e} F(\theta_i)"
        yield _formula(
            rf"\eta \leftarrow \mathrm{{F}} \cdot \eta \quad\text{{after more than }} N \text{{ epochs with }} {lower}"
        )
        yield "The same as `torch.optim.lr_scheduler.ReduceLROnPlateau` given that objective; it is known on the way only."
    if not isinstance(choice, schedules.ScheduleFormula):
        return
    names = OF_SCHEDULES | dict(zip(choice.constants, _signs(choice), strict=True))
    yield _formula(latex.displayed(choice.formula, names, r"\eta_t = \eta \cdot "))
    if choice.torch_name:
        yield f"The same as `torch.optim.lr_scheduler.{choice.torch_name}`."
    step = np.arange(100.0)
    factors = np.broadcast_to(choice.factor(step, step, 100, _drawn(choice)), step.shape)
    yield curves.drawing(
        step, {"factor": np.asarray(factors)}, "the step, of 100 with a full batch", least=0.0, most=1.0
    )


def _penalty(choice: Choice) -> Iterator[str]:
    if not isinstance(choice, penalties.PenaltyChoice):
        return
    weights = choice.weights(*_signs(choice))
    sums = (
        r"\sum_j \left|\theta_j\right|", r"\sum_j \theta_j^2", r"\sum_g \sqrt{|g|}\,\left\|\theta_g\right\|_2",
    )  # fmt: skip
    terms = [rf"{weight} {total}" for weight, total in zip(weights, sums, strict=True) if weight != 0.0]
    yield _formula(rf"F(\theta) = \frac{{1}}{{n}} \sum_i \ell_i(\theta) + {' + '.join(terms)}") if terms else ""


def _model(choice: Choice) -> Iterator[str]:
    by_name = {
        "linear": r"f(x) = \theta_0 + \sum_j \theta_j x_j",
        "poly": r"f(x) = \theta_0 + \sum_j \sum_{p=1}^{\mathit{DEGREE}} \theta_{jp}\, x_j^{\,p}",
        "logistic": r"P(y = 1 \mid x) = \frac{1}{1 + \exp(-\theta_0 - \sum_j \theta_j x_j)}",
        "softmax": r"P(k \mid x) = \frac{\exp f_k(x)}{\sum_j \exp f_j(x)}, \quad f_k(x) = \theta_{k0} + \sum_j \theta_{kj} x_j",
        "mlp": r"f(x) = A_L\,\mathrm{relu}(\cdots \mathrm{relu}(A_1 x + b_1) \cdots) + b_L, \qquad \mathrm{relu}(z) = \max(z, 0)",
    }  # fmt: skip
    yield _formula(by_name[choice.name])

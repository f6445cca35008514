"""The loop in code: batches in the fit's own order, the rate, the rule by hand or from torch.optim.

for step in range(100):                 for epoch in range(20):
    …                                       for rows in batches(epoch):
                                                …
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from steepest.data import batching
from steepest.data.wording import counted
from steepest.descent import averaging
from steepest.descent.plateau import THRESHOLD
from steepest.errors import FitError, SpecError
from steepest.export.case import Case
from steepest.export.python_text import Part, called, number
from steepest.export.reduced_gradients import reduced_gradient
from steepest.export.sources import formula_text, source
from steepest.formulas.rule_formula import RuleFormula
from steepest.formulas.updates import EPSILON


@dataclass(frozen=True)
class Moving:
    """What moves, and what it is moved by.

    variable: the tensor moved by hand. parameters: what torch.optim is given. value: the objective of a batch, by its
    index ("", or "[rows]"). clear: how gradients are set to 0. gradient: the gradient, after backward().
    proximal: lines for a learning rate. before: lines ahead of each step.
    """

    variable: str
    parameters: str
    value: Callable[[str], str]
    gradient: str
    clear: str
    proximal: Callable[[str], list[str]]
    before: Sequence[str] = ()


def dealing(case: Case, target: str) -> list[Part]:
    """The function that deals the batches of an epoch; nothing for a full batch."""
    if case.batch is None:
        return []
    shuffle, seed, n, size = case.spec.shuffle, case.spec.seed, f"len({target})", case.batch
    if shuffle == "none":
        said = f"Batches of {size} rows, in the table's own order."
        return [Part("Batches", said, [f"batches = torch.arange({n}).split({size})"])]
    key = f"[{seed}, epoch]"
    code = ["def batches(epoch):"]
    if seed >= 2**63:
        code, key = [*code, f"    key = np.array({key}, dtype=np.uint64)"], "key"
    code.append(f"    random = np.random.Generator(np.random.Philox(key={key}))")
    count = case.batching.steps_per_epoch
    if shuffle == "draws":
        said = f"Batches of {size} rows, each drawn independently."
        code += [f"    return torch.from_numpy(random.integers({n}, size={count * size})).split({size})"]
    elif shuffle == "blocks":
        said = f"Blocks of {size} neighbouring rows, in random order."
        code += [
            f"    blocks = torch.arange({n}).split({size})",
            f"    return [blocks[i] for i in random.permutation({count})]",
        ]
    elif case.train.rows < batching.MANY:
        said = f"Batches of {size} rows: all rows in a fresh order each epoch."
        code += [f"    return torch.from_numpy(random.permutation({n})).split({size})"]
    else:
        said = f"Batches of {size} rows: all rows in a fresh order each epoch, by Fisher's and Yates's shuffle."
        code += [
            f"    rows, draws = list(range({n})), random.random({n})",
            f"    for i in range({n} - 1, 0, -1):",
            "        other = int(draws[i] * (i + 1))",
            "        rows[i], rows[other] = rows[other], rows[i]",
            f"    return torch.tensor(rows).split({size})",
        ]
    said += " The draws depend on the seed and the epoch alone."
    return [Part("Batches", said, code)]


# ---- the learning rate -----------------------------------------------------------------------------


def schedule(case: Case) -> tuple[str, list[Part]]:
    """The factor on the learning rate, of `step` or `epoch` ("" where it is always 1), and the parts that it needs."""
    epoch, formula = ("step" if case.batch is None else "epoch"), case.schedule
    if case.plateau:
        return "lowered", []
    if formula is None:
        name, lines, imports = source(case.spec.schedule, "schedule")
        said = "The factor on the learning rate." if lines else ""
        return f"{name}(step, {epoch})", [Part("The schedule", said, lines, imports)]
    names = {
        "epoch": epoch,
        "steps": str(case.batching.steps),
        "cos": "math.cos",
        "pi": "math.pi",
        "minimum": "min",
        "power": "math.pow",
    }
    numbers = map(number, case.schedule_numbers)
    factor = formula_text(formula.formula, names | dict(zip(formula.constants, numbers, strict=True)))[1]
    if isinstance(getattr(ast.parse(factor, mode="eval").body, "op", None), ast.Add):
        factor = f"({factor})"
    return (factor if formula.arguments else ""), []


def _plateau(case: Case, moving: Moving) -> tuple[list[str], list[str]]:
    """The factor of a schedule that waits: its beginning, and what is done after each epoch."""
    if case.spec.accumulate > 1 and moving.before:
        raise FitError(
            "A script cannot write accumulate= out beside a module that is another in training. Fit with larger batches."
        )
    if not case.plateau:
        return [], []
    if case.soft or moving.before or case.walls is not None:
        what = (
            "bounds"
            if case.walls is not None
            else f"{case.penalty.article} penalty"
            if case.soft
            else "a module that is another in training than in evaluation"
        )
        raise FitError(
            f"A script cannot write schedule={case.fit.schedule!r} out beside {what}. Fit with another schedule."
        )
    lower, patience = map(number, case.plateau)
    after = [
        "with torch.no_grad():",
        f"    objective = {moving.value('')}.item()",
        f"if objective < best * (1 - {THRESHOLD:g}):",
        "    best, waited = objective, 0",
        "else:",
        "    waited += 1",
        f"if waited > {patience}:",
        f"    lowered, waited = lowered * {lower}, 0",
    ]
    return ["lowered, best, waited = 1.0, math.inf, 0"], after


# ---- the rules by hand -----------------------------------------------------------------------------


def _by_hand(case: Case, p: str, g: str, lr: str, proximal: list[str]) -> tuple[str, list[str], list[str]]:
    """What the rule is, its memory before the first step, and its update for a gradient g."""
    if case.formula is not None:
        said, memory, update = _by_formula(case, case.formula, p, g, lr)
        return said, memory, [*update, *proximal]
    if case.rule != "accelerated":
        raise SpecError("This rule is one of PyTorch's own: use style 'torch.optim'.")
    said = "Nesterov's method: momentum that grows as (k - 1) / (k + 2), and is dropped when it points uphill."
    update = [
        f"moved = {p} - {lr} * {g}",
        *(re.sub(rf"\b{p}\b", "moved", line) for line in proximal),
        f"uphill = (({p} - moved) * (moved - before)).sum() > 0",
        "k = 1 if uphill else k + 1",
        f"{p}.copy_(moved + (k - 1) / (k + 2) * (moved - before))",
        "before = moved",
    ]
    return said, [f"before, k = {p}.detach().clone(), 0"], update


def _by_formula(case: Case, rule: RuleFormula, p: str, g: str, lr: str) -> tuple[str, list[str], list[str]]:
    """A rule's formula as it stands in `formulas/rules.py`."""
    said = rule.text
    if case.rule == "sgd" and case.batch is not None:
        said = "Stochastic gradient descent: a step against the gradient of a few rows."
    numbers, decay = rule.split(case.numbers)
    names = _names(p, g, lr)
    lines, step = formula_text(rule.formula, names)
    memory = [f"{', '.join(rule.constants)} = {', '.join(map(number, numbers))}"] if numbers else []
    for first in dict.fromkeys(rule.first):
        these = [name for name, value in zip(rule.memories, rule.first, strict=True) if value == first]
        value = f"torch.full_like({p}, {number(first or 0.0)})" if first else f"torch.zeros_like({p})"
        value = f"{p}.detach().clone()" if first is None else value
        memory.append(f"{', '.join(these)} = {', '.join([value] * len(these))}")
    decays = [f"{p} *= 1 - {lr} * {number(decay)}"] if decay else []
    return said, memory, [*lines, *decays, f"{p} -= {step}"]


def _names(p: str, g: str, lr: str) -> dict[str, str]:
    """What the names of a rule's formula are in a script."""
    named = {"theta": p, "g": g, "lr": lr, "t": "(step + 1)", "total": "torch.sum"}
    return named | {"EPSILON": f"{EPSILON:.0e}".replace("e-0", "e-")}


def by_hand(case: Case, moving: Moving) -> Part:
    """The loop with the rule written out."""
    factor, clip = schedule(case)[0], case.spec.clip
    again, reduced = reduced_gradient(case, moving.variable, moving.gradient, moving.value(""))
    lr, plain = "rate" if factor else "lr", case.rule == "sgd" and clip is None
    g = moving.gradient if plain else "gradient"
    said, memory, moved = _by_hand(
        case, moving.variable, g, lr, moving.proximal(lr) if case.soft or case.walls is not None else []
    )
    seen = [] if plain else [f"gradient = {reduced or moving.gradient}"]
    if clip is not None:
        seen.append(f"gradient = gradient * ({number(clip)} / (gradient.norm() + 1e-6)).clamp(max=1.0)  # clipped")
    uphill = None if case.formula is None else case.formula.uphill
    answer = "" if case.formula is None else case.formula.answer
    begin, mean, end = _averages(case, moving.variable, "", answer or moving.variable)
    shift = f"{moving.variable} -= shift  # back to where the step begins"
    update = [*seen, *([shift] if uphill else []), *moved, *mean]
    changes = [f"rate = lr * {factor}".replace("* 1.0 /", "/")] if factor else []

    def body(index: str) -> list[str]:
        measure = [f"value = {moving.value(index)}", "value.backward()"]
        clear = f"{moving.clear}  # gradients add up until they are zeroed"
        untracked = "with torch.no_grad():  # the update itself is not to be differentiated"
        if reduced:
            measure = [*again(measure, clear), *measure]
        if uphill is not None:
            lines, way = formula_text(uphill, _names(moving.variable, "gradient", lr))
            look = [*seen, *lines, f"shift = {way}", f"{moving.variable} += shift", clear]
            measure = [
                *measure,
                "with torch.no_grad():  # the gradient is taken a short way uphill",
                *_in(look),
                *measure,
            ]
        return [*moving.before, *changes, *measure, untracked, *_in([*update, clear])]

    if answer and not end:
        end = ["with torch.no_grad():", f"    {moving.variable}.copy_({answer})  # the answer"]
    first, after = _plateau(case, moving)
    code = [f"lr = {case.rate(moving.variable)}", *first, *memory, *begin, *_looped(case, body, after), *end]
    return Part("The descent", f"{said} {_took(case)}", code)


def _averages(case: Case, variable: str, parameters: str, answer: str = "") -> tuple[list[str], list[str], list[str]]:
    """The mean of θ along the way: what it begins with, what each update adds, and how it becomes the answer.

    variable: the one tensor that is moved, without gradients tracked, and `answer` what the rule shows of it; or `parameters`,
    several of them.
    """
    before = averaging.begins(case.spec.averaging, case.batching.steps) - 1
    if case.fit.steps <= before:
        return [], [], []
    count = f"(step + 1 - {before})" if before else "(step + 1)"
    if not parameters:
        begin, add = f"average = torch.zeros_like({variable})", [f"average += ({answer} - average) / {count}"]
        hidden = [f"{variable}.copy_(average)  # the answer is the mean along the way"]
    else:
        begin, each = f"averages = [torch.zeros_like(p) for p in {parameters}]", f"zip(averages, {parameters})"
        add = [f"for average, p in {each}:", f"    average += (p - average) / {count}"]
        add = ["with torch.no_grad():", *_in(add)]
        hidden = [f"for average, p in {each}:", "    p.copy_(average)  # the answer is the mean along the way"]
    add = [f"if step >= {before}:", *_in(add)] if before else add
    return [begin], add, ["with torch.no_grad():", *_in(hidden)]


def _took(case: Case) -> str:
    """How many steps there are, and why so many."""
    steps, status = case.fit.steps, case.fit.ending.status.name
    if case.rule == "curvature":
        return (
            "The fit took steps by the local curvature. L-BFGS learns it from gradients, and ends at the same optimum."
        )
    why = {
        "TOLERANCE": ", after which the objective changed too little",
        "STALLED": ", after which nothing changed any more",
        "PATIENCE": ", after which the validation loss no longer improved",
        "INTERRUPTED": ", and was then interrupted",
        "CONVERGED": ", and had arrived",
    }.get(status, "")
    return f"The fit took {counted(steps, 'step')}{why}."


def _in(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _looped(case: Case, body: Callable[[str], list[str]], after_epoch: list[str]) -> list[str]:
    steps = case.fit.steps
    if case.batch is None:
        lines = [*body(""), *after_epoch]
        counter = "step" if _uses(lines, "step") else "_"
        return [f"for {counter} in range({steps}):", *_in(lines)]
    epochs, cut = -(-steps // case.batching.steps_per_epoch), steps % case.batching.steps_per_epoch != 0
    lines = body("[rows]")
    counted = cut or _uses(lines, "step")
    if counted:
        lines = [*lines, "step += 1"]
    if cut:
        lines += [f"if step == {steps}:", "    break"]
    dealt = "batches" if case.spec.shuffle == "none" else "batches(epoch)"
    counter = "epoch" if dealt != "batches" or _uses([*lines, *after_epoch], "epoch") else "_"
    inner = [f"for rows in {dealt}:", *_in(lines), *after_epoch]
    return [*(["step = 0"] if counted else []), f"for {counter} in range({epochs}):", *_in(inner)]


def _uses(lines: Sequence[str], name: str) -> bool:
    return any(re.search(rf"(?<![.\w]){name}\b(?!\()", line.partition("  #")[0]) for line in lines)


# ---- the rules of torch.optim ----------------------------------------------------------------------


def _optimizer(case: Case, parameters: str) -> list[str]:
    """The line that makes the optimiser."""
    numbers, lr = tuple(map(number, case.numbers)), f"lr={case.one_rate}"

    def made(name: str, *more: str) -> list[str]:
        return called(f"optimizer = torch.optim.{name}(", parameters, *more)

    if case.rule == "torch" and isinstance(case.own_rule, partial):
        settings = {name: value for name, value in case.own_rule.keywords.items() if name != "lr"}
        return made(case.own_rule.func.__name__, lr, *(f"{name}={value!r}" for name, value in settings.items()))
    if case.rule == "torch":
        return made(case.own_rule.__name__, lr)
    if case.formula is not None and case.formula.torch_name:
        still = case.formula.momentum and not case.numbers[0]  # PyTorch has no Nesterov's method without a momentum
        more = () if still else case.formula.torch_numbers
        return made(case.formula.torch_name, lr, *(text.format(*numbers) for text in more))
    if case.rule in ("lbfgs", "curvature"):
        # for a loss of the user's own the fit took one iteration a step, with a line search
        often = ["max_iter=1", "max_eval=25"] if case.rule == "lbfgs" else ["max_iter=200"]
        search = 'line_search_fn="strong_wolfe"'
        return made("LBFGS", *often, "tolerance_grad=0.0", "tolerance_change=0.0", search)
    raise SpecError(f"torch.optim has no class for the rule {case.fit.optimizer}. Use style 'loop'.")


def _scheduler(case: Case) -> tuple[list[str], str]:
    """Lines that make a scheduler, and when it steps: "step" or "epoch"; "" for never."""
    factor, formula = schedule(case)[0], case.schedule
    if not factor or case.plateau:
        return [], ""
    schedulers = "scheduler = torch.optim.lr_scheduler"
    every = "epoch" if formula is not None and not formula.by_step else "step"
    if formula is not None and formula.torch_name:
        settings = formula.torch_settings(case.batching.steps, *case.schedule_numbers)
        given = [f"{name}={number(value)}" for name, value in settings.items()]
        return called(f"{schedulers}.{formula.torch_name}(", "optimizer", *given), every
    argument = every if case.batch is not None else "step"
    if formula is None and case.batch is not None:
        factor = re.sub(r"\bepoch\b", f"step // {case.batching.steps_per_epoch}", factor)
    return called(f"{schedulers}.LambdaLR(", "optimizer", f"lambda {argument}: {factor}"), every


def by_optimizer(case: Case, moving: Moving) -> Part:
    """The loop with a class of torch.optim."""
    (make, when), clip = _scheduler(case), case.spec.clip
    own = getattr(case.own_rule, "func", case.own_rule)
    closure = case.rule in ("lbfgs", "curvature") or (case.rule == "torch" and own.__name__ == "LBFGS")
    code = _optimizer(case, moving.parameters)
    begin, mean, end = _averages(case, "", moving.parameters)

    def body(index: str) -> list[str]:
        measure = [f"value = {moving.value(index)}", "value.backward()"]
        if clip is not None:
            measure.append(f"torch.nn.utils.clip_grad_norm_({moving.parameters}, {number(clip)})")
        if closure:
            inner = ["optimizer.zero_grad()", *measure, "return value"]
            step = ["", "def closure():", *_in(inner), "", "optimizer.step(closure)"]
        else:
            step = ["optimizer.zero_grad()  # gradients add up until they are zeroed", *measure, "optimizer.step()"]
        if case.soft or case.walls is not None:
            now = ['rate = optimizer.param_groups[0]["lr"]'] if make else []
            proximal = moving.proximal("rate" if make else number(case.fit.lr))
            step += ["with torch.no_grad():", *_in([*now, *proximal])]
        return [*moving.before, *step, *mean, *(["scheduler.step()"] if when == "step" else [])]

    if case.rule == "curvature":
        _, defined, *inner, _, step = body("")
        code += ["", "", defined, *inner, "", "", step]
        code += ["# near the end the loss no longer tells one step from another, but the gradient does"]
        code += ['optimizer.param_groups[0]["line_search_fn"] = None', "optimizer.step(closure)"]
        return Part("The descent", _took(case), code)
    first, after = _plateau(case, moving)
    if after:
        after += ["for group in optimizer.param_groups:", f'    group["lr"] = {number(case.fit.lr)} * lowered']
    elif when == "epoch":
        after = ["scheduler.step()"]
    code += [*make, *first, *begin, *_looped(case, body, after), *end]
    return Part("The descent", _took(case), code)

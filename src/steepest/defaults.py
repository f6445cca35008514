"""From settings and data to a descent that can begin: every "auto" is decided here, and nowhere else.

- loss: numbers take mse, two classes logistic, more cross_entropy.
- optimizer: with a number for lr, or with minibatches, sgd. On the linear family curvature steps (`descent/newton.py`), with
  a loss of the user's own L-BFGS. A module takes adam.
- precondition: with a number for lr none. The linear family takes orthonormal (standardize under a penalty with a kink), a
  module standardize: its columns, and of an mlp each target. Powers of columns far from zero are taken of centred ones
  (`model/centring.py`).
- lr: sgd and momentum on a smooth loss take 1/L, or 1/(2·L_b) with minibatches (`analysis/curvature.py`); anything else the
  best of a short trial, which with a kink gives at most F(start)/G².
- schedule: cosine where lr is auto and the loss has a kink, batches are small or the rule is adaptive; else constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis import curvature, stable_rate
from steepest.analysis.fit_settings import coordinates_of
from steepest.analysis.learning_rate import automatic_lr
from steepest.choices import parse
from steepest.data.batching import Batching, External
from steepest.data.dataset import Dataset
from steepest.data.loaders import DropLast, Sampled
from steepest.descent import torch_optim, torch_rules
from steepest.descent.method import check_optimizer, method_of
from steepest.descent.newton import RegularizedNewton
from steepest.descent.schedule_factors import at_rate
from steepest.descent.small_newton import SmallNewton
from steepest.descent.tall_lasso import TallLasso
from steepest.descent.tall_newton import TallNewton
from steepest.errors import DataError, SpecError
from steepest.formulas.models import MODELS
from steepest.lazy import Tensor, nn, torch
from steepest.model import centring, double_double, modules
from steepest.model import preconditioners as frames
from steepest.model.automatic_loss import loss_of, notes_on, unlike
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.feasible_start import check_start, feasible_start
from steepest.model.linear import TALL, LinearProblem, Terms
from steepest.model.linear_objective import ExtendedObjective, LinearObjective
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.module_trial import tried, without_last
from steepest.model.objective import Objective, parameter_names
from steepest.model.objective_factory import check_loss
from steepest.model.of_fit import beside_offset, check_added, check_groups, linear_problem, targets, tensors
from steepest.model.penalties import penalty
from steepest.model.small_objective import SmallObjective, suits
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.numerics import dual
from steepest.planned import Plan, by_newton, start_of
from steepest.settings import Spec
from steepest.streamed_plan import batches_of, linear_windows, module_windows, said_of, streamed, takes_passes

MOST_CURVATURE, MOST_SQUARES = 2_500, 10_000
"""Equations up to which the curvature steps of `optimizer="auto"` solve a linear system at each step, and of tall least squares,
for which once is enough. Where there are fewer rows than columns, and no l1 penalty, they are as many as the rows."""

MOST_LOST = 10.0
"""Error of a prediction, beside the spread of the predictions, up to which coefficients in user units still do: steps are
taken in 32 digits, and what is lost is less than this bound."""


def plan(spec: Spec, data: Dataset, given: Any = None, in_place: bool = False) -> Plan:
    """Decide everything. given: batches of the user's, in place of ours. in_place: a tall table may be gone through where it
    lies, and then no `problem` is made of it."""
    if spec.device != "cpu" and int(spec.device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise SpecError(f"device={spec.device!r}: PyTorch sees no such CUDA device here. Use device='cpu'.")
    if spec.accumulate > 1 and spec.batch_size == "full" and given is None:
        raise SpecError(
            f"accumulate={spec.accumulate} averages the gradients of minibatches: say how many rows one has, batch_size=32."
        )
    loss = loss_of(spec, data.classes, data.y.ndim > 1)
    target, outputs = targets(data, loss)
    module = modules.module(spec.model, data.x.shape[1], outputs, spec.seed)
    check_added(data, loss, module is not None)
    check_groups(spec, module is not None)
    made = (
        _linear(spec, data, loss, given, in_place)
        if module is None
        else _module(spec, data, loss, module, outputs, given)
    )
    return replace(made, notes=(*made.notes, *notes_on(made.loss, target)))


def needs_torch(spec: Spec, data: Dataset) -> bool:
    """Whether the plan of a fit to a stream works with PyTorch: all but Newton steps of the linear family do."""
    linear = isinstance(spec.model, str) and spec.model.partition(":")[0] in modules.LINEAR
    loss = loss_of(spec, data.classes, data.y.ndim > 1)
    return not (linear and takes_passes(spec, data, loss, _terms(spec, data)))


def _terms(spec: Spec, data: Dataset) -> Terms:
    name, numbers = parse(spec.model, MODELS, "model")
    terms = Terms(data.names, modules.LINEAR[name](*numbers), data.schema.intercept or data.ones)
    if len(set(terms.names)) < len(terms.names):
        double = next(name for name in terms.names if terms.names.count(name) > 1)
        twice = f"Two parameters would both be called {double!r}."
        raise DataError(f"{twice} Rename that column, or leave it out with drop=.")
    return terms


def _tall(spec: Spec, data: Dataset, loss: Loss, terms: Terms) -> Plan | None:
    """The plan of a default descent over the rows of a tall table where they lie; None for all others."""
    rows, columns = data.rows, len(terms.powers)
    proven = loss.choice and (loss.choice.concordance or loss.choice.pieces)
    smooth = loss.quadratic or bool(proven and data.y.ndim == 1)
    plain = terms.degree == 1 and smooth and spec.device == "cpu" and (data.offset is None or not loss.coupled)
    of = penalty(spec.penalty)
    if not plain or spec.bounds or of.group or rows * columns <= TALL or rows < 2 * columns:
        return None
    if of.l1 and not (loss.quadratic and data.y.ndim == 1):
        return None
    target, outputs, offset = beside_offset(data, loss)
    names = parameter_names(terms.names, outputs, data.classes if loss.coupled and data.classes else data.targets)
    start = start_of(spec.init, spec.seed, terms, names)
    try:
        tall = TallObjective(
            data.x, target, loss, of, terms.intercept, data.relative_weights, names, start, outputs, offset=offset
        )
    except IllConditioned:
        return None
    known = {"loss": loss, "terms": terms, "names": names, "user_names": names}
    rule = TallLasso(tall) if of.l1 else TallNewton(tall)
    return by_newton(spec, tall, rule, to_user=tall.to_user, **known)


def _linear(spec: Spec, data: Dataset, loss: Loss, given: Iterable[Any] | None, in_place: bool) -> Plan:
    plain_terms = _terms(spec, data)
    if spec.bounds or penalty(spec.penalty).group:
        data.check_in_memory("A fit with bounds" if spec.bounds else "A fit with a group penalty")
    if data.stream is not None and (made := streamed(spec, data, loss, plain_terms, in_place)) is not None:
        return made
    batching = batches_of(spec, data)
    alone = spec.optimizer == "auto" and spec.lr == "auto" and batching.size is None and spec.clip is None
    alone = alone and spec.averaging == "none"
    newton = alone and not loss.custom and spec.precondition in ("auto", "orthonormal")
    if in_place and newton and given is None and (tall := _tall(spec, data, loss, plain_terms)) is not None:
        return tall
    terms = centring.centred(plain_terms, data.x) if _may_centre(spec) else plain_terms
    if plain_terms.degree > 1 and (penalty(spec.penalty) or spec.bounds or not plain_terms.intercept):
        _check_digits(plain_terms, data.x)
    problem = linear_problem(spec, data, terms, loss)
    labels = data.targets if data.classes is None or problem.outputs != len(data.classes) else data.classes
    names = parameter_names(terms.names, problem.outputs, labels)
    user_names = parameter_names(plain_terms.names, problem.outputs, labels)
    start = start_of(spec.init, spec.seed, terms, user_names)
    check_start(problem, start, spec.init)
    first = feasible_start(problem)
    start = first if start is None else start
    if isinstance(given, (DropLast, Sampled)):
        what = "drop_last=True" if isinstance(given, DropLast) else "a sampler of its own"
        raise SpecError(
            f"The loader has {what}, which is for modules; the linear family holds its rows. Give a loader without it, the "
            "dataset, or a module as model=."
        )
    if given is not None:
        raise SpecError("batches= is for modules, which take their data from it; the linear family holds its rows.")

    def objective(frame: frames.Coordinates | None) -> LinearObjective:
        return LinearObjective(problem, names, frame, start, getattr(torch, spec.dtype), spec.device)

    if newton and _few_equations(problem, float(np.finfo(spec.dtype).eps), start is None or not start.any()):
        exact = (
            double_double.pays(problem)
            and not problem.penalty.bounds
            and spec.dtype == "float64"
            and spec.device == "cpu"
        )
        known = {
            "loss": loss,
            "problem": problem,
            "terms": terms,
            "names": names,
            "user_names": user_names,
            "first": first,
        }
        tall = problem.design.shape[0] >= problem.design.shape[1]
        if exact and tall and in_place and loss.quadratic and not problem.penalty.kinked:
            squares = ExtendedSquares(problem, names, start)
            return by_newton(spec, squares, TallNewton(squares), **known)
        if tall and in_place and (spec.dtype, spec.device) == ("float64", "cpu") and suits(problem):
            small = SmallObjective(problem, names, start)
            return by_newton(spec, small, SmallNewton(small), **known)
        plain = objective(None)
        whole = ExtendedObjective(plain) if exact else plain
        return by_newton(spec, whole, RegularizedNewton(whole), to_user=plain.to_user, **known)
    frame = _frame(spec, problem)
    chosen = objective(frame)
    check_loss(chosen, start=True)
    rule = "sgd" if spec.optimizer == "auto" else spec.optimizer
    if alone and loss.bound is not None:
        rule = torch_rules.Accelerated(chosen.proximal)
    elif alone and (loss.custom or loss.smooth):
        rule = torch_rules.TorchRule(torch_optim.quasi_newton, chosen.views)
    batching = replace(batching, windows=linear_windows(data, terms, chosen))
    return _finished(
        spec, chosen, rule, batching, notes=said_of(spec, data, batching), loss=loss,
        precondition="none" if frame is None else frame.name,
        problem=problem, terms=terms, names=names, to_user=chosen.to_user, user_names=user_names, first=first,
    )  # fmt: skip


def _few_equations(problem: LinearProblem, eps: float, from_zero: bool) -> bool:
    """Whether a linear system can be solved at each step."""
    (n, p), penalty = problem.design.shape, problem.penalty
    once = problem.loss.quadratic and not penalty.kinked and n >= p
    in_rows = not penalty or dual.suits(problem, eps) or (penalty.l2 and not penalty.kinked and from_zero)
    size = min(n, p) if in_rows else p
    return size * problem.outputs <= (MOST_SQUARES if once else MOST_CURVATURE)


def _check_digits(terms: Terms, x: np.ndarray) -> None:
    """DataError where coefficients must be in user units, and float64 has too few digits for them."""
    if centring.lost(terms, x) <= MOST_LOST:
        return
    far = centring.centred(replace(terms, intercept=True), x)
    named = [(name, new) for name, new in zip(far.columns, far.names[1:], strict=False) if name != new]
    raise DataError(
        f"Of degree {terms.degree} the powers of {', '.join(repr(name) for name, _ in named)}, far from zero beside their "
        "spread, need more digits than float64 has. Without a penalty and with an intercept they are centred by themselves; "
        f"here put {', '.join(new for _, new in named)} into the table instead, or take a lower degree."
    )


def _may_centre(spec: Spec) -> bool:
    """Whether powers may be taken of centred columns: the path is the same, and no penalty looks at the coefficients."""
    own = spec.precondition == "orthonormal" or (spec.precondition == "auto" and spec.lr == "auto")
    return own and not penalty(spec.penalty) and spec.bounds is None


def _in_user_units(spec: Spec) -> bool:
    """Whether a learning rate was given, which is one in user units: by itself, or with an optimiser of PyTorch's."""
    return spec.lr != "auto" or torch_optim.brings_rate(spec.optimizer)


def _frame(spec: Spec, problem: LinearProblem) -> frames.Coordinates | None:
    name = spec.precondition
    if name == "auto":
        name = "none" if _in_user_units(spec) else "standardize" if problem.penalty.kinked else "orthonormal"
    if name == "orthonormal" and problem.penalty.bounds:
        raise SpecError(
            "precondition='orthonormal' mixes the columns, whose coefficients have bounds of their own. "
            "Use precondition='standardize'."
        )
    if name == "orthonormal" and problem.penalty.soft:
        raise SpecError(
            f"precondition='orthonormal' mixes the columns, so penalty={spec.penalty!r} has no proximal step there. "
            "Use precondition='standardize'."
        )
    return coordinates_of(name, problem)


def _finished(
    spec: Spec, objective: Objective, rule: Any, batching: Batching, given: Any = None, notes: tuple[str, ...] = (),
    **known: Any,
) -> Plan:  # fmt: skip
    """The plan of an objective, its rule ("auto" decided) and its batches. known: other fields."""
    method = method_of(spec, objective, rule, batching)
    inner = method.rule.innermost
    if isinstance(inner, torch_rules.TorchRule):
        notes = (*notes, *check_optimizer(spec, inner, objective))
    if spec.lr != "auto":
        lr = spec.rate
    elif isinstance(objective, LinearObjective) and not inner.is_torch and not (inner.kind and inner.kind.rate_free):
        lr = automatic_lr(objective, method.rule, replace(batching, rows=objective.rows, windows=None))
    else:
        own = inner.own_rate(objective.theta)
        lr = 0.01 if own is None else own
    if given is not None:
        sampled = isinstance(given, Sampled)
        ends: dict[str, Any] = {"epochs": batching.epochs, "accumulate": spec.accumulate}
        given = replace(given, seed=spec.seed, **ends) if sampled else External(given, **ends)
    return Plan(
        objective=objective, rule=method.rule, lr=lr, schedule=at_rate(method.schedule, lr), batching=batching, given=given,
        schedule_name=method.schedule_name, optimizer=method.optimizer, notes=notes, averages=method.averages, **known,
    )  # fmt: skip


def largest_lr(spec: Spec, problem: LinearProblem) -> float:
    """The learning rate below which a full-batch descent at a constant one holds, in the coordinates that `spec` asks for.

    That of `stable_rate.largest_rate` for a curvature L, which is a bound, sharp for `mse` without a penalty. nan for rules
    other than sgd, momentum and nesterov, and where no L holds everywhere (`l1`, `quantile`, `poisson`, a loss of the user's).
    """
    if problem.loss.bound is None:
        return float("nan")
    objective = LinearObjective(problem, coordinates=_frame(spec, problem))
    name = "sgd" if spec.optimizer == "auto" else spec.optimizer
    rule = method_of(spec, objective, name, Batching.of(spec, objective.rows)).rule.innermost
    return stable_rate.largest_rate(np.array([curvature.smoothness(problem, frame=objective.coordinates)]), rule)


def _module(spec: Spec, data: Dataset, loss: Loss, module: nn.Module, outputs: int, given: Any) -> Plan:
    from steepest.model import wrapped_modules  # which imports PyTorch

    if loss.family is not None and loss.family.positive:
        raise SpecError(
            f"link={spec.link!r} is for models that are linear in their coefficients, as a module's predictions may be below 0. "
            "Use link='log'."
        )
    if spec.bounds:
        raise SpecError("bounds= is for coefficients of models that are linear in them, and this is a module.")
    given, drop_last = (None, True) if isinstance(given, DropLast) else (given, False)
    if drop_last and spec.batch_size != "full" and int(spec.batch_size) > data.rows:
        raise SpecError(
            f"The loader's batches of {spec.batch_size} with drop_last=True leave no batch of the {data.rows:,} rows to fit. "
            "Give a smaller batch_size, or drop_last=False."
        )
    if isinstance(given, Sampled) and given.rows != data.rows:
        raise SpecError(
            f"The loader's sampler names rows of the whole dataset ({given.rows:,}), and {data.rows:,} of them are left to "
            "fit. Split the dataset by random_split or Subset, and give validation= a loader of the other rows."
        )
    dtype = getattr(torch, spec.dtype)
    own = isinstance(spec.model, str) and spec.model.startswith("mlp")
    x, y, weights = tensors(data, loss, dtype, spec.device)
    kind = None if own else modules.kind_of(module)
    filled = modules.filled(module, x[:2].to(*modules.kind_of(module)[::-1]), spec.seed)
    module = wrapped_modules.taking(filled.to(device=spec.device, dtype=dtype), x)
    trial = tried(module, x, y, loss, outputs, data.classes or ())
    loss = trial.loss
    precondition = spec.precondition
    if precondition == "auto":
        columns = x.ndim == 2 and not wrapped_modules.embeds(module)
        precondition = "none" if _in_user_units(spec) or not columns else "standardize"
    if precondition == "orthonormal":
        raise SpecError(
            "precondition='orthonormal' is for models linear in θ; for a module use 'standardize' or 'none'."
        )
    if precondition == "standardize":
        if isinstance(module, wrapped_modules.WholeNumbers):
            raise SpecError("precondition='standardize' is for quantities; this model takes whole numbers. Use 'none'.")
        numbers = own and y.is_floating_point() and not loss.classes
        module = wrapped_modules.scaled(module, x, _units_of(loss, y) if numbers else None)
    objective = ModuleObjective(module, loss, x, y, weights, penalty(spec.penalty), spec.seed)
    objective.names = tuple(name.removeprefix("module.").removeprefix("_orig_mod.") for name in objective.names)
    objective.random = trial.random
    objective.moves = tuple(
        name for name in objective.moves if any(f".{name}".endswith(f".{moved}") for moved in trial.moves)
    )
    first = modules.start(spec.init, objective.names, spec.seed)
    if first is not None:
        objective.theta.copy_(torch.as_tensor(first).to(objective.theta))
    check_loss(objective, start=True)
    batching = batches_of(spec, data, None if given is None else "minibatch")
    batching = replace(batching, windows=module_windows(data, dtype))
    rule = spec.optimizer
    if rule == "auto":
        rule = "adam" if spec.lr == "auto" else "sgd"
    notes = unlike(y, data.targets) if not loss.classes and wrapped_modules.balance_of(module) is None else ()
    if trial.two and batching.size is not None and given is None and not drop_last:
        drop_last, left_out = without_last(batching.size, data.of_rows, data.stream is not None)
        notes += left_out
    batching, notes = (
        replace(batching, drop_last=drop_last and batching.size is not None),
        (*notes, *said_of(spec, data, batching)),
    )
    return _finished(
        spec, objective, rule, batching, given, notes,
        loss=loss, precondition=precondition, module=module, names=objective.names, kind=kind,
    )  # fmt: skip


def _units_of(loss: Loss, y: Tensor) -> Tensor:
    """Numbers with the mean and spread of a network's outputs: the targets, or about what a family's mean is a function of."""
    if loss.family is None:
        return y
    middle = torch.as_tensor(loss.family.link(y.double().mean(0).cpu().numpy())).to(y)
    return torch.stack([middle - 1.0, middle + 1.0])

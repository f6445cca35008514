"""From settings and data to a descent that can begin: every "auto" is decided here, and nowhere else.

- loss: numbers take mse, two classes logistic, more cross_entropy.
- optimizer: with a number for lr, or with minibatches, sgd. On the linear family curvature steps (`descent/newton.py`),
  with a loss of the user's own L-BFGS. A module takes adam.
- precondition: with a number for lr none. The linear family takes orthonormal (standardize under an l1 penalty), a
  module standardize: its columns, and of an mlp each target. Powers of columns far from zero are taken of centred ones
  (`model/centring.py`).
- lr: sgd and momentum on a smooth loss take 1/L, or 1/(2·L_b) with minibatches (`analysis/curvature.py`); anything else the
  best of a short trial, which with a kink gives at most F(start)/G².
- schedule: cosine where lr is auto and the loss has a kink, batches are small or the rule is adaptive; else constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest import torch_criteria
from steepest.analysis import convergence, curvature
from steepest.choices import is_path, locate, parse
from steepest.data.batching import Batching, external
from steepest.data.dataset import Dataset
from steepest.data.loaders import DropLast, Sampled
from steepest.data.wording import called
from steepest.descent import rules, torch_optim
from steepest.descent.loop import descend
from steepest.descent.newton import CurvatureSteps
from steepest.descent.rules import Rule
from steepest.descent.schedules import Schedule, at_rate, schedule
from steepest.errors import DataError, SpecError
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.formulas.rules import RULES, Automatic
from steepest.model import centring, double_double, losses, modules
from steepest.model import preconditioners as frames
from steepest.model.custom_loss import custom
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import ExtendedObjective, LinearObjective
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.module_trial import tried
from steepest.model.objective import Objective, parameter_names
from steepest.model.objective_factory import check_loss
from steepest.model.of_fit import linear_problem, targets, tensors
from steepest.model.penalties import Penalty, penalty
from steepest.settings import Spec
from steepest.settings_table import DEFAULT_EPOCHS

MOST_CURVATURE = 2_500
"""Parameters up to which the curvature steps of `optimizer="auto"` solve a linear system at each step."""

MOST_LOST = 10.0
"""Error of a prediction, beside the spread of the predictions, up to which coefficients in user units still do: steps are
taken in 32 digits, and what is lost is less than this bound."""

UNLIKE = 30.0
"""How many times the spread of another a target's may be before its squares leave the other one out."""

TRIAL_STEPS = 200
TRIAL_RATES = tuple(10.0**k for k in (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0))


@dataclass(frozen=True)
class Plan:
    """Everything that a descent needs.

    given: batches of the user's, in the place of ours. problem and terms: of the linear family; module: of the others.
    to_user turns c `[T, r]` into θ `[T, p]`. notes: what should be said of the fit. user_names: of θ, where it is
    computed with powers of centred columns.
    """

    objective: Objective
    rule: Any
    lr: float
    schedule: Schedule
    batching: Batching
    names: tuple[str, ...]
    loss: Loss
    optimizer: str
    precondition: str
    schedule_name: str
    problem: LinearProblem | None = None
    terms: Terms | None = None
    module: nn.Module | None = None
    to_user: Callable[[np.ndarray], np.ndarray] | None = None
    given: Iterable[Any] | None = None
    notes: tuple[str, ...] = ()
    kind: tuple[torch.dtype, torch.device] | None = None
    user_names: tuple[str, ...] = ()

    @property
    def full_batch(self) -> bool:
        """Whether every step sees all rows."""
        return self.given is None and self.batching.size is None

    def start(self, init: Any, seed: int) -> np.ndarray | None:
        """θ₀ as `models.start` has it, in the plan's own coefficients."""
        return start_of(init, seed, self.terms, self.user_names or self.names)


def start_of(init: Any, seed: int, terms: Terms | None, names: tuple[str, ...]) -> np.ndarray | None:
    """Where a descent starts, with powers of centred columns where `terms` has them; None for zeros. names: of θ."""
    if terms is None or not terms.centre:
        return modules.start(init, names, seed)
    inner = getattr(init, "centred", None)
    if inner is not None and inner.terms == terms and tuple(init.names) == names:
        return np.array(inner.theta)
    given = modules.start(init, names, seed)
    return None if given is None else centring.from_user(terms, given)


def loss_of(spec: Spec, classes: tuple[str, ...] | None, several: bool = False) -> Loss:
    """The loss of a fit, "auto" decided by the model's alias and the target. several: there is more than one target."""
    name = spec.loss
    if torch_criteria.is_criterion(name) and (
        (several and torch_criteria.name_of(name) != "mse")
        or (torch_criteria.has(name, torch_criteria.BINARY) and classes is None)
        or (torch_criteria.has(name, torch_criteria.CODES) and classes is None)
    ):
        return custom(name)  # of several targets, of shares between 0 and 1: no loss of ours does that
    if name == "auto":
        alias = {"logistic": "logistic", "softmax": "cross_entropy"}.get(str(spec.model))
        name = alias or ("mse" if classes is None else "logistic" if len(classes) == 2 else "cross_entropy")
    if is_path(name, LOSSES):
        name = locate(name)
    return losses.loss(name)


def wants_classes(spec: Spec) -> bool | None:
    """Whether the target must be classes (True), numbers (False), or whatever it is (None)."""
    alias = str(spec.model) in ("logistic", "softmax")
    if spec.loss == "auto":
        return True if alias else None
    if isinstance(spec.loss, str) and getattr(LOSSES.get(spec.loss.partition(":")[0]), "classes", False):
        return True
    if not isinstance(spec.loss, str):
        return True if torch_criteria.has(spec.loss, torch_criteria.CODES | torch_criteria.BINARY) else None
    return False


def plan(spec: Spec, data: Dataset, given: Any = None) -> Plan:
    """Decide everything. given: batches of the user's, in place of ours."""
    _check_device(spec.device)
    loss = loss_of(spec, data.classes, data.y.ndim > 1)
    target, outputs = targets(data, loss)
    module = modules.module(spec.model, data.x.shape[1], outputs, spec.seed)
    made = (
        _plan_linear(spec, data, loss, given)
        if module is None
        else _plan_module(spec, data, loss, module, outputs, given)
    )
    return replace(made, notes=(*made.notes, *notes_on(made.loss, target)))


def notes_on(loss: Loss, target: np.ndarray) -> tuple[str, ...]:
    """What should be said of the scores under a loss of the user's own."""
    if not loss.custom or not loss.units or target.dtype.kind != "f":
        return ()
    if loss.least_at(torch.from_numpy(target)) is not False:
        return ()
    return (
        f"R², MAE and RMSE compare the prediction itself with the target; loss {loss} is not least where the two are "
        "equal, so judge this fit by its loss.",
    )


def _check_device(name: str) -> None:
    index = int(name.partition(":")[2] or 0)
    if name != "cpu" and not (torch.cuda.is_available() and index < torch.cuda.device_count()):
        raise SpecError(f"device={name!r}: PyTorch sees no such CUDA device here. Use device='cpu'.")


def _terms(spec: Spec, data: Dataset) -> Terms:
    name, numbers = parse(spec.model, MODELS, "model")
    terms = Terms(data.names, modules.LINEAR[name](*numbers), spec.intercept or data.ones)
    if len(set(terms.names)) < len(terms.names):
        double = next(name for name in terms.names if terms.names.count(name) > 1)
        raise DataError(
            f"Two parameters would both be called {double!r}. Rename that column, or leave it out with drop=."
        )
    return terms


def _plan_linear(spec: Spec, data: Dataset, loss: Loss, given: Iterable[Any] | None) -> Plan:
    plain_terms = _terms(spec, data)
    terms = centring.centred(plain_terms, data.x) if _may_centre(spec) else plain_terms
    if plain_terms.degree > 1 and (penalty(spec.penalty) or not plain_terms.intercept):
        _check_digits(plain_terms, data.x)
    problem = linear_problem(spec, data, terms, loss)
    labels = data.targets if data.classes is None or problem.outputs != len(data.classes) else data.classes
    names = parameter_names(terms.names, problem.outputs, labels)
    user_names = parameter_names(plain_terms.names, problem.outputs, labels)
    start = start_of(spec.init, spec.seed, terms, user_names)
    if isinstance(given, (DropLast, Sampled)):
        what = "drop_last=True" if isinstance(given, DropLast) else "a sampler of its own"
        raise SpecError(
            f"The loader has {what}, which is for modules; the linear family holds its rows. Give a loader without it, the "
            "dataset, or a module as model=."
        )
    if given is not None:
        raise SpecError("batches= is for modules, which take their data from it; the linear family holds its rows.")
    batching = Batching.of(spec, data.rows)
    full = batching.size is None
    dtype = getattr(torch, spec.dtype)

    def objective(frame: frames.Coordinates | None) -> LinearObjective:
        return LinearObjective(problem, names, frame, start, dtype, spec.device)

    alone = spec.optimizer == "auto" and spec.lr == "auto" and full and spec.clip is None
    ours = not loss.custom
    if alone and ours and spec.precondition in ("auto", "orthonormal") and problem.parameters <= MOST_CURVATURE:
        plain = objective(None)
        exact = double_double.pays(problem) and dtype is torch.float64 and spec.device == "cpu"
        whole = ExtendedObjective(plain) if exact else plain
        batching = replace(batching, epochs=spec.epochs or DEFAULT_EPOCHS["curvature"])
        return Plan(
            objective=whole, rule=CurvatureSteps(whole), lr=1.0, schedule=schedule("constant"), schedule_name="constant",
            batching=batching, names=names, loss=loss, optimizer=Automatic.CURVATURE.value, precondition="local curvature",
            problem=problem, terms=terms, to_user=plain.to_user, user_names=user_names,
        )  # fmt: skip
    frame = _frame(spec, problem)
    chosen = objective(frame)
    check_loss(chosen, start=True)
    precondition = "none" if frame is None else frame.name
    rule_name = spec.optimizer
    if rule_name == "auto":
        rule_name = "sgd"
        if alone and loss.bound is not None:
            rule_name = rules.Accelerated(chosen.proximal)
        elif alone and not ours:
            rule_name = rules.TorchRule(quasi_newton, chosen.views)
    made = _finish(
        spec, chosen, rule_name, batching, None, loss, precondition, kinked=loss.bound is None,
        problem=problem, terms=terms, names=names, to_user=chosen.to_user,
    )  # fmt: skip
    return replace(made, user_names=user_names)


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
    return own and not penalty(spec.penalty)


def quasi_newton(parameters: Any) -> torch.optim.Optimizer:
    """L-BFGS with a line search, one iteration a step: what `auto` takes for a loss that it knows nothing about."""
    return torch.optim.LBFGS(
        parameters, max_iter=1, max_eval=25, tolerance_grad=0.0, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )


def _in_user_units(spec: Spec) -> bool:
    """Whether a learning rate was given, which is one in user units: by itself, or with an optimiser of PyTorch's."""
    return spec.lr != "auto" or torch_optim.brings_rate(spec.optimizer)


def _frame(spec: Spec, problem: LinearProblem) -> frames.Coordinates | None:
    name = spec.precondition
    if name == "auto":
        name = "none" if _in_user_units(spec) else "standardize" if problem.penalty.l1 else "orthonormal"
    if name == "orthonormal" and problem.penalty.l1:
        raise SpecError(
            "precondition='orthonormal' mixes the columns, so the l1 penalty has no proximal step there. "
            "Use precondition='standardize'."
        )
    if name == "none":
        return None
    return frames.standardised(problem) if name == "standardize" else frames.orthonormal(problem)


def _finish(
    spec: Spec,
    objective: Objective,
    rule_name: Any,
    batching: Batching,
    given: Any,
    loss: Loss,
    precondition: str,
    kinked: bool,
    problem: LinearProblem | None = None,
    terms: Terms | None = None,
    module: nn.Module | None = None,
    names: tuple[str, ...] = (),
    to_user: Callable[[np.ndarray], np.ndarray] | None = None,
    notes: tuple[str, ...] = (),
    kind: tuple[torch.dtype, torch.device] | None = None,
) -> Plan:
    found = way(spec, objective, rule_name, batching)
    rule, inner, size = found.rule, found.rule.innermost, batching.size
    plain = inner.plain
    if isinstance(inner, rules.TorchRule):
        notes = (*notes, *_checked(spec, inner, objective))
    if spec.lr != "auto":
        lr = float(spec.lr)
    elif isinstance(inner, rules.TorchRule):
        lr = inner.own_rate(objective.theta)
    elif isinstance(objective, LinearObjective) and problem is not None:
        lr = steady_rate(objective, problem, objective.theta, size) if plain else 0.0
        if kinked or size is not None:
            lr *= 1.0 - inner.momentum  # what it moves in the end is 1/(1 − β) times as far
        if kinked or not plain:
            units = (lr,) if plain else _adaptive_rates(objective, problem, inner)
            steps = min(batching.steps or TRIAL_STEPS, TRIAL_STEPS)
            lr = _tried_rate(objective, rule, units, replace(batching, epochs=None, max_steps=steps))
    else:
        lr = inner.own_rate(objective.theta) or 0.01
    if given is not None:
        sampled = isinstance(given, Sampled)
        given = given.epochs(batching.epochs, spec.seed) if sampled else external(given, batching.epochs)
    return Plan(
        objective=objective, rule=rule, lr=lr, schedule=at_rate(found.schedule, lr), schedule_name=found.schedule_name,
        batching=batching, given=given, names=names, loss=loss, optimizer=found.optimizer, precondition=precondition,
        problem=problem, terms=terms, module=module, to_user=to_user,
        notes=notes, kind=kind,
    )  # fmt: skip


def _checked(spec: Spec, rule: rules.TorchRule, objective: Objective) -> tuple[str, ...]:
    """What is to be said about a class of `torch.optim`. SpecError where it cannot do what the settings ask."""
    optimizer, name = rule.start(objective.theta)[1], called(rule.optimizer)
    own = torch_optim.given_rate(rule.optimizer)
    if spec.lr != "auto" and own is not None and own != spec.lr:
        raise SpecError(
            f"The learning rate is given twice: lr={spec.lr:g}, and {own:g} in optimizer={name}. Leave one out."
        )
    if (spec.lr != "auto" or spec.schedule not in ("auto", "constant")) and None in torch_optim.ratios(optimizer):
        raise SpecError(
            f"optimizer={name} keeps no 'lr' in its param_groups, so that lr= and schedule= would change nothing. Leave them out."
        )
    if spec.lr == "auto" and torch_optim.asks_for_rate(rule.optimizer):
        raise SpecError(f"optimizer={name} has no learning rate of its own: give one, lr=0.01 say.")
    decay = torch_optim.decay(optimizer)
    if not decay:
        return ()
    return (f"The weight decay {decay:g} of {name} is no part of the objective that is shown; that of penalty= is.",)


@dataclass(frozen=True)
class Way:
    """How to go down, where that does not depend on the learning rate."""

    rule: Rule
    optimizer: str
    schedule: Schedule
    schedule_name: str
    batching: Batching


def way(spec: Spec, objective: Objective, rule_name: Any, batching: Batching) -> Way:
    """The rule and the schedule of a descent over these batches. `rule_name`: the optimizer, "auto" decided."""
    if is_path(rule_name, RULES):
        rule_name = locate(rule_name)
    if isinstance(rule_name, torch.optim.Optimizer):
        rule_name = torch_optim.rebuilt(rule_name, spec.model)
    rule = rules.rule(rule_name, objective, spec.clip)
    schedule_name = spec.schedule
    if schedule_name == "auto":
        inner = rule.innermost
        kinked = isinstance(objective, LinearObjective) and objective.loss.bound is None
        wanders = kinked or batching.size is not None or not inner.plain
        schedule_name = "cosine" if spec.lr == "auto" and wanders and not inner.is_torch else "constant"
    name = _name(rule_name)
    if name == "<lambda>" and isinstance(inner := rule.innermost, rules.TorchRule):
        name = type(inner.start(objective.theta)[1]).__name__
    return Way(rule, name, schedule(schedule_name, batching.steps), _name(schedule_name), batching)


def comes_of_a_trial(made: Plan) -> bool:
    """Whether a rate of "auto" was found by trying, or at the start: for a kink, and for rules that are not plain."""
    if made.problem is None:
        return False
    return made.loss.bound is None or not made.rule.innermost.plain


def _name(thing: Any) -> str:
    if isinstance(thing, rules.Accelerated):
        return Automatic.ACCELERATED.value
    if isinstance(thing, rules.TorchRule):
        return Automatic.QUASI_NEWTON.value
    return thing if isinstance(thing, str) else called(thing)


def steady_rate(
    objective: LinearObjective, problem: LinearProblem, theta: Tensor, batch_size: int | None = None
) -> float:
    """A rate at which sgd holds at every θ, in the descent's coordinates: 1/L, or 1/(2·L_b) for minibatches.

    With a kink it is F(θ)/G², the longest subgradient step that makes sense at θ (Polyak's, with F* = 0):

        G² = n(b−1)/(b(n−1))·s²·λ_max(AᵀWA/n) + (n−b)/(b(n−1))·mean_i (s·wᵢ·‖aᵢ‖)²

    bounds the mean square of the gradient of b rows everywhere, s being the steepest slope of a row's loss. On average
    a descent at this rate comes nearer to the optimum as long as its gap is more than half of F(θ).
    """
    frame, n = objective.coordinates, len(problem.design)
    b = n if batch_size is None else min(batch_size, n)
    doubled = 1.0 if b == n else 2.0
    value = 1.0
    if problem.loss.bound is not None:
        steepness = curvature.smoothness(problem, b, frame) * doubled
    else:
        huber = replace(problem, loss=losses.loss("huber"), penalty=Penalty())
        steepness = curvature.smoothness(huber, frame=frame)  # λ_max: the bound of this loss is 1
        if b < n:
            basis = problem.design if frame is None else frame.basis
            sizes = np.linalg.norm(basis, axis=1) * (1.0 if problem.weights is None else problem.weights)
            steepness = n * (b - 1) / (b * (n - 1)) * steepness + (n - b) / (b * (n - 1)) * float(np.mean(sizes**2))
        value = abs(float(objective.value(theta) + objective.penalty(theta)))
        if value == 0.0:  # of our own losses the least, where a descent stays
            value = 1.0 if problem.loss.custom else 1e-300
        ridge = problem.penalty_in(None if frame is None else frame.matrix).largest()
        steepness = steepness * _steepest_slope(objective, theta) ** 2 + doubled * ridge * value
    return value / steepness if steepness > 0.0 else 1.0


def _steepest_slope(objective: LinearObjective, theta: Tensor) -> float:
    """How steep the loss of a row is at most; for a loss of the user's own, how steep it is at θ."""
    if objective.loss.steepest is not None:
        return objective.loss.steepest
    slopes = objective.loss.slope(objective.predict(theta), objective.target)
    return float(torch.linalg.vector_norm(slopes.reshape(len(slopes), -1), dim=1).max())


def largest_rate(spec: Spec, problem: LinearProblem) -> float:
    """The rate below which a full-batch descent at a constant rate holds, in the coordinates that `spec` asks for.

    That of `theory.largest_rate` for a curvature L, which is a bound, sharp for `mse` without a penalty. nan for rules
    other than sgd, momentum and nesterov, and where no L holds everywhere (`l1`, `quantile`, a loss of the user's).
    """
    objective = LinearObjective(problem, coordinates=_frame(spec, problem))
    name = "sgd" if spec.optimizer == "auto" else spec.optimizer
    rule = way(spec, objective, name, Batching.of(spec, objective.rows)).rule.innermost
    if problem.loss.bound is None:
        return float("nan")
    return convergence.largest_rate(np.array([curvature.smoothness(problem, frame=objective.coordinates)]), rule)


def _adaptive_rates(objective: LinearObjective, problem: LinearProblem, rule: Rule) -> tuple[float, float]:
    """For rules that scale each coordinate: the learning rate whose first step moves one by 1, where coordinates are of
    size 1, and that by which neither the slopes nor a penalty's curvature can raise F by more than F(start)."""
    size = 1.0 if objective.loss.classes else max(float(objective.target.abs().mean()), 1e-300)
    loss, grad = objective.value_and_grad(objective.theta)
    # the penalty's kink lies at the start, where it shows no slope: it is taken beside it
    slope = float(grad.abs().sum() + objective.subgradient(torch.ones_like(objective.theta)).abs().sum())
    value = float(loss + objective.penalty(objective.theta))
    if not (value > 0.0 and slope > 0.0):
        return size, size
    frame = objective.coordinates
    bend = len(objective.theta) * problem.penalty_in(None if frame is None else frame.matrix).largest()
    lengths = size, min(size, value / slope, (value / bend) ** 0.5 if bend > 0.0 else size)
    move = 1.0 if rule.kind is None else rule.kind.first_move
    return lengths[0] / move, lengths[1] / move


def _tried_rate(objective: LinearObjective, rule: Any, units: Iterable[float], trial: Batching) -> float:
    """The best of a few rates up to `units`, all tried at once for a few steps under a cosine schedule."""
    like = objective.theta
    each = sorted({unit * rate for unit in units for rate in TRIAL_RATES})
    rates = torch.tensor(each, dtype=like.dtype, device=like.device)[:, None]
    theta = like.repeat(len(each), 1)
    for _ in descend(objective, rule, trial, lr=rates, schedule="cosine", theta=theta):
        pass
    ends = objective.value(theta) + objective.penalty(theta)
    return each[int(torch.where(torch.isfinite(ends), ends, torch.inf).argmin())]


def _plan_module(
    spec: Spec,
    data: Dataset,
    loss: Loss,
    module: nn.Module,
    outputs: int,
    given: Any,
) -> Plan:
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
    module = modules.filled(module, x[:2].to(*modules.kind_of(module)[::-1]), spec.seed).to(
        device=spec.device, dtype=dtype
    )
    module = modules.taking(module, x)
    trial = tried(module, x, y, loss, outputs, data.classes or ())
    loss = trial.loss
    precondition = spec.precondition
    if precondition == "auto":
        columns = x.ndim == 2 and not modules.embeds(module)
        precondition = "none" if _in_user_units(spec) or not columns else "standardize"
    if precondition == "orthonormal":
        raise SpecError(
            "precondition='orthonormal' is for models linear in θ; for a module use 'standardize' or 'none'."
        )
    if precondition == "standardize":
        if isinstance(module, modules.WholeNumbers):
            raise SpecError("precondition='standardize' is for quantities; this model takes whole numbers. Use 'none'.")
        numbers = own and y.is_floating_point() and not loss.classes
        module = modules.scaled(module, x, y if numbers else None)
    objective = ModuleObjective(module, loss, x, y, weights, penalty(spec.penalty), spec.seed)
    objective.names = tuple(name.removeprefix("module.").removeprefix("_orig_mod.") for name in objective.names)
    objective.random = trial.random
    first = modules.start(spec.init, objective.names, spec.seed)
    if first is not None:
        objective.theta.copy_(torch.as_tensor(first).to(objective.theta))
    check_loss(objective, start=True)
    batching = Batching.of(spec, data.rows, None if given is None else "minibatch")
    rule_name = spec.optimizer
    if rule_name == "auto":
        rule_name = "adam" if spec.lr == "auto" else "sgd"
    notes = _unlike(y, data.targets) if not loss.classes and modules.balance_of(module) is None else ()
    size = batching.size
    if trial.two and size is not None and given is None and _leaves_one(size, data.rows) and not drop_last:
        drop_last = True
        notes += ("The last batch of an epoch has one row, of which BatchNorm has no variance: it is left out.",)
    return _finish(
        spec,
        objective,
        rule_name,
        replace(batching, drop_last=drop_last and size is not None),
        given,
        loss,
        precondition,
        kinked=False,
        module=module,
        names=objective.names,
        notes=notes,
        kind=kind,
    )


def _unlike(y: Tensor, targets: Sequence[str]) -> tuple[str, ...]:
    """What is said where one target's squares leave nothing of another's in the loss."""
    if y.ndim != 2 or not y.is_floating_point():
        return ()
    spread = y.double().std(0, correction=0)
    small, large = int(spread.argmin()), int(spread.argmax())
    if not 0.0 < float(spread[small]) < float(spread[large]) / UNLIKE:
        return ()
    return (
        f"The loss is nearly that of {targets[large]!r} alone, which varies by {float(spread[large]):.2g} where "
        f"{targets[small]!r} does by {float(spread[small]):.2g}. Bring the targets to one size, or fit each alone.",
    )


def _leaves_one(size: int, rows: int) -> bool:
    """Whether the last batch of an epoch has a single row. SpecError where every batch has."""
    if size == 1:
        raise SpecError(
            "The model's BatchNorm needs at least 2 rows in a batch, to have a variance: use a batch_size larger than 1."
        )
    return rows % size == 1

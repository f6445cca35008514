"""Objectives: loss and gradient as a function of θ, one vector.

Three of them, one for each way to write a model down:

- `LinearObjective`: the linear family by its closed form, gradient = Aᵀ·slope/n. No autograd; θ may be `[runs, p]`.
- `ModuleObjective`: any `nn.Module`. θ is one contiguous vector and the module's parameters and their gradients are
  views into it, so that a rule moves the whole module by moving one vector.
- `FunctionObjective`: any function of θ (Rosenbrock's valley, a lesson's formula).

Each answers `value_and_grad(theta, batch)`: the mean loss of a batch (without penalty), and its gradient (with the
smooth part of the penalty). A penalty's kink is left to the rule: `proximal(theta, lr)` or `subgradient(theta)`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from steepest.choices import parse
from steepest.data.arrays import array_of, start_of
from steepest.data.batching import Batch
from steepest.data.randomness import seeded
from steepest.errors import FitError, SpecError, SteepestError
from steepest.formulas.models import MODELS
from steepest.model import double_double, losses, modules, penalties
from steepest.model.calling import evaluating, output, place
from steepest.model.linear import LinearProblem, Terms
from steepest.model.losses import Loss
from steepest.model.penalties import Penalty, PenaltyTerm
from steepest.model.preconditioners import Coordinates

CHECKED = 1_000
"""Rows of a module's on which a loss of the user's is tried before the descent."""
NOTHING_TO_FIT = "The module has no parameter that requires a gradient: there is nothing to fit."

NO_GRADIENT = (
    "The loss has no gradient: it does not come from the model's parameters by operations that autograd knows. Look for "
    "detach(), .data, no_grad(), item(), numpy(), round or argmax in the model's forward and in the loss."
)


class Objective(ABC):
    """F(θ) = mean loss + penalty. `theta` is where a descent starts; `names` are its entries'.

    `rows` is the number of rows it holds, 0 where the data come with the batches.
    """

    theta: Tensor
    names: tuple[str, ...]
    rows: int = 0
    kinked: bool = False
    """Whether the penalty has a kink; `proximal` is None where its step has no closed form."""
    proximal: Callable[[Tensor, Any], None] | None = None
    penalty_term: PenaltyTerm | None = None

    @abstractmethod
    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        """Mean loss `[...]` of a batch (None: all rows), and the gradient `[..., p]`, both at θ `[..., p]`."""

    @abstractmethod
    def value(self, theta: Tensor) -> Tensor:
        """Mean loss `[...]` over all rows, without penalty."""

    def penalty(self, theta: Tensor) -> Tensor | float:
        """l1·Σ|θ| + l2·Σθ² `[...]`, in user units."""
        return 0.0 if self.penalty_term is None else self.penalty_term.value(theta)

    def subgradient(self, theta: Tensor) -> Tensor:
        """A subgradient `[..., p]` of the penalty's kink, 0 at the kink itself."""
        return torch.zeros_like(theta) if self.penalty_term is None else self.penalty_term.subgradient(theta)

    def with_penalty(self, grad: Tensor, theta: Tensor) -> Tensor:
        """The gradient `[..., p]` of the mean loss at θ, that of the penalty's smooth part added."""
        term = self.penalty_term
        return grad if term is None or not term.l2 else grad + term.gradient(theta)

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        """A flat vector cut into the tensors that it stands for."""
        return [flat]


@final
class LinearObjective(Objective):
    """The linear family in closed form, in user units or in other coordinates: f = offset + basis·c."""

    def __init__(
        self,
        problem: LinearProblem,
        names: tuple[str, ...] = (),
        coordinates: Coordinates | None = None,
        start: np.ndarray | None = None,
        dtype: torch.dtype = torch.float64,
        device: str = "cpu",
    ):
        numbers = torch.empty(0, dtype=dtype).numpy().dtype

        def tensor(array: np.ndarray) -> Tensor:
            # converted by NumPy, which asks for large pages of memory: rows in random order are read far sooner there
            kind = array.dtype if array.dtype == np.int64 else numbers
            return torch.as_tensor(np.require(array, kind, "W"), device=device)

        basis = problem.design if coordinates is None else coordinates.basis
        first = np.zeros(problem.parameters) if start is None else np.asarray(start, dtype=np.float64)
        self.problem, self.coordinates = problem, coordinates
        self.loss, self.outputs = problem.loss, problem.outputs
        self.basis, self.target = tensor(basis), tensor(problem.target)
        self.weights = None if problem.weights is None else tensor(problem.weights)
        self.rows = basis.shape[0]
        self.names = names or tuple(f"theta{i}" for i in range(problem.parameters))
        self.offset: Tensor | None = None
        origin = None
        if coordinates is None:
            self.theta = tensor(first).clone()
        else:
            self.theta = torch.zeros(self.outputs * coordinates.rank, dtype=dtype, device=device)
            if first.any():
                offset = problem.design @ first.reshape(self.outputs, -1).T
                self.offset = tensor(offset if self.outputs > 1 else offset[:, 0])
                origin = tensor(first)
        self.origin = first
        if problem.penalty:
            matrix = None if coordinates is None else tensor(coordinates.matrix)
            self.penalty_term = problem.penalty.at(tensor(problem.penalised), matrix, origin, self.outputs)
            self.kinked = problem.penalty.l1 > 0
            if self.kinked and (coordinates is None or coordinates.name != "orthonormal"):
                self.proximal = self.penalty_term.proximal

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·r]` → θ `[..., k·p]` in user units."""
        return c if self.coordinates is None else self.origin + self.coordinates.to_user(c)

    def predict(self, theta: Tensor, rows: Tensor | slice | None = None) -> Tensor:
        """f `[..., n]`, or `[..., n, k]` for k outputs."""
        basis = self.basis if rows is None else self.basis[rows]
        if self.outputs == 1:
            prediction = theta @ basis.T
        else:
            prediction = (theta.unflatten(-1, (self.outputs, -1)) @ basis.T).transpose(-1, -2)
        if self.offset is None:
            return prediction
        return prediction + (self.offset if rows is None else self.offset[rows])

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if batch is not None and batch.data is not None:
            raise FitError(
                "This objective holds its rows; batches for it are numbers of rows, as minibatches() gives them."
            )
        rows = None if batch is None else batch.rows
        basis, target = (self.basis, self.target) if rows is None else (self.basis[rows], self.target[rows])
        prediction = self.predict(theta, rows)
        weights = self.weights if rows is None or self.weights is None else self.weights[rows]
        value, slope = self.loss.mean(prediction, target, weights), self.loss.slope(prediction, target)
        if weights is not None:
            slope = slope * (weights if self.outputs == 1 else weights[:, None])
        if self.outputs == 1:
            grad = slope @ basis / basis.shape[0]
        else:
            grad = (slope.transpose(-1, -2) @ basis).flatten(-2) / basis.shape[0]
        return value, self.with_penalty(grad, theta)

    def value(self, theta: Tensor) -> Tensor:
        return self.loss.mean(self.predict(theta), self.target, self.weights)


@final
class ExtendedObjective(Objective):
    """A full-batch objective in user units whose predictions carry 32 digits (`double_double.py`); for `mse` the gradient too.

    For losses of a residual it predicts −r for a target of 0, since y − f would lose the digits of f.
    """

    def __init__(self, inner: LinearObjective):
        problem = inner.problem
        self.inner, self.problem, self.loss, self.weights = inner, problem, inner.loss, inner.weights
        self.theta, self.names, self.rows, self.penalty_term = inner.theta, inner.names, inner.rows, inner.penalty_term
        of_residual = problem.loss.of_residual
        self.target = torch.zeros_like(inner.target) if of_residual else inner.target
        self._centre = problem if of_residual else replace(problem, target=np.zeros(len(problem.design)))

    def predict(self, theta: Tensor) -> Tensor:
        """f, or −r, as the target is: `[n]`, or `[n, k]` for k outputs."""
        residual = -double_double.residuals(self._centre, theta.numpy())[0]
        return torch.as_tensor(residual[0] if self.problem.outputs == 1 else residual.T).to(theta)

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if self.loss.quadratic:
            grad = torch.as_tensor(double_double.gradient(self.problem, theta.numpy())).to(theta)
            return self.value(theta), grad
        return self.value(theta), self.inner.value_and_grad(theta)[1]

    def value(self, theta: Tensor) -> Tensor:
        if self.loss.quadratic:
            return torch.tensor(double_double.mean_loss(self.problem, theta.numpy()), dtype=theta.dtype)
        return self.loss.mean(self.predict(theta), self.target, self.weights)


@final
class ModuleObjective(Objective):
    """Any `nn.Module`: its trainable parameters become views into one vector, tied ones once.

    Penalties hold for all parameters but biases. Raises SpecError for modules without parameters or with mixed dtypes.

    random: whether the module may draw random numbers in training, which then depend on (seed, epoch, index) alone.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        x: Tensor | None = None,
        y: Tensor | None = None,
        weights: Tensor | None = None,
        penalty: Penalty | None = None,
        seed: int = 0,
    ):
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        if not named:
            raise SpecError(NOTHING_TO_FIT)
        kinds = {(p.dtype, p.device) for _, p in named}
        if len(kinds) > 1:
            kinds_text = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
            raise SpecError(
                f"The module's parameters are of several kinds ({kinds_text}). Bring them to one: module.double()."
            )
        self.module, self.loss, self.x, self.y, self.weights = module, loss, x, y, weights
        self.balance = modules.balance_of(module)
        self.rows = 0 if x is None else x.shape[0]
        self.seed = seed
        self.names = tuple(
            name if p.numel() == 1 else f"{name}[{','.join(map(str, place))}]"
            for name, p in named
            for place in (np.ndindex(tuple(p.shape)) if p.numel() > 1 else [()])
        )
        self._parameters = named
        self._shapes = [p.shape for _, p in named]
        self._sizes = [p.numel() for _, p in named]
        self.theta = torch.cat([p.detach().reshape(-1) for _, p in named])
        self.gradient = torch.zeros_like(self.theta)
        for (_, parameter), data, grad in zip(named, self.views(self.theta), self.views(self.gradient), strict=True):
            parameter.data = data
            parameter.grad = grad
        self._pointers = [(p.data_ptr(), p.grad.data_ptr()) for _, p in named if p.grad is not None]
        self._owners = [module.get_submodule(name.rpartition(".")[0])._parameters for name, _ in named]
        self._places = _places(module, [p for _, p in named])
        self.random = True
        if penalty:
            free = torch.cat([torch.full((p.numel(),), float(not name.endswith("bias"))) for name, p in named])
            self.penalty_term = penalty.at(free.to(self.theta))
            if penalty.l1:
                self.kinked, self.proximal = True, self.penalty_term.proximal

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        return [part.view(shape) for part, shape in zip(flat.split(self._sizes), self._shapes, strict=True)]

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if theta is not self.theta:
            self.theta.copy_(theta)
        if batch is None or batch.index == 0:
            self._check_views()
        self.gradient.zero_()
        if batch is None:
            with evaluating(self.module):
                value = self._mean(None)
        else:
            drawn = seeded(hash((self.seed, batch.epoch, batch.index)), self.theta.device)
            with drawn if self.random else nullcontext():
                value = self._mean(batch)
        if not value.requires_grad:
            raise SpecError(NO_GRADIENT)
        value.backward()
        return value.detach(), self.with_penalty(self.gradient, theta)

    def value(self, theta: Tensor) -> Tensor:
        if self.x is None or self.y is None:
            raise FitError("This objective holds no rows of its own: its data come with the batches.")
        with evaluating(self.module), torch.no_grad():
            prediction = self.predict(theta, self.x)
            return self._reduce(prediction, self.y, self.weights)

    def predict(self, theta: Tensor, x: Tensor) -> Tensor:
        """What the module gives at θ `[p]`, its own parameters left as they are."""
        views = self.views(theta)
        parameters = {name: views[place] for name, place in self._places.items()}

        def call(rows: Tensor) -> Any:
            return torch.func.functional_call(self.module, parameters, (rows,), tie_weights=False)

        return output(self.module, x, call)

    def on(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> ModuleObjective:
        """The same module and memory on other rows, to be valued there."""
        other = copy.copy(self)
        other.x, other.y, other.weights = x, y, weights
        return other

    def _mean(self, batch: Batch | None) -> Tensor:
        weights = self.weights
        if batch is not None and batch.data is not None:
            x, y = (part.to(self.theta if part.is_floating_point() else self.theta.device) for part in batch.data)
            weights = None
        elif self.x is None or self.y is None:
            raise FitError("This objective holds no rows of its own: give batches=, an iterable of (x, y).")
        else:
            x, y = self.x, self.y
            if batch is not None and batch.rows is not None:
                x, y = x[batch.rows], y[batch.rows]
                weights = None if weights is None else weights[batch.rows]
        return self._reduce(self.balanced(output(self.module, x)), y, weights)

    def balanced(self, prediction: Tensor) -> Tensor:
        """The same predictions, the slopes of each target's times its `balance`."""
        if self.balance is None:
            return prediction
        fixed = prediction.detach()
        return fixed + self.balance * (prediction - fixed)

    def _reduce(self, prediction: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        prediction = matched(prediction, target, self.loss)
        return self.loss.mean(prediction, target, weights)

    def _check_views(self) -> None:
        for (name, known), owner, (data, grad) in zip(self._parameters, self._owners, self._pointers, strict=True):
            here = owner.get(name.rpartition(".")[2])
            if here is not known or here.data_ptr() != data or here.grad is None or here.grad.data_ptr() != grad:
                raise FitError(
                    f"The parameter {name!r} is no longer a view into the descent's vector: something replaced its memory "
                    "or its gradient (.double(), load_state_dict(assign=True), zero_grad()). Do that before the fit."
                )


def _places(module: nn.Module, parameters: Sequence[nn.Parameter]) -> dict[str, int]:
    """Every name under which a module keeps its parameters → which of them it is.

    A parameter that two parts share has two names; a part that stands in two places is named once, since
    `functional_call` would put back the wrong thing the second time.
    """
    number, seen, found = {id(p): place for place, p in enumerate(parameters)}, set(), {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owner, _, own = name.rpartition(".")
        slot = (id(module.get_submodule(owner)), own)
        if id(parameter) in number and slot not in seen:
            seen.add(slot)
            found[name] = number[id(parameter)]
    return found


@final
class FunctionObjective(Objective):
    """A function of θ alone; its gradient is autograd's. θ may have any shape and reaches the function in it."""

    def __init__(self, function: Callable[[Tensor], Tensor], theta: Any, names: tuple[str, ...] = ()):
        start = start_of(theta)
        self.function, self.shape = function, start.shape
        self.theta = start.reshape(-1).clone()
        self.names = names or tuple(f"theta{i}" for i in range(self.theta.numel()))
        self.rows = 1

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            free = theta.detach().view(self.shape).requires_grad_()
            value = self._value(free)
            if not value.requires_grad:
                raise SpecError("The function of θ returns a constant: autograd sees no dependence on θ.")
            grad = torch.autograd.grad(value, free, allow_unused=True)[0]
            if grad is None:
                raise SpecError(
                    "The function of θ returns a value that is not made from θ: autograd sees no dependence on it."
                )
        return value.detach(), grad.reshape(-1)

    def value(self, theta: Tensor) -> Tensor:
        with torch.no_grad():
            return self._value(theta.view(self.shape))

    def _value(self, theta: Tensor) -> Tensor:
        """The function's one real number; SpecError for whatever else it does."""
        try:
            value = self.function(theta)
        except (SteepestError, MemoryError):
            raise
        except Exception as error:  # it is the user's own code: whatever it raises is told, not thrown
            why = (str(error).splitlines() or [""])[0]
            raise SpecError(f"The function of θ raised {type(error).__name__}: {why} ({place(error)}).") from error
        if not isinstance(value, Tensor):
            raise SpecError(f"The function of θ returns a {type(value).__name__}; autograd needs a tensor made from θ.")
        if value.numel() != 1:
            raise SpecError(f"The function of θ returns {tuple(value.shape)} values; a descent needs one number.")
        if value.is_complex():
            raise SpecError("The function of θ returns a complex number; a descent needs a real one, as its abs().")
        return value.reshape(())


def matched(prediction: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """The prediction in the shape that the loss needs beside the target; a last axis of one is dropped, no more.

    Raises SpecError instead of ever broadcasting one against the other.
    """
    rows = target.shape[0]
    if loss.free and prediction.shape[:1] == target.shape[:1]:
        return prediction
    codes = loss.coupled
    scores = prediction.ndim == 2 and prediction.shape[-1] > 1
    if codes or (loss.custom and not target.is_floating_point() and scores):
        fine = prediction.ndim == 2 and target.ndim == 1 and prediction.shape[0] == rows
    else:
        if prediction.ndim == target.ndim + 1 and prediction.shape[-1] == 1:
            prediction = prediction.squeeze(-1)
        fine = prediction.shape == target.shape
    if not fine:
        need = f"[{rows}, classes] for targets [{rows}]" if codes else str(list(target.shape))
        raise SpecError(
            f"The model gives predictions of shape {list(prediction.shape)} for targets of shape {list(target.shape)}; "
            f"loss {loss} needs {need}. Fix the model's last layer or the target's shape."
        )
    return prediction


def objective(
    model: Any,
    loss: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    penalty: str | None = None,
    intercept: bool = True,
    weights: Any = None,
) -> Objective:
    """A model's loss as a function of θ, to be given to `descend()`; or a function of θ as it is.

    `objective("poly:2", "l1", x, y)`, `objective(module, "mse", x, y)`, `objective(module, "mse")` (the data then come
    with the batches), or `objective(f, theta0)` for any function f of θ.

    A descent moves a copy of the module, `objective.module`; the one given stays as it was, until
    `module.load_state_dict(objective.module.state_dict())`.

    Args:
        model: `linear`, `poly:D`, an `nn.Module`, or a function of θ.
        loss: a loss's name or a callable on (prediction, target); for a function of θ the start θ₀.
        x, y: `[n]` or `[n, d]` and `[n]` (class codes for `cross_entropy`).
        penalty: `l1:A`, `l2:A` or `elastic:A,B`.
        weights: `[n]`, scaled to mean 1.

    >>> f = objective(lambda theta: (theta**2).sum(), [3.0, 4.0])
    >>> f.value_and_grad(f.theta)
    (tensor(25., dtype=torch.float64), tensor([6., 8.], dtype=torch.float64))
    """
    share = None if weights is None else _share(weights)
    if isinstance(model, nn.Module):
        model = modules.copied(model)
        kind = losses.loss(loss if loss is not None else "mse")
        sample = next(model.parameters(), torch.empty(0))
        inputs = None if x is None else torch.as_tensor(array_of(x, "x"))
        if inputs is not None and (inputs.is_floating_point() or not modules.embeds(model)):
            inputs = inputs.to(sample)
        targets = None if y is None else torch.as_tensor(array_of(y, "y"))
        if targets is not None:
            codes = (kind.coupled or kind.custom) and not targets.is_floating_point()
            targets = targets.to(sample.device if codes else sample)
            _check_classes(kind, targets)
        scale = None if share is None else torch.from_numpy(share).to(sample)
        made = ModuleObjective(model, kind, inputs, targets, scale, penalties.penalty(penalty))
        check_loss(made)
        return made
    if not isinstance(model, str):
        if loss is None:
            raise SpecError("A function of θ needs a start: objective(function, theta0).")
        return FunctionObjective(model, loss)
    if x is None or y is None:
        raise SpecError(f"objective({model!r}) needs x and y; only a module can take its data from the batches.")
    columns = array_of(x, "x").astype(np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2:
        raise SpecError(f"x has the shape {list(columns.shape)}; model {model!r} needs rows × columns.")
    target = array_of(y, "y")
    if columns.shape[0] != target.shape[0]:
        raise SpecError(f"x has {columns.shape[0]} rows and y has {target.shape[0]}; they must be as many.")
    name, numbers = parse(model, MODELS, "model")
    if name == "mlp":
        raise SpecError(f"objective({model!r}): give linear, poly:D, an nn.Module or a function of θ.")
    kind = losses.loss(loss or {"logistic": "logistic", "softmax": "cross_entropy"}.get(name, "mse"))
    names = ("x",) if columns.shape[1] == 1 else tuple(f"x{i + 1}" for i in range(columns.shape[1]))
    terms = Terms(names, int(numbers[0]) if numbers else 1, intercept)
    _check_classes(kind, target)
    classes = kind.coupled
    outputs = int(target.max()) + 1 if classes else (target.shape[1] if target.ndim == 2 else 1)
    problem = LinearProblem(
        design=terms.design(columns),
        target=target.astype(np.int64 if classes else np.float64),
        loss=kind,
        penalty=penalties.penalty(penalty),
        intercept=intercept,
        weights=share,
        outputs=outputs,
        degree=terms.degree,
    )
    found = LinearObjective(problem, parameter_names(terms.names, outputs))
    check_loss(found)
    return found


def _share(weights: Any) -> np.ndarray:
    """Weights `[n]`, scaled to mean 1."""
    share = array_of(weights, "weights").astype(np.float64)
    if (share < 0).any() or not share.any():
        raise SpecError("weights must be numbers of at least 0, and not all 0.")
    return share / share.mean()


def check_loss(objective: LinearObjective | ModuleObjective, start: bool = False) -> None:
    """SpecError unless a loss of the user's can be fitted; with `start`, it must be finite at θ₀ too."""
    loss = objective.loss
    if not loss.custom:
        return
    if isinstance(objective, LinearObjective):
        prediction, target, weights = objective.predict(objective.theta), objective.target, objective.weights
    elif objective.x is None or objective.y is None:
        return
    else:
        target, weights = objective.y[:CHECKED], None if objective.weights is None else objective.weights[:CHECKED]
        with evaluating(objective.module), torch.no_grad():
            prediction = matched(objective.predict(objective.theta, objective.x[:CHECKED]), target, loss)
    (loss.check_start if start else loss.check)(prediction, target, weights)


def _check_classes(loss: Loss, target: Any) -> None:
    if loss.binary and not ((target == 0) | (target == 1)).all():
        raise SpecError(
            "loss logistic needs targets 0 and 1; for other classes number them, as np.unique(y, return_inverse=True)."
        )
    if loss.coupled and ((target < 0) | (target != target.round())).any():
        raise SpecError(
            "loss cross_entropy needs class codes 0, 1, 2, …; np.unique(y, return_inverse=True) gives them."
        )


def parameter_names(terms: Sequence[str], outputs: int, labels: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of θ: the terms', or for several outputs `output: term`."""
    if outputs == 1:
        return tuple(terms)
    return tuple(f"{label}: {term}" for label in (labels or [f"y{i + 1}" for i in range(outputs)]) for term in terms)

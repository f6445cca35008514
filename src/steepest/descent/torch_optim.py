"""Optimisers of `torch.optim`, however they are given: a class, a partial of it, a function of the parameters, an object.

Each is made here, on parameters that are views into θ, and looked at before the first step: that it moves these
parameters and downhill. What PyTorch says of settings that it refuses is told in a line.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from steepest.checkpoints.tree import Unlike
from steepest.data.wording import called
from steepest.errors import SpecError, SteepestError
from steepest.formulas.rule_formula import RuleFormula
from steepest.formulas.rules import FORMULAS
from steepest.lazy import Tensor, imported, nn, torch

Factory = Callable[..., "torch.optim.Optimizer"]

FIRST_RATE = 1e-3  # the rate that a class is made with where it asks for one; each step sets its own


def given_rate(factory: Any) -> float | None:
    """The learning rate that a partial or a rebuilt object brings along; None where that cannot be told."""
    if isinstance(factory, functools.partial) and "lr" in factory.keywords:
        return float(factory.keywords["lr"])
    return getattr(factory, "given_rate", None)


def brings_rate(given: Any) -> bool:
    """Whether a learning rate was chosen with the optimiser, as in partial(SGD, lr=0.1): it is one in user units."""
    if isinstance(given, (str, type)) or not (callable(given) or isinstance(given, torch.optim.Optimizer)):
        return False
    return not isinstance(given, functools.partial) or "lr" in given.keywords


def made(factory: Factory, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser on these parameters. Raises SpecError for one that cannot be made, or that does not descend by them."""
    name = called(factory)
    imported("torch._dynamo")
    try:
        asks = asks_for_rate(factory)
        found: Any = factory(parameters, lr=FIRST_RATE) if asks else factory(parameters)
    except SteepestError:
        raise
    except Exception as error:  # it may be the user's own code
        raise SpecError(_refused(factory, name, error)) from error
    if not isinstance(found, torch.optim.Optimizer):
        raise SpecError(
            f"optimizer={name} gives a {type(found).__name__}. It must be a torch.optim class, or a function of the parameters "
            "that makes one: lambda parameters: torch.optim.SGD(parameters, momentum=0.9)."
        )
    if isinstance(found, torch.optim.SparseAdam):
        raise SpecError(
            "SparseAdam moves by sparse gradients only, and those of a fit are one dense vector. Use optimizer='adam'."
        )
    ours = {id(parameter) for parameter in parameters}
    if any(id(p) not in ours for group in found.param_groups for p in group["params"]):
        raise SpecError(
            f"optimizer={name} moves other parameters than it is given, and a fit moves a copy of the model. Make it of its "
            "argument: lambda parameters: torch.optim.SGD(parameters)."
        )
    if any(group.get("maximize") for group in found.param_groups):
        raise SpecError(f"optimizer={name}: maximize=True climbs, and a fit descends. Leave it out.")
    return found


def asks_for_rate(factory: Factory) -> bool:
    """Whether it cannot be made without a learning rate."""
    try:
        rate = inspect.signature(factory).parameters.get("lr")
    except (TypeError, ValueError):
        return False
    return rate is not None and rate.default is inspect.Parameter.empty


def _refused(factory: Factory, name: str, error: Exception) -> str:
    why = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
    kind = factory.func if isinstance(factory, functools.partial) else factory
    muon = getattr(torch.optim, "Muon", None)
    if muon is not None and (kind is muon or "only supports 2D" in why):
        return (
            f"Muon moves matrices only, and this model has other parameters too ({why}). Use another optimizer, as 'adam', or "
            "layers without bias."
        )
    return f"optimizer={name} cannot be made: {type(error).__name__}: {why}."


def ratios(optimizer: torch.optim.Optimizer) -> list[float | None]:
    """The rate of each group of parameters, as a multiple of the optimiser's own; None for a group without one."""
    own = float(optimizer.defaults.get("lr", 0.0) or 0.0)
    rates = [group.get("lr") for group in optimizer.param_groups]
    return [None if rate is None else float(rate) / own if own > 0.0 else 1.0 for rate in rates]


def stepped(optimizer: torch.optim.Optimizer, closure: Callable[[], Tensor] | None) -> None:
    """One step. Raises SpecError for what it refuses only now."""
    try:
        with torch.enable_grad():
            if closure is None:
                optimizer.step()
            else:
                optimizer.step(closure)  # pyrefly: ignore[no-matching-overload] (it may return a tensor)
    except (SteepestError, MemoryError):
        raise
    except Exception as error:  # it may be the user's own code
        why = (str(error).splitlines() or [""])[0].rstrip(".")
        what = f"optimizer={type(optimizer).__name__} fails in its step"
        raise SpecError(f"{what}: {type(error).__name__}: {why}.") from error


def take_up(optimizer: torch.optim.Optimizer, state: Any) -> None:
    """Go on from the `state_dict()` of an optimiser of the same kind. Unlike where that is something else."""
    try:
        optimizer.load_state_dict(state)
    except Exception as error:  # it may be the user's own code
        raise Unlike(f"{type(optimizer).__name__} does not take it: {error}") from error


def decay(optimizer: torch.optim.Optimizer) -> float:
    """The largest weight decay of its groups."""
    return max((float(group.get("weight_decay") or 0.0) for group in optimizer.param_groups), default=0.0)


def rebuilt(optimizer: torch.optim.Optimizer, model: Any) -> Factory:
    """What makes the same optimiser anew, on the parameters that a fit moves in the place of the model's own.

    Raises SpecError for one that is of other parameters, or has already stepped.
    """
    name = type(optimizer).__name__
    give = f"Give its class: optimizer=functools.partial(torch.optim.{name}, …)."
    if not isinstance(model, nn.Module):
        raise SpecError(f"optimizer={name}(…) is an object made for other parameters than those of this fit. {give}")
    if optimizer.state:
        raise SpecError(f"optimizer={name}(…) has already stepped, and a fit begins anew. {give}")
    place = {id(p): i for i, p in enumerate(p for p in model.parameters() if p.requires_grad)}
    groups = []
    for group in optimizer.param_groups:
        trained = [p for p in group["params"] if p.requires_grad]
        if any(id(p) not in place for p in trained):
            raise SpecError(f"optimizer={name}(…) is of other parameters than those of the model. {give}")
        groups.append(([place[id(p)] for p in trained], {k: v for k, v in group.items() if k != "params"}))
    takes = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in takes}

    def make(parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        own = [{"params": [parameters[i] for i in places]} | dict(more) for places, more in groups]
        return type(optimizer)(own, **settings)

    make.__name__ = name
    make.given_rate = float(optimizer.defaults["lr"]) if "lr" in optimizer.defaults else None  # pyrefly: ignore
    return make


WITHOUT_EFFECT = frozenset(("lr", "initial_lr", "params", "foreach", "fused", "capturable", "differentiable"))
"""What a group of parameters holds beside the settings of its rule."""


def named(optimizer: torch.optim.Optimizer) -> str | Factory:
    """An optimiser as a setting of a fit: the name of the rule that is the same one, else its class with its settings.

    Its learning rate is left out.

    >>> named(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9))
    'momentum:0.9'
    """
    kind, group = type(optimizer), optimizer.param_groups[0]
    usual = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    own = {name: value for name, value in group.items() if name in usual and name not in WITHOUT_EFFECT}
    changed = {name: value for name, value in own.items() if value != usual[name]}
    for formula in FORMULAS.values():
        if formula.torch_name and getattr(torch.optim, formula.torch_name) is kind:
            numbers = _numbers_in(own, changed, formula)
            if numbers is not None:
                return formula.name + (":" if numbers else "") + ",".join(f"{float(number):g}" for number in numbers)
    return functools.partial(kind, **changed) if changed else kind


def _numbers_in(own: dict[str, Any], changed: dict[str, Any], formula: RuleFormula) -> list[Any] | None:
    """A rule's numbers among an optimiser's settings; None where these make another rule of it."""
    numbers: list[Any] = []
    left = set(changed)
    for entry in formula.torch_numbers:
        name, _, text = entry.partition("=")
        value = own.get(name)
        if "{" in text:
            numbers += value if isinstance(value, tuple) else [value]
        elif str(value) != text:
            return None
        left.discard(name)
    still = formula.momentum and not numbers[0]
    return None if left or still else numbers


def quasi_newton(parameters: Any) -> torch.optim.Optimizer:
    """L-BFGS with a line search, one iteration a step: what `auto` takes for a loss that it knows nothing about."""
    return torch.optim.LBFGS(
        parameters, max_iter=1, max_eval=25, tolerance_grad=0.0, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

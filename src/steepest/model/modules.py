"""Models that are no linear combination: multilayer perceptrons, modules of the user's.

The linear family is in `linear.py`. Here a module is made ready to be fitted: copied, so that the user's own stays
as it was; started as `init` says. `wrapped_modules.py` has what stands around one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from steepest.choices import is_choice, is_path, locate, parse, required
from steepest.data.randomness import seeded
from steepest.errors import SpecError
from steepest.formulas.inits import INITS
from steepest.formulas.models import MODELS
from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import evaluating, output

LINEAR: dict[str, Callable[..., int]] = {
    "linear": lambda: 1,
    "poly": int,
    "logistic": lambda: 1,
    "softmax": lambda: 1,
}
"""The models that are linear in θ: the degree of their terms, from the numbers behind the name."""


def is_linear(model: Any) -> bool:
    """Whether a model is named whose terms are the columns themselves.

    >>> is_linear("softmax"), is_linear("poly:2"), is_linear("mlp:8")
    (True, False, False)
    """
    name, numbers = parse(model, MODELS, "model") if isinstance(model, str) and not is_path(model, MODELS) else ("", ())
    return name in LINEAR and LINEAR[name](*numbers) == 1


def mlp(inputs: int, widths: tuple[int, ...], outputs: int, seed: int = 0) -> nn.Module:
    """Linear layers with ReLU between them, started as PyTorch starts them, from a seed.

    >>> sum(p.numel() for p in mlp(3, (8,), 1).parameters())
    41
    """
    random = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers += [_linear(before, after, random), nn.ReLU()]
    return nn.Sequential(*layers, _linear((inputs, *widths)[-1], outputs, random))


def _linear(inputs: int, outputs: int, random: torch.Generator) -> nn.Linear:
    """`nn.Linear` as its `reset_parameters` starts it, the numbers drawn from a generator of ours."""
    layer = nn.Linear(inputs, outputs, device="meta")  # which draws nothing
    layer.weight, layer.bias = nn.Parameter(torch.empty(outputs, inputs)), nn.Parameter(torch.empty(outputs))
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=random)
    bound = 1 / math.sqrt(inputs)
    nn.init.uniform_(layer.bias, -bound, bound, generator=random)
    return layer


def module(model: Any, inputs: int, outputs: int, seed: int) -> nn.Module | None:
    """The module that a model's name or object stands for; None for the linear family.

    A name `package.module:factory` is imported and called, with (inputs, outputs) if it takes two arguments.
    """
    if is_choice(model, MODELS):
        name, numbers = parse(model, MODELS, "model")
        kinds: dict[str, Callable[..., nn.Module | None]] = dict.fromkeys(LINEAR, lambda *numbers: None)
        kinds["mlp"] = lambda *widths: mlp(inputs, tuple(map(int, widths)), outputs, seed)
        return kinds[name](*numbers)
    factory = locate(model) if isinstance(model, str) else model
    if isinstance(factory, nn.Module):
        return copied(factory)
    if not callable(factory):
        raise SpecError(f"model={model!r} is no model's name, nn.Module or function that makes one.")
    with seeded(seed):
        try:
            made = factory(inputs, outputs) if len(required(factory) or ()) == 2 else factory()
        except Exception as error:  # it is the user's own code: whatever it raises is told, not thrown
            raise SpecError(f"model={model!r} failed: {type(error).__name__}: {error}.") from error
    if not isinstance(made, nn.Module):
        raise SpecError(f"model={model!r} made a {type(made).__name__}, not an nn.Module.")
    return made


def copied(module: nn.Module) -> nn.Module:
    """A module of its own, in training mode; parts that a module in training mode has in evaluation stay there.

    Raises SpecError for a module that PyTorch cannot copy, or that has no numbers in it.
    """
    for name, parameter in module.named_parameters():
        if parameter.is_meta:
            raise SpecError(
                f"The model's parameter {name!r} is on the device 'meta', which holds no numbers. Make the model on the cpu."
            )
        if parameter.is_complex():
            raise SpecError(f"The model's parameter {name!r} is complex; a descent here moves real numbers.")
    try:
        own = copy.deepcopy(module)
    except Exception as error:  # it may be the user's own code
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError(
            f"The model cannot be copied ({why}), and a fit moves a copy. Give a function that makes it: "
            "model='package.module:factory'."
        ) from error
    return own if own.training else own.train()


def kind_of(module: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Precision and device of a module."""
    like = next(module.parameters(), torch.empty(0))
    return like.dtype, like.device


def filled(module: nn.Module, x: Tensor, seed: int) -> nn.Module:
    """A module whose lazy layers know their sizes and are started, by one look at some rows."""
    if not any(isinstance(p, nn.UninitializedParameter) for p in module.parameters()):
        return module
    with seeded(seed), evaluating(module), torch.no_grad():
        output(module, x)
    return module


def start(init: Any, names: tuple[str, ...], seed: int) -> np.ndarray | None:
    """θ₀ in user units: None for "zeros" (or a module's own start), else numbers drawn or given.

    Raises SpecError for a wrong count, a name of no parameter, or a fit with other parameters.
    """
    count = len(names)
    if isinstance(init, str):
        kind, numbers = parse(init, INITS, "init")
        if kind == "zeros":
            return None
        random = np.random.default_rng([seed, 2])  # not the stream that synthetic data of the same seed come from
        kinds: dict[str, Callable[..., np.ndarray]] = {
            "normal": lambda width: random.normal(0.0, width, size=count),
            "uniform": lambda low, high: random.uniform(low, high, size=count),
        }
        return kinds[kind](*numbers)
    if hasattr(init, "theta") and hasattr(init, "names"):
        if tuple(init.names) != tuple(names):
            there, ours = ", ".join(list(init.names)[:6]), ", ".join(names[:6])
            raise SpecError(f"init= is a fit with other parameters than this one: {there} there, {ours} here.")
        return np.array(init.theta, dtype=np.float64)
    if isinstance(init, dict):
        if unknown := [name for name in init if name not in names]:
            raise SpecError(f"init= names {unknown[0]!r}, which is no parameter here. Known: {', '.join(names[:12])}.")
        return np.array([float(init.get(name, 0.0)) for name in names])
    if isinstance(init, Tensor):
        init = init.detach().cpu().numpy()
    try:
        given = np.asarray(init, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise SpecError(f"init={init!r} is neither numbers, a name (zeros, normal, uniform:LO:HI) nor a Fit.") from None
    if not np.isfinite(given).all():
        raise SpecError(f"init= holds {given[~np.isfinite(given)][0]}; a start must be finite numbers.")
    if given.size != count:
        raise SpecError(f"init= has {given.size} numbers, and there are {count} parameters: {', '.join(names[:12])}.")
    return given

"""Rules: how θ moves, given a gradient and a learning rate.

A rule is two pure ideas, `start` (its memory) and `update` (θ in place). All are elementwise, so θ may be one vector
`[p]` or many `[runs, p]`, and the learning rate and a rule's own numbers may be `[runs, 1]`. From simple to complex:

    sgd       θ −= lr·g
    momentum  v = βv + g;               θ −= lr·v                    Polyak 1964
    nesterov  v = βv + g;               θ −= lr·(g + βv)             Sutskever et al. 2013
    adagrad   s += g²;                  θ −= lr·g/(√s + ε)           Duchi et al. 2011
    rmsprop   s = αs + (1−α)g²;         θ −= lr·g/(√s + ε)           Hinton 2012
    adam      v, s with bias corrected; θ −= lr·v̂/(√ŝ + ε)           Kingma and Ba 2015
    adamw     θ *= 1 − lr·decay, then adam                           Loshchilov and Hutter 2019

each with the conventions of `torch.optim`. `Clipped` scales the gradient before a rule sees it, `TorchRule` lends
θ to any `torch.optim.Optimizer`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from steepest.choices import parse
from steepest.descent import torch_optim
from steepest.errors import SpecError
from steepest.formulas.rules import RULES

Again = Callable[[], tuple[Tensor, Tensor]]
Memory = list[Any]
Proximal = Callable[[Tensor, Any], None]


class Rule(ABC):
    """`memory = rule.start(theta)`, then `rule.update(theta, grad, memory, lr, again)` at each step.

    `again()` gives the objective (penalty included) and its gradient at θ as it now stands, on the same batch: for
    rules that look twice. A rule that changes the gradient for another one changes what `again` gives in the same way.
    """

    handles_penalty: bool = False
    """Whether the rule takes care of a penalty's kink itself."""

    arrived: bool | None = None
    """Whether the descent is at its end, for a rule that can tell; None for the others."""

    @abstractmethod
    def start(self, theta: Tensor) -> Memory:
        """The memory before the first step."""

    @abstractmethod
    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        """Move θ, in place."""


@final
@dataclass(frozen=True)
class SGD(Rule):
    """θ −= lr·g."""

    def start(self, theta: Tensor) -> Memory:
        return []

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        theta -= lr * grad


@final
@dataclass(frozen=True)
class Momentum(Rule):
    """v = βv + g; θ −= lr·v, or with `nesterov` θ −= lr·(g + βv)."""

    beta: float = 0.9
    nesterov: bool = False

    def start(self, theta: Tensor) -> Memory:
        return [torch.zeros_like(theta)]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        (velocity,) = memory
        velocity.mul_(self.beta).add_(grad)
        theta -= lr * (grad + self.beta * velocity if self.nesterov else velocity)


@final
@dataclass(frozen=True)
class Adagrad(Rule):
    """s += g²; θ −= lr·g/(√s + ε)."""

    epsilon: float = 1e-10

    def start(self, theta: Tensor) -> Memory:
        return [torch.zeros_like(theta)]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        (squares,) = memory
        squares.addcmul_(grad, grad)
        theta -= lr * grad / (squares.sqrt() + self.epsilon)


@final
@dataclass(frozen=True)
class RMSprop(Rule):
    """s = αs + (1−α)g²; θ −= lr·g/(√s + ε)."""

    alpha: float = 0.99
    epsilon: float = 1e-8

    def start(self, theta: Tensor) -> Memory:
        return [torch.zeros_like(theta)]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        (squares,) = memory
        squares.mul_(self.alpha).addcmul_(grad, (1 - self.alpha) * grad)
        theta -= lr * grad / (squares.sqrt() + self.epsilon)


@final
@dataclass(frozen=True)
class Adam(Rule):
    """Adam; with `decay` AdamW, whose decay is apart from the gradient and so minimises no objective of ours."""

    beta1: float = 0.9
    beta2: float = 0.999
    decay: float = 0.0
    epsilon: float = 1e-8

    def start(self, theta: Tensor) -> Memory:
        return [torch.zeros_like(theta), torch.zeros_like(theta), 0]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        memory[2] += 1
        mean, squares, count = memory
        mean.lerp_(grad, 1 - self.beta1)
        squares.mul_(self.beta2).addcmul_(grad, (1 - self.beta2) * grad)
        root = (squares.sqrt() / (1 - self.beta2**count) ** 0.5).add_(self.epsilon)
        if isinstance(self.decay, Tensor) or self.decay:
            theta *= 1 - lr * self.decay
        theta -= (lr / (1 - self.beta1**count)) * mean / root


@final
@dataclass(frozen=True)
class Accelerated(Rule):
    """Nesterov's method for convex functions, its momentum growing as (k − 1)/(k + 2) and dropped when it points uphill.

    With a proximal step it is FISTA (Beck and Teboulle 2009).
    Sources: Nesterov 1983; O'Donoghue and Candès, Adaptive restart for accelerated gradient schemes (2015).
    """

    proximal: Proximal | None = None

    @property
    def handles_penalty(self) -> bool:  # pyrefly: ignore
        return self.proximal is not None

    def start(self, theta: Tensor) -> Memory:
        return [theta.clone(), torch.zeros_like(theta[..., :1])]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        before, count = memory
        moved = theta - lr * grad
        if self.proximal is not None:
            self.proximal(moved, lr)
        uphill = ((theta - moved) * (moved - before)).sum(-1, keepdim=True) > 0
        count.add_(1).masked_fill_(uphill, 1.0)
        theta.copy_(moved + (count - 1) / (count + 2) * (moved - before))
        before.copy_(moved)


@final
@dataclass(frozen=True)
class Clipped(Rule):
    """A gradient longer than `norm` is scaled down to it, then handed to another rule (Pascanu et al. 2013)."""

    rule: Rule
    norm: float

    def start(self, theta: Tensor) -> Memory:
        return self.rule.start(theta)

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        def both() -> tuple[Tensor, Tensor]:
            value, gradient = again()
            return value, self._clipped(gradient)

        self.rule.update(theta, self._clipped(grad), memory, lr, both)

    def _clipped(self, gradient: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
        return gradient * (self.norm / (length + 1e-6)).clamp(max=1.0)


@final
@dataclass(frozen=True)
class WithProximal(Rule):
    """A rule, then a penalty's proximal step. `gain` is the rule's total step under a steady gradient, in units of lr·g."""

    rule: Rule
    proximal: Proximal
    gain: float = 1.0
    handles_penalty = True

    def start(self, theta: Tensor) -> Memory:
        return self.rule.start(theta)

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        self.rule.update(theta, grad, memory, lr, again)
        self.proximal(theta, self.gain * lr)


@final
@dataclass(frozen=True)
class WithSubgradient(Rule):
    """A rule that sees the penalty's kink as a subgradient: for rules that scale each parameter by itself."""

    rule: Rule
    subgradient: Callable[[Tensor], Tensor]
    handles_penalty = True

    def start(self, theta: Tensor) -> Memory:
        return self.rule.start(theta)

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        def both() -> tuple[Tensor, Tensor]:
            value, gradient = again()
            return value, gradient + self.subgradient(theta)

        self.rule.update(theta, grad + self.subgradient(theta), memory, lr, both)


@final
@dataclass(frozen=True)
class TorchRule(Rule):
    """Any `torch.optim` class, or a function of the parameters that makes an optimiser. Its parameters are views into θ.

    The model is looked at once a step. Only an optimiser whose `step` asks for a closure, as LBFGS, looks again, as often as it
    likes. Groups of parameters with rates of their own keep their ratio to lr. Only for one θ `[p]` at a time.
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    views: Callable[[Tensor], Sequence[Tensor]]

    def start(self, theta: Tensor) -> Memory:
        if theta.ndim != 1:
            raise SpecError("A torch.optim class moves one θ at a time; runs of it cannot be batched.")
        parameters = [torch.nn.Parameter(view) for view in self.views(theta)]
        optimizer = torch_optim.made(self.optimizer, parameters)
        return [parameters, optimizer, torch_optim.needs_closure(optimizer), torch_optim.ratios(optimizer)]

    def own_rate(self, theta: Tensor) -> float:
        """The learning rate that the optimiser has by itself."""
        return float(self.start(theta.clone())[1].defaults.get("lr", torch_optim.FIRST_RATE))

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        parameters, optimizer, again_asked, ratios = memory
        for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
            if ratio is not None:
                group["lr"] = lr * ratio

        def lend(gradient: Tensor) -> None:
            for parameter, view in zip(parameters, self.views(gradient), strict=True):
                parameter.grad = view

        def closure() -> Tensor:
            value, gradient = again()
            lend(gradient.clone())
            return value

        lend(grad)
        torch_optim.stepped(optimizer, closure if again_asked else None)


def _whole(theta: Tensor) -> Sequence[Tensor]:
    return [theta]


def rule(name: Any, objective: Any = None, clip: float | None = None) -> Rule:
    """The rule that a name such as `momentum:0.9` stands for, made fit for an objective.

    A `torch.optim` class is lent the objective's parameters. Where a penalty has a kink, `sgd` and momentum take a proximal
    step after each update, and rules that scale each parameter by itself see a subgradient.

    clip: the norm of the longest gradient that it is given; None: any.
    """
    found = _named(name, _whole if objective is None else objective.views)
    found = found if clip is None else Clipped(found, clip)
    if objective is None or not objective.kinked or found.handles_penalty:
        return found
    inner = found.rule if isinstance(found, Clipped) else found
    if objective.proximal is None:
        return WithSubgradient(found, objective.subgradient)
    if isinstance(found, Accelerated):
        return Accelerated(objective.proximal)
    if isinstance(inner, SGD):
        return WithProximal(found, objective.proximal)
    if isinstance(inner, Momentum):
        return WithProximal(found, objective.proximal, 1.0 / (1.0 - inner.beta))
    return WithSubgradient(found, objective.subgradient)


def _named(name: Any, views: Callable[[Tensor], Sequence[Tensor]]) -> Rule:
    if isinstance(name, Rule):
        return name
    if isinstance(name, torch.optim.Optimizer):
        raise SpecError(
            f"optimizer={type(name).__name__}(…) is an object made for other parameters. Give its class, or functools.partial of "
            "it."
        )
    if isinstance(name, type) and issubclass(name, Rule):
        try:
            return name()
        except TypeError as error:
            raise SpecError(f"optimizer={name.__name__} is a class; give an object of it ({error}).") from None
    if torch_optim.is_factory(name):
        return TorchRule(name, views)
    if not isinstance(name, str):
        raise SpecError(f"optimizer={name!r} is no name of a rule, torch.optim class or Rule.")
    kind, numbers = parse(name, RULES, "optimizer")
    if kind == "auto":
        raise SpecError("optimizer='auto' is chosen by fit(), which knows the problem; name a rule here.")
    kinds: dict[str, Callable[..., Rule]] = {
        "sgd": SGD,
        "momentum": Momentum,
        "nesterov": lambda beta: Momentum(beta, nesterov=True),
        "adamw": Adam,
        "adagrad": Adagrad,
        "rmsprop": RMSprop,
        "adam": Adam,
    }
    return kinds[kind](*numbers)

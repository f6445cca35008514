"""Rules at work in PyTorch: how θ moves, given a gradient and a learning rate.

A rule is two pure ideas, `start` (its memory) and `update` (θ in place). All of ours serve one vector `[p]` or many
`[runs, p]`, and the learning rate and a rule's own numbers may be `[runs, 1]`:

    Elementwise     sgd, momentum, adam, …: those that have a formula. To add one, write it in `formulas/rules.py`
    Accelerated     Nesterov's method for convex functions, with restart
    Clipped         scales the gradient before a rule sees it
    Grouped         has rates of its own for some parameters (`rate_groups.py`)
    WithProximal, WithSubgradient      a rule under a penalty with a kink
    Resumed         goes on with the memory that another descent ended with
    Reduced         svrg and saga, whose steps go by a gradient of less variance (`variance_reduction.py`)
    OfMatrices      muon and shampoo, for the weight matrices of a module (`matrix_rules.py`)
    TorchRule       lends θ to any `torch.optim.Optimizer`

`rule()` makes the one that a name stands for, wrapped as an objective needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from steepest.choices import parse, required
from steepest.data.batching import Batch
from steepest.descent import in_place, torch_optim
from steepest.descent.matrix_rules import OfMatrices
from steepest.descent.rule import Again, Memory, Rule
from steepest.descent.variance_reduction import Reduced
from steepest.errors import SpecError
from steepest.formulas.rule_formula import MatrixRule, RuleFormula
from steepest.formulas.rules import FORMULAS, RULES
from steepest.lazy import Tensor, torch
from steepest.model.objective import Objective

Proximal = Callable[[Tensor, Any], None]


@final
@dataclass(frozen=True)
class Elementwise(Rule):
    """A rule by its formula, as `momentum:0.9`: Elementwise(FORMULAS["momentum"], (0.9,)). Numbers may be `[runs, 1]`."""

    kind: RuleFormula = field()  # without the base's default
    numbers: tuple[Any, ...] = field()
    elementwise = True

    def __str__(self) -> str:
        return self.kind.name + (":" if self.numbers else "") + ",".join(f"{number}" for number in self.numbers)

    @property
    def linear(self) -> bool:  # pyrefly: ignore
        return self.kind.linear

    @property
    def plain(self) -> bool:  # pyrefly: ignore
        return self.kind.linear

    @property
    def momentum(self) -> Any:  # pyrefly: ignore
        return self.numbers[0] if self.kind.momentum else 0.0

    def start(self, theta: Tensor) -> Memory:
        count = [0] if self.kind.counts else []
        begins = (theta.clone() if first is None else torch.full_like(theta, first) for first in self.kind.first)
        return [*begins, *count]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        t = 0
        if self.kind.counts:
            memory[-1] += 1
            *memory, t = memory
        value = None
        if self.kind.uphill is not None:
            here = theta.clone()
            theta += self.kind.uphill(grad, *self.numbers)
            _, grad = again()
            theta.copy_(here)
        elif self.kind.looks_again:
            value = torch.as_tensor(again()[0])[..., None]
        in_place.move(self.kind, theta, grad, memory, lr, t, self.numbers, value)

    def answer(self, theta: Tensor, memory: Memory) -> Tensor:
        return memory[self.kind.memories.index(self.kind.answer)] if self.kind.answer else theta


@final
@dataclass(frozen=True)
class Accelerated(Rule):
    """Nesterov's method for convex functions, its momentum growing as (k − 1)/(k + 2) and dropped when it points uphill.

    With a proximal step it is FISTA (Beck and Teboulle 2009).
    Sources: Nesterov 1983; O'Donoghue and Candès, Adaptive restart for accelerated gradient schemes (2015).
    """

    proximal: Proximal | None = None
    elementwise = plain = True

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


@dataclass(frozen=True)
class Around(Rule):
    """Something around another rule, whose memory it is."""

    rule: Rule

    @property
    def innermost(self) -> Rule:
        return self.rule.innermost

    @property
    def handles_penalty(self) -> bool:  # pyrefly: ignore
        return self.rule.handles_penalty

    def start(self, theta: Tensor) -> Memory:
        return self.rule.start(theta)

    def estimate(self, objective: Objective, theta: Any, batch: Batch, memory: Memory) -> tuple[Any, Any]:
        return self.rule.estimate(objective, theta, batch, memory)

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        self.rule.update(theta, grad, memory, lr, again)

    def answer(self, theta: Any, memory: Memory) -> Any:
        return self.rule.answer(theta, memory)

    def packed(self, memory: Memory) -> Any:
        return self.rule.packed(memory)

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        return self.rule.unpacked(memory, packed)


@final
@dataclass(frozen=True)
class Clipped(Around):
    """A gradient longer than `norm` is scaled down to it, then handed to another rule (Pascanu et al. 2013)."""

    norm: float
    handles_penalty = False

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
class WithProximal(Around):
    """A rule, then a penalty's proximal step. `gain` is the rule's total step under a steady gradient, in units of lr·g."""

    proximal: Proximal
    gain: float = 1.0
    handles_penalty = True

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        self.rule.update(theta, grad, memory, lr, again)
        self.proximal(theta, self.gain * lr)


@final
@dataclass(frozen=True)
class WithSubgradient(Around):
    """A rule that sees the penalty's kink as a subgradient: for rules that scale each parameter by itself."""

    subgradient: Callable[[Tensor], Tensor]
    handles_penalty = True

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        def both() -> tuple[Tensor, Tensor]:
            value, gradient = again()
            return value, gradient + self.subgradient(theta)

        self.rule.update(theta, grad + self.subgradient(theta), memory, lr, both)


@final
@dataclass(frozen=True)
class Resumed(Around):
    """A rule that begins with a memory: that of a descent before it, or, given an empty list, one that is kept there."""

    memory: Memory

    def start(self, theta: Tensor) -> Memory:
        inner = self.rule.innermost
        if not self.memory:
            self.memory[:] = self.rule.start(theta)
        elif isinstance(inner, TorchRule):  # the optimiser's parameters are views into the θ of before
            for parameter, view in zip(self.memory[0], inner.views(theta), strict=True):
                parameter.data = view
        return self.memory


@final
@dataclass(frozen=True)
class TorchRule(Rule):
    """Any `torch.optim` class, or a function of the parameters that makes an optimiser. Its parameters are views into θ.

    The model is looked at once a step. Only an optimiser whose `step` asks for a closure, as LBFGS, looks again, as often as it
    likes. Groups of parameters with rates of their own keep their ratio to lr. Only for one θ `[p]` at a time.
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    views: Callable[[Tensor], Sequence[Tensor]]
    is_torch = True

    def start(self, theta: Tensor) -> Memory:
        if theta.ndim != 1:
            raise SpecError("A torch.optim class moves one θ at a time; runs of it cannot be batched.")
        parameters = [torch.nn.Parameter(view) for view in self.views(theta)]
        optimizer = torch_optim.made(self.optimizer, parameters)
        looks_again = bool(
            required(optimizer.step)
        )  # its step takes a function that looks at the model, as that of LBFGS
        return [parameters, optimizer, looks_again, torch_optim.ratios(optimizer)]

    def own_rate(self, theta: Tensor) -> float:
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

    def packed(self, memory: Memory) -> Any:
        return memory[1].state_dict()

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        torch_optim.take_up(memory[1], packed)
        return memory


def rule(name: Any, objective: Any = None, clip: float | None = None) -> Rule:
    """The rule that a name such as `momentum:0.9` stands for, made fit for an objective.

    A `torch.optim` class is lent the objective's parameters. Where a penalty has a kink, `sgd` and momentum take a proximal
    step after each update, and rules that scale each parameter by itself see a subgradient.

    clip: the norm of the longest gradient that it is given; None: any.
    """
    found = _named(name, objective)
    found = found if clip is None else Clipped(found, clip)
    if objective is None or not objective.kinked or found.handles_penalty:
        return found
    if objective.proximal is None:
        return WithSubgradient(found, objective.subgradient)
    if isinstance(found, Accelerated):
        return Accelerated(objective.proximal)
    if found.innermost.linear:
        return WithProximal(found, objective.proximal, 1.0 / (1.0 - found.innermost.momentum))
    if objective.penalty_term.box is not None:  # whatever the rule, the nearest point within the bounds
        return WithProximal(found, objective.proximal)
    return WithSubgradient(found, objective.subgradient)


def _named(name: Any, objective: Any) -> Rule:
    if isinstance(name, Rule):
        return name
    if isinstance(name, str):
        named = parse(name, RULES, "optimizer")
        if isinstance(of_matrices := RULES[named.name], MatrixRule):
            return OfMatrices.of(of_matrices, named.numbers, objective)
        if named.name not in FORMULAS:
            raise SpecError("optimizer='auto' is chosen by fit(), which knows the problem; name a rule here.")
        kind = FORMULAS[named.name]
        return Reduced.of(kind, objective) if kind.keeps else Elementwise(kind, named.numbers)
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
    if callable(name):
        return TorchRule(name, (lambda theta: [theta]) if objective is None else objective.views)
    raise SpecError(f"optimizer={name!r} is no name of a rule, torch.optim class or Rule.")

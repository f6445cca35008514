"""The rules, each written once: how a coordinate of θ moves, given its gradient g. Here an optimiser is added.

    sgd       θ −= lr·g
    momentum  v = βv + g;               θ −= lr·v
    nesterov  v = βv + g;               θ −= lr·(g + βv)
    adagrad   s += g²;                  θ −= lr·g/(√s + ε)
    rmsprop   s = αs + (1−α)g²;         θ −= lr·g/(√s + ε)
    adadelta  s = ρs + (1−ρ)g²;  d = g·√(u + ε)/√(s + ε);  u = ρu + (1−ρ)d²;  θ −= lr·d
    adam      v, s with bias corrected; θ −= lr·v̂/(√ŝ + ε)
    adamw     θ *= 1 − lr·decay, then adam
    nadam     adam that looks one step of its mean ahead
    nadamw    θ *= 1 − lr·decay, then nadam
    radam     adam, over √ŝ only where ŝ rests on enough steps
    lion      θ −= lr·sign(αv + (1−α)g);  v = βv + (1−β)g
    adopt     adam, over the √s of the steps before this one

each with the conventions of `torch.optim`, the last two with those of their papers' code. A formula is plain arithmetic,
(g, *memory, lr, t, *numbers) → (step, *memory), with memories that begin at 0 and t counted from 1; θ −= step. A comparison
counts 1 or 0 where it is multiplied or added. So it serves floats, arrays, tensors `[runs, p]`, the compiled kernels, the
theory of a quadratic and, printed, the exported scripts. `descent/in_place.py` has faster forms for PyTorch of some.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from steepest.choices import Choice, Number

EPSILON = 1e-8
"""ε of rmsprop, adam and adamw."""


def _sgd(g, lr, t):
    return (lr * g,)


def _momentum(g, velocity, lr, t, beta):
    velocity = beta * velocity + g
    return lr * velocity, velocity


def _nesterov(g, velocity, lr, t, beta):
    velocity = beta * velocity + g
    return lr * (g + beta * velocity), velocity


def _adagrad(g, squares, lr, t):
    squares = squares + g**2
    return lr * g / (squares**0.5 + 1e-10), squares


def _rmsprop(g, squares, lr, t, alpha):
    squares = alpha * squares + (1 - alpha) * g**2
    return lr * g / (squares**0.5 + EPSILON), squares


def _adadelta(g, squares, moves, lr, t, rho):
    squares = rho * squares + (1 - rho) * g**2
    move = g * (moves + 1e-6) ** 0.5 / (squares + 1e-6) ** 0.5
    moves = rho * moves + (1 - rho) * move**2
    return lr * move, squares, moves


def _adam(g, mean, squares, lr, t, beta1, beta2):
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    root = squares**0.5 / (1 - beta2**t) ** 0.5 + EPSILON
    return lr / (1 - beta1**t) * mean / root, mean, squares


def _nadam(g, mean, squares, gap, lr, t, beta1, beta2):
    # gap = 1 − Πμ, with μ = β₁(1 − ½·0.96^(0.004t)) of each step so far
    now = beta1 * (1 - 0.5 * 0.96 ** (0.004 * t))
    coming = beta1 * (1 - 0.5 * 0.96 ** (0.004 * (t + 1)))
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    gap = 1 - now * (1 - gap)
    root = squares**0.5 / (1 - beta2**t) ** 0.5 + EPSILON
    ahead = (1 - now) / gap * g + coming / (1 - coming * (1 - gap)) * mean
    return lr * ahead / root, mean, squares, gap


def _radam(g, mean, squares, lr, t, beta1, beta2):
    # terms: of how many steps s is an average, about; lift: what its spread over so few takes from the step
    mean = beta1 * mean + (1 - beta1) * g
    squares = beta2 * squares + (1 - beta2) * g**2
    most = 2 / (1 - beta2) - 1
    terms = most - 2 * t * beta2**t / (1 - beta2**t)
    least = abs((most - 4) * (most - 2) * terms) + (terms <= 5)
    lift = (abs((terms - 4) * (terms - 2) * most) / least * (1 - beta2**t)) ** 0.5
    factor = (terms > 5) * lift / (squares**0.5 + EPSILON) + (terms <= 5)
    return lr / (1 - beta1**t) * mean * factor, mean, squares


def _lion(g, mean, lr, t, beta1, beta2):
    ahead = beta1 * mean + (1 - beta1) * g
    mean = beta2 * mean + (1 - beta2) * g
    return lr * ahead / (abs(ahead) + (abs(ahead) <= 0)), mean


def _adopt(g, mean, squares, lr, t, beta1, beta2):
    # the first step only looks: its longest move is 0, and s begins at g²
    root = squares**0.5
    longest = (t - 1) ** 0.25
    move = g / (root + (root < 1e-6) * (1e-6 - root))
    distance = abs(move)
    move = move * ((distance > longest) * (longest / (distance + (distance <= longest))) + (distance <= longest))
    mean = beta1 * mean + (1 - beta1) * move
    squares = (t < 2) * g**2 + (t >= 2) * (beta2 * squares + (1 - beta2) * g**2)
    return lr * mean, mean, squares


class Automatic(StrEnum):
    """The methods that only "auto" takes, as they are shown and kept."""

    CURVATURE = "curvature steps (auto)"
    ACCELERATED = "accelerated (auto)"
    QUASI_NEWTON = "L-BFGS (auto)"


@dataclass(frozen=True)
class RuleFormula(Choice):
    """An elementwise rule: (g, *memory, lr, t, *numbers) → (step, *memory) of one coordinate.

    torch_name, torch_numbers: its class in `torch.optim`, and how that is given its numbers, as in `momentum={0}`; "" for one
    that PyTorch has no class for.
    linear: whether the step is linear in the gradient and the memory, so that the theory of a quadratic holds; if not, each
    coordinate is scaled by itself. momentum: whether the first number is one. counts: whether t is used.
    decays: whether the last number is no part of the formula but a decay, θ *= 1 − lr·decay before the step, which minimises
    no objective. moves_by_lr: whether a steady gradient moves each coordinate by about lr a step. first_move: how far, in
    units of lr, the first step of a rule that is not linear moves a coordinate, about. own_lr: the learning rate of a rule
    whose steps have a length of their own, so that one number does for most objectives; None for all others.
    """

    formula: Callable[..., tuple[Any, ...]] = _sgd
    torch_name: str = "SGD"
    torch_numbers: tuple[str, ...] = ()
    linear: bool = False
    momentum: bool = False
    counts: bool = False
    decays: bool = False
    moves_by_lr: bool = False
    first_move: float = 1.0
    own_lr: float | None = None

    @cached_property
    def memories(self) -> tuple[str, ...]:
        """The names of what it remembers of each coordinate."""
        arguments = list(inspect.signature(self.formula).parameters)
        return tuple(arguments[1 : arguments.index("lr")])

    @cached_property
    def constants(self) -> tuple[str, ...]:
        """The names of its numbers in the formula."""
        arguments = list(inspect.signature(self.formula).parameters)
        return tuple(arguments[arguments.index("t") + 1 :])

    def split(self, numbers: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        """The numbers of the formula, and the decay; 0 for a rule that has none."""
        return (numbers[:-1], numbers[-1]) if self.decays else (numbers, 0.0)


def _share(name: str, default: float, symbol: str = "B") -> Number:
    return Number(name, default, 0.0, 1.0, open_high=True, symbol=symbol)


RULES: dict[str, Choice] = {
    rule.name: rule
    for rule in (
        Choice("auto", "Newton's method with a full batch, sgd with minibatches; adam for a module."),
        RuleFormula("sgd", "Gradient descent: a step against the gradient.", formula=_sgd, linear=True),
        RuleFormula(
            "momentum",
            "Momentum: the velocity is a fading sum of all gradients so far.",
            (_share("momentum", 0.9),),
            source="Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
            formula=_momentum,
            torch_numbers=("momentum={0}",),
            linear=True,
            momentum=True,
        ),
        RuleFormula(
            "nesterov",
            "Momentum: the velocity is a fading sum of all gradients so far. Nesterov's looks one step ahead.",
            (_share("momentum", 0.9),),
            source="Sutskever et al., On the importance of initialization and momentum in deep learning (2013)",
            formula=_nesterov,
            torch_numbers=("momentum={0}", "nesterov=True"),
            linear=True,
            momentum=True,
        ),
        RuleFormula(
            "adagrad",
            "Adagrad: each parameter's rate falls with the squares of its gradients so far.",
            source="Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization (2011)",
            formula=_adagrad,
            torch_name="Adagrad",
        ),
        RuleFormula(
            "rmsprop",
            "RMSprop: each parameter's rate is over the root of the recent mean square of its gradients.",
            (_share("alpha", 0.99, "A"),),
            source="Tieleman and Hinton, Lecture 6.5: RMSprop (2012)",
            formula=_rmsprop,
            torch_name="RMSprop",
            torch_numbers=("alpha={0}",),
            moves_by_lr=True,
        ),
        RuleFormula(
            "adadelta",
            "Adadelta: each parameter's steps are as long as its recent ones, over the recent size of its gradients.",
            (_share("rho", 0.9, "R"),),
            source="Zeiler, ADADELTA: an adaptive learning rate method (2012)",
            formula=_adadelta,
            torch_name="Adadelta",
            torch_numbers=("rho={0}",),
            first_move=3e-3,
            own_lr=1.0,
        ),
        RuleFormula(
            "adam",
            "Adam: recent mean of the gradients over the root of their recent mean square, corrected for their start at 0.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Kingma and Ba, Adam: a method for stochastic optimization (2015)",
            formula=_adam,
            torch_name="Adam",
            torch_numbers=("betas=({0}, {1})",),
            counts=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "adamw",
            "AdamW: recent mean of the gradients over the root of their recent mean square, corrected for their start at 0; the "
            "parameters decay by themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.01, "W")),
            source="Loshchilov and Hutter, Decoupled weight decay regularization (2019)",
            formula=_adam,
            torch_name="AdamW",
            torch_numbers=("betas=({0}, {1})", "weight_decay={2}"),
            counts=True,
            decays=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "nadam",
            "NAdam: Adam that looks one step of its mean ahead, as Nesterov's momentum does.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Dozat, Incorporating Nesterov momentum into Adam (2016)",
            formula=_nadam,
            torch_name="NAdam",
            torch_numbers=("betas=({0}, {1})",),
            counts=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "nadamw",
            "NAdamW: Adam that looks one step of its mean ahead; the parameters decay by themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.01, "W")),
            source="Dozat, Incorporating Nesterov momentum into Adam (2016); "
            "Loshchilov and Hutter, Decoupled weight decay regularization (2019)",
            formula=_nadam,
            torch_name="NAdam",
            torch_numbers=("betas=({0}, {1})", "weight_decay={2}", "decoupled_weight_decay=True"),
            counts=True,
            decays=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "radam",
            "RAdam: Adam whose steps are in proportion to the gradient until its mean square rests on enough steps.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Liu et al., On the variance of the adaptive learning rate and beyond (2020)",
            formula=_radam,
            torch_name="RAdam",
            torch_numbers=("betas=({0}, {1})",),
            counts=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "lion",
            "Lion: every parameter moves by lr, against the sign of a fading mean of the gradients; the parameters decay by "
            "themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.99, "B2"), _share("weight decay", 0.0, "W")),
            source="Chen et al., Symbolic discovery of optimization algorithms (2023)",
            formula=_lion,
            torch_name="",
            decays=True,
            moves_by_lr=True,
        ),
        RuleFormula(
            "adopt",
            "ADOPT: Adam that divides by the mean square of the gradients before this one, and only looks at the first.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.9999, "B2")),
            source="Taniguchi et al., ADOPT: modified Adam can converge with any β2 with the optimal rate (2024)",
            formula=_adopt,
            torch_name="",
            counts=True,
            moves_by_lr=True,
        ),
    )
}

FORMULAS = {name: rule for name, rule in RULES.items() if isinstance(rule, RuleFormula)}


def formula_of(shown: str) -> RuleFormula | None:
    """The rule that a name such as `momentum:0.9` stands for; None where it is none of these."""
    return FORMULAS.get(shown.partition(":")[0])

"""The rules, each written once: how θ moves, given its gradient g. Here an optimiser is added.

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

each with the conventions of `torch.optim`, the last two with those of their papers' code, and those of packages of their own,

    schedule_free_sgd, schedule_free_adamw    the answer is an average; the gradient is taken between it and the last point
    dog, dowg, prodigy, dadapt_adam, cocob    no rate to choose: lr = 1
    polyak, polyak_level                      θ −= lr·(F − F*)/‖g‖²·g, F* known or estimated on the way
    sam                                       sgd, by the gradient at θ + ρ·g/‖g‖
    svrg, saga                                sgd, by g less what it was of the same rows before, plus the mean of that over all

and for the weight matrices of a module

    muon       a step that is orthogonal; all others take adamw
    shampoo    θ −= lr·(Σ g·gᵀ)^-¼·g·(Σ gᵀ·g)^-¼; all others take adagrad

A formula (`updates.py`) is plain arithmetic, so it serves floats, arrays, tensors `[runs, p]`, the compiled
kernels, the theory of a quadratic and, printed, the exported scripts. `descent/in_place.py` has faster forms for PyTorch of some.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from steepest.choices import Choice, Number
from steepest.formulas import updates
from steepest.formulas.rule_formula import MatrixRule, RuleFormula


class Automatic(StrEnum):
    """The methods that only "auto" takes, as they are shown and kept."""

    CURVATURE = "curvature steps (auto)"
    ACCELERATED = "accelerated (auto)"
    QUASI_NEWTON = "L-BFGS (auto)"


def _share(name: str, default: float, symbol: str = "B") -> Number:
    return Number(name, default, 0.0, 1.0, open_high=True, symbol=symbol)


def _first_distance(default: float) -> Number:
    return Number("first distance, as a share of 1 + ‖θ₀‖", default, 0.0, open_low=True, symbol="R")


_RATE_FREE: dict[str, Any] = {"torch_name": "", "own_lr": 1.0, "rate_free": True}

FIRST_ESTIMATE = 1e-6
"""What prodigy and dadapt_adam take the distance of the optimum for at first."""


RULES: dict[str, Choice] = {
    rule.name: rule
    for rule in (
        Choice("auto", "Newton's method with a full batch, sgd with minibatches; adam for a module."),
        RuleFormula("sgd", "Gradient descent: a step against the gradient.", formula=updates.sgd, linear=True),
        RuleFormula(
            "momentum", "Momentum: the velocity is a fading sum of all gradients so far.",
            (_share("momentum", 0.9),),
            source="Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
            formula=updates.momentum, torch_numbers=("momentum={0}",), linear=True, momentum=True,
        ),
        RuleFormula(
            "nesterov",
            "Momentum: the velocity is a fading sum of all gradients so far. Nesterov's looks one step ahead.",
            (_share("momentum", 0.9),),
            source="Sutskever et al., On the importance of initialization and momentum in deep learning (2013)",
            formula=updates.nesterov, torch_numbers=("momentum={0}", "nesterov=True"), linear=True, momentum=True,
        ),
        RuleFormula(
            "adagrad", "Adagrad: each parameter's rate falls with the squares of its gradients so far.",
            source="Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization (2011)",
            formula=updates.adagrad, torch_name="Adagrad",
        ),
        RuleFormula(
            "rmsprop", "RMSprop: each parameter's rate is over the root of the recent mean square of its gradients.",
            (_share("alpha", 0.99, "A"),),
            source="Tieleman and Hinton, Lecture 6.5: RMSprop (2012)",
            formula=updates.rmsprop, torch_name="RMSprop", torch_numbers=("alpha={0}",), moves_by_lr=True,
        ),
        RuleFormula(
            "adadelta",
            "Adadelta: each parameter's steps are as long as its recent ones, over the recent size of its gradients.",
            (_share("rho", 0.9, "R"),),
            source="Zeiler, ADADELTA: an adaptive learning rate method (2012)",
            formula=updates.adadelta, torch_name="Adadelta", torch_numbers=("rho={0}",), first_move=3e-3, own_lr=1.0,
        ),
        RuleFormula(
            "adam",
            "Adam: recent mean of the gradients over the root of their recent mean square, corrected for their start at 0.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Kingma and Ba, Adam: a method for stochastic optimization (2015)",
            formula=updates.adam, torch_name="Adam", torch_numbers=("betas=({0}, {1})",), moves_by_lr=True,
        ),
        RuleFormula(
            "adamw",
            "AdamW: recent mean of the gradients over the root of their recent mean square, corrected for their start at 0; the "
            "parameters decay by themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.01, "W")),
            source="Loshchilov and Hutter, Decoupled weight decay regularization (2019)",
            formula=updates.adam, torch_name="AdamW", torch_numbers=("betas=({0}, {1})", "weight_decay={2}"),
            decays=True, moves_by_lr=True,
        ),
        RuleFormula(
            "nadam", "NAdam: Adam that looks one step of its mean ahead, as Nesterov's momentum does.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Dozat, Incorporating Nesterov momentum into Adam (2016)",
            formula=updates.nadam, torch_name="NAdam", torch_numbers=("betas=({0}, {1})",),
            moves_by_lr=True,
        ),
        RuleFormula(
            "nadamw", "NAdamW: Adam that looks one step of its mean ahead; the parameters decay by themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.01, "W")),
            source="Dozat, Incorporating Nesterov momentum into Adam (2016); "
            "Loshchilov and Hutter, Decoupled weight decay regularization (2019)",
            formula=updates.nadam, torch_name="NAdam",
            torch_numbers=("betas=({0}, {1})", "weight_decay={2}", "decoupled_weight_decay=True"),
            decays=True, moves_by_lr=True,
        ),
        RuleFormula(
            "radam",
            "RAdam: Adam whose steps are in proportion to the gradient until its mean square rests on enough steps.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")),
            source="Liu et al., On the variance of the adaptive learning rate and beyond (2020)",
            formula=updates.radam, torch_name="RAdam", torch_numbers=("betas=({0}, {1})",),
            moves_by_lr=True,
        ),
        RuleFormula(
            "lion",
            "Lion: every parameter moves by lr, against the sign of a fading mean of the gradients; the parameters decay by "
            "themselves.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.99, "B2"), _share("weight decay", 0.0, "W")),
            source="Chen et al., Symbolic discovery of optimization algorithms (2023)",
            formula=updates.lion, torch_name="", decays=True, moves_by_lr=True,
        ),
        RuleFormula(
            "adopt",
            "ADOPT: Adam that divides by the mean square of the gradients before this one, and only looks at the first.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.9999, "B2")),
            source="Taniguchi et al., ADOPT: modified Adam can converge with any β2 with the optimal rate (2024)",
            formula=updates.adopt, torch_name="", moves_by_lr=True,
        ),
        RuleFormula(
            "schedule_free_sgd",
            "Schedule-free SGD: the answer is an average of all points so far; the gradient is taken between it and the last.",
            (_share("momentum", 0.9),),
            source="Defazio et al., The road less scheduled (2024)",
            formula=updates.schedule_free_sgd, torch_name="", settles=True,
            begins=(("moving", None), ("averaged", None)), answer="averaged",
        ),
        RuleFormula(
            "schedule_free_adamw",
            "Schedule-free AdamW: the answer is an average of all points so far, which move against the gradient over the root "
            "of its recent mean square.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2"), _share("weight decay", 0.0, "W")),
            source="Defazio et al., The road less scheduled (2024)",
            formula=updates.schedule_free_adamw, torch_name="", decays=True, moves_by_lr=True,
            settles=True, begins=(("moving", None), ("averaged", None)), answer="averaged",
        ),
        RuleFormula(
            "dog",
            "DoG: the rate is the farthest that the parameters have been from their start, over the root of the sum of all "
            "squared gradients. Best with averaging.",
            (_first_distance(1e-6),), **_RATE_FREE,
            source="Ivgi, Hinder and Carmon, DoG is SGD's best friend: a parameter-free dynamic step size schedule (2023)",
            formula=updates.dog, settles=True, begins=(("origin", None), ("squares", updates.EPSILON)),
        ),
        RuleFormula(
            "dowg", "DoWG: as DoG, gradients weighted by the square of the distance at their step.",
            (_first_distance(1e-4),), **_RATE_FREE,

            source="Khaled, Mishchenko and Jin, DoWG unleashed: an efficient universal parameter-free gradient descent method "
            "(2023)",
            formula=updates.dowg, settles=True, begins=(("origin", None),),
        ),
        RuleFormula(
            "prodigy",
            "Prodigy: Adam at a rate that is an estimate, from below, of how far the optimum is from the start.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")), **_RATE_FREE,
            source="Mishchenko and Defazio, Prodigy: an expeditiously adaptive parameter-free learner (2024)",
            formula=updates.prodigy, begins=(("origin", None), ("estimate", FIRST_ESTIMATE)),
        ),
        RuleFormula(
            "dadapt_adam",
            "D-Adapted Adam: Adam at a rate that is a lower bound, from gradients, of how far the optimum is from the start.",
            (_share("beta1", 0.9, "B1"), _share("beta2", 0.999, "B2")), **_RATE_FREE,
            source="Defazio and Mishchenko, Learning-rate-free learning by D-Adaptation (2023)",
            formula=updates.dadapt_adam, begins=(("estimate", FIRST_ESTIMATE),),
        ),
        RuleFormula(
            "cocob", "COCOB: each parameter bets a part of what it has won so far on the sign of its next gradient.",
            (Number("share of the gradients that a bet is at most", 100.0, 0.0, open_low=True, symbol="A"),),
            **_RATE_FREE,
            source="Orabona and Tommasi, Training deep networks without learning rates through coin betting (2017)",
            formula=updates.cocob, settles=True, begins=(("origin", None), ("largest", updates.EPSILON)),
        ),
        RuleFormula(
            "polyak",
            "Polyak's step: as long as would reach the objective's least value F, which is to be given, if it were linear.",
            (Number("least value of the objective", 0.0, symbol="F"),), **_RATE_FREE,
            source="Polyak, Minimization of unsmooth functionals (1969)",
            formula=updates.polyak, settles=True,
        ),
        RuleFormula(
            "polyak_level",
            "Polyak's step to a level below the best value so far, which comes nearer to it, by the factor B, where it is not "
            "reached.",
            (Number("factor on what lies between", 0.95, 0.0, 1.0, open_low=True, open_high=True, symbol="B"),),
            **_RATE_FREE,
            source="Nedić and Bertsekas, Incremental subgradient methods for nondifferentiable optimization (2001)",
            formula=updates.polyak_level, settles=True,
        ),
        RuleFormula(
            "sam", "Sharpness-aware minimisation: gradient descent by the gradient a short way up the hill.",
            (Number("way uphill", 0.05, 0.0, symbol="RHO"),),
            source="Foret et al., Sharpness-aware minimization for efficiently improving generalization (2021)",
            formula=updates.sam, torch_name="", uphill=updates.uphill,
        ),
        RuleFormula(
            "svrg",
            "SVRG: the batch's gradient less that of the same rows where the epoch began, plus that of all rows there, so that a "
            "constant rate arrives.",
            source="Johnson and Zhang, Accelerating stochastic gradient descent using predictive variance reduction (2013)",
            formula=updates.sgd, torch_name="", linear=True, settles=True, keeps=("snapshot", "mean"),
        ),
        RuleFormula(
            "saga",
            "SAGA: the batch's gradient less what each of its rows' was when it was last seen, plus the mean of those of all "
            "rows; for models that are linear in their parameters.",

            source="Defazio, Bach and Lacoste-Julien, SAGA: a fast incremental gradient method with support for non-strongly "
            "convex composite objectives (2014)",
            formula=updates.sgd, torch_name="", linear=True, settles=True, keeps=("mean",), keeps_rows=True,
        ),
        MatrixRule(
            "muon",
            "Muon: a weight matrix moves by its momentum made orthogonal, as far as adamw would move it; all other parameters "
            "take adamw.",
            (_share("momentum", 0.95), _share("weight decay", 0.1, "W")),

            source="Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); Liu et al., Muon is scalable "
            "for LLM training (2025)",
            other="adamw", decays=True,
        ),
        MatrixRule(
            "shampoo",
            "Shampoo: a weight matrix's gradient between the powers −¼ of what its rows and its columns have summed up; all "
            "other parameters take adagrad.",
            (Number("ridge", 1e-4, 0.0, open_low=True, symbol="EPS"),),
            source="Gupta, Koren and Singer, Shampoo: preconditioned stochastic tensor optimization (2018)",
            other="adagrad",
        ),
    )
}  # fmt: skip

FORMULAS = {name: rule for name, rule in RULES.items() if isinstance(rule, RuleFormula)}


def formula_of(shown: str) -> RuleFormula | None:
    """The rule that a name such as `momentum:0.9` stands for; None where it is none of these."""
    return FORMULAS.get(shown.partition(":")[0])

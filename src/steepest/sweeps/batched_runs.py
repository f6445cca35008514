"""Packs: runs that descend side by side, planned once, and for each its rule, rate, schedule, start and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from steepest.analysis.learning_rate import of_a_trial
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.defaults import plan
from steepest.descent.chunk import Blocks
from steepest.descent.method import Method, method_of
from steepest.descent.schedules import at_rate
from steepest.engines import batched as together
from steepest.engines import compiled_runs, kernel_args
from steepest.errors import FitError
from steepest.fitting import held_out_note
from steepest.model import modules
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import targets
from steepest.monitor import held_out
from steepest.monitor_blocks import BlockWatcher, Limits, by_run
from steepest.settings import Spec
from steepest.sweeps.axes import Runs
from steepest.sweeps.run_results import Cohort, Problem

OF_A_METHOD = ("optimizer", "clip", "schedule", "epochs", "max_steps")
"""Settings that a rule, its schedule and the number of steps come of."""

ENTRIES = 2**24
"""Rows of a batch, of all runs together, that a slice has at most."""


class Pack:
    """Runs of one group, planned: the problem that they share, and for each its rule, rate, schedule, start and end."""

    def __init__(self, runs: Runs, group: np.ndarray, train: Dataset, test: Dataset | None, notes: tuple[str, ...]):
        self.runs, self.group = runs, group
        self.spec = Spec.read(dict(runs.spec(int(group[0]))))
        whole, self.validation = train, None
        if self.spec.validation is not None:
            train, self.validation = held_out(train, self.spec.validation, self.spec.seed)
            notes = (*notes, held_out_note(whole.rows - train.rows))
        self.made = plan(self.spec, train)
        self.problem = Problem(self.spec, train, test, tuple(notes), self.made)
        # what "auto" chose is made anew for each run, which takes a name
        named = self.spec.optimizer != "auto" or self.made.optimizer in ("sgd", "adam")
        self.fits = named and together.can_run(self.made.objective, self.made.rule)
        if not self.fits:
            return
        self.objective: Objective = self.made.objective
        self.all = together.Together(self.made.objective)  # pyrefly: ignore (can_run has looked)
        if isinstance(self.objective, ModuleObjective):
            self.objective = self.all
        self.fits = self._alike_but_for_the_start()
        self.methods, self.lr = self._methods(), self._rates()
        self.starts = self._starts()

    def _methods(self) -> list[Method]:
        """For each run its rule, schedule and number of steps."""
        first, which = self.runs.distinct(OF_A_METHOD, self.group)
        found = []
        for one in first.tolist():
            spec = self.runs.spec(one)
            name = self.made.optimizer if spec.optimizer == "auto" else spec.optimizer
            found.append(method_of(spec, self.made.objective, name, Batching.of(spec, self.made.batching.rows)))
        return [found[i] for i in which.tolist()]

    def _rates(self) -> np.ndarray:
        """For each run its rate; "auto" is planned once for all that it depends on."""
        if self.spec.lr == "auto":
            first, which = self.runs.distinct(self._of_a_rate(), self.group)
            known = [
                self.made.lr if one == self.group[0] else plan(self.runs.spec(one), self.problem.train).lr
                for one in first.tolist()
            ]
            return np.array(known)[which]
        if "lr" in self.runs.values:
            values = [np.nan if value == "auto" else value for value in self.runs.values["lr"]]
            return np.array(values, dtype=np.float64)[self.runs.places["lr"][self.group]]
        return np.full(len(self.group), float(self.spec.lr))

    def _of_a_rate(self) -> tuple[str, ...]:
        """The settings that a rate of "auto" depends on."""
        objective = self.made.objective
        if not (isinstance(objective, LinearObjective) and of_a_trial(objective, self.made.rule)):
            return ("optimizer", "clip")
        inits = self.runs.values.get("init", [self.spec.init])
        drawn = any(isinstance(init, str) and init != "zeros" for init in inits)
        return (*OF_A_METHOD, "init", *(("seed",) if drawn or self.made.batching.size is not None else ()))

    def _starts(self) -> np.ndarray:
        """Where each run starts, in user units: `[distinct, p]`; `which_start` says which is a run's own."""
        first, self.which_start = self.runs.distinct(("init", "seed"), self.group)
        found = []
        for one in first.tolist():
            init, seed = self.runs.of("init", one), self.runs.of("seed", one)
            given = self.made.start(init, seed)
            if given is None:
                given = self._default_start(seed)
            found.append(given)
        return np.array(found)

    def _default_start(self, seed: int) -> np.ndarray:
        objective = self.made.objective
        if isinstance(objective, LinearObjective):
            return np.zeros(len(self.made.names))
        trained = [p.detach().reshape(-1) for p in self._fresh(seed).parameters() if p.requires_grad]
        return torch.cat(trained).double().numpy()

    def _fresh(self, seed: int) -> torch.nn.Module:
        """The module as a run of that seed gets it."""
        outputs = targets(self.problem.train, self.made.loss)[1]
        fresh = modules.module(self.spec.model, self.problem.train.x.shape[1], outputs, seed)
        if fresh is None:
            raise FitError("There is no module to start.")
        return fresh

    def _alike_but_for_the_start(self) -> bool:
        """Whether modules made for different seeds differ in nothing but their trainable parameters."""
        module = self.made.module
        inner = module.module if isinstance(module, (modules.Scaled, modules.WholeNumbers)) else module
        if inner is None or "seed" not in self.runs.values:
            return True
        trained = {name for name, p in inner.named_parameters(remove_duplicate=False) if p.requires_grad}
        fixed = {name: value for name, value in inner.state_dict().items() if name not in trained}
        for seed in self.runs.values["seed"] if fixed else ():
            other = self._fresh(seed).state_dict()
            if not all(torch.equal(value, other[name].to(value)) for name, value in fixed.items()):
                return False
        return True

    def apart(self) -> list[np.ndarray]:
        """The group in parts that cannot go side by side after all; none if it can stay together.

        In other coordinates a start is their origin. Shuffled blocks of different lengths come at different steps.
        """
        keys, objective = [], self.made.objective
        if isinstance(objective, LinearObjective) and objective.coordinates is not None:
            keys.append(np.unique(self.starts, axis=0, return_inverse=True)[1].ravel()[self.which_start])
        if not together.alike(self.made.batching) and "seed" in self.runs.values:
            keys.append(self.runs.places["seed"][self.group])
        if not keys:
            return []
        which = np.unique(np.stack(keys, 1), axis=0, return_inverse=True)[1].ravel()
        return [self.group[which == key] for key in range(which.max() + 1)] if which.max() else []

    def slices(self) -> Iterator[np.ndarray]:
        """The group in pieces, as many runs as memory allows, as runs' numbers."""
        most = self._most()
        for begin in range(0, len(self.group), most):
            yield self.group[begin : begin + most]

    def _most(self) -> int:
        """How many runs go side by side."""
        return max(1, ENTRIES // (self.made.batching.size or self.made.objective.rows))

    def steps(self, runs: np.ndarray) -> float:
        """The most updates that any of some runs may take."""
        return float(self._limits(np.searchsorted(self.group, runs)).steps.max())

    def _limits(self, places: np.ndarray) -> Limits:
        first, which = self.runs.distinct(("tol", "patience", "epochs", "max_steps", "optimizer"), self.group)
        each = []
        for one in first.tolist():
            spec = self.runs.spec(one)
            method = self.methods[int(np.searchsorted(self.group, one))]
            each.append((spec.tol, spec.patience, method.batching, method.rule))
        return Limits.of(each).take(which[places])

    def descend(self, runs: np.ndarray, budget: int, after: Callable[[Blocks, np.ndarray], None]) -> Cohort:
        """Some of the runs, side by side, from their starts to their ends."""
        places = np.searchsorted(self.group, runs)
        limits = self._limits(places)
        watcher = BlockWatcher(self.spec, self.made, limits, self.objective, self.problem.test, self.validation, budget)
        methods, lr = [self.methods[place] for place in places.tolist()], self.lr[places]
        began = time.perf_counter()
        engine, blocks = self._blocks(runs, places, methods, lr, limits, watcher.alive)
        with together.in_one_thread():
            ended = watcher.drain(blocks, lambda block: after(block, watcher.alive))
        seconds = time.perf_counter() - began
        numbers = runs.tolist()
        return Cohort(
            self.problem,
            lambda place: self.runs.spec(numbers[place]),
            methods,
            lr,
            by_run(ended, len(runs)),
            engine,
            seconds,
        )

    def _blocks(
        self,
        runs: np.ndarray,
        places: np.ndarray,
        methods: Sequence[Method],
        lr: np.ndarray,
        limits: Limits,
        alive: np.ndarray,
    ) -> tuple[str, Iterator[Any]]:
        """The name of the engine that pays, and its blocks: compiled, or the loop's with a leading axis."""
        objective, like = self.made.objective, self.made.objective.theta
        if isinstance(objective, LinearObjective) and objective.coordinates is not None:
            theta = like.repeat(len(runs), 1)
        else:
            theta = torch.as_tensor(self.starts[self.which_start[places]]).to(like).contiguous()
        seeds = [self.runs.of("seed", one) for one in runs.tolist()]
        schedules = [at_rate(method.schedule, rate) for method, rate in zip(methods, lr, strict=True)]
        rules = [method.rule for method in methods]
        batching = replace(self.made.batching, epochs=None, max_steps=int(limits.steps.max()))
        compiled = isinstance(objective, LinearObjective) and all(
            kernel_args.can_run(objective, rule) for rule in {id(rule): rule for rule in rules}.values()
        )
        if compiled and compiled_runs.pays(objective, batching.size, float(limits.steps.sum())):
            engine = compiled_runs.FusedRuns(objective, rules, theta)
            engine.alive = alive
            return "fused", engine.descend(batching, seeds, lr=lr, schedules=schedules)
        dealt = together.deal(batching, seeds, str(like.device))
        rule = together.stacked(rules, like)
        return "batched", together.walk(self.all, rule, theta, dealt, lr, schedules)

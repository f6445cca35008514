"""Packs: runs that descend side by side, planned once, and for each its rule, rate, schedule, start and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.learning_rate import of_a_trial
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.defaults import plan
from steepest.descent.method import Method, method_of
from steepest.descent.schedule_factors import at_rate, waits
from steepest.descent.stopping import Limits
from steepest.engines import batched
from steepest.engines.descents import Descents
from steepest.errors import FitError
from steepest.held_out import parted
from steepest.lazy import torch
from steepest.model import modules
from steepest.model.linear_objective import LinearObjective
from steepest.model.of_fit import targets
from steepest.monitor import Monitor, watched
from steepest.settings import Spec
from steepest.sweeps.axes import Runs
from steepest.sweeps.run_results import Cohort, Problem

OF_A_METHOD = ("optimizer", "clip", "schedule", "averaging", "epochs", "max_steps")
"""Settings that a rule, its schedule and the number of steps come of."""

ENTRIES = 2**23
"""Numbers of a layer, of a batch's rows and all runs together, that a slice has at most: so many that larger slices would be no
faster, and so few that ranks have some each."""


class Pack:
    """Runs of one group, planned: the problem that they share, and for each its rule, rate, schedule, start and end."""

    def __init__(
        self,
        runs: Runs,
        group: np.ndarray,
        train: Dataset,
        test: Dataset | None,
        notes: tuple[str, ...],
        apart: Any = None,
    ):
        self.runs, self.group = runs, group
        self.spec = Spec.read(dict(runs.spec(int(group[0]))))
        train, self.validation, notes = parted(self.spec, train, notes, apart)
        self.made = plan(self.spec, train)
        self.problem = Problem(self.spec, train, test, tuple(notes), self.made)
        # what "auto" chose is made anew for each run, which takes a name
        named = self.spec.optimizer != "auto" or self.made.optimizer in ("sgd", "adam")
        grouped = any(isinstance(rate, dict) for rate in runs.values.get("lr", ()))
        self.fits = named and not grouped and batched.can_run(self.made.objective, self.made.rule)
        if not self.fits:
            return
        self.together = batched.Together(self.made.objective)  # pyrefly: ignore (can_run has looked)
        self.fits = self._alike_but_for_the_start()
        self.methods, self.lr = self._methods(), self._rates()
        self.fits = self.fits and not waits(method.schedule for method in self.methods)
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
        return np.full(len(self.group), self.spec.rate)

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
        if module is None or "seed" not in self.runs.values:
            return True
        from steepest.model.wrapped_modules import Scaled, WholeNumbers  # which imports PyTorch

        inner = module.module if isinstance(module, (Scaled, WholeNumbers)) else module
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
        if not batched.alike(self.made.batching) and "seed" in self.runs.values:
            keys.append(self.runs.places["seed"][self.group])
        if not keys:
            return []
        which = np.unique(np.stack(keys, 1), axis=0, return_inverse=True)[1].ravel()
        return [self.group[which == key] for key in range(which.max() + 1)] if which.max() else []

    def slices(self) -> Iterator[np.ndarray]:
        """The group in pieces, as runs' numbers: the same pieces whoever works them."""
        rows = self.made.batching.size or self.made.objective.rows
        most = max(1, ENTRIES // (rows * self.together.width))
        for begin in range(0, len(self.group), most):
            yield self.group[begin : begin + most]

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
        return Limits.of(each, self.made.full_batch).take(which[places])

    def descend(self, runs: np.ndarray, budget: int, after: Callable[[Monitor, Any], None]) -> Cohort:
        """Some of the runs, side by side, from their starts to their ends."""
        places, numbers = np.searchsorted(self.group, runs), runs.tolist()
        methods, lr = [self.methods[place] for place in places.tolist()], self.lr[places]
        limits = self._limits(places)
        objective, like = self.made.objective, self.made.objective.theta
        if isinstance(objective, LinearObjective) and objective.coordinates is not None:
            theta = like.repeat(len(runs), 1)
        else:
            theta = torch.as_tensor(self.starts[self.which_start[places]]).to(like).contiguous()
        work = Descents(
            objective,
            theta,
            rules=[method.rule for method in methods],
            lr=lr,
            schedules=[at_rate(method.schedule, rate) for method, rate in zip(methods, lr, strict=True)],
            batching=replace(self.made.batching, epochs=None, max_steps=int(limits.steps.max())),
            seeds=[self.runs.of("seed", one) for one in numbers],
            together=self.together,
            averages=[method.averages for method in methods],
        )
        began, rows = time.perf_counter(), (self.problem.test, self.validation)
        came, engine = watched(self.spec, self.made, work, limits, *rows, budget, after)
        seconds = time.perf_counter() - began
        return Cohort(self.problem, lambda place: self.runs.spec(numbers[place]), methods, lr, came, engine, seconds)

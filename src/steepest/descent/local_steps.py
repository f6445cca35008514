"""Local steps (`sync_every=K`): each rank steps on its own rows, and every K steps θ becomes the mean of all ranks' θ.

    θ_r ← θ_r − step of rank r on its share of the batch        K times, of each rank r by itself
    θ_r ← (θ_0 + … + θ_{R−1}) / R                               in a fixed tree; the rule's memory alike

R ranks wait for one another once in K steps. It is another path than that of shared steps: one for each number of ranks, the same
whenever it is walked. Sources: Stich, Local SGD converges fast and communicates little (2019); of the mean of a rule's memory Yu,
Jin and Yang, On the linear speedup analysis of communication efficient momentum SGD (2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from steepest.data.batching import Batch, Batching
from steepest.descent.rule import Again, Memory
from steepest.descent.torch_rules import Around, Elementwise
from steepest.errors import SpecError
from steepest.lazy import Tensor, torch
from steepest.model.objective import Objective
from steepest.ranks.group import Group, by_itself, current


@final
@dataclass(frozen=True)
class LocalSteps(Around):
    """A rule whose steps are each rank's own, θ and its memory being averaged every so many of them, and at each epoch's end.

    at: the batch of the step under way, and whether ranks have one θ since.
    """

    every: int
    group: Group
    batching: Batching
    at: dict[str, Any] = field(default_factory=lambda: {"together": True})

    @property
    def together(self) -> bool:
        """Whether all ranks have one θ now."""
        return self.at["together"]

    def estimate(self, objective: Objective, theta: Any, batch: Batch, memory: Memory) -> tuple[Any, Any]:
        self.at["batch"] = batch
        own = sum(len(part[0]) for part in batch.parts if part)
        with by_itself():
            return self.rule.estimate(objective, theta, batch._replace(count=max(own, 1)), memory)

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        self.rule.update(theta, grad, memory, lr, again)
        batch = self.at["batch"]
        t = batch.epoch * self.batching.steps_per_epoch + batch.index + 1
        self.at["together"] = batch.last or (batch.index + 1) % self.every == 0 or t == self.batching.steps
        if self.together:
            parts = [theta, *(part for part in memory if isinstance(part, Tensor))]
            mean = self.group.total(torch.cat([part.reshape(-1) for part in parts])) / self.group.size
            for part, found in zip(parts, mean.split([part.numel() for part in parts]), strict=True):
                part.copy_(found.reshape(part.shape))


def check(every: int, group: Group) -> None:
    """Raise SpecError where nobody is there to take a mean with."""
    if group.size == 1:
        raise SpecError(
            f"sync_every={every} averages θ of several ranks, and this is one process. Begin 2, 4 or 8 of them (torchrun), or "
            "leave it out."
        )


def local(rule: Any, every: int, objective: Objective, batching: Batching, averaging: str | None) -> LocalSteps:
    """A rule by local steps.

    Raises:
        SpecError: there are no ranks, or no minibatches that they share; or the rule or the model keeps what has no mean.
    """
    group, said = current(), f"sync_every={every} averages θ of several ranks"
    check(every, group)
    if batching.windows is None:
        raise SpecError(
            f"{said} that step on minibatches of a stream, and this descent has none. Read Parquet files (stream=True) by "
            "minibatches (batch_size=256), or leave it out."
        )
    inner = rule.innermost
    if (
        not isinstance(inner, Elementwise)
        or inner.kind.looks_again
        or inner.kind.uphill is not None
        or inner.kind.keeps
    ):
        raise SpecError(
            f"{said}, and this rule looks at a batch twice or keeps more than means. Use sgd, momentum:0.9 or adam."
        )
    if getattr(objective, "moves", ()):
        raise SpecError(f"{said}, and the model has statistics of batches (BatchNorm). Use LayerNorm, or leave it out.")
    if averaging != "none":
        raise SpecError(f"{said}: it has no mean of single steps. Leave out averaging, or sync_every.")
    return LocalSteps(rule, every, group, batching)


def said_of(rule: LocalSteps) -> str:
    """What is to be said of the fit."""
    return (
        f"Each of {rule.group.size} ranks took steps on its own share of a batch, and θ was averaged every {rule.every} of them "
        "(sync_every): another path than that of shared steps, and one of its own for each number of ranks."
    )

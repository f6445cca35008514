"""The processes that torchrun began, as one fit sees them: which parts are whose, and what all of them know.

    with begun():                     the processes find one another
        with shared():                what is added up in here, each rank adds up a part of
            current().merged(…)       the same on every rank, to the last bit

Every rank takes the same steps from the same numbers; what they send one another is sums (of θ's size), never rows. Outside of
`shared()`, and in a process that torchrun has not begun, one process adds up all parts by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from math import inf
from typing import Any, TypeVar

import numpy as np

from steepest.errors import RunError, SpecError
from steepest.lazy import Tensor, torch
from steepest.ranks.lost import GO_ON, RankLost
from steepest.ranks.tree import PARTS, added, tree
from steepest.ranks.waiting import NoAnswer, waited_for

TIMEOUT = 300.0
"""Seconds that a rank waits for the others where nothing else is asked."""

GRACE = 5.0
"""Seconds in which ranks that wait in vain tell one another so: whoever does not is the one that they waited for."""

BEAT = 1.0
"""Seconds between two signs that a rank is at work."""

SIGNALLED = 10.0
"""Seconds of silence after which another rank has ended, where this one was told to end: torchrun waits 30 for it."""

NAMED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun puts into the environment."""

T = TypeVar("T")


class Group:
    """Some ranks, seen by one of them.

    asked: gives the number of a reason for which this rank would end the descent, 0 for none; told: the largest of any rank, as
    of the last time that they brought something together.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, store: Any = None, seconds: float = TIMEOUT, of_all_times: Any = None
    ):
        self.rank, self.size, self.store, self.seconds, self.of_all_times = rank, size, store, seconds, of_all_times
        self.asked: Callable[[], int] = lambda: 0
        self.told = self.met = 0
        self.beaten, self.beats = -inf, dict[int, tuple[int, float]]()
        self.answers, self.in_vain = True, 0.0
        self.remedy = GO_ON

    @property
    def own(self) -> range:
        """The parts that this rank adds up."""
        share = PARTS // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    @property
    def first(self) -> bool:
        """Whether it is the one that prints and writes."""
        return self.rank == 0

    def gathered(self, mine: Tensor) -> list[Tensor]:
        """What every rank has, `[m]` each, in their order.

        Raises:
            RankLost: a rank has ended, or has not answered in time.
        """
        flagged = torch.cat([mine, torch.full((1,), self.asked(), dtype=mine.dtype, device=mine.device)])
        each = [torch.empty_like(flagged) for _ in range(self.size)]
        with self._answered():
            torch.distributed.all_gather(each, flagged)
        self.told = max(int(one[-1]) for one in each)
        return [one[:-1] for one in each]

    def total(self, mine: Tensor) -> Tensor:
        """The sum of all ranks' sums."""
        return mine if self.size == 1 else tree(self.gathered(mine), torch.add)

    def merged(
        self,
        mine: Sequence[np.ndarray],
        merge: Callable[[list[np.ndarray], list[np.ndarray]], list[np.ndarray]] = added,
    ) -> list[np.ndarray]:
        """What is merged of all ranks' arrays, which have the same shapes on each."""
        arrays = [np.asarray(part) for part in mine]
        return arrays if self.size == 1 else tree((_unpacked(one, arrays) for one in self.each(_packed(arrays))), merge)

    def each(self, content: bytes) -> list[bytes]:
        """What every rank has, as many bytes on each."""
        if self.size == 1:
            return [content]
        given = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
        return [one.numpy().tobytes() for one in self.gathered(given)]

    def all_of(self, content: bytes) -> list[bytes]:
        """What every rank has, however many bytes."""
        lengths = self._lengths(content)
        padded = self.each(content.ljust(max(lengths), b"\0"))
        return [one[:length] for one, length in zip(padded, lengths, strict=True)]

    def to_first(self, content: bytes) -> list[bytes]:
        """What every rank has, however many bytes, on the first one; nothing on the others."""
        lengths = self._lengths(content)
        if self.size == 1:
            return [content]
        given = torch.from_numpy(np.frombuffer(content.ljust(max(lengths), b"\0"), np.uint8).copy())
        found = [torch.empty_like(given) for _ in range(self.size)] if self.first else None
        with self._answered():
            torch.distributed.gather(given, found)
        return [one.numpy()[:length].tobytes() for one, length in zip(found or (), lengths, strict=self.first)]

    def _lengths(self, content: bytes) -> list[int]:
        return [int(np.frombuffer(one, np.int64)[0]) for one in self.each(np.array([len(content)]).tobytes())]

    def any(self, here: bool) -> bool:
        """Whether something is so on any rank."""
        return b"1" in self.each(b"1" if here else b"0")

    def beat(self) -> None:
        """Say, once a second at most, that this rank is at work on what it does by itself, and see whether the others are.

        Raises:
            RankLost: one of them has begun, and said nothing for too long.
        """
        now = time.monotonic()
        if self.size == 1 or now - self.beaten < BEAT:
            return
        self.beaten = now
        with self._answered():
            self._asked(lambda: self.store.add(f"beat {self.rank}", 1))
            for rank in self._missing(self.met + 1):
                self._watch(rank, begun=True)

    def meet(self, signalled: bool = False) -> None:
        """Wait for all ranks, however long each has to work, as long as those that are missed say that they do.

        signalled: whether this rank was told to end, as torchrun does where another one has ended.

        Raises:
            RankLost: one of them has said nothing for too long.
        """
        if self.size == 1:
            return
        self.met += 1
        self.beats.clear()
        with self._answered():
            self._asked(lambda: self.store.set(f"met {self.met} by {self.rank}", "1"))
            while missing := self._missing(self.met):
                for rank in missing:
                    self._watch(rank, signalled=signalled)
                time.sleep(0.02)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except RuntimeError:
            raise self._lost(time.monotonic() - began) from None

    def _missing(self, meeting: int) -> list[int]:
        """The other ranks that have not come to a meeting."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        return [rank for rank in others if not self._there(f"met {meeting} by {rank}")]

    def _watch(self, rank: int, begun: bool = False, signalled: bool = False) -> None:
        """RankLost where a rank has said nothing for too long. begun: where it has not begun, it is not waited for yet."""
        count, now = self._asked(lambda: self.store.add(f"beat {rank}", 0)), time.monotonic()
        if count != self.beats.get(rank, (-1, now))[0] or (begun and not count):
            self.beats[rank] = count, now
        elif now - self.beats[rank][1] > (min(SIGNALLED, self.seconds) if signalled else self.seconds):
            raise self._lost(0.0 if signalled else self.seconds)

    @contextmanager
    def agreed(self, reason: Callable[[], T | None], reasons: Sequence[T]) -> Iterator[Callable[[], T | None]]:
        """A reason to end that holds on all ranks at the same step: the last of `reasons` that any of them has.

        It is known once they have brought something together after it came up.
        """
        if self.size == 1:
            yield reason
            return
        self.asked, self.told = lambda: 0 if (found := reason()) is None else 1 + reasons.index(found), 0
        try:
            yield lambda: reasons[self.told - 1] if self.told else None
        finally:
            self.asked, self.told = lambda: 0, 0

    def note(self, what: str) -> None:
        """Something that these ranks have done, for those that torchrun begins in their place."""
        with suppress(RuntimeError):
            self._asked(lambda: self.of_all_times.set(what, "1"))

    def noted(self, what: str) -> bool:
        """Whether these ranks, or those in whose place torchrun has begun them, have noted it."""
        with suppress(RuntimeError):
            return self._asked(lambda: self.of_all_times.check([what]))
        return False

    @contextmanager
    def remedied(self, remedy: str) -> Iterator[None]:
        """What is to be done, within it, where a rank is lost.

        Raises:
            RankLost: a signal came because a rank has ended, whereupon torchrun ends all others.
        """
        before, self.remedy = self.remedy, remedy
        try:
            yield
        except KeyboardInterrupt:
            if self.size > 1 and (lost := self._of_signal()) is not None:
                raise lost from None
            raise
        finally:
            self.remedy = before

    def leave(self) -> None:
        """Let go of the others, and tell them so: whoever waits for this rank hears of it at once."""
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        with suppress(RuntimeError):
            self._asked(lambda: self.store.set(f"left {self.rank}", "1"), GRACE)

    def says(self) -> bool:
        """Whether this rank is the first that has something to say of a failure, which all others would only repeat."""
        if self.store is None:
            return True
        with suppress(RuntimeError):
            return self._asked(lambda: self.store.add("said", 1), GRACE) == 1
        return True

    def _asked(self, question: Callable[[], T], seconds: float | None = None) -> T:
        """What the store answers, which lives with the first rank. RuntimeError where it is gone, or does not answer in time."""
        if not self.answers:
            raise NoAnswer("no answer")
        try:
            return waited_for(question, self.seconds if seconds is None else seconds)
        except RuntimeError as error:
            self.in_vain = self.seconds if isinstance(error, NoAnswer) else self.in_vain
            self.answers = False  # nor will it
            raise

    def _there(self, name: str, seconds: float | None = None) -> bool:
        return self._asked(lambda: self.store.check([name]), seconds)

    def _lost(self, waited: float) -> RankLost:
        """The error where a rank is missed: who it is."""
        late, signalled = max(waited, self.in_vain) >= 0.9 * self.seconds, False
        try:
            missing = self._who_waits_not()
        except (
            KeyboardInterrupt
        ):  # torchrun, which has noticed it too, ends those that are left: they say first who it was
            missing, signalled = self._who_waits_not(), True
        if signalled and not missing:
            raise KeyboardInterrupt
        return self._named(missing, late)

    def _of_signal(self) -> RankLost | None:
        """Whom torchrun misses, so that it ends this one too; None where each of the others has left or was ended as well."""
        self.leave()
        missing = self._who_waits_not("left")
        return self._named(missing, late=False) if missing else None

    def _named(self, missing: set[int], late: bool) -> RankLost:
        return RankLost.told(missing, self.rank, self.seconds if late else None, self.remedy)

    def _who_waits_not(self, *also: str) -> set[int]:
        """The ranks that do not say, in time, that they have waited in vain too (or what is `also` fine); the first one, be it
        this, where none can be asked."""
        missing = {rank for rank in range(self.size) if rank != self.rank}
        try:
            self._asked(lambda: self.store.set(f"waited {self.rank}", "1"), GRACE)
            until = time.monotonic() + GRACE
            while missing and time.monotonic() < until:
                there = (any(self._there(f"{what} {rank}", GRACE) for what in ("waited", *also)) for rank in missing)
                missing = {rank for rank, said in zip(tuple(missing), there, strict=True) if not said}
                time.sleep(0.05)
        except RuntimeError:  # what they are asked by is gone, which torchrun keeps, or the first rank
            return {0}
        return missing


class Apart(Group):
    """A rank of some that adds up nothing with the others."""

    def total(self, mine: Tensor) -> Tensor:
        return mine


ALONE = Group()
"""One process, which adds up all parts."""

_begun: list[Group] = []
_current: list[Group] = [ALONE]


def launched() -> Group | None:
    """The ranks that this process is one of; None where nobody has begun several."""
    return _begun[-1] if _begun else None


def current() -> Group:
    """Those that share what is added up now."""
    return _current[-1]


def shared() -> AbstractContextManager[Group]:
    """Within it all ranks add up together: they must do the same, in the same order."""
    return _within(launched() or ALONE)


def alone() -> AbstractContextManager[Group]:
    """Within it this rank works by itself, as a process that is no rank does."""
    return _within(ALONE)


def by_itself() -> AbstractContextManager[Group]:
    """Within it a rank adds up its own parts of a batch alone."""
    return _within(Apart(current().rank, current().size))


@contextmanager
def _within(group: Group) -> Iterator[Group]:
    _current.append(group)
    try:
        yield group
    finally:
        _current.pop()


@contextmanager
def begun(seconds: float = TIMEOUT) -> Iterator[Group | None]:
    """The processes that torchrun began, while they work together; None where it has begun none.

    seconds: that a rank waits for the others.

    Raises:
        SpecError: so many ranks cannot share eight parts. RunError: they do not find one another.
    """
    if _begun or not all(name in os.environ for name in NAMED):
        yield launched()
        return
    size = int(os.environ["WORLD_SIZE"])
    if size not in (1, 2, 4, 8):
        raise SpecError(
            f"There are {size} ranks, and a batch is added up in {PARTS} parts: start 1, 2, 4 or 8 of them (--nproc-per-node)."
        )
    wait = timedelta(seconds=seconds)
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())

    def found() -> tuple[Any, Any, int]:
        store, rank, size = next(torch.distributed.rendezvous("env://", timeout=wait))
        of_all_times = torch.distributed.PrefixStore("of all times", store)
        # begun anew after a failure, ranks must not find what those before them have left
        store = torch.distributed.PrefixStore(f"begun {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)} times", store)
        torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=wait)
        return store, of_all_times, rank

    try:
        store, of_all_times, rank = waited_for(found)
    except RuntimeError as error:
        why = (str(error).splitlines() or [""])[0][:200]
        raise RunError(f"The ranks do not find one another within {seconds:g} seconds (rank_timeout): {why}") from None
    _begun.append(Group(rank, size, store, seconds, of_all_times))
    try:
        yield _begun[-1]
    finally:
        _begun.pop().leave()


def _packed(arrays: Sequence[np.ndarray]) -> bytes:
    return b"".join(np.ascontiguousarray(part).tobytes() for part in arrays)


def _unpacked(content: bytes, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    found, at = [], 0
    for part in like:
        found.append(np.frombuffer(content, part.dtype, part.size, at).reshape(part.shape).copy())
        at += part.nbytes
    return found

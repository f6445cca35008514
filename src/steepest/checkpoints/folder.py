"""The folder of a run that is under way: of one process alone, with the last two checkpoints in it.

    with claimed("runs/first", overwrite=False, names=FILES) as kept:
        kept.found                        the newest checkpoint that can be read, if there is one
        kept.begin(begun_with(…))         refuses to go on with other settings or data
        if kept.due(…): kept.write(…)     whole or not at all, in the place of the older one

A checkpoint that cannot be written (a full disk) is said once and ends nothing: the one before stays.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from steepest import atomic_folder
from steepest.atomic_file import flush
from steepest.atomic_folder import NEW_CHECKPOINT, RUNNING
from steepest.checkpoints import tree
from steepest.checkpoints.run_settings import changes, differences
from steepest.errors import RunError, SpecError, SteepestError, SteepestWarning
from steepest.ranks.group import launched
from steepest.ranks.turns import DONE, FAULT

NAMES = ("checkpoint-0.safetensors", "checkpoint-1.safetensors")
"""The two last checkpoints, in turns."""

EVERY = 30.0
"""Seconds between two checkpoints where nothing else is asked."""

OF_AN_EPOCH = 0.1
"""Part of that time after which the end of an epoch is one for a checkpoint too."""

FORMAT = 1
FIELDS = {"format": 1, "number": 0, "begun": None, "engine": "", "in_place": True, "seconds": 0.0, "lr": 0.0,
          "position": (0, 0, 0), "state": None}  # fmt: skip
"""What a checkpoint holds, as examples of their types: see `Checkpoints.write`."""


# ---- places ----------------------------------------------------------------------------------------


def place_of(folder: str | os.PathLike[str]) -> Path:
    """The run's folder, all links followed."""
    try:
        place = Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a circle of links, a zero byte
        raise RunError(f"{str(folder)!r} cannot be a run's folder: {str(error).rstrip('.')}.") from None
    if not place.name:
        raise RunError(f"{str(folder)!r} cannot be a run's folder. Name a folder of its own.")
    return place


@contextmanager
def said(what: str) -> Iterator[None]:
    """An error of the system's is told as what cannot be done, and why."""
    try:
        yield
    except RunError:
        raise
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}.") from None


def check_free(folder: str | os.PathLike[str], overwrite: bool, names: Iterable[str], going_on: bool = False) -> None:
    """Raise RunError where files of these names cannot be written into a run's folder.

    going_on: whether an unfinished run that is there may be gone on with.
    """
    place = place_of(folder)
    with said(f"The run cannot be written to {str(place)!r}"):
        old = atomic_folder.record_of(place) if place.is_dir() else None
        left = unfinished(place)
        if old is not None and not (overwrite or (left and going_on and _was_interrupted(old))):
            kind = "sweep" if old.name == "sweep.json" else "run"
            raise RunError(
                f"{str(folder)!r} holds a {kind} already. Choose another folder, or replace it: overwrite=True."
            )
        if old is not None:
            atomic_folder.check_unchanged(place, names)
        elif place.is_dir() and not atomic_folder.is_free(place, {path.name for path in left}):
            raise RunError(
                f"{str(folder)!r} is a folder with other things in it, not a run. Choose another one for the run."
            )
        elif left and not (going_on or overwrite):
            raise RunError(f"{unfinished_run(folder)} Choose another folder, or replace it: overwrite=True.")
        elif not place.is_dir() and (place.exists() or place.is_symlink()):
            raise RunError(f"{str(folder)!r} is a file. Choose another place for the run's folder.")
        there = next(one for one in (place, *place.parents) if one.exists())
        if not there.is_dir():
            raise RunError(f"{str(there)!r} is a file, so {str(folder)!r} cannot be a folder. Choose another place.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise RunError(f"The run cannot be written to {str(folder)!r}: no permission to write to {str(there)!r}.")


def unfinished_run(folder: str | os.PathLike[str]) -> str:
    """A sentence on a folder that holds only checkpoints."""
    return f"{str(folder)!r} holds a run that is not finished: the call or command that began it goes on with it."


def _was_interrupted(record: atomic_folder.Record) -> bool:
    ending = record.read.get("ending")
    return isinstance(ending, list) and ending[:1] == ["INTERRUPTED"]


def unfinished(place: Path) -> list[Path]:
    """The checkpoints in a folder, damaged ones too; a file of that name which is something else is not ours."""
    return [path for path in (place / name for name in NAMES) if path.is_file() and _is_ours(path)]


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as file:
        beginning = file.read(8)
        length = int.from_bytes(beginning, "little")
        header = file.read(min(length, atomic_folder.LARGEST_RECORD))
    if len(beginning) < 8 or len(header) < length:
        return True  # damaged
    try:
        return tree.KEY in json.loads(header).get("__metadata__", {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return True


def remove(place: Path) -> None:
    """Remove the checkpoints of a folder."""
    for path in (*unfinished(place), place / NEW_CHECKPOINT):
        path.unlink(missing_ok=True)


# ---- a run under way -------------------------------------------------------------------------------


def busy(folder: str | os.PathLike[str]) -> str:
    """What is said of a folder that another process fits into."""
    return f"Another process is fitting into {str(folder)!r}. Wait until it has ended, or choose another folder."


@contextmanager
def reserved(
    folder: str | os.PathLike[str], overwrite: bool, names: Iterable[str], going_on: bool = False
) -> Iterator[Path]:
    """Make the folder if it is missing, and be the only process that fits into it; what was not written to is removed again.

    names: of the files that will be there in the end. going_on: as of `check_free`.

    Raises:
        RunError: another process fits into it, a finished run is there, or something else is in the way.
    """
    check_free(folder, overwrite, names, going_on)
    place = place_of(folder)
    with ExitStack() as until_the_end:
        with said(f"The run cannot be written to {str(place)!r}"):
            until_the_end.enter_context(atomic_folder.held(place, RUNNING, 0.2, busy(folder)))
        check_free(folder, overwrite, names, going_on)
        yield place


@contextmanager
def claimed(
    folder: str | os.PathLike[str], overwrite: bool, names: Iterable[str], every: float | None = None
) -> Iterator[Checkpoints]:
    """The folder of a run under way, reserved for this process, and the checkpoints in it.

    names: of the files that will be there in the end. every: seconds between two checkpoints (`EVERY`).

    Raises:
        SpecError: these are no seconds. RunError: as of `reserved`.
    """
    if every is not None and not (isinstance(every, int | float) and 0 < every < float("inf")):
        raise SpecError(f"checkpoint_every={every!r}: it must be a number of seconds greater than 0.")
    with reserved(folder, overwrite, names, going_on=True) as place:
        with said(f"The run cannot be written to {str(place)!r}"):
            (place / NEW_CHECKPOINT).unlink(missing_ok=True)
            kept = Checkpoints(place, str(folder), overwrite, every or EVERY)
        try:
            yield kept
        except (KeyboardInterrupt, SteepestError):
            kept.put_held()
            raise


@contextmanager
def claimed_by_first(
    folder: str | os.PathLike[str], overwrite: bool, names: Iterable[str], every: float | None = None
) -> Iterator[Checkpoints]:
    """What `claimed` does, of all ranks; of a process that is not one of several the same as that.

    Raises:
        SpecError, RunError: as `claimed`, on every rank.
    """
    group = launched()
    if group is None or group.size == 1:
        with claimed(folder, overwrite, names, every) as kept:
            yield kept
        return
    ours = f"claimed {place_of(folder)}"
    with ExitStack() as held:
        if group.first:
            try:  # a run that is finished there, where torchrun begins all ranks anew, is that of those before
                kept = held.enter_context(claimed(folder, overwrite or group.noted(ours), names, every))
            except SteepestError as error:
                group.all_of(FAULT + str(error).encode())
                raise
            group.note(ours)
            group.all_of(DONE + tree.packed({"found": kept.found}))
        else:
            told, *_ = group.all_of(b"")
            if told.startswith(FAULT):
                raise RunError(told[1:].decode())
            found = tree.unpacked(told[1:])["found"]
            kept = Checkpoints(place_of(folder), str(folder), overwrite, every or EVERY, writes=False, found=found)
        yield kept


class Checkpoints:
    """The checkpoints of a run under way.

    found: the newest one that can be read, as `write` has it, until it turns out to be of another run; None without one.
    notes: what is to be said of how it was found. engine, made: `in_place` and `lr`: how the descent goes. tell: called with
        each note as soon as it is known. writes: whether this process does; of several ranks the first, whose `found` others get.
    """

    def __init__(
        self,
        place: Path,
        shown: str,
        overwrite: bool,
        every: float,
        writes: bool = True,
        found: dict[str, Any] | None = None,
    ):
        self.place, self.shown, self.overwrite, self.every, self.writes = place, shown, overwrite, every, writes
        self.notes: list[str] = []
        self.found = self._newest() if writes else found
        self.begun: Mapping[str, Any] = {}
        self.number = 0 if self.found is None else self.found["number"] + 1
        self.started = self.last = time.monotonic()
        self.engine, self.made = "", dict[str, Any]()
        self.tell: Callable[[str], None] = lambda sentence: None
        self.failed = self.ours = False
        self._held: tuple[int, bytes] | None = None

    @property
    def seconds(self) -> float:
        """How long the run has taken so far, in all its parts."""
        return time.monotonic() - self.started + (0.0 if self.found is None else self.found["seconds"])

    def goes_on(self) -> bool:
        """Whether a checkpoint of this run is in the folder, from which the same call goes on; writes what is held."""
        self.put_held()
        return self.ours and bool(unfinished(self.place))

    def _newest(self) -> dict[str, Any] | None:
        good: list[dict[str, Any]] = []
        damaged = []
        for path in unfinished(self.place):
            try:
                read = tree.unpacked(atomic_folder.read_bytes(path, atomic_folder.LARGEST_FILE))
                good.append(tree.like(FIELDS, read))
            except ValueError as error:
                damaged.append((path.name, str(error)))
        if damaged and not good and not self.overwrite:
            name, why = damaged[0]
            raise RunError(
                f"{name} in {self.shown!r} is damaged ({why}), and no other checkpoint is there. Begin anew: overwrite=True."
            )
        if not good:
            return None
        newest = max(good, key=lambda one: one["number"])
        for name, why in damaged:
            self.notes.append(f"{name} is damaged ({why}): the one before, of step {newest['position'][0]:,}, is used.")
        return newest

    def begin(self, begun: Mapping[str, Any]) -> None:
        """Say what the run is of.

        Raises:
            RunError: the checkpoint that was found is of a run with other settings or data; it is dropped with `overwrite`.
        """
        self.begun, self.last = begun, time.monotonic()
        if self.found is None:
            return
        try:
            settings, data = changes(self.found["begun"], begun)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self.damaged(str(error)) from None
        if not settings and not data:
            self.ours = True
            self.notes.append(f"The run goes on from step {self.found['position'][0]:,}.")
            if others := differences(self.found["begun"].get("made with", {})):
                self.notes.append(f"Its last digits may differ from those of a run in one piece: {'; '.join(others)}.")
        elif self.overwrite:
            self.found, self.notes = None, []
            return
        else:
            what = " and ".join(
                f"{words}: {'; '.join(part)}" for words, part in (("settings", settings), ("data", data)) if part
            )
            raise RunError(
                f"{self.shown!r} holds a run that is not finished, of other {what}.\n"
                "Give those again to go on with it, choose another folder, or begin anew: overwrite=True."
            )
        for note in self.notes:
            self.tell(note)

    def damaged(self, why: str) -> RunError:
        """The error for a checkpoint that holds something else than what was written."""
        return RunError(f"The checkpoint in {self.shown!r} is damaged: {why}. Begin anew: overwrite=True.")

    def due(self, of_epoch: bool) -> bool:
        """Whether it is time for one. of_epoch: whether an epoch has just ended."""
        return self.writes and time.monotonic() - self.last >= self.every * (OF_AN_EPOCH if of_epoch else 1.0)

    def write(self, position: tuple[int, int, int], state: Any) -> None:
        """Write a checkpoint in the place of the older one of two.

        Args:
            position: the steps so far, and epoch and place in it of the batch to come.
            state: of the descent, whatever it takes to go on from there.

        Raises:
            SpecError: the state holds something that is no data.
        """
        self.hold(position, state)
        self.put_held()

    def hold(self, position: tuple[int, int, int], state: Any) -> None:
        """Have a checkpoint ready, as `write` has it, for one that has to be written before a long step has ended."""
        if not self.writes:
            return
        whole = {"format": FORMAT, "number": self.number, "begun": self.begun, "position": position, "state": state}
        whole |= {"seconds": self.seconds, "engine": self.engine, **self.made}
        try:
            self._held = position[0], tree.packed(whole)
        except tree.Unpackable as error:
            raise SpecError(
                f"The descent keeps a {error} from step to step, which no checkpoint can hold. Leave out= away, and save the fit "
                "when it has ended: fit.save(folder)."
            ) from None

    def put_held(self) -> None:
        """Write the checkpoint that is ready, if there is one."""
        if self._held is None:
            return
        (step, content), self._held = self._held, None
        new, self.last = self.place / NEW_CHECKPOINT, time.monotonic()
        try:
            with open(new, "wb") as file:
                file.write(content)
            flush(new)
            os.replace(new, self.place / NAMES[self.number % 2])
            flush(self.place)
        except OSError as error:
            with suppress(OSError):
                new.unlink()
            self._unwritten(step, error)
            return
        self.number, self.failed, self.ours, self.last = self.number + 1, False, True, time.monotonic()

    def _unwritten(self, step: int, error: OSError) -> None:
        if not self.failed:
            warnings.warn(
                f"The checkpoint of step {step:,} cannot be written to {self.shown!r}: {error.strerror or error}. The one before "
                "it stays, and the descent goes on.",
                SteepestWarning,
                stacklevel=2,
            )
        self.failed = True

"""A computation written down: the plain operations on tensors that it comes to, to be done again on other numbers.

PyTorch finds its way through modules, `vmap` and autograd anew at every step. Where shapes stay the same the way does too:

    tape = write(f, *tensors)      f is run once, and every operation that reaches the tensors is written down
    tape(*others)                  the same operations on others of the same shapes, without autograd

What f does besides (random numbers, decisions that depend on a value) is not on the tape, so f must be a plain function.
Unlike a compiler this needs no second and no C++: a step costs what its operations do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class _Pen(TorchDispatchMode):
    """Writes every operation down as it is done: what was called, on what, and what came out."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.lines.append((func, tuple(args), kwargs or {}, found))  # which also keeps every tensor, and its id, alive
        return found


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies among the numbers at hand."""

    slot: int


@dataclass(frozen=True)
class Tape:
    """Operations in their order, each with the places of what it takes and gives, and of what nobody needs after it."""

    lines: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any, list[int]]]
    constants: dict[int, Tensor]
    results: tuple[int, ...]
    size: int

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Do it again on tensors of the same shapes."""
        at: list[Any] = [*tensors, *[None] * (self.size - len(tensors))]
        for slot, constant in self.constants.items():
            at[slot] = constant
        with torch.no_grad():
            for operation, args, kwargs, gives, done in self.lines:
                found = operation(*[_fetched(arg, at) for arg in args], **kwargs)
                if isinstance(gives, int):
                    at[gives] = found
                else:
                    for slot, part in zip(gives, found, strict=True):
                        at[slot] = part
                for slot in done:  # its memory, still in the cache, is there for the next one
                    at[slot] = None
        return tuple(at[slot] for slot in self.results)


def _fetched(arg: Any, at: list[Any]) -> Any:
    if type(arg) is _Place:
        return at[arg.slot]
    return [_fetched(part, at) for part in arg] if type(arg) is list else arg


def write(function: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> Tape:
    """The tape of `function(*tensors)`, which returns tensors.

    >>> tape = write(lambda a, b: (a * b + 1.0,), torch.tensor([1.0]), torch.tensor([2.0]))
    >>> tape(torch.tensor([3.0]), torch.tensor([5.0]))
    (tensor([16.]),)
    """
    with _Pen() as pen:
        results = function(*tensors)
    slots: dict[int, int] = {id(tensor): slot for slot, tensor in enumerate(tensors)}
    constants: dict[int, Tensor] = {}

    def placed(arg: Any) -> Any:
        if isinstance(arg, Tensor):
            if id(arg) not in slots:
                slots[id(arg)] = len(slots)
                constants[slots[id(arg)]] = arg
            return _Place(slots[id(arg)])
        return [placed(part) for part in arg] if isinstance(arg, (list, tuple)) else arg

    lines = []
    changing = any(operation._schema.is_mutable for operation, *_ in pen.lines)
    for operation, args, kwargs, found in pen.lines:
        takes = tuple(placed(arg) for arg in args)
        if not changing and _is_nothing(operation, args, found):
            slots[id(found)] = takes[0].slot
            continue
        if not changing and isinstance(found, Tensor) and _is_constant(operation, takes, constants):
            constants[slots.setdefault(id(found), len(slots))] = found
            continue
        if operation is torch.ops.aten.bmm.default and not args[0].is_cuda:
            operation = _product_of(*(arg.shape for arg in args))
        if isinstance(found, Tensor):
            gives: Any = slots.setdefault(id(found), len(slots))
        else:
            gives = [slots.setdefault(id(part), len(slots)) for part in found]
        lines.append((operation, takes, kwargs, gives))
    wanted = tuple(placed(result).slot for result in results)
    needed = _needed(lines, wanted, len(tensors), constants)
    read = {slot for _, takes, *_ in needed for slot in _slots(takes)} | set(wanted)
    kept = {slot: constant for slot, constant in constants.items() if slot in read}
    return Tape(needed, kept, wanted, len(slots))


def _is_nothing(operation: Any, args: tuple[Any, ...], found: Any) -> bool:
    """Whether an operation gives back what it was given."""
    aten = torch.ops.aten
    if operation in (aten.detach.default, aten.alias.default):
        return True
    if operation in (aten.mul.Scalar, aten.div.Scalar, aten.pow.Tensor_Scalar):
        return args[1] == 1 and found.dtype == args[0].dtype
    shapes = (aten.view.default, aten.expand.default, aten._unsafe_view.default, aten.reshape.default)
    return operation in shapes and found.shape == args[0].shape and found.stride() == args[0].stride()


def _is_constant(operation: Any, takes: tuple[Any, ...], constants: dict[int, Tensor]) -> bool:
    """Whether an operation gives the same tensor whatever the numbers are."""
    if operation in (torch.ops.aten.ones_like.default, torch.ops.aten.zeros_like.default):
        return True
    read = _slots(takes)
    return bool(read) and all(slot in constants for slot in read)


def _product_of(left: Sequence[int], right: Sequence[int]) -> Any:
    """Products `[r, n, m]` × `[r, m, k]` of many small matrices, as PyTorch's libraries do them soonest on a CPU."""
    if left[2] == 1:
        return torch.ops.aten.mul.Tensor
    return _times_vector if right[2] == 1 else torch.ops.aten.bmm.default


def _times_vector(matrix: Tensor, vector: Tensor) -> Tensor:
    """`[r, n, m]` × `[r, m, 1]`: a vector from the left takes a third of the time."""
    return torch.bmm(vector.transpose(1, 2), matrix.transpose(1, 2)).transpose(1, 2)


def _needed(lines: list[Any], wanted: tuple[int, ...], given: int, constants: dict[int, Tensor]) -> list[Any]:
    """The lines that the results depend on, each with the slots that nothing after it reads."""
    alive, kept = set(wanted), []
    for operation, takes, kwargs, gives in reversed(lines):
        made = {gives} if isinstance(gives, int) else set(gives)
        if not (made & alive or (operation is not _times_vector and operation._schema.is_mutable)):
            continue
        read = set(_slots(takes))
        done = [slot for slot in (read | made) - alive if slot >= given and slot not in constants]
        alive |= read
        kept.append((operation, takes, kwargs, gives, done))
    return kept[::-1]


def _slots(args: Any) -> list[int]:
    if type(args) is _Place:
        return [args.slot]
    return [slot for part in args for slot in _slots(part)] if isinstance(args, (list, tuple)) else []

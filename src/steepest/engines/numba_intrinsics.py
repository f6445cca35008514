"""Near the machine: what Numba lacks for loops of a few nanoseconds.

    compiled    a function that Python calls: compiled once for each dtype, cached on disk, without the interpreter's lock
    within      a part of one, put whole into its place
    apart       a part of one, called
    address     an array's first entry, as a pointer: nobody counts references to it
    as_entry    a number in the type of what a pointer points to
    fetch       entries asked for ahead of their use

Numba counts a reference at every slice, call and attribute of an array, which costs more than a small step does. So the
functions that Python calls take arrays, and hand pointers on to their parts; the caller keeps the arrays alive.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from steepest.errors import SteepestWarning

# Sums may be taken in any order (reassoc, contract), which is what lets them use the whole width of the machine;
# infinities and NaN keep their meaning.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}

_PART = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **OPTIONS}
within: Any = njit(forceinline=True, **_PART)
apart: Any = njit(**_PART)

SOURCES = (
    "numba_intrinsics.py",
    "kernel_rules.py",
    "kernel_losses.py",
    "kernels.py",
    "../formulas/losses.py",
    "../formulas/rules.py",
)
"""Files whose parts are put into one another's compiled functions."""


def compiled(function: Callable[..., Any]) -> Any:
    """A function to be compiled when it is first called, and loaded from disk from then on, where there is a place for it."""
    made = njit(**OPTIONS)(function)
    try:
        made.enable_caching()
    except (RuntimeError, OSError):  # neither beside this file nor in a home folder can anything be written
        _say_without_cache()
        return made
    # Numba takes what it finds on disk for current if the function's own file is; ours hold parts of several
    files = [(Path(__file__).parent / name).stat() for name in SOURCES]
    made._cache._cache_file._source_stamp = tuple((file.st_mtime, file.st_size) for file in files)
    made._cache = _Lenient(made._cache)
    return made


@cache
def _say_without_cache() -> None:
    warnings.warn(
        "There is no place to keep compiled code in, so each process compiles it anew, which takes some seconds. "
        "The environment variable NUMBA_CACHE_DIR names one.",
        SteepestWarning,
        stacklevel=2,
    )


class _Lenient:
    """Numba's cache; one that is damaged, or full, or gone since, is none."""

    def __init__(self, kept: Any):
        self._kept = kept

    def load_overload(self, *given: Any) -> Any:
        try:
            return self._kept.load_overload(*given)
        except Exception:  # it reads what it wrote, whatever became of it
            return None

    def save_overload(self, *given: Any) -> None:
        try:
            self._kept.save_overload(*given)
        except Exception:  # it reads its list of files before it writes
            _say_without_cache()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)


LINE = 64
"""Bytes that come from memory together."""


@intrinsic
def address(context: Any, array: Any) -> Any:
    """A pointer to the first entry of a contiguous array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def as_entry(context: Any, pointer: Any, number: Any) -> Any:
    """A number in the type of a pointer's entries."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[1], signature.args[1], signature.return_type)

    return pointer.dtype(pointer, number), generate


@intrinsic
def fetch_line(context: Any, pointer: Any, place: Any) -> Any:
    """Ask for the line of memory that holds an entry, and go on without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        wanted = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, wanted, "llvm.prefetch.p0i8")
        entry = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        read, nearest, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(prefetch, [entry, read, nearest, data])
        return context.get_dummy_value()

    return types.void(pointer, place), generate


@intrinsic
def entries_a_line(context: Any, pointer: Any) -> Any:
    """How many entries of a pointer's type come from memory together."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, LINE * 8 // signature.args[0].dtype.bitwidth)

    return types.intp(pointer), generate


@within
def fetch(pointer, start, stop):
    """Ask for the entries start … stop, as `fetch_line` does."""
    for place in range(start, stop, entries_a_line(pointer)):
        fetch_line(pointer, place)

"""Written code made into functions that Python calls: for this machine, by LLVM."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from threading import Lock
from typing import Any

import numpy as np
from llvmlite import binding, ir

from steepest.machine_code.instructions import INTEGER, Code, Number, Pointer, numpy_type

_LIBRARY = ("exp", "log", "log1p", "pow", "tanh")
_LOCK = Lock()

KEPT = 128
"""Variants of a function that are kept, of the sizes and rules that it was compiled for."""


class Compiled:
    """A function of machine code: called with arrays for its pointers, and numbers."""

    def __init__(self, engine: Any, name: str, result: Any, types: tuple[Any, ...]):
        self._engine = engine  # which holds the code
        self._entries = [numpy_type(kind.pointee) if kind.is_pointer else None for kind in types]
        plain = [ctypes.c_void_p if kind.is_pointer else _plain(kind) for kind in types]
        self.address = engine.get_function_address(name)
        self._function = ctypes.CFUNCTYPE(None if result is None else _plain(result), *plain)(self.address)

    def __call__(self, *arguments: Any) -> Any:
        given = zip(self._entries, arguments, strict=True)
        return self._function(*(part if entry is None else _address(part, entry) for entry, part in given))


def _address(array: np.ndarray, entry: np.dtype) -> int:
    if array.dtype != entry or not array.flags.c_contiguous:
        raise TypeError(f"An array of {entry} in one piece is needed, not {array.dtype} of strides {array.strides}.")
    return array.ctypes.data


def _plain(kind: Any) -> Any:
    return ctypes.c_int64 if kind == INTEGER else ctypes.c_double


def once(make: Callable[..., Compiled]) -> Callable[..., Compiled]:
    """Keeps the code that `make` compiles for its arguments, also where several threads ask for it at the same time."""
    found, lock = lru_cache(maxsize=KEPT)(make), Lock()

    @wraps(make)
    def asked(*given: Any) -> Compiled:
        with lock:
            return found(*given)

    return asked


def compiled(write: Callable[..., Number | None], *types: Any, result: Any = None) -> Compiled:
    """The code that `write(code, *arguments)` writes.

    types: INTEGER, REAL or `to(name)` for each argument. The memory behind a pointer is reached through no other one.
    result: the type of the Number that `write` returns; None where it returns none.
    """
    module = ir.Module(name="steepest")
    function = ir.Function(module, ir.FunctionType(result or ir.VoidType(), types), "run")
    code = Code(function)
    for argument in function.args:
        if argument.type.is_pointer:
            argument.add_attribute("noalias")
    found = write(code, *((Pointer if each.type.is_pointer else Number)(code, each) for each in function.args))
    if found is None:
        code.builder.ret_void()
    else:
        code.builder.ret(found.cast(result).value)
    with _LOCK:
        cpu, features = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
        machine = _target().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)
        read = binding.parse_assembly(str(module))
        options = binding.create_pipeline_tuning_options(speed_level=2)  # 3 takes twice as long, for code no faster
        options.loop_vectorization = options.slp_vectorization = True
        builder = binding.create_pass_builder(machine, options)
        builder.getModulePassManager().run(read, builder)
        engine = binding.create_mcjit_compiler(read, machine)
        engine.finalize_object()
        return Compiled(engine, "run", result, types)


@cache
def _target() -> Any:
    """This machine, as LLVM knows it; the C library's functions are made known to it."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    library = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
    for name in (word + end for word in _LIBRARY for end in ("", "f")):
        binding.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    return binding.Target.from_default_triple()

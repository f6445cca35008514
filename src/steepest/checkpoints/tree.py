"""A state as a file: numbers, texts, lists, dicts, arrays and tensors → safetensors with a JSON text in its header, and back.

    {"theta": tensor, "memory": [tensor, 3], "seen": None}      ⇄      bytes

Nothing in it can be run. What comes back is of the same types and, bit for bit, the same numbers; the SHA-256 of text and
arrays shows a file that was cut short or changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from steepest.lazy import Tensor, torch

KEY, DIGEST = "steepest", "sha256"
"""Entries of the header: the JSON text, and the digest of it and of the arrays."""

PLAIN = frozenset(["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"])
"""Types of entries that are stored as they are; others as their bytes."""

DEEPEST = 50
"""How deep a state may be nested."""


class Unpackable(TypeError):
    """Something in a state that is no data: `str(error)` is its type."""


class Unlike(ValueError):
    """A state that is not of what is to go on from it."""


# ---- to bytes --------------------------------------------------------------------------------------


def packed(state: Any) -> bytes:
    """The bytes of a state. Unpackable for what is no data."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_noted(state, arrays), allow_nan=False)
    return save(arrays, {KEY: text, DIGEST: _digest(text, arrays)})


def _noted(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """A value in JSON's types, its arrays put aside."""
    if value is None or isinstance(value, bool | str | int) or (type(value) is float and isfinite(value)):
        return value
    if type(value) is float:
        return {"float": str(value)}
    if isinstance(value, list):
        return [_noted(entry, arrays) for entry in value]
    if type(value) is tuple:
        return {"tuple": [_noted(entry, arrays) for entry in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_noted(key, arrays), _noted(entry, arrays)] for key, entry in value.items()]}
    if isinstance(value, np.ndarray) and value.flags.f_contiguous and not value.flags.c_contiguous:
        return _put("columns", value.T, arrays)  # sums over it may depend on how it lies
    if isinstance(value, np.ndarray | np.generic):
        return _put("array" if isinstance(value, np.ndarray) else "scalar", np.asarray(value), arrays)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        kind = str(value.dtype).removeprefix("torch.")
        if kind in PLAIN:
            return _put("tensor", value.numpy(), arrays)
        noted = _put("tensor", value.contiguous().reshape(-1).view(torch.uint8).numpy(), arrays)
        return noted | {"of": kind, "shape": list(value.shape)}
    raise Unpackable(type(value).__name__)


def _put(what: str, array: np.ndarray, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if array.dtype.name not in PLAIN:
        raise Unpackable(f"array of {array.dtype}")
    name = str(len(arrays))
    arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    return {what: name}


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256(text.encode())
    for name in sorted(arrays, key=int):
        found.update(repr((name, arrays[name].shape, arrays[name].dtype.str)).encode())
        found.update(arrays[name].reshape(-1).view(np.uint8).data)
    return found.hexdigest()


# ---- and back --------------------------------------------------------------------------------------


def unpacked(content: bytes) -> Any:
    """The state in a file's bytes; ValueError for a file that is none, or not what was written."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    header = _header(content)
    try:
        arrays = load(content)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
    text = header.get(KEY, "")
    if not all(name.isdecimal() for name in arrays) or header.get(DIGEST) != _digest(text, arrays):
        raise ValueError("its digest is not that of its content")
    try:
        return _as_it_was(json.loads(text), arrays, 0)
    except (KeyError, TypeError, AttributeError, RecursionError, RuntimeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _header(content: bytes) -> dict[str, str]:
    """The texts in the header of a safetensors file, whose length its first 8 bytes say."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 + length:
        raise ValueError("it is cut short")
    try:
        found = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError):
        raise ValueError("it is no safetensors file") from None
    if not isinstance(found, dict) or not all(isinstance(entry, str) for entry in found.values()):
        raise ValueError("its header is not what was written")
    return found


def _as_it_was(value: Any, arrays: Mapping[str, np.ndarray], depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, list):
        return [_as_it_was(entry, arrays, depth + 1) for entry in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        pairs = (
            (_as_it_was(key, arrays, depth + 1), _as_it_was(entry, arrays, depth + 1)) for key, entry in value["dict"]
        )
        return dict(pairs)
    if "tuple" in value:
        return tuple(_as_it_was(entry, arrays, depth + 1) for entry in value["tuple"])
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        return arrays[value["array"]].copy()
    if "columns" in value:
        return arrays[value["columns"]].copy().T
    if "scalar" in value:
        return arrays[value["scalar"]][()]
    tensor = torch.from_numpy(arrays[value["tensor"]].copy())
    if "of" not in value:
        return tensor
    kind = getattr(torch, value["of"])
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{value['of']!r} is no type of numbers")
    return tensor.view(kind).reshape(value["shape"])


# ---- checked ---------------------------------------------------------------------------------------


def like(template: Any, given: Any, where: str = "state") -> Any:
    """What was read, if it has the types and shapes of `template`, tensors on its devices; else an Unlike that says where.

    Whole numbers and floats stand for one another nowhere; None in the template takes anything.

    >>> like([1.0, np.zeros(2)], [2.0, np.ones(2)])
    [2.0, array([1., 1.])]
    """
    if template is None:
        return given
    if isinstance(template, Tensor):
        if not isinstance(given, Tensor) or (given.shape, given.dtype) != (template.shape, template.dtype):
            raise Unlike(f"{where} is not {tuple(template.shape)} of {template.dtype}")
        return given.to(template.device)
    if isinstance(template, np.ndarray):
        if not isinstance(given, np.ndarray) or (given.shape, given.dtype) != (template.shape, template.dtype):
            raise Unlike(f"{where} is not {template.shape} of {template.dtype}")
        return given
    if isinstance(template, dict):
        if not isinstance(given, dict) or set(given) != set(template):
            raise Unlike(f"{where} has other entries than {', '.join(map(str, template))}")
        return {key: like(entry, given[key], f"{where}.{key}") for key, entry in template.items()}
    if isinstance(template, list | tuple):
        if type(given) is not type(template) or len(given) != len(template):
            raise Unlike(f"{where} has not {len(template)} entries")
        return type(template)(like(a, b, f"{where}.{i}") for i, (a, b) in enumerate(zip(template, given, strict=True)))
    kinds = (bool, np.bool_), (int, np.integer), (float, np.floating), (str,)
    wanted = next((kind for kind in kinds if isinstance(template, kind)), (type(template),))
    if not isinstance(given, wanted) or (isinstance(given, bool) and wanted[0] is not bool):
        raise Unlike(f"{where} is {given!r}")
    return given

"""A module called on rows: its output, which is one tensor, or one line that says which layer did not take what.

The layer is found in the traceback of what was raised: nothing is called twice, and a call that works costs nothing more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from steepest.choices import required
from steepest.errors import SpecError, SteepestError
from steepest.lazy import Tensor, nn, torch


def output(module: nn.Module, x: Tensor, call: Callable[[Tensor], Any] | None = None) -> Tensor:
    """What a module gives for x `[n, …]`. `call`: how it is called, where not as module(x).

    Raises SpecError for whatever its code raises, and for an output that is no tensor with a gradient to take.
    """
    try:
        found = (call or module)(x)
    except (SteepestError, MemoryError):
        raise
    except Exception as error:  # it is the user's own code: whatever it raises is told, not thrown
        raise SpecError(_explained(module, x, error)) from error
    if type(found) is Tensor or isinstance(found, Tensor):
        return found
    raise SpecError(_no_tensor(found))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Every part of a module in eval mode, and back in its own mode afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _no_tensor(found: Any) -> str:
    what = "nothing (None)" if found is None else f"a {type(found).__name__}"
    if isinstance(found, (tuple, list)):
        what += f" of {len(found)}"
    remedy = "end its forward with return"
    if isinstance(found, (tuple, list)) and found:
        remedy = "let its forward return the part that the loss is to see, as in return out[0]"
    elif hasattr(found, "keys") and len(found):
        names = ", ".join(repr(str(name)) for name in list(found.keys())[:4])
        remedy = f"let its forward return one of its entries ({names})"
    elif found is not None:
        remedy = "let its forward return a tensor made from the parameters"
    return f"The model returns {what}, and a loss needs one tensor: {remedy}."


def _explained(module: nn.Module, x: Tensor, error: Exception) -> str:
    """One line: the layer that failed, what it was given, where in the user's code."""
    takes = required(module.forward)
    if isinstance(error, TypeError) and takes is not None and len(takes) != 1 and "forward() " in str(error):
        named = ", ".join(takes) or "nothing"
        return (
            f"The model's forward takes ({named}), and a fit gives it one x of shape {list(x.shape)}. Wrap it in a module "
            "whose forward parts x, as in net(x[:, :2], x[:, 2:])."
        )
    layer, given = _innermost(module, error.__traceback__)
    why = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    what = f"{type(error).__name__}: {why}" if why else type(error).__name__
    if layer is None or not type(layer).__module__.startswith("torch.nn"):
        return f"The model's forward raised {what} ({place(error)})."
    name = next((name for name, part in module.named_modules() if part is layer), "")
    shown = f"layer {name!r}, {_shown(layer)}" if name else _shown(layer)
    shape = list(given.shape) if given is not None else None
    begin = f"The model does not take x of shape {list(x.shape)}: its {shown} "
    need = _need(layer, given)
    if need is not None:
        return f"{begin}{need}"
    if "more than 1 value per channel" in why:
        return (
            f"{begin}has no variance of one row. Deal batches of at least 2 rows, and drop a last one that is shorter."
        )
    return f"{begin}was given {shape if shape is not None else 'this'} and raised {what}."


def _need(layer: nn.Module, given: Tensor | None) -> str | None:
    """What a layer takes, what it was given, and the remedy; None where its size is not the reason."""
    if given is None:
        return None
    if isinstance(layer, nn.Embedding):
        if given.is_floating_point():
            return f"takes whole numbers and was given {str(given.dtype).removeprefix('torch.')}. Give x as integers."
        low, high = int(given.min()), int(given.max())
        if low < 0 or high >= layer.num_embeddings:
            most = layer.num_embeddings
            return (
                f"takes 0 to {most - 1} and was given {low} to {high}. Make it nn.Embedding({max(high, most) + 1}, …)."
            )
        return None
    for kind, attribute, axis in (  # which says how many columns or channels it takes, and the axis that has them
        (nn.Linear, "in_features", -1),
        (nn.modules.conv._ConvNd, "in_channels", 1),
        (nn.modules.batchnorm._NormBase, "num_features", 1),
        (nn.RNNBase, "input_size", -1),
    ):
        wanted = getattr(layer, attribute, None)
        if not isinstance(layer, kind) or not wanted or given.ndim <= max(axis, 0) or given.shape[axis] == wanted:
            continue
        things = "columns" if axis == -1 else "channels" if given.ndim > 2 else "columns"
        made = f"nn.{type(layer).__name__}({given.shape[axis]}, …)"
        return (
            f"takes {wanted} {things} and was given {given.shape[axis]} (shape {list(given.shape)}). Make it {made}, or give "
            f"it {wanted}."
        )
    return None


def _shown(layer: nn.Module) -> str:
    text = " ".join(repr(layer).split())
    return text if len(text) <= 70 else type(layer).__name__


def _innermost(module: nn.Module, trace: TracebackType | None) -> tuple[nn.Module | None, Tensor | None]:
    """The part whose forward ran last when the error came, and the tensor that it was given."""
    layer: nn.Module | None = None
    given: Tensor | None = None
    while trace is not None:
        frame, code = trace.tb_frame, trace.tb_frame.f_code
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and code.co_name == "forward" and code.co_argcount > 1:
            layer = owner
            value = frame.f_locals.get(code.co_varnames[1])
            given = value if isinstance(value, Tensor) else None
        trace = trace.tb_next
    return layer, given


def place(error: Exception) -> str:
    """File and line where an error came from: the deepest frame that belongs neither to PyTorch nor to us."""
    trace = error.__traceback__
    found = "in code without a file"
    ours, theirs = str(Path(__file__).parent.parent), os.path.dirname(torch.__file__)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((ours, theirs)):
            found = f"{os.path.basename(file)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found

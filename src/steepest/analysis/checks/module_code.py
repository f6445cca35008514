"""Parts of a module as lines of code: what to write where no setting of a fit helps.

shown(nn.Linear(3, 16))              nn.Linear(3, 16)
called(module, "head.0", "h")        self.head[0](h)
"""

from __future__ import annotations

from steepest.lazy import nn

STARRED = {"Linear": ("in_features", "out_features"), "BatchNorm1d": ("num_features",), "Dropout": ("p",)}
"""Layers that are shown with these alone."""


def shown(layer: nn.Module) -> str:
    """A layer as it is made.

    >>> shown(nn.Linear(3, 16)), shown(nn.ReLU())
    ('nn.Linear(3, 16)', 'nn.ReLU()')
    """
    kind = type(layer).__name__
    if not type(layer).__module__.startswith("torch.nn"):
        return f"{kind}(…)"
    if kind in STARRED:
        return f"nn.{kind}({', '.join(str(getattr(layer, name)) for name in STARRED[kind])})"
    if list(layer.children()):
        return f"nn.{kind}(…)"
    return f"nn.{layer!r}"


def called(name: str, given: str) -> str:
    """A call of a submodule in `forward`.

    >>> called("head.0", "h")
    'self.head[0](h)'
    """
    first, *parts = name.split(".")
    start = f"self[{first}]" if first.isdecimal() else f"self.{first}"
    return start + "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts) + f"({given})"


def before(module: nn.Module, layer: str) -> nn.Module | None:
    """The layer before another in the same `nn.Sequential`; None where it does not stand in one."""
    where, _, last = layer.rpartition(".")
    owner = module.get_submodule(where)
    if not isinstance(owner, nn.Sequential) or not last.isdecimal() or int(last) == 0:
        return None
    return owner[int(last) - 1]

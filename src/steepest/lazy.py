"""What is imported when it is first needed: the functions of methods, and libraries.

    from steepest.lazy import Tensor, torch

is PyTorch, imported when something of `torch` is first asked for: a linear fit on NumPy's arrays needs nothing of it. Modules
with classes that are made of PyTorch's own import it themselves.

Libraries leave the program around them as it was. Some draw a number at their import, some add warning filters or
variables of the environment; what they set for themselves they have read by then.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


@contextmanager
def unnoticed() -> Iterator[None]:
    """Within it imports may set what they like; afterwards generator, filters and environment are as they were."""
    state, filters, environment = random.getstate(), list(warnings.filters), dict(os.environ)
    try:
        yield
    finally:
        if random.getstate() != state:
            random.setstate(state)
        if warnings.filters != filters:
            warnings.filters[:] = filters  # pyrefly: ignore[unsupported-operation] (it is a list)
            warnings._filters_mutated()  # pyrefly: ignore[missing-attribute] (as warnings.catch_warnings does it)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]


def imported(name: str) -> None:
    """Import a library's module, which a call to come would import, so that it goes unnoticed."""
    if name not in sys.modules:
        with unnoticed():
            import_module(name)


class _Library(ModuleType):
    """A library that is imported when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        imported(self.__name__)
        value = getattr(sys.modules[self.__name__], name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import lr_scheduler
    from torch.utils import data
else:
    torch, nn, data = _Library("torch"), _Library("torch.nn"), _Library("torch.utils.data")
    lr_scheduler = _Library("torch.optim.lr_scheduler")

    class _Known(type):
        def __instancecheck__(cls, instance: object) -> bool:
            library = sys.modules.get("torch")
            return library is not None and isinstance(instance, library.Tensor)

    class Tensor(metaclass=_Known):
        """PyTorch's tensors, to be told by `isinstance`: before PyTorch is imported there are none."""


class delegated:
    """A method whose function, `module:name`, is imported when the method is first asked for; then it is the class's own.

        class Fit:
            if TYPE_CHECKING:
                from steepest.plots.loss_curve import loss_curve
            else:
                loss_curve = delegated("steepest.plots.loss_curve:loss_curve")

    So that checkers, editors, `help()` and `inspect.signature()` see the one function with its signature and docstring.
    """

    def __init__(self, function: str):
        self.function = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        module, _, name = self.function.partition(":")
        with unnoticed():
            function = getattr(import_module(module), name)
        setattr(self.owner, self.name, function)
        return function.__get__(instance, owner)

"""Fit models by gradient descent, see every step, and know how far the answer is from the best one.

The public names, imported when they are first used, so that `import steepest` itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steepest.data import synthetic
    from steepest.descent.loop import Step, descend
    from steepest.descent.stopping import Status
    from steepest.descent.trace import Trace
    from steepest.description import describe
    from steepest.errors import DataError, FitError, RunError, SpecError, SteepestError, SteepestWarning
    from steepest.estimators.classifier import DescentClassifier
    from steepest.estimators.regressor import DescentRegressor
    from steepest.estimators.search import Search, search
    from steepest.fitting import fit
    from steepest.loops.recorder import Recorder
    from steepest.model.objective_factory import objective
    from steepest.plots.graph.draw import graph
    from steepest.plots.tables import plot
    from steepest.preflight import Preflight, diagnose
    from steepest.replaying import replay
    from steepest.result import Fit
    from steepest.storage import load
    from steepest.sweep_result import Sweep
    from steepest.sweeping import compare, sweep
    from steepest.trackers.mlflow import MLflow
    from steepest.trackers.tensorboard import TensorBoard

    __version__: str

__all__ = [
    "DataError",
    "DescentClassifier",
    "DescentRegressor",
    "Fit",
    "FitError",
    "MLflow",
    "Preflight",
    "Recorder",
    "RunError",
    "Search",
    "SpecError",
    "Status",
    "SteepestError",
    "SteepestWarning",
    "Step",
    "Sweep",
    "TensorBoard",
    "Trace",
    "compare",
    "descend",
    "describe",
    "diagnose",
    "fit",
    "graph",
    "load",
    "objective",
    "plot",
    "replay",
    "search",
    "sweep",
    "synthetic",
]

# the modules that public names come from; `synthetic` is one itself
_MODULES = {
    "data.synthetic": ("synthetic",),
    "descent.loop": ("Step", "descend"),
    "descent.stopping": ("Status",),
    "descent.trace": ("Trace",),
    "description": ("describe",),
    "errors": ("DataError", "FitError", "RunError", "SpecError", "SteepestError", "SteepestWarning"),
    "estimators.classifier": ("DescentClassifier",),
    "estimators.regressor": ("DescentRegressor",),
    "estimators.search": ("Search", "search"),
    "fitting": ("fit",),
    "loops.recorder": ("Recorder",),
    "model.objective_factory": ("objective",),
    "plots.graph.draw": ("graph",),
    "plots.tables": ("plot",),
    "preflight": ("Preflight", "diagnose"),
    "replaying": ("replay",),
    "result": ("Fit",),
    "storage": ("load",),
    "sweep_result": ("Sweep",),
    "sweeping": ("compare", "sweep"),
    "trackers.mlflow": ("MLflow",),
    "trackers.tensorboard": ("TensorBoard",),
}
_PUBLIC = {name: f"steepest.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("steepest")
    elif name in _PUBLIC:
        with import_module("steepest.lazy").unnoticed():
            module = import_module(_PUBLIC[name])
        value = module if name == "synthetic" else getattr(module, name)
    else:
        raise AttributeError(f"module 'steepest' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""The house keeps its order: imports point only upwards, nothing heavy comes with the front door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import steepest

SOURCE = Path(steepest.__file__).parent

# The floors from top to bottom: a module imports from its own floor or from those before it.
FLOORS = [
    "errors",
    "choices",
    "formulas",
    "lazy",
    "ranks",
    "atomic_file",
    "atomic_folder",
    "torch_criteria",
    "settings_table",
    "settings",
    "command_words",
    "machine_code",
    "data",
    "checkpoints",
    "text",
    "model",
    "numerics",
    "descent",
    "engines",
    "analysis",
    "planned",
    "streamed_plan",
    "defaults",
    "held_out",
    "recording",
    "resuming",
    "monitor",
    "metrics",
    "scoring",
    "streamed_scores",
    "run_record",
    "scored",
    "methods",
    "predicting",
    "result",
    "fit_data",
    "user_units",
    "fitting",
    "loops",
    "trackers",
    "remedy_trial",
    "preflight",
    "sweeps",
    "sweep_result",
    "sweeping",
    "storage",
    "replaying",
    "cross_validation",
    "divided",
    "inference",
    "plots",
    "description",
    "report",
    "export",
    "estimators",
    "lab",
    "cli",
    "__main__",
    "lab",
]
# Results: their drawing, saving and reporting methods are imported from below when they are called (`lazy.delegated`).
DELEGATING = {"methods", "sweep_result", "analysis.sharpness"}

MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path != SOURCE / "__init__.py"
}
PUBLIC = {
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
}
HEAVY = ["torch", "scipy", "sklearn", "pandas", "llvmlite", "pyarrow", "plotly", "matplotlib", "networkx"]


def _package(module: str) -> list[str]:
    """The folder of a module, as the parts of its dotted name below `steepest`."""
    return module.split(".")[:-1]


def _named(node: ast.stmt, module: str) -> Iterator[str]:
    """The dotted names, below `steepest`, that an import statement of a module asks for."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = ["steepest", *_package(module)]
            base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
        names = [f"{base}.{alias.name}" for alias in node.names]
    else:
        names = []
    for name in names:
        if name.split(".")[0] == "steepest":
            yield name.removeprefix("steepest").removeprefix(".")


@cache
def _imports(module: str, path: Path) -> list[tuple[str, int, str]]:
    """Every import of our own modules: (dotted name, line, when it runs: at the "import", in a "call", for a "checker")."""

    def walk(node: ast.AST, when: str) -> Iterator[tuple[str, int, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                for name in _named(child, module):
                    yield name, child.lineno, when
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(child, "call")
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for part in child.body:
                    yield from walk(ast.Module([part], []), "checker")
                for part in child.orelse:
                    yield from walk(ast.Module([part], []), when)
            else:
                yield from walk(child, when)

    return list(walk(ast.parse(path.read_text(encoding="utf-8")), "import"))


def test_every_module_lives_on_a_floor():
    assert {name.split(".")[0] for name in MODULES} <= set(FLOORS)


def test_imports_point_only_upwards():
    wrong = []
    for module, path in MODULES.items():
        floor = module.split(".")[0]
        for name, line, when in _imports(module, path):
            target = name.split(".")[0]
            # A name of the front door itself (`from steepest import fit`) would hide where it comes from.
            if target not in FLOORS:
                wrong.append(f"{path}:{line} imports steepest.{name}, which is no floor of the house")
            elif when != "checker" and FLOORS.index(target) > FLOORS.index(floor):
                wrong.append(f"{path}:{line} imports steepest.{name} from below")
    assert wrong == []


def test_only_results_delegate_their_methods_and_to_functions_that_are_there():
    for module, path in MODULES.items():
        for place in re.findall(r'delegated\("([\w.]+:\w+)"\)', path.read_text(encoding="utf-8")):
            if module != "lazy":
                assert module in DELEGATING
                name, _, function = place.partition(":")
                assert callable(getattr(import_module(name), function))


@pytest.mark.parametrize("moments", [{"import"}, {"import", "call"}], ids=["at the import", "in calls too"])
def test_no_module_waits_for_itself(moments):
    """No circle of imports; what results delegate by name (`lazy.delegated`) is no import."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for module, path in MODULES.items():
        for name, _, when in _imports(module, path):
            # `steepest.model.torch_losses.loss` names a thing in the module `model.torch_losses`
            target = name if name in MODULES else name.rpartition(".")[0]
            if when in moments and target in MODULES:
                sorter.add(module, target)
    sorter.prepare()


def test_the_front_door_opens_rooms_only_when_asked():
    door = SOURCE / "__init__.py"
    assert [name for name, _, when in _imports("", door) if when == "import"] == []


def test_import_steepest_brings_nothing_heavy():
    code = f"import sys, steepest; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_exported_names():
    assert set(steepest.__all__) == PUBLIC
    assert len(steepest.__all__) == len(PUBLIC)
    assert set(dir(steepest)) == PUBLIC | {"__version__"}


def test_the_names_shown_to_type_checkers_are_the_exported_ones():
    shown = {name.rpartition(".")[2] for name, _, _ in _imports("", SOURCE / "__init__.py")}
    assert shown == PUBLIC


def test_every_exported_name_is_there_and_documented():
    assert [name for name in sorted(PUBLIC) if not getattr(steepest, name).__doc__] == []


def test_the_version_is_written_once():
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert steepest.__version__ == tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'gradient_ascent'"):
        _ = steepest.gradient_ascent

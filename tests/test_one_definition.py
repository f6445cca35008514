"""One definition of everything, measured: lengths, and where losses, rules, schedules and settings are named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import steepest
from steepest.formulas.losses import LOSSES
from steepest.formulas.rules import RULES
from steepest.formulas.schedules import SCHEDULES
from steepest.settings import Spec

SOURCE = Path(steepest.__file__).parent
FILES = {str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}
LONGEST_FILE, LONGEST_FUNCTION = 400, 80

# Names that mean something else too, and so say nothing about a loss, a rule or a schedule.
AMBIGUOUS = {"auto", "l1", "constant", "step", "none", "polyak"}
NAMES = {"loss": set(LOSSES) - AMBIGUOUS, "rule": set(RULES) - AMBIGUOUS, "schedule": set(SCHEDULES) - AMBIGUOUS}
DEFINED = {"loss": "formulas/losses.py", "rule": "formulas/rules.py", "schedule": "formulas/schedules.py"}

# file → the names that stand there, and why; a place that no longer names one must be taken out of this list.
REASONS: dict[str, tuple[set[str], str]] = {
    "analysis/checks/broadcasting.py": ({"mse", "huber"}, "the losses that one of all pairs may be meant to be"),
    "analysis/checks/class_codes.py": (
        {"cross_entropy", "logistic", "mse"},
        "the remedies for classes fitted as numbers, and numbers as classes",
    ),
    "analysis/checks/classes.py": ({"cross_entropy", "logistic"}, "the remedy for numbers that are classes"),
    "analysis/checks/learning_rate.py": ({"cosine"}, "the schedule that remedies try"),
    "analysis/checks/measured_descent.py": ({"cosine"}, "the schedule that remedies try"),
    "analysis/checks/medians.py": ({"mse"}, "the remedy for medians where means are asked for"),
    "analysis/checks/module_end.py": ({"logistic"}, "the remedy for numbers that are two classes"),
    "analysis/checks/outliers.py": ({"huber"}, "the remedy for outliers"),
    "analysis/checks/module_descent.py": ({"cosine"}, "the schedule that remedies try"),
    "analysis/checks/network_graph.py": ({"exponential"}, "the word for PyTorch's exp"),
    "analysis/checks/output_layer.py": ({"cross_entropy"}, "the remedy for scores before NLLLoss"),
    "analysis/checks/penalties.py": ({"mse"}, "the loss of the path of ridge regressions"),
    "analysis/checks/progress.py": ({"cosine"}, "a schedule that remedies try"),
    "analysis/checks/regularization.py": (
        {"sgd", "momentum", "rmsprop", "adam"},
        "the rules without decay, of PyTorch's",
    ),
    "analysis/checks/residual_spread.py": ({"huber"}, "the remedy for heavy tails"),
    "analysis/checks/still_parameters.py": (
        {"adam", "sgd"},
        "a rule of ours of the kind of an optimiser that has too few parameters",
    ),
    "analysis/checks/saturated_units.py": ({"adam"}, "the rule that a remedy tries"),
    "analysis/checks/vanishing_gradients.py": ({"adam"}, "the rule that a remedy tries"),
    "analysis/fit_settings.py": (
        {"momentum", "nesterov", "sgd"},
        "what fit() takes where a remedy gives a number for lr, and for PyTorch's SGD with less momentum",
    ),
    "analysis/learning_rate.py": ({"cosine"}, "the schedule of a trial of rates"),
    "analysis/rate_table.py": ({"adam"}, "the one adaptive rule whose largest rate is known"),
    "defaults.py": ({"adam", "sgd"}, "what optimizer='auto' decides"),
    "descent/in_place.py": (
        {"adadelta", "adagrad", "adam", "momentum", "nesterov", "rmsprop", "sgd"},
        "the forms in place, held equal to the formulas by a test",
    ),
    "descent/matrix_updates.py": (
        {"muon", "shampoo"},
        "the formulas of rules for matrices, made of PyTorch's functions",
    ),
    "descent/loop.py": ({"sgd"}, "the rule of descend() where none is given"),
    "descent/tall_newton.py": ({"mse"}, "the loss whose minimum is a start for all losses of residuals"),
    "descent/method.py": ({"cosine"}, "what schedule='auto' decides"),
    "estimators/sparse.py": ({"sgd"}, "what optimizer='auto' decides with minibatches"),
    "estimators/stepping.py": ({"sgd"}, "what optimizer='auto' decides for single steps"),
    "export/descents.py": ({"sgd"}, "a script says what minibatches make of it"),
    "export/estimators.py": ({"logistic"}, "scikit-learn's word for the activation of a layer"),
    "export/parts.py": ({"logistic"}, "the model of that name"),
    "formulas/linked.py": (
        {"binomial", "gamma", "inverse", "logistic", "poisson", "tweedie"},
        "the losses that have several links, one of which is called as a schedule",
    ),
    "formulas/links.py": ({"inverse"}, "the link that is called as a schedule"),
    "formulas/models.py": ({"cross_entropy", "logistic"}, "the losses that models stand for"),
    "formulas/schedules.py": ({"gamma"}, "the number of a schedule, as PyTorch calls it"),
    "lab/exhibits.py": ({"huber", "inverse", "momentum", "sgd"}, "the experiments that the lab shows"),
    "lab/messages.py": ({"sgd"}, "the rule whose automatic rate is marked on the slider"),
    "model/automatic_loss.py": ({"cross_entropy", "logistic", "mse"}, "what loss='auto' decides"),
    "model/modules.py": ({"logistic"}, "the model of that name"),
    "model/numpy_losses.py": ({"logistic"}, "the loss whose value and slope share an exponential"),
    "model/objective_factory.py": ({"mse"}, "the loss of objective() where none is given"),
    "scoring.py": ({"adamw"}, "a case of the gap, called after the rule"),
    "sweeps/batched_runs.py": ({"adam", "sgd"}, "what optimizer='auto' may have decided"),
    "torch_criteria.py": ({"cross_entropy", "huber", "logistic", "mse"}, "PyTorch's classes of the same losses"),
}
# file → the lists of three settings or more that stand there, and why
LISTS: dict[str, tuple[set[tuple[str, ...]], str]] = {
    "analysis/fit_settings.py": (
        {("optimizer", "precondition", "schedule")},
        "what a number for lr decides besides",
    ),
    "cli/options.py": (
        {("class_weight", "init", "lr", "missing", "penalty_groups")},
        "options whose words are read in a way of their own",
    ),
    "estimators/parameters.py": (
        {("epochs", "intercept", "patience", "seed", "validation")},
        "settings that scikit-learn has a name of its own for",
    ),
    "estimators/stepping.py": (
        {("averaging", "batch_size", "optimizer", "precondition", "schedule", "validation")},
        "what single steps are taken with",
    ),
    "estimators/search.py": (
        {("intercept", "loss", "patience", "penalty", "record", "schedule", "seed", "shuffle", "validation")},
        "settings that a default descent does not look at, or that say what is fitted",
    ),
    "lab/experiment.py": ({("device", "max_seconds", "record")}, "settings that the lab's page does not have"),
    "loops/recorded_fit.py": (
        {("device", "dtype", "loss", "max_steps", "model", "precondition")},
        "a training loop that was recorded, as settings",
    ),
    "preflight.py": ({("lr", "optimizer", "precondition")}, "a row of the table as settings"),
    "settings.py": ({("epochs", "max_steps", "patience", "sync_every")}, "counts of at least 1"),
    "storage/run_loading.py": (
        {("loss", "model", "optimizer", "schedule")},
        "settings that may be objects, and are texts in a file",
    ),
    "sweeps/axes.py": ({("averaging", "clip", "lr", "optimizer")}, "how values of these part runs into groups"),
    "sweeps/batched_runs.py": (
        {
            ("averaging", "clip", "epochs", "max_steps", "optimizer", "schedule"),
            ("epochs", "max_steps", "optimizer", "patience", "tol"),
        },
        "what the rule and the end of a run come of",
    ),
}


@cache
def _trees() -> dict[str, ast.Module]:
    return {name: ast.parse(text) for name, text in FILES.items()}


def _docstrings(tree: ast.AST) -> set[int]:
    """Where docstrings stand, as ids of their nodes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {id(entry.value) for entry in node.body if isinstance(entry, ast.Expr)}
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text in the code that is no docstring."""
    apart = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value


def test_no_file_is_long():
    lengths = {name: len(text.splitlines()) for name, text in FILES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_long():
    long = {}
    for name, tree in _trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                told = first.end_lineno - first.lineno + 1 if ast.get_docstring(node, clean=False) is not None else 0
                long[f"{name}: {node.name}"] = node.end_lineno - node.lineno + 1 - told
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION} == {}


def _named() -> dict[str, set[str]]:
    """File → names of losses, rules and schedules that stand in its code, outside their definition."""
    found: dict[str, set[str]] = {}
    for file, tree in _trees().items():
        texts = {text.partition(":")[0] for text in _texts(tree)}
        for kind, names in NAMES.items():
            used = texts & names
            if used and file != DEFINED[kind]:
                found.setdefault(file, set()).update(used)
    return found


def test_losses_rules_and_schedules_are_named_where_they_are_defined():
    assert _named() == {file: names for file, (names, _) in REASONS.items()}


def test_settings_are_listed_where_they_are_defined():
    """No tuple, list, set or dict outside the table holds three names of settings or more."""
    settings = set(Spec.model_fields)
    found: dict[str, set[tuple[str, ...]]] = {}
    for file, tree in _trees().items():
        for node in ast.walk(tree):
            parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else getattr(node, "keys", [])
            held = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            if len(held & settings) >= 3 and held <= settings and file != "settings_table.py":
                found.setdefault(file, set()).add(tuple(sorted(held)))
    assert found == {file: lists for file, (lists, _) in LISTS.items()}

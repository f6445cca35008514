"""Every setting stands in one table, and everything that speaks of settings has each of them from there."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any, get_args

import pytest

import steepest as st
from steepest import settings_table
from steepest.cli.commands import app
from steepest.cli.options import GROUPS
from steepest.command_words import in_options, options
from steepest.settings import Spec
from steepest.settings_table import READING, SETTINGS, Role, Setting, those
from steepest.sweeps.axes import Runs

EXAMPLES = {
    "formula": "~ a + log(b)",
    "target": "y", "columns": ("a", "b"), "drop": ("id",), "model": "poly:2", "loss": "huber:1.5", "penalty": "l2:0.1",
    "penalty_groups": {"size": ("a", "b")}, "bounds": {"a": (0.0, None)}, "link": "probit",
    "optimizer": "adam", "lr": 0.1, "schedule": "cosine", "averaging": "polyak", "clip": 1.0,
    "batch_size": 32, "accumulate": 4, "shuffle": "draws", "epochs": 5,
    "max_steps": 7, "tol": 0.0, "patience": 3, "validation": 0.2, "init": "normal", "seed": 1, "precondition": "none",
    "intercept": False, "weights": "w", "offset": "o",
    "exposure": "e", "trials": "t", "weights_kind": "frequency", "class_weight": "balanced", "missing": "mean",
    "missing_values": ("unknown",),
    "categories": ("c",), "date": {"when": "days"}, "labels": "casefold", "decimal": ",", "thousands": "'",
    "encoding": "latin-1", "skip_rows": 1, "comment": "#", "header": True, "test_fraction": 0.25, "record": 10,
    "dtype": "float32", "device": "cuda:0", "max_seconds": 1.5, "stream": True, "sync_every": 8,
}  # fmt: skip
"""A value of each setting that is not its default."""


def faults(name: str) -> list[str]:
    """Where a setting is missing."""
    setting = SETTINGS.get(name)
    if setting is None:
        return ["the table"]
    found = []
    for function in (st.fit, st.sweep, st.diagnose, *((st.describe,) if setting.role == "reading" else ())):
        parameter = inspect.signature(function).parameters.get(name)
        if parameter is None or parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            found.append(f"the signature of {function.__name__}")
        elif parameter.default != setting.default and (function, name) != (st.sweep, "record"):
            found.append(f"its default in {function.__name__}")
        if function is not st.sweep and f"\n        {name}: " not in (function.__doc__ or ""):
            found.append(f"the docstring of {function.__name__}")
    if name not in Spec.model_fields or Spec.model_fields[name].default != setting.default:
        found.append("Spec")
    for command in ("fit", "sweep", "diagnose", *(("describe",) if setting.role == "reading" else ())):
        told = [
            argument.parameter.help
            for argument in app[command].assemble_argument_collection()
            if f"--{name.replace('_', '-')}" in argument.names
        ]
        if not (told and setting.sentence in " ".join((told[0] or "").split())):
            found.append(f"the help of steepest {command}")
    if setting.role not in get_args(Role) or setting.role not in GROUPS:
        found.append("a role")
    if name not in EXAMPLES or Spec.from_toml(Spec(**{name: EXAMPLES[name]}).to_toml()) != Spec(
        **{name: EXAMPLES[name]}
    ):
        found.append("TOML")
    if "{" in setting.sentence.partition("{names}")[0] or not setting.sentence.endswith("."):
        found.append("a sentence")
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_everywhere_with_one_default(name):
    assert faults(name) == []
    assert EXAMPLES[name] != SETTINGS[name].default


OTHERS = {
    "target": "z",
    "formula": "y ~ a",
    "class_weight": {"no": 2.0},
    "weights": "v",
    "offset": "p",
    "exposure": "f",
    "trials": "u",
    "header": False,
    "labels": None,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_swept_over_several_values(name):
    values = [EXAMPLES[name], OTHERS.get(name, SETTINGS[name].default)]
    if name == "target":  # names in a list are several targets at once
        values = [[value] for value in values]
    runs = Runs({name: values})
    assert runs.count == 2
    assert [getattr(runs.spec(run), name) for run in range(2)] == [
        getattr(Spec.read({name: value}), name) for value in values
    ]


@pytest.fixture(scope="module")
def small() -> st.Fit:
    return st.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 8.0], lr=0.1, epochs=3)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_saved_and_loaded_with_a_run(name, small, tmp_path):
    fit = copy.copy(small)
    beside = {"loss": "binomial"} if name == "link" else {}  # no other loss is known under it
    fit.spec = fit.spec.model_copy(update={name: getattr(Spec(**{name: EXAMPLES[name]}), name), **beside})
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run").spec
    assert getattr(back, name) == getattr(fit.spec, name) != SETTINGS[name].default
    assert back == fit.spec


def test_what_is_not_in_the_table_is_nowhere():
    assert faults("bogus") == ["the table"]
    for function in (st.fit, st.sweep, st.diagnose):
        own = {"x", "y", "batches", "progress", "mute", "out", "overwrite", "checkpoint_every"}
        assert set(inspect.signature(function).parameters) - own == set(SETTINGS)
    assert set(Spec.model_fields) == set(SETTINGS)


def test_a_setting_of_the_table_alone_is_found_out(monkeypatch):
    monkeypatch.setitem(settings_table.SETTINGS, "bogus", Setting(None, "model", "A setting", name="bogus"))
    missing = faults("bogus")
    for place in (
        "the signature of fit",
        "the docstring of fit",
        "the help of steepest fit",
        "Spec",
        "TOML",
        "a sentence",
    ):
        assert place in missing


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_written_as_an_option_by_its_name(name):
    option = f"--{name.replace('_', '-')}"
    assert any(option in word.replace("--no-", "--") for word in options({name: EXAMPLES[name]}))
    assert option in in_options(f"Try {name}=.")


def test_the_sets_of_settings_that_are_treated_alike():
    data = {
        "target",
        "columns",
        "formula",
        "drop",
        "weights",
        "offset",
        "exposure",
        "trials",
        "class_weight",
        "missing",
        "stream",
        "test_fraction",
        *READING,
    }
    assert set(those(lambda setting: setting.prepares)) == data | {"model", "loss", "intercept"}
    assert set(those(lambda setting: setting.fitted)) == data | {
        "model",
        "link",
        "penalty",
        "penalty_groups",
        "bounds",
        "intercept",
    }
    ending = {"epochs", "max_steps", "tol", "patience"}
    free = {"lr", "optimizer", "clip", "schedule", "averaging", "init", "seed"}
    assert set(those(lambda setting: setting.free)) == free | ending
    steers = {"optimizer", "lr", "schedule", "averaging", "clip", "batch_size", "shuffle", "precondition", "record"}
    steers |= {"max_seconds", "accumulate", "sync_every"}
    assert set(those(lambda setting: setting.steers)) == steers | ending


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.choices])
def test_help_and_docstring_list_the_names_of_a_choice(name):
    for choice in SETTINGS[name].choices or {}:
        assert choice in SETTINGS[name].sentence
        assert choice in (st.fit.__doc__ or "")


def test_a_keyword_that_is_none_and_a_third_argument_are_refused():
    x, y = [0.0, 1.0], [0.0, 1.0]
    wrong: dict[str, Any] = {"optimiser": "sgd"}
    for function in (st.fit, st.sweep, st.diagnose):
        with pytest.raises(st.SpecError, match="optimiser is no setting of a fit; did you mean optimizer"):
            function(x, y, **wrong)
    with pytest.raises(st.SpecError, match="lr= does not say how a table is read; describe"):
        st.describe({"x": x}, lr=1.0)
    takes: Any = st.fit
    with pytest.raises(TypeError, match="takes from 0 to 2 positional arguments but 3 were given"):
        takes(x, y, "linear")


def test_the_table_is_where_settings_are_defined():
    source = Path(settings_table.__file__).read_text(encoding="utf-8")
    assert all(source.count(f"\n    {name}: Annotated[") == 1 for name in SETTINGS)

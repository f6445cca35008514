"""Messages in Python speak Python, those of the command its options."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

import steepest as st
from steepest.cli.commands import main
from steepest.command_words import in_options

X = np.arange(12.0)
OPTION = re.compile(r"(?<!\w)--[a-z]")
PYTHON = re.compile(r"(?<!--date )\b(\w+=(?!=)|in Python)")

FAULTS = {
    "a missing value": ("a,y\n" + "".join(f"{x},{x}\n" for x in X) + ",3\n", {}),
    "ids": ("id,a,y\n" + "".join(f"u{x:.0f},{x},{x % 5}\n" for x in X), {}),
    "dates": ("day,y\n" + "".join(f"2020-01-{x + 1:02.0f},{x}\n" for x in X), {}),
    "stray text": ("a,y\n" + "".join(f"{x},{x}\n" for x in X) + "oops,3\n", {}),
    "no header": ("0,1\n" + "".join(f"{x},{x}\n" for x in X), {}),
    "a target that is not there": ("a,y\n1,2\n2,3\n", {"target": "z"}),
    "text for a loss of numbers": ("a,y\n1,u\n2,v\n3,u\n4,v\n", {"loss": "l1"}),
    "a wrong rate": ("a,y\n1,2\n2,3\n", {"lr": -1.0}),
    "a wrong model": ("a,y\n1,2\n2,3\n", {"model": "poly"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_errors_speak_the_language_of_the_caller(name, tmp_path, capsys):
    content, settings = FAULTS[name]
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8")
    settings = {"target": "y"} | settings
    with pytest.raises(st.SteepestError) as caught:
        st.fit(str(path), **settings)
    assert not OPTION.search(str(caught.value))
    assert main(
        ["fit", str(path), *(word for key, value in settings.items() for word in (f"--{key}", str(value)))]
    ) in (1, 2)
    assert not PYTHON.search(capsys.readouterr().err)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "lr": 1e-3, "epochs": 3},
        {"optimizer": "sgd", "lr": 1e-3, "max_steps": 3},
        {"optimizer": "sgd", "lr": 100.0, "epochs": 30},
        {"optimizer": "sgd", "tol": 0.5},
    ],
    ids=str,
)
def test_the_message_of_a_fit_names_settings_as_in_python(settings):
    fit = st.fit({"a": X, "b": X**2, "y": X + np.sin(X)}, target="y", **settings)
    assert not OPTION.search(f"{fit.message} {fit}".split("Try")[0])


def test_a_separable_target_names_the_penalty_in_each_language(tmp_path, capsys):
    table = {"a": X, "y": np.where(X > 5, "u", "v")}
    assert "penalty='l2:0.001'" in st.fit(table, target="y").message
    path = tmp_path / "table.csv"
    path.write_text("a,y\n" + "".join(f"{x},{y}\n" for x, y in zip(*table.values(), strict=True)), encoding="utf-8")
    assert main(["fit", str(path), "--target", "y"]) == 0
    out = capsys.readouterr().out
    assert "--penalty l2:0.001" in out
    assert not PYTHON.search(out)


NAMES = ["a b", "it's", 'say "x"', "a,b", "-b", "price (EUR)", "a]b", "x=1", "lr=3", "…", "back\\slash"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back_from_the_shell(name):
    from steepest.cli.options import names
    from steepest.data.wording import option

    words = shlex.split(in_options(option("drop", name)))
    value = words[1] if len(words) == 2 else words[0].removeprefix("--drop=")
    assert names([value]) == [name]


def test_names_in_quotes_stay_as_they_are():
    sentence = "column 'lr=3' of \"target=1.csv\", the user's drop='a' and a path/lr=0.1/x"
    assert in_options(sentence) == "column 'lr=3' of \"target=1.csv\", the user's --drop a and a path/lr=0.1/x"

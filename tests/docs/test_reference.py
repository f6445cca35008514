"""The reference has every public name, each with its arguments, errors and an example; pages by registry have every member."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import steepest as st
from generators import command, docstrings, latex, pages, reference, registries, settings
from steepest.formulas import inits, losses, models, penalties, rules, schedules
from steepest.settings_table import SETTINGS

from page_examples import ROOT

SHOWN = [
    name
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for kind, names in pages.PLACE.findall(page.read_text(encoding="utf-8"))
    if kind == "reference"
    for name in names.split()
]
OF_DRAWERS = {
    f"Figure.{name}" for name in ("begun", "line", "points", "rows", "band", "shares", "bars", "show", "to_html")
}
"""What a figure's makers call, and what is Plotly's own."""


def test_every_public_name_is_shown_once():
    assert len(SHOWN) == len(set(SHOWN))
    owners = [*st.__all__, *reference.RESULTS]
    wanted = {*owners, *(one for owner in owners for one in reference.members(owner))}
    assert wanted - set(SHOWN) - OF_DRAWERS <= {"synthetic"}


@pytest.mark.parametrize("name", SHOWN)
def test_a_name_is_told_whole(name):
    """Each field and argument is said, each error that its own lines raise, and functions have an example."""
    thing = reference.found(name)
    function = reference.function_of(thing)
    text = inspect.getdoc(function) or ""
    assert text.splitlines()[0].strip()
    if inspect.isclass(thing):
        said = docstrings.entries(docstrings.sections(thing).get("Attributes", ""))
        named = {one for names, _ in said for one in re.split(", | and ", names)}
        assert set(docstrings.fields(thing)) <= named
    elif thing is function and not inspect.ismodule(thing):
        parameters = (
            set(inspect.signature(function).parameters) - set(SETTINGS) - {"self", "cls", "fit", "sweep", "found"}
        )
        assert [one for one in parameters if not re.search(rf"\b{one}\b", text)] == []
        errors = set(re.findall(r"raise (\w+Error)\(", inspect.getsource(function)))
        assert [one for one in errors if one not in text] == []
        assert ">>> " in text or name in ("Fit.to_dict", "Fit.inner_names", "Fit.inner_theta")


@pytest.mark.parametrize("name", SHOWN)
def test_an_entry_has_its_source_and_no_heading_is_lost(name):
    shown = reference.entry(name)
    if name != "synthetic":
        assert re.search(r'href="\.\./source/steepest/[\w/]+\.html#L\d+"', shown)
    for heading in docstrings.sections(reference.function_of(reference.found(name))):
        assert not heading or docstrings.HEADINGS[heading] in shown


@pytest.mark.parametrize(
    ("page", "registry"),
    [
        (registries.losses_page, losses.LOSSES),
        (registries.rules_page, rules.RULES),
        (registries.schedules_page, schedules.SCHEDULES),
        (registries.penalties_page, penalties.PENALTIES),
        (registries.models_page, models.MODELS),
        (registries.inits_page, inits.INITS),
    ],
)
def test_each_member_of_a_registry_has_its_section(page, registry):
    parts = re.split(r"^## ", page(), flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == [f"`{name}`" for name in registry]
    for part, choice in zip(parts, registry.values(), strict=True):
        assert choice.text in part
        assert choice.source in part
        assert ("$$" in part) == (choice.name not in ("auto", "none") and registry is not inits.INITS)


def test_settings_and_options_are_all_there():
    written = settings.settings_page()
    assert sorted(re.findall(r"^### `(\w+)`$", written, re.MULTILINE)) == sorted(SETTINGS)
    page = command.command_page()
    assert sorted(re.findall(r"^## `steepest (\w+)`$", page, re.MULTILINE)) == command.subcommands()
    assert re.findall(r"^steepest fit .*", page, re.MULTILINE) == ["steepest fit [OPTIONS] DATA"]
    for name in SETTINGS:
        assert f"`--{name.replace('_', '-')}" in page


# ---- formulas: what LaTeX is made of a line of code, by hand ---------------------------------------


def _piecewise(f, width):
    return where(f <= width, abs(f) - 0.5 * width, 2e-7 * f % 3)  # noqa: F821  it is read and not run


def _summed(f):
    return np.sum(f)


def _steps(g, velocity, lr, t, beta1):
    velocity = beta1 * velocity + g
    return lr * velocity / (1 - beta1**t), velocity


def test_a_formula_is_written_as_a_mathematician_would():
    names = {"g": "g", "velocity": "v", "lr": r"\eta", "t": "t"}
    assert latex.lines(_steps, names, r"\theta = \theta - ") == [
        r"v \leftarrow \beta_1 v + g",
        r"\theta = \theta - \frac{\eta v}{1 - \beta_1^{t}}",
    ]
    assert latex.lines(losses.LOSSES["mse"].value, {"prediction": "f", "target": "y"}, r"\ell = ") == [
        r"\ell = (f - y)^{2}"
    ]
    assert latex.lines(_piecewise, {"f": "f", "width": "D"}, r"\ell = ") == [
        r"\ell = \begin{cases} \left|f\right| - \tfrac{1}{2} D & \text{if } f \le D \\ 2 \cdot 10^{-7} f \bmod 3"
        r" & \text{otherwise} \end{cases}"
    ]
    with pytest.raises(NotImplementedError):
        latex.lines(_summed, {}, "")


def test_a_docstring_becomes_lists_and_blocks():
    def function(lr, theta):
        """Go down.

        Args:
            lr: the rate,
                a number.
            theta: `[p]`, a_b.

        Raises:
            SpecError: no number. DataError: no rows.

        Example:
            >>> 1 + 1
            2
        """

    assert docstrings.markdown(function) == (
        "Go down.\n\n**Arguments**\n\n- `lr`: the rate, a number.\n- `theta`: `[p]`, a\\_b.\n\n"
        "**Raises**\n\n- `SpecError`: no number.\n- `DataError`: no rows.\n\n"
        "**Example**\n\n```pycon\n>>> 1 + 1\n2\n```"
    )

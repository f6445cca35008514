"""The theme: readable colours, plain text for any name, figures that offer no network service."""

from __future__ import annotations

import json
import re
from itertools import combinations

import numpy as np
import plotly.io as pio
import pytest

from steepest.data.wording import plain
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.figure import figure
from steepest.text import colours


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def as_deuteranope(colour: str) -> np.ndarray:
    """Linear RGB as seen without green cones (Machado, Oliveira and Fernandes 2009, severity 1)."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    return np.array(matrix) @ [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_every_role_can_be_seen_on_its_paper(tone):
    paper = colours.PAPER[tone]["paper"]
    assert all(contrast(colour, paper) > 2.2 for colour in colours.ROLES.values())
    assert contrast(colours.PAPER[tone]["ink"], paper) > 12
    assert contrast(colours.PAPER[tone]["faint"], paper) > 4.5


def test_no_two_roles_look_alike_to_a_colour_blind_reader():
    seen = {role: as_deuteranope(colour) for role, colour in colours.ROLES.items()}
    assert min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2)) > 0.09


def test_a_figure_offers_no_service_and_holds_all_it_needs():
    shown = figure("title")
    page = shown.to_html()
    config = json.loads(re.search(r"(\{\"showSendToCloud\".*?\})\s*\)", page.replace("\n", ""))[1])
    assert config["showSendToCloud"] is False
    assert "<script charset" not in page
    assert "showSendToCloud" in shown._repr_html_()


def test_a_notebook_gets_the_same_configuration(monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    bundle = figure("title")._repr_mimebundle_()
    assert bundle["application/vnd.plotly.v1+json"]["config"]["showSendToCloud"] is False


def test_title_and_notes_come_back_as_they_were_given():
    shown = figure("<b>", ["a & b", "", "x" * 200])
    assert style.title_of(shown) == "<b>"
    assert style.notes_of(shown) == ["a & b", "x" * 200]
    assert shown.layout.title.text == "&lt;b&gt;"


def test_an_unknown_theme_is_named():
    with pytest.raises(SpecError, match="theme='sepia' is not known"):
        figure("title", theme="sepia")


@pytest.mark.parametrize("name", ["цена", "价格", "السعر", "<script>alert(1)</script>", "a" * 50, "tab\there", "𝔘"])
def test_names_in_any_script_are_shown_as_they_are(name):
    shown = style.text(name)
    assert "<" not in shown
    assert len(plain(name)) <= style.SHOWN
    assert plain(name)[:5] == name[:5].replace("\t", " ")

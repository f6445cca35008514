"""Findings as a terminal, a notebook and a page show them: whole, in order, with nothing from a table taken as markup."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from rich.console import Console

import steepest as st
from steepest.analysis import diagnosis
from steepest.analysis.finding import Finding, Findings, Kind
from steepest.cli.options import names as _names
from steepest.report import page
from steepest.run_record import Found
from steepest.text import findings as shown

EVIL = "<img src=x onerror=alert(1)>\x1b[2J[bold]"
SCALES = Finding(
    Kind.SCALES,
    "The columns 'area' and 'age' lie 1,000 times apart, so that no rate suits both.",
    "The condition number is 5.2e+07, and 470 with standardised columns.",
    {"precondition": "standardize", "lr": "auto"},
    "The relative gap would be 2e-07 after the same steps.",
    share=0.9712,
    columns=("area", "age"),
)
OUTLIERS = Finding(
    Kind.OUTLIERS,
    f"3 rows pull the fit, by {EVIL}.",
    "Their residuals are 8 to 12 times the median.",
    {"loss": "huber:1.35", "drop": ("a,b", EVIL, "$(touch x)")},
    "",
    share=0.3,
    of_model=True,
    rows=(12, 57, 101),
)
BOTH = Findings((SCALES, OUTLIERS))


def the_signs(monkeypatch, *found: Finding) -> None:
    """Let every diagnosis find these."""
    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (lambda fit: iter(found),))


@pytest.mark.parametrize("width", [80, 160])
def test_a_terminal_shows_each_finding_whole(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = str(BOTH)
    blocks = text.split("\n\n")
    assert [block.split(maxsplit=1)[0] for block in blocks] == ["1.", "2."]
    assert blocks[0].startswith("1. Columns on different scales (ST004): explains 97 % of the gap\n")
    assert blocks[1].startswith("2. Outliers (ST023): explains 30 % of the loss\n")
    words = " ".join(blocks[0].split())
    for part in (SCALES.what, SCALES.evidence, SCALES.predicted):
        assert part in words
    assert "precondition='standardize', lr='auto'" in blocks[0]
    assert "--precondition standardize --lr auto" in blocks[0]
    remedy = {shown.printable(OUTLIERS.python), shown.printable(OUTLIERS.command)}  # never broken: they can be copied
    lines = [line for line in text.splitlines() if not any(words in line for words in remedy)]
    assert max(map(len, lines)) <= width
    assert len(lines) == len(text.splitlines()) - 2


def test_no_control_character_reaches_a_terminal():
    everything = str(BOTH) + "".join(shown.two_lines(OUTLIERS, OUTLIERS.command))
    assert all(letter.isprintable() or letter == "\n" for letter in everything)


def test_a_remedy_survives_the_shell_and_the_reading_of_names():
    words = shlex.split(OUTLIERS.command)
    assert words[:3] == ["--loss", "huber:1.35", "--drop"]
    assert _names(words[3:]) == ["a,b", EVIL, "$(touch x)"]


def test_python_can_read_the_remedy():
    assert eval(f"dict({OUTLIERS.python})") == OUTLIERS.remedy


def test_nothing_found_is_a_sentence(monkeypatch):
    the_signs(monkeypatch)
    found = st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5]).diagnose()
    assert len(found) == 0
    assert str(found).startswith("Nothing was found. Converged: ")
    assert "the loss equals the exact optimum" in " ".join(str(found).split())
    assert found._repr_html_().startswith("<p>Nothing was found.")


@pytest.mark.parametrize(
    ("share", "of_model", "words"),
    [(0.9712, False, "97 % of the gap"), (0.9999, False, "nearly all of the gap"), (0.001, False, ""),
     (0.3, True, "30 % of the loss")],
)  # fmt: skip
def test_the_share_in_words(share, of_model, words):
    assert shown.explained(Finding(Kind.NOISE, "", "", {}, "", share, of_model)) == words


def test_findings_become_json_and_come_back():
    text = json.dumps(BOTH.to_dicts())
    assert Findings(TypeAdapter(Found).validate_python(json.loads(text))) == BOTH
    assert json.loads(text)[1]["rows"] == [12, 57, 101]


def test_html_takes_nothing_for_markup():
    text = BOTH._repr_html_()
    assert "<img" not in text
    assert "&lt;img src=x" in text
    assert "\x1b" not in text
    assert text.count("<section") == 2


# ---- under a fit -----------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 2))
Y = X @ [1.0, 2.0] + RANDOM.normal(size=50)


def left_open() -> st.Fit:
    return st.fit(X, Y, optimizer="sgd", lr=0.01, epochs=5)


def test_under_an_open_fit_stand_the_two_most_important(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    late = Finding(Kind.PATIENCE, "Too soon.", "", {"patience": 99}, "", 0.01)
    the_signs(monkeypatch, OUTLIERS, late, SCALES)
    fit = left_open()
    below = shown.in_brief(fit)
    assert [finding.kind for finding in below.shown] == [Kind.SCALES, Kind.PATIENCE]
    assert below.more == 1
    text = str(fit)
    assert f"1. {SCALES.what} (ST004, 97 % of the gap)\n" in text
    assert f"   Try precondition='standardize', lr='auto'. {SCALES.predicted}\n" in text
    assert "1 more: fit.diagnose()" in text
    assert "Give more epochs" in fit.message
    assert "Give more epochs" not in text  # the findings say that better


def test_under_a_closed_fit_stands_one_thing_about_the_model(monkeypatch):
    the_signs(monkeypatch, OUTLIERS, Finding(Kind.FEW_ROWS, "Few.", "", {}, "", 0.1, of_model=True))
    below = shown.in_brief(st.fit(X, Y))
    assert ([finding.kind for finding in below.shown], below.more) == ([Kind.OUTLIERS], 1)


def test_a_fit_keeps_its_advice_where_no_finding_has_any(monkeypatch):
    the_signs(monkeypatch)
    assert "Give more epochs" in str(left_open())
    the_signs(monkeypatch, OUTLIERS)  # says nothing about the descent
    assert "Give more epochs" in str(left_open())


def test_a_healthy_fit_shows_nothing(monkeypatch):
    the_signs(monkeypatch)
    fit = st.fit(X, Y)
    assert shown.in_brief(fit) == shown.InBrief(fit.message, (), 0)


def test_a_notebook_shows_findings_as_text(monkeypatch):
    the_signs(monkeypatch, OUTLIERS)
    text = left_open()._repr_html_()
    assert "1. 3 rows pull the fit, by &lt;img src=x" in text
    assert "<img" not in text


def test_a_diagnosis_is_made_once(monkeypatch):
    asked = []
    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (lambda fit: asked.append(fit) or iter([SCALES]),))
    fit = left_open()
    assert fit.diagnose() is fit.diagnose()
    fit.to_dict(), str(fit)
    assert len(asked) == 1


def test_a_sign_that_fails_costs_only_its_own_finding(monkeypatch):
    def broken(fit):
        yield SCALES
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (broken, lambda fit: iter([OUTLIERS])))
    fit = left_open()
    with pytest.warns(
        st.SteepestWarning, match=r"A part of the diagnosis \(broken\) failed: ZeroDivisionError: by nothing"
    ):
        assert fit.diagnose().found == (OUTLIERS,)
    assert OUTLIERS.what.split(",")[0] in str(fit)


# ---- on the page -----------------------------------------------------------------------------------


def test_a_report_has_the_diagnosis_before_the_settings(monkeypatch):
    the_signs(monkeypatch, SCALES, OUTLIERS)
    fit = left_open()
    text = page(fit, film=False).html()
    headings = re.findall("<h2>(.*?)</h2>", text)
    assert headings[-2:] == ["Diagnosis", "Settings, and how to do it again"]
    section = text.partition("<h2>Diagnosis</h2>")[2].partition("<h2>")[0]
    assert section.strip() == fit.diagnose()._repr_html_()
    assert "Give more epochs" not in text


def test_a_report_says_that_nothing_was_found(monkeypatch):
    the_signs(monkeypatch)
    text = page(st.fit(X, Y), film=False).html()
    assert text.partition("<h2>Diagnosis</h2>")[2].lstrip().startswith("<p>Nothing was found. Converged: ")


def test_rich_prints_findings_without_taking_brackets_for_markup(capsys, monkeypatch):
    from steepest.cli import console

    monkeypatch.setattr(console, "_console", lambda: Console(width=100, force_terminal=False))
    console.show_document(shown.document(BOTH))
    assert "[bold]" in capsys.readouterr().out


def test_what_readme_and_documentation_show_is_true():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    settings = {"target": "alcohol", "optimizer": "sgd", "lr": 1e-6, "epochs": 1000}
    fit = st.fit("sample:wine", **settings)
    what, change = shown.two_lines(fit.diagnose()[0], fit.diagnose()[0].command)
    assert f"1. {what}\n   {change}\n" in readme
    better = st.fit("sample:wine", **(settings | fit.diagnose()[0].remedy))
    assert f"ends at a relative gap of {better.relative_gap:.1e}" in readme
    page = (Path(__file__).parents[2] / "docs" / "howto" / "too-slow.md").read_text(encoding="utf-8")
    table = page.partition("$ steepest diagnose sample:wine")[2].partition("```")[0]
    lines = str(st.diagnose("sample:wine", target="alcohol")).splitlines()
    shown_lines = [line for line in table.splitlines() if line.startswith(("none", "standardize", "orthonormal"))]
    assert len(shown_lines) == 3
    assert set(shown_lines) <= set(lines)

"""Figures in a notebook: pages made of it show every one of them, offline, and plotly.js is in the page once."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import plotly.io as pio
import pytest

import steepest as st
from steepest.data import synthetic
from steepest.plots import notebook

from browser import chromium, opened

DATA = synthetic.quadratic_with_outlier()
PRIORITY = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain")
"""Of nbconvert's HTMLExporter, where there is neither a widget nor JavaScript."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def fit():
    return st.fit(DATA.x, DATA.y, loss="l1", optimizer="sgd", lr=6, schedule="inverse", epochs=20)


@pytest.fixture
def kernel(monkeypatch):
    """A session of a notebook: `cell` is the one that runs, `outputs` what was displayed."""
    shell = SimpleNamespace(kernel=True, execution_count=0, cell=None, outputs=[])
    shell.get_parent = lambda: {"metadata": {} if shell.cell is None else {"cellId": shell.cell}}
    display = SimpleNamespace(display=lambda bundle, raw: shell.outputs.append(bundle))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(notebook, "_carried", {})
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    return shell


def run(kernel, cell, *shown):
    """Run a cell whose figures are displayed."""
    kernel.cell, kernel.execution_count = cell, kernel.execution_count + 1
    before = len(kernel.outputs)
    for one in shown:
        one._ipython_display_()
    return kernel.outputs[before:]


def exported(bundles, place):
    """The page that nbconvert makes of outputs: of each the type that it prefers."""
    chosen = [next(bundle[kind] for kind in PRIORITY if kind in bundle) for bundle in bundles]
    body = "".join(f'<div class="output">{piece}</div>' for piece in chosen)
    place.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{body}', encoding="utf-8")
    return place


def carries(bundle):
    return "steepest-plotly" in bundle["text/html"].split("<script>")[0]


def test_an_exported_notebook_shows_every_picture_offline(browser, fit, kernel, tmp_path):
    figures = [fit.plot(), fit.loss_curve(), fit.surface(grid=12)]
    for cell, shown in enumerate(figures):
        run(kernel, str(cell), shown)
    place = exported(kernel.outputs, tmp_path / "notebook.html")
    assert place.stat().st_size < 2_200_000
    with opened(browser, place, width=1000) as shown:
        shown.page.wait_for_function("document.querySelectorAll('.steepest-figure .main-svg').length >= 6")
        shown.page.wait_for_selector(".gl-container canvas")
        widths = shown.page.locator(".svg-container").evaluate_all("them => them.map(one => one.clientWidth)")
        assert widths == [1000, 1000, 1000]
        assert shown.errors == []
        assert shown.requests == []


def test_plotly_is_carried_once_and_again_where_its_cell_runs_again(fit, kernel):
    first, second = run(kernel, "a", fit.plot(), fit.residuals())
    assert (carries(first), carries(second)) == (True, False)
    assert [carries(one) for one in run(kernel, "b", fit.plot())] == [False]
    assert [carries(one) for one in run(kernel, "a", fit.plot(), fit.residuals())] == [True, False]
    assert len(second["text/html"]) < 30_000


def test_a_kernel_that_does_not_name_its_cells_carries_plotly_once(fit, kernel):
    assert [carries(run(kernel, None, fit.plot())[0]) for _ in range(3)] == [True, False, False]


def test_the_figure_before_the_one_with_plotly_is_drawn_too(browser, fit, kernel, tmp_path):
    first, second = run(kernel, "a", fit.plot(), fit.residuals())
    with opened(browser, exported([second, first], tmp_path / "turned.html")) as shown:
        shown.page.wait_for_function("document.querySelectorAll('.steepest-figure .main-svg').length >= 4")
        assert shown.errors == []


def test_a_picture_without_plotly_says_what_helps(browser, fit, kernel, tmp_path):
    _, second = run(kernel, "a", fit.plot(), fit.residuals())
    place = exported([second], tmp_path / "lost.html")
    text = place.read_text(encoding="utf-8")
    assert text.count("tries < 50") == 1
    place.write_text(text.replace("tries < 50", "tries < 5"), encoding="utf-8")  # half a second, and not five
    with opened(browser, place) as shown:
        shown.page.wait_for_function("document.body.innerText.includes('Run all cells again')", timeout=20_000)


def test_without_scripts_its_title_stands_in_its_place(fit, kernel):
    (bundle,) = run(kernel, "a", fit.plot())
    plain = re.sub(r"<script.*?</script>", "", bundle["text/html"], flags=re.DOTALL)
    assert "linear: l1" in plain
    assert "trust this notebook" in plain


def test_show_is_what_looking_at_it_is(fit, kernel):
    fit.plot().show()
    assert set(kernel.outputs[0]) == {notebook.MIME, "text/html"}


def test_a_renderer_that_was_chosen_is_kept(fit, monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "json")
    assert set(fit.plot()._repr_mimebundle_()) == {"application/json"}


def test_looking_at_figures_leaves_plotly_as_it_was(fit, kernel):
    before = (pio.renderers.default, list(pio.renderers), pio.renderers.render_on_display, pio.templates.default)
    run(kernel, "a", fit.plot())
    fit.plot()._repr_html_()
    assert (
        pio.renderers.default,
        list(pio.renderers),
        pio.renderers.render_on_display,
        pio.templates.default,
    ) == before

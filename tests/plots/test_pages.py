"""Pages in a real browser, the network off: everything draws, plays and can be stepped through, and nothing is asked for."""

from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

import steepest as st
from steepest.analysis import diagnosis
from steepest.analysis.finding import Finding, Kind
from steepest.data import synthetic
from steepest.plots import style
from steepest.plots.figure import figure

from browser import chromium, opened

DATA = synthetic.quadratic_with_outlier()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def fit():
    return st.fit(DATA.x, DATA.y, model="poly:2", loss="l1", optimizer="sgd", lr=10, schedule="inverse", epochs=60)


def colours(place):
    """How many different colours a part of the page shows."""
    return len(np.unique(np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB")).reshape(-1, 3), axis=0))


def test_a_report_opens_draws_and_plays(browser, fit, tmp_path):
    place = fit.report(tmp_path / "fit <b>&.html")
    with opened(browser, place) as shown:
        page = shown.page
        page.wait_for_selector("html[data-ready]")
        figures = page.locator(".plot")
        for i in range(figures.count()):
            figures.nth(i).scroll_into_view_if_needed()
            page.wait_for_selector(f'.plot[data-figure="{i}"] .main-svg')
        bowl = page.locator(".plot:has(.gl-container canvas)").first
        bowl.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelectorAll('.gl-container canvas').length >= 2")
        page.wait_for_timeout(300)
        assert colours(bowl) > 500

        caption, frame = page.locator(".steepest-player .caption"), page.locator(".steepest-player img.frame")
        assert caption.inner_text().startswith("step 0 of 60")
        first = frame.get_attribute("src")
        page.click(".steepest-player .next")
        assert "frame 2 of" in caption.inner_text()
        page.locator(".steepest-player .scrub").fill("39")
        assert caption.inner_text().startswith("step 60 of 60")
        assert frame.get_attribute("src") != first
        page.click(".steepest-player .back")
        assert "frame 39 of 40" in caption.inner_text()
        page.click(".steepest-player .play")
        page.wait_for_function("document.querySelector('.steepest-player .caption').textContent.includes('frame 4 of')")

        paper = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(paper) == "rgb(255, 255, 255)"
        page.click("button.theme")
        assert page.evaluate(paper) == "rgb(18, 23, 30)"
        svg = "document.querySelector('.plot .main-svg').style.background"
        page.wait_for_function(f"{svg}.includes('18, 23, 30')")
        assert shown.errors == []
        assert shown.requests == []


def test_every_number_on_a_log_axis_is_the_value_there(browser, tmp_path):
    shown = figure("loss", height=300).set_subplots(1, 5)
    ranges = [(0.02, 0.9), (0.4, 0.9), (1e-9, 0.9), (2.0, 90.0), (3000.0, 40_000.0)]
    for column, both in enumerate(ranges, 1):
        shown.add_scatter(x=[0, 1], y=both, row=1, col=column)
        shown.update_yaxes(**style.log_axis(list(both)), col=column)
    shown.write_html(tmp_path / "log.html")
    with opened(browser, tmp_path / "log.html", height=400) as seen:
        seen.page.wait_for_selector(".ytick text")
        layout = "document.querySelector('.js-plotly-plot')._fullLayout"
        axes = ["yaxis", *(f"yaxis{column}" for column in range(2, 6))]
        ticks = [seen.page.evaluate(f"{layout}.{axis}._vals.map(one => [one.text, 10 ** one.x])") for axis in axes]
    for found, (low, high) in zip(ticks, ranges, strict=True):
        labels = [(words.replace("\u2212", "-"), value) for words, value in found if words.strip()]
        assert len(labels) >= 2, (low, high)
        for words, value in labels:
            power = re.fullmatch(r"10<sup>(-?\d+)</sup>", words)
            assert (10.0 ** int(power[1]) if power else float(words)) == pytest.approx(value), (low, high)


def test_the_wheel_over_a_surface_moves_the_page_and_nobody_is_asked_for_anything(browser, fit, tmp_path):
    fit.surface(grid=12).write_html(tmp_path / "surface.html")
    text = (tmp_path / "surface.html").read_text(encoding="utf-8")
    (tmp_path / "surface.html").write_text(text.replace("</body>", '<div style="height:3000px"></div></body>'), "utf-8")
    with opened(browser, tmp_path / "surface.html") as shown:
        page = shown.page
        page.wait_for_selector(".gl-container canvas")
        page.wait_for_timeout(300)
        eye = "JSON.stringify(document.querySelector('.js-plotly-plot')._fullLayout.scene._scene.getCamera().eye)"
        before = page.evaluate(eye)
        box = page.locator(".gl-container canvas").first.bounding_box()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        page.mouse.wheel(0, 400)
        page.wait_for_function("scrollY > 0")
        assert page.evaluate(eye) == before
        buttons = page.locator(".modebar-btn").evaluate_all("them => them.map(one => one.dataset.title)")
        assert buttons
        assert not [words for words in buttons if "Chart Studio" in words or "cloud" in words.lower()]
        assert shown.errors == []
        assert shown.requests == []


def test_a_film_on_its_own_plays(browser, fit, tmp_path):
    fit.animate(tmp_path / "fit.html", frames=8, theme="dark")
    with opened(browser, tmp_path / "fit.html", height=560) as shown:
        film = shown.page.locator(".steepest-player")
        assert colours(film) > 100
        shown.page.keyboard.press("Tab")
        shown.page.locator(".steepest-player").press("ArrowRight")
        assert "frame 2 of 8" in shown.page.locator(".caption").inner_text()
        assert shown.errors == []
        assert shown.requests == []


def test_a_diagnosis_can_be_read_on_any_page_and_a_phone_needs_no_sideways_scrolling(
    browser, fit, tmp_path, monkeypatch
):
    name = "<b>long</b>" * 40
    found = Finding(
        Kind.SCALES, f"The column {name} is large.", "By 1e6.", {"drop": (name,)}, "Then all is well.", 0.97, rows=(1,)
    )
    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (lambda given: iter([found]),))
    page = dataclasses.replace(fit).report(tmp_path / "fit.html", film=False)
    for width, scheme in ((1200, "light"), (390, "dark")):
        with opened(browser, page, width=width, scheme=scheme) as shown:
            block = shown.page.locator(".finding")
            block.scroll_into_view_if_needed()
            text = block.inner_text()
            assert text.startswith("1. Columns on different scales (ST004): explains 97 % of the gap")
            assert found.what in text
            assert found.python in text
            box = block.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            inner = block.evaluate("one => one.scrollWidth - one.clientWidth")
            assert inner <= 0
            colour = "one => getComputedStyle(one).backgroundColor"
            code = block.locator("code").first.evaluate(colour)
            assert code == {"light": "rgb(228, 233, 239)", "dark": "rgb(40, 49, 60)"}[scheme]
            paper = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 30)"}[scheme]
            shown.page.wait_for_selector(".plot .main-svg")
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.errors == []

"""The page as a person meets it: a real browser, nothing but the lab on the network, its numbers held against the library's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest

import steepest as st

from browser import chromium

FIRST = {"optimizer": "momentum:0.8", "lr": 0.02, "epochs": 150, "tol": 0.0, "init": [6.0, -4.0]}


@pytest.fixture(scope="module")
def lab():
    """A lab in a process of its own, opened with nothing; its link."""
    command = [sys.executable, "-m", "steepest", "lab", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def window(lab):
    """A browser with the page, its complaints, and the addresses that it asked for."""
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1400, "height": 950}, reduced_motion="reduce")
        shown = context.new_page()
        shown.set_default_timeout(60_000)
        shown.complaints, shown.asked = [], []
        shown.on(
            "console", lambda said: shown.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        shown.on("pageerror", lambda error: shown.complaints.append(str(error)))
        shown.on("request", lambda request: shown.asked.append(request.url))
        shown.goto(lab)
        yield shown
        context.close()
    origin = lab.partition("/?")[0]
    assert [url for url in shown.asked if not url.startswith((origin, "data:", "blob:", "about:"))] == []
    assert shown.complaints == []


@pytest.fixture
def page(window, lab):
    """The page as it opens."""
    window.goto("about:blank")
    window.goto(lab.partition("?")[0])
    until(
        window,
        "document.querySelector('main')?.dataset.answers > 0 && document.querySelector('main').ariaBusy === 'false'",
    )
    return window


def until(page, expression, seconds=60.0):
    """Wait until something holds; the page's own policy forbids the waiting that evaluates texts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if page.evaluate(expression):
            return
        time.sleep(0.05)
    raise AssertionError(f"not in {seconds:g} s: {expression}; the page says {page.text_content('#message')!r}")


def ended(page, action):
    """Do something that makes another descent, and wait for it."""
    before = page.get_attribute("main", "data-answers")
    action()
    until(
        page,
        f"document.querySelector('main').dataset.answers > {before} && document.querySelector('main').ariaBusy === 'false'",
    )


def shown(text):
    """The numbers in a text of the page."""
    return [float(part.replace("−", "-")) for part in re.findall(r"[−]?\d+\.?\d*(?:e[−]?\d+)?", text)]


def test_it_opens_on_a_finished_descent_and_steps_back_and_forth(page):
    fit = st.fit("sample:line", **FIRST)
    page.keyboard.press("End")
    assert page.text_content("#where") == "step 150"
    for place in (0, 1, 2, 1):
        page.keyboard.press("Home")
        for _ in range(place):
            page.keyboard.press("ArrowRight")
        assert page.text_content("#where") == f"step {place}"
        value = page.locator("#parameters tbody tr td:nth-child(2)").all_text_contents()
        assert np.allclose([shown(text)[0] for text in value], fit.trace.theta[place], rtol=1e-6)
        gradient = page.locator("#parameters tbody tr td:nth-child(3)").all_text_contents()
        assert np.allclose([shown(text)[0] for text in gradient], fit.objective(fit.trace.theta[place])[1], rtol=1e-3)
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#where") == "step 0"
    exact = page.locator("#parameters tbody tr td:nth-child(4)").all_text_contents()
    assert np.allclose([shown(text)[0] for text in exact], fit.exact.theta, rtol=1e-6)


def test_a_changed_control_is_another_descent_and_can_be_undone(page):
    ended(page, lambda: page.select_option("#setting-optimizer", "sgd"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd"})
    page.keyboard.press("End")
    values = page.locator("#parameters tbody tr td:nth-child(2)").all_text_contents()
    assert np.allclose([shown(text)[0] for text in values], fit.theta, rtol=1e-6)
    link = page.url
    ended(page, lambda: page.click("#undo"))
    assert page.input_value("#setting-optimizer") == "momentum"
    assert page.url != link
    ended(page, lambda: page.click("#redo"))
    assert page.url == link  # the whole state stands in the address
    assert "token" not in link


def test_a_rate_over_the_limit_is_explained_and_the_remedy_is_a_button(page):
    ended(page, lambda: (page.fill("#typed-lr", "3"), page.press("#typed-lr", "Enter")))
    assert "bad" in page.get_attribute("#message", "class")
    until(page, "document.querySelector('.finding[data-code=ST001]')")
    ended(page, lambda: page.locator(".finding[data-code=ST001] button").click())
    assert "good" in page.get_attribute("#message", "class")


def test_runs_are_compared_and_many_rates_are_one_click(page):
    page.click("#pin")
    ended(page, lambda: page.select_option("#setting-optimizer", "adam"))
    assert page.locator("#runs tbody tr").count() == 2
    page.click("#rates")
    until(page, "!document.getElementById('picture-rates').hidden")
    assert "Best of 120" in page.text_content("#picture-rates .state")


def test_a_table_of_one_s_own_is_fitted(page, tmp_path):
    random = np.random.default_rng(5)
    x = random.normal(size=60)
    file = tmp_path / "houses & <b>more.csv"
    file.write_text(
        "size <i>,price\n"
        + "".join(f"{a},{3 * a + 1 + 0.1 * b}\n" for a, b in zip(x, random.normal(size=60), strict=True))
    )
    ended(page, lambda: page.set_input_files("#file", str(file)))
    fit = st.fit(str(file), target="price", **{name: value for name, value in FIRST.items() if name != "init"})
    assert page.input_value("#target") == "price"
    assert page.locator("aside i, figcaption b").count() == 0  # names from a file are text
    names = page.locator("#parameters tbody tr td:first-child").all_text_contents()
    assert names == list(fit.names)
    assert page.evaluate("location.hash") == ""  # a file never goes into a link


def test_points_are_drawn_and_dragged(page):
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#picture-data canvas").bounding_box()
    place = page.evaluate(
        """() => { const canvas = document.querySelector('#picture-data canvas'); return [canvas.width, canvas.height]; }"""
    )
    assert place[0] > 100
    # take hold of any row: those are where the pointer turns to a hand
    found = None
    for across in range(70, int(box["width"]) - 20, 6):
        for down in range(12, int(box["height"]) - 50, 8):
            page.mouse.move(box["x"] + across, box["y"] + down)
            if page.evaluate("document.querySelector('#picture-data canvas').style.cursor") == "grab":
                found = box["x"] + across, box["y"] + down
                break
        if found:
            break
    assert found

    def drag():
        page.mouse.move(*found)
        page.mouse.down()
        page.mouse.move(found[0] + 15, box["y"] + 20, steps=3)
        page.mouse.up()

    ended(page, drag)
    assert page.input_value("#data") == "drawing"
    assert page.evaluate("location.hash").startswith("#")


def test_it_is_taken_away_as_a_script_that_gives_the_same_numbers(page, tmp_path):
    page.keyboard.press("End")
    with page.expect_download() as caught:
        page.click("[data-away=script]")
    script = tmp_path / "descent.py"
    caught.value.save_as(script)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""}
    )
    values = page.locator("#parameters tbody tr td:nth-child(2)").all_text_contents()
    for text in values:
        assert any(
            abs(number - shown(text)[0]) <= 1e-6 * abs(number) for number in shown(done.stdout.replace("-", "−"))
        )


def test_scores_are_shown_and_a_stop_condition_ends_it(page):
    # TensorFlow Playground's issue 7: a stop condition, and R²
    page.evaluate("document.querySelector('.controls details').open = true")
    for place, value in (("#typed-lr", "0.05"), ("#setting-tol", "0.01")):
        ended(page, lambda place=place, value=value: (page.fill(place, value), page.press(place, "Enter")))
    ended(page, lambda: page.select_option("#setting-optimizer", "sgd"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd", "lr": 0.05, "tol": 0.01})
    assert fit.steps < 150
    page.keyboard.press("End")
    assert page.text_content("#where") == f"step {fit.steps}"
    assert f"R² {fit.metrics['train']['r2']:.4g}" in page.text_content("#scores")


def test_everything_on_screen_is_explained(page):
    # issue 126: each control has its sentence, each figure one on its state
    fields = page.locator(".controls .field:has(select, input):not(:has(#data, #target, .columns))")
    assert fields.count() > 10
    assert fields.locator("small").count() == fields.count()
    states = page.locator("figure:visible .state").all_text_contents()
    assert len(states) >= 5
    assert all(text.strip() for text in states)


def test_exhibits_have_causes_that_are_found(page):
    # issue 195: good and bad settings with reasons
    ended(page, lambda: page.locator("#cabinet button", has_text="It explodes").click())
    until(page, "document.querySelector('.finding[data-code=ST001]')")
    assert "1e" not in page.text_content("#message") or "diverged" in page.text_content(
        "#message"
    )  # issue 77: NaN is answered


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page, scheme):
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    page.evaluate("document.documentElement.dataset.theme = 'light'")


def test_on_a_phone_nothing_sticks_out(page):
    page.set_viewport_size({"width": 360, "height": 740})
    until(page, "document.documentElement.scrollWidth <= 360")
    page.set_viewport_size({"width": 1400, "height": 950})

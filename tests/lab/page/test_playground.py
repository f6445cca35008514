"""What users of TensorFlow Playground asked for, by the numbers of their issues at github.com/tensorflow/playground."""

from __future__ import annotations

import numpy as np

import steepest as st
from lab_browsing import FIRST, fragment, numbers, until
from steepest.formulas.rules import RULES


def houses(folder):
    random = np.random.default_rng(5)
    x = random.normal(size=60)
    y = 3 * x + 1 + 0.1 * random.normal(size=60)
    file = folder / "houses & <b>more.csv"
    file.write_text("size <i>,price\n" + "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True)))
    return file


def test_own_data_is_fitted(visit, tmp_path):  # 20, 102, 174, 191
    page, file = visit.page, houses(tmp_path)
    visit.ends(lambda: page.set_input_files("#file", str(file)))
    fit = st.fit(str(file), target="price")
    assert page.input_value("#target") == "price"
    assert page.locator("aside i, figcaption b").count() == 0  # names from a file are text
    assert visit.column(1) == list(fit.names)
    assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)
    assert page.evaluate("location.hash") == ""  # a file never goes into a link
    assert page.is_disabled("#share")


def test_other_rules_can_be_chosen(visit):  # 11
    offered = visit.page.locator("#setting-optimizer option").all_text_contents()
    assert set(RULES) <= set(offered)
    visit.ends(lambda: visit.page.select_option("#setting-optimizer", "rmsprop"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "rmsprop"})
    assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)


def test_the_code_comes_out(visit):  # 39; that it gives the same numbers: test_page.py
    with visit.page.expect_download():
        visit.page.click("[data-away=script]")
    until(visit.page, "!document.getElementById('script').hidden")
    script = visit.page.text_content("#script")
    assert "import torch" in script
    assert "steepest" not in script.partition('"""')[2].partition('"""')[2]


def test_it_can_be_run_again_from_the_same_start(visit):  # 25
    page = visit.page
    settings = {"optimizer": "sgd", "lr": 0.05, "epochs": 30, "tol": 0.0, "init": "normal:2", "seed": 4}
    visit.open(page.url.partition("#")[0] + "#" + fragment({"data": "sample:line", "points": [], "settings": settings}))
    visit.goes_to(0)
    begun = visit.theta()
    assert np.allclose(begun, st.fit("sample:line", **settings).trace.theta[0], rtol=1e-6)
    visit.to_the_end()
    visit.goes_to(0)
    assert visit.theta() == begun
    visit.types("#typed-lr", "0.1")
    visit.goes_to(0)
    assert visit.theta() == begun  # another rate, the same start


def test_a_stop_condition_ends_it_and_r2_is_shown(visit):  # 7
    page = visit.page
    visit.opens_settings()
    for field, value in (("#typed-lr", "0.05"), ("#setting-tol", "0.01")):
        visit.types(field, value)
    visit.ends(lambda: page.select_option("#setting-optimizer", "sgd"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd", "lr": 0.05, "tol": 0.01})
    assert fit.steps < 150
    visit.to_the_end()
    assert page.text_content("#where") == f"step {fit.steps}"
    assert f"R² {fit.metrics['train']['r2']:.4g}" in page.text_content("#scores")


def test_weights_are_seen_at_every_step(visit):  # 198
    fit = st.fit("sample:line", **FIRST)
    visit.page.evaluate("document.getElementById('first').click()")
    for step in range(1, 8):
        visit.page.keyboard.press("ArrowRight")
        assert np.allclose(visit.theta(), fit.trace.theta[step], rtol=1e-6)


def test_everything_on_screen_is_explained(visit):  # 126
    page = visit.page
    visit.opens_settings()
    fields = page.locator(".controls .field:has(select, input):not(:has(#data, #target, .columns))")
    assert fields.count() > 10
    sentences = fields.locator("small").all_text_contents()
    assert len(sentences) == fields.count()
    assert all(len(text) > 8 for text in sentences)
    states = page.locator("figure:visible .state").all_text_contents()
    assert len(states) >= 5
    assert all(text.strip() for text in states)


def test_good_and_bad_settings_come_with_reasons(visit):  # 195
    page = visit.page
    visit.ends(lambda: page.locator("#cabinet button", has_text="It crawls").click())
    until(page, "!document.getElementById('reveal').hidden && document.querySelector('.finding')")
    page.click("#reveal")
    assert page.locator(".finding small").count() >= 1
    visit.ends(lambda: page.locator(".finding button").first.click())  # the good ones are a click away
    until(page, "document.querySelector('#findings')?.textContent.includes('Nothing wrong')")


def test_nan_is_answered(visit):  # 77
    page = visit.page
    visit.ends(lambda: page.select_option("#setting-optimizer", "sgd"))
    for rate in ("1e4", "1e300"):
        visit.types("#typed-lr", rate)
        assert "diverged" in page.text_content("#message")
        assert numbers(page.text_content("#message"))  # with a rate to try
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
            assert "NaN" not in page.text_content("body")

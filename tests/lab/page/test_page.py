"""The page as a person meets it: a real browser, nothing but the lab on the network, its numbers held against the library's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest

import steepest as st
from ejecting import printed, ran
from lab_browsing import FIRST, fragment, numbers, until, watched
from steepest.lab.tasks import Uploads, perform

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
NOWHERE = Uploads(Path("/nowhere"))


def unpacked(packed):
    """Numbers as the page is sent them."""
    from base64 import b64decode

    ((kind, text), _) = packed.items()
    return np.frombuffer(b64decode(text), dtype=f"<{kind}").reshape(packed["shape"])


def answer(data="sample:line", **settings):
    return perform({"task": "descend", "experiment": {"data": data, "settings": settings}}, NOWHERE)


def test_it_opens_on_a_finished_descent_and_steps_back_and_forth(visit):
    fit, page = st.fit("sample:line", **FIRST), visit.page
    page.keyboard.press("End")
    assert page.text_content("#where") == "step 150"
    for place in (0, 1, 2):
        visit.goes_to(place)
        assert np.allclose(visit.theta(), fit.trace.theta[place], rtol=1e-6)
        slopes = [numbers(text)[0] for text in visit.column(3)]
        assert np.allclose(slopes, fit.objective(fit.trace.theta[place])[1], rtol=1e-3)
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#where") == "step 1"
    assert np.allclose([numbers(text)[0] for text in visit.column(4)], fit.exact.theta, rtol=1e-6)


def test_the_update_is_written_out_with_its_numbers_and_the_digits_are_counted(visit):
    visit.ends(lambda: visit.page.select_option("#setting-optimizer", "sgd"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd"})
    visit.goes_to(3)
    assert visit.page.text_content("#update b") == "θ ← θ − lr · gradient"
    line = visit.page.locator("#update code").nth(1).text_content()
    name, _, rest = line.partition(" ← ")
    theta, rate, slope, after = numbers(re.sub("− ", "", rest))
    assert name == fit.names[1]
    assert (theta, rate) == (pytest.approx(fit.trace.theta[3][1], rel=1e-4), 0.02)
    assert slope == pytest.approx(fit.objective(fit.trace.theta[3])[1][1], rel=1e-4)
    assert after == pytest.approx(theta - rate * slope, rel=1e-4)
    visit.to_the_end()
    agree = np.floor(-np.log10(np.abs(fit.theta / fit.exact.theta - 1)))
    said = visit.page.text_content("#picture-parameters .state")
    assert [numbers(part)[0] for part in said.split(",")] == list(agree)
    assert "agree with the exact answer" in said


def test_theory_says_what_a_step_leaves(visit):
    visit.ends(lambda: visit.page.select_option("#setting-optimizer", "sgd"))
    x = np.asarray(st.synthetic.line().x).reshape(100, -1)[:, -1]
    design = np.column_stack([np.ones(100), x])
    curvatures = np.linalg.eigvalsh(2 * design.T @ design / 100)
    said = numbers(visit.page.text_content("#picture-theory .state"))
    assert said[0] == pytest.approx(100 * (1 - 0.02 * curvatures[0]), rel=1e-3)
    assert said[1:] == pytest.approx(list(curvatures), rel=1e-3)


def test_the_slider_is_scrubbed_and_space_plays(visit):
    page = visit.page
    page.evaluate("""() => { const scrub = document.getElementById('scrub'); scrub.value = 70;
                     scrub.dispatchEvent(new Event('input')); }""")
    fit = st.fit("sample:line", **FIRST)
    assert page.text_content("#where") == "step 70"
    assert np.allclose(visit.theta(), fit.trace.theta[70], rtol=1e-6)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    assert page.text_content("#play") == "Pause"
    until(page, "Number(document.getElementById('scrub').value) > 72")
    page.keyboard.press(" ")
    assert page.text_content("#play") == "Play"


def test_motion_is_unwelcome_where_it_was_said_and_screen_readers_are_told_seldom(visit, browser, lab):
    page = visit.page
    assert page.text_content("#play") == "Play"  # this window asked for reduced motion
    page.evaluate("""() => { window.told = []; new MutationObserver(() => told.push(1))
                     .observe(document.getElementById('announcer'), { childList: true }); }""")
    visit.goes_to(6)
    assert page.evaluate("told.length") <= 2
    until(page, "document.getElementById('announcer').textContent.startsWith('Step 6.')", 10)
    with watched(browser, lab) as other:
        until(other, "document.getElementById('play').textContent === 'Pause'")
        until(other, "Number(document.getElementById('scrub').value) > 0")


def test_a_changed_control_is_another_descent_and_can_be_undone(visit):
    page = visit.page
    visit.ends(lambda: page.select_option("#setting-optimizer", "sgd"))
    fit = st.fit("sample:line", **{**FIRST, "optimizer": "sgd"})
    visit.to_the_end()
    assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)
    link = page.url
    visit.ends(lambda: page.click("#undo"))
    assert page.input_value("#setting-optimizer") == "momentum"
    assert page.url != link
    visit.ends(lambda: page.click("#redo"))
    assert page.url == link  # the whole state stands in the address
    assert "token" not in link
    visit.open(link)
    assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)


def test_the_limit_and_the_automatic_rate_are_marked_on_the_slider(visit):
    until(visit.page, "document.querySelectorAll('.rate .mark').length === 2")
    title = visit.page.get_attribute(".rate .largest", "title")
    x = np.asarray(st.synthetic.line().x).reshape(100, -1)[:, -1]
    design = np.column_stack([np.ones(100), x])
    steepest = np.linalg.eigvalsh(2 * design.T @ design / 100)[-1]
    assert numbers(title)[0] == pytest.approx(2 * (1 + 0.8) / steepest, rel=1e-3)  # of momentum (Polyak 1964)


def test_a_click_on_the_surface_is_where_it_starts(visit):
    surface = answer(**FIRST)["surface"]
    middle = [unpacked(surface[axis])[[0, -1]].mean() for axis in "xy"]
    visit.ends(lambda: visit.page.mouse.click(*visit.spot("surface", 0.5, 0.5)))
    begun = [float(part) for part in visit.page.locator("#setting-init ~ input").input_value().split(",")]
    spans = [np.ptp(unpacked(surface[axis])) for axis in "xy"]
    assert np.allclose(begun, middle, atol=0.01 * max(spans))
    visit.goes_to(0)
    assert np.allclose(visit.theta(), begun, rtol=1e-6)


def test_the_graph_of_gradients_has_the_values_of_the_step(visit):
    points = [[-1.0, 0.0], [0.0, 1.5], [1.0, 2.0], [2.0, 5.0]]
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 20, "tol": 0.0}
    drawn = fragment({"data": "drawing", "points": points, "settings": settings})
    visit.open(f"{visit.page.url.partition('#')[0]}#{drawn}")
    visit.page.evaluate("document.getElementById('gradients').open = true")
    visit.goes_to(2)
    until(visit.page, "document.querySelector('#graph .state')?.textContent.startsWith('At step 2.')")
    design, y = np.array([[1.0, x] for x, _ in points]), np.array([y for _, y in points])
    theta = np.zeros(2)
    for _ in range(2):
        theta = theta - 0.1 * 2 * design.T @ (design @ theta - y) / 4
    said = visit.page.get_attribute("#graph svg", "aria-label")
    value, slope = re.search(r"θ \(([^)]*)\) ∂ \(([^)]*)\)", said).groups()
    assert numbers(value) == pytest.approx(list(theta), rel=1e-4)
    assert numbers(slope) == pytest.approx(list(2 * design.T @ (design @ theta - y) / 4), rel=1e-4)


def test_a_rate_over_the_limit_is_explained_and_the_remedy_is_a_button(visit):
    page = visit.page
    visit.types("#typed-lr", "3")
    assert "bad" in page.get_attribute("#message", "class")
    until(page, "document.querySelector('.finding[data-code=ST001]')")
    visit.ends(lambda: page.locator(".finding[data-code=ST001] button").click())
    assert "good" in page.get_attribute("#message", "class")


def test_runs_are_compared_raced_and_many_rates_are_one_click(visit):
    page = visit.page
    page.click("#pin")
    visit.ends(lambda: page.select_option("#setting-optimizer", "adam"))
    losses = page.locator("#runs tbody td:nth-child(2)").all_text_contents()
    expected = [st.fit("sample:line", **{**FIRST, "optimizer": rule}).loss for rule in ("momentum:0.8", "adam")]
    assert [numbers(text)[0] for text in losses] == pytest.approx(expected, rel=1e-4)
    visit.ends(lambda: page.click("#race"))
    losses = page.locator("#runs tbody td:nth-child(2)").all_text_contents()[:4]
    rules = ("sgd", "momentum:0.9", "nesterov:0.9", "adam")
    expected = [st.fit("sample:line", **{**FIRST, "optimizer": rule}).loss for rule in rules]
    assert [numbers(text)[0] for text in losses] == pytest.approx(expected, rel=1e-4)
    visit.ends(lambda: page.click("#rates"))
    assert "Best of 200" in page.text_content("#picture-rates .state")
    visit.ends(lambda: page.mouse.click(*visit.spot("rates", 0.5, 0.5)))  # and a click on it takes that rate
    assert page.input_value("#typed-lr") != "0.02"


def test_columns_are_described_and_chosen(visit, tmp_path):
    file, random = tmp_path / "houses.csv", np.random.default_rng(3)
    rows = np.column_stack([random.uniform(30, 90, 40), random.uniform(1, 9, 40)])
    kinds = np.array(["old", "new"])[random.integers(0, 2, 40)]
    price = 3 * rows[:, 0] + 10 * (kinds == "old") + random.normal(size=40)
    lines = [
        f"{'' if k == 7 else a},{b},{kind},{y}"
        for k, ((a, b), kind, y) in enumerate(zip(rows, kinds, price, strict=True))
    ]
    file.write_text("size,rooms,kind,price\n" + "\n".join(lines) + "\n")
    visit.ends(lambda: visit.page.set_input_files("#file", str(file)))
    said = visit.page.locator(".columns label").all_text_contents()
    assert "1 missing" in said[0]
    assert numbers(said[1])[-2:] == pytest.approx([rows[:, 1].min(), rows[:, 1].max()], rel=1e-3)
    assert "category, 2 levels" in said[2]
    visit.ends(lambda: visit.page.locator(".columns input").first.uncheck())
    fit = st.fit(str(file), target="price", columns=["rooms", "kind"])
    assert visit.column(1) == list(fit.names)
    visit.to_the_end()
    assert np.allclose(visit.theta(), fit.theta, rtol=1e-6)
    visit.ends(lambda: visit.page.select_option("#target", "rooms"))
    assert "price" in visit.page.text_content(".columns")


def test_points_are_put_onto_an_empty_plane_dragged_and_removed(visit):
    page = visit.page
    visit.ends(lambda: page.select_option("#data", "drawing"))
    assert "each click puts a point" in page.text_content("#message")
    visit.ends(lambda: page.mouse.click(*visit.spot("data", 0.25, 0.25)))
    visit.ends(lambda: page.mouse.click(*visit.spot("data", 0.75, 0.75)))
    visit.to_the_end()
    assert visit.theta()[1] == pytest.approx(1.0, abs=0.1)  # from (−½, −½) to (½, ½)
    before = page.url
    visit.ends(lambda: page.mouse.click(*visit.spot("data", 0.5, 0.2)))
    assert page.url != before
    with_three = visit.theta()
    visit.ends(lambda: visit.drags(visit.spot("data", 0.5, 0.2), visit.spot("data", 0.5, 0.9)))
    assert visit.theta()[0] != pytest.approx(with_three[0], abs=0.05)
    visit.ends(lambda: page.click("#undo"))
    assert visit.theta() == pytest.approx(with_three, rel=1e-6)
    visit.ends(lambda: page.mouse.dblclick(*visit.spot("data", 0.5, 0.2)))
    assert visit.theta()[1] == pytest.approx(1.0, abs=0.1)


FILM = pytest.param(["film"], marks=pytest.mark.soak)


@pytest.mark.parametrize("things", [["script", "notebook", "report", "picture", "data"], FILM])
def test_it_is_taken_away(visit, tmp_path, things):
    page, fit = visit.page, st.fit("sample:line", **FIRST)
    for what in things:
        with page.expect_download() as caught:
            page.click(f"[data-away={what}]")
        place = tmp_path / caught.value.suggested_filename
        caught.value.save_as(place)
        content = place.read_bytes()
        if what == "script":
            found = printed(*ran([place])).values()
            assert all(any(abs(number - one) <= 1e-6 * abs(one) for number in found) for one in fit.theta)
        elif what == "notebook":
            assert any("torch" in "".join(cell["source"]) for cell in json.loads(content)["cells"])
        elif what == "data":
            table = np.genfromtxt(place, delimiter=",", names=True)
            assert np.allclose(np.column_stack([table[name] for name in fit.names]), fit.trace.theta, rtol=1e-12)
        else:
            assert content.startswith({"report": b"<!doctype html>", "picture": b"\x89PNG", "film": b"GIF89a"}[what])


def test_exhibits_are_guessed_at_before_their_cause_is_shown(visit):
    page = visit.page
    visit.ends(lambda: page.locator("#cabinet button", has_text="It explodes").click())
    until(page, "!document.getElementById('reveal').hidden && document.querySelector('.finding')")
    assert not page.locator(".finding").first.is_visible()
    page.click("#reveal")
    assert page.locator(".finding[data-code=ST001]").is_visible()


def test_everybody_can_use_it_and_nothing_sticks_out(visit):
    page, before = visit.page, visit.page.viewport_size
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.click("#pin")
    page.evaluate(AXE)
    for scheme in ("dark", "light"):
        page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
        found = page.evaluate("axe.run()")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    for width in (360, 1920):
        page.set_viewport_size({"width": width, "height": 740})
        until(page, f"document.documentElement.scrollWidth <= {width}")
        wide = page.evaluate("[...document.querySelectorAll('.layers')].map((one) => one.clientWidth)")
        assert min(each for each in wide if each) > 200
    page.set_viewport_size(before)

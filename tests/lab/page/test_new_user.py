"""Six things that a new user tries without reading anything: each is reached in at most three actions from the first page."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from lab_browsing import FIRST, until

MOST = 3


def own_csv_fitted(visit, folder):
    file, random = folder / "flats.csv", np.random.default_rng(8)
    area = random.uniform(20, 120, 50)
    rent = 200 + 11 * area + random.normal(size=50)
    np.savetxt(file, np.column_stack([rent, area]), delimiter=",", header="rent,area", comments="")
    with visit.page.expect_file_chooser() as chooser:
        visit.act(lambda: visit.page.get_by_role("button", name="choose a file").click())
    visit.ends(lambda: chooser.value.set_files(str(file)))
    visit.ends(lambda: visit.page.select_option("#target", "rent"))
    assert visit.column(1) == ["intercept", "area"]
    exact = [
        float(text) for text in visit.column(4 if "gradient" in visit.page.text_content("#parameters thead") else 3)
    ]
    slope, intercept = np.polyfit(area, rent, 1)
    assert np.allclose(exact, [intercept, slope], rtol=1e-6)


def outlier_dragged(visit, folder):
    across = 1.04 / 1.08  # the last row: the axis has a little room beside the least and the greatest x
    before = visit.page.locator("#parameters td:nth-child(4)").all_text_contents()
    for up in np.linspace(0.99, 0.01, 100):  # the pointer turns to a hand on a row
        place = visit.spot("data", across, up)
        visit.page.mouse.move(*place)
        if visit.page.evaluate("document.querySelector('#picture-data canvas').style.cursor") == "grab":
            break
    visit.ends(lambda: visit.drags(place, visit.spot("data", across, 0.02)))
    assert visit.page.input_value("#data") == "drawing"
    assert visit.page.locator("#parameters td:nth-child(4)").all_text_contents() != before


def adam_against_sgd(visit, folder):
    visit.ends(lambda: visit.page.get_by_role("button", name="Race the rules").click())
    rows = visit.page.locator("#runs tbody tr")
    for rule in ("sgd", "adam"):
        loss = st.fit("sample:line", **{**FIRST, "optimizer": rule}).loss
        assert f"{loss:.5g}" in rows.filter(has_text=rule).first.text_content()


def why_it_diverges(visit, folder):
    visit.types("#typed-lr", "5")
    until(visit.page, "document.querySelector('.finding[data-code=ST001]')")
    assert "largest" in visit.page.text_content(".finding[data-code=ST001]")
    visit.ends(lambda: visit.page.locator(".finding[data-code=ST001] button").click())
    assert "converged" in visit.page.text_content("#message")


def the_code(visit, folder):
    with visit.page.expect_download() as caught:
        visit.act(lambda: visit.page.get_by_role("button", name="PyTorch script").click())
    caught.value.save_as(folder / "descent.py")
    compile((folder / "descent.py").read_text(), "descent.py", "exec")


def shared(visit, folder):
    visit.ends(lambda: visit.page.select_option("#setting-optimizer", "adam"))
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.act(lambda: visit.page.get_by_role("button", name="Copy link").click())
    until(visit.page, "document.getElementById('message').textContent.includes('copied')")
    link = visit.page.evaluate("navigator.clipboard.readText()")
    assert "token" not in link
    values = visit.theta()
    visit.open(link)
    assert visit.page.input_value("#setting-optimizer") == "adam"
    assert visit.theta() == values


@pytest.mark.parametrize(
    "thing", [own_csv_fitted, outlier_dragged, adam_against_sgd, why_it_diverges, the_code, shared]
)
def test_a_new_user_gets_there(visit, tmp_path, thing):
    thing(visit, tmp_path)
    assert 1 <= visit.actions <= MOST

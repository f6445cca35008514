"""The documentation as `make docs` builds it: no warning, nothing from a network, room on a phone, a search that finds.

These need the dependency group `docs`, and a browser; `make soak` sets both up.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from browser import chromium, opened
from page_examples import ROOT, pages

pytestmark = pytest.mark.soak

WIDTHS = (1280, 360)
SEEN = [
    "index", "tutorial", "lessons", "benchmarks", "changes", "architecture", "tables", "defaults",
    "gallery/README", "findings/README", "findings/ST004", "mathematics/losses", "mathematics/rules",
    "mathematics/theory", "reference/fit", "reference/command", "reference/settings", "howto/own-loop",
    "coming-from/pytorch", "source/steepest/result", "genindex",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="needs the group docs: `make docs` installs it")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-n", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_pages_load_nothing_from_a_network_and_fit_a_phone(site):
    with chromium() as browser:
        for width in WIDTHS:
            for name in SEEN:
                with opened(browser, site / f"{name}.html", width=width) as seen:
                    wide = seen.page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, f"{name} is {wide} wide"
                    assert (seen.errors, seen.requests) == ([], []), name


def test_the_command_is_called_by_its_name(site):
    """Whatever program builds the page."""
    assert "steepest fit [OPTIONS] DATA" in (site / "reference" / "command.html").read_text(encoding="utf-8")


def test_the_search_finds_a_method_without_a_network(site):
    with chromium() as browser, opened(browser, site / "search.html") as seen:
        seen.page.goto(f"file://{site}/search.html?q=working_lr")
        seen.page.wait_for_selector("#search-results li")
        assert "working_lr" in seen.page.inner_text("#search-results")


ADDRESSES = sorted(
    {
        address.rstrip(").,")
        for page in pages()
        if page.name != "others_cases.md"  # a hundred threads, each as it was told
        for address in re.findall(r"\((https?://[^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_links_to_other_places_lead_somewhere(address):
    asked = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0"}, method="HEAD")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            code = answer.status
    except urllib.error.HTTPError as error:
        code = error.code
    except (urllib.error.URLError, TimeoutError):
        pytest.skip("there is no network")
    assert code < 400 or code in (403, 405, 429), code  # with these it is there, and does not speak to programs

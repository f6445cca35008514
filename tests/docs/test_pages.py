"""Every example of README and of the documentation runs and prints what stands below it; links lead somewhere."""

from __future__ import annotations

import re
import warnings

import matplotlib as mpl
import pytest

from page_examples import ROOT, agree, examples, pages, run

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
RUN = [name for name, page in PAGES.items() if any(not one.said.startswith("not run") for one in examples(page))]
LONG = {
    "docs/processes.md",
    *(f"docs/howto/{name}.md" for name in ("classroom", "cluster", "own-model", "report", "too-slow", "which-rule")),
    *(f"docs/coming-from/{name}.md" for name in ("fastai", "scikit-learn", "statsmodels")),
}
"""Pages that take seconds each; `make soak` runs them."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.soak] if name in LONG else []) for name in RUN])
def test_examples_of_a_page_print_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other libraries that are set beside ours
        for example, expected, printed in run(PAGES[name]):
            assert agree(expected, printed), f"{name}, line {example.line}: {printed}"


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_lead_to_files(name):
    page = PAGES[name]
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|#|mailto:", target):
            assert (page.parent / target.partition("#")[0]).exists(), target

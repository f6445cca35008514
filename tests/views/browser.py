"""A browser for the tests of pages: the system's Chromium, without a screen and without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# 3-D needs a graphics card or, here, one made of software
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@dataclass
class Opened:
    """A page, and what it complained about or asked the network for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser. Raises where there is none, since a page that nobody opened is not tested."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError("The tests of pages need Chromium: apt-get install chromium")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def opened(browser: Any, file: Path, width: int = 1100, scheme: str = "light", height: int = 900) -> Iterator[Opened]:
    """A file from disk in a window of its own, the network off."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, reduced_motion="reduce"
    )
    shown = Opened(context.new_page())
    shown.page.on("console", lambda said: shown.errors.append(said.text) if said.type == "error" else None)
    shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
    local = ("file:", "data:", "blob:")
    shown.page.on("request", lambda asked: None if asked.url.startswith(local) else shown.requests.append(asked.url))
    shown.page.goto(file.as_uri())
    yield shown
    context.close()

"""A visitor of the lab's page in a real browser: what it does, what it waits for, what it reads."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIZES = {"desktop": (1400, 950), "phone": (360, 740)}
CLASSROOM = ("--classroom", "--host", "0.0.0.0")
FIRST = {"optimizer": "momentum:0.8", "lr": 0.02, "epochs": 150, "tol": 0.0, "init": [6.0, -4.0]}
"""What the page opens on, of `sample:line`."""


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A lab in a process of its own: its link, and the process."""
    command = [sys.executable, "-m", "steepest", "lab", *arguments, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def watched(browser: Any, link: str, size: tuple[int, int] = SIZES["desktop"], **more: Any) -> Iterator[Any]:
    """A window in which nothing but the lab is asked for, and whose console stays empty; checked at its end."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True, **more)
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    try:
        yield page
    finally:
        context.close()
    own = (link.partition("/?")[0], "data:", "blob:", "about:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert complaints == []


def until(page: Any, expression: str, seconds: float = 60.0) -> None:
    """Wait until something holds; the page's own policy forbids the waiting that evaluates texts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if page.evaluate(expression):
            return
        time.sleep(0.03)
    raise AssertionError(f"not in {seconds:g} s: {expression}; the page says {page.text_content('#message')!r}")


def answered(before: Any) -> str:
    """Whether the page had another answer, and waits for none."""
    more, idle = f"Number(main.dataset.answers) > {before}", "main.ariaBusy === 'false'"
    return f"[...document.querySelectorAll('main')].some((main) => {more} && {idle})"


def numbers(text: str) -> list[float]:
    """The numbers in a text of the page."""
    return [float(part.replace("−", "-")) for part in re.findall(r"[−-]?\d+\.?\d*(?:e[−-]?\d+)?", text)]


def fragment(experiment: dict[str, Any]) -> str:
    """An experiment as it stands in an address."""
    return base64.urlsafe_b64encode(json.dumps(experiment).encode()).decode().rstrip("=")


class Visit:
    """What a visitor does on a page, and how many actions that were."""

    def __init__(self, page: Any):
        self.page, self.actions = page, 0

    def open(self, address: str) -> Visit:
        """Open an address, and wait for its descent."""
        self.page.goto("about:blank")
        self.page.goto(address)
        until(
            self.page,
            "document.querySelector('main')?.dataset.answers > 0 && document.querySelector('main').ariaBusy === 'false'",
        )
        return self

    def ends(self, action: Callable[[], object]) -> None:
        """Do something that makes another descent, and wait for it."""
        before = self.page.get_attribute("main", "data-answers")
        self.act(action)
        until(self.page, answered(before))

    def act(self, action: Callable[[], object]) -> None:
        """Do something that makes none."""
        self.actions += 1
        action()

    def types(self, field: str, value: str) -> None:
        """Type a value and wait for its descent."""
        self.ends(lambda: (self.page.fill(field, value), self.page.press(field, "Enter")))

    def opens_settings(self) -> None:
        self.page.evaluate("document.querySelector('.controls details').open = true")

    def column(self, number: int) -> list[str]:
        """A column of the table of parameters."""
        return self.page.locator(f"#parameters tbody tr td:nth-child({number})").all_text_contents()

    def theta(self) -> list[float]:
        return [numbers(text)[0] for text in self.column(2)]

    def goes_to(self, step: int) -> None:
        """Step on from the start."""
        self.page.evaluate("document.getElementById('first').click()")
        for _ in range(step):
            self.page.evaluate("document.getElementById('forward').click()")
        assert self.page.text_content("#where") == f"step {step:,}"

    def to_the_end(self) -> None:
        self.page.evaluate("document.getElementById('last').click()")

    def spot(self, picture: str, across: float, up: float) -> tuple[float, float]:
        """A place of a picture in the window: shares of the way across and up its axes."""
        self.page.locator(f"#picture-{picture}").scroll_into_view_if_needed()
        box = self.page.locator(f"#picture-{picture} .moving").bounding_box()
        return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]

    def drags(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*begin)
        mouse.down()
        mouse.move(*end, steps=4)
        mouse.up()

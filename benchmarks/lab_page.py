"""The lab's page in a browser: frames while a descent plays, the answer to a changed control, the first paint.

    python benchmarks/lab_page.py [--seconds 10]

A thousand points and five hundred steps, four pictures in sight, in a headless Chromium that draws without a graphics card. An
empty page is measured in the same browser before and after: what it does not reach, no page can.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

SETTINGS = ["--optimizer", "momentum:0.9", "--lr", "0.0002", "--epochs", "500", "--tol", "0"]
FRAME = 1000 / 60
FLAT = ["--no-sandbox", "--disable-gpu"]

FRAMES = """(seconds) => new Promise((done) => {
  const at = [], end = performance.now() + 1000 * seconds;
  const next = (now) => { at.push(now); if (now < end) requestAnimationFrame(next); else done(at); };
  requestAnimationFrame(next);
})"""

ANSWER = """(rate) => new Promise((done) => {
  const typed = document.getElementById("typed-lr"), main = document.querySelector("main"), begun = performance.now();
  new MutationObserver((_, watching) => {
    if (main.ariaBusy === "false") { watching.disconnect(); requestAnimationFrame(() => done(performance.now() - begun)); }
  }).observe(main, { attributeFilter: ["data-answers"] });
  typed.value = rate; typed.dispatchEvent(new Event("change"));
})"""


@contextlib.contextmanager
def lab(*arguments: str) -> Iterator[str]:
    """A lab in a process of its own; its link."""
    command = [sys.executable, "-m", "steepest", "lab", *arguments, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def opened(page: Page, link: str) -> None:
    """Open the lab and wait for its first descent, and for what comes after."""
    page.goto(link)
    page.wait_for_selector("main[aria-busy=false]", timeout=120_000)
    page.wait_for_selector("#findings > *", timeout=120_000)


def told(frames: list[float]) -> str:
    """The time between frames, in words."""
    each = np.diff(frames)
    within = np.mean(each <= 2 * FRAME + 0.5)
    return (
        f"{len(each):4} frames, median {np.median(each):.1f} ms, 99 % {np.quantile(each, 0.99):.1f}, "
        f"worst {each.max():.1f}; at most 33 ms: {within:.1%}"
    )


def empty(page: Page, seconds: float) -> str:
    page.goto("about:blank")
    return told(page.evaluate(FRAMES, seconds))


def played(page: Page, figure: str, seconds: float) -> str:
    """Play from the start, with a figure at the top of what is in sight."""
    page.select_option("#speed", "0.5")  # 500 steps last 16 s
    page.evaluate("figure => document.getElementById(figure).scrollIntoView()", figure)
    page.wait_for_timeout(500)
    page.evaluate("for (const name of ['last', 'first', 'play']) document.getElementById(name).click()")
    return told(page.evaluate(FRAMES, seconds))


def table(folder: str) -> str:
    """A thousand points about a line."""
    random = np.random.default_rng(1)
    x = random.normal(size=1_000)
    rows = np.column_stack([x, 3 * x + 1 + random.normal(size=1_000)])
    np.savetxt(Path(folder) / "points.csv", rows, delimiter=",", header="x,y", comments="")
    return str(Path(folder) / "points.csv")


def measure(page: Page, link: str, seconds: float) -> None:
    """All of it, printed."""
    print("empty page:         ", empty(page, seconds))
    opened(page, link)
    steps = int(page.get_attribute("#scrub", "max") or 0)
    print(f"four pictures, {steps}: ", played(page, "picture-data", seconds))
    page.set_viewport_size({"width": 800, "height": 480})
    print("3-D surface:        ", played(page, "picture-bowl", seconds))
    page.set_viewport_size({"width": 1400, "height": 1000})
    times = []
    for k in range(1, 21):
        page.wait_for_timeout(1_000)  # the findings on the last descent come a little after it
        times.append(page.evaluate(ANSWER, 2e-4 * (1 + 0.01 * k)))
    print(
        f"a changed control:   median {np.median(times):.0f} ms, 95 % {np.quantile(times, 0.95):.0f}, worst {max(times):.0f}"
    )
    paints: list[Any] = []
    for _ in range(5):
        page.goto("about:blank")
        page.goto(link.partition("?")[0])
        page.wait_for_selector("main[aria-busy=false]", timeout=120_000)
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"first paint:         median {np.median(paints):.0f} ms, worst {max(paints):.0f}")
    print("empty page again:   ", empty(page, seconds))


def main() -> None:
    """Serve, browse, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement of frames")
    given = parser.parse_args()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with contextlib.ExitStack() as stack:
        place = table(stack.enter_context(tempfile.TemporaryDirectory()))
        link = stack.enter_context(lab(place, "--target", "y", *SETTINGS))
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAT)
        measure(browser.new_page(viewport={"width": 1400, "height": 1000}), link, given.seconds)
        browser.close()


if __name__ == "__main__":
    main()

"""Take the lab's picture, and a film of it in use: a descent is played, made to diverge and mended, and rules are raced.

python examples/lab_film.py docs/gallery
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

SIZE = {"width": 1280, "height": 800}
SMALLER = (960, 600)
SCRUB = """(share) => { const scrub = document.getElementById('scrub'); scrub.value = Math.round(share * scrub.max);
           scrub.dispatchEvent(new Event('input')); }"""


class Camera:
    """Frames of a page, each with the milliseconds that it is shown."""

    def __init__(self, page: Page):
        self.page, self.frames, self.times = page, [], []

    def shoot(self, milliseconds: int = 90) -> Image.Image:
        taken = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append(taken.resize(SMALLER, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)
        return taken

    def play(self, frames: int) -> None:
        """The descent at hand, from its start to its end."""
        for k in range(frames + 1):
            self.page.evaluate(SCRUB, (k / frames) ** 1.5)
            self.shoot()
        self.times[-1] = 1200

    def answered(self, action: str) -> None:
        """Do something and wait for its answer and its findings."""
        before = self.page.get_attribute("main", "data-answers")
        self.page.evaluate(action)
        self.page.wait_for_selector(f"main[aria-busy=false]:not([data-answers='{before}'])", timeout=120_000)
        self.page.wait_for_timeout(1_500)


def typed(field: str, value: str) -> str:
    """A value typed into a field."""
    return (
        f"const one = document.querySelector('{field}'); one.value = '{value}'; one.dispatchEvent(new Event('change'));"
    )


def film(page: Page, place: Path) -> None:
    """All scenes."""
    camera = Camera(page)
    page.evaluate(SCRUB, 0.08)
    page.wait_for_timeout(500)
    camera.shoot(400).quantize(200, dither=Image.Dither.NONE).save(place / "lab.png", optimize=True)
    camera.play(22)
    camera.answered(typed("#typed-lr", "3.7"))
    camera.play(10)
    camera.answered("document.querySelector('.finding button').click()")
    camera.play(14)
    camera.answered(typed("#typed-lr", "0.05"))
    camera.answered("document.getElementById('race').click()")
    camera.play(24)
    name = place / "lab.webp"
    first, *others = camera.frames
    first.save(name, save_all=True, append_images=others, duration=camera.times, loop=0, quality=55, method=5)
    for each in ("lab.png", "lab.webp"):
        print(f"{place / each}  {(place / each).stat().st_size // 1024} KB")


def main(folder: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "steepest", "lab", "--no-browser"], stdout=subprocess.PIPE, text=True
    ) as lab:
        try:
            assert lab.stdout is not None
            link = lab.stdout.readline().strip()
            with sync_playwright() as play:
                browser = play.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                page = browser.new_context(viewport=SIZE, reduced_motion="reduce").new_page()
                page.goto(link)
                page.wait_for_selector("main[aria-busy=false]", timeout=120_000)
                page.wait_for_selector("#findings > *", timeout=120_000)
                film(page, Path(folder))
                browser.close()
        finally:
            lab.terminate()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/gallery")

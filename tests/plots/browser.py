"""A browser for the tests of pages: the system's Chromium, Chrome or Edge, without a screen and without a network.

`python tests/plots/browser.py` looks for one, and installs Chromium where there is none and it may: on Debian and
Ubuntu, as root or with a sudo that asks for no password. Where there is no browser the tests of pages are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "microsoft-edge-stable", "msedge",
)  # fmt: skip
APPLICATIONS = {
    "Google Chrome": "Google/Chrome/Application/chrome.exe",
    "Chromium": "Chromium/Application/chrome.exe",
    "Microsoft Edge": "Microsoft/Edge/Application/msedge.exe",
}
"""Name on macOS → place below a folder of programs on Windows."""
# 3-D needs a graphics card or, here, one made of software
FLAT = ["--no-sandbox", "--disable-gpu"]  # for pages without 3-D, which that software only makes slow
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
REMEDY = "`sudo apt-get install chromium`, any Chrome or Edge, or `.venv/bin/playwright install chromium`"
MISSING = "needs Chrome, Chromium or Edge, and there is none that opens a page"


@dataclass
class Opened:
    """A page, and what it complained about or asked the network for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium(arguments: Sequence[str] = ARGUMENTS) -> Iterator[Any]:
    """The browser; skips the tests where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = launched(play, arguments)
        if started is None:
            pytest.skip(MISSING)
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


# ---- finding one ---------------------------------------------------------------------------------


def candidates(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Where a browser may be: on the PATH, then where macOS and Windows keep their programs."""
    found = [path for name in NAMES if (path := shutil.which(name, path=environment.get("PATH", "")))]
    if platform == "darwin":
        folders = [Path("/Applications"), Path(environment.get("HOME", "/")) / "Applications"]
        found += [str(folder / f"{name}.app/Contents/MacOS/{name}") for folder in folders for name in APPLICATIONS]
    if platform == "win32":
        variables = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
        folders = [Path(environment[name]) for name in variables if name in environment]
        found += [str(folder / place) for folder in folders for place in APPLICATIONS.values()]
    return [path for path in found if Path(path).is_file()]


def launched(play: Any, arguments: Sequence[str] = ARGUMENTS) -> Any:
    """The first browser that starts and opens a page from disk, playwright's own last; None if there is none.

    Ubuntu's package of Chromium is a script that fails where snap does not run, and a browser from snap sees no /tmp.
    """
    from playwright.sync_api import Error

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text("<title>opened</title>")
        for path in [*candidates(), play.chromium.executable_path]:
            if not Path(path).is_file():
                continue
            try:
                started = play.chromium.launch(executable_path=path, args=list(arguments))
                with opened(started, page) as shown:
                    if shown.page.title() == "opened":
                        return started
                started.close()
            except Error:
                continue
    return None


def installed() -> str | None:
    """The version of the browser that the tests would use; None if there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = launched(play)
        if started is None:
            return None
        version = started.version
        started.close()
        return version


# ---- installing one ------------------------------------------------------------------------------


def rights() -> list[str] | None:
    """What to put before apt-get: nothing as root, sudo where it asks for no password; None where neither will do."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    sudo = ["sudo", "-n"]
    return sudo if subprocess.run([*sudo, "true"], capture_output=True).returncode == 0 else None


def install(before: list[str]) -> None:
    """Chromium from the system's packages; where these hold none that runs (Ubuntu without snap), playwright's own."""
    apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    print("Installing Chromium for the tests of pages: apt-get install chromium", flush=True)
    subprocess.run([*apt, "update"], stdin=subprocess.DEVNULL)
    subprocess.run([*apt, "install", "-y", "--no-install-recommends", "chromium"], stdin=subprocess.DEVNULL)
    if installed() is None:
        print("Installing it in another way: playwright install --with-deps chromium", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"], timeout=600)


def main() -> None:
    """Say which browser there is, or install one where that is allowed; the tests go on without one too."""
    version = installed()
    if version is None and (before := rights()) is not None:
        try:
            install(before)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"That failed: {error}")
        version = installed()
    found = f"Chromium {version}" if version else f"none; the tests of pages are skipped. To get one: {REMEDY}"
    print(f"Browser for the tests of pages: {found}", flush=True)


if __name__ == "__main__":
    main()

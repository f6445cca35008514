"""A class at the lab: sixty students who change a setting every 5 to 15 seconds, on one machine with the lab itself.

    python benchmarks/lab.py [--students 60] [--minutes 10]

Two of the students sit at real browsers, which do not play; the others are simulated. Both are processes of low priority. Each
enters by the link, asks for a small descent, changes one setting, and asks again; all names and numbers that come back must be
their own. Printed are the answers a second, how long they took, how many of them failed, and the memory of the lab's processes in
each quarter of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

from lab_page import ANSWER, FLAT, opened

RATES = (0.001, 0.01, 0.03, 0.1, 0.3)
RULES = ("sgd", "momentum:0.9", "adam", "nesterov:0.9")


def settings_of(draw: random.Random, student: int) -> dict[str, object]:
    """A small experiment with rows that are this student's alone: y = student + k·x."""
    slope = draw.uniform(-3, 3)
    points = [[x / 20, student + slope * x / 20] for x in range(-20, 21)]
    chosen = {"optimizer": draw.choice(RULES), "lr": draw.choice(RATES), "epochs": draw.choice((50, 100, 200, 400))}
    return {"data": "drawing", "points": points, "settings": {**chosen, "seed": draw.randrange(1000)}}


async def student(number: int, link: str, until: float, found: list[tuple[float, float, str]]) -> None:
    """One of them, until the bell rings."""
    draw = random.Random(number)
    origin = link.partition("/?")[0]
    async with httpx.AsyncClient(base_url=origin, timeout=120) as client:
        await client.get(link.removeprefix(origin))
        await client.post("/api/class", json={"name": f"student {number}"})
        await asyncio.sleep(draw.uniform(0, 10))
        while time.monotonic() < until:
            experiment, begun = settings_of(draw, number), time.monotonic()
            try:
                answer = (await client.post("/api/ask", json={"task": "descend", "experiment": experiment})).json()
                said = answer.get("error", "") or wrong(answer, number)
            except httpx.HTTPError as error:
                said = f"{type(error).__name__}: {error}"
            found.append((begun, time.monotonic() - begun, said))
            await asyncio.sleep(draw.uniform(5, 15))


def wrong(answer: dict, number: int) -> str:
    """What is not this student's own in an answer; "" if nothing is. The exact intercept is the student's number."""
    exact = np.frombuffer(base64.b64decode(answer["exact"]["f8"]), dtype="<f8")
    return "" if abs(exact[0] - number) < 1e-6 * max(1, number) else f"somebody else's answer: {exact}"


def simulate(link: str, students: int, seconds: float, results: multiprocessing.Queue) -> None:
    """The whole class, in a process of low priority."""
    os.nice(19)
    found: list[tuple[float, float, str]] = []

    async def whole() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(student(number, link, until, found) for number in range(1, students + 1)))

    asyncio.run(whole())
    results.put(found)


def browse(link: str, count: int, seconds: float, results: multiprocessing.Queue) -> None:
    """Students at real browsers, in a process of low priority: another learning rate every few seconds."""
    os.nice(19)
    found: list[tuple[float, float, str]] = []
    draw, until = random.Random(0), time.monotonic() + seconds
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAT)
        pages = [browser.new_context(reduced_motion="reduce").new_page() for _ in range(count)]
        for page in pages:
            opened(page, link)
        while time.monotonic() < until:
            page, begun = draw.choice(pages), time.monotonic()
            took = page.evaluate(ANSWER, draw.uniform(0.001, 0.3)) / 1000
            bad = page.evaluate("document.getElementById('message').classList.contains('bad')")
            found.append((begun, took, (page.text_content("#message") or "") if bad else ""))
            page.wait_for_timeout(1000 * draw.uniform(5, 15) / max(count, 1))
        browser.close()
    results.put(found)


def memory(process: int) -> float:
    """Resident MB of a process and all below it."""
    total = 0.0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parts = (place / "stat").read_text().rpartition(")")[2].split()
            if int(place.name) == process or int(parts[1]) == process:
                total += int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except (OSError, ValueError):
            continue
    return total


def main() -> None:
    """Serve, simulate, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--browsers", type=int, default=2, help="of these, at real browsers")
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    command = [sys.executable, "-m", "steepest", "lab", "--no-browser", "--classroom", "--host", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout is not None
        link = lab.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
        results: multiprocessing.Queue = multiprocessing.Queue()
        seconds = 60 * given.minutes
        at_browsers = multiprocessing.Process(target=browse, args=(link, given.browsers, seconds, results))
        others = multiprocessing.Process(
            target=simulate, args=(link, given.students - given.browsers, seconds, results)
        )
        for class_of in (at_browsers, others):
            class_of.start()
        kept = []
        for _ in range(4):
            time.sleep(seconds / 4)
            kept.append(memory(lab.pid))
        found = results.get() + results.get()
        for class_of in (at_browsers, others):
            class_of.join()
        lab.send_signal(signal.SIGINT)
    times = np.array([took for _, took, _ in found])
    failed = [said for _, _, said in found if said]
    print(f"load of this machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"{len(found):,} descents of {given.students} students in {given.minutes:g} minutes: {len(found) / seconds:.1f} a second"
    )
    print(
        f"answered after {np.median(times):.2f} s (median), {np.quantile(times, 0.95):.2f} s (95 %), {times.max():.2f} s (worst)"
    )
    print(f"within 2 s: {np.mean(times <= 2):.1%}; failed: {len(failed)}", *sorted(set(failed))[:5], sep="\n")
    print("memory of the lab:", " → ".join(f"{mb:,.0f} MB" for mb in kept))


if __name__ == "__main__":
    main()

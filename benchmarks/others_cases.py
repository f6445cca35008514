"""Other people's mistakes, each diagnosed, treated as printed and judged, and its healthy twin; writes docs/others_cases.md.

    python benchmarks/others_cases.py [--half known|held] [--processes N] [--seconds N] [--details] [WORDS …]

Both halves, each case with two seeds. What a case is, and what counts as cured, stands in tests/others. Each is examined in a
process of its own that is ended when the seconds are over, so that one that hangs costs nothing but itself. With a half or
with words (cases that have one of them in their name, kind or codes), no page is written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from others import judge
from others.case import KINDS, SEEDS, Case, cases
from others.judge import Outcome, examined
from others.wilson import interval

PAGE = Path(__file__).parents[1] / "docs" / "others_cases.md"

Half = Literal["known", "held"]
HALVES: tuple[Half, ...] = ("known", "held")
HALF_WORDS = {
    "known": "Known while the checks were written",
    "held": "Held back: fixed before any check was touched, and only run",
}

Counted = tuple[int, int]
"""How many, and of how many."""


def _share(one: Callable[[Outcome], bool], of: Callable[[Outcome], bool] = lambda outcome: True) -> Any:
    def counted(outcomes: Sequence[Outcome]) -> Counted:
        asked = [outcome for outcome in outcomes if of(outcome)]
        return sum(map(one, asked)), len(asked)

    return counted


GOALS: dict[str, tuple[float, Callable[[Sequence[Outcome]], Counted]]] = {
    "cause first": (0.80, _share(lambda outcome: outcome.first)),
    "cured as printed, of the causes found": (
        0.80,
        _share(lambda outcome: outcome.cured, lambda outcome: outcome.named),
    ),
    "findings that are true": (
        0.90,
        lambda outcomes: (sum(one.true for one in outcomes), sum(len(one.found) for one in outcomes)),
    ),
    "healthy twin without a finding": (0.95, _share(lambda outcome: outcome.quiet)),
    "twin that truly trains": (1.0, _share(lambda outcome: outcome.trains)),
    "diagnosed in twice the fit, or in a second": (1.0, _share(lambda outcome: outcome.soon)),
}


class Worker:
    """A process that examines one case after another; another takes its place where one is not done in time."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()

    def examined(self, half: Half, place: int, case: Case, seed: int) -> Outcome:
        """The outcome, or why there is none."""
        try:
            self._ours.send((half, place, seed))
            if self._ours.poll(self._seconds):
                return self._ours.recv()
            error = f"not done in {self._seconds:.0f} s"
        except (EOFError, OSError):
            error = "the process ended"
        self.stop()
        self._start()
        return Outcome(case.name, case.kind, seed, error=error)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def serve(questions: Connection) -> None:
    """Answer with an outcome for each case asked for, until nobody asks."""
    while True:
        try:
            half, place, seed = questions.recv()
        except EOFError:
            return
        case = cases(half)[place]
        try:
            outcome = examined(case, seed)
        except Exception as error:  # whatever it is, it belongs to this case
            outcome = Outcome(case.name, case.kind, seed, error=f"{type(error).__name__}: {error}")
        questions.send(outcome)


def examination(chosen: Sequence[tuple[Half, int, Case]], processes: int, seconds: float) -> Iterator[Outcome]:
    """The outcome of each case with each seed, in order."""
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(processes):
        workers.put(Worker(seconds))

    def one(half: Half, place: int, case: Case, seed: int) -> Outcome:
        worker = workers.get()
        try:
            return worker.examined(half, place, case, seed)
        finally:
            workers.put(worker)

    asked = [(*each, seed) for each in chosen for seed in SEEDS]
    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(lambda each: one(*each), asked)
    while not workers.empty():
        workers.get().stop()


def totals(outcomes: Sequence[Outcome]) -> list[str]:
    """One row of Markdown a goal: the count, the share with its interval, the goal, whether it is met."""
    rows = ["| | count | share | 95 % | goal | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for words, (wanted, counted) in GOALS.items():
        met, of = counted(outcomes)
        verdict = "met" if met >= wanted * of else "missed"
        low, high = interval(met, of)
        share = f"{met / of:.0%}" if of else "–"
        rows.append(f"| {words} | {met} of {of} | {share} | {low:.0%}–{high:.0%} | {wanted:.0%} | {verdict} |")
    return rows


def by_kind(outcomes: Sequence[Outcome]) -> list[str]:
    """One row of Markdown a kind of fault: each goal's count, with its interval."""
    rows = [f"| | {' | '.join(GOALS)} |", f"| --- {'| ---: ' * len(GOALS)}|"]
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        figures = (counted(own) for _, counted in GOALS.values())
        rows.append(f"| {kind} | {' | '.join(cell(*figure) for figure in figures)} |")
    return rows


def cell(met: int, of: int) -> str:
    """A count with its interval; a dash where there is none."""
    low, high = interval(met, of)
    return f"{met} of {of} ({low:.0%}–{high:.0%})" if of else "–"


def told(case: Case, outcomes: Sequence[Outcome]) -> list[str]:
    """What became of one case, in Markdown."""
    lines = [
        f"### {case.name}",
        "",
        f"{case.kind.capitalize()}; {' or '.join(case.codes)}; told at <{case.source}>.",
        "",
    ]
    for outcome in outcomes:
        lines.append(f"- Seed {outcome.seed}: {outcome.error or '; '.join(_became(outcome))}.")
    return [*lines, ""]


def _became(outcome: Outcome) -> Iterator[str]:
    code, what = outcome.found[0] if outcome.found else ("nothing", "")
    yield f"{'**' + code + '**' if outcome.first else code} first" + (f" ({what.rstrip('.')})" if what else "")
    if outcome.named:
        yield f"{'cured' if outcome.cured else 'not cured'} by `{' '.join(outcome.remedy.split())}`: {outcome.why}"
    yield f"twin: {', '.join(code for code, _ in outcome.twin) or 'quiet'}" + (
        "" if outcome.trains else ", not trained"
    )


def page(results: dict[Half, list[tuple[Case, list[Outcome]]]]) -> str:
    """docs/others_cases.md."""
    lines = [
        "# Other people's mistakes",
        "",
        f"`make others` wrote this page: {sum(map(len, results.values()))} faults as they are told in public (each with its",
        f"address), rebuilt with other numbers, and beside each a healthy twin; every one with {len(SEEDS)} seeds. Shares stand",
        "with the interval of Wilson (1927).",
        "",
    ]  # fmt: skip
    for half, pairs in results.items():
        outcomes = [outcome for _, own in pairs for outcome in own]
        lines += [f"## {HALF_WORDS[half]}", "", f"{len(pairs)} cases.", "", *totals(outcomes), ""]
        lines += ["By kind:", "", *by_kind(outcomes), ""]
    judged = (judge.__doc__ or "").split("constant.\n\n", 1)[1].rstrip()
    lines += ["## What is judged", "", "```text", judged, "```", ""]
    for half, pairs in results.items():
        lines += [f"## {half.capitalize()}, case by case", ""]
        for case, own in pairs:
            lines += told(case, own)
    return "\n".join(lines)


def main(halves: Sequence[Half], words: Sequence[str], processes: int, seconds: float, details: bool) -> int:
    began = time.perf_counter()
    chosen = [
        (half, place, case)
        for half in halves
        for place, case in enumerate(cases(half))
        if not words or any(word in f"{case.name} {case.kind} {' '.join(case.codes)}" for word in words)
    ]
    results: dict[Half, list[tuple[Case, list[Outcome]]]] = {half: [] for half in halves}
    outcomes = examination(chosen, processes, seconds)
    for (half, _, case), own in zip(chosen, zip(*[outcomes] * len(SEEDS), strict=True), strict=True):
        results[half].append((case, list(own)))
        print("\n".join(told(case, own) if details else map(in_a_line, own)), flush=True)
    for half, pairs in results.items():
        every = [outcome for _, own in pairs for outcome in own]
        print("", half, *totals(every), "", *by_kind(every), sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")
    if len(halves) == len(HALVES) and not words:
        PAGE.write_text(page(results), encoding="utf-8")
    return 0


def in_a_line(outcome: Outcome) -> str:
    """An outcome as it comes."""
    found = " ".join(code for code, _ in outcome.found) or "nothing"
    marks = "  ".join(
        f"{name} {'yes' if getattr(outcome, name) else 'NO '}" for name in ("first", "cured", "quiet", "trains")
    )
    fit, diagnosis = outcome.seconds
    end = f"fit {fit:.1f} s, diagnosis {diagnosis:.1f} s  {outcome.error}{'; '.join(outcome.failed)}"
    return f"{outcome.kind:<17} {outcome.name[:64]:<64} [{outcome.seed}] {marks}  {found:<24} {end}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, action="append")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--details", action="store_true")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    raise SystemExit(main(given.half or HALVES, given.words, given.processes, given.seconds, given.details))

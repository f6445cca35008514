"""Every healthy fit diagnosed: each finding on it that is not true of its data is a false alarm.

    python benchmarks/healthy_fits.py [--processes N] [WORDS …]

What a healthy fit is stands in tests/healthy. With words, only cases that have one of them in their name or file.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from healthy.case import Outcome, cases, examined
from others.wilson import interval


def one(asked: tuple[int, int]) -> Outcome:
    """The outcome of a case, by its place, with a seed."""
    case, seed = cases()[asked[0]], asked[1]
    try:
        return examined(case, seed)
    except Exception as error:  # whatever it is, it belongs to this case
        return Outcome(case.name, seed, float("inf"), 1.0, 1.0, failed=(f"{type(error).__name__}: {error}",))


def told(outcome: Outcome, details: bool) -> str:
    """An outcome as it comes."""
    fit, diagnosis = outcome.seconds
    found = " ".join(finding.code for finding in outcome.found) or "quiet"
    mark = "FALSE" if outcome.false else "     "
    line = f"{mark} {outcome.name[:70]:<70} [{outcome.seed}] {found:<14} {outcome.score / outcome.reference:8.4f}"
    line += f"{' ' if outcome.well else ' NOT WELL'} {fit:.2f} s, {diagnosis:.2f} s {'; '.join(outcome.failed)}"
    if details:
        line += "".join(
            f"\n          {finding.code} {finding.what}\n            {finding.evidence}\n            {finding.python} "
            f"{finding.advice} {finding.predicted}"
            for finding in outcome.found
        )
    return line


def count(words: str, met: int, of: int) -> str:
    """A share with its interval."""
    low, high = interval(met, of)
    return f"{words}: {met} of {of} ({low:.1%}–{high:.1%})"


def main(words: Sequence[str], processes: int, details: bool) -> int:
    began = time.perf_counter()
    asked = [
        (place, seed)
        for place, case in enumerate(cases())
        if not words or any(word in f"{case.name} {case.file}" for word in words)
        for seed in case.seeds
    ]
    outcomes = []
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for outcome in pool.map(one, asked):
            outcomes.append(outcome)
            print(told(outcome, details), flush=True)
    print()
    print(count("well, by their references", sum(one.well for one in outcomes), len(outcomes)))
    print(count("quiet", sum(not one.false and not one.failed for one in outcomes), len(outcomes)))
    print(count("diagnosed in twice the fit, or in a second", sum(one.soon for one in outcomes), len(outcomes)))
    print(f"{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--details", action="store_true")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    raise SystemExit(main(given.words, given.processes, given.details))

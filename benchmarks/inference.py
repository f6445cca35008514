"""How many digits of `fit.summary()` agree with NIST, statsmodels and the formulas; writes docs/inference.md.

    python benchmarks/inference.py

Each number is looked at on the tables of tests/inference_cases.py and tests/family_cases.py; the fewest digits over all of
them are written.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from math import inf, log10
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import steepest as st

from family_cases import compared_families
from inference_cases import TABLES, compared
from nist import NIST, NIST_ANALYSIS

PAGE = Path(__file__).parents[1] / "docs" / "inference.md"
COLUMNS = ("value", "std_error", "statistic", "p_value", "low", "high", "low, high")
MARK = "<!-- from here on written by benchmarks/inference.py -->\n"


def fewest() -> dict[tuple[str, str, str], float]:
    """(number, fit, source) → the fewest digits that agree, over all tables."""
    found: dict[tuple[str, str, str], float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(TABLES):
            for one in (*compared(seed), *compared_families(seed)):
                key = one.what, one.of, one.source
                found[key] = min(found.get(key, inf), one.digits)
    return found


def certified() -> Iterator[tuple[str, str, str, str]]:
    """Of each of NIST's problems: its name, and the digits of its standard deviations, R² and F."""
    for name, known in NIST.items():
        model = "linear" if known.degree == 1 else f"poly:{known.degree}"
        found = st.fit(known.columns, known.target, model=model, intercept=known.intercept).summary()
        analysis = NIST_ANALYSIS[name]
        errors = found.coefficients.column("std_error").to_pylist()
        pairs = list(zip(errors, analysis.deviations, strict=True))
        deviations = min(_digits(ours, theirs) for ours, theirs in pairs)
        told = f"{deviations:.1f}" if max(analysis.deviations) else f"0, and here at most {max(errors):.0e}"
        f = f"{_digits(found.f, analysis.f):.1f}" if analysis.f < inf else f"infinite, and here {found.f:.0e}"
        yield name, told, f"{_digits(found.r2, analysis.r2):.1f}", f


def _digits(ours: float, theirs: float) -> float:
    """Digits that agree, of the fifteen that are certified."""
    off = abs(ours - theirs) / abs(theirs) if theirs else abs(ours)
    return 15.0 if off == 0 else min(15.0, -log10(off))


def order(what: str) -> int:
    """Columns of the table first, in its order."""
    return COLUMNS.index(what) if what in COLUMNS else len(COLUMNS)


def page() -> str:
    """What stands below the mark."""
    lines = [
        "## NIST's certified values",
        "",
        "| problem | standard deviations | R² | F |",
        "| --- | --- | --- | --- |",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in certified()]
    lines += ["", f"## The fewest digits that agree on {TABLES} tables", ""]
    lines += ["| number | compared with | digits, by what was fitted |", "| --- | --- | --- |"]
    found: dict[tuple[str, str], list[str]] = {}
    for (what, of, source), digits in sorted(fewest().items(), key=lambda one: order(one[0][0])):
        found.setdefault((what, source), []).append(f"{of}: {digits:.1f}")
    lines += [f"| `{what}` | {source} | {'; '.join(each)} |" for (what, source), each in found.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n" + page(), encoding="utf-8")
    print(PAGE)

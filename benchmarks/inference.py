"""How many digits of `fit.summary()` agree with NIST, statsmodels and the formulas; writes docs/inference.md.

    python benchmarks/inference.py

Each number is looked at on the tables of tests/inference_cases.py and its like beside it; the fewest digits over all of them are
written.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from math import inf, log10
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import steepest as st

from family_cases import compared_families
from inference_cases import TABLES, Compared, compared
from inference_figure_cases import compared_figures
from inference_whole_cases import COVS, compared_whole
from nist import NIST, NIST_ANALYSIS

PAGE = Path(__file__).parents[1] / "docs" / "inference.md"
COLUMNS = ("value", "std_error", "statistic", "p_value", "low", "high", "low, high")
CHANGED = ("std_error", "statistic", "p_value", "low", "high", "covariance", "f", "f_p_value")
"""Numbers that the covariance changes."""
MARK = "<!-- from here on written by benchmarks/inference.py -->\n"


def fewest(*compare: Callable[[int], Iterable[Compared]]) -> dict[tuple[str, str, str], float]:
    """(number, fit, source) → the fewest digits that agree, over all tables."""
    found: dict[tuple[str, str, str], float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(TABLES):
            for one in (one for each in compare for one in each(seed)):
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
    tables = fewest(compared, compared_families, compared_figures)
    for (what, of, source), digits in sorted(tables.items(), key=lambda one: order(one[0][0])):
        found.setdefault((what, source), []).append(f"{of}: {digits:.1f}")
    lines += [f"| `{what}` | {source} | {'; '.join(each)} |" for (what, source), each in found.items()]
    return "\n".join([*lines, *every_number()]) + "\n"


def every_number() -> Iterator[str]:
    """Each number of a summary by what was fitted; those that the covariance changes by each of them."""
    kinds = ["nonrobust", *(cov.partition(":")[0] for cov in COVS[1:])]
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for (what, of, source), digits in fewest(compared_whole).items():
        fit, _, last = of.rpartition(", ")
        fit, cov = (fit, last) if last in kinds else (of, "nonrobust")
        found.setdefault((what, fit, source), {})[cov] = digits
    yield from ["", f"## The same of every number, loss and covariance, on {TABLES} tables", ""]
    yield from ["Of l1 and quantiles the descent ends with as many digits of a value as `digits` says.", ""]
    yield "| number | what was fitted | compared with | " + " | ".join(kinds) + " |"
    yield "| --- " * (3 + len(kinds)) + "|"
    others: dict[tuple[str, str], list[str]] = {}
    for (what, fit, source), each in sorted(found.items(), key=lambda one: order(one[0][0])):
        if what in CHANGED:
            shown = [f"{each[kind]:.1f}" if kind in each else "–" for kind in kinds]
            yield f"| `{what}` | {fit} | {source} | {' | '.join(shown)} |"
        else:
            others.setdefault((what, source), []).append(f"{fit}: {min(each.values()):.1f}")
    yield from [
        "",
        "| number | compared with | digits, by what was fitted, under whichever covariance |",
        "| --- | --- | --- |",
    ]
    yield from (f"| `{what}` | {source} | {'; '.join(each)} |" for (what, source), each in others.items())


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n" + page(), encoding="utf-8")
    print(PAGE)

"""Correct digits on NIST's certified regressions: our defaults beside numpy.linalg.lstsq on raw powers.

    python benchmarks/nist.py

A coefficient's correct digits are -log10 of its relative error, at most 15; a row shows
the worst coefficient.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from steepest.cli.commands import main as steepest

from nist import NIST, Certified


def digits(theta: np.ndarray, certified: np.ndarray) -> float:
    """Correct digits of the worst coefficient: -log10 of its relative error, from 0 to 15."""
    error = np.abs(theta - certified) / np.where(certified == 0, 1.0, np.abs(certified))
    return float(np.clip(-np.log10(np.maximum(error, 1e-15)), 0.0, 15.0).min())


def by_descent(problem: Certified, folder: str) -> tuple[np.ndarray, float]:
    """The coefficients that the command prints with its default settings, and its seconds."""
    table = Path(folder, "table.csv")
    rows = [[*x, y] for x, y in zip(problem.x, problem.y, strict=True)]
    lines = [[*problem.names, "y"], *rows]
    table.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    words = ["fit", str(table), "--target", "y", "--json", "--quiet"]
    words += ["--model", f"poly:{problem.degree}"] if problem.degree > 1 else []
    words += [] if problem.intercept else ["--no-intercept"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = steepest(words)
    if code:
        raise SystemExit(f"steepest {' '.join(words)} ended with code {code}")
    found = json.loads(printed.getvalue())
    return np.array([found["params"][term] for term in problem.terms]), found["seconds"]


def by_lstsq(problem: Certified) -> np.ndarray:
    """numpy.linalg.lstsq on the raw powers, rounded to float64."""
    design = np.array([[float(value) for value in row] for row in problem.design()])
    return np.linalg.lstsq(design, problem.target, rcond=None)[0]


def main() -> None:
    print(f"{'problem':<12}{'terms':>6}{'rows':>6}{'steepest':>10}{'lstsq':>8}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, problem in NIST.items():
            theta, seconds = by_descent(problem, folder)
            ours, theirs = digits(theta, problem.theta), digits(by_lstsq(problem), problem.theta)
            print(f"{name:<12}{len(problem.terms):>6}{len(problem.y):>6}{ours:>10.1f}{theirs:>8.1f}{seconds:>9.3f}")


if __name__ == "__main__":
    main()

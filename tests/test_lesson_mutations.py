"""The asserts of the lessons notice a mistake in a formula: `lesson_mutants.py` makes the mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lesson_cells import NAMES

# fmt: off
EQUIVALENT = {
    "_, b = descend(torch.tensor(z), y64, lr=0.1, steps=200) | 0.1: 0.2":
        "another good rate: it arrives at the same line",
    "_, b = descend(torch.tensor(z), y64, lr=0.1, steps=200) | 200: 201":
        "one step more, after it has arrived",
    "correlation = np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std()) | x and y swapped":
        "a correlation is the same both ways",
    "correlation = np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std()) | x - x.mean(): the other sign":
        "a constant times y - y.mean() has the mean 0",
    "correlation = np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std()) | y - y.mean(): the other sign":
        "a constant times x - x.mean() has the mean 0",
    "steepness = [(jumps[i] - jumps[j]) / (chins[i] - chins[j]) for i, j in pairs] | i and j swapped":
        "the line through two points, whichever is the first",
    "errors = [np.mean(abs(jumps - a - b * chins)) for a, b in zip(heights, steepness, strict=True)] | b and chins swapped":
        "a product is the same both ways",
    "a, b = np.meshgrid(by_formula[0] + side, by_formula[1] + side) | by_formula[0] + side: the other sign":
        "the same grid from the other end",
    "a, b = np.meshgrid(by_formula[0] + side, by_formula[1] + side) | by_formula[1] + side: the other sign":
        "the same grid from the other end",
    "slope = square * minus * logarithm * exponential | square and minus swapped": "a product is the same both ways",
    "slope = square * minus * logarithm * exponential | minus and logarithm swapped": "a product is the same both ways",
    "slope = square * minus * logarithm * exponential | logarithm and exponential swapped": "a product is the same both ways",
    "error = vectors.T @ (np.zeros(11) - normal) | vectors and normal swapped": "one of the two is a vector: the same sums",
    "return normal + vectors @ ((1 - rate * values) ** steps * error) | rate and values swapped":
        "a product is the same both ways",
    "low, high = (0, 10 ** 12) | 0: 1": "another place to search from",
    "low, high = (0, 10 ** 12) | 10: 11": "another place to search from",
    "low, high = (0, 10 ** 12) | 12: 13": "another place to search from",
    "middle = (low + high) // 2 | low and high swapped": "a sum is the same both ways",
    "optimum = Z.T @ progression / len(bmi) | Z and progression swapped":
        "one of the two is a vector: the same sums",
    "velocity = mu * velocity + gradient(theta) | mu and velocity swapped":
        "a product is the same both ways",
    "theta = theta - lr * velocity | lr and velocity swapped":
        "a product is the same both ways",
    "theta = theta - lr * (m / (1 - b1 ** t)) / (np.sqrt(v / (1 - b2 ** t)) + 1e-08) | lr and m swapped":
        "a product is the same both ways",
    "out += kernel[i, j] * image[i:i + out.shape[0], j:j + out.shape[1]] | i and j swapped":
        "both run over 0, 1, 2, so the sum has the same terms",
}
# fmt: on
"""A change → why it changes nothing that a reader could see."""


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_asserts_notice_mistakes_in_formulas(name, tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("lesson_mutants.py")), name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    found = [(words, seen) for _, words, seen in json.loads(done.stdout.splitlines()[-1]) if words not in EQUIVALENT]
    survived = [words for words, seen in found if not seen]
    assert len(found) >= 30
    assert len(survived) <= 0.05 * len(found), f"{len(survived)} of {len(found)} went unnoticed: {survived}"

"""The convex problems of the study of rules: made from their number alone, at most 2,000 rows and 30 parameters.

Losses, batches, sizes, how unlike the columns are in size and how collinear they are change from one to the next, so that any
number of them from the first on has some of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LOSSES = (
    "mse",
    "logistic",
    "huber:1",
    "l1",
    "cross_entropy",
    "mse",
    "quantile:0.9",
    "logistic",
    "logcosh",
    "expectile:0.8",
)


@dataclass(frozen=True)
class Made:
    """One problem. batch: rows of one; None for all of them."""

    number: int
    x: np.ndarray
    y: np.ndarray
    loss: str
    penalty: str
    batch: int | None
    described: dict[str, Any]


def made(number: int) -> Made:
    """The problem of that number: every fourth has full batches, the others 20 or 40 to the epoch.

    Columns are normal, of sizes between 1 and `spread`, with a share `common` of their variance in common; a third of the
    targets of regressions have heavy tails.
    """
    random = np.random.default_rng([number, 18])
    loss = LOSSES[number % len(LOSSES)]
    whole = number % 4 == 3
    rows = int(10 ** (random.uniform(1.7, 2.7) if whole else random.uniform(2.3, 3.1)))
    columns = int(random.integers(2, 9 if loss == "cross_entropy" else 29))
    spread = (1.0, 3.0, 10.0)[number % 3]
    common = (0.0, 0.5, 0.9)[int(random.integers(3))]
    batch = None if whole else rows // (20, 40)[int(random.integers(2))]
    shared = random.normal(size=(rows, 1))
    x = np.sqrt(common) * shared + np.sqrt(1.0 - common) * random.normal(size=(rows, columns))
    x *= spread ** random.uniform(size=columns)
    truth = random.normal(size=columns) / x.std(0)
    signal = x @ truth + random.normal()
    if loss == "logistic":
        y = (random.uniform(size=rows) < 1.0 / (1.0 + np.exp(-signal))).astype(float)
    elif loss == "cross_entropy":
        scores = np.column_stack([signal, x @ random.normal(size=columns) / x.std(), np.zeros(rows)])
        y = np.argmax(scores + random.gumbel(size=scores.shape), axis=1)
    else:
        noise = random.standard_t(2, size=rows) if random.uniform() < 1 / 3 else random.normal(size=rows)
        y = signal + noise
    # classes may be separable without a penalty; for the others it is there or not
    penalised = loss in ("logistic", "cross_entropy") or random.uniform() < 0.3
    strength = float(f"{10 ** random.uniform(-3, -1):.1g}")
    described = {
        "loss": loss, "rows": rows, "columns": columns, "batch": batch, "spread": spread, "common": common,
        "penalty": strength if penalised else 0.0,
    }  # fmt: skip
    return Made(number, x, y, loss, f"l2:{strength}" if penalised else "none", batch, described)

"""A table with text, numbers as levels, truth values, missing values and dates, and targets: what is handed on to other tools."""

from __future__ import annotations

import numpy as np
import pandas

RANDOM = np.random.default_rng(0)
N = 60
TABLE = pandas.DataFrame(
    {
        "city": RANDOM.choice(["Oslo", "Rome", "Bern"], N),
        "size": RANDOM.normal(100, 20, N).round(1),
        "zip": RANDOM.choice([7001, 7002, 7003], N),
        "new": RANDOM.random(N) < 0.5,
        "age": np.where(RANDOM.random(N) < 0.2, np.nan, RANDOM.integers(0, 80, N)),
        "when": pandas.date_range("2024-03-01 06:00", periods=N, freq="31h"),
    }
)
TABLE["kind"] = pandas.Series(RANDOM.choice(["a", "b"], N)).where(RANDOM.random(N) < 0.8, None)
NUMBER = TABLE["size"] * 2 + (TABLE["city"] == "Rome") * 30 + RANDOM.normal(size=N)
CLASS = np.where(NUMBER + RANDOM.normal(0, 30, N) > 215, "high", "low")
THREE = np.where(TABLE["city"] == "Rome", "r", CLASS)
TARGETS = {"number": NUMBER, "class": CLASS, "three": THREE, "count": RANDOM.poisson(3.0, N), "flag": CLASS == "high"}

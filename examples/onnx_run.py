"""A fit of a table with text, dates and missing values as a model of ONNX, and what onnxruntime makes of the same table.

make examples
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import pandas

import steepest as st

random = np.random.default_rng(0)
table = pandas.DataFrame(
    {
        "city": random.choice(["Bern", "Oslo", "Rome"], 200),
        "size": random.normal(100, 20, 200),
        "age": np.where(random.random(200) < 0.1, np.nan, random.integers(0, 80, 200)),
        "sold": pandas.date_range("2025-01-01", periods=200, freq="37h"),
    }
)
table["price"] = 3 * table["size"] + 40 * (table["city"] == "Oslo") + random.normal(0, 5, 200)
fit = st.fit(table, target="price", missing={"age": "mean"}, date={"sold": "parts"})

with tempfile.TemporaryDirectory() as folder:
    session = onnxruntime.InferenceSession(fit.to_onnx(Path(folder, "price.onnx")))
given = {
    "city": table[["city"]].to_numpy(dtype=object),
    "size": table[["size"]].to_numpy(),
    "age": table[["age"]].to_numpy(),
    "sold": table[["sold"]].astype("datetime64[us]").to_numpy().astype(np.int64),
}
(prediction,) = session.run(["prediction"], given)
print("largest difference:", float(abs(prediction - fit.predict(table)).max() / abs(prediction).max()))

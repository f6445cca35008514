"""What the page shows is what is true: θ equals the exact answer to the digits shown, or the page says why not."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.data.synthetic import sample_names
from steepest.formulas.losses import LOSSES
from steepest.formulas.rules import RULES
from steepest.formulas.schedules import SCHEDULES
from steepest.lab.tasks import Uploads, perform
from steepest.lab.workers import Failed, Pool

SHOWN = 7  # significant digits of a parameter on the page
ARRIVING = ("auto", "orthonormal")  # coordinates in which the descent arrives, whatever the table
COORDINATES = ("auto", "none", "standardize", "orthonormal")


def numbers(packed):
    ((kind, text), _) = packed.items()
    return np.frombuffer(base64.b64decode(text), dtype=f"<{kind}").reshape(packed["shape"])


def table(seed):
    """A random table: columns of sizes 1e-6 to 1e6, far from zero or not, nearly dependent or not."""
    random = np.random.default_rng(seed)
    rows, columns = int(random.integers(8, 60)), int(random.integers(1, 5))
    x = random.normal(size=(rows, columns))
    if columns > 1 and random.random() < 0.4:
        x[:, -1] = x[:, 0] + 10.0 ** random.uniform(-9, -1) * x[:, -1]
    x = x * 10.0 ** random.uniform(-6, 6, columns) + (random.random(columns) < 0.4) * 10.0 ** random.uniform(
        -3, 5, columns
    )
    y = x @ (random.normal(size=columns) / np.abs(x).max(0)) + 0.3 * random.normal(size=rows)
    return {f"x{i}": x[:, i] for i in range(columns)} | {"y": y * 10.0 ** random.uniform(-4, 4)}


def agrees(folder, seed, precondition):
    pq.write_table(pa.table(table(seed)), folder / f"{seed:032x}.parquet")
    settings = {"target": "y", "precondition": precondition}
    job = {"task": "descend", "experiment": {"data": f"upload:{seed:032x}", "settings": settings}}
    answer = perform(job, Uploads(folder))
    assert "error" not in answer, answer
    if answer["exact"] is None:  # columns so nearly collinear that float64 holds no answer
        return False, "There is no exact answer to compare with" in answer["words"]["message"]
    theta, exact = numbers(answer["frames"]["theta"])[-1], numbers(answer["exact"])
    independent = st.fit(str(folder / f"{seed:032x}.parquet"), target="y").exact.theta
    assert np.array_equal(exact, independent)
    near = np.abs(theta - exact) <= 0.5 * 10.0 ** (1 - SHOWN) * np.abs(exact)
    digits = np.floor(numbers(answer["frames"]["digits"])[-1])
    told = answer["words"]["status"] != "converged" or "warnings" in answer or (digits[~near] < SHOWN).all()
    return bool(near.all()), told


@pytest.mark.parametrize("precondition", COORDINATES)
def test_theta_is_the_exact_answer_to_the_digits_shown_or_it_is_said(tmp_path, precondition):
    found = [agrees(tmp_path, seed, precondition) for seed in range(12)]
    assert all(near or told for near, told in found)
    if precondition in ARRIVING:
        assert sum(near for near, _ in found) >= 9


@pytest.mark.soak
@pytest.mark.parametrize("precondition", COORDINATES)
def test_a_thousand_tables_agree(tmp_path, precondition):
    found = [agrees(tmp_path, seed, precondition) for seed in range(1_000)]
    assert all(near or told for near, told in found)
    print(precondition, np.mean([near for near, _ in found]))


def combination(seed):
    """A random combination of the page's controls."""
    random = np.random.default_rng([seed, 7])
    pick = lambda values: values[int(random.integers(len(values)))]  # noqa: E731
    losses = [name for name, choice in LOSSES.items() if not choice.fewest]
    settings = {
        "optimizer": pick(["auto", *RULES]),
        "lr": pick([None, 1e-6, 0.01, 0.3, 10.0, 1e300]),
        "schedule": pick(["auto", "constant", "inverse", "cosine", "step:5,0.5", "warmup:3"]),
        "batch_size": pick([None, 1, 7, 10_000]),
        "epochs": pick([None, 1, 17]),
        "precondition": pick(COORDINATES),
        "model": pick([None, "poly:2", "poly:7", "logistic", "softmax", "mlp:3"]),
        "loss": pick([None, "huber:1", "quantile:0.9", *losses]),
        "penalty": pick([None, "l2:0.1", "l1:0.1", "elastic:0.1,0.1"]),
        "init": pick([None, "normal", "uniform:-1:1", [1.0], [1.0, 2.0]]),
        "clip": pick([None, 1e-3]),
        "tol": pick([None, 0.0, 0.1]),
        "intercept": pick([None, False]),
        "validation": pick([None, 0.3]),
        "patience": pick([None, 2]),
        "test_fraction": pick([None, 0.25]),
        "dtype": pick([None, None, "float32"]),
    }
    settings = {name: value for name, value in settings.items() if value not in (None, "auto")}
    data = pick([f"sample:{name}" for name in sample_names() if name not in ("digits", "noisy_line")])
    return {"data": data, "settings": settings}


def told(answer):
    """A descent, or a line or two on what is wrong."""
    json.dumps(answer, allow_nan=False)
    if "error" in answer:
        assert len(answer["error"].splitlines()) <= 4, answer["error"]
        assert not re.search(r"Traceback|Error:|has died", answer["error"])


@pytest.mark.parametrize("seed", range(25))
def test_any_combination_of_controls_is_answered(seed):
    assert set(SCHEDULES) >= {"constant", "inverse", "cosine", "step", "warmup"}
    for task in ("descend", "diagnose", "rates"):
        told(perform({"task": task, "experiment": combination(seed)}, Uploads(Path("/nowhere"))))


@pytest.mark.soak
def test_five_hundred_more_are_with_the_limits_of_workers(tmp_path):
    async def asked(pool, task, seed):
        try:
            return json.loads(await pool.run(str(seed), {"task": task, "experiment": combination(seed)}))
        except Failed as error:
            return {"error": str(error)}

    async def visitor(pool, seeds):
        for seed in seeds:
            for task in ("descend", "diagnose", "rates"):
                told(await asked(pool, task, seed))

    async def whole():
        pool = Pool(2, tmp_path, seconds=20.0)
        pool.start()
        try:
            await asyncio.gather(*(visitor(pool, range(25 + k, 525, 4)) for k in range(4)))
        finally:
            pool.close()

    asyncio.run(whole())

"""A fit to files read pass by pass is the fit of the same rows in memory, to 1e-10."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.data.batching import Batching
from steepest.data.windows import Windows

ROWS = 3_000


def columns(seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of several kinds, two targets of numbers and classes, and weights."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, ROWS)) * [[1.0], [10.0], [0.1]] + [[0.0], [500.0], [3.0]]
    city = random.choice(["Oslo", "Rome", "Lima"], ROWS)
    line = x[0] - 0.1 * (x[1] - 500.0) + 5.0 * (x[2] - 3.0) + (city == "Rome")
    return {
        "a": x[0],
        "b": x[1],
        "c": x[2],
        "whole": random.integers(0, 9, ROWS),
        "sold": random.random(ROWS) < 0.5,
        "city": city,
        "y": line + random.normal(size=ROWS),
        "z": np.where(random.random(ROWS) < 1.0 / (1.0 + np.exp(-line)), "yes", "no"),
        "w": random.integers(1, 4, ROWS).astype(float),
        "count": random.poisson(np.exp(0.3 * line - 1.0)),
        "time": random.gamma(2.0, np.exp(0.2 * x[0])),
        "share": random.binomial(5, 1.0 / (1.0 + np.exp(-x[0]))) / 5.0,
    }


def write(folder, table: pa.Table, files: int = 3, size: int = 200):
    """A folder of files with small row groups."""
    folder.mkdir(exist_ok=True)
    cut = -(-table.num_rows // files)
    for number in range(files):
        part = table.slice(number * cut, cut)
        pq.write_table(part, folder / f"part-{number}.parquet", row_group_size=size)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("stream") / "rows", pa.table(columns()))


CASES = {
    "mse": {"target": "y", "drop": ["z", "w", "count", "time", "share"]},
    "numbers": {"columns": ["a", "b", "c"], "target": "y"},
    "ridge": {"target": "y", "drop": ["z", "w", "count", "time", "share"], "penalty": "l2:0.01"},
    "weights": {"target": "y", "drop": ["z", "count", "time", "share"], "weights": "w"},
    "no intercept": {"target": "y", "drop": ["z", "w", "count", "time", "share"], "intercept": False},
    "two targets": {"target": ["y", "w"], "drop": ["z", "count", "time", "share"]},
    "logistic": {"target": "z", "drop": ["y", "w", "count", "time", "share"]},
    "logistic ridge": {"target": "z", "drop": ["y", "count", "time", "share"], "weights": "w", "penalty": "l2:0.01"},
    "balanced": {"target": "z", "drop": ["y", "w", "count", "time", "share"], "class_weight": "balanced"},
    "softmax": {"target": "city", "columns": ["a", "c", "sold"]},
    "poisson": {"target": "count", "columns": ["a", "b", "city"], "loss": "poisson"},
    "poisson weights": {
        "target": "count",
        "columns": ["a", "b"],
        "loss": "poisson",
        "weights": "w",
        "penalty": "l2:0.01",
    },
    "poisson often": {
        "target": "count",
        "columns": ["a", "b"],
        "loss": "poisson",
        "weights": "w",
        "weights_kind": "frequency",
    },
    "gamma": {"target": "time", "columns": ["a", "c"], "loss": "gamma"},
    "tweedie": {"target": "time", "columns": ["a", "c"], "loss": "tweedie:1.5", "weights": "w"},
    "binomial": {"target": "share", "columns": ["a", "c"], "loss": "binomial", "weights": "w"},
    "degree 2": {"target": "y", "columns": ["a", "c"], "model": "poly:2"},
}


DAILY = ("mse", "ridge", "logistic", "poisson")


@pytest.mark.parametrize(
    "case", [case if case in DAILY else pytest.param(case, marks=pytest.mark.soak) for case in CASES]
)
def test_a_streamed_fit_is_the_one_in_memory(folder, case):
    memory, stream = (st.fit(folder, stream=way, **CASES[case]) for way in (False, True))
    assert stream.names == memory.names
    assert stream.rows == ROWS
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-10, atol=1e-10)
    assert stream.loss == pytest.approx(memory.loss, rel=1e-10)
    assert stream.objective_value == pytest.approx(memory.objective_value, rel=1e-10)
    assert stream.gap == pytest.approx(memory.gap, abs=1e-10 * memory.loss)
    np.testing.assert_allclose(stream.exact.theta, memory.exact.theta, rtol=1e-9, atol=1e-9)
    assert stream.exact.loss == pytest.approx(memory.exact.loss, rel=1e-10)
    assert stream.gap == pytest.approx(0.0, abs=1e-10 * memory.loss)
    assert stream.status is memory.status is st.Status.CONVERGED
    for name, value in memory.metrics["train"].items():
        # ranks are those of a million classes of scores, of which these fall into a few thousand
        np.testing.assert_allclose(stream.metrics["train"][name], value, rtol=1e-4 if name == "auc" else 1e-10)


def test_passes_are_few(folder):
    squares = st.fit(folder, stream=True, target="y", columns=["a", "b", "c"])
    assert squares.steps <= 2
    smooth = st.fit(folder, stream=True, target="z", drop=["y", "w", "count", "time", "share"])
    assert smooth.steps <= 5


def test_columns_that_depend_on_one_another_keep_their_digits(tmp_path):
    given = columns()
    table = pa.table({"a": given["a"], "b": given["a"] + 1e-7 * given["b"], "c": given["c"], "y": given["y"]})
    memory, stream = (st.fit(write(tmp_path / "near", table), target="y", stream=way) for way in (False, True))
    design = np.column_stack([np.ones(ROWS), table["a"], table["b"], table["c"]])
    # twice the digits of float64 are the judge: normal equations with 40 digits
    import mpmath

    with mpmath.workdps(40):
        gram, right = mpmath.zeros(4), mpmath.zeros(4, 1)
        rows = [[mpmath.mpf(float(one)) for one in row] for row in design[:400]]
        goal = [mpmath.mpf(float(one)) for one in given["y"][:400]]
        for row, value in zip(rows, goal, strict=True):
            for i in range(4):
                right[i] += row[i] * value
                for j in range(4):
                    gram[i, j] += row[i] * row[j]
        best = np.array([float(one) for one in mpmath.lu_solve(gram, right)])
    short = st.fit(write(tmp_path / "short", table.slice(0, 400)), target="y", stream=True)
    np.testing.assert_allclose(short.theta, best, rtol=1e-6)
    assert stream.loss == pytest.approx(memory.loss, rel=1e-10)
    assert stream.gap == pytest.approx(0.0, abs=1e-10)


def test_a_column_that_others_make_up_gets_the_smallest_coefficients(tmp_path):
    given = columns()
    table = pa.table({"a": given["a"], "twice": 2.0 * given["a"], "c": given["c"], "y": given["y"]})
    memory, stream = (st.fit(write(tmp_path / "rank", table), target="y", stream=way) for way in (False, True))
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-8)
    assert stream.exact.note == memory.exact.note


def test_rows_held_out_are_the_same_each_time_and_scored(folder):
    one, two = (
        st.fit(folder, stream=True, target="y", drop=["z", "w", "count", "time", "share"], test_fraction=0.25, seed=3)
        for _ in range(2)
    )
    assert one.rows + one.test_rows == ROWS
    assert abs(one.test_rows - 0.25 * ROWS) < 4 * (0.25 * 0.75 * ROWS) ** 0.5
    np.testing.assert_array_equal(one.theta, two.theta)
    # what is held out of the sample, which is all rows here, is what all rows are scored on
    test = one.test
    guess = test.x @ one.theta[1:] + one.theta[0]
    assert one.test_loss == pytest.approx(np.mean((test.y - guess) ** 2), rel=1e-10)
    assert one.metrics["test"]["mae"] == pytest.approx(np.mean(np.abs(test.y - guess)), rel=1e-10)


@pytest.mark.parametrize("missing", ["drop", "mean", {"city": "level", "*": "mean"}])
def test_missing_values_are_dropped_or_filled_as_in_memory(tmp_path, missing):
    given = columns()
    table = pa.table(
        {
            "a": pa.array(given["a"], mask=given["a"] > 2.0),
            "whole": pa.array(given["whole"], mask=given["whole"] == 7),
            "city": pa.array(given["city"], mask=given["c"] > 3.2),
            "y": given["y"],
        }
    )
    place = write(tmp_path / "gaps", table)
    memory, stream = (st.fit(place, target="y", missing=missing, stream=way) for way in (False, True))
    assert stream.rows == memory.rows
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-10, atol=1e-10)
    assert [note for note in stream.notes if "issing" in note] == [note for note in memory.notes if "issing" in note]


def test_dates_become_days_and_parts(tmp_path):
    given = columns()
    start = np.datetime64("2020-03-01", "D")
    days = start + np.random.default_rng(1).integers(0, 800, ROWS)
    table = pa.table({"a": given["a"], "when": days, "y": given["y"]})
    place = write(tmp_path / "dates", table)
    for way in ("days", "parts"):
        memory, stream = (st.fit(place, target="y", date={"when": way}, stream=one) for one in (False, True))
        assert stream.names == memory.names
        np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-8, atol=1e-9)


def test_predictions_of_new_rows_are_those_in_memory(folder):
    rows = {
        name: values[:50]
        for name, values in columns(seed=4).items()
        if name not in ("y", "z", "w", "count", "time", "share")
    }
    memory, stream = (
        st.fit(folder, target="y", drop=["z", "w", "count", "time", "share"], stream=way) for way in (False, True)
    )
    np.testing.assert_allclose(stream.predict(rows), memory.predict(rows), rtol=1e-10)


SUMMARIES = [
    ("mse", "nonrobust"),
    ("mse", "HC3"),
    ("weights", "HC1"),
    ("weights", "nonrobust"),
    ("ridge", "nonrobust"),
    ("no intercept", "HC0"),
    ("two targets", "HC2"),
    ("logistic", "nonrobust"),
    ("logistic", "HC0"),
    ("softmax", "nonrobust"),
    ("softmax", "HC0"),
    ("logistic", "HC3"),
    ("poisson", "nonrobust"),
    ("poisson", "HC2"),
    ("poisson weights", "HC0"),
    ("poisson often", "nonrobust"),
    ("gamma", "nonrobust"),
    ("gamma", "HC3"),
    ("tweedie", "nonrobust"),
    ("binomial", "nonrobust"),
]


@pytest.mark.parametrize(
    ("case", "cov"),
    [
        SUMMARIES[1],
        SUMMARIES[7],
        ("gamma", "nonrobust"),
        *(pytest.param(*one, marks=pytest.mark.soak) for one in SUMMARIES),
    ],
)
def test_a_summary_is_the_one_in_memory(folder, case, cov):
    memory, stream = (st.fit(folder, stream=way, **CASES[case]).summary(cov=cov) for way in (False, True))
    assert stream.valid
    assert (stream.df is None) == (memory.df is None)
    assert stream.df is None or stream.df == pytest.approx(memory.df, rel=1e-9)
    for name in ("std_error", "p_value"):
        mine, theirs = (np.array(one.coefficients.column(name).to_pylist(), float) for one in (stream, memory))
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12)
    for mine, theirs in zip(stream.figures, memory.figures, strict=True):
        for name, value in vars(mine).items():
            if value is not None:
                assert value == pytest.approx(getattr(theirs, name), rel=1e-8), name


def test_intervals_of_predictions_are_those_in_memory(folder):
    rows = {
        name: values[:20]
        for name, values in columns(seed=4).items()
        if name not in ("y", "z", "w", "count", "time", "share")
    }
    memory, stream = (st.fit(folder, stream=way, **CASES["mse"]).predict(rows, interval=0.9) for way in (False, True))
    np.testing.assert_allclose(stream, memory, rtol=1e-8)


# ---- minibatches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["loop", "fused"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_minibatches_walk_the_textbook_path(folder, engine, weights, monkeypatch):
    """SGD as NumPy does it on the batches that the order gives, whichever engine takes the steps."""
    from steepest.engines import choice

    monkeypatch.setattr(choice, "WORTH", 0.0 if engine == "fused" else np.inf)
    asked = {"target": "y", "columns": ["a", "c", "sold"], "weights": weights, "test_fraction": 0.2, "seed": 5}
    done = st.fit(folder, stream=True, optimizer="sgd", lr=0.01, batch_size=50, epochs=2, **asked)
    assert done.engine == engine
    windows = Windows(
        done.train.stream,
        lambda block: (block.x, block.y, np.ones(len(block.y)) if block.weights is None else block.weights),
    )
    theta, mean = np.zeros(4), done.train.stream.mean_weight
    for batch in Batching(done.rows, 50, seed=5, epochs=2, windows=windows):
        x, y, w = (np.concatenate([one.numpy() for one in parts]) for parts in zip(*batch.parts, strict=True))
        a = np.column_stack([np.ones(len(x)), x])
        theta -= 0.01 * 2.0 * a.T @ (w / mean * (a @ theta - y)) / len(y)
    np.testing.assert_allclose(done.theta, theta, rtol=1e-9, atol=1e-11)
    assert done.steps == 2 * -(-done.rows // 50)
    # judged on all rows, not on those of the last batch
    assert done.gap == pytest.approx(done.loss - done.exact.loss, rel=1e-6)
    assert done.gap > 0


def test_losses_with_kinks_and_modules_descend_by_minibatches_and_are_judged_on_some_rows(folder):
    kinked = st.fit(folder, stream=True, target="y", drop=["z", "w", "count", "time", "share"], loss="l1", epochs=2)
    assert "of 3,000 of the 3,000 rows" in kinked.exact_note
    memory = st.fit(folder, stream=False, target="y", drop=["z", "w", "count", "time", "share"], loss="l1")
    assert kinked.exact.loss == pytest.approx(memory.exact.loss, rel=1e-8)
    assert 0 <= kinked.gap < 0.1 * kinked.loss
    module = st.fit(
        folder,
        stream=True,
        target="y",
        drop=["z", "w", "count", "time", "share"],
        model="mlp:4",
        epochs=3,
        batch_size=64,
    )
    table = pa.table(columns())
    guess = module.predict(table.drop_columns(["y", "z", "w", "count", "time", "share"]))
    assert module.loss == pytest.approx(np.mean((table["y"].to_numpy() - guess) ** 2), rel=1e-8)


def test_batch_norm_has_two_rows_in_each_part_of_a_batch(folder):
    from torch import nn

    given = {"target": "y", "columns": ["a", "b"], "stream": True, "epochs": 1}
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    with pytest.raises(st.SpecError, match=r"added up in 8 parts.*BatchNorm.*batch_size of at least 16"):
        st.fit(folder, model=model, batch_size=15, **given)
    done = st.fit(folder, model=model, batch_size=17, **given)
    assert done.steps == ROWS // 17
    assert any("The last batch of an epoch has fewer rows" in note for note in done.notes)


def test_softmax_descends_by_minibatches(folder):
    done = st.fit(
        folder,
        stream=True,
        target="city",
        columns=["a", "c", "sold"],
        optimizer="momentum:0.9",
        batch_size=100,
        epochs=3,
    )
    assert 0 <= done.gap < 0.05 * done.loss


def test_draws_and_blocks_are_for_rows_in_memory(folder):
    with pytest.raises(st.SpecError, match="shuffle='draws' is for rows in memory"):
        st.fit(
            folder, stream=True, target="y", drop=["z", "w", "count", "time", "share"], batch_size=10, shuffle="draws"
        )


def test_the_objective_and_its_gradient_are_those_of_all_rows(folder):
    for case in ("ridge", "logistic", "two targets"):
        memory, stream = (st.fit(folder, stream=way, **CASES[case]) for way in (False, True))
        theta = 0.5 * memory.theta + 0.1
        (value, grad), (expected, slope) = (one.objective(theta) for one in (stream, memory))
        assert value == pytest.approx(expected, rel=1e-10)
        np.testing.assert_allclose(grad, slope, rtol=1e-9, atol=1e-9)


def test_a_run_is_kept_and_loaded(folder, tmp_path):
    done = st.fit(folder, stream=True, target="y", drop=["z", "w", "count", "time", "share"])
    done.save(tmp_path / "run")
    again = st.load(tmp_path / "run")
    assert again.spec.stream is True
    assert again.rows == ROWS
    np.testing.assert_array_equal(again.theta, done.theta)
    assert again.loss == done.loss
    assert again.gap == done.gap


def test_what_takes_all_rows_in_memory_says_so(folder, tmp_path):
    done = st.fit(folder, stream=True, target="y", drop=["z", "w", "count", "time", "share"])
    for ask in (
        lambda: done.cross_validate(3),
        lambda: done.to_python(tmp_path / "script.py"),
        lambda: st.sweep(folder, target="y", drop=["z", "w", "count", "time", "share"], stream=True, lr=[0.1, 0.2]),
        lambda: st.fit("y ~ a", folder, stream=True),
    ):
        with pytest.raises(st.SpecError, match="memory"):
            ask()


# ---- faults ----------------------------------------------------------------------------------------


def test_a_missing_value_is_named_with_its_row(tmp_path):
    given = columns()
    gone = np.zeros(ROWS, bool)
    gone[[2_345, 2_500]] = True
    place = write(tmp_path / "gaps", pa.table({"a": pa.array(given["a"], mask=gone), "y": given["y"]}))
    with pytest.raises(
        st.DataError, match=r"column 'a' has 2 missing values, the first in row 346 of '.*part-2\.parquet'"
    ):
        st.fit(place, target="y", stream=True)


def test_an_infinite_value_is_named_with_its_row(tmp_path):
    given = columns()
    given["a"][1_234] = np.inf
    place = write(tmp_path / "far", pa.table({"a": given["a"], "y": given["y"]}))
    with pytest.raises(st.DataError, match=r"an infinite value, inf, in row 235 of '.*part-1\.parquet'"):
        st.fit(place, target="y", stream=True)


def test_free_text_and_identifiers_are_refused_as_in_memory(tmp_path):
    given = columns()
    for name, values in {"text": [f"comment {i}" for i in range(ROWS)], "id": np.arange(ROWS)}.items():
        place = write(tmp_path / name, pa.table({name: values, "a": given["a"], "y": given["y"]}))
        said = []
        for way in (False, True):
            with pytest.raises(st.DataError) as error:
                st.fit(place, target="y", stream=way)
            said.append(str(error.value).split(":")[0])
        assert said[0].split(" of ")[0] == said[1].split(" of ")[0]


def test_files_that_differ_in_their_columns_are_named(tmp_path):
    given = columns()
    place = write(tmp_path / "rows", pa.table({"a": given["a"], "y": given["y"]}))
    pq.write_table(pa.table({"b": given["a"], "y": given["y"]}), place / "part-9.parquet")
    with pytest.raises(st.DataError, match=r"part-9\.parquet' lacks 'a' and has 'b', unlike '.*part-0"):
        st.fit(place, target="y", stream=True)
    pq.write_table(pa.table({"a": [str(one) for one in given["a"]], "y": given["y"]}), place / "part-9.parquet")
    with pytest.raises(st.DataError, match=r"column 'a' is string in '.*part-9\.parquet' and double in"):
        st.fit(place, target="y", stream=True)


def test_whole_numbers_in_one_file_and_fractions_in_another_are_one_column(tmp_path):
    place = tmp_path / "kinds"
    place.mkdir()
    pq.write_table(pa.table({"a": [1, 2, 3, 5], "y": [1.0, 2.0, 2.5, 5.5]}), place / "1.parquet")
    pq.write_table(pa.table({"y": [1.5, 2.0], "a": [1.5, 2.5]}), place / "2.parquet")
    stream = st.fit(place, target="y", stream=True)
    slope, intercept = np.polyfit([1, 2, 3, 5, 1.5, 2.5], [1.0, 2.0, 2.5, 5.5, 1.5, 2.0], 1)
    np.testing.assert_allclose(stream.theta, [intercept, slope], rtol=1e-12)


def test_empty_row_groups_and_files_are_passed_over(tmp_path):
    given = columns()
    table = pa.table({"a": given["a"], "y": given["y"]})
    place = write(tmp_path / "rows", table)
    with pq.ParquetWriter(place / "part-00.parquet", table.schema) as writer:
        writer.write_table(table.slice(0, 0))
    memory, stream = (st.fit(place, target="y", stream=way) for way in (False, True))
    np.testing.assert_allclose(stream.theta, memory.theta, rtol=1e-12)
    with pytest.raises(st.DataError, match="but no rows"):
        st.fit(place / "part-00.parquet", target="y", stream=True)


def test_a_file_that_changes_or_disappears_meanwhile_is_named(tmp_path):
    from steepest.data.row_groups import RowGroups

    given = columns()
    place = write(tmp_path / "rows", pa.table({"a": given["a"], "y": given["y"]}))
    files = RowGroups.of(str(place))
    pq.write_table(pa.table({"a": [1.0], "y": [1.0]}), place / "part-2.parquet")
    with pytest.raises(st.DataError, match=r"part-2\.parquet' was changed while it was read"):
        list(files.pieces())
    (place / "part-1.parquet").unlink()
    with pytest.raises(st.DataError, match=r"part-1\.parquet' disappeared while it was read"):
        list(files.pieces())


def test_a_damaged_file_is_named(tmp_path):
    given = columns()
    place = write(tmp_path / "rows", pa.table({"a": given["a"], "y": given["y"]}))
    whole = (place / "part-1.parquet").read_bytes()
    (place / "part-1.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(st.DataError, match=r"part-1\.parquet' is damaged or cut short"):
        st.fit(place, target="y", stream=True)


def test_only_what_is_parquet_and_large_is_streamed(folder, monkeypatch):
    from steepest.data import streams

    assert streams.wanted(str(folder), None) is None
    monkeypatch.setattr(streams, "free_memory", lambda: 3.0 * ROWS * 8)
    assert streams.wanted(str(folder), None) is not None
    assert streams.wanted(str(folder), False) is None
    assert streams.wanted("sample:diabetes", None) is None


@pytest.mark.parametrize("kind", ["JSON", "table", "arrays"])
def test_what_is_neither_parquet_nor_text_cannot_be_streamed(kind, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1, "y": 2}\n{"x": 2, "y": 3}\n')
    table = {"x": [1.0, 2.0, 3.0], "y": [2.0, 3.0, 5.0]}
    given = {"JSON": (str(tmp_path / "a.jsonl"),), "table": (table,), "arrays": (table["x"], table["y"])}[kind]
    with pytest.raises(st.DataError, match=r"a\.jsonl' is neither" if kind == "JSON" else r"this table is neither"):
        st.fit(*given, stream=True, **({} if kind == "arrays" else {"target": "y"}))


def test_the_file_of_a_folder_that_is_no_parquet_is_named(tmp_path):
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0], "y": [2.0, 3.0, 5.0]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(st.DataError, match=r"b\.parquet' is neither"):
        st.fit(tmp_path, target="y", stream=True)


# ---- a first pass that is kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        "mse",
        "balanced",
        "missing",
        *(pytest.param(case, marks=pytest.mark.soak) for case in ("logistic", "softmax", "weights")),
    ],
)
def test_a_second_fit_of_the_same_files_begins_without_a_first_pass(folder, tmp_path, case, monkeypatch):
    from steepest.data import first_pass, kept_passes, table_copies

    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_passes, "WORTH", 0.0)
    place = folder
    settings = CASES.get(case, {"target": "y", "missing": {"city": "level", "*": "mean"}})
    if case == "missing":
        given = columns()
        table = {
            "a": pa.array(given["a"], mask=given["a"] > 2.0),
            "city": pa.array(given["city"], mask=given["c"] > 3.2).dictionary_encode(),
            "day": np.datetime64("2020-03-01") + given["whole"],
            "y": given["y"],
        }
        place = write(tmp_path / "gaps", pa.table(table))
        settings = settings | {"date": {"day": "parts"}}
    first = st.fit(place, stream=True, **settings)
    (kept,) = table_copies.copies()
    assert kept.kind == "passes"
    monkeypatch.setattr(first_pass.FirstPass, "add", None)  # it would be called
    again = st.fit(place, stream=True, **settings)
    assert again.theta.tobytes() == first.theta.tobytes()
    assert again.trace.loss.tobytes() == first.trace.loss.tobytes()
    assert again.loss == first.loss
    assert again.notes == first.notes
    for name in ("x", "y", "weights", "places"):
        mine, theirs = getattr(again.train, name), getattr(first.train, name)
        assert (mine is None and theirs is None) or mine.tobytes() == theirs.tobytes()
    with pytest.raises(TypeError):  # other columns are another pass
        st.fit(place, stream=True, **settings, test_fraction=0.1)


def test_a_first_pass_of_files_that_changed_or_is_damaged_is_made_anew(tmp_path, monkeypatch):
    from steepest.data import kept_passes, table_copies

    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_passes, "WORTH", 0.0)
    given = columns()
    place = write(tmp_path / "rows", pa.table({"a": given["a"], "y": given["y"]}))
    first = st.fit(place, target="y", stream=True)
    (kept,) = table_copies.copies()
    (kept.place / "sample.arrow").write_bytes(b"ARROW1 and nothing more")
    assert st.fit(place, target="y", stream=True).theta.tobytes() == first.theta.tobytes()
    assert (kept.place / "sample.arrow").stat().st_size > 1_000
    write(place, pa.table({"a": given["a"], "y": 2.0 * given["y"]}))
    np.testing.assert_allclose(st.fit(place, target="y", stream=True).theta, 2.0 * first.theta, rtol=1e-12)
    assert len(table_copies.copies()) == 2
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "rows" / "part-0.parquet"))
    assert st.fit(place, target="y", stream=True).status is st.Status.CONVERGED


def test_two_counts_of_a_stream_descend_to_the_answers_of_each_in_memory(folder):
    words = {"columns": ["a", "b", "c"], "target": ["count", "whole"], "loss": "poisson"}
    fit = st.fit(str(folder), stream=True, batch_size=300, epochs=8, **words)
    memory = st.fit(columns(), **words)
    assert fit.loss == pytest.approx(memory.loss, rel=5e-3)
    each = memory.metrics["train"]
    assert fit.metrics["train"]["rmse"] == pytest.approx(each["rmse"], rel=1e-2)
    assert fit.metrics["train"]["deviance"] == pytest.approx(each["deviance"], rel=5e-3)

"""A run comes back as it was, to the last bit; what is damaged or in the way is said in a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
from torch import nn

import steepest as st
from steepest.errors import FitError, RunError, SteepestWarning
from steepest.storage import run_files, run_folder

X = np.random.default_rng(0).normal(size=(60, 3)) * [1.0, 1e-6, 1e6]
Y = X @ [1.0, 2e6, 3e-6] + np.random.default_rng(1).normal(size=60)
LABELS = np.array(["no", "yes"])[(X[:, 0] + np.random.default_rng(2).normal(size=60) > 0).astype(int)]


class Small(nn.Module):
    """A module of the user's, with a buffer and a tied parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.last = nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(torch.tanh(self.norm(self.first(x)))))[:, 0]


def small() -> Small:
    return Small()


def squared(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (prediction - target) ** 2


TABLE = {"a": X[:, 0].tolist(), "b": X[:, 1].tolist(), "city": ["Oslo", "Rome", "大阪"] * 20, "y": Y.tolist()}

FITS: dict[str, tuple[Callable[[], st.Fit], object]] = {  # how it is made, and new rows for it
    "line": (lambda: st.fit(X, Y), X[:4]),
    "held out": (lambda: st.fit(X, Y, test_fraction=0.25, penalty="l2:0.1"), X[:4]),
    "table": (lambda: st.fit(TABLE, target="y", missing="mean"), {k: v[:3] for k, v in TABLE.items()}),
    "two targets": (lambda: st.fit(X, np.column_stack([Y, -Y])), X[:4]),
    "quadratic, l1": (lambda: st.fit(X[:, 0], Y, model="poly:2", loss="l1", epochs=20, lr=0.1), X[:4, 0]),
    "classes": (lambda: st.fit(X, LABELS), X[:4]),
    "separable": (lambda: st.fit("sample:iris", target="species", epochs=5), "sample:iris"),
    "diverged": (lambda: st.fit(X[:, 0] * 100, Y, lr=10.0, optimizer="sgd", epochs=80), X[:4, 0]),
    "float32": (lambda: st.fit(X[:, 0], Y, dtype="float32", optimizer="sgd"), X[:4, 0]),
    "mlp": (lambda: st.fit(X, Y, model="mlp:5,4", epochs=7, batch_size=20), X[:4]),
    "mlp, classes": (lambda: st.fit(X, LABELS, model="mlp:5", epochs=7, dtype="float32"), X[:4]),
    "numbers to start from": (lambda: st.fit(X, Y, init=np.arange(4.0), epochs=2, lr=1e-20), X[:4]),
    "a fit to start from": (lambda: st.fit(X, Y, init=st.fit(X, Y)), X[:4]),
}


@pytest.fixture(scope="module")
def line() -> st.Fit:
    return st.fit(X, Y)


@pytest.mark.parametrize("name", FITS)
def test_everything_comes_back_to_the_last_bit(name, tmp_path):
    make, rows = FITS[name]
    fit = make()
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run")
    _assert_same(fit, back, rows)
    back.save(tmp_path / "again")  # a loaded fit can be kept too
    _assert_same(fit, st.load(tmp_path / "again"), rows)


def _assert_same(fit: st.Fit, back: st.Fit, rows: object) -> None:
    np.testing.assert_equal(back.to_dict(), fit.to_dict())  # NaN equals NaN here
    assert (back.names, back.schema, back.message, back.status) == (
        fit.names,
        fit.schema,
        fit.message,
        fit.status,
    )
    assert type(back.loss_function) is type(fit.loss_function)
    np.testing.assert_array_equal(back.theta, fit.theta)
    for column in (*st.Trace.COLUMNS, "theta"):
        np.testing.assert_array_equal(getattr(back.trace, column), getattr(fit.trace, column))
    assert back.trace.names == fit.trace.names
    assert (back.exact is None) == (fit.exact is None)
    if fit.exact is not None:
        np.testing.assert_array_equal(back.exact.theta, fit.exact.theta)
        assert back.exact.certificate == fit.exact.certificate or np.isnan(fit.exact.certificate)
    np.testing.assert_array_equal(back.predict(rows), fit.predict(rows))
    if fit.schema.classes is not None:
        np.testing.assert_array_equal(back.predict_proba(rows), fit.predict_proba(rows))


def test_the_files_are_what_other_tools_read(tmp_path, line):
    line.save(tmp_path / "run")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run"]
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == sorted(run_folder.FILES)
    weights = safetensors.numpy.load_file(tmp_path / "run" / "weights.safetensors")
    np.testing.assert_array_equal(weights["theta"], line.theta)
    np.testing.assert_array_equal(weights["exact_theta"], line.exact.theta)
    trace = pq.read_table(tmp_path / "run" / "trace.parquet")
    assert trace["step"].to_pylist() == list(range(line.steps + 1))
    assert trace["theta.x2"].to_pylist()[-1] == line.params["x2"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["params"] == line.params


def test_a_wide_trace_is_one_column_of_lists(tmp_path, monkeypatch, line):
    monkeypatch.setattr(run_files, "MOST_COLUMNS", 2)
    line.save(tmp_path / "run")
    assert pq.read_schema(tmp_path / "run" / "trace.parquet").names[-1] == "theta"
    np.testing.assert_array_equal(st.load(tmp_path / "run").trace.theta, line.trace.theta)


# ---- what has no name ------------------------------------------------------------------------------


def test_a_module_of_the_users_comes_back_with_it(tmp_path):
    fit = st.fit(X, Y, model=Small(), epochs=3)
    fit.save(tmp_path / "run")
    assert "# model was an object" in (tmp_path / "run" / "spec.toml").read_text()
    back = st.load(tmp_path / "run", model=Small())
    np.testing.assert_array_equal(back.predict(X), fit.predict(X))
    np.testing.assert_array_equal(st.load(tmp_path / "run", model=small).predict(X), fit.predict(X))
    alone = st.load(tmp_path / "run")
    assert alone.to_dict() == fit.to_dict()
    with pytest.raises(FitError, match=r"Pass the model: st\.load"):
        alone.predict(X)
    with pytest.raises(RunError, match="loaded without its module"):
        alone.save(tmp_path / "again")
    with pytest.raises(RunError, match="is not the module of the run"):
        st.load(tmp_path / "run", model=nn.Linear(3, 1))


def test_a_factory_named_in_a_run_is_imported_only_when_it_is_said(tmp_path, monkeypatch):
    (tmp_path / "mine_of_test_store.py").write_text(
        "import torch\n\ndef net(inputs, outputs):\n    return torch.nn.Linear(inputs, outputs)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fit = st.fit(X, Y, model="mine_of_test_store:net", epochs=3)
    fit.save(tmp_path / "run")
    del sys.modules["mine_of_test_store"]
    assert st.load(tmp_path / "run").theta.tolist() == fit.theta.tolist()
    assert "mine_of_test_store" not in sys.modules
    np.testing.assert_array_equal(st.load(tmp_path / "run", model="mine_of_test_store:net").predict(X), fit.predict(X))


@pytest.mark.parametrize("loss", [squared, lambda prediction, target: (prediction - target) ** 2])
def test_a_loss_of_the_users_is_only_a_name_in_a_run(tmp_path, loss):
    fit = st.fit(X, Y, loss=loss, epochs=3)
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run")
    assert str(back.loss_function) == loss.__name__
    np.testing.assert_array_equal(back.predict(X), fit.predict(X))
    np.testing.assert_equal(back.to_dict(), fit.to_dict())


def test_a_model_that_a_run_has_no_use_for_is_refused(tmp_path, line):
    line.save(tmp_path / "run")
    with pytest.raises(RunError, match="has no module"):
        st.load(tmp_path / "run", model=Small())


# ---- what is in the way or damaged -----------------------------------------------------------------


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, line):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(RunError, match=r"thesis' is a folder with other things in it, not a run"):
        line.save(tmp_path / "thesis")
    with pytest.raises(RunError, match=r"chapter.txt' is a file"):
        line.save(tmp_path / "thesis" / "chapter.txt")
    assert [entry.name for entry in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    (tmp_path / "empty").mkdir()
    line.save(tmp_path / "empty")
    assert st.load(tmp_path / "empty").params == line.params


@pytest.mark.parametrize("name", run_folder.FILES)
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, line, name, how):
    line.save(tmp_path / "run")
    path = tmp_path / "run" / name
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "empty": b"",
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :],
        "text": b'{"format": 1}',
    }
    path.unlink() if how == "missing" else path.write_bytes(damaged[how])
    with pytest.raises(RunError, match=rf"{name} .*run.*(missing|damaged).*(fit again|anew)") as caught:
        st.load(tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(RunError, match=r"There is no run at .*nowhere'.*fit\.save\(folder\)"):
        st.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is no run: it has no fit.json"):
        st.load(tmp_path)


def test_a_run_of_a_later_format_is_said(tmp_path, line):
    line.save(tmp_path / "run")
    path = tmp_path / "run" / "fit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(RunError, match=r"has format 99; this version reads 2. Use a newer steepest"):
        st.load(tmp_path / "run")


def test_a_constant_target_comes_back(tmp_path):
    with pytest.warns(SteepestWarning, match="same value"):
        fit = st.fit(X, np.full(60, 2.0))
    fit.save(tmp_path / "run")
    np.testing.assert_equal(st.load(tmp_path / "run").to_dict(), fit.to_dict())

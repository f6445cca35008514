"""A fit that was cut off and is gone on with is the one that was never interrupted, to the last bit."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

import steepest as st
from steepest.checkpoints.folder import NAMES, Checkpoints
from steepest.cli.commands import main
from steepest.data.streams import Stream
from steepest.run_record import FILES

from stopping_at import assert_same, cut_off, gone_on

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3))
Y = X @ [1.0, -2.0, 0.5] + RANDOM.normal(size=200)
CLASSES = (Y + RANDOM.normal(size=200) > 0).astype(int)


def batch_norm() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = (
        torch.nn.Linear(3, 4),
        torch.nn.BatchNorm1d(4),
        torch.nn.Dropout(0.2),
        torch.nn.ReLU(),
        torch.nn.Linear(4, 1),
    )
    return torch.nn.Sequential(*layers)


class Sampler(torch.utils.data.Sampler):
    """Batches of rows in a random order."""

    def __iter__(self):
        return iter(torch.randperm(200).view(10, 20).tolist())

    def __len__(self):
        return 10


def loader() -> torch.utils.data.DataLoader:
    rows = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))
    return torch.utils.data.DataLoader(rows, batch_sampler=Sampler())


# name → which checkpoint it is cut off at, and the settings
WAYS = {
    "full batch": (7, {"optimizer": "sgd", "lr": 0.01, "epochs": 30}),
    "minibatches": (9, {"optimizer": "adam", "lr": 0.01, "epochs": 4, "batch_size": 32, "test_fraction": 0.2}),
    "patience": (9, {"optimizer": "adam", "lr": 0.1, "batch_size": 32, "validation": 0.2, "patience": 3}),
    "draws, float32": (9, {"optimizer": "nesterov:0.9", "lr": 0.01, "epochs": 4, "batch_size": 32, "shuffle": "draws",
                           "dtype": "float32", "penalty": "l1:0.01", "record": 5}),
    "a tolerance": (9, {"optimizer": "momentum:0.5", "lr": 0.05, "epochs": 300, "tol": 1e-3, "schedule": "cosine"}),
    "curvature": (2, {}),
    "curvature, kinked": (5, {"loss": "l1"}),
    "an automatic rate": (9, {"optimizer": "adagrad", "loss": "huber", "epochs": 20, "precondition": "standardize"}),
    "mlp": (9, {"model": "mlp:8", "epochs": 4, "batch_size": 32}),
    "batch norm, dropout": (9, {"model": batch_norm(), "epochs": 4, "batch_size": 32, "test_fraction": 0.2}),
    "AdamW of PyTorch": (9, {"model": "mlp:8", "optimizer": partial(torch.optim.AdamW, weight_decay=0.0, amsgrad=True),
                             "epochs": 4, "batch_size": 32}),
    "LBFGS": (4, {"model": "mlp:8", "optimizer": partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"), "epochs": 8}),
    "a plateau": (9, {"optimizer": "sgd", "lr": 0.3, "epochs": 30, "schedule": "plateau:0.5,1"}),
    "averaged": (9, {"optimizer": "sgd", "lr": 0.01, "epochs": 4, "batch_size": 32, "averaging": "tail:0.9"}),
    "schedule-free": (9, {"optimizer": "schedule_free_sgd", "lr": 0.01, "epochs": 4, "batch_size": 32}),
    "less variance": (9, {"optimizer": "svrg", "lr": 0.01, "epochs": 4, "batch_size": 32}),
    "a slope for each row": (9, {"optimizer": "saga", "lr": 0.01, "epochs": 4, "batch_size": 32}),
    "sharpness-aware": (9, {"model": "mlp:4", "optimizer": "sam", "lr": 0.01, "epochs": 2, "batch_size": 32}),
    "a scheduler": (9, {"optimizer": "sgd", "lr": 0.1, "epochs": 4, "batch_size": 32,
                        "schedule": partial(torch.optim.lr_scheduler.StepLR, step_size=2)}),
    "a sampler": (13, {"model": "mlp:4", "epochs": 3, "batches": "sampler"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_it_ends_as_the_one_that_was_not_interrupted(name, tmp_path):
    at, settings = WAYS[name]
    data = (X, Y)
    if settings.get("batches"):
        data, settings = (loader(),), {key: value for key, value in settings.items() if key != "batches"}
    if settings.get("loss") == "logistic":
        data = (X, CLASSES)
    plain = st.fit(*data, **settings)
    cut_off(at, *data, out=tmp_path / "run", **settings)
    assert sorted(os.listdir(tmp_path / "run")) == list(NAMES)
    again = gone_on(*data, out=tmp_path / "run", **settings)
    assert f"The run goes on from step {at - 1}." in again.notes
    assert_same(plain, again)


def test_it_is_saved_when_it_has_ended_and_its_checkpoints_go(tmp_path):
    at, settings = WAYS["full batch"]
    cut_off(at, X, Y, out=tmp_path / "run", **settings)
    with pytest.raises(
        st.RunError, match="holds a run that is not finished: the call or command that began it goes on with"
    ):
        st.load(tmp_path / "run")
    again = st.fit(X, Y, out=tmp_path / "run", **settings)
    assert sorted(os.listdir(tmp_path / "run")) == sorted(FILES)
    assert st.load(tmp_path / "run").theta.tolist() == again.theta.tolist()
    with pytest.raises(st.RunError, match="holds a run already"):
        st.fit(X, Y, out=tmp_path / "run", **settings)


@pytest.mark.parametrize("shuffle", ["rows", "blocks", "full"])
def test_compiled_steps_go_on_compiled(shuffle, tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.engines.choice.WORTH", -np.inf)
    batches = {} if shuffle == "full" else {"batch_size": 6, "shuffle": shuffle}
    epochs, lr = (66_000, 1e-6) if shuffle == "full" else (100, 1e-4)
    settings = {"optimizer": "adam", "lr": lr, "epochs": epochs, "record": 300, "schedule": "cosine", "tol": 1e-300}
    settings["averaging"] = "polyak" if shuffle == "blocks" else "none"
    plain = st.fit(X[:40], Y[:40], **settings, **batches)
    assert plain.engine == "fused"
    cut_off(2 if shuffle == "full" else 40, X[:40], Y[:40], out=tmp_path / "run", **settings, **batches)
    assert_same(plain, gone_on(X[:40], Y[:40], out=tmp_path / "run", **settings, **batches))


def test_a_tall_table_goes_on(tmp_path):
    x = RANDOM.normal(size=(60_000, 10)) + 20.0
    y = x @ np.arange(10.0) + RANDOM.normal(size=60_000)
    for target, settings in (
        (y, {}), (y, {"penalty": "l1:0.1"}), (RANDOM.permutation(3)[np.digitize(y, np.quantile(y, [0.3, 0.6]))], {}),
        ((y > y.mean()).astype(int), {"penalty": "l2:1e-4"}),
    ):  # fmt: skip
        plain = st.fit(x, target, **settings)
        assert plain.gap_kind == "bound"
        for at in range(2, plain.steps + 1):
            cut_off(at, x, target, out=tmp_path / "run", **settings)
            again = gone_on(x, target, out=tmp_path / "run", **settings)
            assert_same(plain, again)
            assert again.gap == plain.gap
            for name in os.listdir(tmp_path / "run"):
                os.unlink(tmp_path / "run" / name)


def test_it_may_be_cut_off_again_and_again(tmp_path):
    _, settings = WAYS["minibatches"]
    for _ in range(3):
        cut_off(6, X, Y, out=tmp_path / "run", **settings)
    again = gone_on(X, Y, out=tmp_path / "run", **settings)
    assert "The run goes on from step 15." in again.notes  # each begins with the last step of the one before
    assert_same(st.fit(X, Y, **settings), again)


def test_batches_that_are_not_ours_are_begun_again_with_their_epoch(tmp_path):
    batches = [(torch.as_tensor(X[i::10]), torch.as_tensor(Y[i::10])) for i in range(10)]
    settings = {"model": torch.nn.Linear(3, 1), "batches": batches, "epochs": 3, "lr": 0.05}
    plain = st.fit(X, Y, **settings)
    cut_off(2, X, Y, out=tmp_path / "run", **settings)
    again = gone_on(X, Y, out=tmp_path / "run", **settings)
    assert "The run goes on from step 10." in again.notes
    assert_same(plain, again)


def test_a_checkpoint_is_written_every_so_many_seconds_and_at_the_ends_of_epochs_that_are_not_too_near(
    tmp_path, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr("steepest.checkpoints.folder.time.monotonic", lambda: now[0])
    written = []
    monkeypatch.setattr(Checkpoints, "write", lambda self, position, *rest, **more: (
        written.append(position), setattr(self, "last", now[0])))  # fmt: skip

    def progress(step, objective):
        now[0] += 1.0  # a second a step, seven steps an epoch

    settings = {"optimizer": "sgd", "lr": 0.01, "batch_size": 32, "epochs": 12, "progress": progress}
    st.fit(X, Y, out=tmp_path / "run", **settings)
    assert [epoch for _, epoch, _ in written] == [*range(1, 12)]  # 7 s are more than a tenth of 30 s
    assert {index for *_, index in written} == {0}
    written.clear()
    st.fit(X, Y, out=tmp_path / "other", checkpoint_every=100, **settings)
    assert [step for step, *_ in written] == [14, 28, 42, 56, 70]
    written.clear()
    st.fit(X, Y, out=tmp_path / "third", checkpoint_every=3, **settings)
    assert [step for step, *_ in written][:5] == [3, 6, 7, 10, 13]


def test_seconds_of_all_parts_count(tmp_path):
    settings = {"optimizer": "sgd", "lr": 1e-9, "batch_size": 20, "epochs": 10**6, "max_seconds": 0.5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.engines.choice.WORTH", np.inf)
        cut_off(5, X, Y, out=tmp_path / "run", **settings)
        again = gone_on(X, Y, out=tmp_path / "run", **settings)
    assert again.status is st.Status.SECONDS
    assert again.seconds < 2.0


def test_a_rule_of_ones_own_whose_memory_is_no_data_is_told(tmp_path):

    from steepest.descent.rule import Rule

    class Remembering(Rule):
        def start(self, theta):
            return [object()]

        def update(self, theta, grad, memory, lr, again):
            theta -= lr * grad

    with pytest.raises(st.SpecError, match="keeps a object from step to step"):
        st.fit(X, Y, optimizer=Remembering(), lr=0.1, epochs=3, out=tmp_path / "run", checkpoint_every=1e-9)


@pytest.mark.parametrize("engine", ["loop", "fused"])
def test_minibatches_of_a_stream_go_on_from_their_step(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.engines.choice.WORTH", -np.inf if engine == "fused" else np.inf)
    columns = {f"x{i}": X[:, i] for i in range(3)} | {"y": Y}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "s.parquet", row_group_size=7)
    settings = {"target": "y", "stream": True, "optimizer": "adam", "lr": 0.01, "batch_size": 16, "epochs": 4}
    path = str(tmp_path / "s.parquet")
    plain = st.fit(path, **settings)
    assert plain.engine == engine
    cut_off(9 if engine == "loop" else 3, path, out=tmp_path / "run", **settings)
    again = gone_on(path, out=tmp_path / "run", **settings)
    assert [note for note in again.notes if note.startswith("The run goes on from step ")]
    assert_same(plain, again)


NEWTON = {
    "mse": {"target": "y", "columns": ["x0", "x1", "x2"]},
    "ridge": {"target": "y", "columns": ["x0", "x1", "x2"], "penalty": "l2:0.01"},
    "near to one another": {"target": "y", "columns": ["x0", "x1", "near"]},
    "logistic": {"target": "late", "columns": ["x0", "x1"], "test_fraction": 0.2},
    "softmax": {"target": "place", "columns": ["x0", "x1"], "penalty": "l2:0.001"},
    "poisson": {"target": "count", "columns": ["x0", "x1"], "loss": "poisson"},
}


@pytest.mark.parametrize(
    ("case", "at"),
    [
        pytest.param(case, at, marks=[pytest.mark.soak] if at != 2 and case in ("logistic", "softmax", "ridge") else [])
        for case in NEWTON
        for at in (1, 2, 3)
    ],
)
def test_newton_steps_over_a_stream_go_on_from_their_pass(case, at, tmp_path):
    """The passes before the one that was under way are not made again."""
    from steepest.model.stream_objective import StreamObjective

    random = np.random.default_rng(5)
    columns = {f"x{i}": X[:, i] for i in range(3)} | {"y": Y, "near": X[:, 0] + 1e-9 * X[:, 2]}
    columns |= {"late": np.where(Y + random.normal(size=len(Y)) > 0.0, "yes", "no")}
    columns |= {"count": random.poisson(np.exp(0.5 * X[:, 0])), "place": random.choice(["a", "b", "c"], len(Y))}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "s.parquet", row_group_size=20)
    path, passes = str(tmp_path / "s.parquet"), []
    plain = st.fit(path, stream=True, **NEWTON[case])
    if plain.steps < at:
        at = plain.steps
    cut_off(at, path, out=tmp_path / "run", stream=True, **NEWTON[case])
    with pytest.MonkeyPatch.context() as patch:
        real = StreamObjective._measured
        patch.setattr(StreamObjective, "_measured", lambda self, theta: passes.append(theta) or real(self, theta))
        again = gone_on(path, out=tmp_path / "run", stream=True, **NEWTON[case])
    assert [note for note in again.notes if note.startswith("The run goes on from step ")]
    assert_same(plain, again)
    assert again.metrics == plain.metrics
    assert len(passes) <= plain.steps - at + 2


@pytest.mark.parametrize(
    ("loss", "at", "where"),
    [
        ("logistic", 7, None),
        ("logistic", 17, "The run goes on from step 0."),
        ("logistic", 60, "The run goes on from step 4."),
        ("mse", 4, "The run goes on from step 0."),
        ("mse", 20, "The run goes on from step 2."),  # in the pass of the exact answer
    ],
)
def test_a_signal_in_the_middle_of_a_pass_ends_it_and_the_run_goes_on_from_before_it(
    loss, at, where, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("steepest.data.first_pass.SAMPLE", 60)  # whose minimum is not that of all rows
    random = np.random.default_rng(5)
    columns = {"a": X[:, 0], "b": X[:, 1], "y": Y, "z": np.where(Y + random.normal(size=len(Y)) > 0.0, "yes", "no")}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "s.parquet", row_group_size=20)
    words = ["fit", str(tmp_path / "s.parquet"), "--stream", "--no-report", "--quiet", "--test-fraction", "0.2"]
    words += ["--target", "z", "--drop", "y"] if loss == "logistic" else ["--target", "y", "--drop", "z"]
    assert main([*words, "--out", str(tmp_path / "plain")]) == 0
    read, real = [], Stream.parted

    def parted(self: Stream, *given: Any) -> Any:
        read.append(given)
        if len(read) == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "parted", parted)
        assert main([*words, "--out", str(tmp_path / "run")]) == 143
    assert len(read) == at  # no row group more
    said = capsys.readouterr().err
    if where is None:
        assert said == "error: interrupted before there was anything to keep\n"
        assert not (tmp_path / "run").exists()
        return
    assert f"the same command goes on with the run in {tmp_path / 'run'}" in said
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    plain, again = st.load(tmp_path / "plain"), st.load(tmp_path / "run")
    assert where in again.notes
    assert_same(plain, again)
    assert again.metrics == plain.metrics
    assert again.exact.theta.tobytes() == plain.exact.theta.tobytes()


def test_a_stream_that_is_interrupted_is_saved_without_a_pass_more(tmp_path):
    """Its scores are those of the rows that are kept, all of a small table, and the exact answer is not looked for."""
    pyarrow.parquet.write_table(pyarrow.table({"x": X[:, 0], "y": Y}), tmp_path / "s.parquet", row_group_size=20)

    def pressed(step: Any, objective: float) -> None:
        if step.t == 9:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    settings = {"target": "y", "stream": True, "optimizer": "sgd", "lr": 0.01, "batch_size": 16, "epochs": 4}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("steepest.engines.choice.WORTH", np.inf)
            patch.setattr("steepest.model.tally.over_parts", None)  # what goes through the rows again
            done = st.fit(tmp_path / "s.parquet", progress=pressed, **settings)
    finally:
        signal.signal(signal.SIGINT, before)
    rows = len(Y)
    assert f"Interrupted: losses and metrics are those of {rows} of the {rows} rows." in done.notes
    np.testing.assert_allclose(done.loss, np.mean((Y - done.theta[0] - done.theta[1] * X[:, 0]) ** 2), rtol=1e-12)
    assert done.gap is None
    assert done.exact_note == "Interrupted: no exact answer was looked for."


@pytest.mark.parametrize("engine", ["loop", "fused"])
def test_minibatches_of_a_stream_are_not_taken_again_where_its_scores_are_interrupted(
    engine, tmp_path, monkeypatch, capsys
):
    """The pass over all rows that the scores take comes after the last step."""
    monkeypatch.setattr("steepest.engines.choice.WORTH", -np.inf if engine == "fused" else np.inf)
    monkeypatch.chdir(tmp_path)
    pyarrow.parquet.write_table(pyarrow.table({"x": X[:, 0], "y": Y}), "s.parquet", row_group_size=7)
    words = [
        "fit",
        "s.parquet",
        "--target",
        "y",
        "--stream",
        "--optimizer",
        "sgd",
        "--lr",
        "0.01",
        "--batch-size",
        "16",
    ]
    words += ["--epochs", "4", "--no-report", "--quiet", "--out"]
    assert main([*words, "plain"]) == 0
    with monkeypatch.context() as patch:

        def pressed(*given: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("steepest.streamed_scores.measured", pressed)
        assert main([*words, "run"]) == 130
    assert capsys.readouterr().err == "error: interrupted: the same command goes on with the run in run.\n"
    assert main([*words, "run"]) == 0
    plain, again = st.load("plain"), st.load("run")
    (said,) = [note for note in again.notes if note.startswith("The run goes on from step ")]
    assert int(said.removesuffix(".").split()[-1]) >= (51 if engine == "loop" else 39)  # of 52
    assert_same(plain, again)

"""A loop of one's own, recorded: what the trace says of it is what NumPy computes, and the loop stays as it was."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import steepest as st
from ejecting import printed, ran

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.25
ROWS = torch.from_numpy(X), torch.from_numpy(Y)[:, None]


def _line() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1).double()


def _run(recorder: st.Recorder, batches, epochs: int, schedule=None) -> None:
    """A plain loop; the criterion is the recorder's."""
    for _ in range(epochs):
        for x, y in batches:
            recorder.optimizer.zero_grad()
            recorder.loss(recorder.model(x), y).backward()
            recorder.step()
            recorder.optimizer.step()
        if schedule is not None:
            schedule.step()


@pytest.fixture
def recorder() -> st.Recorder:
    model = _line()
    return st.Recorder(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))


def test_a_trace_has_the_losses_gradients_and_parameters_of_each_step(recorder):
    _run(recorder, [ROWS], 12)
    trace = recorder.trace
    assert trace.names == ("weight[0,0]", "weight[0,1]", "weight[0,2]", "bias")
    assert trace.step.tolist() == list(range(13))
    design = np.column_stack([X, np.ones(len(X))])
    for row in range(12):
        residual = design @ trace.theta[row] - Y
        gradient = 2.0 * design.T @ residual / len(Y)
        assert trace.loss[row] == pytest.approx((residual**2).mean(), rel=1e-12)
        assert trace.grad_norm[row] == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
        assert trace.theta[row + 1] == pytest.approx(trace.theta[row] - 0.1 * gradient, rel=1e-10, abs=1e-12)
    assert np.isnan(trace.loss[-1])
    assert set(trace.lr) == {0.1}


def test_the_fit_of_a_loop_is_judged_on_its_rows(recorder):
    _run(recorder, [ROWS], 40)
    held = (X[:20] + 0.1, Y[:20])
    fit = recorder.fit(*ROWS, test=held)
    design = np.column_stack([X, np.ones(len(X))])
    assert fit.loss == pytest.approx(((design @ fit.theta - Y) ** 2).mean(), rel=1e-10)
    assert fit.trace.objective == pytest.approx(((fit.trace.theta @ design.T - Y) ** 2).mean(1), rel=1e-10)
    outside = np.column_stack([held[0], np.ones(20)])
    assert fit.test_loss == pytest.approx(((outside @ fit.theta - held[1]) ** 2).mean(), rel=1e-10)
    assert fit.trace.test_loss[0] == pytest.approx(((outside @ fit.trace.theta[0] - held[1]) ** 2).mean(), rel=1e-10)
    assert (fit.optimizer, fit.lr, fit.steps, fit.epochs, fit.schedule) == ("sgd", 0.1, 40, 40, "constant")
    assert fit.predict(X).ravel() == pytest.approx(design @ fit.theta)
    assert fit.status is st.Status.EPOCHS


def test_a_fit_of_ours_from_the_same_start_takes_the_same_path(recorder):
    ours = st.fit(*ROWS, model=recorder.model, loss="mse", optimizer="momentum:0.9", lr=0.02, epochs=25)
    recorder.optimizer = torch.optim.SGD(recorder.model.parameters(), lr=0.02, momentum=0.9)
    _run(recorder, [ROWS], 25)
    fit = recorder.fit(*ROWS)
    assert fit.optimizer == ours.optimizer
    assert fit.trace.theta == pytest.approx(ours.trace.theta, rel=1e-10, abs=1e-12)
    assert fit.trace.objective == pytest.approx(ours.trace.objective, rel=1e-9, abs=1e-14)


def test_pictures_findings_and_folders_serve_it(recorder, tmp_path):
    recorder.optimizer.param_groups[0]["lr"] = 1e-5
    _run(recorder, DataLoader(TensorDataset(*ROWS), batch_size=20), 8)
    fit = recorder.fit(*ROWS)
    assert "ST002" in {finding.code for finding in fit.diagnose()}  # the rate is far too low
    fit.surface()
    fit.loss_curve()
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run", model=recorder.model).loss == fit.loss
    assert pickle.loads(pickle.dumps(fit)).loss == fit.loss


@pytest.mark.parametrize(("drop_last", "each"), [(False, 4), (True, 3)])
def test_epochs_come_of_the_rows_and_rates_of_the_optimiser(recorder, drop_last, each):
    loader = DataLoader(TensorDataset(*ROWS), batch_size=17, shuffle=True, drop_last=drop_last)
    _run(recorder, loader, 6, torch.optim.lr_scheduler.StepLR(recorder.optimizer, 2, 0.5))
    fit = recorder.fit(loader)
    assert fit.trace.epoch.tolist() == [*np.repeat(range(6), each), 6]
    assert fit.trace.lr.tolist() == [*np.repeat([0.1, 0.05, 0.025], 2 * each), 0.025]
    assert (fit.spec.batch_size, fit.spec.epochs, fit.spec.max_steps) == (17, 6, 6 * each)
    assert np.flatnonzero(np.isfinite(fit.trace.objective)).tolist() == [*range(0, 6 * each, each), 6 * each]


def test_epochs_of_a_second_run_are_counted_on(recorder):
    for first, last in (
        (0, 3),
        (0, 3),
        (1, 3),
    ):  # a second call of a trainer's fit(), and one that goes on at a checkpoint
        for epoch in range(first, last):
            recorder.optimizer.zero_grad()
            recorder.loss(recorder.model(ROWS[0]), ROWS[1]).backward()
            recorder.step(epoch=epoch)
            recorder.optimizer.step()
    fit = recorder.fit(*ROWS)
    assert fit.trace.epoch.tolist() == list(range(9))
    assert fit.epochs == fit.steps == 8


def test_what_runs_without_a_gradient_is_no_batch(recorder):
    x, y = ROWS
    with torch.no_grad():
        recorder.loss(recorder.model(100 * x), y)
    recorder.loss(recorder.model(x[:10]), y[:10]).backward()
    with torch.no_grad():
        recorder.loss(recorder.model(100 * x), y)
    recorder.step()
    assert recorder.trace.loss[0] == pytest.approx(((recorder.model(x[:10]) - y[:10]) ** 2).mean().item())
    assert recorder.seen.rows == 10


def test_of_accumulated_gradients_the_loss_is_the_mean(recorder):
    x, y = ROWS
    for part in (slice(0, 30), slice(30, 60)):
        (recorder.loss(recorder.model(x[part]), y[part]) / 2).backward()
    recorder.step()
    whole = ((recorder.model(x) - y) ** 2).mean()
    assert recorder.trace.loss[0] == pytest.approx(whole.item(), rel=1e-12)
    assert recorder.seen.rows == 60


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), "nesterov:0.9"),
        (lambda p: torch.optim.Adam(p, betas=(0.8, 0.99)), "adam:0.8,0.99"),
        (lambda p: torch.optim.AdamW(p, weight_decay=0.1), "adamw:0.9,0.999,0.1"),
        (lambda p: torch.optim.RMSprop(p), "rmsprop:0.99"),
        (lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1), "SGD"),
        (lambda p: torch.optim.Adam(p, eps=1e-3), "Adam"),
    ],
)
def test_an_optimiser_is_the_rule_that_does_the_same(make, name):
    model = _line()
    recorder = st.Recorder(model, nn.MSELoss(), make(model.parameters()))
    _run(recorder, [ROWS], 3)
    assert recorder.fit(*ROWS).optimizer.startswith(name)


class Output(SimpleNamespace):
    """What models of Hugging Face's return, as far as it matters."""


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 2)

    def forward(self, input_ids, labels=None):
        logits = self.head(self.table(input_ids).mean(1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return Output(loss=loss, logits=logits)


def test_a_model_that_returns_its_loss_needs_no_criterion():
    torch.manual_seed(0)
    model, ids = Classifier(), torch.randint(0, 7, (40, 5))
    labels = (ids == 3).any(1).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    recorder = st.Recorder(model, "cross_entropy", optimizer)
    shown = []
    for _ in range(60):
        optimizer.zero_grad()
        shown.append(model(input_ids=ids, labels=labels).loss)
        shown[-1].backward()
        recorder.step()
        optimizer.step()
    fit = recorder.fit(ids, labels)
    assert fit.trace.loss[:-1] == pytest.approx([loss.item() for loss in shown])
    logits = model(ids).logits.detach()
    assert fit.loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert fit.metrics["train"]["accuracy"] == pytest.approx((logits.argmax(1) == labels).double().mean().item())
    assert fit.names[0] == "table.weight[0,0]"


def test_a_loop_without_a_criterion_says_the_loss_and_one_without_optimiser_has_no_rate():
    model = _line()
    recorder = st.Recorder(model, "mse")
    for _ in range(3):
        loss = nn.functional.mse_loss(model(ROWS[0]), ROWS[1])
        loss.backward()
        recorder.step(loss, epoch=7)
    fit = recorder.fit(*ROWS)
    assert fit.trace.loss == pytest.approx(loss.item())
    assert (fit.optimizer, fit.engine) == ("unknown", "own loop")
    assert np.isnan(fit.lr)
    assert fit.trace.epoch.tolist() == [7, 7, 7, 8]
    assert "cannot be made again" in " ".join(str(fit.diagnose()).split())


def test_a_long_loop_is_thinned_and_a_large_model_keeps_what_is_named(recorder):
    _run(recorder, [ROWS], 50)
    few = st.Recorder(recorder.model, recorder.loss, recorder.optimizer, record=10)
    named = st.Recorder(recorder.model, recorder.loss, recorder.optimizer, record=["bias"])
    before = recorder.model.bias.item()
    for _ in range(50):
        recorder.optimizer.zero_grad()
        recorder.loss(recorder.model(ROWS[0]), ROWS[1]).backward()
        few.step()
        named.step()
        recorder.optimizer.step()
    assert few.trace.step.tolist() == [0, 8, 16, 24, 32, 40, 48, 50]
    assert named.trace.names == ("bias",)
    assert named.trace.theta[[0, -1], 0].tolist() == [before, recorder.model.bias.item()]
    assert named.fit(*ROWS).trace.theta.shape == (51, 1)


def test_half_precision_is_kept_in_single():
    model = _line().bfloat16()
    recorder = st.Recorder(model, nn.MSELoss())
    recorder.loss(model(ROWS[0].bfloat16()), ROWS[1].bfloat16()).backward()
    recorder.step()
    assert recorder.trace.theta[0] == pytest.approx(torch.cat([p.flatten() for p in model.parameters()]).tolist())


def test_the_model_is_left_as_it_was(recorder):
    _run(recorder, [ROWS], 2)
    twin = copy.deepcopy(recorder.model)
    twin(ROWS[0]).sum().backward()
    stream = io.BytesIO()
    torch.save(recorder.model, stream)
    assert recorder.steps == 2
    before = recorder.model.weight.data_ptr(), recorder.model.weight.grad
    recorder.fit(*ROWS)
    assert (recorder.model.weight.data_ptr(), recorder.model.weight.grad) == before
    assert recorder.model.training
    _run(recorder, [ROWS], 1)  # it goes on
    assert len(recorder.fit(*ROWS).trace) == 4
    recorder.close()
    assert not recorder.model._forward_hooks
    assert not recorder.loss._forward_hooks


def _moved_by_another(recorder):
    """A step by an optimiser that the recorder does not know."""
    recorder.loss(recorder.model(ROWS[0]), ROWS[1]).backward()
    torch.optim.SGD([recorder.model.bias], lr=0.1).step()


def _of_rows(recorder):
    """A step with the mean of what the criterion gives, in the precision of the model."""
    x, y = (each.to(recorder.model.weight.dtype) for each in ROWS)
    recorder.loss(recorder.model(x), y).mean().backward()
    recorder.step()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_model_that_is_cast_before_the_first_step_is_recorded_as_it_is(recorder, kind):
    recorder.model.to(kind)
    _of_rows(recorder)
    trace = recorder.trace
    assert trace.theta[0].tolist() == [*recorder.model.weight[0].tolist(), *recorder.model.bias.tolist()]


def test_a_line_search_takes_several_steps_and_is_no_rule():
    model, criterion = _line(), nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    recorder, calls = st.Recorder(model, criterion, optimizer), []

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(ROWS[0]), ROWS[1])
        loss.backward()
        recorder.step()
        calls.append(loss.item())
        return loss

    optimizer.step(closure)
    fit = recorder.fit(*ROWS)
    assert fit.trace.loss[:-1].tolist() == calls
    assert len(calls) > 1
    assert fit.optimizer == "unknown"
    assert "several times an update" in fit.notes[-1]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda r: (r.loss(r.model(ROWS[0]), ROWS[1]).backward(), r.optimizer.step(), r.step()),
            "after optimizer.step",
        ),
        (lambda r: r.step(1.0), "no gradient"),
        (lambda r: (r.model(ROWS[0]).sum().backward(), r.step()), r"Say recorder.step\(loss\)"),
        (lambda r: (r.model(ROWS[0]).sum().backward(), r.step(torch.ones(2))), r"shape \[2\]"),
        (lambda r: r.fit(*ROWS), "Nothing was recorded"),
        (lambda r: st.Recorder(3, "mse"), "takes an nn.Module, and this is a int"),
        (lambda r: st.Recorder(nn.ReLU(), "mse"), "no parameter"),
        (lambda r: st.Recorder(r.model, "mze"), "mze"),
        (lambda r: st.Recorder(r.model, "mse", 0.1), "must be the optimizer object"),
        (lambda r: st.Recorder(r.model, "mse", record=1), "at least 2"),
        (lambda r: st.Recorder(r.model, "mse", record="slope"), "'slope', which is no parameter here: weight"),
        (lambda r: r.transformers_callback(), "pip install transformers"),
        (
            lambda r: (r.model(ROWS[0]).sum().backward(), r.step((1.0, 2.0))),
            "takes one number, and this is a tuple of 2",
        ),
        (lambda r: (r.model(ROWS[0]).sum().backward(), r.step("0.1?")), "takes one number, and this is '0.1"),
        (lambda r: st.Recorder(r.model, "mse", [r.optimizer]), "optimizer=a list: it must be the optimizer object"),
        (lambda r: st.Recorder(_line(), "mse", r.optimizer), "SGD given moves none of the model's parameters"),
        (lambda r: st.Recorder(nn.LazyLinear(1), "mse"), r"call model\(x\) once before"),
        (lambda r: (_run(r, [ROWS], 1), r.fit(ROWS[0])), r"recorder.fit\(x, y\)"),
        (lambda r: (_moved_by_another(r), r.step()), "after optimizer.step"),
        (
            lambda r: (r.loss(r.model(ROWS[0]), ROWS[1]).backward(), r.step(epoch=0.5)),
            "epoch=0.5.: it must be a whole number",
        ),
        (lambda r: (_run(r, [ROWS], 1), r.loss(r.model(ROWS[0]), ROWS[1]), r.step()), "before loss.backward"),
        (
            lambda r: r.optimizer.step(lambda: r.loss(r.model(ROWS[0]), ROWS[1]).backward()) or r.step(),
            "within the closure",
        ),
        (
            lambda r: (_run(r, [ROWS], 1), r.model.float(), _of_rows(r)),
            "torch.float64 on cpu when .* torch.float32 on cpu now",
        ),
        (lambda r: _of_rows(st.Recorder(r.model, nn.MSELoss(reduction="none"))), "a loss of each row"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(recorder, act, words):
    with pytest.raises(st.SpecError, match=words) as caught:
        act(recorder)
    assert len(str(caught.value).splitlines()) == 1


def test_a_loop_that_diverged_is_told_so(recorder):
    recorder.optimizer.param_groups[0]["lr"] = 1e60
    _run(recorder, [ROWS], 12)
    fit = recorder.fit(*ROWS)
    assert fit.status is st.Status.DIVERGED
    assert "first not finite at step" in fit.ending.detail


def test_a_callback_of_lightning_steps_with_the_loss_that_is_differentiated(recorder, monkeypatch):
    package, inner = ModuleType("lightning"), ModuleType("lightning.pytorch")
    inner.Callback = type("Callback", (), {})
    monkeypatch.setitem(sys.modules, "lightning", package)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", inner)
    callback, trainer = recorder.lightning_callback(), SimpleNamespace(current_epoch=3)
    x, y = ROWS
    for part in (slice(0, 30), slice(30, 60)):  # what Lightning differentiates of accumulated gradients
        loss = recorder.loss(recorder.model(x[part]), y[part]) / 2
        callback.on_before_backward(trainer, None, loss)
        loss.backward()
    callback.on_before_optimizer_step(trainer, None, torch.optim.SGD(recorder.model.parameters()))  # of another
    assert recorder.steps == 0
    callback.on_before_optimizer_step(trainer, None, recorder.optimizer)
    assert recorder.trace.loss[0] == pytest.approx(((recorder.model(x) - y) ** 2).mean().item(), rel=1e-12)
    assert recorder.trace.epoch.tolist() == [3, 4]


def test_a_layer_that_was_set_free_on_the_way_was_not_recorded():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()
    model[0].requires_grad_(False)
    recorder = st.Recorder(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    _run(recorder, [ROWS], 2)
    model[0].requires_grad_(True)
    _run(recorder, [ROWS], 2)
    with pytest.raises(st.SpecError, match=r"'0\.weight' was not trained when the Recorder was made"):
        recorder.fit(*ROWS)


@pytest.mark.parametrize("case", ["none shown", "two optimizers", "two rates"])
def test_what_no_one_rule_moves_is_no_script(case):
    model, criterion = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double(), nn.MSELoss()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters(), "lr": 0.01}]
    both = torch.optim.SGD(groups[:1] if case == "two optimizers" else groups)
    other = torch.optim.SGD(model[1].parameters(), lr=0.01)
    recorder = st.Recorder(model, criterion, None if case == "none shown" else both)
    for _ in range(5):
        model.zero_grad()
        criterion(model(ROWS[0]), ROWS[1]).backward()
        recorder.step()
        both.step()
        if case == "two optimizers":
            other.step()
    fit = recorder.fit(*ROWS)
    assert fit.optimizer == "unknown"
    assert any("cannot be made again" in note for note in fit.notes) == (case != "none shown")
    with pytest.raises(st.FitError, match="show the recorder the one optimizer of all of them"):
        fit.to_python()


def test_recorded_rates_are_no_formula(recorder):
    _run(recorder, [ROWS], 6, torch.optim.lr_scheduler.StepLR(recorder.optimizer, 2, 0.5))
    with pytest.raises(st.FitError, match=r"known as numbers of its steps, fit\.trace\.lr"):
        recorder.fit(*ROWS).to_python()


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
        lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.9), amsgrad=True),
    ],
    ids=["sgd", "rmsprop", "adam"],
)
def test_a_script_ends_where_a_loop_of_torch_optim_did(optimizer, tmp_path):
    model = _line()
    recorder = st.Recorder(model, nn.MSELoss(), optimizer(model.parameters()))
    _run(recorder, [ROWS], 20)
    (tmp_path / "loop.py").write_text(recorder.fit(*ROWS).to_python(), encoding="utf-8")
    found = printed(ran([tmp_path / "loop.py"])[0])
    assert found["bias"] == pytest.approx(model.bias.item(), rel=1e-9)
    assert found["weight[0,1]"] == pytest.approx(model.weight[0, 1].item(), rel=1e-9)

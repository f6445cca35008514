"""What trackers are sent arrives whole, also where a server is killed on the way, and the fit does not notice."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.trackers import sending

SERVER = Path(__file__).parents[1] / "tracking_server.py"
X = np.random.default_rng(0).normal(size=(200, 3))
SETTINGS = {"optimizer": "sgd", "lr": 0.01, "epochs": 8, "batch_size": 10, "test_fraction": 0.1}
Y = X.sum(1)


class Server:
    """A tracking server of its own process, which can be killed and started again with what it had."""

    def __init__(self, folder: Path):
        self.file, self.port = folder / "tracked.db", 0
        self.start()

    def start(self) -> None:
        words = [sys.executable, str(SERVER), str(self.port), str(self.file)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rows(self, question: str) -> list[tuple]:
        kept = sqlite3.connect(self.file)
        found = kept.execute(question).fetchall()
        kept.close()
        return found


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(sending, "EVERY", 0.02)
    found = Server(tmp_path)
    yield found
    found.kill()


def _kept(server: Server, fit: st.Fit, *but: str) -> None:
    """The server has every step of the trace once, with its numbers."""
    assert server.rows("select count(*) from metrics") == server.rows(
        "select count(*) from (select distinct run, key, step from metrics)"
    )
    for name in {"epoch", "lr", "loss", "grad_norm", "test_loss"} - set(but):
        found = server.rows(f"select step, value from metrics where key = '{name}' order by step")
        known = np.isfinite(getattr(fit.trace, name))
        assert [step for step, _ in found] == fit.trace.step[known].tolist()
        assert [value for _, value in found] == getattr(fit.trace, name)[known].tolist()


def test_a_fit_is_kept_by_a_server(server):
    with st.MLflow(server.address, experiment="rates", name="first") as tracker:
        fit = st.fit(X, Y, **SETTINGS, progress=tracker)
        tracker.log(fit)
    _kept(server, fit)
    assert server.rows("select name, status from runs") == [("first", "FINISHED")]
    assert server.rows("select name from experiments") == [("rates",)]
    assert ("lr", "0.01") in server.rows("select key, value from params")
    st.MLflow(server.address, experiment="rates").log(fit)  # the experiment is there, and takes another run
    assert len(server.rows("select name from experiments")) == 1


def test_a_server_that_is_killed_on_the_way_has_all_of_it_when_it_is_back(server):
    alone = st.fit(X, Y, **SETTINGS)
    tracker = st.MLflow(server.address)

    def progress(step, objective):
        tracker(step, objective)
        if step.t == 60:
            assert tracker.close(5) == 0  # up to here it is there
            server.kill()

    fit = st.fit(X, Y, **SETTINGS, progress=progress)
    np.testing.assert_array_equal(fit.trace.theta, alone.trace.theta)
    tracker.log(fit)
    with pytest.warns(st.SteepestWarning, match=r"steps have not reached http://127.0.0.1:\d+ \(.*refused"):
        assert tracker.close(0.2) > 0
    server.start()
    assert tracker.close() == 0
    _kept(server, fit)


def test_a_recorded_loop_is_sent_too(server):
    model, criterion = nn.Linear(3, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = torch.from_numpy(X).float(), torch.from_numpy(Y).float()[:, None]
    with st.MLflow(server.address) as tracker:
        recorder = st.Recorder(model, criterion, optimizer, progress=tracker)
        for _ in range(30):
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            recorder.step()
            optimizer.step()
        fit = recorder.fit(x, y)
        tracker.log(fit)
    _kept(server, fit, "epoch")  # which is known of the rows, in the end


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("sqlite:///mlflow.db", st.SpecError, "no address of a server. A tracker sends to a server: mlflow server"),
        ("http://127.0.0.1:9", st.RunError, "does not answer"),
    ],
)
def test_a_server_that_cannot_be_is_told_at_once(address, error, words):
    with pytest.raises(error, match=words):
        st.MLflow(address)


# ---- event files ---------------------------------------------------------------------------------


def _crc(data: bytes) -> int:
    """CRC-32C bit by bit, as RFC 3720 defines it, in TensorFlow's form."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _fields(data: bytes) -> Iterator[tuple[int, object]]:
    """The fields of a message of protobuf: number and value."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        yield number, data[place : place + size]
        place += size


def _scalars(file: Path) -> dict[str, dict[int, float]]:
    """Name → step → value of an event file, its checksums checked."""
    data, found = file.read_bytes(), {}
    while data:
        (size,), (head,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        event, (tail,) = data[12 : 12 + size], struct.unpack("<I", data[12 + size : 16 + size])
        assert (head, tail) == (_crc(data[:8]), _crc(event))
        data = data[16 + size :]
        fields = dict(_fields(event))
        assert 0 <= struct.unpack("<d", fields[1])[0] < 5e9
        if 3 in fields:
            assert fields[3] == b"brain.Event:2"
            continue
        value = dict(_fields(dict(_fields(fields[5]))[1]))
        found.setdefault(value[1].decode(), {})[fields[2]] = struct.unpack("<f", value[2])[0]
    return found


def test_an_event_file_has_every_step(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "EVERY", 0.02)
    with st.TensorBoard(tmp_path / "runs" / "a") as tracker:
        fit = st.fit(X, Y, **SETTINGS, progress=tracker)
        tracker.log(fit)
    (file,) = (tmp_path / "runs" / "a").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    found = _scalars(file)
    for name in ("epoch", "lr", "loss", "grad_norm", "test_loss"):
        column = getattr(fit.trace, name)
        known = np.isfinite(column)
        assert found[name] == dict(
            zip(fit.trace.step[known].tolist(), column[known].astype(np.float32).tolist(), strict=True)
        )
    assert found["objective"][0] == np.float32(fit.trace.objective[0])


def test_a_folder_that_is_gone_on_the_way_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "EVERY", 0.02)
    tracker = st.TensorBoard(tmp_path / "a")
    (tmp_path / "a").rmdir()
    (tmp_path / "a").write_text("in the way", encoding="utf-8")
    fit = st.fit(X, Y, **SETTINGS, progress=tracker)
    with pytest.warns(st.SteepestWarning, match="steps have not reached"):
        assert tracker.close(0.2) > 0
    (tmp_path / "a").unlink()
    assert tracker.close() == 0
    (file,) = (tmp_path / "a").iterdir()
    assert len(_scalars(file)["loss"]) == len(fit.trace)
    with pytest.raises(st.RunError, match="cannot be made"):
        st.TensorBoard(file / "b")

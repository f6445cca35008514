"""A fit sent to a tracking server of MLflow's, which is killed on the way and started again: its record is complete.

make examples
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings

import mlflow
import numpy as np

import steepest as st


def server(folder: str, port: int) -> subprocess.Popen[bytes]:
    """A tracking server with its store in a folder, once it answers."""
    store = f"sqlite:///{folder}/mlflow.db"
    words = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, start_new_session=True, cwd=folder, **quiet)
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return process
        except OSError:
            time.sleep(0.5)
    kill(process)
    raise SystemExit("mlflow server does not answer")


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, 9)  # its workers too
    process.wait()


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
x = np.random.default_rng(0).normal(size=(400, 4))

with tempfile.TemporaryDirectory() as folder:
    process = server(folder, port)
    try:
        tracker = st.MLflow(f"http://127.0.0.1:{port}", experiment="examples", name="killed on the way")

        def progress(step, objective):
            tracker(step, objective)
            if step.t == 50:
                kill(process)

        fit = st.fit(x, x.sum(1), optimizer="sgd", lr=0.01, batch_size=40, epochs=20, progress=progress)
        tracker.log(fit)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            print("not arrived while it is down:", tracker.close(1.0))
            print(said[0].message)
        process = server(folder, port)
        print("not arrived once it is back:", tracker.close())
        client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
        known = client.get_metric_history(tracker.run, "loss")
        print(f"{len(known)} losses of {len(fit.trace)} steps; {client.get_run(tracker.run).data.params}")
        assert [one.value for one in sorted(known, key=lambda one: one.step)] == fit.trace.loss.tolist()
    finally:
        kill(process)

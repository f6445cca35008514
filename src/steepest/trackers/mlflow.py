"""A tracking server of MLflow's, by its REST interface: `runs/create`, `runs/log-batch`, `runs/update`.

Every metric carries the time at which it was measured: a batch that arrived and whose answer was lost can be sent again, and the
server takes it for what it has.
Source: MLflow, REST API, version 2.0.
"""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from typing import Any

from steepest.errors import RunError, SpecError
from steepest.trackers.sending import Row, Tracker

SECONDS = 10.0
"""That an answer may take."""

MOST_TEXT = 500
"""Characters of a setting."""

LOCAL = "A tracker sends to a server: mlflow server --backend-store-uri sqlite:///mlflow.db, and MLflow('http://127.0.0.1:5000')."


class MLflow(Tracker):
    """Steps as the metrics of a run on a tracking server of MLflow's; the package mlflow is not needed to send them.

    Given as `progress=` to `fit()` or a `Recorder` they are sent as the fit goes; `log(fit)` sends the rest of its trace, and its
    settings as parameters. A token, or a user and a password, are those of MLflow's own variables: `MLFLOW_TRACKING_TOKEN`,
    `MLFLOW_TRACKING_USERNAME`, `MLFLOW_TRACKING_PASSWORD`.

    Attributes:
        server: its address.
        run: the id of the run.

    Example:
        >>> MLflow("mlruns")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        steepest.errors.SpecError: 'mlruns' is no address of a server. A tracker sends to a server: ...
    """

    def __init__(self, server: str | None = None, *, experiment: str = "Default", name: str | None = None):
        """Begin a run.

        Args:
            server: `http://…`; by default what `MLFLOW_TRACKING_URI` says.
            experiment: its name; it is made if it is missing.
            name: of the run; by default the server makes one up.

        Raises:
            SpecError: no address of a server. RunError: it does not answer, or refuses.
        """
        super().__init__()
        self.server = (server or os.environ.get("MLFLOW_TRACKING_URI", "")).rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            raise SpecError(f"{self.server!r} is no address of a server. {LOCAL}")
        try:
            place = {"experiment_id": self._experiment(experiment), "start_time": _now()}
            self.run: str = self._post("runs/create", place | ({} if name is None else {"run_name": name}))["run"][
                "info"
            ]["run_id"]
        except OSError as error:
            raise RunError(f"The tracking server {self.server} does not answer: {error}.") from None

    def __str__(self) -> str:
        return self.server

    def _send(self, rows: Sequence[Row]) -> None:
        metrics = [
            {"key": name, "value": _value(value), "timestamp": int(when * 1000), "step": step}
            for when, step, known in rows
            for name, value in known.items()
        ]
        for start in range(0, len(metrics), 1000):  # the most that a server takes at once
            self._post("runs/log-batch", {"run_id": self.run, "metrics": metrics[start : start + 1000]})

    def _describe(self, fit: Any) -> None:
        settings = {name: getattr(fit.spec, name) for name in sorted(fit.spec.model_fields_set)}
        known = {name: str(value)[:MOST_TEXT] for name, value in settings.items() if value is not None}
        parameters = [{"key": name, "value": value} for name, value in known.items()]
        self._post("runs/log-batch", {"run_id": self.run, "params": parameters})

    def _finish(self) -> None:
        try:
            self._post("runs/update", {"run_id": self.run, "status": "FINISHED", "end_time": _now()})
        except OSError as error:
            self.trouble = str(error)

    def _experiment(self, name: str) -> str:
        try:
            query = urllib.parse.urlencode({"experiment_name": name})
            return self._answer(f"experiments/get-by-name?{query}", None)["experiment"]["experiment_id"]
        except Refused as error:
            if error.status != 404:
                raise
        return self._post("experiments/create", {"name": name})["experiment_id"]

    def _post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return self._answer(path, json.dumps(content).encode())

    def _answer(self, path: str, content: bytes | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **_authorization()}
        request = urllib.request.Request(f"{self.server}/api/2.0/mlflow/{path}", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")[:200]) from None


class Refused(OSError):
    """What a server answers that does not take a request."""

    def __init__(self, status: int, text: str):
        super().__init__(f"it answers {status}: {text}")
        self.status = status


def _authorization() -> dict[str, str]:
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _value(value: float) -> float | str:
    """A number, as JSON of protobuf has it."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _now() -> int:
    return int(time.time() * 1000)

"""An experiment as the page describes it: which rows, and how to descend. What cannot be checked is not accepted.

    Experiment.read({"data": "sample:line", "settings": {"optimizer": "sgd", "lr": 0.1}})

The rows are a sample, points drawn by hand, the table that the lab was opened with (`given`), or an upload, which is named by
the random identifier that it was given; a page never names a path. A setting is one of the registries' own words and numbers:
nothing that would be imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from steepest.choices import parse
from steepest.data.synthetic import sample_names
from steepest.errors import SpecError
from steepest.settings import Spec
from steepest.settings_table import EACH_ROW, SETTINGS

REFUSED = {"device", "max_seconds", "record", *EACH_ROW}
"""Settings that the page does not have: the machine's own, and those of files."""

TASKS = ("descend", "diagnose", "rates", "describe", "script", "report", "film", "sweep", "graph", "notebook")
"""What can be asked about an experiment (tasks.py)."""

MOST_POINTS = 5_000
UPLOAD = re.compile(r"upload:[0-9a-f]{32}")


class Experiment(BaseModel):
    """data: `sample:NAME`, `drawing` (then points are its rows), `given` or `upload:ID`. settings: as those of `fit()`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str
    points: tuple[tuple[float, float], ...] = Field(default=(), max_length=MOST_POINTS)
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("data")
    @classmethod
    def _known(cls, data: str) -> str:
        known = data in ("drawing", "given") or data.removeprefix("sample:") in sample_names() or UPLOAD.fullmatch(data)
        if not known:
            raise ValueError(f"{data!r} is neither a sample, nor drawing, nor an upload of this page.")
        return data

    @model_validator(mode="after")
    def _checked(self) -> Experiment:
        for name, value in self.settings.items():
            if name not in SETTINGS or name in REFUSED:
                raise ValueError(f"{name} is no setting of the page.")
            if name == "validation" and not isinstance(value, int | float | None):
                raise ValueError(f"validation={value!r}: a share of the rows is expected.")
            choices = SETTINGS[name].choices
            if choices is None or value in (None, "auto", "none"):
                continue
            if isinstance(value, str):
                parse(value, choices, name)
            elif name != "init" or not _are_numbers(value):
                raise ValueError(f"{name}={value!r}: one of its names is expected.")
        Spec.read(self.settings)
        return self

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Experiment:
        """Check what a page sent. Raises SpecError, which says what is wrong."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [str(one.get("ctx", {}).get("error", one["msg"])) for one in error.errors()]
            raise SpecError("\n".join(dict.fromkeys(lines))) from None

    @property
    def upload(self) -> str | None:
        """The identifier of the upload, if the rows are one."""
        return self.data.removeprefix("upload:") if self.data.startswith("upload:") else None

    @property
    def key(self) -> str:
        """The same for equal experiments."""
        return sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def _are_numbers(value: Any) -> bool:
    """Whether it is a list of numbers, as a start may be."""
    return isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value)

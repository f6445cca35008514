"""What a page may ask for, and what it may not."""

from __future__ import annotations

import json

import pytest

from steepest.errors import SpecError
from steepest.lab.catalogue import catalogue
from steepest.lab.experiment import Experiment

LINE = {"data": "sample:line", "settings": {"optimizer": "sgd", "lr": 0.1}}


def test_an_experiment_is_what_fit_takes():
    found = Experiment.read(LINE)
    assert found.data == "sample:line"
    assert found.settings == {"optimizer": "sgd", "lr": 0.1}
    assert found.key == Experiment.read(json.loads(json.dumps(LINE))).key
    assert found.key != Experiment.read({**LINE, "settings": {"optimizer": "sgd", "lr": 0.2}}).key


@pytest.mark.parametrize("data", ["/etc/passwd", "houses.csv", "sample:nothing", "upload:../../secret", "upload:", "-",
                                  "https://example.org/a.csv"])  # fmt: skip
def test_rows_are_named_by_no_path(data):
    with pytest.raises(SpecError, match="neither a sample"):
        Experiment.read({"data": data})


@pytest.mark.parametrize("settings", [
    {"model": "os:system"}, {"loss": "os:system"}, {"optimizer": "torch.optim:SGD"}, {"schedule": "os:system"},
    {"init": "os:system"}, {"model": ["mlp:8"]}, {"device": "cuda"}, {"weights": "w"}, {"record": 5}, {"nonsense": 1},
    {"lr": -1}, {"lr": "fast"}, {"epochs": 0}, {"model": "poly:0"}, {"init": ["a"]},
])  # fmt: skip
def test_nothing_is_imported_and_everything_is_checked(settings):
    with pytest.raises(SpecError):
        Experiment.read({"data": "sample:line", "settings": settings})


def test_a_start_may_be_numbers():
    assert Experiment.read({"data": "sample:line", "settings": {"init": [6, -4]}}).settings["init"] == [6, -4]


def test_every_exhibit_can_be_asked_for():
    for exhibit in catalogue()["exhibits"]:
        Experiment.read(exhibit["experiment"])
    json.dumps(catalogue(), allow_nan=False)

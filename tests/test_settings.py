"""A fit written down: its grammar, its way to TOML and back, and what it says of settings that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.choices import is_choice, is_path, locate, parse
from steepest.errors import SpecError
from steepest.formulas.inits import INITS
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.formulas.penalties import PENALTIES
from steepest.formulas.rules import RULES
from steepest.settings import Spec


def test_a_name_and_its_numbers():
    assert parse("mse", LOSSES, "loss") == ("mse", ())
    assert parse("huber:1.35", LOSSES, "loss") == ("huber", (1.35,))
    assert parse(" quantile:0.9 ", LOSSES, "loss") == ("quantile", (0.9,))
    assert parse("elastic:0.1,0.5", PENALTIES, "penalty") == ("elastic", (0.1, 0.5))
    assert parse("uniform:-14:14", INITS, "init") == ("uniform", (-14.0, 14.0))
    assert parse("mlp:64,32", MODELS, "model") == ("mlp", (64.0, 32.0))
    assert parse("adamw:0.9,0.99,1e-2", RULES, "optimizer") == ("adamw", (0.9, 0.99, 0.01))


def test_numbers_that_are_left_out_have_their_defaults():
    assert parse("huber", LOSSES, "loss") == ("huber", (1.0,))
    assert parse("adamw:0.8", RULES, "optimizer") == ("adamw", (0.8, 0.999, 0.01))
    assert parse("normal", INITS, "init") == ("normal", (1.0,))


def test_a_path_is_no_choice():
    assert is_path("mine.nets:make.one", MODELS)
    assert not is_choice("mine.nets:make.one", MODELS)
    assert is_choice("poly:2", MODELS)
    assert not any(is_path(given, MODELS) for given in ("poly:2", "lienar:2", "mine", print))


def test_the_defaults_are_an_empty_page():
    assert Spec().to_toml() == ""
    assert Spec.from_toml("") == Spec()


@pytest.mark.parametrize(
    "settings",
    [
        {
            "model": "poly:2",
            "loss": "l1",
            "optimizer": "sgd",
            "lr": 10.0,
            "schedule": "inverse",
            "epochs": 500,
        },
        {"target": "price", "columns": ("area", "rooms"), "drop": ("id",), "weights": "w", "missing": "mean"},
        {"target": ("a", "b"), "penalty": "elastic:0.1,0.5", "intercept": False, "seed": 2**64 - 1},
        {"batch_size": 32, "shuffle": "draws", "tol": 0.0, "patience": 5, "validation": 0.2, "clip": 1.0},
        {"class_weight": {"yes": 2.0, "no": 1.0}, "loss": "logistic", "test_fraction": 0.25},
        {"class_weight": "balanced", "init": "uniform:-14:14", "precondition": "none", "record": 2},
        {"init": [0.5, 0.75], "max_steps": 7, "dtype": "float32", "device": "cuda:0"},
        {"target": 'a "quoted" name, ünïcode\nand a new line'},
    ],
)
def test_toml_brings_back_what_was_written(settings):
    spec = Spec.read(settings)
    again = Spec.from_toml(spec.to_toml())
    assert again == spec
    assert again.to_toml() == spec.to_toml()


def test_what_can_be_imported_is_written_by_its_name():
    spec = Spec(optimizer=torch.optim.SGD, loss=torch.nn.functional.mse_loss)
    assert 'optimizer = "torch.optim.sgd:SGD"' in spec.to_toml()
    assert locate("torch.optim.sgd:SGD") is torch.optim.SGD
    assert Spec.from_toml(spec.to_toml()).loss == "mse"
    other = Spec(loss=torch.nn.functional.cosine_embedding_loss)
    assert Spec.from_toml(other.to_toml()).loss == "torch.nn.functional:cosine_embedding_loss"
    with pytest.raises(
        SpecError, match=r"loss=<function .*cannot be written down: give it a name that can be imported"
    ):
        Spec(loss=lambda prediction, target: 0.0).to_toml()
    with pytest.raises(SpecError, match="'nowhere:at_all' cannot be imported: No module named 'nowhere'"):
        locate("nowhere:at_all")


def test_one_name_alone_is_a_list_of_one():
    assert Spec(drop="id", columns="x").drop == ("id",)
    assert Spec(penalty=None).penalty == "none"


def test_a_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Spec().lr = 0.1


FINITE = "a number greater than 0"
BAD = [
    ({"model": "zzz"}, "model='zzz' is not known. Known: linear, poly, logistic, softmax, mlp."),
    (
        {"model": "lienar"},
        "model='lienar' is not known; did you mean 'linear'? Known: linear, poly, logistic, softmax, mlp.",
    ),
    ({"model": "poly"}, "model='poly' has 0 numbers; it is written poly:DEGREE."),
    ({"model": "poly:2.5"}, "model='poly:2.5': the degree of poly must be a whole number of at least 1."),
    ({"model": "mlp:0"}, "model='mlp:0': the width of mlp must be a whole number of at least 1."),
    (
        {"model": "logistic", "loss": "mse"},
        "model='logistic' is the linear model with loss='logistic', but loss='mse' was given. Leave one of them out.",
    ),
    ({"loss": "huber:-1"}, "loss='huber:-1': the width of huber must be greater than 0."),
    ({"loss": "huber:x"}, "loss='huber:x': what follows the colon must be numbers, as in huber:D."),
    ({"loss": "huber:1e400"}, "loss='huber:1e400': its numbers must be finite."),
    ({"loss": "quantile"}, "loss='quantile' has 0 numbers; it is written quantile:Q."),
    (
        {"loss": "quantile:1.5"},
        "loss='quantile:1.5': the level of quantile must be greater than 0 and less than 1.",
    ),
    ({"penalty": "l2:-1"}, "penalty='l2:-1': the weight of l2 must be at least 0 and at most 1e100."),
    ({"penalty": "elastic:1"}, "penalty='elastic:1' has 1 numbers; it is written elastic:A,B."),
    ({"optimizer": "sgd:0.1"}, "optimizer='sgd:0.1' has 1 numbers; it is written sgd."),
    (
        {"optimizer": "momentum:1.5"},
        "optimizer='momentum:1.5': the momentum of momentum must be at least 0 and less than 1.",
    ),
    ({"schedule": "step:1"}, "schedule='step:1' has 1 numbers; it is written step:N,F."),
    (
        {"schedule": "warmup:2.5"},
        "schedule='warmup:2.5': the number of steps of warmup must be a whole number of at least 1.",
    ),
    (
        {"init": "uniform:2:1"},
        "init='uniform:2:1': the first number must be the smaller one, as in uniform:-1:1.",
    ),
    ({"lr": 0}, f'lr=0.0: it must be {FINITE}, or "auto".'),
    ({"lr": float("nan")}, f'lr=nan: it must be {FINITE}, or "auto".'),
    ({"clip": 0}, f"clip=0.0: it must be {FINITE} (the largest gradient norm)."),
    ({"batch_size": 0}, 'batch_size=0: it must be "full" or at least 1.'),
    ({"epochs": 0}, "epochs=0: it must be a whole number of at least 1."),
    ({"max_steps": 2**70}, f"max_steps={2**70}: it must be less than 2^63."),
    ({"schedule": 3}, "schedule=3 is neither a name nor a function."),
    ({"loss": 3}, "loss=3 is neither a name nor a function."),
    ({"lr": [0.1, 0.2]}, "lr=[0.1, 0.2]: a fit has one learning rate; several at once are for st.sweep()."),
    ({"epochs": 1.5}, "epochs=1.5: input should be a valid integer, got a number with a fractional part."),
    ({"max_seconds": 0}, "max_seconds=0.0: it must be a number greater than 0."),
    ({"tol": -1}, "tol=-1.0: it must be 0 (stop only where nothing changes) or greater."),
    ({"validation": 1}, "validation=1.0: it must be a fraction between 0 and 1."),
    ({"missing": "zero"}, "missing='zero': it must be one of error, drop, mean, level."),
    ({"test_fraction": 1.0}, "test_fraction=1.0: it must be a fraction from 0 to just under 1."),
    ({"seed": -1}, "seed=-1: it must be a whole number from 0 to 2^64 - 1."),
    (
        {"record": 1},
        "record=1: it must be a whole number of at least 2 (the most rows that the trace keeps), or names of parameters.",
    ),
    ({"shuffle": "maybe"}, "shuffle='maybe': input should be 'rows', 'draws', 'blocks' or 'none'."),
    ({"dtype": "float16"}, "dtype='float16': input should be 'float32' or 'float64'."),
    ({"epoch": 3}, "epoch is no setting of a fit; did you mean epochs?"),
    ({"zzz": 1, "yyy": 2}, "zzz is no setting of a fit.\nyyy is no setting of a fit."),
]


@pytest.mark.parametrize(("settings", "words"), BAD, ids=[str(settings) for settings, _ in BAD])
def test_a_bad_setting_is_named_with_what_is_allowed(settings, words):
    with pytest.raises(SpecError) as error:
        Spec.read(settings)
    assert str(error.value) == words


def test_broken_toml_is_said_to_be_so():
    with pytest.raises(SpecError, match="This is no TOML: Invalid value"):
        Spec.from_toml("lr = ")
    with pytest.raises(SpecError, match=r"lr=-1\.0: it must be a number greater than 0"):
        Spec.from_toml("lr = -1.0")


def test_a_start_is_given_as_an_array():
    assert Spec(init=np.array([0.5, 1.0])).init.tolist() == [0.5, 1.0]

"""Every name of the grammar means something, and a name that means nothing is no silent default."""

import numpy as np
import pytest
import torch

from steepest import defaults
from steepest.choices import Choice, Number
from steepest.data.tables import prepare
from steepest.descent import schedule_factors, torch_rules
from steepest.errors import SteepestError
from steepest.formulas.inits import INITS
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.formulas.penalties import PENALTIES
from steepest.formulas.rules import RULES
from steepest.formulas.schedules import SCHEDULES
from steepest.model import automatic_loss, modules, penalties, torch_losses
from steepest.settings import Spec

NUMBERS = {
    "huber": "1.5",
    "quantile": "0.3",
    "l1": "0.1",
    "l2": "0.1",
    "elastic": "0.1,0.2",
    "group": "0.1",
    "step": "10,0.5",
}
NUMBERS |= {
    "expectile": "0.8",
    "tweedie": "1.7",
    "epsilon_insensitive": "0.2",
    "cauchy": "2.0",
    "tukey": "3.0",
    "exponential": "0.9",
    "restarts": "7",
    "warmup": "5",
    "uniform": "-1,1",
    "poly": "2",
    "mlp": "4",
}
DATA, _ = prepare(np.arange(6.0)[:, None], np.arange(6.0))


def degree(name):
    made = modules.module(name, 1, 1, 0)
    return made if made is not None else defaults._terms(Spec(model=name), DATA).degree


TABLES = {
    "LOSSES": LOSSES,
    "PENALTIES": PENALTIES,
    "SCHEDULES": SCHEDULES,
    "RULES": RULES,
    "INITS": INITS,
    "MODELS": MODELS,
}
WAYS = {
    "LOSSES": torch_losses.loss,
    "PENALTIES": penalties.penalty,
    "SCHEDULES": lambda name: schedule_factors.schedule(name, 100),
    "RULES": torch_rules.rule,
    "INITS": lambda name: modules.start(name, ("a", "b"), 0),
    "MODELS": degree,
}
DECIDED_ELSEWHERE = {("LOSSES", "auto"), ("RULES", "auto")}


def written(table, name):
    optional = table in ("LOSSES", "PENALTIES", "SCHEDULES", "INITS", "MODELS") and name in NUMBERS
    takes = bool(TABLES[table][name].numbers)
    return f"{name}:{NUMBERS[name]}" if optional and takes else name


@pytest.mark.parametrize("table", WAYS)
def test_every_name_has_a_definition_of_its_own(table):
    found = {}
    for name in TABLES[table]:
        if (table, name) in DECIDED_ELSEWHERE:
            with pytest.raises(SteepestError):
                WAYS[table](name)
            continue
        found[name] = WAYS[table](written(table, name))
    if table == "SCHEDULES":  # two are the same only where they say so
        values = {
            name: tuple(float(one(t, t)) for t in (0, 3, 40))
            for name, one in found.items()
            if name not in ("auto", "plateau")
        }
        assert len(set(values.values())) == len(values)
    if table in ("LOSSES", "RULES"):
        assert len({repr(one) for one in found.values()}) == len(found)
    if table == "MODELS":
        assert isinstance(found.pop("mlp"), torch.nn.Module)
        assert found == {"linear": 1, "poly": 2, "logistic": 1, "softmax": 1}


@pytest.mark.parametrize("table", WAYS)
def test_a_name_without_a_definition_is_an_error(table, monkeypatch):
    unheard_of = Choice("unheard_of", "", (Number("a", 1.0), Number("b", 2.0)))
    monkeypatch.setitem(TABLES[table], "unheard_of", unheard_of)
    for text in ("unheard_of", "unheard_of:1,2"):
        with pytest.raises((KeyError, TypeError, AttributeError, SteepestError)):
            WAYS[table](text)


def test_a_loss_of_the_grammar_is_never_imported(monkeypatch):
    monkeypatch.setitem(LOSSES, "unheard_of", Choice("unheard_of", "", (Number("a", 1.0),)))
    with pytest.raises(SteepestError, match="depends on the target"):
        automatic_loss.loss_of(Spec(loss="unheard_of:1"), None)

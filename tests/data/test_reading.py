"""What is said about how a table is read is one object, the same from Python, from the command and from a run's folder."""

from __future__ import annotations

import pytest

from steepest.cli import commands, ranges
from steepest.command_words import options
from steepest.data.reading import AS_IT_IS, Reading
from steepest.errors import SpecError
from steepest.settings import Spec
from steepest.settings_table import READING
from steepest.sweeps.axes import Runs

SAID = {
    "decimal": ",",
    "thousands": ".",
    "encoding": "latin-1",
    "skip_rows": 2,
    "comment": "#",
    "header": False,
    "missing_values": ("unknown", "-999", "not:none"),
    "categories": ("store", "a, b"),
    "date": {"when": "days", "the, end": "parts"},
    "labels": "casefold",
}


def test_reading_takes_every_setting_that_says_how_a_table_is_read():
    assert set(SAID) == set(READING)
    assert Reading.of(Spec(**SAID)) == Reading(**SAID)
    assert Reading.of(Spec()) == AS_IT_IS


def test_what_was_said_comes_back_from_a_runs_folder():
    spec = Spec(**SAID, missing={"Alley": "level", "*": "mean"})
    assert Spec.from_toml(spec.to_toml()) == spec
    assert Spec.from_toml('target = "y"\n') == Spec(target="y"), "a run written before these settings were"


def test_the_command_and_python_say_the_same(monkeypatch):
    given = {**SAID, "missing": {"Alley": "level", "*": "mean"}}
    found = {}

    def keep(data, progress, **settings):
        found.update(settings)
        raise SpecError("enough")

    monkeypatch.setattr("steepest.fitting.fit", keep)
    assert commands.main(["fit", "a.csv", *options(given)]) == 2
    assert Spec.read({name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}) == Spec(**given)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"decimal": ";"}, "decimal=';'"),
        ({"thousands": "x"}, "thousands='x': it must be a point"),
        ({"decimal": ",", "thousands": ","}, "they must differ"),
        ({"encoding": "latin-99"}, "encoding='latin-99' is not known"),
        ({"encoding": "base64"}, "encoding='base64' is not known"),
        ({"skip_rows": -1}, "skip_rows=-1: it must be a whole number"),
        ({"comment": " "}, "comment=' ': it must be the sign"),
        ({"missing": "fill"}, "missing='fill': it must be one of error, drop, mean, level"),
        ({"missing": {"Alley": "fill"}}, "missing='fill' of the column 'Alley'"),
        ({"date": "days"}, "date='days': it must name"),
        ({"date": {"when": "weeks"}}, "date={'when': 'weeks'}"),
        ({"labels": "upper"}, "labels='upper'"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, words):
    with pytest.raises(SpecError) as caught:
        Spec.read(settings)
    assert words in str(caught.value)


def test_single_words_and_numbers_are_names_of_their_own():
    assert Spec(categories="store").categories == ("store",)
    assert Spec(missing_values=-999).missing_values == ("-999",)
    assert Spec(missing_values=["unknown", -1.5]).missing_values == ("unknown", "-1.5")


def test_in_a_sweep_a_list_of_texts_is_one_value():
    one = Runs(
        {"missing_values": ["unknown", -999], "categories": ["a", "b"], "date": {"when": "days"}, "header": False}
    )
    assert (one.count, one.base.missing_values, one.base.categories) == (1, ("unknown", "-999"), ("a", "b"))
    two = Runs({"missing": ["drop", {"Alley": "level"}], "missing_values": [[], ["unknown"]]})
    assert [(two.spec(i).missing, two.spec(i).missing_values) for i in range(4)] == [
        ("drop", ()), ("drop", ("unknown",)), ({"Alley": "level"}, ()), ({"Alley": "level"}, ("unknown",)),
    ]  # fmt: skip


def test_ranges_read_the_words_of_a_sweep():
    def read(name, *words):
        return ranges.values(name, list(words))

    assert read("decimal", ",") == ","
    assert read("header") is False, "--no-header gives no words"
    assert read("header", "true,false") == [True, False]
    assert read("missing", "drop,mean") == ["drop", "mean"]
    assert read("missing", "Alley=level,mean") == {"Alley": "level", "*": "mean"}
    assert read("missing_values", "unknown,-999") == ["unknown", "-999"]
    assert read("skip_rows", "2") == 2

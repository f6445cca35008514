"""The options of the command that are settings of a fit: their groups and help, and from the words typed to the settings."""

from __future__ import annotations

import csv
from typing import Any

from cyclopts import Group, Parameter

from steepest.errors import SpecError

GROUPS: dict[str, dict[str, str]] = {
    "Data": {
        "target": "Column to predict, or log(COLUMN); several: a,b or repeated. A sample has one of its own.",
        "columns": "Columns to predict from; all others by default. For a name with a comma, repeat the option.",
        "drop": "Columns to leave out.",
        "weights": "Column that holds the weight of each row.",
        "class_weight": "balanced, or label=weight,…",
        "missing": "What to do with missing values: error (default), drop (the rows), mean or level; or COLUMN=level,…",
        "missing_values": "Words that mean missing, beside the usual ones: unknown,-999. not:none takes a usual one back.",
        "categories": "Columns whose values are levels, whatever they look like.",
        "date": "Columns of dates: COLUMN=days (a number of days) or COLUMN=parts (year, month, weekday, hour).",
        "labels": "casefold: levels that differ in case and surrounding blanks only are one.",
        "decimal": "The decimal mark of numbers: . or , (by default what the file shows).",
        "thousands": "The mark between thousands, such as . or , or ' '.",
        "encoding": "Of a text file, such as latin-1 or cp1252; UTF-8 by default.",
        "skip_rows": "Lines above the header of a text file that are not read.",
        "comment": "The sign that comment lines of a text file begin with, such as #.",
        "header": "Whether the first line of a text file holds names (by default what its lines show).",
        "test_fraction": "Share of the rows held out and scored.",
        "seed": "Seed of all random numbers (default 0).",
    },
    "Model": {
        "model": "linear (default), poly:DEGREE, logistic, softmax, mlp:64,32 or package.module:factory.",
        "loss": "mse, l1, huber:D, quantile:Q, logcosh, logistic or cross_entropy; by default what the target asks for.",
        "penalty": "l1:A, l2:A or elastic:A,B, in the units of the parameters; intercepts are free.",
        "intercept": "Whether the model has an intercept (it has by default).",
    },
    "Descent": {
        "optimizer": "auto (default), sgd, momentum:B, nesterov:B, adagrad, rmsprop, adam or adamw.",
        "lr": "Learning rate, or auto (default), which is safe at any batch size.",
        "schedule": "constant, inverse, step:N,F, cosine or warmup:N.",
        "batch_size": "Rows in a batch, or full (default).",
        "shuffle": "rows (default: a fresh permutation each epoch), draws, blocks or none.",
        "clip": "Largest norm of a gradient; longer ones are scaled down to it.",
        "init": "Start: zeros (default), numbers 1,2,3, normal or uniform:LO:HI.",
        "precondition": "Coordinates of the descent: auto (default), none, standardize or orthonormal.",
        "dtype": "float64 (default) or float32.",
        "device": "cpu (default) or cuda.",
    },
    "Stopping": {
        "epochs": "Largest number of passes over the rows.",
        "max_steps": "Largest number of updates.",
        "tol": "Stop when the objective changes by no more than this share of it; 0: by nothing at all.",
        "patience": "How many such checks in a row, or epochs without a better validation loss.",
        "validation": "Share of the training rows held out for early stopping.",
    },
    "Output": {
        "record": "Steps that the trace keeps at most (default 10000).",
    },
}
"""Group → setting → one line on it."""

HELP = {setting: line for group in GROUPS.values() for setting, line in group.items()}

ORDERED = {name: Group.create_ordered(name) for name in GROUPS}
"""The groups as `--help` shows them, in this order."""

OUTPUT = ORDERED["Output"]

NAMES = ("target", "columns", "drop", "categories", "missing_values")
SEVERAL = (*NAMES, "class_weight", "missing", "date")
"""Settings that may hold several words, parted by commas or given by repeating the option."""

SWITCHES = ("intercept", "header")

READING = (
    *("missing_values", "categories", "date", "labels", "decimal", "thousands", "encoding", "skip_rows"),
    *("comment", "header"),
)
"""Settings that say how a table is read."""

DASH = "(standard input or output)"
"""Stands for a lone `-` while the command line is read, where it would pass for an option."""


def option(setting: str) -> Parameter:
    """How the option of a setting is read and explained."""
    # numbers such as -1,2 begin with a hyphen and are no option
    hyphen = setting in ("init", "missing_values")
    return Parameter(help=HELP[setting], negative="", allow_leading_hyphen=hyphen, group=_group(setting))


def switch(setting: str) -> Parameter:
    """The same for `--header`, which may be given as `--no-header`; for a sweep also `--header true,false`."""
    return Parameter(help=HELP[setting], negative=f"--no-{setting}", group=_group(setting))


def output(line: str, short: str | None = None) -> Parameter:
    """An option that says what becomes of the result; short: another name of it, beside `--out`."""
    names = () if short is None else ("--out", short)
    return Parameter(name=names or None, help=line, negative="", group=OUTPUT, show_default=False)


def _group(setting: str) -> Group:
    return next(ORDERED[name] for name, settings in GROUPS.items() if setting in settings)


def dash(word: str) -> str:
    """A word as it was typed."""
    return "-" if word == DASH else word


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a fit from what was typed."""
    settings = dict(given)
    for name in NAMES:
        if name in given:
            settings[name] = names(given[name])
    if "class_weight" in given:
        settings["class_weight"] = _class_weight(given["class_weight"])
    if "missing" in given:
        settings["missing"] = _missing(given["missing"])
    if "date" in given:
        settings["date"] = _pairs("date", given["date"], "COLUMN=days or COLUMN=parts")
    if "init" in given:
        settings["init"] = _numbers(given["init"])
    return settings


def names(words: list[str]) -> list[str]:
    """Names of columns: given once, parted by commas (quotes protect one, as in CSV); repeated, as they are.

    >>> names(["a,b"]), names(["a,b", "c"]), names(['"a,b",c'])
    (['a', 'b'], ['a,b', 'c'], ['a,b', 'c'])
    """
    words = [dash(word) for word in words]
    found = next(csv.reader(words, skipinitialspace=True), []) if len(words) == 1 else words
    return list(dict.fromkeys(name for name in found if name))


def _class_weight(words: list[str]) -> str | dict[str, float]:
    if words == ["balanced"]:
        return "balanced"
    shape = "balanced, or label=weight,label=weight"
    factors = {}
    for label, factor in _pairs("class_weight", words, shape).items():
        try:
            factors[label] = float(factor)
        except ValueError:
            raise SpecError(f"--class-weight {label}={factor}: it is written {shape}.") from None
    return factors


def _missing(words: list[str]) -> str | dict[str, str]:
    """One word for all columns, or one for each; a word without a column is for all others.

    >>> _missing(["drop"]), _missing(["mean,Alley=level"])
    ('drop', {'*': 'mean', 'Alley': 'level'})
    """
    words = names(words)
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    return _pairs("missing", [word if "=" in word else f"*={word}" for word in words], "a word, or COLUMN=word,…")


def _pairs(setting: str, words: list[str], shape: str) -> dict[str, str]:
    """Words `name=value` as a dict.

    >>> _pairs("date", ["when=days,until=parts"], "COLUMN=days")
    {'when': 'days', 'until': 'parts'}
    """
    found = {}
    for word in names(words):
        name, equals, value = word.rpartition("=")
        if not equals or not name:
            raise SpecError(f"--{setting.replace('_', '-')} {word}: it is written {shape}.")
        found[name] = value
    return found


def _numbers(text: str) -> str | list[float]:
    """`1,2,3` as numbers; anything else as it is.

    >>> _numbers("-1, 2"), _numbers("zeros")
    ([-1.0, 2.0], 'zeros')
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text

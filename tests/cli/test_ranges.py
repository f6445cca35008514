"""Ranges and lists as they are written on the command line."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.cli.ranges import values
from steepest.errors import SpecError


@pytest.mark.parametrize(
    ("setting", "words", "expected"),
    [
        ("lr", ["0.1"], 0.1),
        ("lr", ["auto"], "auto"),
        ("lr", ["1e-3:1:log:4"], [1e-3, 1e-2, 1e-1, 1.0]),
        ("lr", ["0:1:lin:3,5", "auto"], [0.0, 0.5, 1.0, 5.0, "auto"]),
        ("lr", ["1:1e-2:log:3"], [1.0, 0.1, 0.01]),
        ("seed", ["0:3"], [0, 1, 2, 3]),
        ("seed", ["18446744073709551615"], 2**64 - 1),
        ("seed", ["4,0:1"], [4, 0, 1]),
        ("batch_size", ["full,8:64:log:4"], ["full", 8, 16, 32, 64]),
        ("epochs", ["1e3"], 1000),
        ("optimizer", ["sgd,momentum:0.9,adam:0.9,0.99"], ["sgd", "momentum:0.9", "adam:0.9,0.99"]),
        ("optimizer", ["momentum:0.5:0.9:lin:3"], ["momentum:0.5", "momentum:0.7", "momentum:0.9"]),
        ("penalty", ["elastic:0.1,0.2"], "elastic:0.1,0.2"),
        ("penalty", ["elastic:0.1,0.2,none,l2:1e-2:1:log:3"], ["elastic:0.1,0.2", "none", "l2:0.01", "l2:0.1", "l2:1"]),
        ("penalty", ["elastic:0.1:0.2"], "elastic:0.1:0.2"),
        ("model", ["mlp:64,32,linear"], ["mlp:64,32", "linear"]),
        ("schedule", ["step:10,0.5,cosine"], ["step:10,0.5", "cosine"]),
        ("loss", ["huber:1,huber:2"], ["huber:1", "huber:2"]),
        ("init", ["1,2,3"], [1.0, 2.0, 3.0]),
        ("init", ["-1,2", "0,0"], [[-1.0, 2.0], [0.0, 0.0]]),
        ("init", ["zeros,uniform:-1,1,normal:2"], ["zeros", "uniform:-1,1", "normal:2"]),
        ("columns", ["a,b"], ["a", "b"]),
        ("columns", ["a,b", "a"], [["a", "b"], ["a"]]),
        ("target", ["y", "z"], [["y"], ["z"]]),
        ("class_weight", ["a=1,b=2"], {"a": 1.0, "b": 2.0}),
        ("class_weight", ["a=1,b=2", "balanced"], [{"a": 1.0, "b": 2.0}, "balanced"]),
        ("weights", ["w, of each"], "w, of each"),
        ("intercept", ["true,false"], [True, False]),
        ("dtype", ["float32,float64"], ["float32", "float64"]),
        ("lr", ["0.1,0.1"], 0.1),
    ],
)
def test_words_become_values(setting, words, expected):
    found = values(setting, words)
    if isinstance(expected, list) and isinstance(expected[0], float):
        assert found[0] == expected[0]
        assert [type(value) for value in found] == [type(value) for value in expected]
        numbers = [i for i, value in enumerate(expected) if isinstance(value, float)]
        np.testing.assert_allclose([found[i] for i in numbers], [expected[i] for i in numbers], rtol=1e-15)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("setting", "word", "words"),
    [
        ("lr", "1e-4:1:log", "a range is written FIRST:LAST:log:COUNT"),
        ("lr", "1e-4:1", "a range is written"),
        ("lr", "a:1:log:5", "a range is written"),
        ("lr", "0:1:log:5", "must be greater than 0; lin takes any"),
        ("lr", "0:1:lin:1", "count must be a whole number from 2"),
        ("lr", "0:1:lin:1e9", "count must be a whole number from 2"),
        ("seed", "5:2", "must not be larger than the last"),
        ("seed", "0:1e9", "more than 1,000,000 values"),
        ("seed", "1.5", "'1.5' is no whole number"),
        ("batch_size", "1:inf", "'inf' is no whole number"),
        ("penalty", "l2:0:1:log:3", "must be greater than 0"),
        ("intercept", "maybe", "must be true or false"),
    ],
)
def test_a_range_that_is_none_names_the_option(setting, word, words):
    with pytest.raises(SpecError, match=f"--{setting.replace('_', '-')} {word}: .*{words}"):
        values(setting, [word])

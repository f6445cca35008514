"""A state comes back from its bytes as it was, and what is not one is told from it."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import torch

from steepest.checkpoints.tree import Unlike, Unpackable, like, packed, unpacked

STATE = {
    "numbers": [1, -(2**62), 0.1, inf, nan, True, None, "θ"],
    "pair": (1.5, [np.float32(0.1), np.int64(3), np.bool_(True)]),
    "arrays": [np.arange(6.0).reshape(2, 3), np.zeros((0, 2), np.float32), np.array(nan), np.arange(3, dtype=np.int64)],
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    0: {"step": torch.tensor(3.0), "half": torch.tensor([1.5, 2.5], dtype=torch.bfloat16)},
    1: torch.tensor([[1 + 2j]]),
}


def test_it_comes_back_to_the_last_bit():
    content = packed(STATE)
    again = unpacked(content)
    assert list(again) == list(STATE)
    assert repr(again["numbers"]) == repr(STATE["numbers"])
    assert repr(again["pair"]) == repr(STATE["pair"])
    for one, other in zip(STATE["arrays"], again["arrays"], strict=True):
        assert (one.tobytes(), one.shape, one.dtype) == (other.tobytes(), other.shape, other.dtype)
    assert again["columns"].flags.f_contiguous
    assert again["columns"].tolist() == STATE["columns"].tolist()
    assert (again[0]["step"].shape, again[0]["half"].dtype) == ((), torch.bfloat16)
    assert again[0]["half"].tolist() == [1.5, 2.5]
    assert again[1].tolist() == [[1 + 2j]]


def test_a_file_that_was_cut_short_or_changed_is_told():
    content = packed(STATE)
    for length in (0, 5, 100, len(content) - 1):
        with pytest.raises(ValueError, match=r"."):
            unpacked(content[:length])
    for place in (9, len(content) // 2, len(content) - 3):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(ValueError, match=r"."):
            unpacked(bytes(changed))


@pytest.mark.parametrize("odd", [object(), {1, 2}, np.array(["a"]), lambda: 0, 1j])
def test_what_is_no_data_is_refused(odd):
    with pytest.raises(Unpackable):
        packed({"memory": [odd]})


def test_only_what_is_like_it_is_taken():
    template = {"theta": np.zeros(2), "count": 0, "pair": (1.0, "a"), "some": None, "t": torch.zeros(1)}
    fine = {"theta": np.ones(2), "count": 3, "pair": (2.5, "b"), "some": [1, 2], "t": torch.ones(1)}
    assert like(template, fine)["count"] == 3
    wrong = [
        {"theta": np.ones(3)}, {"theta": np.ones(2, np.float32)}, {"theta": [1.0, 1.0]}, {"count": 3.0}, {"count": True},
        {"pair": [2.5, "b"]}, {"pair": (2.5,)}, {"pair": (2, "b")}, {"t": torch.ones(1).double()}, {"more": 1},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(Unlike):
            like(template, fine | change)

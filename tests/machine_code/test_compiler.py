"""Machine code says what NumPy says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from steepest.machine_code.compiler import compiled, once
from steepest.machine_code.instructions import INTEGER, REAL, WORDS, Number, least, to

X = np.array([-3.5, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0, 40.0, np.inf, -np.inf])
ALONE = {"abs": np.abs, "exp": np.exp, "log1p": lambda x: np.log1p(np.abs(x)), "sign": np.sign, "tanh": np.tanh}
FORMULAS = {
    "clip": (lambda x, w: w["clip"](x, -1.0, 0.5), lambda x: np.clip(x, -1.0, 0.5)),
    "maximum": (lambda x, w: w["maximum"](x, 0.5), lambda x: np.maximum(x, 0.5)),
    "minimum": (lambda x, w: w["minimum"](x, 0.5), lambda x: np.minimum(x, 0.5)),
    "where": (lambda x, w: w["where"](x > 0.0, 2.0 * x, 1.0 - x), lambda x: np.where(x > 0.0, 2.0 * x, 1.0 - x)),
    "polynomial": (lambda x, w: (x - 1.0) ** 2 / 4.0 + 3.0 / (x + 10.0), lambda x: (x - 1.0) ** 2 / 4 + 3 / (x + 10)),
    "powers": (lambda x, w: abs(x) ** 0.5 + abs(x) ** 1.5, lambda x: np.abs(x) ** 0.5 + np.abs(x) ** 1.5),
    **{
        name: (lambda x, w, name=name: w[name](abs(x) if name == "log1p" else x), expected)
        for name, expected in ALONE.items()
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_those_of_numpy(name, dtype):
    formula, expected = FORMULAS[name]

    def write(code, x, out, count):
        with code.each(count) as i:
            out[i] = formula(x[i], WORDS)

    x = X.astype(dtype)
    out = np.empty_like(x)
    compiled(write, to(dtype), to(dtype), INTEGER)(x, out, len(x))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out, expected(x), rtol=4 * np.finfo(dtype).eps)


def test_what_is_not_a_number_stays_so():
    def write(code, x, out):
        out[0], out[1] = WORDS["minimum"](x[0], 0.5), WORDS["exp"](x[0]) - x[0]

    out = np.zeros(2)
    compiled(write, to("float64"), to("float64"))(np.array([np.nan]), out)
    assert np.isnan(out).all()


def test_loops_are_ranges_and_sums_grow():
    def write(code, x, start, stop):
        total = code.zero(x.kind)
        with code.each(start, stop, 3) as i, code.when(i.is_not(7)):
            total[0] += x[i]
        return total[0]

    x = np.arange(20.0) ** 2
    total = compiled(write, to("float64"), INTEGER, INTEGER, result=REAL)
    assert total(x, 1, 18) == sum(x[i] for i in range(1, 18, 3) if i != 7)
    assert total(x, 5, 5) == 0.0


def test_integers_are_divided_and_cast():
    def write(code, out, i, f):
        out[0], out[1], out[2] = i // 4 * 4, least(i, 9), (f * i).cast(INTEGER)

    out = np.zeros(3, np.int64)
    compiled(write, to("int64"), INTEGER, REAL)(out, 11, 0.35)
    assert out.tolist() == [8, 9, 3]


def test_a_number_is_no_condition_of_python():
    def write(code, x):
        if x > 0.0:
            raise AssertionError

    with pytest.raises(TypeError, match="known only when the code runs"):
        compiled(write, REAL)


@pytest.mark.parametrize("given", [np.zeros(4, np.float32), np.zeros(8)[::2]])
def test_an_array_of_another_kind_is_refused(given):
    def write(code, x):
        x[0] = 1.0

    with pytest.raises(TypeError, match="An array of float64 in one piece"):
        compiled(write, to("float64"))(given)


def test_threads_that_ask_together_share_what_is_compiled():
    made = []

    @once
    def doubled(dtype):
        made.append(dtype)

        def write(code, x: Number):
            return x + x

        return compiled(write, REAL, result=REAL)

    together = Barrier(4)

    def ask(x):
        together.wait()
        return doubled("float64")(x)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, [1.0, 2.0, 3.0, 4.0])) == [2.0, 4.0, 6.0, 8.0]
    assert made == ["float64"]

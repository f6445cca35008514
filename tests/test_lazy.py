"""A method whose function is imported when it is called is shown with that function's signature and docstring."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys

import pytest

import steepest as st
from steepest.lazy import delegated
from steepest.plots.surface.draw import surface


@pytest.fixture(scope="module")
def fit() -> st.Fit:
    return st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])


def test_a_method_has_the_signature_and_the_help_of_its_function(fit):
    expected = list(inspect.signature(surface).parameters.values())
    assert list(inspect.signature(fit.surface).parameters.values()) == expected[1:]
    assert list(inspect.signature(st.Fit.surface).parameters.values()) == expected
    assert fit.surface.__doc__ == surface.__doc__
    assert "coordinates: `user` units" in pydoc.render_doc(fit.surface)


def test_after_its_first_use_a_method_is_the_class_s_own():
    class Box:
        sqrt = delegated("test_lazy:kind_of")

    class Smaller(Box):
        pass

    assert Smaller().sqrt() == "Smaller"
    assert Box.__dict__["sqrt"] is kind_of_itself()
    assert Box().sqrt() == "Box"


def kind_of(box: object) -> str:
    """The name of a value's class."""
    return type(box).__name__


def kind_of_itself() -> object:
    """`kind_of` as an import gives it."""
    return sys.modules["test_lazy"].kind_of


def test_a_fit_by_least_squares_and_one_of_a_tall_table_need_no_pytorch():
    code = (
        "import sys, numpy as np, steepest as st; random = np.random.default_rng(0); x = random.normal(size=(100, 3)); "
        "fit = st.fit(x, x.sum(1) + random.normal(size=100), test_fraction=0.2); "
        "fit.loss, fit.test_loss, fit.metrics, fit.gap, fit.exact, fit.status, fit.predict(x), fit.params, fit.trace; "
        "x = random.normal(size=(60_000, 9)); y = x.sum(1) + random.normal(size=60_000); "
        "tall = [st.fit(x, y, **more) for more in ({'penalty': 'l1:0.1'}, {'loss': 'huber:1', 'dtype': 'float32'})]; "
        "[(each.loss, each.metrics, each.gap) for each in tall]; "
        "print(fit.gap, [name for name in ('torch', 'pandas', 'scipy.stats', 'sklearn', 'llvmlite') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.0 []"


def test_a_search_of_penalties_needs_no_pytorch():
    code = (
        "import sys, numpy as np, steepest as st; random = np.random.default_rng(0); x = random.normal(size=(60, 3)); "
        "found = st.search(st.DescentRegressor(), {'penalty': ['none', 'l2:1']}, x, x.sum(1) + random.normal(size=60)); "
        "print(found.side_by_side, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10 False"


def test_the_command_on_a_line_needs_neither_pytorch_nor_pandas(tmp_path):
    table = tmp_path / "line.csv"
    table.write_text("x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(100)), encoding="utf-8")
    code = (
        "import sys; from steepest.cli.commands import main; code = main(sys.argv[1:]); "
        "print(code, [name for name in ('torch', 'pandas', 'sklearn', 'llvmlite') if name in sys.modules])"
    )
    words = [sys.executable, "-c", code, "fit", str(table), "--target", "y", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 []"


def test_a_fit_is_made_without_the_libraries_that_draw_it():
    code = (
        "import sys, steepest as st; fit = st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5]); fit.gap; "
        "print([name for name in ('plotly', 'matplotlib', 'networkx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""scikit-learn's own checks of estimators: none fails, but for what repeated rows mean to minibatches."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import steepest as st

EQUIVALENCE = "a row of weight 2 is dealt once, and two rows are dealt twice: other batches, by design"
OF_MINIBATCHES = {
    "check_sample_weight_equivalence_on_dense_data": EQUIVALENCE,
    "check_sample_weight_equivalence_on_sparse_data": EQUIVALENCE,
}
# warnings of descents that are told to end after five epochs are what they should be
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


def expected(estimator: Any) -> dict[str, str]:
    return {} if estimator.batch_size == "full" else OF_MINIBATCHES


@parametrize_with_checks([st.DescentRegressor(), st.DescentClassifier()])
def test_of_full_batches(estimator, check):
    check(estimator)


@pytest.mark.soak
@parametrize_with_checks(
    [
        kind(**settings)
        for kind in (st.DescentRegressor, st.DescentClassifier)
        for settings in (
            {"optimizer": "sgd"},
            {"penalty": "l2:0.01"},
            {"penalty": "elastic:0.001,0.001"},
            {"batch_size": 8, "max_iter": 30},
            {"batch_size": 8, "max_iter": 30, "optimizer": "adam", "warm_start": True},
            {"early_stopping": True, "optimizer": "sgd"},
        )
        if "early_stopping" not in settings
    ],
    expected_failed_checks=expected,
)
def test_of_other_settings(estimator, check):
    check(estimator)


def test_tensors_of_pytorch_come_back_as_such():
    """scikit-learn's checks of other libraries' arrays. SciPy is told of these before it is imported, in a process of its own."""
    code = """
import warnings

import torch
from sklearn import config_context
from sklearn.utils.estimator_checks import estimator_checks_generator

import steepest as st

warnings.simplefilter("ignore")
passed = 0
for estimator in (st.DescentRegressor(), st.DescentClassifier()):
    for one, check in estimator_checks_generator(estimator, mark="skip"):
        if "array_api" in str(check):
            try:
                check(one)
                passed += 1
            except Exception as error:
                if type(error).__name__ != "SkipTest":
                    raise
assert passed >= 4, passed
with config_context(array_api_dispatch=True):
    x = torch.arange(6.0, dtype=torch.float64)[:, None]
    line = st.DescentRegressor().fit(x, 2 * x[:, 0] + 1)
    classes = st.DescentClassifier(penalty="l2:0.01").fit(x, x[:, 0] > 2)
    assert torch.allclose(line.predict(x), 2 * x[:, 0] + 1), line.predict(x)
    assert all(isinstance(one, torch.Tensor) for one in (line.coef_, classes.predict_proba(x), classes.predict(x)))
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""Metrics are scikit-learn's, and what is printed of a classification says which class it is about."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as oracle

import steepest as st
from steepest.cli.commands import main
from steepest.data.wording import number
from steepest.model.linear import Terms

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(150, 2))
RARE = np.where(X[:, 0] + RANDOM.logistic(size=150) > 1.5, "yes", "no")
THREE = np.array(["a", "b", "c"])[(X @ [[2, 0, -1], [0, 1, -1]] + RANDOM.gumbel(size=(150, 3)) + [1, 0, 0]).argmax(1)]
WEIGHTS = RANDOM.uniform(0.1, 3.0, size=150)


def expected(fit, y, x, weights=None):
    """What scikit-learn says of the predictions."""
    predicted, shares = fit.predict(x), fit.predict_proba(x)
    labels = fit.schema.classes
    binary = len(labels) == 2
    each = {"sample_weight": weights, "zero_division": 0.0}
    average = {"average": "binary", "pos_label": labels[1]} if binary else {"average": "macro"}
    share = [np.average(y == label, weights=weights) for label in labels]
    score = shares[:, 1] if binary else shares
    return {
        "accuracy": oracle.accuracy_score(y, predicted, sample_weight=weights),
        "error_rate": oracle.zero_one_loss(y, predicted, sample_weight=weights),
        "balanced_accuracy": oracle.balanced_accuracy_score(y, predicted, sample_weight=weights),
        "base_rate": share[1] if binary else max(share),
        "precision": oracle.precision_score(y, predicted, **average, **each),
        "recall": oracle.recall_score(y, predicted, **average, **each),
        "auc": oracle.roc_auc_score(y, score, multi_class="ovr", sample_weight=weights),
        "confusion": oracle.confusion_matrix(y, predicted, labels=labels, sample_weight=weights).tolist(),
    }


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("y", [RARE, THREE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_metrics_of_classes_are_those_of_sklearn(y, class_weight, weights):
    fit = st.fit(X, y, class_weight=class_weight, weights=weights)
    same(fit.metrics["train"], expected(fit, y, X, weights))


@pytest.mark.parametrize("y", [RARE, THREE], ids=["two classes", "three classes"])
def test_metrics_of_held_out_rows_are_those_of_sklearn(y):
    fit = st.fit(X, y, class_weight="balanced", test_fraction=0.3)
    labels = np.array(fit.schema.classes)
    same(fit.metrics["test"], expected(fit, labels[fit.test.y], fit.test.x))


def test_a_class_that_is_never_predicted_has_precision_0():
    y = np.where(np.arange(150) < 3, "yes", "no")
    fit = st.fit(X, y, lr=0.1, epochs=3)
    assert set(fit.predict(X)) == {"no"}
    same(fit.metrics["train"], expected(fit, y, X))


def test_held_out_rows_of_no_weight_are_refused():
    once = st.fit(X, X[:, 0], test_fraction=0.2)
    held_out = {tuple(row) for row in once.test.x}
    with pytest.raises(st.DataError, match="all weights of the held-out rows are zero"):
        st.fit(X, X[:, 0], test_fraction=0.2, weights=[float(tuple(row) not in held_out) for row in X])


def test_metrics_come_back_from_a_run(tmp_path):
    fit = st.fit(X, RARE, class_weight="balanced")
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").metrics == fit.metrics


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rare.csv"
    path.write_text("a,b,sold\n" + "".join(f"{a!r},{b!r},{y}\n" for (a, b), y in zip(X.tolist(), RARE, strict=True)))
    return str(path)


def test_the_command_prints_the_plain_accuracy_and_names_the_class(capsys, table):
    command = ["fit", table, "--target", "sold", "--class-weight", "balanced"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]["train"]
    fit = st.fit(X, RARE, class_weight="balanced")
    wanted = expected(fit, RARE, X)
    same(found, wanted)
    lines = {" ".join(line.split()[:-1]): line.split()[-1] for line in out.splitlines() if line.strip()}
    assert lines["accuracy"] == number(wanted["accuracy"], 8)
    assert lines["balanced accuracy"] == number(wanted["balanced_accuracy"], 8)
    assert lines["base rate of 'yes'"] == number(np.mean(RARE == "yes"), 8)
    assert lines["precision of 'yes'"] == number(wanted["precision"], 8)
    assert lines["recall of 'yes'"] == number(wanted["recall"], 8)
    assert "The coefficients are for the log-odds of 'yes' against 'no'." in out
    assert "Rows by their true and predicted class:" in out
    for label, row in zip(("no", "yes"), wanted["confusion"], strict=True):
        assert f"true '{label}' {row[0]} {row[1]}" in " ".join(out.split())


def test_a_notebook_shows_what_the_command_prints(capsys, table):
    fit = st.fit(table, target="sold", class_weight="balanced")
    page = fit._repr_html_()
    for cell in (
        "balanced accuracy",
        "base rate of &#x27;yes&#x27;",
        "recall of &#x27;yes&#x27;",
        "true &#x27;yes&#x27;",
    ):
        assert f"<td>{cell}</td>" in page
    assert "log-odds of &#x27;yes&#x27; against &#x27;no&#x27;" in page


def test_a_notebook_shows_metrics_and_notes_of_numbers():
    frame = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "price": [1e9, 2.5e9, 3.2e9, 4.1e9]}
    fit = st.fit(frame, target="price")
    assert np.abs(fit.train.y - fit.predict(frame)).mean() == pytest.approx(1.5e8)
    for shown in (fit._repr_html_(), str(fit)):
        assert "R²" in shown
        assert "150,000,000" in shown  # a mean absolute error of 1.5e8
        assert "is the baseline" in shown


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1_025_859_812.3, 8, "1,025,859,800"),
        (123_456.789, 8, "123,456.79"),
        (0.000123456, 3, "0.000123"),
        (-4321.0, 5, "-4,321"),
        (-1e-12, 5, "-1e-12"),
        (1e15, 5, "1e+15"),
        (999_999.99, 3, "1,000,000"),
        (-0.0, 5, "0"),
        (float("inf"), 5, "inf"),
        (float("nan"), 5, "–"),
        (None, 5, "–"),
    ],
)
def test_numbers_are_written_as_a_person_reads_them(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize("model", ["linear", "poly:3"])
def test_a_fit_and_its_scores_make_the_design_once(model, monkeypatch):
    made, design = [], Terms.design
    monkeypatch.setattr(Terms, "design", lambda self, x: made.append(len(x)) or design(self, x))
    fit = st.fit(X, X @ [1.0, 2.0] + 0.1 * X[:, 0] ** 2, model=model)
    assert fit.gap is not None
    assert fit.metrics["train"]["r2"] <= 1.0
    assert made == [len(X)]


def test_the_gap_of_a_large_ridge_regression_is_proven_by_its_dual():
    random = np.random.default_rng(11)
    x = random.standard_normal((500, 1_200))
    y = x[:, :5] @ np.arange(1.0, 6.0) + random.standard_normal(500)
    fit = st.fit(x, y, penalty="l2:0.05")
    assert fit.gap_kind == "bound"
    assert 0.0 <= fit.gap <= 1e-12 * fit.objective_value
    bound = fit.gap
    assert fit.exact is not None
    assert fit.gap_kind == "exact"
    assert fit.gap <= bound + 1e-12 * fit.objective_value

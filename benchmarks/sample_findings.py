"""What is found on the bundled samples, each finding judged by a calculation of others; writes docs/sample_findings.md.

    python benchmarks/sample_findings.py [SAMPLE …]

Every sample is fitted with settings that people use. The calculation beside a finding is one of scikit-learn, statsmodels
or SciPy, which knows nothing of the fit but its rows. With samples named, no page is written.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import statsmodels.api as sm
from scipy.optimize import linprog
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from statsmodels.stats.outliers_influence import OLSInfluence, variance_inflation_factor

import steepest as st
from steepest.data.synthetic import sample_names

PAGE = Path(__file__).parents[1] / "docs" / "sample_findings.md"

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "the defaults": {},
    "a quarter held out": {"test_fraction": 0.25},
    "raw columns by sgd": {"optimizer": "sgd", "precondition": "none", "epochs": 200},
    "standardised columns by sgd": {"optimizer": "sgd", "precondition": "standardize"},
    "batches of 32": {"batch_size": 32, "epochs": 50},
    "adam": {"optimizer": "adam", "epochs": 500},
    "a network": {"model": "mlp:16", "test_fraction": 0.25},
    "a network on raw columns": {"model": "mlp:16", "precondition": "none", "test_fraction": 0.25},
}

Verdict = tuple[bool, str]
"""Whether a finding is true, and the numbers that show it."""


def _design(rows: Any) -> np.ndarray:
    """Standardised columns `[n, d]` without those of one value."""
    spread = rows.x.std(0)
    return (rows.x - rows.x.mean(0))[:, spread > 0] / spread[spread > 0]


def separable(fit: Any, finding: Any) -> Verdict:
    """A plane that has a class on one side and all others on the other, by a linear program."""
    x, y = _design(fit.train), fit.train.y
    apart = []
    for code in range(len(fit.train.classes)):
        side = np.where(y == code, 1.0, -1.0)
        rows = -side[:, None] * np.column_stack([x, np.ones(len(x))])
        found = linprog(np.zeros(rows.shape[1]), A_ub=rows, b_ub=-np.ones(len(x)), bounds=(None, None))
        if found.status == 0:
            apart.append(fit.train.classes[code])
    return bool(apart), f"scipy's linprog finds a plane between {', '.join(apart) or 'no class'} and all others"


def constant(fit: Any, finding: Any) -> Verdict:
    """Columns of one value."""
    ranges = dict(zip(fit.train.names, np.ptp(fit.train.x, axis=0), strict=True))
    named = [name for name in ranges if f"'{name}'" in finding.what]
    return all(ranges[name] == 0 for name in named), f"the range of {len(named)} columns named is 0"


def collinear(fit: Any, finding: Any) -> Verdict:
    """The largest variance inflation factor of the columns named."""
    x = sm.add_constant(fit.train.x)
    named = [place for place, name in enumerate(fit.train.names) if f"'{name}'" in finding.what]
    most = max(variance_inflation_factor(x, place + 1) for place in named)
    return most > 5, f"statsmodels' variance inflation factors go up to {most:.3g}"


def scales(fit: Any, finding: Any) -> Verdict:
    """Of the linear family the condition of the columns as they are and standardised; of a network its cross-validated loss."""
    if fit.network is None or fit.problem is not None:
        raw, scaled = (np.linalg.cond(sm.add_constant(x)) for x in (fit.train.x, _design(fit.train)))
        return (
            raw > 10 * scaled,
            f"the design's condition number is {raw:.3g}, and {scaled:.3g} with standardised columns",
        )
    return _networks(fit)


def target_scale(fit: Any, finding: Any) -> Verdict:
    """How much of the training target a network of scikit-learn's explains, all as it is and all standardised."""
    x, y = fit.train.x, fit.train.y
    own = MLPRegressor(hidden_layer_sizes=(16,), max_iter=500, learning_rate_init=0.01, random_state=0)
    both = (x, y), (_design(fit.train), (y - y.mean(0)) / y.std(0))
    before, after = (own.fit(columns, target).score(columns, target) for columns, target in both)
    return after > before, f"scikit-learn's network has a training R² of {before:.3g}, standardised {after:.3g}"


def _networks(fit: Any) -> Verdict:
    """Cross-validated log losses of a network of scikit-learn's on columns as they are, and on standardised ones."""
    x, y = fit.train.x, fit.train.y
    own = MLPClassifier(hidden_layer_sizes=(16,), max_iter=300, random_state=0)
    losses = [
        -cross_val_score(model, x, y, scoring="neg_log_loss", cv=_folds(fit)).mean()
        for model in (own, make_pipeline(StandardScaler(), own))
    ]
    told = f"scikit-learn's network has a cross-validated log loss of {losses[0]:.3g}, with standardised columns {losses[1]:.3g}"
    return losses[1] < losses[0], told


def _folds(fit: Any) -> Any:
    return (
        KFold(5, shuffle=True, random_state=0)
        if fit.train.classes is None
        else StratifiedKFold(5, shuffle=True, random_state=0)
    )


def few_steps(fit: Any, finding: Any) -> Verdict:
    """The loss beside the least one."""
    least = np.mean((LinearRegression().fit(fit.train.x, fit.train.y).predict(fit.train.x) - fit.train.y) ** 2)
    return fit.loss > least * (1 + 1e-6), f"the loss is {fit.loss:.6g}; scikit-learn's least squares leave {least:.6g}"


def outliers(fit: Any, finding: Any) -> Verdict:
    """Studentised residuals, of the curve where the line is too straight."""
    x = PolynomialFeatures(2).fit_transform(fit.train.x)
    found = OLSInfluence(sm.OLS(fit.train.y, x).fit()).resid_studentized_external
    row, line = (
        finding.rows[0],
        OLSInfluence(sm.OLS(fit.train.y, sm.add_constant(fit.train.x)).fit()).resid_studentized_external,
    )
    return max(abs(found[row]), abs(line[row])) > 4, (
        f"statsmodels' studentised residual of that row is {line[row]:.3g} beside a line, {found[row]:.3g} beside a parabola"
    )


def bend(fit: Any, finding: Any) -> Verdict:
    """An F-test of the squares, without rows that lie far from the parabola."""
    curve, y = PolynomialFeatures(2).fit_transform(fit.train.x), fit.train.y
    near = np.abs(OLSInfluence(sm.OLS(y, curve).fit()).resid_studentized_external) < 5
    straight, bent = (sm.OLS(y[near], columns[near]).fit() for columns in (sm.add_constant(fit.train.x), curve))
    statistic, p, _ = bent.compare_f_test(straight)
    without = f" without {np.sum(~near)} rows far away" if not near.all() else ""
    return p < 1e-3, f"statsmodels' F-test of the squares{without}: F = {statistic:.3g}, p = {p:.1e}"


def overfitting(fit: Any, finding: Any) -> Verdict:
    """Cross-validated losses as it is, and with less of it."""
    x = np.concatenate([fit.train.x, fit.test.x])
    y = np.concatenate([fit.train.y, fit.test.y])
    if fit.problem is None:
        given = {
            "hidden_layer_sizes": (16,),
            "learning_rate_init": 0.01,
            "batch_size": 10_000,
            "tol": 0.0,
            "random_state": 0,
        }
        models = tuple(
            make_pipeline(StandardScaler(), MLPClassifier(max_iter=epochs, n_iter_no_change=epochs, **given))
            for epochs in (500, 100)
        )
        scoring, words = "neg_log_loss", "log loss of a network after 500 full batches and after 100"
    elif fit.train.classes is None:
        models, scoring, words = (
            (LinearRegression(), RidgeCV(np.logspace(-2, 5, 30))),
            "neg_mean_squared_error",
            "squared error of least squares and of ridge regression",
        )
        models = tuple(make_pipeline(StandardScaler(), model) for model in models)
    else:
        models = tuple(make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5_000)) for c in (1e8, 1.0))
        scoring, words = "neg_log_loss", "log loss of logistic regression without a penalty and with l2"
    before, after = (-cross_val_score(model, x, y, scoring=scoring, cv=_folds(fit)).mean() for model in models)
    return after < 0.9 * before, f"scikit-learn's cross-validated {words}: {before:.3g} and {after:.3g}"


JUDGES: Mapping[str, Callable[[Any, Any], Verdict]] = {
    "ST003": few_steps, "ST004": scales, "ST005": collinear, "ST006": constant, "ST015": separable, "ST023": outliers,
    "ST024": bend, "ST027": overfitting, "ST039": target_scale,
}  # fmt: skip


def findings(name: str) -> Iterator[tuple[str, Any, Verdict | None]]:
    """What is found in a sample under each of the settings, and its verdict; without a judge None."""
    for words, settings in SETTINGS.items():
        fit = st.fit(f"sample:{name}", **settings)
        for finding in fit.diagnose():
            judge = JUDGES.get(finding.code)
            yield words, finding, None if judge is None else judge(fit, finding)


def rows_of(name: str) -> tuple[list[str], int, int]:
    """The rows of a sample's table, one a finding and all settings that share it; how many are true, of how many."""
    told: dict[tuple[str, str], list[str]] = {}
    verdicts: dict[tuple[str, str], Verdict | None] = {}
    for words, finding, verdict in findings(name):
        key = finding.code, finding.what
        told.setdefault(key, []).append(words)
        verdicts.setdefault(key, verdict)
        print(name, words, finding.code, finding.what, verdict, flush=True)
    rows = []
    for (code, what), settings in told.items():
        verdict = verdicts[code, what]
        mark, why = ("not judged", "") if verdict is None else ("true" if verdict[0] else "**false**", verdict[1])
        rows.append(f"| {name} | {', '.join(settings)} | {code} | {what.replace('|', '/')} | {mark} | {why} |")
    true = sum(verdict is not None and verdict[0] for verdict in verdicts.values())
    return rows or [f"| {name} | all | none | | | |"], true, len(verdicts)


def main(names: list[str]) -> int:
    parts = [rows_of(name) for name in names or sample_names()]
    true, count = (sum(part[place] for part in parts) for place in (1, 2))
    lines = [
        "# What is found on the samples", "",
        "`python benchmarks/sample_findings.py` wrote this page: each bundled sample, fitted with settings that people use, and",
        "each finding beside a calculation of scikit-learn, statsmodels or SciPy, which knows of the fit its rows alone. A",
        f"finding that several settings share stands once, judged under the first of them. {true} of {count} are true.", "",
        "Settings: " + "; ".join(f"{words}: `{settings}`" for words, settings in SETTINGS.items()) + ".", "",
        "| sample | settings | code | finding | | by the calculation of others |", "| --- | --- | --- | --- | --- | --- |",
        *(row for part in parts for row in part[0]), "",
    ]  # fmt: skip
    if not names:
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print(f"{true} of {count} are true")
    return int(true < count)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="*")
    sys.exit(main(parser.parse_args().samples))

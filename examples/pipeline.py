"""A pipeline on a table with text and numbers, and the best penalty for it: by GridSearchCV, and by st.search, which is sooner.

.venv/bin/python examples/pipeline.py
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import steepest as st


def main() -> None:
    """Fit, search, and say how good the answer is."""
    wine = st.synthetic.sample("wine").to_pandas()
    train, test = train_test_split(wine, test_size=0.25, random_state=0)
    columns = make_column_transformer((OneHotEncoder(drop="first"), ["cultivar"]), remainder=StandardScaler())
    pipeline = make_pipeline(columns, st.DescentRegressor())
    grid = {"descentregressor__penalty": ["none", *(f"l2:{a:.1g}" for a in np.logspace(-4, 1, 11))]}
    x, y = train.drop(columns="alcohol"), train["alcohol"]

    begun = time.perf_counter()
    theirs = GridSearchCV(pipeline, grid, cv=5).fit(x, y)
    between = time.perf_counter()
    ours = st.search(pipeline, grid, x, y, cv=5)
    print(f"GridSearchCV: {theirs.best_params_}, {theirs.best_score_:.4f}, in {between - begun:.2f} s")
    print(f"st.search:    {ours.best_params_}, {ours.best_score_:.4f}, in {time.perf_counter() - between:.2f} s")

    best = ours.best_estimator_
    last = best[-1]
    print(
        f"R² {best.score(test.drop(columns='alcohol'), test['alcohol']):.3f} on {len(test)} rows that it has not seen"
    )
    print(f"{last.status_} The gap to the best possible answer is {last.gap_:.1e}.")


if __name__ == "__main__":
    main()

"""Numbers of `fit.summary()` of families beside those of statsmodels' GLM, on the tables of `inference_cases.py`.

The tests look whether eight digits agree; `benchmarks/inference.py` writes how many do to docs/inference.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import statsmodels.api as sm

import steepest as st

from inference_cases import Compared, Table, of_result, table

LINK = sm.families.links.Log
SOURCE = "GLM of statsmodels"
FAMILIES = {
    "poisson": sm.families.Poisson(),
    "binomial": sm.families.Binomial(),
    "gamma": sm.families.Gamma(LINK()),
    "tweedie:1.5": sm.families.Tweedie(LINK(), 1.5),
}
FIGURES = {
    "log_likelihood": "llf", "log_likelihood_null": "llnull", "aic": "aic", "bic": "bic_llf", "deviance": "deviance",
    "null_deviance": "null_deviance", "pearson_chi2": "pearson_chi2", "dispersion": "scale", "df_residual": "df_resid",
    "df_model": "df_model", "nobs": "nobs",
}  # fmt: skip
EXACT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 200}


def numbers(rows: Table, seed: int) -> dict[str, np.ndarray]:
    """Targets of each family, the trials behind the shares, and an exposure, each `[n]`."""
    generator = np.random.default_rng([seed, 16])
    line = (rows.x - rows.x.mean(0)) @ generator.normal(size=rows.x.shape[1]) / (3.0 * rows.x.shape[1])
    mean, trials = np.exp(1.0 + line), generator.integers(2, 30, len(line))
    counts = generator.poisson(mean).astype(float)
    return {
        "poisson": counts, "gamma": generator.gamma(2.0, mean / 2.0),
        "tweedie:1.5": counts * generator.gamma(1.5, 1.0, len(line)),
        "binomial": generator.binomial(trials, 1.0 / (1.0 + np.exp(-line))).astype(float),
        "trials": trials.astype(float), "exposure": generator.uniform(0.5, 4.0, len(line)),
    }  # fmt: skip


def compared_families(seed: int) -> Iterator[Compared]:
    """Every number on one table."""
    rows = table(seed)
    made = numbers(rows, seed)
    for loss, family in FAMILIES.items():
        good, trials = made[loss], made["trials"]
        settings = {"trials": "trials"} if loss == "binomial" else {}
        frame = rows.frame(y=good, g=rows.groups, trials=trials)
        fit = st.fit(frame, target="y", columns=rows.names, loss=loss, **settings)
        model = sm.GLM(np.column_stack([good, trials - good]) if settings else good, rows.design, family)
        plain, found = model.fit(**EXACT), fit.summary()
        yield from of_result(found, plain, loss, SOURCE, FIGURES)
        yield Compared("pseudo_r2", loss, found.pseudo_r2, plain.pseudo_rsquared(), SOURCE)
        for cov, more in (("HC0", {}), ("cluster:g", {"cov_kwds": {"groups": rows.groups}})):
            kind = cov.partition(":")[0]
            robust = model.fit(**EXACT, cov_type=kind, **more)
            yield from of_result(fit.summary(cov=cov), robust, f"{loss}, {kind}", SOURCE, {})
        new = rows.x[:7] + 0.25
        frame = plain.get_prediction(sm.add_constant(new)).summary_frame(alpha=0.05)
        ends = frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy()
        ours = fit.predict(dict(zip(rows.names, new.T, strict=True)), interval=0.95)
        yield Compared("predict, mean", loss, ours, ends, "get_prediction of GLM of statsmodels")
    counts = rows.frame(y=made["poisson"], e=made["exposure"], f=rows.counts)
    fit = st.fit(counts, target="y", columns=rows.names, loss="poisson", exposure="e")
    model = sm.GLM(made["poisson"], rows.design, sm.families.Poisson(), exposure=made["exposure"])
    figures = {name: theirs for name, theirs in FIGURES.items() if "null" not in name}  # iterated, to seven digits
    yield from of_result(fit.summary(), model.fit(**EXACT), "poisson, exposure", SOURCE, figures)
    fit = st.fit(counts, target="y", columns=rows.names, loss="poisson", weights="f", weights_kind="frequency")
    model = sm.GLM(made["poisson"], rows.design, sm.families.Poisson(), freq_weights=rows.counts)
    figures = {name: theirs for name, theirs in FIGURES.items() if name != "nobs"}  # rows, and not what they stand for
    yield from of_result(fit.summary(), model.fit(**EXACT), "poisson, frequencies", SOURCE, figures)

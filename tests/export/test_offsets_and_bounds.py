"""Scripts of fits with an offset, an exposure, trials or bounds print the numbers of the fit."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
import zoo
from ejecting import printed, ran

ALL, CLAIMS, _ = zoo.insurance()
X, HOLDERS = ALL[:, :-1], ALL[:, -1]


SHIFT = 1.0 + 0.5 * X[:, 1]
WRITTEN = {
    "rates": (CLAIMS, {"loss": "poisson", "exposure": HOLDERS}),
    "rates by sgd": (CLAIMS, {"loss": "poisson", "exposure": HOLDERS, "optimizer": "sgd", "lr": 1e-4, "epochs": 30}),
    "rates held out": (CLAIMS, {"loss": "poisson", "exposure": HOLDERS, "test_fraction": 0.25}),
    "classes": ((CLAIMS > 30).astype(int), {"loss": "logistic", "offset": SHIFT, "penalty": "l2:0.01"}),
    "squares": (CLAIMS, {"offset": SHIFT, "test_fraction": 0.25}),
    "small batches": (CLAIMS, {"loss": "poisson", "offset": SHIFT, "batch_size": 16, "lr": 1e-3, "epochs": 5}),
    "from elsewhere": (
        CLAIMS,
        {"loss": "poisson", "offset": SHIFT, "init": "normal", "optimizer": "adam", "epochs": 20},
    ),
    "trials": (np.minimum(CLAIMS, HOLDERS), {"loss": "binomial", "trials": HOLDERS}),
    "huber": (CLAIMS, {"loss": "huber:50", "offset": SHIFT}),
    "bounds": (CLAIMS, {"bounds": {"x1": (0.5, 2.0), "x2": (None, 0.0)}}),
    "counts in bounds": (
        CLAIMS,
        {"loss": "poisson", "exposure": HOLDERS, "bounds": {"x1": (0.1, None), "x3": (-0.1, 0.1)}},
    ),
    "bounds by sgd": (CLAIMS, {"bounds": {"x1": (0.5, 2.0)}, "optimizer": "sgd", "lr": 0.01, "epochs": 30}),
    "bounds by adam": (
        CLAIMS,
        {"bounds": {"x1": (0.5, 2.0)}, "optimizer": "adam", "epochs": 30, "precondition": "standardize"},
    ),
}


def test_scripts_of_offsets_trials_and_bounds_print_the_numbers_of_the_fit(tmp_path):
    paths, fits = [], []
    for name, (y, more) in WRITTEN.items():
        fit = st.fit(X[:, :3], y, **more)
        styles = ("loop",) if "optimizer" not in more else ("loop", "torch.optim", "module")
        for style in styles:
            paths.append(tmp_path / f"{len(paths)}.py")
            fit.to_python(paths[-1], style=style)
            fits.append((f"{name} {style}", fit))
    for (name, fit), said in zip(fits, ran(paths), strict=True):
        found = printed(said)
        theta = [found[one] for one in fit.names]
        np.testing.assert_allclose(theta, fit.theta, rtol=1e-7, atol=1e-9, err_msg=name)
        assert found["loss"] == pytest.approx(fit.loss, rel=1e-9), name
        if fit.test is not None:
            assert found["held-out loss"] == pytest.approx(fit.test_loss, rel=1e-8), name
    with pytest.raises(st.SpecError, match="take no offset"):
        st.fit(X, CLAIMS, loss="poisson", offset=SHIFT).to_python(style="scikit-learn")
    with pytest.raises(st.SpecError, match="knows no bounds"):
        st.fit(X, CLAIMS, bounds={"x1": (0, None)}).to_python(style="closed")

"""Pictures of many descents: where they end, how they go down, and fits side by side."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.data import synthetic
from steepest.errors import FitError, SpecError
from steepest.plots import sweep as runs
from steepest.plots.style import notes_of, title_of

DATA = synthetic.quadratic_with_outlier()
RATES = [0.01, 0.1, 0.3, 3.0]


@pytest.fixture(scope="module")
def sweep():
    return st.sweep(
        DATA.x, DATA.y, lr=RATES, optimizer=["sgd", "momentum:0.9"], seed=[0, 1, 2], batch_size=20, epochs=60, tol=0
    )


@pytest.fixture(scope="module")
def compared():
    return st.compare(
        [st.fit(DATA.x, DATA.y), st.fit(DATA.x, DATA.y, loss="l1"), st.fit(DATA.x, DATA.y, model="poly:2")]
    )


def test_ends_are_medians_over_the_seeds(sweep):
    data = runs.end_data(sweep)
    table = sweep.table().to_pandas()
    assert data.across[0] == "lr"
    assert data.across[1].tolist() == RATES
    assert data.by == ("optimizer", ["sgd", "momentum:0.9"])
    assert data.others == ["seed"]
    for i, optimizer in enumerate(data.by[1]):
        for j, lr in enumerate(RATES):
            mine = table[(table.optimizer == optimizer) & (table.lr == lr)]
            bad = (mine.status == "diverged") | ~np.isfinite(mine.gap)
            assert data.diverged[i, j] == pytest.approx(bad.mean())
            if not bad.all():
                gaps = mine.gap[~bad]
                expected = [gaps.median(), gaps.min(), gaps.max()]
                assert [data.median[i, j], data.low[i, j], data.high[i, j]] == pytest.approx(expected)
    assert data.diverged[0, 3] == 1
    assert np.isnan(data.median[0, 3])


def test_the_region_of_divergence_is_shown(sweep):
    shown = sweep.plot()
    assert title_of(shown) == "gap at the end of 24 descents"
    assert notes_of(shown)[1].startswith("Median over seed")
    marks = [trace for trace in shown.data if trace.name == "diverged"]
    assert 3.0 in marks[0].x
    assert shown.layout.annotations[0].text == "all diverge"


def test_two_numbers_make_a_heat_map():
    found = st.sweep(DATA.x, DATA.y, lr=[0.01, 0.1, 3.0], epochs=list(range(10, 90, 10)), optimizer="sgd")
    shown = found.plot()
    heat, gone = shown.data[:2]
    assert heat.z.shape == (8, 3)
    fit = st.fit(DATA.x, DATA.y, lr=0.1, epochs=30, optimizer="sgd")
    assert heat.customdata[2, 1] == pytest.approx(fit.gap)
    assert (gone.z[:, 2] == 1).sum() >= 1
    assert runs.end_data(found, across="epochs", by="lr", measure="steps").median[1].tolist() == list(range(10, 90, 10))


def test_a_fan_has_the_quantiles_of_its_curves(sweep):
    (one, two) = runs.fan_data(sweep)
    assert (one.label, two.label) == ("optimizer sgd", "optimizer momentum:0.9")
    assert one.bands == pytest.approx(np.quantile(one.curves, [0, 0.25, 0.5, 0.75, 1], axis=0))
    fit = sweep.fit(0)
    known = np.isfinite(fit.trace.objective)
    assert one.curves[0] == pytest.approx(np.interp(one.step, fit.trace.step[known], fit.trace.objective[known]))
    assert any("left out" in note for note in notes_of(sweep.loss_curve()))


def test_fits_side_by_side(compared):
    shown = compared.plot()
    lines = [trace.name for trace in shown.data if trace.mode == "lines"]
    assert len(lines) == 4  # three fits and the exact curve
    assert len(compared.residuals().data) > 6
    assert len([t for t in compared.loss_curve().data if t.showlegend]) >= 3
    assert st.compare([compared.fit(0), compared.fit(1)]).surface(grid=5).layout.xaxis.title.text == "intercept"
    with pytest.raises(SpecError, match="no surface in common"):
        compared.surface(grid=5)


def test_several_paths_on_one_surface(sweep):
    shown = sweep.surface(grid=6)
    paths = [trace for trace in shown.data if trace.type == "scatter" and (trace.legendgroup or "").startswith("path")]
    assert len(paths) == runs.MOST_FITS
    assert notes_of(shown)[0] == "6 of 24 descents, from the best to the worst that ended well."


def test_a_notebook_shows_the_best_first(sweep):
    text = sweep._repr_html_()
    assert f"<td>{sweep.ranked()[0]}</td>" in text.split("</tr>")[1]
    assert "<b>24 descents</b>" in text


def test_thousands_of_runs_are_told_as_a_few_are():
    random = np.random.default_rng(1)
    x = random.normal(size=20)
    rates, seeds = np.geomspace(1e-3, 10, 10), range(2_000)
    found = st.sweep(
        x, 2 * x + 1 + random.normal(size=20), optimizer="sgd", lr=rates, seed=seeds, batch_size=5, epochs=2
    )
    table = found.table().to_pandas()
    fine = table[(table.status != "diverged") & np.isfinite(table.objective)]
    assert str(found).split("─\n")[1].split()[0] == str(fine.objective.idxmin())
    data = runs.end_data(found)
    expected = fine.groupby("lr").gap.agg(["median", "min", "max"]).reindex(rates)
    np.testing.assert_allclose(np.stack([data.median[0], data.low[0], data.high[0]], 1), expected, rtol=1e-12)
    np.testing.assert_allclose(data.diverged[0], 1 - fine.groupby("lr").size().reindex(rates, fill_value=0) / 2_000)
    ends = np.where(table.index.isin(fine.index), table.objective, np.inf).reshape(10, 2_000)
    works = ends <= ends.min(0) + 0.01 * (table.start.to_numpy().reshape(10, -1) - ends.min(0))
    lows = [
        next(k for k in range(best, -1, -1) if k == 0 or not works[k - 1, i]) for i, best in enumerate(ends.argmin(0))
    ]
    assert found.working_lr().low == pytest.approx(np.median(rates[lows]))
    assert found.working_lr().seeds == 2_000


def test_what_was_not_swept_is_named(sweep):
    with pytest.raises(SpecError, match="across='penalty' is no number that was swept"):
        sweep.plot(across="penalty")
    with pytest.raises(SpecError, match="by='loss' was not swept"):
        sweep.plot(by="loss")
    with pytest.raises(SpecError, match="measure='r2' is not known"):
        sweep.plot(measure="r2")
    bad = st.sweep(DATA.x, DATA.y, lr=[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9], optimizer="sgd", epochs=400)
    bad.plot()
    with pytest.raises(FitError, match="No run ended well"):
        bad.loss_curve()

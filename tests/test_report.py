"""The report: everything in one file, every name escaped, the way to do it again."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import steepest as st
from steepest.cli.commands import main
from steepest.data import synthetic
from steepest.errors import RunError
from steepest.report import command_of, page, python_of

DATA = synthetic.quadratic_with_outlier()
SECTIONS = [
    "Parameters", "The rows and the fit", "Residuals", "The descent", "The parameters on the way",
    "The surface of the loss", "The path", "The film", "The graph of the gradient", "Diagnosis",
    "Settings, and how to do it again",
]  # fmt: skip


@pytest.fixture(scope="module")
def fit():
    return st.fit(
        DATA.x,
        DATA.y,
        model="poly:2",
        loss="l1",
        optimizer="sgd",
        lr=10,
        schedule="inverse",
        epochs=60,
        test_fraction=0.2,
    )


def headings(text):
    return re.findall("<h2>(.*?)</h2>", text)


def test_a_report_is_one_small_file_that_loads_nothing(fit, tmp_path):
    place = fit.report(tmp_path / "deep" / "fit.html")
    text = place.read_text(encoding="utf-8")
    assert place.stat().st_size < 3_000_000
    assert headings(text) == SECTIONS
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert "default-src 'none'" in text
    assert '"showSendToCloud": false' in text
    assert [entry.name for entry in place.parent.iterdir()] == ["fit.html"]


def test_a_report_has_the_numbers(fit):
    text = page(fit, film=False).html()
    for name, value, best in zip(fit.names, fit.theta, fit.exact.theta, strict=True):
        assert f"<td>{name}</td><td>{value:.10g}</td><td>{best:.10g}</td>" in text
    assert fit.outcome[1:] in text
    assert f"<b>{fit.test_loss:.5g}</b>" in text


def test_a_report_says_how_to_do_it_again(fit, tmp_path, capsys):
    scope = {"x": DATA.x, "y": DATA.y}
    exec(python_of(fit), scope)
    assert np.array_equal(scope["fit"].theta, fit.theta)
    table = tmp_path / "c.csv"
    table.write_text(
        "x,y\n" + "\n".join(f"{a!r},{b!r}" for a, b in zip(DATA.x[:, 0].tolist(), DATA.y.tolist(), strict=True))
    )
    words = command_of(fit).replace("DATA", str(table)).split()
    assert words[:2] == ["steepest", "fit"]
    assert main([*words[1:], "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["params"].values()) == pytest.approx(fit.theta.tolist(), rel=1e-12)


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_every_name_is_escaped():
    names = [EVIL, 'a"onclick="alert(3)', "%BODY%%PLOTLY%"]
    table = {name: np.random.default_rng(i).normal(size=30) for i, name in enumerate(names)}
    table["<b>target</b>"] = table[EVIL] * 2 + 1
    evil = st.fit(table, target="<b>target</b>", epochs=3)
    text = page(evil, film=True).html()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>target" not in text
    assert text.count("<script") == 5  # two of the film, three of the page
    assert "%BODY%%PLOTLY%" in text
    assert "<img src=x" not in evil._repr_html_()


def test_what_does_not_apply_is_left_out():
    iris = st.fit("sample:iris", penalty="l2:.01", optimizer="adam", epochs=3)
    assert headings(page(iris, film=False).html()) == [h for h in SECTIONS if h not in ("Residuals", "The film")]
    one = st.fit(DATA.x, DATA.y, intercept=False, epochs=3)
    assert "The surface of the loss" not in headings(page(one, film=False).html())


def test_a_diverged_fit_has_a_report():
    fit = st.fit(DATA.x, DATA.y, optimizer="sgd", lr=1e3, epochs=500)
    text = page(fit).html()
    assert "Diverged: the loss grew without bound" in text
    assert headings(text) == [h for h in SECTIONS if h != "The path"]


def test_a_place_that_cannot_be_written_is_named(fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        fit.report(tmp_path / "file" / "fit.html", film=False)


def test_a_notebook_shows_a_fit_and_a_trace(fit):
    assert "<td>x^2</td>" in fit._repr_html_()
    shown = fit.trace._repr_html_()
    assert "<div>61 recorded steps</div>" in shown
    assert f"<td>{fit.trace.theta[-1, 2]:.5g}</td>" in shown


def test_a_terminal_shows_tables(fit):
    lines = str(fit).splitlines()
    (row,) = [line.split() for line in lines if line.split()[:1] == ["x^2"]]
    exact = fit.exact.theta[2]
    assert row == ["x^2", f"{fit.theta[2]:.10g}", f"{exact:.10g}", f"{fit.theta[2] - exact:+.1e}"]
    assert str(fit.trace).splitlines()[-1].split()[0] == "60"
    runs = st.sweep(DATA.x, DATA.y, optimizer="sgd", lr=[0.01, 0.1], epochs=5)
    shown = str(runs).splitlines()
    assert shown[0] == "2 descents"
    assert [line.split()[:2] for line in shown[-2:]] == [["1", "0.1"], ["0", "0.01"]]


# ---- commands ------------------------------------------------------------------------------------


def test_the_commands_draw_a_run(tmp_path, capsys):
    run = tmp_path / "run"
    asked = [
        "fit",
        "sample:lesson_c",
        "--loss",
        "l1",
        "--optimizer",
        "sgd",
        "--lr",
        "6",
        "--epochs",
        "20",
        "--out",
        str(run),
    ]
    assert main(asked) == 0
    capsys.readouterr()
    first = (run / "report.html").read_text(encoding="utf-8")
    assert headings(first) == [h for h in SECTIONS if h not in ("The path", "The film")]
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert "The film" in headings((run / "report.html").read_text(encoding="utf-8"))
    assert main(["report", str(run), "-o", str(tmp_path / "other.html")]) == 0
    assert main(["animate", str(run), "-o", str(tmp_path / "fit.gif"), "--frames", "5"]) == 0
    assert (tmp_path / "fit.gif").read_bytes()[:6] == b"GIF89a"
    assert main(["animate", str(run), "-o", "fit.avi"]) == 2
    assert main(["report", str(tmp_path / "none")]) == 1


def test_a_run_without_a_report(tmp_path):
    run = tmp_path / "run"
    assert main(["fit", "sample:lesson_a", "--epochs", "2", "--out", str(run), "--quiet", "--no-report"]) == 0
    assert not (run / "report.html").exists()


def test_the_surface_and_the_film_of_a_report_are_of_one_surface(monkeypatch):
    from steepest import report
    from steepest.plots.film import encode as movies
    from steepest.plots.surface import data

    computed, whole = [], data.surface_data
    for module in (report, movies):
        monkeypatch.setattr(module, "surface_data", lambda *given, **more: computed.append(1) or whole(*given, **more))
    made = page(st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], optimizer="sgd", lr=0.1, epochs=4))
    assert {"The surface of the loss", "The film"} <= set(headings(made.html()))
    assert len(computed) == 1


def test_of_many_features_those_that_matter_are_looked_at_closely(monkeypatch):
    from steepest.plots import features

    random = np.random.default_rng(0)
    x, slopes = random.normal(size=(400, 300)), np.zeros(300)
    slopes[[7, 90, 150, 211, 260, 299]] = [9, 8, 7, 6, 5, 4]
    fit = st.fit(x, x @ slopes + 0.1 * random.normal(size=400))
    asked, whole = [], features.log_odds
    monkeypatch.setattr(features, "log_odds", lambda fit, x, *more: asked.append(len(x)) or whole(fit, x, *more))
    found = features.dependence_data(fit)
    swing = np.abs(fit.theta[1:]) * np.ptp(x, axis=0)
    assert [part.feature for part in found] == [fit.names[1 + i] for i in np.argsort(-swing)[:6]]
    assert sum(asked) < 300 * 30 * 200 / 8


def test_a_long_table_of_parameters_that_all_arrived_ends_with_the_twentieth():
    random = np.random.default_rng(1)
    x = random.normal(size=(80, 31))
    fit = st.fit(x, x @ np.ones(31) + random.normal(size=80))
    fit.theta = fit.exact.theta.copy()
    lines = str(fit).splitlines()
    shown = [line.split()[0] for line in lines if line.split() and line.split()[0] in fit.names]
    assert shown == fit.names[:20]
    assert "Of 32 parameters the first 20 are shown; fit.params has them all." in lines
    fit.theta = fit.theta + np.eye(32)[25]
    lines = str(fit).splitlines()
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in (*fit.names, "…")] == [
        *fit.names[:20], "…", fit.names[25],
    ]  # fmt: skip

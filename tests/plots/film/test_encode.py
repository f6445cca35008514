"""Films: frames are the trace's own steps, evenly chosen; arrows and batches are the rule's own."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import steepest as st
from steepest.data import synthetic
from steepest.data.batching import Batching
from steepest.errors import RunError, SpecError
from steepest.plots.film.encode import animate
from steepest.plots.film.frames import arrows, batch_rows, frames_data
from steepest.text import colours

DATA = synthetic.quadratic_with_outlier()
DESIGN = np.vander(DATA.x[:, 0], 3, increasing=True)


def descent(**settings):
    return st.fit(DATA.x, DATA.y, **settings)


@pytest.fixture(scope="module")
def line():
    return descent(loss="l1", optimizer="sgd", lr=6, schedule="inverse", epochs=50)


@pytest.fixture(scope="module")
def minibatch():
    return descent(
        model="poly:2", loss="l1", optimizer="sgd", lr=1, schedule="inverse", batch_size=15, epochs=9, seed=3
    )


def test_frames_carry_the_trace_s_own_theta(minibatch):
    data = frames_data(minibatch, 20)
    assert len(data) == 20
    assert np.array_equal(data.theta, minibatch.trace.theta[data.row])
    assert (data.step[0], data.step[-1]) == (0, minibatch.steps)
    assert np.array_equal(data.step, minibatch.trace.step[data.row])


def test_frames_are_even_in_the_way_gone_and_in_the_steps():
    fit = descent(optimizer="sgd", lr=0.1, epochs=2_000)
    data = frames_data(fit, 60)
    path = fit.trace.theta / np.ptp(fit.trace.theta, axis=0)
    gone = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    clock = 0.5 * gone / gone[-1] + 0.5 * fit.trace.step / fit.steps
    assert np.diff(clock[data.row]).max() < max(2 / 59, np.diff(clock).max() * 1.001)
    assert (data.step < 40).sum() > 10
    assert (data.step > 150).sum() > 10


def test_a_short_descent_loses_no_frame(line):
    assert len(frames_data(line)) == 51


def test_the_rows_of_a_batch_are_those_that_were_dealt(minibatch):
    dealt = list(Batching(100, 15, "rows", seed=3, epochs=9))
    for step in (0, 6, 7, 40, 62):
        assert batch_rows(minibatch, step).tolist() == dealt[step].rows.tolist()
    assert batch_rows(minibatch, minibatch.steps) is None
    blocks = descent(optimizer="sgd", lr=0.1, batch_size=30, shuffle="blocks", epochs=2)
    dealt = list(Batching(100, 30, "blocks", seed=0, epochs=2))
    for step in range(8):
        assert (
            batch_rows(blocks, step).tolist() == range(100)[dealt[step].rows]
            if isinstance(dealt[step].rows, slice)
            else True
        )
        assert batch_rows(blocks, step).tolist() == np.arange(100)[dealt[step].rows].tolist()


def test_no_batch_stands_out_where_all_rows_are_used(line):
    assert batch_rows(line, 3) is None


def test_a_step_of_sgd_is_its_gradient(minibatch):
    row = np.array([0, 5, 30])
    found = arrows(minibatch, row)
    assert found["gradient"] == pytest.approx(found["step"], abs=1e-12)
    theta, rows = minibatch.trace.theta[5], batch_rows(minibatch, 5)
    slope = np.sign(DESIGN[rows] @ theta - DATA.y[rows])
    assert found["gradient"][1] == pytest.approx(-minibatch.trace.lr[5] * slope @ DESIGN[rows] / 15)


def test_momentum_is_gradient_and_velocity():
    fit = descent(optimizer="momentum:0.8", lr=0.05, epochs=12)
    found = arrows(fit, np.arange(12))
    assert found["step"] == pytest.approx(found["gradient"] + found["velocity"])
    assert found["velocity"][1:] == pytest.approx(0.8 * found["step"][:-1], rel=1e-9, abs=1e-12)
    assert found["velocity"][0] == pytest.approx([0, 0], abs=1e-15)


def test_adam_s_velocity_is_its_mean_gradient():
    fit = descent(optimizer="adam", lr=0.05, epochs=12)
    theta = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    rule = torch.optim.Adam([theta], lr=0.05)
    for t in range(12):
        rule.zero_grad()
        ((torch.as_tensor(DESIGN[:, :2]) @ theta - torch.as_tensor(DATA.y)) ** 2).mean().backward()
        before = theta.detach().clone()
        rule.step()
        found = arrows(fit, np.array([t]))
        mean = -rule.state[theta]["exp_avg"].numpy()
        step = (theta.detach() - before).numpy()
        assert found["step"][0] == pytest.approx(step, rel=1e-9)
        expected = mean / np.linalg.norm(mean) * np.linalg.norm(step)
        assert found["velocity"][0] == pytest.approx(expected, rel=1e-9)
        assert np.linalg.norm(found["gradient"][0]) == pytest.approx(np.linalg.norm(step))


@pytest.mark.parametrize("coordinates", ["standardize", "orthonormal"])
def test_a_step_in_other_coordinates_is_their_gradient(coordinates):
    fit = st.fit(1e3 + 5 * DATA.x, DATA.y, optimizer="sgd", precondition=coordinates, lr=0.1, epochs=6)
    found = arrows(fit, np.arange(6))
    assert found["gradient"] == pytest.approx(found["step"], rel=1e-6, abs=1e-9)


# ---- files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def movie(line):
    return line.animate(frames=30, theme="dark")


def test_what_stays_is_drawn_once_for_a_hundred_frames(tmp_path, monkeypatch):
    whole, drawn = FigureCanvasAgg.draw, []
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda canvas: drawn.append(1) or whole(canvas))
    fit = descent(model="poly:2", loss="l1", optimizer="sgd", lr=10, schedule="inverse", epochs=500)
    fit.animate(tmp_path / "fit.gif")
    with Image.open(tmp_path / "fit.gif") as gif:
        assert gif.n_frames == len(frames_data(fit, 100))
    assert len(drawn) == 1
    assert (tmp_path / "fit.gif").stat().st_size < 1_000_000


def test_a_gif_shows_each_frame_as_it_was_drawn(movie, tmp_path):
    movie.save(tmp_path / "fit.gif")
    with Image.open(tmp_path / "fit.gif") as gif:
        assert gif.n_frames == len(movie)
        for i in (0, 7, len(movie) - 1):
            gif.seek(i)
            assert np.array_equal(np.asarray(gif.convert("RGB")), np.asarray(movie.images[i].convert("RGB")))
        assert gif.info["duration"] == 1_500
        assert gif.info["loop"] == 0


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_paper_and_roles_keep_their_colours(line, tone):
    pixels = np.asarray(line.animate(frames=3, theme=tone).images[-1].convert("RGB"))
    paper = tuple(int(colours.PAPER[tone]["paper"][i : i + 2], 16) for i in (1, 3, 5))
    assert tuple(pixels[0, 0]) == paper
    descent_colour = [int(colours.DESCENT[i : i + 2], 16) for i in (1, 3, 5)]
    assert (pixels == descent_colour).all(-1).sum() > 200


def test_a_player_is_one_file(movie, tmp_path):
    movie.save(tmp_path / "fit.html")
    page = (tmp_path / "fit.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])
    assert len(data["frames"]) == len(movie)
    assert data["captions"][0] == "step 0 of 50 · l1 1.9383"
    assert data["captions"][-1].startswith("step 50 of 50")
    assert movie._repr_html_() in page


def test_where_no_script_runs_the_last_frame_stands(movie):
    bundle = movie._repr_mimebundle_()
    last = np.asarray(movie.images[-1].convert("RGB"))
    plain = re.sub(r"<script.*?</script>", "", bundle["text/html"], flags=re.DOTALL)
    (still,) = re.findall(r'src="data:image/png;base64,(.*?)"', plain)
    for content in (still, bundle["image/png"]):
        picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
        assert np.array_equal(np.asarray(picture), last)


def test_a_film_that_was_asked_for_as_a_file_embeds_no_player(line, tmp_path):
    bundle = line.animate(tmp_path / "fit.gif", frames=3)._repr_mimebundle_()
    assert bundle == {"text/plain": f"A film of 3 frames in {str(tmp_path / 'fit.gif')!r}"}


def test_png_frames_and_a_video(movie, tmp_path):
    movie.save(tmp_path / "frames")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert len(names) == len(movie)
    assert names[0] == "frame-01.png"
    movie.save(tmp_path / "fit.mp4")
    assert (tmp_path / "fit.mp4").read_bytes()[4:8] == b"ftyp"


def test_names_and_places_that_do_not_fit_are_said(movie, tmp_path):
    with pytest.raises(SpecError, match=r"must end in \.gif, \.html or \.mp4"):
        movie.save("fit.avi")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        movie.save(tmp_path / "file" / "fit.gif")
    with pytest.raises(SpecError, match="frames=1"):
        descent(epochs=2).animate(frames=1)


ODD = {
    "several columns": lambda: st.fit("sample:diabetes", optimizer="sgd", batch_size=50, epochs=2),
    "two classes": lambda: st.fit("sample:breast_cancer", columns="mean radius", penalty="l2:1e-4", epochs=3),
    "regions": lambda: st.fit(
        "sample:iris", columns=["petal length (cm)", "petal width (cm)"], penalty="l2:1e-3", optimizer="adam", epochs=3
    ),
    "many classes": lambda: st.fit("sample:iris", penalty="l2:.01", optimizer="adam", epochs=3),
    "one parameter": lambda: descent(intercept=False, optimizer="sgd", lr=0.2, epochs=3),
    "network": lambda: descent(model="mlp:4", epochs=4),
    "diverged": lambda: descent(optimizer="sgd", lr=1e3, epochs=500),
    "names in any script": lambda: st.fit(
        {"価格 $x^": DATA.x[:, 0], "السعر": DATA.x[:, 0] ** 2, "y$_{": DATA.y}, target="y$_{", optimizer="sgd", epochs=3
    ),
    "two targets": lambda: st.fit(DESIGN[:, 1:], DESIGN[:, 1:] * 2, optimizer="sgd", lr=0.1, epochs=3),
}


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_fit_has_a_film(name):
    movie = animate(ODD[name](), frames=4, arrows=name in ("several columns", "network"))
    assert len(movie) == len(movie.captions) >= 2

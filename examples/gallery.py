"""Draw every picture once, from real fits, into docs/gallery: PNG by Chromium, GIF by Matplotlib and Pillow.

python examples/gallery.py docs/gallery
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import steepest as st

WIDTH = 900
COLOURS = 200
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

C = st.synthetic.quadratic_with_outlier()
PETALS = ["petal length (cm)", "petal width (cm)"]


def lesson_c(**settings):
    """A fit of lesson C's hundred points."""
    return st.fit(C.x, C.y, **settings)


def z():
    """Lesson C's formula at θ = 1, and its only leaf."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    return (1 - torch.log(1 + torch.exp(theta))) ** 2, {"θ": theta}


FILMS: dict[str, Callable[[], object]] = {
    "descent.gif": lambda: lesson_c(optimizer="momentum:0.9", lr=0.05, epochs=120).animate(frames=70),
    "minibatches.gif": lambda: lesson_c(
        model="poly:2", loss="l1", optimizer="sgd", lr=1, schedule="inverse", batch_size=10, epochs=20
    ).animate(frames=60, theme="dark"),
    "arrows.gif": lambda: lesson_c(optimizer="momentum:0.9", lr=0.05, epochs=60).animate(frames=40, arrows=True),
    "regions.gif": lambda: st.fit(
        "sample:iris", columns=PETALS, penalty="l2:1e-3", optimizer="adam", lr=0.3, epochs=80
    ).animate(frames=50),
}


def adam():
    """A quartic that Adam has not quite fitted."""
    return lesson_c(model="poly:4", optimizer="adam", lr=0.05, epochs=300)


def sgd():
    """The same by plain descent."""
    return lesson_c(model="poly:4", optimizer="sgd", lr=0.3, epochs=300)


def edge():
    """A network by plain descent, at a rate that its curvature grows into."""
    return lesson_c(model="mlp:32,32", optimizer="sgd", lr=0.02, epochs=2_000)


def l1():
    """Lesson C's line by absolute error."""
    return lesson_c(loss="l1", optimizer="sgd", lr=6, schedule="inverse", epochs=50)


def noisy(**settings):
    """Minibatches on the quadratic."""
    return lesson_c(model="poly:2", loss="l1", batch_size=10, epochs=40, test_fraction=0.2, **settings)


def diabetes(**settings):
    """A real table."""
    return st.fit("sample:diabetes", test_fraction=0.25, optimizer="sgd", epochs=60, **settings)


def cancer():
    """Two classes, by two measurements."""
    return st.fit("sample:breast_cancer", columns=["mean radius", "mean texture"], test_fraction=0.3)


def wine():
    """Alcohol by three columns, one of text."""
    return st.fit("sample:wine", target="alcohol", columns=["malic_acid", "hue", "cultivar"])


PICTURES: dict[str, Callable[[], object]] = {
    "table": lambda: st.plot("sample:diabetes"),
    "line": lambda: l1().plot(also=[lesson_c(model="poly:2", loss="l1")]),
    "degree-12": lambda: lesson_c(model="poly:12", optimizer="adam", lr=0.01, batch_size=10, epochs=500).plot(),
    "residuals": lambda: l1().residuals(also=[lesson_c(model="poly:2")]),
    "loss-curve": lambda: noisy(optimizer="sgd", lr=1, schedule="inverse").loss_curve(),
    "predicted": lambda: lesson_c(model="poly:3", optimizer="momentum:0.9", lr=0.1, epochs=200).loss_curve(),
    "sharpness": lambda: edge().sharpness(along=True).plot(theme="dark"),
    "parameters": lambda: noisy(optimizer="adam", lr=0.1).parameters(),
    "surface": lambda: l1().surface(also=[lesson_c()]),
    "optimisers": lambda: adam().surface(also=[sgd()], theme="dark"),
    "valley": lambda: diabetes(precondition="none").surface(plane=("bmi", "bp"), others="minimised"),
    "network": lambda: lesson_c(model="mlp:16,16", epochs=400).surface(plane="random", theme="dark"),
    "path3d": lambda: lesson_c(
        model="poly:2", loss="l1", optimizer="sgd", lr=1, schedule="inverse", batch_size=10, epochs=20
    ).path3d(),
    "several-features": lambda: diabetes().plot(),
    "probability": lambda: st.fit("sample:breast_cancer", columns="mean radius", penalty="l2:1e-4").plot(),
    "regions": lambda: st.fit("sample:iris", columns=PETALS, penalty="l2:1e-3").plot(theme="dark"),
    "confusion": lambda: st.fit("sample:digits", penalty="l2:.01", test_fraction=0.3, epochs=40).plot(),
    "sweep": lambda: st.sweep(
        C.x,
        C.y,
        model="poly:2",
        loss="l1",
        batch_size=10,
        epochs=20,
        seed=range(8),
        optimizer=["sgd", "adam"],
        lr=[float(f"{10 ** (k / 5 - 3):.3g}") for k in range(18)],
    ).plot(),
    "fan": lambda: st.sweep(
        C.x, C.y, model="poly:2", loss="l1", batch_size=10, epochs=20, seed=range(20), optimizer=["sgd", "adam"], lr=0.1
    ).loss_curve(theme="dark"),
    "band": lambda: st.fit("sample:diabetes", columns="bmi", model="poly:2").plot(),
    "coefficients": lambda: wine().coefficients(),
    "influence": lambda: wine().influence(theme="dark"),
    "scale-location": lambda: st.fit("sample:diabetes").scale_location(),
    "variance-inflation": lambda: st.fit("sample:diabetes").variance_inflation(),
    "roc": lambda: cancer().roc(),
    "precision-recall": lambda: cancer().precision_recall(theme="dark"),
    "calibration": lambda: cancer().calibration(),
    "partial-dependence": lambda: st.fit(
        "sample:wine", target="cultivar", columns=["alcohol", "hue"], penalty="l2:1e-3"
    ).partial_dependence(),
    "permutation-importance": lambda: st.fit("sample:diabetes", test_fraction=0.25).permutation_importance(),
    "graph": lambda: st.graph(*z()),
    "graph-of-a-network": lambda: st.graph(lesson_c(model="mlp:4", epochs=3), theme="dark"),
}


def small(picture: Image.Image, path: Path) -> None:
    """Write a PNG with a palette."""
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}  {path.stat().st_size // 1024} KB")


def photograph(page: Page, figure, path: Path) -> None:
    """Open a figure in the browser and take its picture."""
    height = int(figure.layout.height or 460)
    width = 560 if path.stem.startswith("graph") else WIDTH
    page.set_viewport_size({"width": width, "height": height})
    page.set_content(
        figure.to_html(config={"displayModeBar": False}, default_width=f"{width}px").replace(
            "<body>", "<body style='margin:0'>"
        )
    )
    page.wait_for_selector(".main-svg")
    page.wait_for_timeout(700)
    small(Image.open(io.BytesIO(page.screenshot())), path)


def main(folder: str) -> None:
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, film in FILMS.items():
        film().save(place / name)
        print(f"{place / name}  {(place / name).stat().st_size // 1024} KB")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page()
        for name, picture in PICTURES.items():
            photograph(page, picture(), place / f"{name}.png")
        report = lesson_c(
            model="poly:2", loss="l1", optimizer="sgd", lr=10, schedule="inverse", epochs=500, test_fraction=0.2
        )
        report.report(place / "report.html")
        page.set_viewport_size({"width": WIDTH, "height": 1_500})
        page.goto((place / "report.html").resolve().as_uri())
        page.wait_for_selector(".main-svg")
        page.wait_for_timeout(700)
        small(Image.open(io.BytesIO(page.screenshot())), place / "report.png")
        (place / "report.html").unlink()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/gallery")

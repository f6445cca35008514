"""Sick fits to guess at: each an experiment with one thing wrong, and no word on what."""

from __future__ import annotations

from typing import Any

from steepest.data.synthetic import quadratic_with_outlier

PLAIN = {"optimizer": "sgd", "tol": 0.0}


def first() -> dict[str, Any]:
    """What the page opens on where nothing is named: a descent that swings into its valley."""
    return _exhibit("", "sample:line", optimizer="momentum:0.8", lr=0.02, epochs=150, tol=0.0, init=[6.0, -4.0])[
        "experiment"
    ]


def exhibits() -> list[dict[str, Any]]:
    """A name that gives nothing away, and the experiment."""
    outlier = quadratic_with_outlier()
    slipped = [
        [float(x), float(y)]
        for x, y in zip(outlier.x[:, 0] if outlier.x.ndim > 1 else outlier.x, outlier.y, strict=True)
    ]
    return [
        _exhibit("It explodes", "sample:line", lr=1.05, epochs=60, **PLAIN),
        _exhibit("It crawls", "sample:line", lr=2e-4, epochs=500, **PLAIN),
        _exhibit("It stops short", "sample:line", lr=0.3, schedule="inverse", epochs=300, **PLAIN),
        _exhibit("It never settles", "sample:noisy_line", lr=0.5, batch_size=2, epochs=2, **PLAIN),
        _exhibit("It bounces", "sample:line", loss="l1", lr=0.5, epochs=200, **PLAIN),
        _exhibit("One column at a time", "sample:diabetes", lr=4e-5, epochs=500, **PLAIN),
        _exhibit("It follows one row", "drawing", points=slipped, model="poly:2"),
        _exhibit("It bends away", "sample:quadratic_with_outlier", model="linear", loss="huber:1"),
    ]  # fmt: skip


def _exhibit(name: str, data: str, points: Any = (), **settings: Any) -> dict[str, Any]:
    return {"name": name, "experiment": {"data": data, "points": list(points), "settings": settings}}

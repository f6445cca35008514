"""A film of a descent: the line settling into the points, the path on the surface, the loss falling.

    movie = fit.animate()            a Movie; in a notebook it plays
    movie.save("fit.gif")            or .html (a player in one file), .mp4 (pip install "steepest[video]"), or a folder: PNG

What stays is drawn once and kept; for each frame only what moves is drawn on top of it (blitting), and all frames share
one palette. So a hundred frames take about a second.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from PIL import Image

from steepest.atomic_file import whole_file
from steepest.data.wording import number, plain
from steepest.errors import RunError, SpecError
from steepest.plots import style
from steepest.plots.film import panels
from steepest.plots.film.frames import Frames, frames_data
from steepest.plots.surface.data import Surface, surface_data
from steepest.result import Fit
from steepest.text import colours
from steepest.text.html import put_in

PAUSE = 1_500  # milliseconds for which the last frame stays
CLEAR = 255  # the palette's entry for what did not change, in the frames of the player
ALIKE = 10  # two shades of a palette that differ by no more than this in any of red, green and blue (0 … 255) are one

SCRIPTS = (
    "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari",
    "Noto Sans Thai", "Arial Unicode MS", "Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "WenQuanYi Zen Hei",
)  # fmt: skip
"""Fonts for names in scripts that DejaVu Sans lacks."""

PLAYER = Path(__file__).with_name("player.html")


@dataclass(frozen=True)
class Movie:
    """The frames of a film: images with one palette, a caption for each, and what they show (`frames`).

    place: the file that was asked for, if one was.
    """

    frames: Frames
    images: list[Image.Image]
    background: Image.Image
    captions: list[str]
    title: str
    notes: list[str]
    milliseconds: int
    theme: str
    place: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the film as what the name says: .gif, .html, .mp4, or, without an ending, a folder of PNG frames.

        Raises:
            SpecError: another ending, or .mp4 without the extra. RunError: it cannot be written.
        """
        place = Path(path)
        writers = {".gif": self._gif, ".html": self._page, ".mp4": self._mp4, "": self._folder}
        write = writers.get(place.suffix.lower())
        if write is None:
            raise SpecError(f"{str(path)!r}: the name must end in .gif, .html or .mp4, or have no ending (PNG frames).")
        if place.suffix:
            with whole_file(place) as new:
                write(new)
            return
        try:
            write(place)
        except OSError as error:
            raise RunError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from None

    def to_html(self) -> str:
        """A player as a piece of HTML: play, pause, step, scrub; it needs nothing else."""
        still = np.asarray(self.background)
        pictures = [_png(self._changed(np.asarray(image), still), transparency=CLEAR) for image in self.images]
        data = {
            "still": _data_url(_png(self.background)),
            "frames": [_data_url(picture) for picture in pictures],
            "captions": self.captions,
            "milliseconds": self.milliseconds,
            "pause": PAUSE,
        }
        width, height = self.background.size
        filled = {
            "WIDTH": str(width),
            "HEIGHT": str(height),
            "TITLE": html.escape(self.title),
            "ACCENT": colours.DESCENT,
            "STILL": _data_url(_png(self.images[-1])),
            "NOTES": html.escape(" ".join(self.notes)),
            "DATA": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
        }
        return put_in(PLAYER, filled | {key.upper(): colour for key, colour in colours.PAPER[self.theme].items()})

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook keeps of it: a player, with its last frame where no script may run; of one in a file the place."""
        if self.place:
            return {"text/plain": f"A film of {len(self):,} frames in {self.place!r}"}
        still = base64.b64encode(_png(self.images[-1])).decode()
        return {"text/html": self.to_html(), "image/png": still, "text/plain": f"A film of {len(self):,} frames"}

    def _changed(self, image: np.ndarray, other: np.ndarray) -> Image.Image:
        """A picture in which everything that is as in another one is clear."""
        picture = Image.fromarray(np.where(image == other, CLEAR, image).astype(np.uint8))
        own = (self.background.getpalette() or [])[: 3 * CLEAR]
        picture.putpalette(own + [0] * (3 * 256 - len(own)))
        return picture

    def _gif(self, path: Path) -> None:
        times = [self.milliseconds] * (len(self.images) - 1) + [PAUSE]
        whole = [np.asarray(image) for image in self.images]
        # each frame holds only what differs from the one before it
        later = [self._changed(now, before) for before, now in pairwise(whole)]
        shown = {"duration": times, "loop": 0, "optimize": False, "disposal": 1, "transparency": CLEAR}
        self.images[0].save(path, save_all=True, append_images=later, **shown)

    def _page(self, path: Path) -> None:
        paper = colours.PAPER[self.theme]["paper"]
        path.write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title></head>"
            f'<body style="margin:0;padding:12px;background:{paper}">{self.to_html()}</body></html>',
            encoding="utf-8",
        )

    def _mp4(self, path: Path) -> None:
        try:
            from imageio_ffmpeg import write_frames
        except ImportError:
            raise SpecError(
                'An .mp4 needs the extra "video": pip install "steepest[video]". A .gif needs nothing.'
            ) from None
        width, height = (side - side % 2 for side in self.background.size)  # the codec takes even sides only
        writer = write_frames(
            str(path), (width, height), fps=1000 / self.milliseconds, codec="libx264", quality=None, bitrate=None,
            macro_block_size=2, output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
            ffmpeg_log_level="error",
        )  # fmt: skip
        writer.send(None)
        held = [self.images[-1]] * (PAUSE // self.milliseconds)
        for image in (*self.images, *held):
            writer.send(np.ascontiguousarray(np.asarray(image.convert("RGB"))[:height, :width]))
        writer.close()

    def _folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        digits = len(str(len(self.images)))
        for i, image in enumerate(self.images, 1):
            image.save(path / f"frame-{i:0{digits}}.png")


def animate(
    fit: Fit,
    path: str | os.PathLike[str] | None = None,
    *,
    frames: int = 100,
    milliseconds: int = 40,
    loss: Any = None,
    plane: Any = None,
    window: Any = None,
    arrows: bool = False,
    theme: str = "light",
) -> Movie:
    """A film of a descent, from its trace.

    Args:
        path: save it there too, as its ending says (see `Movie.save`).
        frames: how many at most; they are even in the way gone and in the steps.
        milliseconds: for each frame.
        loss, plane, window: of the surface, as in `fit.surface`.
        arrows: show gradient, velocity and step on the surface.
        theme: `light` or `dark`.

    Raises:
        FitError: a loaded fit, which has no rows, or a trace without θ. SpecError: what `surface` and `save` refuse.

    Example:
        >>> from steepest.fitting import fit
        >>> movie = animate(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], optimizer="sgd", lr=0.2, epochs=20), frames=5)
        >>> len(movie), movie.captions[0]
        (5, 'step 0 of 20 · mse 13.417')
    """
    fit, plane = fit.inner, fit.inner_names(plane)
    style.template(theme)
    shown = frames_data(fit, frames)
    surface = surface_data(fit, loss, plane=plane, window=window) if len(fit.names) > 1 else None
    movie = film(fit, shown, surface, milliseconds, arrows, theme)
    if path is None:
        return movie
    movie.save(path)
    return replace(movie, place=str(path))


def film(
    fit: Fit, shown: Frames, surface: Surface | None, milliseconds: int = 40, arrows: bool = False, theme: str = "light"
) -> Movie:
    """The film of some frames, on a surface that is there already; None for a fit of one parameter."""
    with rc_context({"text.parse_math": False, "font.family": _fonts()}), warnings.catch_warnings():
        # no font here has the script: a box stands for the letter
        warnings.filterwarnings("ignore", "Glyph .* missing")
        return _filmed(panels.Scene(fit, shown, theme), surface, milliseconds, arrows)


@cache
def _fonts() -> list[str]:
    """Matplotlib's own font, and behind it those found here that have other scripts."""
    known = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in SCRIPTS if name in known)]


def _filmed(scene: panels.Scene, surface: Surface | None, milliseconds: int, arrows: bool) -> Movie:
    fit, frames, palette, on_plane = scene.fit, scene.frames, scene.palette, surface is not None
    canvas = FigureCanvasAgg(Figure(figsize=(10.8 if on_plane else 7.4, 3.9), dpi=100, facecolor=palette["paper"]))
    axes = canvas.figure.subplots(1, 3 if on_plane else 2, width_ratios=[1.15, 1.15, 0.85] if on_plane else [1.2, 0.8])
    drawn = [panels.on_data(axes[0], scene)]
    notes = [] if len(frames) == frames.total else [f"{len(frames):,} of {frames.total:,} steps are shown."]
    if surface is not None:
        notes += surface.notes
        drawn.append(panels.on_surface(axes[1], scene, surface, arrows))
    if arrows and on_plane:
        notes.append("Arrows show directions; their lengths are in proportion to one another, not to the axes.")
    drawn.append(panels.on_loss(axes[-1], scene))
    left = 0.065 if on_plane else 0.095
    canvas.figure.subplots_adjust(left=left, right=0.985, top=0.87, bottom=0.14, wspace=0.27)
    title = f"{plain(fit.optimizer)}, lr {fit.lr:.3g}"
    canvas.figure.text(left, 0.93, title, color=palette["ink"], fontsize=11.5, weight="bold")
    captions = [_caption(fit, frames, i) for i in range(len(frames))]
    words = canvas.figure.text(0.985, 0.93, "", color=palette["ink"], fontsize=10.5, ha="right", animated=True)
    pictures = list(_pictures(canvas, axes, drawn, words, captions))
    shared = _palette(pictures, palette)
    quantised = [picture.quantize(palette=shared, dither=Image.Dither.NONE) for picture in pictures]
    return Movie(frames, quantised[1:], quantised[0], captions, title, notes, milliseconds, scene.theme)


def _caption(fit: Fit, shown: Frames, i: int) -> str:
    epoch = "" if fit.steps == fit.epochs else f", epoch {shown.epoch[i]:,}"
    return f"step {shown.step[i]:,} of {fit.steps:,}{epoch} · {fit.loss_function} {number(float(shown.loss[i]))}"


def _pictures(
    canvas: FigureCanvasAgg, axes: Any, drawn: Sequence[panels.Panel], words: Any, captions: Sequence[str]
) -> Iterator[Image.Image]:
    """The background, then every frame."""
    canvas.draw()
    background = canvas.copy_from_bbox(canvas.figure.bbox)
    yield _taken(canvas)
    for i, caption in enumerate(captions):
        canvas.restore_region(background)
        for place, (moving, move) in zip(axes, drawn, strict=True):
            move(i)
            for artist in moving:
                place.draw_artist(artist)
        words.set_text(caption)
        canvas.figure.draw_artist(words)
        yield _taken(canvas)


def _taken(canvas: FigureCanvasAgg) -> Image.Image:
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _palette(pictures: Sequence[Image.Image], palette: dict[str, str]) -> Image.Image:
    """One palette for all frames: the theme's own colours, the rest from a few frames one above the other.

    Its last entry is left free.
    """
    few = [pictures[i] for i in sorted({1, len(pictures) // 2, len(pictures) - 1})]
    width, height = few[0].size
    sheet = Image.new("RGB", (width, height * len(few)))
    for i, picture in enumerate(few):
        sheet.paste(picture, (0, i * height))
    own = [*palette.values(), *colours.ROLES.values(), *panels.ARROWS.values()]
    fixed = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in own])
    found = sheet.quantize(CLEAR - len(own), method=Image.Quantize.MEDIANCUT).getpalette() or []
    others = np.array(found[: 3 * (CLEAR - len(own))]).reshape(-1, 3)
    off = np.abs(others[:, None] - fixed).max(-1)
    # a shade that is hardly another than the theme's is the theme's
    others = np.where(off.min(1, keepdims=True) <= ALIKE, fixed[off.argmin(1)], others)
    shared = Image.new("P", (1, 1))
    shared.putpalette(np.concatenate([fixed, others]).ravel().tolist())
    return shared


def _png(picture: Image.Image, **options: Any) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "PNG", **options)
    return sink.getvalue()


def _data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"

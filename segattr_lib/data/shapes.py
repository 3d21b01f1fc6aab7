"""Generated scenes with known truth: coloured shapes over procedural clutter.

A scene is a pure function of its name ("test-00017"): nothing is stored, nothing is downloaded.
Four leaks known from other generators are closed here and tested in tests/test_shapes.py:
backgrounds are drawn per scene name, so that no split sees another's; colours come from a stream of
their own, so that no bit of a colour tells the class; the label map is drawn on the canvas of the
image, so that one transform serves both; and a scene never fails, whatever map is made of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from segattr_lib.data.sample import Dataset
from segattr_lib.registry import UserError, unknown
from segattr_lib.seeds import generator

CLASS_NAMES = ("background", "circle", "circle outline", "square", "square outline", "triangle", "triangle outline")
CANVAS = 224  # px; object sizes below are px of this canvas
SPLITS = {"train": 40_000, "val": 500, "test": 500, "test_small": 500, "test_thin": 500}
SIZE_RANGE = {"regular": (40, 120), "small": (20, 40), "thin": (40, 120)}  # diameter, side or height, px
THIN_LINE = (3, 6)  # px, half open; elsewhere an outline is size // 5 wide (8 to 24 px when regular)
MOST_OBJECTS = 6
FORMS = ("circle", "square", "triangle")
LEAST_VISIBLE = 0.5  # an object may hide at most half of an earlier one


@cache
def pixel_centres(canvas: int) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column, each (canvas, canvas) float32, of the middle of every pixel."""
    rows, columns = np.mgrid[:canvas, :canvas].astype(np.float32) + np.float32(0.5)
    return rows, columns


ROWS, COLUMNS = pixel_centres(CANVAS)


def shapes(root: str | None, split: str | None) -> Dataset:
    """The shapes scenes as a data set, generated when read; splits are the keys of SPLITS, "test" by default."""
    split = split or "test"
    if split not in SPLITS:
        raise unknown("shapes split", split, SPLITS)
    if root is not None:
        raise UserError(f"root is {root!r}, but the data set 'shapes' is generated and has none; leave it out.")

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        drawn = scene(sample_id)
        return Image.fromarray(drawn.image), drawn.labels

    def fingerprint(sample_ids: list[str]) -> str:
        return hashlib.blake2b(Path(__file__).read_bytes(), digest_size=8).hexdigest()  # the generator is the data

    names = [f"{split}-{number:05d}" for number in range(SPLITS[split])]
    return Dataset("shapes", split, names, CLASS_NAMES, read, fingerprint)


@dataclass(frozen=True)
class Scene:
    """image (H,W,3) uint8; labels (H,W) uint8, 0 the background; objects (n,H,W) bool, the visible
    pixels of each object, in drawing order; classes (n,) ids 1 to 6; sizes and lines (n,) px, a line
    of 0 being a filled object."""

    image: np.ndarray
    labels: np.ndarray
    objects: np.ndarray
    classes: np.ndarray
    sizes: np.ndarray
    lines: np.ndarray


def scene(name: str) -> Scene:
    """Draw the scene of this name, "<split>-<number>"; train scenes mix all three kinds of object."""
    split = name.rpartition("-")[0]
    layout = generator("shapes", name, "layout")
    kind = split.partition("_")[2] or "regular"
    if split == "train":
        kind = str(layout.choice(["regular", "small", "thin"], p=[0.8, 0.1, 0.1]))
    canvas = background(name).astype(np.float32)
    drawn = _place(layout, kind)
    colours = generator("shapes", name, "colour").integers(0, 256, (len(drawn), 3)).astype(np.float32)
    labels = np.zeros((CANVAS, CANVAS), np.uint8)
    owner = np.full((CANVAS, CANVAS), -1, np.int8)
    for index, (shape, colour) in enumerate(zip(drawn, colours, strict=True)):
        alpha = shape.coverage[..., None]
        canvas = canvas * (1 - alpha) + colour * alpha
        labels[shape.coverage > 0.5] = shape.class_id
        owner[shape.coverage > 0.5] = index
    noise = 3 * generator("shapes", name, "noise").standard_normal(canvas.shape, np.float32)
    return Scene(
        image=np.clip(canvas + noise, 0, 255).round().astype(np.uint8),
        labels=labels,
        objects=np.stack([owner == index for index in range(len(drawn))]),
        classes=np.array([shape.class_id for shape in drawn]),
        sizes=np.array([shape.size for shape in drawn]),
        lines=np.array([shape.line for shape in drawn]),
    )


def background(name: str) -> np.ndarray:
    """The clutter behind the scene of this name, (H,W,3) uint8: smooth colour noise of several grains,
    stripes, irregular polygons and zigzag strokes, none of them one of the six shapes."""
    rng = generator("shapes", name, "background")
    picture = texture(rng, CANVAS, grains=(2, 7, 28, 112), strongest=0.45)
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(4, 14)):
        corners = rng.integers(6, 11)
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(5, 32) * rng.uniform(0.4, 1, corners)
        points = rng.uniform(0, CANVAS, 2) + np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None]
        pen.polygon([tuple(point) for point in points], fill=tuple(rng.integers(0, 256, 3).tolist()))
    scrawl(rng, picture, strokes=int(rng.integers(4, 14)))
    return np.asarray(picture)


def texture(rng: np.random.Generator, canvas: int, grains: tuple[int, ...], strongest: float) -> Image.Image:
    """A random ground: smooth colour noise of so many cells a side, each grain of a random share, at most the
    strongest, of the range of colours, and stripes."""
    pixels = np.full((canvas, canvas, 3), rng.integers(40, 216, 3), np.float32)
    for cells in grains:
        grain = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        smooth = Image.fromarray(grain).resize((canvas, canvas), Image.Resampling.BILINEAR)
        pixels += np.float32(rng.uniform(0.05, strongest)) * (np.asarray(smooth, np.float32) - 127.5)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    rows, columns = pixel_centres(canvas)
    wave = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period)
    pixels += wave[..., None].astype(np.float32) * rng.normal(0, 12, 3).astype(np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def scrawl(rng: np.random.Generator, picture: Image.Image, strokes: int) -> None:
    """Draw zigzag strokes of random colours, 1 to 7 px wide, over a picture."""
    pen = ImageDraw.Draw(picture)
    for _ in range(strokes):
        steps = np.cumsum(rng.normal(0, 25, (rng.integers(2, 6), 2)), 0) + rng.uniform(0, picture.width, 2)
        colour, width = tuple(rng.integers(0, 256, 3).tolist()), int(rng.integers(1, 8))
        pen.line([tuple(point) for point in steps], fill=colour, width=width)


@dataclass(frozen=True)
class _Shape:
    class_id: int
    size: int
    line: int
    coverage: np.ndarray


def _place(rng: np.random.Generator, kind: str) -> list[_Shape]:
    """One to six shapes; one that would hide too much of an earlier one is drawn anew elsewhere."""
    drawn: list[_Shape] = []
    full: list[int] = []
    for _ in range(rng.integers(1, MOST_OBJECTS + 1)):
        for _ in range(20):
            candidate = _draw(rng, kind)
            solid = [shape.coverage > 0.5 for shape in [*drawn, candidate]]
            visible = [np.count_nonzero(mask & ~np.any(solid[i + 1 :], axis=0)) for i, mask in enumerate(solid)]
            if all(seen >= LEAST_VISIBLE * whole for seen, whole in zip(visible, full, strict=False)):
                drawn.append(candidate)
                full.append(int(visible[-1]))
                break
    return drawn


def _draw(rng: np.random.Generator, kind: str) -> _Shape:
    """A shape of random class, size, turn and place."""
    class_id = int(rng.integers(1, len(CLASS_NAMES)))
    low, high = SIZE_RANGE[kind]
    size = int(rng.integers(low, high + 1))
    if class_id % 2:
        line = 0
    elif kind == "thin":
        line = int(rng.integers(*THIN_LINE))
    else:
        line = size // 5
    form = FORMS[(class_id - 1) // 2]
    return _Shape(class_id, size, line, coverage(rng, form, size, line, CANVAS))


def coverage(rng: np.random.Generator, form: str, size: int, line: int, canvas: int) -> np.ndarray:
    """A form of FORMS at a random place and turn, whole on the canvas: the share of every pixel it covers.

    size: the circle's diameter, the square's side, the equilateral triangle's height, px. line: the width of
    an outline, px, 0 for a filled one. (canvas, canvas) in [0,1], anti-aliased from the signed distance in px.
    """
    reach = {"circle": 1 / 2, "square": 2**-0.5, "triangle": 2 / 3}[form] * size  # of the circumscribed circle
    x, y = rng.uniform(reach, canvas - reach, 2)
    turn = rng.uniform(0, 2 * np.pi)
    rows, columns = pixel_centres(canvas)
    across, along = columns - np.float32(x), rows - np.float32(y)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = across * cosine + along * sine, along * cosine - across * sine
    if form == "circle":
        distance = np.hypot(u, v) - size / 2
    elif form == "square":
        distance = np.maximum(np.abs(u), np.abs(v)) - size / 2
    else:  # equilateral of height `size`: three half-planes at the inradius, size / 3
        distance = np.maximum(v, np.abs(u) * np.float32(3**0.5 / 2) - v / 2) - size / 3
    covered = np.clip(0.5 - distance, 0, 1)
    return covered * np.clip(0.5 + distance + line, 0, 1) if line else covered

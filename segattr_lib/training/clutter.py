"""Dense clutter to lie behind single shapes: many small distinct figures, and crops of photographs that packages bring.

A ground is a pure function of its name, its kind and the photographs. None holds one of the six classes at an object's
size: where a figure is a whole circle, square or equilateral triangle, filled or outlined, it is at most TINY px large,
the smallest object being 20 px. So the object, which is drawn last, stays what the label says. The figures of
HELD_OUT_FIGURES and the photographs of HELD_OUT_PHOTOGRAPHS are never trained on: what is measured on them is told of
grounds of a kind that a classifier does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from segattr_lib.data import photographs, shapes, single_shapes
from segattr_lib.seeds import generator

CANVAS = single_shapes.CANVAS
TINY = 12  # px: the largest figure that has the form of an object
EXTENTS = (6, 56)  # px from end to end of the other figures
MOST = 300  # figures on a ground
FINE = 2  # px of the drawing a px of the canvas, where figures have smooth rims as objects have
HELD_OUT_PHOTOGRAPHS = ("coffee", "flower", "china")
Outline = Callable[[np.random.Generator], np.ndarray]  # (corners,2) within a circle of radius 1, in order


def ground(kind: str, name: str) -> np.ndarray:
    """The ground of this name and kind of GROUNDS, (CANVAS,CANVAS,3) uint8. KeyError for another kind."""
    return GROUNDS[kind](name)


def clutter(name: str) -> np.ndarray:
    """Small distinct figures, few to very many, on a texture, a plain colour, a mosaic or a photograph."""
    rng = generator("clutter", name, "figures")
    beneath = [_plain, _texture, _mosaic, lambda rng: _photograph(rng, _trained_on())]
    picture = beneath[int(rng.integers(len(beneath)))](rng)
    return _covered_with(rng, picture, FIGURES)


def photograph(name: str) -> np.ndarray:
    """A crop of a photograph that is trained on, in one of three with some figures over it."""
    rng = generator("clutter", name, "photograph")
    picture = _photograph(rng, _trained_on())
    return np.asarray(picture) if rng.random() < 2 / 3 else _covered_with(rng, picture, FIGURES)


def crowd(name: str) -> np.ndarray:
    """Figures of forms that are not trained on, many of them, on a plain colour or a texture."""
    rng = generator("clutter", name, "crowd")
    picture = [_plain, _texture][int(rng.integers(2))](rng)
    return _covered_with(rng, picture, HELD_OUT_FIGURES, least=0.4)


def polygons(name: str) -> np.ndarray:
    """The grounds of the scenes of many shapes: ragged polygons and strokes on strong colour noise."""
    return np.asarray(Image.fromarray(shapes.background(name)).resize((CANVAS, CANVAS), Image.Resampling.BILINEAR))


def held_out_photograph(name: str) -> np.ndarray:
    """A crop of a photograph that is not trained on."""
    known = photographs.available()
    paths = [known[key].path for key in HELD_OUT_PHOTOGRAPHS if key in known]
    return np.asarray(_photograph(generator("clutter", name, "held-out photograph"), paths))


GROUNDS: dict[str, Callable[[str], np.ndarray]] = {
    "generated": single_shapes.background,
    "clutter": clutter,
    "photograph": photograph,
    "crowd": crowd,
    "polygons": polygons,
    "held_out_photograph": held_out_photograph,
}
TRAINED_ON = ("generated", "clutter", "photograph", "clutter")  # by turns
HELD_OUT = ("crowd", "polygons", "held_out_photograph")


# What figures lie on.


def _trained_on() -> list[Path]:
    known = photographs.available()
    return [photo.path for key, photo in known.items() if key not in HELD_OUT_PHOTOGRAPHS]


def _plain(rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", (CANVAS, CANVAS), _colour(rng))


def _texture(rng: np.random.Generator) -> Image.Image:
    return shapes.texture(rng, CANVAS, grains=(2, 7, 28), strongest=float(rng.uniform(0.2, 0.6)))


def _mosaic(rng: np.random.Generator) -> Image.Image:
    """Each pixel has the colour of the nearest of some points."""
    points = rng.uniform(0, CANVAS, (int(rng.integers(8, 80)), 2)).astype(np.float32)
    rows, columns = shapes.pixel_centres(CANVAS)
    nearest, distance = np.zeros((CANVAS, CANVAS), int), np.full((CANVAS, CANVAS), np.inf, np.float32)
    for index, (row, column) in enumerate(points):
        squared = (rows - row) ** 2 + (columns - column) ** 2
        nearest[squared < distance] = index
        distance = np.minimum(distance, squared)
    return Image.fromarray(rng.integers(0, 256, (len(points), 3), dtype=np.uint8)[nearest])


def _photograph(rng: np.random.Generator, paths: list[Path]) -> Image.Image:
    """A random square of a random photograph, in a random exchange of its colours."""
    picture = _opened(paths[int(rng.integers(len(paths)))])
    shorter = min(picture.size)
    side = int(rng.integers(min(CANVAS // 2, shorter), shorter + 1))
    left, top = (int(rng.integers(length - side + 1)) for length in picture.size)
    square = picture.crop((left, top, left + side, top + side)).resize((CANVAS, CANVAS), Image.Resampling.BILINEAR)
    return Image.fromarray(np.asarray(square)[..., rng.permutation(3)])


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())


_OPEN: dict[Path, Image.Image] = {}


def _opened(path: Path) -> Image.Image:
    if path not in _OPEN:
        _OPEN[path] = Image.open(path).convert("RGB")
    return _OPEN[path]


# Figures.


def _covered_with(
    rng: np.random.Generator, picture: Image.Image, figures: Mapping[str, Outline], least: float = 0.05
) -> np.ndarray:
    """A picture with figures strewn over it, of all forms or of two, of many sizes or of much the same, with smooth
    rims or ragged ones; until squares of their extents would cover a drawn share of it, from `least` to one and a half,
    or there are MOST of them."""
    fine = FINE if rng.random() < 0.7 else 1
    canvas = picture.resize((CANVAS * fine, CANVAS * fine), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    share = rng.uniform(least, 1.5) * CANVAS**2
    names = list(figures) if rng.random() < 0.7 else rng.choice(list(figures), 2).tolist()
    low, high = np.log(EXTENTS)
    typical = float(rng.uniform(low, high))
    spread = 1.0 if rng.random() < 0.7 else 0.2  # of the sizes about the typical one
    for _ in range(MOST):
        name = names[int(rng.integers(len(names)))]
        extent = float(np.exp(np.clip(typical + spread * rng.uniform(-1, 1), low, high)))
        if name in ALIKE:
            extent = float(rng.uniform(4, TINY))
        _put(rng, pen, figures[name](rng), extent, fine, name in OPEN)
        share -= extent**2
        if share < 0:
            break
    return np.asarray(canvas.resize((CANVAS, CANVAS), Image.Resampling.BOX))


def _put(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, outline: np.ndarray, extent: float, fine: int, line: bool
) -> None:
    """Draw a figure at a random place and turn; where it does not close its line alone, else that or its area."""
    turn = rng.uniform(0, 2 * np.pi)
    turned = outline @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = (turned * extent / 2 + rng.uniform(0, CANVAS, 2)) * fine
    points = [tuple(corner) for corner in corners.tolist()]
    colour = _colour(rng)
    width = max(1, round(extent * rng.uniform(0.08, 0.25) * fine))
    if line:
        pen.line(points, fill=colour, width=width, joint="curve")
    elif rng.random() < 0.5:
        pen.polygon(points, fill=colour)
    else:
        pen.line([*points, *points[:2]], fill=colour, width=width, joint="curve")


def _around(angles: np.ndarray, radii: np.ndarray | float = 1.0) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.broadcast_to(radii, angles.shape)[:, None]


def _regular(corners: int) -> np.ndarray:
    return _around(np.arange(corners) * 2 * np.pi / corners)


def _bar(rng: np.random.Generator) -> np.ndarray:
    """A rectangle at least 1.7 times as long as wide."""
    length, width = 1.0, 1 / rng.uniform(1.7, 8)
    return np.array([(-length, -width), (length, -width), (length, width), (-length, width)])


def _oval(rng: np.random.Generator) -> np.ndarray:
    """An ellipse at least 1.6 times as long as wide."""
    return _regular(32) * (1, 1 / rng.uniform(1.6, 4))


def _star(rng: np.random.Generator) -> np.ndarray:
    points = int(rng.integers(4, 9))
    radii = np.where(np.arange(2 * points) % 2, rng.uniform(0.25, 0.6), 1)
    return _around(np.arange(2 * points) * np.pi / points, radii)


def _cross(rng: np.random.Generator) -> np.ndarray:
    arm = rng.uniform(0.12, 0.4)
    quarter = np.array([(1, -arm), (1, arm), (arm, arm)])
    turn = np.array([[0, 1], [-1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, times) for times in range(4)])


def _arc(rng: np.random.Generator) -> np.ndarray:
    """A part of a circle's line, at most three quarters of it."""
    return _around(np.linspace(0, rng.uniform(0.3, 1.5) * np.pi, 24))


def _corner(rng: np.random.Generator) -> np.ndarray:
    """Two strokes that meet."""
    opening = rng.uniform(0.15, 0.85) * np.pi
    return np.array([(1, 0), (0, 0), (np.cos(opening), np.sin(opening))])


def _stroke(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, (int(rng.integers(2, 6)), 2))


def _sliver(rng: np.random.Generator) -> np.ndarray:
    """An isosceles triangle whose apex is far from 60 degrees: at most 32, or at least 100."""
    apex = np.radians(rng.uniform(12, 32) if rng.random() < 0.5 else rng.uniform(100, 150))
    return _around(np.array([0, np.pi - apex, np.pi + apex]))


def _slanted(rng: np.random.Generator) -> np.ndarray:
    """A parallelogram, its angles at most 60 degrees and its sides one to three in ratio."""
    angle, ratio = np.radians(rng.uniform(25, 60)), rng.uniform(1, 3)
    first, second = np.array([1.0, 0.0]), np.array([np.cos(angle), np.sin(angle)]) / ratio
    corners = np.array([-first - second, first - second, first + second, second - first])
    return corners / np.abs(corners).max()


def _pentagon(rng: np.random.Generator) -> np.ndarray:
    """A pentagon; with more corners a small one passes for a circle."""
    return _regular(5)


FIGURES: dict[str, Outline] = {
    "bar": _bar,
    "oval": _oval,
    "star": _star,
    "cross": _cross,
    "arc": _arc,
    "corner": _corner,
    "stroke": _stroke,
    "sliver": _sliver,
    "slanted": _slanted,
    "pentagon": _pentagon,
    "tiny circle": lambda rng: _regular(32),
    "tiny square": lambda rng: _regular(4),
    "tiny triangle": lambda rng: _regular(3),
}


def _crescent(rng: np.random.Generator) -> np.ndarray:
    outer = _around(np.linspace(0.25 * np.pi, 1.75 * np.pi, 24))
    inner = _around(np.linspace(1.75 * np.pi, 0.25 * np.pi, 24)) * (rng.uniform(0.3, 0.7), 1)
    return np.concatenate([outer, inner[1:-1]])


def _half_disc(rng: np.random.Generator) -> np.ndarray:
    return _around(np.linspace(0, np.pi, 20))


def _heart(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(32) * 2 * np.pi / 32
    across = 16 * np.sin(t) ** 3
    along = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([across, along], 1) / 17


def _arrow(rng: np.random.Generator) -> np.ndarray:
    shaft = rng.uniform(0.12, 0.3)
    half = [(1, 0), (0.2, 0.6), (0.2, shaft), (-1, shaft)]
    return np.array([*half, *[(x, -y) for x, y in half[:0:-1]]])


def _drop(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(32) * 2 * np.pi / 32
    return np.stack([np.cos(t), np.sin(t) * np.sin(t / 2) ** 2 * 0.9], 1)


def _letter_s(rng: np.random.Generator) -> np.ndarray:
    t = np.linspace(-1, 1, 24)
    return np.stack([0.7 * np.sin(t * np.pi), t], 1)


HELD_OUT_FIGURES: dict[str, Outline] = {
    "crescent": _crescent,
    "half disc": _half_disc,
    "heart": _heart,
    "arrow": _arrow,
    "drop": _drop,
    "letter S": _letter_s,
}
ALIKE = {"tiny circle", "tiny square", "tiny triangle"}  # they have the form of objects
OPEN = {"arc", "corner", "stroke", "letter S"}  # drawn as lines alone

"""Generated scenes whose evidence is planted: one glyph tells the class, and where it lies is known.

A scene holds one or two large objects, a badge (a small glyph) on the body of each, and away from them all
one marker, a glyph on a patch of its own. Two data sets label the same pixels: under `planted_context` the
kind of the marker alone tells the class of the objects, so that the evidence lies outside every mask; under
`planted_own`, the control, the kind of the badges alone does, inside the mask. The two kinds are drawn apart
from each other and from all else (backgrounds, forms, places, colours), each from a stream of its own: a
model that tells the class has read that glyph, and a metric of leakage can be held against the truth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from segattr_lib.data.sample import Dataset
from segattr_lib.data.shapes import CANVAS, COLUMNS, ROWS, background
from segattr_lib.registry import UserError, unknown
from segattr_lib.seeds import generator

CLASS_NAMES = ("background", "A", "B")
GLYPHS = ("ring", "plus")  # of class A and of class B; apart under every turn, mirror and exchange of colours
BODIES = ("disc", "square")
SPLITS = {"train": 4_000, "val": 500, "test": 500}
BODY, BADGE, MARKER = (70, 100), (28, 34), (44, 52)  # px of the canvas: diameters, the square's side
PATCH = 0.65  # the marker's patch reaches this far from its middle, in diameters of the glyph
APART = 12  # px at least between the marker's patch and any object, and between two objects
INSIDE = 4  # px at least between a badge and the rim of its object
CONTRAST = 80  # levels, of the mean over the channels: a badge is darker than its ground by so much, a marker lighter


def planted_context(root: str | None, split: str | None) -> Dataset:
    """The planted scenes, the class told by the marker alone; splits are the keys of SPLITS, "test" by default."""
    return _dataset("planted_context", lambda drawn: drawn.marker_kind, root, split)


def planted_own(root: str | None, split: str | None) -> Dataset:
    """The same scenes, pixel for pixel, the class told by the badges alone."""
    return _dataset("planted_own", lambda drawn: drawn.badge_kind, root, split)


def evidence(sample_id: str, size: int = CANVAS) -> dict[str, Bool[Tensor, "h w"]]:
    """Where the evidence of a sample lies at size x size px, resized as its mask is: "marker" and "badge".

    Each is the disc that either glyph fills, the badges of all objects together: redrawn as the other kind,
    the glyph changes pixels there and nowhere else.
    """
    drawn = scene(sample_id)
    regions = {"marker": drawn.marker, "badge": drawn.badges.any(0)}
    resized = {
        role: np.array(Image.fromarray(where).resize((size, size), Image.Resampling.NEAREST), bool)
        for role, where in regions.items()
    }
    return {role: torch.from_numpy(where) for role, where in resized.items()}


@dataclass(frozen=True)
class Scene:
    """image (H,W,3) uint8; objects and badges (n,H,W) bool, the pixels of each object, its badge's among
    them, and of each badge; marker (H,W) bool; marker_kind and badge_kind of GLYPHS, all badges of a scene
    being of one kind; bodies, the n forms of BODIES."""

    image: np.ndarray
    objects: np.ndarray
    badges: np.ndarray
    marker: np.ndarray
    marker_kind: str
    badge_kind: str
    bodies: tuple[str, ...]


def scene(name: str, *, marker: str | None = None, badge: str | None = None) -> Scene:
    """Draw the scene of this name, "<split>-<number>".

    marker, badge: a kind of GLYPHS, to draw that glyph as if the scene had it: its counterfactual, with
    nothing else changed.
    """
    marker, badge = marker or _kind(name, "marker"), badge or _kind(name, "badge")
    layout, colours = _layout(generator("planted", name, "layout")), generator("planted", name, "colour")
    canvas = background(f"planted {name}").astype(np.float32)
    for body, spot in zip(layout.bodies, layout.badges, strict=True):
        ink, ground = _dark_and_light(colours)
        canvas = _painted(_painted(canvas, body.distance, ground), spot.distance(badge), ink)
    ground, ink = _dark_and_light(colours)
    canvas = _painted(canvas, layout.marker.disc(PATCH), ground)
    canvas = _painted(canvas, layout.marker.distance(marker), ink)
    noise = 3 * generator("planted", name, "noise").standard_normal(canvas.shape, np.float32)
    return Scene(
        image=np.clip(canvas + noise, 0, 255).round().astype(np.uint8),
        objects=np.stack([body.distance < 0 for body in layout.bodies]),
        badges=np.stack([spot.disc(0.5) < 0.5 for spot in layout.badges]),  # with the pixels at its soft edge
        marker=layout.marker.disc(0.5) < 0.5,
        marker_kind=marker,
        badge_kind=badge,
        bodies=tuple(body.form for body in layout.bodies),
    )


def _dataset(name: str, kind: Callable[[Scene], str], root: str | None, split: str | None) -> Dataset:
    split = split or "test"
    if split not in SPLITS:
        raise unknown(f"{name} split", split, SPLITS)
    if root is not None:
        raise UserError(f"root is {root!r}, but the data set {name!r} is generated and has none; leave it out.")

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        drawn = scene(sample_id)
        class_id = 1 + GLYPHS.index(kind(drawn))
        return Image.fromarray(drawn.image), np.where(drawn.objects.any(0), class_id, 0).astype(np.uint8)

    def fingerprint(sample_ids: list[str]) -> str:
        here = Path(__file__)
        generators = here.read_bytes() + here.with_name("shapes.py").read_bytes()  # they are the data
        return hashlib.blake2b(generators, digest_size=8).hexdigest()

    names = [f"{split}-{number:05d}" for number in range(SPLITS[split])]
    return Dataset(name, split, names, CLASS_NAMES, read, fingerprint)


def _kind(name: str, role: str) -> str:
    return GLYPHS[int(generator("planted", name, role).integers(len(GLYPHS)))]


def _dark_and_light(rng: np.random.Generator) -> np.ndarray:
    """Two colours (2,3), drawn until the second is lighter by CONTRAST; no exchange of channels changes that."""
    while True:
        pair = rng.integers(0, 256, (2, 3))
        if pair[1].mean() - pair[0].mean() >= CONTRAST:
            return pair


def _painted(canvas: np.ndarray, distance: np.ndarray, colour: np.ndarray) -> np.ndarray:
    alpha = np.clip(0.5 - distance, 0, 1)[..., None]
    return canvas * (1 - alpha) + colour.astype(np.float32) * alpha


@dataclass(frozen=True)
class _Body:
    """A form of BODIES, and the signed distance (H,W) of every pixel from its rim, px, negative inside."""

    form: str
    distance: np.ndarray


@dataclass(frozen=True)
class _Spot:
    """The place of a glyph: its middle and diameter in px, its turn in radians."""

    x: float
    y: float
    size: int
    turn: float

    def disc(self, radius: float) -> np.ndarray:
        """The signed distance (H,W) from a disc around the middle, of this radius in diameters, px."""
        return np.hypot(*_turned(self.x, self.y, 0.0)) - np.float32(radius * self.size)

    def distance(self, kind: str) -> np.ndarray:
        """The signed distance (H,W) of a glyph that fills the disc: a ring a sixth of it wide, or a plus with
        arms a quarter wide. The two paint equal areas to one per cent, so that their brightness is no tell."""
        rim = self.disc(0.5)
        if kind == "ring":
            return np.maximum(rim, -rim - np.float32(self.size / 6))
        u, v = (np.abs(side) for side in _turned(self.x, self.y, self.turn))
        return np.maximum(rim, np.minimum(u, v) - np.float32(self.size / 8))


@dataclass(frozen=True)
class _Layout:
    bodies: list[_Body]
    badges: list[_Spot]
    marker: _Spot


def _layout(rng: np.random.Generator) -> _Layout:
    """One or two objects, drawn anew until they lie apart and leave the marker a place; then the glyphs, each
    evenly among the pixels where it may lie."""
    objects, size = int(rng.integers(1, 3)), int(rng.integers(MARKER[0], MARKER[1] + 1))
    from_canvas = np.minimum(np.minimum(COLUMNS, CANVAS - COLUMNS), np.minimum(ROWS, CANVAS - ROWS))
    for _ in count():
        bodies = [_body(rng) for _ in range(objects)]
        from_bodies = np.min([body.distance for body in bodies], axis=0)
        free = (from_bodies >= PATCH * size + APART) & (from_canvas >= PATCH * size)
        if free.any() and (objects == 1 or np.min(bodies[0].distance + bodies[1].distance) >= APART):
            break
    spot = partial(_spot, rng)
    sizes = rng.integers(BADGE[0], BADGE[1] + 1, objects)
    inside = [body.distance <= -(badge / 2 + INSIDE) for body, badge in zip(bodies, sizes, strict=True)]
    return _Layout(bodies, [*map(spot, inside, sizes.tolist())], spot(free, size))


def _body(rng: np.random.Generator) -> _Body:
    """An object of random form, size, turn and place, whole on the canvas."""
    form, size = BODIES[int(rng.integers(len(BODIES)))], int(rng.integers(BODY[0], BODY[1] + 1))
    reach = size * (1 / 2 if form == "disc" else 2**-0.5)
    x, y = rng.uniform(reach, CANVAS - reach, 2)
    u, v = _turned(x, y, rng.uniform(0, 2 * np.pi))
    from_middle = np.hypot(u, v) if form == "disc" else np.maximum(np.abs(u), np.abs(v))
    return _Body(form, from_middle - np.float32(size / 2))


def _spot(rng: np.random.Generator, where: np.ndarray, size: int) -> _Spot:
    row, column = divmod(int(rng.choice(np.flatnonzero(where))), CANVAS)
    return _Spot(column + 0.5, row + 0.5, size, rng.uniform(0, 2 * np.pi))


def _turned(x: float, y: float, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (H,W) of every pixel in a frame around (x, y), turned; px."""
    across, along = COLUMNS - np.float32(x), ROWS - np.float32(y)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return across * cosine + along * sine, along * cosine - across * sine

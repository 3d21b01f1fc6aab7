"""Generated figures made of parts, in FunnyBirds' manner: flat birds whose classes differ by their parts alone.

A scene is a pure function of its name ("test-00017"): body, pose, light and background come from streams that
know nothing of the class, which the variants of five parts tell together. Any parts, and any object of the
background, can be taken away: the scene is drawn again without them, and nothing else changes. As in
FunnyBirds, half of the training scenes lack some parts, so that a model has seen what an intervention shows.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image, ImageDraw

from segattr_lib.data.funnybirds import (
    FIRST_OBJECT,
    PARTS,
    REGIONS,
    PartDataset,
    background_object,
    part_labels,
    rivals,
)
from segattr_lib.data.shapes import texture
from segattr_lib.registry import UserError, unknown
from segattr_lib.seeds import generator

CANVAS = 224  # px
FINER = 2  # scenes are drawn so many times larger and averaged: soft edges
SPLITS = {"train": 16_000, "val": 500, "test": 500}
CLASSES = 20
VARIANTS = {  # of each part: its form and its colour
    "beak": [("cone", "yellow"), ("bill", "yellow"), ("open", "yellow")],
    "eye": [("wide", "white"), ("square", "white"), ("dark", "white")],
    "foot": [("web", "orange"), ("stilt", "orange"), ("ball", "orange")],
    "tail": [("fan", "red"), ("fork", "red"), ("fan", "blue"), ("fork", "blue")],
    "wing": [("blade", "green"), ("paddle", "green"), ("blade", "magenta"), ("paddle", "magenta")],
}
COLOURS = {
    "yellow": (235, 205, 30),
    "white": (240, 240, 240),
    "orange": (230, 125, 25),
    "red": (205, 35, 35),
    "blue": (40, 70, 215),
    "green": (35, 165, 60),
    "magenta": (200, 45, 175),
    "black": (15, 15, 15),
}
CLASS_NAMES = tuple(f"bird {number}" for number in range(CLASSES))
OBJECTS = (3, 10)  # in the background, half open
UNIT = (46, 64)  # px: half the height of a body is .75 units, a bird reaches REACH units from its middle
REACH = 1.7
TURN = 0.45  # radians at most, either way
BODY = (170, 170, 170)  # of the part map; a body is no part, all classes share it


def part_figures(root: str | None, split: str | None) -> PartDataset:
    """The part-made figures, generated when read; splits are the keys of SPLITS, "test" by default.

    The train split's images lack the parts of `taken_in_training`; those of the others are whole.
    """
    split = split or "test"
    if split not in SPLITS:
        raise unknown("part_figures split", split, SPLITS)
    if root is not None:
        raise UserError(f"root is {root!r}, but the data set 'part_figures' is generated and has none; leave it out.")
    missing = taken_in_training if split == "train" else lambda sample_id: frozenset[str]()

    def shown(sample_id: str, taken: Collection[str] = ()) -> Image.Image:
        return picture(sample_id, missing(sample_id) | set(taken))

    def shown_map(sample_id: str) -> np.ndarray:
        return part_map(sample_id, missing(sample_id))

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        return shown(sample_id), part_labels(shown_map(sample_id), class_of(sample_id))

    def fingerprint(sample_ids: list[str]) -> str:
        here = Path(__file__)
        generators = here.read_bytes() + here.with_name("shapes.py").read_bytes()  # they are the data
        return hashlib.blake2b(generators, digest_size=8).hexdigest()

    return PartDataset(
        "part_figures",
        split,
        [f"{split}-{number:05d}" for number in range(SPLITS[split])],
        CLASS_NAMES,
        read,
        fingerprint,
        class_of,
        parts=PARTS,
        variants=class_variants(),
        objects_of=lambda sample_id: _scene(sample_id).objects,
        part_map=shown_map,
        without=shown,
    )


@cache
def class_variants() -> Int[np.ndarray, "c p"]:
    """Which variant of each part of PARTS a class has: distinct rows, drawn until every class has rivals."""
    every = np.array(list(itertools.product(*(range(len(VARIANTS[part])) for part in PARTS))))
    draws = (generator("part_figures", f"classes {trial}", "variants") for trial in itertools.count())
    tables = (every[rng.permutation(len(every))[:CLASSES]] for rng in draws)
    return next(table for table in tables if all(rivals(table, class_id) for class_id in range(CLASSES)))


def class_of(sample_id: str) -> int:
    """The class of the scene of this name, 0 to CLASSES - 1."""
    return int(generator("part_figures", sample_id, "class").integers(CLASSES))


def taken_in_training(sample_id: str) -> frozenset[str]:
    """The parts a training scene lacks: none in half of the scenes, else any number of them."""
    rng = generator("part_figures", sample_id, "taken")
    if rng.integers(2):
        return frozenset()
    return frozenset(rng.permutation(PARTS)[: rng.integers(len(PARTS) + 1)].tolist())


def possible_classes(sample_id: str, taken: Collection[str]) -> Bool[np.ndarray, " c"]:
    """The classes that what is left of a scene may be of: those that share every part that is left."""
    left = [part not in taken for part in PARTS]
    variants = class_variants()
    return (variants[:, left] == variants[class_of(sample_id), left]).all(1)


def picture(sample_id: str, taken: Collection[str] = ()) -> Image.Image:
    """The scene of this name without what is taken away: parts, and objects of the background by name."""
    scene, (ground, noise) = _scene(sample_id), _ground_and_noise(sample_id)
    canvas = ground.resize((FINER * CANVAS,) * 2, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas)
    for layer in scene.layers:
        if layer.name not in taken:
            for points, colour in layer.shapes:
                pen.polygon(points, fill=colour)
    pixels = np.asarray(canvas.reduce(FINER)) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))


def part_map(sample_id: str, taken: Collection[str] = ()) -> UInt8[np.ndarray, "h w 3"]:
    """Where the parts and the background's objects are seen, in FunnyBirds' colours; black is the bare ground."""
    canvas = Image.new("RGB", (FINER * CANVAS,) * 2)
    pen = ImageDraw.Draw(canvas)
    for layer in _scene(sample_id).layers:
        if layer.name not in taken:
            for points, _ in layer.shapes:
                pen.polygon(points, fill=layer.code)
    return np.asarray(canvas)[FINER // 2 :: FINER, FINER // 2 :: FINER]


Colour = tuple[int, int, int]
Polygon = list[tuple[float, float]]  # of the finer canvas, px


@dataclass(frozen=True)
class _Layer:
    """What is drawn, and taken away, as one: polygons in their colours; code is its colour in the part map."""

    name: str
    code: Colour
    shapes: list[tuple[Polygon, Colour]]


@dataclass(frozen=True)
class _Scene:
    layers: list[_Layer]  # from back to front
    objects: int


@cache
def _table() -> dict[tuple[str, str], list[tuple[np.ndarray, str | None]]]:
    """The outlines of every form of every part in the bird's frame, units, y down, the body's middle at 0.

    Of a pair the one on the right. A colour beside an outline is its own, whatever the variant's.
    """
    pupil = _ellipse(0.26, -0.36, 0.07, 0.07)
    return {
        ("beak", "cone"): [(_points(-0.22, -0.14, 0.22, -0.14, 0.0, 0.34), None)],
        ("beak", "bill"): [(_points(-0.34, -0.04, 0.34, -0.04, 0.34, 0.16, -0.34, 0.16), None)],
        ("beak", "open"): [
            (_points(-0.3, -0.18, -0.3, 0.3, 0.0, 0.06), None),
            (_points(0.3, -0.18, 0.3, 0.3, 0.0, 0.06), None),
        ],
        ("eye", "wide"): [(_ellipse(0.26, -0.36, 0.18, 0.18), None), (pupil, "black")],
        ("eye", "square"): [(_points(0.11, -0.51, 0.41, -0.51, 0.41, -0.21, 0.11, -0.21), None), (pupil, "black")],
        ("eye", "dark"): [(_ellipse(0.26, -0.36, 0.18, 0.18), "black"), (pupil, None)],
        ("foot", "web"): [(_points(0.25, 0.5, 0.58, 1.15, -0.02, 1.15), None)],
        ("foot", "stilt"): [
            (_points(0.2, 0.5, 0.32, 0.5, 0.32, 1.2, 0.2, 1.2), None),
            (_points(0.06, 1.12, 0.5, 1.12, 0.5, 1.25, 0.06, 1.25), None),
        ],
        ("foot", "ball"): [(_ellipse(0.28, 0.9, 0.24, 0.24), None)],
        ("tail", "fan"): [(_points(-0.12, -0.5, 0.12, -0.5, 0.62, -1.5, -0.62, -1.5), None)],
        ("tail", "fork"): [
            (_points(-0.14, -0.5, 0.14, -0.5, 0.62, -1.5, 0.3, -1.55, 0.0, -0.95, -0.3, -1.55, -0.62, -1.5), None)
        ],
        ("wing", "blade"): [(_points(0.3, -0.42, 0.3, 0.38, 1.5, -0.55), None)],
        ("wing", "paddle"): [(_ellipse(0.92, 0.08, 0.52, 0.3), None)],
    }


def _points(*numbers: float) -> np.ndarray:
    return np.array(numbers).reshape(-1, 2)


def _ellipse(x: float, y: float, across: float, down: float, corners: int = 24) -> np.ndarray:
    turn = np.arange(corners) * 2 * np.pi / corners
    return np.stack([x + across * np.cos(turn), y + down * np.sin(turn)], 1)


@cache
def _codes_of(part: str) -> list[Colour]:
    """A part's colours in the part map: one, or two of a pair."""
    return [colour for name, colour in REGIONS if name == part]


@lru_cache(maxsize=2)  # a scene is drawn many times over, one part and another taken away
def _ground_and_noise(sample_id: str) -> tuple[Image.Image, np.ndarray]:
    noise = generator("part_figures", sample_id, "noise").standard_normal((CANVAS, CANVAS, 3), np.float32)
    rng = generator("part_figures", sample_id, "background")
    return texture(rng, CANVAS, grains=(2, 7, 28), strongest=0.3), 3 * noise


def _scene(sample_id: str) -> _Scene:
    pose, light = (generator("part_figures", sample_id, purpose) for purpose in ("pose", "light"))
    unit, turn = pose.uniform(*UNIT), pose.uniform(-TURN, TURN)
    middle = pose.uniform(REACH * unit, CANVAS - REACH * unit, 2)
    stretch = np.array([pose.uniform(0.88, 1.0), 1.0])
    brightness = light.uniform(0.75, 1.1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def placed(outline: np.ndarray, mirrored: bool = False) -> Polygon:
        side = np.array([-1.0 if mirrored else 1.0, 1.0])
        return _polygon(middle + unit * (outline * side * stretch) @ rotation)

    def lit(colour: Colour) -> Colour:
        red, green, blue = (min(255, round(channel * brightness)) for channel in colour)
        return red, green, blue

    variants = dict(zip(PARTS, class_variants()[class_of(sample_id)].tolist(), strict=True))

    def part(name: str) -> list[_Layer]:
        form, colour = VARIANTS[name][variants[name]]
        layers = []
        for side, code in enumerate(_codes_of(name)):  # the second of a pair is the first, mirrored
            outlines = _table()[name, form]
            shapes = [(placed(outline, side == 1), lit(COLOURS[own or colour])) for outline, own in outlines]
            layers.append(_Layer(name, code, shapes))
        return layers

    grey = int(light.integers(70, 200))
    body = _Layer("body", BODY, [(placed(_ellipse(0.0, 0.0, 0.58, 0.76, 40)), lit((grey, grey, grey)))])
    objects = _objects(generator("part_figures", sample_id, "objects"))
    layers = [*objects, *part("tail"), *part("wing"), *part("foot"), body, *part("eye"), *part("beak")]
    return _Scene(layers, len(objects))


def _objects(rng: np.random.Generator) -> list[_Layer]:
    """Irregular polygons anywhere on the canvas, of any colour."""
    layers = []
    for number in range(int(rng.integers(*OBJECTS))):
        corners = int(rng.integers(3, 9))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(14, 34) * rng.uniform(0.55, 1, corners)
        points = rng.uniform(0, CANVAS, 2) + np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None]
        red, green, blue = rng.integers(0, 256, 3).tolist()
        code = (FIRST_OBJECT[0], FIRST_OBJECT[1], FIRST_OBJECT[2] + number)
        layers.append(_Layer(background_object(number), code, [(_polygon(points), (red, green, blue))]))
    return layers


def _polygon(points: np.ndarray) -> Polygon:
    return [(x, y) for x, y in (FINER * points - 0.5).tolist()]

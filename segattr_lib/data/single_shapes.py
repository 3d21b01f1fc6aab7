"""Scenes for classifiers, one shape in each: what a map should show is known, and nothing else tells the class.

A scene is a pure function of its name ("test-00017"), drawn at 256 px. Its class, its layout, its colours and
its background come from streams of their own, so that none of them tells of another; the object's pixels are
labelled on the canvas of the image, so that one transform serves both (tests/test_single_shapes.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segattr_lib.data.files import composed, image_files, read_image
from segattr_lib.data.sample import Dataset, file_fingerprint
from segattr_lib.data.shapes import CLASS_NAMES as WITH_BACKGROUND
from segattr_lib.data.shapes import FORMS, coverage, scrawl, texture
from segattr_lib.registry import UserError, unknown
from segattr_lib.seeds import generator

CLASS_NAMES = WITH_BACKGROUND[1:]
CANVAS = 256  # px; sizes are px of this canvas
SPLITS = {"train": 24_000, "val": 1_000, "test": 1_500}
TIERS = {"large": (80, 100), "middle": (40, 50), "small": (20, 25)}  # diameter, side or height, px
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}  # of a folder of backgrounds, each file in one split alone


def single_shapes(root: str | None, split: str | None, *, backgrounds: str | None = None) -> Dataset:
    """Single shapes as a data set, generated when read; splits are the keys of SPLITS, "test" by default.

    The classes are those of CLASS_NAMES; a sample's labels hold its class plus one on the object, an outline
    being its line alone, and 0 elsewhere. backgrounds: a folder of pictures to lie behind the shapes instead
    of the generated ones, files divided between the splits by their names. Raises UserError for an unknown
    split, a root, and a folder that leaves the split without a picture.
    """
    split = split or "test"
    if split not in SPLITS:
        raise unknown("single_shapes split", split, SPLITS)
    if root is not None:
        raise UserError(
            f"root is {root!r}, but the data set 'single_shapes' is generated and has none; leave it out "
            "(pictures of your own to lie behind the shapes are named by backgrounds=)."
        )
    pictures = None if backgrounds is None else _of_split(backgrounds, split)

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        ground = background(sample_id) if pictures is None else picture_behind(sample_id, pictures)
        drawn = scene(sample_id, ground)
        return Image.fromarray(drawn.image), drawn.labels

    def fingerprint(sample_ids: list[str]) -> str:
        here = Path(__file__)
        digest = hashlib.blake2b(here.read_bytes() + here.with_name("shapes.py").read_bytes(), digest_size=8)
        digest.update(file_fingerprint(pictures or []).encode())
        return digest.hexdigest()

    names = [f"{split}-{number:05d}" for number in range(SPLITS[split])]
    return Dataset("single_shapes", split, names, CLASS_NAMES, read, fingerprint, class_of)


def class_of(sample_id: str) -> int:
    """The class of the scene of this name, 0 to 5."""
    return int(generator("single_shapes", sample_id, "class").integers(len(CLASS_NAMES)))


def tier_of(sample_id: str) -> str:
    """The size tier of the scene of this name, one of TIERS."""
    return list(TIERS)[int(generator("single_shapes", sample_id, "tier").integers(len(TIERS)))]


@dataclass(frozen=True)
class Scene:
    """image (H,W,3) uint8; labels (H,W) uint8, the class plus one on the object and 0 elsewhere; size and
    line in px, a line of 0 being a filled object."""

    image: np.ndarray
    labels: np.ndarray
    size: int
    line: int


def scene(name: str, ground: np.ndarray | None = None) -> Scene:
    """Draw the scene of this name, "<split>-<number>", on its own background or on another ground."""
    class_id, (low, high) = class_of(name), TIERS[tier_of(name)]
    layout = generator("single_shapes", name, "layout")
    size = int(layout.integers(low, high + 1))
    line = size // 5 if class_id % 2 else 0
    alpha = coverage(layout, FORMS[class_id // 2], size, line, CANVAS)
    colour = generator("single_shapes", name, "colour").integers(0, 256, 3)
    canvas = (background(name) if ground is None else ground).astype(np.float32)
    canvas = canvas * (1 - alpha[..., None]) + colour.astype(np.float32) * alpha[..., None]
    canvas += 3 * generator("single_shapes", name, "noise").standard_normal(canvas.shape, np.float32)
    labels = np.where(alpha > 0.5, class_id + 1, 0).astype(np.uint8)
    return Scene(np.clip(canvas, 0, 255).round().astype(np.uint8), labels, size, line)


def background(name: str) -> np.ndarray:
    """The ground behind the scene of this name, (H,W,3) uint8: colour noise of several grains, stripes and up
    to three zigzag strokes, without a closed form that could be taken for an object."""
    rng = generator("single_shapes", name, "background")
    picture = texture(rng, CANVAS, grains=(2, 7, 28), strongest=0.2)
    scrawl(rng, picture, strokes=int(rng.integers(4)))
    return np.asarray(picture)


def picture_behind(name: str, pictures: list[Path]) -> np.ndarray:
    """A random square of one of the pictures, (H,W,3) uint8. Raises SampleError where it cannot be read."""
    rng = generator("single_shapes", name, "picture")
    path = pictures[int(rng.integers(len(pictures)))]
    picture = read_image(path)
    shorter = min(picture.size)
    side = int(rng.integers(min(CANVAS, shorter), shorter + 1))
    left, top = (int(rng.integers(length - side + 1)) for length in picture.size)
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((CANVAS, CANVAS), Image.Resampling.BILINEAR))


def _of_split(folder: str, split: str) -> list[Path]:
    """The pictures of a folder that belong to a split: a file's name decides, whatever other files there are."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UserError(f"backgrounds is {folder!r}, which is no folder.")
    pictures = image_files(place)
    mine = [path for path in pictures if _split_of(composed(path.name)) == split]
    if not mine:
        raise UserError(
            f"backgrounds is {folder!r}, whose {len(pictures)} pictures leave none to the split {split!r} "
            f"({', '.join(f'{share:.0%} {name}' for name, share in SHARES.items())}, by file name); add pictures."
        )
    return mine


def _split_of(file_name: str) -> str:
    draw, total = generator("single_shapes", file_name, "split").random(), 0.0
    for split, share in SHARES.items():
        total += share
        if draw < total:
            return split
    return split

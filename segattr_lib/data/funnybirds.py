"""Images of things made of parts that can be taken away: FunnyBirds (Hesse et al., ICCV 2023) in its layout.

classes.json, parts.json, dataset_<split>.json
<split>/<class>/<number>.png                          the image, 256 px
<split>_part_map/<class>/<number>.png                 where its parts lie, in the colours of REGIONS
<split>_interventions/<class>/<number>/
    body_<the parts left, sorted, joined by _>.png    the same scene without the other parts
    background_interventions/<object>.png             and without one object of the background
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor

from segattr_lib.data.files import opened, read_image, read_text
from segattr_lib.data.images import as_rgb
from segattr_lib.data.sample import Dataset, file_fingerprint
from segattr_lib.registry import UserError

SOURCE = "download.visinf.tu-darmstadt.de/data/funnybirds/FunnyBirds.zip"
PARTS = ("beak", "eye", "foot", "tail", "wing")
REGIONS = (  # of a part map: a part, one of a pair each for itself, and its colour
    ("eye", (255, 255, 253)),
    ("eye", (255, 255, 254)),
    ("beak", (255, 255, 0)),
    ("foot", (255, 0, 1)),
    ("foot", (255, 0, 2)),
    ("wing", (0, 255, 1)),
    ("wing", (0, 255, 2)),
    ("tail", (0, 0, 255)),
)
FIRST_OBJECT = (204, 204, 204)  # of a part map: the colour of background object 0; the last channel counts up


@dataclass(frozen=True)
class PartSample:
    """One image and where its parts lie.

    image: (3,H,W) RGB in [0,1]. regions: (R,H,W), the visible pixels of every part, each of a pair for itself,
    and of every object of the background. names: of the R regions, a part's name or `background_object(n)`.
    """

    image: Float[Tensor, "3 h w"]
    regions: Bool[Tensor, "r h w"]
    names: tuple[str, ...]
    class_id: int
    sample_id: str


@dataclass(frozen=True, kw_only=True)
class PartDataset(Dataset):
    """A data set for classifiers whose classes differ by their parts, each of which can be taken away.

    parts: their names. variants: (C,P), which variant of each part a class has. objects_of: sample id to the
    number of objects in the background. part_map: sample id to (H,W,3) uint8, in the colours of REGIONS and of
    the objects. without: sample id and names, of parts or of one background object, to the image with these
    taken away; raises SampleError. `read` labels the pixels of the parts alone: they tell the class.
    """

    parts: tuple[str, ...]
    variants: Int[np.ndarray, "c p"]
    objects_of: Callable[[str], int]
    part_map: Callable[[str], UInt8[np.ndarray, "h w 3"]]
    without: Callable[[str, Collection[str]], Image.Image]

    def load_parts(self, sample_id: str, size: int) -> PartSample:
        """The sample and its regions at size x size px, resized as a Sample is. Raises SampleError."""
        assert self.class_of, "a data set of parts is for classifiers"
        colours = [*REGIONS, *((background_object(n), _object_colour(n)) for n in range(self.objects_of(sample_id)))]
        drawn = Image.fromarray(self.part_map(sample_id)).resize((size, size), Image.Resampling.NEAREST)
        codes, wanted = _codes(np.asarray(drawn)), _codes(np.array([colour for _, colour in colours], np.uint8))
        regions = torch.from_numpy(codes == wanted[:, None, None])
        names = tuple(name for name, _ in colours)
        return PartSample(as_image(self.read(sample_id)[0], size), regions, names, self.class_of(sample_id), sample_id)


def background_object(number: int) -> str:
    """The name of an object of the background."""
    return f"bg_{number:03d}"


def as_image(picture: Image.Image, size: int) -> Float[Tensor, "3 h w"]:
    """A picture at size x size px, Pillow bilinear, RGB in [0,1]."""
    resized = as_rgb(picture).resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).movedim(-1, 0).float().div(255)


def part_labels(part_map: UInt8[np.ndarray, "h w 3"], class_id: int) -> UInt8[np.ndarray, "h w"]:
    """The class plus one on every pixel of a part, 0 elsewhere."""
    parts = _codes(np.array([colour for _, colour in REGIONS], np.uint8))
    return np.where(np.isin(_codes(part_map), parts), class_id + 1, 0).astype(np.uint8)


def sufficient_sets(variants: Int[np.ndarray, "c p"], class_id: int) -> Bool[np.ndarray, "s p"]:
    """The smallest sets of parts that tell a class from every other: none of their proper subsets does."""
    shared, count = np.delete(variants == variants[class_id], class_id, axis=0), variants.shape[1]
    smallest: list[set[int]] = []
    for size in range(count + 1):
        for chosen in itertools.combinations(range(count), size):
            distinct = not shared[:, chosen].all(1).any()
            if distinct and not any(smaller <= set(chosen) for smaller in smallest):
                smallest.append(set(chosen))
    return np.array([[part in parts for part in range(count)] for parts in smallest], bool).reshape(-1, count)


def rivals(variants: Int[np.ndarray, "c p"], class_id: int) -> tuple[int, int] | None:
    """The first two classes that share two parts each with a class, but not the same part; None without such."""
    shared = variants == variants[class_id]
    near = np.flatnonzero(shared.sum(1) == 2).tolist()
    return next((pair for pair in itertools.combinations(near, 2) if not shared[list(pair)].all(0).any()), None)


def funnybirds(root: str | None, split: str | None) -> PartDataset:
    """The published FunnyBirds; root is the unpacked archive. Splits: test (the default) and train.

    Only the test split has interventions. Raises UserError where the files are not those of the layout above.
    """
    split = split or "test"
    if root is None:
        raise UserError(f"The data set 'funnybirds' needs root, the unpacked {SOURCE}.")
    place = Path(root).expanduser()
    place = place / "FunnyBirds" if (place / "FunnyBirds").is_dir() else place
    tables = [place / name for name in ("classes.json", "parts.json", f"dataset_{split}.json")]
    classes, parts, scenes = map(_json, tables)
    try:
        names = tuple(parts)
        classes = sorted(classes, key=lambda entry: entry["class_idx"])
        variants = np.array([[entry["parts"][part] for part in names] for entry in classes])
        class_ids = [int(scene["class_idx"]) for scene in scenes]
        placed = [scene["bg_objects"].split(",") for scene in scenes]
        objects = [sum(1 for text in texts if text.strip()) for texts in placed]
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"The JSON files at {place} are not those of FunnyBirds: {error!r}.") from error
    if set(names) != set(PARTS):
        raise UserError(f"{place / 'parts.json'} has the parts {', '.join(names)}; expected {', '.join(PARTS)}.")

    def inside(sample_id: str, kind: str = "") -> Path:
        return place / f"{split}{kind}" / str(class_ids[int(sample_id)]) / sample_id

    def image_file(sample_id: str) -> Path:
        return inside(sample_id).with_suffix(".png")

    def map_file(sample_id: str) -> Path:
        return inside(sample_id, "_part_map").with_suffix(".png")

    def part_map(sample_id: str) -> np.ndarray:
        with opened(map_file(sample_id)) as drawn:
            return np.asarray(drawn.convert("RGB"))  # the colours are names: as they are stored, transparent or not

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        return read_image(image_file(sample_id)), part_labels(part_map(sample_id), class_ids[int(sample_id)])

    def file_without(sample_id: str, taken: Collection[str]) -> Path:
        if not taken:
            return image_file(sample_id)
        changed = inside(sample_id, "_interventions")
        if set(taken) <= set(names):
            return changed / f"body_{'_'.join(sorted(set(names) - set(taken)))}.png"
        if len(taken) == 1:
            number = int(next(iter(taken)).removeprefix("bg_"))
            return changed / "background_interventions" / f"{number}.png"
        raise ValueError(f"{', '.join(taken)} taken away at once is not in FunnyBirds; parts, or one object, are.")

    def without(sample_id: str, taken: Collection[str]) -> Image.Image:
        return read_image(file_without(sample_id, taken))

    def fingerprint(sample_ids: list[str]) -> str:
        sets = [chosen for size in range(len(names) + 1) for chosen in itertools.combinations(names, size)]
        files = [map_file(sample_id) for sample_id in sample_ids]
        for sample_id in sample_ids:
            taken = [*sets, *([background_object(number)] for number in range(objects[int(sample_id)]))]
            files += [file_without(sample_id, these) for these in taken]
        return file_fingerprint([*tables, *files], sample_ids)

    return PartDataset(
        "funnybirds",
        split,
        [f"{number:06d}" for number in range(len(scenes))],
        [f"class {number}" for number in range(len(classes))],
        read,
        fingerprint,
        lambda sample_id: class_ids[int(sample_id)],
        parts=names,
        variants=variants,
        objects_of=lambda sample_id: objects[int(sample_id)],
        part_map=part_map,
        without=without,
    )


def _object_colour(number: int) -> tuple[int, int, int]:
    red, green, blue = FIRST_OBJECT
    return red, green, blue + number


def _codes(colours: np.ndarray) -> np.ndarray:
    """One number for each colour along the last axis."""
    return colours.astype(np.int32) @ np.array([65536, 256, 1], np.int32)


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (UserError, ValueError) as error:
        raise UserError(f"FunnyBirds' {path} cannot be read ({error}); root is the unpacked {SOURCE}.") from error

"""CUB-200-2011, USIS10K and Kvasir-SEG, each as its archives unpack.

CUB_200_2011/images.txt, image_class_labels.txt, classes.txt, train_test_split.txt    tables by a number
CUB_200_2011/images/<class>/<name>.jpg
segmentations/<class>/<name>.png           of CUB, in an archive of its own
USIS10K/multi_class_annotations/multi_class_<split>_annotations.json    as COCO's
USIS10K/<split>/<name>.jpg
Kvasir-SEG/images/<name>.jpg               Kvasir-SEG/masks/<name>.jpg
sessile-main-Kvasir-SEG/images, masks      the sessile polyps among them, in an archive of its own
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image
from pycocotools import mask as coco

from segattr_lib.data.files import opened, read_image, read_text, reading
from segattr_lib.data.folders import folder
from segattr_lib.data.images import as_labels
from segattr_lib.data.sample import Dataset, file_fingerprint
from segattr_lib.registry import UserError, unknown

GET = {
    "cub": "unpack CUB_200_2011.tgz (https://data.caltech.edu/records/65de6-vp158) and segmentations.tgz "
    "(https://data.caltech.edu/records/w9d68-gec53) into root",
    "usis10k": "unpack the archive that https://github.com/LiamLian0727/USIS10K links to into root",
    "kvasir_seg": "unpack https://datasets.simula.no/downloads/kvasir-seg.zip into root",
    "kvasir_seg sessile": "unpack https://datasets.simula.no/downloads/kvasir-sessile.zip into root",
}
SESSILE = "sessile-main-Kvasir-SEG"
PACKED = re.compile("([P-o]*[0-O])+")  # of COCO's runs: five bits a character, a letter from P on says that more follow
CUB_TABLES = ("images", "image_class_labels", "train_test_split", "classes")


def cub(root: str | None, split: str | None) -> Dataset:
    """CUB-200-2011 (Wah et al., Caltech CNS-TR-2011-001): 200 species of birds, one bird labelled in an image.

    root holds CUB_200_2011/ and segmentations/ (or is the former and holds the latter). Splits: test (the
    default), train, all. Masks are grey, cut at 128; the labels are the species' ids, 1 to 200. Raises
    UserError for another split, where files are missing, and for tables that are not CUB's.
    """
    split = _split("cub", split or "test", ("test", "train", "all"))
    place = _place("cub", root, "CUB_200_2011", "images.txt")
    beside = (place / "segmentations", place.parent / "segmentations")
    masks = next((candidate for candidate in beside if candidate.is_dir()), None)
    if masks is None:
        raise UserError(f"cub has no folder segmentations in {place} or beside it; {GET['cub']}.")
    tables = [place / f"{name}.txt" for name in CUB_TABLES]
    files, species, trained, names = map(_table, tables)
    wanted = {"train": ("1",), "test": ("0",), "all": ("0", "1")}[split]
    try:
        listed = [number for number in files if trained[number] in wanted]
        class_of = {Path(files[number]).with_suffix("").as_posix(): int(species[number]) for number in listed}
        by_id = {int(number): name.partition(".")[2].replace("_", " ") for number, name in names.items()}
        class_names = ["background", *(by_id[number] for number in range(1, len(by_id) + 1))]
    except (KeyError, ValueError) as error:
        raise UserError(f"The tables in {place} are not those of CUB-200-2011: {error!r}; {GET['cub']}.") from error

    def paths(sample_id: str) -> tuple[Path, Path]:
        return place / "images" / f"{sample_id}.jpg", masks / f"{sample_id}.png"

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        image, votes = paths(sample_id)
        with opened(votes) as mask:
            inside = np.array(mask.convert("L")) >= 128
            return read_image(image), as_labels(np.where(inside, class_of[sample_id], 0))

    def fingerprint(sample_ids: list[str]) -> str:
        files = [path for sample_id in sample_ids for path in paths(sample_id)]
        return file_fingerprint([*tables, *files], sample_ids)

    return Dataset("cub", split, list(class_of), class_names, read, fingerprint)


def usis10k(root: str | None, split: str | None) -> Dataset:
    """USIS10K (Lian et al., ICML 2024): the salient things under water, instances of 7 classes.

    root holds USIS10K/, or is it. Splits: test (the default), val, train. A pixel's label is its instance's
    category, counted from 1 in the order of the categories' ids; where instances overlap the smaller one is
    in front. Raises UserError for another split, and where files are missing or the annotations are not COCO's.
    """
    split = _split("usis10k", split or "test", ("test", "val", "train"))
    annotations = f"multi_class_annotations/multi_class_{split}_annotations.json"
    place = _place("usis10k", root, "USIS10K", annotations)
    try:
        content = json.loads(read_text(place / annotations))
        categories = sorted(content["categories"], key=lambda category: category["id"])
        label_of = {category["id"]: label for label, category in enumerate(categories, 1)}
        images = {Path(image["file_name"]).stem: image for image in content["images"]}
        instances: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images.values()}
        for instance in content["annotations"]:
            instances[instance["image_id"]].append(instance)
        class_names = ["background", *(category["name"] for category in categories)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{place / annotations} is not USIS10K's: {error!r}; {GET['usis10k']}.") from error

    def path(sample_id: str) -> Path:
        return place / split / images[sample_id]["file_name"]

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        with reading(place / annotations):
            entry = images[sample_id]
            labels = np.zeros((entry["height"], entry["width"]), np.uint8)
            drawn = [
                (instance_mask(instance["segmentation"], *labels.shape), label_of[instance["category_id"]])
                for instance in instances[entry["id"]]
            ]
            for mask, label in sorted(drawn, key=lambda pair: -pair[0].sum()):
                labels[mask] = label
        return read_image(path(sample_id)), labels

    def fingerprint(sample_ids: list[str]) -> str:
        return file_fingerprint([place / annotations, *map(path, sample_ids)], sample_ids)

    return Dataset("usis10k", split, list(images), class_names, read, fingerprint)


def kvasir_seg(root: str | None, split: str | None) -> Dataset:
    """Kvasir-SEG (Jha et al., MMM 2020): 1000 images of polyps; "sessile" are the 196 of Kvasir-Sessile.

    root holds Kvasir-SEG/ (or is it), and sessile-main-Kvasir-SEG/ for the split sessile. Splits: all (the
    default) and sessile. Masks are JPEG, cut at 128. Raises UserError for another split and where files are
    missing.
    """
    split = _split("kvasir_seg", split or "all", ("all", "sessile"))
    if split == "all":
        place = _place("kvasir_seg", root, "Kvasir-SEG", "images", "masks")
    else:  # never root itself: it may be the whole Kvasir-SEG, which has the same layout
        place = _place("kvasir_seg sessile", root, "", f"{SESSILE}/images", f"{SESSILE}/masks") / SESSILE
    return replace(folder(str(place), None), name="kvasir_seg", split=split, class_names=["background", "polyp"])


def instance_mask(segmentation: Any, height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    """A COCO segmentation as pixels: polygons, or runs down the columns, plain or as COCO packs them into text.

    Polygons are lists x, y, x, y, ... in px from the corner of the image; pycocotools says which pixels are inside.
    Raises ValueError for a polygon of fewer than three corners, or with a corner far outside the image, and for runs
    of another size or that do not fill the image; OverflowError and TypeError for things that are neither.
    """
    if isinstance(segmentation, dict):
        runs = _runs(segmentation, height, width)
    else:
        polygons = [_corners(polygon, height, width) for polygon in segmentation]
        if not polygons:
            return np.zeros((height, width), bool)
        runs = coco.merge(coco.frPyObjects(polygons, height, width))
    return coco.decode(runs).astype(bool)


def _runs(segmentation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """Runs as pycocotools packs them, once they are known to fill the image: it would fill the rest with any numbers.

    They are counted by pycocotools too. It refuses runs that go beyond an image, so it must where a pixel is left out.
    """
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if not isinstance(counts, str | list):
        raise ValueError("counts is neither a list of runs nor a text that packs them")
    if size != [height, width]:
        raise ValueError(f"runs of {size} px (height, width); expected {[height, width]}, as the image has")
    if isinstance(counts, str):
        if not PACKED.fullmatch(counts):
            raise ValueError("counts is no text of packed runs")
        runs = {"size": [height, width], "counts": counts}
    else:
        runs = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    try:
        coco.decode({**runs, "size": [height * width - 1, 1]})
    except ValueError:
        return runs
    raise ValueError(f"the runs do not fill the image of {width} x {height} px")


def _corners(polygon: Any, height: int, width: int) -> list[float]:
    """A polygon's numbers, once they are known to be corners: pycocotools takes memory for whatever they span."""
    corners = np.asarray(polygon, float)
    if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"a polygon of {corners.size} numbers; expected x and y of three corners or more")
    if not (np.abs(corners) <= 2 * max(height, width)).all():
        raise ValueError(f"a polygon with a corner far outside the image of {width} x {height} px")
    return corners.tolist()


def _split(name: str, split: str, splits: Sequence[str]) -> str:
    if split not in splits:
        raise unknown(f"{name} split", split, splits)
    return split


def _place(name: str, root: str | None, inner: str, *needed: str) -> Path:
    """root/inner, root/name, or root where that is the unpacked folder itself; `needed` is what must lie there."""
    if root is None:
        raise UserError(f"{name} needs root, the folder that holds {Path(inner, needed[0])}; {GET[name]}.")
    place = Path(root).expanduser()
    for candidate in (place / inner, place / name, place):
        if all((candidate / part).exists() for part in needed):
            return candidate
    there = " and ".join(str(place / inner / part) for part in needed)
    raise UserError(f"There is no {name} at root {root!r}: it needs {there}; {GET[name]}.")


def _table(path: Path) -> dict[str, str]:
    """A text of lines "number value", by number."""
    try:
        return dict(line.split(maxsplit=1) for line in map(str.strip, read_text(path).splitlines()) if line)
    except (UserError, ValueError) as error:
        raise UserError(f"{path} is not CUB's table of lines 'number value' ({error}); {GET['cub']}.") from error

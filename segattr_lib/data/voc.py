"""Pascal VOC 2012 and SBD in their official layouts, through torchvision.datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io.matlab import MatReadError
from torchvision.datasets import SBDataset, VOCSegmentation

from segattr_lib.data.sample import Dataset, SampleError, file_fingerprint
from segattr_lib.registry import UserError, unknown

CLASS_NAMES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]
SPLITS = {"voc": ("train", "val", "trainval"), "sbd": ("train", "val", "train_noval")}
INNER = {"voc": Path("VOCdevkit/VOC2012"), "sbd": Path("benchmark_RELEASE/dataset")}


def voc(root: str | None, split: str | None) -> Dataset:
    """Pascal VOC 2012 segmentation; root holds VOCdevkit/VOC2012. Splits: train, val, trainval."""
    place, split = _checked("voc", root, split or "val")
    return _dataset("voc", split, VOCSegmentation(str(place), year="2012", image_set=split, download=False))


def sbd(root: str | None, split: str | None) -> Dataset:
    """The Semantic Boundaries Dataset; root holds img, cls and the split files, or benchmark_RELEASE/dataset.

    Splits: train, val, train_noval. Masks are MATLAB files; no pixel is labelled 255.
    """
    place, split = _checked("sbd", root, split or "val")
    inner = place / INNER["sbd"]
    return _dataset("sbd", split, SBDataset(str(inner if inner.is_dir() else place), split, "segmentation"))


def download(name: str, root: str) -> None:
    """Fetch VOC 2012 or SBD into root, with a progress bar and torchvision's checksums."""
    if name == "voc":
        VOCSegmentation(root, year="2012", image_set="val", download=True)
    elif name == "sbd":
        SBDataset(root, "val", "segmentation", download=True)
    else:
        raise unknown("download", name, SPLITS)


def _checked(name: str, root: str | None, split: str) -> tuple[Path, str]:
    if split not in SPLITS[name]:
        raise unknown(f"{name} split", split, SPLITS[name])
    get = f"fetch it with `python -m segattr_lib download {name} --root FOLDER`"
    if root is None:
        raise UserError(f"The data set {name!r} needs root, the folder that holds {INNER[name]}; {get}.")
    place = Path(root).expanduser()
    lists = place / INNER[name] / ("ImageSets/Segmentation" if name == "voc" else "") / f"{split}.txt"
    if not (lists.is_file() or (name == "sbd" and (place / f"{split}.txt").is_file())):
        raise UserError(f"There is no {name} at root {root!r}: {lists} does not exist; {get}.")
    return place, split


def _dataset(name: str, split: str, source: Any) -> Dataset:
    """source: a torchvision data set with `images` and `masks`, lists of paths."""
    place = {Path(path).stem: number for number, path in enumerate(source.images)}

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        try:
            image, mask = source[place[sample_id]]
            return image, np.array(mask, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError, LookupError, MatReadError) as error:
            raise SampleError("failed", f"cannot be read: {error}") from error

    def fingerprint(sample_ids: list[str]) -> str:
        numbers = [place[sample_id] for sample_id in sample_ids]
        return file_fingerprint([path for n in numbers for path in (source.images[n], source.masks[n])])

    return Dataset(name, split, list(place), CLASS_NAMES, read, fingerprint)

"""Pascal VOC 2012 and SBD in their official layouts, fetched by torchvision.datasets.

VOCdevkit/VOC2012/ImageSets/Segmentation/<split>.txt   names, one a line
VOCdevkit/VOC2012/JPEGImages/<name>.jpg                VOCdevkit/VOC2012/SegmentationClass/<name>.png
benchmark_RELEASE/dataset/<split>.txt, img/<name>.jpg, cls/<name>.mat     of SBD
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

from segattr_lib.data.files import read_image, read_mask, read_names, reading
from segattr_lib.data.images import as_labels
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
VOC200 = Path(__file__).with_name("voc200.txt")  # a part of val that is not in SBD, listed here
SPLITS = {"voc": ("train", "val", "trainval", VOC200.stem), "sbd": ("train", "val", "train_noval")}
INNER = {"voc": Path("VOCdevkit/VOC2012"), "sbd": Path("benchmark_RELEASE/dataset")}


def voc(root: str | None, split: str | None) -> Dataset:
    """Pascal VOC 2012 segmentation; root holds VOCdevkit/VOC2012. Splits: train, val, trainval, and voc200, the 200
    images of val that recorded runs are made on, none of which is in SBD."""
    place, split = _checked("voc", root, split or "val")
    inner = place / INNER["voc"]

    def files(name: str) -> tuple[Path, Path]:
        return inner / f"JPEGImages/{name}.jpg", inner / f"SegmentationClass/{name}.png"

    return _dataset("voc", split, _list_of("voc", place, split), files, read_mask)


def sbd(root: str | None, split: str | None) -> Dataset:
    """The Semantic Boundaries Dataset; root holds img, cls and the split files, or benchmark_RELEASE/dataset.

    Splits: train, val, train_noval. Masks are MATLAB files; no pixel is labelled 255.
    """
    place, split = _checked("sbd", root, split or "val")
    inner = place / INNER["sbd"] if (place / INNER["sbd"]).is_dir() else place

    def files(name: str) -> tuple[Path, Path]:
        return inner / f"img/{name}.jpg", inner / f"cls/{name}.mat"

    def labels(path: Path) -> np.ndarray:
        with reading(path):
            return loadmat(path)["GTcls"][0]["Segmentation"][0]

    return _dataset("sbd", split, _list_of("sbd", place, split), files, labels)


def download(name: str, root: str) -> None:
    """Fetch VOC 2012 or SBD into root, with a progress bar and torchvision's checksums."""
    from torchvision.datasets import SBDataset, VOCSegmentation  # seconds, which reading does not need

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
    lists = _list_of(name, place, "val" if split == VOC200.stem else split)
    if not lists.is_file():
        raise UserError(f"There is no {name} at root {root!r}: {lists} does not exist; {get}.")
    return place, split


def _list_of(name: str, place: Path, split: str) -> Path:
    """The file of a split's names."""
    if split == VOC200.stem:
        return VOC200
    if name == "sbd" and not (place / INNER[name]).is_dir():
        return place / f"{split}.txt"
    return place / INNER[name] / ("ImageSets/Segmentation" if name == "voc" else "") / f"{split}.txt"


def _dataset(
    name: str,
    split: str,
    listed: Path,
    files: Callable[[str], tuple[Path, Path]],
    labels: Callable[[Path], np.ndarray],
) -> Dataset:
    """listed: the file of names. files: a name to the paths of its image and its mask. labels: of a mask's path."""
    names = read_names(listed)
    known = set(names)

    def read(sample_id: str) -> tuple[Image.Image, np.ndarray]:
        if sample_id not in known:
            raise SampleError("failed", f"there is no image named {sample_id} in {listed.name}")
        image, mask = files(sample_id)
        with reading(mask):
            return read_image(image), as_labels(labels(mask))

    def fingerprint(sample_ids: list[str]) -> str:
        return file_fingerprint([listed, *(path for sample_id in sample_ids for path in files(sample_id))], sample_ids)

    return Dataset(name, split, names, CLASS_NAMES, read, fingerprint)

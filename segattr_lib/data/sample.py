"""Sample, Dataset, and the protocol that turns an image and its labels into one target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

IGNORE = 255


class SampleError(Exception):
    """A sample that cannot be scored: its status ("failed" or "skipped") and the reason, for its row."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Sample:
    """One image and its target.

    image: (3,H,W) RGB in [0,1]. mask: (H,W), the pixels of class_id; for a classifier the pixels where its
    evidence is known to lie, none where that is not known. labels: (H,W), every pixel's class, 255 where
    none is given.
    """

    image: Float[Tensor, "3 h w"]
    mask: Bool[Tensor, "h w"]
    class_id: int
    sample_id: str
    labels: UInt8[Tensor, "h w"]


@dataclass(frozen=True)
class Dataset:
    """A data set, read one sample at a time.

    class_names: by class id; empty where only the masks tell.
    read: sample id to a PIL image and a (H,W) uint8 label array, as stored; raises SampleError.
    fingerprint: some sample ids to a text that changes when what these samples hold changes.
    class_of: sample id to class id, of a data set for classifiers; None where the labels tell, as they do
    for segmenters. Of a data set for classifiers the labels say where the evidence lies, if that is known:
    every foreground pixel.
    """

    name: str
    split: str
    sample_ids: Sequence[str]
    class_names: Sequence[str]
    read: Callable[[str], tuple[Image.Image, np.ndarray]]
    fingerprint: Callable[[list[str]], str]
    class_of: Callable[[str], int] | None = None

    def load(self, sample_id: str, size: int) -> Sample:
        """The sample resized to size x size px, its target chosen. Raises SampleError."""
        image, labels = self.read(sample_id)
        return as_sample(image, labels, sample_id, size, self.class_of(sample_id) if self.class_of else None)


def file_fingerprint(paths: Iterable[str | Path]) -> str:
    """A digest of the names and sizes of files, those that are missing included."""
    digest = hashlib.blake2b(digest_size=8)
    for path in map(Path, paths):
        digest.update(f"{path.name} {path.stat().st_size if path.exists() else None}\n".encode())
    return digest.hexdigest()


def as_sample(image: Image.Image, labels: np.ndarray, sample_id: str, size: int, class_id: int | None = None) -> Sample:
    """The paper's protocol (DEA paper, 4.1): resize, then explain the most frequent foreground label.

    Pillow bilinear on the image, nearest on the labels, one transform for both. The class is counted on
    the resized labels, 0 and 255 left out, ties to the lowest id; the mask is all of its pixels. A class_id
    that is given, a classifier's, is explained instead, and the mask is the whole foreground, empty or not.
    Raises SampleError: "failed" where the labels have another size than the image, "skipped" without
    foreground to choose a class from.
    """
    height, width = labels.shape
    if image.size != (width, height):
        reason = f"the mask is {width} x {height} px, the image {image.size[0]} x {image.size[1]} px"
        raise SampleError("failed", reason)
    resized = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    truth = np.asarray(Image.fromarray(labels).resize((size, size), Image.Resampling.NEAREST))
    mask = (truth != 0) & (truth != IGNORE)
    if class_id is None:
        if not mask.any():
            raise SampleError("skipped", f"no foreground label is left at {size} x {size} px")
        class_id = int(np.bincount(truth[mask]).argmax())
        mask = truth == class_id
    pixels = torch.from_numpy(np.array(resized)).movedim(-1, 0).float().div(255)
    return Sample(pixels, torch.from_numpy(mask), class_id, sample_id, torch.from_numpy(truth.copy()))

"""Sample, Dataset, and the protocol that turns an image and its labels into one target."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from segattr_lib.data.images import as_labels, as_rgb

T = TypeVar("T")

IGNORE = 255
RESTS = 2_000_000_000  # ns: a file that changed less long ago may change again within one tick of its clock


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
    read: sample id to a PIL image of any mode (see `as_rgb`) and a (H,W) array of labels 0 to 255; raises
    SampleError.
    fingerprint: some sample ids to a text that changes when what these samples hold changes, or what they mean
    (see `file_fingerprint`).
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
        """The sample resized to size x size px, its target chosen.

        Raises SampleError as `as_sample` does, and "failed" for whatever else `read` or class_of raise and for
        a target without a name where the data set names its classes.
        """
        try:
            image, labels = self.read(sample_id)
            class_id = None if self.class_of is None else self.class_of(sample_id)
        except SampleError:
            raise
        except Exception as error:  # a user's own read may raise anything
            raise SampleError("failed", f"{sample_id} cannot be read: {type(error).__name__}: {error}") from error
        sample = as_sample(image, labels, sample_id, size, class_id)
        if self.class_names and sample.class_id >= len(self.class_names):
            named = f"{len(self.class_names)} classes, 0 to {len(self.class_names) - 1}"
            raise SampleError("failed", f"its class is {sample.class_id}, but {self.name} names {named}")
        return sample


def file_fingerprint(paths: Iterable[str | Path], *decided: Any) -> str:
    """A digest of files, those that are missing or cannot be read included: their names and every byte.

    decided: what else the samples depend on, in a form that repr writes in full. A file is read once a process
    while its size, times and inode stay as they are.
    """
    digest = hashlib.blake2b(repr(decided).encode(), digest_size=8)
    for path in map(Path, paths):
        try:
            content = while_unchanged(_content, path)
        except OSError as error:
            content = type(error).__name__
        digest.update(os.fsencode(path.name) + f" {content}\n".encode())
    return digest.hexdigest()


def while_unchanged(compute: Callable[[Path], T], path: Path) -> T:
    """compute(path), remembered in this process until the file changes; one that changed just now is not trusted.

    Raises OSError for a file that is not there, and what compute does.
    """
    state = path.stat()
    key = (compute, path, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    if key in _REMEMBERED:
        return _REMEMBERED[key]
    value = compute(path)
    if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > RESTS:
        _REMEMBERED[key] = value
    return value


_REMEMBERED: dict[tuple[Any, ...], Any] = {}


def as_sample(image: Image.Image, labels: np.ndarray, sample_id: str, size: int, class_id: int | None = None) -> Sample:
    """The paper's protocol (DEA paper, 4.1): resize, then explain the most frequent foreground label.

    The image may have any mode (see `as_rgb`), the labels any type. Pillow bilinear on the image, nearest on
    the labels, one transform for both. The class is counted on the resized labels, 0 and 255 left out, ties to
    the lowest id; the mask is all of its pixels. A class_id that is given, a classifier's, is explained
    instead, and the mask is the whole foreground, empty or not. Raises SampleError: "failed" where the image
    cannot be shown as RGB, where the labels are no whole numbers from 0 to 255 or have another size than the
    upright image, "skipped" without foreground to choose a class from.
    """
    try:
        picture, labels = as_rgb(image), as_labels(labels)
    except ValueError as error:
        raise SampleError("failed", f"{sample_id} cannot be used: {error}") from error
    height, width = labels.shape
    if picture.size != (width, height):
        reason = f"the mask is {width} x {height} px, the image {picture.width} x {picture.height} px"
        if picture.size == (height, width):
            reason += "; a mask must lie on the image as its EXIF orientation turns it"
        raise SampleError("failed", reason)
    resized = picture.resize((size, size), Image.Resampling.BILINEAR)
    truth = np.asarray(Image.fromarray(labels).resize((size, size), Image.Resampling.NEAREST))
    mask = (truth != 0) & (truth != IGNORE)
    if class_id is None:
        if not mask.any():
            void = ", only void (255)" if (truth == IGNORE).any() else ""
            raise SampleError("skipped", f"no foreground label is left at {size} x {size} px{void}")
        class_id = int(np.bincount(truth[mask]).argmax())
        mask = truth == class_id
    pixels = torch.from_numpy(np.array(resized)).movedim(-1, 0).float().div(255)
    return Sample(pixels, torch.from_numpy(mask), class_id, sample_id, torch.from_numpy(truth.copy()))


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

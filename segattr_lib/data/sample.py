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
from jaxtyping import Bool, Float, Integer
from PIL import Image
from skimage import measure
from torch import Tensor

from segattr_lib.data.images import as_labels, as_rgb
from segattr_lib.data.regions import LARGEST, Region, class_id_of

T = TypeVar("T")

IGNORE = 255
UNKNOWN = -1  # the class of a picture without labels
RESTS = 2_000_000_000  # ns: a file that changed less long ago may change again within one tick of its clock


class SampleError(Exception):
    """A sample that cannot be scored: its status ("failed" or "skipped") and the reason, for its row."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return SampleError, (self.status, self.reason)  # for pickle, which would call it with what str gives


@dataclass(frozen=True)
class Sample:
    """One image and its target.

    image: (3,H,W) RGB in [0,1]. mask: (H,W), the pixels of class_id; for a classifier the pixels where its
    evidence is known to lie, none where that is not known. class_id: UNKNOWN where only the model can say it. labels:
    (H,W), every pixel's class, 255 where none is given. extent: (width, height) in px of the picture before it was
    resized, upright; None for that of the image. complete: whether the labels are a model's, which leaves no pixel out:
    255 is a class then.
    """

    image: Float[Tensor, "3 h w"]
    mask: Bool[Tensor, "h w"]
    class_id: int
    sample_id: str
    labels: Integer[Tensor, "h w"]
    extent: tuple[int, int] | None = None
    complete: bool = False

    @property
    def ring(self) -> Bool[Tensor, "h w"]:
        """The pixels without a class: a ring around the objects in Pascal VOC's masks."""
        return torch.zeros_like(self.mask) if self.complete else self.labels == IGNORE


@dataclass(frozen=True)
class Dataset:
    """A data set, read one sample at a time.

    class_names: by class id; empty where only the masks tell.
    read: sample id to a PIL image of any mode (see `as_rgb`) and a (H,W) array of labels 0 to 255, or None for a
    picture without labels; raises SampleError.
    fingerprint: some sample ids to a text that changes when what these samples hold changes, or what they mean
    (see `file_fingerprint`).
    class_of: sample id to class id, of a data set for classifiers; None where the labels tell, as they do
    for segmenters. Of a data set for classifiers the labels say where the evidence lies, if that is known:
    every foreground pixel. labelled: False where `read` gives no labels, or none that count: what is explained is then
    what the model says.
    """

    name: str
    split: str
    sample_ids: Sequence[str]
    class_names: Sequence[str]
    read: Callable[[str], tuple[Image.Image, np.ndarray | None]]
    fingerprint: Callable[[list[str]], str]
    class_of: Callable[[str], int] | None = None
    labelled: bool = True

    def load(self, sample_id: str, size: int, proportional: bool = False) -> Sample:
        """The sample resized to size x size px, or with its own proportions to a long side of size px; its target
        chosen, if there are labels to choose from.

        Raises SampleError as `as_sample` does, and "failed" for whatever else `read` or class_of raise, for a picture
        without labels in a data set that has them, and for a target without a name where the data set names its
        classes.
        """
        try:
            image, labels = self.read(sample_id)
            class_id = None if self.class_of is None else self.class_of(sample_id)
        except SampleError:
            raise
        except Exception as error:  # a user's own read may raise anything
            raise SampleError("failed", f"{sample_id} cannot be read: {type(error).__name__}: {error}") from error
        if not self.labelled:
            labels = None
        elif labels is None and class_id is None:
            raise SampleError("failed", f"{sample_id} has no labels; a data set without masks says labelled=False")
        sample = as_sample(image, labels, sample_id, size, class_id, proportional)
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


def as_sample(
    image: Image.Image,
    labels: np.ndarray | None,
    sample_id: str,
    size: int,
    class_id: int | None = None,
    proportional: bool = False,
) -> Sample:
    """The paper's protocol (DEA paper, 4.1): resize, then explain the most frequent foreground label.

    The image may have any mode (see `as_rgb`), the labels any type. Pillow bilinear on the image, nearest on
    the labels, one transform for both, to size x size px; proportional: to a long side of size px. The class is counted
    on the resized labels, 0 and 255 left out, ties to the lowest id; the mask is all of its pixels. A class_id that is
    given, a classifier's, is explained instead, and the mask is the whole foreground, empty or not. Without labels the
    class is UNKNOWN and the mask empty. Raises SampleError: "failed" where the image cannot be shown as RGB, where the
    labels are no whole numbers from 0 to 255 or have another size than the upright image, "skipped" without foreground
    to choose a class from.
    """
    try:
        picture = as_rgb(image)
        given = None if labels is None else as_labels(labels)
    except ValueError as error:
        raise SampleError("failed", f"{sample_id} cannot be used: {error}") from error
    width, height = picture.size
    if given is not None and given.shape != (height, width):
        reason = f"the mask is {given.shape[1]} x {given.shape[0]} px, the image {width} x {height} px"
        if given.shape == (width, height):
            reason += "; a mask must lie on the image as its EXIF orientation turns it"
        raise SampleError("failed", reason)
    shape = resized_shape(width, height, size) if proportional else (size, size)
    pixels = torch.from_numpy(np.array(picture.resize(shape, Image.Resampling.BILINEAR)))
    if given is None:
        truth = np.full(shape[::-1], IGNORE, np.uint8)
    else:
        truth = np.asarray(Image.fromarray(given).resize(shape, Image.Resampling.NEAREST))
    mask = (truth != 0) & (truth != IGNORE)
    if class_id is None and given is None:
        class_id = UNKNOWN
    elif class_id is None:
        if not mask.any():
            void = ", only void (255)" if (truth == IGNORE).any() else ""
            raise SampleError("skipped", f"no foreground label is left at {size} x {size} px{void}")
        class_id = int(np.bincount(truth[mask]).argmax())
        mask = truth == class_id
    return Sample(
        pixels.movedim(-1, 0).float().div(255),
        torch.from_numpy(mask),
        class_id,
        sample_id,
        torch.from_numpy(truth.copy()),
        picture.size,
    )


def find_region(
    labels: Integer[np.ndarray, "h w"],
    region: Region,
    class_names: Sequence[str],
    extent: tuple[int, int] | None,
    complete: bool = False,
) -> tuple[int, Bool[np.ndarray, "h w"]]:
    """The class id and the pixels of a region in a picture's labels, 0 being the background and 255 no class.

    frequent: the class with most pixels, ties to the lowest id, all of its pixels. class: all pixels of that class.
    largest_component: the largest connected part of any class. point: the connected part that holds it, also of the
    background. box: what the box holds of the class that is most frequent in it; it holds one pixel at least. Parts
    hang together over edges and corners. extent: (width, height) of the picture whose px the region's numbers are, None
    for that of the labels. complete: 255 is a class like any other, see Sample.
    Raises SampleError ("skipped") where there is no such region, and UserError as class_id_of.
    """
    height, width = labels.shape
    across, down = extent or (width, height)
    given = np.ones_like(labels, dtype=bool) if complete else labels != IGNORE
    objects = (labels != 0) & given
    if region.kind == "class":
        class_id = class_id_of(region.class_name, class_names)
        mask = (labels == class_id) & given
        if not mask.any():
            raise SampleError("skipped", f"no pixel is {region.class_name}")
        return class_id, mask
    if region.kind == "point":
        x, y = region.numbers
        if x >= across or y >= down:
            raise SampleError("skipped", f"the point {x:g},{y:g} lies outside the picture, {across} x {down} px")
        row, column = int(y * height / down), int(x * width / across)
        if not given[row, column]:
            raise SampleError("skipped", f"no class is given at the point {x:g},{y:g}")
        parts = measure.label(labels, background=-1, connectivity=2)
        return int(labels[row, column]), parts == parts[row, column]
    if region.kind == "box":
        left, top, right, bottom = region.numbers
        if left >= across or top >= down:
            raise SampleError("skipped", f"the box lies outside the picture, {across} x {down} px")
        row, column = int(top * height / down), int(left * width / across)
        inside = np.zeros_like(objects)
        inside[
            row : max(row + 1, round(bottom * height / down)), column : max(column + 1, round(right * width / across))
        ] = True
        objects &= inside
    if not objects.any():
        raise SampleError("skipped", "the box holds no object" if region.kind == "box" else "there is no object")
    if region.kind == LARGEST:
        parts = measure.label(np.where(objects, labels, 0), background=0, connectivity=2)
        mask = parts == np.bincount(parts[objects]).argmax()
        return int(labels[mask][0]), mask
    class_id = int(np.bincount(labels[objects]).argmax())
    return class_id, objects & (labels == class_id)


def resized_shape(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) in px of a picture of these proportions whose long side is `longest`; at least 8 px each."""
    scale = longest / max(width, height)
    return max(8, round(width * scale)), max(8, round(height * scale))


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

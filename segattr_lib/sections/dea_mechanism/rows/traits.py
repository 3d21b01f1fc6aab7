"""What an image and its target are like, as rows of a run: the DEA paper's reasons for failures, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import perimeter_crofton
from skimage.morphology import skeletonize

from segattr_lib.benchmark.group import Group, about_sample, row_of
from segattr_lib.benchmark.runner import Question
from segattr_lib.benchmark.settings import Settings
from segattr_lib.data.sample import IGNORE, Sample
from segattr_lib.metrics import OF_SAMPLES
from segattr_lib.registry import Key


def traits(sample: Sample) -> dict[str, float]:
    """What the DEA paper holds responsible for failures (A.1), measured on one sample.

    thinness: perimeter^2 / (4 pi area), 1 for a disc, more the thinner; the perimeter is Crofton's, of
    every border, holes included. width: the mean thickness in px, 2 d - 1 with d the distance to the
    nearest pixel off the target, averaged along the skeleton; exact for a bar an odd number of px wide, 1 px
    short for an even one. area: the target's share of the image. clutter: the mean brightness gradient a
    px, by Sobel's filter, of the pixels neither on the target nor touching it; NaN where there are none.
    others: the share of the image that is labelled otherwise, neither background nor ignored.
    """
    mask = np.pad(sample.mask.cpu().numpy(), 1)  # the image's edge is a border, too
    thickness = ndimage.distance_transform_edt(mask)[skeletonize(mask)]
    grey = sample.image.mean(0).cpu().numpy()
    slope = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)) / 8  # the filter adds up 4 slopes over 2 px
    away = slope[~ndimage.binary_dilation(mask, np.ones((3, 3)))[1:-1, 1:-1]]
    others = (sample.labels != 0) & (sample.labels != IGNORE) & (sample.labels != sample.class_id)
    return {
        "thinness": float(perimeter_crofton(mask) ** 2 / (4 * np.pi * mask.sum())),
        "width": float(2 * thickness.mean() - 1),
        "area": float(sample.mask.float().mean()),
        "clutter": float(away.mean()) if away.size else float("nan"),
        "others": float(others.float().mean()),
    }


def trait_rows(group: Group, _methods: Sequence[Key]) -> list[dict[str, Any]]:
    """The traits of every sample of a group, of the target that is explained: rows of no method."""
    return [
        row_of(about_sample(sample), name, value, undefined=OF_SAMPLES[name].undefined)
        for sample in group.samples
        for name, value in traits(sample).items()
    ]


def asked_of(_settings: Settings, _about: Mapping[str, Any] | None = None) -> Question:
    """The Question that is asked of every sample beside the run's own metrics, recorded runs among them."""
    return Question("dea_mechanism/rows", {"traits": list(OF_SAMPLES)}, trait_rows)

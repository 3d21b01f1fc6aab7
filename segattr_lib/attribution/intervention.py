"""Region interventions: fill one cell, see how much the score drops (RIA)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.attribution.maps import normalise, spoilt_by
from segattr_lib.evaluate import occluded_scores
from segattr_lib.perturbation import Fill, bind_fill, cells
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Score, Target


def ria(
    score: Score,
    images: Images,
    target: Target,
    *,
    grid: int = 14,
    fill: str = "mean",
    signed: bool = False,
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """Region Intervention Attribution (DEA paper, 3.2) on a fixed grid of cells.

    A cell's value is s(x) - s(x with that cell filled); a rise counts as 0, or as it is where `signed`.
    Nearest upsampling, N: maps in [0,1]. grid^2 + 1 passes an image. Raises ValueError for a grid finer
    than the image, and for a fill that is unknown or lacks `draws` or `others` (see bind_fill).
    """
    regions = cells(images.shape[2], images.shape[3], grid).to(images.device)
    drops = region_drops(score, images, regions, bind_fill(fill, images, draws, others))
    values = drops if signed else drops.clamp_min(0)
    return spoilt_by(normalise(values[:, regions]), drops)


def region_drops(score: Score, images: Images, regions: Int[Tensor, "h w"], fill: Fill) -> Float[Tensor, "b r"]:
    """s(x) - s(x with region r filled), for the regions numbered 0..R-1, before any clamp.

    R + 1 passes an image, in batches that cross from one image to the next.
    """
    count = int(regions.max()) + 1
    short = torch.int16 if count < 2**15 else torch.int32  # compared with every pixel of every image
    numbers = torch.arange(-1, count, device=images.device).to(short)  # -1: nothing filled
    regions = regions.to(short)

    index = torch.arange(len(images) * (count + 1), device=images.device)

    def region(start: int, stop: int) -> Bool[Tensor, "n h w"]:
        return regions == numbers[index[start:stop] % (count + 1), None, None]

    scores = occluded_scores(score, images, region, index // (count + 1), fill).view(len(images), count + 1)
    return scores[:, :1] - scores[:, 1:]

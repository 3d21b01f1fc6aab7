"""From raw values to a map: N and U of the papers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from segattr_lib.targets import Maps


def normalise(maps: Maps) -> Maps:
    """N: min-max normalisation of each map to [0,1]; a constant map becomes zeros, one that is not finite NaN."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    spread = high - low
    scaled = torch.where(spread > 0, (maps - low) / spread.where(spread > 0, 1), 0)
    return spoilt_by(scaled, maps)


def spoilt_by(maps: Maps, *sources: Float[Tensor, "b ..."]) -> Maps:
    """The maps, those NaN all over that are made of a value that is not finite.

    A relu, a maximum or a comparison on the way from the sources to a map would else hide it.
    """
    finite = [source.isfinite().reshape(len(maps), -1).all(1) for source in sources]
    return maps.where(torch.stack(finite).all(0)[:, None, None], torch.nan)


def upsample(maps: Maps, size: tuple[int, int]) -> Float[Tensor, "b h2 w2"]:
    """U: bilinear upsampling, align_corners=False."""
    return functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]

"""How coarse is a map? The spatial grain that plain deletion rewards or punishes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.targets import Score, Target


def grain(
    score: Score, images: Float[Tensor, "b 3 h w"], maps: Float[Tensor, "b h w"], target: Target
) -> Float[Tensor, " b"]:
    """The side in px of the square cells of noise that would lose its likeness to itself as fast as the map does.

    Twice the shift at which the map's autocorrelation, the mean of both axes, falls to 1/2: for noise on
    cells of s px it falls as 1 - d/s. At least 1, at most the image's longer side. NaN for a constant map. Ours.
    """
    height, width = maps.shape[1:]
    centred = (maps - maps.mean((1, 2), keepdim=True)).double()
    longest = max(height, width) // 2
    sides = []
    for values in (centred, centred.transpose(1, 2)):
        lags = min(values.shape[2] - 1, longest)
        power = torch.fft.rfft(values, n=2 * values.shape[2]).abs().square().sum(1)
        sides.append(torch.fft.irfft(power)[:, : lags + 1] / (values.shape[2] - torch.arange(lags + 1)).to(power))
    lags = min(side.shape[1] for side in sides)
    likeness = (sides[0][:, :lags] / height + sides[1][:, :lags] / width) / 2
    likeness = likeness / likeness[:, :1].where(likeness[:, :1] > 0, 1)
    below = likeness < 0.5
    first = below.float().argmax(1).clamp_min(1)
    low, high = likeness.gather(1, first[:, None])[:, 0], likeness.gather(1, first[:, None] - 1)[:, 0]
    shift = first - 1 + (high - 0.5) / (high - low).where(high > low, 1)
    shift = torch.where(below.any(1), shift, longest)
    constant = maps.amax((1, 2)) == maps.amin((1, 2))
    return torch.where(constant, torch.nan, (2 * shift).clamp_min(1)).to(maps.dtype)

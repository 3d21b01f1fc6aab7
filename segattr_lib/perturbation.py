"""What is done to images: fills, cells, exact-k selections, the five robustness perturbations.

Everything is plain tensors in, tensors out; `owner` (N,) says which of the B images a row belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from segattr_lib.imputation import impute
from segattr_lib.registry import FILLS, PERTURBATIONS
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Score

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMPUTATION_NOISE = 0.01


@dataclass(frozen=True, eq=False)
class Fill:
    """The operator O(x, S) for a batch of images: what the pixels in S become.

    name: one of FILLS. reference: (B,3,H,W), the pixels taken over; for "linear", which solves for
    them, the noise added to the solution. scored: what was scored of it, by Score, image and digest of S, so that
    nothing is scored twice; see evaluate.occluded_scores.
    """

    name: str
    reference: Images
    scored: dict[tuple[Score, int, bytes], float] = field(default_factory=dict)


def bind_fill(
    name: str,
    images: Images,
    draws: Draws | None = None,
    others: Images | None = None,
    noise: float = IMPUTATION_NOISE,
) -> Fill:
    """Make the fill operator of these images.

    mean: the image's own channel mean (the DEA paper's mean-value occlusion). dataset_mean: ImageNet's.
    zeros: black. blur: Gaussian, sigma H/20. linear: ROAD's imputation, needs `draws` for its noise, of the
    standard deviation `noise` in RGB.
    other_image: the pixels of `others`, another image each. Raises ValueError for another name, and
    where what a fill needs is not given.
    """
    if name == "mean":
        reference = images.mean((2, 3), keepdim=True).expand_as(images)
    elif name == "dataset_mean":
        reference = images.new_tensor(IMAGENET_MEAN)[:, None, None].expand_as(images)
    elif name == "zeros":
        reference = torch.zeros_like(images)
    elif name == "blur":
        reference = gaussian_blur(images, images.shape[2] / 20)
    elif name == "linear" and draws is not None:
        reference = noise * torch.from_numpy(draws.standard_normal("imputation", tuple(images.shape[1:]))).to(images)
    elif name == "other_image" and others is not None:
        reference = others
    elif name in FILLS:
        raise ValueError(f"the fill {name!r} needs {'draws' if name == 'linear' else 'others'}; none were given.")
    else:
        raise ValueError(f"fill is {name!r}; expected one of {', '.join(FILLS)}.")
    return Fill(name, reference)


def occlude(
    images: Images, selected: Bool[Tensor, "n h w"], owner: Int[Tensor, " n"], fill: Fill
) -> Float[Tensor, "n 3 h w"]:
    """O(x, S): a copy of image owner[n] with the pixels in selected[n] filled, for every n.

    Where every pixel is selected a linear fill has nothing to impute from and gives the channel mean.
    """
    result = images[owner]
    if fill.name == "linear":
        noisy = selected & ~selected.flatten(1).all(1)[:, None, None]
        return impute(result, selected) + fill.reference[owner] * noisy[:, None]
    row, y, x = selected.nonzero(as_tuple=True)
    result[row, :, y, x] = fill.reference[owner[row], :, y, x]
    return result


def cells(height: int, width: int, grid: int) -> Int[Tensor, "h w"]:
    """The number (row major) of the grid cell that holds each pixel; edges at floor(i * H / grid).

    Raises ValueError where the grid is finer than the image.
    """
    if not 1 <= grid <= min(height, width):
        raise ValueError(f"grid is {grid}; expected 1 to {min(height, width)} for an image of {height} x {width} px.")
    rows, columns = (
        torch.bucketize(torch.arange(size), torch.arange(1, grid + 1) * size // grid, right=True)
        for size in (height, width)
    )
    return rows[:, None] * grid + columns


class Selection(NamedTuple):
    """The top-k fraction of a region by a map, and how much of it the map did not decide.

    pixels: (N,H,W) bool. tied: (N,), the share of the selection that ties with a pixel left out. level: (N,), the
    share of the whole region that has the value at which the selection is cut. Both in [0,1].
    """

    pixels: Tensor
    tied: Tensor
    level: Tensor


def top_fraction(maps: Float[Tensor, "n h w"], region: Bool[Tensor, "n h w"], k: float) -> Selection:
    """The top-k fraction of each region by each map.

    Exactly max(1, floor(k |region| + .5)) pixels, as a stable descending sort would rank them: ties go in
    row-major order. An empty region selects nothing; its shares are 0. k in (0, 1].
    """
    pixels = torch.zeros_like(region)
    tied, level = maps.new_zeros(len(maps)), maps.new_zeros(len(maps))
    for index, (drawn, where) in enumerate(zip(maps, region, strict=True)):
        values = drawn[where]
        if not len(values):
            continue
        count = max(1, int(k * len(values) + 0.5))
        cut = values.kthvalue(len(values) - count + 1).values
        above, at_cut = values > cut, values == cut
        quota = count - int(above.sum())
        pixels[index][where] = above | (at_cut & (at_cut.cumsum(0) <= quota))
        alike = int(at_cut.sum())
        tied[index] = quota / count if alike > quota else 0.0
        level[index] = alike / len(values)
    return Selection(pixels, tied, level)


def perturb(images: Images, kind: str, strength: float, draws: Draws) -> Images:
    """One of the five robustness perturbations (DEA paper, 3.3), clamped to [0,1].

    noise: N(0, strength^2), drawn per sample. brightness: + strength. contrast: the channel means + (1 +
    strength)(x - means). blur: Gaussian, sigma 1 px. flip: horizontal; the caller flips mask and map too.
    """
    if kind == "noise":
        noise = draws.standard_normal("perturbation", tuple(images.shape[1:]))
        changed = images + strength * torch.from_numpy(noise).to(images)
    elif kind == "brightness":
        changed = images + strength
    elif kind == "contrast":
        mean = images.mean((2, 3), keepdim=True)
        changed = mean + (1 + strength) * (images - mean)
    elif kind == "blur":
        changed = gaussian_blur(images, 1.0)
    elif kind == "flip":
        changed = images.flip(3)
    else:
        raise ValueError(f"perturbation is {kind!r}; expected one of {', '.join(PERTURBATIONS)}.")
    return changed.clamp(0, 1)


def gaussian_blur(images: Images, sigma: float) -> Images:
    """Gaussian blur, sigma in px, the border mirrored."""
    blurred = ndimage.gaussian_filter(images.cpu().numpy(), (0, 0, sigma, sigma))
    return torch.from_numpy(blurred).to(images)

"""Maps that know nothing of the model: controls for every table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.perturbation import cells
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target

SMOOTH = 7  # cells a side of the coarse noise, a CAM's grain


def random(score: Score, images: Float[Tensor, "b 3 h w"], target: Target, *, draws: Draws) -> Float[Tensor, "b h w"]:
    """Every pixel uniform on [0,1)."""
    shape = tuple(images.shape[2:])
    return _stack(images, (rng.random(shape, np.float32) for rng in draws.generators("random")))


def random_cells(
    score: Score, images: Float[Tensor, "b 3 h w"], target: Target, *, draws: Draws, grid: int = 14
) -> Float[Tensor, "b h w"]:
    """Every cell of RIA's grid uniform: noise of RIA's grain."""
    regions = cells(images.shape[2], images.shape[3], grid).numpy()
    return _stack(images, (rng.random(grid**2, np.float32)[regions] for rng in draws.generators("random cells")))


def random_smooth(
    score: Score, images: Float[Tensor, "b 3 h w"], target: Target, *, draws: Draws
) -> Float[Tensor, "b h w"]:
    """Uniform noise on 7 x 7 cells, upsampled bilinearly: noise of a CAM's grain."""
    coarse = (rng.random((SMOOTH, SMOOTH), np.float32) for rng in draws.generators("random smooth"))
    return normalise(upsample(_stack(images, coarse), (images.shape[2], images.shape[3])))


def half(score: Score, images: Float[Tensor, "b 3 h w"], target: Target, *, draws: Draws) -> Float[Tensor, "b h w"]:
    """.5 everywhere, one pixel 0 and one pixel 1; the same two pixels on every occasion."""
    return _nearly_constant(images, draws, 0.5, (0.0, 1.0))


def all_ones(score: Score, images: Float[Tensor, "b 3 h w"], target: Target, *, draws: Draws) -> Float[Tensor, "b h w"]:
    """1 everywhere and one pixel 0; the same pixel on every occasion."""
    return _nearly_constant(images, draws, 1.0, (0.0,))


def centre(score: Score, images: Float[Tensor, "b 3 h w"], target: Target) -> Float[Tensor, "b h w"]:
    """A Gaussian at the centre of the image, sigma a quarter of each side."""
    rows, columns = (torch.linspace(-1, 1, size, device=images.device) for size in images.shape[2:])
    bump = torch.exp(-2 * (rows[:, None] ** 2 + columns**2))
    return normalise(bump.expand(len(images), -1, -1))


def edges(score: Score, images: Float[Tensor, "b 3 h w"], target: Target) -> Float[Tensor, "b h w"]:
    """The magnitude of the image's Sobel gradient, grey values, smoothed over 2 px."""
    grey = images.mean(1).cpu().numpy()
    sobel = (np.hypot(ndimage.sobel(one, 0), ndimage.sobel(one, 1)) for one in grey)
    return normalise(_stack(images, (ndimage.gaussian_filter(one, 2.0) for one in sobel)))


def ground_truth(score: Score, images: Float[Tensor, "b 3 h w"], target: Target) -> Float[Tensor, "b h w"]:
    """The target's own mask, or a classifier's truth; where the label lies need not be where the evidence lies."""
    assert target.truth is not None, "a ground truth map needs a target whose truth is known"
    return normalise(target.truth.to(images.dtype))


def _nearly_constant(images: Tensor, draws: Draws, level: float, special: tuple[float, ...]) -> Tensor:
    maps = images.new_full((len(images), *images.shape[2:]), level)
    still = Draws(draws.seed, draws.sample_ids)
    for one, rng in zip(maps, still.generators("special pixels"), strict=True):
        places = rng.choice(one.numel(), len(special), replace=False)
        one.view(-1)[torch.from_numpy(places).to(one.device)] = torch.tensor(special, device=one.device)
    return maps


def _stack(images: Tensor, arrays: Iterable[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(list(arrays))).to(images)

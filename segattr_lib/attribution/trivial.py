"""Maps that know nothing of the model: controls for every table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.perturbation import cells
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Masks, Score, Target

DISC = 256  # px, of a short side of 224: the area of a disc
APART = 2.2  # radii between the centres of discs
CENTRES = 2000  # tries to keep them apart


def random(score: Score, images: Images, target: Target, *, draws: Draws) -> Maps:
    """Every pixel uniform on [0,1)."""
    shape = tuple(images.shape[2:])
    return _stack(images, (rng.random(shape, np.float32) for rng in draws.generators("random")))


def random_cells(score: Score, images: Images, target: Target, *, draws: Draws, grid: int = 14) -> Maps:
    """Every cell of RIA's grid uniform: noise of RIA's grain."""
    regions = cells(images.shape[2], images.shape[3], grid).numpy()
    return _stack(images, (rng.random(grid**2, np.float32)[regions] for rng in draws.generators("random cells")))


def random_smooth(score: Score, images: Images, target: Target, *, draws: Draws, side: int = 7) -> Maps:
    """Uniform noise on side x side cells, upsampled bilinearly: noise of a CAM's grain."""
    # each side has a stream of its own; the CAM's keeps the one it always had
    purpose = "random smooth" if side == 7 else f"random smooth {side}"
    coarse = (rng.random((side, side), np.float32) for rng in draws.generators(purpose))
    return normalise(upsample(_stack(images, coarse), (images.shape[2], images.shape[3])))


def random_smooth_28(score: Score, images: Images, target: Target, *, draws: Draws) -> Maps:
    """`random_smooth` of 28 x 28 cells: noise of the grain of a segmenter's finer layers."""
    return random_smooth(score, images, target, draws=draws, side=28)


def masked(noise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A control that knows the target's place and nothing of the model: the noise, drawn anew, times the mask."""

    @wraps(noise)
    def inside(score: Score, images: Images, target: Target, *, draws: Draws, **options: Any) -> Maps:
        return noise(score, images, target, draws=draws.on("masked"), **options) * _truth(target)

    inside.__doc__ = f"`{noise.__name__}`, drawn anew, times the target's mask: 0 outside."
    return inside


random_masked = masked(random)
random_cells_masked = masked(random_cells)
random_smooth_masked = masked(random_smooth)
random_smooth_28_masked = masked(random_smooth_28)


def discs(score: Score, images: Images, target: Target, *, draws: Draws) -> Maps:
    """Discs of 256 px (of a short side of 224) strewn over the target, each ranked below the last, until it is covered.

    Centres are uniform in the target and 2.2 radii apart while 2,000 tries allow, then wherever nothing is covered yet;
    0 outside the target. Spread as far as a map can be, and nothing of the model in it.
    """
    radius = (DISC / np.pi) ** 0.5 * min(images.shape[2:]) / 224
    drawn = zip(_truth(target).cpu().numpy(), draws.generators("discs"), strict=True)
    return normalise(_stack(images, (_strewn(where, rng, radius) for where, rng in drawn)))


def depth(score: Score, images: Images, target: Target) -> Maps:
    """Each pixel's distance to the edge of the target, the frame counting as edge; 0 outside."""
    return normalise(_stack(images, (_depth(where) for where in _truth(target).cpu().numpy())))


def rim(score: Score, images: Images, target: Target) -> Maps:
    """The contrary of `depth` inside the target, its greatest + 1 less it, so that the rim leads; 0 outside."""
    depths = [_depth(where) for where in _truth(target).cpu().numpy()]
    return normalise(_stack(images, ((deep.max() + 1 - deep) * (deep > 0) for deep in depths)))


def half(score: Score, images: Images, target: Target, *, draws: Draws) -> Maps:
    """.5 everywhere, one pixel 0 and one pixel 1; the same two pixels on every occasion."""
    return _nearly_constant(images, draws, 0.5, (0.0, 1.0))


def all_ones(score: Score, images: Images, target: Target, *, draws: Draws) -> Maps:
    """1 everywhere and one pixel 0; the same pixel on every occasion."""
    return _nearly_constant(images, draws, 1.0, (0.0,))


def centre(score: Score, images: Images, target: Target) -> Maps:
    """A Gaussian at the centre of the image, sigma a quarter of each side."""
    rows, columns = (torch.linspace(-1, 1, size, device=images.device) for size in images.shape[2:])
    bump = torch.exp(-2 * (rows[:, None] ** 2 + columns**2))
    return normalise(bump.expand(len(images), -1, -1))


def edges(score: Score, images: Images, target: Target) -> Maps:
    """The magnitude of the image's Sobel gradient, grey values, smoothed over 2 px."""
    grey = images.mean(1).cpu().numpy()
    sobel = (np.hypot(ndimage.sobel(values, 0), ndimage.sobel(values, 1)) for values in grey)
    return normalise(_stack(images, (ndimage.gaussian_filter(values, 2.0) for values in sobel)))


def ground_truth(score: Score, images: Images, target: Target) -> Maps:
    """The target's own mask, or a classifier's truth; where the label lies need not be where the evidence lies."""
    return normalise(_truth(target).to(images.dtype))


def _truth(target: Target) -> Masks:
    assert target.truth is not None, "a map made from the target's place needs a target whose truth is known"
    return target.truth


def _depth(where: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    return ndimage.distance_transform_edt(np.pad(where, 1))[1:-1, 1:-1].astype(np.float32)


def _strewn(where: Bool[np.ndarray, "h w"], rng: np.random.Generator, radius: float) -> Float[np.ndarray, "h w"]:
    """One map of `discs`: the first disc's pixels 1, each later one's less, all above 0."""
    places = np.argwhere(where)
    order = rng.permutation(len(places))
    apart: list[int] = []
    for index in order[:CENTRES]:
        if (((places[apart] - places[index]) ** 2).sum(1) >= (APART * radius) ** 2).all():
            apart.append(index)
    rank = np.full(len(places), -1)
    for index in [*apart, *order]:
        if rank[index] < 0:
            near = ((places - places[index]) ** 2).sum(1) <= radius**2
            rank[near & (rank < 0)] = rank.max() + 1
    strewn = np.zeros(where.shape, np.float32)
    strewn[where] = 1 - rank / (rank.max(initial=0) + 1)
    return strewn


def _nearly_constant(images: Tensor, draws: Draws, level: float, special: tuple[float, ...]) -> Tensor:
    maps = images.new_full((len(images), *images.shape[2:]), level)
    still = Draws(draws.seed, draws.sample_ids)
    for noisy, rng in zip(maps, still.generators("special pixels"), strict=True):
        places = rng.choice(noisy.numel(), len(special), replace=False)
        noisy.view(-1)[torch.from_numpy(places).to(noisy.device)] = torch.tensor(special, device=noisy.device)
    return maps


def _stack(images: Tensor, arrays: Iterable[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(list(arrays))).to(images)

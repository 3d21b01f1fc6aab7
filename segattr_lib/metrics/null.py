"""What would a selection earn that knows nothing of the model? Blind selections of the same size and raggedness.

Deletion sees a map only through the pixels that it selects, so the null belongs to the selection: random subsets of
the region, of the same size and the same border length (ours).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from segattr_lib.perturbation import top_fraction
from segattr_lib.seeds import Draws
from segattr_lib.targets import Masks, Values

SIGMAS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0, 32.0)  # px, of level sets
SIDES = (2, 3, 4, 6, 8, 11, 16, 22, 32, 45)  # px, of cells
FIELDS = [("level set", sigma) for sigma in SIGMAS for _ in range(4)] + [
    ("cells", side) for side in SIDES for _ in range(3)
]
SHORT_SIDE = 224  # what the px above are px of
BANDWIDTH = 0.3  # of the fit, in the logarithm of the border length
DEGENERATE = 0.5  # a selection cut at a value that more of its region shares is no choice of the map
TRIES = 100  # of a draw that is degenerate; a region of one pixel has no other


def border_length(selected: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The length in px of each selection's border, wherever it runs: along the region's edge and the frame too.

    Crofton's formula over four directions: pi / 8 (changes along rows and columns + changes along both diagonals /
    sqrt 2); the frame's outside counts as not selected.
    """
    inside = functional.pad(selected, (1, 1, 1, 1))
    straight = (inside[:, 1:] ^ inside[:, :-1]).sum((1, 2)) + (inside[:, :, 1:] ^ inside[:, :, :-1]).sum((1, 2))
    falling, rising = inside[:, 1:, 1:] ^ inside[:, :-1, :-1], inside[:, 1:, :-1] ^ inside[:, :-1, 1:]
    slanted = falling.sum((1, 2)) + rising.sum((1, 2))
    return torch.pi / 8 * (straight + slanted / 2**0.5)


def blind_selections(
    region: Masks, k: float, draws: Draws, every: int = 1, repeats: int = 1
) -> Bool[Tensor, "b d h w"]:
    """The top k fraction of every region by 86 random fields, from the finest grain to the coarsest, or every nth.
    repeats: as many times over, each time of other noise.

    Level sets of Gaussian noise smoothed inside the region, sigma one of SIGMAS, 4 each; then cells of SIDES px, their
    grid's offset at random, 3 each; px are px of a short side of 224. A draw whose cut is shared by more than half of
    the region is drawn again. An empty region selects nothing.
    """
    numbers = range(0, repeats * len(FIELDS), every)
    selections = torch.zeros((len(region), len(numbers), *region.shape[1:]), dtype=torch.bool)
    scale = min(region.shape[1:]) / SHORT_SIDE
    wholes = region.cpu().numpy()
    seen = [index for index, whole in enumerate(wholes) if whole.any()]
    # beyond the box around a region there is nothing to select, and nothing to smooth
    boxes = {index: ndimage.find_objects(wholes[index].astype(np.int8))[0] for index in seen}
    insides = {index: wholes[index][boxes[index]] for index in seen}
    spreads = {(index, sigma): _spread(insides[index], sigma * scale) for index in seen for sigma in SIGMAS}
    for place, number in enumerate(numbers):
        kind, size = FIELDS[number % len(FIELDS)]
        rngs = draws.generators(f"null {number}")
        for index in seen:
            inside, rng = insides[index], rngs[index]
            for _ in range(TRIES):
                if kind == "cells":
                    field = cell_field(rng, inside.shape, max(1, round(size * scale)))
                else:
                    noise = rng.standard_normal(inside.shape, np.float32)
                    field = level_set_field(noise, inside, size * scale, spreads[index, size])
                drawn = top_fraction(torch.from_numpy(field)[None], torch.from_numpy(inside)[None], k)
                if float(drawn.level) <= DEGENERATE:
                    break
            selections[index, place][boxes[index]] = drawn.pixels[0]
    return selections.to(region.device)


def level_set_field(
    noise: Float[np.ndarray, "h w"],
    region: Bool[np.ndarray, "h w"],
    sigma: float,
    spread: Float[np.ndarray, "h w"] | None = None,
) -> Float[np.ndarray, "h w"]:
    """Noise smoothed inside a region, of one variance all over it: smooth(noise x M) / sqrt(smooth(M, sigma / sqrt 2)).

    Dividing by the smoothed region itself would prefer its rim. spread: that root, where it is known already.
    """
    if sigma == 0:
        return noise * region
    spread = _spread(region, sigma) if spread is None else spread
    return ndimage.gaussian_filter(noise * region, sigma, mode="constant") / spread


def cell_field(rng: np.random.Generator, shape: tuple[int, ...], side: int) -> Float[np.ndarray, "h w"]:
    """Uniform noise on square cells of `side` px, the grid's offset drawn too."""
    down, across = rng.integers(side, size=2)
    values = rng.random((shape[0] // side + 2, shape[1] // side + 2), np.float32)
    return values[(np.arange(shape[0])[:, None] + down) // side, (np.arange(shape[1]) + across) // side]


def local_fit(x: Float[Tensor, "b d"], y: Float[Tensor, "b d"], at: Values, bandwidth: float = BANDWIDTH) -> Values:
    """Each row's y at one x: local linear regression with Gaussian weights; beyond the ends of x the value there."""
    x, y = x.double(), y.double()
    place = at.double().clamp(x.amin(1), x.amax(1))[:, None]
    weights = (-0.5 * ((x - place) / bandwidth) ** 2).softmax(1)
    mean_x, mean_y = (weights * x).sum(1), (weights * y).sum(1)
    dx = x - mean_x[:, None]
    slope = (weights * dx * y).sum(1) / ((weights * dx**2).sum(1) + 1e-4)  # all draws of one length have no slope
    return (mean_y + slope * (place[:, 0] - mean_x)).float()


def _spread(region: Bool[np.ndarray, "h w"], sigma: float) -> Float[np.ndarray, "h w"]:
    smooth = ndimage.gaussian_filter(region.astype(np.float32), sigma / 2**0.5, mode="constant")
    return np.sqrt(smooth.clip(1e-12))

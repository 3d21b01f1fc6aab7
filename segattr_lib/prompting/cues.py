"""From maps to prompts: how far an image's maps agree, what each weighs, their fusion, and the cues drawn from one.

Maps are in [0,1]; (K,B,H,W) are those of K explainers for B images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.attribution.maps import normalise
from segattr_lib.metrics.localization import support
from segattr_lib.registry import Key
from segattr_lib.seeds import generator
from segattr_lib.targets import Maps

__all__ = [
    "Cues",
    "NoCues",
    "centre_point",
    "consensus",
    "cue_rng",
    "draw_cues",
    "focus",
    "fused",
    "pairwise_iou",
    "reliability",
    "support",
    "support_box",
    "truth_cues",
    "uniform_points",
]

BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT = range(4)  # SAM's own labels


def pairwise_iou(supports: Bool[Tensor, "k b h w"]) -> Float[Tensor, "b k k"]:
    """The intersection over union of every two explainers' supports, of each image; symmetric, in [0,1].

    Two empty supports have none (NaN): they name no region to agree on. An empty one and another have 0.
    """
    flat = supports.flatten(2).transpose(0, 1).float()  # sums of fewer than 2^24 ones are exact
    shared = flat @ flat.transpose(1, 2)
    area = flat.sum(2)
    return shared / (area[:, :, None] + area[:, None] - shared)


def consensus(maps: Float[Tensor, "k b h w"], threshold: float = 0.5) -> Float[Tensor, "k b"]:
    """The mean IoU of each support with the others' (see `pairwise_iou`), in [0,1].

    NaN where there is none: a single explainer, or an empty support among none but empty ones.
    """
    iou = pairwise_iou(support(maps, threshold))
    others = ~torch.eye(len(maps), dtype=torch.bool, device=maps.device)
    return torch.where(others, iou, torch.nan).nanmean(2).T


def focus(maps: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch"]:
    """1 - the map's entropy as a distribution over its pixels, in units of log(H W): 0 if constant, 1 if one pixel.

    NaN for a map of zeros, which is no distribution.
    """
    flat = maps.flatten(-2).double()
    entropy = torch.special.entr(flat / flat.sum(-1, keepdim=True)).sum(-1)
    return (1 - entropy / math.log(flat.shape[-1])).clamp(0, 1).float()


def reliability(
    consensus: Float[Tensor, "k b"], focus: Float[Tensor, "k b"], robustness: Float[Tensor, "k b"]
) -> Float[Tensor, "k b"]:
    """What each explainer weighs: in proportion to consensus x focus x max(0, robustness), 1 in sum over them.

    A part that does not exist (NaN) counts as 0. NaN for every explainer of an image where all come to 0.
    """
    product = consensus.nan_to_num(0) * focus.nan_to_num(0) * robustness.nan_to_num(0).clamp_min(0)
    return product / product.sum(0)


def fused(maps: Float[Tensor, "k b h w"], weights: Float[Tensor, "k b"] | None = None) -> Maps:
    """N of the weighted sum of the maps, of their mean where there are no weights; in [0,1].

    An image with a weight of NaN has a map of NaN.
    """
    if weights is None:
        return normalise(maps.mean(0))
    total = (weights[..., None, None] * maps).sum(0)
    return torch.where(weights.isnan().any(0)[:, None, None], torch.nan, normalise(total))


@dataclass(frozen=True)
class Cues:
    """What a segmenter is prompted with.

    points: (P,2), x then y, px; the pixel of row i and column j is (j, i), its centre, as SAM has it, which adds the
    half pixel itself. labels: (P,), 1 foreground, 0 background, 2 and 3 the top left and bottom right of a box.
    """

    points: Float[Tensor, "p 2"]
    labels: Int[Tensor, " p"]


class NoCues(Exception):
    """A map or mask that gives no point; the message is the reason."""


def draw_cues(
    one_map: Float[Tensor, "h w"],
    rng: np.random.Generator,
    *,
    foreground: int = 5,
    background: int = 5,
    top: float = 0.05,
    bottom: float = 0.05,
    apart: int | float = 8,
) -> Cues:
    """Points drawn uniformly from a map's highest pixels, as foreground, and from its lowest, as background.

    top, bottom: shares of the pixels, max(1, floor(share H W + .5)) of them. Ties are broken at random, but a pixel of
    the map's least value is never foreground and one of its greatest never background. apart: px from every other
    point, of either kind; no pixel is drawn twice. Where fewer fit than are asked for, those that fit. Foreground
    comes first: it is the same however many background points follow, and its first n however many are asked for.
    Raises NoCues for a map that is constant or not finite, ValueError for shares that are not positive or overlap and
    for negative counts.
    """
    if not (top > 0 and bottom > 0 and top + bottom <= 1):
        raise ValueError(f"top is {top} and bottom {bottom}; expected positive shares of at most 1 together.")
    values = one_map.detach().cpu().numpy()
    low, high = values.min(), values.max()
    if not np.isfinite(low + high):
        raise NoCues("the map holds a value that is not finite")
    if low == high:
        raise NoCues("the map is constant")
    return _drawn(_greatest(values, top, rng), _greatest(-values, bottom, rng), foreground, background, apart, rng)


def cue_rng(seed: int, sample_id: str, method: Key) -> np.random.Generator:
    """The stream that a sample's cues of a method's map are drawn from: pictured points are the scored ones."""
    return generator(seed, sample_id, f"cues {method.name} {method.pinned}")


def truth_cues(
    mask: Bool[Tensor, "h w"],
    rng: np.random.Generator,
    *,
    foreground: int = 5,
    background: int = 5,
    apart: int | float = 8,
) -> Cues:
    """The ceiling of `cues`: foreground drawn from the true mask, background from all that is outside it.

    Raises NoCues for an empty mask, ValueError for negative counts.
    """
    inside = mask.cpu().numpy()
    if not inside.any():
        raise NoCues("the mask is empty")
    return _drawn(inside, ~inside, foreground, background, apart, rng)


def uniform_points(
    shape: tuple[int, int], count: int, rng: np.random.Generator, *, background: int = 0, apart: int | float = 8
) -> Cues:
    """The control that knows no map: this many foreground points, and background ones, drawn from all pixels.

    shape: H and W. Raises ValueError for negative counts, NoCues where none is asked for.
    """
    everywhere = np.ones(shape, bool)
    return _drawn(everywhere, everywhere, count, background, apart, rng)


def centre_point(shape: tuple[int, int]) -> Cues:
    """One foreground point, the middle of an image of H and W px; between pixels where a side is even."""
    return Cues(torch.tensor([[(shape[1] - 1) / 2, (shape[0] - 1) / 2]]), torch.tensor([FOREGROUND]))


def support_box(one_map: Float[Tensor, "h w"], threshold: float = 0.5) -> Cues:
    """The box around all of the map's support, as its outermost pixels' two corners. Raises NoCues if it is empty, and
    for a map that is not finite."""
    if not one_map.isfinite().all():
        raise NoCues("the map holds a value that is not finite")
    pixels = support(one_map, threshold).nonzero()
    if not len(pixels):
        raise NoCues(f"no pixel of the map reaches {threshold}")
    corners = torch.stack([pixels.amin(0), pixels.amax(0)]).flip(1)
    return Cues(corners.cpu().float(), torch.tensor([TOP_LEFT, BOTTOM_RIGHT]))


def _greatest(values: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which pixels are the greatest share, but none of the least value; of those that tie, a random draw."""
    count = max(1, int(share * values.size + 0.5))
    chosen = values > values.min()
    above = values[chosen]
    if len(above) > count:
        least = np.partition(above, -count)[-count]
        chosen = values > least
        ties = np.flatnonzero(values == least)
        chosen.ravel()[rng.choice(ties, count - int(chosen.sum()), replace=False)] = True
    return chosen


def _drawn(
    above: np.ndarray, below: np.ndarray, foreground: int, background: int, apart: int | float, rng: np.random.Generator
) -> Cues:
    """Pixels drawn one after the other, uniformly from those still far enough from all before."""
    if foreground < 0 or background < 0:
        raise ValueError(f"foreground is {foreground} and background {background}; expected counts of 0 or more.")
    reach = math.ceil(apart)
    side = np.arange(-reach, reach + 1)
    far = side[:, None] ** 2 + side**2 >= max(apart, 1) ** 2
    height, width = (size + 2 * reach for size in above.shape)  # with a margin, so that no disc is cut off
    free = np.ones((height, width), bool)
    points: list[tuple[int, int]] = []
    labels: list[int] = []
    for kind, wanted, label in ((above, foreground, FOREGROUND), (below, background, BACKGROUND)):
        rows, columns = kind.nonzero()
        left = (rows + reach) * width + columns + reach
        for _ in range(wanted):
            left = left[free.ravel()[left]]
            if not len(left):
                break
            y, x = (int(place) - reach for place in divmod(left[rng.integers(len(left))], width))
            free[y : y + 2 * reach + 1, x : x + 2 * reach + 1] &= far
            points.append((x, y))
            labels.append(label)
    if not points:
        raise NoCues("no point was asked for, or no pixel is of the kind asked for")
    return Cues(torch.tensor(points).float(), torch.tensor(labels))

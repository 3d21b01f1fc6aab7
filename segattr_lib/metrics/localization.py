"""Does the map lie where the evidence is known to lie?"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from segattr_lib.evaluate import occluded_scores
from segattr_lib.perturbation import Fill
from segattr_lib.registry import UserError
from segattr_lib.targets import Images, Maps, Masks, Score, Target, Values


def cosine(score: Score, images: Images, maps: Maps, target: Target) -> Values:
    """Cosine similarity of the map and the truth, as vectors of pixels; in [0,1], higher is better.

    Undefined (NaN) for a constant map and where the truth is empty. Raises UserError for a target whose truth
    is not known.
    """
    first, second = maps.flatten(1).double(), _truth(target, "cosine").flatten(1).double()
    length = first.norm(dim=1) * second.norm(dim=1)
    constant = maps.amax((1, 2)) == maps.amin((1, 2))
    return torch.where(constant | (length == 0), torch.nan, (first * second).sum(1) / length).float()


def share_inside(score: Score, images: Images, maps: Maps, target: Target) -> Values:
    """The share of a map's mass that lies on the target, in [0,1]; undefined (NaN) for a map of zeros."""
    assert target.mask is not None, "a share inside a target needs a mask"
    inside, outside = mass(maps, target.mask)
    return inside / (inside + outside)


def mass(maps: Maps, masks: Masks) -> tuple[Values, Values]:
    """The sum of each map inside and outside its mask, in px at the map's full value."""
    return (maps * masks).sum((1, 2)), (maps * ~masks).sum((1, 2))


def coverage(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    threshold: float = 0.5,
) -> Values:
    """The share of the truth that the map's support covers, |S n GT| / |GT|, in [0,1]; higher is better.

    Undefined (NaN) where the truth is empty; 0 where the support is. Raises UserError for a target whose truth is
    not known, ValueError as `support` does.
    """
    truth = _truth(target, "coverage")
    return _share(support(maps, threshold) & truth, truth)


def spill(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    threshold: float = 0.5,
) -> Values:
    """The share of the map's support that lies outside the truth, |S \\ GT| / |S|, in [0,1]; lower is better.

    Undefined (NaN) where the support is empty. Raises as `coverage` does.
    """
    region = support(maps, threshold)
    return _share(region & ~_truth(target, "spill"), region)


def pointing_game(score: Score, images: Images, maps: Maps, target: Target) -> Values:
    """Does the map's maximum lie in the truth (Zhang et al. 2016, without its margin)? Of tied maxima, the share that
    does; in [0,1], higher is better.

    Undefined (NaN) for a constant map and where the truth is empty. Raises UserError for a target whose truth is
    not known.
    """
    truth = _truth(target, "pointing_game")
    highest = maps == maps.amax((1, 2), keepdim=True)
    undefined = highest.all(2).all(1) | ~truth.any(2).any(1)
    return torch.where(undefined, torch.nan, _share(highest & truth, highest))


def effectiveness(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    threshold: float = 0.5,
    fill: Fill,
    base: Values,
) -> Values:
    """How much of the score goes when the map's support is filled: (s(x) - s(O(x, S))) / s(x); higher is better.

    O is the fill, base s(x). At most 1, without a lower bound; 0 where the support is empty, undefined (NaN) where
    s(x) is 0. One pass an image. Raises ValueError as `support` does.
    """
    everyone = torch.arange(len(images), device=images.device)
    left = occluded_scores(score, images, support(maps, threshold), everyone, fill)
    return torch.where(base > 0, (base - left) / base, torch.nan)


def support(maps: Float[Tensor, "*batch h w"], threshold: float = 0.5) -> Bool[Tensor, "*batch h w"]:
    """S: the pixels whose value is the threshold or more. Raises ValueError for a threshold outside (0,1]."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; maps lie in [0,1], expected a value in (0, 1], such as 0.5.")
    return maps >= threshold


def _share(part: Masks, whole: Masks) -> Values:
    """|part| / |whole|; NaN where the whole is empty."""
    return part.sum((1, 2)).float() / whole.sum((1, 2))


def _truth(target: Target, metric: str) -> Masks:
    if target.truth is None:
        raise UserError(
            f"{metric} compares a map with the truth, and this target's is not known; leave the metric out."
        )
    return target.truth

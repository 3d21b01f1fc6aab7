"""Does the map lie where the evidence is known to lie?"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from PIL import Image
from scipy.stats import rankdata
from torch import Tensor

from segattr_lib.data import planted
from segattr_lib.data.sample import as_sample
from segattr_lib.evaluate import occluded_scores
from segattr_lib.perturbation import Fill
from segattr_lib.registry import UserError
from segattr_lib.seeds import Draws
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


def evidence_auc(
    score: Score, images: Images, maps: Maps, target: Target, *, draws: Draws, role: str = "badge"
) -> Values:
    """How well the map tells planted evidence from the rest of its region: the chance that a pixel of the evidence
    ranks above one that is none, ties half; in [0,1], .5 for a map that knows nothing. Ours.

    role: "badge", the badges in the target, or "marker", the marker in all that is outside. The planted scene
    (data/planted.py) is drawn again from the sample's id; undefined (NaN) for an image that is none. Raises UserError
    for another role.
    """
    assert target.mask is not None, "planted evidence lies on a target or off it"
    if role not in ("badge", "marker"):
        raise UserError(f"role is {role!r}; expected 'badge', of the target, or 'marker', outside of it.")
    values = torch.full((len(maps),), torch.nan)
    for index, sample_id in enumerate(draws.sample_ids):
        drawn = as_sample(Image.fromarray(planted.scene(sample_id).image), None, sample_id, images.shape[2]).image
        if drawn.shape != images[index].shape or not torch.allclose(drawn, images[index].cpu(), atol=1e-3):
            continue
        mask = target.mask[index].cpu()
        region = mask if role == "badge" else ~mask
        where = planted.evidence(sample_id, images.shape[2])[role]
        inside, rest = maps[index].cpu()[where & region], maps[index].cpu()[~where & region]
        if len(inside) and len(rest):
            ranks = rankdata(torch.cat([inside, rest]).numpy())[: len(inside)]
            values[index] = float(ranks.mean() - (len(inside) + 1) / 2) / len(rest)  # Mann-Whitney's U as a share
    return values.to(maps.device)


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

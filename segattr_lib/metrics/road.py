"""Does the model lose its class sooner when the map's most relevant pixels are taken away than the least?"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from segattr_lib.evaluate import occluded_scores
from segattr_lib.perturbation import IMPUTATION_NOISE, bind_fill, top_fraction
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Score, Target, Values

FRACTIONS = (0.2, 0.4, 0.6, 0.8)
Ties = Literal["order", "permutation", "percentile"]


def road(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    draws: Draws,
    ties: Ties = "order",
    noise: float = IMPUTATION_NOISE,
) -> Values:
    """ROAD, both orders in one (Rong et al. 2022; ARCC's part): the mean over k of 20, 40, 60 and 80 % of
    s(x without the k least relevant) - s(x without the k most relevant); in [-1,1], higher is better.

    Pixels of the whole image are taken away by noisy linear imputation, `noise` its standard deviation in
    RGB, drawn per sample. ties: see `removals`. Raises ValueError for another `ties`.
    """
    selected = torch.cat([removals(maps, k, ties, draws) for k in FRACTIONS], 1)
    owner = torch.arange(len(images), device=images.device).repeat(2 * len(FRACTIONS))
    fill = bind_fill("linear", images, draws.on("road"), noise=noise)
    left = occluded_scores(score, images, selected.flatten(0, 1), owner, fill)
    least, most = left.view(2, len(FRACTIONS), len(images)).mean(1)
    return least - most


def removals(maps: Maps, k: float, ties: Ties = "order", draws: Draws | None = None) -> Bool[Tensor, "2 b h w"]:
    """The k least relevant pixels of each map, then the k most relevant.

    ties: "order" takes exactly k both times, equal pixels in row-major order, so that a map that says nothing
    takes the same ones both times. "permutation" the same, in an order drawn per sample. "percentile" is the
    published code's: everything at or beyond the percentile, however many pixels share its value, which
    takes the whole image away from a map that is mostly 0; it is here to be compared with, no more.
    """
    if ties not in get_args(Ties):
        raise ValueError(f"ties is {ties!r}; expected one of {', '.join(get_args(Ties))}.")
    if ties == "percentile":
        levels = [values.flatten(1).cpu().numpy() for values in (1 - maps, maps)]
        thresholds = [torch.from_numpy(np.percentile(level, round(100 * (1 - k)), axis=1)) for level in levels]
        least, most = (threshold.to(maps)[:, None, None] for threshold in thresholds)
        return torch.stack([1 - maps >= least, maps >= most])
    flat = maps.flatten(1)[:, None]
    everywhere = torch.ones_like(flat, dtype=torch.bool)
    if ties == "order":
        chosen = [top_fraction(values, everywhere, k).pixels for values in (-flat, flat)]
    else:
        assert draws is not None, "a drawn order needs draws"
        orders = [rng.permutation(flat.shape[2]) for rng in draws.generators("order of tied pixels")]
        order = torch.from_numpy(np.stack(orders)).to(maps.device)[:, None]
        drawn = [top_fraction(values.gather(2, order), everywhere, k).pixels for values in (-flat, flat)]
        chosen = [torch.zeros_like(pixels).scatter(2, order, pixels) for pixels in drawn]
    return torch.stack(chosen).view(2, *maps.shape)

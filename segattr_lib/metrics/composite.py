"""Several demands on a map in one number: the drop, how much it shows, how it explains itself; ADCC and ARCC."""

from __future__ import annotations

import torch

from segattr_lib.evaluate import model_score
from segattr_lib.metrics.stability import Explain, pearson
from segattr_lib.perturbation import bind_fill
from segattr_lib.targets import Images, Maps, Score, Target, Values


def average_drop(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    base: Values,
    background: str = "zeros",
) -> Values:
    """Average drop, of each image (Chattopadhay et al. 2018): max(0, s(x) - s(x A)) / s(x), in [0,1], lower is better.

    x A is the image faded by its map, see `faded`; base is s(x). Undefined (NaN) where s(x) is 0.
    """
    shown = model_score(score, faded(images, maps, background))
    return torch.where(base > 0, (base - shown).clamp_min(0) / base, torch.nan)


def complexity(score: Score, images: Images, maps: Maps, target: Target) -> Values:
    """How much of the image the map shows (Poppi et al. 2021): its mean, in [0,1]; lower is better."""
    return maps.mean((1, 2))


def coherency(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    explain: Explain,
    background: str = "zeros",
) -> Values:
    """(1 + the Pearson correlation of A(x) and A(x A)) / 2 (Poppi et al. 2021), in [0,1]; higher is better.

    `explain(images, target, occasion) -> maps` explains the faded images anew, wholly. Undefined (NaN) where
    either map is constant.
    """
    again = explain(faded(images, maps, background), target, f"faded to {background}")
    return (pearson(maps, again) + 1) / 2


def faded(images: Images, maps: Maps, background: str = "zeros") -> Images:
    """The images where their maps are 1, the background where they are 0.

    background: a fill of one colour; "zeros" multiplies the RGB values by the map, "dataset_mean" the values
    after the usual normalisation, as the papers' code does. Raises ValueError for a name that is no fill.
    """
    weights = maps[:, None]
    return images * weights + bind_fill(background, images).reference * (1 - weights)


def adcc(coherency: Values, complexity: Values, average_drop: Values) -> Values:
    """The harmonic mean of Coherency, 1 - Complexity and 1 - AD (Poppi et al. 2021), in [0,1]; higher is better."""
    return harmonic_mean(coherency, 1 - complexity, 1 - average_drop)


def arcc(coherency: Values, complexity: Values, road: Values) -> Values:
    """The harmonic mean of Coherency, 1 - Complexity and max(0, ROAD), in [0,1]; higher is better."""
    return harmonic_mean(coherency, 1 - complexity, road)


def harmonic_mean(*parts: Values) -> Values:
    """The harmonic mean; 0 where a part is 0 or less, NaN where one does not exist."""
    stacked = torch.stack(parts)
    mean = len(parts) / (1 / stacked).sum(0)
    return torch.where(stacked.isnan().any(0), torch.nan, torch.where((stacked > 0).all(0), mean, 0))

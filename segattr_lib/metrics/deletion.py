"""Does the score fall when the map's best pixels go? Deletion in and outside the target, insertion,
and what is left of them once the map's mere grain is accounted for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.evaluate import evaluate
from segattr_lib.perturbation import Fill, moved_surrogates, occlude, phase_surrogates, top_fraction
from segattr_lib.seeds import Draws
from segattr_lib.targets import EPS, Score, Target


def model_score(score: Score, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """s(x) of every image, under its own target."""
    owner = torch.arange(len(images), device=images.device)
    return evaluate(score, len(images), lambda start, stop: (images[start:stop], owner[start:stop]))


def tdd(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    maps: Float[Tensor, "b h w"],
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """Target deletion drop (DEA paper, eq. 3): (s(x) - s(O(x, S_t))) / (|s(x)| + eps).

    S_t is the top-k fraction of the pixels inside the mask, O the fill, base s(x). Higher is better; at
    most 1, without a lower bound.
    """
    return _drop(score, images, maps, _own(maps), _inside(target), k=k, fill=fill, base=base)


def odd(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    maps: Float[Tensor, "b h w"],
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Float[Tensor, " b"],
    void: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, " b"]:
    """Off-target deletion drop (DEA paper, eq. 4): the same as `tdd` with the top-k fraction outside the mask.

    Outside is every pixel not in the mask; those in `void` (the 255 ring, say) are left out where it is
    given. Undefined (NaN) where nothing lies outside.
    """
    region = _outside(target, void)
    return _drop(score, images, maps, _own(maps), region, k=k, fill=fill, base=base)


def odd_exclude(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    maps: Float[Tensor, "b h w"],
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Float[Tensor, " b"],
    ring: Bool[Tensor, "b h w"],
) -> Float[Tensor, " b"]:
    """`odd` with the ring of ignored pixels (label 255) left out, whatever the run's setting is."""
    return odd(score, images, maps, target, k=k, fill=fill, base=base, void=ring)


def insertion(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    maps: Float[Tensor, "b h w"],
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """Insertion gain (DEA paper, 3.3, in words; the formula is ours): (s(blank with S_t) - s(blank)) / (|s(x)| + eps).

    The blank image is the fill everywhere. Higher is better.
    """
    return _gain(score, images, maps, _own(maps), _inside(target), k=k, fill=fill, base=base)


def tied_share(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    maps: Float[Tensor, "b h w"],
    target: Target,
    *,
    k: float = 0.2,
) -> Float[Tensor, " b"]:
    """The share of S_t whose choice row-major order decided, not the map; in [0,1], lower is better."""
    return top_fraction(maps, _inside(target), k)[1]


def _excess(
    measure: Callable[..., Tensor],
    region_of: Callable[[Target, Tensor | None], Tensor],
    surrogates_of: Callable[[Tensor, int, Draws], Tensor],
    magnitude: bool,
) -> Callable[..., Tensor]:
    """A measure minus its mean over surrogates of the same map, which keep its grain and lose its place."""

    def excess(
        score: Score,
        images: Float[Tensor, "b 3 h w"],
        maps: Float[Tensor, "b h w"],
        target: Target,
        *,
        k: float = 0.2,
        fill: Fill,
        base: Float[Tensor, " b"],
        surrogates: int = 8,
        draws: Draws,
        void: Bool[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, " b"]:
        others = surrogates_of(maps, surrogates, draws)
        everything = torch.cat([maps[None], others]).flatten(0, 1)
        owner = _own(maps).repeat(surrogates + 1)
        values = measure(score, images, everything, owner, region_of(target, void), k=k, fill=fill, base=base)
        values = (values.abs() if magnitude else values).view(surrogates + 1, len(maps))
        return values[0] - values[1:].mean(0)

    return excess


def _drop(
    score: Score,
    images: Tensor,
    maps: Tensor,
    owner: Int[Tensor, " n"],
    region: Bool[Tensor, "b h w"],
    *,
    k: float,
    fill: Fill,
    base: Tensor,
) -> Float[Tensor, " n"]:
    """The relative drop when the top of each map's region goes; any number of maps an image."""
    selected, _ = top_fraction(maps, region[owner], k)
    base = base[owner]
    left = occluded_scores(score, images, selected, owner, fill)
    return torch.where(region.any((1, 2))[owner], (base - left) / (base.abs() + EPS), torch.nan)


def _gain(
    score: Score,
    images: Tensor,
    maps: Tensor,
    owner: Int[Tensor, " n"],
    region: Bool[Tensor, "b h w"],
    *,
    k: float,
    fill: Fill,
    base: Tensor,
) -> Float[Tensor, " n"]:
    selected, _ = top_fraction(maps, region[owner], k)
    blank = occluded_scores(
        score, images, torch.ones_like(region), torch.arange(len(images), device=images.device), fill
    )
    shown = occluded_scores(score, images, ~selected, owner, fill)
    return (shown - blank[owner]) / (base[owner].abs() + EPS)


def occluded_scores(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    selected: Bool[Tensor, "n h w"],
    owner: Int[Tensor, " n"],
    fill: Fill,
) -> Float[Tensor, " n"]:
    """The score of image owner[n] with the pixels in selected[n] filled, for every n."""

    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        rows = owner[start:stop]
        return occlude(images, selected[start:stop], rows, fill), rows

    return evaluate(score, len(selected), perturb)


def _inside(target: Target, void: Tensor | None = None) -> Bool[Tensor, "b h w"]:
    assert target.mask is not None, "deletion in a target needs a mask"
    return target.mask


def _outside(target: Target, void: Tensor | None) -> Bool[Tensor, "b h w"]:
    return ~_inside(target) if void is None else ~_inside(target) & ~void


def _own(maps: Tensor) -> Int[Tensor, " b"]:
    return torch.arange(len(maps), device=maps.device)


excess_tdd = _excess(_drop, _inside, moved_surrogates, magnitude=False)
excess_tdd_phase = _excess(_drop, _inside, phase_surrogates, magnitude=False)
excess_odd_abs = _excess(_drop, _outside, moved_surrogates, magnitude=True)
excess_odd_abs_phase = _excess(_drop, _outside, phase_surrogates, magnitude=True)
excess_insertion = _excess(_gain, _inside, moved_surrogates, magnitude=False)
excess_insertion_phase = _excess(_gain, _inside, phase_surrogates, magnitude=False)

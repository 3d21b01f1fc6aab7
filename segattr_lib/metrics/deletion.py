"""Does the score fall when the map's best pixels go? Deletion in and outside the target, insertion, and what a blind
selection as large and as ragged would earn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.evaluate import occluded_scores
from segattr_lib.metrics import Region
from segattr_lib.metrics.null import blind_selections, border_length, local_fit
from segattr_lib.perturbation import Fill, top_fraction
from segattr_lib.seeds import Draws
from segattr_lib.targets import EPS, Images, Maps, Masks, Score, Target, Values

Null = Callable[[str, float, Fill, Tensor], Tensor]


def tdd(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Values,
) -> Values:
    """Target deletion drop (DEA paper, eq. 3): (s(x) - s(O(x, S_t))) / (|s(x)| + eps).

    S_t is the top-k fraction of the pixels inside the mask, O the fill, base s(x). Higher is better; at
    most 1, without a lower bound.
    """
    return _drop(score, images, top_fraction(maps, _inside(target), k).pixels, _own(maps), fill, base)


def odd(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Values,
    void: Masks | None = None,
) -> Values:
    """Off-target deletion drop (DEA paper, eq. 4): the same as `tdd` with the top-k fraction outside the mask.

    Outside is every pixel not in the mask; those in `void` (the 255 ring, say) are left out where it is
    given. Undefined (NaN) where nothing lies outside.
    """
    return _drop(score, images, top_fraction(maps, _outside(target, void), k).pixels, _own(maps), fill, base)


def odd_exclude(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Values,
    ring: Masks,
) -> Values:
    """`odd` with the ring of ignored pixels (label 255) left out, whatever the run's setting is."""
    return odd(score, images, maps, target, k=k, fill=fill, base=base, void=ring)


def leakage(odd_values: Values, tdd_values: Values) -> Values:
    """LeakAbs, |ODD| / (|TDD| + eps) (DEA paper, 3.3), at least 0; lower is better."""
    return odd_values.abs() / (tdd_values.abs() + EPS)


def signed_leakage(odd_values: Values, tdd_values: Values) -> Values:
    """ODD / (TDD + eps), a diagnostic: which of the two fell, and which rose. Ours."""
    return odd_values / (tdd_values + EPS)


def insertion(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    base: Values,
) -> Values:
    """Insertion gain (DEA paper, 3.3, in words; the formula is ours): (s(blank with S_t) - s(blank)) / (|s(x)| + eps).

    The blank image is the fill everywhere. Higher is better.
    """
    return _gain(score, images, top_fraction(maps, _inside(target), k).pixels, _own(maps), fill, base)


def tied_share(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
) -> Values:
    """The share of S_t whose choice row-major order decided, not the map; in [0,1], lower is better."""
    return top_fraction(maps, _inside(target), k).tied


def border(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
) -> Values:
    """How ragged S_t is: px of border length a selected pixel (see null.border_length), above 0, at most 2.7. Ours."""
    selected = top_fraction(maps, _inside(target), k).pixels
    return border_length(selected) / selected.sum((1, 2))


def chance_tdd(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    null: Null,
) -> Values:
    """The TDD that a blind selection of the size and border length of S_t has. Ours.

    The null's fit at that border length (see `bind_null`). Excess TDD is TDD less this: 0 is chance.
    """
    return null("tdd", k, fill, border_length(top_fraction(maps, _inside(target), k).pixels))


def chance_insertion(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    null: Null,
) -> Values:
    """The insertion gain that a blind selection of the size and border length of S_t has. Ours."""
    return null("insertion", k, fill, border_length(top_fraction(maps, _inside(target), k).pixels))


def chance_odd_abs(
    score: Score,
    images: Images,
    maps: Maps,
    target: Target,
    *,
    k: float = 0.2,
    fill: Fill,
    null: Null,
    void: Masks | None = None,
) -> Values:
    """The |ODD| that a blind selection of the size and border length of S_o has; NaN without an outside. Ours."""
    return null("odd_abs", k, fill, border_length(top_fraction(maps, _outside(target, void), k).pixels))


def bind_null(
    score: Score,
    images: Images,
    target: Target,
    base: Values,
    draws: Draws,
    void: Masks | None = None,
    every: int = 1,
) -> Null:
    """The null of these images, shared by every map of theirs: `null(measure, k, fill, border (B,)) -> (B,)`.

    measure: "tdd", "insertion" or "odd_abs". Blind selections of the target, for "odd_abs" of the outside less `void`,
    are scored when first asked for, 86 passes an image, measure, k and fill, or one in `every`; the answer is the
    local linear fit of what they earn on the logarithm of their border length, at each image's own border length.
    """
    regions = {"tdd": _inside(target), "insertion": _inside(target), "odd_abs": _outside(target, void)}
    selections: dict[tuple[bool, float], tuple[Tensor, Tensor]] = {}  # and the logarithms of their border lengths
    earned: dict[tuple[str, float, str], Tensor] = {}

    def null(measure: str, k: float, fill: Fill, border: Tensor) -> Tensor:
        region, off_target = regions[measure], measure == "odd_abs"
        if (off_target, k) not in selections:
            drawn = draws.on("off target") if off_target else draws
            selected = blind_selections(region, k, drawn, every)
            lengths = border_length(selected.flatten(0, 1)).view(selected.shape[:2]).log()
            selections[off_target, k] = selected, lengths
        selected, lengths = selections[off_target, k]
        if (measure, k, fill.name) not in earned:
            owner = _own(images).repeat_interleave(selected.shape[1])
            measured = _gain if measure == "insertion" else _drop
            values = measured(score, images, selected.flatten(0, 1), owner, fill, base).view(selected.shape[:2])
            earned[measure, k, fill.name] = values.abs() if off_target else values
        return local_fit(lengths, earned[measure, k, fill.name], border.log())

    return null


def _drop(
    score: Score, images: Tensor, selected: Bool[Tensor, "n h w"], owner: Int[Tensor, " n"], fill: Fill, base: Tensor
) -> Float[Tensor, " n"]:
    """The relative drop when what is selected goes, any number of selections an image; NaN where nothing is."""
    left = occluded_scores(score, images, selected, owner, fill)
    before = base[owner]
    return torch.where(selected.any(2).any(1), (before - left) / (before.abs() + EPS), torch.nan)


def _gain(
    score: Score, images: Tensor, selected: Bool[Tensor, "n h w"], owner: Int[Tensor, " n"], fill: Fill, base: Tensor
) -> Float[Tensor, " n"]:
    """The relative gain when what is selected is put back into the blank image."""
    everything = torch.ones((len(images), *images.shape[2:]), dtype=torch.bool, device=images.device)
    blank = occluded_scores(score, images, everything, _own(images), fill)
    shown = occluded_scores(score, images, ~selected, owner, fill)
    return (shown - blank[owner]) / (base[owner].abs() + EPS)


def selected_region(target: Target, name: Region, void: Masks | None = None) -> Masks:
    """The pixels that a metric selects among: the target's mask, or what lies outside of it, less `void`."""
    return _inside(target) if name == "target" else _outside(target, void)


def _inside(target: Target) -> Masks:
    assert target.mask is not None, "deletion in a target needs a mask"
    return target.mask


def _outside(target: Target, void: Tensor | None) -> Masks:
    return ~_inside(target) if void is None else ~_inside(target) & ~void


def _own(maps: Tensor) -> Int[Tensor, " b"]:
    return torch.arange(len(maps), device=maps.device)

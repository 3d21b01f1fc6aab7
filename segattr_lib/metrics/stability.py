"""Does the map stay where it is when the image hardly changes?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segattr_lib.perturbation import perturb
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Score, Target, Values

Explain = Callable[[Tensor, Target, str], Tensor]


def stability_under(kind: str) -> Callable[..., Tensor]:
    """The stability metric of one kind of perturbation (see perturbation.PERTURBATIONS)."""

    def stability(
        score: Score,
        images: Images,
        maps: Maps,
        target: Target,
        *,
        explain: Explain,
        strength: float = 0.03,
        draws: Draws,
    ) -> Values:
        """Pearson correlation of A(x) and A(perturbed x) (DEA paper, 3.3), in [-1,1]; higher is better.

        `explain(images, target, occasion) -> maps` explains again. Under the flip mask and truth flip along and
        the map is flipped back. Undefined (NaN) where either map is constant.
        """
        changed = perturb(images, kind, strength, draws)
        flipped = kind == "flip"
        again = explain(changed, mirrored(target) if flipped else target, kind)
        return pearson(maps, again.flip(2) if flipped else again)

    return stability


stability_noise = stability_under("noise")
stability_brightness = stability_under("brightness")
stability_contrast = stability_under("contrast")
stability_blur = stability_under("blur")
stability_flip = stability_under("flip")


def mean_stability(*kinds: Values) -> Values:
    """The mean over the kinds of perturbation, each counting once (DEA paper, 3.3)."""
    return sum(kinds[1:], kinds[0]) / len(kinds)


def mirrored(target: Target) -> Target:
    """The target of the images flipped left to right: its mask and its truth flip along."""
    mask, truth = (None if part is None else part.flip(2) for part in (target.mask, target.truth))
    return Target(target.class_id, mask, truth)


def pearson(first: Maps, second: Maps) -> Values:
    """Pearson correlation of two maps, pixel by pixel; NaN where one is constant."""
    a, b = first.flatten(1).double(), second.flatten(1).double()
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    constant = (first.amax((1, 2)) == first.amin((1, 2))) | (second.amax((1, 2)) == second.amin((1, 2)))
    product = a.norm(dim=1) * b.norm(dim=1)
    return torch.where(constant, torch.nan, (a * b).sum(1) / product.where(product > 0, 1)).float()

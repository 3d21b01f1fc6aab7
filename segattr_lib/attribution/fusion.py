"""Maps made of maps: Dual-Evidence Attribution of two methods, RefineCAM of one CAM at several layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.attribution.adaptive import adaptive_ria
from segattr_lib.attribution.axiomatic import guided_gradcams
from segattr_lib.attribution.cam import GRADIENT_CAMS, ega, elementwise, gradient_cams
from segattr_lib.attribution.channels import ablationcam, faster_scorecam, scorecam
from segattr_lib.attribution.intervention import ria
from segattr_lib.attribution.maps import normalise
from segattr_lib.registry import unknown
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Scalar, Score, Target


def dea(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    alpha: float = 0.65,
    beta: float = 0.35,
    window: int = 1,
    scalar: Scalar = "probability",
    grid: int = 14,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """Dual-Evidence Attribution (DEA paper, eq. 2) of EGA and RIA; maps in [0,1].

    Costs what its two parts cost; their options mean what they mean there.
    """
    gradient = ega(score, images, target, layer=layer, window=window, scalar=scalar)
    intervention = ria(score, images, target, grid=grid, fill=fill, draws=draws, others=others)
    return dual_evidence(gradient, intervention, alpha=alpha, beta=beta)


def adaptive_dea(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    alpha: float = 0.65,
    beta: float = 0.35,
    window: int = 1,
    scalar: Scalar = "probability",
    budget: int = 49,
    focus: float = 0.6,
    guided: float = 0.0,
    refined: float = 0.0,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """Dual-Evidence Attribution of EGA and adaptive RIA; as `dea`, at a fraction of its passes. Ours."""
    gradient = ega(score, images, target, layer=layer, window=window, scalar=scalar)
    intervention = adaptive_ria(
        score,
        images,
        target,
        budget=budget,
        focus=focus,
        guided=guided,
        refined=refined,
        fill=fill,
        draws=draws,
        others=others,
    )
    return dual_evidence(gradient, intervention, alpha=alpha, beta=beta)


def interaction(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    window: int = 1,
    scalar: Scalar = "probability",
    grid: int = 14,
    fill: str = "mean",
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """N(A_g A_r): where EGA and RIA agree, as a map of its own in [0,1]. Costs what its two parts cost."""
    gradient = ega(score, images, target, layer=layer, window=window, scalar=scalar)
    return agreement(gradient, ria(score, images, target, grid=grid, fill=fill, draws=draws, others=others))


def agreement(gradient: Maps, intervention: Maps) -> Maps:
    """N(A_g A_r) of two maps in [0,1] (DEA paper, 5.2); zeros where they nowhere meet."""
    return normalise(gradient * intervention)


def dual_evidence(
    gradient: Maps,
    intervention: Maps,
    *,
    alpha: float = 0.65,
    beta: float = 0.35,
) -> Maps:
    """N(alpha A_g (1 + beta A_r) + (1 - alpha) A_r) (DEA paper, eq. 2).

    alpha in [0,1] weighs gradient against intervention, beta >= 0 rewards their agreement. Raises
    ValueError outside these ranges.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; expected 0 (interventions alone) to 1 (gradients alone).")
    if beta < 0:
        raise ValueError(f"beta is {beta}; expected 0 (agreement adds nothing) or more.")
    return normalise(alpha * gradient * (1 + beta * intervention) + (1 - alpha) * intervention)


def refinecam(
    score: Score,
    images: Images,
    target: Target,
    *,
    layers: Sequence[str],
    base: str = "gradcam_plus_plus",
    fuse: str = "product",
    scalar: Scalar = "logit",
) -> Maps:
    """RefineCAM (ARCC paper, eq. 7): a CAM's maps at a layer and at every deeper one, fused; maps in [0,1].

    layers: the modules, the explained one and those deeper than it. base: the CAM, of REFINABLE. fuse: product
    (eq. 7), geometric_mean (eq. 8) or inverse_exp_mean (eq. 9). A gradient CAM's maps are of one forward and one
    backward pass whatever the number of layers; others cost what each layer's map does. Raises UserError for a
    base or fuse that is unknown, ValueError without layers.
    """
    if base not in REFINABLE:
        raise unknown("base CAM", base, REFINABLE)
    if not layers:
        raise ValueError("layers is empty; expected the names of one layer or more, such as ['layer1', 'layer4'].")
    return refined(REFINABLE[base](score, images, target, layers=layers, scalar=scalar), fuse)


def refine_gpa(
    score: Score,
    images: Images,
    target: Target,
    *,
    layers: Sequence[str],
    fuse: str = "product",
    scalar: Scalar = "probability",
) -> Maps:
    """RefineCAM of GPA, for a segmenter's region; as `refinecam`. Ours."""
    return refined(GRADIENT_CAMS["gradcam"](score, images, layers, scalar=scalar), fuse)


def refine_ega(
    score: Score,
    images: Images,
    target: Target,
    *,
    layers: Sequence[str],
    window: int = 1,
    fuse: str = "product",
    scalar: Scalar = "probability",
) -> Maps:
    """RefineCAM of EGA, for a segmenter's region; as `refinecam`, with EGA's window at every layer. Ours."""
    return refined(gradient_cams(score, images, layers, partial(elementwise, window=window), scalar=scalar), fuse)


def refined(maps: Sequence[Maps], fuse: str = "product") -> Maps:
    """N of the product or a mean, pixel by pixel, of maps in [0,1]; UserError for an unknown fuse."""
    if fuse not in FUSIONS:
        raise unknown("fuse", fuse, FUSIONS)
    return normalise(FUSIONS[fuse](torch.stack(list(maps))))


def inverse_exp_mean(maps: Float[Tensor, "n b h w"]) -> Maps:
    """1 / ln(mean_i exp(1/a_i)) (ARCC paper, eq. 9), which lies between the least a_i and their harmonic mean.

    In the logarithm nothing overflows, and a pixel is 0 only where an a_i is; written out, float32 already
    loses every a_i below 1/88.
    """
    return 1 / (maps.reciprocal().logsumexp(0) - math.log(len(maps)))


FUSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "product": lambda maps: maps.prod(0),
    "geometric_mean": lambda maps: maps.prod(0) ** (1 / len(maps)),
    "inverse_exp_mean": inverse_exp_mean,
}


def _of_one_pass(cams: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    return lambda score, images, target, *, layers, scalar: cams(score, images, layers, scalar=scalar)


def _layer_by_layer(cam: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
    return lambda score, images, target, *, layers, scalar: [
        cam(score, images, target, layer=layer, scalar=scalar) for layer in layers
    ]


REFINABLE: dict[str, Callable[..., list[Tensor]]] = {
    **{name: _of_one_pass(cams) for name, cams in GRADIENT_CAMS.items()},
    "guided_gradcam": _of_one_pass(guided_gradcams),
    "scorecam": _layer_by_layer(scorecam),
    "faster_scorecam": _layer_by_layer(faster_scorecam),
    "ablationcam": _layer_by_layer(ablationcam),
}

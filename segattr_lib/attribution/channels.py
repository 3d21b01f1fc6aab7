"""CAMs that weigh a channel by what the model says with and without it: forward passes, no gradient."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from segattr_lib.attribution.cam import activations, as_map, weighted
from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.evaluate import evaluate, model_score
from segattr_lib.targets import Images, Maps, Scalar, Score, Target


def scorecam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """Score-CAM (Wang et al. 2020, algorithm 1, without its baseline, which the softmax undoes).

    A channel's weight is the softmax over channels of the score of the image times N(U(a_k)); maps
    N(U(relu(sum_k w_k a_k))) in [0,1]. layer: as in `gradcam`. One pass a channel that is not constant, and one.
    """
    ((activation, _),) = activations(score, images, [layer])
    weights = mask_weights(replace(score, scalar=scalar), images, activation, _living(activation))
    return as_map(weighted(activation, weights), images)


def faster_scorecam(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    scalar: Scalar = "logit",
    share: float = 0.1,
) -> Maps:
    """Score-CAM on the channels of highest spatial variance alone (Li et al. 2020), each image its own.

    share: of the channels, in (0,1]; at least one. Otherwise as `scorecam`, at this share of its passes. Raises
    ValueError for another share.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; expected a fraction of the channels in (0, 1], such as 0.1.")
    ((activation, _),) = activations(score, images, [layer])
    count = max(1, math.floor(share * activation.shape[1] + 0.5))
    liveliest = activation.flatten(2).var(2).topk(count).indices
    chosen = torch.zeros(activation.shape[:2], dtype=torch.bool, device=activation.device).scatter(1, liveliest, True)
    weights = mask_weights(replace(score, scalar=scalar), images, activation, chosen & _living(activation))
    return as_map(weighted(activation, weights), images)


def ablationcam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """Ablation-CAM (Desai and Ramaswamy 2020): N(U(relu(sum_k w_k a_k))), w_k = s - s(channel k set to zero).

    The paper divides w_k by s, which scales a map and no more where s > 0, and would turn it around where a
    logit is negative. layer: as in `gradcam`. One pass a channel that is not zero all over, and two.
    """
    score = replace(score, scalar=scalar)
    ((activation, axis),) = activations(score, images, [layer])
    weights = ablation_weights(score, images, layer, activation, axis)
    return as_map(weighted(activation, weights), images)


def mask_weights(
    score: Score, images: Images, activation: Float[Tensor, "b c _ _"], chosen: Bool[Tensor, "b c"]
) -> Float[Tensor, "b c"]:
    """The softmax, over an image's chosen channels, of the score of the image seen through each; 0 for the rest."""
    images = images.to(activation.device)
    owner, channel = chosen.nonzero(as_tuple=True)
    size = (images.shape[2], images.shape[3])

    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        mine = owner[start:stop]
        masks = normalise(upsample(activation[mine, channel[start:stop]], size))
        return images[mine] * masks[:, None], mine

    scores = evaluate(score, len(owner), perturb).to(activation)
    scores = scores.where(scores.isfinite(), torch.nan)  # a weight of 0 would hide one of minus infinity
    values = torch.full(chosen.shape, -torch.inf, device=activation.device).index_put((owner, channel), scores)
    return torch.where(chosen, values.softmax(1), 0)


def ablation_weights(
    score: Score, images: Images, layer: str, activation: Float[Tensor, "b c _ _"], axis: int
) -> Float[Tensor, "b c"]:
    """s - s(with one channel of the layer set to zero), for every channel; they lie on this axis in the model."""
    images = images.to(activation.device)
    owner, channel = activation.ne(0).flatten(2).any(2).nonzero(as_tuple=True)
    base = model_score(score, images)
    ablated = channel

    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        nonlocal ablated
        ablated = channel[start:stop]
        return images[owner[start:stop]], owner[start:stop]

    def ablate(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        without = output.clone()
        without.movedim(axis, 1)[torch.arange(len(ablated), device=output.device), ablated] = 0
        return without

    handle = score.model.get_submodule(layer).register_forward_hook(ablate)
    try:
        scores = evaluate(score, len(owner), perturb)
    finally:
        handle.remove()
    drops = base[owner] - scores.to(base)
    return torch.zeros_like(activation[..., 0, 0]).index_put((owner, channel), drops.to(activation))


def _living(activation: Float[Tensor, "b c h w"]) -> Bool[Tensor, "b c"]:
    """Channels that are not constant; the others' masks are black whatever the image."""
    return activation.amax((2, 3)) > activation.amin((2, 3))

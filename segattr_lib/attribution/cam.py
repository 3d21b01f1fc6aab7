"""Gradient maps of a feature layer: Seg-Grad-CAM (GPA) and Seg-XRes-CAM (EGA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.evaluate import runtime_of
from segattr_lib.targets import Scalar, Score, Target


def gpa(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    target: Target,
    *,
    layer: str,
    scalar: Scalar = "probability",
) -> Float[Tensor, "b h w"]:
    """Gradient-Pooled Attribution, Seg-Grad-CAM (DEA paper, 3.2): N(U(relu(sum_k mean(g_k) a_k))).

    layer: the name of the module whose activations a_k (B,K,h,w) are weighted; scalar: what the
    gradient g is taken of. Maps in [0,1]. One forward and one backward pass.
    """
    (activation, gradient), *_ = activations_and_gradients(replace(score, scalar=scalar), images, [layer])
    weights = gradient.mean((2, 3), keepdim=True)
    return _map((weights * activation).sum(1), images)


def ega(
    score: Score,
    images: Float[Tensor, "b 3 h w"],
    target: Target,
    *,
    layer: str,
    window: int = 1,
    scalar: Scalar = "probability",
) -> Float[Tensor, "b h w"]:
    """Elementwise Gradient Attribution (DEA paper, 3.2): N(U(relu(sum_k g_k * a_k))).

    window: gradients are averaged over non-overlapping windows of this many feature cells first, as
    Seg-XRes-CAM does; 1 leaves them as they are. Maps in [0,1]. One forward and one backward pass.
    """
    (activation, gradient), *_ = activations_and_gradients(replace(score, scalar=scalar), images, [layer])
    return _map((pool_windows(gradient, window) * activation).sum(1), images)


def pool_windows(values: Float[Tensor, "b c h w"], window: int) -> Float[Tensor, "b c h w"]:
    """The mean over each non-overlapping window, put back in every cell of it; border windows are smaller."""
    if window == 1:
        return values
    pooled = functional.avg_pool2d(values, window, ceil_mode=True)
    spread = pooled.repeat_interleave(window, 2).repeat_interleave(window, 3)
    return spread[:, :, : values.shape[2], : values.shape[3]]


def activations_and_gradients(
    score: Score, images: Float[Tensor, "b 3 h w"], layers: Sequence[str]
) -> list[tuple[Float[Tensor, "b _ _ _"], Float[Tensor, "b _ _ _"]]]:
    """Activations and the score's gradients with respect to them, at any number of layers.

    One forward and one backward pass, whatever the number of layers and images; the backward pass ends
    at the shallowest. Raises ValueError for a layer that is not there or whose output is no tensor.
    """
    runtime = runtime_of(score.model, (images.shape[2], images.shape[3]))
    modules = dict(score.model.named_modules())
    kept: dict[str, Tensor] = {}
    handles = []
    for name in layers:
        if name not in modules:
            raise ValueError(f"The model has no layer {name!r}; its layers are named as in model.named_modules().")
    try:
        for name in layers:
            handles.append(modules[name].register_forward_hook(_keep(name, kept)))
        with torch.enable_grad():
            values = score(runtime.place(images), torch.arange(len(images), device=runtime.device))
            for name in layers:
                if name not in kept:
                    raise ValueError(f"The layer {name!r} takes no part in the forward pass: name another layer.")
            gradients = torch.autograd.grad(values.sum(), [kept[name] for name in layers])
    finally:
        for handle in handles:
            handle.remove()
    return [(kept[name].detach(), gradient) for name, gradient in zip(layers, gradients, strict=True)]


def _keep(name: str, kept: dict[str, Tensor]) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"The layer {name!r} gives {found}; expected a tensor (B,C,h,w): name another layer.")
        kept[name] = output if output.requires_grad else output.requires_grad_()
        return kept[name].clone()  # a later in-place ReLU must not change what was kept

    return hook


def _map(values: Float[Tensor, "b h w"], images: Tensor) -> Float[Tensor, "b h2 w2"]:
    return normalise(upsample(values.relu(), (images.shape[2], images.shape[3])))

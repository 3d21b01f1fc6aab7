"""Gradient CAMs of feature layers, of classifiers and segmenters alike; one pass serves any number of layers.

Of a segmenter's region, Grad-CAM is Seg-Grad-CAM (GPA) and HiResCAM is Seg-XRes-CAM (EGA).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.attribution.maps import normalise, spoilt_by, upsample
from segattr_lib.models.loading import kind_of, some
from segattr_lib.models.runtime import running
from segattr_lib.registry import UserError
from segattr_lib.targets import Images, Maps, Scalar, Score, Target

Weigh = Callable[[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]], Maps]


def gpa(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    scalar: Scalar = "probability",
) -> Maps:
    """Gradient-Pooled Attribution, Seg-Grad-CAM (DEA paper, 3.2): N(U(relu(sum_k mean(g_k) a_k))).

    layer: the name of the module whose activations a_k (B,K,h,w) are weighted; scalar: what the
    gradient g is taken of. Maps in [0,1]. One forward and one backward pass.
    """
    return gradient_cams(score, images, [layer], pooled, scalar=scalar)[0]


def ega(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    window: int = 1,
    scalar: Scalar = "probability",
) -> Maps:
    """Elementwise Gradient Attribution (DEA paper, 3.2): N(U(relu(sum_k g_k * a_k))).

    window: gradients are averaged over non-overlapping windows of this many feature cells first, as
    Seg-XRes-CAM does; 1 leaves them as they are. Maps in [0,1]. One forward and one backward pass.
    """
    return gradient_cams(score, images, [layer], partial(elementwise, window=window), scalar=scalar)[0]


def gradcam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1-2): N(U(relu(sum_k mean(g_k) a_k))).

    layer: the name of the module explained, whose output is (B,K,h,w), or (B,h,w,K) as Swin's; scalar: what
    the gradient g is taken of. Maps in [0,1]. One forward and one backward pass.
    """
    return GRADIENT_CAMS["gradcam"](score, images, [layer], scalar=scalar)[0]


def gradcam_plus_plus(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    scalar: Scalar = "logit",
    epsilon: float = 1e-6,
) -> Maps:
    """Grad-CAM++ (Chattopadhyay et al. 2018, eq. 11, 15 and 19); cost and `layer` as in `gradcam`.

    epsilon is added to the denominator of eq. 19, and is not small beside a shallow layer's squared gradients:
    1e-6 is what the authors of RefineCAM ran, 0 is the equation itself. That is meant for a layer after a
    ReLU; on activations of either sign its denominator can vanish.
    """
    weigh = partial(plus_plus, epsilon=epsilon)
    return gradient_cams(score, images, [layer], weigh, scalar=scalar)[0]


def hirescam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """HiResCAM (Draelos and Carin 2020): N(U(relu(sum_k g_k * a_k))); cost and `layer` as in `gradcam`."""
    return GRADIENT_CAMS["hirescam"](score, images, [layer], scalar=scalar)[0]


def layercam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """LayerCAM (Jiang et al. 2021, eq. 6-7): N(U(relu(sum_k relu(g_k) * a_k))); cost and `layer` as in `gradcam`."""
    return GRADIENT_CAMS["layercam"](score, images, [layer], scalar=scalar)[0]


def shapleycam(score: Score, images: Images, target: Target, *, layer: str, scalar: Scalar = "logit") -> Maps:
    """ShapleyCAM (Cai 2025): Grad-CAM with the weights mean(g_k - (H a)_k / 2), H the Hessian at the layer.

    H a is exact, a second backward pass through the first; where the scalar is piecewise linear in the layer,
    as a ReLU net's logit, it is 0 and the map is Grad-CAM's. `layer` as in `gradcam`.
    """
    return GRADIENT_CAMS["shapleycam"](score, images, [layer], scalar=scalar)[0]


def gradient_cams(
    score: Score,
    images: Images,
    layers: Sequence[str],
    weigh: Weigh,
    *,
    scalar: Scalar,
    curved: bool = False,
) -> list[Maps]:
    """One CAM's maps N(U(relu(weigh(a, g)))) at any number of layers, of one forward and one backward pass.

    curved: the gradients are corrected by the curvature, which takes one more backward pass a layer.
    """
    evidence = activations_and_gradients(replace(score, scalar=scalar), images, layers, curved=curved)
    return [
        spoilt_by(as_map(weigh(activation, gradient), images), activation, gradient)
        for activation, gradient in evidence
    ]


def pooled(activation: Float[Tensor, "b c h w"], gradient: Float[Tensor, "b c h w"]) -> Maps:
    """sum_k mean(g_k) a_k."""
    return weighted(activation, gradient.mean((2, 3)))


def plus_plus(activation: Float[Tensor, "b c h w"], gradient: Float[Tensor, "b c h w"], epsilon: float = 1e-6) -> Maps:
    """sum_k sum(alpha_k relu(g_k)) a_k, with alpha = g^2 / (2 g^2 + g^3 sum(a) + epsilon)."""
    total = activation.sum((2, 3), keepdim=True)
    rising = gradient > 0  # the others' weights are 0; alpha is divided by g^2, which may underflow
    slope = gradient.where(rising, 1)
    bottom = 2 + slope * total + epsilon / slope / slope
    share = torch.where(rising & (bottom != 0), slope / bottom, 0)
    return weighted(activation, share.sum((2, 3)))


def elementwise(activation: Float[Tensor, "b c h w"], gradient: Float[Tensor, "b c h w"], window: int = 1) -> Maps:
    """sum_k g_k * a_k, the gradients pooled over windows first."""
    return (pool_windows(gradient, window) * activation).sum(1)


def positive(activation: Float[Tensor, "b c h w"], gradient: Float[Tensor, "b c h w"]) -> Maps:
    """sum_k relu(g_k) * a_k."""
    return (gradient.relu() * activation).sum(1)


def weighted(activation: Float[Tensor, "b c h w"], weights: Float[Tensor, "b c"]) -> Maps:
    """sum_k w_k a_k."""
    return (weights[:, :, None, None] * activation).sum(1)


GRADIENT_CAMS: dict[str, Callable[..., list[Tensor]]] = {  # f(score, images, layers, scalar=) -> a map a layer
    "gradcam": partial(gradient_cams, weigh=pooled),
    "gradcam_plus_plus": partial(gradient_cams, weigh=plus_plus),
    "hirescam": partial(gradient_cams, weigh=elementwise),
    "layercam": partial(gradient_cams, weigh=positive),
    "shapleycam": partial(gradient_cams, weigh=pooled, curved=True),
}


def pool_windows(values: Float[Tensor, "b c h w"], window: int) -> Float[Tensor, "b c h w"]:
    """The mean over each non-overlapping window, put back in every cell of it; border windows are smaller."""
    if window == 1:
        return values
    pooled = functional.avg_pool2d(values, window, ceil_mode=True)
    spread = pooled.repeat_interleave(window, 2).repeat_interleave(window, 3)
    return spread[:, :, : values.shape[2], : values.shape[3]]


def activations_and_gradients(
    score: Score, images: Images, layers: Sequence[str], *, curved: bool = False
) -> list[tuple[Float[Tensor, "b _ _ _"], Float[Tensor, "b _ _ _"]]]:
    """Activations (B,K,h,w) and the score's gradients with respect to them, at any number of layers.

    One forward and one backward pass, whatever the number of layers and images; the backward pass ends
    at the shallowest. curved: g - H a / 2 in the gradient's place, at one more backward pass a layer. Raises
    ValueError for a layer that is not there, takes no part, runs several times or gives no feature map; UserError
    for one on which the score does not depend: it lies beside the path to the answer, or before a detach.
    """
    with running(score.model, (images.shape[2], images.shape[3])) as runtime:
        pixels, owner = runtime.place(images), torch.arange(len(images), device=runtime.device)
        with kept_outputs(score.model, layers) as kept, torch.enable_grad():
            values = score(pixels, owner)
            outputs = [kept[name] for name in layers]
            slopes = _slopes(values, outputs, create_graph=curved)
            lost = [name for name, slope in zip(layers, slopes, strict=True) if slope is None]
            if curved and not lost:
                slopes = [g - _times_hessian(a, g) / 2 for a, g in zip(outputs, slopes, strict=True)]
        if lost:
            reached = _reached(score, pixels, owner)
            remedy = f"name another layer, such as {some(reached)}" if reached else "so does every other layer"
            raise UserError(
                f"The score does not depend on the layer {lost[0]!r}, which lies beside the path to the answer, or "
                f"before a detach or no_grad; {remedy}."
            )
        axes = [channel_axis(score.model, name, kept[name].shape, images) for name in layers]
    return [
        (_spread(kept[name], axis), _spread(slope, axis))
        for name, slope, axis in zip(layers, slopes, axes, strict=True)
    ]


def activations(score: Score, images: Images, layers: Sequence[str]) -> list[tuple[Float[Tensor, "b _ _ _"], int]]:
    """Activations (B,K,h,w) alone, of one forward pass, each with the axis its channels lie on in the model.

    Errors as `activations_and_gradients`.
    """
    with running(score.model, (images.shape[2], images.shape[3])) as runtime:
        with kept_outputs(score.model, layers) as kept, torch.no_grad():
            score.model(runtime.place(images))
        axes = [channel_axis(score.model, name, kept[name].shape, images) for name in layers]
    return [(_spread(kept[name], axis), axis) for name, axis in zip(layers, axes, strict=True)]


@contextmanager
def kept_outputs(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What these layers give inside the block, by name, ready to be differentiated by.

    A layer that the forward pass never runs raises ValueError when its output is asked for, one that does not
    exist at once, one that gives no feature map, or runs a second time, when it runs.
    """
    modules = dict(model.named_modules(remove_duplicate=False))  # a shared layer has several names
    for name in layers:
        if name not in modules:
            raise ValueError(f"The model has no layer {name!r}; its layers are named as in model.named_modules().")
    kept = _Outputs()
    handles = [modules[name].register_forward_hook(_keep(name, kept)) for name in layers]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def channel_axis(model: nn.Module, layer: str, shape: Sequence[int], images: Images) -> int:
    """1 where a layer's output of this shape is (B,K,h,w), 3 where it is (B,h,w,K), as Swin's.

    The axes of space have the image's aspect, give or take the rounding of a stride. Where both readings have (K = h
    = w, or 3 x 4 x 5 of an image of 97 x 130 px), one pass over an image of twice the height shows which axes grow.
    A model that takes no such image has PyTorch's own order, (B,K,h,w), unless the two fit equally well: then raises
    ValueError.
    """
    height, width = images.shape[2:]
    first = abs(shape[2] * width - shape[3] * height)
    last = abs(shape[1] * width - shape[2] * height)
    rounded = _of_one_stride(shape[2:4], images) and _of_one_stride(shape[1:3], images)
    if first != last and (min(first, last) == 0 or not rounded):
        return 1 if first < last else 3
    try:
        with running(model, (height, width)) as runtime, kept_outputs(model, [layer]) as kept, torch.no_grad():
            model(runtime.place(images.new_zeros(1, 3, 2 * height, width)))
    except Exception as error:  # whatever a user's own forward pass says to another size
        if first != last:
            return 1
        raise ValueError(
            f"The layer {layer!r} gives {tuple(shape)} for images of {height} x {width} px, of which the axis of "
            f"channels cannot be told, and the model takes no other size: explain images of another size."
        ) from error
    return 1 if kept[layer].shape[1] == shape[1] else 3


def _of_one_stride(shape: Sequence[int], images: Images) -> bool:
    """Can one stride bring the image to this height and width, each rounded up or down?"""
    least = max(side / (cells + 1) for side, cells in zip(images.shape[2:], shape, strict=True))
    most = min(side / (cells - 1) if cells > 1 else side for side, cells in zip(images.shape[2:], shape, strict=True))
    return least < most


class _Outputs(dict[str, Tensor]):
    def __missing__(self, name: str) -> Tensor:
        raise ValueError(f"The layer {name!r} takes no part in the forward pass: name another layer.")


def _slopes(values: Tensor, outputs: Sequence[Tensor], create_graph: bool) -> list[Any]:
    """The gradients of the values' sum, None where there is none."""
    if not values.requires_grad:
        return [None for _ in outputs]
    return list(torch.autograd.grad(values.sum(), outputs, create_graph=create_graph, allow_unused=True))


def _reached(score: Score, pixels: Tensor, owner: Tensor) -> list[str]:
    """The layers with a map of features on which the score depends, in the order in which they are done."""
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            if not isinstance(output, Tensor) or output.dim() != 4 or not output.is_floating_point():
                return None
            return _differentiable(name, kept, output)

        return hook

    handles = [part.register_forward_hook(keep(name)) for name, part in score.model.named_modules() if name]
    try:
        with torch.enable_grad():
            slopes = _slopes(score(pixels, owner), list(kept.values()), create_graph=False)
    finally:
        for handle in handles:
            handle.remove()
    pairs = zip(kept.items(), slopes, strict=True)
    return [name for (name, output), slope in pairs if slope is not None and 1 < output.shape[2] < pixels.shape[2]]


def _spread(values: Tensor, axis: int) -> Tensor:
    """Apart from its graph, channels first, in float32 at least."""
    values = values.detach().movedim(axis, 1)
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _times_hessian(activation: Tensor, gradient: Tensor) -> Tensor:
    """H a: the derivative of the gradient along the activation itself."""
    if not gradient.requires_grad:  # the score is linear in this layer
        return torch.zeros_like(gradient)
    along = (gradient * activation.detach()).sum()
    return torch.autograd.grad(along, activation, retain_graph=True, materialize_grads=True)[0]


def _keep(name: str, kept: dict[str, Tensor]) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4 or not output.is_floating_point():
            raise ValueError(
                f"The layer {name!r} gives {kind_of(output)}; expected a tensor (B,C,h,w) of floating point: name "
                f"another layer."
            )
        if name in kept:
            raise ValueError(
                f"The layer {name!r} runs more than once in a forward pass, and has an output each time: name "
                f"another layer."
            )
        return _differentiable(name, kept, output)

    return hook


def _differentiable(name: str, kept: dict[str, Tensor], output: Tensor) -> Tensor:
    """Keep what a layer gives, ready to be differentiated by; the copy that goes on in its place.

    A backbone that runs under no_grad may be explained at its last layer: what follows depends on the copy.
    """
    kept[name] = output if output.requires_grad else output.detach().requires_grad_()
    with torch.enable_grad():
        return kept[name].clone()  # a later in-place ReLU must not change what was kept


def as_map(values: Maps, images: Tensor) -> Float[Tensor, "b h2 w2"]:
    """N(U(relu(values)))."""
    return spoilt_by(normalise(upsample(values.relu(), (images.shape[2], images.shape[3]))), values)

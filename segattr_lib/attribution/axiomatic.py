"""Pixel attributions: gradients along paths and among noisy copies, rules for backward passes, models of superpixels,
sliding windows; through captum where it does it well."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnLasso
from captum.attr import DeepLift, GuidedBackprop, InputXGradient, IntegratedGradients, KernelShap, Lime
from jaxtyping import Bool, Float, Int
from skimage.segmentation import slic
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.attribution.cam import activations_and_gradients, pooled
from segattr_lib.attribution.maps import normalise, spoilt_by, upsample
from segattr_lib.evaluate import evaluate, model_score, occluded_scores
from segattr_lib.models.lending import copied
from segattr_lib.models.runtime import running
from segattr_lib.perturbation import Fill, bind_fill
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Maps, Scalar, Score, Target

Sign = Literal["absolute", "positive"]
PATCHES = 7  # a side, a CAM's grain


def input_x_gradient(
    score: Score,
    images: Images,
    target: Target,
    *,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """The image times the gradient at it (Shrikumar et al. 2016), as a map in [0,1] (see `colour_map`).

    scalar: what the gradient is taken of. One forward and one backward pass.
    """
    with _placed(score, images) as (pixels, owner, _):
        values = InputXGradient(replace(score, scalar=scalar)).attribute(pixels, additional_forward_args=owner)
    return colour_map(values, sign)


def integrated_gradients(
    score: Score,
    images: Images,
    target: Target,
    *,
    steps: int = 50,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """Integrated Gradients (Sundararajan et al. 2017) from black, as a map in [0,1] (see `colour_map`).

    steps: points of the Gauss-Legendre rule, a forward and a backward pass each.
    """
    return colour_map(integrated(replace(score, scalar=scalar), images, steps), sign)


def deeplift(
    score: Score,
    images: Images,
    target: Target,
    *,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """DeepLIFT's rescale rule (Shrikumar et al. 2017) from black, as a map in [0,1] (see `colour_map`).

    captum has the rule for ReLU, its like and max pooling; through other activations (GELU, ReLU6) it takes the
    plain gradient. A forward and a backward pass of image and baseline, and one forward pass.
    """
    return colour_map(rescaled(replace(score, scalar=scalar), images), sign)


def vargrad(
    score: Score,
    images: Images,
    target: Target,
    *,
    draws: Draws,
    samples: int = 50,
    noise: float = 0.15,
    scalar: Scalar = "logit",
) -> Maps:
    """VarGrad (Adebayo et al. 2018): the variance of the gradient among noisy copies of the image, a map in [0,1].

    samples: copies, a forward and a backward pass each. noise: its standard deviation in RGB, Gaussian, drawn per
    sample, not clamped. The variances of the colours are summed, N. Raises ValueError for fewer than 2 samples.
    """
    if samples < 2:
        raise ValueError(f"samples is {samples}; a variance needs 2 noisy copies or more.")
    return normalise(gradient_variance(replace(score, scalar=scalar), images, draws, samples, noise).sum(1))


def occlusion(
    score: Score,
    images: Images,
    target: Target,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: str = "mean",
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
    draws: Draws | None = None,
    others: Images | None = None,
) -> Maps:
    """Occlusion (Zeiler and Fergus 2014): a square slides over the image; a pixel's value is the mean fall of the
    score over the squares that cover it. A map in [0,1] (see `colour_map`).

    patch: px a side, a seventh of the shorter side when left out; stride: px, half a patch when left out. The last
    squares hang over the border. One pass a square, and one. Raises ValueError for a patch larger than the image,
    a stride larger than the patch, which would leave pixels out, and a fill as `bind_fill` does.
    """
    shorter = min(images.shape[2:])
    patch = max(1, shorter // PATCHES) if patch is None else patch
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= stride <= patch <= shorter:
        raise ValueError(
            f"patch is {patch} and stride {stride}; expected 1 <= stride <= patch <= {shorter}, the image's side in px."
        )
    operator = bind_fill(fill, images, draws, others)
    return colour_map(sliding_drops(replace(score, scalar=scalar), images, patch, stride, operator)[:, None], sign)


def lime(
    score: Score,
    images: Images,
    target: Target,
    *,
    draws: Draws,
    samples: int = 200,
    segments: int = 100,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """LIME (Ribeiro et al. 2016) on SLIC superpixels with captum's defaults, as a map in [0,1] (see `colour_map`).

    samples: images in which each superpixel is black with probability 1/2, one pass each, weighed by the cosine
    distance to the image; a lasso of penalty .01 is fitted. segments: about how many superpixels.
    """
    return colour_map(surrogate(Lime, replace(score, scalar=scalar), images, draws, samples, segments), sign)


def kernel_shap(
    score: Score,
    images: Images,
    target: Target,
    *,
    draws: Draws,
    samples: int = 200,
    segments: int = 100,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """KernelSHAP (Lundberg and Lee 2017) on SLIC superpixels, as a map in [0,1] (see `colour_map`).

    samples: images with some superpixels black, drawn by the Shapley kernel, one pass each. segments: about how
    many superpixels.
    """
    return colour_map(surrogate(KernelShap, replace(score, scalar=scalar), images, draws, samples, segments), sign)


def guided_gradcam(
    score: Score,
    images: Images,
    target: Target,
    *,
    layer: str,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> Maps:
    """Guided Grad-CAM (Selvaraju et al. 2017, 3.2): guided backpropagation times U(relu(Grad-CAM)) of the layer.

    Guided backpropagation knows nn.ReLU alone: on a net without one it is the plain gradient. A map in [0,1] (see
    `colour_map`). Two forward and two backward passes.
    """
    return guided_gradcams(score, images, [layer], scalar=scalar, sign=sign)[0]


def guided_gradcams(
    score: Score,
    images: Images,
    layers: Sequence[str],
    *,
    scalar: Scalar = "logit",
    sign: Sign = "absolute",
) -> list[Maps]:
    """Guided Grad-CAM at any number of layers, of the same two forward and backward passes."""
    score = replace(score, scalar=scalar)
    guided = guided_gradient(score, images)
    size = (images.shape[2], images.shape[3])
    maps = []
    for activation, gradient in activations_and_gradients(score, images, layers):
        cam = upsample(pooled(activation, gradient).relu(), size)
        maps.append(spoilt_by(colour_map(guided * cam[:, None], sign), activation, gradient, guided))
    return maps


def colour_map(values: Float[Tensor, "b c h w"], sign: Sign = "absolute") -> Maps:
    """A map in [0,1] of signed attributions to colours: their sum, its absolute value, N.

    sign="positive" keeps the positive part instead of the absolute value.
    """
    total = values.sum(1)
    return spoilt_by(normalise(total.abs() if sign == "absolute" else total.relu()), values)


def integrated(score: Score, images: Images, steps: int) -> Images:
    """Integrated Gradients from black, signed: they sum to s(x) - s(black) as the steps grow."""
    with _placed(score, images) as (pixels, owner, batch_size):
        at_once = max(len(images), batch_size)
        return (
            IntegratedGradients(score)
            .attribute(pixels, 0, additional_forward_args=owner, n_steps=steps, internal_batch_size=at_once)
            .to(pixels)
        )


def rescaled(score: Score, images: Images) -> Images:
    """DeepLIFT from black, signed: they sum to s(x) - s(black) where all that is not linear has the rule."""
    with _placed(score, images) as (pixels, owner, _):
        return DeepLift(_Scored(score, pixels)).attribute(pixels, 0, additional_forward_args=owner)


def guided_gradient(score: Score, images: Images) -> Images:
    """Guided backpropagation (Springenberg et al. 2015): the gradient with every ReLU letting rising ones pass."""
    with _placed(score, images) as (pixels, owner, _):
        return GuidedBackprop(_Scored(score, pixels)).attribute(pixels, additional_forward_args=owner)


def gradient_variance(score: Score, images: Images, draws: Draws, samples: int, noise: float) -> Images:
    """The variance of the gradient among noisy copies of each image, whose noise is the same in any batch."""
    sources = draws.generators("vargrad")
    with _placed(score, images) as (pixels, _, at_once):
        total, squares = (torch.zeros_like(pixels, dtype=torch.float64) for _ in range(2))
        for start in range(0, len(pixels) * samples, at_once):
            owner = torch.arange(start, min(start + at_once, len(pixels) * samples)) // samples
            drawn = [sources[row].standard_normal(tuple(pixels.shape[1:]), np.float32) for row in owner.tolist()]
            owner = owner.to(pixels.device)
            copies = (pixels[owner] + noise * torch.from_numpy(np.stack(drawn)).to(pixels)).requires_grad_()
            (gradient,) = torch.autograd.grad(score(copies, owner).sum(), copies)
            total.index_add_(0, owner, gradient.double())
            squares.index_add_(0, owner, gradient.double() ** 2)
    return (squares / samples - (total / samples) ** 2).clamp_min(0).to(pixels)


def sliding_drops(score: Score, images: Images, patch: int, stride: int, fill: Fill) -> Maps:
    """The mean, over the squares that cover a pixel, of s(x) - s(x with the square filled); signed."""
    rows, columns = (_covered(size, patch, stride).to(images.device) for size in images.shape[2:])
    squares = len(rows) * len(columns)

    index = torch.arange(len(images) * squares, device=images.device)

    def square(start: int, stop: int) -> Bool[Tensor, "n h w"]:
        number = index[start:stop] % squares
        return rows[number // len(columns), :, None] & columns[number % len(columns), None]

    base = model_score(score, images)
    left = occluded_scores(score, images, square, index // squares, fill).view(len(images), len(rows), len(columns))
    drops = (base[:, None, None] - left).to(images)
    high, wide = rows.to(images), columns.to(images)
    return high.T @ drops @ wide / (high.sum(0)[:, None] * wide.sum(0))


def _covered(size: int, patch: int, stride: int) -> Bool[Tensor, "n size"]:
    """What of a side each place of the patch covers, the last of them cut off at its end."""
    begins = stride * torch.arange(-(-(size - patch) // stride) + 1)[:, None]
    place = torch.arange(size)
    return (begins <= place) & (place < begins + patch)


def surrogate(explainer: type[Lime], score: Score, images: Images, draws: Draws, samples: int, segments: int) -> Images:
    """The signed weights of a linear model of superpixels, each image with draws of its own.

    The coalitions are drawn on the CPU, the same for every device; torch's own generators are left as they were.
    """
    attributions = []
    # with fewer samples than superpixels a lasso takes more than scikit-learn's 1000 rounds, which are milliseconds
    fit = {} if explainer is KernelShap else {"interpretable_model": SkLearnLasso(alpha=0.01, max_iter=100_000)}
    for row, rng in enumerate(draws.generators(explainer.__name__)):
        image = images[[row]].detach().cpu()
        regions = superpixels(image[0], segments)
        if not regions.any():  # SLIC found one superpixel: there is nothing to tell apart
            attributions.append(torch.zeros_like(image))
            continue

        scores: list[Tensor] = []

        def ask(perturbed: Tensor, row: int = row, scores: list[Tensor] = scores) -> Tensor:
            owner = torch.full((len(perturbed),), row)
            scores.append(evaluate(score, len(perturbed), lambda a, b: (perturbed[a:b], owner[a:b])).cpu())
            return scores[-1].nan_to_num(0, 0, 0)  # scikit-learn fits no others; the map is NaN then

        with torch.random.fork_rng(devices=[]), _placed(score, images) as (_, _, at_once):
            torch.manual_seed(int(rng.integers(2**63)))
            values = explainer(ask, **fit).attribute(
                image, 0, feature_mask=regions[None, None], n_samples=samples, perturbations_per_eval=at_once
            )
        values = values.where(torch.cat(scores).isfinite().all(), torch.nan)
        attributions.append(values.expand_as(image))
    return torch.cat(attributions).to(images)


def superpixels(image: Float[Tensor, "3 h w"], segments: int) -> Int[Tensor, "h w"]:
    """SLIC's superpixels of an image, about this many, numbered from 0."""
    pixels = image.permute(1, 2, 0).cpu().numpy()
    return torch.from_numpy(slic(pixels, n_segments=segments, start_label=0, channel_axis=-1))


class _Scored(nn.Module):
    """A Score as the module captum hooks: a copy of its model, sharing the weights, that captum can follow.

    An activation called several times, as in torchvision's residual blocks, is several modules. Each gives a
    tensor of its own, since captum, hooking the tensor between a ReLU and the pooling after it for both, would
    tell the ReLU the gradient before the pooling's rule has changed it. The windows of an overlapping max
    pooling are pooled apart, since captum keeps one window's share of a pixel and no other's.
    """

    def __init__(self, score: Score, images: Images):
        super().__init__()
        shared = [*score.model.parameters(), *score.model.buffers()]
        self.model = copied(score.model, "DeepLIFT or guided backpropagation", shared)
        calls = _calls(self.model, images[:1])
        for name, module in list(self.model.named_modules(remove_duplicate=False)):
            if module in calls:
                plain = isinstance(module, nn.MaxPool2d) and module.dilation == 1 and not module.ceil_mode
                apart = _Windows(module) if plain else module
                self.model.set_submodule(name, _InTurn(apart, calls[module]))
        self.score = replace(score, model=self.model)

    def forward(self, images: Tensor, owner: Tensor) -> Tensor:
        return self.score(images, owner)


class _InTurn(nn.Module):
    """Copies of a module without weights, called one after the other."""

    def __init__(self, module: nn.Module, calls: int):
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(module) for _ in range(calls))
        self.called = 0

    def forward(self, inputs: Tensor) -> Tensor:
        module = self.copies[self.called % len(self.copies)]
        self.called += 1
        return module(inputs).clone()


class _Windows(nn.Module):
    """A max pooling as one of its windows laid side by side, none of which shares a pixel with another."""

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        sizes = (pool.kernel_size, pool.stride, pool.padding)
        self.kernel, self.stride, self.padding = (size if isinstance(size, tuple) else (size, size) for size in sizes)
        self.pool = nn.MaxPool2d(self.kernel)

    def forward(self, inputs: Tensor) -> Tensor:
        (rows, columns), (down, right), (above, left) = self.kernel, self.stride, self.padding
        padded = functional.pad(inputs, (left, left, above, above), value=torch.finfo(inputs.dtype).min)
        windows = padded.unfold(2, rows, down).unfold(3, columns, right)  # (B,K,h,w,rows,columns)
        return self.pool(windows.transpose(3, 4).flatten(4, 5).flatten(2, 3))


def _calls(model: nn.Module, image: Float[Tensor, "1 3 h w"]) -> dict[nn.Module, int]:
    """How often a forward pass calls each module that has neither weights nor parts."""
    calls: dict[nn.Module, int] = {}

    def count(module: nn.Module, _inputs: Any, _output: Any) -> None:
        calls[module] = calls.get(module, 0) + 1

    leaves = [part for part in model.modules() if not list(part.children()) and not list(part.parameters())]
    handles = [part.register_forward_hook(count) for part in leaves]
    try:
        with torch.no_grad():
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@contextmanager
def _placed(score: Score, images: Images) -> Iterator[tuple[Images, Int[Tensor, " b"], int]]:
    """The images where the model is, of which captum may ask gradients, their owners, and how many the model takes
    at once; for a block that runs the model. captum says with every call that it sets hooks and asks for gradients.
    """
    with running(score.model, (images.shape[2], images.shape[3])) as runtime, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward|backward)|Input Tensor .* did not already require")
        yield runtime.place(images).detach(), torch.arange(len(images), device=runtime.device), runtime.batch_size

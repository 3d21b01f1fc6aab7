"""The seam: which class and region is explained, and which scalar stands for it.

Attribution methods and metrics see a model only through a Score; neither imports the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from segattr_lib.registry import Scalar

EPS = 1e-8
Images = Float[Tensor, "b 3 h w"]  # RGB in [0,1]
Maps = Float[Tensor, "b h w"]  # in [0,1]
Masks = Bool[Tensor, "b h w"]
Values = Float[Tensor, " b"]


@dataclass(frozen=True)
class Target:
    """What is explained: a class an image, and the region it is explained in.

    class_id: (B,) long. mask: (B,H,W) bool, the region whose prediction is explained, or None for a
    classifier. truth: (B,H,W) bool, the pixels where the evidence is known to lie, for metrics and controls
    that compare with it; of a segmenter's target it is the mask.
    """

    class_id: Int[Tensor, " b"]
    mask: Bool[Tensor, "b h w"] | None = None
    truth: Bool[Tensor, "b h w"] | None = None

    def __post_init__(self) -> None:
        if self.truth is None:
            object.__setattr__(self, "truth", self.mask)

    def __getitem__(self, index: Tensor | slice | list[int]) -> Target:
        mask, truth = (None if part is None else part[index] for part in (self.mask, self.truth))
        return Target(self.class_id[index], mask, truth)

    def to(self, device: torch.device | str) -> Target:
        mask, truth = (None if part is None else part.to(device) for part in (self.mask, self.truth))
        return Target(self.class_id.to(device), mask, truth)


@dataclass(frozen=True, eq=False)
class Score:
    """`score(images (N,3,H,W), owner (N,) long) -> (N,)`: the scalar of every image's target.

    `owner[n]` says which of the B targets image n belongs to, so that perturbed copies of many images
    share one batch. In float32 also where the model answers in half precision. Differentiable, with a gradient of NaN
    where a value is not finite; the module is at `score.model`, for methods that hook its layers.
    """

    model: nn.Module
    target: Target
    scalar: Scalar = "probability"

    def __call__(self, images: Float[Tensor, "n 3 h w"], owner: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        output = self.model(images)
        values = self.of(output, owner)
        lost = ~values.detach().isfinite()
        if output.requires_grad and bool(lost.any()):  # the clamp and the comparison below have a gradient of 0 there
            output.register_hook(lambda slope: slope.masked_fill(lost.view(-1, *[1] * (slope.dim() - 1)), torch.nan))
        return values

    def of(self, output: Tensor, owner: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The scalar of every image whose logits the model has given."""
        if self.target.mask is None:
            class_ids = self.target.class_id[owner]
            logits = output.to(torch.promote_types(output.dtype, torch.float32))  # of autocast, three digits
            values = logits if self.scalar == "logit" else logits.softmax(1)
            return values.gather(1, class_ids[:, None])[:, 0]
        # A softmax over the whole image costs a fifth of a forward pass: only the region's pixels need it.
        pixels = output.flatten(2)
        result = output.new_empty(len(output), dtype=torch.float32)
        for row in owner.unique().tolist():
            mine = (owner == row).nonzero()[:, 0]
            inside = self.target.mask[row].flatten().nonzero()[:, 0]
            logits = _columns(pixels if len(mine) == len(output) else pixels[mine], inside).float()
            class_id = int(self.target.class_id[row])
            wanted = logits[..., class_id : class_id + 1]
            values = wanted[..., 0] if self.scalar == "logit" else _probability(logits, wanted)
            result = result.index_put((mine,), values.sum(1) / (len(inside) + EPS))
        return result


def _columns(pixels: Float[Tensor, "n c q"], inside: Int[Tensor, " p"]) -> Float[Tensor, "n p c"]:
    """The logits of some pixels; each memory format has a way that is up to ten times faster than the other's."""
    if pixels.stride(1) == 1:  # channels last
        return pixels.transpose(1, 2).index_select(1, inside)
    return pixels.gather(2, inside.expand(*pixels.shape[:2], -1)).transpose(1, 2)


def _probability(logits: Float[Tensor, "n p c"], wanted: Float[Tensor, "n p 1"]) -> Float[Tensor, "n p"]:
    """The softmax of one class alone, in half the time of all; NaN where a logit is NaN or infinitely high.

    80 keeps exp finite, and a class ruled out by a logit of minus infinity has probability 0.
    """
    values = 1 / (logits - wanted.clamp_min(-1e30)).clamp_max(80).exp().sum(-1)
    if bool((values < 1e-34).any()):  # exp(-80), under which an infinite logit would hide
        values = values.where(~logits.isposinf().any(-1), torch.nan)
    return values


def bind(model: nn.Module, target: Target, scalar: Scalar = "probability") -> Score:
    """The Score of a model and target.

    scalar "probability" (the default, and what every metric uses): eq. 1 of the DEA paper, the mean
    softmax probability of the class over the mask, in [0,1]; without a mask the class probability.
    "logit": the mean logit instead, as Seg-Grad-CAM had it. Raises ValueError for another scalar.
    """
    if scalar not in ("probability", "logit"):
        raise ValueError(f"scalar is {scalar!r}; expected 'probability' or 'logit'.")
    return Score(model, target, scalar)

"""The one place that runs a Score over many images: in batches, without gradients, as the model runs fastest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.models.engine import forward_of
from segattr_lib.models.runtime import autocast, is_prepared, running
from segattr_lib.perturbation import Fill, occlude
from segattr_lib.targets import Images, Score, Values

Perturb = Callable[[int, int], tuple[Float[Tensor, "n 3 h w"], Int[Tensor, " n"]]]
Selected = Bool[Tensor, "n h w"] | Callable[[int, int], Bool[Tensor, "m h w"]]


def evaluate(score: Score, count: int, perturb: Perturb) -> Float[Tensor, " n"]:
    """The score of `count` images that `perturb(start, stop)` makes when they are needed.

    Only one batch of images exists at a time, whatever the count. Nothing is differentiated.
    """
    if not count:
        return torch.zeros(0)
    shape = (224, 224)
    if not is_prepared(score.model):
        first = perturb(0, 1)[0]
        shape = (first.shape[2], first.shape[3])
    values: list[Tensor] = []
    with running(score.model, shape) as runtime, torch.no_grad(), autocast(runtime):
        forward = forward_of(score.model, runtime.engine)
        batches = -(-count // runtime.batch_size)
        for number in range(batches):  # of nearly one size: a small last batch would cost more an image
            images, owner = perturb(number * count // batches, (number + 1) * count // batches)
            values.append(score.of(forward(runtime.place(images)), owner.to(runtime.device)).float())
    return torch.cat(values)


def model_score(score: Score, images: Images) -> Values:
    """s(x) of every image, under its own target."""
    owner = torch.arange(len(images), device=images.device)
    return evaluate(score, len(images), lambda start, stop: (images[start:stop], owner[start:stop]))


def occluded_scores(
    score: Score, images: Images, selected: Selected, owner: Int[Tensor, " n"], fill: Fill
) -> Float[Tensor, " n"]:
    """The score of image owner[n] with the pixels of selection n filled, for every n.

    selected: (N,H,W) bool, or a function of start and stop that makes such a slice of it when it is needed.
    """

    def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
        where = selected[start:stop] if isinstance(selected, Tensor) else selected(start, stop)
        return occlude(images, where, owner[start:stop], fill), owner[start:stop]

    return evaluate(score, len(owner), perturb)

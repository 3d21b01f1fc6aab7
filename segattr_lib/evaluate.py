"""The one place that runs a Score over many images: in batches, without gradients, as the model runs fastest."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from segattr_lib.models.engine import forward_of
from segattr_lib.models.runtime import autocast, halved, is_prepared, out_of_memory, running
from segattr_lib.perturbation import Fill, occlude
from segattr_lib.targets import Images, Score, Values

Perturb = Callable[[int, int], tuple[Float[Tensor, "n 3 h w"], Int[Tensor, " n"]]]
Selected = Bool[Tensor, "n h w"] | Callable[[int, int], Bool[Tensor, "m h w"]]


def evaluate(score: Score, count: int, perturb: Perturb) -> Float[Tensor, " n"]:
    """The score of `count` images that `perturb(start, stop)` makes when they are needed.

    Only one batch of images exists at a time, whatever the count; where memory ends, the model goes on with batches of
    half the size. Nothing is differentiated.
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
        done = 0
        while done < count:
            batches = -(-(count - done) // runtime.batch_size)
            stop = done + (count - done) // batches  # of nearly one size: a small last batch would cost more an image
            try:
                images, owner = perturb(done, stop)
                values.append(score.of(forward(runtime.place(images)), owner.to(runtime.device)).float())
            except Exception as error:
                if stop - done == 1 or not out_of_memory(error):
                    raise
                runtime = halved(score.model, stop - done)
                continue
            done = stop
    return torch.cat(values)


def model_score(score: Score, images: Images) -> Values:
    """s(x) of every image, under its own target."""
    owner = torch.arange(len(images), device=images.device)
    return evaluate(score, len(images), lambda start, stop: (images[start:stop], owner[start:stop]))


def occluded_scores(
    score: Score, images: Images, selected: Selected, owner: Int[Tensor, " n"], fill: Fill
) -> Float[Tensor, " n"]:
    """The score of image owner[n] with the pixels of selection n filled, for every n.

    selected: (N,H,W) bool, or a function of start and stop that makes such a slice of it when it is needed. Of the
    former a selection that this fill was asked for before, by any map or metric, costs no pass.
    """

    def scored(where: Selected, of: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        def perturb(start: int, stop: int) -> tuple[Tensor, Tensor]:
            some = where[start:stop] if isinstance(where, Tensor) else where(start, stop)
            return occlude(images, some, of[start:stop], fill), of[start:stop]

        return evaluate(score, len(of), perturb)

    if not isinstance(selected, Tensor):
        return scored(selected, owner)
    pixels = np.packbits(selected.flatten(1).cpu().numpy(), axis=1)
    keys = [
        (score, image, blake2b(row, digest_size=16).digest()) for image, row in zip(owner.tolist(), pixels, strict=True)
    ]
    places = {key: place for place, key in enumerate(keys) if key not in fill.scored}
    new = list(places.values())
    fill.scored.update(zip(places, scored(selected[new], owner[new]).tolist(), strict=True))
    return torch.tensor([fill.scored[key] for key in keys], device=images.device)

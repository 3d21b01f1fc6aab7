"""Does the map lie where the evidence is known to lie?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.registry import UserError
from segattr_lib.targets import Score, Target


def cosine(
    score: Score, images: Float[Tensor, "b 3 h w"], maps: Float[Tensor, "b h w"], target: Target
) -> Float[Tensor, " b"]:
    """Cosine similarity of the map and the truth, as vectors of pixels; in [0,1], higher is better.

    Undefined (NaN) for a constant map and where the truth is empty. Raises UserError for a target whose truth
    is not known.
    """
    if target.truth is None:
        raise UserError("cosine compares a map with the truth, and this target's is not known; leave the metric out.")
    first, second = maps.flatten(1).double(), target.truth.flatten(1).double()
    length = first.norm(dim=1) * second.norm(dim=1)
    constant = maps.amax((1, 2)) == maps.amin((1, 2))
    return torch.where(constant | (length == 0), torch.nan, (first * second).sum(1) / length).float()

"""Masks of one image: what a prompt gives, and how far a mask is the true one."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from segattr_lib.prompting.cues import Cues
from segattr_lib.prompting.segmenters import Answer, stacked

Mask = Bool[Tensor, "h w"]


def prompted(answer: Answer, cues: Cues) -> Mask:
    """The mask that a segmenter gives of one prompt, on the CPU."""
    return answer(*stacked([cues]))[0][0].cpu()


def iou(mask: Mask, truth: Mask, known: Mask) -> float:
    """Intersection over union of the pixels whose class is known; NaN where both are empty."""
    return share(mask & truth & known, (mask | truth) & known)


def share(part: Mask, whole: Mask) -> float:
    """How much of the whole the part covers; NaN for an empty one."""
    return ((part & whole).sum() / whole.sum()).item()

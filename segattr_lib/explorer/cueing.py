"""A map as a prompt: the cue points drawn from it, the mask that a segmenter makes of them, and how good that is beside
thresholding the same map."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.data.regions import FREQUENT
from segattr_lib.data.sample import SampleError
from segattr_lib.models.predicted import PREDICTED
from segattr_lib.models.runtime import device_of
from segattr_lib.prompting.cues import Cues, NoCues, cue_rng, draw_cues, support
from segattr_lib.prompting.masks import Mask, iou, prompted
from segattr_lib.prompting.segmenters import Answer, load_segmenter
from segattr_lib.registry import Key, UserError

THRESHOLD = 0.5  # from which on a pixel is of a map's support


@dataclass(frozen=True)
class Cued:
    """What a segmenter of this name makes of one map. cues: points drawn from it, as many of either kind as were asked
    for, or as fit. mask: the segmenter's of these; support: the map's own, its pixels of THRESHOLD or more. iou,
    support_iou: of either with the truth; None where no truth is known, NaN where there is nothing to compare."""

    segmenter: str
    asked: int
    cues: Cues
    mask: Mask
    support: Mask
    iou: float | None
    support_iou: float | None


def answer_of(group: Group, segmenter: str) -> Answer | str:
    """What a segmenter answers about the one sample of a group; where it cannot be had, why, in a sentence."""
    try:
        with sample_errors():
            return load_segmenter(segmenter, str(device_of(group.run.device)))(group.images[0])
    except (UserError, SampleError) as error:
        return f"Cues cannot be shown: {error}"


def cued(group: Group, method: Key, segmenter: str, answer: Answer, points: int) -> Cued | str:
    """The cues of a method's map of the one sample in a group, and their mask; why there are none, where that is so.

    points: inside, and as many outside; as many as fit are drawn, and always the same of a seed, sample, method and
    number. The page on explainers as prompts draws, prompts and measures by the same functions.
    """
    one_map = group.maps_of(method)[0][0]
    try:
        rng = cue_rng(group.run.seed[0], group.samples[0].sample_id, method)
        drawn = draw_cues(one_map, rng, foreground=points, background=points)
        with sample_errors():
            mask = prompted(answer, drawn)
    except NoCues as error:
        return f"No cues are drawn from {method.entry.label}: {error}."
    except SampleError as error:
        return f"{segmenter} gives no mask: {error.reason}."
    own, truth, known = support(one_map, THRESHOLD).cpu(), truth_of(group), ~group.ring[0].cpu()
    if truth is None:
        return Cued(segmenter, points, drawn, mask, own, None, None)
    return Cued(segmenter, points, drawn, mask, own, iou(mask, truth, known), iou(own, truth, known))


def truth_of(group: Group) -> Tensor | None:
    """The pixels that the target of the one sample in a group is known to cover, (H,W) bool; None where nobody labelled
    them, or where the class is the model's, or the reader's, and not the labels'."""
    sample, run = group.samples[0], group.run
    of_labels = group.target.mask is not None or (run.target == FREQUENT and run.class_map != PREDICTED)
    return sample.mask if of_labels and not sample.complete and bool(sample.mask.any()) else None

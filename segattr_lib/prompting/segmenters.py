"""Promptable segmenters: an image, then points with labels -> masks and confidences.

`segmenter(image (3,H,W)) -> answer`, `answer(points (N,K,2), labels (N,K)) -> masks (N,H,W), confidences (N,)`: what an
image costs is paid once, and prompts come in batches. Labels are SAM's own: 1 inside, 0 outside, 2 and 3 the top
left and bottom right corner of a box; NO_POINT fills up a prompt of fewer points. A new segmenter is one such
function and one line of SEGMENTERS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from skimage.segmentation import random_walker as walk
from torch import Tensor
from transformers import AutoConfig, EdgeTamModel, Sam2ImageProcessor, Sam2Model, Sam2Processor

from segattr_lib.models.sam2 import NO_POINT, SIDE, embedded_sam2
from segattr_lib.models.state import weight_fingerprint
from segattr_lib.prompting.cues import BACKGROUND, BOTTOM_RIGHT, FOREGROUND, TOP_LEFT, Cues
from segattr_lib.registry import UserError, lookup, unknown

AT_ONCE = 16  # prompts: at SAM 2's own size each takes some 30 MB while its mask is made
FAMILIES: dict[str, Any] = {
    "sam2": Sam2Model,
    "sam2_video": Sam2Model,
    "edgetam": EdgeTamModel,
    "edgetam_video": EdgeTamModel,
}
Answer = Callable[[Float[Tensor, "n k 2"], Int[Tensor, "n k"]], tuple[Bool[Tensor, "n h w"], Float[Tensor, " n"]]]
Segmenter = Callable[[Float[Tensor, "3 h w"]], Answer]


def load_segmenter(name: str, device: str | torch.device = "cpu") -> Segmenter:
    """The promptable segmenter of this name: registered, a user's own "file.py:function" (a Segmenter), or any
    checkpoint of the SAM 2 or EdgeTAM family, by hub name ("facebook/sam2.1-hiera-tiny") or local folder.

    Raises UserError for an unknown name and for weights that cannot be had, saying how to get them.
    """
    if name in SEGMENTERS:
        return SEGMENTERS[name](device)
    if Path(name).expanduser().is_dir():
        return pretrained(str(Path(name).expanduser()), device)
    if ":" in name:
        own: Any = lookup("promptable segmenter", name, {})
        return own
    if "/" not in name:
        valid = ["path/to/file.py:name", "package.module:name", "path/to/folder", "facebook/sam2.1-hiera-tiny"]
        raise unknown("promptable segmenter", name, [*SEGMENTERS, *valid])
    return pretrained(name, device)


def pretrained(name: str, device: str | torch.device) -> Segmenter:
    """A checkpoint of FAMILIES in transformers' layout, with the processor that lies beside it."""
    folder = Path(name).is_dir()
    try:
        stored = folder or isinstance(try_to_load_from_cache(name, "config.json"), str)
        if not stored and not constants.HF_HUB_OFFLINE:  # without a network the loaders try for half a minute
            with suppress(HTTPError):
                urlopen(constants.ENDPOINT, timeout=10).close()
        family = AutoConfig.from_pretrained(name, local_files_only=stored).model_type
        if family not in FAMILIES:
            raise UserError(f"{name!r} holds a {family} model; expected one of {', '.join(FAMILIES)}.")
        model, report = FAMILIES[family].from_pretrained(name, local_files_only=stored, output_loading_info=True)
        missing = report["missing_keys"]
        if missing:  # transformers draws them at random
            raise UserError(f"The weights of {name!r} lack {len(missing)}, {min(missing)} first.")
        processor = Sam2Processor.from_pretrained(name, local_files_only=stored)
    except HFValidationError as error:
        raise UserError(
            f"There is no folder {name!r} with a segmenter's weights, and no hub has such a name."
        ) from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        cause = str(error).splitlines()[0].rstrip(".")
        remedy = (
            "It needs config.json, model.safetensors and a processor's json, as save_pretrained writes them"
            if folder
            else f"Fetch them with `hf download {name}` where there is a network, or name the folder they lie in"
        )
        raise UserError(
            f"The weights of the segmenter {name!r} cannot be had: {cause}. {remedy}; "
            f"{', '.join(SEGMENTERS)} come with the library."
        ) from error
    except ImportError as error:
        raise UserError(f"The segmenter {name!r} needs timm: pip install 'segattr[edgetam]' ({error}).") from error
    return partial(sam2, model.eval().requires_grad_(False).to(device), processor)


def fingerprint(segmenter: Segmenter) -> str | None:
    """A digest of what a segmenter was loaded with: its weights and the settings of its model and its processor.

    None for one without, such as a user's own, which is known by its code.
    """
    if not (isinstance(segmenter, partial) and segmenter.func is sam2):
        return None
    model, processor = segmenter.args
    images = processor.image_processor.to_json_string()
    settings = hashlib.blake2b((model.config.to_json_string() + images).encode(), digest_size=8).hexdigest()
    return f"{weight_fingerprint(model)}-{settings}"


def embedded(device: str | torch.device) -> Segmenter:
    """The SAM 2 that comes with the library, trained on the shapes scenes."""
    processor = Sam2Processor(Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}))
    model: Any = embedded_sam2().requires_grad_(False)
    return partial(sam2, model.to(device), processor)


def sam2(model: Any, processor: Any, image: Float[Tensor, "3 h w"]) -> Answer:
    """SAM 2 or EdgeTAM of transformers on an image in [0,1], of any size: the processor brings it to the model's own.

    Of the masks of a prompt the one of highest predicted quality is the answer, and that quality its confidence.
    """
    device = next(model.parameters()).device
    size = [tuple(image.shape[1:])]
    seen = processor(images=image.cpu(), do_rescale=False, return_tensors="pt").to(device)
    with torch.no_grad():
        embeddings = model.get_image_embeddings(seen["pixel_values"])

    def answer(
        points: Float[Tensor, "n k 2"], labels: Int[Tensor, "n k"]
    ) -> tuple[Bool[Tensor, "n h w"], Float[Tensor, " n"]]:
        points, given = points.cpu(), labels.cpu() != NO_POINT
        lengths = given.sum(1)
        masks, confidences = torch.zeros(len(points), *size[0], dtype=torch.bool), torch.zeros(len(points))
        for length in lengths.unique().tolist():  # to the decoder what fills a prompt up is one more thing to heed
            for rows in (lengths == length).nonzero()[:, 0].split(AT_ONCE):
                prompt = processor(
                    input_points=points[rows][given[rows]].view(1, len(rows), length, 2),
                    input_labels=labels.cpu()[rows][given[rows]].view(1, len(rows), length),
                    original_sizes=size,
                    return_tensors="pt",
                ).to(device)
                with torch.no_grad():
                    output = model(
                        image_embeddings=embeddings,
                        input_points=prompt["input_points"],
                        input_labels=prompt["input_labels"],
                    )
                quality, best = output.iou_scores[0].max(1)
                chosen = output.pred_masks[0][torch.arange(len(best)), best][:, None]
                masks[rows] = processor.post_process_masks([chosen], size)[0][:, 0].cpu()
                confidences[rows] = quality.float().cpu()
        return masks, confidences

    return answer


def random_walker(image: Float[Tensor, "3 h w"], beta: float = 400.0) -> Answer:
    """The control without a prior: a random walker (Grady 2006) from every pixel, which labelled point is met first?

    It knows nothing but this image's colours. Without points outside the image's border is outside, with a box
    everything beyond it; without points inside the middle of the box is. beta: how much a step across an edge
    costs. confidence: the mean probability of the answer over the image's pixels, in [.5,1].
    """
    picture = image.movedim(0, -1).cpu().double().numpy()
    shape = picture.shape[:2]

    if np.ptp(picture) == 0:  # skimage divides by the spread; no step across any picture costs more where beta is 0
        picture, beta = np.linspace(0, 1, picture.size).reshape(picture.shape), 0.0

    def walked(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
        markers = seeds(points, labels, shape)
        inside = (markers != 2).astype(float)
        if (markers == 0).any() and (markers == 2).any():  # else there is nothing to walk from, or to
            inside = walk(picture, markers, beta, "bf", channel_axis=-1, return_full_prob=True)[0]
        return inside > 0.5, float(np.maximum(inside, 1 - inside).mean())

    def answer(
        points: Float[Tensor, "n k 2"], labels: Int[Tensor, "n k"]
    ) -> tuple[Bool[Tensor, "n h w"], Float[Tensor, " n"]]:
        prompts = zip(points.cpu().numpy(), labels.cpu().numpy(), strict=True)
        masks, confidences = zip(*(walked(*prompt) for prompt in prompts), strict=True)
        return torch.from_numpy(np.stack(masks)), torch.tensor(confidences)

    return answer


def seeds(
    points: Float[np.ndarray, "k 2"], labels: Int[np.ndarray, " k"], shape: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """What a random walker begins from: 1 inside, 2 outside, 0 to be told. Raises ValueError with nothing inside."""
    rows, columns = (points.T[::-1].round().astype(int)).clip(0, np.array(shape)[:, None] - 1)
    markers = np.zeros(shape, int)
    at = {
        kind: (rows[labels == kind], columns[labels == kind])
        for kind in (BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT)
    }
    boxed = len(at[TOP_LEFT][0]) > 0
    if boxed:
        (top, left), (bottom, right) = (np.array(at[corner])[:, 0] for corner in (TOP_LEFT, BOTTOM_RIGHT))
        beyond = np.ones(shape, bool)
        beyond[top : bottom + 1, left : right + 1] = False
        markers[beyond] = 2
    if not len(at[BACKGROUND][0]) and not (markers == 2).any():
        markers[[0, -1]] = markers[:, [0, -1]] = 2
    markers[at[BACKGROUND]] = 2
    markers[at[FOREGROUND]] = 1
    if boxed and not len(at[FOREGROUND][0]):
        markers[(top + bottom) // 2, (left + right) // 2] = 1
    if not (markers == 1).any():
        raise ValueError("no point of the prompt is inside; a random walker needs one.")
    return markers


def stacked(prompts: Sequence[Cues]) -> tuple[Float[Tensor, "n k 2"], Int[Tensor, "n k"]]:
    """Prompts of different lengths as one batch, filled up with NO_POINT."""
    most = max(len(cues.labels) for cues in prompts)
    points, labels = torch.zeros(len(prompts), most, 2), torch.full((len(prompts), most), NO_POINT)
    for row, cues in enumerate(prompts):
        points[row, : len(cues.labels)] = torch.as_tensor(cues.points, dtype=torch.float32)
        labels[row, : len(cues.labels)] = torch.as_tensor(cues.labels)
    return points, labels


SEGMENTERS: dict[str, Callable[[str | torch.device], Segmenter]] = {
    "shapes_sam2": embedded,
    "random_walker": lambda _device: random_walker,
}

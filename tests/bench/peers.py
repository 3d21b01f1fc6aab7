"""The same work as a user of captum, grad-cam and torchcam does it: the model as it was loaded, their own defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchcam.methods
from captum.attr import FeatureAblation
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, SemanticSegmentationTarget
from torch import Tensor

from segattr_lib.attribution.maps import normalise, upsample
from segattr_lib.perturbation import cells

from .subjects import Subject
from .timing import quiet


def cam_targets(subject: Subject) -> list[Callable[[Tensor], Tensor]]:
    """grad-cam's targets: a segmenter's region, or a class."""
    if subject.target.mask is None:
        return [ClassifierOutputTarget(class_id) for class_id in subject.class_ids]
    masks = subject.target.mask.cpu().numpy().astype(np.float32)
    return [SemanticSegmentationTarget(*pair) for pair in zip(subject.class_ids, masks, strict=True)]


def grad_cam(explainer: Any, subject: Subject, layer: str, gradient: bool = False) -> Callable[[], Tensor]:
    """Maps by a class of grad-cam; gradient: of the images, which ShapleyCAM asks for."""
    targets, images = cam_targets(subject), subject.plain.requires_grad_(gradient)

    def call() -> Tensor:
        with quiet(), explainer(subject.peer, [subject.peer.get_submodule(layer)]) as cam:
            return torch.from_numpy(cam(images, targets))

    return call


def layer_by_layer(explainer: Any, subject: Subject) -> Callable[[], Tensor]:
    """A class of grad-cam at every layer, the maps multiplied."""
    calls = [grad_cam(explainer, subject, layer) for layer in subject.layers]
    return lambda: normalise(torch.stack([call() for call in calls]).prod(0))


def torch_cam(name: str, subject: Subject, layer: str) -> Callable[[], Tensor]:
    """Maps by a class of torchcam, brought to the images' size."""
    explainer, size = getattr(torchcam.methods, name), (subject.images.shape[2], subject.images.shape[3])

    def call() -> Tensor:
        with explainer(subject.peer, layer) as cam:
            logits = subject.peer(subject.plain.requires_grad_())
            (coarse,) = cam(subject.class_ids, logits) if name != "ScoreCAM" else cam(subject.class_ids)
        return normalise(upsample(coarse.detach(), size))

    return call


def region_score(subject: Subject, place: int) -> Callable[[Tensor], Tensor]:
    """The mean probability of an image's class in its region, of any number of its copies."""
    assert subject.target.mask is not None
    mask, class_id = subject.target.mask[place], subject.class_ids[place]
    return lambda images: subject.peer(images)[:, :, mask].softmax(1)[:, class_id].mean(1)


def feature_ablation(subject: Subject, grid: int, at_once: int) -> Callable[[], Tensor]:
    """What each pixel's cell costs the score by captum's FeatureAblation, image after image; signed, (B,H,W)."""
    height, width = subject.images.shape[2:]
    regions = cells(height, width, grid)[None, None].to(subject.images.device)

    def call() -> Tensor:
        drops = []
        for place, image in enumerate(subject.plain):
            explainer = FeatureAblation(region_score(subject, place))
            mean = image.mean((1, 2), keepdim=True).expand_as(image)
            with torch.inference_mode():
                drop = explainer.attribute(
                    image[None], mean[None], feature_mask=regions, perturbations_per_eval=at_once
                )
            drops.append(drop[0, 0])
        return torch.stack(drops)

    return call


def per_image(subject: Subject, attribute: Callable[[Tensor, int, int], Tensor]) -> Callable[[], Tensor]:
    """captum's values of one image after another, (B,3,H,W); attribute takes an image, its class and its place."""

    def call() -> Tensor:
        values = [
            attribute(image[None], class_id, place)
            for place, (image, class_id) in enumerate(zip(subject.plain, subject.class_ids, strict=True))
        ]
        return torch.cat([value.detach() for value in values])

    return call


def together(subject: Subject, attribute: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Tensor]:
    """captum's values of all images in one call."""
    return lambda: attribute(subject.plain, subject.target.class_id).detach()

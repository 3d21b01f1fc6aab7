"""Segmenters by name: embedded ones, torchvision's pretrained ones, and a user's own. Classifiers: classifiers.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from segattr_lib.models.embedded import EMBEDDED, WEIGHTS, prediction
from segattr_lib.models.loading import built, fetched, hold, kind_of, some, stored, tried, weight_fingerprint
from segattr_lib.registry import UserError

__all__ = ["EMBEDDED", "PRETRAINED", "SEGMENTERS", "Segmenter", "load_segmenter", "weight_fingerprint"]

PRETRAINED = {  # torchvision's name, to the layer explained by default
    "deeplabv3_resnet50": "backbone.layer4",
    "fcn_resnet50": "backbone.layer4",
    "lraspp_mobilenet_v3_large": "backbone.16",
}
MOST_STAGES = 5
EMBEDDED_LAYERS = {
    "shapes_deeplabv3": "backbone.layer4",
    "shapes_fcn": "backbone.layer4",
    "shapes_lraspp": "backbone.16",
    "planted_context_lraspp": "backbone.16",
    "planted_own_lraspp": "backbone.16",
}


@dataclass(frozen=True)
class Segmenter:
    """A model ready to be explained.

    module: (B,3,H,W) RGB in [0,1] to logits (B,C,H,W), in evaluation mode. layer: the module whose
    activations are explained. classes: C. fingerprint: changes when a weight changes. layers: the layer and
    blocks before it, shallow to deep, for what explains several.
    """

    name: str
    module: nn.Module
    layer: str
    classes: int
    fingerprint: str
    layers: tuple[str, ...] = ()


def load_segmenter(
    name: str,
    layer: str | None = None,
    shape: tuple[int, int] = (224, 224),
    layers: Sequence[str] | None = None,
) -> Segmenter:
    """Load a segmenter by registered name, "file.py:function" or "package.module:function", and try it.

    layer: None takes the model's own default; a user's model has none and must name one. layers: None takes
    the `stages` up to it. Raises UserError for an unknown model, weights that are missing or truncated, an output
    that is not (B,C,H,W), and a layer that does not exist or is not named, listing candidates.
    """
    module = built("model", name, SEGMENTERS)
    if _unwrap not in module._forward_hooks.values():  # a user's function may hand out one module again and again
        hold(module).append(module.register_forward_hook(_unwrap))
    output, candidates = tried(name, module, shape)
    if not isinstance(output, Tensor) or output.dim() != 4 or tuple(output.shape[2:]) != shape:
        raise UserError(
            f"The model {name!r} gives {kind_of(output)} for an image (1,3,{shape[0]},{shape[1]}); expected logits "
            f"(1,C,H,W) of the image's size: wrap it in a module whose forward returns them alone, such as "
            f"functional.interpolate(logits, images.shape[2:], mode='bilinear')."
        )
    if output.shape[1] == 1:
        raise UserError(
            f"The model {name!r} gives one channel, as for a sigmoid; expected logits of two classes or more, of which "
            f"a softmax is taken: wrap it in a module whose forward returns torch.cat([0 * logit, logit], 1), whose "
            f"softmax is the sigmoid, the object being class 1."
        )
    layer = layer or {**PRETRAINED, **EMBEDDED_LAYERS}.get(name)
    if layer is None:
        raise UserError(f"The model {name!r} has no default layer; name one with layer=, such as {some(candidates)}.")
    for one in (layer, *(layers or ())):
        if one not in candidates:
            raise UserError(
                f"layer is {one!r}, which is no feature layer of the model {name!r}; "
                f"choose one such as {some(candidates)}."
            )
    before = tuple(layers or stages(module, layer, candidates))
    return Segmenter(name, module, layer, output.shape[1], weight_fingerprint(module), before)


def _unwrap(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    return prediction(output)


def stages(module: nn.Module, layer: str, candidates: Sequence[str], most: int = MOST_STAGES) -> list[str]:
    """A layer and the blocks beside it that are done before it, shallow to deep; of more than `most`, evenly
    spaced ones.

    Blocks are modules made of modules, under the layer's own parent. candidates: the layers with a map of
    features for an output, in the order in which they are done.
    """
    modules, parent = dict(module.named_modules()), layer.rpartition(".")[0]
    blocks = {name for name in modules if name.rpartition(".")[0] == parent and any(modules[name].children())}
    found = [name for name in candidates if name in blocks or name == layer]
    found = found[: found.index(layer) + 1]
    places = np.linspace(len(found) - 1, 0, min(most, len(found)))[::-1]
    return [found[round(place)] for place in places]


def shipped(name: str) -> nn.Module:
    """One of the embedded segmenters with its shipped weights, in float32."""
    return stored(name, EMBEDDED[name](), WEIGHTS / f"{name}.safetensors")


def pretrained(name: str) -> nn.Module:
    """One of torchvision's segmenters with its COCO weights for the 21 VOC classes, normalising for itself."""
    module: Any = fetched(name)
    module.aux_classifier = None  # serves training alone, and costs a forward pass its time
    return module


SEGMENTERS: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(shipped, name) for name in EMBEDDED},
    **{name: partial(pretrained, name) for name in PRETRAINED},
}

"""Segmenters by name: embedded ones, torchvision's pretrained ones, and a user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from segattr_lib.models.embedded import EMBEDDED, WEIGHTS, prediction
from segattr_lib.registry import UserError, lookup

PRETRAINED = {  # torchvision's name, to the layer explained by default
    "deeplabv3_resnet50": "backbone.layer4",
    "fcn_resnet50": "backbone.layer4",
    "lraspp_mobilenet_v3_large": "backbone.16",
}
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
    activations are explained. classes: C. fingerprint: changes when a weight changes.
    """

    name: str
    module: nn.Module
    layer: str
    classes: int
    fingerprint: str


def load_segmenter(name: str, layer: str | None = None, shape: tuple[int, int] = (224, 224)) -> Segmenter:
    """Load a segmenter by registered name, "file.py:function" or "package.module:function", and try it.

    layer: None takes the model's own default; a user's model has none and must name one. Raises UserError
    for an unknown model, weights that are missing or truncated, an output that is not (B,C,H,W), and a
    layer that does not exist or is not named, listing candidates.
    """
    build: Callable[[], nn.Module] = lookup("model", name, SEGMENTERS)
    try:
        module = build()
    except UserError:
        raise
    except Exception as error:  # a user's own function may raise anything, a truncated file's error among them
        raise UserError(f"The model {name!r} cannot be built: {type(error).__name__}: {error}.") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"The model {name!r} gives a {type(module).__name__}; expected a torch.nn.Module.")
    module = module.eval()
    module.register_forward_hook(lambda _module, _inputs, output: prediction(output))
    classes, candidates = _tried(name, module, shape)
    layer = layer or {**PRETRAINED, **EMBEDDED_LAYERS}.get(name)
    if layer is None:
        raise UserError(f"The model {name!r} has no default layer; name one with layer=, such as {_some(candidates)}.")
    if layer not in candidates:
        raise UserError(
            f"layer is {layer!r}, which is no feature layer of the model {name!r}; "
            f"choose one such as {_some(candidates)}."
        )
    return Segmenter(name, module, layer, classes, weight_fingerprint(module))


def embedded(name: str) -> nn.Module:
    """One of the embedded segmenters with its shipped weights, in float32."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        raise UserError(f"The weights of {name!r} are not at {path}; `make train` makes them anew.")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise UserError(f"The weights of {name!r} at {path} cannot be read: {error}; restore the file.") from error
    module = EMBEDDED[name]()
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        cause = str(error).splitlines()[-1].strip()
        raise UserError(f"The weights at {path} are not those of {name!r}: {cause}") from error
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise UserError(
            f"The weights at {path} are not those of {name!r}: {len(missing)} missing, {len(unexpected)} others."
        )
    return module


def pretrained(name: str) -> nn.Module:
    """One of torchvision's segmenters with its COCO weights for the 21 VOC classes, normalising for itself."""
    weights = get_model_weights(name).DEFAULT
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        module = get_model(name, weights=weights, progress=True)
    except (OSError, EOFError, RuntimeError) as error:
        cause = str(error).splitlines()[0]
        raise UserError(
            f"The weights of {name!r} cannot be had: {cause}. "
            f"Fetch {weights.url} to {cached} (delete a truncated file there)."
        ) from error
    module.aux_classifier = None  # serves training alone, and costs a forward pass its time
    transform = weights.transforms()
    mean, std = (torch.tensor(values)[:, None, None] for values in (transform.mean, transform.std))
    module.register_forward_pre_hook(lambda _module, inputs: ((inputs[0] - mean.to(inputs[0])) / std.to(inputs[0]),))
    return module


SEGMENTERS: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(embedded, name) for name in EMBEDDED},
    **{name: partial(pretrained, name) for name in PRETRAINED},
}


def weight_fingerprint(module: nn.Module) -> str:
    """A digest of the names and values of all weights."""
    digest = hashlib.blake2b(digest_size=8)
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tried(name: str, module: nn.Module, shape: tuple[int, int]) -> tuple[int, list[str]]:
    """The number of classes, and the layers with a (B,C,h,w) output, as one forward pass shows them."""
    found: list[str] = []
    handles = [
        layer.register_forward_hook(
            lambda _module, _inputs, output, key=key: found.append(key) if _is_feature(output, shape) else None
        )
        for key, layer in module.named_modules()
        if key
    ]
    try:
        with torch.inference_mode():
            output = module(torch.zeros(1, 3, *shape))
    except (RuntimeError, TypeError, ValueError) as error:
        cause = str(error).splitlines()[0]
        raise UserError(f"The model {name!r} fails on an image (1,3,{shape[0]},{shape[1]}): {cause}.") from error
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor) or output.dim() != 4 or tuple(output.shape[2:]) != shape:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UserError(
            f"The model {name!r} gives {got} for an image (1,3,{shape[0]},{shape[1]}); expected logits (1,C,H,W)."
        )
    return output.shape[1], list(dict.fromkeys(found))


def _is_feature(output: object, shape: tuple[int, int]) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and 1 < output.shape[2] < shape[0]


def _some(candidates: list[str]) -> str:
    """The last few of the shortest layer names, deepest last."""
    shallow = [name for name in candidates if name.count(".") <= 1] or candidates
    return ", ".join(repr(name) for name in shallow[-6:])

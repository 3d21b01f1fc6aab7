"""What every model goes through before it is explained: built, given its weights, tried on an image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model, get_model_weights

from segattr_lib.registry import UserError, lookup


def built(kind: str, name: str, registry: Mapping[str, Callable[[], nn.Module]]) -> nn.Module:
    """The module of a registered name, or of a user's "file.py:function", in evaluation mode.

    Raises UserError for an unknown name, and for a function that raises or gives anything else.
    """
    build = lookup(kind, name, registry)
    try:
        module = build()
    except UserError:
        raise
    except Exception as error:  # a user's own function may raise anything, a truncated file's error among them
        raise UserError(f"The model {name!r} cannot be built: {type(error).__name__}: {error}.") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"The model {name!r} gives a {type(module).__name__}; expected a torch.nn.Module.")
    return module.eval()


def stored(name: str, module: nn.Module, path: Path, remedy: str = "`make train` makes them anew") -> nn.Module:
    """The module with the weights of a safetensors file. Raises UserError where they are missing, cannot be
    read, or are another model's."""
    if not path.is_file():
        raise UserError(f"The weights of {name!r} are not at {path}; {remedy}.")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise UserError(f"The weights of {name!r} at {path} cannot be read: {error}; restore the file.") from error
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


def fetched(name: str) -> nn.Module:
    """torchvision's model with its default weights, fetched once, normalising for itself. Raises UserError
    where they cannot be had, saying what to fetch, and where to."""
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
    transform = weights.transforms()
    return normalised(module, transform.mean, transform.std)


def normalised(module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """The module, shown RGB images in [0,1] less this mean, over this spread; by a forward pre-hook, so that the
    names of its layers stay its own."""
    centre, spread = (torch.tensor(values)[:, None, None] for values in (mean, std))
    module.register_forward_pre_hook(
        lambda _module, inputs: ((inputs[0] - centre.to(inputs[0])) / spread.to(inputs[0]),)
    )
    return module


def tried(name: str, module: nn.Module, shape: tuple[int, int]) -> tuple[Any, list[str]]:
    """What the module answers to one image, and its layers with a map of features for an output, (1,C,h,w) or
    (1,h,w,C), in the order in which they are done. Raises UserError where the forward pass fails."""
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
    return output, list(dict.fromkeys(found))


def some(candidates: list[str]) -> str:
    """The last few of the shortest layer names, deepest last."""
    shallow = [name for name in candidates if name.count(".") <= 1] or candidates
    return ", ".join(repr(name) for name in shallow[-6:])


def weight_fingerprint(module: nn.Module) -> str:
    """A digest of the names and values of all weights."""
    digest = hashlib.blake2b(digest_size=8)
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _is_feature(output: object, shape: tuple[int, int]) -> bool:
    return isinstance(output, torch.Tensor) and output.dim() == 4 and 1 < output.shape[2] < shape[0]

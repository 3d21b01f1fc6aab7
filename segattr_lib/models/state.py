"""The weights of a module, and whatever else is in its state: read from a file, and told apart by a fingerprint."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from segattr_lib.models import SHIPPED
from segattr_lib.registry import UserError, cause_of


def stored(name: str, module: nn.Module, path: Path, remedy: str = SHIPPED) -> nn.Module:
    """The module with the weights of a safetensors file. Raises UserError where they are missing (remedy: how they come
    about), cannot be read, or are another model's."""
    if not path.is_file():
        raise UserError(f"The weights of {name!r} are not at {path}; {remedy}.")
    try:
        state = unpacked(load_file(path))
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


def packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state without loss in less space: a tensor of at most 256 different values becomes a table of them and an
    index each, NAME.values and NAME.index (uint8), where that is smaller; counts of batches, which only training
    needs, are left out."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        values, index = tensor.unique(return_inverse=True)
        size = values.numel() * tensor.element_size() + tensor.numel()
        if values.numel() <= 256 and size < tensor.numel() * tensor.element_size():
            result[f"{name}.values"], result[f"{name}.index"] = values, index.to(torch.uint8)
        else:
            result[name] = tensor.contiguous()
    return result


def unpacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that `packed` made this of, or one that was not packed as it is."""
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(".index"):
            name = name.removesuffix(".index")
            tensor = state[f"{name}.values"][tensor.long()]
        if not name.endswith(".values"):
            result[name] = tensor
    return result


def prediction(output: Any) -> Any:
    """torchvision's segmenters answer {"out": logits, ...}: the logits; any other answer as it is."""
    return output["out"] if isinstance(output, dict) and "out" in output else output


def weight_fingerprint(module: nn.Module) -> str:
    """A digest of the names and values of all weights, and of whatever else the module keeps in its state: a
    quantised module's packed weights, an extra state. Raises UserError for a state that cannot be written down."""
    digest = hashlib.blake2b(digest_size=8)
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        for part in _written(key, value):
            digest.update(part)
    return digest.hexdigest()


def _written(key: str, value: Any) -> Iterator[bytes]:
    """What an entry of a state dict holds, as bytes."""
    if isinstance(value, Tensor):
        tensor = value.detach().dequantize() if value.is_quantized else value.detach()
        tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
        tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        yield tensor.resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _written(key, part)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield str(name).encode()
            yield from _written(key, value[name])
    else:
        try:
            yield pickle.dumps(value)
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
            raise UserError(
                f"The state of the model holds a {type(value).__name__} at {key!r}, which cannot be written down, so "
                f"that a change of it would go unnoticed: {cause_of(error)}. Keep it out of the module's state."
            ) from error

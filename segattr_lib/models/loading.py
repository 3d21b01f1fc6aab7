"""What every model goes through before it is explained: built, given its weights, tried on an image."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchvision.models import get_model, get_model_weights, list_models, segmentation

from segattr_lib.registry import UserError, lookup


def built(kind: str, name: str, registry: Mapping[str, Callable[[], nn.Module]]) -> nn.Module:
    """The module of a registered name, or of a user's "file.py:function", in evaluation mode; `give_back` undoes it.

    Raises UserError for an unknown name, for a function that raises or gives anything else, and for a module whose
    layers take no hooks.
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
    _hookable(name, module)
    hold(module)
    module.eval()  # what it returns is not used: a train() of one's own may return nothing
    return module


@dataclass
class _Found:
    """A module as it was found, by the names of its parts: no reference to the module, which it would keep alive."""

    modes: dict[str, bool]
    gradients: dict[str, bool]
    devices: dict[str, torch.device]
    channels_last: dict[str, bool]
    hooks: list[RemovableHandle] = field(default_factory=list)


_FOUND: WeakKeyDictionary[nn.Module, _Found] = WeakKeyDictionary()


def hold(module: nn.Module) -> list[RemovableHandle]:
    """Remember how a module is before anything of it is changed, for `give_back`; its list of hooks to remove then."""
    if module not in _FOUND:
        weights = dict(module.named_parameters())
        _FOUND[module] = _Found(
            modes={name: part.training for name, part in module.named_modules()},
            gradients={name: weight.requires_grad for name, weight in weights.items()},
            devices={name: weight.device for name, weight in [*weights.items(), *module.named_buffers()]},
            channels_last={name: _is_channels_last(weight) for name, weight in weights.items()},
        )
    return _FOUND[module].hooks


def is_held(module: nn.Module) -> bool:
    """Whether the library has changed the module and not yet given it back."""
    return module in _FOUND


def give_back(module: nn.Module) -> None:
    """Leave a module as it was before the library took it: each part's mode, what takes a gradient, hooks, device,
    and memory format. Values stay as they are. Nothing for a module that is not held."""
    found = _FOUND.pop(module, None)
    if found is None:
        return
    for handle in found.hooks:
        handle.remove()
    for name, part in module.named_modules():
        part.training = found.modes.get(name, part.training)
    for name, weight in module.named_parameters():
        if name in found.gradients:
            weight.requires_grad_(found.gradients[name])
        if _is_channels_last(weight) and not found.channels_last.get(name, True):
            weight.data = weight.data.contiguous()
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        device = found.devices.get(name, tensor.device)
        if tensor.device != device:
            tensor.data = tensor.data.to(device)


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Inside the block every part of the module is in evaluation mode and no weight takes a gradient."""
    training = [part for part in module.modules() if part.training]
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    try:
        if training:
            module.eval()
        for weight in learning:
            weight.requires_grad_(False)
        yield
    finally:
        for part in training:
            part.training = True
        for weight in learning:
            weight.requires_grad_(True)


def copied(module: nn.Module, what: str, shared: Iterable[Tensor] = ()) -> nn.Module:
    """A copy of a module, but for the tensors that it is to share with it. Raises UserError, naming `what` needs
    the copy, for a module that cannot be copied."""
    memo = {id(tensor): tensor for tensor in shared}  # deepcopy takes what is in its memo as it is
    kept = [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    memo |= {id(tensor): tensor.detach() for tensor in kept if not tensor.is_leaf}  # of the last pass, with its graph
    try:
        return deepcopy(module, memo)
    except Exception as error:  # whatever a part says that is not made for it: a lock, an open file, a kept activation
        raise UserError(
            f"{what} needs a copy of the model, which cannot be copied: {cause_of(error)}. Keep what stops "
            f"copy.deepcopy out of the module, or give it a __deepcopy__ of its own."
        ) from error


def cause_of(error: BaseException) -> str:
    """The kind of an error and the first line of what it says, without a full stop."""
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (f": {lines[0].rstrip('.')}" if lines else "")


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
    where they cannot be had, saying what to fetch, and where to, and where the file is not the one whose hash its
    name holds. The file is read as tensors alone: nothing in it is run."""
    weights = get_model_weights(name).DEFAULT
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    check_hash(cached)
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        options: dict[str, Any] = {"num_classes": len(weights.meta["categories"])}
        if name in list_models(segmentation):
            options["weights_backbone"] = None
        if any(key.startswith("aux_classifier.") for key in state):
            options["aux_loss"] = True
        module = get_model(name, weights=None, **options)
        module.load_state_dict(state)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"The weights of {name!r} cannot be had: {cause_of(error)}. "
            f"Fetch {weights.url} to {cached} (delete a truncated file there)."
        ) from error
    transform = weights.transforms()
    return normalised(module, transform.mean, transform.std)


def check_hash(path: Path) -> None:
    """Raises UserError where a file is not what its name says: NAME-HASH.EXT, the first digits of its SHA-256.

    A file that is not there, and a name without a hash, are left to whoever reads them.
    """
    expected = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", path.name)
    if not expected or not path.is_file():
        return
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if not got.startswith(expected[1]):
        raise UserError(
            f"The file {path} is not the one its name promises: its SHA-256 begins with {got[: len(expected[1])]}, "
            f"expected {expected[1]}; delete it, and it is fetched anew."
        )


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
    (1,h,w,C), in the order in which they are done. Raises UserError where the forward pass fails.

    Not in inference mode, here and wherever else a model is asked: what it keeps of a pass for the next, such as a
    grid of positions, could not be differentiated through later.
    """
    found: list[str] = []
    handles = [
        layer.register_forward_hook(
            lambda _module, _inputs, output, key=key: found.append(key) if _is_feature(output, shape) else None
        )
        for key, layer in module.named_modules()
        if key
    ]
    try:
        with torch.no_grad():
            output = module(torch.zeros(1, 3, *shape, device=weights_device(module)))
    except Exception as error:  # a user's own forward pass may raise anything
        raise UserError(
            f"The model {name!r} fails on an image (1,3,{shape[0]},{shape[1]}): {cause_of(error)}; it is shown RGB "
            f"images in [0,1] of image_size px a side, which must be a size that it takes."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return output, list(dict.fromkeys(found))


def kind_of(output: Any) -> str:
    """What an answer is, for an error: its shape, or its type and what it holds."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    parts = ""
    if isinstance(output, Mapping):
        parts = " with " + ", ".join(f"{key} {kind_of(part)}" for key, part in output.items())
    elif isinstance(output, list | tuple):
        parts = " of " + ", ".join(map(kind_of, output))
    return type(output).__name__ + parts


def weights_device(module: nn.Module) -> torch.device:
    """Where the module's weights are; the CPU for one without."""
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))


def some(candidates: list[str]) -> str:
    """The last few of the shortest layer names, deepest last."""
    if not candidates:
        return "none: no layer of it gives a map of features (1,C,h,w) or (1,h,w,C)"
    shallow = [name for name in candidates if name.count(".") <= 1] or candidates
    return ", ".join(repr(name) for name in shallow[-6:])


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


def _hookable(name: str, module: nn.Module) -> None:
    """Raises UserError for a module with a part that runs without the hooks by which a layer is explained."""
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            cause, remedy = "TorchScript, whose layers take no hooks", "the Python module it was made of"
        elif hasattr(part, "_orig_mod") or part._compiled_call_impl is not None:
            cause = "compiled by torch.compile, which passes by hooks set after it"
            remedy = "the module it was made of (its _orig_mod), not compiled"
        elif isinstance(part, nn.DataParallel | nn.parallel.DistributedDataParallel):
            cause, remedy = "spread over devices, a copy of each layer on each", "its .module"
        else:
            continue
        raise UserError(f"The model {name!r} is, or has a part that is, {cause}: give {remedy}.")


def _is_channels_last(weight: Tensor) -> bool:
    if isinstance(weight, nn.parameter.UninitializedParameter) or weight.dim() != 4:
        return False
    return not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last)


def _is_feature(output: object, shape: tuple[int, int]) -> bool:
    if not isinstance(output, Tensor) or output.dim() != 4 or not output.is_floating_point():
        return False
    return 1 < output.shape[2] < shape[0]

"""A user's module is lent: whatever is changed of it to explain it is remembered, and undone when it is given back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from segattr_lib.registry import UserError, cause_of


@dataclass
class _Before:
    """A module as it was lent, by the names of its parts: no reference to the module, which it would keep alive."""

    modes: dict[str, bool]
    gradients: dict[str, bool]
    devices: dict[str, torch.device]
    channels_last: dict[str, bool]
    hooks: list[RemovableHandle] = field(default_factory=list)


_LENT: WeakKeyDictionary[nn.Module, _Before] = WeakKeyDictionary()


def hold(module: nn.Module) -> list[RemovableHandle]:
    """Remember how a module is before anything of it is changed, for `give_back`; its list of hooks to remove then."""
    if module not in _LENT:
        weights = dict(module.named_parameters())
        _LENT[module] = _Before(
            modes={name: part.training for name, part in module.named_modules()},
            gradients={name: weight.requires_grad for name, weight in weights.items()},
            devices={name: weight.device for name, weight in [*weights.items(), *module.named_buffers()]},
            channels_last={name: _is_channels_last(weight) for name, weight in weights.items()},
        )
    return _LENT[module].hooks


def is_held(module: nn.Module) -> bool:
    """Whether the library has changed the module and not yet given it back."""
    return module in _LENT


def give_back(module: nn.Module) -> None:
    """Leave a module as it was before the library took it: each part's mode, what takes a gradient, hooks, device,
    and memory format. Values stay as they are. Nothing for a module that is not held."""
    before = _LENT.pop(module, None)
    if before is None:
        return
    for handle in before.hooks:
        handle.remove()
    for name, part in module.named_modules():
        part.training = before.modes.get(name, part.training)
    for name, weight in module.named_parameters():
        if name in before.gradients:
            weight.requires_grad_(before.gradients[name])
        if _is_channels_last(weight) and not before.channels_last.get(name, True):
            weight.data = weight.data.contiguous()
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        device = before.devices.get(name, tensor.device)
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


def _is_channels_last(weight: Tensor) -> bool:
    if isinstance(weight, nn.parameter.UninitializedParameter) or weight.dim() != 4:
        return False
    return not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last)

"""Model randomisation: does a map change when what the model learnt is taken away?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from segattr_lib.models.lending import copied


def cascade(module: nn.Module, stages: int, seed: int) -> Iterator[tuple[float, nn.Module]]:
    """The model with ever more of its layers drawn anew, from the output back to the input (Adebayo et al. 2018).

    Yields `stages` pairs: the share of the layers with weights that are drawn anew, in (0,1], the last 1;
    and one copy of the module that is changed further from pair to pair. Layers are drawn as `draw_anew` says,
    from `seed`; the module given stays as it is. Raises ValueError where stages is not 1 to the number of such
    layers, UserError for a module that cannot be copied.
    """
    changed = copied(module, "The cascade")
    layers = _layers(changed)
    if not 1 <= stages <= len(layers):
        raise ValueError(f"stages is {stages}; expected 1 to {len(layers)}, the model's layers with weights.")
    done = 0
    for stage in range(1, stages + 1):
        upto = round(stage * len(layers) / stages)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for number in range(done, upto):
                torch.default_generator.manual_seed(seed * 100_003 + number)
                for layer in layers[-1 - number]:
                    device = next((tensor.device for tensor in layer.state_dict().values()), torch.device("cpu"))
                    draw_anew(layer.cpu())  # another device has a generator of its own, and would draw other weights
                    layer.to(device)
        done = upto
        yield done / len(layers), changed


def draw_anew(layer: nn.Module) -> None:
    """Take what a layer learnt from its own weights and running statistics, in place; not from its parts'.

    By its own `reset_parameters`, where it has one. A weight which that does not reach (a table of relative
    positions, a class token, a layer scale, the parts of a weight norm) is drawn from the normal distribution of
    mean 0 and its own root mean square: of what was learnt its size alone is left, and a weight of zeros stays.
    Running statistics become 0 and 1, as do the weights of a batch norm that is frozen into buffers.
    """
    weights = list(layer.parameters(recurse=False))
    before = [weight.clone() for weight in weights]
    for weight in weights:
        if weight.is_floating_point():
            weight.fill_(math.nan)  # marks what is not drawn
    reset: Any = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    if reset is not None:
        reset()
    for weight, learnt in zip(weights, before, strict=True):
        if weight.isnan().any():
            weight.copy_(torch.randn(weight.shape) * learnt.float().square().mean().sqrt())
        elif not weight.is_floating_point():
            weight.copy_(learnt.flatten()[torch.randperm(learnt.numel())].view_as(learnt))
    if reset is None and _has_statistics(layer):
        buffers = dict(layer.named_buffers(recurse=False))
        for name, value in {"running_mean": 0, "running_var": 1, "weight": 1, "bias": 0}.items():
            if name in buffers:
                buffers[name].fill_(value)


def _layers(module: nn.Module) -> list[list[nn.Module]]:
    """The layers with weights of their own, or a way to draw their parts'; each with those after it that have nothing
    but statistics of what they have seen, as a batch norm without weights."""
    layers: list[list[nn.Module]] = []
    for layer in module.modules():
        own = next(layer.parameters(recurse=False), None) is not None
        drawn = hasattr(layer, "reset_parameters") and next(layer.parameters(), None) is not None
        if own or drawn:
            layers.append([layer])
        elif _has_statistics(layer) and layers:
            layers[-1].append(layer)
    return layers


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(getattr(layer, "running_mean", None), Tensor)

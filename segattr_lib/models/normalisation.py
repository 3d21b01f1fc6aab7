"""What a model does to its images before its first layer: a hook, so that its layers keep their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def normalised(module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """The module, shown RGB images in [0,1] less this mean, over this spread; by a forward pre-hook, so that the
    names of its layers stay its own."""
    centre, spread = (torch.tensor(values)[:, None, None] for values in (mean, std))
    module.register_forward_pre_hook(
        lambda _module, inputs: ((inputs[0] - centre.to(inputs[0])) / spread.to(inputs[0]),)
    )
    return module

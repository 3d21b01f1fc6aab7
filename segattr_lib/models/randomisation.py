"""Model randomisation: does a map change when what the model learnt is taken away?"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import nn


def cascade(module: nn.Module, stages: int, seed: int) -> Iterator[tuple[float, nn.Module]]:
    """The model with ever more of its layers drawn anew, from the output back to the input (Adebayo et al. 2018).

    Yields `stages` pairs: the share of the layers with weights that are drawn anew, in (0,1], the last 1;
    and one copy of the module that is changed further from pair to pair. Layers are drawn by their own
    `reset_parameters`, from `seed`; the module given stays as it is. Raises ValueError where stages is
    not 1 to the number of such layers.
    """
    changed = deepcopy(module)
    layers: list[Any] = [
        one
        for one in changed.modules()
        if hasattr(one, "reset_parameters") and next(one.parameters(), None) is not None
    ]
    if not 1 <= stages <= len(layers):
        raise ValueError(f"stages is {stages}; expected 1 to {len(layers)}, the model's layers with weights.")
    done = 0
    for stage in range(1, stages + 1):
        upto = round(stage * len(layers) / stages)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for number in range(done, upto):
                torch.default_generator.manual_seed(seed * 100_003 + number)
                layers[-1 - number].reset_parameters()
        done = upto
        yield done / len(layers), changed

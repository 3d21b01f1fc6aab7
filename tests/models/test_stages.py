"""The layers that a model is explained at, shallow to deep."""

from __future__ import annotations

import torch
from oracles import ConvNet, ready
from torch import Tensor

from segattr_lib.models.loading import stages, tried


def test_layers_are_the_blocks_beside_the_default_one_shallow_to_deep():
    class Deep(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = torch.nn.Module()
            for number in range(8):  # registered from last to first: the forward pass, not the register, says the order
                block = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1))
                self.backbone.add_module(f"block{7 - number}", block)
            self.backbone.add_module("plain", torch.nn.Conv2d(3, 3, 1))
            self.backbone.add_module("idle", torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1)))
            self.head = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1))

        def forward(self, images: Tensor) -> Tensor:
            for number in range(8):
                images = getattr(self.backbone, f"block{number}")(images)
            return self.head(self.backbone.plain(images))

    deep, tiny = ready(Deep()), ready(ConvNet())
    met = ["stem", *(f"backbone.block{number}" for number in range(8)), "head"]  # block 7 comes after the layer
    assert stages(deep, "backbone.block6", met, most=9) == [f"backbone.block{number}" for number in range(7)]
    assert stages(deep, "backbone.block6", met, most=3) == [f"backbone.block{number}" for number in (0, 3, 6)]
    assert stages(deep, "backbone.block6", met, most=1) == ["backbone.block6"]
    met = tried("tiny", tiny, (16, 16))[1]
    assert stages(tiny, "features", met) == ["features"]
    assert stages(tiny, "features.2", met) == ["features.2"]  # the layer itself, where no block lies beside it

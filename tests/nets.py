"""Small classifiers with random weights: two of ReLUs, two with curvature; and one of brightness, solved by hand.

The curved ones' layers are a block inside the first stage, and the stages' ends, which a LayerNorm follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from oracles import random_images, ready
from torch import Tensor, nn
from torchvision.models import ConvNeXt, ResNet, SwinTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers

from segattr_lib.targets import Score, Target, bind

CLASSES = 5


class Brightness(nn.Module):
    """Two classes; the probability of class 0 is the brightness averaged with these weights, whatever the colour."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        found = (self.weights * images.mean(1)).sum((1, 2))
        return torch.stack([found.log(), (-found).log1p()], 1)


class Vgg(nn.Module):
    """VGG's features and a linear head on their mean; features.1, .4 and .7 are ReLUs of 32, 16 and 8 px."""

    def __init__(self, widths: Sequence[int | str] = (8, "M", 12, "M", 16)):
        super().__init__()
        self.features = make_layers(list(widths))
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images - 0.5).mean((2, 3)))


NETS: dict[str, tuple[Callable[[], nn.Module], int, list[str]]] = {  # built by, px a side, layers shallow to deep
    "vgg": (Vgg, 32, ["features.1", "features.4", "features.7"]),
    "resnet": (lambda: ResNet(BasicBlock, [1, 1, 1, 1], CLASSES), 64, ["layer1", "layer2", "layer3", "layer4"]),
    "swin": (
        lambda: SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=CLASSES),
        48,
        ["features.1.0", "features.1", "features.3"],
    ),
    "convnext": (
        lambda: ConvNeXt([CNBlockConfig(20, 28, 2), CNBlockConfig(28, None, 1)], layer_scale=0.5, num_classes=CLASSES),
        48,
        ["features.1.0", "features.1", "features.3"],
    ),
}


@cache
def net(name: str) -> nn.Module:
    """The net of this name, its weights set by the name, its gradients large enough for float32."""
    torch.manual_seed(sum(map(ord, name)))
    model = NETS[name][0]()
    with torch.no_grad():
        for one in model.modules():
            if isinstance(one, nn.Conv2d | nn.Linear):
                fan_in = one.weight[0].numel()
                one.weight.normal_(0, (2 / fan_in) ** 0.5)
                if one.bias is not None:
                    one.bias.normal_(0, 0.1)
    return ready(model)


def setting(name: str, count: int = 2) -> tuple[Score, Tensor, Target, list[str]]:
    """A score of the net, images, their target (another class each) and the net's layers."""
    _, size, layers = NETS[name]
    target = Target(torch.arange(1, count + 1))
    return bind(net(name), target), random_images(count, size), target, layers

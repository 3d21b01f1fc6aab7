"""Small classifiers with random weights: two of ReLUs, two with curvature; one of brightness, solved by hand; and a
segmenter that answers in the ways of people's own.

The curved ones' layers are a block inside the first stage, and the stages' ends, which a LayerNorm follows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache

import pytest
import torch
from oracles import random_images, ready
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ConvNeXt, ResNet, SwinTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers

from segattr_lib.models import Kind
from segattr_lib.models.loading import Model, load_model
from segattr_lib.targets import Score, Target, bind

CLASSES = 5


class Brightness(nn.Module):
    """Two classes; the probability of class 0 is the brightness averaged with these weights, whatever the colour."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        probability = (self.weights * images.mean(1)).sum((1, 2))
        return torch.stack([probability.log(), (-probability).log1p()], 1)


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
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2 / fan_in) ** 0.5)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1)
    return ready(model)


def setting(name: str, count: int = 2) -> tuple[Score, Tensor, Target, list[str]]:
    """A score of the net, images, their target (another class each) and the net's layers."""
    _, size, layers = NETS[name]
    target = Target(torch.arange(1, count + 1))
    return bind(net(name), target), random_images(count, size), target, layers


class Answers(nn.Module):
    """A segmenter of 8 features at half the size that computes or answers as people's own do: `kind` says how."""

    def __init__(self, kind: str):
        super().__init__()
        torch.manual_seed(0)
        self.kind = kind
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Conv2d(8, 3, 1)
        self.aux, self.grid = nn.Conv2d(8, 3, 1), None

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor] | tuple[Tensor, ...]:
        if self.kind == "frozen":
            with torch.no_grad():
                features = self.features(images)
        else:
            features = self.features(images)
        if self.kind == "cached":
            if self.grid is None:
                self.grid = torch.linspace(0.5, 1, features.shape[3])
            features = features * self.grid
        if self.kind == "view":
            features = features.view(len(images), -1).view(features.shape)
        if self.kind == "twice":
            features = self.features[1](features)
        logits = functional.interpolate(
            self.head(features.detach() if self.kind == "stopped" else features), scale_factor=2
        )
        beside = functional.interpolate(self.aux(features), scale_factor=2)
        answers = {
            "dict": {"out": logits, "aux": beside},
            "beside": {"out": logits, "aux": beside},
            "tuple": (logits, beside),
            "single": logits[:, :1],
        }
        if self.kind == "key":
            return {"logits": logits}["out"]
        if self.kind == "silent":
            raise AssertionError
        return answers.get(self.kind, logits)


def handed_out(build: Callable[[], nn.Module], layer: str = "features", kind: Kind = "segmenter") -> Model:
    """What load_model makes of a user's function that gives a module, tried on 16 x 16 px."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "build", build, raising=False)
        return load_model(f"{__name__}:build", layer, shape=(16, 16), kind=kind)


def sides_of_layers(model: Model, size: int) -> list[int]:
    """The side of the map of each of a classifier's layers; channels are checked to lie on one axis, and to grow."""
    shapes: list[tuple[int, ...]] = []
    handles = [
        model.module.get_submodule(layer).register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
        for layer in model.layers
    ]
    with torch.inference_mode():
        model.module(random_images(1, size))
    for handle in handles:
        handle.remove()
    swin = isinstance(model.module, SwinTransformer)
    sides, channels = zip(*((s[1:3], s[3]) if swin else (s[2:], s[1]) for s in shapes), strict=True)
    assert all(height == width for height, width in sides)
    assert list(channels) == sorted(channels)
    return [height for height, _ in sides]

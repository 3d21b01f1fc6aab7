"""The architectures that are shipped: small segmenters for the shapes and the planted scenes, one of each family that
the benchmark compares, and small classifiers for the single shapes and the part-made figures.

Heads and blocks are torchvision's own, of few channels; layer names are those of the full models (`backbone.layer4`,
`backbone.16`, `layer1`), so that a method needs no special case. Their weights are drawn at random here: loading.py
gives them those of `weights/`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torchvision.models import VGG, ConvNeXt, ResNet, SwinTransformer
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.segmentation import FCN, LRASPP, DeepLabV3
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.models.vgg import make_layers
from torchvision.ops import Conv2dNormActivation

from segattr_lib.data.part_figures import CLASS_NAMES as FIGURES
from segattr_lib.data.planted import CLASS_NAMES as PLANTED
from segattr_lib.data.shapes import CLASS_NAMES as SHAPES
from segattr_lib.data.single_shapes import CLASS_NAMES as SINGLE_SHAPES
from segattr_lib.models.normalisation import normalised

HEAD = 64  # channels of DeepLabV3's head
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, per channel


def shapes_deeplabv3() -> nn.Module:
    """DeepLabV3 on the small ResNet at output stride 8; (B,3,H,W) to {"out": (B,7,H,W)}.

    The head is torchvision's, of HEAD channels instead of its 256, which alone cost seven times the backbone.
    """
    backbone, channels = _dilated_resnet()
    head = nn.Sequential(
        ASPP(channels, atrous_rates=(3, 6, 9), out_channels=HEAD),
        nn.Conv2d(HEAD, HEAD, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(HEAD),
        nn.ReLU(),
        nn.Conv2d(HEAD, len(SHAPES), kernel_size=1),
    )
    return DeepLabV3(backbone, head)


def shapes_fcn() -> nn.Module:
    """FCN on the small ResNet at output stride 8."""
    backbone, channels = _dilated_resnet()
    return FCN(backbone, FCNHead(channels, len(SHAPES)))


def shapes_lraspp() -> nn.Module:
    """LRASPP on a MobileNetV3-Large of width 0.5, its low features at stride 8, its high at 16."""
    return _lraspp(0.5, len(SHAPES))


def planted_lraspp() -> nn.Module:
    """LRASPP of width 0.35 for the planted scenes; its pooled gates see all of the image, a far marker too."""
    return _lraspp(0.35, len(PLANTED))


def _lraspp(width: float, classes: int) -> nn.Module:
    settings, last_channel = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=width, dilated=True)
    features = MobileNetV3(settings, last_channel).features
    last = len(features) - 1
    backbone = IntermediateLayerGetter(features, {"4": "low", str(last): "high"})
    low, high = settings[3].out_channels, features[last].out_channels
    return LRASPP(backbone, low, high, classes)


def _dilated_resnet() -> tuple[nn.Module, int]:
    """Nine bottleneck blocks of four stages; the last two dilate instead of striding, as ResNet-50's do."""
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    stages["stem"] = nn.Sequential(Conv2dNormActivation(3, 16, stride=2), Conv2dNormActivation(16, 16, stride=2))
    channels = 16
    plan = [(12, 1, 1, 1), (24, 2, 2, 1), (32, 3, 1, 2), (32, 3, 1, 4)]  # width, blocks, stride, dilation
    for number, (inner, blocks, stride, dilation) in enumerate(plan, 1):
        stage: list[nn.Module] = []
        for block in range(blocks):
            step = stride if block == 0 else 1
            changes = step > 1 or channels != inner * Bottleneck.expansion
            shortcut = _projection(channels, inner * Bottleneck.expansion, step) if changes else None
            stage.append(Bottleneck(channels, inner, step, shortcut, dilation=dilation))
            channels = inner * Bottleneck.expansion
        stages[f"layer{number}"] = nn.Sequential(*stage)
    return IntermediateLayerGetter(nn.Sequential(stages), {"layer4": "out"}), channels


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return Conv2dNormActivation(inputs, outputs, kernel_size=1, stride=stride, activation_layer=None)


def shapes_vgg11(batch_norm: bool = False) -> nn.Module:
    """VGG11 with an eighth of the channels or so, and one linear layer for a head; (B,3,H,W) to (B,6).

    batch_norm: with a batch norm after each convolution, as it is trained; they are folded for shipping.
    """
    widths: list[str | int] = [8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 96, 96, "M"]
    with torch.device("meta"):  # torchvision's own head, dropped here, would take half a gigabyte
        module = VGG(nn.Sequential(), init_weights=False)
    module.features = make_layers(widths, batch_norm)
    module.avgpool = nn.AdaptiveAvgPool2d(1)
    module.classifier = nn.Sequential(nn.Linear(96, len(SINGLE_SHAPES)))
    return normalised(module, MEAN, STD)


def shapes_resnet18() -> nn.Module:
    """ResNet of one basic block a stage, 24 to 192 channels."""
    return small_resnet((24, 48, 96, 192), len(SINGLE_SHAPES))


def figures_resnet() -> nn.Module:
    """ResNet of one basic block a stage, 16 to 128 channels, for the part-made figures; (B,3,H,W) to (B,20)."""
    return small_resnet((16, 32, 64, 128), len(FIGURES))


def small_resnet(widths: Sequence[int], classes: int) -> nn.Module:
    """torchvision's ResNet of one basic block a stage, of so many channels each."""
    with torch.device("meta"):
        module = ResNet(BasicBlock, [1, 1, 1, 1])  # its widths are fixed: stem, stages and head are made anew
    module.inplanes = widths[0]
    module.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
    module.bn1 = nn.BatchNorm2d(widths[0])
    for stage, width in enumerate(widths, 1):
        setattr(module, f"layer{stage}", module._make_layer(BasicBlock, width, 1, stride=1 if stage == 1 else 2))
    module.fc = nn.Linear(widths[-1], classes)
    return normalised(module, MEAN, STD)


def shapes_swin() -> nn.Module:
    """Swin Transformer of 32 to 256 channels, one, one, two and one block deep."""
    module = SwinTransformer(
        patch_size=[4, 4],
        embed_dim=32,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 4, 8],
        window_size=[7, 7],
        mlp_ratio=3,
        stochastic_depth_prob=0.0,
        num_classes=len(SINGLE_SHAPES),
    )
    return normalised(spread_by_width(with_stem(module)), MEAN, STD)


def shapes_convnext() -> nn.Module:
    """ConvNeXt of 32 to 192 channels, one, one, two and one block deep."""
    plan = [(32, 64, 1), (64, 128, 1), (128, 192, 2), (192, None, 1)]
    blocks = [CNBlockConfig(*stage) for stage in plan]
    module = ConvNeXt(blocks, layer_scale=1.0, num_classes=len(SINGLE_SHAPES))
    return normalised(spread_by_width(with_stem(module)), MEAN, STD)


def with_stem(module: Any) -> nn.Module:
    """A ConvNeXt or Swin that begins with the two small convolutions of the VGG instead of one over patches of
    4 x 4 px, at the same stride: the lines of a small outline are hardly wider than a patch, and so few weights
    learn many times more slowly from patches (Xiao et al. 2021, Early Convolutions Help Transformers See Better).
    """
    patches = module.features[0][0]
    module.features[0][0] = nn.Sequential(*make_layers([8, "M", 16, "M"]), nn.Conv2d(16, patches.out_channels, 1))
    return module


def spread_by_width(module: nn.Module) -> nn.Module:
    """The module with its weights drawn anew, so that no layer damps what it is given. torchvision's spread of
    0.02 suits hundreds of channels; over tens it leaves a net almost linear, and it does not begin to learn."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return module

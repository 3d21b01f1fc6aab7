"""Three small segmenters for the shapes scenes, one of each family the benchmark compares, and two for the planted.

The heads are torchvision's own, on backbones small enough to ship; layer names are those of the
full models (`backbone.layer4`, `backbone.16`), so that a method needs no special case.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf
from torchvision.models.resnet import Bottleneck
from torchvision.models.segmentation import FCN, LRASPP, DeepLabV3
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.ops import Conv2dNormActivation

from segattr_lib.data.planted import CLASS_NAMES as PLANTED_NAMES
from segattr_lib.data.shapes import CLASS_NAMES

WEIGHTS = Path(__file__).parent / "weights"


def shapes_deeplabv3() -> nn.Module:
    """DeepLabV3 on the small ResNet at output stride 8; (B,3,H,W) to {"out": (B,7,H,W)}."""
    backbone, channels = _resnet()
    return DeepLabV3(backbone, DeepLabHead(channels, len(CLASS_NAMES), atrous_rates=(3, 6, 9)))


def shapes_fcn() -> nn.Module:
    """FCN on the small ResNet at output stride 8."""
    backbone, channels = _resnet()
    return FCN(backbone, FCNHead(channels, len(CLASS_NAMES)))


def shapes_lraspp() -> nn.Module:
    """LRASPP on a MobileNetV3-Large of width 0.5, its low features at stride 8, its high at 16."""
    return _lraspp(0.5, len(CLASS_NAMES))


def planted_lraspp() -> nn.Module:
    """LRASPP of width 0.35 for the planted scenes; its pooled gates see all of the image, a far marker too."""
    return _lraspp(0.35, len(PLANTED_NAMES))


EMBEDDED: dict[str, Callable[[], nn.Module]] = {
    "shapes_deeplabv3": shapes_deeplabv3,
    "shapes_fcn": shapes_fcn,
    "shapes_lraspp": shapes_lraspp,
    "planted_context_lraspp": planted_lraspp,
    "planted_own_lraspp": planted_lraspp,
}
TRAINED_ON = {  # the data set whose training split each learns
    "shapes_deeplabv3": "shapes",
    "shapes_fcn": "shapes",
    "shapes_lraspp": "shapes",
    "planted_context_lraspp": "planted_context",
    "planted_own_lraspp": "planted_own",
}


def _lraspp(width: float, classes: int) -> nn.Module:
    settings, last_channel = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=width, dilated=True)
    features = MobileNetV3(settings, last_channel).features
    last = len(features) - 1
    backbone = IntermediateLayerGetter(features, {"4": "low", str(last): "high"})
    low, high = settings[3].out_channels, features[last].out_channels
    return LRASPP(backbone, low, high, classes)


def _resnet() -> tuple[nn.Module, int]:
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


def prediction(output: Any) -> Any:
    """torchvision's segmenters answer {"out": logits, ...}: the logits; any other answer as it is."""
    return output["out"] if isinstance(output, dict) and "out" in output else output

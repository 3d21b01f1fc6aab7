"""Three small segmenters for the shapes scenes, one of each family the benchmark compares.

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

from segattr_lib.data.shapes import CLASS_NAMES

WEIGHTS = Path(__file__).parent / "weights"


def shapes_deeplabv3(output_stride: int = 8) -> nn.Module:
    """DeepLabV3 on the small ResNet; (B,3,H,W) to {"out": (B,7,H,W)}."""
    backbone, channels = _resnet(output_stride)
    return DeepLabV3(backbone, DeepLabHead(channels, len(CLASS_NAMES), atrous_rates=(3, 6, 9)))


def shapes_fcn(output_stride: int = 4) -> nn.Module:
    """FCN on the small ResNet; at output stride 4, for an outline may be 8 px wide."""
    backbone, channels = _resnet(output_stride)
    return FCN(backbone, FCNHead(channels, len(CLASS_NAMES)))


def shapes_lraspp(output_stride: int = 4) -> nn.Module:
    """LRASPP on a MobileNetV3-Large of width 0.35; the stride is that of its low features, its high have twice it."""
    settings, last_channel = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.35, dilated=True)
    features = MobileNetV3(settings, last_channel).features
    if output_stride == 4:  # the fourth block strides no more; what follows dilates, and sees what it saw
        for number, block in enumerate(features[4:], 4):
            for layer in block.modules():
                if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
                    if number == 4:
                        layer.stride = (1, 1)
                    else:
                        layer.dilation = tuple(2 * size for size in layer.dilation)
                        layer.padding = tuple(2 * int(size) for size in layer.padding)
    last = len(features) - 1
    backbone = IntermediateLayerGetter(features, {"4": "low", str(last): "high"})
    low, high = settings[3].out_channels, features[last].out_channels
    return LRASPP(backbone, low, high, len(CLASS_NAMES))


EMBEDDED: dict[str, Callable[..., nn.Module]] = {
    "shapes_deeplabv3": shapes_deeplabv3,
    "shapes_fcn": shapes_fcn,
    "shapes_lraspp": shapes_lraspp,
}


def _resnet(output_stride: int) -> tuple[nn.Module, int]:
    """Seven bottleneck blocks of four stages; the last two dilate instead of striding, as ResNet-50's do, and
    at output stride 4 the second, too: the same weights then see the same, twice as densely."""
    wide = 8 // output_stride
    plan = {  # stage: width, stride and dilation of each block
        "layer1": [(8, 1, 1)],
        "layer2": [(16, 2 // wide, 1), (16, 1, wide)],
        "layer3": [(24, 1, 2 * wide)] * 2,
        "layer4": [(24, 1, 4 * wide)] * 2,
    }
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    stages["stem"] = nn.Sequential(Conv2dNormActivation(3, 16, stride=2), Conv2dNormActivation(16, 16, stride=2))
    channels = 16
    for name, blocks in plan.items():
        stage: list[nn.Module] = []
        for width, stride, dilation in blocks:
            outputs = width * Bottleneck.expansion
            changes = stride > 1 or channels != outputs
            shortcut = _projection(channels, outputs, stride) if changes else None
            stage.append(Bottleneck(channels, width, stride, shortcut, dilation=dilation))
            channels = outputs
        stages[name] = nn.Sequential(*stage)
    return IntermediateLayerGetter(nn.Sequential(stages), {"layer4": "out"}), channels


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return Conv2dNormActivation(inputs, outputs, kernel_size=1, stride=stride, activation_layer=None)


def prediction(output: Any) -> Any:
    """torchvision's segmenters answer {"out": logits, ...}: the logits; any other answer as it is."""
    return output["out"] if isinstance(output, dict) and "out" in output else output

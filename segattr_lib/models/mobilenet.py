"""Real models that are small enough to be shipped: MobileNetV2 segmenters of Pascal VOC's classes, and a classifier of
ImageNet's.

Blocks and layer names are torchvision's; the segmenters' head is DeepLabV3's of the original, with image pooling and
one 1x1 branch. Weights are those of google-coral/test_data (Apache-2.0, see weights/NOTICE), trained at 8 bits, batch
norms folded: not for training. Sizes of a multiple of 16, plus 1 (225, 321, 513 px), have the original's padding.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import MobileNetV2

from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.models.embedded import normalised

HALF = 0.5, 0.5, 0.5  # of the range [-1,1] that all of them were trained on
DILATED = 14  # the block whose stride of 2 the segmenters leave out, which keeps 1/16 of the image's resolution
POOLED = 256  # channels of the head


class DeepLabV3MobileNetV2(nn.Module):
    """DeepLabV3 on MobileNetV2 at output stride 16; (B,3,H,W) to logits (B,21,H,W)."""

    def __init__(self, width: float):
        super().__init__()
        self.features = MobileNetV2(width_mult=width, round_nearest=4).features[:-1]
        channels = self.features[-1].conv[-1].num_features
        for number, block in enumerate(self.features[DILATED:]):
            depthwise = block.conv[1][0]
            depthwise.stride = (1, 1)
            if number > 0:
                depthwise.dilation = depthwise.padding = (2, 2)
        self.image_pooling = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.ReLU())
        self.aspp0 = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.ReLU())
        self.concat_projection = nn.Sequential(nn.Conv2d(2 * POOLED, POOLED, 1), nn.ReLU())
        self.logits = nn.Conv2d(POOLED, len(CLASS_NAMES), 1)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h w"]:
        features = self.features(images)
        pooled = self.image_pooling(features.mean((2, 3), keepdim=True)).expand(-1, -1, *features.shape[2:])
        merged = self.concat_projection(torch.cat([pooled, self.aspp0(features)], 1))
        return functional.interpolate(self.logits(merged), size=images.shape[2:], mode="bilinear", align_corners=True)


def voc_deeplabv3_mobilenetv2() -> nn.Module:
    """DeepLabV3 on MobileNetV2, 2.1 million parameters; (B,3,H,W) to (B,21,H,W)."""
    return normalised(DeepLabV3MobileNetV2(1.0), HALF, HALF)


def voc_deeplabv3_mobilenetv2_half() -> nn.Module:
    """The same of half the channels in its backbone, 0.7 million parameters."""
    return normalised(DeepLabV3MobileNetV2(0.5), HALF, HALF)


def imagenet_mobilenet_v2() -> nn.Module:
    """MobileNetV2, 3.5 million parameters; (B,3,H,W) to (B,1000)."""
    return normalised(MobileNetV2(), HALF, HALF)

"""Real models that are small enough to be shipped: MobileNetV2 segmenters of Pascal VOC's classes, and a classifier of
ImageNet's.

Layers have torchvision's names; the segmenters' head is DeepLabV3's of the original, with image pooling and one 1x1
branch. Weights are those of google-coral/test_data (Apache-2.0, see weights/NOTICE), trained at 8 bits, batch norms
folded into the convolutions: not for training. Sizes of a multiple of 16, plus 1 (225, 321, 513 px), have the
original's padding. torchvision is not imported, which takes longer than a photograph's passes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.models.normalisation import normalised

HALF = 0.5, 0.5, 0.5  # of the range [-1,1] that all of them were trained on
STEM = 32  # channels at full width, here and below
# expansion, channels, blocks and stride of the first of them, a stage each (Sandler et al. 2018, table 2)
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
LAST = 1280  # of the classifier's features
POOLED = 256  # of the segmenters' head


def convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Module:
    """A convolution that keeps the size but for its stride, and the clipping at 6 behind it; between them stood a batch
    norm, which is folded in."""
    padding = (kernel - 1) // 2 * dilation
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, padding, dilation, groups), nn.Identity(), nn.ReLU6())


class InvertedResidual(nn.Module):
    """A block of MobileNetV2: channels are expanded, each convolved for itself, and narrowed without clipping."""

    def __init__(self, before: int, after: int, expansion: int, stride: int, dilation: int):
        super().__init__()
        wide = before * expansion
        self.residual = stride == 1 and before == after
        expand = [] if expansion == 1 else [convolution(before, wide, 1)]
        depthwise = convolution(wide, wide, 3, stride, wide, dilation)
        self.conv = nn.Sequential(*expand, depthwise, nn.Conv2d(wide, after, 1), nn.Identity())

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        return features + self.conv(features) if self.residual else self.conv(features)


def mobilenet_features(width: float, output_stride: int) -> nn.Sequential:
    """The stem and the blocks of MobileNetV2 at this share of its channels; where the resolution has fallen to
    1/output_stride of the image's, strides become dilations."""
    layers: list[nn.Module] = [convolution(3, int(STEM * width), 3, 2)]
    channels, reached, dilation = int(STEM * width), 2, 1
    for expansion, full, blocks, first_stride in STAGES:
        for number in range(blocks):
            stride, own_dilation = (first_stride if number == 0 else 1), dilation
            if stride == 2 and reached == output_stride:
                stride, dilation = 1, dilation * 2
            reached *= stride
            layers.append(InvertedResidual(channels, int(full * width), expansion, stride, own_dilation))
            channels = int(full * width)
    return nn.Sequential(*layers)


class DeepLabV3MobileNetV2(nn.Module):
    """DeepLabV3 on MobileNetV2 at output stride 16; (B,3,H,W) to logits (B,21,H,W)."""

    def __init__(self, width: float):
        super().__init__()
        self.features = mobilenet_features(width, output_stride=16)
        channels = int(STAGES[-1][1] * width)
        self.image_pooling = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.ReLU())
        self.aspp0 = nn.Sequential(nn.Conv2d(channels, POOLED, 1), nn.ReLU())
        self.concat_projection = nn.Sequential(nn.Conv2d(2 * POOLED, POOLED, 1), nn.ReLU())
        self.logits = nn.Conv2d(POOLED, len(CLASS_NAMES), 1)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h w"]:
        features = self.features(images)
        pooled = self.image_pooling(features.mean((2, 3), keepdim=True)).expand(-1, -1, *features.shape[2:])
        merged = self.concat_projection(torch.cat([pooled, self.aspp0(features)], 1))
        return functional.interpolate(self.logits(merged), size=images.shape[2:], mode="bilinear", align_corners=True)


class MobileNetV2(nn.Module):
    """MobileNetV2 at full width; (B,3,H,W) to logits (B,C)."""

    def __init__(self, classes: int):
        super().__init__()
        self.features = mobilenet_features(1.0, output_stride=32)
        self.features.append(convolution(STAGES[-1][1], LAST, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, classes))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c"]:
        return self.classifier(self.features(images).mean((2, 3)))


def voc_deeplabv3_mobilenetv2() -> nn.Module:
    """DeepLabV3 on MobileNetV2, 2.1 million parameters; (B,3,H,W) to (B,21,H,W)."""
    return normalised(DeepLabV3MobileNetV2(1.0), HALF, HALF)


def voc_deeplabv3_mobilenetv2_half() -> nn.Module:
    """The same of half the channels in its backbone, 0.7 million parameters."""
    return normalised(DeepLabV3MobileNetV2(0.5), HALF, HALF)


def imagenet_mobilenet_v2() -> nn.Module:
    """MobileNetV2, 3.5 million parameters; (B,3,H,W) to (B,1000)."""
    return normalised(MobileNetV2(1000), HALF, HALF)

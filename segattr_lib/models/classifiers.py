"""Classifiers by name: embedded ones for the single shapes, torchvision's, and a user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VGG, ConvNeXt, ResNet, SwinTransformer, get_model
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers

from segattr_lib.data.part_figures import CLASS_NAMES as FIGURES
from segattr_lib.data.single_shapes import CLASS_NAMES
from segattr_lib.models.embedded import WEIGHTS
from segattr_lib.models.loading import (
    built,
    copied,
    fetched,
    give_back,
    kind_of,
    normalised,
    some,
    stored,
    tried,
    weight_fingerprint,
)
from segattr_lib.registry import UserError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, per channel
STAGES = {  # torchvision's name, to the last layer of each stage, shallow to deep
    "vgg11": ("features.5", "features.10", "features.15", "features.20"),
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
    "resnet50": ("layer1", "layer2", "layer3", "layer4"),
    "swin_t": ("features.1", "features.3", "features.5", "features.7"),
    "convnext_tiny": ("features.1", "features.3", "features.5", "features.7"),
}
FAMILY = {  # an embedded model, to the one of torchvision's whose layer names it shares
    "shapes_vgg11": "vgg11",
    "shapes_resnet18": "resnet18",
    "shapes_swin": "swin_t",
    "shapes_convnext": "convnext_tiny",
    "figures_resnet": "resnet18",
}
FINETUNED = {f"finetuned_{name}": name for name in FAMILY.values()}  # on the single shapes, by the paper's recipe


@dataclass(frozen=True)
class Classifier:
    """A model ready to be explained.

    module: (B,3,H,W) RGB in [0,1] to logits (B,C), in evaluation mode. layers: the modules whose activations
    are explained, shallow to deep; (B,K,h,w), or (B,h,w,K) as Swin's are. classes: C. fingerprint: changes
    when a weight changes. layer: the one that is explained where a method takes one. members: which of the
    module's own classes each of the C is, where another data set's classes are asked for; none of them for a
    class it does not know.
    """

    name: str
    module: nn.Module
    layers: tuple[str, ...]
    classes: int
    fingerprint: str
    layer: str
    members: Sequence[Sequence[int]] | None = None


def load_classifier(
    name: str,
    layers: Sequence[str] | None = None,
    shape: tuple[int, int] = (224, 224),
    layer: str | None = None,
    members: Sequence[Sequence[int]] | None = None,
) -> Classifier:
    """Load a classifier by registered name, "file.py:function" or "package.module:function", and try it.

    layers: shallow to deep; None takes the model's own four stages, a user's model has none and must name
    some, or a layer. layer: None takes the shallowest of them, as the ARCC paper does. members: see Classifier;
    the module then answers for groups of its classes, see `grouped`. Raises UserError for an unknown model,
    weights that are missing or truncated, an output that is not (B,C), layers that are not named, do not exist,
    or come in another order than the forward pass has, and members the model has not.
    """
    module = built("classifier", name, CLASSIFIERS)
    output, candidates = tried(name, module, shape)
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise UserError(
            f"The model {name!r} gives {kind_of(output)} for an image (1,3,{shape[0]},{shape[1]}); expected logits "
            f"(1,C): wrap it in a module whose forward returns them alone."
        )
    if output.shape[1] == 1:
        raise UserError(
            f"The model {name!r} gives one logit, as for a sigmoid; expected logits of two classes or more, of which a "
            f"softmax is taken: wrap it in a module whose forward returns torch.cat([0 * logit, logit], 1), whose "
            f"softmax is the sigmoid."
        )
    layers = layers or STAGES.get({**FAMILY, **FINETUNED}.get(name, name)) or (layer and [layer])
    if not layers:
        raise UserError(
            f"The model {name!r} has no default layers; name some with layers=, such as {some(candidates)}."
        )
    for one in (*layers, layer or layers[0]):
        if one not in candidates:
            raise UserError(
                f"layers has {one!r}, which is no feature layer of the model {name!r}; "
                f"choose some such as {some(candidates)}."
            )
    ordered = sorted(set(layers), key=candidates.index)
    if list(layers) != ordered:
        raise UserError(f"layers are {', '.join(layers)}; expected shallow to deep, each once: {', '.join(ordered)}.")
    fingerprint, classes = weight_fingerprint(module), output.shape[1]
    if members is not None:
        answering, fingerprint = grouped(name, module, classes, members), f"{fingerprint}-{members}"
        give_back(module)  # the copy is explained
        module, classes = answering, len(members)
    return Classifier(name, module, tuple(layers), classes, fingerprint, layer or layers[0], members)


def grouped(name: str, module: nn.Module, classes: int, members: Sequence[Sequence[int]]) -> nn.Module:
    """A copy of the module, answering for groups of its classes: logits (B,C), or (B,C+1) where classes are left over.

    members: the classes of each group, disjoint. A group's logit is the logarithm of the sum of its members'
    exponentials, so that its probability is the sum of theirs; what is left over comes last, and a group without
    members has probability 0. By a forward hook: the names of the layers stay. Raises UserError for a class that
    the module has not.
    """
    told = [number for group in members for number in group]
    if told and max(told) >= classes:
        raise UserError(f"The class map names class {max(told)}, but the model {name!r} has 0 to {classes - 1}.")
    rest = [number for number in range(classes) if number not in set(told)]
    groups = [*members, rest] if rest else members

    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        none = logits.new_full((len(logits),), float("-inf"))
        return torch.stack([logits[:, list(group)].logsumexp(1) if group else none for group in groups], 1)

    answering = copied(module, "A class map")  # a user's function may hand out one module again and again
    answering.register_forward_hook(hook)
    return answering


def shapes_vgg11(batch_norm: bool = False) -> nn.Module:
    """VGG11 with an eighth of the channels or so, and one linear layer for a head; (B,3,H,W) to (B,6).

    batch_norm: with a batch norm after each convolution, as it is trained; they are folded for shipping.
    """
    widths: list[str | int] = [8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 96, 96, "M"]
    with torch.device("meta"):  # torchvision's own head, dropped here, would take half a gigabyte
        module = VGG(nn.Sequential(), init_weights=False)
    module.features = make_layers(widths, batch_norm)
    module.avgpool = nn.AdaptiveAvgPool2d(1)
    module.classifier = nn.Sequential(nn.Linear(96, len(CLASS_NAMES)))
    return normalised(module, MEAN, STD)


def shapes_resnet18() -> nn.Module:
    """ResNet of one basic block a stage, 24 to 192 channels."""
    return small_resnet((24, 48, 96, 192), len(CLASS_NAMES))


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
        num_classes=len(CLASS_NAMES),
    )
    return normalised(spread_by_width(with_stem(module)), MEAN, STD)


def shapes_convnext() -> nn.Module:
    """ConvNeXt of 32 to 192 channels, one, one, two and one block deep."""
    plan = [(32, 64, 1), (64, 128, 1), (128, 192, 2), (192, None, 1)]
    blocks = [CNBlockConfig(*stage) for stage in plan]
    module = ConvNeXt(blocks, layer_scale=1.0, num_classes=len(CLASS_NAMES))
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


EMBEDDED_CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "shapes_vgg11": shapes_vgg11,
    "shapes_resnet18": shapes_resnet18,
    "shapes_swin": shapes_swin,
    "shapes_convnext": shapes_convnext,
}


def embedded(name: str) -> nn.Module:
    """One of the embedded classifiers with its shipped weights, in float32."""
    build = figures_resnet if name == "figures_resnet" else EMBEDDED_CLASSIFIERS[name]
    return stored(name, build(), WEIGHTS / f"{name}.safetensors")


def finetuned(name: str) -> nn.Module:
    """One of torchvision's, tuned on the single shapes by the paper's recipe (models/classifier_training.py)."""
    module = with_head(get_model(FINETUNED[name]), len(CLASS_NAMES))
    remedy = "`make train SUITE=arcc PROFILE=paper` makes them"
    return stored(name, normalised(module, MEAN, STD), WEIGHTS / f"{name}.safetensors", remedy)


def with_head(module: nn.Module, classes: int) -> nn.Module:
    """One of torchvision's classifiers with its last layer drawn anew, for so many classes."""
    name, last = [(key, layer) for key, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
    module.set_submodule(name, nn.Linear(last.in_features, classes))
    return module


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(embedded, name) for name in [*EMBEDDED_CLASSIFIERS, "figures_resnet"]},
    **{name: partial(fetched, name) for name in STAGES},
    **{name: partial(finetuned, name) for name in FINETUNED},
}

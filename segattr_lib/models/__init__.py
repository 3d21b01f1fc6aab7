"""The table of models: segmenters and classifiers by name. A new one is one function and one row of MODELS.

`load_model` of loading.py takes these names, and a user's own by "file.py:function". Importing the table imports
neither torch nor torchvision: a row says where its function is, which is imported when the model is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from segattr_lib.registry import imported

Kind = Literal["segmenter", "classifier"]
WEIGHTS = Path(__file__).parent / "weights"  # NAME.safetensors of each model that is trained here
SHIPPED, FINE_TUNED = "`make train` makes them anew", "`make train SUITE=arcc PROFILE=paper` makes them"
CORAL = "google-coral/test_data"
RESTORED = "they come with the library; install it anew"


@dataclass(frozen=True)
class Entry:
    """What is known of a model before it is built.

    kind: a segmenter gives logits (B,C,H,W), a classifier (B,C). place: the function that builds it, "module:function".
    layers: what is explained by default, shallow to deep; of a segmenter the deepest alone, the others being found
    in the module. names: where the names of its classes are, "module:sequence". torchvision: what torchvision calls
    it, if it is one of its own; the function is called with that, and its weights are torchvision's unless it is
    trained here. trained_on: the data set whose training split it learns here. source: who trained the weights that are
    shipped, where it was not done here. copy_of: the model whose copy it is, tuned here to judge that one in domain.
    remedy: how the file of its weights in WEIGHTS comes about, for the error where it is missing.
    """

    kind: Kind
    place: str
    layers: tuple[str, ...]
    names: str = ""
    torchvision: str = ""
    trained_on: str = ""
    source: str = ""
    copy_of: str = ""
    remedy: str = SHIPPED

    @property
    def stored(self) -> bool:
        """Whether its weights are a file of WEIGHTS: of the models trained here, or tuned, and of those shipped as
        others trained them."""
        return bool(self.trained_on or self.source or self.copy_of)

    @property
    def class_names(self) -> Sequence[str]:
        """The names of its classes, by id; none where they are not known."""
        return imported(self.names) if self.names else ()

    def build(self) -> Any:
        """The module, a torch.nn.Module: with weights drawn at random where `stored`, else with torchvision's."""
        build = imported(self.place)
        return build(self.torchvision) if self.torchvision else build()


EMBEDDED, REAL = "segattr_lib.models.embedded", "segattr_lib.models.real"
MOBILENET = "segattr_lib.models.mobilenet"
VOC, IMAGENET = "segattr_lib.data.voc:CLASS_NAMES", "segattr_lib.data.imagenet:CLASS_NAMES"
SCENES, SINGLE = "segattr_lib.data.shapes:CLASS_NAMES", "segattr_lib.data.single_shapes:CLASS_NAMES"
PLANTED, FIGURES = "segattr_lib.data.planted:CLASS_NAMES", "segattr_lib.data.part_figures:CLASS_NAMES"
LAYER4, BLOCK16, BLOCK17 = ("backbone.layer4",), ("backbone.16",), ("features.17",)  # what a segmenter's head reads
RESNET = ("layer1", "layer2", "layer3", "layer4")  # here and below, the last layer of each stage of a classifier
VGG11 = ("features.5", "features.10", "features.15", "features.20")
MOBILENET_V2 = ("features.3", "features.6", "features.13", "features.18")
SWIN = CONVNEXT = ("features.1", "features.3", "features.5", "features.7")

MODELS = {
    "voc_deeplabv3_mobilenetv2": Entry(
        "segmenter", f"{MOBILENET}:voc_deeplabv3_mobilenetv2", BLOCK17, VOC, source=CORAL, remedy=RESTORED
    ),
    "voc_deeplabv3_mobilenetv2_half": Entry(
        "segmenter", f"{MOBILENET}:voc_deeplabv3_mobilenetv2_half", BLOCK17, VOC, source=CORAL, remedy=RESTORED
    ),
    "shapes_deeplabv3": Entry("segmenter", f"{EMBEDDED}:shapes_deeplabv3", LAYER4, SCENES, trained_on="shapes"),
    "shapes_fcn": Entry("segmenter", f"{EMBEDDED}:shapes_fcn", LAYER4, SCENES, trained_on="shapes"),
    "shapes_lraspp": Entry("segmenter", f"{EMBEDDED}:shapes_lraspp", BLOCK16, SCENES, trained_on="shapes"),
    "planted_context_lraspp": Entry(
        "segmenter", f"{EMBEDDED}:planted_lraspp", BLOCK16, PLANTED, trained_on="planted_context"
    ),
    "planted_own_lraspp": Entry("segmenter", f"{EMBEDDED}:planted_lraspp", BLOCK16, PLANTED, trained_on="planted_own"),
    "deeplabv3_resnet50": Entry("segmenter", f"{REAL}:fetched", LAYER4, VOC, "deeplabv3_resnet50"),
    "fcn_resnet50": Entry("segmenter", f"{REAL}:fetched", LAYER4, VOC, "fcn_resnet50"),
    "lraspp_mobilenet_v3_large": Entry("segmenter", f"{REAL}:fetched", BLOCK16, VOC, "lraspp_mobilenet_v3_large"),
    "imagenet_mobilenet_v2": Entry(
        "classifier", f"{MOBILENET}:imagenet_mobilenet_v2", MOBILENET_V2, IMAGENET, source=CORAL, remedy=RESTORED
    ),
    "shapes_vgg11": Entry("classifier", f"{EMBEDDED}:shapes_vgg11", VGG11, SINGLE, trained_on="single_shapes"),
    "shapes_resnet18": Entry("classifier", f"{EMBEDDED}:shapes_resnet18", RESNET, SINGLE, trained_on="single_shapes"),
    "shapes_swin": Entry("classifier", f"{EMBEDDED}:shapes_swin", SWIN, SINGLE, trained_on="single_shapes"),
    "shapes_convnext": Entry("classifier", f"{EMBEDDED}:shapes_convnext", CONVNEXT, SINGLE, trained_on="single_shapes"),
    "figures_resnet": Entry("classifier", f"{EMBEDDED}:figures_resnet", RESNET, FIGURES, trained_on="part_figures"),
    "vgg11": Entry("classifier", f"{REAL}:fetched", VGG11, IMAGENET, "vgg11"),
    "resnet18": Entry("classifier", f"{REAL}:fetched", RESNET, IMAGENET, "resnet18"),
    "resnet50": Entry("classifier", f"{REAL}:fetched", RESNET, IMAGENET, "resnet50"),
    "swin_t": Entry("classifier", f"{REAL}:fetched", SWIN, IMAGENET, "swin_t"),
    "convnext_tiny": Entry("classifier", f"{REAL}:fetched", CONVNEXT, IMAGENET, "convnext_tiny"),
    "finetuned_vgg11": Entry(
        "classifier", f"{REAL}:finetuned", VGG11, SINGLE, "vgg11", "single_shapes", remedy=FINE_TUNED
    ),
    "finetuned_resnet18": Entry(
        "classifier", f"{REAL}:finetuned", RESNET, SINGLE, "resnet18", "single_shapes", remedy=FINE_TUNED
    ),
    "finetuned_swin_t": Entry(
        "classifier", f"{REAL}:finetuned", SWIN, SINGLE, "swin_t", "single_shapes", remedy=FINE_TUNED
    ),
    "finetuned_convnext_tiny": Entry(
        "classifier", f"{REAL}:finetuned", CONVNEXT, SINGLE, "convnext_tiny", "single_shapes", remedy=FINE_TUNED
    ),
}

REPEATED = {  # trained as another was, from another seed: what of a finding is that one training's
    "shapes_fcn_seed_1": ("shapes_fcn", 1),
    "shapes_fcn_seed_2": ("shapes_fcn", 2),
}
MODELS |= {name: MODELS[original] for name, (original, _) in REPEATED.items()}
IN_DOMAIN = {  # a copy that was tuned on images with holes, by the model that it judges
    name: f"{name}_in_domain"
    for name in ("voc_deeplabv3_mobilenetv2_half", "shapes_lraspp", "planted_context_lraspp", "planted_own_lraspp")
}
MODELS |= {
    copy: replace(MODELS[name], trained_on="", source="", copy_of=name, remedy=SHIPPED)
    for name, copy in IN_DOMAIN.items()
}


def names(kind: Kind | None = None) -> list[str]:
    """The models of the table, those of one kind or all, in its order."""
    return [name for name, entry in MODELS.items() if kind in (None, entry.kind)]

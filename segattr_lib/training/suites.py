"""Which function trains which model, by suite and profile (`make train`); to name them loads none of them."""

from __future__ import annotations

SEGMENTERS = (
    "shapes_fcn",
    "shapes_lraspp",
    "shapes_deeplabv3",
    "planted_context_lraspp",
    "planted_own_lraspp",
    "shapes_fcn_seed_1",
    "shapes_fcn_seed_2",
)
CLASSIFIERS = ("shapes_resnet18", "shapes_vgg11", "shapes_convnext", "shapes_swin")
FINETUNED = ("finetuned_vgg11", "finetuned_resnet18", "finetuned_swin_t", "finetuned_convnext_tiny")
COPIES = ("shapes_lraspp_in_domain", "planted_context_lraspp_in_domain", "planted_own_lraspp_in_domain")
PHOTOGRAPHED = ("voc_deeplabv3_mobilenetv2_half_in_domain",)  # a copy that is tuned on VOC's pictures, in data

SUITES = {  # suite, profile, model in the order of training: the function of name, seed and folder, to its metadata
    "benchmark": {"embedded": dict.fromkeys(SEGMENTERS, "segattr_lib.training.segmenters:train_segmenter")},
    "arcc": {
        "embedded": {
            **dict.fromkeys(CLASSIFIERS, "segattr_lib.training.classifiers:train_classifier"),
            "figures_resnet": "segattr_lib.training.figures:train_figures",
        },
        "paper": dict.fromkeys(FINETUNED, "segattr_lib.training.classifiers:fine_tune"),
    },
    "in_domain": {
        "embedded": dict.fromkeys(COPIES, "segattr_lib.training.in_domain:train_in_domain"),
        "paper": dict.fromkeys(PHOTOGRAPHED, "segattr_lib.training.in_domain:train_in_domain"),
    },
    "wsss": {"embedded": {"shapes_sam2": "segattr_lib.training.sam2:train_sam2"}},
}

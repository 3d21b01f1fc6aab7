"""Which trainer makes the weights of which model, by suite and profile (`make train`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segattr_lib.models import MODELS
from segattr_lib.training.classifiers import CLASSIFIER_RECIPE, fine_tune, train_classifier
from segattr_lib.training.figures import train_figures
from segattr_lib.training.sam2 import train_promptable
from segattr_lib.training.segmenters import RECIPE, train_segmenter

SUITES: dict[str, dict[str, dict[str, Callable[[str, int, Path], dict[str, str]]]]] = {  # suite, profile, model
    "benchmark": {"embedded": dict.fromkeys(RECIPE, train_segmenter)},
    "arcc": {
        "embedded": {**dict.fromkeys(CLASSIFIER_RECIPE, train_classifier), "figures_resnet": train_figures},
        "paper": {name: fine_tune for name, entry in MODELS.items() if entry.torchvision and entry.trained_on},
    },
    "wsss": {"embedded": {"shapes_sam2": train_promptable}},
}

"""What a page calls a method or a metric, by the text of its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from segattr_lib.attribution import method_key
from segattr_lib.metrics import METRICS, metric_key
from segattr_lib.registry import with_options

ARROWS = {1: " ↑", -1: " ↓", 0: ""}


def key_label(key: str) -> str:
    """The label of "ria" or "ria(grid=7)": "RIA", "RIA (grid=7)"; of one that is made of another's maps, such as
    "refinecam(base=layercam, fuse=geometric_mean)", "RefineCAM of LayerCAM (fuse=geometric mean)"."""
    read = method_key(key)
    others = {option: value for option, value in read.options.items() if option != "base"}
    if not read.options or read.entry is None:
        return read.label
    name = read.entry.label + (f" of {key_label(str(read.options['base']))}" if "base" in read.options else "")
    pinned = ", ".join(f"{option}={_option(option, value)}" for option, value in others.items())
    return f"{name} ({pinned})" if pinned else name


def _option(option: str, value: object) -> str:
    """An option's value as it is read: a word of a few is no code."""
    return str(value) if option == "layer" or not isinstance(value, str) else value.replace("_", " ")


def method_label(method: str, pinned: str = "") -> str:
    """A method's label, with its pinned options where it has any, as the columns of a run have the two."""
    return key_label(with_options(method, pinned))


def short_labels(keys: Iterable[str]) -> dict[str, str]:
    """The label of each of some keys: with its options only where they are what tells it from another."""
    read = {text: method_key(text) for text in keys}
    bearers = Counter(key.entry.label for key in read.values())
    return {text: key.entry.label if bearers[key.entry.label] == 1 else key_label(text) for text, key in read.items()}


def metric_label(metric: str) -> str:
    """A metric's name with the direction in which it is better."""
    entry = metric_key(metric).entry
    return entry.label + ARROWS[entry.direction]


def ranked_label(metric: str) -> str:
    """A metric's label, and what methods are ranked by where that is not the mean."""
    by = metric_key(metric).entry.ranked_by
    return metric_label(metric) + ("" if by == "mean" else f", {by}")


def signed_label(metric: str) -> str:
    """The label of a metric whose sign is turned where lower is better: "− AD"; any other text as it is."""
    if metric not in METRICS:
        return metric
    return ("− " if METRICS[metric].direction < 0 else "") + METRICS[metric].label


DATASETS = {  # whose names do not say to a reader what they are of
    "voc": "Pascal VOC",
    "sbd": "SBD",
    "cub": "CUB-200-2011",
    "usis10k": "USIS10K",
    "kvasir_seg": "Kvasir-SEG",
    "shapes": "generated scenes",
    "single_shapes": "single shapes",
    "part_figures": "part-made figures",
    "photographs": "photographs",
    "planted_own": "scenes with evidence planted on the target",
    "planted_context": "scenes with evidence planted off the target",
}


def dataset_label(dataset: str) -> str:
    """What a page calls a data set, in a sentence: "single shapes" of "single_shapes"; a user's own by its name."""
    return DATASETS.get(dataset, dataset)


def fill_label(fill: str) -> str:
    """What a page calls what stands in place of deleted pixels: "other image" of "other_image"."""
    return fill.replace("_", " ")


def model_label(model: str) -> str:
    """A model's name without what only tells where its weights came from: "resnet18" of "shapes_resnet18"."""
    return model.removeprefix("shapes_").removeprefix("finetuned_")

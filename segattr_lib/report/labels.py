"""What a page calls a method or a metric, by the text of its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from segattr_lib.attribution import method_key
from segattr_lib.metrics import METRICS, metric_key
from segattr_lib.registry import with_options

ARROWS = {1: " ↑", -1: " ↓", 0: ""}


def key_label(key: str) -> str:
    """The label of "ria" or "ria(grid=7)"."""
    return method_key(key).label


def method_label(method: str, pinned: str = "") -> str:
    """A method's label, with its pinned options where it has any, as the columns of a run have the two."""
    return method_key(with_options(method, pinned)).label


def short_labels(keys: Iterable[str]) -> dict[str, str]:
    """The label of each of some keys: with its options only where they are what tells it from another."""
    read = {text: method_key(text) for text in keys}
    bearers = Counter(key.entry.label for key in read.values())
    return {text: key.entry.label if bearers[key.entry.label] == 1 else key.label for text, key in read.items()}


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


def model_label(model: str) -> str:
    """A model's name without what only tells where its weights came from: "resnet18" of "shapes_resnet18"."""
    return model.removeprefix("shapes_").removeprefix("finetuned_")

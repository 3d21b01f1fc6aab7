"""Whose answer says what is explained of a picture: its masks', or the model's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.data.class_maps import CLASS_MAPS
from segattr_lib.data.regions import FREQUENT, class_id_of, read_region
from segattr_lib.data.sample import Dataset, Sample, SampleError, find_region
from segattr_lib.models import MODELS, Kind
from segattr_lib.models.loading import Model
from segattr_lib.models.runtime import Runtime, autocast
from segattr_lib.registry import Key, UserError

PREDICTED = "predicted"  # what the model says: the class of a classifier (a class map), or the labels of a segmenter


@runtime_checkable
class Asked(Protocol):
    """What settings say of the target.

    target: one of the FORMS of data.regions. region: "truth", PREDICTED, or None for the masks where there are any.
    class_map: how a classifier's classes are found, PREDICTED for the one that it says.
    """

    @property
    def target(self) -> str: ...

    @property
    def region(self) -> str | None: ...

    @property
    def class_map(self) -> str | None: ...


def region_of(asked: Asked, dataset: Dataset, model: Model) -> str | None:
    """Whose labels the targets are found in, "truth" or PREDICTED; None for a classifier's, which have no region."""
    if model.classifies:
        return None
    return asked.region or ("truth" if dataset.labelled else PREDICTED)


def kind_asked(asked: Asked, dataset: Dataset, name: str) -> Kind:
    """What the model of this name is to be: a classifier where the data set gives images a class or there is a class
    map, and of the table's models also on pictures without masks, whose class the model says; else a segmenter.

    Raises UserError for a class map without masks, and for a model of the table that is of the other kind.
    """
    own = MODELS[name].kind if name in MODELS else None
    if not dataset.labelled and asked.region != PREDICTED and asked.class_map not in (None, PREDICTED):
        raise UserError(
            f"The data set {dataset.name!r} has no masks whose classes {asked.class_map!r} could map; leave class_map "
            f"out, or set class_map={PREDICTED}."
        )
    if dataset.class_of is None and asked.class_map is None:
        if own == "classifier" and dataset.labelled:
            raise UserError(
                f"The model {name!r} is a classifier, and the data set {dataset.name!r} has masks, for segmenters; "
                f"choose a segmenter, or set class_map to {PREDICTED}, {', '.join(CLASS_MAPS)} or a file of one's own."
            )
        return own or "segmenter"
    if own == "segmenter":
        remedy = "leave class_map out, or choose a classifier" if dataset.class_of is None else "choose a classifier"
        why = "class_map is for classifiers" if dataset.class_of is None else f"{dataset.name!r} is for classifiers"
        raise UserError(f"The model {name!r} is a segmenter, and {why}; {remedy}.")
    return "classifier"


def as_asked(asked: Asked, dataset: Dataset) -> Dataset:
    """The data set without its masks where the model's labels are asked for: what they lack is no reason to skip a
    picture, nor are their classes the model's."""
    return replace(dataset, labelled=False) if asked.region == PREDICTED else dataset


def decided_by(asked: Asked, dataset: Dataset, model: Model) -> bool:
    """Whether the model says of which class a picture's target is, and not the data set."""
    unknown = model.classifies and not dataset.labelled and dataset.class_of is None
    return unknown or PREDICTED in (region_of(asked, dataset, model), asked.class_map)


def names_of(asked: Asked, dataset: Dataset, model: Model) -> Sequence[str]:
    """The names of the target's classes by id: the model's own where it decides, else the data set's; the other's where
    these are not known and it has as many classes; else none."""
    if decided_by(asked, dataset, model):
        same = len(dataset.class_names) == model.classes
        return model.class_names or (dataset.class_names if same else ())
    return dataset.class_names or model.class_names


def name_of(names: Sequence[str], class_id: int) -> str:
    """What a class is called, by its number where the names are not known."""
    return names[class_id] if 0 <= class_id < len(names) else f"class {class_id}"


def check_target(asked: Asked, dataset: Dataset, model: Model) -> None:
    """Raises UserError for a target that this data set or model cannot have."""
    wanted = read_region(asked.target)
    if asked.region == "truth" and not dataset.labelled:
        raise UserError(f"The data set {dataset.name!r} has no masks; leave region out, or set region=predicted.")
    if model.classifies and (asked.region or wanted.kind not in (FREQUENT, "class")):
        raise UserError(
            f"{model.name!r} is a classifier, whose target has no region; leave region and target out, or set "
            f"target=class=NAME."
        )
    if wanted.kind == "class":
        class_id = class_id_of(wanted.class_name, names_of(asked, dataset, model))
        if class_id >= model.classes:
            raise UserError(f"target is {asked.target!r}, {known_by(model)}.")
        if model.members is not None and not model.members[class_id]:
            raise UserError(f"target is {asked.target!r}, but the classifier {model.name!r} knows no such class.")


def check_classes(dataset: Dataset, models: Iterable[Model], samples: Iterable[Sample]) -> None:
    """Raises UserError where a model has fewer classes than the data set names.

    A data set that does not say how many it has is read, its `samples`, until one is of a class that every model has;
    without one, no sample could be scored.
    """
    models, most = list(models), len(dataset.class_names) - 1
    if most < 0:
        fewest = min(model.classes for model in models)
        for sample in samples:
            most = sample.class_id if most < 0 else min(most, sample.class_id)
            if most < fewest:
                break
    for model in models:
        if most >= model.classes:
            raise UserError(
                f"The data set {dataset.name!r} names class {most}, but the model {model.name!r} has {model.classes} "
                f"classes (0 to {model.classes - 1}); choose data and a model that agree."
            )


def check_regions(metrics: Iterable[Key], models: Iterable[Model]) -> None:
    """Raises UserError for metrics that select among the pixels of a region, which a classifier's target has not."""
    names = [metric.text for metric in metrics if metric.entry.regions]
    for model in models:
        if names and model.classifies:
            raise UserError(
                f"The model {model.name!r} is a classifier, whose target has no region, and {', '.join(names)} select "
                f"pixels in one; set metrics to others, such as average_drop, complexity, coherency and road."
            )


def targeted(
    asked: Asked,
    dataset: Dataset,
    model: Model,
    runtime: Runtime,
    images: Float[Tensor, "b 3 h w"],
    samples: list[Sample],
) -> list[Sample]:
    """The samples with the target that is asked for, class and mask found in their labels or in what the model says,
    which then stands in the place of the labels.

    images: the samples' own, as the model is shown them. Raises SampleError where a sample has no such target, or one
    of a class that the model does not know.
    """
    wanted, names = read_region(asked.target), names_of(asked, dataset, model)
    by_model = decided_by(asked, dataset, model)
    if model.classifies and wanted.kind == "class":
        class_id = class_id_of(wanted.class_name, names)
        return [replace(sample, class_id=class_id) for sample in samples]
    if not by_model and (model.classifies or wanted.kind == FREQUENT):
        return samples
    labels = [sample.labels for sample in samples]
    if by_model:
        with torch.no_grad(), autocast(runtime):  # what a model keeps may be differentiated through
            said = model.module(images).argmax(1).cpu()
        if model.classifies:
            return [replace(sample, class_id=int(number)) for sample, number in zip(samples, said, strict=True)]
        labels = list(said)
    result = []
    for sample, of_pixels in zip(samples, labels, strict=True):
        class_id, mask = find_region(of_pixels.numpy(), wanted, names, sample.extent, complete=by_model)
        if class_id >= model.classes:
            raise SampleError("failed", f"the target is of class {class_id}, {known_by(model)}")
        region = torch.from_numpy(mask)
        result.append(replace(sample, class_id=class_id, mask=region, labels=of_pixels, complete=by_model))
    return result


def known_by(model: Model) -> str:
    """Which classes a model has, as the end of a sentence about one that it has not."""
    return f"and the model {model.name} has classes 0 to {model.classes - 1}"

"""Whose answer says what is explained of a picture: its masks', or the model's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.data.regions import FREQUENT, class_id_of, read_region
from segattr_lib.data.sample import Dataset, Sample, find_region
from segattr_lib.models.loading import Model
from segattr_lib.models.runtime import Runtime, autocast
from segattr_lib.registry import UserError

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


def names_of(dataset: Dataset, model: Model) -> Sequence[str]:
    """The names of the classes by id, the data set's or else the model's own; none where neither knows them."""
    return dataset.class_names or model.class_names


def name_of(names: Sequence[str], class_id: int) -> str:
    """What a class is called, by its number where the names are not known."""
    return names[class_id] if 0 <= class_id < len(names) else f"class {class_id}"


def check_target(asked: Asked, dataset: Dataset, model: Model) -> None:
    """Raises UserError for a target that this data set or model cannot have."""
    wanted = read_region(asked.target)
    if not dataset.labelled and asked.region == "truth":
        raise UserError(f"The data set {dataset.name!r} has no masks; leave region out, or set region=predicted.")
    if model.classifies and (asked.region or wanted.kind not in (FREQUENT, "class")):
        raise UserError(
            f"{model.name!r} is a classifier, whose target has no region; leave region and target out, or set "
            f"target=class=NAME."
        )
    if wanted.kind == "class":
        class_id = class_id_of(wanted.class_name, names_of(dataset, model))
        if class_id >= model.classes:
            known = f"the model {model.name!r} has classes 0 to {model.classes - 1}"
            raise UserError(f"target is {asked.target!r}, but {known}.")


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

    images: the samples' own, as the model is shown them. Raises SampleError where a sample has no such target.
    """
    wanted, names = read_region(asked.target), names_of(dataset, model)
    by_model = PREDICTED in (region_of(asked, dataset, model), asked.class_map)
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
        class_id, mask = find_region(of_pixels.numpy(), wanted, names, sample.extent)
        result.append(replace(sample, class_id=class_id, mask=torch.from_numpy(mask), labels=of_pixels))
    return result

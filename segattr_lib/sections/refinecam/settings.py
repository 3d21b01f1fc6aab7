"""What the page on RefineCAM is told, checked before any work begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.attribution.fusion import REFINABLE
from segattr_lib.benchmark import settings as benchmark
from segattr_lib.metrics import metrics_of
from segattr_lib.registry import UserError, unknown
from segattr_lib.report.page import read_page
from segattr_lib.report.photographs import PhotoPage

FIRST = ("arcc", "road", "coherency", "complexity")  # the order of the tables: ARCC, what it is made of, the others
OF_SEGMENTATION = ("tdd", "odd_abs", "excess_tdd")


class Settings(PhotoPage):
    """The page's settings.

    bases: the CAMs that are refined. averaged: those of them that are fused by the means, too. swept: the one of them
    that is shown and started at every layer. few: the images, first of the run's, of starting layers and the shortcut,
    and of the fusions where no record has them. pictures: rows of the gallery. level: of the intervals. checked:
    samples that are computed again where a record stands. many_*: data set, classes, samples and model of the
    photographs that are counted over. seg_*: data set and model of the part on segmentation, which shares the run's
    other settings.
    """

    few: int = Field(ge=1)
    bases: list[str]
    averaged: list[str]
    swept: str
    pictures: int = Field(ge=1)
    level: float = Field(gt=0, lt=1)
    checked: int = Field(ge=1)
    many_dataset: str
    many_root: str | None
    many_split: str | None
    many_class_map: str | None
    many_samples: Annotated[int, Field(ge=1)] | None
    many_model: str
    seg_dataset: str
    seg_root: str | None
    seg_split: str | None
    seg_samples: Annotated[int, Field(ge=1)] | None
    seg_model: str
    seg_layers: list[str] | None
    seg_floor: float | None

    @field_validator("bases")
    @classmethod
    def _refinable(cls, values: list[str]) -> list[str]:
        for value in values:
            if value not in REFINABLE:
                raise unknown("base CAM", value, REFINABLE)
        return values

    @field_validator("seg_layers")
    @classmethod
    def _some(cls, values: list[str] | None) -> list[str] | None:
        if values == []:
            raise ValueError("seg_layers is []; expected the names of one layer or more, or None for the model's own.")
        return values

    @model_validator(mode="after")
    def _swept_is_a_base(self) -> Settings:
        if self.swept not in self.bases:
            raise UserError(f"swept is {self.swept!r}; expected one of the bases: {', '.join(self.bases)}.")
        for name in self.averaged:
            if name not in self.bases:
                raise UserError(f"averaged has {name!r}; expected some of the bases: {', '.join(self.bases)}.")
        return self

    @property
    def seed(self) -> int:
        """The seed of whatever the page draws itself: resamples and flips."""
        return self.run.seed[0]

    def first_few(self) -> benchmark.Settings:
        """The run on its first images alone."""
        return self.run.changed({"samples": min(self.few, self.run.samples or self.few)})

    def many(self) -> benchmark.Settings:
        """The run on many photographs; which methods, see runs.asked."""
        own = {
            "dataset": self.many_dataset,
            "root": self.many_root,
            "split": self.many_split,
            "class_map": self.many_class_map,
            "samples": self.many_samples,
            "model": self.many_model,
            "order": "listed",
        }
        return self.run.changed({**own, **dict.fromkeys(("backgrounds", "layer", "layers"))})

    def photographs(self) -> benchmark.Settings:
        """The settings of the photographs that the page opens with."""
        return self.of_photographs([self.swept])

    def segmentation(self) -> benchmark.Settings:
        """The run on a segmenter, at the layers it is told; which methods, see runs.of_segmentation."""
        shared = ("order", "image_size", "seed", "device", "precision", "batch_size", "workers", "k", "null_every")
        own = {
            "dataset": self.seg_dataset,
            "root": self.seg_root,
            "split": self.seg_split,
            "samples": self.seg_samples,
            "model": self.seg_model,
            "layer": self.seg_layers[-1] if self.seg_layers else None,
            "layers": self.seg_layers,
            "metrics": list(OF_SEGMENTATION),
            "floor": self.seg_floor,
        }
        return benchmark.read_settings({**{name: getattr(self.run, name) for name in shared}, **own})


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings from its parameters; bases = None stands for every CAM that RefineCAM takes and classifiers
    are explained with, averaged = None for all of these. Raises UserError in one sentence for what cannot be."""
    bases = parameters["bases"]
    if bases is None:
        bases = [name for name in methods_of("classification") if name in REFINABLE]
    metrics = list(dict.fromkeys([*FIRST, *metrics_of("classification")]))
    averaged = bases if parameters["averaged"] is None else parameters["averaged"]
    values = {**parameters, "bases": bases, "averaged": averaged}
    page = read_page(Settings, values, methods=bases, metrics=metrics)
    page.many()
    page.segmentation()
    page.photographs()
    return page

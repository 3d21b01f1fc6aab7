"""What the page can be told, checked before any work begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from segattr_lib.attribution import methods_of
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.metrics import metric_key, metrics_of
from segattr_lib.registry import make_key
from segattr_lib.report.classifiers import LOOKS, STEPS
from segattr_lib.report.labels import metric_label
from segattr_lib.report.page import read_page
from segattr_lib.report.photographs import PhotoPage
from segattr_lib.sections.wsss_sam2.rows.cueing import CueSettings

SWEPT = ("coverage", "spill")  # along the threshold, and against a segmenter's mask


class Settings(PhotoPage):
    """cueing: how maps become cues. controls: maps beside the explainers that are not fused. surrogate_samples: images
    that LIME and KernelSHAP look at, and steps: of Integrated Gradients, and images that VarGrad looks at, in a run
    that no record stands for; a record is of the methods' own numbers. thresholds: that coverage and spill are drawn
    along. pictured: the explainers that the panel shows, where they were run, on so many pictures. level: of the
    intervals. photo_methods: explainers, and controls, of the photographs that the page opens with. checked: samples
    that are computed again where a record stands. many_*: data set, classes, number of samples and classifier of the
    photographs that are counted over, and the explainers that are left out there. foreign: a record of images for whose
    class the classifier has no name.
    """

    cueing: CueSettings
    controls: tuple[str, ...] = ("random", "random_smooth")
    surrogate_samples: Annotated[int, Field(ge=1)] = 200
    steps: Annotated[int, Field(ge=1)] = 50
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    pictured: tuple[str, ...] = ()
    pictures: Annotated[int, Field(ge=1)] = 2
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    photo_methods: tuple[str, ...] = ("gradcam", "integrated_gradients", "random_smooth")
    checked: Annotated[int, Field(ge=1)] = 1
    many_dataset: str = "voc"
    many_root: str | None = None
    many_split: str | None = "voc200"
    many_class_map: str | None = "voc_imagenet"
    many_samples: Annotated[int, Field(ge=1)] | None = 100
    many_model: str = "imagenet_mobilenet_v2"
    many_left_out: tuple[str, ...] = ("scorecam",)
    foreign: str = "prompting_kvasir"

    @field_validator("thresholds")
    @classmethod
    def _of_supports(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for value in values:
            if not 0 < value <= 1:
                raise ValueError(f"thresholds has {value}; expected values in (0, 1], such as 0.5.")
        return values

    @model_validator(mode="after")
    def _one_run(self) -> Settings:
        if len(self.run.model) > 1 or len(self.run.seed) > 1:
            raise ValueError(
                f"model is {self.run.model} and seed {self.run.seed}; the page is of one model and one seed."
            )
        return self

    @property
    def seed(self) -> int:
        """Of the run, and of what is resampled."""
        return self.run.seed[0]

    @property
    def measures(self) -> dict[str, str]:
        """The metrics of interpretability, each at the threshold where it takes one, to what the page calls them."""
        return {text: metric_label(text) for text in map(self.measure, metrics_of("prompting"))}

    def measure(self, name: str) -> str:
        """A metric's text, at the page's threshold where it takes one."""
        takes = "threshold" in metric_key(name).entry.options
        return make_key(name, {"threshold": self.cueing.threshold} if takes else {}).text

    def method(self, name: str) -> str:
        """A method's text, with as many samples or steps as the page has for it where that is not the method's own."""
        looks = {} if self.surrogate_samples == LOOKS else {"samples": self.surrogate_samples}
        own_steps = self.steps == STEPS
        options = {
            "lime": looks,
            "kernel_shap": looks,
            "integrated_gradients": {} if own_steps else {"steps": self.steps},
            "vargrad": {} if own_steps else {"samples": self.steps},
        }
        return make_key(name, options[name]).text if name in options else name

    def photographs(self) -> RunSettings:
        """The settings of the photographs that the page opens with."""
        return self.of_photographs([self.method(name) for name in self.photo_methods])

    def as_recorded(self) -> Settings:
        """The same page with the methods' own numbers of samples and steps."""
        methods = [key.name if {*key.options} <= {"samples", "steps"} else key.text for key in self.run.methods]
        own = {"run": self.run.changed({"methods": methods}), "surrogate_samples": LOOKS, "steps": STEPS}
        return self.model_copy(update=own)

    def many(self) -> Settings:
        """The same page of many photographs, as they are recorded. Raises UserError as read_settings does."""
        recorded = self.as_recorded()
        own = {
            "dataset": self.many_dataset,
            "root": self.many_root,
            "split": self.many_split,
            "class_map": self.many_class_map,
            "samples": self.many_samples,
            "model": self.many_model,
            "order": "listed",
            "methods": [key.text for key in recorded.run.methods if key.name not in self.many_left_out],
        }
        changed = recorded.run.changed({**own, **dict.fromkeys(("backgrounds", "layer", "layers"))})
        return recorded.model_copy(update={"run": changed})


def read(parameters: Mapping[str, Any]) -> Settings:
    """The page's settings. Raises UserError for what cannot be, as read_page and CueSettings do."""
    values = dict(parameters)
    names = [field.name for field in fields(CueSettings)]
    cueing = CueSettings(**{name: values.pop(name) for name in names if name in values})
    methods = values.pop("methods", None) or methods_of("prompting")
    methods = [methods] if isinstance(methods, str) else methods
    page = read_page(Settings, {**values, "cueing": cueing}, methods=methods, metrics=metrics_of("prompting"))
    sweep = [make_key(name, {"threshold": value}).text for name in SWEPT for value in page.thresholds]
    of_run = {
        "methods": [*map(page.method, methods), *page.controls],
        "metrics": list(dict.fromkeys([*page.measures, *sweep])),
    }
    page.photographs()
    page = page.model_copy(update={"run": page.run.changed(of_run)})
    page.many()
    return page

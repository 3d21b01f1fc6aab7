"""What a run can be told, checked before any work begins."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from segattr_lib.attribution import method_key, methods_of
from segattr_lib.data import DATASETS
from segattr_lib.data.regions import FREQUENT, read_region
from segattr_lib.metrics import BY_PAGES, metric_key, metrics_of
from segattr_lib.models import MODELS
from segattr_lib.registry import FILLS, OWN, Key, Scalar, UserError, unknown
from segattr_lib.workers import check_workers

# These ask for no other result, but the last digits of a value follow them (seen: another batch size moves one by up
# to 3e-7, other threads by 4e-5), so the manifest tells what a value was made with.
FREE = ("device", "batch_size", "workers")
SEEDS = 2**63  # what a column of whole numbers holds, and torch takes


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _each_once(values: Any) -> Any:
    if not values or len(set(map(str, values))) < len(values):
        raise ValueError(f"{values} is empty or names something twice.")
    return values


def _method(value: Any) -> Key:
    key = method_key(value if isinstance(value, Key) else str(value))
    _check_options("method", key)
    return key


def _metric(value: Any) -> Key:
    key = metric_key(value if isinstance(value, Key) else str(value))
    if key.name in BY_PAGES:
        raise ValueError(f"{key.name} is no metric of a map; a page of the book computes it, leave it out.")
    _check_options("metric", key)
    return key


def _check_options(kind: str, key: Key) -> None:
    """A pinned option must be one that the method or metric has, and one that is also a setting a value of it."""
    for option in key.options:
        if option not in key.entry.options:
            raise unknown(f"option of the {kind} {key.name!r}", option, key.entry.options)
    if own := {name: value for name, value in key.options.items() if name in Settings.model_fields}:
        read_settings(own)  # which copies all defaults, and thousands of keys pin none


Listed = BeforeValidator(_listed)
Text = PlainSerializer(lambda key: key.text)
MethodKey = Annotated[Key, PlainValidator(_method), Text]
MetricKey = Annotated[Key, PlainValidator(_metric), Text]


class Settings(BaseModel):
    """The settings of a benchmark; the defaults are the DEA paper's.

    model, seed, k, fill and evaluation_fill take one value or a list; a run is one model and seed. A
    method or metric may pin options of its own: "ria(grid=7)", "excess_tdd(k=0.2)". Either, the data set
    and the model may be a user's own, as "path/to/file.py:name" or "package.module:name".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = "photographs"
    root: str | None = Field(None, description="where the data set lies; none for those that come with the library")
    split: str | None = Field(None, description="the data set's own default when left out")
    backgrounds: str | None = Field(None, description="a folder of pictures that single_shapes lays its objects on")
    class_map: str | None = Field(
        None,
        description="explain classifiers on data of masks: which of their classes each of the data's is (a class map, "
        "or a file of one's own), or 'predicted', whatever the model says",
    )
    target: str = Field(FREQUENT, description="what of a picture is explained, in one of the FORMS of data.regions")
    region: Literal["truth", "predicted"] | None = Field(
        None,
        description="whose labels the target is found in, the masks' or the model's; the masks' where there are any",
    )
    samples: Annotated[int, Field(ge=1)] | None = Field(None, description="how many; all when left out")
    order: Literal["listed", "shuffled"] = "listed"
    image_size: int = Field(224, ge=8, description="px a side")
    model: Annotated[list[str], Listed] = ["voc_deeplabv3_mobilenetv2"]
    judge: str | None = Field(None, description="the model that scores the maps; the explained one when left out")
    layer: str | None = Field(None, description="the model's own default when left out, a classifier's shallowest")
    layers: list[str] | None = Field(None, description="shallow to deep; the model's own stages when left out")
    scalar: Scalar | None = Field(None, description="probability for segmenters, logit for classifiers when left out")
    methods: Annotated[list[MethodKey], Listed] = [method_key(name) for name in methods_of("segmentation")]
    metrics: Annotated[list[MetricKey], Listed] = [metric_key(name) for name in (*metrics_of("segmentation"), "passes")]
    k: Annotated[list[float], Listed] = [0.2]
    grid: int = Field(14, ge=1, description="RIA's cells a side")
    stability_grid: Annotated[int, Field(ge=1)] | None = Field(
        None, description="cells a side of the maps that stability compares; the grid's own when left out"
    )
    budget: int = Field(49, ge=2, description="adaptive RIA's passes")
    window: int = Field(1, ge=1, description="EGA's pooling window, feature cells")
    alpha: float = 0.65
    beta: float = 0.35
    fill: Annotated[list[str], Listed] = ["mean"]
    evaluation_fill: Annotated[list[str], Listed] | None = Field(None, description="fill's own when left out")
    strength: float = Field(0.03, gt=0, le=1)
    null_every: int = Field(1, ge=1, le=86, description="of the null's 86 blind selections, every how manieth")
    floor: float | None = Field(None, ge=0, le=1, description="skip samples the model scores lower than this")
    ignore: Literal["include", "exclude"] = Field("include", description="is the 255 ring outside the target?")
    seed: Annotated[list[int], Listed] = [0]
    device: str | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    engine: Literal["torch", "onnxruntime", "auto"] = Field("auto", description="of passes that need no gradient")
    batch_size: Annotated[int, Field(ge=1)] | None = Field(None, description="measured when left out")
    workers: Annotated[int | str, PlainValidator(check_workers)] = Field(0, description="processes, or tcp://...")

    @field_validator("k")
    @classmethod
    def _fractions(cls, values: list[float]) -> list[float]:
        for value in values:
            if not 0 < value <= 1:
                raise ValueError(f"k is {value}; expected a fraction in (0, 1], such as 0.2.")
        return values

    @field_validator("alpha")
    @classmethod
    def _alpha(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"alpha is {value}; expected 0 (interventions alone) to 1 (gradients alone).")
        return value

    @field_validator("beta")
    @classmethod
    def _beta(cls, value: float) -> float:
        if not 0 <= value < math.inf:
            raise ValueError(f"beta is {value}; expected 0 (agreement adds nothing) or more.")
        return value

    @field_validator("seed")
    @classmethod
    def _seeds(cls, values: list[int]) -> list[int]:
        for value in values:
            if not 0 <= value < SEEDS:
                raise ValueError(f"seed is {value}; expected a whole number from 0 to {SEEDS - 1}.")
        return values

    @field_validator("fill", "evaluation_fill")
    @classmethod
    def _fills(cls, values: list[str] | None) -> list[str] | None:
        for value in values or []:
            if value not in FILLS:
                raise ValueError(str(unknown("fill", value, FILLS)))
        return values

    @field_validator("model", "k", "fill", "evaluation_fill", "seed")
    @classmethod
    def _distinct(cls, values: list[Any] | None) -> list[Any] | None:
        return values if values is None else _each_once(values)

    @field_validator("methods", "metrics", mode="before")
    @classmethod
    def _written_once(cls, values: Any) -> list[Any]:
        return list(_each_once(_listed(values)))

    @field_validator("methods", "metrics")
    @classmethod
    def _different(cls, keys: list[Key]) -> list[Key]:
        return list(dict.fromkeys(keys))  # "ega(window=1)" and "ega( window=1 )" are one

    @field_validator("model", "judge")
    @classmethod
    def _models(cls, values: list[str] | str | None) -> list[str] | str | None:
        for value in _listed(values) if values is not None else []:
            if value not in MODELS and ":" not in value:
                raise unknown("model", value, [*MODELS, *OWN])
        return values

    @field_validator("dataset")
    @classmethod
    def _dataset(cls, value: str) -> str:
        if value not in DATASETS and ":" not in value:
            raise unknown("data set", value, [*DATASETS, *OWN])
        return value

    @field_validator("target")
    @classmethod
    def _target(cls, value: str) -> str:
        read_region(value)
        return value

    @model_validator(mode="after")
    def _grid_fits(self) -> Settings:
        grids = [self.grid, self.stability_grid or 1, *(method.options.get("grid", 1) for method in self.methods)]
        if max(grids) > self.image_size:
            raise ValueError(f"grid is {max(grids)}; expected at most {self.image_size}, the image's size in px.")
        return self

    def changed(self, changes: dict[str, Any]) -> Settings:
        """These settings with some replaced, checked again. Raises UserError as read_settings does."""
        return read_settings({**self.model_dump(), **changes})

    def method_keys(self) -> list[Key]:
        """The methods as a run has them: one that intervenes stands once for each of several fills, and none stands
        twice, however often it is written: "ria" under the fills mean and blur is "ria(fill=mean)", too."""
        keys: list[Key] = []
        for key in self.methods:
            if len(self.fill) > 1 and "fill" in key.entry.options and "fill" not in key.options:
                keys += [key.with_pinned(fill=fill) for fill in self.fill]
            else:
                keys.append(key)
        return list(dict.fromkeys(keys))

    def evaluation_fills(self, pinned: str | None) -> list[str]:
        """The fills that score a map: the evaluation fills, else the fill that made it, else all fills."""
        return self.evaluation_fill or ([pinned] if pinned else self.fill)

    def all_models(self) -> list[str]:
        """Those that are explained and the judge, each once."""
        return list(dict.fromkeys([*self.model, *([self.judge] if self.judge else [])]))

    def runs(self) -> list[Settings]:
        """One Settings a model and seed, in order."""
        return [self.model_copy(update={"model": [m], "seed": [s]}) for m in self.model for s in self.seed]

    def run_id(self) -> str:
        """A hash of every setting that can change a value."""
        deciding = self.model_dump(exclude={*FREE, *([] if self.judge else ["judge"])})  # as before there were any
        return hashlib.blake2b(json.dumps(deciding, sort_keys=True).encode(), digest_size=6).hexdigest()


def read_settings(values: dict[str, Any]) -> Settings:
    """Check a mapping of settings. Raises UserError with one clear sentence on the first fault."""
    for name, value in values.items():
        if name not in Settings.model_fields:
            raise unknown("parameter", name, Settings.model_fields)
        if any(isinstance(item, bool) for item in _listed(value)):  # which would be read as 0 or 1
            raise UserError(f"{name} is {value!r}; no setting is true or false.")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"][0] if first["loc"] else "settings"
        raised = first.get("ctx", {}).get("error")
        raise UserError(str(raised or f"{place} is {short(first['input'])}: {first['msg'].lower()}.")) from error


def short(value: Any) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

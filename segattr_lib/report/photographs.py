"""What the pages about classifiers open with: photographs, whose classes an ImageNet classifier names.

Of a photograph no truth is known. It shows what is asked; what is answered needs scenes that were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from segattr_lib.benchmark.failures import load_sample
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import available, credits_of
from segattr_lib.inference.paired import settled
from segattr_lib.metrics import metric_key
from segattr_lib.models.predicted import PREDICTED, names_of
from segattr_lib.registry import Key, UserError, unknown
from segattr_lib.report.labels import metric_label, short_labels
from segattr_lib.report.page import Page
from segattr_lib.report.pictures import gallery
from segattr_lib.report.tables import number

WIDEST = 18  # characters beside a gallery's row
AT_ONCE = 16  # images: a handful of photographs is not worth a measurement of how many are fastest
SHARED = ("image_size", "scalar", "seed", "device", "precision")  # settings of a page's run that its photographs have
Read = Callable[[str], tuple[Image.Image, np.ndarray | None]]


class PhotoPage(Page):
    """The settings of a page that opens with photographs.

    photo_ids: which of the data set `photographs`. photo_model: the classifier whose own answer is explained of them;
    photo_layers: its layers, shallow to deep, None for its own stages.
    """

    photo_ids: list[str] = Field(["chelsea"], min_length=1)
    photo_model: str = "imagenet_mobilenet_v2"
    photo_layers: list[str] | None = None

    @field_validator("photo_ids")
    @classmethod
    def _at_hand(cls, values: list[str]) -> list[str]:
        for value in values:
            if value not in available():
                raise unknown("photograph", value, available())
        return values

    def of_photographs(self, methods: Sequence[Key | str]) -> Settings:
        """The settings under which the page's photographs are looked at with these methods; the run's own say the rest.
        Raises UserError as read_settings does."""
        about = {"dataset": "photographs", "class_map": PREDICTED, "model": self.photo_model}
        shared = {name: getattr(self.run, name) for name in SHARED}
        own = {"layers": self.photo_layers, "methods": list(methods), "batch_size": self.run.batch_size or AT_ONCE}
        return read_settings({**about, **shared, **own}).runs()[0]


@dataclass(frozen=True)
class Photographs:
    """Some photographs under a classifier. group: as a run sees them, each explained for the class that the classifier
    names. names: what that class is called, one a photograph."""

    group: Group
    names: list[str]

    @property
    def ids(self) -> list[str]:
        """The photographs' names."""
        return [sample.sample_id for sample in self.group.samples]

    @property
    def probabilities(self) -> list[float]:
        """What the classifier gives the class that it names, one a photograph."""
        return [float(value) for value in self.group.base]

    @property
    def titles(self) -> list[str]:
        """Of a gallery's rows: the photograph, the class and its probability."""
        parts = zip(self.ids, self.names, self.probabilities, strict=True)
        return ["\n".join([name, *wrap(said, WIDEST), f"{sure:.2f}"]) for name, said, sure in parts]

    @property
    def said(self) -> str:
        """What the classifier names on each photograph, as a part of a sentence."""
        parts = zip(self.ids, self.names, self.probabilities, strict=True)
        return ", ".join(f"{said} on {name} ({sure:.2f})" for name, said, sure in parts)

    @property
    def credit(self) -> str:
        """The line that belongs under every picture made from them."""
        return credits_of(self.ids)


def photographed(settings: Settings, ids: Sequence[str]) -> Photographs:
    """The central squares of some photographs, as a classifier is shown pictures, under the run's one classifier.

    settings: of PhotoPage.of_photographs. Raises UserError as open_run does, and SampleError for a file that cannot be
    read.
    """
    opened = open_run(settings, classes=False)
    (model,) = opened.models.values()
    dataset = replace(opened.dataset, read=central_squares(opened.dataset.read))
    samples = [load_sample(dataset, name, settings.image_size) for name in ids]
    group = Group(settings, dataset, model, opened.prepared(model.name), samples)
    names = names_of(settings, dataset, model)
    return Photographs(group, [_name(names, sample.class_id) for sample in group.samples])


def central_squares(read: Read) -> Read:
    """`read` of a data set without masks, of each picture its central square alone: nothing on it is stretched."""

    def squared(sample_id: str) -> tuple[Image.Image, np.ndarray | None]:
        picture, labels = read(sample_id)
        side = min(picture.size)
        left, top = ((size - side) // 2 for size in picture.size)
        return picture.crop((left, top, left + side, top + side)), labels

    return squared


def photo_gallery(photographs: Photographs, columns: Mapping[str, Sequence[Tensor]]) -> Figure:
    """A row a photograph, named by what the classifier says, and every map over it; columns: label to maps (H,W)."""
    group = photographs.group
    broken = {label.replace(" (", "\n("): maps for label, maps in columns.items()}
    figure = gallery(list(group.images), [sample.mask for sample in group.samples], broken, photographs.titles)
    figure.axes[0].set_title("photograph", fontsize=8)  # of which no target is outlined
    return figure


def values_of(photographs: Photographs, methods: Sequence[Key], metrics: Sequence[str]) -> pd.DataFrame:
    """What metrics say of the methods' maps: a row a photograph and method (levels sample_id, key), a column a metric.

    A value that does not exist is NaN, but an ARCC or ADCC is 0 (see paired.settled). Raises UserError for a method or
    metric that fails on a photograph: there are no rows in which to say so.
    """
    rows = []
    for key in methods:
        of_method, _ = photographs.group.rows_of(key, [metric_key(metric) for metric in metrics])
        rows += [{**row, "key": key.text} for row in of_method]
    table = settled(pd.DataFrame(rows))
    for row in table[table["status"] == "failed"].to_dict("records"):
        raise UserError(f"{row['key']} has no {row['metric']} on {row['sample_id']}: {row['reason']}; leave it out.")
    values = table.assign(value=table["value"].astype(float)).pivot_table(
        index=["sample_id", "key"], columns="metric", values="value", dropna=False
    )
    index = pd.MultiIndex.from_product([photographs.ids, [key.text for key in methods]], names=["sample_id", "key"])
    return values.reindex(index=index, columns=list(metrics)).rename_axis(columns=None)


def values_table(values: pd.DataFrame, called: Mapping[str, str] | None = None) -> pd.DataFrame:
    """`values_of` as text; called: what the page calls each method, by its key, None for the registry's labels."""
    shown = values.map(number, digits=2).rename(columns=metric_label)
    labels = called or short_labels(values.index.unique("key"))
    return shown.rename(index=labels, level="key").rename_axis(index=[None, None])


def first_by(values: pd.DataFrame) -> dict[str, str]:
    """By metric, which method it puts first on the mean over the photographs, as the page shows means: to two digits.

    Of several that tie all of them; "none" where no method is behind another, or none has a value.
    """
    labels = short_labels(values.index.unique("key"))
    leaders = {}
    for metric, of_metric in values.groupby("key", sort=False).mean().round(2).items():
        signed = of_metric * metric_key(str(metric)).entry.direction
        ahead = [labels[str(key)] for key in signed.index[signed == signed.max()]]
        leaders[str(metric)] = " and ".join(ahead) if 0 < len(ahead) < len(signed) or len(signed) == 1 else "none"
    return leaders


def maps_by_label(photographs: Photographs, methods: Sequence[Key]) -> dict[str, list[Tensor]]:
    """The methods' maps (H,W), one a photograph, by what a page calls the method."""
    labels = short_labels(key.text for key in methods)
    return {labels[key.text]: list(photographs.group.maps_of(key)[0]) for key in methods}


def _name(names: Sequence[str], class_id: int) -> str:
    return names[class_id] if class_id < len(names) else f"class {class_id}"

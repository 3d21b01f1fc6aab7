"""What does a metric see of a map's values, beyond their order? One method's maps, bent so that every pixel keeps its
rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor

from segattr_lib.attribution import Method, method_key
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of
from segattr_lib.benchmark.settings import Settings
from segattr_lib.inference.maps import PAPER
from segattr_lib.metrics import metric_key
from segattr_lib.registry import Key, UserError
from segattr_lib.report.labels import key_label, metric_label, model_label
from segattr_lib.report.pictures import gallery
from segattr_lib.report.tables import number, power_of_ten
from segattr_lib.targets import Maps

START = "as it is"
LEVELS = 1023  # steps of grey of a map before it is transformed: no transform makes one of two


@dataclass(frozen=True)
class Bends:
    """A few images of a run, a method under each transform, and the rows of what the metrics say of its maps."""

    method: str
    group: Group
    variants: list[Key]
    rows: pd.DataFrame


def bend(run: Settings, sample_ids: list[str], method: str, metrics: Sequence[str]) -> Bends:
    """Bend a method's maps of some images of a run (one of Settings.runs()), and score them by these metrics.

    Raises UserError as `bent_methods` does.
    """
    variants = bent_methods(method)
    group = group_of(run, sample_ids)
    return Bends(method, group, variants, transformed(group, variants, metrics))


def power(exponent: float) -> Callable[[Tensor], Tensor]:
    """A -> A^exponent."""
    return lambda maps: maps.double().pow(exponent).to(maps.dtype)


def sigmoid(slope: float) -> Callable[[Tensor], Tensor]:
    """A -> the logistic curve of this slope around .5, stretched to [0,1]."""

    def bent(maps: Tensor) -> Tensor:
        ends = torch.sigmoid(torch.tensor([-slope / 2, slope / 2], dtype=torch.float64, device=maps.device))
        return ((torch.sigmoid(slope * (maps.double() - 0.5)) - ends[0]) / (ends[1] - ends[0])).to(maps.dtype)

    return bent


def equalised(maps: Maps) -> Maps:
    """A -> the share of pixels below a pixel's value, of the greatest such share: the histogram made flat."""
    flat = stats.rankdata(maps.flatten(1).cpu().numpy(), method="min", axis=1) - 1.0
    return torch.from_numpy(flat / np.maximum(flat.max(axis=1, keepdims=True), 1)).to(maps).view_as(maps)


TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    START: lambda maps: maps,
    "square root": power(0.5),
    "square": power(2.0),
    "4th power": power(4.0),
    "sigmoid": sigmoid(12.0),
    "equalised": equalised,
}


def bent_methods(name: str, transforms: Mapping[str, Callable[[Tensor], Tensor]] = TRANSFORMS) -> list[Key]:
    """A method ("name(options)") followed by each transform, for Group.rows_of and Group.maps_of; rows are named by it.

    The map is rounded to LEVELS + 1 values first, so that a transform that rises keeps the order of any two pixels to
    the last bit. Maps that are explained again are transformed likewise, as by a method of its own. Raises UserError
    for a method that is made of others' maps.
    """
    base = method_key(name)
    if base.entry.parts:
        raise UserError(f"{base.name!r} is made of other methods' maps; choose a method that is not.")
    bent = {label: _bent(base.name, base.entry, transform) for label, transform in transforms.items()}
    return [Key(label, "", base.options, bent.get) for label in bent]


def transformed(group: Group, methods: Sequence[Key], metrics: Sequence[str]) -> pd.DataFrame:
    """The rows of some methods on a group's samples, as a run would keep them but for the columns that name the run."""
    asked = [metric_key(metric) for metric in metrics]
    return pd.concat([pd.DataFrame(group.rows_of(method, asked)[0]) for method in methods], ignore_index=True)


def moved(rows: pd.DataFrame, start: str = START) -> pd.DataFrame:
    """How far each transform moves each metric of an image from where it starts: transform, metric, mean, most.

    mean: of the differences, in the metric's unit; most: the largest |difference|, over the images.
    """
    wide = rows.pivot_table(index=["metric", "sample_id"], columns="method", values="value", sort=False)
    away = wide.sub(wide[start], axis=0).drop(columns=start).melt(ignore_index=False, var_name="transform")
    grouped = away.assign(size=away["value"].abs()).groupby(["transform", "metric"], sort=False)
    return grouped.agg(mean=("value", "mean"), most=("size", "max")).reset_index()


def picture(bends: Bends) -> Figure:
    """The first image with its truth outlined, and the method's map of it under each transform."""
    maps = {key.name: [bends.group.maps_of(key)[0][0]] for key in bends.variants}
    sample = bends.group.samples[0]
    return gallery([sample.image], [sample.mask], maps, [sample.sample_id])


def means(bends: Bends) -> pd.DataFrame:
    """Means over the images: a row a transform, a column a metric."""
    table = bends.rows.pivot_table(index="method", columns="metric", values="value", sort=False)
    return table.map(number).rename(columns=metric_label).rename_axis(index=None, columns=None)


def furthest(bends: Bends) -> dict[str, float]:
    """The largest |difference| that a transform makes to each of the paper's metrics, NaN where none has a value."""
    largest = moved(bends.rows).groupby("metric")["most"].max()
    return {metric: float(largest.get(metric, np.nan)) for metric in PAPER}


def facts(bends: Bends) -> dict[str, Any]:
    """What was bent, and how far that moves each metric."""
    largest = furthest(bends)
    return {
        "bent": key_label(bends.method),
        "bent_model": model_label(bends.group.run.model[0]),
        "bent_images": len(bends.group.samples),
        "road_moved": "not at all" if largest["road"] == 0 else f"by up to {power_of_ten(largest['road'])}",
        **{f"most_{metric}": f"{value:.2f}" for metric, value in largest.items()},
    }


def _bent(name: str, base: Method, transform: Callable[[Tensor], Tensor]) -> Method:
    return Method(
        base.function,
        base.label,
        base.family,
        parts=(name,),
        fused_by=lambda maps: transform((maps * LEVELS).round() / LEVELS),
    )

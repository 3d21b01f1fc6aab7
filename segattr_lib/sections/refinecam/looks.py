"""What the product keeps: maps of images that are chosen by rule, shallow, deep and refined."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.benchmark.runner import group_of
from segattr_lib.registry import UserError
from segattr_lib.report.labels import method_label
from segattr_lib.report.pictures import at_quantiles, gallery
from segattr_lib.sections.refinecam.lift import lift
from segattr_lib.sections.refinecam.maps import layer_maps
from segattr_lib.sections.refinecam.runs import SHALLOWEST, Runs
from segattr_lib.sections.refinecam.settings import Settings


def gains_of(page: Settings, runs: Runs) -> pd.DataFrame:
    """What refinement adds to the ARCC of the swept CAM at the shallowest stage: images as rows, models as columns."""
    return lift(runs.ends, [page.swept], SHALLOWEST)


def median_image(gains: pd.DataFrame) -> str:
    """The image whose gain, mean over the models, is the median; of two the higher. UserError where none has a gain."""
    three = list(at_quantiles(gains.mean(axis=1), 3).index)
    if not three:
        raise UserError(f"None of {len(gains)} images has an ARCC of both maps; expected one to show.")
    return three[(len(three) - 1) // 2]


def taken_apart(page: Settings, runs: Runs) -> Figure:
    """The median image under every model: the swept CAM at each stage, and the product of these maps."""
    median = median_image(gains_of(page, runs))
    groups = {run.model[0]: group_of(run, [median]) for run in page.run.runs()}
    maps = [[of_layer[0] for of_layer in layer_maps(group, page.swept).values()] for group in groups.values()]
    images = [group.images[0] for group in groups.values()]
    masks = [group.samples[0].mask for group in groups.values()]
    return gallery(images, masks, by_stage(maps), [row_title(model) for model in groups])


def by_stage(maps: Sequence[Sequence[Tensor]]) -> dict[str, list[Tensor]]:
    """The columns of a gallery, a row a model, of each model's maps (H,W) from shallow to deep and the product last.

    A stage that a model of fewer does not have is NaN there, which leaves its picture bare.
    """
    most = max(map(len, maps)) - 1
    columns: dict[str, list[Tensor]] = {f"stage {stage + 1}": [] for stage in range(most)}
    columns["product"] = []
    for *stages, product in maps:
        bare = [torch.full_like(product, torch.nan)] * (most - len(stages))
        for column, drawn in zip(columns.values(), [*stages, *bare, product], strict=True):
            column.append(drawn)
    return columns


def row_title(model: str) -> str:
    """A model's name without its place, broken after the family."""
    return model.rpartition(":")[2].replace("_", "\n", 1)


def ends_gallery(page: Settings, runs: Runs) -> Figure:
    """Images at evenly spaced ranks of the gain under the first model: two CAMs, each shallowest, deepest, refined."""
    model = page.run.model[0]
    chosen = at_quantiles(gains_of(page, runs)[model], page.pictures)
    group = group_of(page.run.runs()[0], list(chosen.index))
    columns: dict[str, list[Tensor]] = {}
    for base in list(dict.fromkeys([page.swept, *page.bases]))[:2]:
        maps = [list(of_layer) for of_layer in layer_maps(group, base).values()]
        label = method_label(base)
        columns |= {f"{label}\nshallowest": maps[0], f"{label}\ndeepest": maps[-2], f"{label}\nrefined": maps[-1]}
    titles = [f"{name}\n{round(gain, 2) + 0.0:+.2f}" for name, gain in chosen.items()]
    return gallery(list(group.images), [sample.mask for sample in group.samples], columns, titles)

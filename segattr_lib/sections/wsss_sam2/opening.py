"""What the page opens with: photographs, the cues drawn from their maps, and the masks that these give.

No mask of them is known, so that no mask here is right or wrong: what can be told is how far the masks agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.runner import open_run
from segattr_lib.models.runtime import device_of
from segattr_lib.prompting import cues
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.report.photographs import Photographs, photographed
from segattr_lib.report.tables import number
from segattr_lib.sections.wsss_sam2.pictures import CuedMap, cue_panel, cued_maps
from segattr_lib.sections.wsss_sam2.settings import Settings
from segattr_lib.sections.wsss_sam2.ways import WALKER, labels

SUPPORT = "supports of the maps"
OF_SCENES = "shapes_sam2"  # has seen nothing but generated scenes
EXPLAINERS, CONTROL = "two explainers", "explainer and control"


@dataclass(frozen=True)
class CuedPhotographs:
    """Photographs with their maps, the cues drawn from these and the masks that they give.

    pictured: by segmenter, the random walker first, then by method's key, one a photograph. agreement: the mean IoU of
    the supports and of each segmenter's masks, over the pairs of explainers and over those of an explainer and a
    control: a row a photograph, columns of these pairs and of what is compared.
    """

    photographs: Photographs
    pictured: dict[str, dict[str, list[CuedMap]]]
    agreement: pd.DataFrame


def cued_photographs(settings: Settings) -> CuedPhotographs:
    """The page's photographs, cued; CAMs are explained at the deepest of the model's stages, as on the whole page."""
    run = settings.photographs()
    (model,) = open_run(run, classes=False).models.values()
    photographs = photographed(run.changed({"layer": model.layers[-1]}), settings.photo_ids)
    methods = [key.text for key in run.method_keys()]
    device = str(device_of(run.device))
    pictured = {}
    for name in sorted(settings.cueing.segmenters, key=lambda name: name != WALKER):
        segmenter = load_segmenter(name, device)
        pictured[name] = cued_maps(photographs.group, pd.DataFrame(), settings.cueing, segmenter, methods)
    return CuedPhotographs(photographs, pictured, agreement_of(pictured, photographs.ids, settings.cueing.threshold))


def agreement_of(
    pictured: Mapping[str, Mapping[str, list[CuedMap]]], ids: list[str], threshold: float | int
) -> pd.DataFrame:
    """The mean IoU of supports and masks by kind of pair, see CuedPhotographs; a pair that lacks a mask is left out,
    and so is a kind of which there is no pair."""
    first = next(iter(pictured.values()))
    controls = np.array([method_key(text).entry.family == "control" for text in first])
    pairs = {
        EXPLAINERS: np.triu(~controls[:, None] & ~controls, 1),
        CONTROL: ~controls[:, None] & controls,
    }
    regions = {SUPPORT: overlaps([[cues.support(each.map, threshold) for each in maps] for maps in first.values()])}
    for name, by_method in pictured.items():
        regions[name] = overlaps([[each.mask for each in maps] for maps in by_method.values()])
    columns = {}
    for kind, chosen in pairs.items():
        if chosen.any():
            for name, table in regions.items():
                columns[kind, name] = pd.DataFrame(table[:, chosen]).mean(axis=1).to_numpy()
    return pd.DataFrame(columns, ids)


def overlaps(regions: list[list[Tensor | None]]) -> np.ndarray:
    """The IoU of every two methods' regions: (photographs, methods, methods), NaN where one has none.

    regions: by method, then by photograph, (H,W) bool.
    """
    shape = next(region.shape for row in regions for region in row if region is not None)
    empty = torch.zeros(shape, dtype=torch.bool)
    stacked = torch.stack([torch.stack([empty if each is None else each.cpu() for each in row]) for row in regions])
    lacking = np.array([[each is None for each in row] for row in regions]).T
    table = cues.pairwise_iou(stacked).double().numpy()
    table[lacking[:, :, None] | lacking[:, None, :]] = np.nan
    return table


def facts(settings: Settings, cued: CuedPhotographs) -> dict[str, Any]:
    """What the page quotes of its photographs."""
    means = cued.agreement.mean()
    return {
        "photo_model": settings.photo_model,
        "photo_said": cued.photographs.said,
        "photo_credit": cued.photographs.credit,
        "photos": len(cued.agreement),
        "photo_supports": number(means.get((EXPLAINERS, SUPPORT), np.nan), 2),
        "photo_walked": number(means.get((EXPLAINERS, WALKER), np.nan), 2),
        "photo_walked_by_chance": number(means.get((CONTROL, WALKER), np.nan), 2),
    }


def photo_cues(cued: CuedPhotographs) -> Figure:
    """Maps of the photographs with their cues, and below the mask that each segmenter makes of them."""
    group = cued.photographs.group
    titles = {name: _segmenter(name) for name in cued.pictured}
    pictured = {}
    for name, by_method in cued.pictured.items():
        called = labels(by_method)
        pictured[titles[name]] = {called[text].replace(" ", "\n", 1): maps for text, maps in by_method.items()}
    masks = [sample.mask for sample in group.samples]
    return cue_panel([*group.images], masks, pictured, cued.photographs.titles, "photograph")


def photo_agreement(cued: CuedPhotographs) -> pd.DataFrame:
    """The agreement as text, a row a photograph and their mean last."""
    table = pd.concat([cued.agreement, cued.agreement.mean().to_frame("mean").T])
    named = table.rename(columns=lambda name: f"masks of {name}" if name in cued.pictured else name, level=1)
    return named.map(number, digits=2)


def _segmenter(name: str) -> str:
    """What stands beside a row of masks."""
    return f"{name},\nout of its domain" if name == OF_SCENES else name

"""Maps with the cues drawn from them and the masks that these give, as the rows were made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.benchmark.group import Group
from segattr_lib.inference.paired import paired
from segattr_lib.prompting import cues
from segattr_lib.prompting.cues import Cues, NoCues
from segattr_lib.prompting.masks import prompted
from segattr_lib.prompting.segmenters import Segmenter
from segattr_lib.registry import make_key
from segattr_lib.report.pictures import picture
from segattr_lib.report.style import STYLE
from segattr_lib.sections.wsss_sam2.rows.cueing import FUSIONS, CueSettings
from segattr_lib.sections.wsss_sam2.rows.masks import cues_of_map
from segattr_lib.targets import Maps

MARKS = ((1, "+", "white"), (0, ".", "red"))  # of points inside and outside


@dataclass(frozen=True)
class CuedMap:
    """One map of one image, the cues drawn from it and the mask they give, both None where it gives none."""

    map: Float[Tensor, "h w"]
    cues: Cues | None
    mask: Bool[Tensor, "h w"] | None


def cued_maps(
    group: Group, rows: pd.DataFrame, cueing: CueSettings, segmenter: Segmenter, methods: Sequence[str]
) -> dict[str, list[CuedMap]]:
    """What lies behind the rows of the group's samples, by method, a fusion's name or a map's key; the maps are made
    again, the weights of a fusion are the rows'."""
    maps = _maps(group, rows, methods)
    keys = {key.text: key for key in group.run.method_keys()}
    pictured: dict[str, list[CuedMap]] = {method: [] for method in methods}
    for index in range(len(group.samples)):
        answer = segmenter(group.images[index])
        for method in methods:
            one_map = maps[method][index]
            try:
                drawn = cues_of_map(group, index, keys.get(method, make_key(method)), one_map, cueing)
            except NoCues:
                pictured[method].append(CuedMap(one_map, None, None))
                continue
            pictured[method].append(CuedMap(one_map, drawn, prompted(answer, drawn)))
    return pictured


def _maps(group: Group, rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, Maps]:
    """The maps (B,H,W) of some methods, and of the fusions where one of these is asked for."""
    keys = {key.text: key for key in group.run.method_keys()}
    fuses = bool(set(methods) & set(FUSIONS))
    needed = [method for method in methods if method not in FUSIONS]
    if fuses:
        weights = paired(rows, "weight").droplevel("dataset").loc[[sample.sample_id for sample in group.samples]]
        needed = [*weights, *needed]
    maps = {method: torch.nan_to_num(group.maps_of(keys[method])[0]).clamp(0, 1) for method in needed}
    if fuses:
        together = torch.stack([maps[method] for method in weights])
        weighing = torch.tensor(weights.to_numpy(float).T, dtype=together.dtype, device=together.device)
        maps |= {"mean": cues.fused(together), "weighted": torch.nan_to_num(cues.fused(together, weighing))}
    return maps


def cue_panel(
    images: Sequence[Tensor],
    truths: Sequence[Tensor],
    pictured: Mapping[str, Mapping[str, Sequence[CuedMap]]],
    titles: Sequence[str],
    left: str = "image and truth",
) -> Figure:
    """Some rows an image: every map over it with the cues drawn from it, and below the masks that they give, a row a
    segmenter.

    images (3,H,W), truths (H,W), outlined everywhere unless they are empty; pictured: by what a segmenter is called,
    then by label, one an image; points inside are white crosses, outside red dots, masks are filled. titles: one an
    image. left: what the first column is of.
    """
    labels = list(next(iter(pictured.values())))
    columns, lines = len(labels) + 1, len(pictured) + 1
    with mpl.rc_context(STYLE):
        size = (1.45 * columns, 1.575 * lines * len(images))
        figure, panels = plt.subplots(lines * len(images), columns, figsize=size, squeeze=False, layout="compressed")
        for row, (image, truth, title) in enumerate(zip(images, truths, titles, strict=True)):
            above, *below = panels[lines * row : lines * (row + 1)]
            grey = image.mean(0, keepdim=True).expand(3, -1, -1)
            picture(above[0], image, truth, left if row == 0 else "")
            above[0].set_ylabel(title, fontsize=8)
            for axes, segmenter in zip(below, pictured, strict=True):
                axes[0].set_axis_off()
                axes[0].text(0.97, 0.5, segmenter, transform=axes[0].transAxes, fontsize=8, ha="right", va="center")
            for place, label in enumerate(labels, 1):
                drawn = next(iter(pictured.values()))[label][row]
                picture(above[place], grey, truth, label if row == 0 else "")
                above[place].imshow(drawn.map.cpu().numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.75)
                _mark(above[place], drawn)
                for axes, of_segmenter in zip(below, pictured.values(), strict=True):
                    picture(axes[place], grey, truth, "")
                    _fill(axes[place], of_segmenter[label][row])
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def _mark(axes: Axes, drawn: CuedMap) -> None:
    """The cues, where there are any, each kind under its mark."""
    if drawn.mask is None or drawn.cues is None:
        return
    points, kinds = drawn.cues.points.cpu().numpy(), drawn.cues.labels.cpu().numpy()
    for kind, mark, colour in MARKS:
        spots = points[kinds == kind]
        axes.scatter(spots[:, 0], spots[:, 1], s=26, marker=mark, color=colour, linewidth=1.1)


def _fill(axes: Axes, drawn: CuedMap) -> None:
    """The mask with the cues that gave it, or the word that there are none."""
    if drawn.mask is None or drawn.cues is None:
        axes.set_title("no cues", fontsize=8, y=0.05, color="white")
        return
    shade = np.zeros((*drawn.mask.shape, 4))
    shade[drawn.mask.cpu().numpy()] = (*mpl.colors.to_rgb("tab:orange"), 0.6)
    axes.imshow(shade)
    _mark(axes, drawn)

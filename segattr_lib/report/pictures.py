"""Images with maps and masks laid over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.data.photographs import credits_of
from segattr_lib.report.style import STYLE


def gallery(
    images: Sequence[Tensor], masks: Sequence[Tensor], maps: Mapping[str, Sequence[Tensor]], titles: Sequence[str]
) -> Figure:
    """A row a sample: the image with its target outlined, then every method's map over the image, from dark
    (0) to bright (1), the target outlined.

    images (3,H,W), masks (H,W); maps: label to one (H,W) map a sample; titles: one a row.
    """
    with mpl.rc_context(STYLE):
        columns = len(maps) + 1
        figure, panels = plt.subplots(
            len(images), columns, figsize=(1.45 * columns, 1.62 * len(images)), squeeze=False, layout="compressed"
        )
        for row, (image, mask, title) in enumerate(zip(images, masks, titles, strict=True)):
            picture(panels[row][0], image, mask, "image and target" if row == 0 else "")
            panels[row][0].set_ylabel(title, fontsize=8)
            for axes, (label, drawn) in zip(panels[row][1:], maps.items(), strict=True):
                picture(axes, image.mean(0, keepdim=True).expand(3, -1, -1), mask, label if row == 0 else "")
                axes.imshow(drawn[row].cpu().numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.75)
        plt.close(figure)  # shown once, by whoever asked for it
        return figure


def at_quantiles(values: pd.Series, count: int) -> pd.Series:
    """Those of the values that stand at evenly spaced ranks, from the highest to the lowest, both among them: which
    images a gallery shows."""
    order = values.dropna().sort_values(ascending=False, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return order.iloc[places]


def picture(axes: Axes, image: Tensor, mask: Tensor, title: str) -> None:
    """An image (3,H,W) in [0,1] without a frame, the mask (H,W) outlined, under a title."""
    axes.imshow(image.movedim(0, -1).cpu().numpy())
    if mask.any():  # of a classifier's image it may not be known
        axes.contour(mask.cpu().numpy(), levels=[0.5], colors="cyan", linewidths=0.8)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def credit_line(dataset: str, sample_ids: Iterable[str]) -> Any:
    """What belongs under a picture made from photographs, as HTML for IPython: whose they are, and on what terms; None
    for other data sets' pictures."""
    from IPython.display import HTML  # which a notebook has, and the library does without

    credits = credits_of(sample_ids) if dataset == "photographs" else ""
    return HTML(f'<p style="font-size: smaller">Photographs: {escape(credits)}.</p>') if credits else None

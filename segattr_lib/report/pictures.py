"""Images with maps and masks laid over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.report.charts import STYLE


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


def prompt_panel(
    images: Sequence[Tensor],
    truths: Sequence[Tensor],
    maps: Mapping[str, Sequence[Tensor]],
    cues: Mapping[str, Sequence[tuple[Tensor, Tensor] | None]],
    masks: Mapping[str, Sequence[Tensor | None]],
    titles: Sequence[str],
) -> Figure:
    """Two rows an image: above every map over it with the cues drawn from it, below the masks that they prompt.

    images (3,H,W), truths (H,W), outlined everywhere; by label one an image: maps (H,W), cues, points (P,2), x then
    y, and labels (P,), white crosses inside and red dots outside, masks (H,W), filled. None where a map gave no cues.
    titles: one an image.
    """
    columns = len(maps) + 1
    with mpl.rc_context(STYLE):
        size = (1.45 * columns, 3.15 * len(images))
        figure, panels = plt.subplots(2 * len(images), columns, figsize=size, squeeze=False, layout="compressed")
        for row, (image, truth, title) in enumerate(zip(images, truths, titles, strict=True)):
            above, below = panels[2 * row], panels[2 * row + 1]
            grey = image.mean(0, keepdim=True).expand(3, -1, -1)
            picture(above[0], image, truth, "image and truth" if row == 0 else "")
            above[0].set_ylabel(title, fontsize=8)
            below[0].set_axis_off()
            for place, name in enumerate(maps, 1):
                picture(above[place], grey, truth, name if row == 0 else "")
                above[place].imshow(maps[name][row].cpu().numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.75)
                picture(below[place], grey, truth, "")
                mask, drawn = masks[name][row], cues[name][row]
                if mask is None or drawn is None:
                    below[place].set_title("no cues", fontsize=8, y=0.05, color="white")
                    continue
                shade = np.zeros((*mask.shape, 4))
                shade[mask.cpu().numpy()] = (*mpl.colors.to_rgb("tab:orange"), 0.6)
                below[place].imshow(shade)
                points, labels = drawn[0].cpu().numpy(), drawn[1].cpu().numpy()
                for kind, mark, colour in ((1, "+", "white"), (0, ".", "red")):
                    here = points[labels == kind]
                    for axes in (above[place], below[place]):
                        axes.scatter(here[:, 0], here[:, 1], s=26, marker=mark, color=colour, linewidth=1.1)
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

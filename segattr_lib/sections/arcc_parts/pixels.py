"""What a photograph offers in the place of parts: pixels that a map marks, filled with the photograph's mean colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.evaluate import model_score
from segattr_lib.perturbation import bind_fill, occlude, top_fraction
from segattr_lib.registry import Key
from segattr_lib.report.labels import short_labels
from segattr_lib.report.photographs import Photographs
from segattr_lib.report.pictures import picture
from segattr_lib.report.style import STYLE
from segattr_lib.report.tables import number
from segattr_lib.targets import Maps, Values

FILL = "mean"
COLUMNS = {"whole": "photograph", "without": "without what it marks", "alone": "what it marks alone"}


@dataclass(frozen=True)
class Marked:
    """The pixels that maps mark most, of each of B photographs: deleted, and left alone.

    maps: (B,H,W). without, alone: (B,3,H,W), the others filled. needed, enough: (B,), the probability that is left in
    either case of the class that the classifier names.
    """

    maps: Maps
    without: Float[Tensor, "b 3 h w"]
    alone: Float[Tensor, "b 3 h w"]
    needed: Values
    enough: Values


def marked(photographs: Photographs, methods: Sequence[Key], share: float) -> dict[str, Marked]:
    """By method (key), what becomes of the photographs without the pixels its maps mark most, and of these alone.

    share: of the pixels, in (0, 1].
    """
    group = photographs.group
    everywhere = torch.ones_like(group.images[:, 0], dtype=torch.bool)
    owner = torch.arange(len(group.images), device=group.images.device)
    fill = bind_fill(FILL, group.images)
    by_method = {}
    for key in methods:
        maps, _, _ = group.maps_of(key)
        pixels = top_fraction(maps, everywhere, share).pixels
        without, alone = (occlude(group.images, where, owner, fill) for where in (pixels, ~pixels))
        needed, enough = (model_score(group.score, group.runtime.place(images)) for images in (without, alone))
        by_method[key.text] = Marked(maps, without, alone, needed, enough)
    return by_method


def marked_table(photographs: Photographs, by_method: dict[str, Marked]) -> pd.DataFrame:
    """The class's probability whole, without the marked pixels and of these alone, as text: a row a photograph and
    method."""
    labels = short_labels(by_method)
    rows = {}
    for place, (name, whole) in enumerate(zip(photographs.ids, photographs.probabilities, strict=True)):
        for text, of_method in by_method.items():
            values = (whole, float(of_method.needed[place]), float(of_method.enough[place]))
            rows[name, labels[text]] = [number(value, 2) for value in values]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS.values())).set_index(
        pd.MultiIndex.from_tuples(rows)
    )


def marked_panel(photographs: Photographs, by_method: dict[str, Marked]) -> Figure:
    """A row a photograph and method: the photograph, the map over it, and the photograph without the marked pixels and
    of these alone, the class's probability under each."""
    labels, group = short_labels(by_method), photographs.group
    with mpl.rc_context(STYLE):
        rows = len(photographs.ids) * len(by_method)
        figure, panels = plt.subplots(rows, 4, figsize=(7.4, 1.95 * rows), squeeze=False, layout="compressed")
        lines = iter(panels)
        titles: Sequence[str] = (COLUMNS["whole"], "map", COLUMNS["without"], COLUMNS["alone"])
        for place, (said, whole) in enumerate(zip(photographs.names, photographs.probabilities, strict=True)):
            for text, of_method in by_method.items():
                axes = next(lines)
                image, nowhere = group.images[place], torch.zeros_like(group.images[place, 0], dtype=torch.bool)
                grey = image.mean(0, keepdim=True).expand(3, -1, -1)
                shown = (image, grey, of_method.without[place], of_method.alone[place])
                for each, drawn, title in zip(axes, shown, titles, strict=True):
                    picture(each, drawn, nowhere, title)
                axes[1].imshow(of_method.maps[place].cpu().numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.75)
                axes[0].set_ylabel(labels[text], fontsize=8)
                for each, value in ((0, whole), (2, of_method.needed[place]), (3, of_method.enough[place])):
                    axes[each].set_xlabel(f"{said} {float(value):.2f}", fontsize=8)
                titles = [""] * len(titles)  # above the first row alone
        plt.close(figure)  # shown once, by whoever asked for it
        return figure

"""One photograph under a slider of how many points prompt a segmenter, with the mask that comes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from segattr_lib.models.runtime import device_of
from segattr_lib.prompting.cues import NoCues
from segattr_lib.prompting.masks import prompted
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.report.labels import method_label
from segattr_lib.report.panels import cut_out, figure, overlay, with_cues
from segattr_lib.report.steps import Slider, stepped
from segattr_lib.sections.wsss_sam2.opening import CuedPhotographs
from segattr_lib.sections.wsss_sam2.rows.masks import cues_of_map
from segattr_lib.sections.wsss_sam2.settings import Settings
from segattr_lib.sections.wsss_sam2.ways import WALKER

WIDTH = 200  # px of a picture


def along_counts(settings: Settings, cued: CuedPhotographs, index: int = 0) -> Any:
    """A photograph's first map with 1, 2, 4, ... points of either kind, and the random walker's mask of them: one
    slider over the page's counts. index: which of the page's photographs."""
    group, cueing = cued.photographs.group, settings.cueing
    key = group.run.method_keys()[0]
    (drawn, *_) = cued.pictured[WALKER][key.text][index : index + 1]
    answer = load_segmenter(WALKER, str(device_of(group.run.device)))(group.images[index])
    image, label, name = group.images[index], method_label(key.text), cued.photographs.names[index]
    nothing = np.zeros(tuple(image.shape[1:]), bool)
    frames: dict[tuple[int, ...], str] = {}
    for place, count in enumerate(cueing.counts):
        text = f"{count} {'points' if count > 1 else 'point'} of either kind"
        try:
            points = cues_of_map(group, index, key, drawn.map, cueing, points=count)
        except NoCues as error:
            frames[place,] = figure(overlay(image, drawn.map, nothing), f"{label} without points", str(error), WIDTH)
            continue
        mask = prompted(answer, points)
        pictures = [with_cues(each, points) for each in (overlay(image, drawn.map, nothing), cut_out(image, mask))]
        alt = f"{label} of {name} with {text}: white inside, red outside"
        share = f"the walker's mask: {float(mask.float().mean()):.0%} of the picture"
        frames[place,] = figure(pictures[0], alt, f"{label}, {text}", WIDTH)
        frames[place,] += figure(pictures[1], f"The mask that comes of {text}", share, WIDTH)
    start = min(range(len(cueing.counts)), key=lambda place: abs(cueing.counts[place] - cueing.foreground))
    return stepped([Slider("Points of either kind", [str(count) for count in cueing.counts], start)], frames)

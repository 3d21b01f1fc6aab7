"""RefineCAM of one photograph under a slider of the layer that it starts at."""

from __future__ import annotations

from typing import Any

import numpy as np

from segattr_lib.attribution.fusion import refined
from segattr_lib.report.labels import method_label
from segattr_lib.report.panels import figure, overlay, pixels_of
from segattr_lib.report.photographs import Photographs
from segattr_lib.report.steps import Slider, stepped
from segattr_lib.sections.refinecam.maps import maps_at
from segattr_lib.sections.refinecam.settings import Settings

WIDTH = 200  # px of a picture


def along_layers(page: Settings, photographs: Photographs, index: int = 0) -> Any:
    """A photograph's map of the swept CAM at each layer, and RefineCAM's of it and all deeper ones: one slider, from
    the shallowest to the deepest. index: which of the page's photographs."""
    group = photographs.group
    layers, base = group.offered["layers"], method_label(page.swept)
    maps = [of_layer[[index]] for of_layer in maps_at(group, page.swept, group.images, group.target, layers)]
    image, name = group.images[index], photographs.names[index]
    nothing = np.zeros(tuple(image.shape[1:]), bool)
    photograph = figure(pixels_of(image), f"The photograph, named {name}", f"named {name}", WIDTH)
    frames: dict[tuple[int, ...], str] = {}
    for place, layer in enumerate(layers):
        several = len(layers) - place
        alone = overlay(image, maps[place][0], nothing)
        together = overlay(image, refined(maps[place:], "product")[0], nothing)
        alt = f"{base} at {layer}"
        of_all = f"RefineCAM, the product of {several} {'layers' if several > 1 else 'layer'} from {layer} on"
        frames[place,] = figure(alone, alt, f"{alt}: dark 0, light 1", WIDTH)
        frames[place,] += figure(together, of_all, of_all, WIDTH)
    return stepped([Slider("Starting layer, shallow to deep", list(layers))], frames, photograph)

"""How figures look: one style, and a colour for every method, which it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np

from segattr_lib.attribution import METHODS, load_method, methods_of

FAMILIES = {"gradient": "Blues", "intervention": "Oranges", "fusion": "Greens", "own": "Purples", "control": "Greys"}
STYLE: Any = {
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "font.size": 10,
    "legend.frameon": False,
}


def method_colours(methods: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A colour for every method: its family's hue, shaded within its table; a registered method's never changes."""
    colours: dict[str, tuple[float, ...]] = {}
    everyone = {name: load_method(name) for name in [*METHODS, *methods]}
    segmenting = {name for name, method in everyone.items() if method.family in ("control", "own")}
    segmenting |= set(methods_of("explorer"))
    for (family, hue), segments in product(FAMILIES.items(), (True, False)):
        members = [
            name for name, method in everyone.items() if method.family == family and (name in segmenting) == segments
        ]
        shades = mpl.colormaps[hue](np.linspace(0.85, 0.4, max(len(members), 2)))
        colours |= {name: tuple(shade) for name, shade in zip(members, shades, strict=False)}
    return {name: colours[name] for name in methods}

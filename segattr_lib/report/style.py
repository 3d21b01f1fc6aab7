"""How figures look: one style, and a colour for every method, which it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from segattr_lib.attribution import METHODS, load_method, methods_of

# From dark to light, each readable on white and on black: hues of Okabe and Ito, which the colour-blind tell apart.
FAMILIES = {
    "gradient": ("#0a5c9e", "#62b0ea"),
    "intervention": ("#b04a00", "#f29a4b"),
    "fusion": ("#00704f", "#3fbf95"),
    "own": ("#a82f8c", "#e88fd2"),
    "control": ("#5b6878", "#a7b3c2"),
}
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
    for (family, ends), segments in product(FAMILIES.items(), (True, False)):
        members = [
            name for name, method in everyone.items() if method.family == family and (name in segmenting) == segments
        ]
        shades = LinearSegmentedColormap.from_list(family, ends)(np.linspace(0, 1, max(len(members), 2)))
        colours |= {name: tuple(shade) for name, shade in zip(members, shades, strict=False)}
    return {name: colours[name] for name in methods}

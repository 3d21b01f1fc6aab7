"""The deletion slider, which moves in a page without a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as w
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.evaluate import model_score
from segattr_lib.metrics.deletion import tdd
from segattr_lib.perturbation import bind_fill
from segattr_lib.report.panels import figure, overlay, pixels_of, without_top
from segattr_lib.report.steps import level_curve
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, bind

PAPER_K = 0.2
LEVELS = tuple(step / 10 for step in range(11))
STYLE = {"description_width": "5.5em"}
BESIDE = "display: flex; flex-wrap: wrap; align-items: start"
WIDE = {"width": "26em", "max_width": "100%"}


def deletion_slider(
    score: Score,
    image: Float[Tensor, "3 h w"],
    maps: Mapping[str, Float[Tensor, "h w"] | np.ndarray],
    *,
    levels: Sequence[float] = LEVELS,
    fill: str = "mean",
    draws: Draws | None = None,
    pixels: int = 192,
) -> w.VBox:
    """One slider over how much of the target is deleted, a choice of map above it; needs no kernel.

    score: bound to the one target of this image. maps: label to map, in [0,1]. levels: fractions k of the
    target's pixels, rising, in [0,1]; 0 is the untouched image. fill, draws: as in bind_fill. pixels: the
    width of a picture. Every frame is computed here, len(maps) * len(levels) passes; its caption gives s(x), the
    score left and TDD, and beside it stands the map's deletion curve with the level marked. Raises ValueError for
    levels out of range or order, for no map, for a map of another size than the image or with a value that is not
    finite, and for draws of several samples.
    """
    _check(image, maps, levels)
    device, count = score.target.class_id.device, len(maps)
    target = score.target[torch.zeros(count, dtype=torch.long, device=device)]  # once a map: all share a batch
    score = bind(score.model, target, score.scalar)
    images = image[None].to(device)
    of_image = bind_fill(fill, images, draws)
    if len(of_image.reference) != 1:
        raise ValueError(f"draws are those of {len(of_image.reference)} samples; expected those of this image alone.")
    bound = replace(of_image, reference=of_image.reference.expand(count, -1, -1, -1))
    images = images.expand(count, -1, -1, -1)
    stacked = torch.stack([torch.as_tensor(values, dtype=torch.float32) for values in maps.values()]).to(device)
    base = model_score(score, images)
    assert target.mask is not None
    outline = target.mask[0].cpu().numpy()
    rows: list[list[w.HTML]] = [[] for _ in maps]
    shared: dict[str, Any] = {"layout": w.Layout(), "style": w.HTML().style}  # a frame's own would double the page
    drops = [
        tdd(score, images, stacked, target, k=level, fill=bound, base=base) if level else torch.zeros_like(base)
        for level in levels
    ]
    curves = (base * (1 - torch.stack(drops))).T.tolist()  # the score left, by map and level
    for place, level in enumerate(levels):
        deleted = without_top(images, stacked, target, level, bound)
        for row, label, picture, whole, drop, curve in zip(
            rows, maps, deleted, base.tolist(), drops[place].tolist(), curves, strict=True
        ):
            left = curve[place]
            text = f"{level:.0%} of the target deleted: score {whole:.3f} → {left:.3f}, TDD {drop:.3f}"
            alt = f"The image with the top {level:.0%} of the target by {label} filled; the score is {left:.3f}"
            frame = figure(pixels_of(picture), alt, text, pixels) + level_curve(levels, curve, place)
            row.append(w.HTML(f'<div style="{BESIDE}">{frame}</div>', **shared))
    shown = []
    for label, values, row in zip(maps, stacked, rows, strict=True):
        alt = f"The {label} map over the image, the target outlined"
        drawn = figure(overlay(image, values, outline), alt, f"{label}: dark 0, light 1; the target outlined", pixels)
        shown.append((w.HTML(drawn), w.Stack(row)))
    start = min(range(len(levels)), key=lambda index: abs(levels[index] - PAPER_K))
    slider = w.SelectionSlider(
        options=[(f"{level:.0%}", index) for index, level in enumerate(levels)],
        value=start,
        description="Deleted",
        tooltip="How much of the target is deleted, the map's highest values first",
        style=STYLE,
        layout=WIDE,
    )
    for _, frames in shown:
        frames.selected_index = start
        w.jslink((slider, "index"), (frames, "selected_index"))
    wrap = w.Layout(display="flex", flex_flow="row wrap")
    boxes = [w.Box([drawn, frames], layout=wrap) for drawn, frames in shown]
    if len(boxes) == 1:
        return w.VBox([slider, boxes[0]])
    methods = w.Dropdown(options=list(maps), description="Map", style=STYLE, layout=WIDE)
    outer = w.Stack(boxes, selected_index=0)
    w.jslink((methods, "index"), (outer, "selected_index"))
    return w.VBox([methods, slider, outer])


def _check(image: Tensor, maps: Mapping[str, Any], levels: Sequence[float]) -> None:
    if not maps:
        raise ValueError("maps is empty; expected one or more maps by their label.")
    size = tuple(image.shape[1:])
    for label, values in maps.items():
        if tuple(values.shape) != size:
            raise ValueError(f"The map {label!r} is {tuple(values.shape)}; expected {size}, as the image.")
        if not bool(torch.as_tensor(values).isfinite().all()):
            raise ValueError(f"The map {label!r} holds a value that is not finite; expected values in [0, 1].")
    if not levels or list(levels) != sorted(set(levels)) or levels[0] < 0 or levels[-1] > 1:
        raise ValueError(f"levels is {list(levels)}; expected rising fractions in [0, 1], such as 0, 0.1, 0.2.")

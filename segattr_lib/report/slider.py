"""The deletion slider, which moves in a page without a kernel, and the pictures it is made of."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as w
import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from scipy import ndimage
from torch import Tensor

from segattr_lib.evaluate import model_score
from segattr_lib.metrics.deletion import tdd
from segattr_lib.perturbation import Fill, bind_fill, occlude, top_fraction
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Score, Target, bind

PAPER_K = 0.2
LEVELS = tuple(step / 10 for step in range(11))
OUTLINE = (0.3, 1.0, 1.0)  # a hue that magma has not
MAP_SHARE = 0.65  # of an overlay; the rest is the image, in grey
STYLE = {"description_width": "5.5em"}
CAPTION = "line-height: 1.4; margin: 0; padding: 0; text-align: left; color: var(--jp-widgets-label-color, inherit)"
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
    width of a picture. Every frame is computed here, len(maps) * len(levels) passes, and its caption gives
    s(x), the score left and TDD. Raises ValueError for levels out of range or order, for no map, for a
    map of another size than the image or with a value that is not finite, and for draws of several samples.
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
    for level in levels:
        deleted = without_top(images, stacked, target, level, bound)
        drops = tdd(score, images, stacked, target, k=level, fill=bound, base=base) if level else torch.zeros_like(base)
        for row, label, picture, whole, drop in zip(rows, maps, deleted, base.tolist(), drops.tolist(), strict=True):
            left = whole * (1 - drop)
            text = f"{level:.0%} of the target deleted: score {whole:.3f} → {left:.3f}, TDD {drop:.3f}"
            alt = f"The image with the top {level:.0%} of the target by {label} filled; the score is {left:.3f}"
            row.append(w.HTML(figure(pixels_of(picture), alt, text, pixels), **shared))
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


def overlay(
    image: Float[Tensor, "3 h w"], values: Float[Tensor, "h w"], outline: Bool[np.ndarray, "h w"]
) -> np.ndarray:
    """The map in magma over the grey image, the outline of the target on top; (H,W,3) in [0,1]."""
    grey = pixels_of(image).mean(2, keepdims=True)
    colours = mpl.colormaps["magma"](values.cpu().numpy())[..., :3]
    picture = MAP_SHARE * colours + (1 - MAP_SHARE) * grey
    return outlined(picture, outline)


def outlined(picture: Float[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The picture with the pixels of the mask that touch its outside in OUTLINE."""
    picture = picture.copy()
    picture[mask & ~ndimage.binary_erosion(mask)] = OUTLINE
    return picture


def figure(picture: Float[np.ndarray, "h w 3"], alt: str, caption: str, pixels: int) -> str:
    """HTML of a picture in [0,1], `pixels` wide, with its alternative text and a caption; some kilobytes.

    The class keeps the book's dark theme from dimming the picture, the colour keeps the caption readable there.
    """
    drawn = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
    if drawn.width > pixels:
        drawn = drawn.resize((pixels, round(drawn.height * pixels / drawn.width)), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    drawn.save(file, "WEBP", quality=60, method=6)
    source = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return (
        f'<figure style="margin: 0 1em 0.5em 0; padding: 0; width: {pixels}px">'
        f'<img class="dark-light" alt="{html.escape(alt)}" width="{pixels}" '
        f'style="image-rendering: {"pixelated" if drawn.width < pixels else "auto"}" src="{source}">'
        f'<figcaption style="{CAPTION}">{html.escape(caption)}</figcaption></figure>'
    )


def without_top(images: Tensor, maps: Tensor, target: Target, k: float, fill: Fill) -> Images:
    """O(x, S_t): the images without the top-k fraction of their target, of a classifier's of the whole image; as they
    are where k is 0."""
    if not k:
        return images
    region = torch.ones_like(images[:, 0], dtype=torch.bool) if target.mask is None else target.mask
    selected = top_fraction(maps, region, k).pixels
    return occlude(images, selected, torch.arange(len(images), device=images.device), fill)


def pixels_of(image: Float[Tensor, "3 h w"]) -> Float[np.ndarray, "h w 3"]:
    """The image as a picture, a copy."""
    return image.detach().cpu().movedim(0, 2).numpy().copy()


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

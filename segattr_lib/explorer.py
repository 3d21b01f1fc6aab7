"""Widgets: the deletion slider, which moves in a page without a kernel, and the live explorer."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import ipywidgets as w
import matplotlib as mpl
import numpy as np
import torch
from IPython.display import HTML
from jaxtyping import Bool, Float
from PIL import Image
from scipy import ndimage
from torch import Tensor

from segattr_lib.attribution import load_method, methods_of
from segattr_lib.benchmark.failures import load_sample, sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import check_classes
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.data import draw, load_dataset
from segattr_lib.data.sample import SampleError
from segattr_lib.evaluate import model_score, prepare
from segattr_lib.metrics import load_metric, metric_key
from segattr_lib.metrics.deletion import tdd
from segattr_lib.models import SEGMENTERS, load_segmenter
from segattr_lib.perturbation import Fill, bind_fill, occlude, top_fraction
from segattr_lib.registry import Key, UserError, make_key
from segattr_lib.seeds import Draws
from segattr_lib.targets import Images, Score, Target, bind

PAPER_K = 0.2
LEVELS = tuple(step / 10 for step in range(11))
SHOWN = ("tdd", "odd_abs", "insertion", "excess_tdd", "tied_share")
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
    one_fill = bind_fill(fill, images, draws)
    if len(one_fill.reference) != 1:
        raise ValueError(f"draws are those of {len(one_fill.reference)} samples; expected those of this image alone.")
    bound = replace(one_fill, reference=one_fill.reference.expand(count, -1, -1, -1))
    images = images.expand(count, -1, -1, -1)
    stacked = torch.stack([torch.as_tensor(one, dtype=torch.float32) for one in maps.values()]).to(device)
    base = model_score(score, images)
    assert target.mask is not None
    outline = target.mask[0].cpu().numpy()
    rows: list[list[w.HTML]] = [[] for _ in maps]
    shared: dict[str, Any] = {"layout": w.Layout(), "style": w.HTML().style}  # a frame's own would double the page
    for level in levels:
        deleted = _deleted(images, stacked, target, level, bound)
        drops = tdd(score, images, stacked, target, k=level, fill=bound, base=base) if level else torch.zeros_like(base)
        for row, label, picture, whole, drop in zip(rows, maps, deleted, base.tolist(), drops.tolist(), strict=True):
            left = whole * (1 - drop)
            text = f"{level:.0%} of the target deleted: score {whole:.3f} → {left:.3f}, TDD {drop:.3f}"
            alt = f"The image with the top {level:.0%} of the target by {label} filled; the score is {left:.3f}"
            row.append(w.HTML(figure(_pixels(picture), alt, text, pixels), **shared))
    shown = []
    for label, one, row in zip(maps, stacked, rows, strict=True):
        alt = f"The {label} map over the image, the target outlined"
        drawn = figure(overlay(image, one, outline), alt, f"{label}: dark 0, light 1; the target outlined", pixels)
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


def explore(
    dataset: str = "shapes",
    root: str | None = None,
    split: str | None = None,
    model: str = "shapes_fcn",
    layer: str | None = None,
    image_size: int = 224,
    samples: int | None = 20,
    device: str | None = None,
    batch_size: int | None = 16,
    metrics: Sequence[str] = SHOWN,
) -> w.VBox:
    """The live app: choose sample, model, method, k, grid, alpha and beta; see map, deletion and metrics.

    The settings mean what they mean in a benchmark, whose code computes what is shown; layer is the given
    model's, the others take their own. A map is computed again only when something it depends on changes.
    What cannot be shown is said in one sentence, in the app. Raises UserError for settings that cannot be
    met at all. Children: the controls, the line that speaks, and the panel (see `frozen`).
    """
    told = {"dataset": dataset, "root": root, "split": split, "image_size": image_size, "samples": samples}
    run = read_settings({**told, "device": device, "batch_size": batch_size, "metrics": list(metrics)})
    data = load_dataset(run.dataset, run.root, run.split)
    ids = draw(data, None if run.samples is None else min(run.samples, len(data.sample_ids)), run.order, run.seed[0])
    shape = (run.image_size, run.image_size)

    @cache
    def model_of(name: str) -> tuple[Any, Any]:
        segmenter = load_segmenter(name, layer if name == model else None, shape)
        check_classes(data, {name: segmenter}, ids, run.image_size)
        return segmenter, prepare(segmenter.module, shape, run.device, run.precision, run.batch_size)

    @lru_cache(maxsize=16)
    def opened(sample_id: str, name: str) -> Group:
        return Group(run, data, *model_of(name), [load_sample(data, sample_id, run.image_size)], list(ids))

    controls = _controls(ids, model)
    speaks, panel = w.HTML(), w.HTML()

    def update(_change: Any = None) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        speaks.value = "<p>Computing …</p>"
        try:
            with sample_errors():
                takes = load_method(chosen["method"]).options
                for name in ("grid", "alpha", "beta"):
                    controls[name].disabled = name not in takes
                group = opened(chosen["sample"], chosen["model"])
                options = {name: chosen[name] for name in ("grid", "alpha", "beta")}
                seen = look(group, chosen["method"], chosen["k"], **options)
                names = data.class_names
                label = names[seen.class_id] if seen.class_id < len(names) else f"class {seen.class_id}"
                panel.value = _panel(group, seen, label, chosen)
                speaks.value = ""
        except (UserError, SampleError, MemoryError, RuntimeError) as error:
            panel.value = ""
            sentence = str(error).partition("\n")[0].removeprefix("ValueError: ")  # the library's own say all
            speaks.value = f'<p role="alert"><strong>{html.escape(sentence)}</strong></p>'

    for control in controls.values():
        control.observe(update, "value")
    update()
    return w.VBox(
        [w.Box(list(controls.values()), layout=w.Layout(display="flex", flex_flow="row wrap")), speaks, panel]
    )


def frozen(app: w.VBox) -> HTML:
    """What an explorer shows just now, as it looks in a page without a kernel."""
    return HTML(app.children[-1].value)


@dataclass(frozen=True)
class Look:
    """What the explorer shows of one sample: its map (H,W) and image without the map's top (3,H,W), the
    score before, and each metric's value or, where there is none, the reason."""

    class_id: int
    map: Float[Tensor, "h w"]
    deleted: Float[Tensor, "3 h w"]
    score: float
    values: Mapping[str, float | str]


def look(group: Group, method: str, k: float, **options: Any) -> Look:
    """Explain the one sample of a group and measure the map; of the options, the method's own are used.

    Maps are kept by the group, so that DEA under another alpha asks the model nothing. Raises SampleError where the
    method raises, or gives what is no map.
    """
    known = load_method(method)
    key = make_key(method, {name: options[name] for name in sorted(set(known.options) & set(options))}, load_method)
    fill_name = group.run.evaluation_fills(None)[0]
    rows, timings = group.rows_of(
        key, [_at(metric, k, fill_name) for metric in (*group.run.metrics, metric_key("passes"))]
    )
    if all(row["status"] == "failed" for row in rows):
        raise SampleError("failed", rows[0]["reason"])
    values = {row["metric"]: row["value"] if row["value"] is not None else row["reason"] for row in rows}
    maps, _, _ = group.maps_of(key)
    fill = bind_fill(fill_name, group.images, group.draws.on("evaluation"), group.others)
    deleted = _deleted(group.images, maps, group.target, k, fill)[0]
    return Look(
        group.samples[0].class_id, maps[0], deleted, group.base.item(), {**values, "seconds": timings[0]["seconds"]}
    )


def overlay(
    image: Float[Tensor, "3 h w"], one_map: Float[Tensor, "h w"], outline: Bool[np.ndarray, "h w"]
) -> np.ndarray:
    """The map in magma over the grey image, the outline of the target on top; (H,W,3) in [0,1]."""
    grey = _pixels(image).mean(2, keepdims=True)
    colours = mpl.colormaps["magma"](one_map.cpu().numpy())[..., :3]
    picture = MAP_SHARE * colours + (1 - MAP_SHARE) * grey
    picture[outline & ~ndimage.binary_erosion(outline)] = OUTLINE
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


def _controls(ids: Sequence[str], model: str) -> dict[str, Any]:
    number: dict[str, Any] = {"continuous_update": False, "style": STYLE}
    models = list(SEGMENTERS) if model in SEGMENTERS else [model, *SEGMENTERS]
    methods = [(load_method(name).label, name) for name in methods_of("explorer")]
    return {
        "sample": w.Dropdown(options=list(ids), description="Sample", style=STYLE),
        "model": w.Dropdown(options=models, value=model, description="Model", style=STYLE),
        "method": w.Dropdown(options=methods, value="dea", description="Method", style=STYLE),
        "k": w.FloatSlider(value=PAPER_K, min=0.01, max=1, step=0.01, description="k", **number),
        "grid": w.IntSlider(value=14, min=1, max=32, description="Grid", **number),
        "alpha": w.FloatSlider(value=0.65, min=0, max=1, step=0.05, description="alpha", **number),
        "beta": w.FloatSlider(value=0.35, min=0, max=2, step=0.05, description="beta", **number),
    }


def _panel(group: Group, seen: Look, label: str, chosen: Mapping[str, Any]) -> str:
    """HTML: the image, its map, the image without the map's top, and the values as a table."""
    sample = group.samples[0]
    outline = sample.mask.numpy()
    plain = _pixels(sample.image)
    plain[outline & ~ndimage.binary_erosion(outline)] = OUTLINE
    method, share = load_method(chosen["method"]).label, f"{chosen['k']:.0%}"
    pictures = [
        figure(plain, f"{sample.sample_id}, its {label} outlined", f"Target: {label}", 224),
        figure(overlay(sample.image, seen.map, outline), f"Its {method} map", f"{method}: dark 0, light 1", 224),
        figure(
            _pixels(seen.deleted), f"Without the top {share} of the target", f"The target's top {share} deleted", 224
        ),
    ]
    lines = [("s(x)", f"{seen.score:.3f}", "score of the target on the whole image")]
    for name, value in seen.values.items():
        metric = load_metric(name)
        better = {1: "higher is better", -1: "lower is better", 0: ""}[metric.direction]
        lines.append((metric.label, _told(value), better))
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
        f'<td style="text-align: right; padding: 0 1em">{html.escape(value)}</td><td>{note}</td></tr>'
        for name, value, note in lines
    )
    return (
        f'<div style="display: flex; flex-wrap: wrap">{"".join(pictures)}</div><table style="{CAPTION}">{rows}</table>'
    )


def _told(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}"


def _at(metric: Key, k: float, fill: str) -> Key:
    """The metric with k and the evaluation fill pinned where it takes them: one value a metric."""
    pinned = {"k": k, "fill": fill}
    return metric.with_pinned(**{name: value for name, value in pinned.items() if name in metric.entry.options})


def _deleted(images: Tensor, maps: Tensor, target: Target, k: float, fill: Fill) -> Images:
    """O(x, S_t): the images without the top-k fraction of their target; as they are where k is 0."""
    assert target.mask is not None
    if not k:
        return images
    selected = top_fraction(maps, target.mask, k).pixels
    return occlude(images, selected, torch.arange(len(images), device=images.device), fill)


def _pixels(image: Float[Tensor, "3 h w"]) -> Float[np.ndarray, "h w 3"]:
    return image.detach().cpu().movedim(0, 2).numpy().copy()


def _check(image: Tensor, maps: Mapping[str, Any], levels: Sequence[float]) -> None:
    if not maps:
        raise ValueError("maps is empty; expected one or more maps by their label.")
    size = tuple(image.shape[1:])
    for label, one in maps.items():
        if tuple(one.shape) != size:
            raise ValueError(f"The map {label!r} is {tuple(one.shape)}; expected {size}, as the image.")
        if not bool(torch.as_tensor(one).isfinite().all()):
            raise ValueError(f"The map {label!r} holds a value that is not finite; expected values in [0, 1].")
    if not levels or list(levels) != sorted(set(levels)) or levels[0] < 0 or levels[-1] > 1:
        raise ValueError(f"levels is {list(levels)}; expected rising fractions in [0, 1], such as 0, 0.1, 0.2.")

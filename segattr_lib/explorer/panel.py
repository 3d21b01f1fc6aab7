"""The explorer's panel as HTML: the target, of every method its pictures and its curve, and the values as a table."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from segattr_lib.benchmark.group import Group
from segattr_lib.data.photographs import credit_of
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import Sample
from segattr_lib.explorer.cueing import THRESHOLD, Cued
from segattr_lib.explorer.looks import Look
from segattr_lib.metrics import load_metric
from segattr_lib.prompting.cues import FOREGROUND
from segattr_lib.prompting.masks import Mask
from segattr_lib.report.panels import CAPTION, OUTLINE, cut_out, figure, outlined, overlay, pixels_of, with_cues
from segattr_lib.report.slider import BESIDE
from segattr_lib.report.steps import level_curve, marked

# A click on the picture writes its place into the field of the target, as a reader would who types it.
POINTING = """\
const box = event.target.getBoundingClientRect();
const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
const x = within((event.clientX - box.left) / box.width, ACROSS);
const y = within((event.clientY - box.top) / box.height, DOWN);
const field = this.closest('.segattr-explorer')?.querySelector('.segattr-target input');
if (field && event.target.tagName === 'IMG') {
  field.value = 'point=' + x + ',' + y;
  field.dispatchEvent(new Event('change', {bubbles: true}));
}"""
NO_TRUTH = "Nobody has labelled what the target covers here, so that no mask is right or wrong."
LEARNT = {
    "shapes_sam2": "shapes_sam2 has learnt generated scenes alone: elsewhere its masks show a prior out of its domain.",
    "random_walker": "random_walker has learnt nothing: its masks come of the cues and of this picture's colours.",
}
POINTED = re.compile(r' class="segattr-pointed"[^>]*')


def panel_of(group: Group, looks: Sequence[Look], label: str, k: float) -> str:
    """HTML: the image, of every method its map, the image without the map's top and the deletion curve, and the values
    as a table with a column a method."""
    sample, score = group.samples[0], looks[0].score
    outline, share = sample.mask.numpy(), f"{k:.0%}"
    region = "image" if group.target.mask is None else "target"
    target = figure(with_target(group), f"{sample.sample_id}, its {label} outlined", f"Target: {label}", 224)
    target = f"<div{_pointed(group)}>{target}</div>"
    lines = []
    for seen in looks:
        method = seen.key.entry.label
        by = f" by {method}" if len(looks) > 1 else ""
        colours, deleted = overlay(sample.image, seen.map, outline), pixels_of(seen.deleted)
        pictures = [
            figure(colours, f"Its {method} map", f"{method}: dark 0, light 1", 224),
            figure(deleted, f"Without the top {share} of the {region}{by}", f"The {region}'s top {share} deleted", 224),
            _curve(seen, method, k),
        ]
        cues = [figure(picture, alt, caption, 224) for picture, alt, caption in cue_pictures(group, seen)]
        lines += [f'<div style="{BESIDE}">{"".join(line)}</div>' for line in (pictures, cues) if line]
    rows = [("s(x)", [f"{score:.3f}"] * len(looks), "score of the target on the whole image")]
    for name in looks[0].measures:
        metric = load_metric(name)
        better = {1: "higher is better", -1: "lower is better", 0: ""}[metric.direction]
        rows.append((metric.label, [_text(seen.measures[name]) for seen in looks], better))
    rows += _iou_rows(looks)
    said = f"<p>{html.escape(looks[0].sentence)}</p>" if looks[0].sentence else ""
    credit = credit_of(sample.sample_id)
    thanks = f'<p style="{CAPTION}">Photograph: {html.escape(credit)}</p>' if credit else ""
    side_by_side = f'<div style="{BESIDE}">{target}<div style="flex: 1 1 28em">{"".join(lines)}</div></div>'
    heads = [seen.key.entry.label for seen in looks] if len(looks) > 1 else []
    return f"{side_by_side}{thanks}{said}{_about_cues(looks)}{_table(heads, rows)}"


def cue_pictures(group: Group, seen: Look) -> list[tuple[np.ndarray, str, str]]:
    """The map with its cues, the mask that comes of them, and the map's own support, each as a picture (H,W,3) in
    [0,1] with its alternative text and its caption; none where no cues are shown."""
    of_map = seen.cued
    if not isinstance(of_map, Cued):
        return []
    sample, method = group.samples[0], seen.key.entry.label
    inside = int((of_map.cues.labels == FOREGROUND).sum())
    noun = "point" if inside == 1 else "points"
    outside = len(of_map.cues.labels) - inside
    on_map = overlay(sample.image, seen.map, sample.mask.numpy())
    return [
        (
            with_cues(on_map, of_map.cues),
            f"Its {method} map with cues, {inside} inside and {outside} outside",
            f"{inside} white {noun} inside, {outside} red outside",
        ),
        (
            with_cues(cut_out(sample.image, of_map.mask), of_map.cues),
            f"The mask that {of_map.segmenter} makes of the cues of {method}",
            f"{of_map.segmenter}: {_worth(of_map.mask, of_map.iou)}",
        ),
        (
            cut_out(sample.image, of_map.support),
            f"Where its {method} map is {THRESHOLD} or more",
            f"From {THRESHOLD} up: {_worth(of_map.support, of_map.support_iou)}",
        ),
    ]


def _worth(mask: Mask, iou: float | None) -> str:
    return f"{float(mask.float().mean()):.0%} of the picture" if iou is None else f"IoU {iou:.2f}"


def _iou_rows(looks: Sequence[Look]) -> list[tuple[str, list[str], str]]:
    """The IoU with the truth of the masks and of the maps' own supports, where any is known."""
    of_maps = [seen.cued if isinstance(seen.cued, Cued) else None for seen in looks]
    known = [each for each in of_maps if each is not None and each.iou is not None]
    if not known:
        return []
    masks = ["–" if each is None or each.iou is None else _text(each.iou) for each in of_maps]
    supports = ["–" if each is None or each.support_iou is None else _text(each.support_iou) for each in of_maps]
    better = "higher is better"
    return [
        (f"IoU of the mask by {known[0].segmenter}", masks, better),
        (f"IoU of the map from {THRESHOLD} up", supports, better),
    ]


def _about_cues(looks: Sequence[Look]) -> str:
    """HTML of why a map has no cues, of what is not known of the masks, and of what the segmenter has not learnt."""
    sentences = [seen.cued for seen in looks if isinstance(seen.cued, str)]
    shown = [seen.cued for seen in looks if isinstance(seen.cued, Cued)]
    if shown and shown[0].iou is None:
        sentences.append(NO_TRUTH)
    if shown and shown[0].segmenter in LEARNT:
        sentences.append(LEARNT[shown[0].segmenter])
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in dict.fromkeys(sentences))


def unpointed(panel: str) -> str:
    """A panel's HTML for a page without a kernel, where nobody would hear of a click on the picture."""
    return POINTED.sub("", panel)


def with_target(group: Group) -> Float[np.ndarray, "h w 3"]:
    """The one image of a group with its target outlined, and a cross at the point that it is named by, if it is."""
    sample, named = group.samples[0], read_region(group.run.target)
    drawn = outlined(pixels_of(sample.image), sample.mask.numpy())
    if named.kind != "point":
        return drawn
    (x, y), (across, down) = named.numbers, extent_of(sample)
    height, width = sample.mask.shape
    return marked(drawn, [(float(int(x * width / across)), float(int(y * height / down)))], OUTLINE)


def extent_of(sample: Sample) -> tuple[int, int]:
    """Width and height of the picture whose px name a sample's target."""
    height, width = sample.mask.shape
    return sample.extent or (width, height)


def _pointed(group: Group) -> str:
    """The attributes of what is round the picture of a target that a click may choose."""
    if group.target.mask is None:
        return ""
    across, down = extent_of(group.samples[0])
    script = html.escape(POINTING.replace("ACROSS", str(across)).replace("DOWN", str(down)))
    return (
        f' class="segattr-pointed" style="cursor: crosshair" title="Click to explain what is there" onclick="{script}"'
    )


def _curve(seen: Look, method: str, k: float) -> str:
    """HTML of a deletion curve, k marked."""
    levels = list(seen.curve)
    drawn = level_curve(levels, list(seen.curve.values()), levels.index(k))
    return (
        f'<figure style="margin: 0 1em 0.5em 0; padding: 0">{drawn}'
        f'<figcaption style="{CAPTION}">{html.escape(method)}: the score that is left</figcaption></figure>'
    )


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str], str]]) -> str:
    """HTML of a table: a row's name, its values under the heads, if there are any, and a note."""
    text = 'style="text-align: left"'
    number = 'style="text-align: right; padding: 0 1em"'
    lines = []
    if heads:
        cells = "".join(f'<th scope="col" {number}>{html.escape(head)}</th>' for head in heads)
        lines.append(f"<thead><tr><td></td>{cells}<td></td></tr></thead>")
    for name, values, note in rows:
        cells = "".join(f"<td {number}>{html.escape(value)}</td>" for value in values)
        lines.append(f'<tr><th scope="row" {text}>{html.escape(name)}</th>{cells}<td>{note}</td></tr>')
    return f'<table style="{CAPTION}">{"".join(lines)}</table>'


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}"

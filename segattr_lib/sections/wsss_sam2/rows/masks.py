"""Masks of one sample: what a segmenter is asked, what it answers, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group, about_map, row_of
from segattr_lib.data.sample import SampleError
from segattr_lib.metrics import load_metric
from segattr_lib.prompting import cues
from segattr_lib.prompting.cues import Cues, NoCues
from segattr_lib.prompting.masks import Mask, iou, share
from segattr_lib.prompting.segmenters import Segmenter, stacked
from segattr_lib.registry import Key, make_key
from segattr_lib.sections.wsss_sam2.rows.cueing import BOX, FUSIONS, NO_BACKGROUND, THRESHOLD, CueSettings

Map = Float[Tensor, "h w"]


@dataclass(frozen=True)
class Standing:
    """What is known of one map of one sample before anything is measured of it.

    fault: why the method has none. missing: why it does not exist. undecided: why nothing of it decides a value.
    """

    fault: str | None = None
    missing: str | None = None
    undecided: str | None = None


SOUND = Standing()


@dataclass(frozen=True)
class Way:
    """A way to a mask: the map's method, how else than the settings have it it was cued, and the cues, or why there
    are none."""

    method: Key
    how: dict[str, Any]
    cues: Cues | str


def row(
    group: Group,
    index: int,
    method: Key,
    metric: Key,
    value: float,
    standing: Standing = SOUND,
    fault: str | None = None,
    undefined: str | None = None,
) -> dict[str, Any]:
    """A value of a sample's map as a row, whose status is what `row_of` makes of it and of what is known of the map.

    fault: why the value could not be had. undefined: why it does not exist, where the metric's own reason is not it.
    """
    about = about_map(group.samples[index], method)
    if standing.missing:
        value, fault, undefined = math.nan, None, standing.missing
    return row_of(
        about,
        metric.text,
        value,
        standing.fault or fault,
        undefined=undefined or metric.entry.undefined,
        undecided=standing.undecided,
    )


def metric_of(name: str, **options: Any) -> Key:
    """The key of a metric under options that its name tells, such as "iou(segmenter=random_walker)"."""
    return make_key(name, options, load_metric)


def mask_rows(
    group: Group,
    index: int,
    maps: Mapping[Key, Map],
    standings: Mapping[Key, Standing],
    cueing: CueSettings,
    segmenters: Mapping[str, Segmenter],
) -> Iterator[dict[str, Any]]:
    """The rows of one sample's masks: of every map's own support, and by segmenter of every way to a mask."""
    assert group.target.truth is not None
    truth, known = group.target.truth[index].cpu(), ~group.ring[index].cpu()
    supports = {method: cues.support(one_map, cueing.threshold).cpu() for method, one_map in maps.items()}
    for method, support in supports.items():
        metric = metric_of("iou", segmenter=THRESHOLD)
        yield row(group, index, method, metric, iou(support, truth, known), standings[method])
    for name, segmenter in segmenters.items():
        ways = ways_to_masks(group, index, maps, truth, cueing)
        given = {place: way.cues for place, way in enumerate(ways) if isinstance(way.cues, Cues)}
        fault: str | None = None
        try:
            answers = _answers(name, segmenter, group.images[index], given)
        except SampleError as error:
            answers, fault = {}, error.reason
            group.raised[fault] = "metric"
        proxy: Mask | None = None  # the mask of the weighted fusion
        for place, way in enumerate(ways):
            values, why = {"iou": math.nan, "confidence": math.nan}, None
            if place in answers:
                mask, confidence = answers[place]
                values = {"iou": iou(mask, truth, known), "confidence": confidence}
                proxy = mask if way.method.name == "weighted" and not way.how else proxy
            elif isinstance(way.cues, str):
                why = way.cues
            standing, lost = standings.get(way.method, SOUND), None if why else fault
            for measure, value in values.items():
                metric = metric_of(measure, segmenter=name, **way.how)
                yield row(group, index, way.method, metric, value, standing, lost, why)
        for method, support in supports.items():
            values = {"coverage": math.nan, "spill": math.nan}
            if proxy is not None:
                values = {"coverage": share(support, proxy), "spill": 1 - share(proxy, support)}
            why = "there is no mask" if proxy is None else None
            for measure, value in values.items():
                metric = metric_of(measure, against=name)
                yield row(group, index, method, metric, value, standings[method], fault, why)


def ways_to_masks(group: Group, index: int, maps: Mapping[Key, Map], truth: Mask, cueing: CueSettings) -> list[Way]:
    """All that a segmenter is asked about one sample. What is drawn depends on nothing but the run's seed, the
    sample, the map and the setting."""
    ways = []
    for method, one_map in maps.items():
        changes: list[dict[str, Any]] = [{}]
        if method.name in FUSIONS:
            ways.append(_way(partial(cues.support_box, one_map, cueing.threshold), method, BOX))
            changes += [NO_BACKGROUND]
            changes += [{"points": count} for count in cueing.counts]
            changes += [{"share": part} for part in cueing.shares]
        for how in changes:
            ways.append(_way(partial(cues_of_map, group, index, method, one_map, cueing, **how), method, how))
    height, width = truth.shape
    centre, uniform, ceiling = make_key("centre_point"), make_key("uniform_points"), make_key("truth")
    ways.append(_way(partial(cues.centre_point, (height, width)), centre))
    drawn = partial(cues.uniform_points, (height, width), cueing.foreground, cue_rng(group, index, uniform))
    ways.append(_way(drawn, uniform))
    for how in ({}, NO_BACKGROUND):
        options = {"foreground": cueing.foreground, "background": cueing.background, "apart": cueing.apart, **how}
        ways.append(_way(partial(cues.truth_cues, truth, cue_rng(group, index, ceiling), **options), ceiling, how))
    return ways


def cues_of_map(
    group: Group,
    index: int,
    method: Key,
    one_map: Map,
    cueing: CueSettings,
    *,
    points: int | None = None,
    share: float | None = None,
    background: int | None = None,
) -> Cues:
    """The points drawn from a sample's map; the same whenever they are drawn, for whatever they are drawn.

    points: of either kind; share: of the pixels, top and bottom alike; background: points outside. None leaves what
    the settings say. Raises NoCues as cues.draw_cues does.
    """
    changes: dict[str, Any] = {}
    if points is not None:
        changes |= {"foreground": points, "background": points}
    if share is not None:
        changes |= {"top": share, "bottom": share}
    if background is not None:
        changes["background"] = background
    return cues.draw_cues(one_map, cue_rng(group, index, method), **cueing.drawing(**changes))


def cue_rng(group: Group, index: int, method: Key) -> np.random.Generator:
    """The stream that a sample's cues of a method's map are drawn from."""
    return cues.cue_rng(group.run.seed[0], group.samples[index].sample_id, method)


def _way(draw: Callable[[], Cues], method: Key, how: dict[str, Any] | None = None) -> Way:
    try:
        drawn: Cues | str = draw()
    except NoCues as error:
        drawn = str(error)
    return Way(method, how or {}, drawn)


def _answers(
    name: str, segmenter: Segmenter, image: Float[Tensor, "3 h w"], given: Mapping[int, Cues]
) -> dict[int, tuple[Tensor, float]]:
    """The segmenter's mask and confidence for all cues, by place. Raises SampleError where it fails on this image."""
    with sample_errors():
        masks, confidences = segmenter(image)(*stacked(list(given.values())))
        expected = (len(given), *image.shape[1:])
        if masks.dtype != torch.bool or masks.shape != expected or confidences.shape != expected[:1]:
            raise SampleError(
                "failed",
                f"the segmenter {name!r} gives masks {tuple(masks.shape)} of {masks.dtype} and confidences "
                f"{tuple(confidences.shape)}; expected {expected} of torch.bool and {expected[:1]}",
            )
        return dict(zip(given, zip(masks.cpu(), confidences.tolist(), strict=True), strict=True))

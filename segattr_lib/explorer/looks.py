"""What the explorer shows of one sample under one method or several, computed by a benchmark's own code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.attribution import load_method
from segattr_lib.benchmark.group import Group
from segattr_lib.data.sample import SampleError
from segattr_lib.evaluate import occluded_scores
from segattr_lib.explorer.cueing import Cued
from segattr_lib.metrics import metric_key
from segattr_lib.perturbation import Fill, bind_fill, top_fraction
from segattr_lib.photograph import METRICS as METRICS_OF_MAPS
from segattr_lib.photograph import judged
from segattr_lib.registry import Key, make_key
from segattr_lib.report.explained import Explanation
from segattr_lib.report.panels import without_top
from segattr_lib.report.slider import LEVELS


@dataclass(frozen=True)
class Look:
    """What the explorer shows of one sample under one method: the method with its options, its map (H,W) and the image
    without the map's top (3,H,W), the score before, each metric's value or, where there is none, the reason. curve:
    each share of the region that is deleted, rising from 0 to 1 with k among them, to the score that is left. sentence:
    of a segmenter's maps, what they say. cued: what the map prompts a segmenter to, or why to nothing; None where
    that is not asked."""

    key: Key
    map: Float[Tensor, "h w"]
    deleted: Float[Tensor, "3 h w"]
    score: float
    measures: Mapping[str, float | str]
    curve: Mapping[float, float]
    sentence: str = ""
    cued: Cued | str | None = None


def look(
    group: Group,
    class_name: str,
    method: str,
    k: float,
    blind: Callable[[Group, Fill], tuple[Tensor, Tensor]] | None = None,
    **options: Any,
) -> Look:
    """Explain the one sample of a group and measure the map; of the options, the method's own are used.

    blind: as in photograph.judged. Raises SampleError as `compared` does.
    """
    return compared(group, class_name, [method], k, blind, **options)[0]


def compared(
    group: Group,
    class_name: str,
    methods: Sequence[str],
    k: float,
    blind: Callable[[Group, Fill], tuple[Tensor, Tensor]] | None = None,
    **options: Any,
) -> list[Look]:
    """What `look` shows, of several methods: each takes its own of the options, and one sentence is said of them all.

    Maps are kept by the group, so that DEA under another alpha asks the model nothing; blind: as in photograph.judged.
    Raises SampleError where a method raises, or gives what is no map.
    """
    keys = [_with_own(method, options) for method in methods]
    group = asked(group, {"methods": keys, "k": k})
    fill = bind_fill(group.run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
    metrics = [_at(metric, k, fill.name) for metric in (*group.run.metrics, metric_key("passes"))]
    looks = []
    for key in keys:
        rows, timings = group.rows_of(key, metrics)
        if all(row["status"] == "failed" for row in rows):
            raise SampleError("failed", rows[0]["reason"])
        values = {row["metric"]: row["value"] if row["value"] is not None else row["reason"] for row in rows}
        values["seconds"] = timings[0]["seconds"]
        maps, _, _ = group.maps_of(key)
        deleted = without_top(group.images, maps, group.target, k, fill)[0]
        curve = curve_of(group, maps, k, fill)
        looks.append(Look(key, maps[0], deleted, group.base.item(), values, curve))
    if group.target.mask is None:
        return looks
    sample = group.samples[0]
    answer = Explanation(sample.sample_id, group.run, sample.image, pd.DataFrame())
    once = asked(group, {"metrics": METRICS_OF_MAPS})  # the others are measured above
    answer = judged(answer, once, class_name, blind=blind)
    return [replace(seen, measures=_with_chance(seen, answer), sentence=answer.sentence) for seen in looks]


def curve_of(group: Group, maps: Float[Tensor, "1 h w"], k: float, fill: Fill) -> dict[float, float]:
    """The score that is left of the one sample in a group without the top of its map, by the share of the target that
    is deleted, of a classifier's of the whole image: the slider's LEVELS and k."""
    region = torch.ones_like(maps, dtype=torch.bool) if group.target.mask is None else group.target.mask
    levels = sorted({*LEVELS, k} - {0.0})
    selected = torch.cat([top_fraction(maps, region, level).pixels for level in levels])
    owner = torch.zeros(len(levels), dtype=torch.long, device=maps.device)
    left = occluded_scores(group.score, group.images, selected, owner, fill)
    return {0.0: group.base.item(), **dict(zip(levels, left.tolist(), strict=True))}


def _with_own(method: str, options: Mapping[str, Any]) -> Key:
    """The method with those of the options pinned that it takes."""
    own = sorted(set(load_method(method).options) & set(options))
    return make_key(method, {name: options[name] for name in own}, load_method)


def _with_chance(seen: Look, answer: Explanation) -> dict[str, float | str]:
    row = answer.scores.loc[seen.key.text]
    return {**seen.measures, "chance_tdd": float(row["chance"]), "excess_tdd": float(row["excess"])}


def asked(group: Group, changes: dict[str, Any]) -> Group:
    """The same group, its maps kept, under settings of which some are changed."""
    other = copy(group)
    other.run = group.run.changed(changes)
    return other


def _at(metric: Key, k: float, fill: str) -> Key:
    """The metric with k and the evaluation fill pinned where it takes them: one value a metric."""
    pinned = {"k": k, "fill": fill}
    return metric.with_pinned(**{name: value for name, value in pinned.items() if name in metric.entry.options})

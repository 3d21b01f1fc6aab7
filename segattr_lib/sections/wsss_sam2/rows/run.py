"""Explainers as cues: what a run's maps are worth as masks, and as cues for a segmenter that takes points.

Rows join the run's own, so that interpretability (coverage, spill, pointing game, effectiveness: the run's metrics)
and utility (the IoU of a mask) are read from one table and kept apart. `iou(segmenter=threshold)` is of a map's own
support, `iou(segmenter=NAME)` of the mask that NAME gives from the map's cues.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from segattr_lib.attribution import Method
from segattr_lib.benchmark.group import Group, about_map, row_of
from segattr_lib.benchmark.runner import Question, run_benchmark
from segattr_lib.benchmark.settings import Settings
from segattr_lib.metrics import MEASURED, load_metric, metric_key, metrics_of
from segattr_lib.models.runtime import device_of
from segattr_lib.own_code import as_loaded
from segattr_lib.prompting import cues
from segattr_lib.prompting.segmenters import Segmenter, fingerprint, load_segmenter
from segattr_lib.registry import Key, UserError, own_fingerprint
from segattr_lib.sections.wsss_sam2.rows.cueing import FUSIONS, CueSettings
from segattr_lib.sections.wsss_sam2.rows.masks import Standing, mask_rows, metric_of, row
from segattr_lib.targets import Maps, Values

CODE = "wsss_sam2/rows"  # of the sections; what decides a row's value


@as_loaded()
def run_with_cues(settings: Settings, cueing: CueSettings, folder: str | Path) -> Path:
    """run_benchmark with the explainers' maps as cues: the run's rows, and those of `cue_rows`; return the folder.

    Every method that is no control takes part in the fusions. Raises UserError as run_benchmark and load_segmenter
    do, before the long work, where fewer than two methods can be fused, and for a metric of robustness that gives a
    map no number, or several.
    """
    settings = with_robustness(settings, cueing)
    return run_benchmark(settings, folder, question_of(settings, cueing))


def with_robustness(settings: Settings, cueing: CueSettings) -> Settings:
    """The settings with the metric of robustness among theirs. Raises UserError where fewer than two methods can be
    fused, and for a metric of robustness that gives a map no number, or several."""
    robustness = metric_key(cueing.robustness)
    settings = settings.changed({"metrics": list(dict.fromkeys([*settings.metrics, robustness]))})
    explainers = explainers_among(settings.method_keys())
    if len(explainers) < 2:
        raise UserError(f"methods has {len(explainers)} that are no controls; a fusion needs two or more.")
    many: dict[str, list[Any]] = {"k": settings.k, "fill": settings.evaluation_fills(None)}
    takes = [option for option in many if option in robustness.entry.options and option not in robustness.options]
    if robustness.name in MEASURED or any(len(many[option]) > 1 for option in takes):
        raise UserError(f"robustness is {cueing.robustness!r}; expected a metric that gives a map one number.")
    return settings


def question_of(settings: Settings, cueing: CueSettings) -> Question:
    """What is asked of every sample beside the run's own metrics: `cue_rows`. Raises UserError as load_segmenter."""
    device = str(device_of(settings.device))
    segmenters = {name: load_segmenter(name, device) for name in cueing.segmenters}
    explainers = [method.text for method in explainers_among(settings.method_keys())]
    return Question(
        CODE,
        {
            **cueing.about(),
            "explainers": explainers,
            "weights": {name: fingerprint(segmenter) for name, segmenter in segmenters.items()},
        },
        lambda group, methods: cue_rows(group, methods, cueing, segmenters),
        {name: own_fingerprint("promptable segmenter", name) for name in segmenters if ":" in name},
    )


def recorded(settings: Settings, about: Mapping[str, Any]) -> Question:
    """The Question of a recorded run; about: fields of CueSettings. Raises UserError as CueSettings and question_of."""
    return question_of(settings, CueSettings(**about))


def explainers_among(methods: Sequence[Key]) -> list[Key]:
    """Those of some methods that are fused: all that are no controls."""
    return [method for method in methods if method.entry.family != "control"]


def fusion(name: str) -> Method:
    """What a table says of a fusion, as of a method."""
    return Method(cues.fused, FUSIONS[name], "fusion")


def cue_rows(
    group: Group, methods: list[Key], cueing: CueSettings, segmenters: Mapping[str, Segmenter]
) -> list[dict[str, Any]]:
    """Rows of the group's samples, all beside the run's own of its metrics.

    Of each explainer: consensus, focus, robustness and weight; agreement(with=OTHER), the IoU of two supports.
    Of the fusions: those of the run's metrics that are of interpretability. Of every map, of ALONE and of the
    CEILING: iou and confidence by segmenter; of the fusions also with background=0, with cues=box, the box of the
    support, and by other numbers of points and shares. Of every map: iou(segmenter=threshold); coverage and spill
    against=SEGMENTER, its mask from the weighted fusion standing for the truth.

    A map that the run calls failed has no values here either, and counts as one of zeros in the fusions; values of a
    constant map are degenerate; the weighted fusion does not exist where no map is reliable.
    """
    judged = {method: group.rows_of(method, [metric_key(cueing.robustness)])[0] for method in methods}
    maps = _maps_of(group, judged)
    explainers = explainers_among(methods)
    together = torch.stack([maps[method] for method in explainers])
    parts = {
        "consensus": cues.consensus(together, cueing.threshold),
        "focus": cues.focus(together),
        "robustness": torch.stack([_values(judged[method]) for method in explainers]).to(together),
    }
    weights = cues.reliability(*parts.values())
    mean, weighted = (Key(name, entry_of=fusion) for name in FUSIONS)
    fused = {mean: cues.fused(together), weighted: cues.fused(together, weights)}
    maps |= {key: torch.nan_to_num(of_fusion) for key, of_fusion in fused.items()}
    standings = [_standings(index, maps, judged, weights) for index in range(len(group.samples))]

    rows: list[dict[str, Any]] = []
    for name, of_part in {**parts, "weight": weights}.items():
        for method, values in zip(explainers, of_part.tolist(), strict=True):
            rows += _rows(group, method, metric_of(name), values, standings)
    agreement = cues.pairwise_iou(cues.support(together, cueing.threshold))
    for (a, method), (b, other) in permutations(enumerate(explainers), 2):
        metric = metric_of("agreement", **{"with": other.text})
        rows += _rows(group, method, metric, agreement[:, a, b].tolist(), standings)
    for key, of_fusion in fused.items():
        rows += _interpretability(group, key, of_fusion, standings)
    for index, standing in enumerate(standings):
        of_sample = {method: of_method[index] for method, of_method in maps.items()}
        rows += mask_rows(group, index, of_sample, standing, cueing, segmenters)
    return rows


def _maps_of(group: Group, judged: Mapping[Key, list[dict[str, Any]]]) -> dict[Key, Maps]:
    """The maps (B,H,W) of every method, of zeros where the run calls one failed."""
    maps = {}
    for method, rows in judged.items():
        broken = torch.tensor([each["status"] == "failed" for each in rows], device=group.images.device)
        maps[method] = group.maps_of(method)[0].masked_fill(broken[:, None, None], 0)
    return maps


def _standings(
    index: int,
    maps: Mapping[Key, Maps],
    judged: Mapping[Key, list[dict[str, Any]]],
    weights: Float[Tensor, "k b"],
) -> dict[Key, Standing]:
    """What is known of each map of one sample."""
    standings = {}
    for method, of_method in maps.items():
        constant = bool(of_method[index].amax() == of_method[index].amin())
        fault = missing = None
        if method in judged and judged[method][index]["status"] == "failed":
            fault = judged[method][index]["reason"]
        if method.name == "weighted" and bool(weights[:, index].isnan().any()):
            missing = load_metric("weight").undefined
        standings[method] = Standing(fault, missing, "the map is constant" if constant else None)
    return standings


def _rows(
    group: Group, method: Key, metric: Key, values: Sequence[float], standings: Sequence[Mapping[Key, Standing]]
) -> list[dict[str, Any]]:
    """A row a sample of one method's values of one metric."""
    return [row(group, index, method, metric, value, standings[index][method]) for index, value in enumerate(values)]


def _interpretability(
    group: Group, method: Key, maps: Maps, standings: Sequence[Mapping[Key, Standing]]
) -> list[dict[str, Any]]:
    """The rows of a fusion's maps under those of the run's metrics that are of interpretability."""
    wanted = [metric for metric in group.run.metrics if metric.name in metrics_of("prompting")]
    absent = {
        sample.sample_id: (about_map(sample, method), standing[method].missing)
        for sample, standing in zip(group.samples, standings, strict=True)
    }
    rows = []
    for judged in group.judged(method, maps, wanted, []):
        about, why = absent[judged["sample_id"]]
        if why:
            setting = {"k": judged["k"], "fill": judged["fill"]}
            judged = row_of(about, judged["metric"], math.nan, undefined=why, **setting)
        rows.append(judged)
    return rows


def _values(rows: Sequence[Mapping[str, Any]]) -> Values:
    """NaN where there is none."""
    return torch.tensor([math.nan if each["value"] is None else each["value"] for each in rows])

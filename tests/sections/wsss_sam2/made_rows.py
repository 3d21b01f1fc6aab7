"""Rows made by hand whose shares, ranks and verdicts are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from small_photographs import IDS, small_photographs

from segattr_lib.prompting.cues import Cues
from segattr_lib.registry import make_key, read_key
from segattr_lib.sections.wsss_sam2.opening import CuedPhotographs, agreement_of
from segattr_lib.sections.wsss_sam2.pictures import CuedMap

Values = Mapping[tuple[str, str], Sequence[float]]  # key of a method and metric, one value an image
LIME = "lime(samples=8)"
BARE, BOXED = "weighted(background=0)", "weighted(cues=box)"
SAM = {
    "gradcam": [0.6, 0.65, 0.6, 0.6, 0.6],
    LIME: [0.3, 0.2, 0.3, 0.3, 0.3],
    "mean": [0.7, 0.6, 0.7, 0.6, 0.6],
    "weighted": [0.8, 0.82, 0.78, 0.8, 0.85],
    BARE: [0.9, 0.95, 0.9, 0.9, 0.9],
    "uniform_points": [0.8, 0.9, 0.7, 0.8, 0.8],
}


def made(values: Values) -> pd.DataFrame:
    """Rows as a run leaves them; None for a value that does not exist, and one image more that was not scored."""
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "k": math.nan, "fill": None, "reason": None}
    rows: list[dict[str, Any]] = [{**about, "sample_id": "lost", "status": "skipped"}]
    for (method, metric), numbers in values.items():
        key = read_key(method)
        for index, number in enumerate(numbers):
            status = "undefined" if number is None else "ok"
            row = {"sample_id": f"i{index}", "method": key.name, "variant": key.pinned, "metric": metric}
            rows.append({**about, **row, "value": number, "status": status})
    return pd.DataFrame(rows).astype({"value": float})


def thrice(numbers: Sequence[float], place: int) -> list[float]:
    """Three images for every number: a little below it, at it and above, at each place by as much as at no other."""
    return [number + 0.002 * place * away for away in (-1, 0, 1) for number in numbers]


def case(
    sam: Mapping[str, Sequence[float]], walker: Sequence[float], overlap: float = 0.2, name: str = "sam"
) -> pd.DataFrame:
    """Two explainers and all that the checklist asks for; sam: masks of the assisted segmenter, `name`, by way."""
    values: dict[tuple[str, str], Sequence[float]] = {}
    n = 3 * len(walker)
    for method in ("gradcam", LIME):
        values |= {(method, "weight"): [0.5] * n, (method, "consensus"): [overlap + 0.01 * i for i in range(n)]}
    for place, (way, numbers) in enumerate(sam.items()):
        key = read_key(way)
        own = key.name not in ("weighted", "mean")  # whose options are how the way was cued
        metric = make_key("iou", {"segmenter": name, **({} if own else key.options)})
        values[way if own else key.name, metric.text] = thrice(numbers, place)
    values["weighted", "iou(segmenter=threshold)"] = thrice([0.2, 0.22, 0.18, 0.2, 0.21], 7)
    values["weighted", "iou(segmenter=random_walker)"] = thrice(walker, 8)
    values["weighted", "iou(segmenter=random_walker, background=0)"] = thrice([iou + 0.1 for iou in walker], 9)
    values["gradcam", "coverage"] = thrice([0.1, 0.12, 0.1, 0.1, 0.1], 1)
    values[LIME, "coverage"] = thrice([0.6, 0.7, 0.6, 0.6, 0.5], 2)
    return made(values)


def whole(n: int = 15) -> pd.DataFrame:
    """All that a run of the page leaves, of two explainers, a control, and the segmenters shapes_sam2 and
    random_walker: every value lies at its way's own mean, in steps of .001 around it that no other way has.

    IoU under shapes_sam2: gradcam .5, LIME .3, random .1, mean .55, weighted .6, uniform points .4, centre .35, truth
    .9; the weighted fusion .45 without background points, .58 as a box. The walker's are .2 lower; a map's own .3
    lower, 0 for random.
    """
    values: dict[tuple[str, str], Sequence[float]] = {}

    def put(method: str, metric: str, mean: float) -> None:
        place = len(values) % 7 + 1
        values[method, metric] = [mean + 0.001 * place * (index % 5 - 2) for index in range(n)]

    sam = {"gradcam": 0.5, LIME: 0.3, "random": 0.1, "mean": 0.55, "weighted": 0.6}
    for method, weight in {"gradcam": 0.75, LIME: 0.25}.items():
        for metric, value in {"consensus": 0.2, "focus": 0.4, "robustness": 0.9, "weight": weight}.items():
            put(method, metric, value)
    put("gradcam", f"agreement(with={LIME})", 0.2)
    put(LIME, "agreement(with=gradcam)", 0.2)
    for place, method in enumerate(sam):
        for threshold in (0.3, 0.5):
            put(method, f"coverage(threshold={threshold})", 0.9 - 0.1 * place - threshold)
            put(method, f"spill(threshold={threshold})", 0.2 + 0.1 * place)
        put(method, "pointing_game", 0.5 + 0.1 * place)
        put(method, "effectiveness(threshold=0.5)", 0.6 - 0.1 * place)
        for segmenter in ("shapes_sam2", "random_walker"):
            put(method, f"coverage(against={segmenter})", 0.8 - 0.1 * place)
            put(method, f"spill(against={segmenter})", 0.1 + 0.1 * place)
        put(method, "iou(segmenter=threshold)", 0.0 if method == "random" else sam[method] - 0.3)
    ways = {**{(method, ""): iou for method, iou in sam.items()}, ("mean", ", background=0"): 0.4}
    ways |= {("weighted", ", background=0"): 0.45, ("weighted", ", cues=box"): 0.58, ("truth", ""): 0.9}
    ways |= {("mean", ", cues=box"): 0.5, ("truth", ", background=0"): 0.85}
    ways |= {("uniform_points", ""): 0.4, ("centre_point", ""): 0.35}
    for method in ("mean", "weighted"):
        ways |= {(method, ", points=1"): 0.2, (method, ", points=16"): 0.7, (method, ", share=0.1"): 0.5}
    for (method, how), iou in ways.items():
        put(method, f"iou(segmenter=shapes_sam2{how})", iou)
        put(method, f"iou(segmenter=random_walker{how})", iou - 0.2)
    return made(values)


def columns(first: int, last: int) -> torch.Tensor:
    """Of 64 columns those from the first up to the last, as a mask (64,64)."""
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[:, first:last] = True
    return mask


WALKED = {"gradcam": (0, 16), LIME: (8, 24), "random": (16, 32)}  # on the second photograph
ASSISTED = {"gradcam": (0, 8), LIME: (0, 8), "random": (32, 64)}


def cued_by_hand(segmenters: Sequence[str] = ("random_walker", "shapes_sam2")) -> CuedPhotographs:
    """Two photographs with masks of columns: on the first all maps and masks are one, on the second those above, the
    maps' supports being the walker's masks; there LIME gives shapes_sam2 no mask."""
    cues = Cues(torch.tensor([[3.0, 2.0], [50.0, 6.0]]), torch.tensor([1, 0]))
    pictured = {}
    for name in segmenters:
        of_second = WALKED if name == "random_walker" else ASSISTED
        pictured[name] = {
            method: [
                CuedMap(columns(0, 16).float(), cues, columns(0, 16)),
                CuedMap(columns(*WALKED[method]).float(), cues, columns(*ends)),
            ]
            for method, ends in of_second.items()
        }
    if "shapes_sam2" in pictured:
        pictured["shapes_sam2"][LIME][1] = CuedMap(columns(*WALKED[LIME]).float(), None, None)
    photographs = small_photographs("gradcam", LIME, "random")
    return CuedPhotographs(photographs, pictured, agreement_of(pictured, list(IDS), 0.5))

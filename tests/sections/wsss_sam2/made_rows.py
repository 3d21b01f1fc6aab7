"""Rows made by hand whose shares, ranks and verdicts are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from segattr_lib.registry import make_key, read_key

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

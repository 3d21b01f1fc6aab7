"""Records made by hand, of which every answer can be read off here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.store import SAMPLES, TIMINGS
from segattr_lib.evidence.records import keep
from segattr_lib.metrics import METRICS

IMAGES = 24
NOISE = 0.02  # standard deviation of a method's own part of a value, whose mean over the images is 0
PASSES = {"gpa": 3, "ega": 3, "ria": 197, "dea": 200, "adaptive_ria": 49, "adaptive_dea": 52}
CONTROLS = ("random_cells", "depth")
VALUES: dict[str, dict[str, float]] = {
    "excess_tdd": {
        "gpa": 0.10,
        "ega": 0.15,
        "ria": 0.501,
        "dea": 0.35,
        "adaptive_ria": 0.5,
        "adaptive_dea": 0.4,
        "random_cells": 0.2,
        "depth": 0.05,
    },
    "tdd": {
        "gpa": 0.2,
        "ega": 0.3,
        "ria": 0.7,
        "dea": 0.5,
        "adaptive_ria": 0.6,
        "adaptive_dea": 0.55,
        "random_cells": 0.3,
        "depth": 0.1,
    },
    "stability": {
        "gpa": 0.6,
        "ega": 0.8,
        "ria": 0.5,
        "dea": 0.9,
        "adaptive_ria": 0.6,
        "adaptive_dea": 0.85,
        "random_cells": 0.4,
        "depth": 1.0,
    },
    "odd_abs": {
        "gpa": 0.151,
        "ega": 0.15,
        "ria": 0.4,
        "dea": 0.3,
        "adaptive_ria": 0.25,
        "adaptive_dea": 0.25,
        "random_cells": 0.1,
        "depth": 0.6,
    },
    "leak_abs": {
        "gpa": 0.9,
        "ega": 0.6,
        "ria": 0.5,
        "dea": 0.7,
        "adaptive_ria": 0.3,
        "adaptive_dea": 0.4,
        "random_cells": 0.8,
        "depth": 2.0,
    },
}
OUTLIER = 1000.0  # LeakAbs of adaptive RIA on one image: its mean is the highest of all, its median the lowest


def made_rows(
    values: Mapping[str, Mapping[str, float]] = VALUES,
    passes: Mapping[str, float] = PASSES,
    images: int = IMAGES,
    models: Sequence[str] = ("shapes_fcn",),
    settings: Sequence[tuple[float, str]] = ((0.2, "mean"),),
    at: Callable[[str, str, float, str], float] | None = None,
) -> pd.DataFrame:
    """Rows of a run: an image's values share its difficulty and have a method's own noise, whose mean is 0.

    Two images more count for nothing, whatever their values: the model scores one too low, of the other a constant
    decides GPA's selection. at: metric, method, k and fill to the mean, in place of `values`.
    """
    rows: list[dict[str, Any]] = []
    for model in models:
        about = {"run_id": model, "dataset": "shapes", "model": model, "seed": 0, "class_id": 1, "region": "truth"}
        for number in range(images + 2):
            here = {**about, "sample_id": f"image {number:02d}", "status": "ok", "variant": ""}
            low, constant = number == images, number == images + 1
            rows.append({**here, "method": None, "variant": None, "metric": "score", "value": 0.1 if low else 0.9})
            for place, (metric, by_method) in enumerate(values.items()):
                for order, (method, mean) in enumerate(by_method.items()):
                    for k, fill in settings if "fill" in METRICS_OPTIONS[metric] else [(None, None)]:
                        centre = mean if at is None else at(metric, method, k or 0.2, fill or "mean")
                        own = 0.0 if method == "depth" else noise(place, order, images, number)
                        value = 9.0 if low or constant else centre + 0.1 * number / images + own
                        if (metric, method, number) == ("leak_abs", "adaptive_ria", 0):
                            value = OUTLIER
                        status = "degenerate" if constant and method == "gpa" else "ok"
                        row = {**here, "method": method, "metric": metric, "k": k, "fill": fill}
                        rows.append({**row, "value": value, "status": status})
            for method, count in passes.items():
                rows.append({**here, "method": method, "metric": "passes", "value": float(count)})
    return pd.DataFrame(rows, columns=[column.name for column in SAMPLES])


METRICS_OPTIONS = {name: METRICS[name].options for name in VALUES}


def noise(place: int, order: int, images: int, number: int) -> float:
    """A method's own part of its value of an image."""
    if number >= images:
        return 0.0
    drawn = np.random.default_rng([place, order]).normal(size=images)
    return float(NOISE * ((drawn - drawn.mean()) / drawn.std())[number])


def make_record(folder: Path, name: str, rows: pd.DataFrame, **settings: Any) -> None:
    """Keep rows as the record of this name, of settings that fit them."""
    keys = rows[["method", "variant"]].dropna().drop_duplicates().itertuples(index=False, name=None)
    methods = [f"{method}({variant})" if variant else method for method, variant in keys]
    metrics = [name for name in rows["metric"].unique() if name != "score"]
    usual = {"dataset": "shapes", "model": list(rows["model"].unique()), "methods": methods, "metrics": metrics}
    written = read_settings({**usual, **settings}).model_dump(mode="json")
    made = {"samples": list(rows["sample_id"].unique()), "shards": 1, "settings": written, "question": {}}
    keep(folder / name, "000", rows, pd.DataFrame(columns=[column.name for column in TIMINGS]), made)

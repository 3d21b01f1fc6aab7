"""Does RefineCAM help where a segmentation is explained?"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.inference.comparison import compare
from segattr_lib.inference.intervals import means
from segattr_lib.inference.paired import paired
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import dataset_label
from segattr_lib.sections.refinecam.runs import Runs, at_layer
from segattr_lib.sections.refinecam.settings import OF_SEGMENTATION, Settings


def facts(page: Settings, runs: Runs) -> dict[str, Any]:
    """What the page quotes of RefineCAM of a segmentation."""
    values: dict[str, Any] = {
        "seg_n": len(paired(runs.segmentation, "tdd").dropna()),
        "seg_dataset": dataset_label(page.seg_dataset),
        "seg_model": page.seg_model,
        "shallow": runs.shallow,
        "seg_layer": runs.deep,
        "seg_pairs": len(pairs_of(runs)),
    }
    for metric in OF_SEGMENTATION:
        compared = region_lifts(page, runs, metric)
        values[f"seg_above_{metric}"] = tables.off_zero(compared, "above")
        values[f"seg_below_{metric}"] = tables.off_zero(compared, "below")
    return values


def pairs_of(runs: Runs) -> list[tuple[str, str]]:
    """RefineCAM and what it refines, at the deepest layer and then at the shallowest."""
    deepest = [(f"refine_{base}", base) for base in ("gpa", "ega")]
    return deepest + [(refined, at_layer(base, runs.shallow)) for refined, base in deepest]


def region_lifts(page: Settings, runs: Runs, metric: str) -> pd.DataFrame:
    """RefineCAM paired with what it refines, in one metric; see comparison.compare."""
    table = paired(runs.segmentation, metric).droplevel("dataset")
    return compare(table, pairs_of(runs), metric, page.level, page.seed)


def region_table(page: Settings, runs: Runs) -> pd.DataFrame:
    """Each method's mean in every metric with its interval, as text."""
    values = [
        means(paired(runs.segmentation, metric), page.level, page.seed).assign(metric=metric)
        for metric in OF_SEGMENTATION
    ]
    return tables.intervals(pd.concat(values), "method", "metric")


def region_plot(page: Settings, runs: Runs) -> Figure:
    """Paired differences in excess TDD, RefineCAM minus what it refines."""
    return charts.interval_plot(region_lifts(page, runs, "excess_tdd"))

"""Diagnose, then assist: what the rows of a run say, as tables of numbers. Intervals are of images, resampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.inference.correlation import Correlation
from segattr_lib.inference.intervals import FEWEST, RESAMPLES, bootstrap, means, studentised_interval
from segattr_lib.inference.paired import paired
from segattr_lib.registry import make_key, read_key
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD
from segattr_lib.sections.wsss_sam2.ways import (
    OTHERWISE,
    cued_as,
    explainers_of,
    labels,
    map_of,
    masks,
    metrics_named,
)
from segattr_lib.seeds import generator


def summary(rows: pd.DataFrame, metrics: Mapping[str, str], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Means over images with their intervals: columns method, mean, low, high, n, label and panel, a row each.

    metrics: as the rows have them, to the panel, what they are called.
    """
    tables = [means(paired(rows, name), level, seed).assign(panel=panel) for name, panel in metrics.items()]
    return _labelled(pd.concat(tables, ignore_index=True))


def utility(rows: pd.DataFrame, segmenters: Sequence[str], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """mIoU, the mean IoU over images, of every way to a mask by segmenter: columns as `summary`'s, the panel the
    segmenter; explainers first, then fusions, controls, the segmenter alone and the ceiling.

    Numbers of points and shares that were tried are not among them, see `along`.
    """
    kinds = [explainers_of(rows), FUSIONS, None, ALONE, CEILING]

    def kind(way: str) -> int:
        return next((place for place, ways in enumerate(kinds) if ways and map_of(way) in ways), kinds.index(None))

    tables = []
    for name in (THRESHOLD, *segmenters):
        table = masks(rows, name)
        kept = [way for way in table if cued_as(way) in ("", *OTHERWISE)]
        tables.append(means(table[sorted(kept, key=kind)], level, seed).assign(panel=name))
    return _labelled(pd.concat(tables, ignore_index=True))


def along(
    rows: pd.DataFrame,
    metric: str,
    option: str,
    default: int | float,
    methods: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """A metric along one of its options, means over images with intervals: columns method, mean, low, high, n, option.

    metric: with what else is pinned, such as "iou(segmenter=random_walker)"; its own rows stand at `default`.
    """
    base, tables = read_key(metric), []
    for key in metrics_named(rows, base.name):
        others = dict(key.options)
        place = others.pop(option, default)
        if others == base.options:
            table = paired(rows, key.text)
            at_place = means(table[[method for method in methods if method in table]], level, seed)
            tables.append(at_place.assign(**{option: float(place)}))
    return pd.concat(tables).sort_values(option, kind="stable").drop_duplicates(["method", option])


def agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean IoU over images of every two explainers' supports: a symmetric table, 1 along its diagonal."""
    explainers = explainers_of(rows)
    overlaps = pd.DataFrame(np.eye(len(explainers)), explainers, explainers)
    for other in explainers:
        table = paired(rows, make_key("agreement", {"with": other}).text)
        overlaps.loc[list(table), other] = table.mean()
    return overlaps


def prior_shares(
    threshold: pd.DataFrame,
    walker: pd.DataFrame,
    assisted: pd.DataFrame,
    ways: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """What a segmenter gains over thresholding the map, and what share of it the map's cues alone do not bring.

    threshold, walker, assisted: `masks` of the map itself, of the random walker and of the segmenter under the same
    cues; a way that is cued otherwise, such as "weighted(background=0)", is held against the same threshold as its
    map's own. A row a way: gain and control, mean differences of the segmenter and of the walker to the threshold, each
    with its interval; share, (assisted - walker) / (assisted - threshold) as a ratio of means over images: 0 if the
    walker gains as much, below if it gains more, 1 if it gains nothing, above if it loses. Unless the gain's interval
    lies above 0, as it cannot where so few images give none, there is nothing to share, and share is NaN.
    """
    rows = []
    for way in ways:
        own, walked, cued = threshold[map_of(way)], walker[way], assisted[way]
        sides = {"gain": (cued, own), "control": (walked, own), "prior": (cued, walked)}
        gains = {name: (first - second).dropna() for name, (first, second) in sides.items()}
        row: dict[str, Any] = {"method": way, "n": len(gains["gain"])}
        for name, values in gains.items():
            low, high = studentised_interval(values.to_numpy(float), level, seed)
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        share = (np.nan,) * 3
        if row["gain_low"] > 0 and len(gains["prior"]):
            both = pd.DataFrame(gains).dropna()
            prior, gain = both["prior"].to_numpy(float), both["gain"].to_numpy(float)
            share = (prior.mean() / gain.mean(), *studentised_interval(prior, level, seed, per=gain))
        rows.append({**row, **dict(zip(("share", "share_low", "share_high"), share, strict=True))})
    return pd.DataFrame(rows)


def gap(
    rows: pd.DataFrame, metrics: Sequence[str], utility_of: pd.DataFrame, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Interpretability against utility: a row an explainer and metric, for figures.interval_scatter.

    utility_of: `masks` of a segmenter. x and y, the metric's mean and the mIoU, each with low and high.
    """
    explainers = explainers_of(rows)
    heights = means(utility_of[explainers], level, seed)
    tables = []
    for metric in metrics:
        widths = means(paired(rows, metric)[explainers], level, seed)
        columns = {"x": widths["mean"], "x_low": widths["low"], "x_high": widths["high"]}
        columns |= {"y": heights["mean"], "y_low": heights["low"], "y_high": heights["high"]}
        tables.append(pd.DataFrame({"metric": metric, "method": explainers, **columns}))
    return pd.concat(tables, ignore_index=True)


def rank_correlation(x: pd.DataFrame, y: pd.DataFrame, level: float = 0.95, seed: int = 0) -> Correlation:
    """Spearman's correlation over the columns of their means over images, with the percentile interval of resampled
    images; n: the columns.

    x, y: images by explainers. The columns and images that both have count; a value that is NaN is left out of its
    column's mean. NaN where a side has equal means throughout, and the interval for fewer than FEWEST images.
    """
    columns = [key for key in x if key in y]
    images = x.index.intersection(y.index)
    sides = [table.loc[images, columns].to_numpy(float) for table in (x, y)]

    def over(times: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
        """The correlation where each image stands as often as it was drawn."""
        with np.errstate(invalid="ignore"):
            means = [times @ np.nan_to_num(side) / (times @ ~np.isnan(side)) for side in sides]
            ranks = [stats.rankdata(side, axis=1, nan_policy="propagate") for side in means]
            centred = [rank - rank.mean(1, keepdims=True) for rank in ranks]
            norm = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
            return (centred[0] * centred[1]).sum(1) / norm

    low = high = np.nan
    if len(images) >= FEWEST:
        rng, size = generator(seed, "", "bootstrap"), sides[0].size
        drawn = bootstrap(over, len(images), RESAMPLES, rng, size, method="percentile").bootstrap_distribution
        if np.isfinite(drawn).any():
            low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Correlation(float(over(np.ones((1, len(images))))[0]), float(low), float(high), len(columns))


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(label=table["method"].map(labels(table["method"].unique())))

"""The methods' order by each way of judging, how far the orders agree, and which one orders maps as a truth does.

All of it is computed from rows, so that a recorded run does as well as one made now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.statistics import OF_EXPLAINED, plain
from segattr_lib.inference.intervals import FEWEST, bootstrap, means
from segattr_lib.inference.paired import paired
from segattr_lib.inference.verdicts import sound
from segattr_lib.seeds import generator

WAYS = {  # of judging, the first of them the usual one
    "plain": "by the model itself",
    "excess": "less what chance earns",
    "judged": "by the copy",
    "copy": "the copy by itself",
}
PAIRS = list(combinations(WAYS, 2))
RANKED = 0.5  # the share of images on which a method has to have a sound value, to be ranked at all
RESAMPLES = 1999


@dataclass(frozen=True)
class Rows:
    """Rows of store.read_samples of the three runs that a subject needs, on the same images.

    plain: the model is explained and judges itself. judged: it is explained, and its copy judges. copy: the copy is
    explained and judges itself.
    """

    plain: pd.DataFrame
    judged: pd.DataFrame
    copy: pd.DataFrame


def by_way(rows: Rows, measure: str, k: float, fill: str, least: float | None) -> dict[str, pd.DataFrame]:
    """The values of each way of WAYS: images as rows, methods as columns, the same of both in each.

    measure: "tdd" or "odd_abs", whose excess is the second way, of this k and evaluation fill. least: images that
    either model scores lower are left out. Only sound values count: a method without one on more than RANKED of the
    images, in any way, is left out, and then every image that lacks one of another method. So is what one run holds of
    methods and images that another lacks. Raises UserError as paired does.
    """
    of_model = rows.plain[rows.plain["model"].isin(rows.judged["model"].unique())]
    asked = {
        "plain": (of_model, measure),
        "excess": (of_model, f"excess_{measure}"),
        "judged": (rows.judged, measure),
        "copy": (rows.copy, measure),
    }
    tables = {way: _values(of_run, metric, k, fill, least) for way, (of_run, metric) in asked.items()}
    images = reduce(pd.Index.intersection, (table.index for table in tables.values()))
    tables = {way: table.loc[images] for way, table in tables.items()}
    ranked = [method for method in tables["plain"] if all(_is_ranked(table, method) for table in tables.values())]
    whole = reduce(np.logical_and, (table[ranked].notna().all(axis=1) for table in tables.values()))
    return {way: table.loc[whole, ranked] for way, table in tables.items()}


def _values(rows: pd.DataFrame, metric: str, k: float, fill: str, least: float | None) -> pd.DataFrame:
    """A metric's sound values, of the images that have one at all."""
    wanted = rows[rows["metric"].isin([metric, "score", OF_EXPLAINED]) | rows["metric"].isna()]
    return paired(sound(plain(wanted)), metric, k, fill, least).dropna(how="all")


def _is_ranked(table: pd.DataFrame, method: str) -> bool:
    return method in table and bool(table.empty or table[method].notna().mean() > RANKED)


def without_controls(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The same of those methods alone that see the model."""
    return {
        way: table[[method for method in table if method_key(method).entry.family != "control"]]
        for way, table in tables.items()
    }


def mean_of_each(tables: Mapping[str, pd.DataFrame], level: float, seed: int) -> pd.DataFrame:
    """Means with their intervals, for charts.interval_dots: a panel a way, columns method, mean, low, high, n."""
    panels = [means(table, level, seed).assign(panel=WAYS[way]) for way, table in tables.items()]
    return pd.concat(panels, ignore_index=True)


def agreements(tables: Mapping[str, pd.DataFrame], level: float, seed: int) -> pd.DataFrame:
    """Kendall's tau between the methods' orders by every two ways: first, second, value, low, high and n.

    The orders are those of the means over the n images. Intervals are percentiles over images drawn anew, the same in
    all ways; a resample's noise draws a tau towards 0. NaN for fewer than FEWEST images.
    """
    values = np.stack([table.to_numpy(float) for table in tables.values()])  # (ways, images, methods)
    images = values.shape[1]
    low = high = np.full(len(PAIRS), np.nan)
    observed = _taus(values, np.ones((1, images)))[:, 0] if images else low
    if images >= FEWEST:
        rng = generator(seed, "", "bootstrap of orders")
        drawn = bootstrap(partial(_taus, values), images, RESAMPLES, rng, values.size, method="percentile")
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.nanquantile(drawn.bootstrap_distribution, ends, axis=-1)
    table = pd.DataFrame(PAIRS, columns=["first", "second"])
    return table.assign(value=observed, low=low, high=high, n=images)


def _taus(
    values: Float[np.ndarray, "ways images methods"], weights: Float[np.ndarray, "draws images"]
) -> Float[np.ndarray, "pairs draws"]:
    """Of each of PAIRS, Kendall's tau-b between the methods' weighted means; NaN where all means of one are equal."""
    mean = weights @ values / weights.sum(1)[:, None]  # (ways, draws, methods)
    upper, lower = np.triu_indices(mean.shape[2], 1)
    signs = np.sign(mean[..., upper] - mean[..., lower])
    places = list(WAYS)
    taus = []
    for pair in PAIRS:
        first, second = (signs[places.index(way)] for way in pair)
        told_apart = np.sqrt((first**2).sum(1) * (second**2).sum(1))
        with np.errstate(invalid="ignore"):
            taus.append((first * second).sum(1) / told_apart)
    return np.stack(taus)


def beside_truth(
    tables: Mapping[str, pd.DataFrame], rows: Rows, truth: str, level: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Which way orders an image's maps as the planted truth does.

    truth: the metric that says how well a map finds the evidence. Of each image and way Kendall's tau between the
    methods' values and the truth of the same maps; the copy's own maps for "copy". Two tables with mean, low, high and
    n, a row a way (column way): of the taus, and of the taus less those of the plain way, over the same images.
    """
    of_maps = {way: paired(rows.copy if way == "copy" else rows.judged, truth) for way in tables}
    taus = pd.DataFrame(
        {
            way: [tau(table.loc[image], of_maps[way].loc[image].reindex(table.columns)) for image in table.index]
            for way, table in tables.items()
        },
        dtype=float,
    ).dropna()
    less = taus.drop(columns="plain").sub(taus["plain"], axis=0)
    of_taus, of_less = (means(table, level, seed).rename(columns={"method": "way"}) for table in (taus, less))
    return of_taus, of_less


def tau(values: pd.Series, truth: pd.Series) -> float:
    """Kendall's tau-b of two rankings of the same maps; NaN where one ranks nothing."""
    return float(stats.kendalltau(values, truth, nan_policy="omit").statistic)


def above(table: pd.DataFrame, control: str) -> list[str]:
    """The methods of a way that see the model and whose mean is above a control's, the highest first."""
    ordered = table.mean().sort_values(ascending=False, kind="stable")
    seeing = [method for method in ordered.index if method_key(str(method)).entry.family != "control"]
    return [str(method) for method in seeing if ordered[method] > ordered[control]]


def place_of(table: pd.DataFrame, method: str) -> int:
    """The place of a method in the order of a way's means, 1 the highest."""
    centres = table.mean()
    return int((centres > centres[method]).sum()) + 1


def left_out(run: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Of the methods that were run those that are not ranked."""
    return [method for method in run if method not in tables["plain"]]

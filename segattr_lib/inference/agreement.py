"""Which metric agrees with the truth? Correlations of metrics of maps with a truth of the same maps.

The ARCC paper correlates each metric with the cosine between map and truth, without saying over what: over the images
of a method, over the means of methods, or over everything at once. All three are here, images resampled whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.inference.comparison import UNDECIDED
from segattr_lib.inference.correlation import weighted_pearson, weighted_ranks
from segattr_lib.inference.intervals import FEWEST, bootstrap
from segattr_lib.inference.max_t import SPLITS, AllPairs, adjusted
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

WAYS = {"within": "images of a method", "across": "means of methods", "pooled": "all maps"}
KINDS = ("pearson", "spearman")
EVERY = "all models"
RESAMPLES = 1999
CLAIMED = {"highest": "arcc", "lowest": "average_drop"}  # of the correlations with the truth, by the ARCC paper


@dataclass(frozen=True)
class Agreement:
    """Correlations of metrics with the truth: arrays (metric, kind, way, model, draw), higher is closer to it.

    kinds as in KINDS, ways as in WAYS. observed: one draw, all images. drawn: images resampled whole. left_out: each
    image left out once. halves: half of the images and, next to it, the other, SPLITS times at random. maps, missing:
    maps with every value, and without; images: those of the former.
    """

    metrics: list[str]
    models: list[str]
    observed: Float[np.ndarray, "metrics kinds ways models 1"]
    drawn: Float[np.ndarray, "metrics kinds ways models draws"]
    left_out: Float[np.ndarray, "metrics kinds ways models images"]
    halves: Float[np.ndarray, "metrics kinds ways models halves"]
    maps: int
    missing: int
    images: int


def agreement(table: pd.DataFrame, truth: pd.Series, seed: int = 0, resamples: int = RESAMPLES) -> Agreement:
    """Correlate every column of a table (rows model, sample_id, method; higher is better) with the truth of its maps.

    Only maps with a value of every column and of the truth enter, so that all columns are compared on the same ones.
    within: over the images of a method, averaged over the methods; across: over the methods' means; pooled: over all
    maps; each of every model by itself. Pearson's and Spearman's. Raises UserError where no map is complete.
    """
    both = table.assign(**{"the truth": truth})
    complete = both.dropna()
    if complete.empty:
        raise UserError(f"None of {len(both)} maps has a value of {', '.join(map(str, both))}; nothing to correlate.")
    levels = [complete.index.unique(name) for name in ("model", "method", "sample_id")]
    grid = pd.MultiIndex.from_product(levels, names=["model", "method", "sample_id"])
    cube = complete.reorder_levels(grid.names).reindex(grid).to_numpy(float).T.reshape(-1, *map(len, levels))
    images = cube.shape[-1]
    observed = drawn = _correlations(cube, np.ones((1, images)))
    if images > 1:
        rng, size = generator(seed, "", "bootstrap of images"), cube[0, 0].size
        result = bootstrap(partial(_correlations, cube), images, resamples, rng, size, method="percentile")
        drawn = result.bootstrap_distribution
    ranks = generator(seed, "", "halves").random((SPLITS, images)).argsort(axis=1) % 2
    halves = np.stack([ranks, 1 - ranks], axis=1).reshape(-1, images)
    return Agreement(
        list(table),
        list(levels[0]),
        observed,
        drawn,
        _correlations(cube, 1 - np.eye(images)),
        _correlations(cube, halves.astype(float)),
        len(complete),
        len(both) - len(complete),
        images,
    )


def correlations(agreed: Agreement, over: str = "arcc", level: float = 0.95) -> pd.DataFrame:
    """One row a model, kind, way and metric: value, low, high, and difference (with its low and high) to `over`.

    EVERY is the mean over the models; n: the images. Intervals are BCa over images, resamples without a value left
    aside; NaN for fewer than FEWEST images, and where the resamples do not surround the value: the correlation of few
    noisy means is drawn towards 0 further in a resample, and what lies beyond all of them no interval can say.
    """
    place = agreed.metrics.index(over)
    names = [*agreed.models, EVERY]
    values = _intervals(agreed, _and_mean, level)
    differences = _intervals(agreed, lambda array: _and_mean(array - array[[place]]), level)
    rows = [
        {"model": model, "kind": kind, "way": way, "metric": metric, "n": agreed.images}
        | dict(zip(("value", "low", "high"), values[:, m, k, w, n], strict=True))
        | dict(zip(("difference", "difference_low", "difference_high"), differences[:, m, k, w, n], strict=True))
        for n, model in enumerate(names)
        for k, kind in enumerate(KINDS)
        for w, way in enumerate(WAYS)
        for m, metric in enumerate(agreed.metrics)
    ]
    return pd.DataFrame(rows)


def nested(agreed: Agreement, over: str = "arcc", level: float = 0.95) -> pd.DataFrame:
    """A metric chosen on all models but one, by its mean agreement, and scored on that one, each model once.

    One row a kind and way: chosen (how often each metric was), value and baseline (of `over`) on the models held out,
    difference with its interval. The choice is made anew in every resample, so that the interval holds its luck.
    Raises UserError for fewer than two models.
    """
    models, place = len(agreed.models), agreed.metrics.index(over)
    if models < 2:
        raise UserError(f"There is {models} model; choosing a metric on other models needs two or more.")

    def choices(array: np.ndarray) -> np.ndarray:
        """Of every held-out model, the metric that is best on the others: (kind, way, model, draw)."""
        others = (array.sum(axis=3, keepdims=True) - array) / (models - 1)
        return np.where(np.isnan(others), -np.inf, others).argmax(axis=0)

    def scored(array: np.ndarray) -> np.ndarray:
        chosen = np.take_along_axis(array, choices(array)[None], axis=0)[0].mean(axis=2)
        return np.stack([chosen, array[place].mean(axis=2), chosen - array[place].mean(axis=2)])

    values, picked = _intervals(agreed, scored, level), choices(agreed.observed)[..., 0]
    rows = []
    for k, kind in enumerate(KINDS):
        for w, way in enumerate(WAYS):
            names = pd.Series([agreed.metrics[best] for best in picked[k, w]]).value_counts()
            value, baseline, (difference, low, high) = values[0, 0, k, w], values[0, 1, k, w], values[:, 2, k, w]
            chosen = {"chosen": dict(names), "value": value, "baseline": baseline}
            rows.append({"kind": kind, "way": way, **chosen, "difference": difference, "low": low, "high": high})
    return pd.DataFrame(rows)


def all_metrics(agreed: Agreement, kind: str = "pearson", way: str = "pooled", among: Sequence[str] = ()) -> AllPairs:
    """Every two metrics held against each other by their agreement with the truth, mean over the models.

    among: of these metrics alone. p by max-T over the pairs, as max_t.all_pairs: a pair's difference over its
    standard error has to exceed the largest of all pairs in resamples of the images around what was observed, carried
    from the normal to Student's t of n - 1 degrees: in so few images the errors themselves are uncertain.
    """
    names = list(among) or agreed.metrics
    places = [agreed.metrics.index(name) for name in names]
    at = (places, KINDS.index(kind), list(WAYS).index(way))
    values, drawn = agreed.observed[at].mean(axis=1)[:, 0], agreed.drawn[at].mean(axis=1)
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    difference = values[:, None] - values
    away = drawn[:, None] - drawn - difference[:, :, None]
    error = away.std(axis=2, ddof=1) if drawn.shape[1] > 1 else np.zeros_like(difference)
    error[error < 1e-12] = np.inf  # no resample tells the two apart, but for rounding
    largest = (np.abs(away) / error[:, :, None]).max(axis=(0, 1), initial=0)
    n = agreed.images
    if n > 1:  # the errors are estimates, from resamples that are narrow
        largest = np.sqrt(n / (n - 1)) * stats.t.isf(stats.norm.sf(largest), n - 1)
    return adjusted(pd.DataFrame(difference, names, names), np.abs(difference) / error, largest, n)


def ends(
    agreed: Agreement, over: str = "arcc", among: Sequence[str] = (), kind: str = "pearson", level: float = 0.95
) -> pd.DataFrame:
    """The highest and the lowest metric of each way, mean over the models: columns way, end, metric and the rest.

    metric: of the highest, or lowest, agreement with the truth over all n images. value, difference: of the metric that
    is so on one half of the images, its agreement on the other half, and that less `over`'s, mean over the halves of an
    Agreement; NaN where a half has none. verdict: does the metric lie beyond every other (`all_metrics`);
    claim: the same of the paper's CLAIMED. among: the metrics that are compared.
    """
    names = list(among) or agreed.metrics
    places = [agreed.metrics.index(name) for name in names]
    rows = []
    for way_at, way in enumerate(WAYS):
        pairs = all_metrics(agreed, kind, way, names)
        halves = agreed.halves[places, KINDS.index(kind), way_at].mean(axis=1)
        others = halves.reshape(len(names), -1, 2)[:, :, ::-1].reshape(halves.shape)
        for end, sign in (("highest", 1), ("lowest", -1)):
            chosen = np.where(np.isnan(others), -np.inf, sign * others).argmax(axis=0)
            values = np.take_along_axis(halves, chosen[None], axis=0)[0]
            beyond = AllPairs(sign * pairs.difference, pairs.p, pairs.n)
            about = {"way": way, "end": end, "metric": beyond.highest, "n": agreed.images}
            numbers = {"value": values.mean(), "difference": (values - halves[names.index(over)]).mean()}
            verdict = beyond.verdict(beyond.highest, level=level)
            claim = beyond.verdict(CLAIMED[end], level=level) if CLAIMED[end] in names else UNDECIDED
            rows.append({**about, **numbers, "verdict": verdict, "claim": claim})
    return pd.DataFrame(rows)


def _correlations(
    cube: Float[np.ndarray, "metrics models methods images"], times: Float[np.ndarray, "draws images"]
) -> Float[np.ndarray, "others kinds ways models draws"]:
    """Of each metric with the last one, the truth, images weighing as often as they were drawn."""
    metrics, models = cube.shape[:2]
    correlated = np.empty((metrics - 1, len(KINDS), len(WAYS), models, len(times)))
    for model in range(models):
        weights = times[:, None, :] * ~np.isnan(cube[0, model])
        for kind, name in enumerate(KINDS):
            sides = [_sides(np.nan_to_num(values), weights, name) for values in cube[:, model]]
            for metric in range(metrics - 1):
                correlated[metric, kind, :, model] = _three_ways(sides[metric], sides[-1], weights)
    return correlated


Sides = tuple[list[np.ndarray], np.ndarray, np.ndarray]  # of the methods, of their means, of all maps


def _sides(
    values: Float[np.ndarray, "methods images"], weights: Float[np.ndarray, "draws methods images"], kind: str
) -> Sides:
    """What Pearson's formula takes of one variable for each way: values, or their ranks in each draw."""
    with np.errstate(invalid="ignore"):  # a method without a map in a draw has no mean there
        means = (weights * values).sum(axis=2) / weights.sum(axis=2)
    if kind == "pearson":
        return list(values), means, values.ravel()
    flat = weights.reshape(len(weights), -1)
    own = [weighted_ranks(method, weights[:, place]) for place, method in enumerate(values)]
    return own, stats.rankdata(means, axis=1, nan_policy="omit"), weighted_ranks(values.ravel(), flat)


def _three_ways(
    x: Sides, y: Sides, weights: Float[np.ndarray, "draws methods images"]
) -> Float[np.ndarray, "ways draws"]:
    """In the order of WAYS; a method whose values are constant in a draw has no correlation and is left out of it."""
    there = (~np.isnan(x[1])).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = enumerate(zip(x[0], y[0], strict=True))
        own = np.stack([weighted_pearson(*pair, weights[:, method]) for method, pair in pairs])
        within = np.nansum(own, axis=0) / (~np.isnan(own)).sum(axis=0)
        across = weighted_pearson(np.nan_to_num(x[1]), np.nan_to_num(y[1]), there)
        pooled = weighted_pearson(x[2], y[2], weights.reshape(len(weights), -1))
    return np.stack([within, across, pooled])


def _and_mean(array: Float[np.ndarray, "metrics kinds ways models draws"]) -> np.ndarray:
    """With the mean over the models as one more model."""
    return np.concatenate([array, array.mean(axis=3, keepdims=True)], axis=3)


def _intervals(agreed: Agreement, statistic: Callable[[np.ndarray], np.ndarray], level: float) -> np.ndarray:
    """Value, low and high of a statistic whose last axis is the draws, stacked; BCa (Efron 1987)."""
    value, drawn, left_out = (statistic(array) for array in (agreed.observed, agreed.drawn, agreed.left_out))
    value = value[..., 0]
    if agreed.images < FEWEST:
        return np.stack([value, value * np.nan, value * np.nan])
    low, high = _bca(value, drawn, left_out, level)
    gone = np.isnan(drawn)
    for cell in zip(*np.nonzero(gone.any(axis=-1) & ~gone.all(axis=-1)), strict=True):
        low[cell], high[cell] = _bca(value[cell], drawn[cell][~gone[cell]], left_out[cell], level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no draw at all
        ranks = (drawn < value[..., None]).sum(axis=-1) + (drawn == value[..., None]).sum(axis=-1) / 2
        below = ranks / (~gone).sum(axis=-1)
        alike = np.nanmin(drawn, axis=-1) == np.nanmax(drawn, axis=-1)  # no spread: the interval is the point
    # BCa knows no better than the outermost draws when they do not surround the value
    lost = np.abs(below - 0.5) > level / 2
    low, high = (np.where(lost, np.nan, np.where(alike, value, end)) for end in (low, high))
    return np.stack([value, low, high])


def _bca(
    value: Float[np.ndarray, "*shape"],
    drawn: Float[np.ndarray, "*shape draws"],
    left_out: Float[np.ndarray, "*shape images"],
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """scipy's interval of draws that are at hand; it asks for the statistic of all images, and of all but each."""

    def asked(places: np.ndarray, axis: int = -1) -> np.ndarray:
        return value if places.ndim == 1 else left_out

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what divides by nothing has no interval: NaN
        interval = stats.bootstrap(
            (np.arange(left_out.shape[-1]),),
            asked,
            vectorized=True,
            n_resamples=0,
            confidence_level=level,
            method="BCa",
            bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
        ).confidence_interval
    return interval.low, interval.high

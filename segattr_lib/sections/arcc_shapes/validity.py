"""Which metric knows a good map? Metrics held against a known truth, fooled by trivial maps, and put together anew.

The ARCC paper correlates each metric with the cosine between map and truth, without saying over what: over the images
of a method, over the means of methods, or over everything at once. All three are here, images resampled whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from segattr_lib.attribution import Method, method_key
from segattr_lib.benchmark.group import Group
from segattr_lib.data.single_shapes import TIERS, tier_of
from segattr_lib.inference.comparison import UNDECIDED
from segattr_lib.inference.correlation import weighted_pearson, weighted_ranks
from segattr_lib.inference.intervals import FEWEST, bootstrap, studentised_interval
from segattr_lib.inference.max_t import SPLITS, AllPairs, adjusted
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.registry import Key, UserError, with_options
from segattr_lib.seeds import generator
from segattr_lib.targets import Maps

PAPER = ("average_drop", "complexity", "coherency", "adcc", "road", "arcc")
WAYS = {"within": "images of a method", "across": "means of methods", "pooled": "all maps"}
KINDS = ("pearson", "spearman")
EVERY = "all models"
FUNNYBIRDS = ("funnybirds", "completeness", "correctness", "contrastivity")  # a truth that is measured, and its parts
RESAMPLES = 1999
MARGIN = 0.05  # a map worse by less is as good: a twentieth of the range that AD, ADCC and ARCC have, and ROAD above 0
FOOLS, DOES_NOT_FOOL = "fools", "does not fool"
CLAIMED = {"highest": "arcc", "lowest": "average_drop"}  # of the correlations with the truth, by the paper
LEVELS = 1023  # steps of grey of a map before it is transformed: no transform makes one of two


def maps_table(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """A run's maps: a row a model, sample_id and method ("name(options)"), a column a metric, averaged over seeds.

    rows: of store.read_samples. A value that does not exist is NaN. Raises UserError for a metric without rows.
    """
    columns = {
        metric: paired(rows, metric, by_model=True)
        .droplevel("dataset")
        .melt(ignore_index=False, var_name="method")
        .set_index("method", append=True)["value"]
        for metric in metrics
    }
    return pd.DataFrame(columns)


def parts_table(scores: pd.DataFrame) -> pd.DataFrame:
    """FunnyBirds' scores of a run's maps: rows as in `maps_table`, a column for each of FUNNYBIRDS.

    scores: of parts.part_scores, averaged over seeds; NaN where one of them lacks the score.
    """
    names = [with_options(*pair) for pair in scores[["method", "variant"]].to_numpy()]
    groups = scores.assign(method=names).groupby(["model", "sample_id", "method"], sort=False)
    return groups[list(FUNNYBIRDS)].mean(skipna=False)


def truth_known(table: pd.DataFrame, truth: str = "cosine") -> bool:
    """Does any map of the table have a value of the truth? Without one nothing can be held against it."""
    return bool(table[truth].notna().any())


def by_image(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric's values, images as rows and methods as columns: means over the models that have one."""
    seen = table.reset_index().pivot_table(
        index="sample_id", columns="method", values=metric, dropna=False, sort=False, observed=True
    )
    return seen.reindex(columns=table.index.unique("method"))


def tiers(sample_ids: Sequence[str], dataset: str) -> dict[str, list[str]]:
    """The samples of each size tier that has any; one tier, "all", for a data set other than the single shapes."""
    if dataset != "single_shapes":
        return {"all": list(sample_ids)}
    found = {tier: [name for name in sample_ids if tier_of(name) == tier] for tier in TIERS}
    return {tier: names for tier, names in found.items() if names}


def directed(table: pd.DataFrame) -> pd.DataFrame:
    """The metrics of PAPER, signed so that higher is better."""
    return pd.DataFrame({name: table[name] * metric_key(name).entry.direction for name in PAPER})


def harmonic(*parts: pd.Series) -> pd.Series:
    """The harmonic mean, 0 where a part is 0 or less; as metrics.composite.harmonic_mean."""
    stacked = pd.concat(parts, axis=1)
    with np.errstate(divide="ignore"):
        mean = len(parts) / (1 / stacked).sum(axis=1, skipna=False)
    return mean.where((stacked > 0).all(axis=1) | stacked.isna().any(axis=1), 0.0)


def with_composites(table: pd.DataFrame) -> pd.DataFrame:
    """The metrics of PAPER so that higher is better, and what else could be made of their parts, by its label.

    ROAD enters a composite as max(0, ROAD), and by itself as it is.
    """
    coherency, simplicity, keeps = table["coherency"], 1 - table["complexity"], 1 - table["average_drop"]
    road = table["road"].clip(lower=0)
    three = [coherency, simplicity, road]
    product = coherency * simplicity * road
    return directed(table).assign(
        **{
            "arithmetic mean": sum(three) / 3,
            "geometric mean": product ** (1 / 3),
            "product": product,
            "least part": pd.concat(three, axis=1).min(axis=1, skipna=False),
            "ROAD × coherency": road * coherency,
            "ROAD × simplicity": road * simplicity,
            "harmonic, ROAD and coherency": harmonic(coherency, road),
            "harmonic, ROAD and simplicity": harmonic(simplicity, road),
            "harmonic, ARCC's parts and 1 − AD": harmonic(*three, keeps),
        }
    )


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


def correlations(found: Agreement, over: str = "arcc", level: float = 0.95) -> pd.DataFrame:
    """One row a model, kind, way and metric: value, low, high, and difference (with its low and high) to `over`.

    EVERY is the mean over the models; n: the images. Intervals are BCa over images, resamples without a value left
    aside; NaN for fewer than FEWEST images, and where the resamples do not surround the value: the correlation of few
    noisy means is drawn towards 0 further in a resample, and what lies beyond all of them no interval can say.
    """
    place = found.metrics.index(over)
    names = [*found.models, EVERY]
    values = _intervals(found, _and_mean, level)
    differences = _intervals(found, lambda array: _and_mean(array - array[[place]]), level)
    rows = [
        {"model": model, "kind": kind, "way": way, "metric": metric, "n": found.images}
        | dict(zip(("value", "low", "high"), values[:, m, k, w, n], strict=True))
        | dict(zip(("difference", "difference_low", "difference_high"), differences[:, m, k, w, n], strict=True))
        for n, model in enumerate(names)
        for k, kind in enumerate(KINDS)
        for w, way in enumerate(WAYS)
        for m, metric in enumerate(found.metrics)
    ]
    return pd.DataFrame(rows)


def over_tiers(
    table: pd.DataFrame,
    truth: pd.Series,
    dataset: str,
    over: str = "arcc",
    level: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """`correlations` of the images of each size tier by themselves, with columns tier and images."""
    found = []
    for tier, names in tiers(list(table.index.unique("sample_id")), dataset).items():
        mine = table.index.get_level_values("sample_id").isin(names)
        of_tier = agreement(table[mine], truth[mine], seed, resamples)
        found.append(correlations(of_tier, over, level).assign(tier=tier, images=of_tier.images))
    return pd.concat(found, ignore_index=True)


def nested(found: Agreement, over: str = "arcc", level: float = 0.95) -> pd.DataFrame:
    """A metric chosen on all models but one, by its mean agreement, and scored on that one, each model once.

    One row a kind and way: chosen (how often each metric was), value and baseline (of `over`) on the models held out,
    difference with its interval. The choice is made anew in every resample, so that the interval holds its luck.
    Raises UserError for fewer than two models.
    """
    models, place = len(found.models), found.metrics.index(over)
    if models < 2:
        raise UserError(f"There is {models} model; choosing a metric on other models needs two or more.")

    def choices(array: np.ndarray) -> np.ndarray:
        """Of every held-out model, the metric that is best on the others: (kind, way, model, draw)."""
        others = (array.sum(axis=3, keepdims=True) - array) / (models - 1)
        return np.where(np.isnan(others), -np.inf, others).argmax(axis=0)

    def scored(array: np.ndarray) -> np.ndarray:
        chosen = np.take_along_axis(array, choices(array)[None], axis=0)[0].mean(axis=2)
        return np.stack([chosen, array[place].mean(axis=2), chosen - array[place].mean(axis=2)])

    values, picked = _intervals(found, scored, level), choices(found.observed)[..., 0]
    rows = []
    for k, kind in enumerate(KINDS):
        for w, way in enumerate(WAYS):
            names = pd.Series([found.metrics[one] for one in picked[k, w]]).value_counts()
            value, baseline, (difference, low, high) = values[0, 0, k, w], values[0, 1, k, w], values[:, 2, k, w]
            chosen = {"chosen": dict(names), "value": value, "baseline": baseline}
            rows.append({"kind": kind, "way": way, **chosen, "difference": difference, "low": low, "high": high})
    return pd.DataFrame(rows)


def all_metrics(found: Agreement, kind: str = "pearson", way: str = "pooled", among: Sequence[str] = ()) -> AllPairs:
    """Every two metrics held against each other by their agreement with the truth, mean over the models.

    among: of these metrics alone. p by max-T over the pairs, as max_t.all_pairs: a pair's difference over its
    standard error has to exceed the largest of all pairs in resamples of the images around what was observed, carried
    from the normal to Student's t of n - 1 degrees: in so few images the errors themselves are uncertain.
    """
    names = list(among) or found.metrics
    places = [found.metrics.index(name) for name in names]
    at = (places, KINDS.index(kind), list(WAYS).index(way))
    values, drawn = found.observed[at].mean(axis=1)[:, 0], found.drawn[at].mean(axis=1)
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    difference = values[:, None] - values
    away = drawn[:, None] - drawn - difference[:, :, None]
    error = away.std(axis=2, ddof=1) if drawn.shape[1] > 1 else np.zeros_like(difference)
    error[error < 1e-12] = np.inf  # no resample tells the two apart, but for rounding
    largest = (np.abs(away) / error[:, :, None]).max(axis=(0, 1), initial=0)
    n = found.images
    if n > 1:  # the errors are estimates, from resamples that are narrow
        largest = np.sqrt(n / (n - 1)) * stats.t.isf(stats.norm.sf(largest), n - 1)
    return adjusted(pd.DataFrame(difference, names, names), np.abs(difference) / error, largest, n)


def ends(
    found: Agreement, over: str = "arcc", among: Sequence[str] = (), kind: str = "pearson", level: float = 0.95
) -> pd.DataFrame:
    """The highest and the lowest metric of each way, mean over the models: columns way, end, metric and the rest.

    metric: of the highest, or lowest, agreement with the truth over all n images. value, difference: of the metric that
    is so on one half of the images, its agreement on the other half, and that less `over`'s, mean over the halves of an
    Agreement; NaN where a half has none. verdict: does the metric lie beyond every other (`all_metrics`);
    claim: the same of the paper's CLAIMED. among: the metrics that are compared.
    """
    names = list(among) or found.metrics
    places = [found.metrics.index(name) for name in names]
    rows = []
    for way_at, way in enumerate(WAYS):
        pairs = all_metrics(found, kind, way, names)
        halves = found.halves[places, KINDS.index(kind), way_at].mean(axis=1)
        others = halves.reshape(len(names), -1, 2)[:, :, ::-1].reshape(halves.shape)
        for end, sign in (("highest", 1), ("lowest", -1)):
            chosen = np.where(np.isnan(others), -np.inf, sign * others).argmax(axis=0)
            values = np.take_along_axis(halves, chosen[None], axis=0)[0]
            beyond = AllPairs(sign * pairs.difference, pairs.p, pairs.n)
            about = {"way": way, "end": end, "metric": beyond.highest, "n": found.images}
            numbers = {"value": values.mean(), "difference": (values - halves[names.index(over)]).mean()}
            verdict = beyond.verdict(beyond.highest, level=level)
            claim = beyond.verdict(CLAIMED[end], level=level) if CLAIMED[end] in names else UNDECIDED
            rows.append({**about, **numbers, "verdict": verdict, "claim": claim})
    return pd.DataFrame(rows)


def fooled(
    table: pd.DataFrame,
    trivial: Sequence[str],
    real: Sequence[str],
    metrics: Sequence[str],
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Does a metric tell a map that knows nothing from those of the methods? One row a trivial map and metric.

    table: of `maps_table`. value: the trivial map's mean over images (and models). difference: trivial minus the mean
    of the real methods on the same n images, signed so that more is better, with its interval. verdict: FOOLS where the
    interval says that the trivial map is not worse by MARGIN or more, DOES_NOT_FOOL where it says that it is worse,
    else UNDECIDED, as without an interval; fools: whether it is the first. beaten: the real methods whose mean is no
    better, of how many. Methods without a value on an image are left out there.
    """
    found = []
    for metric in metrics:
        values, direction = by_image(table, metric), metric_key(metric).entry.direction
        others = values[[name for name in real if values[name].notna().any()]]
        for name in trivial:
            lead = (direction * (values[name] - others.mean(axis=1))).dropna().to_numpy(float)
            low, high = studentised_interval(lead, level, seed)
            shared = direction * others.sub(values[name], axis=0).mean()
            found.append(
                {
                    "method": name,
                    "metric": metric,
                    "value": values[name].mean(),
                    "difference": lead.mean() if len(lead) else np.nan,
                    "low": low,
                    "high": high,
                    "beaten": int((shared <= 0).sum()),
                    "of": int(shared.notna().sum()),
                    "n": len(lead),
                    "verdict": (said := FOOLS if low > -MARGIN else DOES_NOT_FOOL if high < 0 else UNDECIDED),
                    "fools": said == FOOLS,
                }
            )
    return pd.DataFrame(found)


def power(exponent: float) -> Callable[[Tensor], Tensor]:
    """A -> A^exponent."""
    return lambda maps: maps.double().pow(exponent).to(maps.dtype)


def sigmoid(slope: float) -> Callable[[Tensor], Tensor]:
    """A -> the logistic curve of this slope around .5, stretched to [0,1]."""

    def bent(maps: Tensor) -> Tensor:
        ends = torch.sigmoid(torch.tensor([-slope / 2, slope / 2], dtype=torch.float64, device=maps.device))
        return ((torch.sigmoid(slope * (maps.double() - 0.5)) - ends[0]) / (ends[1] - ends[0])).to(maps.dtype)

    return bent


def equalised(maps: Maps) -> Maps:
    """A -> the share of pixels below a pixel's value, of the greatest such share: the histogram made flat."""
    flat = stats.rankdata(maps.flatten(1).cpu().numpy(), method="min", axis=1) - 1.0
    return torch.from_numpy(flat / np.maximum(flat.max(axis=1, keepdims=True), 1)).to(maps).view_as(maps)


TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda maps: maps,
    "square root": power(0.5),
    "square": power(2.0),
    "4th power": power(4.0),
    "sigmoid": sigmoid(12.0),
    "equalised": equalised,
}


def bent_methods(name: str, transforms: Mapping[str, Callable[[Tensor], Tensor]] = TRANSFORMS) -> list[Key]:
    """A method ("name(options)") followed by each transform, for Group.rows_of and Group.maps_of; rows are named by it.

    The map is rounded to LEVELS + 1 values first, so that a transform that rises keeps the order of any two pixels to
    the last bit. Maps that are explained again are transformed likewise, as by a method of its own.
    """
    base = method_key(name)
    if base.entry.parts:
        raise UserError(f"{base.name!r} is made of other methods' maps; choose a method that is not.")
    bent = {label: _bent(base.name, base.entry, transform) for label, transform in transforms.items()}
    return [Key(label, "", base.options, bent.get) for label in bent]


def transformed(group: Group, methods: Sequence[Key], metrics: Sequence[str]) -> pd.DataFrame:
    """The rows of some methods on a group's samples, as a run would keep them but for the columns that name the run."""
    asked = [metric_key(metric) for metric in metrics]
    return pd.concat([pd.DataFrame(group.rows_of(method, asked)[0]) for method in methods], ignore_index=True)


def moved(rows: pd.DataFrame, start: str = "as it is") -> pd.DataFrame:
    """How far each transform moves each metric of an image from where it starts: transform, metric, mean, most.

    mean: of the differences, in the metric's unit; most: the largest |difference|, over the images.
    """
    wide = rows.pivot_table(index=["metric", "sample_id"], columns="method", values="value", sort=False)
    away = wide.sub(wide[start], axis=0).drop(columns=start).melt(ignore_index=False, var_name="transform")
    grouped = away.assign(size=away["value"].abs()).groupby(["transform", "metric"], sort=False)
    return grouped.agg(mean=("value", "mean"), most=("size", "max")).reset_index()


def _bent(name: str, base: Method, transform: Callable[[Tensor], Tensor]) -> Method:
    return Method(
        base.function,
        base.label,
        base.family,
        parts=(name,),
        fused_by=lambda maps: transform((maps * LEVELS).round() / LEVELS),
    )


def _correlations(
    cube: Float[np.ndarray, "metrics models methods images"], times: Float[np.ndarray, "draws images"]
) -> Float[np.ndarray, "some kinds ways models draws"]:
    """Of each metric with the last one, the truth, images weighing as often as they were drawn."""
    metrics, models = cube.shape[:2]
    found = np.empty((metrics - 1, len(KINDS), len(WAYS), models, len(times)))
    for model in range(models):
        weights = times[:, None, :] * ~np.isnan(cube[0, model])
        for kind, name in enumerate(KINDS):
            sides = [_sides(np.nan_to_num(values), weights, name) for values in cube[:, model]]
            for metric in range(metrics - 1):
                found[metric, kind, :, model] = _three_ways(sides[metric], sides[-1], weights)
    return found


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
    own = [weighted_ranks(one, weights[:, place]) for place, one in enumerate(values)]
    return own, stats.rankdata(means, axis=1, nan_policy="omit"), weighted_ranks(values.ravel(), flat)


def _three_ways(
    x: Sides, y: Sides, weights: Float[np.ndarray, "draws methods images"]
) -> Float[np.ndarray, "ways draws"]:
    """In the order of WAYS; a method whose values are constant in a draw has no correlation and is left out of it."""
    there = (~np.isnan(x[1])).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.stack([weighted_pearson(x[0][one], y[0][one], weights[:, one]) for one in range(len(x[0]))])
        within = np.nansum(own, axis=0) / (~np.isnan(own)).sum(axis=0)
        across = weighted_pearson(np.nan_to_num(x[1]), np.nan_to_num(y[1]), there)
        pooled = weighted_pearson(x[2], y[2], weights.reshape(len(weights), -1))
    return np.stack([within, across, pooled])


def _and_mean(array: Float[np.ndarray, "metrics kinds ways models draws"]) -> np.ndarray:
    """With the mean over the models as one more model."""
    return np.concatenate([array, array.mean(axis=3, keepdims=True)], axis=3)


def _intervals(found: Agreement, statistic: Callable[[np.ndarray], np.ndarray], level: float) -> np.ndarray:
    """Value, low and high of a statistic whose last axis is the draws, stacked; BCa (Efron 1987)."""
    value, drawn, left_out = (statistic(array) for array in (found.observed, found.drawn, found.left_out))
    value = value[..., 0]
    if found.images < FEWEST:
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

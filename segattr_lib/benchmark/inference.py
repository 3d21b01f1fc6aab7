"""Is one method better than another, or is it the images? Tests and intervals paired by image.

The unit is the image: seeds, and the models unless told apart, see the same images again, so their values are
averaged before anything is counted, and no n is larger than the number of images.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from segattr_lib.benchmark.statistics import at, plain
from segattr_lib.metrics import load_metric
from segattr_lib.registry import UserError, unknown, with_options
from segattr_lib.seeds import generator

RESAMPLES = 9999
FEWEST = 12  # images: of fewer no kind of interval covers what it promises, and nothing is decided
HOLDS, CONTRADICTED, UNDECIDED = "holds", "contradicted", "undecided"
COMPOSITES = ["arcc", "adcc"]  # harmonic means with coherency among their parts
HELD = 2_000_000  # numbers of resampled data in memory at a time
TESTS = ["wilcoxon", "sign_flip"]
MEASURES = ["difference", "low", "high", *TESTS, "d_z", "rank_biserial", "win_rate", "win_low", "win_high"]


def paired(
    samples: pd.DataFrame,
    metric: str,
    k: float | None = None,
    fill: str | None = None,
    floor: float | None = None,
    by_model: bool = False,
) -> pd.DataFrame:
    """One metric's values, images as rows (dataset, sample_id), methods as columns in the order of the rows.

    samples: rows of store.read_samples, of one folder or several together. A value is the mean over the seeds and
    models that saw the image; by_model keeps the models apart (dataset, model, sample_id). An image has no value (NaN)
    of a method that lacks one in any of them, so that a pair's two means are over the same runs; images that
    could not be scored at all are rows of NaN. floor: leave out the samples whose model score is below it (an
    image that was not scored has none). A method with pinned options is "name(options)".

    Raises UserError where there are no such values, or values of several k or fills to choose from; ValueError
    where a method has two values of an image under one model and seed.
    """
    rows = plain(samples)
    if floor is not None:
        scored = rows[(rows["metric"] == "score") & (rows["value"] >= floor)]
        rows = rows.merge(scored[["run_id", "sample_id"]])
    values = at(rows[rows["metric"] == metric], k, fill)
    given = values[["k", "fill"]].drop_duplicates()
    if len(given) != 1:
        found = "; ".join(f"k = {at_k:g}, fill = {by}" for at_k, by in given.itertuples(index=False)) or "none"
        raise UserError(
            f"{metric!r} at k = {k}, fill = {fill}, floor = {floor}: expected values of one, found {found}."
        )
    pairs = zip(values["method"], values["variant"].fillna(""), strict=True)
    methods = pd.Series([with_options(*pair) for pair in pairs], values.index, dtype=object)
    seen = values.assign(method=methods).pivot(  # noqa: PD010 - refuses a value that stands twice
        index=["dataset", "model", "seed", "sample_id"], columns="method", values="value"
    )
    unit = ["dataset", "model", "sample_id"] if by_model else ["dataset", "sample_id"]
    table = seen[list(dict.fromkeys(methods))].groupby(unit).mean(skipna=False)
    lost = pd.MultiIndex.from_frame(rows.loc[rows["metric"].isna(), unit])
    return table.reindex(table.index.union(lost.unique()))


def studentised_interval(
    values: Float[np.ndarray, " n"],
    level: float = 0.95,
    seed: int = 0,
    per: Float[np.ndarray, " n"] | None = None,
) -> tuple[float, float]:
    """Interval of the mean of n values: studentised bootstrap, no end nearer to the mean than Student's t has it.

    The bootstrap of (mean - truth) / standard error (Efron and Tibshirani 1993, ch. 12) follows skewed differences,
    where Student's t is too short on one side; few values of heavy tails hold too little of them to be resampled, and
    there Student's t is right. BCa covers less than either, see `simulated_coverage`. per: the interval is of the ratio
    mean(values) / mean(per) over the same images, by the standard error of its linearisation.

    No end lies beyond the least and the greatest value: resamples that lack a lone outlier have next to no spread, and
    would send an end far outside what any value is. Equal values give that point twice. NaN for fewer than FEWEST
    values, and where so many are equal that more than (1 - level) / 2 of the resamples have no spread: neither says
    how far the truth may lie.
    """
    if len(values) < FEWEST:
        return np.nan, np.nan
    shares = np.ones_like(values) if per is None else per
    low, high = _studentised(values, shares, level, RESAMPLES, generator(seed, "", "bootstrap"))
    return float(low), float(high)


def settled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 0 for an ARCC or ADCC that does not exist, so that a map that vanished is not left out. Ours.

    A constant map, or one whose repetition is constant, has no coherency: that stays undefined, is left out of
    means and correlations of coherency itself, and counted. The composites are harmonic means, which are 0 as soon as
    a part is; to leave them out would reward a method for showing nothing where it would have done badly. A map that
    failed is not settled.
    """
    composite = rows["metric"].astype(str).str.partition("(")[0].isin(COMPOSITES)
    return rows.assign(value=rows["value"].mask(composite & (rows["status"] == "undefined"), 0.0))


def compare(
    table: pd.DataFrame, pairs: Sequence[tuple[str, str]] | str, metric: str, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Each pair (method, over) of a `paired` table tested: one row a pair. A single name stands against all others.

    n, missing: images with both values, and without. difference, low, high: mean of method - over in the metric's
    unit, with its `studentised_interval`; where direction is -1 a negative one is in favour of the method. wilcoxon:
    p of the signed-rank test, differences of zero ranked (Pratt 1959). sign_flip: p of the mean under flipped signs,
    all of them up to n = 13, else RESAMPLES drawn. Both are two-sided; *_holm are adjusted over these pairs (Holm
    1979; a pair without images is no test). Effects, signed as the difference: d_z, mean over standard deviation
    (n - 1; NaN where it is 0), and rank_biserial, the share of the rank sum in favour less that against, -1 to 1.
    win_rate, win_low, win_high: share of images on which the method is better as the direction has it, a tie
    being half a win, with Wilson's interval; NaN for a metric that has no better end.

    Raises UserError for a method the table lacks, and where an image stands in several rows.
    """
    check_units(table)
    methods = list(table.columns)
    if isinstance(pairs, str):
        pairs = [(pairs, other) for other in methods if other != pairs]
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        if name not in methods:
            raise unknown("method", name, methods)
    rows = []
    for method, over in pairs:
        differences = (table[method] - table[over]).dropna().to_numpy(float)
        counts = {"n": len(differences), "missing": len(table) - len(differences)}
        rows.append({"method": method, "over": over, **counts, **_pair(differences, metric, level, seed)})
    found = pd.DataFrame(rows, columns=["method", "over", "n", "missing", *MEASURES])
    for test in TESTS:
        found[f"{test}_holm"] = holm(found[test].to_numpy(float))
    return found.assign(metric=metric, direction=load_metric(metric).direction, level=level)


@dataclass(frozen=True)
class Friedman:
    """mean_rank: of each method over n images, 1 the best, best first; p: of the hypothesis that all are alike.

    critical_difference: two mean ranks further apart differ at the level (Nemenyi). missing: images without a
    value of every method, which are not ranked.
    """

    mean_rank: pd.Series
    n: int
    missing: int
    statistic: float
    p: float
    critical_difference: float

    def alike(self) -> list[tuple[str, ...]]:
        """The largest groups of neighbours in rank that the critical difference does not tell apart."""
        ranks = self.mean_rank.to_numpy()
        ends = np.searchsorted(ranks, ranks + self.critical_difference)
        groups = zip(range(len(ranks)), ends, [0, *ends[:-1]], strict=True)
        return [tuple(self.mean_rank.index[i:end]) for i, end, before in groups if end > max(i + 1, before)]


def friedman_ranks(table: pd.DataFrame, metric: str, level: float = 0.95) -> Friedman:
    """Friedman's test over the images of a `paired` table, with Nemenyi's critical difference (Demšar 2006, 3.2.2).

    Raises UserError for fewer than three methods, for a metric that has no better end, where no image has a
    value of every method, and where an image stands in several rows.
    """
    check_units(table)
    direction = load_metric(metric).direction
    complete = table.dropna()
    n, count = complete.shape
    if not direction or count < 3 or not n:
        raise UserError(
            f"Nothing to rank: {metric!r} has direction {direction}, {count} methods, {n} of {len(table)} images with "
            "a value of every method; expected a direction, three methods, an image."
        )
    with np.errstate(invalid="ignore"):  # all methods equal on every image: 0 / 0, no statistic
        statistic, p = stats.friedmanchisquare(*complete.to_numpy().T)
    ranks = complete.rank(axis=1, ascending=direction < 0).mean().sort_values(kind="stable")
    quantile = stats.studentized_range.ppf(level, count, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(count * (count + 1) / (6 * n))
    return Friedman(ranks, n, len(table) - n, float(statistic), float(p), float(critical))


class Correlation(NamedTuple):
    """A correlation with its interval; n: the pairs in it."""

    value: float
    low: float
    high: float
    n: int


def correlation(
    x: pd.Series | np.ndarray,
    y: pd.Series | np.ndarray,
    kind: Literal["spearman", "pearson"] = "spearman",
    level: float = 0.95,
    seed: int = 0,
    groups: pd.Series | np.ndarray | None = None,
) -> Correlation:
    """Correlation of x (n,) and y (n,), paired by place, with its BCa bootstrap interval; pairs with a NaN are out.

    groups (n,): what is resampled whole, such as the image where several maps of one enter; else each pair by
    itself. BCa covers correlations as it does not cover means. The interval is NaN for fewer than FEWEST groups or
    where a resample is constant, and everything is where x or y is. Raises ValueError for x, y and groups of
    different lengths.
    """
    whole = np.arange(len(x)) if groups is None else np.asarray(groups)
    pairs = pd.DataFrame({"x": np.asarray(x, float), "y": np.asarray(y, float), "group": whole}).dropna()
    one, other = pairs["x"].to_numpy(), pairs["y"].to_numpy()
    group, names = pd.factorize(pairs["group"])
    if not len(pairs) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return Correlation(np.nan, np.nan, np.nan, len(pairs))

    def statistic(chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        """Of resamples of groups (..., m): a pair weighs as often as its group was drawn, and no copy is made."""
        drawn = chosen.reshape(-1, chosen.shape[-1]).astype(int) + len(names) * np.arange(chosen[..., 0].size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=len(drawn) * len(names)).reshape(len(drawn), -1)
        weights = times[:, group].astype(float)
        x, y = (weighted_ranks(one, weights), weighted_ranks(other, weights)) if kind == "spearman" else (one, other)
        return weighted_pearson(x, y, weights).reshape(chosen.shape[:-1])

    everyone = np.arange(len(names))
    low, high = np.nan, np.nan
    if len(names) >= FEWEST:
        low, high = _bootstrap(
            everyone, statistic, level, RESAMPLES, generator(seed, "", "bootstrap"), HELD // len(pairs)
        )
    return Correlation(float(statistic(everyone)), float(low), float(high), len(pairs))


INTERVALS: dict[str, Callable[..., Any]] = {
    "Student's t": lambda values, level, resamples, rng: _student(values, level),
    "percentile": lambda values, level, resamples, rng: _bootstrap(
        values, np.mean, level, resamples, rng, HELD // values.size, "percentile"
    ),
    "BCa, widened by t": lambda values, level, resamples, rng: _widened_bca(values, level, resamples, rng),
    "studentised bootstrap": lambda values, level, resamples, rng: _studentised(
        values, np.ones_like(values), level, resamples, rng
    ),
}


def standardised(tables: Iterable[pd.DataFrame]) -> list[Float[np.ndarray, " n"]]:
    """The differences of every two methods of `paired` tables, each less its mean and over its standard deviation.

    A pair that never differs, or differs always by as much, has no shape and is left out.
    """
    found = []
    for table in tables:
        for method, over in combinations(table.columns, 2):
            differences = (table[method] - table[over]).dropna().to_numpy(float)
            if len(differences) > 1 and (spread := differences.std(ddof=1)) > 1e-9 * np.abs(differences).max():
                found.append((differences - differences.mean()) / spread)
    return found


def simulated_coverage(
    shapes: Sequence[Float[np.ndarray, " m"]],
    n: int | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 999,
) -> pd.DataFrame:
    """How often each kind of interval holds the true mean of differences that are shaped as a run's own.

    shapes: of `standardised`; no row without any. Each repeat takes one of them at random and draws n of its values
    with replacement, as many as the longest has unless another n is named; their true mean is 0. A row a kind: n,
    nominal (the level), reached, and low and high of the latter (Wilson, 95 %). An interval that does not exist is none
    that holds. The repeats share their resamples, so that thousands take seconds.
    """
    drawn = _drawn(shapes, n, repeats, seed)
    n, rows = drawn.shape[1], []
    for kind, ends in INTERVALS.items() if len(drawn) else ():
        low, high = ends(drawn, level, resamples, generator(seed, "", "bootstrap"))
        held = int(((low <= 0) & (high >= 0)).sum())
        wilson = proportion_confint(held, repeats, method="wilson")
        rows.append((kind, n, level, held / repeats, *wilson))
    return pd.DataFrame(rows, columns=["interval", "n", "nominal", "reached", "low", "high"])


def simulated_rejections(
    shapes: Sequence[Float[np.ndarray, " m"]],
    effect: float,
    n: int | None = None,
    repeats: int = 400,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 999,
) -> pd.DataFrame:
    """How often the tests of `compare` reject differences of mean 0 and of mean `effect`, in standard deviations.

    Drawn as in `simulated_coverage`. A row a test and effect: share, low and high (Wilson, 95 %), nominal (1 - level at
    effect 0; power has none).
    """
    rows = []
    for mean in (0.0, effect) if len(shapes) else ():
        drawn = _drawn(shapes, n, repeats, seed) + mean
        flips = _sign_flip(drawn, resamples, generator(seed, "", "sign flip"))
        for test, p in (("wilcoxon", _wilcoxon(drawn)), ("sign_flip", flips)):
            rejected = int((p <= 1 - level).sum())
            wilson = proportion_confint(rejected, repeats, method="wilson")
            rows.append((test, mean, rejected / repeats, *wilson, np.nan if mean else 1 - level))
    return pd.DataFrame(rows, columns=["test", "effect", "share", "low", "high", "nominal"])


def _drawn(
    shapes: Sequence[Float[np.ndarray, " m"]], n: int | None, repeats: int, seed: int
) -> Float[np.ndarray, "repeats n"]:
    """n values of one of the shapes a repeat, both at random; no repeat without a shape."""
    if not shapes:
        return np.empty((0, n or 0))
    rng, n = generator(seed, "", "resampled differences"), n or max(map(len, shapes))
    return np.stack([rng.choice(shapes[place], n) for place in rng.integers(len(shapes), size=repeats)])


def _student(values: Float[np.ndarray, "*repeats n"], level: float) -> tuple[np.ndarray, np.ndarray]:
    n, mean = values.shape[-1], values.mean(axis=-1)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean - reach, mean + reach


def _pair(differences: Float[np.ndarray, " n"], metric: str, level: float, seed: int) -> dict[str, float]:
    """What `compare` says of one pair; without images, nothing."""
    n = len(differences)
    if not n:
        return dict.fromkeys(MEASURES, np.nan)
    spread = differences.std(ddof=1) if n > 1 else 0.0
    ranks = stats.rankdata(np.abs(differences))
    # one difference, or none but zeros, says nothing: both tests are undefined in scipy, and their p is 1
    silent = n == 1 or not differences.any()
    tests = [1.0, 1.0]
    if not silent:
        flips = _sign_flip(differences, RESAMPLES, generator(seed, "", "sign flip"))
        tests = [float(_wilcoxon(differences)), float(flips)]
    wins = [np.nan] * 3
    if direction := load_metric(metric).direction:
        won = float((np.sign(differences) * direction + 1).sum() / 2)
        wins = [won / n, *proportion_confint(won, n, alpha=1 - level, method="wilson")]
    mean = differences.mean()
    effects = [mean / spread if spread else np.nan, (np.sign(differences) @ ranks) / ranks.sum()]
    values = [mean, *studentised_interval(differences, level, seed), *tests, *effects, *wins]
    return dict(zip(MEASURES, map(float, values), strict=True))


def holm(p: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """p values adjusted by Holm's step-down (1979), over those that are numbers."""
    adjusted, tested = p.copy(), ~np.isnan(p)
    if tested.any():
        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted


def _wilcoxon(differences: Float[np.ndarray, "*repeats n"]) -> Any:
    return stats.wilcoxon(differences, zero_method="pratt", axis=-1).pvalue


def _sign_flip(differences: Float[np.ndarray, "*repeats n"], resamples: int, rng: np.random.Generator) -> Any:
    return stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, HELD // differences.size),
        axis=-1,
        rng=rng,
    ).pvalue


def _studentised(
    values: Float[np.ndarray, "*repeats n"],
    per: Float[np.ndarray, "*repeats n"],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval ends of mean(values) / mean(per), each (*repeats); see `studentised_interval`, of any n above 1."""
    n, below = values.shape[-1], per.mean(axis=-1)
    ratio = values.mean(axis=-1) / below
    errors = values - ratio[..., None] * per
    squared, crossed, shares = errors**2, errors * per, per**2
    drawn = []
    for start in range(0, resamples, step := max(1, HELD // n)):
        places = (
            rng.integers(0, n, (min(step, resamples - start), n)) + n * np.arange(min(step, resamples - start))[:, None]
        )
        times = np.bincount(places.ravel(), minlength=places.size).reshape(places.shape).T / n  # a share of each draw
        with np.errstate(divide="ignore", invalid="ignore"):
            bottom = per @ times
            away = errors @ times / bottom
            spread = squared @ times - 2 * away * (crossed @ times) + away**2 * (shares @ times)
            spread[spread <= 1e-12 * squared.mean(axis=-1, keepdims=True)] = 0  # all equal, but for rounding
            drawn.append(away * np.abs(bottom) / np.sqrt(spread / (n - 1)))
    studentised = np.nan_to_num(np.concatenate(drawn, axis=-1), nan=0.0, posinf=np.inf, neginf=-np.inf)
    rank = max(int((resamples + 1) * (1 - level) / 2), 1)
    ordered = np.partition(studentised, [rank - 1, resamples - rank], axis=-1)
    student = stats.t.ppf((1 + level) / 2, n - 1)
    error = np.sqrt(squared.mean(axis=-1) / (n - 1)) / np.abs(below)
    low = ratio - np.maximum(ordered[..., resamples - rank], student) * error
    high = ratio - np.minimum(ordered[..., rank - 1], -student) * error
    known = np.isfinite(low) & np.isfinite(high)
    if (per > 0).all():  # a ratio of means lies among the ratios
        ratios = values / per
        low, high = np.maximum(low, ratios.min(axis=-1)), np.minimum(high, ratios.max(axis=-1))
    alike = np.ptp(values, axis=-1) + np.ptp(per, axis=-1) == 0
    with np.errstate(divide="ignore", invalid="ignore"):  # a first share of 0, where they are not alike
        first = values[..., 0] / per[..., 0]
    low, high = (np.where(alike, first, np.where(known, end, np.nan)) for end in (low, high))
    return low, high


def _widened_bca(
    differences: Float[np.ndarray, "*repeats n"], level: float, resamples: int, rng: np.random.Generator
) -> Any:
    """BCa (Efron 1987) at a level widened as Student's t widens the normal (Hesterberg 2015, expanded percentiles)."""
    n = differences.shape[-1]
    widened = 2 * stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)) - 1
    return _bootstrap(differences, np.mean, widened, resamples, rng, HELD // differences.size)


def _bootstrap(
    data: np.ndarray,
    statistic: Callable,
    level: float,
    resamples: int,
    rng: np.random.Generator,
    batch: int,
    method: str = "BCa",
) -> Any:
    """scipy's interval; NaN where it has none, in place of its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.bootstrap(
            (data,),
            statistic,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, batch),
            confidence_level=level,
            method=method,
            rng=rng,
        ).confidence_interval


def weighted_ranks(
    values: Float[np.ndarray, " n"], weights: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, "draws n"]:
    """Ranks, up to a constant, of values that stand as often as they weigh; equal values share their mean rank."""
    order = np.argsort(values)
    _, starts, place = np.unique(values[order], return_index=True, return_inverse=True)
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.empty_like(weights)
    ranks[:, order] = (held.cumsum(axis=1) - held / 2)[:, place]
    return ranks


def weighted_pearson(
    x: Float[np.ndarray, "*draws n"], y: Float[np.ndarray, "*draws n"], weights: Float[np.ndarray, "several n"]
) -> Float[np.ndarray, " several"]:
    """Pearson's correlation of pairs that stand as often as they weigh; NaN where either side is constant."""
    total = weights.sum(axis=1, keepdims=True)
    dx, dy = (values - (weights * values).sum(axis=1, keepdims=True) / total for values in (x, y))
    norms = [np.sqrt((weights * values**2).sum(axis=1)) for values in (dx, dy, x, y)]
    constant = (norms[0] <= 1e-12 * norms[2]) | (norms[1] <= 1e-12 * norms[3])  # a mean is rounded: no exact 0
    with np.errstate(invalid="ignore"):
        return np.where(constant, np.nan, (weights * dx * dy).sum(axis=1) / (norms[0] * norms[1]))


def check_units(table: pd.DataFrame) -> None:
    """One image seen by two models is not two images."""
    images = table.index.droplevel("model") if "model" in table.index.names else table.index
    if images.has_duplicates:
        raise UserError(
            f"{len(table)} rows hold {images.nunique()} images; expected one row an image: average over the models, "
            'or take one of them, as table.xs(name, level="model") does.'
        )

"""What a run decides of a claim: differences of two methods and what goes with them, the best of several, and what
holds in every run (ours).

The unit is the image. Only images count that the model, and the judge where another one judges, scores at least
ROBUST_FLOOR and of which every method that is compared has a value of status ok.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import finalize

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.benchmark.statistics import OF_EXPLAINED, ROBUST_FLOOR, plain
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.holm import SIGNIFICANT, holm
from segattr_lib.inference.intervals import (
    FEWEST,
    RESAMPLES,
    median_interval,
    median_p,
    studentised_test,
)
from segattr_lib.inference.paired import paired, settled
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError
from segattr_lib.seeds import generator

POWER = 0.8  # with which the smallest difference is told that so many images decide
LEVEL = 0.95
SHARE_SAME = 0.98  # of images on which two methods that are said to be the same have one value
SIDES = {"above": 1, "below": -1}


@dataclass(frozen=True)
class Difference:
    """How far something lies off 0: one method less another, image by image, or a correlation over images.

    n: images. value: mean of the differences, or their median for a metric that is ranked by its median, or the
    correlation; low, high: its interval, unadjusted. p: two-sided, of the same resamples, of the sign test for a
    median, or of Spearman's test. spread: the standard error of the value, of a correlation where there is none.
    """

    n: int
    value: float
    low: float
    high: float
    p: float
    spread: float

    def smallest(self, tests: int = 1) -> float:
        """The smallest difference that as many images decide with POWER, as the first of so many tests; NaN for fewer
        than FEWEST images, which decide none."""
        if self.n < FEWEST:
            return np.nan
        degrees = self.n - 1
        return float(stats.t.isf(SIGNIFICANT / (2 * tests), degrees) + stats.t.ppf(POWER, degrees)) * self.spread

    def images(self, tests: int = 1) -> float:
        """About how many images would decide a difference as large as this one, FEWEST or more; infinite for none."""
        if not self.value:
            return np.inf
        return float(np.maximum(FEWEST, np.ceil(self.n * (self.smallest(tests) / self.value) ** 2)))


def sound(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a value only where their status is ok. An ARCC or ADCC that does not exist is 0, see
    paired.settled."""
    zero = settled(rows)
    known = (zero["status"] == "ok") | ((zero["status"] == "undefined") & zero["value"].notna())
    return zero.assign(value=zero["value"].where(known))


def values_of(
    rows: pd.DataFrame, metric: str, methods: Sequence[str], k: float | None, fill: str | None
) -> pd.DataFrame:
    """One metric's values: the images that the model scores well and that have a sound value of every one of the
    methods as rows, the methods as columns. Empty where a method, or the metric, was not run.

    Rows are not to be changed in place: the table of all methods is made of them once, and kept as long as they are.
    """
    made, asked = _made_of(rows), (metric, k, fill)
    if asked not in made:
        made[asked] = _of_every_method(rows, metric, k, fill)
    table = made[asked]
    if not set(methods) <= set(table):
        return pd.DataFrame(columns=list(methods))
    return table[list(methods)].dropna()


def _of_every_method(rows: pd.DataFrame, metric: str, k: float | None, fill: str | None) -> pd.DataFrame:
    """The same of all methods, NaN where one has no sound value."""
    asked = plain(rows[rows["metric"].isin([metric, "score", OF_EXPLAINED]) | rows["metric"].isna()])
    takes = metric_key(metric).entry.options
    place = (k if "k" in takes else None, fill if "fill" in takes else None)
    try:
        return paired(sound(asked), metric, *place, floor=ROBUST_FLOOR)
    except UserError:
        return pd.DataFrame()


_MADE: dict[int, dict[tuple[str, float | None, str | None], pd.DataFrame]] = {}


def _made_of(rows: pd.DataFrame) -> dict[tuple[str, float | None, str | None], pd.DataFrame]:
    """The tables that were made of these very rows, by metric, k and fill; forgotten with the rows."""
    if id(rows) not in _MADE:
        finalize(rows, _MADE.pop, id(rows), None)
        _MADE[id(rows)] = {}
    return _MADE[id(rows)]


def difference(values: Float[np.ndarray, " n"], by_median: bool = False, seed: int = 0) -> Difference:
    """Of the differences of every image. Fewer than FEWEST have no interval and no p."""
    n = len(values)
    if not n:
        return Difference(0, *[np.nan] * 5)
    if by_median:
        low, high = median_interval(values, LEVEL)
        spread = (high - low) / (2 * stats.norm.ppf((1 + LEVEL) / 2))
        return Difference(n, float(np.median(values)), low, high, median_p(values), float(spread))
    spread = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    low, high, p = studentised_test(values, LEVEL, seed)
    return Difference(n, float(values.mean()), low, high, p, spread)


def correlated(trait: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], seed: int = 0) -> Difference:
    """Spearman's correlation of a trait of the images with their values. p: of Student's t, which it follows closely
    where nothing goes with anything. spread: sqrt(1.06 / (n - 3)) (Fieller, Hartley and Pearson 1957). Fewer than
    FEWEST images have no interval and no p, nor has a constant."""
    of = correlation(trait, values, "spearman", LEVEL, seed)
    if of.n < FEWEST or np.isnan(of.value):
        return Difference(of.n, of.value, np.nan, np.nan, np.nan, np.nan)
    p = float(stats.spearmanr(trait, values).pvalue)
    return Difference(of.n, of.value, of.low, of.high, p, float(np.sqrt(1.06 / (of.n - 3))))


def decided(differences: Sequence[Difference], sides: Sequence[str]) -> list[tuple[float, str]]:
    """The p of each difference, adjusted over all of them (Holm), and its verdict: holds or contradicted by the side
    that the difference lies on, undecided where the adjusted p is not below SIGNIFICANT, or where it has none."""
    adjusted = holm(np.array([each.p for each in differences], float))
    verdicts = []
    for each, side, p in zip(differences, sides, adjusted, strict=True):
        verdict = UNDECIDED
        if p < SIGNIFICANT and each.value:
            verdict = HOLDS if each.value * SIDES[side] > 0 else CONTRADICTED
        verdicts.append((float(p), verdict))
    return verdicts


def best_of(
    table: pd.DataFrame, method: str, direction: int, by_median: bool = False, seed: int = 0
) -> tuple[float, str]:
    """In what share of RESAMPLES draws of images this method is first, alone, and the verdict: holds from LEVEL;
    contradicted where another lies above it (Holm over the others); undecided else, and below FEWEST images.

    table: of `values_of`. direction: of the metric, 1 where higher is better.
    """
    if len(table) < FEWEST:
        return np.nan, UNDECIDED
    signed = table.to_numpy(float) * direction
    places = generator(seed, "", "bootstrap").integers(len(table), size=(RESAMPLES, len(table)))
    own, first = list(table).index(method), 0
    for some in np.array_split(places, max(1, places.size * signed.shape[1] // 2_000_000)):
        centres = np.median(signed[some], axis=1) if by_median else signed[some].mean(axis=1)
        first += int((centres[:, own] > np.delete(centres, own, axis=1).max(axis=1)).sum())
    share = first / RESAMPLES
    others = [
        difference(direction * (table[name] - table[method]).to_numpy(float), by_median, seed)
        for name in table
        if name != method
    ]
    beaten = any(verdict == HOLDS for _, verdict in decided(others, ["above"] * len(others)))
    return share, HOLDS if share >= LEVEL else CONTRADICTED if beaten else UNDECIDED


def every_run(
    rows: pd.DataFrame, metric: str, method: str, over: str, side: str, k: float | None, fill: str | None
) -> tuple[int, int, str]:
    """Runs in which the method's mean lead (median where the metric is ranked by it) over the images of `values_of`
    lies on this side of the other's, of how many, and the verdict: holds where it holds in every run by the rule of
    `decided` over the runs, contradicted where it is in any; else undecided, as where none has both, and where one has
    fewer than FEWEST images."""
    by_median = metric_key(metric).entry.ranked_by == "median"
    leads = []
    for _, of_run in rows.groupby("run_id", sort=False, observed=True):
        values = values_of(of_run, metric, [method, over], k, fill)
        if len(values):
            leads.append(difference((values[method] - values[over]).to_numpy(float), by_median))
    won = sum(lead.value * SIDES[side] > 0 for lead in leads)
    verdicts = {verdict for _, verdict in decided(leads, [side] * len(leads))}
    if CONTRADICTED in verdicts:
        return won, len(leads), CONTRADICTED
    return won, len(leads), HOLDS if verdicts == {HOLDS} else UNDECIDED

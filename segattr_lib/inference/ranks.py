"""Do methods differ in rank at all? Friedman's test, and Nemenyi's of every two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats

from segattr_lib.inference.paired import check_units
from segattr_lib.metrics import metric_key
from segattr_lib.registry import UserError


@dataclass(frozen=True)
class Friedman:
    """mean_rank: of each method over n images, 1 the best, best first; p: of the hypothesis that all are alike.

    nemenyi (methods, methods): p of the hypothesis that these two are alike, adjusted over all pairs. At `level` they
    differ where their mean ranks are further apart than critical_difference. missing: images without a value of
    every method, which are not ranked.
    """

    mean_rank: pd.Series
    n: int
    missing: int
    statistic: float
    p: float
    nemenyi: pd.DataFrame
    critical_difference: float
    level: float


def friedman_ranks(table: pd.DataFrame, metric: str, level: float = 0.95) -> Friedman:
    """Friedman's test over the images of a `paired` table, with Nemenyi's of every two methods (Demšar 2006, 3.2.2).

    Raises UserError for fewer than three methods, for a metric that has no better end, where no image has a
    value of every method, and where an image stands in several rows.
    """
    check_units(table)
    direction = metric_key(metric).entry.direction
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
    nemenyi = posthoc_nemenyi_friedman(complete[ranks.index])
    quantile = stats.studentized_range.ppf(level, count, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(count * (count + 1) / (6 * n))
    return Friedman(ranks, n, len(table) - n, float(statistic), float(p), nemenyi, float(critical), level)
